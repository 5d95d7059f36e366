// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a TPM's keys can be bound to, by choice: PCR values, a PIN, both; and that they are bound anew without changing.
#include "daemon/hardware/tpm/context.h"
#include "daemon/hardware/tpm/handles.h"
#include "tests/catch.h"
#include "tests/contract/tpm_backend.h"
#include "tests/contract/tpm_wire.h"

namespace hwvault::hardware::testing {
namespace {

constexpr unsigned kPcr = 16;  // the one for debugging, which can be reset

SecretBytes pin(std::string_view text) {
    return SecretBytes::copy_of(bytes_of(text));
}

void extend() {
    TPML_DIGEST_VALUES values{};
    values.count = 1;
    values.digests[0].hashAlg = TPM2_ALG_SHA256;
    values.digests[0].digest.sha256[0] = 1;
    const auto context = tpm::Context::connect(tpm_config().tcti).value();
    REQUIRE(Esys_PCR_Extend(context->esys(), ESYS_TR_PCR16, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values) ==
            TSS2_RC_SUCCESS);
}

void reset() {
    const auto context = tpm::Context::connect(tpm_config().tcti).value();
    REQUIRE(Esys_PCR_Reset(context->esys(), ESYS_TR_PCR16, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE) ==
            TSS2_RC_SUCCESS);
}

void lift_lockout() {
    const auto context = tpm::Context::connect(tpm_config().tcti).value();
    REQUIRE(Esys_DictionaryAttackLockReset(context->esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                           ESYS_TR_NONE) == TSS2_RC_SUCCESS);
}

UINT32 wrong_tries() {
    const auto context = tpm::Context::connect(tpm_config().tcti).value();
    tpm::Out<TPMS_CAPABILITY_DATA> listed;
    TPMI_YES_NO more = 0;
    REQUIRE(Esys_GetCapability(context->esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                               TPM2_PT_LOCKOUT_COUNTER, 1, &more, listed.fill()) == TSS2_RC_SUCCESS);
    return listed->data.tpmProperties.tpmProperty[0].value;
}

// What PCR 16 has after one extend(): SHA-256 of 32 zero bytes and the digest.
crypto::Digest extended() {
    Bytes both(64);
    both[32] = 1;
    return crypto::sha256(both);
}

// A token whose keys are bound to these; PCR 16 is at its beginning, and no wrong PIN was tried yet.
void set_up(const std::vector<unsigned>& pcrs, const SecretBytes& with_pin) {
    make_blank_token();
    reset();
    lift_lockout();
    tpm_config().pcrs = pcrs;
    tpm::initialise(tpm_config(), with_pin).value();
}

Result<std::unique_ptr<Device>> open(const SecretBytes& with_pin = SecretBytes()) {
    return tpm::open(tpm_config(), with_pin);
}

Bytes derived(const SecretBytes& with_pin = SecretBytes()) {
    const auto device = open(with_pin).value();
    const auto secret = device->derive(Label::kToken, bytes_of("x")).value();
    return {secret.reveal().begin(), secret.reveal().end()};
}

std::string locked(const Result<std::unique_ptr<Device>>& opened) {
    REQUIRE(!opened);
    CHECK(opened.error().code == ErrorCode::kHardwareLocked);
    return opened.error().message;
}

bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("keys without a policy say so, and need no PIN", "[tpm]") {
    set_up({}, {});
    CHECK(tpm::needs_pin(tpm_config().folder) == false);
    CHECK(open().value()->describe()->policy == "none");
    CHECK(open(pin("1234")));
}

TEST_CASE("keys with a PIN open with that and no other, and a wrong one is known to be rejected", "[tpm]") {
    set_up({}, pin("right"));
    CHECK(tpm::needs_pin(tpm_config().folder) == true);
    CHECK(open(pin("right")).value()->describe()->policy == "a PIN");
    CHECK(locked(open()).starts_with(kNoLoginTried));
    const std::string rejected = locked(open(pin("wrong")));
    CHECK(says(rejected, "TPM2_RC_AUTH_FAIL"));
    CHECK(!rejected.starts_with(kNoLoginTried));
    CHECK(!rejected.starts_with(kRejectionUnknown));
    CHECK(open(pin("right")));
}

TEST_CASE("a rejection that the TPM has not counted is not put on record as one", "[bare_tpm]") {
    set_up({}, pin("right"));
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    wire.answer_instead(TPM2_CC_Unseal, TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1, 1);
    const std::string forged = locked(open(pin("right")));
    CHECK(forged.starts_with(kRejectionUnknown));
    CHECK(says(forged, "something stands between"));
    CHECK(open(pin("right")));
    tpm_config().tcti = direct;
}

TEST_CASE("a PIN of 255 bytes is one, to its last byte", "[tpm]") {
    const auto long_pin = pin(std::string(255, '7'));
    set_up({}, long_pin);
    CHECK(open(long_pin));
    CHECK(!open(pin(std::string(254, '7'))));
}

TEST_CASE("too many wrong PINs lock the TPM, which is not the PIN's fault and passes", "[tpm]") {
    set_up({}, pin("right"));
    std::string message;
    for (int i = 0; i < 40 && !says(message, "TPM2_RC_LOCKOUT"); ++i) message = open(pin("wrong")).error().message;
    CHECK(says(message, "TPM2_RC_LOCKOUT"));
    CHECK(says(message, "tpm2_dictionarylockout"));
    const auto right = open(pin("right"));
    REQUIRE(!right);
    CHECK(right.error().code == ErrorCode::kHardwareUnavailable);  // so that it is tried again, with this PIN
    lift_lockout();
    CHECK(open(pin("right")));
}

TEST_CASE("a lockout that others brought about does not touch keys without a PIN", "[tpm]") {
    set_up({}, pin("right"));
    const tpm::Config with_pin = tpm_config();
    tpm_config().folder += "-plain";
    tpm::initialise(tpm_config(), SecretBytes()).value();
    for (int i = 0; i < 40; ++i) {
        const auto refused = tpm::open(with_pin, pin("wrong"));
        if (says(refused.error().message, "TPM2_RC_LOCKOUT")) break;
    }
    const auto device = open().value();
    CHECK(device->derive(Label::kToken, {}));
    CHECK(device->sign({}));
    CHECK(advance(*device));
}

TEST_CASE("keys bound to a PCR stay shut when it moved, which names it, and open when it is back", "[tpm]") {
    set_up({7, kPcr}, {});
    const Bytes before = derived();
    CHECK(open().value()->describe()->policy == "PCR 7, 16");
    extend();
    const std::string moved = locked(open());
    CHECK(moved.starts_with(kNoLoginTried));
    CHECK(says(moved, "PCR 16 moved"));
    CHECK(!says(moved, "PCR 7"));
    CHECK(says(moved, "hwvault reseal"));
    reset();
    CHECK(derived() == before);
}

TEST_CASE("keys bound to a PCR and a PIN need both, and a moved PCR costs no try", "[tpm]") {
    set_up({kPcr}, pin("right"));
    CHECK(open(pin("right")).value()->describe()->policy == "PCR 16 and a PIN");
    CHECK(says(locked(open(pin("wrong"))), "TPM2_RC_AUTH_FAIL"));
    extend();
    const auto tried = wrong_tries();
    CHECK(locked(open(pin("right"))).starts_with(kNoLoginTried));
    CHECK(locked(open(pin("wrong"))).starts_with(kNoLoginTried));
    CHECK(wrong_tries() == tried);
    reset();
    CHECK(open(pin("right")));
}

TEST_CASE("a PCR that the TPM has not is said", "[tpm]") {
    make_blank_token();
    tpm_config().pcrs = {tpm::kMaxPcr + 1};
    const auto refused = tpm::initialise(tpm_config(), SecretBytes());
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
    CHECK(says(refused.error().message, "PCR 24"));
}

TEST_CASE("sealed to values to come, the same keys open before an update and after it", "[tpm]") {
    set_up({kPcr}, {});
    const Bytes before = derived();
    const auto resealed = tpm::reseal(tpm_config(), {}, {}, {{kPcr, extended()}});
    REQUIRE(resealed);
    CHECK(derived() == before);
    extend();
    CHECK(derived() == before);
    // The update is done: from now on these values alone.
    REQUIRE(tpm::reseal(tpm_config(), {}, {}, {}));
    CHECK(derived() == before);
    reset();
    CHECK(says(locked(open()), "PCR 16 moved"));
}

TEST_CASE("a PIN and a PCR can be added, changed and taken away, without changing a key", "[tpm]") {
    set_up({}, {});
    const Bytes before = derived();
    REQUIRE(tpm::reseal(tpm_config(), {}, pin("first"), {}));
    CHECK(!open());
    CHECK(derived(pin("first")) == before);
    tpm_config().pcrs = {kPcr};
    REQUIRE(tpm::reseal(tpm_config(), pin("first"), pin("second"), {}));
    CHECK(says(locked(open(pin("first"))), "TPM2_RC_AUTH_FAIL"));
    CHECK(derived(pin("second")) == before);
    tpm_config().pcrs = {};
    REQUIRE(tpm::reseal(tpm_config(), pin("second"), {}, {}));
    CHECK(tpm::needs_pin(tpm_config().folder) == false);
    CHECK(derived() == before);
}

TEST_CASE("what cannot be opened cannot be sealed anew, and stays as it was", "[tpm]") {
    set_up({kPcr}, pin("right"));
    const Bytes before = derived(pin("right"));
    CHECK(!tpm::reseal(tpm_config(), pin("wrong"), {}, {}));
    extend();
    CHECK(!tpm::reseal(tpm_config(), pin("right"), {}, {}));
    reset();
    CHECK(derived(pin("right")) == before);
}

}  // namespace hwvault::hardware::testing
