// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Texts of tokens: what is proven has the form that the format gives, and no other byte of it could be another.
#include <algorithm>
#include <cstdlib>

#include "crypto/token_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    using namespace hwvault::crypto;
    const BytesView text{data, size};
    for (const std::string_view prefix : {std::string_view("hwv_"), std::string_view("ab_")}) {
        const auto proof = prove_token_text(prefix, text);
        if (!proof) continue;
        if (size != prefix.size() + kTokenBodySize || !text_of(text).starts_with(prefix)) std::abort();
        if (text_of(text).substr(prefix.size(), kTokenIdSize) != id_text(proof->id)) std::abort();
        if (parse_token_id(id_text(proof->id)) != proof->id) std::abort();
        if (sha256(text.subspan(prefix.size(), kTokenIdSize + kTokenSecretSize)) != proof->hash) std::abort();
        SecretBytes changed = SecretBytes::copy_of(text);
        changed.reveal_to_fill()[size - 1] ^= 1;
        if (prove_token_text(prefix, changed.reveal())) std::abort();
    }

    // The first bytes as id and secret: what is made of them is proven, with this id.
    if (size < kTokenIdSize + kDigestSize) return 0;
    const auto id = parse_token_id(text_of(text.first(kTokenIdSize)));
    if (!id) return 0;
    const SecretBytes made = make_token_text("hwv_", *id, SecretBytes::copy_of(text.subspan(kTokenIdSize, kDigestSize)));
    const auto proof = prove_token_text("hwv_", made.reveal());
    if (!proof || proof->id != *id) std::abort();
    return 0;
}
