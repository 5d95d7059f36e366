// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/epoch.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "foundation/fields.h"
#include "foundation/hex.h"

namespace hwvault::hardware::pkcs11 {
namespace {

constexpr std::string_view kApplication = "hwvault";
constexpr std::string_view kProbeLabel = "hwvault-probe";
constexpr Attribute kLabelAttribute{CKA_LABEL, "CKA_LABEL"};
constexpr Attribute kValueAttribute{CKA_VALUE, "CKA_VALUE"};
constexpr Attribute kPrivateAttribute{CKA_PRIVATE, "CKA_PRIVATE"};

// The data objects that nobody can make, change or remove without the PIN.
Template private_data() {
    return Template().number(CKA_CLASS, CKO_DATA).flag(CKA_PRIVATE, true);
}

Template data_object(std::string_view label) {
    return private_data().flag(CKA_TOKEN, true).text(CKA_APPLICATION, kApplication).text(CKA_LABEL, label);
}

// Of whatever content. Found by the beginning of the label alone: not every token keeps an application.
struct EpochObject {
    CK_OBJECT_HANDLE handle{0};
    std::string label;
};

Result<std::vector<EpochObject>> epoch_objects(const Session& session) {
    HWVAULT_TRY(const auto found, find_objects(session, private_data()));
    std::vector<EpochObject> objects;
    for (const CK_OBJECT_HANDLE handle : found) {
        HWVAULT_TRY(const Bytes label, read_bytes(session, handle, kLabelAttribute));
        if (text_of(label).starts_with(kEpochObjectLabel)) objects.push_back({handle, std::string(text_of(label))});
    }
    return objects;
}

Bytes mac_context(const Session& session, std::uint64_t number) {
    return FieldWriter().text(session.token().serial()).number(number).take();
}

Bytes value_of(std::uint64_t number, BytesView tag) {
    return FieldWriter().number(number).bytes(tag).take();
}

std::string label_of(std::uint64_t number, BytesView tag) {
    return std::string(kEpochObjectLabel) + " " + std::to_string(number) + " " + hex_of(tag);
}

// The number that a label of this form begins with.
std::optional<std::uint64_t> number_in(std::string_view label) {
    label.remove_prefix(kEpochObjectLabel.size());
    if (!label.starts_with(' ')) return std::nullopt;
    label.remove_prefix(1);
    std::uint64_t number = 0;
    const char* const end = label.data() + label.size();
    const auto parsed = std::from_chars(label.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != ' ') return std::nullopt;
    return number;
}

// What an object says, true or not: in its label, or, when it has had no turn yet, in its value.
struct Claim {
    CK_OBJECT_HANDLE object{0};
    std::optional<std::uint64_t> number;  // none: it says nothing
    bool in_label{false};
    Bytes text;  // the whole of it
};

Result<Claim> claim_of(const Session& session, const EpochObject& object) {
    if (const auto number = number_in(object.label)) {
        const BytesView label = bytes_of(object.label);
        return Claim{object.handle, number, true, Bytes(label.begin(), label.end())};
    }
    HWVAULT_TRY(Bytes value, read_bytes(session, object.handle, kValueAttribute));
    const auto number = FieldReader(value).number();
    return Claim{object.handle, number, false, std::move(value)};
}

// Whether hwvault wrote that.
Result<bool> is_authentic(const Session& session, const Claim& claim, const EpochMac& mac) {
    if (!claim.number) return false;
    HWVAULT_TRY(const SecretBytes tag, mac(mac_context(session, *claim.number)));
    if (!claim.in_label) return equal_in_constant_time(claim.text, value_of(*claim.number, tag.reveal()));
    return equal_in_constant_time(claim.text, bytes_of(label_of(*claim.number, tag.reveal())));
}

// Whether the token took the label and has all of it.
Result<bool> relabel(const Session& session, CK_OBJECT_HANDLE object, std::string_view label) {
    Template change = Template().text(CKA_LABEL, label);
    const CK_RV rv =
        session.functions().C_SetAttributeValue(session.handle(), object, change.data(), change.size());
    if (rv != CKR_OK) return false;
    HWVAULT_TRY(const Bytes kept, read_bytes(session, object, kLabelAttribute));
    return text_of(kept) == label;
}

// Looked at before the others go: it is all that is left then.
Result<void> make_object(const Session& session, std::uint64_t number, BytesView tag) {
    const Bytes value = value_of(number, tag);
    HWVAULT_TRY(const auto object, create_object(session, data_object(kEpochObjectLabel).bytes(CKA_VALUE, value)));
    HWVAULT_TRY(const Bytes kept, read_bytes(session, object, kValueAttribute));
    HWVAULT_TRY(const bool is_private, read_flag(session, object, kPrivateAttribute));
    if (is_private && kept == value) return {};
    static_cast<void>(destroy_object(session, object));  // if it is there
    return Error{ErrorCode::kHardwareUnavailable, "Token " + session.token().name() +
                                                      " said that it has made an epoch object, and holds another one. Ask its "
                                                      "maker; until then a revocation there is not protected against an old disk."};
}

void remove_all(const Session& session, std::span<const CK_OBJECT_HANDLE> objects) {
    for (const CK_OBJECT_HANDLE object : objects) {
        if (const auto removed = destroy_object(session, object); !removed) break;
    }
}

Error lost_epoch(const Session& session, std::string_view what) {
    return {ErrorCode::kRolledBack,
            "The epoch object " + std::string(kEpochObjectLabel) + " on token " + session.token().name() + " " +
                std::string(what) +
                " by somebody who has its PIN, so an old store could not be told from a new one. If that was you, "
                "remove what is left of it with the token's own tool, run `hwvault init`, and then `hwvault recover "
                "--accept-rollback`."};
}

}  // namespace

Result<bool> keeps_data_objects(const Session& session) {
    Template attributes = data_object(kProbeLabel);
    attributes.text(CKA_VALUE, kProbeLabel);
    CK_OBJECT_HANDLE object = 0;
    const CK_RV rv =
        session.functions().C_CreateObject(session.handle(), attributes.data(), attributes.size(), &object);
    switch (rv) {
        case CKR_OK: break;
        case CKR_FUNCTION_NOT_SUPPORTED:
        case CKR_ATTRIBUTE_TYPE_INVALID:
        case CKR_ATTRIBUTE_VALUE_INVALID:
        case CKR_TEMPLATE_INCONSISTENT: return false;
        default: HWVAULT_CHECK(session.check("C_CreateObject", rv));
    }
    const auto found = find_objects(session, private_data().text(CKA_LABEL, kProbeLabel));
    HWVAULT_CHECK(destroy_object(session, object));
    if (!found) return found.error();
    return std::ranges::find(*found, object) != found->end();
}

Result<bool> has_epoch(const Session& session) {
    HWVAULT_TRY(const auto objects, epoch_objects(session));
    return !objects.empty();
}

Result<Epoch> read_epoch(const Session& session, const EpochMac& mac) {
    HWVAULT_TRY(const auto objects, epoch_objects(session));
    if (objects.empty()) return lost_epoch(session, "was removed");
    std::vector<Claim> claims;
    for (const EpochObject& object : objects) {
        HWVAULT_TRY(Claim claim, claim_of(session, object));
        claims.push_back(std::move(claim));
    }
    std::ranges::sort(claims, std::greater(), &Claim::number);
    for (std::size_t i = 0; i < claims.size(); ++i) {
        HWVAULT_TRY(const bool counts, is_authentic(session, claims[i], mac));
        if (!counts) continue;
        std::swap(claims[i], claims.front());
        Epoch epoch{.number = *claims.front().number, .objects = {}};
        for (const Claim& claim : claims) epoch.objects.push_back(claim.object);
        return epoch;
    }
    return lost_epoch(session, "was changed");
}

Result<void> make_epoch(const Session& session, std::uint64_t number, const EpochMac& mac) {
    HWVAULT_TRY(const SecretBytes tag, mac(mac_context(session, number)));
    return make_object(session, number, tag.reveal());
}

Result<StepBy> step_epoch(const Session& session, const Epoch& now, const EpochMac& mac, StepBy way) {
    const std::uint64_t number = now.number + 1;
    HWVAULT_TRY(const SecretBytes tag, mac(mac_context(session, number)));
    const std::span objects(now.objects);
    const std::span others = objects.subspan(1);
    if (way == StepBy::kLabel) {
        if (others.empty()) {
            HWVAULT_CHECK(make_object(session, number, tag.reveal()));
            return StepBy::kLabel;  // the one that counted has its turn next
        }
        HWVAULT_TRY(const bool written, relabel(session, others.front(), label_of(number, tag.reveal())));
        if (written) {
            remove_all(session, others.subspan(1));
            return StepBy::kLabel;
        }
    }
    HWVAULT_CHECK(make_object(session, number, tag.reveal()));
    remove_all(session, objects);
    return StepBy::kNewObject;
}

}  // namespace hwvault::hardware::pkcs11
