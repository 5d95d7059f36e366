// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/epoch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "foundation/fields.h"

namespace hwvault::hardware::pkcs11 {
namespace {

constexpr std::string_view kApplication = "hwvault";
constexpr std::string_view kProbeLabel = "hwvault-probe";

Template data_object(std::string_view label) {
    return Template()
        .number(CKA_CLASS, CKO_DATA)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .text(CKA_APPLICATION, kApplication)
        .text(CKA_LABEL, label);
}

Result<std::vector<CK_OBJECT_HANDLE>> epoch_objects(const Session& session) {
    return find_objects(session, Template().number(CKA_CLASS, CKO_DATA).text(CKA_LABEL, kEpochObjectLabel));
}

Bytes mac_context(const Session& session, std::uint64_t number) {
    return FieldWriter().text(session.token().serial()).number(number).take();
}

// The number in an object; nullopt when it is not one that hwvault wrote.
Result<std::optional<std::uint64_t>> authentic_number(const Session& session, BytesView value, const EpochMac& mac) {
    FieldReader reader(value);
    const auto number = reader.number();
    const auto shown = reader.bytes();
    if (!number || !shown || !reader.finished()) return std::optional<std::uint64_t>();
    HWVAULT_TRY(const SecretBytes right, mac(mac_context(session, *number)));
    if (!equal_in_constant_time(right.reveal(), *shown)) return std::optional<std::uint64_t>();
    return number;
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
    HWVAULT_CHECK(destroy_object(session, object));
    return true;
}

Result<bool> has_epoch(const Session& session) {
    HWVAULT_TRY(const auto objects, epoch_objects(session));
    return !objects.empty();
}

Result<Epoch> read_epoch(const Session& session, const EpochMac& mac) {
    HWVAULT_TRY(auto objects, epoch_objects(session));
    if (objects.empty()) return lost_epoch(session, "was removed");
    std::optional<std::uint64_t> highest;
    for (const CK_OBJECT_HANDLE object : objects) {
        HWVAULT_TRY(const Bytes value, read_bytes(session, object, {CKA_VALUE, "CKA_VALUE"}));
        HWVAULT_TRY(const auto number, authentic_number(session, value, mac));
        if (number) highest = std::max(*number, highest.value_or(0));
    }
    if (!highest) return lost_epoch(session, "was changed");
    return Epoch{*highest, std::move(objects)};
}

Result<void> write_epoch(const Session& session, std::uint64_t number, const EpochMac& mac,
                         const std::vector<CK_OBJECT_HANDLE>& others) {
    HWVAULT_TRY(const SecretBytes tag, mac(mac_context(session, number)));
    const Bytes value = FieldWriter().number(number).bytes(tag.reveal()).take();
    HWVAULT_CHECK(create_object(session, data_object(kEpochObjectLabel).bytes(CKA_VALUE, value)));
    for (const CK_OBJECT_HANDLE object : others) {
        if (const auto removed = destroy_object(session, object); !removed) break;
    }
    return {};
}

}  // namespace hwvault::hardware::pkcs11
