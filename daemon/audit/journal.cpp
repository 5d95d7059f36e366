// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/audit/journal.h"

#include <string>
#include <variant>

#include <syslog.h>

#include <systemd/sd-journal.h>

#include "daemon/audit/entry.h"
#include "foundation/hex.h"

namespace hwvault::audit {
namespace {

std::string who(const vault::Actor& actor) {
    std::string text = actor.user.empty() ? "uid " + std::to_string(actor.uid)
                                          : actor.user + " (uid " + std::to_string(actor.uid) + ")";
    if (!actor.unit.empty()) text += " in " + actor.unit;
    return text;
}

std::string sentence(const vault::Event& event) {
    std::string text = who(event.actor) + ": " + std::string(vault::word(event.verb));
    if (!event.account.empty()) text += " of " + event.account + "/" + event.name;
    if (event.generation != 0) text += ", generation " + std::to_string(event.generation);
    if (!event.decided_by.empty()) text += ", by " + event.decided_by;
    return text;
}

}  // namespace

void send_to_journal(const vault::EventLink& link) {
    const auto entry = decode(link.body);
    const auto* const event = entry ? std::get_if<vault::Event>(&*entry) : nullptr;
    if (event == nullptr) return;
    const vault::Actor& actor = event->actor;
    // Texts of an event are one line each, so none begins another field.
    ::sd_journal_send("MESSAGE=%s", sentence(*event).c_str(), "MESSAGE_ID=%s", kMessageId, "PRIORITY=%i", LOG_INFO,
                      "SYSLOG_IDENTIFIER=hwvaultd", "HWVAULT_SEQUENCE=%llu", static_cast<unsigned long long>(link.sequence),
                      "HWVAULT_HASH=%s", hex_of(link.hash).c_str(), "HWVAULT_VERB=%s",
                      std::string(vault::word(event->verb)).c_str(), "HWVAULT_UID=%u", actor.uid, "HWVAULT_USER=%s",
                      actor.user.c_str(), "HWVAULT_UNIT=%s", actor.unit.c_str(), "HWVAULT_INVOCATION=%s",
                      actor.invocation.c_str(), "HWVAULT_EXECUTABLE=%s", actor.executable.c_str(), "HWVAULT_ACCOUNT=%s",
                      event->account.c_str(), "HWVAULT_NAME=%s", event->name.c_str(), "HWVAULT_TOKEN=%s",
                      event->token_id.c_str(), "HWVAULT_GENERATION=%llu",
                      static_cast<unsigned long long>(event->generation), "HWVAULT_RULE=%s", event->decided_by.c_str(),
                      static_cast<const char*>(nullptr));
}

}  // namespace hwvault::audit
