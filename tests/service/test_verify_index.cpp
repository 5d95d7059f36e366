// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The verify index in step with the vault: in a whole service, as an application sees it, and alone, as it is replaced.
#include "daemon/service/verify_index.h"

#include <random>

#include "crypto/random.h"
#include "daemon/service/index_tables.h"
#include "libclient/index/table.h"
#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

std::shared_ptr<const index::Table> table_of(Result<IndexDescriptors> handed) {
    REQUIRE(handed.has_value());
    return index::Table::map(std::move(handed->index), std::move(handed->stamps)).value();
}

std::optional<bool> verify(const index::Table& table, std::string_view text) {
    index::Found found;
    return table.verify(bytes_of(text), found);
}

policy::Caller verifier() {
    policy::Caller caller = user("nginx", 33);
    caller.groups = {"hwvault-verify"};
    return caller;
}

// A vault and its index, without a store.
class Alone {
public:
    explicit Alone(std::size_t tokens) {
        add_account();
        auto table = index::Writer::make(vault.prefix(), slots_for(tokens)).value();
        for (std::size_t i = 0; i < tokens; ++i) {
            const vault::Token token = make_token();
            vault.load(token);
            REQUIRE(put(*table, kAccount, token));
        }
        VerifyIndex::Parts parts{.strand = io.get_executor(),
                                 .background = background,
                                 .vault = vault,
                                 .clock = [] { return static_cast<vault::UnixTime>(::time(nullptr)); },
                                 .used = [this](const vault::Token& token, vault::UnixTime at) { ended[token.name.text()] = at; }};
        index = std::make_shared<VerifyIndex>(std::move(parts), std::move(table));
        index->start();
    }
    ~Alone() {
        index->stop();
        run();
    }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

    // As the committer does with a change that is durable.
    void make(const vault::Change& change) {
        index->apply(change);
        vault.apply(change);
    }
    vault::Token add_token() {
        vault::Token token = make_token();
        vault::Change change;
        change.tokens.push_back({.token = token, .erase = false, .sealed_content = {}});
        make(change);
        return token;
    }
    void erase(const vault::Token& token) {
        vault::Change change;
        change.tokens.push_back({.token = token, .erase = true, .sealed_content = {}});
        make(change);
    }
    // What is to be done now, but for the beat.
    void run() {
        io.restart();
        while (io.poll() > 0) {
        }
    }
    [[nodiscard]] std::string text_of(const vault::Token& token) const { return texts.at(token.name.text()); }
    [[nodiscard]] vault::UnixTime last_verified(const vault::Token& token) const {
        return index->last_verified(*vault.account(token.account), token, ~vault::UnixTime{0});
    }

    boost::asio::io_context io;
    boost::asio::thread_pool background{1};
    vault::Vault vault{vault::Id{1}, "hwv_", vault::Quotas{}};
    std::map<std::string, std::string> texts;
    std::map<std::string, vault::UnixTime> ended;  // strings of these, and when they were last verified
    std::shared_ptr<VerifyIndex> index;

private:
    static constexpr const char* kAccount = "app:many";
    std::mt19937_64 ids_{1};  // the same each time: whether a table that is nearly full has a place for one is not left to chance

    void add_account() {
        vault.load(vault::Account{.id = vault::Id{2},
                                  .name = vault::AccountName::parse(kAccount).value(),
                                  .uid = std::nullopt,
                                  .owners = {},
                                  .created_at = 0});
    }
    vault::Token make_token() {
        vault::Token token;
        crypto::fill_random(token.id).value();
        token.account = vault::Id{2};
        token.name = vault::TokenName::parse("token-" + std::to_string(texts.size())).value();
        vault::Generation generation;
        generation.id = crypto::id_of(ids_());
        SecretBytes secret(32);
        crypto::fill_random(secret.reveal_to_fill()).value();
        const SecretBytes text = crypto::make_token_text("hwv_", generation.id, secret);
        generation.hash = crypto::prove_token_text("hwv_", text.reveal())->hash;
        generation.given = true;
        token.generations = {generation};
        texts[token.name.text()] = hwvault::text_of(text.reveal());
        return token;
    }
};

}  // namespace

TEST_CASE("An application that has the index is told what the doors tell, at each step of a token's life") {
    Harness vault;
    const auto table = table_of(vault.service().verify_index(verifier()));
    const auto both_say = [&](const std::string& text, bool active) {
        CHECK(vault.service().verify(vault.root, bytes_of(text)).value().active == active);
        CHECK(verify(*table, text) == active);
    };
    const std::string first = vault.get(vault.alice);
    both_say(first, true);
    CHECK(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    both_say(first, false);
    const std::string second = vault.get(vault.alice);
    both_say(second, true);

    vault::CreateOptions options;
    options.scopes = {"read", "write"};
    options.expires_in = 1'000;
    CHECK(vault.run(vault.service().create(vault.alice, "", "named", options)));
    const std::string named = vault.get(vault.alice, "", "named");
    both_say(named, true);
    index::Found found;
    REQUIRE(table->verify(bytes_of(named), found) == true);
    CHECK(found.account() == "user:alice");
    CHECK(found.name() == "named");
    CHECK(found.scopes == 2);
    CHECK(found.scope_texts() == std::string_view("read\0write\0", 11));
    CHECK(found.generation == 1);
    CHECK(found.expires_at == vault.now + 1'000);

    CHECK(vault.run(vault.service().rotate(vault.alice, "", "named", 0, 100)));
    const std::string rotated = vault.get(vault.alice, "", "named");
    both_say(named, true);
    both_say(rotated, true);
    vault.now += 100;  // the overlap ends: hwvaultd says so first, and from then on every reader
    both_say(named, false);
    both_say(rotated, true);
    CHECK(vault.run(vault.service().revoke_token(vault.bob, SecretBytes::copy_of(bytes_of(rotated)))));
    both_say(rotated, false);
    CHECK(vault.run(vault.service().erase(vault.alice, "", "named")));
    both_say(rotated, false);
    both_say(second, true);
}

TEST_CASE("The index is for who may verify any token") {
    Harness vault;
    CHECK(vault.service().verify_index(vault.root).has_value());
    CHECK(vault.service().verify_index(verifier()).has_value());
    CHECK(vault.service().verify_index(vault.alice).error().code == ErrorCode::kAccessDenied);
}

TEST_CASE("When the rules change, who has the index must ask for it again") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    const auto table = table_of(vault.service().verify_index(verifier()));
    const auto memory = os::SharedMemory::map(std::move(vault.service().verify_index(verifier())->index), os::SharedMemory::Others::kRead);
    const index::View kept(memory->data(), index::check_layout(memory->data(), memory->size()).value());
    REQUIRE(verify(*table, text) == true);
    vault.service().set_policy(vault.rules);  // the same
    CHECK(verify(*table, text) == true);
    vault.service().set_policy(std::make_shared<const policy::Policy>(
        policy::Policy::of({{"50-default.toml", std::string(policy::default_rules())},
                            {"60-more.toml", "[[deny]]\nname = 'another'\nanyone = true\nverbs = ['Delete']\naccounts = 'app:none'\n"}})
            .value()));
    CHECK(verify(*table, text) == std::nullopt);
    CHECK(vault.service().verify(vault.root, bytes_of(text)).value().active);
    CHECK(vault.service().verify_index(vault.root).error().code == ErrorCode::kBusy);
    vault.until([&] { return vault.service().verify_index(vault.root).has_value(); });
    CHECK(verify(*table_of(vault.service().verify_index(vault.root)), text) == true);
    vault.until([&] {
        index::Found found;
        return !kept.find(bytes_of(text), vault.now, found);  // wiped, for who does not ask whether to trust it
    });
}

TEST_CASE("A verification that is told late does not hide a later Retrieve") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    vault.now += 10;
    CHECK(vault.service().verify(vault.root, bytes_of(text)).value().active);
    vault.now += 10;
    vault.get(vault.alice);
    vault.service().set_policy(std::make_shared<const policy::Policy>(
        policy::Policy::of({{"50-default.toml", std::string(policy::default_rules()) + "\n"}}).value()));
    vault.until([&] { return vault.service().verify_index(vault.root).has_value(); });
    const auto info = vault.service().describe(vault.alice, "", "").value();
    CHECK(info.last_used_at == vault.now);
    CHECK(info.last_used_by == "user:alice");
}

TEST_CASE("However long names and scopes are, all that is live is found, and found again after a start") {
    Harness vault;
    vault::CreateOptions options;
    options.scopes = std::vector<std::string>{};
    while (options.scopes->size() < vault::kMaxScopes) {
        options.scopes->push_back(std::to_string(options.scopes->size()) + std::string(vault::kMaxScopeSize - 2, 's'));
    }
    std::vector<std::string> given;
    while (given.size() < 80) {  // the smallest table has room for sixty
        const std::string name = "token-" + std::to_string(given.size());
        CHECK(vault.run(vault.service().create(vault.alice, "", name, options)));
        given.push_back(vault.get(vault.alice, "", name));
    }
    for (const std::string& text : given) CHECK(vault.active(text));
    vault.restart();
    for (const std::string& text : given) CHECK(vault.active(text));
    CHECK(vault.run(vault.service().revoke(vault.alice, "", "token-7", 0)));
    CHECK_FALSE(vault.active(given[7]));
    vault.restart();
    for (const std::string& text : given) CHECK(vault.active(text) == (text != given[7]));
    const std::string again = vault.get(vault.alice, "", "token-8");
    CHECK(again == given[8]);
}

TEST_CASE("A clock that is set back over a restart revives nothing in an application, nor does another table") {
    Harness vault;
    vault::CreateOptions options;
    options.expires_in = 100;
    CHECK(vault.run(vault.service().create(vault.alice, "", "short", options)));
    const std::string text = vault.get(vault.alice, "", "short");
    CHECK(verify(*table_of(vault.service().verify_index(verifier())), text) == true);
    vault.now += 200;
    CHECK(vault.get(vault.alice) != text);  // the store's time goes on with a change
    vault.now -= 180;
    SECTION("over a restart") { vault.restart(); }
    SECTION("with other rules") {
        CHECK_FALSE(vault.active(text));
        vault.service().set_policy(vault.rules);
        vault.until([&] { return vault.service().verify_index(verifier()).has_value(); });
    }
    CHECK(verify(*table_of(vault.service().verify_index(verifier())), text) == false);
    CHECK_FALSE(vault.active(text));
}

TEST_CASE("A table of before a restart is not trusted after it") {
    Harness vault;
    const std::string text = vault.get(vault.alice);
    const auto before = table_of(vault.service().verify_index(vault.root));
    REQUIRE(verify(*before, text) == true);
    vault.restart();
    CHECK(verify(*before, text) == std::nullopt);
    CHECK(verify(*table_of(vault.service().verify_index(vault.root)), text) == true);
}

TEST_CASE("A table that is nearly full is replaced by a larger one, in which all are found, and its readers let go of it") {
    Alone alone(700);
    const auto table = table_of(alone.index->hand_out());
    std::vector<vault::Token> added;
    for (int i = 0; i < 600; ++i) {
        added.push_back(alone.add_token());
        if (i % 7 == 0) alone.erase(added.back());
        if (i % 50 == 0) alone.run();
        index::Found found;
        CHECK(alone.index->verify(bytes_of(alone.text_of(added.back())), 1, found) == (i % 7 != 0));
    }
    alone.run();
    CHECK(verify(*table, alone.text_of(added.front())) == std::nullopt);
    const auto next = table_of(alone.index->hand_out());
    CHECK(alone.index->count() == alone.vault.token_count());
    alone.vault.visit_after({}, [&](const vault::Account&, const vault::Token& token) {
        CHECK(verify(*next, alone.text_of(token)) == true);
        return true;
    });
    for (std::size_t i = 0; i < added.size(); i += 7) CHECK(verify(*next, alone.text_of(added[i])) == false);
}

TEST_CASE("A table that fills up before the next is ready is replaced at once") {
    Alone alone(10);
    std::vector<vault::Token> added;
    for (int i = 0; i < 3'000; ++i) added.push_back(alone.add_token());  // without a turn for the next to be filled
    index::Found found;
    for (const vault::Token& token : added) CHECK(alone.index->verify(bytes_of(alone.text_of(token)), 1, found));
}

TEST_CASE("When a token was verified in an application is known of the next table, too") {
    Alone alone(10);
    alone.run();
    const vault::Token token = alone.add_token();
    const auto table = table_of(alone.index->hand_out());
    CHECK(alone.last_verified(token) == 0);
    REQUIRE(verify(*table, alone.text_of(token)) == true);
    const vault::UnixTime verified_at = alone.last_verified(token);
    CHECK(verified_at > 0);
    alone.index->withdraw();
    alone.run();
    CHECK(alone.last_verified(token) == verified_at);
    for (int i = 0; i < 3'000; ++i) alone.add_token();  // a table that is replaced at once
    CHECK(alone.last_verified(token) == verified_at);
    alone.run();
    CHECK(alone.last_verified(token) == verified_at);
    CHECK(alone.ended.empty());
}

TEST_CASE("What is verified while the next table is filled is known of that one") {
    Alone alone(0);
    std::vector<vault::Token> tokens;
    for (int i = 0; i < 600; ++i) tokens.push_back(alone.add_token());
    alone.run();
    alone.index->withdraw();
    const auto later = static_cast<vault::UnixTime>(::time(nullptr)) + 10;
    index::Found found;
    for (int turns = 0; turns < 2; ++turns) {  // each copies some, and it takes three
        alone.io.restart();
        alone.io.poll_one();
    }
    CHECK(alone.index->hand_out().error().code == ErrorCode::kBusy);
    for (const vault::Token& token : tokens) REQUIRE(alone.index->verify(bytes_of(alone.text_of(token)), later, found));
    alone.run();
    CHECK(alone.index->hand_out().has_value());
    for (const vault::Token& token : tokens) CHECK(alone.last_verified(token) == later);
}

TEST_CASE("When a string that ends was last verified is told, of a token that lives on") {
    Alone alone(0);
    const vault::Token token = alone.add_token();
    const vault::Token erased = alone.add_token();
    index::Found found;
    for (const auto& each : {token, erased}) REQUIRE(alone.index->verify(bytes_of(alone.text_of(each)), 100, found));
    alone.erase(erased);
    CHECK(alone.ended.empty());
    vault::Token next = token;
    next.generations.front().id = crypto::random_token_id().value();
    next.generations.front().number = 2;
    next.generations.front().given = false;
    vault::Change change;
    change.tokens.push_back({.token = next, .erase = false, .sealed_content = {}});
    alone.make(change);
    CHECK(alone.ended == std::map<std::string, vault::UnixTime>{{token.name.text(), 100}});
    CHECK(alone.last_verified(next) == 0);
}

TEST_CASE("Uses are visited some at a time, and from the beginning when the table is another") {
    Alone alone(0);
    std::vector<vault::Token> tokens;
    for (int i = 0; i < 600; ++i) tokens.push_back(alone.add_token());
    alone.run();
    const auto now = alone.index->now();
    index::Found found;
    for (const vault::Token& token : tokens) REQUIRE(alone.index->verify(bytes_of(alone.text_of(token)), now, found));
    std::map<vault::Id, std::size_t> visits;
    const auto count = [&](const vault::Id& token, vault::UnixTime at) {
        CHECK(at >= now);
        ++visits[token];
    };
    VerifyIndex::Place place;
    REQUIRE(alone.index->visit_uses(place, now, count));
    CHECK(visits.size() == VerifyIndex::kAtOnce);
    alone.index->withdraw();
    alone.run();
    while (alone.index->visit_uses(place, now, count)) {}
    CHECK(visits.size() == tokens.size());
    std::size_t in_all = 0;
    for (const auto& [token, times] : visits) in_all += times;
    CHECK(in_all == VerifyIndex::kAtOnce + tokens.size());
    visits.clear();
    VerifyIndex::Place again;
    while (alone.index->visit_uses(again, now + 5, count)) {}
    CHECK(visits.empty());
}
