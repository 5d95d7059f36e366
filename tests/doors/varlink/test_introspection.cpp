// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <vector>

#include <boost/json/array.hpp>

#include "daemon/doors/varlink/introspection.h"
#include "daemon/doors/varlink/methods.h"
#include "tests/doors/varlink/harness.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

// The names that follow `keyword` at the start of a line.
std::vector<std::string> names_of(std::string_view description, const std::string& keyword) {
    std::vector<std::string> names;
    const std::string start = "\n" + keyword + " ";
    for (std::size_t at = description.find(start); at != std::string_view::npos; at = description.find(start, at + 1)) {
        const std::string_view rest = description.substr(at + start.size());
        names.emplace_back(rest.substr(0, rest.find_first_of(" (\n")));
    }
    return names;
}

}  // namespace

TEST_CASE("GetInfo names the product, its version and both interfaces") {
    Served served;
    Client client = served.connect();
    client.call(R"({"method":"org.varlink.service.GetInfo"})");
    const auto info = client.receive_parameters();
    CHECK(text_at(info, "product") == "hwvault");
    CHECK(text_at(info, "version") == HWVAULT_VERSION);
    CHECK(info.at("interfaces").as_array() == boost::json::array{"org.varlink.service", "org.hwvault.Vault"});
    CHECK(info.contains("vendor"));
    CHECK(info.contains("url"));
    // Nobody was asked who is calling.
    CHECK(served.resolver.resolved == 0);
}

TEST_CASE("GetInterfaceDescription gives the .varlink files, and names an interface that is not there") {
    Served served;
    Client client = served.connect();
    const auto describe = [&](std::string_view interface) {
        return client.ask(std::string(R"({"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":")")
                              .append(interface)
                              .append("\"}}"));
    };
    for (const char* interface : {"org.hwvault.Vault", "org.varlink.service"}) {
        const auto description = text_at(describe(interface).at("parameters").as_object(), "description");
        CHECK(description.find(std::string("interface ") + interface + "\n") != std::string::npos);
        CHECK(description.back() == '\n');
    }
    CHECK(error_of(describe("org.example.Other")) == "org.varlink.service.InterfaceNotFound");
    CHECK(error_of(client.ask(R"({"method":"org.varlink.service.GetInterfaceDescription"})")) ==
          "org.varlink.service.InvalidParameter");
    CHECK(error_of(client.ask(R"({"method":"org.varlink.service.GetInfo","parameters":{"a":1}})")) ==
          "org.varlink.service.InvalidParameter");
    CHECK(error_of(client.ask(R"({"method":"org.varlink.service.Nothing"})")) == "org.varlink.service.MethodNotFound");
}

TEST_CASE("the description has every method and every error, and no other") {
    using doors::varlink::kVaultDescription;
    const auto methods = names_of(kVaultDescription, "method");
    CHECK(methods.size() == 13);
    for (const auto& method : methods) {
        CAPTURE(method);
        CHECK((method == "Watch" || doors::varlink::find_method(method) != nullptr));
    }
    const auto errors = names_of(kVaultDescription, "error");
    CHECK(errors.size() == static_cast<std::size_t>(ErrorCode::kInternal));
    for (std::size_t code = 1; code <= errors.size(); ++code) {
        CHECK(std::count(errors.begin(), errors.end(), word(static_cast<ErrorCode>(code))) == 1);
    }
}
