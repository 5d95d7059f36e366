// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/door.h"

#include <cstdint>
#include <optional>
#include <string>
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
        : vault_(std::move(vault)),
          options_(std::move(options)),
          end_(std::make_shared<End>(strand)),
          bus_(sdbus::createProxy(vault_->bus(), ServiceName{kBusName}, sdbus::ObjectPath{kBusPath})) {
        loop_.emplace(vault_->bus(), vault_->outbox(),
                      Loop::Events{.idle = [this] { look_whether_drained(); },
                                   .lost = [this](const std::string& cause) { lose(cause); }});
    }

    ~BusDoor() override { end(); }

    // On the loop's thread, so that it comes after what was put there before. From now on the loop hears of each answer, and
    // looks whether it was the last.
    void stop() override {
        vault_->outbox().leave_all_to_loop();
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

    enum class Name { kOurs, kBeingGivenBack, kGone };

    void look_whether_drained() {
        if (name_ != Name::kGone || !vault_->is_idle() || std::exchange(told_, true)) return;
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
        name_ = Name::kGone;
        vault_->close();
        tell_end();
        if (options_.lost) options_.lost();
    }

    // Does not wait for the bus, which may hang. What it has given us by the name until its answer is taken in before that
    // answer is.
    void give_name_back() {
        if (name_ != Name::kOurs) return;
        name_ = Name::kBeingGivenBack;
        const auto answered = [this](CallError failure, const std::uint32_t&) {
            name_ = Name::kGone;
            if (failure) log_kept(failure->getMessage());
        };
        try {
            bus_->callMethodAsync("ReleaseName")
                .onInterface(kBusName)
                .withTimeout(options_.drain)
                .withArguments(std::string(kServiceName))
                .uponReplyInvoke(answered);
        } catch (const sdbus::Error& failure) {
            name_ = Name::kGone;
            log_kept(failure.getMessage());
        }
    }

    static void log_kept(const std::string& cause) {
        spdlog::warn("{} could not be given back, so the bus keeps it until the connection goes: {}", kServiceName, cause);
    }

    void end() {
        if (!loop_) return;
        loop_.reset();
        if (name_ == Name::kBeingGivenBack) log_kept("the bus did not answer in time");
        vault_->close();
        give_name_back();
        bus_.reset();
    }

    std::shared_ptr<Vault1> vault_;
    Options options_;
    std::shared_ptr<End> end_;
    // Of the loop, or, once that has ended, of who ended it.
    Name name_{Name::kOurs};
    bool told_{false};
    std::unique_ptr<sdbus::IProxy> bus_;
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
        auto vault = std::make_shared<Vault1>(std::move(connection), service, resolver, options.status_patience);
        vault->open();
        return std::unique_ptr<Door>(std::make_unique<BusDoor>(std::move(vault), service.executor(), std::move(options)));
    } catch (const sdbus::Error& failure) {
        return cannot_serve(failure);
    }
}

}  // namespace hwvault::doors::dbus
