// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whole files: caps, who may have written a secret one, and that a write leaves the old or the new content.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "tests/catch.h"
#include "tests/os/folder.h"

namespace hwvault::os {
namespace {

using std::filesystem::path;

void put(const path& file, std::string_view content, unsigned mode) {
    std::ofstream(file, std::ios::binary) << content;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
}
std::string content_of(const path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}
unsigned mode_of(const path& file) {
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

// Runs `act` as another user, in a child; gives its exit status.
template <class Act>
int as_user(uid_t uid, Act act) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(99);
        ::_exit(act() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("A regular file is opened by its own name only") {
    const TestFolder folder;
    put(folder / "file", "content", 0600);
    REQUIRE(::symlink((folder / "file").c_str(), (folder / "link").c_str()) == 0);
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(open_regular_file(folder / "file"));
    CHECK(open_regular_file(folder / "none").error().code == ErrorCode::kNotFound);
    const auto link = open_regular_file(folder / "link");
    CHECK(link.error().code == ErrorCode::kInvalidArgument);
    CHECK(link.error().message.find("is a symbolic link") != std::string::npos);
    CHECK(open_regular_file(folder / "pipe").error().code == ErrorCode::kInvalidArgument);
    CHECK(open_regular_file(folder.path()).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("A copy is a new file, whole and of the mode that was asked for") {
    const TestFolder folder;
    const std::string content(100'000, 'x');
    put(folder / "file", content, 0644);
    REQUIRE(copy_to_new_file(open_regular_file(folder / "file").value(), folder / "copy", 0600));
    CHECK(content_of(folder / "copy") == content);
    CHECK(mode_of(folder / "copy") == 0600);
    put(folder / "victim", "kept", 0600);
    REQUIRE(::symlink((folder / "victim").c_str(), (folder / "planted").c_str()) == 0);
    for (const char* const there : {"victim", "planted"}) {
        CHECK_FALSE(copy_to_new_file(open_regular_file(folder / "file").value(), folder / there, 0600));
    }
    CHECK(content_of(folder / "victim") == "kept");
}

TEST_CASE("A file is read whole, up to the cap") {
    const TestFolder folder;
    put(folder / "file", std::string("a\0b\n", 4), 0644);
    const auto content = read_file(folder / "file", 4);
    REQUIRE(content);
    CHECK(*content == Bytes{'a', 0, 'b', '\n'});
    const auto larger = read_file(folder / "file", 3);
    REQUIRE_FALSE(larger);
    CHECK(larger.error().code == ErrorCode::kInvalidArgument);
    put(folder / "empty", "", 0644);
    CHECK(read_file(folder / "empty", 0)->empty());
}

TEST_CASE("A file that is not there is not found, and the error names it") {
    const TestFolder folder;
    const auto missing = read_file(folder / "missing", 10);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ErrorCode::kNotFound);
    CHECK(missing.error().message.find("missing") != std::string::npos);
    CHECK(read_secret_file(folder / "missing", 10).error().code == ErrorCode::kNotFound);
    CHECK(read_file(folder.path(), 10).error().code == ErrorCode::kInternal);
}

TEST_CASE("A secret file is read when only its owner may") {
    const TestFolder folder;
    const unsigned mode = GENERATE(0600u, 0400u, 0700u);
    put(folder / "pin", "1234\n", mode);
    const auto secret = read_secret_file(folder / "pin", 100);
    REQUIRE(secret);
    CHECK(text_of(secret->reveal()) == "1234\n");
}

TEST_CASE("A secret file that others may touch is refused, with what to type") {
    const TestFolder folder;
    const unsigned mode = GENERATE(0640u, 0604u, 0620u, 0602u, 0610u, 0601u, 0644u, 0666u);
    put(folder / "pin", "1234", mode);
    const auto secret = read_secret_file(folder / "pin", 100);
    REQUIRE_FALSE(secret);
    CHECK(secret.error().code == ErrorCode::kInvalidArgument);
    CHECK(secret.error().message.find("chmod 0600") != std::string::npos);
    CHECK(secret.error().message.find("1234") == std::string::npos);
}

TEST_CASE("A secret file has a cap") {
    const TestFolder folder;
    put(folder / "pin", "1234", 0600);
    CHECK(read_secret_file(folder / "pin", 4));
    CHECK(read_secret_file(folder / "pin", 3).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("A secret file of another user is refused, root's is not") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root to make files of other users");
        return;
    }
    const TestFolder folder;
    put(folder / "pin", "1234", 0600);
    REQUIRE(::chown((folder / "pin").c_str(), 12345, 12345) == 0);
    CHECK(read_secret_file(folder / "pin", 100).error().code == ErrorCode::kInvalidArgument);

    // Seen by that user, it is their own.
    REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
    CHECK(as_user(12345, [&] { return read_secret_file(folder / "pin", 100).has_value(); }) == 0);
    // Seen by a third one, it is not even readable.
    CHECK(as_user(12346, [&] { return !read_secret_file(folder / "pin", 100); }) == 0);
}

TEST_CASE("A secret file is no symbolic link, folder, device or pipe") {
    const TestFolder folder;
    put(folder / "pin", "1234", 0600);
    const path other = folder / "other";
    SECTION("a link to a good one") { REQUIRE(::symlink((folder / "pin").c_str(), other.c_str()) == 0); }
    SECTION("a link to nothing") { REQUIRE(::symlink("/nothing/there", other.c_str()) == 0); }
    // Without a reader's patience: a pipe that nobody writes to must not hold up the start.
    SECTION("a named pipe") { REQUIRE(::mkfifo(other.c_str(), 0600) == 0); }
    SECTION("a folder") { REQUIRE(::mkdir(other.c_str(), 0700) == 0); }
    const auto secret = read_secret_file(other, 100);
    REQUIRE_FALSE(secret);
    CHECK(secret.error().message.find("other") != std::string::npos);
    CHECK(read_secret_file("/dev/null", 100).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("A durable write makes the file, or replaces it whole, with the mode asked for") {
    const TestFolder folder;
    const path file = folder / "state";
    REQUIRE(write_file_durably(file, bytes_of("a long first content"), 0600));
    CHECK(content_of(file) == "a long first content");
    CHECK(mode_of(file) == 0600);
    REQUIRE(write_file_durably(file, bytes_of("second"), 0600));
    CHECK(content_of(file) == "second");
    REQUIRE(write_file_durably(file, {}, 0600));
    CHECK(content_of(file).empty());
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("A durable write goes beside the file: who has it open keeps the old content") {
    const TestFolder folder;
    const path file = folder / "state";
    REQUIRE(write_file_durably(file, bytes_of("old"), 0600));
    std::ifstream open(file);
    REQUIRE(write_file_durably(file, bytes_of("new"), 0600));
    CHECK(std::string(std::istreambuf_iterator<char>(open), {}) == "old");
    CHECK(content_of(file) == "new");
}

TEST_CASE("A write that fails leaves the old content") {
    const TestFolder folder;
    const path file = folder / "state";
    REQUIRE(write_file_durably(file, bytes_of("old"), 0600));
    SECTION("what lies beside it is in the way") {
        REQUIRE(::mkdir((folder / "state.new").c_str(), 0700) == 0);
        CHECK_FALSE(write_file_durably(file, bytes_of("new"), 0600));
    }
    SECTION("there is no space: the file may not grow beyond a limit") {
        const Bytes large(8192, 'n');
        const int status = as_user(::geteuid(), [&] {
            const rlimit limit{4096, 4096};
            ::signal(SIGXFSZ, SIG_IGN);
            return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 && !write_file_durably(file, large, 0600);
        });
        CHECK(status == 0);
    }
    CHECK(content_of(file) == "old");
}

TEST_CASE("What a crash left beside the file does not harm the next write") {
    const TestFolder folder;
    const path file = folder / "state";
    put(folder / "state.new", "a part of something longer than the next content", 0644);
    REQUIRE(write_file_durably(file, bytes_of("new"), 0600));
    CHECK(content_of(file) == "new");
    CHECK(mode_of(file) == 0600);
}

TEST_CASE("A link that lies beside the file is not followed") {
    const TestFolder folder;
    const path file = folder / "state";
    put(folder / "victim", "untouched", 0600);
    REQUIRE(::symlink((folder / "victim").c_str(), (folder / "state.new").c_str()) == 0);
    REQUIRE(write_file_durably(file, bytes_of("new"), 0600));
    CHECK(content_of(folder / "victim") == "untouched");
    CHECK(content_of(file) == "new");
    CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(file)));
}

TEST_CASE("A write into a folder that is not there is an error that names it") {
    const TestFolder folder;
    const auto written = write_file_durably(folder / "missing" / "state", bytes_of("new"), 0600);
    REQUIRE_FALSE(written);
    CHECK(written.error().message.find("missing") != std::string::npos);
}

TEST_CASE("A folder is made with its mode and its parents, and one that is there is left alone") {
    const TestFolder folder;
    const path deep = folder / "a" / "b";
    REQUIRE(make_folder(deep, 0700));
    CHECK(mode_of(deep) == 0700);
    put(deep / "kept", "kept", 0600);
    REQUIRE(::chmod(deep.c_str(), 0750) == 0);
    CHECK(make_folder(deep, 0700));
    CHECK(mode_of(deep) == 0750);
    CHECK(content_of(deep / "kept") == "kept");
    CHECK(make_folder(deep / "kept", 0700).error().code == ErrorCode::kInvalidArgument);
    CHECK_FALSE(make_folder(deep / "kept" / "below", 0700));
}

TEST_CASE("A lock of another process is waited out, and no longer than asked for") {
    const TestFolder folder;
    const path file = folder / "file";
    CHECK(wait_until_unlocked(file, std::chrono::milliseconds(0)));
    put(file, "", 0600);
    CHECK(wait_until_unlocked(file, std::chrono::milliseconds(0)));
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t holder = ::fork();
    if (holder == 0) {
        struct flock lock {};
        lock.l_type = F_WRLCK;
        const bool locked = ::fcntl(::open(file.c_str(), O_RDWR), F_SETLK, &lock) == 0;
        if (::write(ready[1], locked ? "1" : "0", 1) == 1) ::pause();
        ::_exit(0);
    }
    char locked = 0;
    REQUIRE(::read(ready[0], &locked, 1) == 1);
    CHECK(locked == '1');
    CHECK_FALSE(wait_until_unlocked(file, std::chrono::milliseconds(30)));
    ::kill(holder, SIGKILL);
    CHECK(wait_until_unlocked(file, std::chrono::seconds(10)));
    ::waitpid(holder, nullptr, 0);
    for (const int end : ready) ::close(end);
}

TEST_CASE("The folder of a write can be put on disk by itself") {
    const TestFolder folder;
    CHECK(sync_folder(folder.path()));
    CHECK_FALSE(sync_folder(folder / "missing"));
    put(folder / "file", "", 0600);
    CHECK_FALSE(sync_folder(folder / "file"));
}

}  // namespace
}  // namespace hwvault::os
