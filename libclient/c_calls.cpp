// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The functions of <hwvault/hwvault.h> that can fail: C arguments in, a call of Client, its answer into C's outputs.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include "libclient/c_handles.h"
#include "libclient/verification.h"
#include "libclient/wire/varlink.h"

using namespace hwvault;
using namespace hwvault::libclient;

namespace {

constexpr std::int64_t kMaxTimeout = 3'600'000;  // ms

thread_local std::string last_message;

std::string text_or_empty(const char* text) {
    return text == nullptr ? std::string() : std::string(text);
}

Target target_of(const hwvault_target* target) {
    if (target == nullptr) return {};
    return {text_or_empty(target->account), text_or_empty(target->name), target->generation};
}

std::optional<std::vector<std::string>> texts_of(const char* const* texts, std::size_t count) {
    if (texts == nullptr) return std::nullopt;
    return std::vector<std::string>(texts, texts + count);
}

Options options_of(const hwvault_options* options) {
    if (options == nullptr) return {};
    return {texts_of(options->scopes, options->scope_count), options->expires_in, text_or_empty(options->description),
            texts_of(options->owners, options->owner_count)};
}

bool is_secret(const void* data, std::size_t size) {
    return data != nullptr && size != 0 && size <= libclient::kMaxSecretSize;
}

Answer<BytesView> checked_secret(const void* data, std::size_t size) {
    if (!is_secret(data, size)) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "A secret has 1 byte to 1 MiB."};
    }
    return BytesView(static_cast<const std::uint8_t*>(data), size);
}

// To be verified: what can be no token, as nothing at all, is not active, and a size without a text is the caller's mistake.
Answer<BytesView> shown_text(const void* data, std::size_t size) {
    if (data == nullptr && size != 0) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "A token to verify is NULL, and has a size."};
    }
    return BytesView(static_cast<const std::uint8_t*>(data), size);
}

Answer<void> give(Answer<Info> answer, hwvault_info** info) {
    HWVAULT_TRY(Info value, std::move(answer));
    if (info != nullptr) *info = std::make_unique<hwvault_info>(hwvault_info{std::move(value)}).release();
    return {};
}

Answer<void> check_size(const hwvault_verification& result) {
    if (result.struct_size == sizeof result) return {};
    return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                   "hwvault_verification.struct_size is not that of this library: set it to"
                   " sizeof(hwvault_verification), and build against the library's own header."};
}

Answer<void> next_of(hwvault_listing& listing, const hwvault_info** info) {
    // A page may have none of the tokens that it looked at, and still go on.
    while (listing.position == listing.page.infos.size() && !listing.page.next.empty()) {
        HWVAULT_TRY(listing.page, listing.client.list(listing.account, listing.page.next));
        listing.position = 0;
    }
    if (listing.position == listing.page.infos.size()) {
        *info = nullptr;
        return {};
    }
    listing.current.info = std::move(listing.page.infos[listing.position++]);
    *info = &listing.current;
    return {};
}

}  // namespace

int libclient::fail(Failure failure) noexcept {
    last_message = std::move(failure.message);
    return failure.code;
}

const char* hwvault_error_message(void) {
    return last_message.c_str();
}

int hwvault_open(const char* address, hwvault_client** client) {
    return guarded([&]() -> Answer<void> {
        if (address == nullptr) address = ::secure_getenv("HWVAULT_ADDRESS");
        std::string path = address == nullptr ? std::string(wire::kSystemAddress) : std::string(address);
        HWVAULT_CHECK(Connection::check_address(path));
        *client = std::make_unique<hwvault_client>(std::move(path)).release();
        return {};
    });
}

void hwvault_close(hwvault_client* client) {
    const std::unique_ptr<hwvault_client> owned(client);
}

int hwvault_set_timeout(hwvault_client* client, int64_t milliseconds) {
    return guarded([&]() -> Answer<void> {
        if (milliseconds < 1 || milliseconds > kMaxTimeout) {
            return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "A time limit is 1 ms to one hour."};
        }
        client->client.set_timeout(std::chrono::milliseconds(milliseconds));
        return {};
    });
}

int hwvault_retrieve(hwvault_client* client, const hwvault_target* target, hwvault_secret** secret) {
    return guarded([&]() -> Answer<void> {
        HWVAULT_TRY(Retrieved retrieved, client->client.retrieve(target_of(target)));
        hwvault_secret made{std::move(retrieved.secret), {std::move(retrieved.info)}};
        *secret = std::make_unique<hwvault_secret>(std::move(made)).release();
        return {};
    });
}

int hwvault_revoke(hwvault_client* client, const hwvault_target* target, hwvault_info** info) {
    return guarded([&] { return give(client->client.revoke(target_of(target)), info); });
}

int hwvault_revoke_token(hwvault_client* client, const void* token, size_t size) {
    return guarded([&]() -> Answer<void> {
        HWVAULT_TRY(const BytesView bytes, checked_secret(token, size));
        return client->client.revoke_token(bytes);
    });
}

int hwvault_rotate(hwvault_client* client, const hwvault_target* target, uint64_t overlap, hwvault_info** info) {
    return guarded([&] { return give(client->client.rotate(target_of(target), overlap), info); });
}

// First the way that nothing can go wrong on.
int hwvault_verify(hwvault_client* client, const void* token, size_t size, hwvault_verification* result) {
    if (result->struct_size == sizeof *result && token != nullptr) {
        if (client->client.verify_here({static_cast<const std::uint8_t*>(token), size}, *result)) return HWVAULT_OK;
    }
    return guarded([&]() -> Answer<void> {
        HWVAULT_CHECK(check_size(*result));
        write_inactive(*result);
        HWVAULT_TRY(const BytesView bytes, shown_text(token, size));
        return client->client.verify(bytes, *result);
    });
}

int hwvault_verify_many(hwvault_client* client, const hwvault_token* tokens, size_t count, hwvault_verification* results) {
    return guarded([&]() -> Answer<void> {
        // All of them before anything else is looked at: what an error leaves is not active.
        Answer<void> right;
        for (std::size_t i = 0; i < count; ++i) {
            const auto size = check_size(results[i]);
            if (size) write_inactive(results[i]);
            else right = size;
        }
        HWVAULT_CHECK(right);
        for (std::size_t i = 0; i < count; ++i) HWVAULT_CHECK(shown_text(tokens[i].data, tokens[i].size));
        return client->client.verify_many({tokens, count}, results);
    });
}

int hwvault_create(hwvault_client* client, const hwvault_target* target, const hwvault_options* options,
                   hwvault_info** info) {
    return guarded([&] { return give(client->client.create(target_of(target), options_of(options)), info); });
}

int hwvault_import(hwvault_client* client, const hwvault_target* target, const hwvault_options* options,
                   hwvault_info** info) {
    return guarded([&]() -> Answer<void> {
        const hwvault_options given = options == nullptr ? hwvault_options{} : *options;
        HWVAULT_TRY(const BytesView bytes, checked_secret(given.secret, given.secret_size));
        return give(client->client.import(target_of(target), bytes, options_of(options)), info);
    });
}

int hwvault_delete(hwvault_client* client, const hwvault_target* target) {
    return guarded([&] { return client->client.erase(target_of(target)); });
}

int hwvault_describe(hwvault_client* client, const hwvault_target* target, hwvault_info** info) {
    return guarded([&] { return give(client->client.describe(target_of(target)), info); });
}

int hwvault_list(hwvault_client* client, const char* account, hwvault_listing** listing) {
    return guarded([&]() -> Answer<void> {
        HWVAULT_TRY(Page page, client->client.list(text_or_empty(account), {}));
        hwvault_listing made{client->client, text_or_empty(account), std::move(page), 0, {}};
        *listing = std::make_unique<hwvault_listing>(std::move(made)).release();
        return {};
    });
}

int hwvault_listing_next(hwvault_listing* listing, const hwvault_info** info) {
    return guarded([&] { return next_of(*listing, info); });
}

void hwvault_listing_free(hwvault_listing* listing) {
    const std::unique_ptr<hwvault_listing> owned(listing);
}

int hwvault_status(hwvault_client* client, hwvault_report** report) {
    return guarded([&]() -> Answer<void> {
        HWVAULT_TRY(Report lines, client->client.status());
        *report = std::make_unique<hwvault_report>(hwvault_report{std::move(lines)}).release();
        return {};
    });
}

int hwvault_watch(hwvault_client* client, const char* account, hwvault_watcher** watcher) {
    return guarded([&]() -> Answer<void> {
        const Client& settings = client->client;
        HWVAULT_TRY(Watcher made, Watcher::open(settings.address(), text_or_empty(account), settings.deadline()));
        *watcher = std::make_unique<hwvault_watcher>(hwvault_watcher{std::move(made), {}}).release();
        return {};
    });
}

int hwvault_watcher_next(hwvault_watcher* watcher, int64_t timeout, hwvault_event* event) {
    return guarded([&]() -> Answer<void> {
        const auto wait = std::chrono::milliseconds(std::min(timeout, kMaxTimeout));
        const Deadline deadline = timeout < 0 ? Deadline::max() : Clock::now() + wait;
        HWVAULT_TRY(watcher->event, watcher->watcher.next(deadline));
        const Event& next = watcher->event;
        *event = {next.event.c_str(), next.account.c_str(), next.name.c_str(), next.generation};
        return {};
    });
}

int hwvault_watcher_fd(const hwvault_watcher* watcher) {
    return watcher->watcher.fd();
}

void hwvault_watcher_free(hwvault_watcher* watcher) {
    const std::unique_ptr<hwvault_watcher> owned(watcher);
}
