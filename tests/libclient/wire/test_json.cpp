// SPDX-License-Identifier: LGPL-2.1-or-later
#include <cstring>
#include <string>

#include <boost/json/value.hpp>

#include "libclient/wire/varlink.h"
#include "tests/catch.h"

using namespace hwvault;

namespace {

Result<boost::json::object> parsed(std::string_view text) {
    return wire::parse(bytes_of(text));
}

std::string refusal(std::string_view text) {
    const auto result = parsed(text);
    REQUIRE(!result);
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
    return result.error().message;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string nested(int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth - 1), '[') +
           std::string(static_cast<std::size_t>(depth - 1), ']') + "}";
}

}  // namespace

TEST_CASE("a message comes back as it was") {
    const auto message = parsed(R"( {"method":"a.B", "parameters":{"n":9223372036854775807,"t":"\u00e9\n","l":[true,null]}} )");
    REQUIRE(message);
    CHECK(message->at("parameters").at("n").as_int64() == INT64_MAX);
    CHECK(message->at("parameters").at("t").as_string() == "\xC3\xA9\n");
    const SecretBytes text = wire::serialize(*message);
    CHECK(text_of(text.reveal()) ==
          std::string(R"({"method":"a.B","parameters":{"n":9223372036854775807,"t":"é\n","l":[true,null]}})") + '\0');
}

TEST_CASE("a message of any size is written whole, with its NUL") {
    for (const std::size_t size : {0U, 1U, 500U, 501U, 502U, 503U, 504U, 505U, 506U, 1'100'000U}) {
        boost::json::object message(wire::locked_storage());
        message.emplace("k", std::string(size, 'x'));
        const SecretBytes text = wire::serialize(message);
        CHECK(text.size() == size + std::strlen(R"({"k":""})") + 1);
        CHECK(text.reveal().back() == 0);
        CHECK(text.reveal()[text.size() - 2] == '}');
    }
}

TEST_CASE("a message that is no JSON object is refused with the place") {
    CHECK(contains(refusal(""), "byte 1"));
    CHECK(contains(refusal("{"), "byte 2"));
    CHECK(contains(refusal(R"({"a":nul})"), "byte"));
    CHECK(contains(refusal("[]"), "not an object"));
    CHECK(contains(refusal("17"), "not an object"));
    CHECK(contains(refusal("{} {}"), "byte"));
    CHECK(contains(refusal(R"({"a":1,})"), "byte 8"));
    CHECK(contains(refusal("{/* */}"), "byte 2"));
}

TEST_CASE("a message that is no UTF-8 is refused") {
    CHECK(contains(refusal("{\"a\":\"\xFF\"}"), "byte"));
    CHECK(contains(refusal("{\"a\":\"\xC0\xAF\"}"), "byte"));
    CHECK(contains(refusal(R"({"a":"\ud800"})"), "byte"));
}

TEST_CASE("a message that nests too deep is refused") {
    CHECK(parsed(nested(wire::kMaxDepth)));
    CHECK(contains(refusal(nested(wire::kMaxDepth + 1)), "deep"));
    CHECK(contains(refusal(nested(1'000'000)), "deep"));
}

TEST_CASE("a key that comes twice in one object is refused, at any depth") {
    CHECK(contains(refusal(R"({"a":1,"a":1})"), "twice"));
    CHECK(contains(refusal(R"({"p":[{"x":{"a":1,"b":2,"a":3}}]})"), "twice"));
    CHECK(contains(refusal(R"({"a":1,"\u0061":2})"), "twice"));
    CHECK(parsed(R"({"a":{"a":1},"b":{"a":1}})"));
}

TEST_CASE("a message with too many values is refused before its tree is built") {
    std::string text = R"({"a":[0)";
    for (int i = 0; i < 100; ++i) text += ",0";
    text += "]}";
    CHECK(wire::parse(bytes_of(text), 103));
    const auto refused = wire::parse(bytes_of(text), 102);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("numbers keep the kind that they have") {
    const auto message = parsed(R"({"i":-1,"u":9223372036854775808,"d":1.0,"h":18446744073709551616})");
    REQUIRE(message);
    CHECK(message->at("i").is_int64());
    CHECK(message->at("u").is_uint64());
    CHECK(message->at("d").is_double());
    CHECK(message->at("h").is_double());
}

TEST_CASE("a number that no double holds is refused") {
    CHECK(contains(refusal(R"({"a":1e400})"), "byte"));
    CHECK(contains(refusal(R"({"a":[-1e400]})"), "byte"));
    CHECK(parsed(R"({"a":1e300})"));
}

TEST_CASE("a tree lies in locked memory, down to its shortest string") {
    auto message = parsed(R"({"parameters":{"token":"short"}})");
    REQUIRE(message);
    CHECK(message->storage() == wire::locked_storage());
    const auto& token = message->at("parameters").at("token");
    CHECK(token.storage() == wire::locked_storage());
    // Moved into another tree it stays there.
    boost::json::object other(wire::locked_storage());
    other.emplace("moved", std::move(message->at("parameters")));
    CHECK(other.at("moved").at("token").storage() == wire::locked_storage());
}
