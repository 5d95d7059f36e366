// SPDX-License-Identifier: LGPL-2.1-or-later
//
// audit verify: whether audit files are the trail that a vault wrote, held against the public keys of its devices, and
// their end against the vault that answers or a note of an earlier day. Needs neither to run: keys and files are enough.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/audit_files.h"
#include "cli/audit_show.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "crypto/cms.h"
#include "crypto/p256.h"
#include "daemon/audit/verifier.h"
#include "foundation/hex.h"
#include "os/file.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;
using Summary = audit::Verifier::Summary;

constexpr auto kVaultPatience = std::chrono::seconds(2);  // that a vault may take to say where its trail ends

constexpr const char* kKeepThem = "Keep the files as they are, and compare them with your copies.";

struct AskedToVerify {
    std::vector<std::string> files;
    std::vector<std::string> signing_keys;
    bool chain_only{false};
    std::string head;
};

// What does not fit, and where; line 0 is the file as a whole.
struct Mismatch {
    std::string file;
    std::uint64_t line;
    std::string sentence;
};

// The end of the trail, as far as somebody knows it.
struct KnownEnd {
    bool of_vault{false};
    bool of_note{false};
};

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

std::optional<audit::Position> position_in(std::string_view sequence, std::string_view hash) {
    audit::Position position;
    const auto number = number_in(sequence);
    if (!number || !bytes_of_hex(hash, position.hash)) return std::nullopt;
    position.sequence = *number;
    return position;
}

void expect_at_least(audit::Verifier::Options& options, std::uint64_t sequence) {
    options.at_least = std::max(options.at_least, sequence);
}

Answer<Bytes> read_signing_key_file(const std::string& file) {
    HWVAULT_TRY(const Bytes pem, os::read_file(file, crypto::kMaxKeyFileSize));
    auto key = crypto::public_key_der(pem);
    if (key) {
        const auto usable = crypto::verify_p256(*key, {}, {});
        if (usable) return std::move(*key);
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, file + ": " + usable.error().message};
    }
    return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, file + ": " + key.error().message};
}

Answer<void> expect_head(const std::string& head, audit::Verifier::Options& options) {
    const std::size_t colon = std::min(head.find(':'), head.size());
    const auto position = position_in(head.substr(0, colon), std::string_view(head).substr(std::min(colon + 1, head.size())));
    if (!position) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "--head is written as SEQUENCE:HASH: a number, and 64 hexadecimal digits. `hwvault audit verify` prints "
                       "it as the head, `hwvault status` as audit_sequence and audit_head."};
    }
    options.known.push_back(*position);
    expect_at_least(options, position->sequence);
    return {};
}

// False where no vault answers that says it: the files are what was asked about.
bool expect_end_of_vault(Session& session, audit::Verifier::Options& options) {
    const auto door = session.open_door(kVaultPatience);
    if (!door) return false;
    const Answer<Report> report = (*door)->status();
    if (!report) return false;
    const auto value_of = [&report](std::string_view wanted) {
        const auto found = std::ranges::find(*report, wanted, [](const auto& line) { return std::string_view(line.first); });
        return found == report->end() ? std::string() : found->second;
    };
    const auto position = position_in(value_of("audit_sequence"), value_of("audit_head"));
    if (!position) return false;
    options.known.push_back(*position);
    expect_at_least(options, number_in(value_of("audit_written")).value_or(0));
    return true;
}

Answer<std::optional<Mismatch>> first_bad_line(audit::Verifier& verifier, AuditFiles& files) {
    Progress progress("Reading the audit files ...");
    for (;;) {
        HWVAULT_TRY(const auto line, files.next());
        if (!line) break;
        const auto taken = verifier.take(*line);
        if (!taken) {
            return Mismatch{files.file().string(), files.line(),
                           "This line " + taken.error().message + " What comes after it was not looked at. " + kKeepThem};
        }
        progress.come_to(files.percent_read());
    }
    const auto finished = verifier.finish();
    if (!finished) return Mismatch{files.file().string(), 0, finished.error().message + " " + kKeepThem};
    return std::optional<Mismatch>();
}

// Whoever can write the files can take every checkpoint out of them.
std::optional<Mismatch> nothing_proven(const Summary& summary, const AskedToVerify& asked, const AuditFiles& files) {
    const bool proven = asked.chain_only || summary.met_known || summary.signed_up_to != 0 || summary.last.sequence == 0;
    if (proven) return std::nullopt;
    return Mismatch{files.file().string(), 0,
                   "No checkpoint in it covers an entry, so nothing says that this is what the vault wrote. The device signs a "
                   "minute after an event at the latest: ask again then, or beside the vault, or with --head."};
}

Exit say_bad(const Session& session, const Mismatch& finding) {
    const std::string place = finding.line == 0 ? finding.file : finding.file + ", line " + std::to_string(finding.line);
    const std::string message = place + ": " + finding.sentence;
    warn(message);
    if (session.settings.json) {
        json::object object{{"error", "StoreTampered"}, {"message", message}, {"file", finding.file}};
        if (finding.line != 0) object["line"] = finding.line;
        static_cast<void>(session.print("", object));  // the exit code and standard error have said it
    }
    return kNo;
}

std::string counted(std::uint64_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string end_in_words(const Summary& summary, const KnownEnd& end) {
    if (end.of_note && end.of_vault && summary.met_known) return "as the vault and --head say";
    if (end.of_note) return "--head is in them";
    if (end.of_vault && summary.met_known) return "as the vault says";
    if (end.of_vault) return "the vault's latest entry is not in them yet: run it again";
    return "not checked, since no vault was asked and no --head was given: a tail that was cut off would not be noticed";
}

std::string signed_in_words(const Summary& summary) {
    if (summary.signed_up_to == 0) return "no entry: no checkpoint covers any yet";
    const std::string covered = "entry " + std::to_string(summary.signed_up_to);
    if (summary.uncovered == 0) return covered + ", the latest";
    return covered + "; no checkpoint covers the " + counted(summary.uncovered, "entry", "entries") + " after it yet";
}

std::string head_of(const Summary& summary) {
    return std::to_string(summary.last.sequence) + ":" + hex_of(summary.last.hash);
}

std::string good_table(const Summary& summary, const audit::Verifier::Options& options, const KnownEnd& end) {
    const std::string span = std::to_string(summary.first) + " to " + std::to_string(summary.last.sequence);
    std::vector<std::vector<std::string>> rows{{"entries", summary.last.sequence < summary.first ? "none" : span}};
    rows.push_back({"events", std::to_string(summary.events)});
    rows.push_back({"checkpoints", std::to_string(summary.checkpoints)});
    if (!options.check_signatures) {
        rows.push_back({"signatures", "not checked: whoever can write the files can have computed the chain anew"});
    } else {
        for (std::size_t i = 0; i < options.signing_keys.size(); ++i) {
            const std::string by = counted(summary.signed_by[i], "checkpoint", "checkpoints");
            rows.push_back({"signed by", hex_of(crypto::sha256(options.signing_keys[i])) + " (" + by + ")"});
        }
        rows.push_back({"signed up to", signed_in_words(summary)});
    }
    if (summary.unread != 0) rows.push_back({"unknown", counted(summary.unread, "entry", "entries") + " of a newer hwvault"});
    if (summary.trails > 1) {
        rows.push_back({"trails", std::to_string(summary.trails) + ": begun again, as after a recovery on another device; the "
                                                                   "entries are those of the last one"});
    }
    rows.push_back({"head", head_of(summary)});
    rows.push_back({"end", end_in_words(summary, end)});
    return table(rows);
}

json::object good_object(const Summary& summary, const audit::Verifier::Options& options) {
    json::object object{{"verified", true},
                        {"first", summary.first},
                        {"last", summary.last.sequence},
                        {"head", head_of(summary)},
                        {"events", summary.events},
                        {"checkpoints", summary.checkpoints},
                        {"unknown", summary.unread},
                        {"trails", summary.trails},
                        {"end_checked", summary.met_known}};
    if (!options.check_signatures) return object;
    object["signed_up_to"] = summary.signed_up_to;
    object["uncovered"] = summary.uncovered;
    json::array keys;
    for (std::size_t i = 0; i < options.signing_keys.size(); ++i) {
        keys.push_back(json::object{{"fingerprint", hex_of(crypto::sha256(options.signing_keys[i]))},
                                    {"checkpoints", summary.signed_by[i]}});
    }
    object["signed_by"] = std::move(keys);
    return object;
}

Answer<Exit> verify_audit(Session& session, const AskedToVerify& asked) {
    if (asked.signing_keys.empty() && !asked.chain_only) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "Say whose checkpoints are to be believed: --signing-key PEM. `hwvault recover --show-signing-key` prints "
                       "the device's public key; keep it elsewhere than on this machine. --chain-only checks without one, "
                       "which whoever can write the files can get past."};
    }
    audit::Verifier::Options options{.signing_keys = {}, .check_signatures = !asked.chain_only, .known = {}, .at_least = 0};
    for (const std::string& file : asked.signing_keys) {
        HWVAULT_TRY(Bytes key, read_signing_key_file(file));
        options.signing_keys.push_back(std::move(key));
    }
    if (!asked.head.empty()) HWVAULT_CHECK(expect_head(asked.head, options));
    // Before the files are read, which are ahead of its answer then.
    const KnownEnd end{.of_vault = asked.files.empty() && expect_end_of_vault(session, options), .of_note = !asked.head.empty()};
    HWVAULT_TRY(AuditFiles files, open_audit_files(asked.files, session.settings.configuration));
    audit::Verifier verifier(options);
    HWVAULT_TRY(std::optional<Mismatch> bad, first_bad_line(verifier, files));
    if (!bad) bad = nothing_proven(verifier.summary(), asked, files);
    if (bad) return say_bad(session, *bad);
    if (files.is_unfinished()) warn(files.file().string() + ": its last line is not finished, and was left out: it is being written, or a crash left it.");
    HWVAULT_CHECK(session.print(good_table(verifier.summary(), options, end), good_object(verifier.summary(), options)));
    return kYes;
}

}  // namespace

void add_audit_commands(CLI::App& app, Session& session) {
    CLI::App* const group = app.add_subcommand("audit", "Read the audit trail in its files, and say whether it is whole");
    group->require_subcommand(1);
    CLI::App* const command = group->add_subcommand("verify", "Say whether the files are the trail that the vault wrote");
    const auto asked = std::make_shared<AskedToVerify>();
    add_audit_file_options(*command, session, asked->files);
    CLI::Option* const key = command->add_option("--signing-key", asked->signing_keys,
                                                 "A device's public signing key, PEM; may be repeated");
    key->allow_extra_args(false);
    command->add_flag("--chain-only", asked->chain_only, "Without the signatures: the hashes alone")->excludes(key);
    command->add_option("--head", asked->head, "SEQUENCE:HASH of an entry that is known to be in them");
    command->callback([&session, asked] { session.work = [&session, asked] { return verify_audit(session, *asked); }; });
    add_audit_show(*group, session);
}

}  // namespace hwvault::cli
