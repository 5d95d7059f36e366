// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault-hardware with a FaultyDevice in place of PKCS#11, for the tests of what happens when the child breaks:
//
//     fake_hardware_child STATE [--listen PATH UID] --fd N     with --listen the descriptor is left alone
//
// While the file STATE/gone exists the device cannot be opened; while STATE/opening exists that takes its time.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "daemon/hardware/child/server.h"
#include "daemon/hardware/child/sockets.h"
#include "tests/hardware/faulty_device.h"

namespace {

using namespace hwvault;
using namespace hwvault::hardware;

child::ServerSettings settings_for(const std::filesystem::path& state) {
    const auto token = std::make_shared<FakeToken>();
    return {.state = state,
            .open = [state, token]() -> Result<std::unique_ptr<Device>> {
                while (std::filesystem::exists(state / "opening")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
                if (std::filesystem::exists(state / "gone")) {
                    return Error{ErrorCode::kHardwareUnavailable, "The fake device is not plugged in."};
                }
                return std::unique_ptr<Device>(std::make_unique<FaultyDevice>(token));
            },
            .locked = [](const Error&) {},
            .log = [](std::string_view) {}};
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 6 && arguments[1] == "--listen") {
        auto listener = child::make_listener(arguments[2]);
        if (!listener) return EXIT_FAILURE;
        child::Server server(settings_for(arguments[0]));
        static_cast<void>(server.listen(std::move(*listener), static_cast<uid_t>(std::stoul(arguments[3]))));
        std::_Exit(EXIT_FAILURE);
    }
    if (arguments.size() != 3 || arguments[1] != "--fd") return EXIT_FAILURE;
    auto connection = child::inherited_connection(std::stoi(arguments[2]));
    if (!connection) return EXIT_FAILURE;
    child::Server server(settings_for(arguments[0]));
    server.serve(std::move(*connection));
    std::_Exit(EXIT_SUCCESS);
}
