// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the library's verbs take and give, as plain values. The C interface shows them through accessors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::libclient {

constexpr std::size_t kMaxSecretSize = 1 << 20;  // bytes of a token or an imported secret
constexpr std::uint64_t kMaxInteger = INT64_MAX;  // of the wire; what is beyond is refused

struct Target {
    std::string account;  // "": the caller's own
    std::string name;     // "": `default`
    std::uint64_t generation{0};
};

struct Info {
    std::string account;
    std::string name;
    std::string id;
    std::string origin;
    std::string description;
    std::uint64_t generation{0};
    std::int64_t created_at{0};
    std::int64_t changed_at{0};
    std::int64_t last_used_at{0};
    std::string last_used_by;
    std::int64_t expires_at{0};
    std::vector<std::string> scopes;
    std::optional<std::uint32_t> uid;
    std::vector<std::string> owners;
    bool revoked{false};
    std::optional<bool> rollback_protected;
};

struct Retrieved {
    SecretBytes secret;
    Info info;
};

struct Verification {
    bool active{false};
    Info info;  // empty when not active
};

// Which of the descriptors of an answer are the verify index and its stamps.
struct IndexPlaces {
    std::uint64_t index{0};
    std::uint64_t stamps{0};
};

struct Options {
    std::optional<std::vector<std::string>> scopes;
    std::uint64_t expires_in{0};
    std::string description;
    std::optional<std::vector<std::string>> owners;
};

struct Page {
    std::vector<Info> infos;
    std::string next;  // "": this is the last
};

using Report = std::vector<std::pair<std::string, std::string>>;

struct Event {
    std::string event;
    std::string account;
    std::string name;
    std::uint64_t generation{0};
};

}  // namespace hwvault::libclient
