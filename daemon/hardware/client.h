// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hardware::Hardware over the private socket: each verb is one request to the hardware child.
//
// The answer's form is checked before it is believed. What is wrong with a request is said here, so that the
// child, which closes the connection on nonsense, never sees any.
#pragma once

#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "daemon/hardware/hardware.h"
#include "daemon/hardware/supervisor.h"

namespace hwvault::hardware {

class Client final : public Hardware {
public:
    // Begins to start or connect the child; state() says how that goes. `executor` is the strand that everything
    // happens on. Without stop(), the destructor closes the connection, and the child ends by itself.
    static std::unique_ptr<Client> create(const boost::asio::any_io_executor& executor, Options options);
    explicit Client(std::shared_ptr<Supervisor> supervisor) : supervisor_(std::move(supervisor)) {}
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() override {
        supervisor_->on_change({});
        supervisor_->end();
    }

    boost::asio::awaitable<Result<SecretBytes>> derive(Label label, Bytes context, Deadline deadline) override;
    boost::asio::awaitable<Result<Bytes>> checkpoint(Checkpoint checkpoint, Deadline deadline) override;
    boost::asio::awaitable<Result<SecretBytes>> random(std::size_t size, Deadline deadline) override;
    boost::asio::awaitable<Result<std::uint64_t>> epoch(Deadline deadline) override;
    boost::asio::awaitable<Result<CounterReading>> advance(std::uint64_t from, Deadline deadline) override;
    boost::asio::awaitable<Result<Description>> describe(Deadline deadline) override;

    [[nodiscard]] Result<void> state() const override;
    void on_state_change(std::function<void()> changed) override { supervisor_->on_change(std::move(changed)); }

    // Ends every call and the child that was started, and waits for it, three seconds at most.
    boost::asio::awaitable<void> stop() { return supervisor_->stop(); }

private:
    std::shared_ptr<Supervisor> supervisor_;
};

}  // namespace hwvault::hardware
