// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Every verb's translation: what the service is asked, and what the client reads.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "libclient/wire/varlink.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

constexpr const char* kBriefInfo =
    R"({"account":"user:root","name":"default","id":"CANARY0001","generation":7,"expires_at":1900000000,)"
    R"("scopes":["read","write"]})";

std::string json_text(const boost::json::value& value) {
    return boost::json::serialize(value);
}

std::string invalid_parameter_of(const boost::json::object& reply) {
    CHECK(error_of(reply) == "org.varlink.service.InvalidParameter");
    return text_at(reply.at("parameters").as_object(), "parameter");
}

}  // namespace

TEST_CASE("Retrieve gives the token and what is known of it in short") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Retrieve", R"({"account":"app:shop","name":"pay"})"));
    const auto reply = client.receive_parameters();
    CHECK(text_at(reply, "token") == FakeService::kToken);
    CHECK_FALSE(reply.contains("base64"));
    CHECK(json_text(reply.at("info")) == kBriefInfo);
    const auto asked = served.service.last("Retrieve");
    REQUIRE(asked);
    CHECK(asked->account == "app:shop");
    CHECK(asked->name == "pay");
    CHECK(asked->caller.user == "root");
}

TEST_CASE("parameters may be left out, null, or empty, and mean the same") {
    Served served;
    Client client = served.connect();
    for (const char* call : {R"({"method":"org.hwvault.Vault.Retrieve"})",
                             R"({"method":"org.hwvault.Vault.Retrieve","parameters":null})",
                             R"({"method":"org.hwvault.Vault.Retrieve","parameters":{"account":null,"name":""}})"}) {
        client.call(call);
        CHECK(text_at(client.receive_parameters(), "token") == FakeService::kToken);
        CHECK(served.service.last("Retrieve")->account.empty());
        CHECK(served.service.last("Retrieve")->name.empty());
    }
}

TEST_CASE("Revoke and Rotate carry the generation that the caller means") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Revoke", R"({"account":"app:shop","name":"pay","generation":9223372036854775807})"));
    const auto info = client.receive_parameters().at("info").as_object();
    CHECK(info.at("rollback_protected").as_bool());
    CHECK(text_at(info, "origin") == "issued");
    CHECK(info.at("created_at").as_int64() == 1'700'000'000);
    CHECK(text_at(info, "description") == "a description");
    CHECK_FALSE(info.contains("expires_at"));
    CHECK(served.service.last("Revoke")->generation == INT64_MAX);

    client.call(vault_call("Rotate", R"({"name":"pay","generation":3,"overlap_seconds":3600})"));
    client.receive_parameters();
    CHECK(served.service.last("Rotate")->generation == 3);
    CHECK(served.service.last("Rotate")->overlap_seconds == 3'600);
}

TEST_CASE("RevokeToken tells more than success only to those who may know") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("RevokeToken", std::string(R"({"token":")").append(FakeService::kToken).append("\"}")));
    CHECK(client.receive_parameters().contains("info"));
    client.call(vault_call("RevokeToken", R"({"token":"unknown"})"));
    CHECK(client.receive_parameters().empty());
    CHECK(served.service.last("RevokeToken")->secret == "unknown");
}

TEST_CASE("Verify says active with the token's info, or only that it is not") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Verify", std::string(R"({"token":")").append(FakeService::kToken).append("\"}")));
    const auto active = client.receive_parameters();
    CHECK(active.at("active").as_bool());
    CHECK(json_text(active.at("info")) == kBriefInfo);
    client.call(vault_call("Verify", R"({"token":"hwv_wrong"})"));
    CHECK(json_text(client.receive_parameters()) == R"({"active":false})");
}

TEST_CASE("a token that is no UTF-8 goes in as base64 and is given to the service as bytes") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Verify", R"({"token":"AP/+IGtleQ==","base64":true})"));
    client.receive_parameters();
    CHECK(served.service.last("Verify")->secret == std::string("\x00\xFF\xFE key", 7));
}

TEST_CASE("Create carries its options, and only those that were given") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Create", R"({"account":"app:shop","name":"pay","options":{"scopes":["a","b"],)"
                                     R"("expires_in":60,"description":"d","owners":["user:x"]}})"));
    client.receive_parameters();
    const auto asked = served.service.last("Create");
    REQUIRE(asked);
    CHECK(asked->options.scopes == std::vector<std::string>{"a", "b"});
    CHECK(asked->options.expires_in == 60);
    CHECK(asked->options.description == "d");
    CHECK(asked->options.owners == std::vector<std::string>{"user:x"});

    client.call(vault_call("Create", R"({"name":"pay","options":{"scopes":[]}})"));
    client.receive_parameters();
    const auto second = served.service.last("Create");
    CHECK(second->options.scopes == std::vector<std::string>{});
    CHECK_FALSE(second->options.expires_in);
    CHECK_FALSE(second->options.description);
    CHECK_FALSE(second->options.owners);
}

TEST_CASE("Import takes any bytes up to 1 MiB, and Retrieve gives them back") {
    Served served;
    Client client = served.connect();
    for (const std::string& secret : {std::string("pass\"word\n"), std::string("\x00\x80\xFF", 3), std::string(1 << 20, 'x'),
                                      std::string(1 << 20, '\xFE'), std::string(1 << 20, '\x01')}) {
        const wire::Encoded encoded = wire::encode_secret(bytes_of(secret));
        boost::json::object parameters{{"name", "imported"}, {"secret", encoded.text}};
        if (encoded.base64) parameters.emplace("base64", true);
        client.call(vault_call("Import", json_text(parameters)));
        CHECK(text_at(client.receive_parameters().at("info").as_object(), "origin") == "imported");
        CHECK(served.service.last("Import")->secret == secret);

        client.call(vault_call("Retrieve", R"({"name":"imported"})"));
        const auto reply = client.receive_parameters();
        const auto back = wire::decode_secret(text_at(reply, "token"), reply.contains("base64"), 1 << 20);
        REQUIRE(back);
        CHECK(text_of(back->reveal()) == secret);
    }
}

TEST_CASE("a secret of 1 MiB and one byte, an empty one, or base64 that is none, is refused in words") {
    Served served;
    Client client = served.connect();
    for (const std::string& parameters :
         {R"({"secret":")" + std::string((1 << 20) + 1, 'x') + "\"}", std::string(R"({"secret":""})"),
          std::string(R"({"secret":"not base64","base64":true})")}) {
        const auto reply = client.ask(vault_call("Import", parameters));
        CHECK(error_of(reply) == "org.hwvault.Vault.InvalidArgument");
        CHECK(text_at(reply.at("parameters").as_object(), "message").size() > 10);
    }
}

TEST_CASE("Delete answers with nothing") {
    Served served;
    Client client = served.connect();
    CHECK(client.ask(vault_call("Delete", R"({"account":"app:shop","name":"pay"})")).empty());
    CHECK(served.service.last("Delete")->account == "app:shop");
}

TEST_CASE("List carries cursor and limit, and its page fits a message") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("List", R"({"account":"*","cursor":"c1","limit":2})"));
    const auto page = client.receive_parameters();
    CHECK(page.at("infos").as_array().size() == 2);
    CHECK(text_at(page, "next") == "c1");
    CHECK(served.service.last("List")->account == "*");

    client.call(vault_call("List"));
    const auto empty = client.receive_parameters();
    CHECK(empty.at("infos").as_array().empty());
    CHECK_FALSE(empty.contains("next"));

    client.call(vault_call("List", R"({"account":"many"})"));
    CHECK(client.receive_parameters().at("infos").as_array().size() == service::kMaxPage);

    client.call(vault_call("List", R"({"account":"app:many","cursor":"c2"})"));
    const std::string text = client.receive_text();
    CHECK(text.size() <= wire::kMaxMessageSize);
    CHECK(text.find("c2") != std::string::npos);  // and it goes on
}

TEST_CASE("Describe gives all that is known, and says when a token is revoked") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Describe", R"({"name":"revoked"})"));
    const auto info = client.receive_parameters().at("info").as_object();
    CHECK(info.at("revoked").as_bool());
    CHECK(info.at("last_used_at").as_int64() == 1'700'000'200);
    CHECK(info.at("last_used_by").as_string() == "unit:billing.service");
    CHECK(info.at("uid").as_int64() == 1'000);
    CHECK_FALSE(info.contains("owners"));
    client.call(vault_call("Describe", R"({"name":"good"})"));
    CHECK_FALSE(client.receive_parameters().at("info").as_object().contains("revoked"));
    client.call(vault_call("Describe", R"({"account":"app:billing"})"));
    const auto of_app = client.receive_parameters().at("info").as_object();
    CHECK(of_app.at("owners").as_array().size() == 2);
    CHECK_FALSE(of_app.contains("uid"));
}

TEST_CASE("Status is the interface's flat list of fields") {
    Served served;
    Client client = served.connect();
    client.call(vault_call("Status"));
    const auto status = client.receive_parameters();
    CHECK(status.size() == 22);
    CHECK(text_at(status, "state") == "serving");
    CHECK(text_at(status, "hardware_kind") == "pkcs11");
    CHECK(text_at(status, "policy_digest") == "0123456789abcdef");
    CHECK(text_at(status, "reload_error") == "10.toml, line 3, column 1: No.");
    CHECK(status.at("epoch").as_int64() == 42);
}

TEST_CASE("the service's errors keep their words and their sentences") {
    Served served;
    Client client = served.connect();
    for (const char* verb : {"Retrieve", "Revoke", "Rotate", "Create", "Delete", "Describe"}) {
        CAPTURE(verb);
        const auto missing = client.ask(vault_call(verb, R"({"name":"missing"})"));
        CHECK(error_of(missing) == "org.hwvault.Vault.NotFound");
        CHECK(text_at(missing.at("parameters").as_object(), "message") == "There is no such token. Create it first.");
        CHECK(error_of(client.ask(vault_call(verb, R"({"name":"denied"})"))) == "org.hwvault.Vault.AccessDenied");
    }
    CHECK(error_of(client.ask(vault_call("List", R"({"account":"denied"})"))) == "org.hwvault.Vault.AccessDenied");
}

TEST_CASE("a parameter that is not of the interface is named") {
    Served served;
    Client client = served.connect();
    for (const char* verb : {"Retrieve", "Revoke", "Rotate", "Create", "Delete", "Describe", "List", "Status", "Watch"}) {
        CAPTURE(verb);
        CHECK(invalid_parameter_of(client.ask(vault_call(verb, R"({"frobnicate":1})"))) == "frobnicate");
    }
    CHECK(invalid_parameter_of(client.ask(vault_call("Verify", R"({"token":"t","account":"a"})"))) == "account");
    CHECK(invalid_parameter_of(client.ask(vault_call("Create", R"({"options":{"scope":["a"]}})"))) == "options.scope");
    CHECK(served.service.recorded().empty());
}

TEST_CASE("a parameter that is missing, or of the wrong type or range, is named") {
    Served served;
    Client client = served.connect();
    const auto bad = [&](std::string_view verb, std::string_view parameters) {
        return invalid_parameter_of(client.ask(vault_call(verb, parameters)));
    };
    CHECK(bad("Verify", "{}") == "token");
    CHECK(bad("RevokeToken", R"({"token":null})") == "token");
    CHECK(bad("Import", R"({"name":"x"})") == "secret");
    CHECK(bad("Verify", R"({"token":17})") == "token");
    CHECK(bad("Verify", R"({"token":"t","base64":"yes"})") == "base64");
    CHECK(bad("Retrieve", R"({"account":["a"]})") == "account");
    for (const char* number : {"-1", "1.5", "1.0", "\"1\"", "true", "9223372036854775808", "18446744073709551616", "1e3"}) {
        CAPTURE(number);
        CHECK(bad("Revoke", std::string(R"({"generation":)") + number + "}") == "generation");
        CHECK(bad("Rotate", std::string(R"({"overlap_seconds":)") + number + "}") == "overlap_seconds");
        CHECK(bad("Create", std::string(R"({"options":{"expires_in":)") + number + "}}") == "options.expires_in");
    }
    CHECK(bad("List", R"({"limit":4294967296})") == "limit");
    CHECK(bad("Create", R"({"options":[]})") == "options");
    CHECK(bad("Create", R"({"options":{"scopes":"a"}})") == "options.scopes");
    CHECK(bad("Create", R"({"options":{"scopes":["a",1]}})") == "options.scopes");
    CHECK(bad("Create", R"({"options":{"owners":{}}})") == "options.owners");
    CHECK(bad("Create", R"({"options":{"description":1}})") == "options.description");
    CHECK(served.service.recorded().empty());
}

TEST_CASE("the caller is resolved once a connection, and again after the resolver was busy") {
    Served served;
    served.resolver.busy_answers = 1;
    Client client = served.connect();
    CHECK(error_of(client.ask(vault_call("Retrieve"))) == "org.hwvault.Vault.Busy");
    CHECK(served.service.recorded().empty());
    for (int i = 0; i < 3; ++i) CHECK(error_of(client.ask(vault_call("Retrieve"))).empty());
    CHECK(served.resolver.resolved == 2);
}
