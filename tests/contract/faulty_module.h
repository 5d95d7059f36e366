// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A PKCS#11 module that passes everything on to another (HWVAULT_FAULTY_OVER) and fails where a test says so. The
// test finds its knobs by the symbol `hwvault_faults`, or, in another process, in the file that HWVAULT_FAULTS names.
#pragma once

#include <atomic>
#include <filesystem>
#include <new>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

#include "os/fd.h"

namespace hwvault::hardware::testing {

// What `attribute_lie` is when there is none.
constexpr CK_ATTRIBUTE_TYPE kNoLie = ~CK_ATTRIBUTE_TYPE{0};
constexpr CK_ULONG kAnyLength = ~CK_ULONG{0};

struct Faults {
    std::atomic<int> logins{0};       // C_Login calls that came through
    std::atomic<int> loads{0};        // C_Initialize calls
    std::atomic<int> blank_loads{0};  // so many C_Initialize calls are still followed by a module without an initialised token
    std::atomic<int> login_takes{0};  // milliseconds, before the token sees it
    std::atomic<int> logins_done{0};  // that came back from the token
    std::atomic<CK_FLAGS> extra_flags{0};                  // added to those of C_GetTokenInfo
    std::atomic<CK_ULONG> max_sessions{0};                 // C_OpenSession beyond it: CKR_SESSION_COUNT; 0: no limit
    std::atomic<CK_ATTRIBUTE_TYPE> attribute_lie{kNoLie};  // this flag reads as false
    std::atomic<bool> no_data_objects{false};              // C_CreateObject of CKO_DATA is refused
    std::atomic<bool> no_destroy{false};                   // C_DestroyObject fails: a crash before the old one goes
    std::atomic<bool> removed{false};                      // the device is unplugged: CKR_DEVICE_REMOVED everywhere
    std::atomic<int> wrong_pin_after{0};                   // from the n-th C_Login on, the PIN is wrong; 0: never
    std::atomic<CK_RV> login_rv{CKR_OK};                   // what C_Login answers instead of asking the token
    std::atomic<int> open_failures{0};                     // so many C_OpenSession calls still fail...
    std::atomic<CK_RV> open_rv{CKR_OK};                    // ...with this
    std::atomic<bool> no_objects{false};                   // C_FindObjects finds none
    std::atomic<int> sign_failures{0};                     // so many C_Sign calls still fail...
    std::atomic<CK_RV> sign_rv{CKR_OK};                    // ...with this
    std::atomic<CK_RV> label_rv{CKR_OK};                   // what C_SetAttributeValue answers instead of asking the token
    std::atomic<int> labels_asked{0};                      // C_SetAttributeValue calls
    std::atomic<CK_ULONG> longest_label{kAnyLength};       // what is longer is cut there, and said to be kept
    std::atomic<int> labelled_then_lost{0};                // so many C_SetAttributeValue succeed and say CKR_DEVICE_REMOVED
    std::atomic<bool> no_application{false};               // CKA_APPLICATION of a new object is not kept
    std::atomic<bool> all_public{false};                   // CKA_PRIVATE of a new object is false, whatever was asked for
    std::atomic<bool> keeps_nothing{false};                // C_CreateObject says that it did, and has none
    std::atomic<int> created_then_lost{0};                 // so many C_CreateObject succeed and say CKR_DEVICE_REMOVED
};

using FaultsSymbol = Faults* (*)();

// The knobs in a file, shared by the module's process and the test's, which makes them there. Never unmapped.
inline void* map_faults(const std::filesystem::path& file) {
    static_assert(std::atomic<CK_RV>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
    const os::Fd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (!fd || ::ftruncate(fd.get(), sizeof(Faults)) != 0) throw std::runtime_error("cannot make " + file.string());
    void* const at = ::mmap(nullptr, sizeof(Faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) throw std::runtime_error("mmap " + file.string());
    return at;
}

inline Faults& make_faults(const std::filesystem::path& file) {
    return *new (map_faults(file)) Faults;
}

}  // namespace hwvault::hardware::testing
