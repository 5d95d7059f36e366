// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each way in which somebody may change audit files, and what the verifier says of it, at which line.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "foundation/fields.h"
#include "tests/audit/verdict.h"
#include "tests/catch.h"

using namespace hwvault;
using audit::Lines;
using audit::usual_trail;
using audit::Verdict;
using audit::verdict_knowing;
using audit::verdict_on;
using audit::verdict_with;
using audit::with_key;
using audit::WrittenTrail;

namespace {

Lines without(Lines lines, std::size_t first, std::size_t count) {
    const auto begin = lines.begin() + static_cast<std::ptrdiff_t>(first);
    lines.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
    return lines;
}

std::string edited(std::string line) {
    const std::size_t place = line.find("alice");
    REQUIRE(place != std::string::npos);
    return line.replace(place, 5, "mallo");
}

// Every hash computed anew, from the first entry on: what who can write the file can do.
Lines rehashed(const Lines& lines) {
    audit::Trail trail;
    Lines anew;
    for (const std::string& line : lines) {
        const auto parsed = audit::parse_line(line).value();
        if (const auto* const start = std::get_if<audit::FileStart>(&parsed)) {
            anew.push_back(audit::to_line(audit::FileStart{
                .vault = start->vault, .follows = {.sequence = trail.sequence(), .hash = trail.head()}}));
        } else {
            anew.push_back(
                audit::to_line(trail.append(audit::decode(std::get<vault::EventLink>(parsed).body).value())));
        }
    }
    return anew;
}

}  // namespace

TEST_CASE("A trail is as it was written, and is summed up") {
    WrittenTrail trail = usual_trail();
    trail.add_events(3);
    const auto [line, sentence, summary, proven] = verdict_knowing(trail, trail.lines, trail.end());
    CHECK(line == 0);
    CHECK(sentence.empty());
    CHECK(summary.first == 1);
    CHECK(summary.last == trail.end());
    CHECK(summary.events == 11);
    CHECK(summary.checkpoints == 2);
    CHECK(summary.signed_by == std::vector<std::uint64_t>{2});
    CHECK(summary.signed_up_to == 9);
    CHECK(summary.uncovered == 3);
    CHECK(summary.trails == 1);
    CHECK(summary.met == std::vector<bool>{true});
    CHECK(proven);
}

TEST_CASE("A line that was edited is found, whether its hash was computed anew or not") {
    WrittenTrail trail = usual_trail();
    Lines lines = trail.lines;
    lines[3] = edited(lines[3]);
    CHECK(verdict_on(trail, lines).line == 4);
    CHECK(verdict_on(trail, lines).sentence ==
          "is entry 3, and its hash does not fit: it was changed, or the one before it was.");
    lines[3] = rehashed(lines)[3];
    CHECK(verdict_on(trail, lines).line == 5);
    CHECK(verdict_on(trail, lines).sentence ==
          "is entry 4, and its hash does not fit: it was changed, or the one before it was.");
}

TEST_CASE("A line that was edited, with every hash after it computed anew, is found at the next checkpoint") {
    WrittenTrail trail = usual_trail();
    for (const std::size_t place : {1U, 4U, 6U, 9U}) {
        Lines lines = trail.lines;
        lines[place] = edited(lines[place]);
        const Verdict verdict = verdict_on(trail, rehashed(lines));
        CHECK(verdict.line == (place < 5 ? 6 : 11));
        CHECK(
            verdict.sentence ==
            "is a checkpoint of another trail: something before this line was changed after the device had signed it.");
    }
}

TEST_CASE("A line that was removed is found, and which it was is said") {
    WrittenTrail trail = usual_trail();
    CHECK(verdict_on(trail, without(trail.lines, 3, 1)).line == 4);
    CHECK(verdict_on(trail, without(trail.lines, 3, 1)).sentence == "is entry 4: entry 3 is missing before it.");
    CHECK(verdict_on(trail, without(trail.lines, 6, 3)).line == 7);
    CHECK(verdict_on(trail, without(trail.lines, 6, 3)).sentence ==
          "is entry 9: entries 6 to 8 are missing before it.");
    // With what comes after it counted and hashed anew.
    CHECK(verdict_on(trail, rehashed(without(trail.lines, 3, 1))).line == 5);
    // A checkpoint too.
    CHECK(verdict_on(trail, rehashed(without(trail.lines, 5, 1))).line == 10);
}

TEST_CASE("Lines put in another order, or put in twice, are found") {
    WrittenTrail trail = usual_trail();
    Lines lines = trail.lines;
    std::swap(lines[2], lines[3]);
    CHECK(verdict_on(trail, lines).line == 3);
    CHECK(verdict_on(trail, lines).sentence == "is entry 3: entry 2 is missing before it.");
    CHECK(verdict_on(trail, rehashed(lines)).line == 6);
    lines = trail.lines;
    lines.insert(lines.begin() + 4, lines[2]);
    CHECK(verdict_on(trail, lines).line == 5);
    CHECK(verdict_on(trail, lines).sentence ==
          "is entry 2, where entry 4 should be: it is there twice, or lines were put in another order.");
    CHECK(verdict_on(trail, rehashed(lines)).line == 7);
}

TEST_CASE("A line that was added is found") {
    WrittenTrail trail = usual_trail();
    Lines lines = trail.lines;
    audit::Trail beginning;
    lines.insert(lines.begin() + 1, audit::to_line(beginning.append(audit::event_about("user:mallory", 1))));
    CHECK(verdict_on(trail, lines).line == 3);
    CHECK(verdict_on(trail, rehashed(lines)).line == 7);
}

TEST_CASE("A tail that was cut off fits, and is found by who knows the end") {
    WrittenTrail trail = usual_trail();
    trail.add_events(3);
    const Lines cut = without(trail.lines, 12, 2);
    CHECK(verdict_on(trail, cut).sentence.empty());
    CHECK(verdict_knowing(trail, cut, trail.end()).sentence == "Entries 12 to 13 are missing at the end.");
    CHECK(verdict_knowing(trail, without(trail.lines, 13, 1), trail.end()).sentence ==
          "Entry 13 is missing at the end.");
    auto options = with_key(trail);
    options.at_least = 12;
    CHECK(verdict_with(options, cut).sentence == "Entry 12 is missing at the end.");
    options.at_least = 11;
    CHECK(verdict_with(options, cut).sentence.empty());
}

TEST_CASE("A tail that was written anew is found by who knows the end") {
    WrittenTrail trail = usual_trail();
    trail.add_events(3);
    const audit::Position end = trail.end();
    Lines lines = trail.lines;
    lines[12] = edited(lines[12]);
    CHECK(verdict_on(trail, rehashed(lines)).sentence.empty());
    CHECK(verdict_knowing(trail, rehashed(lines), end).sentence ==
          "Entry 13 is another one than it was: it, or one before it, was changed.");
    trail.add_events(2);
    CHECK(verdict_knowing(trail, trail.lines, end).sentence.empty());
}

TEST_CASE("A forged checkpoint is found: one that no device signed, and one whose numbers were changed") {
    WrittenTrail trail = usual_trail();
    WrittenTrail other = usual_trail();
    Verdict verdict = verdict_on(other, trail.lines);
    CHECK(verdict.line == 6);
    CHECK(verdict.sentence.starts_with("is checkpoint 1, and its signature is of none of the signing keys"));
    CHECK(verdict_with({.signing_keys = {}, .check_signatures = true, .known = {}, .at_least = 0}, trail.lines).line ==
          6);
    CHECK(verdict_with({.signing_keys = {other.signing_key(), trail.signing_key()},
                        .check_signatures = true,
                        .known = {},
                        .at_least = 0},
                       trail.lines)
              .line == 0);

    Lines lines = trail.lines;
    const std::size_t epoch = lines[5].find("\"epoch\":9");
    REQUIRE(epoch != std::string::npos);
    lines[5].replace(epoch, 9, "\"epoch\":8");
    verdict = verdict_on(trail, rehashed(lines));
    CHECK(verdict.line == 6);
    CHECK(verdict.sentence.starts_with("is checkpoint 1, and its signature is of none of the signing keys"));
}

TEST_CASE("A checkpoint of another trail is found, though the device signed it") {
    WrittenTrail trail;
    trail.add_events(3);
    trail.add_checkpoint_over(crypto::sha256(bytes_of("what was there before")));
    const Verdict verdict = verdict_on(trail, trail.lines);
    CHECK(verdict.line == 5);
    CHECK(verdict.sentence.starts_with("is a checkpoint of another trail"));
}

TEST_CASE("An old checkpoint that is put in again is found, and one that does not follow the one before") {
    WrittenTrail trail = usual_trail();
    const vault::Checkpoint second = trail.newest().value();
    trail.add_signed(second);
    Verdict verdict = verdict_on(trail, trail.lines);
    CHECK(verdict.line == 12);
    CHECK(verdict.sentence == "is checkpoint 2, and checkpoint 2 was there already: it is an old one.");

    WrittenTrail gap = usual_trail();
    vault::Checkpoint third{.sequence = 4,
                            .previous = crypto::sha256(bytes_of("checkpoint 3")),
                            .audit_head = gap.end().hash,
                            .epoch = 9,
                            .escrow_set = {}};
    gap.add_signed(third);
    verdict = verdict_on(gap, gap.lines);
    CHECK(verdict.line == 12);
    CHECK(verdict.sentence.starts_with("is checkpoint 4, and follows another one than checkpoint 2"));
    WrittenTrail anew = usual_trail();
    third.previous = {};  // of another recovery key
    third.audit_head = anew.end().hash;
    anew.add_signed(third);
    CHECK(verdict_on(anew, anew.lines).line == 0);
}

TEST_CASE("A checkpoint may cover an entry some way back, but not one before what the checkpoint before it covers") {
    WrittenTrail trail;
    trail.add_events(2);
    const crypto::Digest second = trail.end().hash;
    trail.add_events(1);
    trail.add_checkpoint_over(second);
    trail.add_checkpoint_over(second);
    CHECK(verdict_on(trail, trail.lines).summary.signed_up_to == 2);
    CHECK(verdict_on(trail, trail.lines).summary.uncovered == 1);
    trail.add_checkpoint();
    CHECK(verdict_on(trail, trail.lines).summary.signed_up_to == 5);
    CHECK(verdict_on(trail, trail.lines).summary.uncovered == 0);
    trail.add_checkpoint_over(second);
    CHECK(verdict_on(trail, trail.lines).line == trail.lines.size());
}

TEST_CASE("Without signatures the chain is still held to itself") {
    WrittenTrail trail = usual_trail();
    const audit::Verifier::Options chain{.signing_keys = {}, .check_signatures = false, .known = {}, .at_least = 0};
    CHECK(verdict_with(chain, trail.lines).line == 0);
    CHECK(verdict_with(chain, without(trail.lines, 3, 1)).line == 4);
    CHECK(verdict_with(chain, rehashed(without(trail.lines, 3, 1))).line == 5);
}

TEST_CASE("Files follow each other, and a file that is missing between two is found") {
    WrittenTrail trail = usual_trail();
    const std::size_t second = trail.lines.size();
    trail.start_file();
    trail.add_events(2);
    const std::size_t third = trail.lines.size();
    trail.start_file();
    trail.add_events(2);
    trail.add_checkpoint();
    CHECK(verdict_on(trail, trail.lines).line == 0);
    CHECK(verdict_on(trail, trail.lines).summary.trails == 1);
    Verdict verdict = verdict_on(trail, without(trail.lines, second, third - second));
    CHECK(verdict.line == second + 1);
    CHECK(verdict.sentence == "begins a file after entry 12: entries 11 to 12 are missing before it.");

    Lines swapped = without(trail.lines, second, third - second);
    swapped.insert(swapped.end(), trail.lines.begin() + static_cast<std::ptrdiff_t>(second),
                   trail.lines.begin() + static_cast<std::ptrdiff_t>(third));
    CHECK(verdict_on(trail, swapped).line == second + 1);
    Lines twice = trail.lines;
    twice.push_back(trail.lines[second]);
    CHECK(verdict_on(trail, twice).line == twice.size());
    CHECK(
        verdict_on(trail, twice).sentence.starts_with("begins a file after entry 10, and entry 15 was there already"));
    Lines other = trail.lines;
    other[third] = audit::to_line(audit::FileStart{
        .vault = trail.vault(), .follows = {.sequence = 12, .hash = crypto::sha256(bytes_of("another"))}});
    CHECK(verdict_on(trail, other).line == third + 1);
    CHECK(verdict_on(trail, other).sentence.starts_with("begins a file after another entry 12"));
}

TEST_CASE("A file of another vault, and an entry before any first line, are refused") {
    WrittenTrail trail = usual_trail();
    const std::size_t size = trail.lines.size();
    trail.vault()[0] = 0xcd;
    trail.start_file();
    CHECK(verdict_on(trail, trail.lines).line == size + 1);
    CHECK(verdict_on(trail, trail.lines).sentence == "begins a file of another vault than the one before.");
    CHECK(verdict_on(trail, without(trail.lines, 0, 1)).line == 1);
    CHECK(verdict_on(trail, without(trail.lines, 0, 1)).sentence ==
          "is an entry, and no line before it says of which trail.");
    CHECK(verdict_on(trail, {}).sentence == "There is not a line in it.");
    const audit::FileStart hashed{.vault = {}, .follows = {.sequence = 0, .hash = trail.end().hash}};
    CHECK(verdict_on(trail, {audit::to_line(hashed)}).line == 1);
}

TEST_CASE("A trail that begins again after a recovery on another device is counted, and is one of its own") {
    WrittenTrail trail = usual_trail();
    trail.add_events(1);
    trail.start_again();
    trail.add_events(2);
    Verdict verdict = verdict_knowing(trail, trail.lines, trail.end());
    CHECK(verdict.line == 0);
    CHECK(verdict.sentence.empty());
    CHECK(verdict.summary.trails == 2);
    CHECK(verdict.summary.first == 1);
    CHECK(verdict.summary.signed_up_to == 0);
    CHECK(verdict.summary.uncovered == 3);
    trail.add_checkpoint();
    verdict = verdict_on(trail, trail.lines);
    CHECK(verdict.line == 0);
    CHECK(verdict.summary.signed_up_to == 3);
    CHECK(verdict.summary.checkpoints == 3);
    CHECK(verdict.summary.last.sequence == 4);
}

TEST_CASE("What was known or covered of one trail is not known or covered of the next") {
    WrittenTrail trail = usual_trail();
    const audit::Position end = trail.end();
    trail.start_again();
    CHECK(verdict_knowing(trail, trail.lines, end).sentence == "Entries 2 to 10 are missing at the end.");
    auto options = with_key(trail);
    options.known = {end};
    CHECK(verdict_with(options, trail.lines).summary.met == std::vector<bool>{false});
    CHECK_FALSE(verdict_with(options, trail.lines).proven);
    WrittenTrail covering = trail;
    covering.add_checkpoint_over(end.hash);
    CHECK(verdict_on(covering, covering.lines).line == covering.lines.size());
    trail.add_events(9);
    CHECK(verdict_knowing(trail, trail.lines, trail.end()).sentence.empty());
    CHECK_FALSE(verdict_knowing(trail, trail.lines, end).sentence.empty());
}

TEST_CASE("A trail that no device has signed is not believed in front of one that is good") {
    WrittenTrail trail;
    trail.add_events(5);
    const std::size_t forged = trail.lines.size();
    trail.start_again();
    trail.add_checkpoint();
    CHECK(verdict_on(trail, trail.lines).line == forged + 1);
    CHECK(verdict_on(trail, trail.lines).sentence.find("no checkpoint covers") != std::string::npos);
    auto chain_only = with_key(trail);
    chain_only.check_signatures = false;
    CHECK(verdict_with(chain_only, trail.lines).line == 0);

    WrittenTrail empty;
    empty.start_again();
    empty.add_checkpoint();
    CHECK(verdict_on(empty, empty.lines).line == 0);

    WrittenTrail lost = usual_trail();
    lost.add_events(3);  // the device was lost before it signed them
    lost.start_again();
    lost.add_checkpoint();
    CHECK(verdict_on(lost, lost.lines).line == 0);
    CHECK(verdict_on(lost, lost.lines).summary.uncovered_before == 3);
    CHECK(verdict_on(lost, lost.lines).summary.uncovered == 0);
}

TEST_CASE("A trail that begins again without a recovery is one whose files are in another order") {
    WrittenTrail trail = usual_trail();
    const std::size_t size = trail.lines.size();
    trail.start_again_without_recovery();
    CHECK(verdict_on(trail, trail.lines).line == 0);
    trail.add_events(1);
    CHECK(verdict_on(trail, trail.lines).line == size + 1);  // the first line of the file
    CHECK(verdict_on(trail, trail.lines).sentence.starts_with("begins the trail again without a recovery"));
}

TEST_CASE("An entry that this program does not know is counted, and its place in the chain is checked") {
    WrittenTrail trail;
    const auto body = FieldWriter().number(99).text("of a later day").take();
    const crypto::Digest hash = crypto::sha256(FieldWriter().bytes(crypto::Digest{}).number(1).bytes(body).view());
    trail.add_link({.sequence = 1, .body = body, .hash = hash});
    CHECK(verdict_on(trail, trail.lines).line == 0);
    CHECK(verdict_on(trail, trail.lines).summary.unread == 1);
    CHECK(verdict_on(trail, trail.lines).summary.events == 0);
    trail.add_link({.sequence = 2, .body = body, .hash = hash});
    CHECK(verdict_on(trail, trail.lines).line == 3);
}

TEST_CASE("A checkpoint covers an entry of the window before it, and memory does not grow beyond that") {
    constexpr std::size_t kFew = 64;
    WrittenTrail trail;
    const crypto::Digest start = trail.end().hash;
    trail.add_events(kFew - 1);
    WrittenTrail late = trail;
    trail.add_checkpoint_over(start);
    CHECK(verdict_with(with_key(trail), trail.lines, kFew).line == 0);
    late.add_events(1);
    late.add_checkpoint_over(start);
    CHECK(verdict_with(with_key(late), late.lines, kFew).line == late.lines.size());
}

TEST_CASE("Whoever goes on after a bad line hears of it again, at every line and at the end") {
    WrittenTrail trail = usual_trail();
    audit::Verifier verifier(with_key(trail));
    REQUIRE(verifier.take(trail.lines[0]));
    const auto bad = verifier.take("garbage");
    REQUIRE_FALSE(bad);
    CHECK(verifier.take(trail.lines[1]).error() == bad.error());
    CHECK(verifier.finish().error() == bad.error());
    CHECK(verifier.summary().last.sequence == 0);
}

TEST_CASE("What is wrong with a line is said by numbers alone") {
    WrittenTrail trail = usual_trail();
    const std::string canary = "hwv_0123456789canary";
    for (std::size_t place = 1; place < trail.lines.size(); ++place) {
        Lines lines = trail.lines;
        const std::size_t user = lines[place].find("alice");
        if (user == std::string::npos) continue;
        lines[place].replace(user, 5, canary);
        const Verdict verdict = verdict_on(trail, lines);
        CHECK(verdict.line == place + 1);
        CHECK(verdict.sentence.find(canary) == std::string::npos);
    }
}
