// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A PKCS#11 module that passes everything on to another (HWVAULT_FAULTY_OVER) and fails where a test says so. The
// test finds its knobs by the symbol `hwvault_faults`.
#pragma once

#include <atomic>

#include <p11-kit/pkcs11.h>

namespace hwvault::hardware::testing {

// What `attribute_lie` is when there is none.
constexpr CK_ATTRIBUTE_TYPE kNoLie = ~CK_ATTRIBUTE_TYPE{0};

struct Faults {
    std::atomic<int> logins{0};       // C_Login calls that came through
    std::atomic<int> loads{0};        // C_Initialize calls
    std::atomic<CK_FLAGS> extra_flags{0};                  // added to those of C_GetTokenInfo
    std::atomic<CK_ULONG> max_sessions{0};                 // C_OpenSession beyond it: CKR_SESSION_COUNT; 0: no limit
    std::atomic<CK_ATTRIBUTE_TYPE> attribute_lie{kNoLie};  // this flag reads as false
    std::atomic<bool> no_data_objects{false};              // C_CreateObject of CKO_DATA is refused
    std::atomic<bool> no_destroy{false};                   // C_DestroyObject fails: a crash before the old one goes
    std::atomic<bool> removed{false};                      // the device is unplugged: CKR_DEVICE_REMOVED everywhere
    std::atomic<int> wrong_pin_after{0};                   // from the n-th C_Login on, the PIN is wrong; 0: never
    std::atomic<CK_RV> login_rv{CKR_OK};                   // what C_Login answers instead of asking the token
    std::atomic<int> sign_failures{0};                     // so many C_Sign calls still fail...
    std::atomic<CK_RV> sign_rv{CKR_OK};                    // ...with this
    std::atomic<int> created_then_lost{0};                 // so many C_CreateObject succeed and say CKR_DEVICE_REMOVED
};

using FaultsSymbol = Faults* (*)();

}  // namespace hwvault::hardware::testing
