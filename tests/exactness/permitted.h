// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Threads that verify as a user whose permission comes and goes, as they are told on their input.
#pragma once

#include <array>
#include <chrono>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/exactness/run.h"

namespace hwvault::exactness {

class Permitted {
public:
    explicit Permitted(std::string address) : address_(std::move(address)) {}

    // Follows what the input says, until it ends.
    boost::json::object follow() {
        std::vector<std::jthread> threads;
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream words(line);
            std::string what;
            Time asked = 0;
            Time answered = 0;
            words >> what;
            if (what == "token") {
                words >> tokens_.emplace_back();
                continue;
            }
            words >> asked >> answered;
            if (what == "granted") permission_.push_back({.from = asked, .good = answered, .ends = kNever, .gone = kNever});
            else permission_.back().end(asked, answered);
            while (threads.size() < seen_.size()) threads.emplace_back([this, number = threads.size()] { verify(number); });
        }
        over_ = true;
        threads.clear();
        return report();
    }

private:
    static constexpr Time kClientFor = 300'000'000;

    // With a client that is opened anew now and then, since one that was refused the index does not ask for it again at once.
    void verify(std::size_t number) {
        Random random(static_cast<unsigned>(number));
        while (!over_.load()) {
            const Client client = open_client(address_);
            for (const Time until = now() + kClientFor; now() < until && !over_.load();) {
                const std::string& token = tokens_[below(random, tokens_.size())];
                hwvault_verification result = HWVAULT_VERIFICATION_INIT;
                const Time asked = now();
                const int code = hwvault_verify(client.get(), token.data(), token.size(), &result);
                const bool told = code == HWVAULT_OK || code == HWVAULT_ERROR_ACCESS_DENIED;
                if (told) seen_[number].push_back({asked, now(), result.active == 1});
                std::this_thread::sleep_for(std::chrono::microseconds(told ? 200 : 5'000));
            }
        }
    }
    boost::json::object report() const {
        std::uint64_t stale = 0;
        std::uint64_t refused = 0;
        std::uint64_t yes = 0;
        std::uint64_t no = 0;
        for (const auto& verifications : seen_) {
            for (const Verify& verify : verifications) {
                const Verdict verdict = judge(permission_, verify);
                ++(verify.active ? yes : no);
                if (verdict == Verdict::kStaleYes) ++stale;
                if (verdict == Verdict::kWrongNo) ++refused;
            }
        }
        return {{"stale", stale}, {"refused", refused}, {"yes", yes}, {"no", no}, {"permissions", permission_.size()}};
    }

    const std::string address_;
    std::vector<std::string> tokens_;
    Lives permission_;
    std::array<std::vector<Verify>, 2> seen_;
    std::atomic<bool> over_{false};
};

}  // namespace hwvault::exactness
