// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A trail as a vault writes it, with checkpoints of a device of its own: its lines, for tests to change.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/audit/line.h"
#include "daemon/audit/trail.h"
#include "tests/hardware/fake_device.h"

namespace hwvault::audit {

inline vault::Event event_about(const std::string& account, std::uint64_t generation) {
    vault::Event event;
    event.time = 1'700'000'000 + generation;
    event.verb = vault::Verb::kRevoke;
    event.actor = {.uid = 1000,
                   .user = "alice",
                   .unit = "deploy.service",
                   .invocation = "0123456789abcdef0123456789abcdef",
                   .executable = "/usr/bin/deploy"};
    event.account = account;
    event.name = "ci";
    event.token_id = "0123456789";
    event.generation = generation;
    event.decided_by = "owners";
    return event;
}

class WrittenTrail {
public:
    explicit WrittenTrail(hardware::FakeDevice device = hardware::FakeDevice()) : device_(std::move(device)) {
        vault_[0] = 0xab;
        start_file();
    }

    std::vector<std::string> lines;

    [[nodiscard]] Position end() const { return {.sequence = trail_.sequence(), .hash = trail_.head()}; }
    [[nodiscard]] Bytes signing_key() { return device_.describe().value().signing_key; }

    void start_file() { lines.push_back(to_line(FileStart{.vault = vault_, .follows = end()})); }
    // After a recovery on another device, which is the first event.
    void start_again() {
        start_again_without_recovery();
        vault::Event event = event_about("", 0);
        event.verb = vault::Verb::kRecover;
        add(event);
    }
    void start_again_without_recovery() {
        trail_ = Trail();
        newest_.reset();
        start_file();
    }
    void add_events(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) add(event_about("app:billing", trail_.sequence() + 1));
    }
    void add_checkpoint() { add_checkpoint_over(trail_.head()); }
    void add_checkpoint_over(const crypto::Digest& audit_head) {
        const crypto::Digest previous =
            newest_ ? crypto::sha256(vault::checkpoint_message(*newest_)) : crypto::Digest{};
        const std::uint64_t sequence = newest_ ? newest_->sequence + 1 : 1;
        add_signed(
            {.sequence = sequence, .previous = previous, .audit_head = audit_head, .epoch = 9, .escrow_set = {}});
    }
    void add_signed(const vault::Checkpoint& checkpoint) {
        newest_ = checkpoint;
        add(vault::SignedCheckpoint{.checkpoint = checkpoint,
                                    .signature = device_.sign(vault::checkpoint_message(checkpoint)).value()});
    }
    void add(const Entry& entry) { add_link(trail_.append(entry)); }
    void add_link(const vault::EventLink& link) { lines.push_back(to_line(link)); }

    [[nodiscard]] const std::optional<vault::Checkpoint>& newest() const { return newest_; }
    [[nodiscard]] vault::Id& vault() { return vault_; }

private:
    hardware::FakeDevice device_;
    vault::Id vault_{};
    Trail trail_;
    std::optional<vault::Checkpoint> newest_;
};

}  // namespace hwvault::audit
