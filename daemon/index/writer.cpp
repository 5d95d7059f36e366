// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/index/writer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <sys/mman.h>

namespace hwvault::index {
namespace {

std::array<std::uint64_t, 4> hash_words(const crypto::Digest& digest) {
    std::array<std::uint64_t, 4> as_words;
    std::memcpy(as_words.data(), digest.data(), sizeof as_words);
    return as_words;
}

template <class T>
T* at(const os::SharedMemory& memory, std::size_t offset) {
    return std::launder(reinterpret_cast<T*>(memory.data() + offset));
}

// The beginning of `from`, as much as there is room for, filled up with NULs. How much that was.
std::size_t store_text(std::span<Count> to, std::string_view from) {
    const std::string_view part = from.substr(0, to.size() * 8);
    for (std::size_t i = 0; i < to.size(); ++i) {
        std::uint64_t word = 0;
        if (i * 8 < part.size()) std::memcpy(&word, part.data() + i * 8, std::min<std::size_t>(8, part.size() - i * 8));
        to[i].store(word, std::memory_order_release);
    }
    return part.size();
}

constexpr std::size_t kTextOfMore = sizeof(MoreText::text);

// How many further texts it takes.
std::size_t texts_for(std::size_t size) {
    const std::size_t in_slot = kTextOfSlot - sizeof(Count);
    return size <= kTextOfSlot ? 0 : (size - in_slot + kTextOfMore - 1) / kTextOfMore;
}

// A change of what a slot is, which makes it live or not.
State next(State state, std::uint64_t generation) {
    return generation << 32 | static_cast<std::uint32_t>(state + 1);
}

void text_of_entry(const Entry& entry, std::string& text) {
    text.assign(entry.account).push_back('\0');
    text.append(entry.name).push_back('\0');
    for (const std::string& scope : entry.scopes) text.append(scope).push_back('\0');
}

// As long as its maker lives and keeps it; see the header's `owner`.
Result<void> hold(pthread_mutex_t& owner) {
    pthread_mutexattr_t how;
    ::pthread_mutexattr_init(&how);
    ::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    int failure = ::pthread_mutex_init(&owner, &how);
    ::pthread_mutexattr_destroy(&how);
    if (failure == 0) failure = ::pthread_mutex_lock(&owner);
    if (failure != 0) return errno_error("locking the verify index", failure);
    return {};
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::make(std::string_view prefix, std::uint32_t slots) {
    if (slots < kMinSlots || slots > kMaxSlots || prefix.size() >= sizeof(Header::prefix)) {
        return invalid_argument("A verify index has 2^10 to 2^25 slots, and a prefix of at most 7 characters.");
    }
    using Memory = os::SharedMemory;
    HWVAULT_TRY(Memory table, Memory::make("hwvault-verify-index", size_of(slots), Memory::Others::kRead));
    HWVAULT_TRY(Memory stamps, Memory::make("hwvault-last-verified", stamps_size(slots), Memory::Others::kWrite));
    Header& header = *new (table.data()) Header{};
    header.magic = kMagic;
    header.version = kVersion;
    header.slots = slots;
    std::ranges::copy(prefix, header.prefix.begin());
    HWVAULT_CHECK(hold(header.owner));
    return std::unique_ptr<Writer>(new Writer(std::move(table), std::move(stamps), slots));
}

Writer::Writer(os::SharedMemory index, os::SharedMemory stamps, std::uint32_t slots)
    : index_(std::move(index)),
      stamps_(std::move(stamps)),
      header_(at<Header>(index_, 0)),
      table_(at<Slot>(index_, kHeaderSize)),
      texts_(at<MoreText>(index_, texts_at(slots))),
      uses_(at<Stamp>(stamps_, 0)),
      view_(index_.data(), slots),
      taken_(all_slots(slots)) {}

// Who still has it mapped keeps the memory, and reads nothing there.
Writer::~Writer() {
    give_up();
    const auto clear = [](std::span<Count> counts) {
        for (Count& count : counts) count.store(0, std::memory_order_release);
    };
    clear({reinterpret_cast<Count*>(table_), all_slots(slots()) * sizeof(Slot) / sizeof(Count)});
    clear({reinterpret_cast<Count*>(texts_), next_text_ * sizeof(MoreText) / sizeof(Count)});
}

void Writer::give_up() {
    if (std::exchange(given_up_, true)) return;
    header_->moved.store(1, std::memory_order_seq_cst);
    ::pthread_mutex_unlock(&header_->owner);
}

bool Writer::put(const Entry& entry) {
    text_of_entry(entry, text_);
    const Place place = place_of(bytes_of(crypto::id_text(entry.id)).data(), slots());
    const Terms terms{std::min(entry.expires_at, kMaxExpiry), static_cast<std::uint32_t>(text_.size()),
                      static_cast<std::uint32_t>(entry.scopes.size())};
    if (const auto known = locate(place, entry.hash)) {
        Slot& slot = table_[known->slot()];
        slot.terms.exchange(pack(terms), std::memory_order_seq_cst);
        const State state = slot.state.load(std::memory_order_relaxed);
        if (is_live(state) != entry.live) slot.state.exchange(next(state, entry.generation), std::memory_order_seq_cst);
        return true;
    }
    const auto room = find_room(place);
    if (!room || entry.generation > kMaxGeneration || !has_room_for(text_)) return false;
    Slot& slot = table_[room->slot()];
    slot.terms.store(pack(terms), std::memory_order_release);
    write(slot, entry);
    taken_[room->slot()] = true;
    uses_[room->slot()].store(0, std::memory_order_relaxed);
    if (room->home != place.homes[0]) table_[place.homes[0]].home.fetch_or(kGoOn, std::memory_order_release);
    table_[room->home].home.fetch_or(token_at(room->i, place.tag, room->distance), std::memory_order_release);
    ++count_;
    return true;
}

// Of a slot that is not live.
void Writer::write(Slot& slot, const Entry& entry) {
    const auto hash = hash_words(entry.hash);
    for (std::size_t i = 0; i < hash.size(); ++i) slot.hash[i].store(hash[i], std::memory_order_release);
    write_text(slot);
    State state = slot.state.load(std::memory_order_relaxed);
    if (entry.live) state = next(state, entry.generation);
    else state = next(next(state, entry.generation), entry.generation);
    slot.state.store(state, std::memory_order_release);
}

void Writer::write_text(Slot& slot) {
    std::string_view rest = text_;
    if (rest.size() <= kTextOfSlot) {
        store_text(slot.text, rest);
        return;
    }
    rest.remove_prefix(store_text(std::span(slot.text).first(slot.text.size() - 1), rest));
    Count* link = &slot.text.back();
    while (!rest.empty()) {
        const std::uint32_t number = take_text();
        rest.remove_prefix(store_text(texts_[number].text, rest));
        link->store(number, std::memory_order_release);
        link = &texts_[number].next;
    }
    link->store(0, std::memory_order_release);
}

void Writer::drop(const crypto::TokenId& id, const crypto::Digest& hash) {
    const auto known = locate(place_of(bytes_of(crypto::id_text(id)).data(), slots()), hash);
    if (!known) return;
    Slot& slot = table_[known->slot()];
    const State state = slot.state.load(std::memory_order_relaxed);
    if (is_live(state)) slot.state.exchange(next(state, 0), std::memory_order_seq_cst);
    Count& home = table_[known->home].home;
    home.fetch_and(~token_at(known->i, 0xf, kReach - 1), std::memory_order_release);
    free_texts(slot);
    taken_[known->slot()] = false;
    --count_;
}

void Writer::free_texts(const Slot& slot) {
    const Terms terms = unpack(slot.terms.load(std::memory_order_relaxed));
    if (terms.text_size <= kTextOfSlot) return;
    std::uint64_t number = slot.text.back().load(std::memory_order_relaxed);
    for (; number != 0; number = texts_[number].next.load(std::memory_order_relaxed)) {
        free_texts_.push_back(static_cast<std::uint32_t>(number));
    }
}

std::uint32_t Writer::take_text() {
    if (free_texts_.empty()) return next_text_++;
    const std::uint32_t number = free_texts_.back();
    free_texts_.pop_back();
    return number;
}

bool Writer::has_room_for(std::string_view text) const {
    return text.size() <= kMaxTextSize && free_texts_.size() + all_slots(slots()) - next_text_ >= texts_for(text.size());
}

std::optional<Writer::At> Writer::locate(const Place& place, const crypto::Digest& hash) const {
    const auto wanted = hash_words(hash);
    for (const std::uint32_t number : place.homes) {
        const std::uint64_t home = table_[number].home.load(std::memory_order_relaxed);
        for (unsigned i = 0; i < kTokensOfHome; ++i) {
            if (tag_in(home, i) != place.tag) continue;
            const At here{number, i, distance_in(home, i)};
            const bool same = std::ranges::equal(table_[here.slot()].hash, wanted, [](const Count& left, std::uint64_t right) {
                return left.load(std::memory_order_relaxed) == right;
            });
            if (same) return here;
        }
        if ((home & kGoOn) == 0) break;
    }
    return std::nullopt;
}

std::optional<Writer::At> Writer::find_room(const Place& place) const {
    const auto first = room_at(place.homes[0]);
    return first ? first : room_at(place.homes[1]);
}

std::optional<Writer::At> Writer::room_at(std::uint32_t number) const {
    const std::uint64_t home = table_[number].home.load(std::memory_order_relaxed);
    unsigned i = 0;
    while (i < kTokensOfHome && tag_in(home, i) != 0) ++i;
    if (i == kTokensOfHome) return std::nullopt;
    for (std::uint32_t distance = 0; distance < kReach; ++distance) {
        if (!taken_[number + distance]) return At{number, i, distance};
    }
    return std::nullopt;
}

Writer::Standing Writer::recognise(BytesView token, Found& found) const {
    const auto proof = crypto::prove_token_text(view_.prefix(), token);
    if (!proof) return Standing::kUnknown;
    const auto known = locate(place_of(bytes_of(crypto::id_text(proof->id)).data(), slots()), proof->hash);
    if (!known) return Standing::kUnknown;
    view_.describe(known->slot(), found);
    return is_live(table_[known->slot()].state.load(std::memory_order_relaxed)) ? Standing::kLive : Standing::kDead;
}

std::uint32_t Writer::last_verified(const crypto::TokenId& id, const crypto::Digest& hash) const {
    const auto known = locate(place_of(bytes_of(crypto::id_text(id)).data(), slots()), hash);
    return known ? uses_[known->slot()].load(std::memory_order_relaxed) : 0;
}

void Writer::beat(std::uint64_t now, std::uint64_t mark) {
    header_->beat.store(now, std::memory_order_release);
    set_time_mark(mark);
}

void Writer::set_time_mark(std::uint64_t mark) {
    if (mark > header_->time_mark.load(std::memory_order_relaxed)) header_->time_mark.store(mark, std::memory_order_release);
}

}  // namespace hwvault::index
