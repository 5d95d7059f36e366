// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parameters of one call, taken out by name and type. A null is the same as none at all. What is not accepted
// is remembered, and with it what nobody asked for: a verb takes all that it knows, then asks refusal() once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "daemon/doors/varlink/reply.h"
#include "daemon/vault/lifecycle.h"
#include "foundation/secret.h"

namespace hwvault::doors::varlink {

class Parameters {
public:
    explicit Parameters(boost::json::object object) : object_(std::move(object)) {}

    std::string text(std::string_view name);            // "" when there is none
    std::string required_text(std::string_view name);
    // From 0 to `most`; 0 when there is none.
    std::uint64_t number(std::string_view name, std::uint64_t most = INT64_MAX);
    // A secret of at most `cap` bytes and its flag `base64`.
    SecretBytes secret(std::string_view name, std::size_t cap);
    vault::CreateOptions options(std::string_view name);

    // The answer when something is wrong: a type, a range, a secret's text, or a parameter that was never taken.
    std::optional<Reply> refusal();

private:
    Parameters(boost::json::object object, std::string path) : object_(std::move(object)), path_(std::move(path)) {}

    boost::json::value* take(std::string_view name);
    std::optional<std::vector<std::string>> texts(std::string_view name);
    std::optional<std::string> optional_text(std::string_view name);
    std::optional<std::uint64_t> optional_number(std::string_view name, std::uint64_t most);
    bool flag(std::string_view name);
    void refuse(std::string_view name);

    boost::json::object object_;
    std::string path_;  // of a nested object: "options."
    std::vector<std::string_view> taken_;
    std::optional<Reply> refusal_;
};

}  // namespace hwvault::doors::varlink
