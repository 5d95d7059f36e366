// SPDX-License-Identifier: LGPL-2.1-or-later
//
// audit verify: whether audit files are the trail that a vault wrote, held against the public keys of its devices, and
// their end against the vault that answers or a note of an earlier day. Needs neither to run: keys and files are enough.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/audit_files.h"
#include "cli/audit_show.h"
#include "cli/commands.h"
#include "cli/number.h"
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

// Who knows of an entry: which of Options::known that is.
struct KnownEnd {
    std::optional<std::size_t> of_note;
    std::optional<std::size_t> of_vault;
};

std::optional<audit::Position> position_in(std::string_view sequence, std::string_view hash) {
    audit::Position position;
    const auto number = number_written(sequence);
    if (!number || !bytes_of_hex(hash, position.hash)) return std::nullopt;
    position.sequence = *number;
    return position;
}

// Gives its place among those that are known.
std::size_t expect_entry(audit::Verifier::Options& options, const audit::Position& known, std::uint64_t at_least) {
    options.at_least = std::max(options.at_least, at_least);
    options.known.push_back(known);
    return options.known.size() - 1;
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

Answer<std::optional<std::size_t>> expect_head(const std::string& head, audit::Verifier::Options& options) {
    if (head.empty()) return std::optional<std::size_t>();
    const std::size_t colon = std::min(head.find(':'), head.size());
    const auto position = position_in(head.substr(0, colon), std::string_view(head).substr(std::min(colon + 1, head.size())));
    if (!position || position->sequence == 0) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "--head is written as SEQUENCE:HASH: a number from 1, and 64 hexadecimal digits. `hwvault audit verify` prints "
                       "it as the head, `hwvault status` as audit_sequence and audit_head."};
    }
    return std::optional(expect_entry(options, *position, position->sequence));
}

// Nothing where no vault answers that says it: the files are what was asked about.
std::optional<std::size_t> expect_end_of_vault(Session& session, audit::Verifier::Options& options) {
    const auto door = session.open_door(kVaultPatience);
    if (!door) return std::nullopt;
    const Answer<Report> report = (*door)->status();
    if (!report) return std::nullopt;
    const auto position = position_in(value_of(*report, "audit_sequence"), value_of(*report, "audit_head"));
    if (!position) return std::nullopt;
    return expect_entry(options, *position, number_written(value_of(*report, "audit_written")).value_or(0));
}

Answer<std::optional<Mismatch>> first_bad_line(audit::Verifier& verifier, AuditFiles& files) {
    Progress progress("Reading the audit files ...");
    for (;;) {
        HWVAULT_TRY(const auto line, files.next());
        if (!line) break;
        const auto taken = verifier.take(*line);
        if (!taken) {
            const std::uint64_t number = files.line() - (verifier.blames_line_before() ? 1 : 0);
            return Mismatch{files.file().string(), number,
                           "This line " + taken.error().message + " What comes after it was not looked at. " + kKeepThem};
        }
        progress.come_to(files.percent_read());
    }
    const auto finished = verifier.finish();
    if (!finished) return Mismatch{files.file().string(), 0, finished.error().message + " " + kKeepThem};
    return std::optional<Mismatch>();
}

// Whoever can write the files can take every checkpoint out of them.
Mismatch nothing_proven(const AuditFiles& files) {
    return {files.file().string(), 0,
            "No checkpoint covers an entry of the trail that ends here, so nothing says that this is what the vault wrote. The "
            "device signs a minute after an event at the latest: ask again then, or beside the vault, or with --head."};
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

// What the vault has written since it said so is behind its end; what is behind that of a note, nobody has said anything of.
bool is_end_checked(const Summary& summary, const audit::Verifier::Options& options, const KnownEnd& end) {
    if (end.of_vault) return summary.met[*end.of_vault];
    return end.of_note && options.known[*end.of_note] == summary.last;
}

std::string end_in_words(const Summary& summary, const audit::Verifier::Options& options, const KnownEnd& end) {
    const bool checked = is_end_checked(summary, options, end);
    if (end.of_vault && !checked) return "the vault's latest entry is not in them yet: run it again";
    if (end.of_vault) return end.of_note ? "as the vault and --head say" : "as the vault says";
    if (checked) return "as --head says";
    if (end.of_note) {
        return "up to entry " + std::to_string(options.known[*end.of_note].sequence) +
               ", as --head says; a tail that was cut off after that would not be noticed";
    }
    return "not checked, since no vault was asked and no --head was given: a tail that was cut off would not be noticed";
}

std::string signatures_in_words(std::uint64_t checkpoints) {
    return checkpoints == 0 ? "the key has signed nothing in these files" : counted(checkpoints, "checkpoint", "checkpoints");
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
            rows.push_back({"signed by", hex_of(crypto::sha256(options.signing_keys[i])) + " (" +
                                             signatures_in_words(summary.signed_by[i]) + ")"});
        }
        rows.push_back({"signed up to", signed_in_words(summary)});
    }
    if (summary.unread != 0) rows.push_back({"unknown", counted(summary.unread, "entry", "entries") + " of a newer hwvault"});
    if (summary.trails > 1) {
        rows.push_back({"trails", std::to_string(summary.trails) + ": begun again, as after a recovery on another device; the "
                                                                   "entries are those of the last one" +
                                      (summary.uncovered_before == 0
                                           ? std::string()
                                           : "; at the ends of those before, " +
                                                 counted(summary.uncovered_before, "entry is", "entries are") +
                                                 " under no checkpoint")});
    }
    rows.push_back({"head", head_of(summary)});
    rows.push_back({"end", end_in_words(summary, options, end)});
    return table(rows);
}

json::object good_object(const Summary& summary, const audit::Verifier::Options& options, const KnownEnd& end) {
    json::object object{{"verified", true},
                        {"first", summary.first},
                        {"last", summary.last.sequence},
                        {"head", head_of(summary)},
                        {"events", summary.events},
                        {"checkpoints", summary.checkpoints},
                        {"unknown", summary.unread},
                        {"trails", summary.trails},
                        {"uncovered_before", summary.uncovered_before},
                        {"end_checked", is_end_checked(summary, options, end)}};
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

void mention_set_aside(const AuditFiles& files) {
    const std::vector<std::string>& names = files.set_aside();
    if (names.empty()) return;
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    const std::string those = names.size() == 1 ? "1 file was" : std::to_string(names.size()) + " files were";
    warn(those + " set aside, which hwvaultd found changed: " + list + ". Verify them by naming them.");
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
    KnownEnd end;
    HWVAULT_TRY(end.of_note, expect_head(asked.head, options));
    // Before the files are read, which are ahead of its answer then.
    if (asked.files.empty()) end.of_vault = expect_end_of_vault(session, options);
    HWVAULT_TRY(AuditFiles files, open_audit_files(asked.files, session.settings));
    audit::Verifier verifier(options);
    HWVAULT_TRY(std::optional<Mismatch> bad, first_bad_line(verifier, files));
    if (!bad && !asked.chain_only && !verifier.is_proven()) bad = nothing_proven(files);
    mention_set_aside(files);
    if (bad) return say_bad(session, *bad);
    if (files.is_unfinished()) warn(files.file().string() + ": its last line is not finished, and was left out: it is being written, or a crash left it.");
    HWVAULT_CHECK(session.print(good_table(verifier.summary(), options, end), good_object(verifier.summary(), options, end)));
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
