// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/escrow.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "crypto/base64.h"
#include "foundation/hex.h"

namespace hwvault::vault {
namespace {

namespace json = boost::json;

constexpr std::string_view kFormat = "hwvault/escrow/1";
// What stands between the place and the string. A string has no quotation mark, so the last one is it.
constexpr std::string_view kPlain = ",\"secret\":\"";
constexpr std::string_view kBase64 = ",\"secret_base64\":\"";
constexpr std::string_view kEnd = "\"}";

bool stands_for_itself(std::uint8_t byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

std::string_view word(Origin origin) {
    return origin == Origin::kIssued ? "issued" : "imported";
}

// What binds the string to its place.
json::object binding(const EscrowPlace& place) {
    const Generation& generation = place.token.current();
    return {{"format", kFormat},
            {"vault", hex_of(place.vault)},
            {"account_id", hex_of(place.account.id)},
            {"record", hex_of(place.token.id)},
            {"account", place.account.name.text()},
            {"name", place.token.name.text()},
            {"id", crypto::id_text(generation.id)},
            {"generation", generation.number},
            {"origin", word(place.token.origin)}};
}

std::string place_text(const EscrowPlace& place, std::uint64_t epoch) {
    json::object object = binding(place);
    object["epoch"] = epoch;
    object["scopes"] = json::array(place.token.scopes.begin(), place.token.scopes.end());
    object["description"] = place.token.description;
    object["expires_at"] = place.token.current().expires_at;
    std::string text = json::serialize(object);
    text.pop_back();  // its closing brace
    return text;
}

SecretBytes joined(std::initializer_list<BytesView> parts) {
    std::size_t size = 0;
    for (const BytesView part : parts) size += part.size();
    SecretBytes whole(size);
    auto place = whole.reveal_to_fill().begin();
    for (const BytesView part : parts) place = std::copy(part.begin(), part.end(), place);
    return whole;
}

struct Parts {
    std::string_view place;
    std::string_view string;
    bool base64;
};

std::optional<Parts> split(std::string_view text) {
    if (!text.ends_with(kEnd)) return std::nullopt;
    text.remove_suffix(kEnd.size());
    for (const std::string_view mark : {kPlain, kBase64}) {
        const std::size_t at = text.rfind(mark);
        if (at == std::string_view::npos) continue;
        return Parts{text.substr(0, at), text.substr(at + mark.size()), mark == kBase64};
    }
    return std::nullopt;
}

// Numbers come back signed, and equal.
bool holds(const json::object& object, const EscrowPlace& place) {
    const json::object expected = binding(place);
    return std::ranges::all_of(expected, [&](const json::key_value_pair& member) {
        const json::value* const found = object.if_contains(member.key());
        return found != nullptr && *found == member.value();
    });
}

std::optional<SecretBytes> string_of(const Parts& parts) {
    if (parts.base64) return crypto::decode_base64(parts.string);
    const BytesView bytes = bytes_of(parts.string);
    if (!std::ranges::all_of(bytes, stands_for_itself)) return std::nullopt;
    return SecretBytes::copy_of(bytes);
}

}  // namespace

SecretBytes escrow_text(const EscrowPlace& place, std::uint64_t epoch, BytesView string) {
    const std::string head = place_text(place, epoch);
    if (std::ranges::all_of(string, stands_for_itself)) {
        return joined({bytes_of(head), bytes_of(kPlain), string, bytes_of(kEnd)});
    }
    const SecretBytes encoded = crypto::encode_base64(string);
    return joined({bytes_of(head), bytes_of(kBase64), encoded.reveal(), bytes_of(kEnd)});
}

Result<SecretBytes> string_in_escrow(const EscrowPlace& place, BytesView text) {
    const auto parts = split(text_of(text));
    if (!parts) return Error{ErrorCode::kStoreTampered, "What opens is no escrow of hwvault."};
    json::error_code error;
    const json::value read = json::parse(std::string(parts->place) + "}", error);
    if (error || !read.is_object()) return Error{ErrorCode::kStoreTampered, "What opens is no escrow of hwvault."};
    if (!holds(read.get_object(), place)) {
        return Error{ErrorCode::kStoreTampered, "What opens belongs to another record, account or vault."};
    }
    auto string = string_of(*parts);
    if (!string || string->empty()) return Error{ErrorCode::kStoreTampered, "What opens holds no string."};
    return std::move(*string);
}

}  // namespace hwvault::vault
