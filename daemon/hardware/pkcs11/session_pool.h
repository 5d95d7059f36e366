// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Read-only sessions of a logged-in token, lent to one thread at a time. Opened when first needed, kept for the
// next: opening and logging in for every operation costs more than the operation (libp11 #396).
//
// acquire() waits for a session that another thread gives back. A lease in whose session a call failed is spoiled:
// its session is closed, since it may be left in the middle of an operation.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "daemon/hardware/pkcs11/session.h"

namespace hwvault::hardware::pkcs11 {

// A device works on one or a few operations at once; more sessions than this only queue inside it.
constexpr unsigned kMaxPooledSessions = 8;

// Thread-safe. The token outlives it, and it outlives its leases.
class SessionPool {
public:
    class Lease {
    public:
        Lease(SessionPool& pool, Session session) : pool_(&pool), session_(std::move(session)) {}
        Lease(Lease&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)), session_(std::move(other.session_)), sound_(other.sound_) {}
        Lease& operator=(Lease&&) = delete;
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease() {
            if (pool_ != nullptr) pool_->give_back(std::move(session_), sound_);
        }

        [[nodiscard]] const Session& session() const { return session_; }
        void spoil() { sound_ = false; }

    private:
        SessionPool* pool_;
        Session session_;
        bool sound_{true};
    };

    SessionPool(const Token& token, unsigned capacity) : token_(token), capacity_(capacity) {}

    // An error of C_OpenSession when there is none to wait for.
    Result<Lease> acquire();

private:
    void give_back(Session session, bool sound);

    const Token& token_;
    std::mutex mutex_;
    std::condition_variable returned_;
    unsigned capacity_;
    unsigned open_{0};  // idle ones and lent ones
    std::vector<Session> idle_;
};

// How many sessions the pool may hold: the token's own limit, less `reserved` for others.
unsigned pool_capacity(const CK_TOKEN_INFO& info, unsigned reserved);

}  // namespace hwvault::hardware::pkcs11
