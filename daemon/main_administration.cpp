// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/main_administration.h"

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include <pwd.h>

#include <boost/asio/steady_timer.hpp>

#include "os/asio.h"

namespace hwvault {
namespace {

constexpr auto kDeviceAtSetup = std::chrono::seconds(20);  // that each of these waits for the device

}  // namespace

vault::Event Administration::event_of(const std::string& what) const {
    const passwd* const user = ::getpwuid(who_);
    vault::Event event;
    event.time = clock_now();
    event.verb = vault::Verb::kRecover;
    event.actor.uid = who_;
    if (user != nullptr) event.actor.user = user->pw_name;
    event.decided_by = what;
    return event;
}

Administration::Outcome Administration::device_ready() {
    const auto deadline = std::chrono::steady_clock::now() + kDeviceAtSetup;
    while (!parts_.hardware->state() && std::chrono::steady_clock::now() < deadline) {
        boost::asio::steady_timer pause(parts_.io, std::chrono::milliseconds(20));
        co_await pause.async_wait(os::kAsTuple);
    }
    co_return parts_.hardware->state();
}

Administration::Outcome Administration::make_store() {
    const std::filesystem::path store = parts_.settings.store_file();
    if (std::filesystem::exists(store)) {
        co_return Error{ErrorCode::kAlreadyExists, "There is a store at " + store.string() +
                                                       " already, and it was left as it is. Move it away if another vault "
                                                       "is to be made."};
    }
    HWVAULT_CO_CHECK(co_await device_ready());
    co_return co_await service::initialise_vault(parts_.opening(), parts_.settings.prefix);
}

Administration::Outcome Administration::initialise() {
    if (std::filesystem::exists(parts_.settings.store_file())) {
        std::cout << "There is a store at " << parts_.settings.store_file().string()
                  << " already, and it was left as it is. If hwvaultd says that it is rolled back, since the device has a new "
                     "counter: `" << parts_.settings.administered_by << " recover --accept-rollback`.\n";
    } else {
        HWVAULT_CO_CHECK(co_await make_store());
    }
    if (!parts_.settings.recipient.empty()) HWVAULT_CO_CHECK(co_await hand_out_signing_key());
    co_return Result<void>{};
}

Administration::Outcome Administration::hand_out_signing_key() {
    HWVAULT_CO_CHECK(co_await device_ready());
    HWVAULT_CO_TRY(const std::string pem, co_await service::signing_key_pem(*parts_.hardware));
    std::cout << keep_this() << " `" << parts_.settings.administered_by << " recover --show-signing-key` prints it again.\n" << pem;
    co_return Result<void>{};
}

Administration::Outcome Administration::show_signing_key() {
    HWVAULT_CO_CHECK(co_await device_ready());
    HWVAULT_CO_TRY(const std::string pem, co_await service::signing_key_pem(*parts_.hardware));
    std::cerr << keep_this() << "\n";
    std::cout << pem;
    co_return Result<void>{};
}

Administration::Outcome Administration::accept_rollback() {
    HWVAULT_CO_CHECK(co_await device_ready());
    const vault::Event event = event_of("recover --accept-rollback");
    HWVAULT_CO_TRY(const auto accepted, co_await service::accept_rollback(parts_.opening(), event));
    std::cout << report(accepted);
    co_return Result<void>{};
}

Administration::Outcome Administration::recover(LostVault lost, bool revoke_all) {
    lost.order.revoke_all = revoke_all;
    lost.order.event = event_of(revoke_all ? "recover --from --revoke-all" : "recover --from");
    HWVAULT_CO_CHECK(co_await device_ready());
    HWVAULT_CO_TRY(const auto recovered, co_await service::recover_vault(parts_.opening(), std::move(lost.order)));
    std::cout << report(recovered, parts_.settings.administered_by);
    if (!parts_.settings.recipient.empty()) HWVAULT_CO_CHECK(co_await hand_out_signing_key());
    co_return Result<void>{};
}

Administration::Outcome Administration::new_recipient() {
    HWVAULT_CO_CHECK(co_await device_ready());
    const vault::Event event = event_of("recover --new-recipient");
    HWVAULT_CO_TRY(const auto changed, co_await service::change_recipient(parts_.opening(), event));
    std::cout << report(changed);
    if (changed.fingerprint) HWVAULT_CO_CHECK(co_await hand_out_signing_key());
    co_return Result<void>{};
}

}  // namespace hwvault
