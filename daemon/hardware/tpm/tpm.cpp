// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/tpm.h"

#include <utility>

#include "daemon/hardware/reconnecting_device.h"
#include "daemon/hardware/tpm/connection.h"

namespace hwvault::hardware::tpm {
namespace {

// The policies that the authorization values are sealed to: none when nothing is asked for.
Result<std::vector<Policy>> policies_of(Secured& tpm, const Config& config, bool pin, const PcrValues& expected) {
    if (config.pcrs.empty() && !pin) return std::vector<Policy>{};
    HWVAULT_TRY(PcrValues now, read_pcrs(*tpm.context, tpm.session, config.pcrs));
    std::vector<Policy> policies{{now, pin}};
    if (!expected.empty()) {
        for (const auto& [pcr, value] : expected) now[pcr] = value;
        policies.push_back({std::move(now), pin});
    }
    return policies;
}

// An earlier setup that did not come to its end may have left a counter that nobody uses.
Result<void> clean_up(Secured& tpm, const Folder& unfinished) {
    if (!unfinished.exists()) return {};
    if (const auto pinned = unfinished.pinned()) {
        HWVAULT_CHECK(Counter::remove_leftover(*tpm.context, tpm.session, pinned->counter.index));
    }
    return unfinished.remove();
}

// Its index is announced before it is there, so that whoever goes on after a crash knows where to look.
Result<void> make_counter(Secured& tpm, const Authorizations& authorizations, const Folder& folder, Pinned pinned) {
    HWVAULT_TRY(const TPM2_HANDLE index, Counter::free_index(*tpm.context, tpm.session));
    pinned.counter = {index, {}};
    HWVAULT_CHECK(folder.write(pinned));
    HWVAULT_TRY(pinned.counter, Counter::define(*tpm.context, tpm.session, index, authorizations.counter));
    return folder.write(pinned);
}

Result<void> make_keys(Secured& tpm, const Config& config, const SecretBytes& pin, const Folder& folder) {
    const UnderPrimary in = tpm.under_primary();
    HWVAULT_TRY(const Authorizations authorizations, Authorizations::random());
    HWVAULT_TRY(const std::vector<Policy> policies, policies_of(tpm, config, !pin.empty(), {}));
    HWVAULT_TRY(const AuthorizationFile authorization, seal(in, authorizations, policies, pin));
    HWVAULT_TRY(const Blob root, make_root_key(in, authorizations.root));
    HWVAULT_TRY(const Blob signing, make_signing_key(in, authorizations.signing));
    Pinned pinned;
    HWVAULT_TRY(pinned.primary, tpm.primary.name());
    pinned.endorsement = endorsement_name(*tpm.context);
    HWVAULT_CHECK(folder.create());
    HWVAULT_CHECK(folder.write(authorization));
    HWVAULT_CHECK(folder.write("root", root));
    HWVAULT_CHECK(folder.write("signing", signing));
    return make_counter(tpm, authorizations, folder, pinned);
}

// Somebody deleted or replaced the counter; here an administrator asks for another. The old index stays as it is.
Result<void> replace_counter(const Config& config, const SecretBytes& pin) {
    const Folder folder(config.folder);
    HWVAULT_TRY(Pinned pinned, folder.pinned());
    HWVAULT_TRY(const AuthorizationFile authorization, folder.authorization());
    HWVAULT_TRY(Secured tpm, secure(config.tcti));
    HWVAULT_CHECK(require_pinned(tpm, pinned));
    HWVAULT_TRY(const Authorizations authorizations, unseal(tpm.under_primary(), authorization, pin));
    // One that was announced and never used: an earlier attempt did not come to its end.
    if (pinned.counter.name.empty()) {
        HWVAULT_CHECK(Counter::remove_leftover(*tpm.context, tpm.session, pinned.counter.index));
    }
    return make_counter(tpm, authorizations, folder, pinned);
}

Result<bool> has_counter(const Config& config, const SecretBytes& pin) {
    HWVAULT_TRY(const auto connection, Connection::open(config, pin));
    const auto epoch = connection->epoch();
    if (epoch) return true;
    if (epoch.error().code == ErrorCode::kRolledBack) return false;
    return epoch.error();
}

}  // namespace

Result<bool> needs_pin(const std::filesystem::path& folder) {
    HWVAULT_TRY(const AuthorizationFile authorization, Folder(folder).authorization());
    return authorization.needs_pin();
}

Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin) {
    return ReconnectingDevice::open([config](const SecretBytes& current) { return Connection::open(config, current); }, pin);
}

Result<Description> initialise(const Config& config, const SecretBytes& pin) {
    const Folder folder(config.folder);
    if (folder.exists()) {
        HWVAULT_TRY(const bool complete, has_counter(config, pin));
        if (!complete) HWVAULT_CHECK(replace_counter(config, pin));
        HWVAULT_TRY(const auto connection, Connection::open(config, pin));
        return try_out(*connection);
    }
    Config made = config;
    made.folder += ".new";
    const Folder unfinished(made.folder);
    {
        HWVAULT_TRY(Secured tpm, secure(config.tcti));
        HWVAULT_CHECK(clean_up(tpm, unfinished));
        HWVAULT_CHECK(make_keys(tpm, config, pin, unfinished));
    }
    HWVAULT_TRY(const auto connection, Connection::open(made, pin));
    HWVAULT_TRY(Description description, try_out(*connection));
    HWVAULT_CHECK(unfinished.move_to(folder));
    return description;
}

Result<Description> reseal(const Config& config, const SecretBytes& current_pin, const SecretBytes& pin,
                           const PcrValues& expected) {
    const Folder folder(config.folder);
    {
        HWVAULT_TRY(const Pinned pinned, folder.pinned());
        HWVAULT_TRY(const AuthorizationFile before, folder.authorization());
        HWVAULT_TRY(Secured tpm, secure(config.tcti));
        HWVAULT_CHECK(require_pinned(tpm, pinned));
        HWVAULT_TRY(const Authorizations authorizations, unseal(tpm.under_primary(), before, current_pin));
        HWVAULT_TRY(const std::vector<Policy> policies, policies_of(tpm, config, !pin.empty(), expected));
        HWVAULT_TRY(const AuthorizationFile after, seal(tpm.under_primary(), authorizations, policies, pin));
        // Opened before it takes the place of what opens now.
        HWVAULT_CHECK(unseal(tpm.under_primary(), after, pin));
        HWVAULT_CHECK(folder.write(after));
    }
    HWVAULT_TRY(const auto connection, Connection::open(config, pin));
    return connection->describe();
}

}  // namespace hwvault::hardware::tpm
