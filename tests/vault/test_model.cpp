// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Thousands of random steps, on the vault and on the model beside it: every answer must be the same, every string
// that was ever handed out must be active in both or in neither, and the promises of lifecycle.h must hold after
// each step. A failure prints its seed and step; the same seed gives the same steps again.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/vault/model.h"
#include "tests/vault/world.h"

namespace hwvault::vault {
namespace {

constexpr int kSteps = 500;
constexpr std::uint32_t kSeeds = 24;
constexpr std::size_t kMostStrings = 120;  // watched at once; the oldest that are dead are let go

const std::vector<std::string> kAccounts{"user:alice", "user:bob", "unit:web.service", "app:shop"};
const std::vector<std::string> kNames{"default", "deploy", "ci"};

struct Handed {
    Model::Key key;
    std::uint64_t incarnation;
    std::uint64_t generation;
    SecretBytes text;
    bool was_dead{false};
};

class Game {
public:
    explicit Game(std::uint32_t seed) : random_(seed), world_(Quotas{.tokens_per_account = 3, .tokens = 8}) {
        model_.per_account = 3;
        model_.in_all = 8;
        model_.now = world_.now;
        model_.uids = {{"user:alice", 1000}, {"user:bob", 1001}};
    }

    void step() {
        const Model::Key key = pick_key();
        const Target target = target_of(key);
        const std::uint64_t number = pick_generation(key);
        switch (below(12)) {
            case 0:
            case 1: return create(key, target);
            case 2: return import(key, target);
            case 3:
            case 4: return compare("Revoke", world_.revoke(target, number), model_.revoke(key, number), true);
            case 5:
            case 6: return rotate(key, target, number);
            case 7: return below(3) == 0 ? compare("Delete", world_.erase(target), model_.erase(key), true) : retrieve(key, target);
            case 8: return set_clock();
            case 9: return below(8) == 0 ? replace_user() : retrieve(key, target);
            default: return retrieve(key, target);
        }
    }

    // What must hold after every step, whatever it was.
    void check() {
        std::map<Model::Key, int> active_defaults;
        for (Handed& one : handed_) {
            const bool active = world_.is_active(one.text);
            CHECK(active == model_.is_active(one.key, one.incarnation, one.generation));
            CHECK_FALSE((active && one.was_dead));  // what is dead stays dead
            one.was_dead = !active;
            if (active && one.key.second == "default") ++active_defaults[one.key];
        }
        for (const auto& [key, count] : active_defaults) CHECK(count == 1);
        CHECK(world_.vault.token_count() == model_.tokens.size());
        CHECK(world_.vault.account_count() == model_.accounts.size());
        CHECK(world_.vault.token_count() <= world_.vault.quotas().tokens);
        for (const std::string& account : kAccounts) {
            CHECK(world_.vault.tokens_of(account_name(account)) <= world_.vault.quotas().tokens_per_account);
        }
        check_generations();
        forget_old();
    }

    [[nodiscard]] std::size_t changes() const { return changes_; }

private:
    std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
    const std::string& pick(const std::vector<std::string>& from) {
        return from[below(static_cast<std::uint32_t>(from.size()))];
    }
    // Mostly one of a token that is there.
    Model::Key pick_key() {
        if (model_.tokens.empty() || below(4) == 0) return {pick(kAccounts), pick(kNames)};
        const auto place = below(static_cast<std::uint32_t>(model_.tokens.size()));
        return std::next(model_.tokens.begin(), place)->first;
    }
    Target target_of(const Model::Key& key) {
        Target target = world_.target(key.first, key.second);
        if (const auto uid = model_.uids.find(key.first); uid != model_.uids.end()) target.uid = uid->second;
        return target;
    }
    // Mostly the current one or 0, at times one before or after it.
    std::uint64_t pick_generation(const Model::Key& key) {
        const auto known = model_.tokens.find(key);
        const std::uint64_t current = known != model_.tokens.end() ? known->second.current : 1;
        switch (below(5)) {
            case 0: return current;
            case 1: return current + 1;
            case 2: return current > 1 ? current - 1 - below(static_cast<std::uint32_t>(std::min<std::uint64_t>(current - 1, 3))) : current;
            default: return 0;
        }
    }
    std::pair<CreateOptions, Model::Options> pick_options() {
        CreateOptions options;
        Model::Options same;
        if (below(3) == 0) options.expires_in = same.lifetime = 1 + below(200);
        if (below(4) == 0) {
            same.owners.emplace();
            for (const char* owner : {"user:alice", "group:ops", "unit:web.service"}) {
                if (below(2) == 0) same.owners->insert(owner);
            }
            options.owners.emplace(same.owners->begin(), same.owners->end());
        }
        return {options, same};
    }

    // `may_withdraw`: the verb may take trust away; one that may not must leave every active string active.
    template <class Plan>
    void compare(const std::string& verb, const Result<Plan>& plan, const std::string& expected, bool may_withdraw) {
        INFO(verb << ": " << (plan ? "" : plan.error().message));
        CHECK(word_of(plan) == expected);
        if (plan && word_of(plan) != "Unchanged") ++changes_;
        if (word_of(plan) == "Withdraws") {
            CHECK(may_withdraw);
            return;
        }
        for (const Handed& one : handed_) CHECK((one.was_dead || world_.is_active(one.text)));
    }

    void create(const Model::Key& key, const Target& target) {
        const auto [options, same] = pick_options();
        const std::string expected = model_.create(key, same);
        compare("Create", world_.create(target, options), expected, same.owners.has_value());
    }
    void import(const Model::Key& key, const Target& target) {
        const auto [options, same] = pick_options();
        const std::string expected = model_.import(key, same);
        compare("Import", world_.import(target, options), expected, true);
    }
    void rotate(const Model::Key& key, const Target& target, std::uint64_t number) {
        const std::uint64_t overlap = below(2) == 0 ? 0 : 1 + below(300);
        const std::string expected = model_.rotate(key, number, overlap);
        compare("Rotate", world_.rotate(target, number, overlap), expected, true);
    }
    void retrieve(const Model::Key& key, const Target& target) {
        const bool is_secret = model_.tokens.contains(key) && model_.tokens.at(key).imported;
        const std::string expected = model_.retrieve(key);
        if (is_secret) {
            CHECK(word_of_failure(retrievable(world_.vault, target, world_.now)) == expected);
            return;
        }
        auto text = world_.retrieve(target);
        CHECK(word_of_failure(text) == expected);
        if (!text) return;
        const Model::Token& token = model_.tokens.at(key);
        // The same generation gives the same string, and no other ever gave it.
        const auto [seen, is_new] =
            strings_.emplace(std::string(text_of(text->reveal())), std::pair{token.incarnation, token.current});
        CHECK(seen->second == std::pair{token.incarnation, token.current});
        if (is_new) handed_.push_back({key, token.incarnation, token.current, std::move(*text)});
    }
    // The clock may go back; the time that the vault is told never does (the service passes the later of the clock
    // and the highest time so far).
    void set_clock() {
        const UnixTime clock = below(3) == 0 ? world_.now - below(1000) : world_.now + below(60);
        world_.now = std::max(world_.now, clock);
        model_.now = world_.now;
    }
    void replace_user() {
        model_.uids["user:bob"] = model_.uids["user:bob"] == 1001 ? 1002 : 1001;
    }

    // Numbers grow and never name two strings; nonces and ids are used once.
    void check_generations() {
        world_.vault.visit_after({}, [&](const Account&, const Token& token) {
            REQUIRE_FALSE(token.generations.empty());
            CHECK(token.generations.size() <= kMaxOverlapping + 1);
            CHECK((!token.name.is_default() || token.generations.size() == 1));
            std::uint64_t before = 0;
            for (const Generation& generation : token.generations) {
                CHECK(generation.number > before);
                before = generation.number;
                const std::pair place{token.id, generation.number};
                CHECK(nonces_.emplace(world_.nonces.at(generation.id), place).first->second == place);
                CHECK(ids_.emplace(generation.id, place).first->second == place);
                CHECK(generations_.emplace(place, generation.id).first->second == generation.id);
            }
            std::uint64_t& highest = highest_[token.id];
            CHECK(token.current().number >= highest);
            highest = token.current().number;
            return true;
        });
    }
    void forget_old() {
        while (handed_.size() > kMostStrings) {
            const auto oldest = std::ranges::find_if(handed_, &Handed::was_dead);
            if (oldest == handed_.end()) return;
            handed_.erase(oldest);
        }
    }

    using Place = std::pair<Id, std::uint64_t>;

    std::mt19937 random_;
    World world_;
    Model model_;
    std::vector<Handed> handed_;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> strings_;
    std::map<Nonce, Place> nonces_;
    std::map<crypto::TokenId, Place> ids_;
    std::map<Place, crypto::TokenId> generations_;
    std::map<Id, std::uint64_t> highest_;
    std::size_t changes_{0};
};

TEST_CASE("The vault and its model agree, whatever is asked of them") {
    std::size_t changes = 0;
    for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
        Game game(seed);
        for (int step = 0; step < kSteps; ++step) {
            INFO("seed " << seed << ", step " << step);
            game.step();
            game.check();
        }
        changes += game.changes();
    }
    // The steps must be such that something happens.
    CHECK(changes > kSeeds * kSteps / 8);
}

}  // namespace
}  // namespace hwvault::vault
