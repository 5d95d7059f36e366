// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A TPM that is open for work: the primary made again and held to its name, a salted session, the keys loaded. Good
// until the TPM forgets one of them (a reset, a resume); then it is thrown away whole and another is opened
// (reconnecting_device.h).
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "daemon/hardware/tpm/folder.h"

namespace hwvault::hardware::tpm {

// A connection with a primary of ours, and a session salted with it: what opening and setting up begin with.
struct Secured {
    std::unique_ptr<Context> context;
    Object primary;
    Session session;

    [[nodiscard]] UnderPrimary under_primary() { return {*context, primary, session}; }
};
Result<Secured> secure(const std::string& tcti);
// kNotInitialised for the TPM of setup, but cleared; kHardwareUnavailable for another one.
Result<void> require_pinned(Secured& secured, const Pinned& pinned);

// Thread-safe: a TPM works on one command at a time, and so does this.
class Connection final : public Device {
public:
    static Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin);

    Result<SecretBytes> derive(Label label, BytesView context) override;
    Result<Bytes> sign(BytesView message) override;
    Result<SecretBytes> random(std::size_t size) override;
    Result<std::uint64_t> epoch() override;
    Result<CounterReading> advance(std::uint64_t from) override;
    Result<Description> describe() override;
    [[nodiscard]] unsigned parallel() const override { return 1; }

private:
    Connection(Secured tpm, Folder folder);
    static Result<std::unique_ptr<Connection>> establish(const Config& config, const SecretBytes& pin);
    Result<void> load_keys(const Authorizations& authorizations);
    Result<Maker> ask_maker();
    Result<void> describe_tpm(const Pinned& pinned, const AuthorizationFile& authorization);
    // With the mutex held. Opened when it is first asked for, and again until it is there: an administrator may have made
    // another one.
    Result<Counter*> counter();
    Result<std::uint64_t> read_counter();

    std::mutex mutex_;
    Secured tpm_;
    Folder folder_;
    Object root_;
    Object signing_;
    SecretBytes counter_authorization_;
    std::optional<Counter> counter_;
    Description description_;
};

}  // namespace hwvault::hardware::tpm
