// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A vault with a clock, a generator and a device, all of them made up and repeatable: what the tests of the core act
// on. The device derives with a fixed key; the generator counts and hashes, so that every draw is another.
#pragma once

#include <algorithm>
#include <map>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "crypto/digest.h"
#include "crypto/token_text.h"
#include "daemon/vault/lifecycle.h"
#include "daemon/vault/vault.h"
#include "foundation/fields.h"
#include "tests/catch.h"

namespace hwvault::vault {

inline AccountName account_name(std::string_view text) {
    return AccountName::parse(text).value();
}
inline TokenName token_name(std::string_view text) {
    return TokenName::parse(text).value();
}

// "Grants", "Withdraws", "Unchanged", or the error's word: what a plan came to.
template <class Part>
std::string_view word_of(const Part&) {
    if constexpr (std::is_same_v<Part, Grants>) return "Grants";
    if constexpr (std::is_same_v<Part, Withdraws>) return "Withdraws";
    return "Unchanged";
}
template <class... Parts>
std::string word_of(const Result<std::variant<Parts...>>& plan) {
    if (!plan) return std::string(hwvault::word(plan.error().code));
    return std::string(std::visit([](const auto& part) { return word_of(part); }, *plan));
}
inline std::string word_of(const Result<Withdraws>& plan) {
    return plan ? "Withdraws" : std::string(hwvault::word(plan.error().code));
}
template <class T>
std::string word_of_failure(const Result<T>& result) {
    return result ? "done" : std::string(hwvault::word(result.error().code));
}

// The change of a plan; nullptr when there is none.
inline const Change* change_in(const Unchanged&) {
    return nullptr;
}
inline const Change* change_in(const Grants& grants) {
    return &grants.change;
}
inline const Change* change_in(const Withdraws& withdraws) {
    return &withdraws.change;
}
template <class... Parts>
const Change* change_in(const std::variant<Parts...>& plan) {
    return std::visit([](const auto& part) { return change_in(part); }, plan);
}

class World {
public:
    explicit World(Quotas quotas = {}) : vault(draw<Id>(), "hwv_", quotas) {}

    Vault vault;
    UnixTime now{1'700'000'000};
    std::uint32_t uid{1000};  // that the name service gives to every user
    // As the store would have them, and the verify index the hashes.
    std::map<crypto::TokenId, Nonce> nonces;
    std::map<crypto::TokenId, crypto::Digest> hashes;

    Target target(std::string_view account, std::string_view name = "") {
        Target target{.account = account_name(account), .name = token_name(name), .uid = std::nullopt};
        if (target.account.kind() == AccountKind::kUser) target.uid = uid;
        return target;
    }

    Fresh fresh() {
        Fresh fresh;
        fresh.account_id = draw<Id>();
        fresh.token_id = draw<Id>();
        fresh.nonce = draw<Nonce>();
        fresh.seal_nonce = draw<Nonce>();
        const auto bytes = draw<Nonce>();
        std::transform(bytes.begin(), bytes.begin() + crypto::kTokenIdSize, fresh.public_id.begin(),
                       [](std::uint8_t byte) { return static_cast<char>('A' + byte % 26); });
        return fresh;
    }
    Occasion occasion() {
        return {.now = now, .actor = {.uid = 0, .user = "root", .unit = "", .invocation = "", .executable = ""}, .decided_by = "test",
                .fresh = fresh()};
    }

    // Plans, applies what came of it, and gives the plan.
    template <class Plan>
    Result<Plan> make(Result<Plan> plan) {
        if (plan) {
            if (const Change* change = change_in(*plan)) {
                for (const TokenWrite& write : change->tokens) remember(write.token);
                vault.apply(*change);
            }
        }
        return plan;
    }
    auto create(const Target& where, const CreateOptions& options = {}) {
        return make(vault::create(vault, where, options, occasion()));
    }
    auto revoke(const Target& where, std::uint64_t generation = 0) {
        return make(vault::revoke(vault, where, generation, occasion()));
    }
    auto rotate(const Target& where, std::uint64_t generation = 0, std::uint64_t overlap = 0) {
        return make(vault::rotate(vault, where, generation, overlap, occasion()));
    }
    auto erase(const Target& where) { return make(vault::erase(vault, where, occasion())); }
    Result<std::variant<Grants, Withdraws>> import(const Target& where, const CreateOptions& options = {}) {
        HWVAULT_TRY(const ImportDraft draft, draft_import(vault, where, options, occasion()));
        return make(vault::import(vault, where, draft, Bytes(40, 7), occasion()));
    }

    // As the service does it: derive, record the hash, hand out.
    Result<SecretBytes> retrieve(const Target& where) {
        HWVAULT_CHECK(retrievable(vault, where, now));
        const Token token = vault.find(where.account, where.name).value();
        SecretBytes text = derive_text(token, token.current());
        const auto proof = crypto::prove_token_text(vault.prefix(), text.reveal());
        HWVAULT_CHECK(make(record_hash(vault, where, {token.current().id, proof->hash, {}})));
        return text;
    }
    SecretBytes derive_text(const Token& token, const Generation& generation) {
        Generation whole = generation;
        whole.nonce = nonces.at(generation.id);
        const crypto::Digest secret = crypto::hmac_sha256(key_, token_context(vault.id(), token, whole));
        return crypto::make_token_text(vault.prefix(), generation.id, SecretBytes::copy_of(secret));
    }
    // Whether a verifier knows this string as one that is not revoked and has not expired.
    [[nodiscard]] bool is_active(const SecretBytes& text) const { return is_active(text, now); }
    [[nodiscard]] bool is_active(const SecretBytes& text, UnixTime at) const {
        const auto proof = crypto::prove_token_text(vault.prefix(), text.reveal());
        if (!proof) return false;
        const auto hash = hashes.find(proof->id);
        if (hash == hashes.end() || hash->second != proof->hash) return false;
        bool active = false;
        vault.visit_after({}, [&](const Account&, const Token& token) {
            for (const Generation& generation : token.generations) {
                if (generation.id != proof->id || !generation.given) continue;
                const bool dead = token.revoked && generation.id == token.current().id;
                active = !dead && (generation.expires_at == kNever || at < generation.expires_at);
            }
            return true;
        });
        return active;
    }
    [[nodiscard]] Token token(const Target& where) const { return vault.find(where.account, where.name).value(); }

private:
    void remember(const Token& token) {
        for (const Generation& generation : token.generations) {
            if (generation.nonce) nonces.emplace(generation.id, *generation.nonce);
            if (generation.hash) hashes.emplace(generation.id, *generation.hash);
        }
    }
    template <class Array>
    Array draw() {
        const Bytes seed = FieldWriter<>().text("test").number(++drawn_).take();
        const crypto::Digest digest = crypto::sha256(seed);
        Array array;
        std::copy_n(digest.begin(), array.size(), array.begin());
        return array;
    }

    std::uint64_t drawn_{0};
    SecretBytes key_{SecretBytes::copy_of(bytes_of("a device that never was: 32 bytes"))};
};

}  // namespace hwvault::vault
