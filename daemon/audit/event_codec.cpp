// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Audit events as bytes: docs/formats/audit.md.
#include <limits>

#include "daemon/audit/trail.h"
#include "foundation/fields.h"

namespace hwvault::audit {
namespace {

constexpr std::uint64_t kFormat = 1;
constexpr auto kFirstVerb = static_cast<std::uint64_t>(vault::Verb::kRetrieve);
constexpr auto kLastVerb = static_cast<std::uint64_t>(vault::Verb::kRecover);

void write_text(FieldWriter<>& fields, std::string_view text) {
    fields.text(text.substr(0, kMaxTextSize));
}

bool read_text(FieldReader& fields, std::string& text) {
    const auto field = fields.text();
    if (!field || field->size() > kMaxTextSize) return false;
    text = *field;
    return true;
}

bool read_number(FieldReader& fields, std::uint64_t& number) {
    const auto field = fields.number();
    if (!field) return false;
    number = *field;
    return true;
}

bool read_verb(FieldReader& fields, vault::Verb& verb) {
    const auto number = fields.number();
    if (!number || *number < kFirstVerb || *number > kLastVerb) return false;
    verb = static_cast<vault::Verb>(*number);
    return true;
}

bool read_actor(FieldReader& fields, vault::Actor& actor) {
    const auto uid = fields.number();
    if (!uid || *uid > std::numeric_limits<std::uint32_t>::max()) return false;
    actor.uid = static_cast<std::uint32_t>(*uid);
    return read_text(fields, actor.user) && read_text(fields, actor.unit) && read_text(fields, actor.executable);
}

}  // namespace

Bytes encode(const vault::Event& event) {
    FieldWriter fields;
    fields.number(kFormat).number(event.time).number(static_cast<std::uint64_t>(event.verb));
    fields.number(event.actor.uid);
    for (const auto& text : {&event.actor.user, &event.actor.unit, &event.actor.executable}) write_text(fields, *text);
    for (const auto& text : {&event.account, &event.name, &event.token_id}) write_text(fields, *text);
    fields.number(event.generation);
    write_text(fields, event.decided_by);
    return fields.take();
}

std::optional<vault::Event> decode(BytesView body) {
    FieldReader fields{body};
    if (fields.number() != kFormat) return std::nullopt;
    vault::Event event;
    const bool whole = read_number(fields, event.time) && read_verb(fields, event.verb) &&
                       read_actor(fields, event.actor) && read_text(fields, event.account) &&
                       read_text(fields, event.name) && read_text(fields, event.token_id) &&
                       read_number(fields, event.generation) && read_text(fields, event.decided_by);
    if (!whole || !fields.finished()) return std::nullopt;
    return event;
}

}  // namespace hwvault::audit
