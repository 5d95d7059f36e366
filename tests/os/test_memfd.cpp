// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors that carry secrets: ours are really sealed, and another's never holds us up nor fills our memory.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "os/memfd.h"
#include "tests/catch.h"
#include "tests/os/folder.h"

namespace hwvault::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kText = "hwv_a token that is none";
constexpr milliseconds kLong{30'000};  // reached only when a test fails
constexpr milliseconds kShort{150};

struct Pipe {
    Fd read;
    Fd write;
};
Pipe make_pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    return {Fd{ends[0]}, Fd{ends[1]}};
}

Fd unsealed_memfd(std::string_view content, int seals) {
    Fd fd{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(fd);
    REQUIRE(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    if (seals != 0) REQUIRE(::fcntl(fd.get(), F_ADD_SEALS, seals) == 0);
    return fd;
}

bool takes_less_than(milliseconds limit, steady_clock::time_point since) {
    return steady_clock::now() - since < limit;
}

TEST_CASE("A sealed memfd holds exactly the bytes, from its first one") {
    const auto fd = sealed_memfd(bytes_of(kText));
    REQUIRE(fd);
    char buffer[64];
    CHECK(::read(fd->get(), buffer, sizeof buffer) == static_cast<ssize_t>(kText.size()));
    CHECK(std::string_view(buffer, kText.size()) == kText);
    CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    const auto empty = sealed_memfd({});
    REQUIRE(empty);
    CHECK(::read(empty->get(), buffer, sizeof buffer) == 0);
}

TEST_CASE("A sealed memfd cannot be written, grown, shrunk, mapped for writing, or unsealed") {
    const auto fd = sealed_memfd(bytes_of(kText));
    REQUIRE(fd);
    CHECK(is_sealed_memfd(*fd));
    CHECK(::pwrite(fd->get(), "X", 1, 0) < 0);
    CHECK(::ftruncate(fd->get(), 1) < 0);
    CHECK(::ftruncate(fd->get(), 1000) < 0);
    CHECK(::fallocate(fd->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0);
    CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0) == MAP_FAILED);
    CHECK(::fcntl(fd->get(), F_ADD_SEALS, 0) < 0);
    CHECK(::fcntl(fd->get(), F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
}

TEST_CASE("Reopening a sealed memfd for writing gains nothing") {
    const auto fd = sealed_memfd(bytes_of(kText));
    REQUIRE(fd);
    const std::string path = "/proc/self/fd/" + std::to_string(fd->get());
    const Fd again{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
    if (again) {
        CHECK(::pwrite(again.get(), "X", 1, 0) < 0);
        CHECK(::ftruncate(again.get(), 0) < 0);
    }
    const Fd truncated{::open(path.c_str(), O_RDWR | O_TRUNC | O_CLOEXEC)};
    CHECK_FALSE(truncated);
    const auto content = read_descriptor(*fd, 100, kLong);
    REQUIRE(content);
    CHECK(text_of(content->reveal()) == kText);
}

TEST_CASE("A sealed memfd is read from its first byte, wherever its offset stands") {
    const auto fd = sealed_memfd(bytes_of(kText));
    REQUIRE(::lseek(fd->get(), 5, SEEK_SET) == 5);
    const auto content = read_descriptor(*fd, 100, kLong);
    REQUIRE(content);
    CHECK(text_of(content->reveal()) == kText);
    CHECK(::lseek(fd->get(), 0, SEEK_CUR) == 5);  // the sender's offset is left alone
}

TEST_CASE("Only seals against writing and resizing make a memfd a sealed one") {
    const int seals = GENERATE(0, F_SEAL_WRITE, F_SEAL_GROW | F_SEAL_SHRINK, F_SEAL_WRITE | F_SEAL_GROW,
                               F_SEAL_WRITE | F_SEAL_SHRINK);
    CHECK_FALSE(is_sealed_memfd(unsealed_memfd("text", seals)));
    CHECK(is_sealed_memfd(unsealed_memfd("text", F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)));
    CHECK_FALSE(is_sealed_memfd(make_pipe().read));
    CHECK_FALSE(is_sealed_memfd(Fd()));
}

TEST_CASE("More bytes than the cap are refused, exactly as many are not") {
    const auto fd = sealed_memfd(bytes_of(kText));
    CHECK(read_descriptor(*fd, kText.size(), kLong));
    const auto refused = read_descriptor(*fd, kText.size() - 1, kLong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);

    for (const bool fits : {true, false}) {
        Pipe pipe = make_pipe();
        REQUIRE(::write(pipe.write.get(), kText.data(), kText.size()) == static_cast<ssize_t>(kText.size()));
        pipe.write = Fd();
        CHECK(read_descriptor(pipe.read, kText.size() - (fits ? 0 : 1), kLong).has_value() == fits);
    }
}

TEST_CASE("A sparse memfd of a huge size is refused by its size") {
    const Fd fd{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(::ftruncate(fd.get(), off_t{1} << 40) == 0);
    REQUIRE(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0);
    CHECK(read_descriptor(fd, 1 << 20, kLong).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("A pipe is read to its end, in as many pieces as it comes in") {
    Pipe pipe = make_pipe();
    std::thread writer([&pipe] {
        for (const char c : kText) {
            CHECK(::write(pipe.write.get(), &c, 1) == 1);
            std::this_thread::yield();
        }
        pipe.write = Fd();
    });
    const auto content = read_descriptor(pipe.read, 100, kLong);
    writer.join();
    REQUIRE(content);
    CHECK(text_of(content->reveal()) == kText);
}

TEST_CASE("A pipe that never ends hits the deadline") {
    const Pipe pipe = make_pipe();
    SECTION("and says nothing") {}
    SECTION("and says something") { REQUIRE(::write(pipe.write.get(), "x", 1) == 1); }
    const auto since = steady_clock::now();
    const auto content = read_descriptor(pipe.read, 100, kShort);
    CHECK_FALSE(takes_less_than(kShort - milliseconds(10), since));
    REQUIRE_FALSE(content);
    CHECK(content.error().code == ErrorCode::kInvalidArgument);
    CHECK(content.error().message.find("in time") != std::string::npos);
}

TEST_CASE("A pipe that drips has one deadline for the whole") {
    Pipe pipe = make_pipe();
    std::atomic<bool> enough{false};
    const auto since = steady_clock::now();
    std::thread dripper([&] {
        while (!enough && takes_less_than(kLong, since) && ::write(pipe.write.get(), "x", 1) == 1) {
            std::this_thread::sleep_for(milliseconds(5));
        }
        pipe.write = Fd();  // one that waits for more than the deadline sees an end, and fails the test
    });
    const auto content = read_descriptor(pipe.read, 1 << 20, kShort);
    enough = true;
    dripper.join();
    CHECK_FALSE(content);
}

TEST_CASE("An endless file hits the cap") {
    const Fd zeros{::open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    REQUIRE(zeros);
    const auto content = read_descriptor(zeros, 1 << 20, kLong);
    REQUIRE_FALSE(content);
    CHECK(content.error().code == ErrorCode::kInvalidArgument);
    CHECK(content.error().message.find("in time") == std::string::npos);
}

TEST_CASE("A socket is read to its end, and a descriptor that cannot be read is refused") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd ours{ends[0]};
    Fd theirs{ends[1]};
    REQUIRE(::send(theirs.get(), kText.data(), kText.size(), 0) == static_cast<ssize_t>(kText.size()));
    theirs = Fd();
    CHECK(text_of(read_descriptor(ours, 100, kLong)->reveal()) == kText);

    const Pipe pipe = make_pipe();
    CHECK(read_descriptor(pipe.write, 100, kShort).error().code == ErrorCode::kInvalidArgument);
    const TestFolder folder;
    const Fd directory{::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    CHECK(read_descriptor(directory, 100, kShort).error().code == ErrorCode::kInvalidArgument);
    const Fd write_only{::open((folder / "file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    CHECK(read_descriptor(write_only, 100, kShort).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("The sender's descriptor stays blocking") {
    Pipe pipe = make_pipe();
    pipe.write = Fd();
    CHECK(read_descriptor(pipe.read, 100, kLong)->empty());
    CHECK((::fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("A descriptor is closed once, by its last owner") {
    int number = -1;
    {
        Fd first{::memfd_create("test", MFD_CLOEXEC)};
        number = first.get();
        Fd second = std::move(first);
        CHECK_FALSE(first);  // NOLINT(bugprone-use-after-move): what it promises
        CHECK(second.get() == number);
        CHECK(::fcntl(number, F_GETFD) >= 0);
    }
    CHECK(::fcntl(number, F_GETFD) < 0);
    Fd released{::memfd_create("test", MFD_CLOEXEC)};
    const int kept = released.release();
    CHECK_FALSE(released);
    CHECK(::fcntl(kept, F_GETFD) >= 0);
    ::close(kept);
}

}  // namespace
}  // namespace hwvault::os
