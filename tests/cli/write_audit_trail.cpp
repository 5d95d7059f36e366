// SPDX-License-Identifier: LGPL-2.1-or-later
//
// write_audit_trail FOLDER EVENTS FILES: writes a trail of so many events, with a checkpoint after each hundred and at
// the end, into so many audit files, and the public key of the device that signed, a new one each time, as signing.pem.
#include <filesystem>
#include <fstream>
#include <string>

#include "crypto/cms.h"
#include "daemon/audit/files.h"
#include "tests/audit/written_trail.h"

namespace {

using namespace hwvault;

constexpr std::uint64_t kBetweenCheckpoints = 100;

void write_lines(const std::filesystem::path& path, std::vector<std::string>& lines) {
    std::ofstream file(path);
    for (const std::string& line : lines) file << line << '\n';
    lines.clear();
}

void write_trail(const std::filesystem::path& folder, std::uint64_t events, std::uint64_t files) {
    audit::WrittenTrail trail;
    std::uint64_t first = 1;
    std::uint64_t number = 1;
    for (std::uint64_t event = 1; event <= events; ++event) {
        trail.add_events(1);
        if (event % kBetweenCheckpoints == 0 || event == events) trail.add_checkpoint();
        if (event * files < events * number || event == events) continue;
        const std::string name = "audit-20260101T00000" + std::to_string(number++) + "Z-" + std::to_string(first) + ".jsonl";
        write_lines(folder / name, trail.lines);
        first = trail.end().sequence + 1;
        trail.start_file();
    }
    write_lines(folder / audit::kCurrentFile, trail.lines);
    std::ofstream(folder / "signing.pem") << crypto::public_key_pem(trail.signing_key()).value();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    write_trail(argv[1], std::stoull(argv[2]), std::stoull(argv[3]));
    return 0;
}
