// SPDX-License-Identifier: LGPL-2.1-or-later
//
// After a token and a secret went through the door, none of their bytes is left in memory that is not locked: this
// process's own pages are searched for them. The client is another process, so that its copies do not count.
#include <array>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foundation/secret.h"
#include "tests/doors/varlink/harness.h"
#include "tests/doors/varlink/plain_service.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

constexpr std::size_t kNeedleSize = 16;
constexpr std::size_t kNeedleAt = 3 * (kCanaryLine + 1);  // within one line, so that escaping does not matter

bool is_needle(const std::uint8_t* bytes) {
    for (std::size_t i = 0; i < kNeedleSize; ++i) {
        if (bytes[i] != canary_byte(kNeedleAt + i)) return false;
    }
    return true;
}

// Places of the needle in writable pages that a core file would have.
std::size_t count_needles() {
    std::size_t found = 0;
    const os::Fd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    std::ifstream maps("/proc/self/smaps");
    std::vector<std::uint8_t> chunk(1 << 20);
    std::string line;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool is_writable = false;
    while (std::getline(maps, line)) {
        unsigned long first = 0;
        unsigned long last = 0;
        char access[5]{};
        if (std::sscanf(line.c_str(), "%lx-%lx %4s ", &first, &last, access) == 3) {
            begin = first;
            end = last;
            is_writable = access[1] == 'w';
        }
        if (!line.starts_with("VmFlags:") || !is_writable || line.find(" dd") != std::string::npos) continue;
        for (std::uint64_t at = begin; at < end; at += chunk.size() - kNeedleSize) {
            const auto wanted = std::min<std::uint64_t>(chunk.size(), end - at);
            const ssize_t got = ::pread(memory.get(), chunk.data(), wanted, static_cast<off_t>(at));
            for (ssize_t i = 0; i + static_cast<ssize_t>(kNeedleSize) <= got; ++i) found += is_needle(chunk.data() + i);
        }
    }
    wipe(chunk.data(), chunk.size());
    return found;
}

// What follows runs in the client's process, after fork() of one with threads: system calls and its own stack only.

struct Buffer {
    std::array<char, 8'192> bytes;
    std::size_t size{0};

    void add(std::string_view text) {
        for (const char c : text) bytes[size++] = c;
    }
    void add_canary() {
        for (std::size_t i = 0; i < kCanarySize; ++i) {
            if (canary_byte(i) == '\n') {
                add("\\n");
            } else {
                bytes[size++] = static_cast<char>(canary_byte(i));
            }
        }
    }
};

bool ask(int fd, Buffer& call, Buffer& answer) {
    call.bytes[call.size++] = '\0';
    if (::send(fd, call.bytes.data(), call.size, MSG_NOSIGNAL) != static_cast<ssize_t>(call.size)) return false;
    do {
        const ssize_t got = ::recv(fd, answer.bytes.data() + answer.size, answer.bytes.size() - answer.size, 0);
        if (got <= 0) return false;
        answer.size += static_cast<std::size_t>(got);
    } while (answer.bytes[answer.size - 1] != '\0');
    return true;
}

bool contains(const Buffer& answer, std::string_view text) {
    return std::string_view(answer.bytes.data(), answer.size).find(text) != std::string_view::npos;
}

bool has_needle(const Buffer& answer) {
    for (std::size_t i = 0; i + kNeedleSize <= answer.size; ++i) {
        if (is_needle(reinterpret_cast<const std::uint8_t*>(answer.bytes.data()) + i)) return true;
    }
    return false;
}

int run_client(const sockaddr_un& address) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
    Buffer import;
    Buffer imported;
    import.add(R"({"method":"org.hwvault.Vault.Import","parameters":{"name":"x","secret":")");
    import.add_canary();
    import.add("\"}}");
    if (!ask(fd, import, imported) || contains(imported, "error")) return 2;
    Buffer retrieve;
    Buffer retrieved;
    retrieve.add(R"({"method":"org.hwvault.Vault.Retrieve"})");
    if (!ask(fd, retrieve, retrieved) || !has_needle(retrieved)) return 3;
    Buffer verify;
    Buffer verified;
    verify.add(R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")");
    verify.add_canary();
    verify.add("\"}}");
    if (!ask(fd, verify, verified) || !contains(verified, "true")) return 4;
    Buffer malformed;
    Buffer refused;
    malformed.add("{\"");
    malformed.add_canary();
    malformed.add("\":");
    if (!ask(fd, malformed, refused) || has_needle(refused)) return 5;
    return 0;
}

}  // namespace

TEST_CASE("a secret that went through the door is nowhere outside of locked memory") {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    WARN("skipped: this sanitizer keeps the frames of functions that have returned");
    return;
#endif
#endif
    Served<PlainService> served;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = served.path().string();
    std::copy(path.begin(), path.end(), address.sun_path);

    const pid_t client = ::fork();
    if (client == 0) ::_exit(run_client(address));
    int status = -1;
    REQUIRE(::waitpid(client, &status, 0) == client);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    REQUIRE(eventually([&] { return served.connections() == 0; }));
    CHECK(count_needles() == 0);

    // The search finds what is there.
    std::vector<std::uint8_t> ordinary(kNeedleSize);
    for (std::size_t i = 0; i < kNeedleSize; ++i) ordinary[i] = canary_byte(kNeedleAt + i);
    CHECK(count_needles() > 0);
    wipe(ordinary.data(), ordinary.size());
}
