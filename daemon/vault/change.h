// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A change of the vault, planned but not yet made: which records are written, what the audit trail says of it,
// and, in the type itself, whether it takes trust away. What takes trust away must carry a new epoch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/vault/record.h"
#include "foundation/bytes.h"

namespace hwvault::vault {

enum class Verb : std::uint8_t {
    kRetrieve = 1,
    kRevoke,
    kRevokeToken,
    kRotate,
    kVerify,
    kCreate,
    kImport,
    kDelete,
    kList,
    kDescribe,
    kStatus,
    kWatch,
    kRecover,
    kAudit,  // hwvaultd itself, of its audit files
};
inline constexpr std::array kVerbs{Verb::kRetrieve, Verb::kRevoke, Verb::kRevokeToken, Verb::kRotate, Verb::kVerify,
                                   Verb::kCreate,   Verb::kImport, Verb::kDelete,      Verb::kList,   Verb::kDescribe,
                                   Verb::kStatus,   Verb::kWatch,  Verb::kRecover,     Verb::kAudit};
std::string_view word(Verb verb);  // "Retrieve"

// Who did it, as the audit trail says it.
struct Actor {
    std::uint32_t uid{0};
    std::string user;        // empty when the uid does not resolve
    std::string unit;        // empty when there is none
    std::string invocation;  // of the unit: 32 hexadecimal digits; empty when it is not known
    std::string executable;  // a hint, no more
};

// "unit:NAME" if there is one, else "user:NAME", else "uid:N".
std::string name_of(const Actor& actor);

// One line of the audit trail. Never a secret; `token_id` is not one.
struct Event {
    UnixTime time{0};
    Verb verb{Verb::kStatus};
    Actor actor;
    std::string account;
    std::string name;
    std::string token_id;
    std::uint64_t generation{0};
    std::string decided_by;  // the rule of the policy
};

// An entry of the trail, an event or a checkpoint, as it is kept: its encoding, and the hash that chains it to the one
// before (daemon/audit).
struct EventLink {
    std::uint64_t sequence{0};  // 1 for the first
    Bytes body;
    crypto::Digest hash{};
};

// Told to those who watch, after the change was made.
struct Notice {
    std::string account;
    std::string name;
    std::uint64_t generation{0};
    std::string event;  // "created" "revoked" "rotated" "imported" "deleted" "owners-changed"
};

struct AccountWrite {
    Account account;
    bool erase{false};
};

struct TokenWrite {
    Token token;
    bool erase{false};
    // For a sealed string: the sealed bytes to keep with the record. nullopt leaves what is there; empty drops it.
    std::optional<Bytes> sealed_content;
    // In a vault with recovery: what opens with the recovery key alone (docs/formats/escrow.md). nullopt leaves what is
    // there as long as the string is the same; a generation that ended or was revoked takes its escrow with it.
    std::optional<Bytes> escrow{};
};

struct Change {
    std::vector<AccountWrite> accounts;
    std::vector<TokenWrite> tokens;
    std::optional<Event> event;
    std::optional<Notice> notice;
};

struct Unchanged {};                 // already as asked: a success, and nothing to write
struct Grants { Change change; };    // nobody may do less than before
struct Withdraws { Change change; }; // somebody may: needs epoch + 1

// What the committer takes; each planning function returns the part of it that it can produce.
using Plan = std::variant<Unchanged, Grants, Withdraws>;

// Every part of a Plan is one.
template <class... Parts>
Plan as_plan(std::variant<Parts...> parts) {
    return std::visit([](auto part) -> Plan { return part; }, std::move(parts));
}

}  // namespace hwvault::vault
