// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/verifier.h"

#include <algorithm>
#include <utility>

#include "crypto/p256.h"

namespace hwvault::audit {
namespace {

std::string named(std::uint64_t sequence) {
    return "entry " + std::to_string(sequence);
}

// "entry 5 is", "entries 5 to 7 are"
std::string those_are(std::uint64_t first, std::uint64_t last) {
    if (first == last) return named(first) + " is";
    return "entries " + std::to_string(first) + " to " + std::to_string(last) + " are";
}

bool is_recovery(const std::optional<Entry>& entry) {
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    return event != nullptr && event->verb == vault::Verb::kRecover;
}

}  // namespace

Verifier::Verifier(Options options, std::size_t window) : options_(std::move(options)), most_in_window_(window) {
    summary_.signed_by.resize(options_.signing_keys.size());
    summary_.met.resize(options_.known.size());
}

Result<void> Verifier::take(std::string_view line) {
    if (bad_) return *bad_;
    const auto parsed = parse_line(line);
    auto taken = parsed ? take_parsed(*parsed) : Result<void>(parsed.error());
    if (!taken) bad_ = taken.error();
    return taken;
}

Result<void> Verifier::take_parsed(const Line& line) {
    if (const auto* const start = std::get_if<FileStart>(&line)) return take_start(*start);
    return take_link(std::get<vault::EventLink>(line));
}

Result<void> Verifier::take_start(const FileStart& start) {
    const auto& [sequence, hash] = start.follows;
    const std::uint64_t last = trail_.sequence();
    if (sequence == 0 && hash != crypto::Digest{}) {
        return invalid_argument("says that its file follows no entry, and which hash that has.");
    }
    if (!start_) {
        begin_trail(start);
        return {};
    }
    if (start.vault != start_->vault) return invalid_argument("begins a file of another vault than the one before.");
    if (sequence == last && hash == trail_.head()) return {};
    if (sequence == 0) {
        // What the device never signed could be anybody's, also in front of a trail that is good.
        const bool has_entries = last > start_->follows.sequence;
        if (options_.check_signatures && has_entries && summary_.signed_up_to == 0) {
            return invalid_argument("begins the trail again, and no checkpoint covers an entry of the one before it.");
        }
        begin_trail(start);
        return {};
    }
    if (sequence > last) {
        return invalid_argument("begins a file after " + named(sequence) + ": " + those_are(last + 1, sequence) +
                                " missing before it.");
    }
    if (sequence < last) {
        return invalid_argument("begins a file after " + named(sequence) + ", and " + named(last) +
                                " was there already: the files are in another order, or one is there twice.");
    }
    return invalid_argument("begins a file after another " + named(sequence) +
                            " than the one before it: one of the two was changed.");
}

void Verifier::begin_trail(const FileStart& start) {
    start_ = start;
    trail_ = Trail(start.follows.sequence, start.follows.hash);
    window_.clear();
    newest_.reset();
    other_.reset();
    summary_.first = start.follows.sequence + 1;
    summary_.signed_up_to = 0;
    summary_.uncovered_before += summary_.uncovered;
    summary_.uncovered = 0;
    summary_.met.assign(options_.known.size(), false);
    ++summary_.trails;
    reach(start.follows);
}

Result<void> Verifier::take_link(const vault::EventLink& link) {
    if (!start_) return invalid_argument("is an entry, and no line before it says of which trail.");
    const std::uint64_t next = trail_.sequence() + 1;
    const std::string here = "is " + named(link.sequence);
    if (link.sequence > next) {
        return invalid_argument(here + ": " + those_are(next, link.sequence - 1) + " missing before it.");
    }
    if (link.sequence < next) {
        return invalid_argument(here + ", where " + named(next) +
                                " should be: it is there twice, or lines were put in another order.");
    }
    if (!trail_.follow(link)) {
        return invalid_argument(here + ", and its hash does not fit: it was changed, or the one before it was.");
    }

    const auto decoded = decode(link.body);
    if (summary_.trails > 1 && link.sequence == 1 && !is_recovery(decoded)) {
        blames_line_before_ = true;
        return invalid_argument(
            "begins the trail again without a recovery: the files are in another order, one is there twice, or they are "
            "not all of one vault.");
    }
    const auto* const made = decoded ? std::get_if<vault::SignedCheckpoint>(&*decoded) : nullptr;
    if (made != nullptr) HWVAULT_CHECK(take_checkpoint(*made));
    if (made == nullptr) {
        ++not_checkpoints_;
        ++summary_.uncovered;
    }
    if (!decoded) ++summary_.unread;
    else if (made == nullptr) ++summary_.events;
    reach({.sequence = link.sequence, .hash = link.hash});
    return {};
}

void Verifier::reach(const Position& position) {
    summary_.last = position;
    if (window_.size() == most_in_window_) window_.pop_front();
    window_.push_back({position, not_checkpoints_});
    for (std::size_t i = 0; i < options_.known.size(); ++i) {
        const Position& known = options_.known[i];
        if (known == position) summary_.met[i] = true;
        else if (known.sequence == position.sequence) other_ = known;
    }
}

Result<void> Verifier::take_checkpoint(const vault::SignedCheckpoint& made) {
    const vault::Checkpoint& checkpoint = made.checkpoint;
    const std::string here = "is checkpoint " + std::to_string(checkpoint.sequence);
    HWVAULT_CHECK(check_signature(made));
    if (newest_) {
        if (checkpoint.sequence <= newest_->sequence) {
            return invalid_argument(here + ", and checkpoint " + std::to_string(newest_->sequence) +
                                    " was there already: it is an old one.");
        }
        // Zeros: the first one for another recovery key.
        const bool follows = checkpoint.previous == crypto::Digest{} ||
                             checkpoint.previous == crypto::sha256(vault::checkpoint_message(*newest_));
        if (!follows) {
            return invalid_argument(here + ", and follows another one than checkpoint " +
                                    std::to_string(newest_->sequence) +
                                    ", which is before it: one is missing, or of another trail.");
        }
    }
    HWVAULT_CHECK(find_covered(checkpoint.audit_head));
    newest_ = checkpoint;
    ++summary_.checkpoints;
    return {};
}

Result<void> Verifier::check_signature(const vault::SignedCheckpoint& made) {
    if (!options_.check_signatures) return {};
    const Bytes message = vault::checkpoint_message(made.checkpoint);
    for (std::size_t i = 0; i < options_.signing_keys.size(); ++i) {
        const auto genuine = crypto::verify_p256(options_.signing_keys[i], message, made.signature);
        if (!genuine || !*genuine) continue;
        ++summary_.signed_by[i];
        return {};
    }
    return invalid_argument("is checkpoint " + std::to_string(made.checkpoint.sequence) +
                            ", and its signature is of none of the signing keys that were given: it is forged, or of a "
                            "device whose key is missing here.");
}

Result<void> Verifier::find_covered(const crypto::Digest& audit_head) {
    const auto is_head = [&](const Passed& passed) { return passed.position.hash == audit_head; };
    const auto covered = std::ranges::find_if(window_, is_head);
    if (covered != window_.end()) {
        const std::uint64_t sequence = covered->position.sequence;
        summary_.signed_up_to = sequence > start_->follows.sequence ? sequence : 0;
        summary_.uncovered = not_checkpoints_ - covered->not_checkpoints;
        window_.erase(window_.begin(), covered);  // no later one covers less
        return {};
    }
    // In a file that does not begin with the trail, the first one may cover what was before it, and says nothing of the
    // rest.
    if (!newest_ && start_->follows.sequence != 0) return {};
    return invalid_argument(
        "is a checkpoint of another trail: something before this line was changed after the device had signed it.");
}

bool Verifier::is_proven() const {
    if (!start_ || bad_) return false;
    for (std::size_t i = 0; i < options_.known.size(); ++i) {
        const Position& known = options_.known[i];
        const bool says_something = known.sequence > start_->follows.sequence || known == summary_.last;
        if (summary_.met[i] && says_something) return true;
    }
    return summary_.signed_up_to != 0;
}

Result<void> Verifier::finish() const {
    if (bad_) return *bad_;
    if (!start_) return invalid_argument("There is not a line in it.");
    const std::uint64_t last = trail_.sequence();
    if (last < options_.at_least) {
        std::string missing = those_are(last + 1, options_.at_least) + " missing at the end.";
        missing.front() = 'E';
        return invalid_argument(std::move(missing));
    }
    if (other_) {
        return invalid_argument("Entry " + std::to_string(other_->sequence) +
                                " is another one than it was: it, or one before it, was changed.");
    }
    const auto is_before = [this](const Position& known) { return known.sequence < start_->follows.sequence; };
    const auto before = std::ranges::find_if(options_.known, is_before);
    if (before == options_.known.end()) return {};
    return invalid_argument("Entry " + std::to_string(before->sequence) +
                            " is not in these files: they begin with entry " +
                            std::to_string(start_->follows.sequence + 1) + ".");
}

}  // namespace hwvault::audit
