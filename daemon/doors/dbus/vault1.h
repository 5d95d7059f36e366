// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The object on the bus: each method of org.hwvault.Vault1 becomes one call of the service on its strand, whose answer
// goes through the outbox. Methods are entered on the loop's thread and only pass the call on; nothing there waits, but for
// Status, which is a property.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/doors/dbus/translate.h"  // before the adaptor, which names Options and Brief

#include "vault1_adaptor.h"

#include "daemon/doors/dbus/callers.h"
#include "daemon/doors/dbus/descriptors.h"
#include "daemon/doors/dbus/loop.h"
#include "daemon/peer/peer.h"
#include "daemon/service/service.h"

namespace hwvault::doors::dbus {

constexpr const char* kServiceName = "org.hwvault.Vault1";
constexpr const char* kObjectPath = "/org/hwvault/Vault1";

// A base class, so that the connection outlives the object that is registered on it.
struct Connected {
    std::unique_ptr<sdbus::IConnection> connection;
};

// Held by the door and by each call under way; the last of them closes the connection.
class Vault1 final : private Connected,
                     public sdbus::AdaptorInterfaces<org::hwvault::Vault1_adaptor>,
                     public std::enable_shared_from_this<Vault1> {
public:
    // Throws sdbus::Error, as open() does.
    Vault1(std::unique_ptr<sdbus::IConnection> connected, service::Service& service, peer::Resolver& resolver,
           std::chrono::milliseconds status_patience);
    ~Vault1();

    // Watches for callers that leave, and takes the name.
    void open();
    // Once nobody runs the loop any more, or at its end: lets go of all callers. Answers that are still to come are
    // sent from where they are made.
    void close();

    // No call is under way.
    [[nodiscard]] bool is_idle() const { return callers_.is_idle(); }

    sdbus::IConnection& bus() { return *connection; }
    Outbox& outbox() { return outbox_; }

private:
    template <class... Out>
    struct Call;
    template <class... Out, class Work>
    void answer(sdbus::Result<Out...>&& result, Work work);
    template <class Work, class... Out>
    static boost::asio::awaitable<void> carry(std::shared_ptr<Call<Out...>> call, Work work);
    template <class... Out>
    static void reply(std::shared_ptr<Call<Out...>> call, Result<std::tuple<Out...>> outcome);

    Result<void> subscribe(const policy::Caller& caller, const std::shared_ptr<Sender>& sender);
    static boost::asio::awaitable<void> forward(std::shared_ptr<Vault1> door, Callers::Ticket ticket,
                                                std::unique_ptr<service::Watch> watch);
    void tell(const std::string& destination, const vault::Notice& notice);

    using OneDictionary = sdbus::Result<Dictionary>;
    void Retrieve(sdbus::Result<sdbus::UnixFd, Brief>&& result, std::string account, std::string name) override;
    void Revoke(OneDictionary&& result, std::string account, std::string name, std::uint64_t generation) override;
    void RevokeToken(OneDictionary&& result, sdbus::UnixFd token) override;
    void Rotate(OneDictionary&& result, std::string account, std::string name, std::uint64_t generation,
                std::uint64_t overlap_seconds) override;
    void Verify(sdbus::Result<bool, Brief>&& result, sdbus::UnixFd token) override;
    void Create(OneDictionary&& result, std::string account, std::string name, Options options) override;
    void Import(OneDictionary&& result, std::string account, std::string name, sdbus::UnixFd secret,
                Options options) override;
    void Delete(sdbus::Result<>&& result, std::string account, std::string name) override;
    void List(sdbus::Result<std::vector<Dictionary>, std::string>&& result, std::string account, std::string cursor,
              std::uint32_t limit) override;
    void Describe(OneDictionary&& result, std::string account, std::string name) override;
    void Subscribe(sdbus::Result<>&& result) override;
    Dictionary Status() override;
    std::string Version() override;

    service::Service& service_;
    boost::asio::any_io_executor strand_;
    std::chrono::milliseconds status_patience_;
    Outbox outbox_;
    Descriptors descriptors_;
    Callers callers_;
};

}  // namespace hwvault::doors::dbus
