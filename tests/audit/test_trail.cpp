// SPDX-License-Identifier: LGPL-2.1-or-later
#include <vector>

#include "daemon/audit/trail.h"
#include "foundation/fields.h"
#include "tests/catch.h"

using namespace hwvault;

namespace {

vault::Event event_number(std::uint64_t number) {
    vault::Event event;
    event.time = 1'700'000'000 + number;
    event.verb = vault::Verb::kRevoke;
    event.account = "user:alice";
    event.name = "default";
    event.generation = number;
    return event;
}

std::vector<vault::EventLink> chain_of(std::uint64_t length) {
    audit::Trail trail;
    std::vector<vault::EventLink> links;
    for (std::uint64_t i = 1; i <= length; ++i) links.push_back(trail.append(event_number(i)));
    return links;
}

// How many links in a row a new trail follows.
std::size_t followed(const std::vector<vault::EventLink>& links) {
    audit::Trail trail;
    std::size_t count = 0;
    while (count < links.size() && trail.follow(links[count])) ++count;
    return count;
}

}  // namespace

TEST_CASE("A trail follows the links that another one appended, and ends at the same head") {
    audit::Trail written;
    audit::Trail read;
    for (std::uint64_t i = 1; i <= 5; ++i) {
        const auto link = written.append(event_number(i));
        CHECK(link.sequence == i);
        CHECK(read.follow(link));
    }
    CHECK(read.sequence() == 5);
    CHECK(read.head() == written.head());
    CHECK(written.head() != crypto::Digest{});
}

TEST_CASE("The hash of a link is over the previous hash, the sequence and the body, as fields") {
    const auto links = chain_of(2);
    const Bytes hashed = FieldWriter().bytes(links[0].hash).number(2).bytes(links[1].body).take();
    CHECK(links[1].hash == crypto::sha256(hashed));
}

TEST_CASE("An edited event breaks the chain at its place") {
    auto links = chain_of(4);
    links[1].body.back() ^= 1;
    CHECK(followed(links) == 1);
}

TEST_CASE("An event edited together with its hash breaks the chain after it") {
    auto links = chain_of(4);
    audit::Trail trail{1, links[0].hash};
    links[1] = trail.append(event_number(99));
    CHECK(followed(links) == 2);
}

TEST_CASE("A removed event breaks the chain, even when the later ones are counted anew") {
    auto links = chain_of(4);
    links.erase(links.begin() + 1);
    CHECK(followed(links) == 1);
    for (std::size_t i = 0; i < links.size(); ++i) links[i].sequence = i + 1;
    CHECK(followed(links) == 1);
}

TEST_CASE("Events put in another order break the chain") {
    auto links = chain_of(4);
    std::swap(links[1], links[2]);
    CHECK(followed(links) == 1);
    std::swap(links[1].sequence, links[2].sequence);
    CHECK(followed(links) == 1);
}

TEST_CASE("A link that is not the next one changes nothing") {
    const auto links = chain_of(3);
    audit::Trail trail;
    REQUIRE(trail.follow(links[0]));
    CHECK_FALSE(trail.follow(links[2]));
    CHECK_FALSE(trail.follow(links[0]));
    CHECK(trail.sequence() == 1);
    CHECK(trail.head() == links[0].hash);
    CHECK(trail.follow(links[1]));
}

TEST_CASE("A trail goes on where an earlier one ended") {
    const auto links = chain_of(3);
    audit::Trail resumed{2, links[1].hash};
    CHECK(resumed.append(event_number(3)).hash == links[2].hash);
}
