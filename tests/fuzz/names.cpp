// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names: what is accepted is what was given, printable ASCII without anything that a path, a shell or a rule would
// read as more than a name.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/vault/names.h"
#include "foundation/bytes.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void require_harmless(std::string_view name) {
    require(std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; }));
    require(name.find_first_of("/*?[]{}~\"'`();|&<>%#!=, ") == std::string_view::npos);
    require(name != "." && name != "..");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    using namespace hwvault::vault;
    const std::string text(text_of({data, size}));
    if (const auto token = TokenName::parse(text)) {
        require(token->text() == (text.empty() ? "default" : text));
        require(token->text().size() <= kMaxTokenNameSize);
        require_harmless(token->text());
    }
    if (const auto account = AccountName::parse(text)) {
        require(account->text() == text);
        require(!account->local().empty());
        require(account->local().size() <= kMaxUnitNameSize);
        require_harmless(account->local());
    }
    if (const auto user = AccountName::of_user(text)) {
        require(user->kind() == AccountKind::kUser && user->local() == text);
    }
    if (const auto scopes = checked_scopes({text})) require(scopes->front() == text && text.size() <= kMaxScopeSize);
    if (const auto owners = checked_owners({text})) require_harmless(owners->front());
    if (const auto description = checked_description(text)) {
        require(*description == text && text.size() <= kMaxDescriptionSize);
        require(std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; }));
    }
    return 0;
}
