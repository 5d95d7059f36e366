// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A rejected PIN is tried once and never again; and where PINs come from.
#include "daemon/hardware/child/pin_gate.h"

#include <sys/stat.h>

#include "daemon/hardware/child/pin.h"
#include "os/file.h"
#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware::child {
namespace {

SecretBytes secret(std::string_view text) {
    return SecretBytes::copy_of(bytes_of(text));
}

// A token with one right PIN, and a gate in front of it.
class GatedToken {
public:
    explicit GatedToken(const std::filesystem::path& state, std::string serial = "1234")
        : gate_(
              state, std::move(serial), [this]() -> Result<SecretBytes> { return secret(credential); },
              [](const Error& error) { return error.message == "proves nothing"; }) {}

    Result<int> open() {
        return gate_.with_pin([this](const SecretBytes& pin) -> Result<int> {
            ++tries;
            if (during) during();
            if (failure) return *failure;
            if (text_of(pin.reveal()) == "right") return 1;
            return Error{ErrorCode::kHardwareLocked, "CKR_PIN_INCORRECT"};
        });
    }
    void withdraw() { gate_.withdraw({ErrorCode::kHardwareLocked, "CKR_PIN_INCORRECT"}); }

    std::string credential{"wrong"};
    std::optional<Error> failure;
    std::function<void()> during;
    int tries{0};

private:
    PinGate gate_;
};

ErrorCode code_of(const Result<int>& result) {
    REQUIRE_FALSE(result.has_value());
    return result.error().code;
}

TEST_CASE("a rejected PIN is tried once, by this process and by later ones") {
    const TempFolder folder;
    for (int process = 0; process < 3; ++process) {
        GatedToken token(folder.path());
        CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
        CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
        CHECK(token.tries == (process == 0 ? 1 : 0));
    }
}

TEST_CASE("another PIN is tried, and a success removes the record") {
    const TempFolder folder;
    GatedToken token(folder.path());
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    CHECK(std::filesystem::exists(folder.path() / "rejected-pin"));
    token.credential = "right";
    CHECK(token.open().has_value());
    CHECK(token.tries == 2);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "rejected-pin"));
}

TEST_CASE("the record holds no PIN and is nobody else's to read") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.credential = "a-pin-that-is-easy-to-find";
    CHECK_FALSE(token.open().has_value());
    struct stat status {};
    REQUIRE(::stat((folder.path() / "rejected-pin").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const auto record = os::read_file(folder.path() / "rejected-pin", 4'096);
    REQUIRE(record.has_value());
    CHECK(text_of(*record).find("easy-to-find") == std::string_view::npos);
}

TEST_CASE("of a PIN that was not rejected nothing reaches the disk") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.credential = "right";
    CHECK(token.open().has_value());
    const auto reserve = os::read_file(folder.path() / "rejected-pin.reserve", 4'096);
    REQUIRE(reserve.has_value());
    CHECK_FALSE(reserve->empty());
    CHECK(*reserve == Bytes(reserve->size()));
}

TEST_CASE("a PIN that another token rejected is tried on this one") {
    const TempFolder folder;
    GatedToken first(folder.path(), "1234");
    CHECK_FALSE(first.open().has_value());
    GatedToken second(folder.path(), "5678");
    CHECK_FALSE(second.open().has_value());
    CHECK(second.tries == 1);
}

TEST_CASE("a device that is away is tried again, since it rejected nothing") {
    const TempFolder folder;
    GatedToken token(folder.path());
    const auto code = GENERATE(ErrorCode::kHardwareUnavailable, ErrorCode::kNotInitialised, ErrorCode::kBusy);
    token.failure = Error{code, "not now"};
    CHECK(code_of(token.open()) == code);
    CHECK(code_of(token.open()) == code);
    CHECK(token.tries == 2);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "rejected-pin"));
}

TEST_CASE("a PIN that the token may not have rejected is not on record, nor tried again by this process") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.failure = Error{ErrorCode::kHardwareLocked, "proves nothing"};
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    CHECK(token.tries == 1);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "rejected-pin"));
}

TEST_CASE("a failure that nobody knows is not tried a second time") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.failure = Error{ErrorCode::kInternal, "CKR 0x80000001"};
    CHECK(code_of(token.open()) == ErrorCode::kInternal);
    CHECK(code_of(token.open()) == ErrorCode::kInternal);
    CHECK(token.tries == 1);
}

TEST_CASE("while the record is damaged no PIN is tried") {
    const TempFolder folder;
    REQUIRE(os::write_file_durably(folder.path() / "rejected-pin", Bytes{1, 2}, 0600).has_value());
    GatedToken token(folder.path());
    token.credential = "right";
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    CHECK(token.tries == 0);
}

TEST_CASE("where no record could be kept no PIN is tried") {
    const TempFolder folder;
    GatedToken token(folder.path() / "missing");
    CHECK_FALSE(token.open().has_value());
    CHECK(token.tries == 0);
}

TEST_CASE("a rejection that cannot be put on record is said, and still not repeated") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.during = [&] { std::filesystem::remove(folder.path() / "rejected-pin.reserve"); };
    const auto opened = token.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().message.find("could not be put on record") != std::string::npos);
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    CHECK(token.tries == 1);
}

TEST_CASE("a PIN that goes bad while it is in use is put on record") {
    const TempFolder folder;
    GatedToken token(folder.path());
    token.credential = "right";
    REQUIRE(token.open().has_value());
    token.withdraw();
    CHECK(code_of(token.open()) == ErrorCode::kHardwareLocked);
    GatedToken restarted(folder.path());
    restarted.credential = "right";
    CHECK(code_of(restarted.open()) == ErrorCode::kHardwareLocked);
    CHECK(restarted.tries == 0);
}

TEST_CASE("a PIN file is refused when others can read it, and when what it holds is no PIN") {
    const TempFolder folder;
    const auto file = folder.path() / "pin";
    const auto write = [&](std::string_view text, unsigned mode) {
        REQUIRE(os::write_file_durably(file, bytes_of(text), mode).has_value());
        return read_pin_file(file);
    };
    const auto exposed = write("1234\n", 0640);
    REQUIRE_FALSE(exposed.has_value());
    CHECK(exposed.error().message.find("chmod 0600") != std::string::npos);
    CHECK_FALSE(write("\n", 0600).has_value());
    CHECK_FALSE(write(std::string_view("12\0" "34", 5), 0600).has_value());
    CHECK_FALSE(write(std::string(kMaxPinSize + 1, '1'), 0600).has_value());
    const auto good = write("1234\r\n", 0600);
    REQUIRE(good.has_value());
    CHECK(text_of(good->reveal()) == "1234");
}

TEST_CASE("a PIN credential is read whatever its mode, and only where systemd puts it") {
    const TempFolder folder;
    REQUIRE(os::write_file_durably(folder.path() / "pin", bytes_of("1234"), 0440).has_value());
    ::unsetenv("CREDENTIALS_DIRECTORY");
    CHECK_FALSE(read_pin_credential("pin").has_value());
    ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
    const auto pin = read_pin_credential("pin");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    REQUIRE(pin.has_value());
    CHECK(text_of(pin->reveal()) == "1234");
}

TEST_CASE("a PIN file is made once, and left as it is afterwards") {
    const TempFolder folder;
    const auto file = folder.path() / "pin";
    REQUIRE(make_pin_file(file).has_value());
    const auto first = read_pin_file(file);
    REQUIRE(first.has_value());
    CHECK(first->size() >= 12);
    REQUIRE(make_pin_file(file).has_value());
    CHECK(equal_in_constant_time(read_pin_file(file)->reveal(), first->reveal()));
    REQUIRE(make_pin_file(folder.path() / "other").has_value());
    CHECK_FALSE(equal_in_constant_time(read_pin_file(folder.path() / "other")->reveal(), first->reveal()));
}

}  // namespace
}  // namespace hwvault::hardware::child
