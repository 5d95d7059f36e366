// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a TPM adds to the contract: what a probe on the bus sees, other and cleared TPMs, damaged blobs, what the TPM asks
// patience for, and setup that is cut at every step.
//
// [bare_tpm]: these stop the TPM, or put something before it, so it must be the test's own; [abrmd]: these need two
// connections at once, and so tpm2-abrmd.
#include <algorithm>
#include <chrono>
#include <future>
#include <string>

#include <tss2/tss2_mu.h>

#include "daemon/hardware/tpm/connection.h"
#include "os/file.h"
#include "tests/catch.h"
#include "tests/contract/tpm_backend.h"
#include "tests/contract/tpm_raw.h"
#include "tests/contract/tpm_wire.h"

namespace hwvault::hardware::testing {
namespace {

using std::chrono::steady_clock;

std::string fails_with(const Result<std::unique_ptr<Device>>& opened, ErrorCode code) {
    REQUIRE(!opened);
    INFO(opened.error().message);
    CHECK(opened.error().code == code);
    return opened.error().message;
}

bool contains(BytesView all, BytesView part) {
    return std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
}

Bytes derived(Device& device, std::string_view context) {
    const auto secret = device.derive(Label::kToken, bytes_of(context)).value();
    return {secret.reveal().begin(), secret.reveal().end()};
}

}  // namespace

TEST_CASE("a probe on the bus sees no derived byte, no authorization value, no input and no random byte", "[bare_tpm]") {
    make_blank_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    tpm_config().tcti = wire.tcti();
    REQUIRE(backend().initialise());
    const auto device = backend().open().value();
    const std::string_view context = "what the secret is derived from";
    const Bytes secret = derived(*device, context);
    const SecretBytes chance = device->random(32).value();
    REQUIRE(advance(*device));
    const Bytes seen = wire.seen();
    const auto values = tpm::Authorizations::split(tpm::Folder(tpm_config().folder).authorization()->plain).value();
    CHECK(seen.size() > 5000);
    CHECK(!contains(seen, secret));
    CHECK(!contains(seen, BytesView(secret).first(8)));
    CHECK(!contains(seen, bytes_of(context)));
    CHECK(!contains(seen, chance.reveal()));
    for (const SecretBytes* value : {&values.root, &values.signing, &values.counter}) {
        CHECK(!contains(seen, value->reveal()));
    }
    // Sealed to a PIN, the values go by twice more, and so does what is made of the PIN.
    const SecretBytes pin = SecretBytes::copy_of(bytes_of("the PIN of this vault"));
    REQUIRE(tpm::reseal(tpm_config(), {}, pin, {}));
    REQUIRE(tpm::open(tpm_config(), pin));
    const Bytes later = wire.seen();
    for (const SecretBytes* value : {&values.root, &values.signing, &values.counter}) {
        CHECK(!contains(later, value->reveal()));
    }
    CHECK(!contains(later, pin.reveal()));
    CHECK(!contains(later, crypto::hkdf_sha256(pin, "hwvault/tpm-pin/1").reveal().first(31)));
    // The probe does see: the signing key's public half goes by in a command that hides only its first parameter.
    const tpm::Blob signing = tpm::Folder(tpm_config().folder).key("signing").value();
    CHECK(contains(seen, BytesView(signing.public_area).last(32)));
}

TEST_CASE("a changed answer is not believed", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    for (const TPM2_CC command : {TPM2_CC_HMAC, TPM2_CC_Sign, TPM2_CC_GetRandom, TPM2_CC_NV_Read}) {
        const auto connection = tpm::Connection::open(tpm_config(), SecretBytes()).value();
        wire.change_answer(command);
        std::optional<Error> error;
        const auto note = [&](const auto& answer) {
            if (!answer) error = answer.error();
        };
        if (command == TPM2_CC_HMAC) note(connection->derive(Label::kToken, bytes_of("x")));
        if (command == TPM2_CC_Sign) note(connection->sign(bytes_of("x")));
        if (command == TPM2_CC_GetRandom) note(connection->random(32));
        if (command == TPM2_CC_NV_Read) note(connection->epoch());
        REQUIRE(error);
        INFO(error->message);
        CHECK(error->code == ErrorCode::kHardwareUnavailable);
        CHECK(error->message.find("TSS2_ESYS_RC_RSP_AUTH_FAILED") != std::string::npos);
    }
    tpm_config().tcti = direct;
}

TEST_CASE("a list of something else than was asked for is not taken for handles", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    // TPM2_GetCapability: no more data; 508 curves, of two bytes each, where there is room for 254 handles.
    constexpr std::size_t kCurves = 508;
    Bytes answer{0x80, 0x01, 0, 0, 0x04, 0x0B, 0, 0, 0, 0, 0, 0, 0, 0, TPM2_CAP_ECC_CURVES, 0, 0, 0x01, 0xFC};
    answer.resize(answer.size() + 2 * kCurves, 0x55);
    REQUIRE(answer.size() == 0x040B);
    wire.forge(TPM2_CC_GetCapability, answer);
    const auto opened = tpm::Connection::open(tpm_config(), SecretBytes());
    REQUIRE(!opened);
    INFO(opened.error().message);
    CHECK(opened.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(opened.error().message.find("was not asked") != std::string::npos);
    CHECK(tpm::Connection::open(tpm_config(), SecretBytes()));
    tpm_config().tcti = direct;
}

TEST_CASE("no TPM, and a way that leads nowhere, are said", "[tpm]") {
    make_ready_token();
    for (const char* const way : {"swtpm:path=/nonexistent/socket", "device:/nonexistent", "nonsense:x"}) {
        const std::string there = std::exchange(tpm_config().tcti, way);
        const std::string message = fails_with(backend().open(), ErrorCode::kHardwareUnavailable);
        tpm_config().tcti = there;
        CHECK(message.find(way) != std::string::npos);
        CHECK(message.find("There is no TPM") != std::string::npos);
    }
    CHECK(backend().open());
}

TEST_CASE("another TPM behind the same path is refused by its name", "[bare_tpm]") {
    make_ready_token();
    const Swtpm other;
    const std::string there = std::exchange(tpm_config().tcti, other.tcti());
    const std::string message = fails_with(backend().open(), ErrorCode::kHardwareUnavailable);
    CHECK(message.find("is not the one that the vault was set up with") != std::string::npos);
    CHECK(!backend().initialise());  // neither does setup take it
    tpm_config().tcti = there;
    CHECK(backend().open());
}

TEST_CASE("a cleared TPM is told from another one", "[bare_tpm]") {
    make_ready_token();
    forget_ready_token();
    REQUIRE(Esys_Clear(raw()->esys(), ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE) ==
            TSS2_RC_SUCCESS);
    const std::string message = fails_with(backend().open(), ErrorCode::kNotInitialised);
    CHECK(message.find("seems to have been cleared") != std::string::npos);
    CHECK(!backend().initialise());
    CHECK(tpm::Folder(tpm_config().folder).exists());
}

TEST_CASE("a truncated or edited file is named, and nothing is lost", "[tpm]") {
    auto device = fresh_device();
    const Bytes before = derived(*device, "x");
    device.reset();
    for (const std::string name : {"root.pub", "root.priv", "signing.pub", "signing.priv", "pinned", "authorization"}) {
        const auto file = tpm_config().folder / name;
        const Bytes whole = os::read_file(file, 1 << 16).value();
        Bytes edited = whole;
        edited[whole.size() - 5] ^= 1;
        Bytes begun = whole;
        begun[begun.size() / 2] ^= 1;
        for (const Bytes& spoilt : {Bytes(whole.begin(), whole.begin() + 7), Bytes(whole.begin(), whole.end() - 1), Bytes{}, edited, begun}) {
            INFO(name << " of " << spoilt.size() << " bytes");
            REQUIRE(os::write_file_durably(file, spoilt, 0600));
            const auto opened = backend().open();
            // An authorization value that is another one is found when it is used.
            const auto used = opened ? (*opened)->derive(Label::kToken, {}) : Result<SecretBytes>(opened.error());
            const auto signature = opened ? (*opened)->sign({}) : Result<Bytes>(opened.error());
            const auto epoch = opened ? (*opened)->epoch() : Result<std::uint64_t>(opened.error());
            CHECK((!used || !signature || !epoch));
            if (!opened) CHECK(opened.error().message.find(name.substr(0, name.find('.'))) != std::string::npos);
        }
        std::filesystem::remove(file);
        CHECK(fails_with(backend().open(), ErrorCode::kHardwareUnavailable).find(name) != std::string::npos);
        REQUIRE(os::write_file_durably(file, whole, 0600));
    }
    std::filesystem::permissions(tpm_config().folder / "authorization", std::filesystem::perms(0644));
    CHECK(fails_with(backend().open(), ErrorCode::kHardwareUnavailable).find("0600") != std::string::npos);
    std::filesystem::permissions(tpm_config().folder / "authorization", std::filesystem::perms(0600));
    CHECK(derived(*backend().open().value(), "x") == before);
}

TEST_CASE("a key that was brought into the TPM from outside is refused, though the TPM would use it", "[bare_tpm]") {
    make_ready_token();
    forget_ready_token();
    const tpm::Folder folder(tpm_config().folder);
    const tpm::Blob blob = folder.key("root").value();
    TPM2B_PUBLIC area{};
    REQUIRE(Tss2_MU_TPM2B_PUBLIC_Unmarshal(blob.public_area.data(), blob.public_area.size(), nullptr, &area) == 0);
    area.publicArea.objectAttributes &= ~TPMA_OBJECT_SENSITIVEDATAORIGIN;
    TPM2B_SENSITIVE_CREATE sensitive{};
    tpm::put(sensitive.sensitive.data, bytes_of("known to whoever brought it here"));
    const auto values = tpm::Authorizations::split(folder.authorization()->plain).value();
    tpm::put(sensitive.sensitive.userAuth, values.root.reveal());
    {
        tpm::Secured secured = tpm::secure(tpm_config().tcti).value();
        const TPM2B_DATA no_data{};
        const TPML_PCR_SELECTION no_pcrs{};
        tpm::Out<TPM2B_PRIVATE> private_half;
        tpm::Out<TPM2B_PUBLIC> public_half;
        tpm::Out<TPM2B_CREATION_DATA> data;
        tpm::Out<TPM2B_DIGEST> hash;
        tpm::Out<TPMT_TK_CREATION> ticket;
        REQUIRE(Esys_Create(secured.context->esys(), secured.primary.handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &sensitive, &area, &no_data, &no_pcrs, private_half.fill(),
                            public_half.fill(), data.fill(), hash.fill(), ticket.fill()) == TSS2_RC_SUCCESS);
        Bytes public_area(1024);
        Bytes private_area(1024);
        std::size_t public_size = 0;
        std::size_t private_size = 0;
        REQUIRE(Tss2_MU_TPM2B_PUBLIC_Marshal(&*public_half, public_area.data(), public_area.size(), &public_size) == 0);
        REQUIRE(Tss2_MU_TPM2B_PRIVATE_Marshal(&*private_half, private_area.data(), private_area.size(), &private_size) == 0);
        public_area.resize(public_size);
        private_area.resize(private_size);
        REQUIRE(folder.write("root", {public_area, private_area}));
    }
    CHECK(fails_with(backend().open(), ErrorCode::kHardwareUnavailable).find("not one that hwvault makes") !=
          std::string::npos);
}

TEST_CASE("what the TPM asks patience for is asked again", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    const auto device = backend().open().value();
    const Bytes right = derived(*device, "x");
    for (const TPM2_RC rc : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE}) {
        INFO(rc);
        wire.answer_instead(TPM2_CC_HMAC, rc, 2);
        CHECK(derived(*device, "x") == right);
    }
    wire.answer_instead(TPM2_CC_NV_Increment, TPM2_RC_NV_RATE, 1'000'000);
    const auto rate = advance(*device);
    REQUIRE(!rate);
    CHECK(rate.error().code == ErrorCode::kBusy);
    CHECK(rate.error().message.find("TPM2_RC_NV_RATE") != std::string::npos);
    wire.answer_instead(TPM2_CC_NV_Increment, 0, 0);
    CHECK(advance(*device));
    tpm_config().tcti = direct;
}

TEST_CASE("what the TPM forgot is loaded again, and the call made once more", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    const auto device = backend().open().value();
    const Bytes right = derived(*device, "x");
    for (const TPM2_RC rc : {TPM2_RC_REFERENCE_H0, TPM2_RC_REFERENCE_S0, TPM2_RC_HANDLE + TPM2_RC_1, TPM2_RC_INITIALIZE}) {
        INFO(rc);
        wire.answer_instead(TPM2_CC_HMAC, rc, 1);
        CHECK(derived(*device, "x") == right);
    }
    wire.answer_instead(TPM2_CC_HMAC, TPM2_RC_REFERENCE_H0 + 2, 1'000'000);
    const auto lost = device->derive(Label::kToken, bytes_of("x"));
    REQUIRE(!lost);
    CHECK(lost.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(lost.error().message.find("TPM2_RC_REFERENCE_H2") != std::string::npos);
    tpm_config().tcti = direct;
}

TEST_CASE("codes of the TPM are named, with what to try", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    const auto connection = tpm::Connection::open(tpm_config(), SecretBytes()).value();
    struct Case {
        TPM2_RC rc;
        std::string_view name;
        ErrorCode code;
    };
    for (const Case& expected : {Case{TPM2_RC_LOCKOUT, "TPM2_RC_LOCKOUT", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1, "TPM2_RC_AUTH_FAIL", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_FAILURE, "TPM2_RC_FAILURE", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_OBJECT_MEMORY, "TPM2_RC_OBJECT_MEMORY", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_CONTEXT_GAP, "TPM2_RC_CONTEXT_GAP", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1, "TPM2_RC_BAD_AUTH", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_COMMAND_CODE, "TPM2_RC_COMMAND_CODE", ErrorCode::kHardwareUnavailable},
                                 Case{TPM2_RC_SEQUENCE, "code 0x103", ErrorCode::kInternal}}) {
        wire.answer_instead(TPM2_CC_HMAC, expected.rc, 1);
        const auto answer = connection->derive(Label::kToken, bytes_of("x"));
        REQUIRE(!answer);
        INFO(answer.error().message);
        CHECK(answer.error().code == expected.code);
        CHECK(answer.error().message.starts_with("Esys_HMAC: " + std::string(expected.name)));
        CHECK(answer.error().message.find(wire.tcti()) != std::string::npos);
    }
    tpm_config().tcti = direct;
}

TEST_CASE("a TPM that dies in the middle of a command is said, and used again when it is back", "[bare_tpm]") {
    make_ready_token();
    Swtpm& chip = tpm_backend().swtpm();
    const auto device = backend().open().value();
    const Bytes right = derived(*device, "x");
    const std::uint64_t epoch = advance(*device).value();
    chip.pause();
    auto waiting = std::async(std::launch::async, [&] { return device->derive(Label::kToken, bytes_of("x")); });
    CHECK(waiting.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
    chip.stop();
    const auto cut = waiting.get();
    REQUIRE(!cut);
    CHECK(cut.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(device->epoch().error().code == ErrorCode::kHardwareUnavailable);
    chip.start();
    const auto deadline = steady_clock::now() + std::chrono::seconds(10);
    while (!device->epoch() && steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(derived(*device, "x") == right);
    CHECK(device->epoch().value() == epoch);
}

TEST_CASE("setup that is cut at any step leaves nothing behind that the next one does not clean up", "[bare_tpm]") {
    make_blank_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    tpm_config().tcti = wire.tcti();
    int cuts = 0;
    const bool done = GENERATE(false, true);
    for (int step = 0;; ++step) {
        wire.cut_after(step, done);
        const auto set_up = backend().initialise();
        wire.cut_after(-1);
        if (set_up) break;
        ++cuts;
        INFO("cut after command " << step << ": " << set_up.error().message);
        CHECK(set_up.error().code == ErrorCode::kHardwareUnavailable);
        CHECK(!tpm::Folder(tpm_config().folder).exists());
    }
    CHECK(cuts > 20);
    CHECK(handles_from(TPM2_NV_INDEX_FIRST) == 1);
    CHECK(handles_from(TPM2_PERSISTENT_FIRST) == 0);
    CHECK(backend().open());
}

TEST_CASE("very many operations leak no handle and no session", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    const auto device = backend().open().value();
    const int times = is_long_run() ? 66'000 : 300;
    for (int i = 0; i < times; ++i) {
        REQUIRE(device->derive(Label::kToken, bytes_of("soak")));
        if (i % 100 == 0) REQUIRE((device->sign({}) && device->random(32) && device->epoch()));
    }
    wire.cut_after(0);  // the device cannot tidy up any more: what is there now is what it holds
    tpm_config().tcti = direct;
    CHECK(!device->epoch());
    CHECK(handles_from(TPM2_TRANSIENT_FIRST) == 3);       // the primary and the two keys
    CHECK(handles_from(TPM2_LOADED_SESSION_FIRST) == 1);  // the one session
}

TEST_CASE("what a killed process left in a bare TPM does not take up its places", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    for (int i = 0; i < 5; ++i) {
        auto connection = tpm::Connection::open(tpm_config(), SecretBytes()).value();
        wire.cut_after(0);  // so that nothing is flushed
        connection.reset();
        wire.cut_after(-1);
    }
    tpm_config().tcti = direct;
    CHECK(handles_from(TPM2_TRANSIENT_FIRST) == 3);
    CHECK(backend().open());
    CHECK(handles_from(TPM2_TRANSIENT_FIRST) == 0);  // and what is closed as it should be leaves nothing
    CHECK(handles_from(TPM2_LOADED_SESSION_FIRST) == 0);
}

}  // namespace hwvault::hardware::testing
