// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The inputs of derivations: whatever differs between two tokens differs in their contexts (docs/formats/context.md).
#include <set>

#include "crypto/digest.h"
#include "crypto/token_text.h"
#include "daemon/vault/record.h"
#include "foundation/fields.h"
#include "tests/catch.h"
#include "tests/crypto/hex.h"
#include "tests/crypto/vectors.h"

namespace hwvault::vault {
namespace {

Token example() {
    Token token;
    token.id.fill(1);
    token.account.fill(2);
    token.name = TokenName::parse("deploy").value();
    token.generations.push_back(Generation{});
    token.generations.back().number = 3;
    token.generations.back().nonce.emplace().fill(4);
    return token;
}

Id filled(std::uint8_t byte) {
    Id id;
    id.fill(byte);
    return id;
}

TEST_CASE("A token's context holds vault, account, name, generation and nonce, in this order") {
    const Token token = example();
    const Bytes context = token_context(filled(9), token, token.current());
    FieldReader fields(context);
    CHECK(fields.array<16>() == filled(9));
    CHECK(fields.array<16>() == token.account);
    CHECK(fields.text() == "deploy");
    CHECK(fields.number() == 3);
    CHECK(fields.array<32>() == token.current().nonce);
    CHECK(fields.finished());
}

TEST_CASE("Another vault, account, name, generation or nonce gives another context") {
    const Token token = example();
    std::set<Bytes> contexts{token_context(filled(9), token, token.current()),
                             token_context(filled(8), token, token.current())};
    Token other = example();
    other.account.fill(7);
    contexts.insert(token_context(filled(9), other, other.current()));
    other = example();
    other.name = TokenName::parse("deploy2").value();
    contexts.insert(token_context(filled(9), other, other.current()));
    other = example();
    other.generations.back().number = 4;
    contexts.insert(token_context(filled(9), other, other.current()));
    other = example();
    other.generations.back().nonce.emplace().fill(5);
    contexts.insert(token_context(filled(9), other, other.current()));
    CHECK(contexts.size() == 6);
}

TEST_CASE("A sealing key's context and the identity that it seals differ by vault, record, generation and nonce") {
    const Token token = example();
    Nonce nonce;
    nonce.fill(6);
    Nonce other_nonce;
    other_nonce.fill(7);
    Token other_record = example();
    other_record.id.fill(3);
    Token other_generation = example();
    other_generation.generations.back().number = 4;
    for (const auto context : {seal_context, seal_identity}) {
        const std::set<Bytes> contexts{context(filled(9), token, nonce), context(filled(8), token, nonce),
                                       context(filled(9), other_record, nonce),
                                       context(filled(9), other_generation, nonce),
                                       context(filled(9), token, other_nonce)};
        CHECK(contexts.size() == 5);
    }
}

TEST_CASE("The identity of a sealed content names account and token too") {
    const Token token = example();
    Token other_account = example();
    other_account.account.fill(3);
    Token other_name = example();
    other_name.name = TokenName();
    const std::set<Bytes> identities{seal_identity(filled(9), token, Nonce{}),
                                     seal_identity(filled(9), other_account, Nonce{}),
                                     seal_identity(filled(9), other_name, Nonce{})};
    CHECK(identities.size() == 3);
}

// As docs/formats/context.md has it, down to the token that a holder of this root key would hand out.
TEST_CASE("Contexts are those of their format's vectors") {
    using namespace crypto;
    const boost::json::object vectors = read_vectors("context-vectors.json");
    const auto text = [&](const char* name) { return text_in(vectors, name); };
    const Id vault = array_from_hex<16>(text("vault"));
    const Nonce seal_nonce = array_from_hex<32>(text("seal_nonce"));
    Token token;
    token.id = array_from_hex<16>(text("record"));
    token.account = array_from_hex<16>(text("account"));
    token.name = TokenName::parse(text("name")).value();
    Generation generation;
    generation.number = static_cast<std::uint64_t>(vectors.at("generation").as_int64());
    generation.id = *parse_token_id(text("id"));
    generation.nonce = array_from_hex<32>(text("nonce"));
    token.generations.push_back(generation);

    CHECK(to_hex(token_context(vault, token, token.current())) == text("token_context"));
    CHECK(to_hex(seal_context(vault, token, seal_nonce)) == text("seal_context"));
    CHECK(to_hex(seal_identity(vault, token, seal_nonce)) == text("seal_identity"));

    const SecretBytes root = secret_from_hex(text("root_key"));
    const auto derive = [&](std::string_view label, const Bytes& context) {
        return hmac_sha256(root, FieldWriter<>().text(label).bytes(context).take());
    };
    const Digest secret = derive("hwvault/token/1", token_context(vault, token, token.current()));
    CHECK(to_hex(secret) == text("token_secret"));
    CHECK(text_of(make_token_text("hwv_", generation.id, SecretBytes::copy_of(secret)).reveal()) == text("token"));
    CHECK(to_hex(derive("hwvault/seal/1", seal_context(vault, token, seal_nonce))) == text("seal_key"));
}

}  // namespace
}  // namespace hwvault::vault
