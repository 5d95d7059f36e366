// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service for what the fake one cannot show: it never holds a secret outside of locked memory, and its watches end
// as soon as they began. Its token and the secret that it accepts are made of canary_byte(). All else is NotFound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/service/service.h"

namespace hwvault::tests {

constexpr std::size_t kCanaryLine = 31;    // characters between two line ends, which JSON must escape
constexpr std::size_t kCanarySize = 320;

// Computed, so that the whole is in no constant of this program.
inline std::uint8_t canary_byte(std::size_t i) {
    if (i % (kCanaryLine + 1) == kCanaryLine) return '\n';
    return static_cast<std::uint8_t>('a' + (i * 11 + i / 7) % 26);
}

class PlainService : public service::Service {
public:
    explicit PlainService(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    boost::asio::any_io_executor executor() override { return executor_; }

    service::Awaitable<service::Retrieved> retrieve(peer::Identity, std::string, std::string) override {
        service::Retrieved answer;
        answer.secret = SecretBytes(kCanarySize);
        const auto bytes = answer.secret.reveal_to_fill();
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = canary_byte(i);
        co_return answer;
    }
    service::Awaitable<vault::Info> revoke(policy::Caller, std::string, std::string, std::uint64_t) override {
        co_return nothing();
    }
    service::Awaitable<std::optional<vault::Info>> revoke_token(policy::Caller, SecretBytes) override {
        co_return std::optional<vault::Info>{};
    }
    service::Awaitable<vault::Info> rotate(policy::Caller, std::string, std::string, std::uint64_t,
                                           std::uint64_t) override {
        co_return nothing();
    }
    Result<service::Verification> verify(const policy::Caller&, BytesView token) override {
        service::Verification answer;
        answer.active = is_canary(token);
        return answer;
    }
    Result<service::IndexDescriptors> verify_index(const policy::Caller&) override { return nothing(); }
    service::Awaitable<vault::Info> create(policy::Caller, std::string, std::string, vault::CreateOptions) override {
        co_return nothing();
    }
    service::Awaitable<vault::Info> import(policy::Caller, std::string, std::string, SecretBytes secret,
                                           vault::CreateOptions) override {
        if (!is_canary(secret.reveal())) co_return nothing();
        co_return vault::Info{};
    }
    service::Awaitable<void> erase(policy::Caller, std::string, std::string) override { co_return nothing(); }
    service::Awaitable<service::Page> list(policy::Caller, std::string, std::string, std::uint32_t) override {
        co_return service::Page{};
    }
    Result<vault::Info> describe(const policy::Caller&, std::string, std::string) override { return nothing(); }
    service::Status status() override { return {}; }
    Result<std::unique_ptr<service::Watch>> watch(const policy::Caller&, std::string) override {
        return std::unique_ptr<service::Watch>(std::make_unique<EndedWatch>());
    }

private:
    class EndedWatch final : public service::Watch {
        service::Awaitable<vault::Notice> next() override {
            co_return Error{ErrorCode::kBusy, "You fell behind. Watch again."};
        }
        void cancel() override {}
    };

    static Error nothing() { return {ErrorCode::kNotFound, "There is nothing here."}; }
    static bool is_canary(BytesView bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            if (bytes[i] != canary_byte(i)) return false;
        }
        return bytes.size() == kCanarySize;
    }

    boost::asio::any_io_executor executor_;
};

}  // namespace hwvault::tests
