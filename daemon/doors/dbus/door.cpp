// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/door.h"

#include <optional>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/doors/dbus/loop.h"
#include "daemon/doors/dbus/vault1.h"

namespace hwvault::doors::dbus {
namespace {

std::unique_ptr<sdbus::IConnection> connect(const std::string& address) {
    if (address.empty()) return sdbus::createSystemBusConnection();
    return sdbus::createSessionBusConnectionWithAddress(address);
}

Error cannot_connect(const std::string& address, const sdbus::Error& failure) {
    return {ErrorCode::kInternal, "The message bus at " + (address.empty() ? "the system's address" : address) +
                                      " cannot be reached (" + failure.getMessage() +
                                      "). Start it, or run hwvaultd without the D-Bus door."};
}

Error cannot_serve(const sdbus::Error& failure) {
    const std::string name = kServiceName;
    if (failure.getName().ends_with("FileExists")) {
        return {ErrorCode::kAlreadyExists,
                "Another program owns " + name + " on the bus. Stop the other hwvaultd, or give this one another bus."};
    }
    if (failure.getName().ends_with("AccessDenied")) {
        return {ErrorCode::kAccessDenied, "The bus does not let this user own " + name +
                                              ". Install hwvault's D-Bus configuration and reload the bus."};
    }
    return {ErrorCode::kInternal, "The bus refused " + name + ": " + failure.getMessage()};
}

class BusDoor final : public Door {
public:
    BusDoor(std::shared_ptr<Vault1> vault, std::function<void()> lost)
        : vault_(std::move(vault)), lost_(std::move(lost)) {
        loop_.emplace(vault_->bus(), vault_->outbox(), [this](const std::string& cause) {
            spdlog::error("The message bus is gone ({}); nobody is served over D-Bus any more.", cause);
            bus_is_gone_ = true;
            vault_->close();
            if (lost_) lost_();
        });
    }

    ~BusDoor() override {
        loop_.reset();
        vault_->close();
        if (bus_is_gone_) return;
        try {
            vault_->bus().releaseName(ServiceName{kServiceName});
        } catch (const sdbus::Error& failure) {
            spdlog::warn("{} could not be given back: {}", kServiceName, failure.getMessage());
        }
    }

private:
    std::shared_ptr<Vault1> vault_;
    std::function<void()> lost_;
    bool bus_is_gone_{false};  // written on the loop's thread, read once that has ended
    std::optional<Loop> loop_;
};

}  // namespace

Result<std::unique_ptr<Door>> Door::create(service::Service& service, peer::Resolver& resolver, Options options) {
    std::unique_ptr<sdbus::IConnection> connection;
    try {
        connection = connect(options.address);
    } catch (const sdbus::Error& failure) {
        return cannot_connect(options.address, failure);
    }
    try {
        auto vault = std::make_shared<Vault1>(std::move(connection), service, resolver);
        vault->open();
        return std::unique_ptr<Door>(std::make_unique<BusDoor>(std::move(vault), std::move(options.lost)));
    } catch (const sdbus::Error& failure) {
        return cannot_serve(failure);
    }
}

}  // namespace hwvault::doors::dbus
