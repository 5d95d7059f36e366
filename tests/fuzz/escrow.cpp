// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What recovery reads that somebody else may have written: images of records, and the texts that were encrypted. A string
// that is taken out of a text stands in it as it is, or is not printable.
#include <algorithm>
#include <cstdlib>

#include "crypto/base64.h"
#include "daemon/store/images.h"
#include "daemon/vault/escrow.h"

namespace {

using namespace hwvault;

vault::Token sample_token() {
    vault::Token token;
    token.generations.emplace_back().id.fill('0');
    return token;
}

bool stands_in(BytesView string, BytesView text) {
    const SecretBytes encoded = crypto::encode_base64(string);
    return std::ranges::search(text, string).begin() != text.end() ||
           std::ranges::search(text, encoded.reveal()).begin() != text.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const vault::Account account{.id = {}, .name = vault::AccountName::parse("user:a").value(), .uid = {}, .owners = {}};
    static const vault::Token token = sample_token();
    static const vault::Id vault_id{};
    const BytesView bytes{data, size};
    const auto string = vault::string_in_escrow({vault_id, account, token}, bytes);
    if (string && !stands_in(string->reveal(), bytes)) std::abort();
    const auto image = store::parse_image({}, bytes);
    if (image && image->row.body != crypto::sha256(image->body)) std::abort();
    return 0;
}
