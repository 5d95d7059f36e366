// SPDX-License-Identifier: LGPL-2.1-or-later
#include <limits>
#include <string>
#include <vector>

#include "crypto/base64.h"
#include "daemon/audit/entry.h"
#include "daemon/audit/line.h"
#include "daemon/audit/trail.h"
#include "foundation/fields.h"
#include "foundation/hex.h"
#include "tests/catch.h"

using namespace hwvault;

namespace {

const std::string kZeroDigits(64, '0');

vault::EventLink link_of(const audit::Entry& entry) {
    return audit::Trail().append(entry);
}

vault::Event event_with_all() {
    vault::Event event;
    event.time = 1'700'000'000;
    event.verb = vault::Verb::kRevoke;
    event.actor = {.uid = 1000,
                   .user = "alice",
                   .unit = "deploy.service",
                   .invocation = "0123456789abcdef0123456789abcdef",
                   .executable = "/usr/bin/x"};
    event.account = "app:billing";
    event.name = "ci";
    event.token_id = "0123456789";
    event.generation = 3;
    event.decided_by = "owners";
    return event;
}

vault::SignedCheckpoint checkpoint_of(std::uint64_t sequence) {
    vault::SignedCheckpoint made;
    made.checkpoint = {.sequence = sequence,
                       .previous = {},
                       .audit_head = crypto::sha256(bytes_of("head")),
                       .epoch = 9,
                       .escrow_set = {}};
    made.signature = Bytes{1, 2, 3, 4};
    return made;
}

std::string digits_of(const vault::EventLink& link) {
    return hex_of(link.hash);
}

// What is wrong with it; empty when nothing is.
std::string fault_of(std::string_view line) {
    const auto parsed = audit::parse_line(line);
    if (parsed) return {};
    CHECK(parsed.error().code == ErrorCode::kInvalidArgument);
    return parsed.error().message;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const std::size_t place = text.find(what);
    REQUIRE(place != std::string::npos);
    return text.replace(place, what.size(), by);
}

void check_round_trip(const audit::Line& line) {
    const auto parsed = audit::parse_line(audit::to_line(line));
    REQUIRE(parsed);
    CHECK(audit::to_line(*parsed) == audit::to_line(line));
}

}  // namespace

TEST_CASE("The first line says which trail the file is of, and what it follows") {
    audit::FileStart start;
    start.vault[0] = 0xab;
    start.follows = {.sequence = 7, .hash = crypto::sha256(bytes_of("seventh"))};
    CHECK(audit::to_line(start) ==
          R"({"trail":"ab000000000000000000000000000000","format":1,"follows":{"sequence":7,"hash":")" +
              hex_of(start.follows.hash) + R"("}})");
    const auto parsed = audit::parse_line(audit::to_line(start));
    REQUIRE(parsed);
    CHECK(std::get<audit::FileStart>(*parsed) == start);
}

TEST_CASE("An event is one object, with its members in one order") {
    const auto link = link_of(event_with_all());
    CHECK(
        audit::to_line(link) ==
        R"({"sequence":1,"time":1700000000,"verb":"Revoke","uid":1000,"user":"alice","unit":"deploy.service",)"
        R"("invocation":"0123456789abcdef0123456789abcdef","executable":"/usr/bin/x","account":"app:billing","name":"ci",)"
        R"("token":"0123456789","generation":3,"rule":"owners","hash":")" +
            digits_of(link) + R"("})");
    const auto parsed = audit::parse_line(audit::to_line(link));
    REQUIRE(parsed);
    CHECK(std::get<vault::EventLink>(*parsed).body == link.body);
    CHECK(std::get<vault::EventLink>(*parsed).hash == link.hash);
}

TEST_CASE("What is empty in an event is left out of its line") {
    const auto link = link_of(vault::Event{});
    CHECK(audit::to_line(link) ==
          R"({"sequence":1,"time":0,"verb":"Status","uid":0,"hash":")" + digits_of(link) + R"("})");
    check_round_trip(link);
}

TEST_CASE("Every verb, the largest numbers and every sort of text survive a line") {
    vault::Event event = event_with_all();
    for (std::uint8_t number = 1; vault::word(static_cast<vault::Verb>(number)) != "Unknown"; ++number) {
        event.verb = static_cast<vault::Verb>(number);
        check_round_trip(link_of(event));
    }
    event.time = event.generation = std::numeric_limits<std::uint64_t>::max();
    event.actor.uid = std::numeric_limits<std::uint32_t>::max();
    event.actor.executable = "/opt/caf\xc3\xa9 \"two\\words\"/\xf0\x9f\x94\x91";
    event.decided_by = "a\nline\x1b[31m and \xff";
    check_round_trip(link_of(event));
    event.actor.executable = event.actor.user = event.actor.unit = event.actor.invocation =
        std::string(audit::kMaxTextSize, '"');
    event.account = event.name = event.token_id = event.decided_by = std::string(audit::kMaxTextSize, '\\');
    check_round_trip(link_of(event));
}

TEST_CASE("A checkpoint is an object in its line") {
    const auto link = link_of(checkpoint_of(3));
    CHECK(audit::to_line(link) == R"({"sequence":1,"checkpoint":{"sequence":3,"previous":")" + kZeroDigits +
                                      R"(","audit_head":")" + hex_of(crypto::sha256(bytes_of("head"))) +
                                      R"(","epoch":9,"escrow_set":")" + kZeroDigits +
                                      R"(","signature":"AQIDBA=="},"hash":")" + digits_of(link) + R"("})");
    check_round_trip(link);
}

TEST_CASE("An entry that this program does not know is written with its bytes, and only such a one") {
    vault::EventLink link{.sequence = 5, .body = FieldWriter().number(99).text("of a later day").take(), .hash = {}};
    CHECK(audit::to_line(link).starts_with(R"({"sequence":5,"body":")"));
    check_round_trip(link);
    link.body.clear();
    check_round_trip(link);

    const SecretBytes body = crypto::encode_base64(audit::encode(event_with_all()));
    CHECK(fault_of(R"({"sequence":1,"body":")" + std::string(text_of(body.reveal())) + R"(","hash":")" + kZeroDigits +
                   R"("})") == "is not in the form that hwvaultd writes.");
}

TEST_CASE("A line that is not JSON, or not an object, or too deep or too long, is refused") {
    for (const auto* const text : {"", "{", "{}x", "{\"sequence\":1", "{\"a\":[[[]]]}", "{\"user\":\"\xff\"}"}) {
        CHECK(fault_of(text) == "is not JSON.");
    }
    for (const auto* const text : {"1", "[]", "null", "\"x\""}) CHECK(fault_of(text) == "is not a JSON object.");
    CHECK(fault_of(std::string(audit::kMaxLineSize + 1, ' ')) == "is longer than 131072 bytes.");
    CHECK(fault_of(std::string(audit::kMaxLineSize, '[')) == "is not JSON.");
}

TEST_CASE("A line that lacks something, or has something else in its place, is refused by the name of the member") {
    const std::string line = audit::to_line(link_of(event_with_all()));
    CHECK(fault_of("{}") == "has no `sequence`.");
    CHECK(fault_of(replaced(line, "\"time\":1700000000,", "")) == "has no `time`.");
    CHECK(fault_of(replaced(line, "\"Revoke\"", "\"Explode\"")) == "has no `verb` that this program knows.");
    CHECK(fault_of(replaced(line, ",\"hash\":\"" + digits_of(link_of(event_with_all())) + "\"", "")) ==
          "has no `hash`.");
    CHECK(fault_of(replaced(line, "\"hash\":\"", "\"hash\":\"f")) == "has a `hash` that is not 64 hexadecimal digits.");
    CHECK(fault_of(replaced(line, "\"alice\"", "7")) == "has a `user` that is no text.");
    CHECK(fault_of(replaced(line, "1000", "4294967296")) ==
          "has a `uid` that is no whole number from 0 to 4294967295.");
    CHECK(fault_of(replaced(line, "\"sequence\":1", "\"sequence\":-1")) ==
          "has a `sequence` that is no whole number from 0 to 18446744073709551615.");
    CHECK(fault_of(replaced(audit::to_line(link_of(checkpoint_of(1))), "AQIDBA==", "AQIDBA=")) ==
          "has a `signature` that is no base64.");
    CHECK(fault_of(R"({"sequence":1,"checkpoint":3,"hash":")" + kZeroDigits + R"("})") ==
          "has a `checkpoint` that is no object.");
    CHECK(fault_of(replaced(audit::to_line(audit::FileStart{}), "\"format\":1", "\"format\":2"))
              .starts_with("is of another format"));
}

TEST_CASE("A line that says the same in another form is refused") {
    const std::string line = audit::to_line(link_of(event_with_all()));
    const std::vector<std::string> others = {
        replaced(line, "\"sequence\":1,", "\"sequence\": 1,"),
        line + " ",
        line + "\r",
        replaced(line, "1700000000", "17e8"),
        replaced(line, "1700000000", "1700000000.0"),
        replaced(line, "\"alice\"", "\"al\\u0069ce\""),
        replaced(line, "/usr/bin/x", "\\/usr\\/bin\\/x"),
        replaced(line, "\"user\":\"alice\"", "\"user\":\"mallory\",\"user\":\"alice\""),
        replaced(line, "\"user\":\"alice\",\"unit\":\"deploy.service\"",
                 "\"unit\":\"deploy.service\",\"user\":\"alice\""),
        replaced(line, "\"uid\":1000", "\"uid\":1000,\"color\":\"red\""),
        replaced(line, "\"generation\":3", "\"generation\":0"),
        replaced(line, "\"name\":\"ci\"", "\"name\":\"\""),
        replaced(line, "deploy.service", std::string(audit::kMaxTextSize + 1, 'x')),
        replaced(line, "alice", "al\\nice"),
    };
    for (const std::string& other : others) {
        INFO(other);
        const std::string fault = fault_of(other);
        CHECK((fault == "is not in the form that hwvaultd writes." || fault.starts_with("has a `time`")));
    }
    std::string upper = digits_of(link_of(event_with_all()));
    upper.front() = 'A';
    CHECK(fault_of(replaced(line, digits_of(link_of(event_with_all())), upper)) ==
          "is not in the form that hwvaultd writes.");
}

TEST_CASE("What is wrong with a line is said without a word of it") {
    const std::string canary = "hwv_0123456789canary";
    const std::string line = audit::to_line(link_of(event_with_all()));
    for (const std::string& bad : {canary, "{\"" + canary + "\":1}", replaced(line, "Revoke", canary),
                                   replaced(line, "\"hash\":\"", "\"hash\":\"" + canary),
                                   replaced(line, "\"uid\":1000", "\"uid\":\"" + canary + "\"")}) {
        CHECK_FALSE(fault_of(bad).empty());
        CHECK(fault_of(bad).find(canary) == std::string::npos);
    }
}
