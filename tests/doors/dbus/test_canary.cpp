// SPDX-License-Identifier: LGPL-2.1-or-later
//
// No token and no secret is in what a bus monitor sees: busctl's and dbus-monitor's captures, text and binary, are
// searched for the canary in raw, hex and base64.
#include <cstdint>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"
#include "tests/doors/dbus/clients.h"

namespace hwvault::doors::dbus {
namespace {

const std::string kCanary(tests::FakeService::kToken);
const std::string kSecret = "imported-canary-8Jq2vW5xZ0bN7mK3";

std::string hex(std::string_view bytes, const char* between) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        if (!text.empty()) text += between;
        text += kDigits[static_cast<std::uint8_t>(c) >> 4];
        text += kDigits[static_cast<std::uint8_t>(c) & 15];
    }
    return text;
}

// What base64 makes of the bytes, wherever they lie in a longer string: the part that does not depend on neighbours.
std::string base64_core(std::string_view bytes, std::size_t offset) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string padded(offset, '\0');
    padded += bytes;
    std::string text;
    for (std::size_t i = 0; i + 3 <= padded.size(); i += 3) {
        const auto group = static_cast<std::uint32_t>(static_cast<std::uint8_t>(padded[i])) << 16 |
                           static_cast<std::uint32_t>(static_cast<std::uint8_t>(padded[i + 1])) << 8 |
                           static_cast<std::uint32_t>(static_cast<std::uint8_t>(padded[i + 2]));
        for (int shift = 18; shift >= 0; shift -= 6) text += kAlphabet[group >> shift & 63];
    }
    return offset == 0 ? text : text.substr(4);
}

// Any sixteen bytes of the secret part, in each form.
std::vector<std::string> traces_of(const std::string& secret) {
    const auto middle = std::string_view(secret).substr(secret.size() / 2 - 8, 16);
    std::vector<std::string> traces{std::string(middle), hex(middle, ""), hex(middle, " ")};
    for (std::size_t offset = 0; offset < 3; ++offset) traces.push_back(base64_core(middle, offset));
    return traces;
}

void check_clean(const std::string& capture) {
    for (const auto& secret : {kCanary, kSecret}) {
        for (const auto& trace : traces_of(secret)) {
            INFO(trace);
            CHECK(capture.find(trace) == std::string::npos);
        }
    }
}

TEST_CASE("The search finds a canary in each form") {
    for (const auto& trace : traces_of(kCanary)) CHECK(trace.size() >= 16);
    CHECK(hex("az", " ") == "61 7a");
    CHECK(base64_core("foobar", 0) == "Zm9vYmFy");
    CHECK(base64_core("??foobar", 1) == "Zm9vYmFy");
}

TEST_CASE("No monitor of the bus sees a token or a secret") {
    if (!have_python_dbus() || !have("busctl") || !have("dbus-monitor")) return;
    Serving serving;
    const auto& address = serving.bus.address();
    std::vector<Running> monitors;
    monitors.emplace_back(std::vector<std::string>{"busctl", "monitor", "--address=" + address});
    monitors.emplace_back(std::vector<std::string>{"stdbuf", "-o0", "busctl", "capture", "--address=" + address});
    monitors.emplace_back(std::vector<std::string>{"dbus-monitor", "--address", address});
    monitors.emplace_back(std::vector<std::string>{"dbus-monitor", "--address", address, "--binary"});
    // Each is there once it has shown a call; calls are made until then.
    const auto awake = [&](Running& monitor) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (std::chrono::steady_clock::now() < deadline) {
            run({"busctl", "--address=" + address, "call", "org.hwvault.Vault1", "/org/hwvault/Vault1",
                 "org.hwvault.Vault1", "Describe", "ss", "", "hello-monitor"});
            if (monitor.shows("hello-monitor")) return true;
        }
        return false;
    };
    for (auto& monitor : monitors) REQUIRE(awake(monitor));

    CHECK(run(python(address, {"retrieve", "", ""})).has(kCanary));
    CHECK(run(python(address, {"verify", "sealed"}), kCanary).has("\"active\": true"));
    CHECK(run(python(address, {"import-secret", "sealed", "", "imported"}), kSecret).status == 0);
    CHECK(run(python(address, {"retrieve", "", "imported"})).has(kSecret));
    CHECK(run(python(address, {"revoke-token", "sealed"}), kCanary).status == 0);
    CHECK(run(python(address, {"retrieve", "", "missing"})).has("NotFound"));
    run({"busctl", "--address=" + address, "call", "org.hwvault.Vault1", "/org/hwvault/Vault1", "org.hwvault.Vault1",
         "Describe", "ss", "", "goodbye-monitor"});

    for (auto& monitor : monitors) {
        CHECK(monitor.says("goodbye-monitor"));
        const auto capture = monitor.interrupt().output;
        CHECK(capture.find("RevokeToken") != std::string::npos);
        check_clean(capture);
    }
}

}  // namespace
}  // namespace hwvault::doors::dbus
