// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Something for each record, found by the record's id, in hardly more memory than ids and values take.
//
// Records lie in 4,096 buckets by the first bits of their ids, and in each by the whole of it. Ids are random, so buckets
// are alike; with others everything still holds, but takes longer.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "daemon/vault/record.h"

namespace hwvault::store {

template <class Value>
class ById {
public:
    static constexpr std::size_t kBuckets = 4'096;
    struct Item {
        vault::Id id{};
        Value value{};
    };

    ById() : buckets_(kBuckets) {}

    static std::size_t bucket_of(const vault::Id& id) { return static_cast<std::size_t>(id[0]) << 4 | id[1] >> 4; }
    [[nodiscard]] std::span<const Item> bucket(std::size_t number) const { return buckets_[number]; }

    // So many are about to come.
    void expect(std::size_t count) {
        for (Bucket& bucket : buckets_) bucket.reserve(room_for(count / kBuckets));
    }
    // Views live until the next change.
    [[nodiscard]] const Value* find(const vault::Id& id) const {
        const Bucket& bucket = buckets_[bucket_of(id)];
        const auto place = std::ranges::lower_bound(bucket, id, {}, &Item::id);
        return place != bucket.end() && place->id == id ? &place->value : nullptr;
    }
    // False when there is one already, which stays.
    bool insert(const vault::Id& id, const Value& value) {
        Bucket& bucket = buckets_[bucket_of(id)];
        const auto place = std::ranges::lower_bound(bucket, id, {}, &Item::id);
        if (place != bucket.end() && place->id == id) return false;
        const auto index = place - bucket.begin();
        if (bucket.size() == bucket.capacity()) bucket.reserve(room_for(bucket.size()));
        bucket.insert(bucket.begin() + index, Item{id, value});
        return true;
    }
    void put(const vault::Id& id, const Value& value) {
        if (insert(id, value)) return;
        std::ranges::lower_bound(buckets_[bucket_of(id)], id, {}, &Item::id)->value = value;
    }
    void erase(const vault::Id& id) {
        Bucket& bucket = buckets_[bucket_of(id)];
        const auto place = std::ranges::lower_bound(bucket, id, {}, &Item::id);
        if (place != bucket.end() && place->id == id) bucket.erase(place);
    }

private:
    using Bucket = std::vector<Item>;
    // A sixteenth more, where a vector of its own would take as much again.
    static std::size_t room_for(std::size_t count) { return count + count / 16 + 1; }

    std::vector<Bucket> buckets_;
};

}  // namespace hwvault::store
