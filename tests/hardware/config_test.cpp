// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `[hardware]` of hwvault.toml: what is taken, and that what is refused is refused with its line.
#include "daemon/hardware/child/config.h"

#include "os/file.h"
#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware::child {
namespace {

Result<HardwareConfig> read(std::string_view text) {
    const TempFolder folder;
    const auto file = folder.path() / "hwvault.toml";
    REQUIRE(os::write_file_durably(file, bytes_of(text), 0644).has_value());
    return read_config(file);
}

constexpr std::string_view kGood = R"([vault]
state = "/var/lib/hwvault"
[hardware]
kind = "pkcs11"
module = "/usr/lib/m.so"
serial = "12 34"
pin_credential = "hwvault-pin"
)";

TEST_CASE("the hardware's table is read, and other tables are left alone") {
    const auto config = read(kGood);
    REQUIRE(config.has_value());
    const auto& token = std::get<Pkcs11Config>(config->device);
    CHECK(token.module == "/usr/lib/m.so");
    CHECK(token.serial == "12 34");
    CHECK(config->pin_credential == "hwvault-pin");
}

TEST_CASE("a TPM needs nothing but its kind") {
    const auto plain = read("[hardware]\nkind = \"tpm\"\n");
    REQUIRE(plain.has_value());
    CHECK(std::get<TpmConfig>(plain->device).tcti == "device:/dev/tpmrm0");
    CHECK(std::get<TpmConfig>(plain->device).pcrs.empty());
    const auto chosen = read("[hardware]\nkind = \"tpm\"\ntcti = \"tabrmd\"\npcrs = [11, 7]\nanti_rollback = \"off\"\n");
    REQUIRE(chosen.has_value());
    CHECK(std::get<TpmConfig>(chosen->device).tcti == "tabrmd");
    CHECK(std::get<TpmConfig>(chosen->device).pcrs == std::vector<unsigned>{7, 11});
}

TEST_CASE("a configuration that is not there is said to be missing") {
    const auto config = read_config("/nonexistent/hwvault.toml");
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().code == ErrorCode::kNotFound);
}

TEST_CASE("what is wrong in the configuration is said with its line") {
    struct Case {
        std::string text;
        std::string expected;
    };
    const auto wrong = GENERATE(
        Case{"[hardware]\nkind = \"pkcs11\"\nmodul = \"/m\"\n", "line 3: `modul`"},
        Case{"[hardware]\nkind = \"hsm\"\nmodule = \"/m\"\nserial = \"1\"\n", "line 2: [hardware] needs kind"},
        Case{"[hardware]\nkind = \"tpm\"\nmodule = \"/m\"\n", "line 3: `module` is not a key of [hardware] with kind"},
        Case{"[hardware]\nkind = \"tpm\"\nhwv_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW = \"/m\"\n",
             "line 3: `hwv_01234567...` is not a key of [hardware] with kind"},
        Case{"[hardware]\nkind = \"tpm\"\npcrs = 7\n", "line 3: `pcrs` must be a list"},
        Case{"[hardware]\nkind = \"tpm\"\npcrs = [7, 24]\n", "line 3: `pcrs` must be a list"},
        Case{"[hardware]\nkind = \"tpm\"\npcrs = [7, 7]\n", "line 3: `pcrs` must be a list"},
        Case{"[hardware]\nkind = \"tpm\"\ntcti = \"\"\n", "line 3: `tcti` must be a text"},
        Case{"[hardware]\nkind = \"pkcs11\"\nmodule = \"m.so\"\nserial = \"1\"\n", "line 3: [hardware] needs module"},
        Case{"\n[hardware]\nkind = \"pkcs11\"\nmodule = \"/m\"\n", "line 2: [hardware] needs serial"},
        Case{"[hardware]\nkind = \"pkcs11\"\nmodule = \"/m\"\nserial = 1234\n", "line 4: `serial` must be a text"},
        Case{"[hardware]\nkind = \"pkcs11\"\nmodule = \"/m\"\nserial = \"\"\n", "line 4: `serial` must be a text"},
        Case{"[hardware]\nkind = \"pkcs11\"\nmodule = \"/m\"\nserial = \"1\"\npin_credential = \"../pin\"\n",
             "line 5: `pin_credential` is the name"},
        Case{"[vault]\n", "There is no table [hardware]"},
        Case{"hardware = 1\n", "There is no table [hardware]"},
        Case{"[hardware]\nkind = \n", "line 2"});
    const auto config = read(wrong.text);
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().code == ErrorCode::kInvalidArgument);
    INFO(config.error().message);
    CHECK(config.error().message.find(wrong.expected) != std::string::npos);
}

TEST_CASE("an endless configuration is refused") {
    const auto config = read(std::string(kMaxConfigSize + 1, '#'));
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace hwvault::hardware::child
