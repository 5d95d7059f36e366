// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/parameters.h"

#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "libclient/wire/varlink.h"

namespace hwvault::doors::varlink {

namespace json = boost::json;

void Parameters::refuse(std::string_view name) {
    if (!refusal_) refusal_ = invalid_parameter(path_ + std::string(name));
}

// nullptr when there is none, or a null.
json::value* Parameters::take(std::string_view name) {
    taken_.push_back(name);
    json::value* value = object_.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<std::string> Parameters::optional_text(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return std::string(std::string_view(value->get_string()));
    refuse(name);
    return std::nullopt;
}

std::string Parameters::text(std::string_view name) {
    return optional_text(name).value_or("");
}

std::string Parameters::required_text(std::string_view name) {
    auto text = optional_text(name);
    if (!text) refuse(name);
    return text.value_or("");
}

std::optional<std::uint64_t> Parameters::optional_number(std::string_view name, std::uint64_t most) {
    const json::value* value = take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_int64() && value->get_int64() >= 0) {
        const auto number = static_cast<std::uint64_t>(value->get_int64());
        if (number <= most) return number;
    }
    refuse(name);
    return std::nullopt;
}

std::uint64_t Parameters::number(std::string_view name, std::uint64_t most) {
    return optional_number(name, most).value_or(0);
}

bool Parameters::flag(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->get_bool();
    refuse(name);
    return false;
}

std::optional<std::vector<std::string>> Parameters::texts(std::string_view name) {
    const json::value* value = take(name);
    if (value == nullptr) return std::nullopt;
    const json::array* array = value->if_array();
    const auto is_text = [](const json::value& element) { return element.is_string(); };
    if (array == nullptr || !std::all_of(array->begin(), array->end(), is_text)) {
        refuse(name);
        return std::nullopt;
    }
    std::vector<std::string> texts;
    for (const json::value& element : *array) texts.emplace_back(std::string_view(element.get_string()));
    return texts;
}

SecretBytes Parameters::secret(std::string_view name, std::size_t cap) {
    const json::value* value = take(name);
    const bool base64 = flag("base64");
    if (value == nullptr || !value->is_string()) {
        refuse(name);
        return {};
    }
    auto secret = wire::decode_secret(value->get_string(), base64, cap);
    if (secret) return std::move(*secret);
    if (!refusal_) refusal_ = failure(secret.error());
    return {};
}

vault::CreateOptions Parameters::options(std::string_view name) {
    json::value* value = take(name);
    if (value == nullptr) return {};
    if (!value->is_object()) {
        refuse(name);
        return {};
    }
    Parameters nested(std::move(value->get_object()), path_ + std::string(name) + ".");
    vault::CreateOptions options;
    options.scopes = nested.texts("scopes");
    options.expires_in = nested.optional_number("expires_in", INT64_MAX);
    options.description = nested.optional_text("description");
    options.owners = nested.texts("owners");
    if (!refusal_) refusal_ = nested.refusal();
    return options;
}

std::optional<Reply> Parameters::refusal() {
    for (const auto& member : object_) {
        const std::string_view key = member.key();
        if (std::find(taken_.begin(), taken_.end(), key) == taken_.end()) refuse(key);
    }
    return std::move(refusal_);
}

}  // namespace hwvault::doors::varlink
