// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Names of systemd's sockets: what is taken is what was said, and can stand in a log, a rule and a line of the journal.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "daemon/doors/credential/limits.h"
#include "daemon/doors/credential/notices.h"
#include "daemon/doors/credential/peer_name.h"
#include "daemon/vault/names.h"
#include "foundation/bytes.h"

namespace {

void demand(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hwvault;
    using namespace hwvault::doors::credential;
    const std::string_view name = text_of({data, size});
    const auto place = parse_peer_name(name);
    if (!place) return 0;
    const std::string end = "/unit/" + place->unit + "/" + place->credential;
    demand(name.front() == '\0' && name.ends_with(end));
    const std::string_view number = name.substr(1, name.size() - 1 - end.size());
    demand(!number.empty() && number.size() <= 16 && number.find_first_not_of("0123456789abcdef") == std::string_view::npos);
    demand(is_credential_name(place->credential) && place->credential.size() <= kMaxCredentialNameSize);
    demand(vault::AccountName::parse("unit:" + place->unit).has_value());
    const Refusal refusal{*place, token_for({}, *place), {ErrorCode::kAccessDenied, "No."}};
    demand(vault::is_one_line(sentence_of(refusal)));
    const std::string notice = notice_of(refusal);
    demand(std::ranges::count(notice, '\n') == 9);
    return 0;
}
