// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service for the doors' tests: it answers the same way each time and keeps what it was asked and by whom.
//
// Its one token is kToken, of `user:root` / `default`, generation 7; its one imported secret is what Import was last
// given. Names choose the answer: `missing` is NotFound, `denied` is AccessDenied, `slow` is answered only after
// release(). An account or name that is empty stays empty in what is recorded. Verify says yes to kToken alone.
//
// Runs on the executor it is given; recorded calls may be read from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/service/service.h"
#include "os/memfd.h"
#include "tests/doors/eventually.h"

namespace hwvault::tests {

// One call, as the service was given it. `secret` is the token or the content, which here is none.
struct Recorded {
    std::string verb;
    policy::Caller caller;
    std::string account;
    std::string name;
    std::uint64_t generation{0};
    std::uint64_t overlap_seconds{0};
    std::string secret;
    std::string cursor;
    std::uint32_t limit{0};
    vault::CreateOptions options;
};

class FakeService final : public service::Service {
public:
    static constexpr std::string_view kToken = "hwv_CANARY0001kR7mX2vQ9pLzT4wY6nB8sD1fG3hJ5aC0eU7iO9qZxV2rMtK5N";
    static constexpr std::uint64_t kGeneration = 7;
    static constexpr std::uint64_t kExpiresAt = 1'900'000'000;

    explicit FakeService(boost::asio::any_io_executor executor)
        : executor_(std::move(executor)), held_(executor_, boost::asio::steady_timer::time_point::max()) {}

    // What a retrieved, issued token is told to be.
    static vault::Info brief() {
        vault::Info info;
        info.account = "user:root";
        info.name = "default";
        info.id = "CANARY0001";
        info.generation = kGeneration;
        info.expires_at = kExpiresAt;
        info.scopes = {"read", "write"};
        return info;
    }
    static vault::Info full(const std::string& account, const std::string& name) {
        auto info = brief();
        info.account = account.empty() ? "user:root" : account;
        info.name = name.empty() ? "default" : name;
        info.created_at = 1'700'000'000;
        info.changed_at = 1'700'000'100;
        info.last_used_at = 1'700'000'200;
        info.last_used_by = "unit:billing.service";
        if (account.starts_with("app:")) info.owners = {"group:billing", "user:alice"};
        else info.uid = 1'000;
        info.expires_at = vault::kNever;
        info.description = "a description";
        return info;
    }
    static vault::Info changed(const std::string& account, const std::string& name) {
        auto info = full(account, name);
        info.rollback_protected = true;
        return info;
    }

    boost::asio::any_io_executor executor() override { return executor_; }

    service::Awaitable<service::Retrieved> retrieve(peer::Identity who, std::string account,
                                                    std::string name) override {
        auto given = about("Retrieve", std::move(who.caller), account, name);
        record(std::move(given));
        co_await wait_if_slow(name);
        if (auto refused = refusal(name)) co_return std::move(*refused);
        service::Retrieved answer;
        answer.info = brief();
        if (name == "imported" && imported_) {
            answer.secret = SecretBytes::copy_of(bytes_of(*imported_));
            answer.info.expires_at = vault::kNever;
        } else {
            answer.secret = SecretBytes::copy_of(bytes_of(kToken));
        }
        co_return answer;
    }

    service::Awaitable<vault::Info> revoke(policy::Caller caller, std::string account, std::string name,
                                           std::uint64_t generation) override {
        auto given = about("Revoke", std::move(caller), account, name);
        given.generation = generation;
        record(std::move(given));
        co_await wait_if_slow(name);
        if (auto refused = refusal(name)) co_return std::move(*refused);
        co_return changed(account, name);
    }

    // `info` for root alone.
    service::Awaitable<std::optional<vault::Info>> revoke_token(policy::Caller caller, SecretBytes token) override {
        const bool may_describe = caller.uid == 0;
        auto given = about("RevokeToken", std::move(caller), {}, {});
        given.secret = text_of(token.reveal());
        record(std::move(given));
        if (text_of(token.reveal()) != kToken || !may_describe) co_return std::optional<vault::Info>{};
        co_return std::optional{changed({}, {})};
    }

    service::Awaitable<vault::Info> rotate(policy::Caller caller, std::string account, std::string name,
                                           std::uint64_t generation, std::uint64_t overlap_seconds) override {
        auto given = about("Rotate", std::move(caller), account, name);
        given.generation = generation;
        given.overlap_seconds = overlap_seconds;
        record(std::move(given));
        if (auto refused = refusal(name)) co_return std::move(*refused);
        co_return changed(account, name);
    }

    Result<service::Verification> verify(const policy::Caller& caller, BytesView token) override {
        auto given = about("Verify", caller, {}, {});
        given.secret = text_of(token);
        record(std::move(given));
        service::Verification answer;
        answer.active = text_of(token) == kToken;
        if (answer.active) {
            answer.account = shown_.account;
            answer.name = shown_.name;
            answer.id = shown_.id;
            answer.generation = shown_.generation;
            answer.expires_at = shown_.expires_at;
            answer.scopes.assign(shown_.scopes.begin(), shown_.scopes.end());
        }
        return answer;
    }

    // For root alone: two memfds, whose contents are "index" and "stamps".
    Result<service::IndexDescriptors> verify_index(const policy::Caller& caller) override {
        record(about("GetVerifyIndex", caller, {}, {}));
        if (caller.uid != 0) return Error{ErrorCode::kAccessDenied, "Not for you."};
        HWVAULT_TRY(os::Fd index, os::sealed_memfd(bytes_of("index")));
        HWVAULT_TRY(os::Fd stamps, os::sealed_memfd(bytes_of("stamps")));
        return service::IndexDescriptors{std::move(index), std::move(stamps)};
    }

    service::Awaitable<vault::Info> create(policy::Caller caller, std::string account, std::string name,
                                           vault::CreateOptions options) override {
        auto given = about("Create", std::move(caller), account, name);
        given.options = std::move(options);
        record(std::move(given));
        if (auto refused = refusal(name)) co_return std::move(*refused);
        co_return full(account, name);
    }

    service::Awaitable<vault::Info> import(policy::Caller caller, std::string account, std::string name,
                                           SecretBytes secret, vault::CreateOptions options) override {
        auto given = about("Import", std::move(caller), account, name);
        given.secret = text_of(secret.reveal());
        given.options = std::move(options);
        record(std::move(given));
        co_await wait_if_slow(name);
        if (auto refused = refusal(name)) co_return std::move(*refused);
        if (secret.empty()) co_return Error{ErrorCode::kInvalidArgument, "The secret is empty."};
        imported_ = std::string(text_of(secret.reveal()));
        auto info = changed(account, name);
        info.origin = vault::Origin::kImported;
        co_return info;
    }

    service::Awaitable<void> erase(policy::Caller caller, std::string account, std::string name) override {
        record(about("Delete", std::move(caller), account, name));
        if (auto refused = refusal(name)) co_return std::move(*refused);
        co_return Result<void>{};
    }

    // `limit` tokens named t0, t1, ...; account `many` has kMaxPage of them, and `app:many` has as many of sixteen owners
    // each with the longest names. The cursor comes back as `next`.
    service::Awaitable<service::Page> list(policy::Caller caller, std::string account, std::string cursor,
                                           std::uint32_t limit) override {
        auto given = about("List", std::move(caller), account, {});
        given.cursor = cursor;
        given.limit = limit;
        record(std::move(given));
        if (auto refused = refusal(account)) co_return std::move(*refused);
        service::Page page;
        const bool is_app = account == "app:many";
        const auto count = account == "many" || (is_app && limit == 0) ? service::kMaxPage : limit;
        for (std::uint32_t i = 0; i < count; ++i) {
            page.infos.push_back(full(is_app ? account : "user:root", "t" + std::to_string(i)));
            if (is_app) page.infos.back().owners.assign(vault::kMaxOwners, "unit:" + std::string(vault::kMaxUnitNameSize, 'u'));
        }
        page.next = std::move(cursor);
        co_return page;
    }

    Result<vault::Info> describe(const policy::Caller& caller, std::string account, std::string name) override {
        record(about("Describe", caller, account, name));
        if (auto refused = refusal(name)) return std::move(*refused);
        auto info = full(account, name);
        info.revoked = name == "revoked";
        return info;
    }

    service::Status status() override {
        service::Status status;
        status.state = "serving";
        status.message = "All is well.";
        status.version = "1.2.3";
        status.hardware_kind = "pkcs11";
        status.policy_digest = "0123456789abcdef";
        status.reload_error = "10.toml, line 3, column 1: No.";
        status.epoch = 42;
        status.tokens = 3;
        status.verified = calls_of("Verify");
        return status;
    }

    Result<std::unique_ptr<service::Watch>> watch(const policy::Caller& caller, std::string account) override {
        record(about("Watch", caller, account, {}));
        if (auto refused = refusal(account)) return std::move(*refused);
        auto stream = std::make_shared<Stream>(executor_);
        streams_.push_back(stream);
        return std::unique_ptr<service::Watch>(std::make_unique<FakeWatch>(std::move(stream)));
    }

    // The following may be called from any thread.

    // Tells every watcher.
    void publish(vault::Notice notice) {
        boost::asio::post(executor_, [this, notice = std::move(notice)] {
            for (const auto& weak : streams_) {
                const auto stream = weak.lock();
                if (!stream) continue;
                stream->notices.push_back(notice);
                stream->changed.cancel();
            }
        });
    }
    // Lets the calls named `slow` go on.
    void release() {
        boost::asio::post(executor_, [this] {
            released_ = true;
            held_.cancel();
        });
    }

    std::vector<Recorded> recorded() const {
        const std::lock_guard lock(mutex_);
        return recorded_;
    }
    std::optional<Recorded> last(std::string_view verb) const {
        const std::lock_guard lock(mutex_);
        for (auto call = recorded_.rbegin(); call != recorded_.rend(); ++call) {
            if (call->verb == verb) return *call;
        }
        return std::nullopt;
    }
    std::size_t calls_of(std::string_view verb) const {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        for (const auto& call : recorded_) count += call.verb == verb ? 1 : 0;
        return count;
    }
    // Waits until `verb` was called at least `count` times; false when it was not within kPatience.
    bool wait_for(std::string_view verb, std::size_t count) const {
        std::unique_lock lock(mutex_);
        return called_.wait_for(lock, kPatience, [&] {
            std::size_t seen = 0;
            for (const auto& call : recorded_) seen += call.verb == verb ? 1 : 0;
            return seen >= count;
        });
    }
    // Watches that are neither cancelled nor destroyed; on the executor's thread only.
    std::size_t watchers() const {
        std::size_t count = 0;
        for (const auto& stream : streams_) {
            const auto alive = stream.lock();
            count += alive && !alive->cancelled ? 1 : 0;
        }
        return count;
    }

private:
    struct Stream {
        explicit Stream(const boost::asio::any_io_executor& executor)
            : changed(executor, boost::asio::steady_timer::time_point::max()) {}
        boost::asio::steady_timer changed;
        std::deque<vault::Notice> notices;
        bool cancelled{false};
    };

    class FakeWatch final : public service::Watch {
    public:
        explicit FakeWatch(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

        service::Awaitable<vault::Notice> next() override {
            const auto stream = stream_;
            while (stream->notices.empty() && !stream->cancelled) {
                co_await stream->changed.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
            }
            if (stream->cancelled) co_return Error{ErrorCode::kBusy, "The watch was cancelled."};
            auto notice = std::move(stream->notices.front());
            stream->notices.pop_front();
            co_return notice;
        }
        void cancel() override {
            stream_->cancelled = true;
            stream_->changed.cancel();
        }

    private:
        std::shared_ptr<Stream> stream_;
    };

    static Recorded about(std::string verb, policy::Caller caller, std::string account, std::string name) {
        Recorded call;
        call.verb = std::move(verb);
        call.caller = std::move(caller);
        call.account = std::move(account);
        call.name = std::move(name);
        return call;
    }
    void record(Recorded call) {
        const std::lock_guard lock(mutex_);
        recorded_.push_back(std::move(call));
        called_.notify_all();
    }
    static std::optional<Error> refusal(std::string_view name) {
        if (name == "missing") return Error{ErrorCode::kNotFound, "There is no such token. Create it first."};
        if (name == "denied") return Error{ErrorCode::kAccessDenied, "This account is not yours."};
        return std::nullopt;
    }
    boost::asio::awaitable<void> wait_if_slow(std::string name) {
        while (name == "slow" && !released_) {
            co_await held_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        }
    }

    boost::asio::any_io_executor executor_;
    const vault::Info shown_{brief()};
    boost::asio::steady_timer held_;
    bool released_{false};
    std::optional<std::string> imported_;
    std::list<std::weak_ptr<Stream>> streams_;
    mutable std::mutex mutex_;
    mutable std::condition_variable called_;
    std::vector<Recorded> recorded_;
};

}  // namespace hwvault::tests
