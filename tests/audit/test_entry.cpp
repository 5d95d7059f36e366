// SPDX-License-Identifier: LGPL-2.1-or-later
#include <optional>
#include <string>

#include "daemon/audit/entry.h"
#include "foundation/fields.h"
#include "tests/catch.h"

using namespace hwvault;

namespace {

vault::Event full_event() {
    vault::Event event;
    event.time = 1'700'000'000;
    event.verb = vault::Verb::kRotate;
    event.actor = {.uid = 1000, .user = "alice", .unit = "deploy.service", .invocation = "0123456789abcdef0123456789abcdef", .executable = "/usr/bin/deploy"};
    event.account = "app:deploy";
    event.name = "ci";
    event.token_id = "0123456789";
    event.generation = 7;
    event.decided_by = "owners";
    return event;
}

std::optional<vault::Event> decoded_event(BytesView body) {
    const auto entry = audit::decode(body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    return event != nullptr ? std::optional(*event) : std::nullopt;
}

vault::SignedCheckpoint full_checkpoint() {
    vault::SignedCheckpoint made;
    made.checkpoint = {.sequence = 3,
                       .previous = crypto::sha256(bytes_of("previous")),
                       .audit_head = crypto::sha256(bytes_of("head")),
                       .epoch = 9,
                       .escrow_set = {}};
    made.signature = Bytes(70, 0x5A);
    return made;
}

// The event's fields with one number changed.
Bytes encoded_with(std::uint64_t kind, std::uint64_t verb, std::uint64_t uid) {
    FieldWriter fields;
    fields.number(kind).number(0).number(verb).number(uid);
    for (int text = 0; text < 7; ++text) fields.text("");
    return fields.number(0).text("").take();
}

}  // namespace

TEST_CASE("An event that is encoded and decoded is the same event") {
    const vault::Event event = full_event();
    const auto decoded = decoded_event(audit::encode(event));
    REQUIRE(decoded);
    CHECK(decoded->time == event.time);
    CHECK(decoded->verb == event.verb);
    CHECK(decoded->actor.uid == event.actor.uid);
    CHECK(decoded->actor.user == event.actor.user);
    CHECK(decoded->actor.unit == event.actor.unit);
    CHECK(decoded->actor.invocation == event.actor.invocation);
    CHECK(decoded->actor.executable == event.actor.executable);
    CHECK(decoded->account == event.account);
    CHECK(decoded->name == event.name);
    CHECK(decoded->token_id == event.token_id);
    CHECK(decoded->generation == event.generation);
    CHECK(decoded->decided_by == event.decided_by);
}

TEST_CASE("An event with every text empty survives") {
    const auto decoded = audit::decode(audit::encode(vault::Event{}));
    REQUIRE(decoded);
    CHECK(audit::encode(*decoded) == audit::encode(vault::Event{}));
}

TEST_CASE("An event cut anywhere, or with a byte more, is no event") {
    const Bytes body = audit::encode(full_event());
    for (std::size_t size = 0; size < body.size(); ++size) {
        CHECK_FALSE(audit::decode(BytesView{body}.first(size)));
    }
    Bytes longer = body;
    longer.push_back(0);
    CHECK_FALSE(audit::decode(longer));
}

TEST_CASE("An event of another kind, verb or uid range is no event") {
    CHECK(audit::decode(encoded_with(2, 1, 0)));
    for (const std::uint64_t kind : {0U, 1U, 3U, 4U}) CHECK_FALSE(audit::decode(encoded_with(kind, 1, 0)));
    CHECK_FALSE(audit::decode(encoded_with(2, 0, 0)));
    CHECK_FALSE(audit::decode(encoded_with(2, 15, 0)));
    CHECK_FALSE(audit::decode(encoded_with(2, 1, 1ULL << 32)));
}

TEST_CASE("A text that is too long is cut when written and refused when read") {
    vault::Event event = full_event();
    event.actor.executable = std::string(audit::kMaxTextSize + 1, 'x');
    const auto decoded = decoded_event(audit::encode(event));
    REQUIRE(decoded);
    CHECK(decoded->actor.executable.size() == audit::kMaxTextSize);

    FieldWriter fields;
    fields.number(2).number(0).number(1).number(0).text(event.actor.executable);
    for (int text = 0; text < 6; ++text) fields.text("");
    CHECK_FALSE(audit::decode(fields.number(0).text("").view()));
}

TEST_CASE("Whatever bit of an event is changed, it is refused or encodes to the changed bytes") {
    Bytes body = audit::encode(full_event());
    for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
        body[bit / 8] = static_cast<std::uint8_t>(body[bit / 8] ^ (1U << bit % 8));
        if (const auto decoded = audit::decode(body)) CHECK(audit::encode(*decoded) == body);
        body[bit / 8] = static_cast<std::uint8_t>(body[bit / 8] ^ (1U << bit % 8));
    }
}

TEST_CASE("A checkpoint that is encoded and decoded is the same checkpoint") {
    const auto decoded = audit::decode(audit::encode(full_checkpoint()));
    REQUIRE(decoded);
    REQUIRE(std::holds_alternative<vault::SignedCheckpoint>(*decoded));
    CHECK(std::get<vault::SignedCheckpoint>(*decoded) == full_checkpoint());
}

TEST_CASE("A checkpoint cut anywhere, with a byte more, or with a signature too long is none") {
    const Bytes body = audit::encode(full_checkpoint());
    for (std::size_t size = 0; size < body.size(); ++size) {
        CHECK_FALSE(audit::decode(BytesView{body}.first(size)));
    }
    Bytes longer = body;
    longer.push_back(0);
    CHECK_FALSE(audit::decode(longer));
    vault::SignedCheckpoint made = full_checkpoint();
    made.signature.resize(audit::kMaxSignatureSize);
    CHECK(audit::decode(audit::encode(made)));
    made.signature.resize(audit::kMaxSignatureSize + 1);
    CHECK_FALSE(audit::decode(audit::encode(made)));
}

TEST_CASE("A text that would break a line is written so that it does not") {
    vault::Event event = full_event();
    event.actor.executable = "/opt/caf\xc3\xa9";
    CHECK(decoded_event(audit::encode(event)).value().actor.executable == event.actor.executable);
    event.actor.executable = "/opt/\xff\n\x1b[31m";
    CHECK(decoded_event(audit::encode(event)).value().actor.executable == "/opt/\\xff\\x0a\\x1b[31m");
    event.actor.executable = std::string(audit::kMaxTextSize - 1, 'x') + "\xc3\xa9";
    CHECK(decoded_event(audit::encode(event)).value().actor.executable == std::string(audit::kMaxTextSize - 1, 'x'));

    FieldWriter fields;
    fields.number(2).number(0).number(1).number(0).text("a\nb");
    for (int text = 0; text < 6; ++text) fields.text("");
    CHECK_FALSE(audit::decode(fields.number(0).text("").view()));
}
