// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/codec.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "foundation/fields.h"

namespace hwvault::store {
namespace {

using std::optional;

constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kMaxOwnerSize = vault::kMaxUnitNameSize + 8;  // "unit:" and a unit's name

struct TextListCaps {
    std::size_t count;
    std::size_t size;  // of each, in bytes
};
constexpr TextListCaps kScopes{vault::kMaxScopes, vault::kMaxScopeSize};
constexpr TextListCaps kOwners{vault::kMaxOwners, kMaxOwnerSize};

// What may be absent is a field that then is empty.
template <std::size_t N>
BytesView or_empty(const optional<std::array<std::uint8_t, N>>& bytes) {
    return bytes ? BytesView{*bytes} : BytesView{};
}

template <std::size_t N>
bool read_optional(FieldReader& fields, optional<std::array<std::uint8_t, N>>& value) {
    const auto field = fields.bytes();
    if (!field || (!field->empty() && field->size() != N)) return false;
    if (!field->empty()) std::copy(field->begin(), field->end(), value.emplace().begin());
    return true;
}

template <class T>
bool read(optional<T> field, T& value) {
    if (!field) return false;
    value = *field;
    return true;
}

void write_texts(FieldWriter<>& fields, const std::vector<std::string>& texts) {
    fields.number(texts.size());
    for (const std::string& text : texts) fields.text(text);
}

bool read_texts(FieldReader& fields, TextListCaps caps, std::vector<std::string>& texts) {
    const auto count = fields.number();
    if (!count || *count > caps.count) return false;
    for (std::uint64_t i = 0; i < *count; ++i) {
        const auto text = fields.text();
        if (!text || text->size() > caps.size) return false;
        texts.emplace_back(*text);
    }
    return true;
}

bool read_flag(FieldReader& fields, bool& flag) {
    const auto number = fields.number();
    if (!number || *number > 1) return false;
    flag = *number == 1;
    return true;
}

bool read_format(FieldReader& fields) {
    return fields.number() == kFormat;
}

optional<vault::AccountName> read_account_name(FieldReader& fields) {
    const auto text = fields.text();
    if (!text) return std::nullopt;
    auto name = vault::AccountName::parse(*text);
    if (!name) return std::nullopt;
    return std::move(name).value();
}

bool read_token_name(FieldReader& fields, vault::TokenName& token_name) {
    const auto text = fields.text();
    if (!text) return false;
    const auto name = vault::TokenName::parse(*text);
    // An empty text parses as `default`, but is not how `default` is written.
    if (!name || name->text() != *text) return false;
    token_name = *name;
    return true;
}

// A uid is absent (0) or present (1 and the number).
void write_uid(FieldWriter<>& fields, optional<std::uint32_t> uid) {
    fields.number(uid ? 1 : 0);
    if (uid) fields.number(*uid);
}

bool read_uid(FieldReader& fields, optional<std::uint32_t>& uid) {
    bool present = false;
    if (!read_flag(fields, present)) return false;
    if (!present) return true;
    const auto number = fields.number();
    if (!number || *number > std::numeric_limits<std::uint32_t>::max()) return false;
    uid = static_cast<std::uint32_t>(*number);
    return true;
}

void write_generation(FieldWriter<>& fields, const vault::Generation& generation) {
    fields.number(generation.number).text(crypto::id_text(generation.id)).bytes(or_empty(generation.nonce));
    fields.bytes(or_empty(generation.hash)).number(generation.created_at).number(generation.expires_at);
}

bool read_generation(FieldReader& fields, vault::Generation& generation) {
    if (!read(fields.number(), generation.number)) return false;
    const auto id = crypto::parse_token_id(fields.text().value_or(""));
    if (!read(id, generation.id) || !read(fields.array<std::tuple_size_v<vault::Nonce>>(), generation.nonce.emplace()) ||
        !read_optional(fields, generation.hash)) {
        return false;
    }
    generation.given = generation.hash.has_value();
    return read(fields.number(), generation.created_at) && read(fields.number(), generation.expires_at);
}

bool read_generations(FieldReader& fields, std::vector<vault::Generation>& generations) {
    const auto count = fields.number();
    if (!count || *count == 0 || *count > vault::kMaxOverlapping + 1) return false;
    for (std::uint64_t i = 0; i < *count; ++i) {
        if (!read_generation(fields, generations.emplace_back())) return false;
    }
    return true;
}

bool read_origin(FieldReader& fields, vault::Origin& origin) {
    const auto number = fields.number();
    origin = number == std::uint64_t{2} ? vault::Origin::kImported : vault::Origin::kIssued;
    return number == static_cast<std::uint64_t>(origin);
}

bool read_description(FieldReader& fields, std::string& description) {
    const auto text = fields.text();
    if (!text || text->size() > vault::kMaxDescriptionSize) return false;
    description = *text;
    return true;
}

}  // namespace

Bytes encode(const vault::Account& account) {
    FieldWriter fields;
    fields.number(kFormat).bytes(account.id).text(account.name.text());
    write_uid(fields, account.uid);
    write_texts(fields, account.owners);
    fields.number(account.created_at);
    return fields.take();
}

Bytes encode(const vault::Token& token) {
    FieldWriter fields;
    fields.number(kFormat).bytes(token.id).bytes(token.account).text(token.name.text());
    fields.number(static_cast<std::uint64_t>(token.origin));
    write_texts(fields, token.scopes);
    fields.text(token.description).number(token.lifetime).number(token.created_at).number(token.changed_at);
    fields.number(token.generations.size());
    for (const vault::Generation& generation : token.generations) write_generation(fields, generation);
    fields.number(token.revoked ? 1 : 0).bytes(or_empty(token.seal_nonce));
    return fields.take();
}

std::optional<vault::Account> decode_account(BytesView body) {
    FieldReader fields{body};
    if (!read_format(fields)) return std::nullopt;
    const auto id = fields.array<std::tuple_size_v<vault::Id>>();
    const auto name = read_account_name(fields);
    if (!id || !name) return std::nullopt;
    vault::Account account{.id = *id, .name = *name, .uid = {}, .owners = {}};
    const bool whole = read_uid(fields, account.uid) && read_texts(fields, kOwners, account.owners) &&
                       read(fields.number(), account.created_at);
    if (!whole || !fields.finished()) return std::nullopt;
    return account;
}

std::optional<vault::Token> decode_token(BytesView body) {
    FieldReader fields{body};
    if (!read_format(fields)) return std::nullopt;
    constexpr auto kIdSize = std::tuple_size_v<vault::Id>;
    vault::Token token;
    const bool whole = read(fields.array<kIdSize>(), token.id) && read(fields.array<kIdSize>(), token.account) &&
                       read_token_name(fields, token.name) && read_origin(fields, token.origin) &&
                       read_texts(fields, kScopes, token.scopes) && read_description(fields, token.description) &&
                       read(fields.number(), token.lifetime) && read(fields.number(), token.created_at) &&
                       read(fields.number(), token.changed_at) && read_generations(fields, token.generations) &&
                       read_flag(fields, token.revoked) && read_optional(fields, token.seal_nonce);
    if (!whole || !fields.finished()) return std::nullopt;
    return token;
}

}  // namespace hwvault::store
