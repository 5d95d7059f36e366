// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs that only look. None waits for anything but its turn; List, which may look at the whole vault, lets others
// have theirs on the way.
#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/service/vault_service.h"

namespace hwvault::service {
namespace {

// Tokens that a List looks at before others are let on the strand: well under a millisecond's worth.
constexpr std::size_t kLookedAtAtOnce = 256;

// A cursor is "ACCOUNT NAME" of the last token that was given, never of one that was only looked at: it would tell a
// name to who may not see it. Neither part has a space.
std::string cursor_of(const vault::Info& info) {
    return info.account + " " + info.name;
}

vault::Vault::Position position_of(const std::string& cursor) {
    const std::size_t space = cursor.find(' ');
    if (space == std::string::npos) return {cursor, ""};
    return {cursor.substr(0, space), cursor.substr(space + 1)};
}

// The first of `texts`, each of which has its NUL; then it is gone.
std::string_view take_text(std::string_view& texts) {
    const std::string_view text = texts.substr(0, texts.find('\0'));
    texts.remove_prefix(std::min(text.size() + 1, texts.size()));
    return text;
}

Verification verification_of(const index::Found& found, BytesView token) {
    std::string_view texts(found.text.data(), found.text_size);
    Verification active{.active = true,
                        .account = take_text(texts),
                        .name = take_text(texts),
                        .id = crypto::id_in_token_text(token),
                        .generation = found.generation,
                        .expires_at = found.expires_at,
                        .scopes = {}};
    while (!texts.empty()) active.scopes.push_back(take_text(texts));
    return active;
}

}  // namespace

void VaultService::used(const vault::Id& token, const policy::Caller& by, vault::UnixTime now) {
    last_uses_.saw(token, now, vault::name_of(actor_of(by)));
}

void VaultService::forget_uses(const vault::Change& change) {
    for (const vault::TokenWrite& write : change.tokens) {
        if (write.erase) last_uses_.forget(write.token.id);
    }
}

// Of a verification, and of what comes from the store, it is known when it was, and not by whom.
vault::Info VaultService::info_of(const vault::Account& account, const vault::Token& token) const {
    vault::Info info = vault::full_info(account, token);
    if (const auto use = last_uses_.of(token.id)) {
        info.last_used_at = use->at;
        info.last_used_by = use->by;
    }
    const vault::UnixTime verified_at = open_->index->last_verified(account, token, open_->committer->now());
    if (verified_at > info.last_used_at) {
        info.last_used_at = verified_at;
        info.last_used_by.clear();
    }
    return info;
}

Result<Verification> VaultService::verify(const policy::Caller& caller, BytesView token) {
    HWVAULT_TRY(Open* const vault, open());
    if (!parts_.policy->may_verify_any(caller)) {
        const auto shown = recognise(token);
        if (!shown || !gate(caller, vault::Verb::kVerify, {.account = shown->account, .name = shown->name, .uid = caller.uid})) {
            return Error{ErrorCode::kAccessDenied, "You may verify the tokens of your own accounts only, and this is none. To verify any token join the group "
                         "hwvault-verify, or have a rule give you Verify on `*`."};
        }
    }
    const vault::UnixTime now = vault->committer->now();
    return counted(vault->index->verify(token, now, shown_), token);
}

Verification VaultService::counted(bool active, BytesView token) {
    ++verified_;
    if (!active) ++verified_inactive_;
    return active ? verification_of(shown_, token) : Verification{};
}

// The policy is asked for all of them, since it cannot become another meanwhile. Where each token has its own answer, one by one.
std::size_t VaultService::verify_some(const policy::Caller& caller, std::span<const BytesView> tokens, const Taking& take) {
    tokens = tokens.first(std::min(tokens.size(), kVerifiedTogether));
    if (!open_ || tokens.size() < 2 || !parts_.policy->may_verify_any(caller)) return Service::verify_some(caller, tokens, take);
    VerifyIndex& index = *open_->index;
    std::array<VerifyIndex::Search, kVerifiedTogether> searches;
    for (std::size_t i = 0; i < tokens.size(); ++i) index.begin(tokens[i], searches[i]);
    const vault::UnixTime now = open_->committer->now();
    std::size_t answered = 0;
    for (bool goes_on = true; goes_on && answered < tokens.size(); ++answered) {
        goes_on = take(counted(index.finish(searches[answered], now, shown_), tokens[answered]));
    }
    return answered;
}

std::optional<VaultService::Shown> VaultService::recognise(BytesView token) const {
    index::Found found;
    if (open_->index->recognise(token, found) == index::Writer::Standing::kUnknown) return std::nullopt;
    auto account = vault::AccountName::parse(std::string(found.account()));
    auto name = vault::TokenName::parse(std::string(found.name()));
    if (!account || !name) return std::nullopt;
    return Shown{std::move(*account), std::move(*name), std::string(crypto::id_in_token_text(token)), found.generation};
}

Result<IndexDescriptors> VaultService::verify_index(const policy::Caller& caller) {
    HWVAULT_TRY(const Open* const vault, open());
    if (parts_.policy->may_verify_any(caller)) return vault->index->hand_out();
    return Error{ErrorCode::kAccessDenied, "The verify index is for who may verify any token. Ask for the tokens of your own accounts one by one."};
}

// Who has a former user's name is told so: to show nothing would say that there is nothing.
Result<vault::AccountName> VaultService::account_shown(const policy::Caller& caller, const std::string& account) const {
    HWVAULT_TRY(vault::AccountName named, account_named(caller, account));
    const vault::Target target{.account = named, .name = {}, .uid = caller.uid};
    HWVAULT_CHECK(is_still_theirs(caller, target));
    return named;
}

Awaitable<Page> VaultService::list(policy::Caller caller, std::string account, std::string cursor,
                                   std::uint32_t limit) {
    HWVAULT_CO_CHECK(open());
    Listing listing;
    if (account != "*") {
        HWVAULT_CO_TRY(const auto named, account_shown(caller, account));
        listing.account = named.text();
    }
    listing.limit = limit == 0 ? kMaxPage : std::min(limit, kMaxPage);
    listing.place = std::max(position_of(cursor), {listing.account.value_or(""), ""});
    HWVAULT_CO_TRY(const auto place, admit(caller));
    const auto turn = co_await listings_.take(policy::party_of(caller));
    while (look_further(caller, listing)) co_await boost::asio::post(parts_.strand, boost::asio::use_awaitable);
    co_return std::move(listing.page);
}

// Looks at the next tokens. False when the page is complete: it is full and there is one more, or the end was reached.
bool VaultService::look_further(const policy::Caller& caller, Listing& listing) const {
    Page& page = listing.page;
    std::size_t looked_at = 0;
    bool goes_on = false;
    open_->vault->visit_after(listing.place, [&](const vault::Account& owner, const vault::Token& token) {
        if (listing.account && owner.name.text() != *listing.account) return false;
        if (may_describe(caller, object_of(owner.name, token.name))) {
            if (page.infos.size() == listing.limit) {
                page.next = cursor_of(page.infos.back());
                return false;
            }
            page.infos.push_back(info_of(owner, token));
        }
        if (++looked_at < kLookedAtAtOnce) return true;
        listing.place = {owner.name.text(), token.name.text()};
        goes_on = true;
        return false;
    });
    return goes_on;
}

Result<vault::Info> VaultService::describe(const policy::Caller& caller, std::string account, std::string name) {
    HWVAULT_TRY(Open* const vault, open());
    HWVAULT_TRY(const auto token_name, vault::TokenName::parse(name));
    HWVAULT_TRY(const auto account_name, account_named(caller, account));
    const vault::Target target{.account = account_name, .name = token_name, .uid = caller.uid};
    HWVAULT_CHECK(enter_gate(caller, vault::Verb::kDescribe, target));
    const auto token = vault->vault->find(account_name, token_name);
    if (!token) {
        return Error{ErrorCode::kNotFound, "There is no token `" + token_name.text() + "` in " + account_name.text() + "."};
    }
    return info_of(*vault->vault->find(account_name), *token);
}

Result<std::unique_ptr<Watch>> VaultService::watch(const policy::Caller& caller, std::string account) {
    HWVAULT_CHECK(open());
    if (account != "*") {
        HWVAULT_TRY(const auto named, account_shown(caller, account));
        account = named.text();
    }
    return watchers_.add(caller, std::move(account));
}

}  // namespace hwvault::service
