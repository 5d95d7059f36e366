// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/short_words.h"

#include "tests/catch.h"

using hwvault::with_short_words;

TEST_CASE("A text of ordinary words is said as it is") {
    const std::string longest(hwvault::kMaxSaidWord, 'x');
    for (const std::string& text : {std::string(), std::string("`max_expiry` must be a span."), longest, longest + "." + longest,
                                    std::string("org.hwvault.Vault.RevokeToken"), std::string("caf\xc3\xa9 \n")}) {
        CHECK(with_short_words(text) == text);
    }
}

TEST_CASE("A word as long as a token is said by its beginning") {
    const std::string token = "hwv_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW";
    CHECK(with_short_words(token) == "hwv_01234567...");
    CHECK(with_short_words("`" + token + "` is not known, nor `" + token + "`.") == "`hwv_01234567...` is not known, nor `hwv_01234567...`.");
    CHECK(with_short_words(std::string(hwvault::kMaxSaidWord + 1, 'x')) == "xxxxxxxxxxxx...");
}
