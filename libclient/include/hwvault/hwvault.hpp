// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libhwvault for C++20: <hwvault/hwvault.h> with owners, spans and exceptions. Header-only; link libhwvault.
//
// Names are those of the C interface without their prefix: hwvault_client is hwvault::client. Every failed call
// throws hwvault::error, whose what() is the sentence and whose code() is one of HWVAULT_ERROR_; nothing else is
// thrown but std::bad_alloc. Secrets are move-only and wiped; none is ever put into a std::string. A client may be
// used by many threads at once, every other object by one at a time. Views live as long as what they came from.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hwvault/hwvault.h>

namespace hwvault {

class error : public std::runtime_error {
public:
    error(int code, const std::string& message) : std::runtime_error(message), code_(code) {}

    [[nodiscard]] int code() const noexcept { return code_; }                                 // HWVAULT_ERROR_...
    [[nodiscard]] std::string_view word() const noexcept { return hwvault_error_word(code_); }  // "NotFound"

private:
    int code_;
};

namespace detail {

inline void check(int code) {
    if (code != HWVAULT_OK) throw error(code, hwvault_error_message());
}

template <auto Free>
struct deleter {
    template <class Handle>
    void operator()(Handle* handle) const noexcept {
        Free(handle);
    }
};
template <class Handle, auto Free>
using owner = std::unique_ptr<Handle, deleter<Free>>;

// What C takes as a list: pointers into `texts`, which must outlive them, or NULL when there is none.
class list_view {
public:
    explicit list_view(const std::optional<std::vector<std::string>>& texts) : given_(texts.has_value()) {
        if (!texts) return;
        for (const std::string& text : *texts) pointers_.push_back(text.c_str());
        pointers_.push_back(nullptr);  // so that an empty list has an address too
    }
    [[nodiscard]] const char* const* data() const noexcept { return given_ ? pointers_.data() : nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return given_ ? pointers_.size() - 1 : 0; }

private:
    bool given_;
    std::vector<const char*> pointers_;
};

}  // namespace detail

// Which token. All empty: the caller's own `default`.
struct target {
    std::string account;          // "user:NAME", "unit:NAME.service", "app:NAME"
    std::string name;
    std::uint64_t generation{0};  // of revoke() and rotate(); 0: whichever is current
};

struct options {
    std::optional<std::vector<std::string>> scopes;
    std::chrono::seconds expires_in{0};  // from now; 0: never
    std::string description;
    std::optional<std::vector<std::string>> owners;  // of an `app:`: "user:NAME", "group:NAME", "unit:NAME.service"
};

// What is known of a token, without its owner: from a listing or a secret.
class info_view {
public:
    explicit info_view(const hwvault_info* handle) noexcept : handle_(handle) {}

    [[nodiscard]] std::string_view account() const noexcept { return hwvault_info_account(handle_); }
    [[nodiscard]] std::string_view name() const noexcept { return hwvault_info_name(handle_); }
    [[nodiscard]] std::string_view id() const noexcept { return hwvault_info_id(handle_); }
    [[nodiscard]] std::string_view origin() const noexcept { return hwvault_info_origin(handle_); }
    [[nodiscard]] std::string_view description() const noexcept { return hwvault_info_description(handle_); }
    [[nodiscard]] std::uint64_t generation() const noexcept { return hwvault_info_generation(handle_); }
    // Unix seconds; 0: not told, or never.
    [[nodiscard]] std::int64_t created_at() const noexcept { return hwvault_info_created_at(handle_); }
    [[nodiscard]] std::int64_t changed_at() const noexcept { return hwvault_info_changed_at(handle_); }
    [[nodiscard]] std::int64_t last_used_at() const noexcept { return hwvault_info_last_used_at(handle_); }
    [[nodiscard]] std::int64_t expires_at() const noexcept { return hwvault_info_expires_at(handle_); }
    // "unit:NAME", "user:NAME" or "uid:N"; "" if never, or not told.
    [[nodiscard]] std::string_view last_used_by() const noexcept { return hwvault_info_last_used_by(handle_); }
    // Of a `user:` account, when it was made.
    [[nodiscard]] std::optional<std::uint32_t> uid() const noexcept {
        const std::int64_t told = hwvault_info_uid(handle_);
        return told < 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(told));
    }
    // Of an `app:` account.
    [[nodiscard]] std::vector<std::string_view> owners() const {
        std::vector<std::string_view> all;
        for (std::size_t i = 0; i < hwvault_info_owner_count(handle_); ++i) all.emplace_back(hwvault_info_owner(handle_, i));
        return all;
    }
    [[nodiscard]] bool revoked() const noexcept { return hwvault_info_revoked(handle_) == 1; }
    [[nodiscard]] std::optional<bool> rollback_protected() const noexcept {
        const int told = hwvault_info_rollback_protected(handle_);
        return told < 0 ? std::nullopt : std::optional(told == 1);
    }
    [[nodiscard]] std::vector<std::string_view> scopes() const {
        std::vector<std::string_view> all;
        for (std::size_t i = 0; i < hwvault_info_scope_count(handle_); ++i) all.emplace_back(hwvault_info_scope(handle_, i));
        return all;
    }

private:
    const hwvault_info* handle_;
};

// The same with its owner: what a verb answers.
class info : public info_view {
public:
    explicit info(hwvault_info* owned) noexcept : info_view(owned), handle_(owned) {}

private:
    detail::owner<hwvault_info, hwvault_info_free> handle_;
};

class secret {
public:
    explicit secret(hwvault_secret* owned) noexcept : handle_(owned) {}

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {static_cast<const std::byte*>(hwvault_secret_data(handle_.get())), hwvault_secret_size(handle_.get())};
    }
    // The same as text, where it goes into a call that takes one. Copying it gives up the wiping.
    [[nodiscard]] std::string_view text() const noexcept {
        return {static_cast<const char*>(hwvault_secret_data(handle_.get())), hwvault_secret_size(handle_.get())};
    }
    [[nodiscard]] info_view info() const noexcept { return info_view(hwvault_secret_info(handle_.get())); }

private:
    detail::owner<hwvault_secret, hwvault_secret_free> handle_;
};

class verification {
public:
    verification() noexcept : result_ HWVAULT_VERIFICATION_INIT {}
    explicit operator bool() const noexcept { return active(); }
    [[nodiscard]] bool active() const noexcept { return result_.active == 1; }
    [[nodiscard]] std::string_view account() const noexcept { return result_.account; }
    [[nodiscard]] std::string_view name() const noexcept { return result_.name; }
    [[nodiscard]] std::string_view id() const noexcept { return result_.id; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return result_.generation; }
    [[nodiscard]] std::int64_t expires_at() const noexcept { return result_.expires_at; }  // 0: never
    [[nodiscard]] bool has_scope(const std::string& scope) const noexcept {
        return hwvault_verification_has_scope(&result_, scope.c_str()) == 1;
    }
    [[nodiscard]] std::vector<std::string_view> scopes() const {
        std::vector<std::string_view> all;
        const char* entry = result_.scopes;
        for (std::uint32_t i = 0; i < result_.scope_count; ++i) {
            all.emplace_back(entry);
            entry += all.back().size() + 1;
        }
        return all;
    }

private:
    friend class client;
    // About to be filled: to clear it first would take as long as the rest.
    explicit verification(std::size_t size) noexcept { result_.struct_size = size; }
    explicit verification(const hwvault_verification& result) noexcept : result_(result) {}

    hwvault_verification result_;
};

class report {
public:
    explicit report(hwvault_report* owned) noexcept : handle_(owned) {}

    // "" where the vault did not tell.
    [[nodiscard]] std::string_view get(const std::string& key) const noexcept {
        const char* value = hwvault_report_get(handle_.get(), key.c_str());
        return value == nullptr ? std::string_view() : std::string_view(value);
    }
    [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> lines() const {
        std::vector<std::pair<std::string_view, std::string_view>> all;
        for (std::size_t i = 0; i < hwvault_report_count(handle_.get()); ++i) {
            all.emplace_back(hwvault_report_key(handle_.get(), i), hwvault_report_value(handle_.get(), i));
        }
        return all;
    }

private:
    detail::owner<hwvault_report, hwvault_report_free> handle_;
};

class listing {
public:
    explicit listing(hwvault_listing* owned) noexcept : handle_(owned) {}

    // nullopt at the end; the view lives until the next call.
    [[nodiscard]] std::optional<info_view> next() {
        const hwvault_info* found = nullptr;
        detail::check(hwvault_listing_next(handle_.get(), &found));
        return found == nullptr ? std::nullopt : std::optional(info_view(found));
    }

private:
    detail::owner<hwvault_listing, hwvault_listing_free> handle_;
};

// Views that live until the watcher's next call.
struct event {
    std::string_view event;
    std::string_view account;
    std::string_view name;
    std::uint64_t generation{0};
};

class watcher {
public:
    explicit watcher(hwvault_watcher* owned) noexcept : handle_(owned) {}

    // Waits without limit.
    [[nodiscard]] hwvault::event next() {
        hwvault_event found{};
        detail::check(hwvault_watcher_next(handle_.get(), -1, &found));
        return {found.event, found.account, found.name, found.generation};
    }
    // nullopt when none came within `timeout`.
    [[nodiscard]] std::optional<hwvault::event> next(std::chrono::milliseconds timeout) {
        hwvault_event found{};
        const int code = hwvault_watcher_next(handle_.get(), std::max<std::int64_t>(0, timeout.count()), &found);
        if (code == HWVAULT_ERROR_TIMEOUT) return std::nullopt;
        detail::check(code);
        return hwvault::event{found.event, found.account, found.name, found.generation};
    }
    // For poll(); see hwvault_watcher_fd().
    [[nodiscard]] int fd() const noexcept { return hwvault_watcher_fd(handle_.get()); }

private:
    detail::owner<hwvault_watcher, hwvault_watcher_free> handle_;
};

class client {
public:
    // $HWVAULT_ADDRESS, or the system's vault. No connection is made yet.
    client() : handle_(open(nullptr)) {}
    explicit client(const std::string& address) : handle_(open(address.c_str())) {}

    // 1 ms to one hour for each later call; 10 s at first.
    void set_timeout(std::chrono::milliseconds timeout) {
        detail::check(hwvault_set_timeout(handle_.get(), timeout.count()));
    }

    [[nodiscard]] secret retrieve(const target& which = {}) {
        const hwvault_target at = to_c(which);
        hwvault_secret* made = nullptr;
        detail::check(hwvault_retrieve(handle_.get(), &at, &made));
        return secret(made);
    }
    info revoke(const target& which = {}) {
        const hwvault_target at = to_c(which);
        hwvault_info* made = nullptr;
        detail::check(hwvault_revoke(handle_.get(), &at, &made));
        return info(made);
    }
    void revoke_token(std::span<const std::byte> token) {
        detail::check(hwvault_revoke_token(handle_.get(), token.data(), token.size()));
    }
    info rotate(const target& which = {}, std::chrono::seconds overlap = {}) {
        const hwvault_target at = to_c(which);
        hwvault_info* made = nullptr;
        detail::check(hwvault_rotate(handle_.get(), &at, static_cast<std::uint64_t>(overlap.count()), &made));
        return info(made);
    }
    // A token that is not active is an answer, not an error.
    [[nodiscard]] verification verify(std::span<const std::byte> token) {
        verification answer(sizeof(hwvault_verification));
        detail::check(hwvault_verify(handle_.get(), token.data(), token.size(), &answer.result_));
        return answer;
    }
    [[nodiscard]] verification verify(std::string_view token) { return verify(std::as_bytes(std::span(token))); }
    // answers[i] is that of tokens[i].
    [[nodiscard]] std::vector<verification> verify_many(std::span<const std::string_view> tokens) {
        std::vector<hwvault_token> shown;
        for (const std::string_view token : tokens) shown.push_back({token.data(), token.size()});
        std::vector<hwvault_verification> results(tokens.size(), hwvault_verification HWVAULT_VERIFICATION_INIT);
        detail::check(hwvault_verify_many(handle_.get(), shown.data(), shown.size(), results.data()));
        std::vector<verification> answers;
        answers.reserve(results.size());
        for (const hwvault_verification& result : results) answers.push_back(verification(result));
        return answers;
    }
    info create(const target& which, const options& with = {}) {
        return with_options(hwvault_create, which, with, {});
    }
    info import(const target& which, std::span<const std::byte> content, const options& with = {}) {
        return with_options(hwvault_import, which, with, content);
    }
    void erase(const target& which) {
        const hwvault_target at = to_c(which);
        detail::check(hwvault_delete(handle_.get(), &at));
    }
    [[nodiscard]] info describe(const target& which = {}) {
        const hwvault_target at = to_c(which);
        hwvault_info* made = nullptr;
        detail::check(hwvault_describe(handle_.get(), &at, &made));
        return info(made);
    }
    // "*": all that you may see. The client must outlive the listing.
    [[nodiscard]] listing list(const std::string& account = {}) {
        hwvault_listing* made = nullptr;
        detail::check(hwvault_list(handle_.get(), account.c_str(), &made));
        return listing(made);
    }
    [[nodiscard]] report status() {
        hwvault_report* made = nullptr;
        detail::check(hwvault_status(handle_.get(), &made));
        return report(made);
    }
    [[nodiscard]] watcher watch(const std::string& account = {}) {
        hwvault_watcher* made = nullptr;
        detail::check(hwvault_watch(handle_.get(), account.c_str(), &made));
        return watcher(made);
    }

private:
    static hwvault_client* open(const char* address) {
        hwvault_client* made = nullptr;
        detail::check(hwvault_open(address, &made));
        return made;
    }

    static hwvault_target to_c(const target& which) noexcept {
        return {which.account.c_str(), which.name.c_str(), which.generation};
    }

    template <class Function>
    info with_options(Function call, const target& which, const options& with, std::span<const std::byte> content) {
        const detail::list_view scopes(with.scopes);
        const detail::list_view owners(with.owners);
        hwvault_options given{};
        given.scopes = scopes.data();
        given.scope_count = scopes.size();
        given.expires_in = static_cast<std::uint64_t>(with.expires_in.count());
        given.description = with.description.c_str();
        given.owners = owners.data();
        given.owner_count = owners.size();
        given.secret = content.data();
        given.secret_size = content.size();
        const hwvault_target at = to_c(which);
        hwvault_info* made = nullptr;
        detail::check(call(handle_.get(), &at, &given, &made));
        return info(made);
    }

    detail::owner<hwvault_client, hwvault_close> handle_;
};

}  // namespace hwvault
