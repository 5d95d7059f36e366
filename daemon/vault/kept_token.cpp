// SPDX-License-Identifier: LGPL-2.1-or-later
//
// In this order: name, id, flags, created, changed, lifetime, scopes, description, generations, seal nonce. A number takes
// seven bits a byte, so that a small one is short; a text follows its length; a time that most often is another one's
// neighbour is kept as the difference, modulo 2^64. A generation's number has 63 bits, and whether it was given below them.
#include "daemon/vault/kept_token.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

namespace hwvault::vault {
namespace {

constexpr std::uint8_t kImportedFlag = 1;
constexpr std::uint8_t kRevokedFlag = 2;
constexpr std::uint8_t kSealNonceFlag = 4;

class Writer {
public:
    Writer& number(std::uint64_t value) {
        for (; value > 0x7f; value >>= 7) bytes_.push_back(static_cast<std::uint8_t>(value | 0x80));
        bytes_.push_back(static_cast<std::uint8_t>(value));
        return *this;
    }
    Writer& word(std::uint64_t value) {
        return array(std::bit_cast<std::array<std::uint8_t, sizeof value>>(value));
    }
    Writer& text(std::string_view text) {
        number(text.size());
        return array(text);
    }
    template <class Array>
    Writer& array(const Array& array) {
        bytes_.insert(bytes_.end(), array.begin(), array.end());
        return *this;
    }
    Bytes take() { return std::move(bytes_); }

private:
    Bytes bytes_;
};

class Reader {
public:
    explicit Reader(const std::uint8_t* at) : at_(at) {}

    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const std::uint8_t byte = *at_++;
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
    }
    std::uint64_t word() { return std::bit_cast<std::uint64_t>(array<std::array<std::uint8_t, sizeof(std::uint64_t)>>()); }
    std::string_view text() {
        const auto size = static_cast<std::size_t>(number());
        return {reinterpret_cast<const char*>(std::exchange(at_, at_ + size)), size};
    }
    template <class Array>
    Array array() {
        Array array;
        std::copy_n(std::exchange(at_, at_ + array.size()), array.size(), array.begin());
        return array;
    }
    [[nodiscard]] const std::uint8_t* at() const { return at_; }

private:
    const std::uint8_t* at_;
};

std::uint8_t flags_of(const Token& token) {
    unsigned flags = 0;
    if (token.origin == Origin::kImported) flags |= kImportedFlag;
    if (token.revoked) flags |= kRevokedFlag;
    if (token.seal_nonce) flags |= kSealNonceFlag;
    return static_cast<std::uint8_t>(flags);
}

Generation read_generation(Reader& bytes, UnixTime token_created_at) {
    Generation generation;
    const std::uint64_t number = bytes.number();
    generation.number = number >> 1;
    generation.given = number % 2 == 1;
    generation.id = crypto::id_of(bytes.word());
    generation.created_at = token_created_at + bytes.number();
    generation.expires_at = bytes.number();
    return generation;
}

std::vector<std::string> read_texts(Reader& bytes) {
    std::vector<std::string> texts(static_cast<std::size_t>(bytes.number()));
    for (std::string& text : texts) text = bytes.text();
    return texts;
}

// From the beginning to behind the end.
Token read_token(Reader& bytes) {
    Token token;
    token.name = TokenName::parse(bytes.text()).value();
    token.id = bytes.array<Id>();
    const std::uint64_t flags = bytes.number();
    token.origin = (flags & kImportedFlag) != 0 ? Origin::kImported : Origin::kIssued;
    token.revoked = (flags & kRevokedFlag) != 0;
    token.created_at = bytes.number();
    token.changed_at = token.created_at + bytes.number();
    token.lifetime = bytes.number();
    token.scopes = read_texts(bytes);
    token.description = bytes.text();
    const auto generations = static_cast<std::size_t>(bytes.number());
    token.generations.reserve(generations);
    while (token.generations.size() < generations) token.generations.push_back(read_generation(bytes, token.created_at));
    if ((flags & kSealNonceFlag) != 0) token.seal_nonce = bytes.array<Nonce>();
    return token;
}

}  // namespace

Bytes keep(const Token& token) {
    Writer bytes;
    bytes.text(token.name.text()).array(token.id).number(flags_of(token)).number(token.created_at);
    bytes.number(token.changed_at - token.created_at).number(token.lifetime).number(token.scopes.size());
    for (const std::string& scope : token.scopes) bytes.text(scope);
    bytes.text(token.description).number(token.generations.size());
    for (const Generation& generation : token.generations) {
        bytes.number(generation.number << 1 | (generation.given ? 1 : 0)).word(crypto::number_of(generation.id));
        bytes.number(generation.created_at - token.created_at).number(generation.expires_at);
    }
    if (token.seal_nonce) bytes.array(*token.seal_nonce);
    return bytes.take();
}

std::string_view KeptToken::name() const {
    return Reader(bytes_).text();
}

Token KeptToken::read() const {
    Reader bytes{bytes_};
    return read_token(bytes);
}

std::size_t KeptToken::size() const {
    Reader bytes{bytes_};
    read_token(bytes);
    return static_cast<std::size_t>(bytes.at() - bytes_);
}

}  // namespace hwvault::vault
