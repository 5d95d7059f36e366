// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What holds for PKCS#11 tokens beyond the contract: serial, PIN, attributes, the epoch object, recovery.

#include "foundation/fields.h"
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

TEST_CASE("an epoch object that was edited or removed is reported, never read as zero", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    const auto device = fresh_device();
    REQUIRE(advance(*device).value() == 1);
    RawToken token(on.config().module, on.config().serial);
    const auto objects = token.find(CKO_DATA, pkcs11::kEpochObjectLabel);
    REQUIRE(objects.size() == 1);
    Bytes value;
    REQUIRE(token.read_value(objects.front(), value) == CKR_OK);
    token.destroy(objects.front());

    const auto removed = device->epoch();
    REQUIRE(!removed);
    CHECK(removed.error().code == ErrorCode::kRolledBack);
    CHECK(device->describe().value().rollback_protection == RollbackProtection::kPinWritable);

    for (const std::size_t position : {std::size_t{4}, value.size() - 1}) {  // the number, the MAC
        Bytes edited = value;
        edited[position] ^= 1;
        token.add_data(pkcs11::kEpochObjectLabel, edited);
        for (const auto& answer : {device->epoch(), device->advance(0)}) {
            REQUIRE(!answer);
            CHECK(answer.error().code == ErrorCode::kRolledBack);
        }
        for (const auto object : token.find(CKO_DATA, pkcs11::kEpochObjectLabel)) token.destroy(object);
    }
    token.add_data(pkcs11::kEpochObjectLabel, value);
    CHECK(device->epoch().value() == 1);
}

TEST_CASE("a removed epoch object is still reported after the token is opened again, until init is run", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    auto device = fresh_device();
    {
        RawToken token(on.config().module, on.config().serial);
        token.destroy(token.find(CKO_DATA, pkcs11::kEpochObjectLabel).front());
    }
    device.reset();
    device = on.open().value();
    CHECK(device->describe().value().rollback_protection == RollbackProtection::kPinWritable);
    REQUIRE(!device->epoch());
    CHECK(device->epoch().error().code == ErrorCode::kRolledBack);
    device.reset();
    REQUIRE(on.initialise().has_value());
    CHECK(on.open().value()->epoch().value() == 0);
}

TEST_CASE("of the epoch objects that a crash left the highest counts, and a step removes the rest", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    const auto device = fresh_device();
    RawToken token(on.config().module, on.config().serial);
    Bytes old_value;
    REQUIRE(token.read_value(token.find(CKO_DATA, pkcs11::kEpochObjectLabel).front(), old_value) == CKR_OK);
    REQUIRE(advance(*device).value() == 1);
    token.add_data(pkcs11::kEpochObjectLabel, old_value);
    token.add_data(pkcs11::kEpochObjectLabel, Bytes{1, 2, 3});
    REQUIRE(token.find(CKO_DATA, pkcs11::kEpochObjectLabel).size() == 3);
    CHECK(device->epoch().value() == 1);
    CHECK(advance(*device).value() == 2);
    CHECK(token.find(CKO_DATA, pkcs11::kEpochObjectLabel).size() == 1);
}

TEST_CASE("an epoch object of another token does not count", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    Bytes foreign;
    {
        const auto device = fresh_device();
        RawToken token(on.config().module, on.config().serial);
        REQUIRE(advance(*device).has_value());
        REQUIRE(token.read_value(token.find(CKO_DATA, pkcs11::kEpochObjectLabel).front(), foreign) == CKR_OK);
    }
    const auto device = fresh_device();
    raw(on).add_data(pkcs11::kEpochObjectLabel, foreign);
    CHECK(device->epoch().value() == 0);
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
