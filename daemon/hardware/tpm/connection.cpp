// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/connection.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/algorithm/hex.hpp>

namespace hwvault::hardware::tpm {
namespace {

constexpr std::size_t kSerialSize = 8;  // bytes of the primary's hash that a person is shown

// A TPM has no serial number that all of them show; the name of the primary is as good as one.
std::string serial_of(BytesView primary) {
    constexpr std::size_t kAlgorithmSize = 2;  // in front of the hash
    const BytesView hash = primary.subspan(std::min(primary.size(), kAlgorithmSize));
    std::string text;
    const BytesView shown = hash.first(std::min(hash.size(), kSerialSize));
    boost::algorithm::hex_lower(shown.begin(), shown.end(), std::back_inserter(text));
    return text;
}

}  // namespace

Result<Secured> secure(const std::string& tcti) {
    Secured secured;
    HWVAULT_TRY(secured.context, Context::connect(tcti));
    HWVAULT_TRY(secured.primary, make_primary(*secured.context));
    HWVAULT_TRY(secured.session, Session::start(*secured.context, secured.primary));
    return secured;
}

Result<void> require_pinned(Secured& secured, const Pinned& pinned) {
    HWVAULT_TRY(const Bytes name, secured.primary.name());
    if (name == pinned.primary) return {};
    const bool same_chip = !pinned.endorsement.empty() && endorsement_name(*secured.context) == pinned.endorsement;
    if (same_chip) {
        return Error{ErrorCode::kNotInitialised,
                     "The TPM at " + secured.context->tcti() +
                         " seems to have been cleared since the vault was set up, and its keys are gone with that. With a "
                         "recovery key, move the folder of the keys and the store away, and run `hwvault recover --from` "
                         "that store (by hand, `hwvault-hardware init` before it). If nobody cleared it, something may stand between here and the TPM."};
    }
    return hardware_unavailable("The TPM at " + secured.context->tcti() +
                                " is not the one that the vault was set up with, or something stands in between: its "
                                "primary key has another name. Nothing of the vault was sent to it. If the machine or its "
                                "TPM was replaced, move the folder of the keys and the store away, and run `hwvault recover "
                                "--from` that store (by hand, `hwvault-hardware init` before it).");
}

Connection::Connection(Secured tpm, Folder folder) : tpm_(std::move(tpm)), folder_(std::move(folder)) {}

Result<std::unique_ptr<Device>> Connection::open(const Config& config, const SecretBytes& pin) {
    auto opened = establish(config, pin);
    if (!opened) return cannot_be_opened(std::move(opened).error());
    return std::unique_ptr<Device>(std::move(*opened));
}

Result<std::unique_ptr<Connection>> Connection::establish(const Config& config, const SecretBytes& pin) {
    const Folder folder(config.folder);
    HWVAULT_TRY(const Pinned pinned, folder.pinned());
    HWVAULT_TRY(const AuthorizationFile authorization, folder.authorization());
    HWVAULT_TRY(Secured tpm, secure(config.tcti));
    HWVAULT_CHECK(require_pinned(tpm, pinned));
    std::unique_ptr<Connection> connection(new Connection(std::move(tpm), folder));
    HWVAULT_TRY(Authorizations authorizations, unseal(connection->tpm_.under_primary(), authorization, pin));
    HWVAULT_CHECK(connection->load_keys(authorizations));
    connection->counter_authorization_ = std::move(authorizations.counter);
    HWVAULT_CHECK(connection->describe_tpm(pinned, authorization));
    return connection;
}

Result<void> Connection::load_keys(const Authorizations& authorizations) {
    HWVAULT_TRY(const Blob root, folder_.key("root"));
    HWVAULT_TRY(const Blob signing, folder_.key("signing"));
    HWVAULT_TRY(KeyDescription root_key, describe_root_key(root));
    HWVAULT_TRY(KeyDescription signing_key, describe_signing_key(signing));
    description_.keys = {std::move(root_key), std::move(signing_key)};
    HWVAULT_TRY(description_.signing_key, public_key(signing));
    HWVAULT_TRY(root_, load(tpm_.under_primary(), root, folder_.file("root")));
    HWVAULT_TRY(signing_, load(tpm_.under_primary(), signing, folder_.file("signing")));
    HWVAULT_CHECK(root_.authorize(authorizations.root));
    return signing_.authorize(authorizations.signing);
}

Result<Maker> Connection::ask_maker() {
    HWVAULT_TRY(const ESYS_TR authentic, tpm_.session.hiding(Hidden::kAudited));
    return tpm_.context->maker(authentic);
}

Result<void> Connection::describe_tpm(const Pinned& pinned, const AuthorizationFile& authorization) {
    HWVAULT_TRY(const Maker maker, ask_maker());
    description_.kind = "tpm";
    description_.vendor = maker.manufacturer;
    description_.model = maker.model;
    description_.serial = serial_of(pinned.primary);
    description_.label = "TPM 2.0";
    description_.module = tpm_.context->tcti();
    description_.abilities = {"derive", "sign", "random", "epoch"};
    description_.rollback_protection = RollbackProtection::kCounter;
    description_.policy = authorization.sealed.empty() ? words({}) : words(authorization.sealed.front().policy);
    return {};
}

Result<SecretBytes> Connection::derive(Label label, BytesView context) {
    const Bytes input = derivation_input(label, context);
    const std::lock_guard lock(mutex_);
    return hmac(*tpm_.context, tpm_.session, root_, input);
}

Result<Bytes> Connection::sign(BytesView message) {
    const std::lock_guard lock(mutex_);
    return tpm::sign(*tpm_.context, tpm_.session, signing_, message);
}

Result<SecretBytes> Connection::random(std::size_t size) {
    const std::lock_guard lock(mutex_);
    return tpm::random(*tpm_.context, tpm_.session, size);
}

Result<Counter*> Connection::counter() {
    if (!counter_) {
        HWVAULT_TRY(const Pinned pinned, folder_.pinned());
        HWVAULT_TRY(counter_, Counter::open(*tpm_.context, tpm_.session, pinned.counter, counter_authorization_));
    }
    return &*counter_;
}

Result<std::uint64_t> Connection::read_counter() {
    HWVAULT_TRY(Counter* const opened, counter());
    auto number = opened->read();
    if (!number) counter_.reset();
    return number;
}

Result<std::uint64_t> Connection::epoch() {
    const std::lock_guard lock(mutex_);
    return read_counter();
}

Result<CounterReading> Connection::advance(std::uint64_t from) {
    const std::lock_guard lock(mutex_);
    HWVAULT_TRY(std::uint64_t stands_at, read_counter());
    if (stands_at == from) {
        HWVAULT_CHECK(counter_->increment());
        HWVAULT_TRY(stands_at, read_counter());
    }
    return CounterReading{.number = stands_at, .counter = counter_->name()};
}

Result<Description> Connection::describe() {
    const std::lock_guard lock(mutex_);
    HWVAULT_CHECK(ask_maker());  // each time, to see whether the TPM is there
    HWVAULT_TRY(const Pinned pinned, folder_.pinned());
    Description description = description_;
    description.counter = pinned.counter.name;
    return description;
}

}  // namespace hwvault::hardware::tpm
