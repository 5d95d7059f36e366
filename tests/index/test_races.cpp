// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Readers beside the writer, through one mapping, so that the thread sanitizer sees what they share.
#include <atomic>
#include <thread>

#include "tests/index/harness.h"

using namespace hwvault;
using namespace hwvault::index;

namespace {

// Where a token stands, as its writer announces it, by a number that only grows: readers hold what they found against it.
enum class Step { kAbsent, kComing, kLive, kGoing };

struct Watched {
    Token token;
    std::atomic<unsigned> moves{0};
    [[nodiscard]] static Step step_of(unsigned moved) { return static_cast<Step>(moved % 4); }
};

constexpr int kReaders = 3;
constexpr int kRounds = 3'000;

// One look at one token: what was said before it began, and after it ended, bounds what it may have found.
void look(const View& view, Watched& watched, std::atomic<int>& wrong) {
    const unsigned before = watched.moves.load();
    Found found;
    const bool active = view.find(watched.token.text.reveal(), 1, found);
    const bool stood_still = watched.moves.load() == before;
    if (active && stood_still && Watched::step_of(before) == Step::kAbsent) ++wrong;  // a stale yes
    if (!active && stood_still && Watched::step_of(before) == Step::kLive) ++wrong;   // a no to one that was live
    if (active && (found.account() != watched.token.account || found.name() != watched.token.name)) ++wrong;
}

}  // namespace

TEST_CASE("A reader beside the writer sees no revoked token, misses no live one, and mixes up no two") {
    const auto writer = make_writer();
    // Of different lengths, so that a slot that is used again has another's text.
    std::vector<Watched> watched(64);
    for (std::size_t i = 0; i < watched.size(); ++i) {
        watched[i].token = make_token("user:" + std::string(1 + i * 5, static_cast<char>('a' + i % 26)), "n" + std::to_string(i));
    }
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int reader = 0; reader < kReaders; ++reader) {
        readers.emplace_back([&, reader] {
            for (std::size_t i = static_cast<std::size_t>(reader); !done; i += 7) look(writer->view(), watched[i % watched.size()], wrong);
        });
    }
    bool placed = true;
    for (int round = 0; round < kRounds; ++round) {
        Watched& one = watched[static_cast<std::size_t>(round * 13) % watched.size()];
        const bool comes = Watched::step_of(one.moves) == Step::kAbsent;
        ++one.moves;
        if (comes || round % 3 == 0) placed = writer->put(one.token.entry(comes)) && placed;
        else writer->drop(one.token.key());
        ++one.moves;
    }
    done = true;
    for (std::thread& reader : readers) reader.join();
    CHECK(placed);
    CHECK(wrong == 0);
}

TEST_CASE("A token is live throughout while its expiry is moved") {
    const auto writer = make_writer();
    Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry()));
    std::atomic<bool> done{false};
    std::atomic<int> missed{0};
    std::thread reader([&] {
        while (!done) missed += has(*writer, token) ? 0 : 1;
    });
    bool placed = true;
    for (std::uint64_t i = 0; i < 50'000; ++i) {
        token.expires_at = 1'000'000 + i;
        placed = writer->put(token.entry()) && placed;
    }
    done = true;
    reader.join();
    CHECK(placed);
    CHECK(missed == 0);
}

TEST_CASE("A long text is read whole or not at all, while its memory goes to another token") {
    const auto writer = make_writer();
    const auto long_token = [](char c) {
        return make_token("unit:" + std::string(250, c), std::string(64, c), std::vector<std::string>(32, std::string(64, c)));
    };
    const Token watched = long_token('a');
    const Token other = long_token('b');
    std::atomic<bool> done{false};
    std::atomic<int> mixed{0};
    std::thread reader([&] {
        while (!done) {
            Found found;
            if (!writer->view().find(watched.text.reveal(), 1, found)) continue;
            const std::string_view text(found.text.data(), found.text_size);
            if (text.find('b', 5) != std::string_view::npos) ++mixed;  // behind "unit:"
        }
    });
    bool placed = true;
    for (int round = 0; round < 40'000; ++round) {
        placed = writer->put(watched.entry()) && placed;
        writer->drop(watched.key());
        placed = writer->put(other.entry()) && placed;
        writer->drop(other.key());
    }
    done = true;
    reader.join();
    CHECK(placed);
    CHECK(mixed == 0);
}
