// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A token that is open for work: found, logged in, its keys examined, sessions ready. Good until the token drops a
// session, a login or an object; then it is thrown away whole and another is opened (reconnecting_device.h).
#pragma once

#include <memory>
#include <mutex>

#include "daemon/hardware/pkcs11/epoch.h"
#include "daemon/hardware/pkcs11/keys.h"
#include "daemon/hardware/pkcs11/libp11_slot.h"
#include "daemon/hardware/pkcs11/session_pool.h"

namespace hwvault::hardware::pkcs11 {

// Thread-safe once opened.
class Connection final : public Device {
public:
    // kHardwareLocked when the login was refused or may have been; kNotInitialised; else kHardwareUnavailable.
    static Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin);

    Result<SecretBytes> derive(Label label, BytesView context) override;
    Result<Bytes> sign(BytesView message) override;
    Result<SecretBytes> random(std::size_t size) override;
    // kInvalidArgument where the token keeps no data objects.
    Result<std::uint64_t> epoch() override;
    Result<CounterReading> advance(std::uint64_t from) override;
    Result<Description> describe() override;
    [[nodiscard]] unsigned parallel() const override { return parallel_; }

private:
    Connection(std::unique_ptr<Token> token, Session login, unsigned parallel);
    static Result<std::unique_ptr<Connection>> establish(const Config& config, const SecretBytes& pin);
    template <class Call>
    auto with_session(Call call);
    [[nodiscard]] Result<void> epoch_is_kept() const;
    // In the session that reads the object: a second one might not be had.
    [[nodiscard]] EpochMac epoch_mac(const Session& session) const;

    std::unique_ptr<Token> token_;
    Session login_;  // never lent: as long as it is open, so is the login
    unsigned parallel_;
    SessionPool pool_;
    Keys keys_;
    std::unique_ptr<Libp11Slot> libp11_;
    bool keeps_epoch_{false};
    std::mutex epoch_mutex_;  // reading and stepping each take several calls
    StepBy step_by_{StepBy::kLabel};
};

// The token alone, and a session with write access that is logged in: what `init` starts from.
struct Login {
    std::unique_ptr<Token> token;
    Session session;
};
Result<Login> log_in_to(const Config& config, const SecretBytes& pin, Access access);

}  // namespace hwvault::hardware::pkcs11
