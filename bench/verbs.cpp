// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long each verb takes over the Unix socket with libhwvault, one call after the other, in two vaults of bench_make_vault's:
// each call is made in one and then in the other, so that whatever else the machine does favours neither. Medians. Verify is asked
// as libhwvault asks where it has no index, since with one it looks in its own process: bench_verify measures that.
//
//     bench_verbs CALLS LARGE SMALL    folders, each with a hwvaultd that serves it
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <hwvault/hwvault.h>

#include "bench/known_texts.h"
#include "bench/load_side.h"
#include "bench/measured.h"

namespace {

using namespace hwvault::bench;
using std::chrono::steady_clock;

constexpr const char* kSocket = "run/org.hwvault.Vault";
constexpr std::size_t kBusy = 64;         // accounts of bench_make_vault's
constexpr std::size_t kMaxCalls = 900;    // so many tokens are made in one account, of 1,000 that it may have
constexpr std::size_t kWarmUp = 2 * kBusy;  // calls that are not counted; each busy account has its string then

void check(int code) {
    if (code != HWVAULT_OK) throw std::runtime_error(hwvault_error_message());
}

// The text of a token, until it is needed.
struct FreeSecret {
    void operator()(hwvault_secret* secret) const { hwvault_secret_free(secret); }
};
using Secret = std::unique_ptr<hwvault_secret, FreeSecret>;

// One vault, and each verb on it: call number `i` of it. What Create and Import make, RevokeToken and Delete end.
class Verbs {
public:
    explicit Verbs(const std::filesystem::path& vault)
        : texts_(vault),
          account_("app:verbs-" + std::to_string(::getpid())),
          asked_(vault / kSocket, varlink_verify(texts_), {.connections = 1, .in_flight = 1, .tokens = texts_.count()}) {
        check(hwvault_open((vault / kSocket).c_str(), &client_));
    }
    Verbs(const Verbs&) = delete;
    Verbs& operator=(const Verbs&) = delete;
    ~Verbs() { hwvault_close(client_); }

    void status(std::size_t) {
        hwvault_report* report = nullptr;
        check(hwvault_status(client_, &report));
        hwvault_report_free(report);
    }
    void verify(std::size_t) { asked_.closed_loop_of(1); }
    void describe(std::size_t) {
        const std::size_t number = random_() % texts_.count();
        const Target target("app:bench-" + std::to_string(number / 1'000), "t" + std::to_string(number % 1'000));
        check(hwvault_describe(client_, target.get(), nullptr));
    }
    void list(std::size_t) {
        hwvault_listing* listing = nullptr;
        check(hwvault_list(client_, "*", &listing));
        hwvault_listing_free(listing);
    }
    void retrieve(std::size_t i) { take("app:busy-" + std::to_string(i % kBusy), "default"); }
    void create(std::size_t i) {
        const char* const owner = "user:root";
        hwvault_options options{};
        if (!std::exchange(has_account_, true)) {
            options.owners = &owner;
            options.owner_count = 1;
        }
        check(hwvault_create(client_, own(i).get(), &options, nullptr));
    }
    void import(std::size_t i) {
        hwvault_options options{};
        const std::string secret(40, 's');  // a third party's token, more or less
        options.secret = secret.data();
        options.secret_size = secret.size();
        check(hwvault_import(client_, own(i, "imported-").get(), &options, nullptr));
    }
    void rotate(std::size_t i) { check(hwvault_rotate(client_, own(i).get(), 0, nullptr)); }
    void revoke(std::size_t i) {
        const Target target("app:busy-" + std::to_string(i % kBusy), "default");
        check(hwvault_revoke(client_, target.get(), nullptr));
    }
    void revoke_token(std::size_t i) {
        check(hwvault_revoke_token(client_, hwvault_secret_data(shown_[i].get()), hwvault_secret_size(shown_[i].get())));
    }
    void erase(std::size_t i) { check(hwvault_delete(client_, own(i).get())); }

    // Between the others.
    void show(std::size_t i) { shown_.push_back(take(account_, own(i).name)); }
    void erase_imported(std::size_t i) { check(hwvault_delete(client_, own(i, "imported-").get())); }

private:
    struct Target {
        Target(std::string of, std::string called) : account(std::move(of)), name(std::move(called)) {}
        Target(const Target&) = delete;
        Target& operator=(const Target&) = delete;
        [[nodiscard]] const hwvault_target* get() const { return &target; }
        std::string account;
        std::string name;
        hwvault_target target{account.c_str(), name.c_str(), 0};
    };

    [[nodiscard]] Target own(std::size_t i, const char* kind = "made-") const { return {account_, kind + std::to_string(i)}; }
    Secret take(const std::string& account, const std::string& name) {
        const Target target(account, name);
        hwvault_secret* secret = nullptr;
        check(hwvault_retrieve(client_, target.get(), &secret));
        return Secret(secret);
    }

    KnownTexts texts_;
    std::string account_;
    LoadSide asked_;
    hwvault_client* client_{nullptr};
    std::minstd_rand random_{1};
    bool has_account_{false};
    std::vector<Secret> shown_;
};

using Call = void (Verbs::*)(std::size_t);

class Comparison {
public:
    Comparison(const char* large, const char* small) : large_(large), small_(small) {}

    void each(Call call, std::size_t calls) {
        for (std::size_t i = 0; i < calls; ++i) {
            for (Verbs* const vault : {&large_, &small_}) (vault->*call)(i);
        }
    }
    void measure(const char* verb, Call call, std::size_t calls) {
        std::vector<double> in_large;
        std::vector<double> in_small;
        for (std::size_t i = 0; i < calls; ++i) {
            in_large.push_back(microseconds(large_, call, i));
            in_small.push_back(microseconds(small_, call, i));
        }
        print({(std::string("verb/") + verb).c_str(), median(in_large), median(in_small), "us"});
    }

private:
    static double microseconds(Verbs& vault, Call call, std::size_t i) {
        const auto began = steady_clock::now();
        (vault.*call)(i);
        return std::chrono::duration<double, std::micro>(steady_clock::now() - began).count();
    }

    Verbs large_;
    Verbs small_;
};

void measure(const char* large, const char* small, std::size_t calls) {
    Comparison comparison(large, small);
    comparison.each(&Verbs::verify, kWarmUp);
    comparison.each(&Verbs::retrieve, kWarmUp);
    comparison.measure("Status", &Verbs::status, calls);
    comparison.measure("Verify on the socket", &Verbs::verify, calls);
    comparison.measure("Describe", &Verbs::describe, calls);
    comparison.measure("List, a page", &Verbs::list, calls);
    comparison.measure("Retrieve", &Verbs::retrieve, calls);
    comparison.measure("Create", &Verbs::create, calls);
    comparison.measure("Rotate", &Verbs::rotate, calls);
    comparison.each(&Verbs::show, calls);
    comparison.measure("RevokeToken", &Verbs::revoke_token, calls);
    comparison.measure("Delete", &Verbs::erase, calls - 1);  // with the last goes the account
    comparison.measure("Import", &Verbs::import, calls);
    comparison.each(&Verbs::erase_imported, calls);
    comparison.measure("Revoke", &Verbs::revoke, calls);
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t calls = argc == 4 ? std::strtoul(argv[1], nullptr, 10) : 0;
    if (calls == 0 || calls > kMaxCalls) {
        std::fprintf(stderr, "usage: bench_verbs CALLS LARGE SMALL; at most %zu calls\n", kMaxCalls);
        return 2;
    }
    try {
        measure(argv[2], argv[3], calls);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_verbs: %s\n", failure.what());
        return 1;
    }
    return 0;
}
