// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owners for what ESAPI hands out, and the structures of TPM 2.0 Part 2 in memory of the right kind.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::hardware::tpm {

struct TctiFinalize {
    void operator()(TSS2_TCTI_CONTEXT* tcti) const { Tss2_TctiLdr_Finalize(&tcti); }
};
struct EsysFinalize {
    void operator()(ESYS_CONTEXT* esys) const { Esys_Finalize(&esys); }
};
using Tcti = std::unique_ptr<TSS2_TCTI_CONTEXT, TctiFinalize>;
using Esys = std::unique_ptr<ESYS_CONTEXT, EsysFinalize>;

// A structure that ESAPI allocates and fills. It may hold a secret in ordinary memory, so it is wiped as it goes.
template <class T>
class Out {
public:
    Out() = default;
    Out(const Out&) = delete;
    Out& operator=(const Out&) = delete;
    ~Out() { clear(); }

    [[nodiscard]] T** fill() {
        clear();
        return &value_;
    }
    const T& operator*() const { return *value_; }
    const T* operator->() const { return value_; }

private:
    void clear() {
        if (value_ == nullptr) return;
        wipe(value_, sizeof(T));
        Esys_Free(value_);
        value_ = nullptr;
    }

    T* value_{nullptr};
};

// A structure of ours that holds a secret: zeroed, in locked memory, wiped as it goes.
template <class T>
class Locked {
public:
    Locked() : memory_(sizeof(T)), value_(new (memory_.reveal_to_fill().data()) T{}) {}
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() = default;

    T& operator*() { return *value_; }
    T* operator->() { return value_; }

private:
    static_assert(std::is_trivially_destructible_v<T>);
    SecretBytes memory_;
    T* value_;
};

// Puts bytes into a TPM2B_*; more than it can hold is cut, so callers check what comes from outside.
template <class Sized>
void put(Sized& target, BytesView bytes) {
    const std::size_t size = std::min(bytes.size(), sizeof target.buffer);
    std::copy_n(bytes.begin(), size, target.buffer);
    target.size = static_cast<UINT16>(size);
}

template <class Sized>
BytesView view(const Sized& sized) {
    return {sized.buffer, sized.size};
}
inline BytesView view(const TPM2B_NAME& name) {
    return {name.name, name.size};
}

}  // namespace hwvault::hardware::tpm
