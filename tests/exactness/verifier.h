// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Threads that verify, and keep what they were told.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>

#include "libclient/wire/varlink.h"
#include "os/fd.h"
#include "tests/exactness/run.h"

namespace hwvault::exactness {

constexpr std::size_t kBurst = 256;  // verifications in process before others have the processor
constexpr std::size_t kAtOnce = 16;
constexpr auto kAway = std::chrono::milliseconds(5);  // before a vault that is away is asked again

struct Said {
    bool active;
    std::string_view account;
    std::string_view name;
    std::uint64_t generation;
};

class Verifier {
public:
    Verifier(Run& run, unsigned seed) : run_(run), random_(seed) {}
    virtual ~Verifier() = default;

    void run() {
        while (!run_.over.load()) {
            if (!round()) std::this_thread::sleep_for(kAway);  // the vault is away
        }
    }
    void judge() const {
        for (std::size_t i = 0; i < seen_.size(); ++i) {
            const Generation& generation = run_.all()[i];
            const Verdict verdict = seen_[i].judge({generation.life});
            if (verdict == Verdict::kStaleYes) run_.wrong(describe(generation) + ": a stale yes" + way());
            if (verdict == Verdict::kWrongNo) run_.wrong(describe(generation) + ": a wrong no" + way());
        }
    }

protected:
    // False when nothing was answered.
    virtual bool round() = 0;
    virtual std::string way() const = 0;

    static std::string describe(const Generation& generation) {
        return generation.account + " " + generation.name + " " + std::to_string(generation.generation);
    }
    void note(const Generation& generation, Time asked, const Said& said) {
        if (seen_.size() <= generation.number) seen_.resize(generation.number + 1);
        seen_[generation.number].add({asked, now(), said.active});
        const bool same = said.account == generation.account && said.name == generation.name && said.generation == generation.generation;
        if (said.active && !same) run_.wrong(describe(generation) + ": taken for another" + way());
    }

    Run& run_;
    Random random_;

private:
    std::vector<Decisive> seen_;
};

class InProcess final : public Verifier {
public:
    InProcess(Run& run, unsigned seed, hwvault_client* client) : Verifier(run, seed), client_(client) {
        for (auto& result : results_) result.struct_size = sizeof result;
    }

private:
    bool round() override {
        bool answered = true;
        for (std::size_t i = 0; i < kBurst && answered; i += kAtOnce) answered = below(random_, 2) == 0 ? one_by_one() : at_once();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return answered;
    }
    std::string way() const override { return " in process"; }

    bool one_by_one() {
        for (std::size_t i = 0; i < kAtOnce; ++i) {
            const Generation* const generation = run_.pick(random_);
            if (generation == nullptr) return false;
            const Time asked = now();
            if (!is_answered(hwvault_verify(client_, generation->text.data(), generation->text.size(), results_.data()))) return false;
            note_result(*generation, asked, results_[0]);
        }
        return true;
    }
    bool at_once() {
        std::array<const Generation*, kAtOnce> generations{};
        std::array<hwvault_token, kAtOnce> tokens{};
        for (std::size_t i = 0; i < kAtOnce; ++i) {
            generations[i] = run_.pick(random_);
            if (generations[i] == nullptr) return false;
            tokens[i] = {generations[i]->text.data(), generations[i]->text.size()};
        }
        const Time asked = now();
        if (!is_answered(hwvault_verify_many(client_, tokens.data(), kAtOnce, results_.data()))) return false;
        for (std::size_t i = 0; i < kAtOnce; ++i) note_result(*generations[i], asked, results_[i]);
        return true;
    }
    bool is_answered(int code) {
        if (code != HWVAULT_OK && !is_lost(code)) run_.wrong(std::string("a verify in process failed: ") + hwvault_error_message());
        return code == HWVAULT_OK;
    }
    void note_result(const Generation& generation, Time asked, const hwvault_verification& result) {
        note(generation, asked, {result.active == 1, result.account, result.name, result.generation});
        run_.in_process.fetch_add(1, std::memory_order_relaxed);
    }

    hwvault_client* client_;
    std::array<hwvault_verification, kAtOnce> results_{};
};

// Plain Varlink, a few calls in flight.
class OverSocket final : public Verifier {
public:
    using Verifier::Verifier;

private:
    bool round() override {
        if (!socket_ && !connect()) return false;
        std::vector<const Generation*> asked_for;
        std::string calls;
        for (std::size_t i = 1 + below(random_, 4); i > 0; --i) {
            const Generation* const generation = run_.pick(random_);
            if (generation == nullptr) return false;
            asked_for.push_back(generation);
            calls += R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")" + generation->text + "\"}}" + '\0';
        }
        const Time asked = now();
        bool answered = ::send(socket_.get(), calls.data(), calls.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(calls.size());
        for (auto generation = asked_for.begin(); answered && generation != asked_for.end(); ++generation) {
            answered = receive(**generation, asked);
        }
        if (!answered) socket_ = {};
        return answered;
    }
    std::string way() const override { return " over a socket"; }

    bool connect() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        run_.address.copy(address.sun_path, sizeof address.sun_path - 1);
        socket_ = os::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        pending_.clear();
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
        socket_ = {};
        return false;
    }
    // False when the connection has ended, or the vault is not ready.
    bool receive(const Generation& generation, Time asked) {
        std::size_t end = 0;
        while ((end = pending_.find('\0')) == std::string::npos) {
            std::array<char, 4096> part{};
            const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
            if (size <= 0) return false;
            pending_.append(part.data(), static_cast<std::size_t>(size));
        }
        const auto reply = wire::parse(bytes_of(std::string_view(pending_).substr(0, end)));
        pending_.erase(0, end + 1);
        if (!reply || reply->contains("error")) return false;
        const auto& parameters = reply->at("parameters").as_object();
        Said said{parameters.at("active").as_bool(), {}, {}, 0};
        if (said.active) {
            const auto& info = parameters.at("info").as_object();
            said.account = std::string_view(info.at("account").as_string());
            said.name = std::string_view(info.at("name").as_string());
            said.generation = info.at("generation").to_number<std::uint64_t>();
        }
        note(generation, asked, said);
        run_.over_sockets.fetch_add(1, std::memory_order_relaxed);
        return true;
    }

    os::Fd socket_;
    std::string pending_;
};

}  // namespace hwvault::exactness
