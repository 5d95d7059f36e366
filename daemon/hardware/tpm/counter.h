// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The epoch: an NV counter (TPM 2.0 Part 1, section 37.2.4) of the owner hierarchy, with an authorization value of its
// own. It only grows, also when it is deleted and defined anew: a TPM starts a new counter above all that it ever had.
//
// Whoever has the owner hierarchy can delete it. That, and one defined anew at its place, is kRolledBack, never zero.
#pragma once

#include <cstdint>

#include "daemon/hardware/tpm/session.h"

namespace hwvault::hardware::tpm {

// Which index it is, as it was pinned at setup.
struct CounterIdentity {
    TPM2_HANDLE index{0};
    Bytes name;  // empty until it was incremented for the first time
};

class Counter {
public:
    // A free index of the owner's range (TPM 2.0 Part 2, 7.4 with the TCG's registry of handles), by chance.
    static Result<TPM2_HANDLE> free_index(Context& context, Session& session);
    // Defines it and makes the first step, since a counter has no value before that.
    static Result<CounterIdentity> define(Context& context, Session& session, TPM2_HANDLE index,
                                          const SecretBytes& authorization);
    // Removes what define() left at `index` and nobody uses; something else that is there stays.
    static Result<void> remove_leftover(Context& context, Session& session, TPM2_HANDLE index);

    // kRolledBack when it is not there or another.
    static Result<Counter> open(Context& context, Session& session, CounterIdentity identity,
                                const SecretBytes& authorization);

    // As it was pinned; what read() and increment() are about.
    [[nodiscard]] const Bytes& name() const { return identity_.name; }
    Result<std::uint64_t> read();
    // One step. kBusy when the TPM spares its memory (NV_RATE): not waited for here, since derivations would wait too.
    Result<void> increment();

private:
    Counter(Context& context, Session& session, CounterIdentity identity, Reference reference)
        : context_(&context), session_(&session), identity_(std::move(identity)), reference_(std::move(reference)) {}
    template <class Make>
    Result<void> use(std::string_view name, Hidden hidden, const Make& make);

    Context* context_;
    Session* session_;
    CounterIdentity identity_;
    Reference reference_;
};

}  // namespace hwvault::hardware::tpm
