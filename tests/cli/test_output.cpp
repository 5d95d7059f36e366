// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/output.h"

#include <boost/json/serialize.hpp>

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

Info some_info() {
    Info info;
    info.account = "user:ada";
    info.name = "api";
    info.id = "0123456789";
    info.generation = 2;
    return info;
}

}  // namespace

TEST_CASE("control characters and stray bytes are shown, not sent") {
    CHECK(printable("plain é €") == "plain é €");
    CHECK(printable("\x1b[31m") == "\\x1b[31m");
    CHECK(printable(std::string_view("a\0b\n", 4)) == "a\\x00b\\x0a");
    CHECK(printable("\x7f") == "\\x7f");
    CHECK(printable("\xc2\x9b"
                    "31m") == "\\xc2\\x9b31m");
    CHECK(printable("\xff"
                    "a") == "\\xffa");
    CHECK(printable("\xc2") == "\\xc2");
    CHECK(printable("") == "");
}

TEST_CASE("columns line up by characters, not bytes") {
    CHECK(table({{"A", "B"}, {"é", "x"}, {"ee", "y"}}) == "A   B\né   x\nee  y\n");
}

TEST_CASE("JSON leaves out what is not known") {
    Info info = some_info();
    CHECK(boost::json::serialize(to_json(info)) ==
          R"({"account":"user:ada","name":"api","id":"0123456789","generation":2,"scopes":[]})");
    info.rollback_protected = false;
    info.revoked = true;
    info.expires_at = 5;
    CHECK(boost::json::serialize(to_json(info)) ==
          R"({"account":"user:ada","name":"api","id":"0123456789","generation":2,"expires_at":5,"scopes":[],"revoked":true,"rollback_protected":false})");
}

TEST_CASE("a change that an old disk could undo says so") {
    Info info = some_info();
    CHECK(details(info).find("old disk") == std::string::npos);
    info.rollback_protected = false;
    CHECK(details(info).find("not yet") != std::string::npos);
    info.rollback_protected = true;
    CHECK(details(info).find("old disk  yes") != std::string::npos);
}

}  // namespace hwvault::cli
