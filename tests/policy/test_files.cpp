// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/files/files.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <sys/stat.h>

#include "tests/catch.h"
#include "tests/policy/rules.h"

namespace hwvault::policy {
namespace {

class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-policy-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

std::string rule(const std::string& name) {
    return "[[allow]]\nname='" + name + "'\nanyone=true\nverbs='Verify'\naccounts='*'\n";
}

std::vector<std::string> rules_in(const Folder& folder) {
    const Policy policy = read_policy(folder.path()).value();
    std::vector<std::string> names;
    for (const Rule& one : policy.rules()) names.push_back(one.name);
    return names;
}

TEST_CASE("without a folder, or in an empty one, the shipped rules decide") {
    const Folder folder;
    CHECK(read_policy(folder.path()).value().digest() == read_policy(folder.path() / "none").value().digest());
    CHECK(rules_in(folder).size() == 6);
}

TEST_CASE("files are taken in the order of their names, around the shipped one") {
    const Folder folder;
    folder.write("60-late.toml", rule("late"));
    folder.write("10-early.toml", rule("early"));
    folder.write("70-note.txt", "this is no rule");
    const auto names = rules_in(folder);
    CHECK(names.front() == "early");
    CHECK(names.back() == "late");
    CHECK(names.size() == 8);
}

TEST_CASE("a file of the shipped one's name takes its place, also an empty one") {
    const Folder folder;
    folder.write(kDefaultFile, rule("mine"));
    CHECK(rules_in(folder) == std::vector<std::string>{"mine"});
    folder.write(kDefaultFile, "");
    CHECK(rules_in(folder).empty());
}

TEST_CASE("one broken file makes no policy, and the error says where it is") {
    const Folder folder;
    folder.write("10-good.toml", rule("good"));
    folder.write("60-bad.toml", rule("bad") + "acounts='*'\n");
    const auto policy = read_policy(folder.path());
    REQUIRE_FALSE(policy);
    CHECK(policy.error().code == ErrorCode::kInvalidArgument);
    CHECK(policy.error().message.starts_with((folder.path() / "60-bad.toml").string() + ", line 6, column 1: "));
}

TEST_CASE("a file or a folder that everybody may write has no rules of an administrator's") {
    const Folder folder;
    folder.write("10.toml", rule("x"));
    REQUIRE(::chmod((folder.path() / "10.toml").c_str(), 0666) == 0);
    CHECK(read_policy(folder.path()).error().message.find("chmod o-w") != std::string::npos);
    std::filesystem::remove(folder.path() / "10.toml");
    REQUIRE(read_policy(folder.path()));
    REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
    CHECK(read_policy(folder.path()).error().message.find("chmod o-w") != std::string::npos);
}

TEST_CASE("what is no regular file is refused, not waited for") {
    const Folder folder;
    REQUIRE(::mkfifo((folder.path() / "10.toml").c_str(), 0600) == 0);
    CHECK(read_policy(folder.path()).error().message.find("no regular file") != std::string::npos);
}

TEST_CASE("a file that is too large is refused") {
    const Folder folder;
    folder.write("10.toml", std::string((1 << 20) + 1, '#'));
    CHECK_FALSE(read_policy(folder.path()));
}

}  // namespace
}  // namespace hwvault::policy
