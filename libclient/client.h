// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs of the contract, as calls that block until the vault answered or the time is up. Thread-safe.
//
// A call that found its connection dead is made once more on a new one, when that can do no harm: always while the
// request had not left whole, and after that for the verbs that may be repeated. Revoke and Rotate may be repeated
// once they name a generation, so generation 0 is looked up first (docs/library.md, "A lost answer").
#pragma once

#include <atomic>
#include <chrono>
#include <span>
#include <string>

#include <unistd.h>

#include "libclient/include/hwvault/hwvault.h"
#include "libclient/local_index.h"
#include "libclient/pool.h"
#include "libclient/reply.h"
#include "libclient/request.h"
#include "libclient/values.h"

namespace hwvault::libclient {

class Client {
public:
    explicit Client(std::string address) : pool_(std::move(address)) {}

    void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

    Answer<Retrieved> retrieve(const Target& target);
    Answer<Info> revoke(const Target& target);
    Answer<void> revoke_token(BytesView token);
    Answer<Info> rotate(const Target& target, std::uint64_t overlap);
    // `result` says not active before; it is written when the token is. What is empty or larger than any secret is not, and nobody
    // is asked.
    Answer<void> verify(BytesView token, hwvault_verification& result);
    // The same without asking anybody; false when there is no table to trust.
    [[nodiscard]] bool verify_here(BytesView token, hwvault_verification& result);
    // The same of each, one after the other where the vault must be asked, all within one time limit.
    Answer<void> verify_many(std::span<const hwvault_token> tokens, hwvault_verification* results);
    Answer<Info> create(const Target& target, const Options& options);
    Answer<Info> import(const Target& target, BytesView secret, const Options& options);
    Answer<void> erase(const Target& target);
    Answer<Info> describe(const Target& target);
    Answer<Page> list(const std::string& account, const std::string& cursor);
    Answer<Report> status();

    [[nodiscard]] const std::string& address() const { return pool_.address(); }
    [[nodiscard]] Deadline deadline() const { return Clock::now() + timeout_.load(); }

private:
    // Whether a request that left whole may be sent again when its answer was lost.
    enum class Repeat : bool { kNever, kOnce };
    // How far an exchange that failed had come.
    enum class Reached : bool { kNothing, kSentWhole };
    struct Call {
        const Request& request;
        Repeat repeat;
        Deadline deadline;
    };

    Answer<Reply> call(const Call& call);
    Answer<void> verify_by(BytesView token, hwvault_verification& result, Deadline deadline);
    Answer<void> ask_to_verify(BytesView token, hwvault_verification& result, Deadline deadline);
    // A table to look up in, when it was time to ask for one and there is one now; else null.
    const index::Table* asked_table(Deadline deadline);
    Answer<std::shared_ptr<const index::Table>> fetch_index(Deadline deadline);
    Answer<Reply> exchange(BytesView message, Deadline deadline, bool fresh, Reached& reached);
    Answer<Info> describe_by(const Target& target, Deadline deadline);
    Answer<Info> revoke_generation(const Target& target, std::uint64_t generation, Repeat repeat, Deadline deadline);
    Answer<Info> revoke_all(const Target& target, std::uint64_t current, Deadline deadline);

    Pool pool_;
    LocalIndex local_;
    std::atomic<std::chrono::milliseconds> timeout_{std::chrono::seconds(10)};
    const pid_t process_{::getpid()};
};

}  // namespace hwvault::libclient
