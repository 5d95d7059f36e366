// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/pkcs11/objects.h"

#include <cstring>

namespace hwvault::hardware::pkcs11 {
namespace {

Error odd_attribute(const Session& session, Attribute attribute) {
    return {ErrorCode::kInternal, "C_GetAttributeValue: " + std::string(attribute.name) + " on token " +
                                      session.token().name() + " has a size that PKCS#11 does not allow."};
}

// A session whose login is gone finds no private object and reports no error.
Result<void> still_logged_in(const Session& session) {
    CK_SESSION_INFO info{};
    HWVAULT_CHECK(session.check("C_GetSessionInfo", session.functions().C_GetSessionInfo(session.handle(), &info)));
    const bool logged_in = info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS;
    return session.check("C_FindObjects", logged_in ? CKR_OK : CKR_USER_NOT_LOGGED_IN);
}

std::string reading(Attribute attribute) {
    return "C_GetAttributeValue(" + std::string(attribute.name) + ")";
}

}  // namespace

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, BytesView value) {
    values_.emplace_back(value.begin(), value.end());
    attributes_.push_back({type, nullptr, value.size()});
    return *this;
}

CK_ATTRIBUTE* Template::data() {
    for (std::size_t i = 0; i < attributes_.size(); ++i) attributes_[i].pValue = values_[i].data();
    return attributes_.data();
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    return bytes(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

Template& Template::flag(CK_ATTRIBUTE_TYPE type, bool value) {
    const CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
    return bytes(type, {&byte, 1});
}

Result<std::vector<CK_OBJECT_HANDLE>> find_objects(const Session& session, Template wanted) {
    CK_FUNCTION_LIST& functions = session.functions();
    HWVAULT_CHECK(session.check("C_FindObjectsInit",
                                functions.C_FindObjectsInit(session.handle(), wanted.data(), wanted.size())));
    std::vector<CK_OBJECT_HANDLE> found(kMaxMatches + 1);
    CK_ULONG total = 0;
    CK_RV rv = CKR_OK;
    // A module may give fewer at a time than it was asked for; none means the end.
    for (CK_ULONG given = 1; rv == CKR_OK && given > 0 && total < found.size(); total += given) {
        given = 0;
        rv = functions.C_FindObjects(session.handle(), &found[total], found.size() - total, &given);
    }
    const CK_RV final_rv = functions.C_FindObjectsFinal(session.handle());
    HWVAULT_CHECK(session.check("C_FindObjects", rv));
    HWVAULT_CHECK(session.check("C_FindObjectsFinal", final_rv));
    if (total > kMaxMatches) {
        return Error{ErrorCode::kInternal, "Token " + session.token().name() +
                                               " has more than " + std::to_string(kMaxMatches) +
                                               " objects of which one could be hwvault's: remove those that nobody "
                                               "needs, or give hwvault a token of its own."};
    }
    if (total == 0) HWVAULT_CHECK(still_logged_in(session));
    found.resize(total);
    return found;
}

Result<Bytes> read_bytes(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute) {
    Bytes value(kMaxAttributeSize);
    CK_ATTRIBUTE query{attribute.type, value.data(), value.size()};
    const CK_RV rv = session.functions().C_GetAttributeValue(session.handle(), object, &query, 1);
    if (rv == CKR_BUFFER_TOO_SMALL) return odd_attribute(session, attribute);
    HWVAULT_CHECK(session.check(reading(attribute), rv));
    if (query.ulValueLen > value.size()) return odd_attribute(session, attribute);  // also (CK_ULONG)-1
    value.resize(query.ulValueLen);
    return value;
}

Result<bool> read_flag(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute) {
    HWVAULT_TRY(const Bytes value, read_bytes(session, object, attribute));
    if (value.size() != sizeof(CK_BBOOL)) return odd_attribute(session, attribute);
    return value.front() != CK_FALSE;
}

Result<CK_ULONG> read_number(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute) {
    HWVAULT_TRY(const Bytes value, read_bytes(session, object, attribute));
    CK_ULONG number = 0;
    if (value.size() != sizeof number) return odd_attribute(session, attribute);
    std::memcpy(&number, value.data(), sizeof number);
    return number;
}

Result<CK_OBJECT_HANDLE> create_object(const Session& session, Template attributes) {
    CK_OBJECT_HANDLE object = 0;
    HWVAULT_CHECK(session.check(
        "C_CreateObject",
        session.functions().C_CreateObject(session.handle(), attributes.data(), attributes.size(), &object)));
    return object;
}

Result<void> destroy_object(const Session& session, CK_OBJECT_HANDLE object) {
    return session.check("C_DestroyObject", session.functions().C_DestroyObject(session.handle(), object));
}

}  // namespace hwvault::hardware::pkcs11
