// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/door.h"

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "daemon/doors/dbus/loop.h"
#include "daemon/doors/dbus/vault1.h"
#include "os/asio.h"

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
    BusDoor(std::shared_ptr<Vault1> vault, const boost::asio::any_io_executor& strand, Options options)
        : vault_(std::move(vault)), options_(std::move(options)), end_(std::make_shared<End>(strand)) {
        loop_.emplace(vault_->bus(), vault_->outbox(),
                      Loop::Events{.idle = [this] { look_whether_drained(); },
                                   .lost = [this](const std::string& cause) { lose(cause); }});
    }

    ~BusDoor() override { end(); }

    // On the loop's thread: what the bus has given us until it answers lies in our queue then, and is taken in before the
    // loop is idle.
    void stop() override {
        vault_->outbox().put([this] { give_name_back(); });
    }

    boost::asio::awaitable<void> drained() override {
        if (!end_->has_come) {
            end_->comes.expires_after(options_.drain);
            co_await end_->comes.async_wait(os::kAsTuple);
        }
        end();
    }

private:
    // That nothing is under way any more. Of the strand, and shared with what is posted there.
    struct End {
        explicit End(const boost::asio::any_io_executor& strand) : comes(strand) {}
        boost::asio::steady_timer comes;  // cancelled when it has
        bool has_come{false};
    };

    void look_whether_drained() {
        if (name_is_ours_ || !vault_->is_idle() || std::exchange(told_, true)) return;
        tell_end();
    }

    void tell_end() {
        boost::asio::post(end_->comes.get_executor(), [end = end_] {
            end->has_come = true;
            end->comes.cancel();
        });
    }

    void lose(const std::string& cause) {
        spdlog::error("The message bus is gone ({}); nobody is served over D-Bus any more.", cause);
        name_is_ours_ = false;
        vault_->close();
        tell_end();
        if (options_.lost) options_.lost();
    }

    void give_name_back() {
        if (!std::exchange(name_is_ours_, false)) return;
        try {
            vault_->bus().releaseName(ServiceName{kServiceName});
        } catch (const sdbus::Error& failure) {
            spdlog::warn("{} could not be given back: {}", kServiceName, failure.getMessage());
        }
    }

    void end() {
        if (!loop_) return;
        loop_.reset();
        vault_->close();
        give_name_back();
    }

    std::shared_ptr<Vault1> vault_;
    Options options_;
    std::shared_ptr<End> end_;
    // Of the loop, or, once that has ended, of who ended it.
    bool name_is_ours_{true};
    bool told_{false};
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
        return std::unique_ptr<Door>(std::make_unique<BusDoor>(std::move(vault), service.executor(), std::move(options)));
    } catch (const sdbus::Error& failure) {
        return cannot_serve(failure);
    }
}

}  // namespace hwvault::doors::dbus
