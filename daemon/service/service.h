// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What every door calls: one method for each verb of the contract. A door translates its own words into these
// and the answers back; who may do what, in which order, and by when, is decided here and nowhere else.
//
// Order of each but Verify, which is a look-up: limit -> policy -> vault and hardware -> caller, policy and generation again -> audit -> answer. The audit
// line of a change is part of its commit; that of Retrieve is queued, and durable with the next commit, which begins
// at the latest 100 ms later (Committer::kEventDelay): a crash in between loses it.
//
// All methods run on executor() (one strand, one thread) and never block it: what waits for the device, the disk or
// the name service is awaited, with a deadline. Nothing here is thread-safe; a door on another thread spawns
// onto executor().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/container/static_vector.hpp>

#include "daemon/peer/peer.h"
#include "daemon/service/status.h"
#include "daemon/vault/info.h"
#include "daemon/vault/lifecycle.h"
#include "foundation/result.h"
#include "foundation/secret.h"
#include "os/fd.h"
#include "policy/caller.h"

namespace hwvault::service {

template <class T>
using Awaitable = boost::asio::awaitable<Result<T>>;

constexpr std::uint32_t kMaxPage = 1'000;  // tokens in one answer to List

struct Retrieved {
    SecretBytes secret;  // an issued token's text, or an imported secret's bytes
    vault::Info info;    // brief
};

// What follows `active` is of a token that is. Its texts are the vault's own, not copies: they are there until the strand's
// next turn, or the service's next call. So Verify allocates nothing.
struct Verification {
    bool active{false};
    std::string_view account{};
    std::string_view name{};
    std::string_view id{};
    std::uint64_t generation{0};
    vault::UnixTime expires_at{vault::kNever};
    boost::container::static_vector<std::string_view, vault::kMaxScopes> scopes{};
};

constexpr std::size_t kVerifiedTogether = 16;  // one fetch from memory takes about two hashes

// The verify index for a reader in another process (libclient/index/table.h).
struct IndexDescriptors {
    os::Fd index;
    os::Fd stamps;
};

struct Page {
    std::vector<vault::Info> infos;
    std::string next;  // cursor of the next page; empty at the end
};

// A stream of changes that one caller may see.
class Watch {
public:
    virtual ~Watch() = default;
    // The next change. kBusy when the watcher fell more than kMaxBacklog behind, and was dropped.
    virtual Awaitable<vault::Notice> next() = 0;
    // A pending next() ends with kBusy; called when the watcher went away.
    virtual void cancel() = 0;
    static constexpr std::size_t kMaxBacklog = 1'024;
};

// Accounts and names are the caller's text, unchecked: "" is the caller's own account, or `default`.
class Service {
public:
    virtual ~Service() = default;
    virtual boost::asio::any_io_executor executor() = 0;

    // The one verb that gives a secret, so a caller who is a unit is confirmed to be it still, right before the answer.
    virtual Awaitable<Retrieved> retrieve(peer::Identity who, std::string account, std::string name) = 0;
    virtual Awaitable<vault::Info> revoke(policy::Caller caller, std::string account, std::string name,
                                          std::uint64_t generation) = 0;
    // nullopt: done, or there was nothing to do; the caller may not know more.
    virtual Awaitable<std::optional<vault::Info>> revoke_token(policy::Caller caller, SecretBytes token) = 0;
    virtual Awaitable<vault::Info> rotate(policy::Caller caller, std::string account, std::string name,
                                          std::uint64_t generation, std::uint64_t overlap_seconds) = 0;
    // Never waits, for no device and no disk, and allocates nothing for who may verify any token. A wrong checksum is "not
    // active" without a look-up.
    virtual Result<Verification> verify(const policy::Caller& caller, BytesView token) = 0;
    // The same of up to kVerifiedTogether tokens of one caller, in their order, which takes less: what is the same for all is
    // looked up once, and the look-ups overlap. take() is given each answer, and says whether it takes another. How many were
    // answered: fewer than asked for when it does not, or when verify() has no answer to the next but an error.
    using Taking = std::function<bool(const Verification&)>;
    virtual std::size_t verify_some(const policy::Caller& caller, std::span<const BytesView> tokens, const Taking& take) {
        std::size_t answered = 0;
        for (bool goes_on = true; goes_on && answered < tokens.size(); ++answered) {
            const auto verification = verify(caller, tokens[answered]);
            if (!verification) break;
            goes_on = take(*verification);
        }
        return answered;
    }
    // For who may verify any token; else kAccessDenied. kBusy while it is being made.
    virtual Result<IndexDescriptors> verify_index(const policy::Caller& caller) = 0;
    virtual Awaitable<vault::Info> create(policy::Caller caller, std::string account, std::string name,
                                          vault::CreateOptions options) = 0;
    virtual Awaitable<vault::Info> import(policy::Caller caller, std::string account, std::string name,
                                          SecretBytes secret, vault::CreateOptions options) = 0;
    virtual Awaitable<void> erase(policy::Caller caller, std::string account, std::string name) = 0;
    // "*" for all that the caller may see. `limit` 0, or above kMaxPage, is kMaxPage. A cursor names nothing but what
    // the caller was given.
    virtual Awaitable<Page> list(policy::Caller caller, std::string account, std::string cursor,
                                 std::uint32_t limit) = 0;
    virtual Result<vault::Info> describe(const policy::Caller& caller, std::string account, std::string name) = 0;
    // Open to everybody, in every state of the vault.
    virtual Status status() = 0;
    virtual Result<std::unique_ptr<Watch>> watch(const policy::Caller& caller, std::string account) = 0;
};

}  // namespace hwvault::service
