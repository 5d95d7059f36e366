// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The epoch object of PKCS#11 tokens: edited, removed, torn, of a token that changes no labels, and as it was made before.
#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <map>

#include <sys/wait.h>
#include <unistd.h>

#include "foundation/fields.h"
#include "tests/catch.h"
#include "tests/contract/faulty_token.h"
#include "tests/contract/raw_token.h"

namespace hwvault::hardware::testing {
namespace {

using pkcs11::kEpochObjectLabel;

std::vector<CK_OBJECT_HANDLE> epoch_objects(RawToken& token) {
    return token.find_data(kEpochObjectLabel);
}

std::size_t count_epoch_objects(const Faulty& on) {
    RawToken token(on.config.module, on.config.serial);
    return epoch_objects(token).size();
}

std::string label_begin(std::uint64_t number) {
    return std::string(kEpochObjectLabel) + " " + std::to_string(number) + " ";
}

// The one that a step has written.
CK_OBJECT_HANDLE object_at(RawToken& token, std::uint64_t number) {
    const auto found = token.find_data(label_begin(number));
    REQUIRE(found.size() == 1);
    return found.front();
}

Bytes value_of(RawToken& token, CK_OBJECT_HANDLE object) {
    Bytes value;
    REQUIRE(token.read_value(object, value) == CKR_OK);
    return value;
}

void check_rolled_back(Device& device) {
    for (const auto& answer : {device.epoch(), advance(device, 0)}) {
        REQUIRE(!answer);
        CHECK(answer.error().code == ErrorCode::kRolledBack);
    }
}

void advance_by(Device& device, int steps) {
    for (int i = 0; i < steps; ++i) REQUIRE(advance(device).has_value());
}

using Files = std::map<std::filesystem::path, std::string>;

Files read_objects(const std::filesystem::path& folder) {
    Files files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".object") continue;
        std::ifstream file(entry.path(), std::ios::binary);
        files[entry.path()] = std::string(std::istreambuf_iterator<char>(file), {});
    }
    return files;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

}  // namespace

TEST_CASE("an epoch object that was edited or removed is reported, never read as zero", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    RawToken token(on.config.module, on.config.serial);
    SECTION("with its number in the value") {
        const auto objects = epoch_objects(token);
        REQUIRE(objects.size() == 1);
        const Bytes value = value_of(token, objects.front());
        token.destroy(objects.front());
        check_rolled_back(*device);
        for (const std::size_t position : {std::size_t{4}, value.size() - 1}) {  // the number, the MAC
            Bytes edited = value;
            edited[position] ^= 1;
            token.add_data(kEpochObjectLabel, edited);
            check_rolled_back(*device);
            for (const auto object : epoch_objects(token)) token.destroy(object);
        }
        token.add_data(kEpochObjectLabel, value);
        CHECK(device->epoch().value() == 0);
    }
    SECTION("with its number in the label") {
        advance_by(*device, 3);
        const CK_OBJECT_HANDLE object = object_at(token, 3);
        const std::string label = token.label_of(object);
        for (const auto other : epoch_objects(token)) {
            if (other != object) token.destroy(other);
        }
        for (const std::string& edited : {label_begin(4) + label.substr(label_begin(3).size()), label_begin(3), label + "0",
                                          label.substr(0, label.size() - 1), std::string(kEpochObjectLabel) + " 03" + label.substr(15)}) {
            token.set_label(object, edited);
            check_rolled_back(*device);
        }
        token.set_label(object, label);
        CHECK(device->epoch().value() == 3);
        token.destroy(object);
        check_rolled_back(*device);
    }
    CHECK(device->describe().value().rollback_protection == RollbackProtection::kPinWritable);
}

TEST_CASE("a removed epoch object is still reported after the token is opened again, until init is run", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    auto device = fresh_device();
    advance_by(*device, 2);
    {
        RawToken token(on.config().module, on.config().serial);
        for (const auto object : epoch_objects(token)) token.destroy(object);
        token.add_data("hwvault-probe", Bytes{1});  // which a crash left while it was asked what the token keeps
    }
    device.reset();
    device = on.open().value();
    CHECK(device->describe().value().rollback_protection == RollbackProtection::kPinWritable);
    check_rolled_back(*device);
    device.reset();
    REQUIRE(on.initialise().has_value());
    CHECK(on.open().value()->epoch().value() == 0);
}

TEST_CASE("a step is one new label on the object that does not count, and the one that counted stays", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    advance_by(*device, 1);  // makes the second object
    RawToken token(on.config.module, on.config.serial);
    const auto objects = epoch_objects(token);
    REQUIRE(objects.size() == 2);
    for (std::uint64_t number = 2; number < 6; ++number) {
        CHECK(advance(*device, number - 1).value() == number);
        CHECK(on.faults.labels_asked == static_cast<int>(number - 1));
        CHECK(epoch_objects(token) == objects);
        CHECK(token.find_data(label_begin(number)).size() == 1);
        if (number > 2) CHECK(token.find_data(label_begin(number - 1)).size() == 1);
    }
}

TEST_CASE("of the epoch objects that are there the highest with a right MAC counts, and a step leaves two", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    RawToken token(on.config.module, on.config.serial);
    const Bytes first = value_of(token, epoch_objects(token).front());
    advance_by(*device, 4);
    token.add_data(kEpochObjectLabel, first);
    token.add_data(kEpochObjectLabel, Bytes{1, 2, 3});
    token.add_data(kEpochObjectLabel, FieldWriter().number(99).bytes(Bytes(32, 1)).take());
    token.add_data(label_begin(98) + std::string(64, '0'), first);
    REQUIRE(epoch_objects(token).size() == 6);
    CHECK(device->epoch().value() == 4);
    CHECK(advance(*device, 4).value() == 5);
    CHECK(epoch_objects(token).size() == 2);
    CHECK(device->epoch().value() == 5);
    CHECK(token.find_data(label_begin(4)).size() == 1);  // the one that counted was not written over
}

TEST_CASE("who has no PIN has no object of the epoch to write to or to remove", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    auto device = on.open().value();
    advance_by(*device, 2);
    device.reset();
    {
        RawToken token(on.config.module, on.config.serial);  // nobody is logged in
        if (!token.add_public_data(label_begin(99) + std::string(64, '0'))) {
            WARN("skipped: this module makes no object for who has no PIN");
            return;
        }
        token.add_public_data(std::string(pkcs11::kMaxAttributeSize + 1, 'x'));  // nobody could read that one
    }
    device = on.open().value();
    for (const std::uint64_t number : {3U, 4U}) {
        CHECK(advance(*device, number - 1).value() == number);
        device.reset();
        {
            RawToken token(on.config.module, on.config.serial);
            for (const auto object : epoch_objects(token)) token.destroy(object);
        }
        device = on.open().value();
        CHECK(device->epoch().value() == number);
    }
    CHECK(count_epoch_objects(on) == 2);
}

TEST_CASE("another application's data objects on the same token do not hinder the epoch", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    RawToken token(on.config.module, on.config.serial);
    for (int i = 0; i < 100; ++i) token.add_data("another's " + std::to_string(i), Bytes{1});
    advance_by(*device, 3);
    CHECK(device->epoch().value() == 3);
    CHECK(token.find_data("another's ").size() == 100);
}

TEST_CASE("an epoch object of another token does not count", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    Bytes value;
    std::string label;
    {
        const auto device = fresh_device();
        advance_by(*device, 2);
        RawToken token(on.config().module, on.config().serial);
        const CK_OBJECT_HANDLE object = object_at(token, 2);
        label = token.label_of(object);
        advance_by(*device, 1);
        value = value_of(token, object_at(token, 3));
    }
    const auto device = fresh_device();
    RawToken token(on.config().module, on.config().serial);
    token.add_data(kEpochObjectLabel, value);
    token.add_data(label, value);
    CHECK(device->epoch().value() == 0);
}

TEST_CASE("a token whose epoch was only ever in values goes on from there", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    on.faults.label_rv = CKR_ATTRIBUTE_READ_ONLY;
    auto device = on.open().value();
    advance_by(*device, 5);
    CHECK(count_epoch_objects(on) == 1);
    device.reset();
    on.faults.label_rv = CKR_OK;
    on.faults.labels_asked = 0;
    device = on.open().value();
    CHECK(device->epoch().value() == 5);
    for (std::uint64_t number = 6; number < 10; ++number) CHECK(advance(*device, number - 1).value() == number);
    CHECK(on.faults.labels_asked == 3);
    device.reset();
    device = on.open().value();
    CHECK(device->epoch().value() == 9);
    CHECK(count_epoch_objects(on) == 2);
}

TEST_CASE("where a token refuses a label or keeps less of it, each step is a new object", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    auto device = on.open().value();
    advance_by(*device, 1);
    SECTION("refused") {
        on.faults.label_rv = GENERATE(CKR_ATTRIBUTE_READ_ONLY, CKR_ACTION_PROHIBITED, CKR_FUNCTION_NOT_SUPPORTED,
                                      CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT,
                                      CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED);
    }
    SECTION("cut") { on.faults.longest_label = GENERATE(0U, 8U, 32U, 64U, 79U); }
    for (std::uint64_t number = 2; number < 5; ++number) {
        CHECK(advance(*device, number - 1).value() == number);
        CHECK(device->epoch().value() == number);
        CHECK(on.faults.labels_asked == 1);
        CHECK(count_epoch_objects(on) == 1);
    }
    device.reset();
    CHECK(on.open().value()->epoch().value() == 4);
}

TEST_CASE("a token that keeps no application keeps the epoch", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    on.faults.label_rv = GENERATE(CKR_OK, CKR_ATTRIBUTE_READ_ONLY);
    on.faults.no_application = true;
    auto device = on.open().value();
    advance_by(*device, 4);
    device.reset();
    CHECK(on.open().value()->epoch().value() == 4);
}

TEST_CASE("a token that says of an object that it was made, and has none or a public one, has made no step", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    on.faults.label_rv = GENERATE(CKR_OK, CKR_ATTRIBUTE_READ_ONLY);
    std::atomic<bool>& fault = GENERATE(true, false) ? on.faults.keeps_nothing : on.faults.all_public;
    const auto device = on.open().value();
    fault = true;
    CHECK_FALSE(advance(*device, 0).has_value());
    fault = false;
    CHECK(device->epoch().value() == 0);
    CHECK(count_epoch_objects(on) == 1);  // what is of no use is not left there
    CHECK(advance(*device, 0).value() == 1);
}

TEST_CASE("a label that is as long as the token allows is kept", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    on.faults.longest_label = 80;  // label_begin(2), and a MAC
    advance_by(*device, 3);
    CHECK(on.faults.labels_asked == 2);
}

TEST_CASE("a step that could not be written in either way is none, and is made when it can be", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    advance_by(*device, 3);
    on.faults.longest_label = 40;
    on.faults.no_data_objects = true;
    CHECK_FALSE(advance(*device, 3).has_value());
    CHECK(device->epoch().value() == 3);
    on.faults.longest_label = kAnyLength;
    on.faults.no_data_objects = false;
    CHECK(advance(*device, 3).value() == 4);
    CHECK(device->epoch().value() == 4);
}

TEST_CASE("a crash before the old epoch object goes leaves the new one in force", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    on.faults.label_rv = CKR_ATTRIBUTE_READ_ONLY;
    auto device = on.open().value();
    on.faults.no_destroy = true;
    CHECK(advance(*device, 0).value() == 1);
    CHECK(advance(*device, 1).value() == 2);
    CHECK(advance(*device, 2).value() == 3);
    on.faults.no_destroy = false;
    CHECK(count_epoch_objects(on) == 4);
    device.reset();
    on.faults.label_rv = GENERATE(CKR_OK, CKR_ATTRIBUTE_READ_ONLY);
    device = on.open().value();
    CHECK(device->epoch().value() == 3);
    CHECK(advance(*device, 3).value() == 4);
    CHECK(count_epoch_objects(on) <= 2);
    CHECK(device->epoch().value() == 4);
}

TEST_CASE("a step whose answer was lost is not made a second time", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    const auto device = on.open().value();
    on.faults.created_then_lost = 1;
    CHECK(advance(*device, 0).value() == 1);
    CHECK(device->epoch().value() == 1);
    for (std::uint64_t number = 2; number < 5; ++number) {
        on.faults.labelled_then_lost = 1;
        CHECK(advance(*device, number - 1).value() == number);
        CHECK(device->epoch().value() == number);
    }
    on.faults.labelled_then_lost = 1;
    on.faults.created_then_lost = 1;
    CHECK(advance(*device, 4).value() == 5);
    CHECK(device->epoch().value() == 5);
}

TEST_CASE("whatever became of the object that a step was writing, the one before counts", "[pkcs11]") {
    const Faulty on = faulty_fresh();
    auto device = on.open().value();
    advance_by(*device, 5);
    {
        RawToken token(on.config.module, on.config.serial);
        const CK_OBJECT_HANDLE written = object_at(token, 5);
        const std::string label = token.label_of(written);
        SECTION("removed") { token.destroy(written); }
        SECTION("without a label") { token.set_label(written, ""); }
        SECTION("with the label that it was made with") { token.set_label(written, kEpochObjectLabel); }
        SECTION("with some other label") { token.set_label(written, "x"); }
        SECTION("with half of its label") { token.set_label(written, label.substr(0, label.size() / 2)); }
        SECTION("with a label of which some is of before") { token.set_label(written, label.substr(0, 70) + std::string(10, 'f')); }
    }
    device.reset();
    device = on.open().value();
    CHECK(device->epoch().value() == 4);
    CHECK(advance(*device, 4).value() == 5);
    CHECK(advance(*device, 5).value() == 6);
    CHECK(device->epoch().value() == 6);
    CHECK(count_epoch_objects(on) == 2);
}

// SoftHSM2 empties the object's file and writes it anew: a crash of the machine may leave any part of it.
TEST_CASE("a file of SoftHSM2 that was torn in the middle of a step leaves the epoch before, and steps go on", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    auto device = fresh_device();
    advance_by(*device, 3);
    const Files before = read_objects(on.folder());
    if (before.empty()) {
        WARN("skipped: this module keeps no object in a file of its own");
        return;
    }
    advance_by(*device, 1);
    device.reset();
    const Files after = read_objects(on.folder());
    REQUIRE(after.size() == before.size());
    const auto torn = std::ranges::find_if(after, [&](const auto& file) { return before.at(file.first) != file.second; });
    REQUIRE(torn != after.end());
    const std::size_t stride = is_long_run() ? 1 : 7;
    for (std::size_t kept = 0; kept < torn->second.size(); kept += stride) {
        for (const std::size_t zeros : {std::size_t{0}, torn->second.size() - kept}) {
            INFO(kept << " bytes and " << zeros << " zeros");
            write_file(torn->first, torn->second.substr(0, kept) + std::string(zeros, '\0'));
            device = on.open().value();
            const std::uint64_t epoch = device->epoch().value();
            CHECK((epoch == 3 || epoch == 4));
            CHECK(advance(*device, epoch).value() == epoch + 1);
            device.reset();
            for (const auto& [path, content] : read_objects(on.folder())) {
                if (!after.contains(path)) std::filesystem::remove(path);
            }
            for (const auto& [path, content] : after) write_file(path, content);
        }
    }
}

TEST_CASE("another process sees a step, and goes on from there", "[pkcs11]") {
    Pkcs11Backend& on = pkcs11_backend();
    fresh_device().reset();
    if (read_objects(on.folder()).empty()) {
        WARN("skipped: this module does not outlive a fork");  // nor GLib, which tpm2-pkcs11 loads
        return;
    }
    std::array<int, 2> go{};
    std::array<int, 2> ready{};
    REQUIRE(::pipe(go.data()) == 0);
    REQUIRE(::pipe(ready.data()) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto device = on.open();
        const auto is = [](const Result<std::uint64_t>& answer, std::uint64_t number) { return answer && *answer == number; };
        bool right = device && is((*device)->epoch(), 0);
        char byte = 0;
        right = right && ::write(ready[1], &byte, 1) == 1 && ::read(go[0], &byte, 1) == 1;
        right = right && is((*device)->epoch(), 3) && is(advance(**device, 3), 4);
        ::_exit(right ? 0 : 1);
    }
    ::close(ready[1]);
    ::close(go[0]);
    {
        char byte = 0;
        REQUIRE(::read(ready[0], &byte, 1) == 1);  // SoftHSM2 does not find a token that another process logs in to just then
        const auto device = on.open().value();
        advance_by(*device, 3);
        CHECK(::write(go[1], &byte, 1) == 1);
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
        CHECK(device->epoch().value() == 4);
    }
    for (const int fd : {ready[0], go[1]}) ::close(fd);
}

}  // namespace hwvault::hardware::testing
