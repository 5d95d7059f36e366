// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One side of what bench_audit compares: a vault as hwvaultd --dev makes it, a SoftHSM2 behind the hardware child, the
// store on the disk, committer, counter and export put together as service::VaultService does it; with its audit trail,
// or without.
//
// Without: the same plans with their event taken out, nothing recorded of a Retrieve, and no export. Nobody asks the
// policy or watches, and the device signs no checkpoint: that is the same on both sides. It throws where a verb fails or
// changes nothing, so that no figure is of that.
//
// It works on the thread of whoever runs it and on the store's, which both sides share, so that neither has the luck of a
// better core; its export has threads of its own. But all of that only while it is run: else it stands still, and takes
// nothing from the other side.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/development.h"
#include "daemon/hardware/client.h"
#include "daemon/service/audit_export.h"
#include "daemon/service/committer.h"
#include "daemon/service/opening.h"
#include "daemon/service/recent_generations.h"
#include "daemon/vault/lifecycle.h"

namespace hwvault::bench {

// Who asks, with an account of their own, so that none waits for another's change of it.
struct Caller {
    vault::AccountName account;
    std::uint64_t made{0};  // tokens, by Create and Import
    std::uint64_t deleted{0};
};

enum class Auditing : bool { kOff, kOn };

class VaultSide {
public:
    // Makes it in `folder`; `program` is hwvault-hardware. `store_thread` is one thread.
    VaultSide(const std::filesystem::path& folder, const std::filesystem::path& program,
              boost::asio::thread_pool& store_thread, Auditing auditing);

    // Begins `work`, which goes on whenever this is run.
    void begin(boost::asio::awaitable<void> work, std::function<void()> done);
    // Runs for so long and until its disk is at rest; the time that it took.
    std::chrono::steady_clock::duration run_for(std::chrono::milliseconds time);
    void run_until(const std::function<bool()>& done);

    // Before all else: opens the vault, makes the accounts of `callers`, and fills the trail beyond what the store keeps
    // of it, so that for each entry that comes one goes.
    boost::asio::awaitable<void> open(std::vector<Caller> callers);
    // Waits until the files have all that was done.
    boost::asio::awaitable<void> settle();
    boost::asio::awaitable<void> stop();

    // Each is one call of the verb. False: nothing is left to do it with.
    boost::asio::awaitable<bool> retrieve(Caller& caller);
    boost::asio::awaitable<bool> create(Caller& caller);
    boost::asio::awaitable<bool> import(Caller& caller);
    boost::asio::awaitable<bool> rotate(Caller& caller);
    boost::asio::awaitable<bool> revoke(Caller& caller);
    boost::asio::awaitable<bool> revoke_token(Caller& caller);
    boost::asio::awaitable<bool> erase(Caller& caller);

private:
    using Planning = std::function<Result<vault::Plan>(const vault::Vault&, const vault::Occasion&)>;

    void begin_exporting();
    void begin_committing();
    boost::asio::awaitable<void> make_account(const Caller& caller);
    boost::asio::awaitable<void> fill_trail();
    boost::asio::awaitable<void> revoke_as(vault::Verb verb, const Caller& caller);
    // `whole_account`: as service::Touches has it, where a token comes or goes.
    boost::asio::awaitable<void> change(vault::Target target, bool whole_account, Planning planning);
    // As the service has it.
    boost::asio::awaitable<vault::Token> completed(vault::Token token);
    void record_retrieve(const vault::Target& target, const vault::Token& token);
    vault::Occasion occasion();
    [[nodiscard]] bool audited() const { return auditing_ == Auditing::kOn; }

    boost::asio::io_context io_{1};
    std::mutex turn_;
    std::unique_lock<std::mutex> stands_still_{turn_};
    Auditing auditing_;
    Development development_;
    boost::asio::thread_pool& store_thread_;
    std::unique_ptr<hardware::Client> device_;
    service::Opened opened_;
    service::RecentGenerations recent_;
    std::shared_ptr<service::EpochKeeper> epochs_;
    std::shared_ptr<service::AuditExport> export_;  // none without auditing
    std::shared_ptr<service::Committer> committer_;
};

}  // namespace hwvault::bench
