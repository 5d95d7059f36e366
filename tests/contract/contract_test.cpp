// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What every device keeps, whichever it is: the promises of daemon/hardware/device.h.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "crypto/p256.h"
#include "foundation/fields.h"
#include "tests/catch.h"
#include "tests/contract/backend.h"

namespace hwvault::hardware::testing {
namespace {

Bytes derived(Device& device, Label label, std::string_view context) {
    const auto secret = device.derive(label, bytes_of(context)).value();
    return {secret.reveal().begin(), secret.reveal().end()};
}

bool offers(const Description& description, std::string_view ability) {
    return std::count(description.abilities.begin(), description.abilities.end(), ability) == 1;
}

}  // namespace

TEST_CASE("a blank token is not initialised, and says what to run") {
    make_blank_token();
    const auto device = backend().open();
    REQUIRE(!device);
    CHECK(device.error().code == ErrorCode::kNotInitialised);
    CHECK(device.error().message.find("hwvault init") != std::string::npos);
}

TEST_CASE("a derivation is 32 bytes, the same every time, and the same after the token is opened again") {
    auto device = ready_device();
    const Bytes first = derived(*device, Label::kToken, "context");
    CHECK(first.size() == kDerivedSize);
    CHECK(derived(*device, Label::kToken, "context") == first);
    device.reset();
    device = backend().open().value();
    CHECK(derived(*device, Label::kToken, "context") == first);
}

TEST_CASE("a derivation differs by label, by context and by token") {
    auto device = fresh_device();
    std::set<Bytes> seen;
    for (const Label label : {Label::kToken, Label::kSeal, Label::kStore, Label::kEpoch}) {
        for (const std::string_view context : {"", "a", "b", "ab"}) seen.insert(derived(*device, label, context));
    }
    CHECK(seen.size() == 16);
    device.reset();
    device = fresh_device();
    CHECK(seen.count(derived(*device, Label::kToken, "a")) == 0);
}

TEST_CASE("a derivation takes a context of 1000 bytes and no more") {
    const auto device = ready_device();
    CHECK(device->derive(Label::kToken, Bytes(kMaxContextSize, 1)).has_value());
    const auto refused = device->derive(Label::kToken, Bytes(kMaxContextSize + 1, 1));
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("the same bytes split into other fields never give the same derivation") {
    const auto device = ready_device();
    std::mt19937 generator(20240131);  // fixed, so that a failure can be repeated
    std::set<std::vector<std::string>> splits;
    std::set<Bytes> inputs;
    std::set<Bytes> answers;
    const auto asked = static_cast<std::size_t>(2 * backend().rounds());
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::string> fields(1);
        // Bytes 0 and 1 only: lengths and contents then look alike, which is where an ambiguous encoding fails.
        const std::size_t length = generator() % 12;
        for (std::size_t i = 0; i < length; ++i) {
            if (generator() % 3 == 0) fields.emplace_back();
            fields.back() += static_cast<char>(generator() % 2);
        }
        if (!splits.insert(fields).second) continue;
        FieldWriter context;
        for (const std::string& field : fields) context.text(field);
        inputs.insert(derivation_input(Label::kToken, context.view()));
        if (answers.size() < asked) answers.insert(derived(*device, Label::kToken, text_of(context.view())));
    }
    CHECK(inputs.size() == splits.size());
    CHECK(answers.size() == asked);
}

TEST_CASE("derivations from eight threads agree") {
    const auto device = ready_device();
    const Bytes right = derived(*device, Label::kToken, "shared");
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < backend().rounds(); ++i) {
                const auto own = device->derive(Label::kToken, bytes_of("thread " + std::to_string(t)));
                const auto shared = device->derive(Label::kToken, bytes_of("shared"));
                const bool good = own && shared && equal_in_constant_time(shared.value().reveal(), right) &&
                                  !equal_in_constant_time(own.value().reveal(), right);
                if (!good) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("signatures, random bytes and derivations from several threads do not disturb each other") {
    const auto device = ready_device();
    const Bytes key = device->describe().value().signing_key;
    std::atomic<int> wrong{0};
    const auto repeat = [&](auto call) {
        return std::thread([&wrong, call] {
            for (int i = 0; i < backend().rounds(); ++i) {
                if (!call()) ++wrong;
            }
        });
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.push_back(repeat([&] { return device->derive(Label::kSeal, bytes_of("x")).has_value(); }));
        threads.push_back(repeat([&] { return device->random(16).has_value(); }));
        threads.push_back(repeat([&] {
            const auto signature = device->sign(bytes_of("message"));
            return signature && crypto::verify_p256(key, bytes_of("message"), signature.value()).value();
        }));
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("a signature verifies with the key that the device shows, and with nothing changed") {
    const auto device = ready_device();
    const Description description = device->describe().value();
    const Bytes message = checkpoint_message({7, {}, {}, 3, {}});
    const Bytes signature = device->sign(message).value();
    CHECK(crypto::verify_p256(description.signing_key, message, signature).value());
    const Bytes other = checkpoint_message({8, {}, {}, 3, {}});
    CHECK(!crypto::verify_p256(description.signing_key, other, signature).value());
}

TEST_CASE("random bytes come in the size asked for and never twice") {
    const auto device = ready_device();
    std::set<Bytes> seen;
    for (int i = 0; i < 8; ++i) {
        const auto bytes = device->random(32).value();
        seen.insert({bytes.reveal().begin(), bytes.reveal().end()});
    }
    CHECK(seen.size() == 8);
    CHECK(seen.begin()->size() == 32);
    CHECK(device->random(kMaxRandomSize).value().size() == kMaxRandomSize);
    const auto refused = device->random(kMaxRandomSize + 1);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("the epoch grows by one a step and survives closing, or is refused in words") {
    auto device = ready_device();
    if (!offers(device->describe().value(), "epoch")) {
        for (const auto& answer : {device->epoch(), advance(*device, 0)}) {
            REQUIRE(!answer);
            CHECK(answer.error().code == ErrorCode::kInvalidArgument);
            CHECK(answer.error().message.find("epoch") != std::string::npos);
        }
        return;
    }
    const std::uint64_t start = device->epoch().value();
    for (std::uint64_t step = 1; step <= 3; ++step) {
        CHECK(advance(*device).value() == start + step);
        CHECK(device->epoch().value() == start + step);
    }
    device.reset();
    device = backend().open().value();
    CHECK(device->epoch().value() == start + 3);
}

TEST_CASE("a step says which counter it was made on, also where none was made") {
    const auto device = ready_device();
    const Description description = device->describe().value();
    if (!offers(description, "epoch")) return;
    const std::uint64_t start = device->epoch().value();
    for (int i = 0; i < 2; ++i) {
        const auto reading = device->advance(start).value();
        CHECK(reading.number == start + 1);
        CHECK(reading.counter == description.counter);
    }
}

TEST_CASE("a step of the epoch is made once, however often it is asked for") {
    const auto device = ready_device();
    if (!offers(device->describe().value(), "epoch")) {
        CHECK(!advance(*device, 0));
        return;
    }
    const std::uint64_t start = device->epoch().value();
    std::array<std::uint64_t, 4> reached{};
    std::vector<std::thread> threads;
    for (std::uint64_t& mine : reached) threads.emplace_back([&] { mine = advance(*device, start).value(); });
    for (std::thread& thread : threads) thread.join();
    for (const std::uint64_t mine : reached) CHECK(mine == start + 1);
    CHECK(device->epoch().value() == start + 1);
    CHECK(advance(*device, start + 2).value() == start + 1);
    CHECK(device->epoch().value() == start + 1);
}

TEST_CASE("the device describes itself, and its keys as born inside it and unable to leave") {
    const auto device = ready_device();
    const Description description = device->describe().value();
    CHECK(!description.kind.empty());
    CHECK(!description.serial.empty());
    CHECK(!description.vendor.empty());
    REQUIRE(description.keys.size() == 2);
    CHECK(description.keys[0].purpose == "root");
    CHECK(description.keys[1].purpose == "signing");
    for (const KeyDescription& key : description.keys) {
        CHECK(key.sensitive);
        CHECK(key.never_extractable);
        CHECK(key.local);
    }
    for (const char* ability : {"derive", "sign", "random"}) CHECK(offers(description, ability));
    CHECK(offers(description, "epoch") == (description.rollback_protection != RollbackProtection::kNone));
    CHECK(device->parallel() >= 1);
}

TEST_CASE("setting up a token twice makes nothing new") {
    auto device = ready_device();
    const Bytes before = derived(*device, Label::kToken, "x");
    const Bytes key = device->describe().value().signing_key;
    const bool steps = device->describe().value().rollback_protection != RollbackProtection::kNone;
    const std::uint64_t epoch = steps ? advance(*device).value() : 0;
    device.reset();
    CHECK(backend().initialise().value().signing_key == key);
    device = backend().open().value();
    CHECK(derived(*device, Label::kToken, "x") == before);
    if (steps) CHECK(device->epoch().value() == epoch);
}

// In the long run more than 65,000, the number at which a TPM's session counters begin anew.
TEST_CASE("the device still works after very many derivations beside an open session", "[soak]") {
    const auto device = ready_device();
    const Bytes right = derived(*device, Label::kToken, "soak");
    const int times = is_long_run() ? 66'000 : 200 * backend().rounds();
    for (int i = 0; i < times; ++i) REQUIRE(device->derive(Label::kToken, bytes_of("soak")).has_value());
    CHECK(derived(*device, Label::kToken, "soak") == right);
    CHECK(device->sign(right).has_value());
}

TEST_CASE("the rate of derivations is printed") {
    const auto device = ready_device();
    const auto started = std::chrono::steady_clock::now();
    int done = 0;
    while (std::chrono::steady_clock::now() - started < std::chrono::milliseconds(300)) {
        REQUIRE(device->derive(Label::kToken, bytes_of("rate")).has_value());
        ++done;
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
    const Description description = device->describe().value();
    std::printf("%s %s: %.0f derivations/s on one thread\n", description.vendor.c_str(), description.model.c_str(),
                done / elapsed.count());
    CHECK(done > 0);
}

}  // namespace hwvault::hardware::testing
