// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The policy's language against two corpora: good/*.toml parse; each of bad/*.toml begins with a comment that says where
// and with which words it is refused.
#include "policy/parser.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace hwvault::policy {
namespace {

std::vector<std::filesystem::path> corpus(const std::string& name) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(POLICY_CORPUS) / name)) {
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    REQUIRE(files.size() >= 3);
    return files;
}

std::string text_in(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

TEST_CASE("each good file is taken") {
    for (const auto& file : corpus("good")) {
        INFO(file);
        const auto rules = parse(file.filename(), text_in(file));
        INFO((rules ? "" : rules.error().message));
        CHECK(rules.has_value());
    }
}

TEST_CASE("each bad file is refused at the place and in the words that it says") {
    for (const auto& file : corpus("bad")) {
        INFO(file);
        const std::string text = text_in(file);
        REQUIRE(text.starts_with("# "));
        const std::string wanted = text.substr(2, text.find('\n') - 2);  // "line L, column C: words"
        const auto rules = parse("f", text);
        REQUIRE_FALSE(rules);
        CHECK(rules.error().code == ErrorCode::kInvalidArgument);
        INFO(rules.error().message);
        const std::size_t colon = wanted.find(": ");
        CHECK(rules.error().message.starts_with("f, " + wanted.substr(0, colon) + ": "));
        CHECK(rules.error().message.find(wanted.substr(colon + 2)) != std::string::npos);
        CHECK(rules.error().message.ends_with("."));
    }
}

TEST_CASE("a rule is what it says, with its line") {
    const auto rules = parse("10-ci.toml", R"(
[[deny]]
name = "no-bots"
group = ["bots", "guests"]
verbs = "*"
accounts = ["app:*", "@self"]

[[allow]]
name = "ci"
user = "alice"
unit = ["runner@*", "ci.service"]
verbs = ["Create", "Retrieve"]
accounts = ["app:ci-*", "@owner"]
tokens = "deploy"
scopes = ["repo:*", "read"]
max_expiry = "90d"
rate = "20/minute"
owners = true
)");
    REQUIRE(rules);
    REQUIRE(rules->size() == 2);
    const Rule& deny = rules->front();
    CHECK(deny.effect == Rule::Effect::kDeny);
    CHECK(deny.line == 2);
    CHECK(deny.groups == std::vector<std::string>{"bots", "guests"});
    CHECK(std::ranges::all_of(kRuledVerbs, [&](vault::Verb verb) { return deny.verbs.has(verb); }));
    CHECK(deny.self);
    CHECK_FALSE(deny.owned);
    CHECK(deny.tokens.empty());
    const Rule& allow = rules->back();
    CHECK(allow.effect == Rule::Effect::kAllow);
    CHECK(allow.file == "10-ci.toml");
    CHECK(allow.line == 8);
    CHECK(allow.users == std::vector<std::string>{"alice"});
    REQUIRE(allow.units.size() == 2);
    CHECK(allow.units[0].written() == "runner@*");
    CHECK_FALSE(allow.units[1].is_prefix);
    CHECK(allow.verbs.has(vault::Verb::kCreate));
    CHECK_FALSE(allow.verbs.has(vault::Verb::kRevoke));
    CHECK(allow.owned);
    REQUIRE(allow.limits.scopes);
    CHECK(allow.limits.scopes->front().written() == "repo:*");
    CHECK(allow.limits.max_expiry == 90 * 86'400);
    CHECK(allow.limits.rate == Rate{20, 60});
    CHECK(allow.limits.owners);
}

}  // namespace
}  // namespace hwvault::policy
