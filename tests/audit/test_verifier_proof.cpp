// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is proven of files that fit: by checkpoints and known entries of the newest trail, and by nothing else.
#include "tests/audit/verdict.h"
#include "tests/catch.h"

using namespace hwvault;
using audit::Lines;
using audit::usual_trail;
using audit::Verdict;
using audit::verdict_knowing;
using audit::verdict_on;
using audit::WrittenTrail;

TEST_CASE("A trail that nothing says anything of is not proven: by no checkpoint, by none of its own, or without an entry") {
    WrittenTrail trail = usual_trail();
    CHECK(verdict_on(trail, trail.lines).proven);
    CHECK_FALSE(verdict_on(trail, {trail.lines[0]}).proven);
    CHECK_FALSE(verdict_on(trail, {}).proven);
    CHECK_FALSE(verdict_on(trail, Lines(trail.lines.begin(), trail.lines.begin() + 4)).proven);
    Lines bad = trail.lines;
    bad.emplace_back("garbage");
    CHECK_FALSE(verdict_on(trail, bad).proven);

    // Known entries are of the newest trail, or prove nothing.
    const audit::Position tenth = trail.end();
    trail.start_again_without_recovery();
    CHECK_FALSE(verdict_on(trail, trail.lines).proven);
    CHECK_FALSE(verdict_knowing(trail, trail.lines, tenth).proven);
    WrittenTrail anew;
    CHECK(verdict_knowing(anew, anew.lines, anew.end()).proven);  // the vault knows of no entry
    const audit::Position start = anew.end();
    anew.add_events(2);
    CHECK_FALSE(verdict_knowing(anew, anew.lines, start).proven);  // which every trail follows
    CHECK(verdict_knowing(anew, anew.lines, anew.end()).proven);
}

TEST_CASE("A checkpoint over what was before the files says nothing of the entries that are in them") {
    WrittenTrail trail = usual_trail();
    const audit::Position tenth = trail.end();
    const auto second = static_cast<std::ptrdiff_t>(trail.lines.size());
    trail.start_file();
    trail.add_events(2);
    trail.add_checkpoint_over(tenth.hash);
    Verdict verdict = verdict_on(trail, Lines(trail.lines.begin() + second, trail.lines.end()));
    CHECK(verdict.line == 0);
    CHECK(verdict.summary.signed_up_to == 0);
    CHECK(verdict.summary.uncovered == 2);
    CHECK_FALSE(verdict.proven);
    CHECK_FALSE(verdict_knowing(trail, Lines(trail.lines.begin() + second, trail.lines.end()), tenth).proven);
    CHECK(verdict_on(trail, trail.lines).proven);
}

TEST_CASE("When the oldest files are gone, the rest is verified and says with which entry it begins") {
    WrittenTrail trail = usual_trail();
    const audit::Position tenth = trail.end();
    const auto second = static_cast<std::ptrdiff_t>(trail.lines.size());
    trail.start_file();
    trail.add_events(1);
    Lines rest(trail.lines.begin() + second, trail.lines.end());
    CHECK(verdict_on(trail, rest).summary.first == 11);
    CHECK(verdict_knowing(trail, rest, tenth).sentence.empty());
    const Verdict verdict = verdict_knowing(trail, rest, {.sequence = 4, .hash = tenth.hash});
    CHECK(verdict.sentence == "Entry 4 is not in these files: they begin with entry 11.");
}

TEST_CASE("When the oldest files are gone and the trail begins again, the first entry is that of the newest trail") {
    WrittenTrail trail = usual_trail();
    const auto second = static_cast<std::ptrdiff_t>(trail.lines.size());
    trail.start_file();
    trail.add_events(1);
    trail.add_checkpoint();
    trail.start_again();
    const Verdict verdict = verdict_on(trail, Lines(trail.lines.begin() + second, trail.lines.end()));
    CHECK(verdict.line == 0);
    CHECK(verdict.summary.first == 1);
}

TEST_CASE("The first checkpoint of later files may cover what was before them, and says nothing of what is in them") {
    WrittenTrail trail;
    trail.add_events(3);
    const crypto::Digest early = trail.end().hash;
    trail.add_events(2);
    const auto second = static_cast<std::ptrdiff_t>(trail.lines.size());
    trail.start_file();
    trail.add_events(2);
    trail.add_checkpoint_over(early);
    Lines rest(trail.lines.begin() + second, trail.lines.end());
    CHECK(verdict_on(trail, rest).line == 0);
    CHECK(verdict_on(trail, rest).summary.signed_up_to == 0);
    trail.add_checkpoint();
    rest.assign(trail.lines.begin() + second, trail.lines.end());
    CHECK(verdict_on(trail, rest).summary.signed_up_to == 8);
    trail.add_checkpoint_over(early);
    rest.assign(trail.lines.begin() + second, trail.lines.end());
    CHECK(verdict_on(trail, rest).line == rest.size());
}
