// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A probe on the bus between hwvault and a simulated TPM: sees every byte of both directions, and can do what an
// interposer or an ailing chip does: answer in the TPM's place, change an answer, cut the line. Commands are told apart
// by their code (TPM 2.0 Part 2, 6.5.2).
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <tss2/tss2_tpm2_types.h>

#include "foundation/bytes.h"
#include "os/fd.h"

namespace hwvault::hardware::testing {

class TpmWire {
public:
    explicit TpmWire(const std::filesystem::path& tpm);  // the socket of a swtpm
    TpmWire(const TpmWire&) = delete;
    TpmWire& operator=(const TpmWire&) = delete;
    ~TpmWire();

    [[nodiscard]] std::string tcti() const { return "swtpm:path=" + path_.string(); }
    // Everything that went by, in both directions.
    [[nodiscard]] Bytes seen();
    [[nodiscard]] int commands() const { return commands_; }

    // The next `times` commands of this code are answered with `rc`, and the TPM sees none of them.
    void answer_instead(TPM2_CC command, TPM2_RC rc, int times);
    // The next answer to this command is these bytes, and the TPM sees nothing of it.
    void forge(TPM2_CC command, Bytes answer);
    // One bit of the answer to the next command of this code is changed, at its end.
    void change_answer(TPM2_CC command);
    // After so many commands more, the line is cut at each: the TPM is gone. -1: never. `done`: the TPM has carried out
    // the first of those, and its answer is lost.
    void cut_after(int commands, bool done = false) {
        answer_is_lost_ = done;
        left_ = commands;
    }

private:
    void serve();
    void forward_commands(const os::Fd& from);
    void forward_control(const os::Fd& from);
    [[nodiscard]] bool next(const os::Fd& client, const os::Fd& tpm);
    [[nodiscard]] Bytes answer_to(const Bytes& command, const os::Fd& tpm);

    std::filesystem::path tpm_;
    std::filesystem::path folder_;
    std::filesystem::path path_;
    os::Fd commands_listener_;
    os::Fd control_listener_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> commands_{0};
    std::atomic<int> left_{-1};
    std::atomic<bool> answer_is_lost_{false};
    std::mutex mutex_;
    Bytes seen_;
    TPM2_CC instead_of_{0};
    TPM2_RC instead_{0};
    int instead_times_{0};
    TPM2_CC forged_{0};
    Bytes forgery_;
    TPM2_CC changed_{0};
    std::thread thread_;
};

}  // namespace hwvault::hardware::testing
