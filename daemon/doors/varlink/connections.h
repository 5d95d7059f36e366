// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Counts what clients hold: connections, in all, of each uid and, once it is known, of each unit; and the bytes of
// large buffers. Everything is taken as an object that gives itself back.
//
// Not thread-safe: lives on the service's strand, and outlives all that was taken from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "daemon/doors/varlink/limits.h"
#include "foundation/result.h"

namespace hwvault::doors::varlink {

class Connections : public std::enable_shared_from_this<Connections> {
public:
    explicit Connections(const Limits& limits) : limits_(limits) {}

    // A connection's place.
    class Place {
    public:
        Place(std::shared_ptr<Connections> connections, std::uint32_t uid)
            : connections_(std::move(connections)), uid_(uid) {}
        Place(Place&&) = default;
        Place& operator=(Place&&) = delete;
        ~Place() {
            if (connections_) connections_->leave(uid_, unit_);
        }
        // It is this unit's, whose connections are counted beside its uid's. kBusy when there are too many. Said once.
        Result<void> belongs_to(const std::string& unit);

    private:
        std::shared_ptr<Connections> connections_;
        std::uint32_t uid_;
        std::string unit_;  // empty: none
    };

    // A buffer's share of the memory for large ones.
    class Memory {
    public:
        explicit Memory(std::shared_ptr<Connections> connections) : connections_(std::move(connections)) {}
        Memory(const Memory&) = delete;
        Memory& operator=(const Memory&) = delete;
        ~Memory() { resize(0); }

        // False, and unchanged, when there is not as much left.
        bool resize(std::size_t bytes);

    private:
        std::shared_ptr<Connections> connections_;
        std::size_t taken_{0};
    };

    // kBusy, with a sentence for the client, when there are too many.
    Result<Place> enter(std::uint32_t uid);

    [[nodiscard]] const Limits& limits() const { return limits_; }
    [[nodiscard]] std::size_t count() const { return count_; }

private:
    void leave(std::uint32_t uid, const std::string& unit);

    const Limits limits_;
    std::size_t count_{0};
    std::size_t buffered_{0};
    std::unordered_map<std::uint32_t, std::size_t> count_of_uid_;
    std::unordered_map<std::string, std::size_t> count_of_unit_;
};

}  // namespace hwvault::doors::varlink
