// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A verify index for tests, and tokens to put into it.
#pragma once

#include <random>
#include <string>
#include <vector>

#include <fcntl.h>

#include "crypto/random.h"
#include "daemon/index/writer.h"
#include "libclient/index/table.h"
#include "tests/catch.h"

namespace hwvault::index {

constexpr std::string_view kPrefix = "hwv_";

struct Token {
    crypto::TokenId id{};
    crypto::Digest hash{};
    SecretBytes text;
    std::string account;
    std::string name;
    std::vector<std::string> scopes;
    std::uint64_t generation{1};
    std::uint64_t expires_at{0};

    [[nodiscard]] Key key() const { return {.id = id, .generation = generation, .account = account, .name = name}; }
    [[nodiscard]] Entry entry(bool live = true) const {
        return {.key = key(), .hash = hash, .live = live, .expires_at = expires_at, .scopes = scopes};
    }
};

inline Token make_token(std::string account, std::string name, std::vector<std::string> scopes = {},
                        const crypto::TokenId& id = crypto::random_token_id().value()) {
    Token token;
    token.id = id;
    SecretBytes secret(32);
    crypto::fill_random(secret.reveal_to_fill()).value();
    token.text = crypto::make_token_text(kPrefix, token.id, secret);
    token.hash = crypto::prove_token_text(kPrefix, token.text.reveal())->hash;
    token.account = std::move(account);
    token.name = std::move(name);
    token.scopes = std::move(scopes);
    return token;
}

// With the same ids each time: how many a table has a place for is not left to chance.
inline std::vector<Token> make_tokens(std::size_t count) {
    std::mt19937_64 ids{1};
    std::vector<Token> tokens;
    while (tokens.size() < count) {
        tokens.push_back(make_token("user:alice", "token-" + std::to_string(tokens.size()), {}, crypto::id_of(ids())));
    }
    return tokens;
}

inline std::unique_ptr<Writer> make_writer(std::uint32_t slots = kMinSlots) {
    auto writer = Writer::make(kPrefix, slots).value();
    writer->hold().value();
    return writer;
}

inline bool has(const Writer& writer, const Token& token, std::uint64_t now = 1) {
    Found found;
    return writer.view().find(token.text.reveal(), now, found);
}

inline os::Fd copy_of(const os::Fd& fd) {
    return os::Fd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
}

// As an application has it.
inline std::shared_ptr<const Table> handed_over(const Writer& writer) {
    return Table::map(copy_of(writer.index_descriptor()), copy_of(writer.stamps_descriptor())).value();
}

inline std::uint64_t clock_now() {
    return static_cast<std::uint64_t>(::time(nullptr));
}

}  // namespace hwvault::index
