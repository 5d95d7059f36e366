// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Derivations per second in a simulated TPM: called directly, in one process and in one salted, encrypted session; and
// through the daemon's client, the private socket and the hardware child, many in flight and one at a time. What the way
// there and back adds to one is a constant, of which a TPM of 5 ms notices nothing, and tpm2-tss 4 on a simulated one of
// 50 us much.
//
//     bench_derive HWVAULT-HARDWARE    the child's program
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/folder.h"
#include "bench/measured.h"
#include "bench/through_child.h"
#include "daemon/hardware/tpm/tpm.h"
#include "os/file.h"
#include "os/run.h"

namespace {

using namespace hwvault;
using namespace hwvault::hardware;
using std::chrono::steady_clock;

constexpr auto kTurn = std::chrono::milliseconds(400);
constexpr int kTurns = 7;
constexpr std::size_t kInFlight = 16;

std::string start_tpm(const std::filesystem::path& folder) {
    const std::string at = "type=unixio,path=" + (folder / "socket").string();
    os::run_beside({"swtpm",
                    {"socket", "--tpm2", "--tpmstate", "dir=" + folder.string(), "--server", at, "--ctrl", at + ".ctrl",
                     "--flags", "startup-clear"},
                    {}})
        .value();
    if (!os::wait_for_socket(folder / "socket", std::chrono::seconds(10))) throw std::runtime_error("swtpm did not start");
    return "swtpm:path=" + (folder / "socket").string();
}

double per_second(int derivations, steady_clock::time_point began) {
    return derivations / std::chrono::duration<double>(steady_clock::now() - began).count();
}

double directly(const tpm::Config& config) {
    const auto device = tpm::open(config, SecretBytes()).value();
    const auto began = steady_clock::now();
    int made = 0;
    for (; steady_clock::now() < began + kTurn; ++made) device->derive(Label::kToken, bench::kContext).value();
    return per_second(made, began);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench_derive HWVAULT-HARDWARE\n");
        return 2;
    }
    ::setenv("TSS2_LOG", "all+NONE", 1);
    const bench::Folder folder(std::filesystem::temp_directory_path());
    const auto state = folder.path() / "state";
    os::make_folder(state, 0700).value();
    const std::string tcti = start_tpm(folder.path());
    const auto configuration = folder.path() / "hwvault.toml";
    os::write_file_durably(configuration, bytes_of("[hardware]\nkind = 'tpm'\ntcti = '" + tcti + "'\n"), 0644).value();
    const tpm::Config config{tcti, state / "tpm", {}};
    tpm::initialise(config, SecretBytes()).value();
    const Spawn child{argv[1], {"serve", "--config", configuration.string(), "--state", state.string()}, {}};

    // In turns, so that whatever else the machine does favours none; medians.
    std::vector<double> limit;
    std::vector<double> alone;
    std::vector<double> many;
    for (int i = 0; i < kTurns; ++i) {
        limit.push_back(directly(config));
        alone.push_back(bench::through_child(child, 1, kTurn));
        many.push_back(bench::through_child(child, kInFlight, kTurn));
    }
    bench::print({"derive/tpm/alone", bench::median(alone), bench::median(limit), "/s"});
    bench::print({"derive/tpm/many", bench::median(many), bench::median(limit), "/s"});
    return 0;
}
