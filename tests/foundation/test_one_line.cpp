// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/one_line.h"

#include "tests/catch.h"

namespace hwvault {
namespace {

TEST_CASE("A line has no end and no control character within it") {
    using namespace std::string_literals;
    CHECK(one_line("A\nSTOPPING=1\r\x1b[31m\x7f\0end"s) == "A STOPPING=1  [31m  end");
    CHECK(one_line("Größe 7") == "Größe 7");
    CHECK(one_line("\xc2\x9b" "31m \xc2\xa0\xc2"s) == "  31m \xc2\xa0\xc2");
    CHECK(one_line("").empty());
}

}  // namespace
}  // namespace hwvault
