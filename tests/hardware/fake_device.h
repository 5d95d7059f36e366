// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A device in software, for tests only: hwvault has no such backend. It keeps every promise of hardware::Device,
// which the contract suite holds it to, and can be told to misbehave as real ones do.
//
// The token (keys, epoch, faults) is apart from the device that was opened on it, so that a test can close a
// device and open the same token again, or open another token and find other keys. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <openssl/ec.h>
#include <openssl/x509.h>

#include "crypto/handles.h"
#include "crypto/random.h"
#include "daemon/hardware/device.h"

namespace hwvault::hardware {

// What a test turns; each may change at any moment.
struct FakeFaults {
    std::atomic<bool> gone{false};      // unplugged: every call is kHardwareUnavailable
    std::atomic<bool> locked{false};    // the PIN is locked: every call is kHardwareLocked
    std::atomic<bool> no_epoch{false};  // a token that stores no data objects: rollback_protection none
    std::atomic<std::chrono::milliseconds> delay{std::chrono::milliseconds(0)};  // before each call
    std::atomic<bool> held{true};       // while true, a FaultyDevice keeps calls that are "held"
    std::atomic<unsigned> holding{0};   // how many it keeps now
};

// The hardware itself: random keys, made anew for each token.
class FakeToken {
public:
    FakeToken() : root_key_(kDerivedSize), signing_key_(EVP_EC_gen("P-256")) {
        crypto::fill_random(root_key_.reveal_to_fill()).value();
        std::array<std::uint8_t, 8> serial;
        crypto::fill_random(serial).value();
        for (const std::uint8_t byte : serial) serial_ += "0123456789abcdef"[byte % 16];
    }

    FakeFaults faults;
    std::atomic<std::uint64_t> calls{0};  // that reached the token, failed ones too
    std::atomic<std::uint64_t> epoch{0};
    Bytes counter;  // which one that is

    [[nodiscard]] const SecretBytes& root_key() const { return root_key_; }
    [[nodiscard]] EVP_PKEY* signing_key() const { return signing_key_.get(); }
    [[nodiscard]] const std::string& serial() const { return serial_; }

private:
    SecretBytes root_key_;
    crypto::Pkey signing_key_;
    std::string serial_;
};

class FakeDevice final : public Device {
public:
    explicit FakeDevice(std::shared_ptr<FakeToken> token = std::make_shared<FakeToken>()) : token_(std::move(token)) {}

    [[nodiscard]] FakeToken& token() const { return *token_; }

    Result<SecretBytes> derive(Label label, BytesView context) override {
        HWVAULT_CHECK(reach("C_Sign"));
        if (context.size() > kMaxContextSize) {
            return Error{ErrorCode::kInvalidArgument, "A derivation takes a context of at most 1000 bytes."};
        }
        return SecretBytes::copy_of(crypto::hmac_sha256(token_->root_key(), derivation_input(label, context)));
    }

    Result<Bytes> sign(BytesView message) override {
        HWVAULT_CHECK(reach("C_Sign"));
        const crypto::MdContext context{EVP_MD_CTX_new()};
        std::size_t size = 0;
        if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, token_->signing_key()) != 1 ||
            EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) != 1) {
            return crypto::openssl_error("EVP_DigestSign");
        }
        Bytes signature(size);
        if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
            return crypto::openssl_error("EVP_DigestSign");
        }
        signature.resize(size);
        return signature;
    }

    Result<SecretBytes> random(std::size_t size) override {
        HWVAULT_CHECK(reach("C_GenerateRandom"));
        if (size > kMaxRandomSize) {
            return Error{ErrorCode::kInvalidArgument, "At most 1024 random bytes are given in one call."};
        }
        SecretBytes bytes(size);
        HWVAULT_CHECK(crypto::fill_random(bytes.reveal_to_fill()));
        return bytes;
    }

    Result<std::uint64_t> epoch() override {
        HWVAULT_CHECK(reach_epoch());
        return token_->epoch.load();
    }

    Result<CounterReading> advance(std::uint64_t from) override {
        HWVAULT_CHECK(reach_epoch());
        std::uint64_t now = from;
        if (token_->epoch.compare_exchange_strong(now, from + 1)) now = from + 1;
        return CounterReading{.number = now, .counter = token_->counter};
    }

    Result<Description> describe() override {
        HWVAULT_CHECK(reach("C_GetTokenInfo"));
        Description description;
        description.kind = "fake";
        description.vendor = "hwvault tests";
        description.model = "FakeDevice";
        description.serial = token_->serial();
        description.label = "fake";
        description.keys = {{"root", "hwvault-root", "software", true, true, true},
                            {"signing", "hwvault-signing", "P-256", true, true, true}};
        description.abilities = {"derive", "sign", "random"};
        if (!token_->faults.no_epoch) {
            description.counter = token_->counter;
            description.abilities.emplace_back("epoch");
            description.rollback_protection = RollbackProtection::kPinWritable;
        }
        unsigned char* der = nullptr;
        const int size = i2d_PUBKEY(token_->signing_key(), &der);
        if (size <= 0) return crypto::openssl_error("i2d_PUBKEY");
        description.signing_key.assign(der, der + size);
        OPENSSL_free(der);
        return description;
    }

    [[nodiscard]] unsigned parallel() const override { return 4; }

private:
    Result<void> reach(const std::string& call) {
        ++token_->calls;
        std::this_thread::sleep_for(token_->faults.delay.load());
        if (token_->faults.gone) {
            return Error{ErrorCode::kHardwareUnavailable,
                         call + ": CKR_DEVICE_REMOVED on the fake token. Plug the device in."};
        }
        if (token_->faults.locked) {
            return Error{ErrorCode::kHardwareLocked, call + ": CKR_PIN_LOCKED on the fake token. Reset its PIN."};
        }
        return {};
    }

    Result<void> reach_epoch() {
        HWVAULT_CHECK(reach("C_CreateObject"));
        if (!token_->faults.no_epoch) return {};
        return Error{ErrorCode::kInvalidArgument, "The fake token keeps no epoch: it stores no data objects."};
    }

    std::shared_ptr<FakeToken> token_;
};

}  // namespace hwvault::hardware
