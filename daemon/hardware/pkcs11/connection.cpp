// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/connection.h"

namespace hwvault::hardware::pkcs11 {
namespace {

// Sessions beside the pool's: the login's, libp11's, and the one with write access while the epoch steps.
constexpr unsigned kReservedSessions = 3;

// An epoch object shows that the token keeps them. Without one the token is asked, since a missing object on a
// token that keeps them is an attack to report and not a token that cannot do it.
Result<bool> keeps_epoch(const Session& login) {
    HWVAULT_TRY(const bool there, has_epoch(login));
    if (there) return true;
    if ((login.token().p11_token().readOnly) != 0) return false;
    HWVAULT_TRY(const Session writable, Session::open(login.token(), Access::kWrite));
    return keeps_data_objects(writable);
}

}  // namespace

Result<Login> log_in_to(const Config& config, const SecretBytes& pin, Access access) {
    HWVAULT_TRY(auto token, Token::find(config));
    HWVAULT_TRY(Session session, Session::open(*token, access));
    HWVAULT_CHECK(log_in(session, pin));
    return Login{std::move(token), std::move(session)};
}

Connection::Connection(std::unique_ptr<Token> token, Session login, unsigned parallel)
    : token_(std::move(token)), login_(std::move(login)), parallel_(parallel), pool_(*token_, parallel) {}

Result<std::unique_ptr<Device>> Connection::open(const Config& config, const SecretBytes& pin) {
    auto opened = establish(config, pin);
    if (!opened) return cannot_be_opened(std::move(opened).error());
    return std::unique_ptr<Device>(std::move(*opened));
}

Result<std::unique_ptr<Connection>> Connection::establish(const Config& config, const SecretBytes& pin) {
    HWVAULT_TRY(Login login, log_in_to(config, pin, Access::kRead));
    HWVAULT_TRY(const CK_TOKEN_INFO info, login.token->info());
    std::unique_ptr<Connection> connection(
        new Connection(std::move(login.token), std::move(login.session), pool_capacity(info, kReservedSessions)));
    HWVAULT_TRY(connection->keys_, find_keys(connection->login_));
    HWVAULT_TRY(connection->libp11_, Libp11Slot::open(connection->login_));
    HWVAULT_TRY(connection->keeps_epoch_, keeps_epoch(connection->login_));
    return connection;
}

template <class Call>
auto Connection::with_session(Call call) {
    auto lease = pool_.acquire();
    using Answer = decltype(call(lease->session()));
    if (!lease) return Answer(std::move(lease).error());
    Answer answer = call(lease->session());
    if (!answer) lease->spoil();
    return answer;
}

Result<SecretBytes> Connection::derive(Label label, BytesView context) {
    const Bytes input = derivation_input(label, context);
    return with_session([&](const Session& session) { return hmac(session, keys_.root, input); });
}

Result<Bytes> Connection::sign(BytesView message) {
    return with_session([&](const Session& session) { return libp11_->sign(session, message); });
}

Result<SecretBytes> Connection::random(std::size_t size) {
    return with_session([&](const Session& session) { return libp11_->random(session, size); });
}

Result<Description> Connection::describe() {
    HWVAULT_TRY(const CK_TOKEN_INFO info, token_->info());
    Description description;
    description.kind = "pkcs11";
    description.vendor = text_of_field(info.manufacturerID);
    description.model = text_of_field(info.model);
    description.serial = text_of_field(info.serialNumber);
    description.label = text_of_field(info.label);
    description.module = token_->module_path().string();
    description.policy = "a PIN";
    description.keys = {keys_.root.description, keys_.signing.description};
    description.abilities = {"derive", "sign", "random"};
    if (keeps_epoch_) {
        description.abilities.emplace_back("epoch");
        description.rollback_protection = RollbackProtection::kPinWritable;
    }
    description.signing_key = libp11_->public_key();
    return description;
}

Result<void> Connection::epoch_is_kept() const {
    if (keeps_epoch_) return {};
    return Error{ErrorCode::kInvalidArgument, "Token " + token_->name() +
                                                  " keeps no data objects, so it has no epoch: this vault has no "
                                                  "protection against a store that is rolled back."};
}

EpochMac Connection::epoch_mac(const Session& session) const {
    return [this, &session](BytesView context) {
        return hmac(session, keys_.root, derivation_input(Label::kEpoch, context));
    };
}

Result<std::uint64_t> Connection::epoch() {
    HWVAULT_CHECK(epoch_is_kept());
    const std::lock_guard lock(epoch_mutex_);
    return with_session([this](const Session& session) -> Result<std::uint64_t> {
        HWVAULT_TRY(const Epoch epoch, read_epoch(session, epoch_mac(session)));
        return epoch.number;
    });
}

Result<CounterReading> Connection::advance(std::uint64_t from) {
    HWVAULT_CHECK(epoch_is_kept());
    const std::lock_guard lock(epoch_mutex_);
    HWVAULT_TRY(const Session session, Session::open(*token_, Access::kWrite));
    HWVAULT_TRY(const Epoch now, read_epoch(session, epoch_mac(session)));
    if (now.number != from) return CounterReading{.number = now.number, .counter = {}};
    HWVAULT_TRY(step_by_, step_epoch(session, now, epoch_mac(session), step_by_));
    return CounterReading{.number = from + 1, .counter = {}};
}

}  // namespace hwvault::hardware::pkcs11
