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

// A token by its names; never its string.
struct TokenReference {
    std::string account;  // valid (vault/names.h)
    std::string name;     // likewise

    friend bool operator==(const TokenReference&, const TokenReference&) = default;
};

using Mapping = std::map<Place, TokenReference>;

inline TokenReference token_for(const Mapping& mapping, const Place& place) {
    const auto named = mapping.find(place);
    return named != mapping.end() ? named->second : TokenReference{"unit:" + place.unit, "default"};
}

}  // namespace hwvault::doors::credential
