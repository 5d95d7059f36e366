// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What holds for PKCS#11 tokens beyond the contract: serial, PIN, attributes, recovery. The epoch object has epoch_test.cpp.

#include "tests/catch.h"
#include "tests/contract/pkcs11_backend.h"
#include "tests/contract/raw_token.h"

namespace hwvault::hardware::testing {
namespace {

RawToken raw(const Pkcs11Backend& on) {
    return RawToken(on.config().module, on.config().serial);
}

bool mentions(const Error& error, std::string_view text) {
    return error.message.find(text) != std::string::npos;
}

void skip(const char* why) {
    WARN("skipped: " << why);
}

SecretBytes wrong_pin() {
    return SecretBytes::copy_of(bytes_of("not-the-pin"));
}

}  // namespace

TEST_CASE("a device that is not a simulator is refused by this suite", "[pkcs11]") {
    CHECK(is_simulated("SoftHSM project", "SoftHSM v2"));
    CHECK(is_simulated("IBM", "SW   TPM"));
    CHECK(!is_simulated("Yubico (www.yubico.com)", "YubiKey YK5"));
    CHECK(!is_simulated("IBM", "4767"));
    CHECK(!is_simulated("Infineon", "SLB9670"));
}

TEST_CASE("a token with another serial is not taken, and the serials that are there are named", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    make_ready_token();
    const auto device = pkcs11::open({on.config().module, "ffff0000ffff0000"}, on.pin());
    REQUIRE(!device);
    CHECK(device.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(mentions(device.error(), "[hardware] serial"));
    CHECK(mentions(device.error(), on.config().serial));
}

TEST_CASE("a module that is not there or is no module is named with the configuration line", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    for (const char* path : {"/nonexistent/module.so", "/usr/lib/x86_64-linux-gnu/libz.so.1"}) {
        const auto device = pkcs11::open({path, "1"}, on.pin());
        REQUIRE(!device);
        CHECK(device.error().code == ErrorCode::kHardwareUnavailable);
        CHECK(mentions(device.error(), path));
        CHECK(mentions(device.error(), "[hardware] module"));
    }
}

TEST_CASE("a wrong PIN is said once, and where the token counts it no second try is made", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    make_ready_token();
    const auto first = pkcs11::open(on.config(), wrong_pin());
    REQUIRE(!first);
    CHECK(first.error().code == ErrorCode::kHardwareLocked);
    CHECK(mentions(first.error(), "C_Login"));
    CHECK(mentions(first.error(), "CKR_PIN_INCORRECT"));
    CHECK(!mentions(first.error(), "not-the-pin"));
    if (!on.counts_wrong_pins()) {
        CHECK(on.open().has_value());
        return;
    }
    const auto second = on.open();  // with the right PIN
    REQUIRE(!second);
    CHECK(second.error().code == ErrorCode::kHardwareLocked);
    CHECK(mentions(second.error(), "CKF_USER_PIN_COUNT_LOW"));
    CHECK(raw(on).log_in(on.pin()) == CKR_OK);  // by hand, which resets the count
    CHECK(on.open().has_value());
}

TEST_CASE("the value of the root key cannot be read", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    const auto device = ready_device();
    RawToken token(on.config().module, on.config().serial);
    const auto keys = token.find(CKO_SECRET_KEY, pkcs11::kRootKeyLabel);
    REQUIRE(keys.size() == 1);
    Bytes value;
    const CK_RV rv = token.read_value(keys.front(), value);
    CHECK(value.empty());
    // tpm2-pkcs11 1.9 answers with success and an empty value, where the specification has an error.
    if (on.makes_secret_keys()) CHECK(rv == CKR_ATTRIBUTE_SENSITIVE);
}

TEST_CASE("two keys of one label are refused, and the error says so", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    if (!on.makes_secret_keys()) return skip("this module takes no secret key from outside");
    auto device = fresh_device();
    raw(on).add_secret_key(pkcs11::kRootKeyLabel);
    device.reset();
    for (const auto& error : {on.open().error(), on.initialise().error()}) {
        CHECK(error.code == ErrorCode::kHardwareUnavailable);
        CHECK(mentions(error, "two keys with this label"));
    }
}

TEST_CASE("a root key that was not made inside the token is refused", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    if (!on.makes_secret_keys()) return skip("this module takes no secret key from outside");
    auto device = fresh_device();
    {
        RawToken token(on.config().module, on.config().serial);
        token.destroy(token.find(CKO_SECRET_KEY, pkcs11::kRootKeyLabel).front());
        token.add_secret_key(pkcs11::kRootKeyLabel);
    }
    device.reset();
    const auto refused = on.open();
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(mentions(refused.error(), "CKA_LOCAL"));
    CHECK(mentions(refused.error(), "CKA_NEVER_EXTRACTABLE"));
}

TEST_CASE("every call works again after all sessions were closed behind its back", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    const auto device = ready_device();
    const auto before = device->derive(Label::kToken, bytes_of("x")).value();
    const std::uint64_t epoch = device->epoch().value();
    REQUIRE(device->sign(bytes_of("x")).has_value());
    RawToken token(on.config().module, on.config().serial);

    token.close_all_sessions();
    const auto after = device->derive(Label::kToken, bytes_of("x"));
    REQUIRE(after.has_value());
    CHECK(equal_in_constant_time(before.reveal(), after.value().reveal()));
    token.close_all_sessions();
    CHECK(device->sign(bytes_of("x")).has_value());
    token.close_all_sessions();
    CHECK(device->random(8).has_value());
    token.close_all_sessions();
    CHECK(device->epoch().value() == epoch);
    token.close_all_sessions();
    CHECK(advance(*device).value() == epoch + 1);  // in a new session, which sees no private object until the login
}

TEST_CASE("where the module makes no secret keys, setting up says what to type", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    forget_ready_token();
    if (!on.make_token_without_root()) return skip("this module makes secret keys itself");
    const auto refused = on.initialise();
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
    CHECK(mentions(refused.error(), "tpm2_ptool addkey --algorithm hmac:sha256"));
}

}  // namespace hwvault::hardware::testing
