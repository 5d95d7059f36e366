// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/door.h"

#include <utility>

#include "daemon/doors/credential/listener.h"

namespace hwvault::doors::credential {
namespace {

constexpr unsigned kForRoot = 0600;  // the service manager's, which is root

}  // namespace

Result<std::unique_ptr<Door>> Door::create(service::Service& service, peer::Resolver& resolver, Options options) {
    HWVAULT_TRY(auto socket, os::ListeningSocket::adopt_or_make(options.inherited_fd, options.path, kForRoot));
    auto notices = std::make_shared<Notices>(service.executor(), std::move(options.notice_socket));
    auto parts = std::make_shared<Parts>(Parts{.service = service,
                                               .resolver = resolver,
                                               .limits = options.limits,
                                               .mapping = std::move(options.mapping),
                                               .descriptor_store = std::move(options.descriptor_store),
                                               .notices = std::move(notices),
                                               .kernel_tells_process = options.kernel_tells_process});
    auto listener = std::make_shared<Listener>(std::move(parts), std::move(socket));
    HWVAULT_CHECK(listener->start(std::move(options.left)));
    return std::unique_ptr<Door>(new Door(std::move(listener)));
}

Door::~Door() {
    stop();
}

void Door::set_mapping(Mapping mapping) {
    listener_->set_mapping(std::move(mapping));
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

}  // namespace hwvault::doors::credential
