// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A thread that makes, rotates, revokes and deletes tokens, and keeps when that was asked and answered.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <pwd.h>
#include <unistd.h>

#include "tests/exactness/run.h"

namespace hwvault::exactness {

constexpr std::size_t kNamesOfChanger = 900;  // of 1,000 tokens that an account may have
constexpr Time kSecond = 1'000'000'000;
constexpr Time kCoarse = 50'000'000;  // more than the clock of an overlap's end, which ticks, may lag behind

inline std::string own_user() {
    const passwd* const entry = ::getpwuid(::geteuid());
    return std::string("user:") + (entry == nullptr ? "root" : entry->pw_name);
}

// As many and as long as a token may have: the index keeps them in further texts.
inline std::vector<std::string> long_scopes() {
    std::vector<std::string> scopes;
    for (int i = 10; i < 42; ++i) scopes.push_back(std::string(62, 's') + std::to_string(i));
    return scopes;
}

inline std::vector<const char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    return pointers;
}

// Has an account of its own, of which no other changes anything.
class Changer {
public:
    Changer(Run& run, unsigned number)
        : run_(run), number_(number), random_(number + 1'000), account_("app:exact-" + std::to_string(number)), client_(open_client(run.address)) {}

    void run() {
        const char* const owners = owner_.c_str();
        hwvault_options options{};
        options.owners = &owners;
        options.owner_count = 1;
        while (!run_.over.load() && !is_done(hwvault_create(client_.get(), target("keeper"), &options, nullptr), HWVAULT_ERROR_ALREADY_EXISTS)) {}
        while (!run_.over.load()) step();
    }

private:
    enum class State { kAbsent, kLive, kRevoked, kUnclear };
    struct Named {
        std::string name;
        State state{State::kAbsent};
        std::vector<Generation*> alive;  // as far as is known; the last is current
    };

    void step() {
        if (names_.empty() || (names_.size() < kNamesOfChanger && below(random_, 3) != 0)) {
            names_.push_back({"token-" + std::to_string(names_.size()), State::kAbsent, {}});
            return create(names_.back());
        }
        Named& named = names_[below(random_, names_.size())];
        switch (named.state) {
            case State::kAbsent: return create(named);
            case State::kUnclear:
            case State::kRevoked: return erase(named);
            case State::kLive: return change(named);
        }
    }
    void change(Named& named) {
        switch (below(random_, 8)) {
            case 0: return erase(named);
            case 1: return revoke(named, 0);
            case 2: return revoke(named, named.alive.front()->generation);
            case 3: return revoke_token(named);
            case 4:
            case 5: return rotate(named, named.alive.size() < 4 ? 2 + below(random_, 2) : 0);
            case 6: return rotate(named, 0);
            default: return retrieve_again(named);
        }
    }

    void create(Named& named) {
        hwvault_options options{};
        options.scopes = scopes_.data();
        options.scope_count = std::array<std::size_t, 4>{0, 0, 2, 32}[below(random_, 4)];
        const Time asked = now();
        named.state = State::kUnclear;
        if (is_done(hwvault_create(client_.get(), target(named.name), &options, nullptr))) take(named, asked);
    }
    // The current generation, which was made since `asked`.
    void take(Named& named, Time asked) {
        named.state = State::kUnclear;
        Generation taken{};
        if (!retrieve(named, taken)) return;
        taken.life = {.from = asked, .good = now(), .ends = kNever, .gone = kNever};
        Generation* const added = run_.add(std::move(taken));
        if (added == nullptr) return;
        named.alive.push_back(added);
        named.state = State::kLive;
    }
    bool retrieve(const Named& named, Generation& into) {
        hwvault_secret* secret = nullptr;
        if (!is_done(hwvault_retrieve(client_.get(), target(named.name), &secret))) return false;
        into.text.assign(static_cast<const char*>(hwvault_secret_data(secret)), hwvault_secret_size(secret));
        into.account = account_;
        into.name = named.name;
        into.generation = hwvault_info_generation(hwvault_secret_info(secret));
        hwvault_secret_free(secret);
        return true;
    }
    void retrieve_again(Named& named) {
        Generation again{};
        if (retrieve(named, again) && again.text != named.alive.back()->text) run_.wrong(account_ + " " + named.name + ": another token came");
    }

    void erase(Named& named) {
        if (!end(named, named.alive, [&] { return is_done(hwvault_delete(client_.get(), target(named.name)), HWVAULT_ERROR_NOT_FOUND); })) return;
        named.alive.clear();
        named.state = State::kAbsent;
    }
    void revoke(Named& named, std::uint64_t generation) {
        const bool is_current = named.alive.back()->generation == generation;
        auto ended = generation == 0 ? named.alive : std::vector{is_current ? named.alive.back() : named.alive.front()};
        const bool done = end(named, ended, [&] { return is_done(hwvault_revoke(client_.get(), target(named.name, generation), nullptr)); });
        if (done && generation != 0 && !is_current) named.alive.erase(named.alive.begin());
        else if (done) named.state = State::kRevoked;
    }
    void revoke_token(Named& named) {
        const std::string& text = named.alive.back()->text;
        const bool done = end(named, {named.alive.back()}, [&] { return is_done(hwvault_revoke_token(client_.get(), text.data(), text.size())); });
        if (done) named.state = State::kRevoked;
    }
    // With an overlap in seconds, which the vault counts in whole ones: so its end is known to one of them.
    void rotate(Named& named, std::uint64_t overlap) {
        Generation* const last = named.alive.back();
        const Time asked = now();
        show(*last);
        const bool done = is_done(hwvault_rotate(client_.get(), target(named.name), overlap, nullptr));
        const Time answered = now();
        named.state = State::kUnclear;
        if (!done) return last->life.end(asked, kNever);
        if (overlap == 0) {
            last->life.end(asked, answered);
            named.alive.pop_back();
        } else {
            const auto seconds = static_cast<Time>(overlap);
            last->life.end(asked + (seconds - 1) * kSecond - kCoarse, answered + seconds * kSecond + kCoarse);
            run_.overlapping[below(random_, run_.overlapping.size())].store(last, std::memory_order_release);
        }
        take(named, asked);
    }

    // Whether it was answered that they ended.
    bool end(Named& named, std::vector<Generation*> ended, const std::function<bool()>& call) {
        if (!ended.empty()) show(*ended.back());
        const Time asked = now();
        const bool done = call();
        const Time answered = done ? now() : kNever;
        for (Generation* const generation : ended) generation->life.end(asked, answered);
        if (!done) named.state = State::kUnclear;
        return done;
    }
    void show(const Generation& generation) { run_.changing[number_].store(&generation, std::memory_order_release); }

    bool is_done(int code, int fine = HWVAULT_OK) {
        if (code == HWVAULT_OK || code == fine) return true;
        if (is_lost(code)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        else run_.wrong(account_ + ": a change was refused: " + hwvault_error_message());
        return false;
    }
    // Valid until the next.
    const hwvault_target* target(const std::string& name, std::uint64_t generation = 0) {
        target_ = {account_.c_str(), name.c_str(), generation};
        return &target_;
    }

    Run& run_;
    const unsigned number_;
    Random random_;
    const std::string account_;
    const std::string owner_{own_user()};
    const std::vector<std::string> scope_texts_{long_scopes()};
    const std::vector<const char*> scopes_{pointers_to(scope_texts_)};
    Client client_;
    std::deque<Named> names_;
    hwvault_target target_{};
};

}  // namespace hwvault::exactness
