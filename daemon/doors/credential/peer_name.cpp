// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/peer_name.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/doors/credential/limits.h"
#include "daemon/vault/names.h"

namespace hwvault::doors::credential {
namespace {

constexpr std::size_t kMaxHexSize = 16;
constexpr std::string_view kUnit = "/unit/";

bool is_hex(std::string_view text) {
    return !text.empty() && text.size() <= kMaxHexSize &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool is_credential_name(std::string_view text) {
    if (text.empty() || text.size() > kMaxCredentialNameSize || text == "." || text == "..") return false;
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != ':' && c != '/'; });
}

std::optional<Place> parse_peer_name(std::string_view name) {
    if (name.empty() || name.front() != '\0') return std::nullopt;
    name.remove_prefix(1);
    const std::size_t unit_at = name.find('/');
    if (unit_at == std::string_view::npos || !is_hex(name.substr(0, unit_at))) return std::nullopt;
    name.remove_prefix(unit_at);
    if (!name.starts_with(kUnit)) return std::nullopt;
    name.remove_prefix(kUnit.size());
    const std::size_t credential_at = name.find('/');
    if (credential_at == std::string_view::npos) return std::nullopt;
    Place place{std::string(name.substr(0, credential_at)), std::string(name.substr(credential_at + 1))};
    if (!is_credential_name(place.credential) || !vault::AccountName::parse("unit:" + place.unit)) return std::nullopt;
    return place;
}

Result<Place> claim_of(int socket) {
    // One byte more than an address of the kernel's can have, so that none is cut off unseen.
    std::array<char, sizeof(sockaddr_un) + 1> bytes{};
    auto size = static_cast<socklen_t>(bytes.size());
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(bytes.data()), &size) != 0) {
        return errno_error("getpeername", errno);
    }
    constexpr std::size_t kPath = offsetof(sockaddr_un, sun_path);
    const std::size_t end = std::min<std::size_t>(size, bytes.size());
    auto place = end > kPath ? parse_peer_name({bytes.data() + kPath, end - kPath}) : std::nullopt;
    if (place) return std::move(*place);
    return invalid_argument("A process that is not systemd asked for a credential: its socket has no name of the form"
                            " HEX/unit/NAME.service/CREDENTIAL.");
}

}  // namespace hwvault::doors::credential
