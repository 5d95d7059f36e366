// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/index/writer.h"

#include <algorithm>
#include <deque>
#include <set>

#include "tests/index/harness.h"

using namespace hwvault;
using namespace hwvault::index;

TEST_CASE("What was put into the index is found, with all that a verifier learns") {
    const auto writer = make_writer();
    Token token = make_token("app:billing", "nightly", {"invoices:read", "invoices:write"});
    token.generation = 7;
    token.expires_at = 2'000;
    REQUIRE(writer->put(token.entry()));
    Found found;
    REQUIRE(writer->view().find(token.text.reveal(), 1'999, found));
    CHECK(found.account() == "app:billing");
    CHECK(found.name() == "nightly");
    CHECK(found.scope_texts() == std::string_view("invoices:read\0invoices:write\0", 29));
    CHECK(found.scopes == 2);
    CHECK(found.generation == 7);
    CHECK(found.expires_at == 2'000);
    CHECK(writer->count() == 1);
}

TEST_CASE("A token's text is the token only if each of its characters is") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry()));
    Found found;
    for (std::size_t i = 0; i < token.text.size(); ++i) {
        SecretBytes changed = SecretBytes::copy_of(token.text.reveal());
        changed.reveal_to_fill()[i] = changed.reveal()[i] == 'x' ? 'y' : 'x';
        CAPTURE(i);
        CHECK_FALSE(writer->view().find(changed.reveal(), 1, found));
    }
    CHECK_FALSE(writer->view().find(token.text.reveal().first(token.text.size() - 1), 1, found));
    CHECK_FALSE(writer->view().find({}, 1, found));
    CHECK(has(*writer, token));
}

TEST_CASE("The longest names and scopes are found whole, and their room is used again") {
    const auto writer = make_writer();
    const std::string account = "unit:" + std::string(258, 'u') + ".service";
    std::vector<std::string> scopes(32, std::string(64, 's'));
    // Each takes 21 of the 1,086 further texts.
    for (int round = 0; round < 200; ++round) {
        scopes.front()[0] = static_cast<char>('a' + round % 26);
        const Token token = make_token(account, std::string(64, 'n'), scopes);
        REQUIRE(writer->put(token.entry()));
        Found found;
        REQUIRE(writer->view().find(token.text.reveal(), 1, found));
        CHECK(found.account() == account);
        CHECK(found.name() == std::string(64, 'n'));
        CHECK(found.scopes == 32);
        CHECK(found.scope_texts().size() == 32 * 65);
        CHECK(found.scope_texts()[0] == scopes.front()[0]);
        writer->drop(token.key());
    }
}

TEST_CASE("A text of every length is found as it was put") {
    const auto writer = make_writer();
    for (std::size_t size = 1; size <= 300; ++size) {
        const Token token = make_token("user:" + std::string(size, 'a'), "n");
        REQUIRE(writer->put(token.entry()));
        Found found;
        REQUIRE(writer->view().find(token.text.reveal(), 1, found));
        CHECK(found.account() == token.account);
        CHECK(found.name() == "n");
        CHECK(found.scope_texts().empty());
        writer->drop(token.key());
    }
}

TEST_CASE("A token that was revoked or dropped is not found, and is known as long as it is there") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    Found found;
    CHECK(writer->recognise(token.text.reveal(), found) == Writer::Standing::kUnknown);
    REQUIRE(writer->put(token.entry()));
    CHECK(writer->recognise(token.text.reveal(), found) == Writer::Standing::kLive);
    REQUIRE(writer->put(token.entry(false)));
    CHECK_FALSE(has(*writer, token));
    CHECK(writer->recognise(token.text.reveal(), found) == Writer::Standing::kDead);
    CHECK(found.account() == "user:alice");
    REQUIRE(writer->put(token.entry()));
    CHECK(has(*writer, token));
    writer->drop(token.key());
    CHECK_FALSE(has(*writer, token));
    CHECK(writer->recognise(token.text.reveal(), found) == Writer::Standing::kUnknown);
    CHECK(writer->count() == 0);
    writer->drop(token.key());
    CHECK(writer->count() == 0);
}

TEST_CASE("One that is dead when it is put is known and not found") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry(false)));
    Found found;
    CHECK_FALSE(has(*writer, token));
    CHECK(writer->recognise(token.text.reveal(), found) == Writer::Standing::kDead);
}

TEST_CASE("Expiry is seen by the later of the reader's clock and the time mark, and may be moved") {
    const auto writer = make_writer();
    Token token = make_token("user:alice", "default");
    token.expires_at = 1'000;
    REQUIRE(writer->put(token.entry()));
    CHECK(has(*writer, token, 999));
    CHECK_FALSE(has(*writer, token, 1'000));
    token.expires_at = 500;
    REQUIRE(writer->put(token.entry()));
    CHECK(has(*writer, token, 499));
    CHECK_FALSE(has(*writer, token, 500));
    writer->set_time_mark(500);
    CHECK_FALSE(has(*writer, token, 499));
    writer->set_time_mark(100);  // never goes back
    CHECK_FALSE(has(*writer, token, 499));
    CHECK(writer->count() == 1);
}

TEST_CASE("All tokens of a full table are found, and what has no place leaves it as it was") {
    const auto writer = make_writer();
    std::vector<Token> tokens = make_tokens(kMinSlots + kReach);
    std::size_t placed = 0;
    while (placed < tokens.size() && writer->put(tokens[placed].entry())) ++placed;
    CHECK(placed > kMinSlots * 7 / 10);
    REQUIRE(placed < tokens.size());
    CHECK(writer->is_crowded());
    CHECK(writer->count() == placed);
    CHECK_FALSE(has(*writer, tokens[placed]));
    for (std::size_t i = 0; i < placed; ++i) CHECK(has(*writer, tokens[i]));
    writer->drop(tokens[0].key());
    CHECK_FALSE(has(*writer, tokens[0]));
    for (std::size_t i = 1; i < placed; ++i) CHECK(has(*writer, tokens[i]));
}

TEST_CASE("A table in which tokens come and go for ever does not fill up") {
    const auto writer = make_writer();
    std::deque<Token> live;
    for (int round = 0; round < 20'000; ++round) {
        live.push_back(make_token("user:alice", "token-" + std::to_string(round)));
        REQUIRE(writer->put(live.back().entry()));
        if (live.size() < kMinSlots / 4) continue;  // of twice as many one in 100 million finds no place
        writer->drop(live.front().key());
        CHECK_FALSE(has(*writer, live.front()));
        live.pop_front();
    }
    CHECK(std::ranges::all_of(live, [&](const Token& token) { return has(*writer, token); }));
}

TEST_CASE("Names of which a slot cannot say how long they are find no place") {
    const auto writer = make_writer();
    CHECK(writer->put(make_token(std::string(kMaxAccountSize, 'a'), std::string(kMaxNameSize, 'n')).entry()));
    CHECK_FALSE(writer->put(make_token(std::string(kMaxAccountSize + 1, 'a'), "n").entry()));
    CHECK_FALSE(writer->put(make_token("app:a", std::string(kMaxNameSize + 1, 'n')).entry()));
    CHECK(writer->count() == 1);
}

TEST_CASE("A table of no such size is refused") {
    CHECK_FALSE(Writer::make(kPrefix, kMinSlots - 1).has_value());
    CHECK_FALSE(Writer::make(kPrefix, kMaxSlots + 1).has_value());
    CHECK_FALSE(Writer::make("too_long_", kMinSlots).has_value());
}

TEST_CASE("When a token was used comes with it, and the latest that is known of it stays") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    Entry entry = token.entry();
    entry.used = 100;
    REQUIRE(writer->put(entry));
    CHECK(writer->stored(token.key())->used == 100);
    CHECK(writer->stored(token.key())->hash == token.hash);
    writer->note_use(token.key(), 200);
    writer->note_use(token.key(), 150);
    REQUIRE(writer->put(entry));
    CHECK(writer->stored(token.key())->used == 200);
    writer->drop(token.key());
    writer->note_use(token.key(), 300);
    REQUIRE(writer->put(token.entry()));
    CHECK(writer->stored(token.key())->used == 0);
}

TEST_CASE("Stamps are visited a few at a time, each once, and those of before are passed over") {
    const auto writer = make_writer();
    std::set<std::string> expected;
    std::vector<Token> tokens = make_tokens(500);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        Entry entry = tokens[i].entry();
        entry.used = static_cast<std::uint32_t>(i);  // the first was not used
        REQUIRE(writer->put(entry));
        if (i >= 100 && i % 10 != 0) expected.insert(tokens[i].name);
    }
    for (std::size_t i = 0; i < tokens.size(); i += 10) writer->drop(tokens[i].key());
    std::multiset<std::string> visited;
    std::uint32_t next = 0;
    bool goes_on = true;
    while (goes_on) {
        std::size_t at_once = 0;
        goes_on = writer->visit_stamps(next, 100, 7, [&](const Found& found, std::uint32_t at) {
            CHECK(found.name() == "token-" + std::to_string(at));
            visited.emplace(found.name());
            ++at_once;
        });
        CHECK(at_once <= 7);
    }
    CHECK(visited == std::multiset<std::string>(expected.begin(), expected.end()));
}
