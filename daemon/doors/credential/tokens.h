// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which token a unit gets under which credential name: [credential."UNIT"."CREDENTIAL"] of hwvault.toml(5). A unit
// that is not named there gets its own: account `unit:UNIT`, name `default`.
#pragma once

#include <compare>
#include <map>
#include <string>

namespace hwvault::doors::credential {

struct Place {
    std::string unit;        // "billing.service"
    std::string credential;  // "api-token"

    friend auto operator<=>(const Place&, const Place&) = default;
    friend bool operator==(const Place&, const Place&) = default;
};

struct Token {
    std::string account;  // valid (vault/names.h)
    std::string name;     // likewise

    friend bool operator==(const Token&, const Token&) = default;
};

using Tokens = std::map<Place, Token>;

inline Token token_of(const Tokens& tokens, const Place& place) {
    const auto named = tokens.find(place);
    return named != tokens.end() ? named->second : Token{"unit:" + place.unit, "default"};
}

}  // namespace hwvault::doors::credential
