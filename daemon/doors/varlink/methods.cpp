// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/methods.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>

#include "daemon/doors/varlink/translate.h"
#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {
namespace {

using boost::asio::awaitable;
using peer::Identity;
using service::Service;

Reply with_info(const Result<vault::Info>& info) {
    if (!info) return failure(info.error());
    Reply reply = success();
    reply.parameters.emplace("info", full(*info));
    return reply;
}

awaitable<Reply> retrieve(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto retrieved = co_await service.retrieve(who, std::move(account), std::move(name));
    if (!retrieved) co_return failure(retrieved.error());
    Reply reply = success();
    put_token(reply.parameters, retrieved->secret.reveal());
    reply.parameters.emplace("info", brief(retrieved->info));
    co_return reply;
}

awaitable<Reply> revoke(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    const std::uint64_t generation = in.number("generation");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = co_await service.revoke(who.caller, std::move(account), std::move(name), generation);
    co_return with_info(info);
}

awaitable<Reply> revoke_token(Service& service, const Identity& who, Parameters in) {
    SecretBytes token = in.secret("token", wire::kMaxMessageSize);
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = co_await service.revoke_token(who.caller, std::move(token));
    if (!info) co_return failure(info.error());
    Reply reply = success();
    if (*info) reply.parameters.emplace("info", full(**info));
    co_return reply;
}

awaitable<Reply> rotate(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    const std::uint64_t generation = in.number("generation");
    const std::uint64_t overlap = in.number("overlap_seconds");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = co_await service.rotate(who.caller, std::move(account), std::move(name), generation, overlap);
    co_return with_info(info);
}

awaitable<Reply> verify(Service& service, const Identity& who, Parameters in) {
    const SecretBytes token = in.secret("token", wire::kMaxMessageSize);
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto verification = service.verify(who.caller, token.reveal());
    if (!verification) co_return failure(verification.error());
    Reply reply = success();
    reply.parameters.emplace("active", verification->active);
    if (verification->active) reply.parameters.emplace("info", brief(*verification));
    co_return reply;
}

awaitable<Reply> create(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    vault::CreateOptions options = in.options("options");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = co_await service.create(who.caller, std::move(account), std::move(name), std::move(options));
    co_return with_info(info);
}

awaitable<Reply> import(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    SecretBytes secret = in.secret("secret", vault::kMaxSecretSize);
    vault::CreateOptions options = in.options("options");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = co_await service.import(who.caller, std::move(account), std::move(name), std::move(secret),
                                              std::move(options));
    co_return with_info(info);
}

awaitable<Reply> erase(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto erased = co_await service.erase(who.caller, std::move(account), std::move(name));
    if (!erased) co_return failure(erased.error());
    co_return success();
}

// No less than the bytes of an Info in a message: its fixed parts, and each text with all quotes escaped.
std::size_t size_bound(const vault::Info& info) {
    constexpr std::size_t kFixedParts = 512;
    std::size_t size = kFixedParts + info.account.size() + info.name.size() + 2 * info.description.size();
    size += 2 * info.last_used_by.size();
    for (const auto& scope : info.scopes) size += scope.size() + sizeof "\"\",";
    for (const auto& owner : info.owners) size += 2 * owner.size() + sizeof "\"\",";
    return size;
}

bool fits_a_message(const std::vector<vault::Info>& infos) {
    std::size_t size = 1'024;  // for what is around them
    for (const auto& info : infos) size += size_bound(info);
    return size <= wire::kMaxMessageSize;
}

// A page that fits, shorter than asked for where it must be.
struct PageWanted {
    const policy::Caller& caller;
    const std::string& account;
    const std::string& cursor;
    std::uint32_t limit;
};
service::Awaitable<service::Page> page_that_fits(Service& service, PageWanted wanted) {
    for (;;) {
        auto page = co_await service.list(wanted.caller, wanted.account, wanted.cursor, wanted.limit);
        if (!page || page->infos.size() < 2 || fits_a_message(page->infos)) co_return page;
        wanted.limit = static_cast<std::uint32_t>(page->infos.size() / 2);
    }
}

awaitable<Reply> list(Service& service, const Identity& who, Parameters in) {
    const std::string account = in.text("account");
    const std::string cursor = in.text("cursor");
    const std::uint64_t limit = in.number("limit", std::numeric_limits<std::uint32_t>::max());
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    PageWanted wanted{who.caller, account, cursor, static_cast<std::uint32_t>(limit)};
    const auto page = co_await page_that_fits(service, std::move(wanted));
    if (!page) co_return failure(page.error());
    boost::json::array infos(wire::locked_storage());
    for (const auto& info : page->infos) infos.emplace_back(full(info));
    Reply reply = success();
    reply.parameters.emplace("infos", std::move(infos));
    if (!page->next.empty()) reply.parameters.emplace("next", page->next);
    co_return reply;
}

awaitable<Reply> describe(Service& service, const Identity& who, Parameters in) {
    std::string account = in.text("account");
    std::string name = in.text("name");
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    const auto info = service.describe(who.caller, std::move(account), std::move(name));
    co_return with_info(info);
}

awaitable<Reply> status(Service& service, const Identity&, Parameters in) {
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    co_return success(to_json(service.status()));
}

// The answer goes alone, as the methods' do that wait, so that the descriptors go with its first byte.
awaitable<Reply> get_verify_index(Service& service, const Identity& who, Parameters in) {
    if (auto refusal = in.refusal()) co_return std::move(*refusal);
    auto descriptors = service.verify_index(who.caller);
    if (!descriptors) co_return failure(descriptors.error());
    Reply reply = success();
    reply.parameters.emplace("index", 0);
    reply.parameters.emplace("stamps", 1);
    reply.descriptors.push_back(std::move(descriptors->index));
    reply.descriptors.push_back(std::move(descriptors->stamps));
    co_return reply;
}

constexpr std::array kMethods{
    Method{"Retrieve", true, retrieve},    Method{"Revoke", true, revoke},     Method{"RevokeToken", true, revoke_token},
    Method{"Rotate", true, rotate},        Method{"Verify", false, verify},    Method{"Create", true, create},
    Method{"Import", true, import},        Method{"Delete", true, erase},      Method{"List", true, list},
    Method{"Describe", false, describe},   Method{"Status", false, status},
    Method{"GetVerifyIndex", true, get_verify_index},
};

}  // namespace

const Method* find_method(std::string_view verb) {
    const auto* found = std::find_if(kMethods.begin(), kMethods.end(),
                                     [verb](const Method& method) { return method.verb == verb; });
    return found == kMethods.end() ? nullptr : found;
}

}  // namespace hwvault::doors::varlink
