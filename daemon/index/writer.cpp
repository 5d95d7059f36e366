// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/index/writer.h"

#include <algorithm>
#include <bit>
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

std::array<std::uint64_t, 4> hash_in(const Slot& slot) {
    std::array<std::uint64_t, 4> words;
    std::ranges::transform(slot.hash, words.begin(), [](const Count& word) { return word.load(std::memory_order_relaxed); });
    return words;
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
    return size <= kTextOfSlot ? 0 : (size - kTextBeforeMore + kTextOfMore - 1) / kTextOfMore;
}

// A change of what a slot is, which makes it live or not.
State next(State state, std::uint64_t generation) {
    return generation << 32 | static_cast<std::uint32_t>(state + 1);
}

void text_of_entry(const Entry& entry, std::string& text) {
    text.assign(entry.key.account).push_back('\0');
    text.append(entry.key.name).push_back('\0');
    for (const std::string& scope : entry.scopes) text.append(scope).push_back('\0');
}

Result<void> make_robust(pthread_mutex_t& owner) {
    pthread_mutexattr_t how;
    ::pthread_mutexattr_init(&how);
    ::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    const int failure = ::pthread_mutex_init(&owner, &how);
    ::pthread_mutexattr_destroy(&how);
    if (failure != 0) return errno_error("making the lock of the verify index", failure);
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
    HWVAULT_CHECK(make_robust(header.owner));
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

// See the header's `owner`.
Result<void> Writer::hold() {
    if (const int failure = ::pthread_mutex_lock(&header_->owner); failure != 0) {
        return errno_error("locking the verify index", failure);
    }
    held_ = true;
    return {};
}

void Writer::give_up() {
    header_->moved.store(1, std::memory_order_seq_cst);
    if (std::exchange(held_, false)) ::pthread_mutex_unlock(&header_->owner);
}

bool Writer::put(const Entry& entry) {
    const Place place = place_of(entry.key.id);
    if (const auto known = locate(place, entry.hash)) {
        update(table_[known->slot()], entry.live, entry.expires_at);
        raise(known->slot(), entry.used);
        return true;
    }
    text_of_entry(entry, text_);
    const auto room = find_room(place);
    if (!room || entry.key.generation > kMaxGeneration || !has_room_for(entry.key, text_)) return false;
    write(table_[room->slot()], entry);
    taken_[room->slot()] = true;
    uses_[room->slot()].store(entry.used, std::memory_order_relaxed);
    if (room->home != place.homes[0]) table_[place.homes[0]].home.fetch_or(kGoOn, std::memory_order_release);
    table_[room->home].home.fetch_or(token_at(room->i, place.tag, room->distance), std::memory_order_release);
    ++count_;
    return true;
}

void Writer::set(const Key& key, bool live, std::uint64_t expires_at) {
    if (const auto known = locate(key)) update(table_[known->slot()], live, expires_at);
}

void Writer::update(Slot& slot, bool live, std::uint64_t expires_at) {
    Terms terms = unpack(slot.terms.load(std::memory_order_relaxed));
    terms.expires_at = std::min(expires_at, kMaxExpiry);
    slot.terms.exchange(pack(terms), std::memory_order_seq_cst);
    const State state = slot.state.load(std::memory_order_relaxed);
    if (is_live(state) != live) slot.state.exchange(next(state, generation_of(state)), std::memory_order_seq_cst);
}

// Of a slot that is not live.
void Writer::write(Slot& slot, const Entry& entry) {
    const Terms terms{std::min(entry.expires_at, kMaxExpiry), static_cast<std::uint32_t>(text_.size()),
                      static_cast<std::uint32_t>(entry.scopes.size())};
    slot.terms.store(pack(terms), std::memory_order_release);
    const auto hash = hash_words(entry.hash);
    for (std::size_t i = 0; i < hash.size(); ++i) slot.hash[i].store(hash[i], std::memory_order_release);
    write_text(slot, pack_sizes(entry.key.account.size(), entry.key.name.size()));
    State state = slot.state.load(std::memory_order_relaxed);
    state = next(state, entry.key.generation);
    if (!entry.live) state = next(state, entry.key.generation);
    slot.state.store(state, std::memory_order_release);
}

void Writer::write_text(Slot& slot, std::uint16_t sizes) {
    std::string_view rest = text_;
    rest.remove_prefix(store_text(std::span(slot.text).first(slot.text.size() - 1), rest));
    TextEnd end{.text = {}, .sizes = sizes};
    if (text_.size() <= kTextOfSlot) {
        std::ranges::copy(rest, end.text.begin());
    } else {
        const std::uint32_t number = write_more(rest);
        std::memcpy(end.text.data(), &number, sizeof number);
    }
    slot.text.back().store(std::bit_cast<std::uint64_t>(end), std::memory_order_release);
}

// Gives the number of the first.
std::uint32_t Writer::write_more(std::string_view text) {
    const std::uint32_t first = take_text();
    for (MoreText* more = &texts_[first];; more = &texts_[more->next.load(std::memory_order_relaxed)]) {
        text.remove_prefix(store_text(more->text, text));
        more->next.store(text.empty() ? 0 : take_text(), std::memory_order_release);
        if (text.empty()) return first;
    }
}

void Writer::drop(const Key& key) {
    const auto known = locate(key);
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
    std::uint64_t number = number_of_more(std::bit_cast<TextEnd>(slot.text.back().load(std::memory_order_relaxed)));
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

bool Writer::has_room_for(const Key& key, std::string_view text) const {
    if (key.account.size() > kMaxAccountSize || key.name.size() > kMaxNameSize || text.size() > kMaxTextSize) return false;
    return free_texts_.size() + all_slots(slots()) - next_text_ >= texts_for(text.size());
}

Place Writer::place_of(const crypto::TokenId& id) const {
    return index::place_of(bytes_of(crypto::id_text(id)).data(), slots());
}

template <class IsIt>
std::optional<Writer::At> Writer::locate(const Place& place, IsIt is_it) const {
    for (const std::uint32_t number : place.homes) {
        const std::uint64_t home = table_[number].home.load(std::memory_order_relaxed);
        for (unsigned i = 0; i < kTokensOfHome; ++i) {
            const At here{number, i, distance_in(home, i)};
            if (tag_in(home, i) == place.tag && is_it(here.slot())) return here;
        }
        if ((home & kGoOn) == 0) break;
    }
    return std::nullopt;
}

std::optional<Writer::At> Writer::locate(const Key& key) const {
    return locate(place_of(key.id), [&](std::uint32_t slot) {
        view_.describe(slot, found_);
        return found_.generation == key.generation && found_.name() == key.name && found_.account() == key.account;
    });
}

std::optional<Writer::At> Writer::locate(const Place& place, const crypto::Digest& hash) const {
    return locate(place, [this, wanted = hash_words(hash)](std::uint32_t slot) { return hash_in(table_[slot]) == wanted; });
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
    const auto known = locate(place_of(proof->id), proof->hash);
    if (!known) return Standing::kUnknown;
    view_.describe(known->slot(), found);
    return is_live(table_[known->slot()].state.load(std::memory_order_relaxed)) ? Standing::kLive : Standing::kDead;
}

std::optional<Stored> Writer::stored(const Key& key) const {
    const auto known = locate(key);
    if (!known) return std::nullopt;
    const auto words = hash_in(table_[known->slot()]);
    Stored stored{.hash = {}, .used = uses_[known->slot()].load(std::memory_order_relaxed)};
    static_assert(sizeof stored.hash == sizeof words);
    std::memcpy(stored.hash.data(), words.data(), sizeof stored.hash);
    return stored;
}

void Writer::note_use(const Key& key, std::uint32_t at) {
    if (const auto known = locate(key)) raise(known->slot(), at);
}

// A verifier that writes its own meanwhile is as right.
void Writer::raise(std::uint32_t slot, std::uint32_t at) {
    if (at > uses_[slot].load(std::memory_order_relaxed)) uses_[slot].store(at, std::memory_order_relaxed);
}

void Writer::beat(std::uint64_t now, std::uint64_t mark) {
    header_->beat.store(now, std::memory_order_release);
    set_time_mark(mark);
}

void Writer::set_time_mark(std::uint64_t mark) {
    if (mark > header_->time_mark.load(std::memory_order_relaxed)) header_->time_mark.store(mark, std::memory_order_release);
}

}  // namespace hwvault::index
