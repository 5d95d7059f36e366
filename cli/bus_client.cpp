// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The door over the system bus, with a proxy generated from the interface's XML. Secrets travel as sealed memfds. The
// only file of the command that calls sdbus-c++: its exceptions end here.
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "cli/bus_client_version.h"
#include "cli/door.h"
#include "os/memfd.h"

#include <vault1_proxy.h>

namespace hwvault::cli {
namespace {

using Dictionary = std::map<std::string, sdbus::Variant>;

constexpr const char* kName = "org.hwvault.Vault1";
constexpr const char* kPath = "/org/hwvault/Vault1";
constexpr std::string_view kErrorPrefix = "org.hwvault.Error.";
constexpr std::uint32_t kPageSize = 1'000;  // the vault's own largest
// A sealed memfd is read at once; for what is none, no longer than this.
constexpr std::chrono::seconds kReadDeadline{2};

Failure to_failure(const sdbus::Error& error) {
    const std::string name = error.getName();
    if (name.starts_with(kErrorPrefix)) {
        for (int code = HWVAULT_ERROR_NOT_FOUND; code <= HWVAULT_ERROR_INTERNAL; ++code) {
            if (name.substr(kErrorPrefix.size()) == word(static_cast<ErrorCode>(code))) return {code, error.getMessage()};
        }
    }
    // The call was delivered: too late, or the daemon left the bus in the middle of it.
    if (name.ends_with(".NoReply") || name.ends_with(".Timeout") || name.ends_with(".TimedOut")) {
        return {HWVAULT_ERROR_TIMEOUT, "The vault on the bus did not answer (" + error.getMessage() +
                                           "). If this was a change, look at the token before you try again: it may "
                                           "have been made."};
    }
    return {HWVAULT_ERROR_UNREACHABLE,
            "No vault answers on the bus (" + error.getMessage() + "). Start hwvaultd, or leave out --door dbus."};
}

template <class Work>
auto answer_of(Work work) -> Answer<decltype(work())> {
    try {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            return {};
        } else {
            return work();
        }
    } catch (const sdbus::Error& error) {
        return to_failure(error);
    }
}

// The value under `key`, T's own zero when there is none or one of another type.
template <class T>
T take(const Dictionary& dictionary, const char* key) {
    const auto found = dictionary.find(key);
    if (found == dictionary.end() || !found->second.containsValueOfType<T>()) return T{};
    return found->second.get<T>();
}

Info to_info(const Dictionary& dictionary) {
    const auto time = [&](const char* key) { return static_cast<std::int64_t>(take<std::uint64_t>(dictionary, key)); };
    Info info;
    info.account = take<std::string>(dictionary, "account");
    info.name = take<std::string>(dictionary, "name");
    info.id = take<std::string>(dictionary, "id");
    info.origin = take<std::string>(dictionary, "origin");
    info.description = take<std::string>(dictionary, "description");
    info.generation = take<std::uint64_t>(dictionary, "generation");
    info.created_at = time("created_at");
    info.changed_at = time("changed_at");
    info.last_used_at = time("last_used_at");
    info.last_used_by = take<std::string>(dictionary, "last_used_by");
    info.expires_at = time("expires_at");
    info.scopes = take<std::vector<std::string>>(dictionary, "scopes");
    if (dictionary.contains("uid")) info.uid = static_cast<std::uint32_t>(take<std::uint64_t>(dictionary, "uid"));
    info.owners = take<std::vector<std::string>>(dictionary, "owners");
    info.revoked = take<bool>(dictionary, "revoked");
    if (dictionary.contains("rollback_protected")) info.rollback_protected = take<bool>(dictionary, "rollback_protected");
    return info;
}

Dictionary to_dictionary(const Options& options) {
    Dictionary dictionary;
    if (options.scopes) dictionary.emplace("scopes", sdbus::Variant(*options.scopes));
    if (options.expires_in != 0) dictionary.emplace("expires_in", sdbus::Variant(options.expires_in));
    if (!options.description.empty()) dictionary.emplace("description", sdbus::Variant(options.description));
    if (options.owners) dictionary.emplace("owners", sdbus::Variant(*options.owners));
    return dictionary;
}

std::string to_text(const sdbus::Variant& value) {
    if (value.containsValueOfType<std::string>()) return value.get<std::string>();
    if (value.containsValueOfType<std::uint64_t>()) return std::to_string(value.get<std::uint64_t>());
    if (value.containsValueOfType<bool>()) return value.get<bool>() ? "true" : "false";
    return {};
}

Answer<sdbus::UnixFd> to_descriptor(BytesView secret) {
    HWVAULT_TRY(os::Fd memfd, os::sealed_memfd(secret));
    return sdbus::UnixFd(memfd.release(), sdbus::adopt_fd);
}

class VaultProxy final : public sdbus::ProxyInterfaces<org::hwvault::Vault1_proxy> {
public:
    explicit VaultProxy(sdbus::IConnection& connection) : ProxyInterfaces(connection, BusName(kName), BusPath(kPath)) {
        registerProxy();
    }
    VaultProxy(const VaultProxy&) = delete;
    VaultProxy& operator=(const VaultProxy&) = delete;
    ~VaultProxy() { unregisterProxy(); }

    std::function<void(const Event&)> changed;

private:
    void onTokenChanged(const std::string& account, const std::string& name, const std::uint64_t& generation,
                        const std::string& event) override {
        if (changed) changed({event, account, name, generation});
    }
};

class BusDoor final : public Door {
public:
    explicit BusDoor(std::unique_ptr<sdbus::IConnection> connection)
        : connection_(std::move(connection)), vault_(*connection_) {}

    Answer<Retrieved> retrieve(const Target& target) override {
        HWVAULT_TRY(auto answer, answer_of([&] { return vault_.Retrieve(target.account, target.name); }));
        auto& [token, info] = answer;
        const os::Fd descriptor(token.release());
        HWVAULT_TRY(SecretBytes secret, os::read_descriptor(descriptor, libclient::kMaxSecretSize, kReadDeadline));
        return Retrieved{std::move(secret), to_info(info)};
    }
    Answer<Info> revoke(const Target& target) override {
        return answer_of([&] { return to_info(vault_.Revoke(target.account, target.name, target.generation)); });
    }
    Answer<void> revoke_token(BytesView token) override {
        HWVAULT_TRY(const sdbus::UnixFd descriptor, to_descriptor(token));
        return answer_of([&] { vault_.RevokeToken(descriptor); });
    }
    Answer<Info> rotate(const Target& target, std::chrono::seconds overlap) override {
        return answer_of([&] {
            return to_info(vault_.Rotate(target.account, target.name, target.generation,
                                         static_cast<std::uint64_t>(overlap.count())));
        });
    }
    Answer<Verification> verify(BytesView token) override {
        HWVAULT_TRY(const sdbus::UnixFd descriptor, to_descriptor(token));
        return answer_of([&] {
            const auto [active, info] = vault_.Verify(descriptor);
            return Verification{active, to_info(info)};
        });
    }
    Answer<Info> create(const Target& target, const Options& options) override {
        return answer_of([&] { return to_info(vault_.Create(target.account, target.name, to_dictionary(options))); });
    }
    Answer<Info> import(const Target& target, BytesView secret, const Options& options) override {
        HWVAULT_TRY(const sdbus::UnixFd descriptor, to_descriptor(secret));
        return answer_of([&] {
            return to_info(vault_.Import(target.account, target.name, descriptor, to_dictionary(options)));
        });
    }
    Answer<void> erase(const Target& target) override {
        return answer_of([&] { vault_.Delete(target.account, target.name); });
    }
    Answer<std::vector<Info>> list(const std::string& account) override {
        return answer_of([&] { return all_of(account); });
    }
    Answer<Info> describe(const Target& target) override {
        return answer_of([&] { return to_info(vault_.Describe(target.account, target.name)); });
    }
    Answer<Report> status() override {
        return answer_of([&] {
            Report report;
            for (const auto& [key, value] : vault_.Status()) report.emplace_back(key, to_text(value));
            return report;
        });
    }

    // Subscribed before it is listed, so that no change falls between. The bus has no watch of one account, so others
    // are passed over here.
    Answer<void> watch(const std::string& account, const std::function<void(const Event&)>& show) override {
        HWVAULT_CHECK(answer_of([&] {
            const auto owner = watch_owner(*connection_, kName, [this] { connection_->leaveEventLoop(); });
            vault_.Subscribe();
            for (const Info& info : all_of(account)) show({"present", info.account, info.name, info.generation});
            show({"state-complete", "", "", 0});
            vault_.changed = [&](const Event& event) {
                if (account == "*" || account == event.account) show(event);
            };
            connection_->enterEventLoop();
        }));
        return Failure{HWVAULT_ERROR_UNREACHABLE, "The vault has left the bus. Watch anew."};
    }

private:
    std::vector<Info> all_of(const std::string& account) {
        std::vector<Info> all;
        std::string cursor;
        do {
            auto [infos, next] = vault_.List(account, cursor, kPageSize);
            for (const Dictionary& info : infos) all.push_back(to_info(info));
            if (next == cursor) break;  // a vault that does not go on would be asked without end
            cursor = std::move(next);   // a page may be empty and still go on
        } while (!cursor.empty());
        return all;
    }

    std::unique_ptr<sdbus::IConnection> connection_;
    VaultProxy vault_;
};

}  // namespace

Answer<std::unique_ptr<Door>> open_bus_door(std::chrono::milliseconds timeout) {
    return answer_of([&]() -> std::unique_ptr<Door> {
        auto connection = sdbus::createSystemBusConnection();
        connection->setMethodCallTimeout(timeout);
        return std::make_unique<BusDoor>(std::move(connection));
    });
}

}  // namespace hwvault::cli
