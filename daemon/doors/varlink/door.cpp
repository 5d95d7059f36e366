// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/door.h"

#include <utility>

#include "daemon/doors/varlink/listener.h"
#include "daemon/doors/varlink/passed_descriptors.h"

namespace hwvault::doors::varlink {

Result<std::unique_ptr<Door>> Door::create(service::Service& service, peer::Resolver& resolver, Options options) {
    HWVAULT_TRY(auto socket, os::ListeningSocket::adopt_or_make(options.inherited_fd, options.path, options.mode));
    if (options.kernel_refuses_descriptors) refuse_descriptors(socket.fd());
    auto listener = std::make_shared<Listener>(Session::Rooms{service, resolver}, std::move(socket), options.limits);
    HWVAULT_CHECK(listener->start());
    return std::unique_ptr<Door>(new Door(std::move(listener)));
}

Door::Door(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}

Door::~Door() {
    stop();
}

void Door::stop() {
    listener_->stop();
}

boost::asio::awaitable<void> Door::drained() {
    return listener_->drained();
}

std::size_t Door::connections() const {
    return listener_->count();
}

}  // namespace hwvault::doors::varlink
