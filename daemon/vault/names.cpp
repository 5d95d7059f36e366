// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/names.h"

#include <algorithm>
#include <optional>

namespace hwvault::vault {
namespace {

constexpr std::string_view kUserPrefix = "user:";
constexpr std::string_view kUnitPrefix = "unit:";
constexpr std::string_view kAppPrefix = "app:";
constexpr std::string_view kGroupPrefix = "group:";
constexpr std::string_view kServiceSuffix = ".service";

// Not <cctype>: that asks the locale.
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_alphanumeric(char c) {
    return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_one_of(char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
}

// `[a-z0-9][a-z0-9._-]{0,63}`
bool is_token_name(std::string_view text) {
    const auto starts = [](char c) { return is_digit(c) || is_lower(c); };
    return !text.empty() && text.size() <= kMaxTokenNameSize && starts(text.front()) &&
           std::ranges::all_of(text, [&](char c) { return starts(c) || is_one_of(c, "._-"); });
}

// `[A-Za-z0-9_][A-Za-z0-9_.@+\-]{0,63}$?` and not digits alone: what useradd makes, and what directories add to it
// (`EXAMPLE\alice`, `alice@example.org`, `host$`). A name of digits would read as a uid. No wildcard is among them.
bool is_user_or_group_name(std::string_view text) {
    if (text.empty() || text.size() > kMaxUserNameSize || std::ranges::all_of(text, is_digit)) return false;
    if (!is_alphanumeric(text.front()) && text.front() != '_') return false;
    if (text.ends_with('$')) text.remove_suffix(1);
    return std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || is_one_of(c, "_.@+\\-"); });
}

// systemd.unit(5): letters, digits and `:-_.\@`, at most 255. A template without its instance (`x@.service`) never
// runs, so it is nobody's.
bool is_service_unit(std::string_view text) {
    if (text.size() > kMaxUnitNameSize || !text.ends_with(kServiceSuffix)) return false;
    text.remove_suffix(kServiceSuffix.size());
    return !text.empty() && text.front() != '@' && text.front() != '.' && text.back() != '@' &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || is_one_of(c, ":-_.\\@"); });
}

// `[A-Za-z0-9][A-Za-z0-9:/._*-]{0,63}`
bool is_scope(std::string_view text) {
    return !text.empty() && text.size() <= kMaxScopeSize && is_alphanumeric(text.front()) &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || is_one_of(c, ":/._*-"); });
}

bool is_owner(std::string_view text) {
    if (text.starts_with(kUserPrefix)) return is_user_or_group_name(text.substr(kUserPrefix.size()));
    if (text.starts_with(kGroupPrefix)) return is_user_or_group_name(text.substr(kGroupPrefix.size()));
    return text.starts_with(kUnitPrefix) && is_service_unit(text.substr(kUnitPrefix.size()));
}

std::vector<std::string> as_set(std::vector<std::string> texts) {
    std::ranges::sort(texts);
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());  // clang 14 does not read std::ranges::unique
    return texts;
}

// The next code point of valid UTF-8 (RFC 3629: shortest form, no surrogates), taken off the front; nullopt where
// the text is not valid.
std::optional<char32_t> take_code_point(std::string_view& text) {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t size = first < 0x80 ? 1 : first >> 5 == 0x6 ? 2 : first >> 4 == 0xE ? 3 : first >> 3 == 0x1E ? 4 : 0;
    if (size == 0 || size > text.size()) return std::nullopt;
    char32_t point = size == 1 ? first : first & (0x7Fu >> size);
    for (const char c : text.substr(1, size - 1)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >> 6 != 0x2) return std::nullopt;
        point = point << 6 | (byte & 0x3Fu);
    }
    constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
    text.remove_prefix(size);
    return point;
}

// Control characters, and those that end a line or turn the direction of what follows: a description is printed
// next to other people's in a terminal.
bool disturbs_a_line(char32_t point) {
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

Result<AccountName> AccountName::parse(std::string_view text) {
    if (text.starts_with(kUserPrefix) && is_user_or_group_name(text.substr(kUserPrefix.size()))) {
        return AccountName(AccountKind::kUser, std::string(text));
    }
    if (text.starts_with(kUnitPrefix) && is_service_unit(text.substr(kUnitPrefix.size()))) {
        return AccountName(AccountKind::kUnit, std::string(text));
    }
    if (text.starts_with(kAppPrefix) && is_token_name(text.substr(kAppPrefix.size()))) {
        return AccountName(AccountKind::kApp, std::string(text));
    }
    return invalid_argument("An account is user:NAME, unit:NAME.service or app:NAME, where an app's NAME is 1 to 64 of a-z, "
                   "0-9, '.', '_' and '-' and begins with a letter or digit.");
}

Result<AccountName> AccountName::of_user(std::string_view user) {
    return parse(std::string(kUserPrefix).append(user));
}

std::string_view AccountName::local() const {
    return std::string_view(text_).substr(text_.find(':') + 1);
}

Result<TokenName> TokenName::parse(std::string_view text) {
    if (text.empty()) return TokenName();
    if (is_token_name(text)) return TokenName(std::string(text));
    return invalid_argument("A token's name is 1 to 64 of a-z, 0-9, '.', '_' and '-' and begins with a letter or digit.");
}

bool uid_has_account(std::uint32_t uid) {
    constexpr std::uint32_t kNobody = 65534;
    constexpr std::uint32_t kFirstDynamic = 61184;
    constexpr std::uint32_t kLastDynamic = 65519;
    constexpr std::uint32_t kNoUid = 0xFFFFFFFF;
    return uid != kNobody && uid != kNoUid && (uid < kFirstDynamic || uid > kLastDynamic);
}

Result<std::vector<std::string>> checked_scopes(std::vector<std::string> scopes) {
    if (scopes.size() > kMaxScopes) return invalid_argument("A token has at most 32 scopes.");
    if (!std::ranges::all_of(scopes, is_scope)) {
        return invalid_argument("A scope is 1 to 64 of letters, digits and ':', '/', '.', '_', '*', '-', and begins with a "
                       "letter or digit.");
    }
    return as_set(std::move(scopes));
}

Result<std::vector<std::string>> checked_owners(std::vector<std::string> owners) {
    if (owners.size() > kMaxOwners) return invalid_argument("An account has at most 16 owners; name a group instead.");
    if (!std::ranges::all_of(owners, is_owner)) {
        return invalid_argument("An owner is user:NAME, group:NAME or unit:NAME.service.");
    }
    return as_set(std::move(owners));
}

bool is_one_line(std::string_view text) {
    while (!text.empty()) {
        const auto point = take_code_point(text);
        if (!point || disturbs_a_line(*point)) return false;
    }
    return true;
}

Result<std::string> checked_description(std::string description) {
    if (description.size() > kMaxDescriptionSize) return invalid_argument("A description is at most 256 bytes long.");
    if (!is_one_line(description)) return invalid_argument("A description is one line of UTF-8 without control characters.");
    return description;
}

}  // namespace hwvault::vault
