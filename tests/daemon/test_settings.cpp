// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvaultd's part of hwvault.toml: what is taken, and that what is refused is refused with its line and a sentence.
#include "daemon/settings.h"

#include "os/file.h"
#include "tests/catch.h"
#include "tests/os/folder.h"

using namespace hwvault;

namespace {

Result<Settings> read(const std::string& text) {
    const os::TestFolder folder;
    REQUIRE(os::write_file_durably(folder / "hwvault.toml", bytes_of(text), 0644));
    return read_settings(folder / "hwvault.toml");
}

// What is said after the file's name.
std::string refusal(const std::string& text) {
    const auto settings = read(text);
    REQUIRE_FALSE(settings);
    CHECK(settings.error().code == ErrorCode::kInvalidArgument);
    const std::string& message = settings.error().message;
    return message.substr(message.find("hwvault.toml, ") + sizeof "hwvault.toml, " - 1);
}

}  // namespace

TEST_CASE("A good file is read, and others' tables are left to them") {
    const auto settings = read(R"([vault]
state = "/srv/vault"
hardware_socket = "/run/h"
prefix = "acme_"
[doors]
socket = "/run/s"
dbus = false
[limits]
tokens = 5000
tokens_per_account = 10
[hardware]
kind = "anything"
anti_rollback = "batch"
[credential."shop.service"."db-password"]
account = "app:shop"
)");
    REQUIRE(settings);
    CHECK(settings->store_file() == "/srv/vault/store.db");
    CHECK(settings->hardware_socket == "/run/h");
    CHECK(settings->prefix == "acme_");
    CHECK(settings->socket == "/run/s");
    CHECK_FALSE(settings->dbus);
    CHECK(settings->anti_rollback == service::AntiRollback::kBatch);
    CHECK(settings->quotas.tokens == 5'000);
    CHECK(settings->quotas.tokens_per_account == 10);
    CHECK(settings->credentials.size() == 1);
}

TEST_CASE("An empty file is all that is usual, and no file is said to be missing") {
    const auto settings = read("");
    REQUIRE(settings);
    CHECK(settings->state == "/var/lib/hwvault");
    CHECK(settings->dbus);
    CHECK(settings->anti_rollback == service::AntiRollback::kStrict);
    CHECK(settings->quotas.tokens == vault::Quotas{}.tokens);
    CHECK(read_settings("/nonexistent/hwvault.toml").error().code == ErrorCode::kNotFound);
}

TEST_CASE("What is not known is refused with its line") {
    CHECK(refusal("[limits]\ntokens = 5\ntoken = 5\n") ==
          "line 3: `token` in [limits] is not a key of hwvaultd. See hwvault.toml(5).");
    CHECK(refusal("[limit]\ntokens = 5\n") == "line 1: `limit` is not known. See hwvault.toml(5).");
    CHECK(refusal("[limits]\nhwv_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW = 5\n") ==
          "line 2: `hwv_01234567...` in [limits] is not a key of hwvaultd. See hwvault.toml(5).");
    CHECK(refusal("tokens = 5\n") == "line 1: `tokens` is not known. See hwvault.toml(5).");
    CHECK(refusal("[recovery]\nrecipient = \"/etc/k\"\nkey = \"/etc/k\"\n") ==
          "line 3: `key` in [recovery] is not a key of hwvaultd. See hwvault.toml(5).");
}

TEST_CASE("[recovery] names a recipient, or is an error: nobody believes to have recovery and has none") {
    CHECK(read("[recovery]\nrecipient = \"/etc/hwvault/recovery.pem\"\n")->recipient == "/etc/hwvault/recovery.pem");
    CHECK(read("")->recipient.empty());
    CHECK(refusal("[doors]\n\n[recovery]\n") ==
          "line 3: [recovery] has no `recipient`. Name the key's file, or remove the table.");
    CHECK(refusal("[recovery]\nrecipient = \"\"\n") ==
          "line 2: `recipient` in [recovery] must be the path of a certificate or a public key, in quotes.");
}

TEST_CASE("[credential] says which token a unit gets, and what it does not say is the unit's own") {
    using doors::credential::Place;
    using doors::credential::TokenReference;
    const auto settings = read(R"([credential."shop.service"."db-password"]
account = "app:shop"
name = "db"
[credential."shop.service"."api token"]
[credential."ci@3.service".key]
name = "ci"
)");
    REQUIRE(settings);
    const auto& mapping = settings->credentials;
    CHECK(mapping.size() == 3);
    CHECK(mapping.at(Place{"shop.service", "db-password"}) == TokenReference{"app:shop", "db"});
    CHECK(mapping.at(Place{"shop.service", "api token"}) == TokenReference{"unit:shop.service", "default"});
    CHECK(mapping.at(Place{"ci@3.service", "key"}) == TokenReference{"unit:ci@3.service", "ci"});
    CHECK(token_for(mapping, Place{"shop.service", "key"}) == TokenReference{"unit:shop.service", "default"});
}

TEST_CASE("What cannot be a unit, a credential or a token in [credential] is refused with its line") {
    CHECK(refusal("[credential.\"shop\".\"db\"]\n") ==
          "line 1: `shop` in [credential] is no unit that runs: write NAME.service.");
    CHECK(refusal("[credential]\n\"a.service\" = 5\n") ==
          "line 2: `a.service` in [credential] must have a credential's name after it: "
          "[credential.\"a.service\".\"CREDENTIAL\"].");
    CHECK(refusal("[credential.\"a.service\"]\naccount = \"app:a\"\n") ==
          "line 2: `credential.\"a.service\".\"account\"` must be a table, with its name in brackets.");
    CHECK(refusal("[credential.\"a.service\".\"a/b\"]\n") ==
          "line 1: `a/b` in [credential.\"a.service\"] is no credential's name: see systemd.exec(5), LoadCredential=.");
    const std::string table = "[credential.\"a.service\".\"k\"]\n";
    const std::string in_table = " in [credential.\"a.service\".\"k\"]";
    CHECK(refusal(table + "acount = \"app:a\"\n") ==
          "line 2: `acount`" + in_table + " is not a key of hwvaultd. See hwvault.toml(5).");
    CHECK(refusal(table + "account = \"a\"\n") ==
          "line 2: `account`" + in_table + " must be user:NAME, unit:NAME.service or app:NAME.");
    for (const char* const name : {"\"A\"", "\"\"", "5"}) {
        CHECK(refusal(table + "name = " + name + "\n") ==
              "line 2: `name`" + in_table + " must be a token's name, 1 to 64 of a-z, 0-9, '.', '_' and '-'.");
    }
}

TEST_CASE("A table that is none is refused, for what it says would be dropped") {
    CHECK(refusal("\nlimits = 5\n") == "line 2: `limits` must be a table, with its name in brackets.");
    CHECK(refusal("[vault]\n[[limits]]\ntokens = 5\n") == "line 2: `limits` must be a table, with its name in brackets.");
    CHECK(refusal("hardware = \"pkcs11\"\n") == "line 1: `hardware` must be a table, with its name in brackets.");
}

TEST_CASE("A wrong type is refused with its line and what is wanted") {
    CHECK(refusal("[doors]\ndbus = \"no\"\n") == "line 2: `dbus` in [doors] must be true or false.");
    CHECK(refusal("[doors]\nsocket = 5\n") == "line 2: `socket` in [doors] must be a path in quotes.");
    for (const char* const value : {"\"5\"", "5.0", "[5]"}) {
        CHECK(refusal("[limits]\ntokens = " + std::string(value) + "\n") ==
              "line 2: `tokens` in [limits] must be a whole number from 1 to 2000000.");
    }
}

TEST_CASE("What is out of range is refused with its line and the range") {
    CHECK(refusal("[hardware]\nanti_rollback = \"sometimes\"\n") ==
          "line 2: `anti_rollback` in [hardware] must be \"strict\", \"batch\" or \"off\".");
    for (const char* const number : {"0", "-1", "1001"}) {
        CHECK(refusal("[limits]\ntokens_per_account = " + std::string(number) + "\n") ==
              "line 2: `tokens_per_account` in [limits] must be a whole number from 1 to 1000.");
    }
    CHECK(refusal("[vault]\nprefix = \"Hwv_\"\n") ==
          "line 2: `prefix` in [vault] must be 2 to 6 letters a-z and an underscore, as \"hwv_\".");
}

TEST_CASE("What is no TOML is refused with its line") {
    CHECK(refusal("[vault]\nstate = \n").starts_with("line 2: "));
}
