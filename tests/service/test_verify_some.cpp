// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tokens that are verified together: the answers are those of one by one, to whoever asks.
#include <string>
#include <vector>

#include "tests/service/harness.h"

using namespace hwvault;
using namespace hwvault::service;

namespace {

// What one answer says, as text: the views are gone with the next.
std::string text_of_answer(const Verification& verification) {
    if (!verification.active) return "not active";
    std::string text;
    for (const auto part : {verification.account, verification.name, verification.id}) text.append(part).append(" ");
    text += std::to_string(verification.generation) + " " + std::to_string(verification.expires_at);
    for (const auto scope : verification.scopes) text.append(" ").append(scope);
    return text;
}

std::vector<std::string> together(Harness& vault, const policy::Caller& who, const std::vector<std::string>& texts,
                                  std::size_t most = kVerifiedTogether) {
    std::vector<BytesView> tokens;
    for (const std::string& text : texts) tokens.push_back(bytes_of(text));
    std::vector<std::string> answers;
    const std::size_t answered = vault.service().verify_some(who, tokens, [&](const Verification& verification) {
        answers.push_back(text_of_answer(verification));
        return answers.size() < most;
    });
    CHECK(answered == answers.size());
    return answers;
}

// Until the first that is refused.
std::vector<std::string> one_by_one(Harness& vault, const policy::Caller& who, const std::vector<std::string>& texts) {
    std::vector<std::string> answers;
    for (const std::string& text : texts) {
        const auto verification = vault.service().verify(who, bytes_of(text));
        if (!verification) break;
        answers.push_back(text_of_answer(*verification));
    }
    return answers;
}

// Of every kind: alice's with scopes, one that expires, a revoked one, bob's, what is no token, and one with a wrong checksum.
std::vector<std::string> shown_to(Harness& vault) {
    vault::CreateOptions options;
    options.scopes = {"read", "write"};
    options.expires_in = 100;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", options)));
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "old", {})));
    std::vector<std::string> texts{vault.get(vault.alice), vault.get(vault.alice, "", "ci"), vault.get(vault.alice, "", "old"),
                                   vault.get(vault.bob), "", "hwv_"};
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "old", 0)));
    texts.push_back(texts.front());
    texts.back().back() = texts.back().back() == '0' ? '1' : '0';
    return texts;
}

}  // namespace

TEST_CASE("Tokens that are verified together are answered as one by one") {
    Harness vault;
    const std::vector<std::string> texts = shown_to(vault);
    for (const std::uint64_t active : {6U, 10U}) {  // in all, when each was asked twice; the second time one has expired
        CHECK(together(vault, vault.root, texts) == one_by_one(vault, vault.root, texts));
        const Status status = vault.service().status();
        CHECK(status.verified - status.verified_inactive == active);
        vault.now += 100;
    }
    CHECK(together(vault, vault.root, texts).size() == texts.size());
    CHECK(together(vault, vault.root, texts)[3].starts_with("user:bob default "));
}

TEST_CASE("Who may verify tokens of their own accounts alone is answered up to the first that is another's") {
    Harness vault;
    const std::vector<std::string> texts = shown_to(vault);
    CHECK(together(vault, vault.alice, texts) == one_by_one(vault, vault.alice, texts));
    CHECK(together(vault, vault.alice, texts).size() == 3);
    CHECK(together(vault, vault.bob, texts).empty());
}

TEST_CASE("Who takes no more answers is given no more, and no more are counted") {
    Harness vault;
    const std::vector<std::string> texts(kVerifiedTogether + 4, vault.get(vault.alice));
    for (const auto& who : {vault.root, vault.alice}) {
        const std::uint64_t before = vault.service().status().verified;
        CHECK(together(vault, who, texts, 3).size() == 3);
        CHECK(vault.service().status().verified == before + 3);
    }
    CHECK(together(vault, vault.root, texts, texts.size()).size() == kVerifiedTogether);
    CHECK(together(vault, vault.root, {}).empty());
}

TEST_CASE("What was revoked before is not active for who verifies many together, and a new policy decides at once") {
    Harness vault;
    REQUIRE(vault.run(vault.service().create(vault.alice, "", "ci", {})));
    const std::vector<std::string> texts{vault.get(vault.alice), vault.get(vault.alice, "", "ci")};
    CHECK(together(vault, vault.root, texts)[1].starts_with("user:alice ci "));
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "ci", 0)));
    CHECK(together(vault, vault.root, texts)[0].starts_with("user:alice default "));
    CHECK(together(vault, vault.root, texts)[1] == "not active");
    vault.service().set_policy(std::make_shared<const policy::Policy>(policy::Policy::of({}).value()));
    CHECK(together(vault, vault.root, texts).empty());
}
