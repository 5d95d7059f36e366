// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/credential/peer_name.h"

#include <string>

#include "tests/catch.h"

using namespace hwvault;
using namespace std::string_literals;
using doors::credential::is_credential_name;
using doors::credential::parse_peer_name;
using doors::credential::Place;

TEST_CASE("The name that systemd binds says unit and credential") {
    CHECK(parse_peer_name("\0d0d0c0ffee/unit/billing.service/api-token"s) == Place{"billing.service", "api-token"});
    CHECK(parse_peer_name("\0f/unit/ci@3.service/a b.c"s) == Place{"ci@3.service", "a b.c"});
    CHECK(parse_peer_name("\0ffffffffffffffff/unit/dev-\\x2d.service/k"s) == Place{"dev-\\x2d.service", "k"});
}

TEST_CASE("A name of any other form is none") {
    for (const std::string& name : {
             ""s, "\0"s, "1/unit/a.service/k"s,                       // no zero byte in front: a file
             "\0/unit/a.service/k"s, "\0g/unit/a.service/k"s,         // no number
             "\0F/unit/a.service/k"s, "\0 1/unit/a.service/k"s,       // not as systemd writes it
             "\0" "11112222333344445/unit/a.service/k"s,              // of more than 64 bits
             "\0" "1/user/a.service/k"s, "\0" "1/unita.service/k"s,   // not /unit/
             "\0" "1//unit/a.service/k"s, "\0" "1unit/a.service/k"s,
             "\0" "1/unit//k"s, "\0" "1/unit/a.service"s, "\0" "1/unit/a.service/"s,
             "\0" "1/unit/a.socket/k"s, "\0" "1/unit/a/k"s, "\0" "1/unit/a@.service/k"s,  // no unit of ours
             "\0" "1/unit/../k"s, "\0" "1/unit/a b.service/k"s, "\0" "1/unit/a*.service/k"s,
             "\0" "1/unit/a.service/k/l"s, "\0" "1/unit/a.service/k:l"s, "\0" "1/unit/a.service/.."s,
             "\0" "1/unit/a.service/k\nMESSAGE=l"s, "\0" "1/unit/a.service/k\0"s, "\0" "1/unit/a.service/\xc3\xa4"s,
         }) {
        CAPTURE(name);
        CHECK_FALSE(parse_peer_name(name));
    }
}

TEST_CASE("A credential's name is what systemd takes for one") {
    CHECK(is_credential_name("db-password"));
    CHECK(is_credential_name("a b~!"));
    CHECK(is_credential_name(std::string(255, 'a')));
    for (const std::string& name : {""s, "."s, ".."s, "a/b"s, "a:b"s, "a\tb"s, "a\x7f"s, std::string(256, 'a')}) {
        CAPTURE(name);
        CHECK_FALSE(is_credential_name(name));
    }
}
