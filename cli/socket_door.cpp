// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The door through libhwvault's public C++ interface: whatever the command can do, any program can.
#include <hwvault/hwvault.hpp>

#include "cli/door.h"

namespace hwvault::cli {
namespace {

std::span<const std::byte> as_bytes(BytesView bytes) {
    return std::as_bytes(bytes);
}

target to_public(const Target& which) {
    return {which.account, which.name, which.generation};
}

options to_public(const Options& with) {
    return {with.scopes, std::chrono::seconds(with.expires_in), with.description, with.owners};
}

Info to_info(const info_view& view) {
    Info info;
    info.account = view.account();
    info.name = view.name();
    info.id = view.id();
    info.origin = view.origin();
    info.description = view.description();
    info.generation = view.generation();
    info.created_at = view.created_at();
    info.changed_at = view.changed_at();
    info.last_used_at = view.last_used_at();
    info.last_used_by = view.last_used_by();
    info.expires_at = view.expires_at();
    for (const std::string_view scope : view.scopes()) info.scopes.emplace_back(scope);
    info.uid = view.uid();
    for (const std::string_view owner : view.owners()) info.owners.emplace_back(owner);
    info.revoked = view.revoked();
    info.rollback_protected = view.rollback_protected();
    return info;
}

Retrieved to_retrieved(const secret& found) {
    return {SecretBytes::copy_of({reinterpret_cast<const std::uint8_t*>(found.bytes().data()), found.bytes().size()}),
            to_info(found.info())};
}

Verification to_verification(const verification& found) {
    Verification answer;
    answer.active = found.active();
    answer.info.account = found.account();
    answer.info.name = found.name();
    answer.info.id = found.id();
    answer.info.generation = found.generation();
    answer.info.expires_at = found.expires_at();
    for (const std::string_view scope : found.scopes()) answer.info.scopes.emplace_back(scope);
    return answer;
}

// libhwvault's exceptions end here.
template <class Work>
auto answer_of(Work work) -> Answer<decltype(work())> {
    try {
        if constexpr (std::is_void_v<decltype(work())>) {
            work();
            return {};
        } else {
            return work();
        }
    } catch (const error& failure) {
        return Failure{failure.code(), failure.what()};
    }
}

class SocketDoor final : public Door {
public:
    explicit SocketDoor(client opened) : client_(std::move(opened)) {}

    Answer<Retrieved> retrieve(const Target& which) override {
        return answer_of([&] { return to_retrieved(client_.retrieve(to_public(which))); });
    }
    Answer<Info> revoke(const Target& which) override {
        return answer_of([&] { return to_info(client_.revoke(to_public(which))); });
    }
    Answer<void> revoke_token(BytesView token) override {
        return answer_of([&] { client_.revoke_token(as_bytes(token)); });
    }
    Answer<Info> rotate(const Target& which, std::chrono::seconds overlap) override {
        return answer_of([&] { return to_info(client_.rotate(to_public(which), overlap)); });
    }
    Answer<Verification> verify(BytesView token) override {
        return answer_of([&] { return to_verification(client_.verify(as_bytes(token))); });
    }
    Answer<Info> create(const Target& which, const Options& with) override {
        return answer_of([&] { return to_info(client_.create(to_public(which), to_public(with))); });
    }
    Answer<Info> import(const Target& which, BytesView content, const Options& with) override {
        return answer_of([&] { return to_info(client_.import(to_public(which), as_bytes(content), to_public(with))); });
    }
    Answer<void> erase(const Target& which) override {
        return answer_of([&] { client_.erase(to_public(which)); });
    }
    Answer<std::vector<Info>> list(const std::string& account) override {
        return answer_of([&] {
            std::vector<Info> all;
            hwvault::listing found = client_.list(account);
            while (const auto next = found.next()) all.push_back(to_info(*next));
            return all;
        });
    }
    Answer<Info> describe(const Target& which) override {
        return answer_of([&] { return to_info(client_.describe(to_public(which))); });
    }
    Answer<Report> status() override {
        return answer_of([&] {
            Report lines;
            const report found = client_.status();
            for (const auto& [key, value] : found.lines()) lines.emplace_back(std::string(key), std::string(value));
            return lines;
        });
    }
    Answer<void> watch(const std::string& account, const std::function<void(const Event&)>& show) override {
        return answer_of([&] {
            watcher changes = client_.watch(account);
            for (;;) {
                const event next = changes.next();
                show({std::string(next.event), std::string(next.account), std::string(next.name), next.generation});
            }
        });
    }

private:
    client client_;
};

}  // namespace

Answer<std::unique_ptr<Door>> open_socket_door(const std::string& address, std::chrono::milliseconds timeout) {
    return answer_of([&]() -> std::unique_ptr<Door> {
        client opened = address.empty() ? client() : client(address);
        opened.set_timeout(timeout);
        return std::make_unique<SocketDoor>(std::move(opened));
    });
}

}  // namespace hwvault::cli
