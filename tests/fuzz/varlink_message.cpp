// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Any bytes as a Varlink message: they are refused with a sentence, or are a tree whose own text is a message again,
// and perhaps a call whose parameters can be read. As a secret they come back from their text the same. A token in them is
// in no sentence and in no refusal. A plain Verify is the same call to both of its readers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/doors/varlink/call.h"
#include "daemon/doors/varlink/parameters.h"
#include "daemon/doors/varlink/plain_verify.h"
#include "libclient/wire/varlink.h"
#include "tests/fuzz/canary.h"

namespace {

using namespace hwvault;

void require(bool condition) {
    if (!condition) std::abort();
}

void read_parameters(boost::json::object parameters) {
    doors::varlink::Parameters in(std::move(parameters));
    in.text("account");
    in.number("generation");
    in.secret("secret", vault::kMaxSecretSize);
    in.options("options");
    if (auto refusal = in.refusal()) {
        const SecretBytes reply = doors::varlink::message_of(std::move(*refusal));
        fuzz::require_silent(text_of(reply.reveal()));
        require(wire::parse(reply.reveal().first(reply.size() - 1)).has_value());
    }
}

void read_message(BytesView message) {
    if (const auto tree = wire::parse(message)) {
        const SecretBytes text = wire::serialize(*tree);
        const auto again = wire::parse(text.reveal().first(text.size() - 1));
        require(again.has_value() && again->size() == tree->size());
    } else {
        require(tree.error().code == ErrorCode::kInvalidArgument && !tree.error().message.empty());
        fuzz::require_silent(tree.error().message);
    }
    if (auto call = doors::varlink::read_call(message)) {
        require(!call->method.empty());
        fuzz::require_silent(text_of(message_of(doors::varlink::method_not_found(call->method)).reveal()));
        fuzz::require_silent(text_of(message_of(doors::varlink::interface_not_found(call->interface())).reveal()));
        read_parameters(std::move(call->parameters));
    } else {
        fuzz::require_silent(call.error().message);
    }
}

void read_plainly(BytesView message) {
    const std::string bytes = std::string(text_of(message)) + '\0';
    const auto plain = doors::varlink::plain_verify_at(bytes_of(bytes));
    if (!plain) return;
    message = bytes_of(bytes).first(plain->size - 1);
    require(text_of(message).find('\0') == std::string_view::npos && bytes[message.size()] == '\0');
    auto call = doors::varlink::read_call(message);
    require(call.has_value() && call->method == "org.hwvault.Vault.Verify" && !call->oneway && !call->more && !call->upgrade);
    doors::varlink::Parameters in(std::move(call->parameters));
    const SecretBytes same = in.secret("token", wire::kMaxMessageSize);
    require(!in.refusal() && text_of(same.reveal()) == text_of(plain->token));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView message(data, size);
    if (fuzz::knows_canary(text_of(message))) return fuzz::kNotLookedAt;
    read_message(message);
    read_message(bytes_of(fuzz::with_canary(text_of(message))));
    read_plainly(message);
    for (const std::string_view tail : {"\"}}", ""}) {
        read_plainly(bytes_of(std::string(R"({"method":"org.hwvault.Vault.Verify","parameters":{"token":")")
                                  .append(text_of(message))
                                  .append(tail)));
    }
    const auto encoded = wire::encode_secret(message);
    const auto decoded = wire::decode_secret(encoded.text, encoded.base64, size);
    require(decoded.has_value() && text_of(decoded->reveal()) == text_of(message));
    return 0;
}
