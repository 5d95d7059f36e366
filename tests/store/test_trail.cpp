// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The audit trail in the store: what its files have goes, but for the latest entries; the rest is all there, or found missing.
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

// Commits of `size` events each, up to event number `last`.
void write_events(OpenStore& open, std::uint64_t last, std::uint64_t size = 500) {
    while (open.trail.sequence() < last) {
        Batch batch;
        batch.epoch = open.epoch;
        batch.time_mark = open.time;
        while (batch.events.size() < size) batch.events.push_back(open.trail.append(vault::Event{}));
        REQUIRE(open.store->commit(batch));
    }
}

Result<void> say_written(OpenStore& open, std::uint64_t sequence) {
    Batch batch;
    batch.epoch = open.epoch;
    batch.time_mark = open.time;
    batch.audit_written = sequence;
    return open.store->commit(batch);
}

Contents reopen(OpenStore& open, const path& file) {
    open.store.reset();
    open.store = Store::open(file, root_key()).value();
    return open.store->take_contents();
}

std::vector<std::uint64_t> events_after(Store& store, std::uint64_t after) {
    std::vector<std::uint64_t> sequences;
    REQUIRE(store.visit_events(after, [&](const vault::EventLink& link) {
        sequences.push_back(link.sequence);
        return true;
    }));
    return sequences;
}

}  // namespace

TEST_CASE("What the audit files have leaves the store, a part at a time, but for the latest entries") {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    OpenStore open = open_store(file, root_key());
    write_events(open, kEntriesKept + 2'500);
    CHECK(reopen(open, file).audit_first == 1);
    REQUIRE(say_written(open, kEntriesKept + 1'500));
    Contents contents = reopen(open, file);
    CHECK(contents.audit_first == 1'001);
    CHECK(contents.audit_written == kEntriesKept + 1'500);
    CHECK(contents.audit_sequence == kEntriesKept + 2'500);
    REQUIRE(say_written(open, 0));  // less than before changes nothing
    contents = reopen(open, file);
    CHECK(contents.audit_first == 1'501);
    CHECK(contents.audit_written == kEntriesKept + 1'500);
    const auto kept = events_after(*open.store, 0);
    CHECK(kept.front() == 1'501);
    CHECK(kept.back() == kEntriesKept + 2'500);
    CHECK(kept.size() == kEntriesKept + 1'000);
    CHECK(events_after(*open.store, kEntriesKept + 2'498).size() == 2);
    CHECK(events_after(*open.store, kEntriesKept + 2'500).empty());
}

TEST_CASE("Entries that no file has yet stay, however many they are") {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    OpenStore open = open_store(file, root_key());
    write_events(open, kEntriesKept + 1'000);
    CHECK_FALSE(say_written(open, kEntriesKept + 1'001));
    REQUIRE(say_written(open, 10));
    CHECK(reopen(open, file).audit_first == 1);
}

TEST_CASE("Entries that are gone from the store, and what it says of its files, are held to the head") {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    {
        OpenStore open = open_store(file, root_key());
        write_events(open, kEntriesKept + 1'000);
        REQUIRE(say_written(open, kEntriesKept + 100));
    }
    const path edited = folder.get() / "edited.db";
    for (const std::string sql :
         {"DELETE FROM events WHERE sequence = 5000; INSERT INTO events SELECT 100, body, hash FROM events WHERE sequence = 101",
          "DELETE FROM events WHERE sequence = 101", "DELETE FROM events WHERE sequence < 5000",
          "DELETE FROM events WHERE sequence = 5000", "INSERT INTO events SELECT 100, body, hash FROM events WHERE sequence = 101",
          "UPDATE head SET audit_first = 102", "UPDATE head SET audit_first = 1", "UPDATE head SET audit_written = 10101",
          "UPDATE head SET audit_written = 0", "UPDATE head SET audit_first = 1, audit_written = 0"}) {
        copy_store(file, edited);
        edit_raw(edited, sql);
        INFO(sql);
        const auto opened = Store::open(edited, root_key());
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == ErrorCode::kStoreTampered);
    }
    CHECK(Store::open(file, root_key()));
}
