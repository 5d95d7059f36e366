// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/entry.h"

#include <limits>
#include <string>
#include <string_view>

#include "daemon/vault/names.h"
#include "foundation/fields.h"
#include "foundation/hex.h"

namespace hwvault::audit {
namespace {

constexpr std::uint64_t kEvent = 2;  // 1 was an event without the unit's invocation, before there were files
constexpr std::uint64_t kCheckpoint = 3;
constexpr auto kFirstVerb = static_cast<std::uint64_t>(vault::Verb::kRetrieve);
constexpr auto kLastVerb = static_cast<std::uint64_t>(vault::Verb::kAudit);

bool is_printable_ascii(char c) {
    return c >= ' ' && c <= '~';
}

std::string as_one_line(std::string_view text) {
    std::string line;
    for (const char& c : text) {
        if (is_printable_ascii(c)) line += c;
        else line += "\\x" + hex_of(bytes_of({&c, 1}));
    }
    return line;
}

// At a place where no character is cut in two.
std::string_view cut(std::string_view text) {
    if (text.size() <= kMaxTextSize) return text;
    std::size_t size = kMaxTextSize;
    while (size > 0 && !vault::is_one_line(text.substr(0, size))) --size;
    return text.substr(0, size);
}

void write_text(FieldWriter<>& fields, std::string_view text) {
    if (vault::is_one_line(text)) fields.text(cut(text));
    else fields.text(cut(as_one_line(text)));
}

bool read_text(FieldReader& fields, std::string& text) {
    const auto field = fields.text();
    if (!field || field->size() > kMaxTextSize || !vault::is_one_line(*field)) return false;
    text = *field;
    return true;
}

template <class... Texts>
bool read_texts(FieldReader& fields, Texts&... texts) {
    return (read_text(fields, texts) && ...);
}

bool read_number(FieldReader& fields, std::uint64_t& number, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const auto field = fields.number();
    if (!field || *field > most) return false;
    number = *field;
    return true;
}

bool read_digest(FieldReader& fields, crypto::Digest& digest) {
    const auto field = fields.array<crypto::kDigestSize>();
    if (!field) return false;
    digest = *field;
    return true;
}

void write(FieldWriter<>& fields, const vault::Event& event) {
    const vault::Actor& actor = event.actor;
    fields.number(kEvent).number(event.time).number(static_cast<std::uint64_t>(event.verb)).number(actor.uid);
    for (const auto& text : {&actor.user, &actor.unit, &actor.invocation, &actor.executable}) write_text(fields, *text);
    for (const auto& text : {&event.account, &event.name, &event.token_id}) write_text(fields, *text);
    fields.number(event.generation);
    write_text(fields, event.decided_by);
}

void write(FieldWriter<>& fields, const vault::SignedCheckpoint& made) {
    const vault::Checkpoint& checkpoint = made.checkpoint;
    fields.number(kCheckpoint).number(checkpoint.sequence).bytes(checkpoint.previous).bytes(checkpoint.audit_head);
    fields.number(checkpoint.epoch).bytes(checkpoint.escrow_set).bytes(made.signature);
}

std::optional<Entry> read_event(FieldReader& fields) {
    vault::Event event;
    vault::Actor& actor = event.actor;
    std::uint64_t verb = 0;
    std::uint64_t uid = 0;
    const bool whole = read_number(fields, event.time) && read_number(fields, verb, kLastVerb) && verb >= kFirstVerb &&
                       read_number(fields, uid, std::numeric_limits<std::uint32_t>::max()) &&
                       read_texts(fields, actor.user, actor.unit, actor.invocation, actor.executable) &&
                       read_texts(fields, event.account, event.name, event.token_id) &&
                       read_number(fields, event.generation) && read_text(fields, event.decided_by);
    if (!whole || !fields.finished()) return std::nullopt;
    event.verb = static_cast<vault::Verb>(verb);
    actor.uid = static_cast<std::uint32_t>(uid);
    return event;
}

std::optional<Entry> read_checkpoint(FieldReader& fields) {
    vault::SignedCheckpoint made;
    vault::Checkpoint& checkpoint = made.checkpoint;
    const bool whole = read_number(fields, checkpoint.sequence) && read_digest(fields, checkpoint.previous) &&
                       read_digest(fields, checkpoint.audit_head) && read_number(fields, checkpoint.epoch) &&
                       read_digest(fields, checkpoint.escrow_set);
    const auto signature = fields.bytes();
    if (!whole || !signature || signature->size() > kMaxSignatureSize || !fields.finished()) return std::nullopt;
    made.signature.assign(signature->begin(), signature->end());
    return made;
}

}  // namespace

Bytes encode(const Entry& entry) {
    FieldWriter fields;
    std::visit([&](const auto& one) { write(fields, one); }, entry);
    return fields.take();
}

std::optional<Entry> decode(BytesView body) {
    FieldReader fields{body};
    const auto kind = fields.number();
    if (kind == kEvent) return read_event(fields);
    if (kind == kCheckpoint) return read_checkpoint(fields);
    return std::nullopt;
}

}  // namespace hwvault::audit
