// SPDX-License-Identifier: LGPL-2.1-or-later
//
// audit show: who did what and when, out of the audit files. It reads and does not verify: what it shows is what
// the files say. A line that is none is named on standard error, and the rest is shown. Moments are in UTC.
#include "cli/audit_show.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/audit_files.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "daemon/audit/entry.h"
#include "daemon/audit/line.h"

namespace hwvault::cli {
namespace {

constexpr std::string_view kCheckpoint = "checkpoint";  // what --verb takes beside the verbs
constexpr std::size_t kTokenIdSize = 10;

struct AskedToShow {
    std::vector<std::string> files;
    std::string account;
    std::string name;
    std::string user;
    std::string unit;
    std::string token;
    std::string verb;
    std::string since;
    std::string until;
    std::string last;
};

// What an entry must be to be shown. Empty: anything.
struct Filter {
    std::string account;
    std::string name;
    std::string user;
    std::string unit;
    std::string token;
    std::optional<vault::Verb> verb;
    bool checkpoints{false};  // these alone
    std::optional<std::uint64_t> since;
    std::optional<std::uint64_t> until;

    // One that is no event has none of what the others ask for.
    [[nodiscard]] bool takes_others() const {
        return account.empty() && name.empty() && user.empty() && unit.empty() && token.empty() && !verb && !since && !until;
    }
    [[nodiscard]] bool takes(const vault::Event& event) const {
        const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
        if (checkpoints) return false;
        const bool by_user = fits(user, event.actor.user) || user == std::to_string(event.actor.uid);
        return fits(account, event.account) && fits(name, event.name) && by_user && fits(unit, event.actor.unit) &&
               fits(token, event.token_id) && (!verb || *verb == event.verb) && (!since || event.time >= *since) && (!until || event.time <= *until);
    }
};

std::string list_of_verbs() {
    std::string list;
    for (const vault::Verb verb : vault::kVerbs) list += std::string(vault::word(verb)) + ", ";
    return list + "and " + std::string(kCheckpoint);
}

// Not said again in the answer: somebody may have pasted a whole token.
bool is_token_id(const std::string& text) {
    return text.size() == kTokenIdSize && std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) != 0; });
}

Answer<Filter> filter_of(const AskedToShow& asked) {
    Filter filter{asked.account, asked.name, asked.user, asked.unit, asked.token, {}, is_same_word(asked.verb, kCheckpoint), {}, {}};
    const auto now = static_cast<std::uint64_t>(std::time(nullptr));
    if (!asked.token.empty() && !is_token_id(asked.token)) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "--token takes the id of a token, ten letters and digits, as `hwvault show` prints it; never the token."};
    }
    if (!asked.verb.empty() && !filter.checkpoints) {
        filter.verb = verb_written(asked.verb);
        if (!filter.verb) {
            return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                           "`" + asked.verb + "` is no verb of the trail. These are " + list_of_verbs() + "."};
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

// 0: all.
Answer<std::uint64_t> most_of(const AskedToShow& asked) {
    if (asked.last.empty()) return std::uint64_t{0};
    const auto number = number_written(asked.last);
    if (number && *number != 0) return *number;
    return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "--last takes a number of entries, from 1."};
}

// Columns of a fixed place, so that a row needs none of the others: a trail may be longer than memory. A cell that is longer
// than its column moves those after it as far as they have no room to spare.
std::string row(const std::vector<std::string>& cells) {
    constexpr std::array<std::size_t, 6> kWidths{8, 23, 24, 11, 30, 10};
    constexpr std::string_view kGap = "  ";
    std::string text;
    std::size_t place = 0;
    std::size_t column = 0;  // where the text has come to
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = printable(cells[i]);
        if (i != 0) {
            place += kWidths[i - 1] + kGap.size();
            const std::size_t blanks = std::max(column + kGap.size(), place) - column;
            text.append(blanks, ' ');
            column += blanks;
        }
        text += cell;
        column += width(cell);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string heading() {
    return row({"ENTRY", "TIME", "WHO", "VERB", "WHAT", "GENERATION", "RULE"});
}

std::string who(const vault::Event& event) {
    if (event.verb == vault::Verb::kAudit) return "hwvaultd";
    const vault::Actor& actor = event.actor;
    const std::string user = actor.user.empty() ? "uid " + std::to_string(actor.uid) : actor.user;
    return actor.unit.empty() ? user : user + " in " + actor.unit;
}

std::string when(const vault::Event& event) {
    constexpr std::uint64_t kLatest = std::numeric_limits<std::int64_t>::max();
    return second_text(static_cast<std::int64_t>(std::min(event.time, kLatest)));
}

std::string row_of(std::uint64_t sequence, const vault::Event& event) {
    return row({std::to_string(sequence), when(event), who(event), std::string(vault::word(event.verb)), event.name.empty() ? event.account : event.account + "/" + event.name,
                event.generation == 0 ? "" : std::to_string(event.generation), event.decided_by});
}

std::string row_of(std::uint64_t sequence, const vault::SignedCheckpoint& made) {
    return row({std::to_string(sequence), "", "the device", "checkpoint",
                "checkpoint " + std::to_string(made.checkpoint.sequence) + ", epoch " + std::to_string(made.checkpoint.epoch)});
}

// Shows each as it comes, or keeps the last ones; for people under a heading.
class Output {
public:
    Output(std::uint64_t last, bool for_people) : last_(last), for_people_(for_people) {}

    Answer<void> add(std::string text) {
        if (for_people_ && is_empty_) HWVAULT_CHECK(write_out(STDOUT_FILENO, bytes_of(heading())));
        is_empty_ = false;
        if (last_ == 0) return write_out(STDOUT_FILENO, bytes_of(text));
        if (kept_.size() == last_) kept_.pop_front();
        kept_.push_back(std::move(text));
        return {};
    }
    Answer<void> finish() {
        if (for_people_ && is_empty_) return write_out(STDOUT_FILENO, bytes_of("no entries\n"));
        for (const std::string& text : kept_) HWVAULT_CHECK(write_out(STDOUT_FILENO, bytes_of(text)));
        return {};
    }

private:
    std::uint64_t last_;
    bool for_people_;
    bool is_empty_{true};
    std::deque<std::string> kept_;
};

// As it is shown; nullopt when it is not.
std::optional<std::string> shown(const vault::EventLink& link, const Filter& filter) {
    const auto entry = audit::decode(link.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event != nullptr) return filter.takes(*event) ? std::optional(row_of(link.sequence, *event)) : std::nullopt;
    if (!filter.takes_others()) return std::nullopt;
    if (entry) return row_of(link.sequence, std::get<vault::SignedCheckpoint>(*entry));
    if (filter.checkpoints) return std::nullopt;
    return row({std::to_string(link.sequence), "", "", "", "an entry of a newer hwvault"});
}

Answer<Exit> show_audit(Session& session, const AskedToShow& asked) {
    HWVAULT_TRY(const Filter filter, filter_of(asked));
    HWVAULT_TRY(const std::uint64_t last, most_of(asked));
    HWVAULT_TRY(AuditFiles files, open_audit_files(asked.files, session.settings));
    const bool json = session.settings.json;
    Output output(last, !json);
    Exit exit = kYes;
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
    command->add_option("--token", asked->token, "About the token with this id, as show prints it");
    command->add_option("--verb", asked->verb, "As Retrieve or revoke; or checkpoint");
    command->add_option("--since", asked->since, "From this date in UTC on, or from so long ago: 2026-11-26, 2d");
    command->add_option("--until", asked->until, "Up to this date, or so long ago");
    command->add_option("--last", asked->last, "No more than the last N");
    command->callback([&session, asked] { session.work = [&session, asked] { return show_audit(session, *asked); }; });
}

}  // namespace hwvault::cli
