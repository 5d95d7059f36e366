// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads audit files line by line and says whether they are the trail that a vault wrote, with nothing but the public keys
// of its devices (docs/formats/audit.md, "Verifying").
//
// It finds a line that was edited, removed, put elsewhere or added, and a checkpoint that no device signed, at the first
// line that does not fit. A tail that was cut off fits: that is found by expecting a position that is known from elsewhere.
// Pure, and in constant memory; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/line.h"
#include "daemon/audit/trail.h"

namespace hwvault::audit {

class Verifier {
public:
    // What a checkpoint covers was committed while the device signed: at most so many entries before it.
    static constexpr std::size_t kWindow = 1 << 17;

    struct Options {
        std::vector<Bytes> signing_keys;  // DER SubjectPublicKeyInfo; one that a checkpoint needs is found among them
        bool check_signatures{true};      // false: the chain alone, which anybody can have computed anew
        std::optional<Position> expected; // that the vault, or a note of an earlier day, says was the end
    };
    explicit Verifier(Options options);

    // The next line, without its newline; those of the next file after those of the one before. An error completes "This
    // line ", and ends it.
    Result<void> take(std::string_view line);
    // After the last line: an error when the trail ends before the expected position, or has another entry in its place.
    [[nodiscard]] Result<void> finish() const;

    struct Summary {
        std::uint64_t first{0};        // entry that the first file begins with
        Position last;
        std::uint64_t events{0};
        std::uint64_t checkpoints{0};
        std::uint64_t signed_up_to{0};  // entry that the newest checkpoint covers; what comes after is under none yet
        std::uint64_t unread{0};       // entries of a kind that this program does not know
        std::uint64_t trails{0};       // begun: more than one after a recovery on another device
    };
    [[nodiscard]] const Summary& summary() const { return summary_; }

private:
    Result<void> take_start(const FileStart& start);
    Result<void> take_link(const vault::EventLink& link);
    Result<void> take_checkpoint(const vault::SignedCheckpoint& checkpoint);
    [[nodiscard]] bool is_signed(const vault::SignedCheckpoint& checkpoint) const;

    Options options_;
    std::optional<FileStart> start_;  // of the trail that is being read
    Trail trail_;
    std::deque<Position> window_;  // the latest links
    std::optional<vault::Checkpoint> newest_;
    bool met_expected_{false};
    Summary summary_;
};

}  // namespace hwvault::audit
