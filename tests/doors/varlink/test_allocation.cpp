// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Verify on a connection that has made a call before: nothing is allocated on the strand, however many calls come.
#include "tests/counted_new.h"
#include "tests/doors/varlink/harness.h"
#include "tests/doors/varlink/plain_service.h"

using namespace hwvault;
using namespace hwvault::tests;

namespace {

// Says yes to everything, as the vault does: with texts that are there.
class WillingService final : public PlainService {
public:
    using PlainService::PlainService;
    Result<service::Verification> verify(const policy::Caller&, BytesView) override {
        service::Verification answer;
        answer.active = true;
        answer.account = "unit:a-name-that-is-too-long-for-a-small-string.service";
        answer.name = "default";
        answer.id = "CANARY0001";
        answer.generation = 7;
        answer.scopes = {"read", "write"};
        return answer;
    }
};

constexpr std::size_t kTogether = 10;

void verify(Client& client, const std::string& calls, std::size_t count) {
    client.send(calls);
    for (std::size_t i = 0; i < count; ++i) client.receive_text();
}

// By the door while the client makes 1,000 calls, `count` at a time.
std::size_t allocations_of_calls(Served<WillingService>& served, Client& client, std::size_t count) {
    std::string calls;
    for (std::size_t i = 0; i < count; ++i) calls += vault_call("Verify", R"({"token":"hwv_x"})") + '\0';
    for (int i = 0; i < 2; ++i) verify(client, calls, count);  // what is gathered has two lists, in turns
    std::size_t before = 0;
    std::size_t after = 0;
    served.on_strand([&] { before = allocations; });
    for (std::size_t i = 0; i < 1'000 / count; ++i) verify(client, calls, count);
    served.on_strand([&] { after = allocations; });
    CHECK(before > 0);  // that it counts at all
    return after - before;
}

}  // namespace

TEST_CASE("a thousand calls of Verify on a warm connection allocate nothing") {
    Served<WillingService> served;
    Client client = served.connect();
    verify(client, vault_call("Status") + '\0', 1);
    CHECK(allocations_of_calls(served, client, 1) == 0);
    CHECK(allocations_of_calls(served, client, kTogether) == 0);
}
