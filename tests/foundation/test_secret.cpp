// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Secrets: where their pages lie, as the kernel tells of them, and that their bytes are gone when they are.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory_resource>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foundation/secret.h"
#include "tests/catch.h"

namespace hwvault {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
static_assert(!std::is_convertible_v<SecretBytes, BytesView>);

constexpr std::uint8_t kPattern = 0xA5;

SecretBytes patterned(std::size_t size) {
    SecretBytes secret(size);
    std::ranges::fill(secret.reveal_to_fill(), kPattern);
    return secret;
}

// How many bytes of a block that was given back still hold the pattern. The pool keeps the page, so it can be looked
// at; volatile, since the compiler knows that nobody should.
std::size_t left_over(const std::uint8_t* block, std::size_t size) {
    const volatile std::uint8_t* const bytes = block;
    std::size_t left = 0;
    for (std::size_t i = 0; i < size; ++i) left += bytes[i] == kPattern ? 1u : 0u;
    return left;
}

struct Mapping {
    std::string name;
    std::size_t locked_kib{0};
    std::string flags;  // VmFlags of proc_pid_smaps(5)
};

std::optional<Mapping> mapping_of(const void* address) {
    std::ifstream smaps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::optional<Mapping> found;
    for (std::string line; std::getline(smaps, line);) {
        unsigned long begin = 0;
        unsigned long end = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
            if (found) return found;
            if (begin <= wanted && wanted < end) found = Mapping{line, 0, ""};
        } else if (found && line.starts_with("Locked:")) {
            found->locked_kib = std::stoul(line.substr(sizeof "Locked:"));
        } else if (found && line.starts_with("VmFlags:")) {
            found->flags = line.substr(sizeof "VmFlags:" - 1) + " ";
        }
    }
    return found;
}

TEST_CASE("A secret's bytes are wiped when it goes") {
    const std::size_t size = GENERATE(1u, 32u, 64u, 1000u, 4096u);
    const std::uint8_t* block = nullptr;
    {
        const SecretBytes secret = patterned(size);
        block = secret.reveal().data();
        REQUIRE(left_over(block, size) == size);
    }
    CHECK(left_over(block, size) == 0);
}

TEST_CASE("A secret that is assigned to leaves nothing of what it held") {
    SecretBytes secret = patterned(64);
    const std::uint8_t* const old = secret.reveal().data();
    secret = SecretBytes(32);
    CHECK(secret.size() == 32);
    CHECK(left_over(old, 64) == 0);
}

TEST_CASE("A secret that is shortened leaves nothing behind its end, and wipes all of itself later") {
    const std::uint8_t* block = nullptr;
    {
        SecretBytes secret = patterned(64);
        block = secret.reveal().data();
        secret.shorten(80);
        CHECK(secret.size() == 64);
        secret.shorten(10);
        CHECK(secret.size() == 10);
        CHECK(left_over(block, 64) == 10);
        secret.shorten(0);
        CHECK(secret.empty());
    }
    CHECK(left_over(block, 64) == 0);
}

TEST_CASE("A container in locked memory leaves nothing when it grows or goes") {
    std::pmr::vector<std::uint8_t> bytes(64, kPattern, &locked_memory());
    const std::uint8_t* const small = bytes.data();
    bytes.resize(4096, kPattern);
    REQUIRE(bytes.data() != small);
    CHECK(left_over(small, 64) == 0);
    const std::uint8_t* const large = bytes.data();
    bytes = std::pmr::vector<std::uint8_t>(&locked_memory());
    CHECK(left_over(large, 4096) == 0);
}

TEST_CASE("A moved secret keeps its place, and the one it came from is empty") {
    SecretBytes from = patterned(48);
    const std::uint8_t* const block = from.reveal().data();
    const SecretBytes to = std::move(from);
    CHECK(to.reveal().data() == block);
    CHECK(to.size() == 48);
    CHECK(from.empty());  // NOLINT(bugprone-use-after-move): what it promises
    CHECK(from.reveal().empty());
}

TEST_CASE("New secrets are zero, copies are equal, empty ones are fine") {
    const SecretBytes zero(100);
    CHECK(std::ranges::all_of(zero.reveal(), [](std::uint8_t byte) { return byte == 0; }));
    const SecretBytes copy = SecretBytes::copy_of(bytes_of("secret"));
    CHECK(text_of(copy.reveal()) == "secret");
    CHECK(SecretBytes().empty());
    CHECK(SecretBytes::copy_of({}).empty());
    SecretBytes().shorten(0);
}

TEST_CASE("The kernel keeps the pages of secrets as the vault says it does") {
    const SecretBytes small = patterned(32);
    const SecretBytes large = patterned(3 << 20);
    const MemoryLock lock = memory_lock();
    INFO("memory lock: " << word(lock));
    for (const SecretBytes* secret : {&small, &large}) {
        const auto mapping = mapping_of(secret->reveal().data());
        REQUIRE(mapping);
        INFO(mapping->name << mapping->flags);
        // Never in a core file, whatever else could be had.
        CHECK(mapping->flags.find(" dd ") != std::string::npos);
        if (lock == MemoryLock::kUnlocked) continue;
        CHECK(mapping->flags.find(" lo ") != std::string::npos);
        if (lock == MemoryLock::kSecret) CHECK(mapping->name.find("secretmem") != std::string::npos);
    }
    const auto ordinary = mapping_of(&lock);
    REQUIRE(ordinary);
    CHECK(ordinary->flags.find(" dd ") == std::string::npos);  // that the look means something
}

bool ended_well(pid_t child) {
    int status = -1;
    return ::waitpid(child, &status, 0) == child && status == 0;
}

TEST_CASE("A child that is forked sees no secret of its parent's, and destroys it without harm") {
    SecretBytes secret = patterned(32);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int sink = ::memfd_create("sink", MFD_CLOEXEC);
        const bool unreadable = ::write(sink, secret.reveal().data(), 1) == -1 && errno == EFAULT;
        secret = SecretBytes();
        ::_exit(unreadable ? 0 : 1);
    }
    CHECK(ended_well(child));
    CHECK(left_over(secret.reveal().data(), secret.size()) == 32);
}

TEST_CASE("Parent and child have a pool each: what one writes is never in the other's secrets") {
    std::vector<SecretBytes> inherited;
    for (std::size_t size = 1; size < 200; ++size) inherited.push_back(patterned(size));
    inherited.resize(100);  // leaves holes to fill, in both
    const auto fill = [](std::uint8_t mark) {
        for (int round = 0; round < 2'000; ++round) {
            SecretBytes mine(1 + static_cast<std::size_t>(round) % 300);
            std::memset(mine.reveal_to_fill().data(), mark, mine.size());
            ::sched_yield();
            for (const std::uint8_t byte : mine.reveal()) {
                if (byte != mark) return false;
            }
        }
        return true;
    };
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const bool kept = fill(1);
        inherited.clear();
        ::_exit(kept && fill(1) ? 0 : 1);
    }
    CHECK(fill(2));
    CHECK(ended_well(child));
    for (const SecretBytes& secret : inherited) CHECK(left_over(secret.reveal().data(), secret.size()) == secret.size());
}

TEST_CASE("Each kind of lock has its word") {
    CHECK(word(MemoryLock::kSecret) == "memfd_secret");
    CHECK(word(MemoryLock::kLocked) == "mlock");
    CHECK(word(MemoryLock::kUnlocked) == "unlocked");
}

TEST_CASE("Wiping leaves zeros, and no byte beside them changes") {
    std::array<std::uint8_t, 12> bytes;
    bytes.fill(kPattern);
    wipe(bytes.data() + 2, 8);
    CHECK(bytes == std::array<std::uint8_t, 12>{kPattern, kPattern, 0, 0, 0, 0, 0, 0, 0, 0, kPattern, kPattern});
    wipe(bytes.data(), 0);
    CHECK(bytes[0] == kPattern);
}

TEST_CASE("Bytes are equal when all of them are") {
    CHECK(equal_in_constant_time({}, {}));
    CHECK(equal_in_constant_time(bytes_of("secret"), bytes_of("secret")));
    CHECK_FALSE(equal_in_constant_time(bytes_of("secret"), bytes_of("secre")));
    CHECK_FALSE(equal_in_constant_time(bytes_of("secret"), {}));
    Bytes left(32, 7);
    for (std::size_t i = 0; i < left.size(); ++i) {
        for (const int bit : {0x01, 0x10, 0x80}) {
            Bytes right = left;
            right[i] = static_cast<std::uint8_t>(right[i] ^ bit);
            CHECK_FALSE(equal_in_constant_time(left, right));
        }
    }
}

TEST_CASE("Threads take and give back secrets at once") {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (std::uint8_t id = 1; id <= 4; ++id) {
        threads.emplace_back([id, &wrong] {
            for (std::size_t i = 0; i < 2000; ++i) {
                SecretBytes secret(1 + i % 300);
                std::ranges::fill(secret.reveal_to_fill(), id);
                const SecretBytes copy = SecretBytes::copy_of(secret.reveal());
                if (!std::ranges::all_of(copy.reveal(), [id](std::uint8_t byte) { return byte == id; })) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace hwvault
