// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a vendor's module has of root, who types `hwvault-hardware init` at a terminal.
#include <cstdlib>
#include <string>
#include <vector>

#include <pty.h>
#include <sys/wait.h>

#include "os/file.h"
#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware {
namespace {

using std::filesystem::path;

constexpr uid_t kOwner = 54321;

struct Shown {
    std::string text;
    int status{-1};
};

// As somebody types it: at a terminal that it has all to itself.
Shown type(const std::vector<std::string>& command, const path& seen) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(child >= 0);
    if (child == 0) {
        std::vector<char*> arguments;
        for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        ::setenv("HWVAULT_SEEN", seen.c_str(), 1);
        ::execv(arguments[0], arguments.data());
        ::_exit(EXIT_FAILURE);
    }
    const os::Fd held{terminal};
    Shown shown;
    std::array<char, 4096> chunk;
    for (ssize_t got; (got = ::read(held.get(), chunk.data(), chunk.size())) > 0;) {
        shown.text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) shown.status = WEXITSTATUS(status);
    return shown;
}

// A folder that others reach, with the module, a PIN of root's alone, and a state folder.
struct Setting {
    TempFolder folder;
    path module{folder.path() / "module.so"};
    path state{folder.path() / "state"};
    path seen{folder.path() / "state/seen"};
    std::vector<std::string> init{HARDWARE_CHILD, "init",       "--config", (folder.path() / "hwvault.toml").string(), "--state",
                                  state.string(), "--pin-file", (folder.path() / "pin").string()};

    explicit Setting(uid_t owner) {
        std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
        std::filesystem::copy_file(NOSY_MODULE, module);
        put("hwvault.toml", "[hardware]\nkind = 'pkcs11'\nmodule = '" + module.string() + "'\nserial = '1'\n", 0644);
        put("pin", "1234", 0600);
        REQUIRE(os::make_folder(state, 0700).has_value());
        REQUIRE(::chown(state.c_str(), owner, owner) == 0);
    }
    void put(const char* name, const std::string& text, unsigned mode) const {
        REQUIRE(os::write_file_durably(folder.path() / name, bytes_of(text), mode).has_value());
    }
    [[nodiscard]] std::string what_was_seen() const {
        const auto content = os::read_file(seen, 1'000);
        return content ? std::string(text_of(*content)) : "";
    }
};

bool is_root() {
    if (::geteuid() == 0) return true;
    WARN("skipped: root's rights are only root's to lose");
    return false;
}

TEST_CASE("A module that root's command loads is no root, reaches no terminal and paints none; the PIN may be root's") {
    if (!is_root()) return;
    const Setting setting(kOwner);
    const Shown shown = type(setting.init, setting.seen);
    CHECK(setting.what_was_seen() == "uid-54321 ");
    CHECK(shown.text.find("[31mpainted") != std::string::npos);
    CHECK(shown.text.find('\x1b') == std::string::npos);
    CHECK(shown.status != 0);  // it is no PKCS#11 module
    CHECK(shown.text.find("pin") == std::string::npos);
}

TEST_CASE("Root's command loads no module where the state folder is root's, or is not there, and says what to type") {
    if (!is_root()) return;
    const Setting setting(0);
    std::string why = " is root's";
    SECTION("root's") {}
    SECTION("not there") {
        std::filesystem::remove(setting.state);
        why = " is not there";
    }
    const Shown shown = type(setting.init, setting.folder.path() / "seen");
    CHECK(shown.status == 2);
    CHECK(shown.text.find(setting.state.string() + why) != std::string::npos);
    CHECK(shown.text.find("install -d -m 0700 -o hwvault-hardware -g hwvault-hardware " + setting.state.string()) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(setting.folder.path() / "seen"));
}

TEST_CASE("For development the module is loaded as whoever types it") {
    if (!is_root()) return;
    Setting setting(0);
    setting.init.emplace_back("--dev");
    type(setting.init, setting.seen);
    CHECK(setting.what_was_seen().starts_with("uid-0 "));
}

}  // namespace
}  // namespace hwvault::hardware
