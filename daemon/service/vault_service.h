// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service itself: opens the vault when the hardware is there, and carries out each verb in the order that
// service.h gives. One file a group of verbs: changes.cpp, retrieve.cpp, reads.cpp; gate.cpp is what comes before; this header
// joins them.
//
// Keys that authenticate the store come from the device, so until it was seen once every verb but Status says why
// not. Afterwards a device that goes away stops only what needs it: Retrieve and Import.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/peer/peer.h"
#include "daemon/service/audit_export.h"
#include "daemon/service/checkpointer.h"
#include "daemon/service/committer.h"
#include "daemon/service/last_uses.h"
#include "daemon/service/limiter.h"
#include "daemon/service/opening.h"
#include "daemon/service/recent_generations.h"
#include "daemon/service/service.h"
#include "daemon/service/use_sweep.h"
#include "daemon/service/verify_index.h"
#include "daemon/service/watchers.h"
#include "os/turns.h"
#include "policy/policy.h"

namespace hwvault::service {

class VaultService final : public Service {
public:
    struct Parts {
        boost::asio::any_io_executor strand;
        boost::asio::thread_pool& store_thread;
        hardware::Hardware& hardware;
        peer::Resolver& resolver;
        std::filesystem::path store_file;
        vault::Quotas quotas;
        AntiRollback anti_rollback;
        std::chrono::milliseconds batch_interval;
        std::shared_ptr<const policy::Policy> policy;
        std::filesystem::path recipient_file;  // [recovery] recipient; empty: none
        std::string administered_by{"hwvault"};  // as in OpeningParts
        std::shared_ptr<audit::Sink> audit_files;
        std::function<void(const vault::EventLink&)> journal;  // as in AuditExport
        std::function<vault::UnixTime()> clock;
        // Called with a sentence when the audit files were touched, or they or last uses cannot be written, to log it.
        std::function<void(const std::string&)> trouble;
        // Called when the state of the vault becomes another, to log it.
        std::function<void(const Status&)> state_changed;
        std::chrono::milliseconds use_interval{UseSweep::kInterval};
    };

    explicit VaultService(Parts parts);

    // Opens the vault as soon as the device allows, in the background.
    void start();
    // Waits for calls that are under way, five seconds at most, and makes durable what is to be. Called once, when no door
    // gives new calls.
    boost::asio::awaitable<void> stop();
    // From now on these rules decide, also about calls that are under way. An error says why the ones before go on: Status
    // tells it.
    void set_policy(Result<std::shared_ptr<const policy::Policy>> policy);
    // From now on these count, for what is made.
    void set_quotas(const vault::Quotas& quotas);

    boost::asio::any_io_executor executor() override { return parts_.strand; }
    Awaitable<Retrieved> retrieve(peer::Identity who, std::string account, std::string name) override;
    Awaitable<vault::Info> revoke(policy::Caller caller, std::string account, std::string name,
                                  std::uint64_t generation) override;
    Awaitable<std::optional<vault::Info>> revoke_token(policy::Caller caller, SecretBytes token) override;
    Awaitable<vault::Info> rotate(policy::Caller caller, std::string account, std::string name,
                                  std::uint64_t generation, std::uint64_t overlap_seconds) override;
    Result<Verification> verify(const policy::Caller& caller, BytesView token) override;
    std::size_t verify_some(const policy::Caller& caller, std::span<const BytesView> tokens, const Taking& take) override;
    Result<IndexDescriptors> verify_index(const policy::Caller& caller) override;
    Awaitable<vault::Info> create(policy::Caller caller, std::string account, std::string name,
                                  vault::CreateOptions options) override;
    Awaitable<vault::Info> import(policy::Caller caller, std::string account, std::string name, SecretBytes secret,
                                  vault::CreateOptions options) override;
    Awaitable<void> erase(policy::Caller caller, std::string account, std::string name) override;
    Awaitable<Page> list(policy::Caller caller, std::string account, std::string cursor, std::uint32_t limit) override;
    Result<vault::Info> describe(const policy::Caller& caller, std::string account, std::string name) override;
    Status status() override;
    Result<std::unique_ptr<Watch>> watch(const policy::Caller& caller, std::string account) override;

    // Tokens whose last use is remembered.
    [[nodiscard]] std::size_t uses_remembered() const { return last_uses_.count(); }

private:
    // What there is once the store was opened and authenticated.
    struct Open {
        std::unique_ptr<store::Store> store;
        std::unique_ptr<vault::Vault> vault;
        std::shared_ptr<EpochKeeper> epochs;
        std::shared_ptr<Committer> committer;
        std::optional<crypto::Recipient> recipient;
        std::shared_ptr<Checkpointer> checkpoints;
        std::shared_ptr<AuditExport> audit;
        std::shared_ptr<VerifyIndex> index;
        std::shared_ptr<UseSweep> uses;
    };

    // Startup.
    boost::asio::awaitable<void> bring_up();
    boost::asio::awaitable<void> calls_end();
    void adopt(Opened opened);
    void begin_verifying(Opened& opened);
    void begin_committing(const Opened& opened);
    void begin_exporting(const Opened& opened);
    void begin_saving_uses();
    void audit_touched(const std::string& what);
    void set_reason(Error reason);
    [[nodiscard]] Result<Open*> open() const;
    [[nodiscard]] std::string store_trouble() const;
    boost::asio::awaitable<Result<void>> try_to_open();
    boost::asio::awaitable<Result<void>> look_at_device();
    void announce();

    // Gate and targets.
    Result<Limiter::Place> admit(const policy::Caller& caller);
    static Result<vault::AccountName> account_named(const policy::Caller& caller, const std::string& account);
    Awaitable<vault::Target> target_of(const policy::Caller& caller, std::string account, std::string name);
    // kAccessDenied when the target is the caller's by its name alone: it is on record as another uid's.
    [[nodiscard]] Result<void> is_still_theirs(const policy::Caller& caller, const vault::Target& target) const;
    // The account that a List or a Watch names.
    Result<vault::AccountName> account_shown(const policy::Caller& caller, const std::string& account) const;
    [[nodiscard]] policy::Object object_of(const vault::AccountName& account, const vault::TokenName& name) const;
    Result<policy::Decision> gate(const policy::Caller& caller, vault::Verb verb, const vault::Target& target,
                                  const policy::Wanted& wanted = {}) const;
    // The gate as a call comes in: it also counts against the rule's rate.
    Result<policy::Decision> enter_gate(const policy::Caller& caller, vault::Verb verb, const vault::Target& target,
                                        const policy::Wanted& wanted = {});
    [[nodiscard]] bool may_describe(const policy::Caller& caller, const policy::Object& object) const;
    [[nodiscard]] bool may_describe(const policy::Caller& caller, const policy::Object& object,
                                    const vault::Account* account) const;
    // A token of the vault's that somebody has shown, active or not.
    struct Shown {
        vault::AccountName account;
        vault::TokenName name;
        std::string id;
        std::uint64_t generation;
    };
    [[nodiscard]] std::optional<Shown> recognise(BytesView token) const;
    Verification counted(bool active, BytesView token);
    static vault::Actor actor_of(const policy::Caller& caller);
    Result<vault::Occasion> occasion(const policy::Caller& caller, const policy::Decision& decision);

    // Verbs.
    using Planning = std::function<Result<vault::Plan>(const vault::Vault&, const vault::Occasion&)>;
    struct Ask {
        policy::Caller caller;
        vault::Verb verb;
        vault::Target target;
        bool whole_account{false};   // the plan may make or end the account
        policy::Wanted wanted{};
        bool has_entered{false};     // through enter_gate()
    };
    Awaitable<Committed> change(Ask ask, Planning planning);
    [[nodiscard]] vault::Info info_after(const vault::Target& target, const Committed& committed) const;
    Awaitable<void> first_use(policy::Caller caller, vault::Target target);
    // At the device, fair between callers; for what they ask, never for what the vault itself needs. kBusy when it does not
    // come in time.
    Awaitable<os::Turns::Turn> device_turn(const policy::Caller& caller);
    // The token with what the vault does not keep of its current generation; kBusy when it has changed.
    Awaitable<vault::Token> completed(vault::Token token);
    Awaitable<SecretBytes> derived_text(const policy::Caller& caller, const vault::Token& token);
    Awaitable<SecretBytes> sealed_content(const policy::Caller& caller, const vault::Token& token);
    Awaitable<Bytes> sealed(const policy::Caller& caller, const vault::Token& token, const SecretBytes& secret);
    // None in a vault without recovery.
    Awaitable<std::optional<Bytes>> escrow_of(vault::Account account, vault::Token token, const SecretBytes& secret);
    Awaitable<Retrieved> retrieve_once(const peer::Identity& who, const vault::Target& target);
    // What is about to be given.
    struct Handing {
        SecretBytes secret;
        std::optional<Bytes> escrow;  // when it is given for the first time, in a vault with recovery
    };
    // So that a verifier will know it. kBusy when the token has changed; kInternal when it is another string than was given before.
    Awaitable<void> put_on_record(const policy::Caller& caller, const vault::Target& target, const vault::Token& token,
                                  const Handing& handing);
    Awaitable<void> record(policy::Caller caller, vault::Target target, vault::FirstString string);
    // Whether what is on record is still `token` as it was copied.
    [[nodiscard]] bool is_current(const vault::Target& target, const vault::Token& token) const;
    // Last, and without a wait in it: the caller as it is now may have the token as it is now, and the audit trail has the
    // line. kBusy when the token has changed.
    Result<void> settle(const policy::Caller& caller, const vault::Target& target, const vault::Token& token);
    // A List on its way: its place is a name, not a pointer, since the vault changes while others have the strand.
    struct Listing {
        std::optional<std::string> account;  // none: every account
        std::uint32_t limit{kMaxPage};
        vault::Vault::Position place;  // of the last token that was looked at
        Page page;
    };
    bool look_further(const policy::Caller& caller, Listing& listing) const;
    void publish(const vault::Change& change);
    void used(const vault::Id& token, const policy::Caller& by, vault::UnixTime now);
    void forget_uses(const vault::Change& change);
    // What List and Describe tell.
    [[nodiscard]] vault::Info info_of(const vault::Account& account, const vault::Token& token) const;

    Parts parts_;
    boost::asio::thread_pool background_{1};  // for the verify index: a revocation does not wait until a table is wiped
    std::unique_ptr<Open> open_;
    std::string reload_trouble_;  // why what was read last is not in force; empty: it is
    Error reason_{ErrorCode::kBusy, "hwvaultd is starting. Try again in a second."};
    Limiter limiter_;
    os::Turns listings_;
    os::Turns device_turns_;
    Watchers watchers_;
    LastUses last_uses_;
    index::Found shown_;  // what the last Verify has found, for whoever asked to read
    RecentGenerations recent_;
    boost::asio::steady_timer retry_;
    bool stopping_{false};
    std::uint64_t verified_{0};
    std::uint64_t verified_inactive_{0};
    std::optional<hardware::Description> device_;
    vault::UnixTime started_at_;
    std::string announced_state_;
};

}  // namespace hwvault::service
