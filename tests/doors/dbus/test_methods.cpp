// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verbs without a descriptor, called by busctl and gdbus: what the service is asked, and what comes back.
#include <string>
#include <vector>

#include <sys/resource.h>

#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"
#include "tests/doors/dbus/clients.h"

namespace hwvault::doors::dbus {
namespace {

using Strings = std::vector<std::string>;

// The most that this process has had in memory.
long peak_memory_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

TEST_CASE("Each verb reaches the service with its arguments and the caller") {
    if (!have("busctl")) return;
    Serving serving;
    const auto call = [&](std::vector<std::string> arguments) { return busctl(serving.bus.address(), arguments); };

    SECTION("Revoke") {
        const auto answer = call({"Revoke", "sst", "app:billing", "ci", "3"});
        CHECK(answer.status == 0);
        CHECK(answer.has("\"account\" s \"app:billing\""));
        CHECK(answer.has("\"rollback_protected\" b true"));
        const auto seen = serving.service.last("Revoke");
        REQUIRE(seen.has_value());
        CHECK(seen->account == "app:billing");
        CHECK(seen->name == "ci");
        CHECK(seen->generation == 3);
        CHECK(seen->caller.uid == 0);
        CHECK(seen->caller.user == "root");
        CHECK(seen->caller.groups == Strings{"root"});
    }
    SECTION("Rotate") {
        CHECK(call({"Rotate", "sstt", "app:billing", "ci", "18446744073709551615", "3600"}).status == 0);
        const auto seen = serving.service.last("Rotate");
        REQUIRE(seen.has_value());
        CHECK(seen->generation == 18446744073709551615ULL);
        CHECK(seen->overlap_seconds == 3600);
    }
    SECTION("Create, with all options") {
        const auto answer = call({"Create", "ssa{sv}", "app:billing", "ci", "4", "scopes", "as", "2", "read", "write",
                                  "expires_in", "t", "86400", "description", "s", "for ci", "owners", "as", "1",
                                  "group:ops"});
        CHECK(answer.status == 0);
        const auto seen = serving.service.last("Create");
        REQUIRE(seen.has_value());
        CHECK(seen->options.scopes == Strings{"read", "write"});
        CHECK(seen->options.expires_in == 86400U);
        CHECK(seen->options.description == "for ci");
        CHECK(seen->options.owners == Strings{"group:ops"});
    }
    SECTION("Create, without options") {
        CHECK(call({"Create", "ssa{sv}", "", "", "0"}).status == 0);
        const auto seen = serving.service.last("Create");
        REQUIRE(seen.has_value());
        CHECK_FALSE(seen->options.scopes.has_value());
        CHECK_FALSE(seen->options.expires_in.has_value());
        CHECK_FALSE(seen->options.description.has_value());
        CHECK_FALSE(seen->options.owners.has_value());
    }
    SECTION("Delete") {
        CHECK(call({"Delete", "ss", "app:billing", "ci"}).status == 0);
        CHECK(serving.service.last("Delete")->name == "ci");
    }
    SECTION("List") {
        const auto answer = call({"List", "ssu", "*", "page-2", "2"});
        CHECK(answer.status == 0);
        CHECK(answer.output.starts_with("aa{sv}s 2 "));
        CHECK(answer.has("\"t0\""));
        CHECK(answer.has("\"t1\""));
        CHECK(answer.has("\"page-2\""));
        CHECK(serving.service.last("List")->account == "*");
        CHECK(serving.service.last("List")->limit == 2);
    }
    SECTION("a List of a full page, longer than a socket's buffer") {
        const auto answer = call({"List", "ssu", "many", "end", "0"});
        CHECK(answer.status == 0);
        CHECK(answer.output.starts_with("aa{sv}s 1000 "));
        CHECK(answer.has("\"t999\""));
    }
    SECTION("Describe: all the keys, and no others") {
        const auto answer = call({"Describe", "ss", "", ""});
        CHECK(answer.status == 0);
        CHECK(answer.output.starts_with("a{sv} 12 "));
        for (const char* part :
             {"\"account\" s \"user:root\"", "\"name\" s \"default\"", "\"id\" s \"CANARY0001\"",
              "\"origin\" s \"issued\"", "\"generation\" t 7", "\"created_at\" t 1700000000",
              "\"changed_at\" t 1700000100", "\"last_used_at\" t 1700000200", "\"scopes\" as 2 \"read\" \"write\"",
              "\"description\" s \"a description\"", "\"uid\" t 1000", "\"last_used_by\" s \"unit:billing.service\""}) {
            INFO(part);
            CHECK(answer.has(part));
        }
        CHECK(serving.service.last("Describe")->account.empty());
        CHECK(call({"Describe", "ss", "", "revoked"}).has("\"revoked\" b true"));
    }
}

TEST_CASE("An error has the contract's word and the sentence") {
    if (!have("gdbus")) return;
    Serving serving;
    const auto describe = [&](const std::string& name) {
        return run({"gdbus", "call", "--address", serving.bus.address(), "--dest", "org.hwvault.Vault1",
                    "--object-path", "/org/hwvault/Vault1", "--method", "org.hwvault.Vault1.Describe", "", name});
    };
    CHECK(describe("ci").has("'generation': <uint64 7>"));
    const auto missing = describe("missing");
    CHECK(missing.status != 0);
    CHECK(missing.has("org.hwvault.Error.NotFound: There is no such token. Create it first."));
    CHECK(describe("denied").has("org.hwvault.Error.AccessDenied: This account is not yours."));
}

TEST_CASE("Options that are unknown or of another type are refused by name, and nothing is made") {
    if (!have("busctl")) return;
    Serving serving;
    const auto create = [&](std::vector<std::string> options) {
        std::vector<std::string> call{"Create", "ssa{sv}", "", "ci"};
        call.insert(call.end(), options.begin(), options.end());
        return busctl(serving.bus.address(), call);
    };
    CHECK(create({"1", "colour", "s", "red"}).has("no option colour"));
    CHECK(create({"1", "scopes", "s", "read"}).has("The option scopes has the D-Bus type `s`; send it as `as`."));
    CHECK(create({"1", "expires_in", "u", "5"}).has("expires_in"));
    CHECK(create({"1", "description", "as", "0"}).has("description"));
    CHECK(create({"1", "owners", "t", "5"}).has("owners"));
    CHECK(create({"2", "description", "s", "one", "description", "s", "two"}).has("The option description is there twice."));
    CHECK(create({"1", "description", "s", std::string(10'000, 'x')}).has("The option description is too long."));
    CHECK(serving.service.calls_of("Create") == 0);
    CHECK(create({"1", "description", "s", "right"}).status == 0);
}

TEST_CASE("Of two hundred thousand options no more is read than the first that is wrong") {
    if (!have_python_dbus()) return;
    Serving serving;
    const long before = peak_memory_kib();
    const auto refused = run(python(serving.bus.address(), {"create-with", "200000"}));
    CHECK(refused.status == 1);
    CHECK(refused.has("There is no option k"));
    CHECK(peak_memory_kib() - before < 100 * 1024);  // read as they are, they take twice that
    CHECK(serving.service.calls_of("Create") == 0);
}

TEST_CASE("A call with a name that is longer than any can be ends at once") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto refused = run(python(serving.bus.address(), {"describe-long", "1000000"}));
    CHECK(refused.status == 1);
    CHECK(refused.has("longer than any account, token or cursor"));
    CHECK(serving.service.calls_of("Describe") == 0);
    CHECK(run(python(serving.bus.address(), {"describe-long", "512"})).status == 0);
}

TEST_CASE("A call of the wrong type is refused, and the door goes on") {
    if (!have("busctl")) return;
    Serving serving;
    const auto& address = serving.bus.address();
    CHECK(busctl(address, {"Revoke", "s", "only-one"}).status != 0);
    CHECK(busctl(address, {"Revoke", "ssu", "", "", "1"}).status != 0);
    CHECK(busctl(address, {"Verify", "s", "hwv_token"}).status != 0);
    CHECK(busctl(address, {"Retrieve", "as", "0"}).status != 0);
    CHECK(busctl(address, {"Nothing"}).status != 0);
    CHECK(serving.service.recorded().empty());
    CHECK(busctl(address, {"Describe", "ss", "", ""}).status == 0);
}

TEST_CASE("Status and Version are properties that everybody may read") {
    if (!have("busctl")) return;
    Serving serving;
    const auto property = [&](const std::string& name) {
        return run({"busctl", "--address=" + serving.bus.address(), "get-property", "org.hwvault.Vault1",
                    "/org/hwvault/Vault1", "org.hwvault.Vault1", name});
    };
    CHECK(property("Version").output == "s \"" HWVAULT_VERSION "\"\n");
    const auto status = property("Status");
    CHECK(status.has("\"state\" s \"serving\""));
    CHECK(status.has("\"epoch\" t 42"));
    CHECK(status.has("\"policy_digest\" s \"0123456789abcdef\""));
    CHECK(status.has("\"reload_error\" s \"10.toml, line 3, column 1: No.\""));
    CHECK(status.has("\"verified\" t 0"));

    // It follows the service, within a second or so.
    const std::string token(tests::FakeService::kToken);
    serving.strand.run([&] { return serving.service.verify({}, bytes_of(token)).has_value(); });
    bool followed = false;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!followed && std::chrono::steady_clock::now() < deadline) {
        followed = property("Status").has("\"verified\" t 1");
    }
    CHECK(followed);
}

TEST_CASE("Status is answered among other calls, and holds none of them up") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto read = run(python(serving.bus.address(), {"status-among-calls", "200"}));
    INFO(read.output);
    CHECK(read.has("\"refused\": 0,"));
}

TEST_CASE("The interface on the bus is the one that is installed") {
    if (!have("busctl")) return;
    Serving serving;
    const auto seen = run({"busctl", "--address=" + serving.bus.address(), "introspect", "--list",
                           "org.hwvault.Vault1", "/org/hwvault/Vault1", "org.hwvault.Vault1"});
    const std::vector<std::vector<std::string>> members{
        {".Create", "method", "ssa{sv}", "a{sv}"},    {".Delete", "method", "ss", "-"},
        {".Describe", "method", "ss", "a{sv}"},       {".Import", "method", "ssha{sv}", "a{sv}"},
        {".List", "method", "ssu", "aa{sv}s"},        {".Retrieve", "method", "ss", "ha{sv}"},
        {".Revoke", "method", "sst", "a{sv}"},        {".RevokeToken", "method", "h", "a{sv}"},
        {".Rotate", "method", "sstt", "a{sv}"},       {".Subscribe", "method", "-", "-"},
        {".Verify", "method", "h", "ba{sv}"},         {".Status", "property", "a{sv}"},
        {".Version", "property", "s"},                {".TokenChanged", "signal", "ssts"},
    };
    for (const auto& member : members) {
        std::string pattern = "^\\" + member[0];
        for (std::size_t i = 1; i < member.size(); ++i) {
            pattern += " +";
            for (const char c : member[i]) {
                if (c == '{' || c == '}') pattern += '\\';
                pattern += c;
            }
        }
        INFO(pattern);
        CHECK(run({"grep", "-Eq", pattern + "( |$)"}, seen.output).status == 0);
    }
}

}  // namespace
}  // namespace hwvault::doors::dbus
