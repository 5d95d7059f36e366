// SPDX-License-Identifier: LGPL-2.1-or-later
//
// audit show: who did what and when, out of the audit files. It reads and does not verify: what it shows is what
// the files say. A line that is none is named on standard error, and the rest is shown.
#include "cli/audit_show.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/audit_files.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "daemon/audit/entry.h"
#include "daemon/audit/line.h"

namespace hwvault::cli {
namespace {

struct AskedToShow {
    std::vector<std::string> files;
    std::string account;
    std::string name;
    std::string user;
    std::string unit;
    std::string verb;
    std::string since;
    std::string until;
    std::uint64_t last{0};  // 0: all
};

// What an event must be to be shown. Empty: anything.
struct Filter {
    std::string account;
    std::string name;
    std::string user;
    std::string unit;
    std::optional<vault::Verb> verb;
    std::optional<std::uint64_t> since;
    std::optional<std::uint64_t> until;

    [[nodiscard]] bool takes_all() const {
        return account.empty() && name.empty() && user.empty() && unit.empty() && !verb && !since && !until;
    }
    [[nodiscard]] bool takes(const vault::Event& event) const {
        const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
        const bool by_user = fits(user, event.actor.user) || user == std::to_string(event.actor.uid);
        return fits(account, event.account) && fits(name, event.name) && by_user && fits(unit, event.actor.unit) &&
               (!verb || *verb == event.verb) && (!since || event.time >= *since) && (!until || event.time <= *until);
    }
};

Answer<Filter> filter_of(const AskedToShow& asked) {
    Filter filter{asked.account, asked.name, asked.user, asked.unit, {}, {}, {}};
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    if (!asked.verb.empty()) {
        filter.verb = verb_written(asked.verb);
        if (!filter.verb) {
            return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                           "`" + asked.verb + "` is no verb of the vault. Write it as Retrieve, revoke or revoke-token."};
        }
    }
    if (!asked.since.empty()) {
        HWVAULT_TRY(filter.since, moment_named(asked.since, now));
    }
    if (!asked.until.empty()) {
        HWVAULT_TRY(filter.until, moment_named(asked.until, now));
    }
    return filter;
}

// Columns of a fixed width, so that a row needs none of the others: a trail may be longer than memory.
std::string row(const std::vector<std::string>& cells) {
    static const std::vector<std::size_t> kWidths{8, 19, 20, 11, 30, 10};
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = printable(cells[i]);
        const std::size_t width = i < kWidths.size() ? kWidths[i] : 0;
        text += cell + std::string(width > cell.size() ? width - cell.size() : 0, ' ') + "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string heading() {
    return row({"ENTRY", "TIME", "WHO", "VERB", "WHAT", "GENERATION", "RULE"});
}

std::string row_of(std::uint64_t sequence, const vault::Event& event) {
    const vault::Actor& actor = event.actor;
    const std::string user = actor.user.empty() ? "uid " + std::to_string(actor.uid) : actor.user;
    return row({std::to_string(sequence), local_time_text(event.time), actor.unit.empty() ? user : user + " in " + actor.unit,
                std::string(vault::word(event.verb)), event.name.empty() ? event.account : event.account + "/" + event.name,
                event.generation == 0 ? "" : std::to_string(event.generation), event.decided_by});
}

std::string row_of(std::uint64_t sequence, const vault::SignedCheckpoint& made) {
    return row({std::to_string(sequence), "", "the device", "checkpoint",
                "checkpoint " + std::to_string(made.checkpoint.sequence) + ", epoch " + std::to_string(made.checkpoint.epoch)});
}

// Shows each as it comes, or keeps the last ones.
class Output {
public:
    explicit Output(std::uint64_t last) : last_(last) {}

    Answer<void> add(std::string text) {
        if (last_ == 0) return write_out(STDOUT_FILENO, bytes_of(text));
        if (kept_.size() == last_) kept_.pop_front();
        kept_.push_back(std::move(text));
        return {};
    }
    Answer<void> finish() {
        for (const std::string& text : kept_) HWVAULT_CHECK(write_out(STDOUT_FILENO, bytes_of(text)));
        return {};
    }

private:
    std::uint64_t last_;
    std::deque<std::string> kept_;
};

// As it is shown; nullopt when it is not.
std::optional<std::string> shown(const vault::EventLink& link, const Filter& filter) {
    const auto entry = audit::decode(link.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event != nullptr) return filter.takes(*event) ? std::optional(row_of(link.sequence, *event)) : std::nullopt;
    if (!filter.takes_all()) return std::nullopt;
    if (entry) return row_of(link.sequence, std::get<vault::SignedCheckpoint>(*entry));
    return row({std::to_string(link.sequence), "", "", "", "an entry of a newer hwvault"});
}

Answer<Exit> show_audit(Session& session, const AskedToShow& asked) {
    HWVAULT_TRY(const Filter filter, filter_of(asked));
    HWVAULT_TRY(AuditFiles files, open_audit_files(asked.files, session.settings));
    const bool json = session.settings.json;
    Output output(asked.last);
    Exit exit = kYes;
    if (!json) HWVAULT_CHECK(write_out(STDOUT_FILENO, bytes_of(heading())));
    for (;;) {
        HWVAULT_TRY(const auto line, files.next());
        if (!line) break;
        const auto parsed = audit::parse_line(*line);
        if (!parsed) {
            warn(files.file().string() + ", line " + std::to_string(files.line()) + ": This line " + parsed.error().message);
            exit = kNo;
            continue;
        }
        const auto* const link = std::get_if<vault::EventLink>(&*parsed);
        auto text = link != nullptr ? shown(*link, filter) : std::nullopt;
        if (text) HWVAULT_CHECK(output.add(json ? std::string(*line) + "\n" : std::move(*text)));
    }
    HWVAULT_CHECK(output.finish());
    return exit;
}

}  // namespace

void add_audit_file_options(CLI::App& command, Session& session, std::vector<std::string>& files) {
    command.add_option("FILE", files, "Audit files in their order; else those of [audit] folder of --config");
    add_configuration(command, session);
}

void add_audit_show(CLI::App& group, Session& session) {
    CLI::App* const command = group.add_subcommand("show", "Show who did what and when; `verify` says whether it is true");
    const auto asked = std::make_shared<AskedToShow>();
    add_audit_file_options(*command, session, asked->files);
    command->add_option("--account", asked->account, "About this account");
    command->add_option("--name", asked->name, "About tokens of this name");
    command->add_option("--user", asked->user, "By this user, a name or a uid");
    command->add_option("--unit", asked->unit, "By this systemd unit");
    command->add_option("--verb", asked->verb, "As Retrieve or revoke");
    command->add_option("--since", asked->since, "From this date on, or from so long ago: 2026-11-26, 2d");
    command->add_option("--until", asked->until, "Up to this date, or so long ago");
    command->add_option("--last", asked->last, "No more than the last N")->check(CLI::PositiveNumber);
    command->callback([&session, asked] { session.work = [&session, asked] { return show_audit(session, *asked); }; });
}

}  // namespace hwvault::cli
