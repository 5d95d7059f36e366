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

TEST_CASE("a list says who used what last, in a hundred columns") {
    Info info = some_info();
    info.account = "user:ada.lovelace";
    info.name = "registry-push";
    info.origin = "imported";
    info.generation = 12;
    info.revoked = true;
    info.expires_at = 1'700'000'000;
    info.last_used_at = 1'700'000'000;
    info.last_used_by = "unit:billing.service";
    const std::string text = listing({info, some_info()});
    CHECK(text == "ACCOUNT            NAME           ORIGIN    GENERATION    EXPIRES     LAST USE    BY\n"
                  "user:ada.lovelace  registry-push  imported  12 (revoked)  2023-11-14  2023-11-14  unit:billing.service\n"
                  "user:ada           api                      2             never       not seen\n");
}

TEST_CASE("what is known of a token says whose it is and who used it last") {
    Info info = some_info();
    CHECK(details(info).find("last used") == std::string::npos);
    info.uid = 0;
    info.last_used_at = 1'700'000'000;
    info.last_used_by = "uid:61200";
    CHECK(details(info).find("uid         0\n") != std::string::npos);
    CHECK(details(info).find("last used   2023-11-14 22:13 UTC by uid:61200\n") != std::string::npos);
    info.owners = {"group:dev", "user:ada"};
    CHECK(details(info).find("owners      group:dev, user:ada\n") != std::string::npos);
    const auto object = to_json(info);
    CHECK(object.at("uid").to_number<int>() == 0);
    CHECK(object.at("last_used_by").as_string() == "uid:61200");
    CHECK(object.at("owners").as_array().size() == 2);
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
