// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Objects in the token: templates that own their values, search, and typed reading of attributes.
#pragma once

#include <string_view>
#include <vector>

#include "daemon/hardware/pkcs11/session.h"
#include "foundation/bytes.h"

namespace hwvault::hardware::pkcs11 {

// Objects that one search may match: those of other applications on the same token are among the data objects.
constexpr std::size_t kMaxMatches = 1024;
constexpr std::size_t kMaxAttributeSize = 4096;  // bytes of an attribute that is read

// Copyable: the pointers into its values are made when they are asked for.
class Template {
public:
    Template& bytes(CK_ATTRIBUTE_TYPE type, BytesView value);
    Template& text(CK_ATTRIBUTE_TYPE type, std::string_view value) { return bytes(type, bytes_of(value)); }
    Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
    Template& flag(CK_ATTRIBUTE_TYPE type, bool value);

    [[nodiscard]] CK_ATTRIBUTE* data();
    [[nodiscard]] CK_ULONG size() const { return attributes_.size(); }

private:
    std::vector<Bytes> values_;
    std::vector<CK_ATTRIBUTE> attributes_;
};

// Every object that has these attributes; at most kMaxMatches, else kInternal. None means that there is none: when the
// session is not logged in any more, it is an error (CKR_USER_NOT_LOGGED_IN) and not an absence.
Result<std::vector<CK_OBJECT_HANDLE>> find_objects(const Session& session, Template wanted);

// An attribute of an object, named as it is in the specification for the error.
struct Attribute {
    CK_ATTRIBUTE_TYPE type;
    std::string_view name;
};
Result<Bytes> read_bytes(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute);
Result<bool> read_flag(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute);
Result<CK_ULONG> read_number(const Session& session, CK_OBJECT_HANDLE object, Attribute attribute);

// `session` has write access.
Result<CK_OBJECT_HANDLE> create_object(const Session& session, Template attributes);
Result<void> destroy_object(const Session& session, CK_OBJECT_HANDLE object);

}  // namespace hwvault::hardware::pkcs11
