// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owning types for libp11's handles, and the two headers that name PKCS#11: libp11's, and the specification's
// types as p11-kit has them. A session of the module has its own owner in session.h.
#pragma once

#include <memory>
#include <utility>

#include <libp11.h>
#include <p11-kit/pkcs11.h>

namespace hwvault::hardware::pkcs11 {

struct ContextFree {
    void operator()(PKCS11_CTX* context) const { PKCS11_CTX_free(context); }
};
struct ContextUnload {
    void operator()(PKCS11_CTX* context) const { PKCS11_CTX_unload(context); }
};
// A libp11 context, and the fact that a module was loaded into it: unloading (C_Finalize) one that was never
// loaded crashes libp11 0.4.12, so the two have owners of their own.
using Context = std::unique_ptr<PKCS11_CTX, ContextFree>;
using Loaded = std::unique_ptr<PKCS11_CTX, ContextUnload>;

// libp11's array of slots, which is released as a whole.
class Slots {
public:
    explicit Slots(PKCS11_CTX* context) : context_(context) {}
    Slots(Slots&& other) noexcept
        : context_(other.context_),
          first_(std::exchange(other.first_, nullptr)),
          count_(std::exchange(other.count_, 0)) {}
    Slots& operator=(Slots&&) = delete;
    Slots(const Slots&) = delete;
    Slots& operator=(const Slots&) = delete;
    ~Slots() {
        if (first_ != nullptr) PKCS11_release_all_slots(context_, first_, count_);
    }

    [[nodiscard]] bool enumerate() { return PKCS11_enumerate_slots(context_, &first_, &count_) == 0; }
    [[nodiscard]] PKCS11_SLOT* begin() const { return first_; }
    [[nodiscard]] PKCS11_SLOT* end() const { return first_ + count_; }

private:
    PKCS11_CTX* context_;
    PKCS11_SLOT* first_{nullptr};
    unsigned int count_{0};
};

}  // namespace hwvault::hardware::pkcs11
