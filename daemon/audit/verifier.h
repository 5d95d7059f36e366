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
        // Entries of the newest trail that the vault, or a note of an earlier day, knows: where they are reached, they
        // are these.
        std::vector<Position> known;
        std::uint64_t at_least{0};  // entry that the newest trail must have
    };
    // `window` is kWindow but for tests, to which so many entries are much.
    explicit Verifier(Options options, std::size_t window = kWindow);

    // The next line, without its newline; those of the next file after those of the one before. An error completes "This
    // line "; from then on it is the answer to everything.
    Result<void> take(std::string_view line);
    // After the last line: a sentence when there was none, the newest trail ends too early or a known entry is another one.
    [[nodiscard]] Result<void> finish() const;
    // Whether what does not fit is the line before the one that the first error answered: a file's first line, which only
    // the next one shows to be wrong.
    [[nodiscard]] bool blames_line_before() const { return blames_line_before_; }
    // Whether anything says that the newest trail is what the vault wrote: a checkpoint in it covers an entry of it, or a known
    // one is an entry of it or where it ends. Whoever can write the files can write all else.
    [[nodiscard]] bool is_proven() const;

    struct Summary {
        // Of the newest trail, as far as it is in the files.
        std::uint64_t first{0};         // entry that it begins with, there or not
        Position last;
        std::uint64_t signed_up_to{0};  // entry that its newest checkpoint covers; 0 for none
        std::uint64_t uncovered{0};     // entries after that one that are no checkpoints
        std::vector<bool> met;          // each known entry, as they were given: whether it was reached
        // Of all.
        std::uint64_t events{0};
        std::uint64_t checkpoints{0};
        std::vector<std::uint64_t> signed_by;  // checkpoints of each signing key, as they were given
        std::uint64_t unread{0};        // entries of a kind that this program does not know
        std::uint64_t trails{0};        // begun: more than one after a recovery on another device
        std::uint64_t uncovered_before{0};  // of the trails before the newest one, as `uncovered`
    };
    [[nodiscard]] const Summary& summary() const { return summary_; }

private:
    Result<void> take_parsed(const Line& line);
    Result<void> take_start(const FileStart& start);
    void begin_trail(const FileStart& start);
    Result<void> take_link(const vault::EventLink& link);
    Result<void> take_checkpoint(const vault::SignedCheckpoint& made);
    Result<void> check_signature(const vault::SignedCheckpoint& made);
    Result<void> find_covered(const crypto::Digest& audit_head);
    // Goes on after `position`.
    void reach(const Position& position);

    struct Passed {
        Position position;
        std::uint64_t not_checkpoints;  // entries up to it that are none
    };

    Options options_;
    std::optional<Error> bad_;  // what the first line that does not fit was answered with
    std::optional<FileStart> start_;  // of the trail that is being read
    Trail trail_;
    std::uint64_t not_checkpoints_{0};  // entries that are none
    std::size_t most_in_window_;
    std::deque<Passed> window_;  // the latest links, and what the trail's first one follows; none before one that is covered
    std::optional<vault::Checkpoint> newest_;
    bool blames_line_before_{false};
    std::optional<Position> other_;  // a known entry that is another one in this trail
    Summary summary_;
};

}  // namespace hwvault::audit
