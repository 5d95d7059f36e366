// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify, by the fastest way there is: in this process where the vault has handed its index over, else by asking.
#include <algorithm>
#include <array>
#include <utility>

#include "libclient/client.h"
#include "libclient/verification.h"

namespace hwvault::libclient {
namespace {

BytesView bytes_of(const hwvault_token& token) {
    return {static_cast<const std::uint8_t*>(token.data), token.size};
}

// False when the table is not to be trusted; what was written then is worth nothing.
bool verify_in(const index::Table& table, BytesView token, hwvault_verification& result) {
    index::Found found;
    const auto active = table.verify(token, found);
    if (!active) return false;
    *active ? write(token, found, result) : write_inactive(result);
    return true;
}

// The same of as many as a table takes at once.
bool verify_in(const index::Table& table, std::span<const hwvault_token> tokens, hwvault_verification* results) {
    std::array<BytesView, index::Table::kAtOnce> texts;
    for (std::size_t i = 0; i < tokens.size(); ++i) texts[i] = bytes_of(tokens[i]);
    return table.verify_some(std::span(texts).first(tokens.size()), [&](std::size_t i, const index::Found* found) {
        if (found != nullptr) write(texts[i], *found, results[i]);
    });
}

}  // namespace

Answer<void> Client::verify(BytesView token, hwvault_verification& result) {
    return verify_here(token, result) ? Answer<void>{} : verify_by(token, result, deadline());
}

Answer<void> Client::verify_by(BytesView token, hwvault_verification& result, Deadline by) {
    if (token.empty() || token.size() > kMaxSecretSize) return {};
    const index::Table* const table = asked_table(by);
    if (table != nullptr && verify_in(*table, token, result)) return {};
    return ask_to_verify(token, result, by);
}

bool Client::verify_here(BytesView token, hwvault_verification& result) {
    const index::Table* const table = local_.table();
    return table != nullptr && verify_in(*table, token, result);
}

Answer<void> Client::verify_many(std::span<const hwvault_token> tokens, hwvault_verification* results) {
    const Deadline by = deadline();
    while (!tokens.empty()) {
        const auto some = tokens.first(std::min(index::Table::kAtOnce, tokens.size()));
        const index::Table* const table = local_.table();
        if (table == nullptr || !verify_in(*table, some, results)) {
            // What was written by then is worth nothing, and an error is to leave nobody active.
            for (std::size_t i = 0; i < some.size(); ++i) write_inactive(results[i]);
            for (std::size_t i = 0; i < some.size(); ++i) {
                const BytesView token = bytes_of(some[i]);
                if (!verify_here(token, results[i])) HWVAULT_CHECK(verify_by(token, results[i], by));
            }
        }
        tokens = tokens.subspan(some.size());
        results += some.size();
    }
    return {};
}

Answer<void> Client::ask_to_verify(BytesView token, hwvault_verification& result, Deadline deadline) {
    const Request request = std::move(Request("Verify").secret("token", token));
    HWVAULT_TRY(const Reply reply, call({request, Repeat::kOnce, deadline}));
    HWVAULT_TRY(const Verification verification, read_verification(reply));
    write(verification, result);
    return {};
}

const index::Table* Client::asked_table(Deadline deadline) {
    if (!local_.begin_asking()) return nullptr;
    auto fetched = fetch_index(deadline);
    if (fetched) {
        local_.end_asking(std::move(*fetched));
    } else {
        const bool refused = fetched.error().code == HWVAULT_ERROR_ACCESS_DENIED || fetched.error().code == HWVAULT_ERROR_BAD_ANSWER;
        local_.end_asking(refused ? LocalIndex::kAfterRefusal : LocalIndex::kAfterTrouble);
    }
    return local_.table();
}

// A vault that knows no such method is an older one, which refuses as well.
Answer<std::shared_ptr<const index::Table>> Client::fetch_index(Deadline by) {
    HWVAULT_TRY(const SecretBytes message, Request("GetVerifyIndex").message());
    HWVAULT_TRY(Pool::Lease connection, pool_.lend(by, false));
    HWVAULT_CHECK(connection->send(message.reveal(), by));
    std::vector<os::Fd> descriptors;
    HWVAULT_TRY(const BytesView answer, connection->receive(by, descriptors));
    auto reply = read_reply(answer);
    if (reply || reply.error().code != HWVAULT_ERROR_BAD_ANSWER) connection.keep();
    if (!reply) return std::move(reply).error();
    HWVAULT_TRY(const IndexPlaces places, read_index_places(*reply));
    if (places.index >= descriptors.size() || places.stamps >= descriptors.size() || places.index == places.stamps) {
        return Failure{HWVAULT_ERROR_BAD_ANSWER, "The vault's answer came without the descriptors that it names."};
    }
    auto table = index::Table::map(std::move(descriptors[places.index]), std::move(descriptors[places.stamps]));
    if (!table) return Failure{HWVAULT_ERROR_BAD_ANSWER, table.error().message};
    return std::move(*table);
}

}  // namespace hwvault::libclient
