// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/authorizations.h"

#include <array>
#include <utility>

#include "crypto/random.h"
#include "daemon/hardware/protocol.h"
#include "foundation/fields.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr std::string_view kAuthorizationMark = "hwvault/tpm-authorization/1";
constexpr std::size_t kMaxPolicies = 8;
constexpr std::size_t kMaxPcrs = kMaxPcr + 1;
constexpr int kTriesToUnseal = 3;  // another program may extend a PCR in between

// A TPM drops zero bytes at the end of an authorization value (Part 1, 19.6.5): then this is none that it would drop.
void end_without_zero(SecretBytes& value) {
    value.reveal_to_fill().back() |= 1;
}

// The TPM counts wrong tries, so nothing slower is needed; the length is what a SHA-256 object takes.
SecretBytes authorization_of(const SecretBytes& pin) {
    if (pin.empty()) return {};
    SecretBytes value = crypto::hkdf_sha256(pin, "hwvault/tpm-pin/1");
    end_without_zero(value);
    return value;
}

Error no_login(const std::string& why) {
    return {ErrorCode::kHardwareLocked, std::string(kNoLoginTried) + ": " + why};
}

// Which of the PCRs are not as they were when the values were sealed.
Error moved_pcrs(const UnderPrimary& in, const Policy& policy) {
    std::vector<unsigned> numbers;
    for (const auto& [pcr, value] : policy.pcrs) numbers.push_back(pcr);
    const auto now = read_pcrs(in.context, in.session, numbers);
    if (!now) return now.error();
    std::string moved;
    for (const unsigned pcr : numbers) {
        if (now->at(pcr) != policy.pcrs.at(pcr)) moved += (moved.empty() ? "PCR " : ", ") + std::to_string(pcr);
    }
    if (moved.empty()) {
        return hardware_unavailable("TPM2_RC_POLICY_FAIL from the TPM at " + in.context.tcti() +
                                    ", though no PCR moved: the file `authorization` was edited, or something stands "
                                    "between here and the TPM.");
    }
    return no_login("TPM2_RC_POLICY_FAIL. The keys are bound to PCR values, and " + moved +
                    " moved, as after an update of firmware, boot loader or kernel. Start what was there before, and run "
                    "`hwvault reseal` before the next update; or recover the vault with its recovery key.");
}

Result<std::uint32_t> failed_tries(const UnderPrimary& in) {
    HWVAULT_TRY(const ESYS_TR authentic, in.session.hiding(Hidden::kAudited));
    return in.context.failed_tries(authentic);
}

// An answer with an error proves nothing; that the TPM has counted it does.
Error rejected(const UnderPrimary& in, std::uint32_t tries_before, const Error& answer) {
    const auto tries = failed_tries(in);
    if (tries && *tries > tries_before) return {ErrorCode::kHardwareLocked, answer.message};
    return {ErrorCode::kHardwareLocked, std::string(kRejectionUnknown) +
                                            ", since the TPM has counted no wrong try: something stands between here and it. " +
                                            answer.message};
}

// nullopt: its policy does not hold now.
Result<std::optional<SecretBytes>> try_one(const UnderPrimary& in, const SealedAuthorizations& sealed,
                                           const SecretBytes& pin) {
    HWVAULT_TRY(Object object, load(in, sealed.blob, "authorization"));
    HWVAULT_CHECK(object.authorize(authorization_of(pin)));
    HWVAULT_TRY(const std::uint32_t tries_before, failed_tries(in));
    for (int i = 0; i < kTriesToUnseal; ++i) {
        HWVAULT_TRY(Session session, Session::start(in.context, in.primary, Session::Kind::kPolicy));
        HWVAULT_CHECK(follow(in.context, session, sealed.policy));
        HWVAULT_TRY(const ESYS_TR handle, session.hiding(Hidden::kAnswer));
        Out<TPM2B_SENSITIVE_DATA> content;
        TSS2_RC last = TSS2_RC_SUCCESS;
        const auto unsealed = in.context.call("Esys_Unseal", [&](ESYS_CONTEXT* esys) {
            return last = Esys_Unseal(esys, object.handle(), handle, ESYS_TR_NONE, ESYS_TR_NONE, content.fill());
        });
        if (unsealed) return std::optional(SecretBytes::copy_of(view(*content)));
        if (bare(last) == TPM2_RC_POLICY_FAIL) return std::optional<SecretBytes>();
        // In a lockout the TPM looks at no PIN, and it passes: that is no reason to refuse this one for good.
        if (bare(last) == TPM2_RC_AUTH_FAIL) return rejected(in, tries_before, unsealed.error());
        if (bare(last) != TPM2_RC_PCR_CHANGED) return unsealed.error();
    }
    return Error{ErrorCode::kBusy, "TPM2_RC_PCR_CHANGED: something extends the PCRs that the keys are bound to, again and "
                                   "again. Try again when the machine has started."};
}

void write_policy(FieldWriter<LockedBytes>& writer, const Policy& policy) {
    writer.number(policy.pin ? 1 : 0).number(policy.pcrs.size());
    for (const auto& [pcr, value] : policy.pcrs) writer.number(pcr).bytes(value);
}

std::optional<Policy> read_policy(FieldReader& reader) {
    const auto pin = reader.number();
    const auto count = reader.number();
    if (!pin || *pin > 1 || !count || *count > kMaxPcrs) return std::nullopt;
    Policy policy{.pcrs = {}, .pin = *pin == 1};
    for (std::uint64_t i = 0; i < *count; ++i) {
        const auto pcr = reader.number();
        const auto value = reader.array<crypto::kDigestSize>();
        const bool ascends = policy.pcrs.empty() || (pcr && *pcr > policy.pcrs.rbegin()->first);
        if (!pcr || *pcr > kMaxPcr || !ascends || !value) return std::nullopt;
        policy.pcrs[static_cast<unsigned>(*pcr)] = *value;
    }
    return policy;
}

Bytes copy(BytesView bytes) {
    return {bytes.begin(), bytes.end()};
}

std::optional<SealedAuthorizations> read_sealed(FieldReader& reader) {
    auto policy = read_policy(reader);
    const auto public_area = reader.bytes();
    const auto private_area = reader.bytes();
    if (!policy || !public_area || !private_area) return std::nullopt;
    return SealedAuthorizations{*std::move(policy), {copy(*public_area), copy(*private_area)}};
}

}  // namespace

Result<Authorizations> Authorizations::random() {
    Authorizations made{SecretBytes(kAuthorizationSize), SecretBytes(kAuthorizationSize), SecretBytes(kAuthorizationSize)};
    for (SecretBytes* const value : {&made.root, &made.signing, &made.counter}) {
        HWVAULT_CHECK(crypto::fill_random(value->reveal_to_fill()));
        end_without_zero(*value);
    }
    return made;
}

SecretBytes Authorizations::joined() const {
    SecretBytes all(3 * kAuthorizationSize);
    auto place = all.reveal_to_fill().begin();
    for (const SecretBytes* const value : {&root, &signing, &counter}) {
        place = std::copy(value->reveal().begin(), value->reveal().end(), place);
    }
    return all;
}

std::optional<Authorizations> Authorizations::split(const SecretBytes& joined) {
    if (joined.size() != 3 * kAuthorizationSize) return std::nullopt;
    const auto part = [&](std::size_t number) {
        return SecretBytes::copy_of(joined.reveal().subspan(number * kAuthorizationSize, kAuthorizationSize));
    };
    return Authorizations{part(0), part(1), part(2)};
}

SecretBytes encode(const AuthorizationFile& file) {
    FieldWriter<LockedBytes> writer{LockedBytes(&locked_memory())};
    writer.text(kAuthorizationMark).bytes(file.plain.reveal()).number(file.sealed.size());
    for (const SealedAuthorizations& one : file.sealed) {
        write_policy(writer, one.policy);
        writer.bytes(one.blob.public_area).bytes(one.blob.private_area);
    }
    return SecretBytes::copy_of(writer.view());
}

std::optional<AuthorizationFile> decode_authorizations(const SecretBytes& bytes) {
    FieldReader reader(bytes.reveal());
    const auto mark = reader.text();
    const auto plain = reader.bytes();
    const auto count = reader.number();
    if (mark != kAuthorizationMark || !plain || !count || *count > kMaxPolicies || plain->empty() == (*count == 0)) return std::nullopt;
    AuthorizationFile file{SecretBytes::copy_of(*plain), {}};
    for (std::uint64_t i = 0; i < *count; ++i) {
        auto sealed = read_sealed(reader);
        if (!sealed) return std::nullopt;
        file.sealed.push_back(*std::move(sealed));
    }
    if (!reader.finished()) return std::nullopt;
    return file;
}

Result<AuthorizationFile> seal(const UnderPrimary& in, const Authorizations& authorizations,
                               const std::vector<Policy>& policies, const SecretBytes& pin) {
    if (policies.empty()) return AuthorizationFile{authorizations.joined(), {}};
    AuthorizationFile file;
    for (const Policy& policy : policies) {
        HWVAULT_TRY(Blob blob, make_sealed(in, authorizations.joined(), authorization_of(pin), digest_of(policy)));
        file.sealed.push_back({policy, std::move(blob)});
    }
    return file;
}

Result<Authorizations> unseal(const UnderPrimary& in, const AuthorizationFile& file, const SecretBytes& pin) {
    std::optional<SecretBytes> joined;
    if (file.sealed.empty()) joined = SecretBytes::copy_of(file.plain.reveal());
    if (file.needs_pin() && pin.empty()) {
        return no_login("the keys need a PIN, and none is given. Put it where `[hardware] pin_credential` says, or name "
                        "its file by --pin-file.");
    }
    for (const SealedAuthorizations& sealed : file.sealed) {
        HWVAULT_TRY(joined, try_one(in, sealed, pin));
        if (joined) break;
    }
    if (!joined) return moved_pcrs(in, file.sealed.front().policy);
    auto authorizations = Authorizations::split(*joined);
    if (!authorizations) return hardware_unavailable("The file `authorization` does not hold three values: put it back from a backup.");
    return *std::move(authorizations);
}

}  // namespace hwvault::hardware::tpm
