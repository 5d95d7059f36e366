// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tokens that fail: PIN flags, lost sessions and devices, tokens that cannot do everything. The faulty module stands
// between hwvault and this run's PKCS#11 backend.
#include <atomic>
#include <latch>
#include <thread>

#include "tests/catch.h"
#include "tests/contract/faulty_token.h"
#include "tests/contract/raw_token.h"

namespace hwvault::hardware::testing {
namespace {

// Whether calls succeed again: a failed attempt is not repeated for a second, and a busy machine takes its time.
bool comes_back(Device& device) {
    for (int i = 0; i < 600; ++i) {
        if (device.derive(Label::kToken, bytes_of("x"))) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
}

}  // namespace

TEST_CASE("no login is tried when the token reports a low count, a final try or a lock", "[pkcs11]") {
    const Faulty on = faulty();
    for (const CK_FLAGS flag : {CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED}) {
        on.faults.extra_flags = flag;
        const auto device = on.open();
        REQUIRE(!device);
        CHECK(device.error().code == ErrorCode::kHardwareLocked);
        CHECK(on.faults.logins == 0);
    }
    on.faults.extra_flags = 0;
    CHECK(on.open().has_value());
}

TEST_CASE("a wrong PIN costs one try, and so does one that becomes wrong while the device is open", "[pkcs11]") {
    const Faulty on = faulty();
    on.faults.wrong_pin_after = 1;
    REQUIRE(!on.open());
    CHECK(on.faults.logins == 1);

    on.faults.wrong_pin_after = 3;  // the second login is the one of open()
    const auto device = on.open().value();
    RawToken(on.config.module, on.config.serial).close_all_sessions();
    for (int i = 0; i < 3; ++i) {
        const auto answer = device->derive(Label::kToken, bytes_of("x"));
        REQUIRE(!answer);
        CHECK(answer.error().code == ErrorCode::kHardwareLocked);
        CHECK(on.faults.logins == 3);
    }
}

TEST_CASE("a login that is not needed is not made", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    for (int i = 0; i < backend().rounds(); ++i) REQUIRE(device->derive(Label::kToken, bytes_of("x")).has_value());
    CHECK(device->sign(bytes_of("x")).has_value());
    CHECK(on.faults.logins == 1);
}

TEST_CASE("a key that the token does not vouch for is refused, naming the attribute", "[pkcs11]") {
    const Faulty on = faulty();
    const std::pair<CK_ATTRIBUTE_TYPE, std::string> attributes[] = {
        {CKA_SENSITIVE, "CKA_SENSITIVE"},
        {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE"},
        {CKA_LOCAL, "CKA_LOCAL"},
    };
    for (const auto& [type, name] : attributes) {
        on.faults.attribute_lie = type;
        const auto device = on.open();
        REQUIRE(!device);
        CHECK(device.error().code == ErrorCode::kHardwareUnavailable);
        CHECK(device.error().message.find(name) != std::string::npos);
    }
}

TEST_CASE("a call that finds its session, login, key or device gone is made once more on a new one", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    const auto right = device->derive(Label::kToken, bytes_of("x")).value();
    int loads = on.faults.loads;
    for (const CK_RV rv : {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_DEVICE_REMOVED, CKR_USER_NOT_LOGGED_IN,
                           CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID, CKR_DEVICE_ERROR}) {
        on.faults.sign_rv = rv;
        on.faults.sign_failures = 1;
        const auto again = device->derive(Label::kToken, bytes_of("x"));
        REQUIRE(again.has_value());
        CHECK(equal_in_constant_time(again.value().reveal(), right.reveal()));
        on.faults.sign_failures = 1;
        CHECK(device->sign(bytes_of("x")).has_value());
        CHECK(on.faults.loads == loads + 2);
        loads += 2;
    }
}

TEST_CASE("a token that the module does not see, since another process writes to it, is looked for again", "[pkcs11]") {
    const Faulty on = faulty();
    on.faults.blank_loads = 2;
    CHECK(on.open().has_value());
    on.faults.blank_loads = 100;
    const auto absent = on.open();
    on.faults.blank_loads = 0;
    REQUIRE_FALSE(absent.has_value());
    CHECK(absent.error().message.find("no initialised token") != std::string::npos);
}

TEST_CASE("a call that fails twice fails, naming the call, the CKR and the token", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    on.faults.sign_rv = CKR_DEVICE_REMOVED;
    on.faults.sign_failures = 2;
    const auto answer = device->derive(Label::kToken, bytes_of("x"));
    REQUIRE(!answer);
    CHECK(answer.error().code == ErrorCode::kHardwareUnavailable);
    for (const std::string& part : {std::string("C_Sign"), std::string("CKR_DEVICE_REMOVED"), on.config.serial}) {
        CHECK(answer.error().message.find(part) != std::string::npos);
    }
    CHECK(device->derive(Label::kToken, bytes_of("x")).has_value());
}

TEST_CASE("an error that reconnecting cannot mend is given at once and leaves the session usable", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    const int loads = on.faults.loads;
    on.faults.sign_rv = CKR_DATA_INVALID;
    on.faults.sign_failures = 1;
    const auto answer = device->derive(Label::kToken, bytes_of("x"));
    REQUIRE(!answer);
    CHECK(answer.error().code == ErrorCode::kInternal);
    CHECK(on.faults.loads == loads);
    for (unsigned i = 0; i < 2 * device->parallel(); ++i) {
        CHECK(device->derive(Label::kToken, bytes_of("x")).has_value());
    }
}

TEST_CASE("a device that is unplugged is unavailable for every call, and works when it is back", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    on.faults.removed = true;
    const ErrorCode codes[] = {
        device->derive(Label::kToken, bytes_of("x")).error().code, device->sign(bytes_of("x")).error().code,
        device->random(8).error().code, device->epoch().error().code, device->describe().error().code,
    };
    for (const ErrorCode code : codes) CHECK(code == ErrorCode::kHardwareUnavailable);
    on.faults.removed = false;
    CHECK(comes_back(*device));
    CHECK(device->sign(bytes_of("x")).has_value());
}

TEST_CASE("a token that was gone and cannot be opened for a passing reason works when that has passed", "[pkcs11]") {
    const Faulty on = faulty();
    const auto rv = GENERATE(CKR_SESSION_COUNT, CKR_HOST_MEMORY, CKR_DEVICE_MEMORY);
    const auto device = on.open().value();
    REQUIRE(device->derive(Label::kToken, bytes_of("x")).has_value());  // so that the pool has its session
    on.faults.open_rv = rv;
    on.faults.open_failures = 1;
    on.faults.sign_rv = CKR_DEVICE_ERROR;
    on.faults.sign_failures = 1;
    const auto answer = device->derive(Label::kToken, bytes_of("x"));
    REQUIRE(!answer);
    CHECK(on.faults.open_failures == 0);
    CHECK(answer.error().code == ErrorCode::kHardwareUnavailable);  // which says that there is no device
    CHECK(answer.error().message.find("C_OpenSession") != std::string::npos);
    CHECK(comes_back(*device));
    CHECK(device->sign(bytes_of("x")).has_value());
    on.faults.open_failures = 1;
    CHECK(on.open().error().code == ErrorCode::kHardwareUnavailable);  // which the gate takes for no rejection
}

TEST_CASE("a token that comes back without its keys works when they are there again", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    on.faults.no_objects = true;
    on.faults.sign_rv = CKR_DEVICE_ERROR;
    on.faults.sign_failures = 1;
    CHECK(device->derive(Label::kToken, bytes_of("x")).error().code == ErrorCode::kNotInitialised);
    on.faults.no_objects = false;
    CHECK(comes_back(*device));
}

TEST_CASE("a login that fails without a reason may have been a rejected PIN, and is not tried again", "[pkcs11]") {
    const Faulty on = faulty();
    const auto rv = GENERATE(CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_HOST_MEMORY, CKR_SESSION_COUNT,
                             CKR_VENDOR_DEFINED + 1);
    const auto device = on.open().value();
    on.faults.removed = true;
    CHECK(device->random(8).error().code == ErrorCode::kHardwareUnavailable);
    on.faults.removed = false;
    on.faults.login_rv = rv;
    const int before = on.faults.logins;
    for (int i = 0; i < 30 && on.faults.logins == before; ++i) {  // a failed attempt is not repeated for a second
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        static_cast<void>(device->random(8));
    }
    on.faults.login_rv = CKR_OK;
    std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
    const auto answer = device->random(8);
    REQUIRE(!answer);
    CHECK(answer.error().code == ErrorCode::kHardwareLocked);  // so the gate learns of it, and takes it for no proof:
    CHECK(answer.error().message.starts_with(kRejectionUnknown));
    CHECK(on.faults.logins == before + 1);
    on.faults.login_rv = rv;
    CHECK(on.open().error() == answer.error());
}

TEST_CASE("more threads than the token has sessions wait for each other", "[pkcs11]") {
    const Faulty on = faulty();
    on.faults.max_sessions = 3;  // the login's, libp11's, and one for the pool, though the token promises more
    const auto device = on.open().value();
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < backend().rounds(); ++i) {
                if (!device->derive(Label::kToken, bytes_of("x"))) ++failed;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(failed == 0);
    CHECK(device->epoch().has_value());  // reads an object and computes its MAC, in one session
}

TEST_CASE("a token with too few sessions is refused instead of waited for", "[pkcs11]") {
    const Faulty on = faulty();
    on.faults.max_sessions = 1;
    const auto device = on.open();
    REQUIRE(!device);
    CHECK(device.error().code == ErrorCode::kHardwareUnavailable);
    CHECK(device.error().message.find("CKR_SESSION_COUNT") != std::string::npos);
}

TEST_CASE("threads that lose the token at the same moment all recover", "[pkcs11]") {
    const Faulty on = faulty();
    const auto device = on.open().value();
    RawToken token(on.config.module, on.config.serial);
    std::atomic<int> failed{0};
    std::latch lost(1);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
        threads.emplace_back([&] {
            lost.wait();
            for (int i = 0; i < backend().rounds(); ++i) {
                if (!device->derive(Label::kToken, bytes_of("x"))) ++failed;
            }
        });
    }
    on.faults.sign_rv = CKR_USER_NOT_LOGGED_IN;
    on.faults.sign_failures = 6;
    lost.count_down();
    for (std::thread& thread : threads) thread.join();
    CHECK(on.faults.sign_failures == 0);
    CHECK(failed <= 3);  // six failures, and each call stands two of them only when both are its own
    CHECK(device->derive(Label::kToken, bytes_of("x")).has_value());
}

TEST_CASE("a token that keeps no data objects, or none that is private, has no epoch, and says so", "[pkcs11]") {
    make_blank_token();
    const Faulty on = present_token();
    SECTION("none") { on.faults.no_data_objects = true; }
    SECTION("none that is private") { on.faults.all_public = true; }
    const auto description = on.initialise();
    REQUIRE(description.has_value());
    CHECK(description.value().rollback_protection == RollbackProtection::kNone);
    const auto device = on.open().value();
    CHECK(device->describe().value().rollback_protection == RollbackProtection::kNone);
    for (const auto& answer : {device->epoch(), advance(*device, 0)}) {
        REQUIRE(!answer);
        CHECK(answer.error().code == ErrorCode::kInvalidArgument);
        CHECK(answer.error().message.find("epoch") != std::string::npos);
    }
}

}  // namespace hwvault::hardware::testing
