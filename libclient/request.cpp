// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/request.h"

#include <string>

#include <boost/json/array.hpp>

#include "libclient/wire/varlink.h"

namespace hwvault::libclient {
namespace {

namespace json = boost::json;

json::array array_of(const std::vector<std::string>& texts) {
    json::array array(wire::locked_storage());
    for (const std::string& text : texts) array.emplace_back(text);
    return array;
}

}  // namespace

Request::Request(std::string_view method) : method_(method), parameters_(wire::locked_storage()) {}

Request& Request::text(std::string_view key, std::string_view value) {
    if (!value.empty()) parameters_[key] = value;
    return *this;
}

Request& Request::number(std::string_view key, std::uint64_t value) {
    if (value > kMaxInteger) number_too_large_ = true;
    if (value != 0) parameters_[key] = static_cast<std::int64_t>(value & kMaxInteger);
    return *this;
}

Request& Request::target(const Target& target) {
    return text("account", target.account).text("name", target.name);
}

Request& Request::options(const Options& options) {
    json::object object(wire::locked_storage());
    if (options.scopes) object["scopes"] = array_of(*options.scopes);
    if (options.expires_in > kMaxInteger) number_too_large_ = true;
    if (options.expires_in != 0) object["expires_in"] = static_cast<std::int64_t>(options.expires_in & kMaxInteger);
    if (!options.description.empty()) object["description"] = options.description;
    if (options.owners) object["owners"] = array_of(*options.owners);
    if (!object.empty()) parameters_["options"] = std::move(object);
    return *this;
}

Request& Request::secret(std::string_view key, BytesView bytes) {
    wire::Encoded encoded = wire::encode_secret(bytes);
    parameters_[key] = std::move(encoded.text);
    if (encoded.base64) parameters_["base64"] = true;
    return *this;
}

Answer<SecretBytes> Request::message(bool more) const {
    if (number_too_large_) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "A number is too large; at most 2^63 - 1 is accepted."};
    }
    json::object message(wire::locked_storage());
    message["method"] = std::string(wire::kInterface) + "." + std::string(method_);
    message["parameters"] = parameters_;
    if (more) message["more"] = true;
    SecretBytes bytes = wire::serialize(message);
    if (bytes.size() > wire::kMaxMessageSize + 1) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "The call would be larger than the 2 MiB of a message."};
    }
    return bytes;
}

}  // namespace hwvault::libclient
