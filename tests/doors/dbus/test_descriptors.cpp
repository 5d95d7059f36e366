// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tokens and secrets in descriptors, sent and received by Debian's python3-dbus.
#include <string>

#include "daemon/vault/lifecycle.h"
#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"
#include "tests/doors/dbus/clients.h"

namespace hwvault::doors::dbus {
namespace {

using tests::FakeService;
const std::string kToken(FakeService::kToken);

TEST_CASE("A retrieved token comes in a memfd that is sealed, with a brief info") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto answer = run(python(serving.bus.address(), {"retrieve", "", ""}));
    INFO(answer.output);
    CHECK(answer.status == 0);
    CHECK(answer.has("\"content\": \"" + kToken + "\""));
    CHECK(answer.has("\"sealed\": true"));
    CHECK(answer.has("\"writable\": false"));
    CHECK(answer.has("\"types\": {\"account\": \"s\", \"expires_at\": \"t\", \"generation\": \"t\", \"id\": \"s\", "
                     "\"name\": \"s\", \"scopes\": \"as\"}"));
    CHECK(answer.has("\"expires_at\": 1900000000"));
    CHECK(serving.service.last("Retrieve")->account.empty());
    CHECK(run(python(serving.bus.address(), {"retrieve", "", "missing"})).has("org.hwvault.Error.NotFound"));
}

TEST_CASE("Verify reads a sealed memfd, and whatever else ends in time") {
    if (!have_python_dbus()) return;
    Serving serving;
    const std::string kind = GENERATE(as<std::string>{}, "sealed", "memfd", "pipe");
    INFO(kind);
    const auto good = run(python(serving.bus.address(), {"verify", kind}), kToken);
    CHECK(good.has("\"active\": true, \"info\": {\"account\": \"user:root\", \"expires_at\": 1900000000, "));
    CHECK_FALSE(good.has("origin"));
    CHECK(serving.service.last("Verify")->secret == kToken);
    const auto bad = run(python(serving.bus.address(), {"verify", kind}), kToken.substr(1));
    CHECK(bad.has("\"active\": false, \"info\": {}"));
    CHECK(run(python(serving.bus.address(), {"verify", kind})).has("\"active\": false, \"info\": {}"));
}

TEST_CASE("More than a token's cap is refused without a look-up") {
    if (!have_python_dbus()) return;
    Serving serving;
    const std::string kind = GENERATE(as<std::string>{}, "sealed", "memfd", "pipe");
    INFO(kind);
    CHECK(run(python(serving.bus.address(), {"verify", kind}), std::string(128, 'x')).has("\"active\": false"));
    const auto longer = run(python(serving.bus.address(), {"verify", kind}), std::string(129, 'x'));
    CHECK(longer.has("org.hwvault.Error.InvalidArgument"));
    CHECK(longer.has("more than the 128 bytes"));
    CHECK(run(python(serving.bus.address(), {"revoke-token", kind}), std::string(129, 'x')).has("InvalidArgument"));
    CHECK(serving.service.calls_of("Verify") == 1);
    CHECK(serving.service.calls_of("RevokeToken") == 0);
}

TEST_CASE("A descriptor that cannot be read is refused") {
    if (!have_python_dbus()) return;
    Serving serving;
    CHECK(run(python(serving.bus.address(), {"verify", "write-end"})).has("org.hwvault.Error.InvalidArgument"));
    CHECK(serving.service.calls_of("Verify") == 0);
}

TEST_CASE("A pipe that never ends is given up at its deadline, and holds up nobody else") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto& address = serving.bus.address();
    Running endless(python(address, {"verify", "endless"}));
    std::vector<Running> more;
    for (int i = 0; i < 3; ++i) more.emplace_back(python(address, {"verify", "endless"}));
    CHECK(run(python(address, {"verify", "sealed"}), kToken).has("\"active\": true"));
    CHECK(run(python(address, {"verify", "pipe"}), kToken).has("\"active\": true"));
    const auto given_up = endless.finish();
    CHECK(given_up.has("org.hwvault.Error.InvalidArgument"));
    CHECK(given_up.has("did not end in time"));
    for (auto& another : more) CHECK(another.finish().has("InvalidArgument"));
    CHECK(serving.service.calls_of("Verify") == 2);
}

TEST_CASE("RevokeToken tells more than success only where the service does") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto known = run(python(serving.bus.address(), {"revoke-token", "sealed"}), kToken);
    CHECK(known.has("\"rollback_protected\": true"));
    CHECK(serving.service.last("RevokeToken")->secret == kToken);
    CHECK(run(python(serving.bus.address(), {"revoke-token", "sealed"}), "unknown").output == "{\"info\": {}}\n");
}

TEST_CASE("A secret of 1 MiB is imported whole and comes back; one byte more is refused") {
    if (!have_python_dbus()) return;
    Serving serving;
    const auto& address = serving.bus.address();
    const std::string kind = GENERATE(as<std::string>{}, "sealed", "memfd");
    INFO(kind);
    std::string secret(vault::kMaxSecretSize, '\0');
    for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<char>(i * 2'654'435'761U >> 24);

    const auto imported = run(python(address, {"import-secret", kind, "app:billing", "imported"}), secret);
    CHECK(imported.has("\"origin\": \"imported\""));
    const auto seen = serving.service.last("Import");
    REQUIRE(seen.has_value());
    CHECK(seen->secret == secret);
    CHECK(seen->options.description == "imported");
    const auto retrieved = run(python(address, {"retrieve", "", "imported"}));
    CHECK(retrieved.status == 0);
    // It never expires.
    CHECK(retrieved.has("\"types\": {\"account\": \"s\", \"generation\": \"t\", \"id\": \"s\", \"name\": \"s\", \"scopes\": \"as\"}"));

    const auto refused = run(python(address, {"import-secret", kind, "app:billing", "imported"}), secret + "x");
    CHECK(refused.has("org.hwvault.Error.InvalidArgument"));
    CHECK(refused.has("more than the 1048576 bytes"));
    CHECK(run(python(address, {"import-secret", kind, "", "empty"})).has("The secret is empty."));
    CHECK(serving.service.calls_of("Import") == 2);
}

}  // namespace
}  // namespace hwvault::doors::dbus
