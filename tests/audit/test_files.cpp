// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The audit files: they grow, rotate, and find out when somebody else has touched them.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include <sys/stat.h>

#include "daemon/audit/files.h"
#include "daemon/audit/trail.h"
#include "tests/catch.h"

using namespace hwvault;
using namespace hwvault::audit;
using std::filesystem::path;

namespace {

class LogFolder {
public:
    LogFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-audit-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    LogFolder(const LogFolder&) = delete;
    LogFolder& operator=(const LogFolder&) = delete;
    ~LogFolder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] path log() const { return path_ / "log"; }
    [[nodiscard]] path current() const { return log() / kCurrentFile; }

private:
    path path_;
};

constexpr vault::Id kVault{7};

std::string content(const path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void set_content(const path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
}

std::vector<vault::EventLink> some_events(Trail& trail, std::size_t count) {
    std::vector<vault::EventLink> links;
    while (links.size() < count) links.push_back(trail.append(vault::Event{}));
    return links;
}

vault::Event event_at(vault::UnixTime time) {
    vault::Event event;
    event.time = time;
    return event;
}

// Every line of every file follows the one before; gives the last position.
Position read_trail(const path& folder) {
    Trail trail;
    Position end;
    for (const path& file : files_in(folder).value()) {
        std::ifstream in(file);
        std::string text;
        while (std::getline(in, text)) {
            const auto line = parse_line(text);
            REQUIRE(line);
            if (const auto* start = std::get_if<FileStart>(&*line)) {
                CHECK(start->follows == end);
                CHECK(start->vault == kVault);
                continue;
            }
            const auto& link = std::get<vault::EventLink>(*line);
            REQUIRE(trail.follow(link));
            end = {link.sequence, link.hash};
        }
    }
    return end;
}

// A file of ten entries.
struct TenEntries {
    TenEntries() {
        REQUIRE(files->begin(kVault, {}));
        REQUIRE(files->append(some_events(trail, 10)));
    }
    LogFolder folder;
    Trail trail;
    std::unique_ptr<Sink> files = make_files(folder.log());
};

// As the next start of hwvaultd finds it once `touch` has done its work.
Result<std::optional<Position>> end_after(const std::function<void(const path&)>& touch) {
    TenEntries ten;
    touch(ten.folder.current());
    return make_files(ten.folder.log())->end(kVault);
}

// The same under a hwvaultd that goes on writing: what append() says.
Error touched(const std::function<void(const path&)>& touch) {
    TenEntries ten;
    touch(ten.folder.current());
    const auto appended = ten.files->append(some_events(ten.trail, 1));
    REQUIRE_FALSE(appended);
    // What there was is kept beside the new one.
    std::error_code ignored;
    const bool was_there = std::filesystem::exists(std::filesystem::symlink_status(ten.folder.current(), ignored));
    REQUIRE(ten.files->begin(kVault, {}));
    std::size_t aside = 0;
    for (const auto& entry : std::filesystem::directory_iterator(ten.folder.log())) {
        if (entry.path().extension() == ".set-aside") ++aside;
    }
    CHECK(aside == (was_there ? 1 : 0));
    CHECK(files_in(ten.folder.log()).value() == std::vector{ten.folder.current()});
    return appended.error();
}

}  // namespace

TEST_CASE("The trail is in the files as it was appended, and goes on at the next start") {
    const LogFolder folder;
    Trail trail;
    CHECK(make_files(folder.log())->end(kVault).value() == std::nullopt);
    {
        const auto files = make_files(folder.log());
        REQUIRE(files->begin(kVault, {}));
        REQUIRE(files->append(some_events(trail, 3)));
        REQUIRE(files->append(some_events(trail, 2)));
    }
    const auto files = make_files(folder.log());
    const auto end = files->end(kVault);
    REQUIRE(end);
    CHECK(*end == Position{5, trail.head()});
    REQUIRE(files->append(some_events(trail, 1)));
    CHECK(read_trail(folder.log()) == Position{6, trail.head()});
    struct stat status {};
    REQUIRE(::stat(folder.current().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("A file that is full is put away, and the chain goes on over all of them") {
    const LogFolder folder;
    Trail trail;
    const auto files = make_files(folder.log(), 4'000);
    REQUIRE(files->begin(kVault, {}));
    for (int round = 0; round < 30; ++round) REQUIRE(files->append(some_events(trail, 5)));
    CHECK(files_in(folder.log()).value().size() > 4);
    CHECK(files_in(folder.log()).value().back() == folder.current());
    CHECK(read_trail(folder.log()) == Position{150, trail.head()});
    const auto full = files->end_of_full(kVault);
    REQUIRE(full);
    std::filesystem::remove(folder.current());
    CHECK(*full == read_trail(folder.log()));
    CHECK_FALSE(files->end_of_full(vault::Id{8}));
    REQUIRE(files->begin(kVault, *full));
    CHECK(make_files(folder.log())->end_of_full(kVault) == full);
}

TEST_CASE("A file that has just been put away is followed at the next start") {
    const LogFolder folder;
    Trail trail;
    const auto files = make_files(folder.log(), 1);  // each append fills one
    REQUIRE(files->begin(kVault, {}));
    for (int round = 0; round < 30; ++round) REQUIRE(files->append(some_events(trail, 5)));
    CHECK(read_trail(folder.log()) == Position{150, trail.head()});
    CHECK(make_files(folder.log())->end(kVault).value() == Position{150, trail.head()});
}

TEST_CASE("A file of which no time is known sorts before those behind it") {
    const LogFolder folder;
    Trail trail;
    const auto files = make_files(folder.log(), 1);
    REQUIRE(files->begin(kVault, {}));
    constexpr vault::UnixTime kBefore = 1'000'000'000;  // the clock, which names the first of them, is past that
    for (const vault::UnixTime time : {vault::UnixTime{0}, kBefore, kBefore + 1}) {
        REQUIRE(files->append(std::vector{trail.append(event_at(time))}));
    }
    CHECK(read_trail(folder.log()) == Position{3, trail.head()});
}

TEST_CASE("A file begun in the middle of a trail says after which entry") {
    const LogFolder folder;
    Trail trail;
    some_events(trail, 4);
    const Position fourth{4, trail.head()};
    const auto files = make_files(folder.log());
    REQUIRE(files->begin(kVault, fourth));
    CHECK(make_files(folder.log())->end(kVault).value() == fourth);
    REQUIRE(files->append(some_events(trail, 1)));
    CHECK(make_files(folder.log())->end(kVault).value() == Position{5, trail.head()});
}

TEST_CASE("A line that a crash left unfinished is cut off") {
    const auto end = end_after([](const path& file) {
        std::ofstream(file, std::ios::app) << "{\"sequence\":11,\"time\":1";
    });
    REQUIRE(end);
    CHECK((*end)->sequence == 10);
    const auto in_line = end_after([](const path& file) { std::filesystem::resize_file(file, std::filesystem::file_size(file) - 20); });
    REQUIRE(in_line);
    CHECK((*in_line)->sequence == 9);
}

TEST_CASE("A file that is not what hwvaultd left is said to be so") {
    const std::vector<std::pair<std::function<void(const path&)>, std::string>> cases{
        {[](const path& file) { set_content(file, ""); }, "first line"},
        {[](const path& file) { set_content(file, "nothing of ours\n"); }, "first line"},
        {[](const path& file) { std::ofstream(file, std::ios::app) << "nothing of ours\n"; }, "last line"},
        {[](const path& file) { std::ofstream(file, std::ios::app) << std::string(3 * kMaxLineSize, 'x'); }, "no line that ends"},
        {[](const path& file) {
             set_content(file, to_line(FileStart{vault::Id{8}, {}}) + "\n");
         }, "another vault"},
        {[](const path& file) {
             std::filesystem::remove(file);
             std::filesystem::create_directory(file);
         }, "no file"},
        {[](const path& file) {
             std::filesystem::rename(file, file.string() + ".elsewhere");
             std::filesystem::create_symlink(file.string() + ".elsewhere", file);
         }, "no file"},
        {[](const path& file) {
             std::filesystem::remove(file);
             REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
         }, "no regular file"},
    };
    for (const auto& [touch, words] : cases) {
        const auto end = end_after(touch);
        INFO(words);
        REQUIRE_FALSE(end);
        CHECK(end.error().code == ErrorCode::kStoreTampered);
        CHECK(end.error().message.find(words) != std::string::npos);
    }
    CHECK(end_after([](const path& file) { std::filesystem::remove(file); }).value() == std::nullopt);
}

TEST_CASE("A file that is deleted, replaced, cut or written by somebody else is noticed before the next line") {
    CHECK(touched([](const path& file) { std::filesystem::remove(file); }).message.find("deleted") != std::string::npos);
    CHECK(touched([](const path& file) {
              const std::string same = content(file);
              std::filesystem::remove(file);
              set_content(file, same);
          }).message.find("Another file") != std::string::npos);
    CHECK(touched([](const path& file) { std::filesystem::resize_file(file, 100); }).message.find("cut") != std::string::npos);
    const Error longer = touched([](const path& file) { std::ofstream(file, std::ios::app) << "\n"; });
    CHECK(longer.code == ErrorCode::kStoreTampered);
    CHECK(longer.message.find("Somebody else") != std::string::npos);
}

TEST_CASE("A folder that cannot be made, or is full, is no tampering") {
    const LogFolder folder;
    set_content(folder.log(), "a file where the folder is to be");
    const auto files = make_files(folder.log());
    const auto begun = files->begin(kVault, {});
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code != ErrorCode::kStoreTampered);
    const auto appended = files->append(std::vector<vault::EventLink>(1));
    REQUIRE_FALSE(appended);
    CHECK(appended.error().code != ErrorCode::kStoreTampered);
}
