// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/client.h"

#include <utility>

namespace hwvault::libclient {
namespace {

constexpr std::uint64_t kPageSize = 1'000;  // the vault's own largest

bool was_lost(const Failure& failure) {
    return failure.code == HWVAULT_ERROR_UNREACHABLE;
}

Failure with_unknown_outcome(Failure failure) {
    failure.message += " Whether the change was made is not known: look at the token before you try again.";
    return failure;
}

// A token name with one generation at a time, so that naming it means all of it.
bool has_one_generation(const Info& info) {
    return info.name == "default" || info.origin == "imported";
}

}  // namespace

Answer<Reply> Client::exchange(BytesView message, Deadline deadline, bool fresh, Reached& reached) {
    reached = Reached::kNothing;
    HWVAULT_TRY(Pool::Lease connection, pool_.lend(deadline, fresh));
    HWVAULT_CHECK(connection->send(message, deadline));
    reached = Reached::kSentWhole;
    HWVAULT_TRY(const BytesView answer, connection->receive(deadline));
    auto reply = read_reply(answer);
    // After an answer that cannot be read, or one with more to follow, the next answer would not be the next call's.
    if (reply ? !reply->continues : reply.error().code != HWVAULT_ERROR_BAD_ANSWER) connection.keep();
    return reply;
}

Answer<Reply> Client::call(const Call& call) {
    if (::getpid() != process_) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "This client was opened by another process. After fork(), open one in the child."};
    }
    HWVAULT_TRY(const SecretBytes message, call.request.message());
    Reached reached{};
    auto reply = exchange(message.reveal(), call.deadline, false, reached);
    const bool harmless = reached == Reached::kNothing || call.repeat == Repeat::kOnce;
    if (!reply && was_lost(reply.error()) && harmless) {
        Reached again{};
        reply = exchange(message.reveal(), call.deadline, true, again);
        if (again == Reached::kSentWhole) reached = again;
    }
    const bool unknown = !reply && reached == Reached::kSentWhole && call.repeat == Repeat::kNever &&
                         reply.error().code >= HWVAULT_ERROR_UNREACHABLE;
    if (unknown) return with_unknown_outcome(std::move(reply).error());
    return reply;
}

Answer<Retrieved> Client::retrieve(const Target& target) {
    const Request request = std::move(Request("Retrieve").target(target));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline()}));
    return read_retrieved(reply);
}

Answer<Info> Client::revoke_generation(const Target& target, std::uint64_t generation, Repeat repeat,
                                       Deadline deadline) {
    const Request request = std::move(Request("Revoke").target(target).number("generation", generation));
    HWVAULT_TRY(const Reply reply, call({request, repeat, deadline}));
    return read_info(reply);
}

// Of a named token, generation 0 means every one that overlaps too, which no single number says. So it is asked for
// with 0, and after a lost answer by number first: that is safe whether the first was carried out or not, and its
// answer tells whether somebody has made a successor since, which a second 0 would kill.
Answer<Info> Client::revoke_all(const Target& target, std::uint64_t current, Deadline deadline) {
    auto answer = revoke_generation(target, 0, Repeat::kNever, deadline);
    if (answer || !was_lost(answer.error())) return answer;
    HWVAULT_TRY(const Info info, revoke_generation(target, current, Repeat::kNever, deadline));
    if (info.generation == current && info.revoked) return revoke_generation(target, 0, Repeat::kNever, deadline);
    return Failure{HWVAULT_ERROR_UNREACHABLE,
                   "The connection was lost while revoking. Generation " + std::to_string(current) +
                       " is dead; somebody has made generation " + std::to_string(info.generation) +
                       " since, and generations in an overlap may live: look, and revoke again if all should go."};
}

Answer<Info> Client::revoke(const Target& target) {
    const Deadline by = deadline();
    if (target.generation != 0) return revoke_generation(target, target.generation, Repeat::kOnce, by);
    const auto present = describe_by(target, by);
    // Who may not look, or what is not there yet: the vault itself decides on the request, which is then not repeated.
    if (!present && present.error().code >= HWVAULT_ERROR_UNREACHABLE) return present.error();
    if (!present || present->generation == 0) return revoke_generation(target, 0, Repeat::kNever, by);
    if (has_one_generation(*present)) return revoke_generation(target, present->generation, Repeat::kOnce, by);
    return revoke_all(target, present->generation, by);
}

Answer<void> Client::revoke_token(BytesView token) {
    const Request request = std::move(Request("RevokeToken").secret("token", token));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline()}));
    return {};
}

Answer<Info> Client::rotate(const Target& target, std::uint64_t overlap) {
    const Deadline by = deadline();
    std::uint64_t generation = target.generation;
    if (generation == 0) {
        const auto present = describe_by(target, by);
        if (!present && present.error().code >= HWVAULT_ERROR_UNREACHABLE) return present.error();
        if (present) generation = present->generation;
    }
    const Request request = std::move(
        Request("Rotate").target(target).number("generation", generation).number("overlap_seconds", overlap));
    const Repeat repeat = generation == 0 ? Repeat::kNever : Repeat::kOnce;
    HWVAULT_TRY(const Reply reply, call({request, repeat, by}));
    return read_info(reply);
}

Answer<Info> Client::create(const Target& target, const Options& options) {
    const Request request = std::move(Request("Create").target(target).options(options));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kNever, deadline()}));
    return read_info(reply);
}

Answer<Info> Client::import(const Target& target, BytesView secret, const Options& options) {
    const Request request = std::move(Request("Import").target(target).secret("secret", secret).options(options));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kNever, deadline()}));
    return read_info(reply);
}

Answer<void> Client::erase(const Target& target) {
    const Request request = std::move(Request("Delete").target(target));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kNever, deadline()}));
    return {};
}

Answer<Info> Client::describe(const Target& target) {
    return describe_by(target, deadline());
}

Answer<Info> Client::describe_by(const Target& target, Deadline deadline) {
    const Request request = std::move(Request("Describe").target(target));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline}));
    return read_info(reply);
}

Answer<Page> Client::list(const std::string& account, const std::string& cursor) {
    const Request request = std::move(
        Request("List").text("account", account).text("cursor", cursor).number("limit", kPageSize));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline()}));
    HWVAULT_TRY(Page page, read_page(reply));
    if (page.next.empty() || page.next != cursor) return page;
    return Failure{HWVAULT_ERROR_BAD_ANSWER, "The vault's answer cannot be read: `next` is the cursor that was sent."};
}

Answer<Report> Client::status() {
    const Request request("Status");
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline()}));
    return read_report(reply);
}

}  // namespace hwvault::libclient
