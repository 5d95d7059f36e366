// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A TPM's counter in the hands of others, a full NV memory, and a new counter that is made in spite of every cut.
//
// [bare_tpm], [abrmd]: tpm_test.cpp.
#include "daemon/hardware/tpm/connection.h"
#include "tests/catch.h"
#include "tests/contract/tpm_backend.h"
#include "tests/contract/tpm_raw.h"
#include "tests/contract/tpm_wire.h"

namespace hwvault::hardware::testing {

TEST_CASE("a counter that was deleted, or is another one, is RolledBack until setup makes one", "[bare_tpm]") {
    auto device = fresh_device();
    REQUIRE(advance(*device));
    const std::uint64_t reached = advance(*device).value();
    const Bytes before = device->describe()->counter;
    device.reset();
    const TPM2_HANDLE index = counter_index();
    std::string expected;
    {
        const auto context = raw();
        undefine(*context, index);
        SECTION("deleted") { expected = "was deleted"; }
        SECTION("an ordinary index in its place") {
            REQUIRE(define(*context, index, kOrdinary, 8) == TSS2_RC_SUCCESS);
            expected = "was replaced by another index";
        }
        SECTION("a counter in its place, with another authorization value") {
            REQUIRE(define(*context, index, kCounter, 8) == TSS2_RC_SUCCESS);
            const ESYS_TR handle = nv_index(*context, index);
            REQUIRE(Esys_NV_Increment(context->esys(), handle, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE) ==
                    TSS2_RC_SUCCESS);
            expected = "was deleted and defined anew";
        }
    }
    device = backend().open().value();
    for (const auto& answer : {device->epoch(), advance(*device, reached)}) {
        REQUIRE(!answer);
        CHECK(answer.error().code == ErrorCode::kRolledBack);
        INFO(answer.error().message);
        CHECK(answer.error().message.find(expected) != std::string::npos);
    }
    CHECK(device->derive(Label::kToken, {}));
    device.reset();
    REQUIRE(backend().initialise());
    device = backend().open().value();
    CHECK(device->epoch().value() > reached);
    CHECK(!before.empty());
    CHECK(device->describe()->counter != before);  // so that a store which was held against that one is told
}

TEST_CASE("one answer with an error, which anybody can forge, is not believed of the counter", "[bare_tpm]") {
    make_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    const auto device = backend().open().value();
    const std::uint64_t epoch = device->epoch().value();
    for (const TPM2_RC rc : {TPM2_RC_BAD_AUTH + TPM2_RC_S + TPM2_RC_1, TPM2_RC_NV_AUTHORIZATION, TPM2_RC_NV_UNINITIALIZED}) {
        wire.answer_instead(TPM2_CC_NV_Read, rc, 1);
        CHECK(device->epoch().value() == epoch);
    }
    tpm_config().tcti = direct;
}

TEST_CASE("making another counter, cut at any step, leaves one in the end", "[bare_tpm]") {
    make_ready_token();
    forget_ready_token();
    TpmWire wire(tpm_backend().swtpm().socket());
    undefine(*raw(), counter_index());
    const std::string direct = std::exchange(tpm_config().tcti, wire.tcti());
    int cuts = 0;
    for (int step = 20;; ++step) {  // before that it only finds out that there is none
        wire.cut_after(step, true);
        const auto made = backend().initialise();
        wire.cut_after(-1);
        if (made) break;
        ++cuts;
    }
    CHECK(cuts > 10);
    tpm_config().tcti = direct;
    CHECK(handles_from(TPM2_NV_INDEX_FIRST) == 1);
    CHECK(backend().open().value()->epoch());
}

TEST_CASE("a counter that is deleted under an open device is RolledBack", "[abrmd]") {
    const auto device = fresh_device();
    const std::uint64_t epoch = advance(*device).value();
    undefine(*raw(), counter_index());
    CHECK(advance(*device, epoch).error().code == ErrorCode::kRolledBack);
    CHECK(device->epoch().error().code == ErrorCode::kRolledBack);
}

TEST_CASE("a full NV memory is said, and setup succeeds once there is room", "[bare_tpm]") {
    make_blank_token();
    constexpr TPM2_HANDLE kFirst = 0x01000000;
    TPM2_HANDLE last = kFirst;
    {
        const auto context = raw();
        for (const auto size : std::initializer_list<UINT16>{1024, 64, 1}) {
            while (define(*context, last, kOrdinary, size) == TSS2_RC_SUCCESS) ++last;
        }
        while (define(*context, last, kCounter, 8) == TSS2_RC_SUCCESS) ++last;  // a TPM keeps room for some of these
    }
    const auto full = backend().initialise();
    REQUIRE(!full);
    INFO(full.error().message);
    CHECK(full.error().message.find("TPM2_RC_NV_SPACE") != std::string::npos);
    CHECK(full.error().message.find("tpm2_nvundefine") != std::string::npos);
    CHECK(!tpm::Folder(tpm_config().folder).exists());
    {
        const auto context = raw();
        while (last > kFirst) undefine(*context, --last);
    }
    CHECK(backend().initialise());
}

}  // namespace hwvault::hardware::testing
