// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/tpm_wire.h"

#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace hwvault::hardware::testing {
namespace {

constexpr std::size_t kHeaderSize = 10;  // tag u16, size u32, code u32, big-endian
constexpr int kTick = 20;                // ms

sockaddr_un address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
}

os::Fd listen_at(const std::filesystem::path& path) {
    os::Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const sockaddr_un address = address_of(path);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), 4) != 0) {
        throw std::runtime_error("cannot listen at " + path.string());
    }
    return listener;
}

os::Fd connect_to(const std::filesystem::path& path) {
    os::Fd connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const sockaddr_un address = address_of(path);
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    return connection;
}

bool is_readable(const os::Fd& fd) {
    pollfd waited{fd.get(), POLLIN, 0};
    return ::poll(&waited, 1, kTick) == 1;
}

bool read_whole(const os::Fd& from, std::uint8_t* target, std::size_t size) {
    while (size > 0) {
        const ssize_t got = ::read(from.get(), target, size);
        if (got <= 0) return false;
        target += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_whole(const os::Fd& to, const Bytes& bytes) {
    return ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

std::uint32_t number_at(const Bytes& bytes, std::size_t place) {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) number = number << 8 | bytes[place + i];
    return number;
}

// One command or answer; empty at the end.
Bytes read_message(const os::Fd& from) {
    Bytes message(kHeaderSize);
    if (!read_whole(from, message.data(), kHeaderSize)) return {};
    const std::size_t size = number_at(message, 2);
    if (size < kHeaderSize) return {};
    message.resize(size);
    if (!read_whole(from, message.data() + kHeaderSize, size - kHeaderSize)) return {};
    return message;
}

Bytes answer_with(TPM2_RC rc) {
    Bytes answer{0x80, 0x01, 0, 0, 0, kHeaderSize};  // TPM2_ST_NO_SESSIONS
    for (int shift = 24; shift >= 0; shift -= 8) answer.push_back(static_cast<std::uint8_t>(rc >> shift));
    return answer;
}

}  // namespace

TpmWire::TpmWire(const std::filesystem::path& tpm) : tpm_(tpm) {
    std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-wire-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    folder_ = pattern;
    path_ = folder_ / "socket";
    commands_listener_ = listen_at(path_);
    control_listener_ = listen_at(path_.string() + ".ctrl");
    thread_ = std::thread([this] { serve(); });
}

TpmWire::~TpmWire() {
    stopping_ = true;
    thread_.join();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

Bytes TpmWire::seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
}

void TpmWire::answer_instead(TPM2_CC command, TPM2_RC rc, int times) {
    const std::lock_guard lock(mutex_);
    instead_of_ = command;
    instead_ = rc;
    instead_times_ = times;
}

void TpmWire::forge(TPM2_CC command, Bytes answer) {
    const std::lock_guard lock(mutex_);
    forged_ = command;
    forgery_ = std::move(answer);
}

void TpmWire::change_answer(TPM2_CC command) {
    const std::lock_guard lock(mutex_);
    changed_ = command;
}

void TpmWire::serve() {
    std::vector<std::future<void>> lines;  // tpm2-tss makes a new one for each command
    while (!stopping_) {
        std::erase_if(lines, [](const auto& line) {  // its end of the line closes with it
            return line.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
        });
        std::array<pollfd, 2> waited{{{commands_listener_.get(), POLLIN, 0}, {control_listener_.get(), POLLIN, 0}}};
        if (::poll(waited.data(), waited.size(), kTick) <= 0) continue;
        for (const bool control : {false, true}) {
            if (waited[control ? 1 : 0].revents == 0) continue;
            os::Fd client{::accept(waited[control ? 1 : 0].fd, nullptr, nullptr)};
            lines.push_back(std::async(std::launch::async, [this, control, client = std::move(client)] {
                control ? forward_control(client) : forward_commands(client);
            }));
        }
    }
}

void TpmWire::forward_commands(const os::Fd& client) {
    const os::Fd tpm = connect_to(tpm_);
    while (!stopping_ && tpm) {
        if (is_readable(client) && !next(client, tpm)) return;
    }
}

bool TpmWire::next(const os::Fd& client, const os::Fd& tpm) {
    const Bytes command = read_message(client);
    if (command.empty()) return false;
    if (left_ == 0) {
        if (answer_is_lost_.exchange(false)) static_cast<void>(answer_to(command, tpm));
        return false;
    }
    if (left_ > 0) --left_;
    ++commands_;
    const Bytes answer = answer_to(command, tpm);
    {
        const std::lock_guard lock(mutex_);
        seen_.insert(seen_.end(), command.begin(), command.end());
        seen_.insert(seen_.end(), answer.begin(), answer.end());
    }
    return !answer.empty() && write_whole(client, answer);
}

Bytes TpmWire::answer_to(const Bytes& command, const os::Fd& tpm) {
    const std::uint32_t code = number_at(command, 6);
    {
        const std::lock_guard lock(mutex_);
        if (code == instead_of_ && instead_times_ > 0) {
            --instead_times_;
            return answer_with(instead_);
        }
        if (code == forged_) {
            forged_ = 0;
            return std::exchange(forgery_, {});
        }
    }
    if (!write_whole(tpm, command)) return {};
    Bytes answer = read_message(tpm);
    const std::lock_guard lock(mutex_);
    if (code == changed_ && !answer.empty()) {
        changed_ = 0;
        answer.back() ^= 1;
    }
    return answer;
}

// swtpm's own protocol, which is not about keys: passed on as it comes.
void TpmWire::forward_control(const os::Fd& client) {
    const os::Fd tpm = connect_to(tpm_.string() + ".ctrl");
    while (!stopping_ && tpm) {
        std::array<pollfd, 2> waited{{{client.get(), POLLIN, 0}, {tpm.get(), POLLIN, 0}}};
        if (::poll(waited.data(), waited.size(), kTick) <= 0) continue;
        for (const bool from_tpm : {false, true}) {
            if (waited[from_tpm ? 1 : 0].revents == 0) continue;
            Bytes part(4096);
            const ssize_t got = ::read(waited[from_tpm ? 1 : 0].fd, part.data(), part.size());
            if (got <= 0) return;
            part.resize(static_cast<std::size_t>(got));
            if (!write_whole(from_tpm ? client : tpm, part)) return;
        }
    }
}

}  // namespace hwvault::hardware::testing
