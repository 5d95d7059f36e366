// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/client.h"

#include <string>
#include <utility>

namespace hwvault::hardware {
namespace {

namespace asio = boost::asio;

Error nonsense(std::string_view verb) {
    return {ErrorCode::kHardwareUnavailable, "The hardware child's answer to " + std::string(verb) +
                                                 " has a wrong form. Are hwvaultd and hwvault-hardware of the same"
                                                 " version?"};
}

}  // namespace

std::unique_ptr<Client> Client::create(const asio::any_io_executor& executor, Options options) {
    return std::make_unique<Client>(Supervisor::start(executor, std::move(options)));
}

Result<void> Client::state() const {
    if (const auto& trouble = supervisor_->trouble()) return *trouble;
    return {};
}

asio::awaitable<Result<SecretBytes>> Client::derive(Label label, Bytes context, Deadline deadline) {
    if (context.size() > kMaxContextSize) {
        co_return invalid_argument("A derivation takes a context of at most " + std::to_string(kMaxContextSize) + " bytes.");
    }
    Verb verb = DeriveRequest{label, std::move(context)};
    auto derived = co_await supervisor_->call(std::move(verb), deadline);
    if (derived && derived->size() != kDerivedSize) co_return nonsense("derive");
    co_return derived;
}

asio::awaitable<Result<Bytes>> Client::checkpoint(Checkpoint checkpoint, Deadline deadline) {
    Verb verb = CheckpointRequest{checkpoint};
    const auto answer = co_await supervisor_->call(std::move(verb), deadline);
    if (!answer) co_return answer.error();
    const BytesView signature = answer->reveal();
    if (signature.empty()) co_return nonsense("checkpoint");
    co_return Bytes(signature.begin(), signature.end());
}

asio::awaitable<Result<SecretBytes>> Client::random(std::size_t size, Deadline deadline) {
    if (size == 0 || size > kMaxRandomSize) {
        co_return invalid_argument("The hardware gives 1 to " + std::to_string(kMaxRandomSize) + " random bytes in a call.");
    }
    Verb verb = RandomRequest{size};
    auto bytes = co_await supervisor_->call(std::move(verb), deadline);
    if (bytes && bytes->size() != size) co_return nonsense("random");
    co_return bytes;
}

asio::awaitable<Result<std::uint64_t>> Client::epoch(Deadline deadline) {
    Verb verb = EpochRequest{};
    const auto answer = co_await supervisor_->call(std::move(verb), deadline);
    if (!answer) co_return answer.error();
    const auto number = decode_number(answer->reveal());
    if (!number) co_return nonsense("a question for the epoch");
    co_return *number;
}

asio::awaitable<Result<CounterReading>> Client::advance(std::uint64_t from, Deadline deadline) {
    Verb verb = AdvanceRequest{from};
    const auto answer = co_await supervisor_->call(std::move(verb), deadline);
    if (!answer) co_return answer.error();
    auto reading = decode_reading(answer->reveal());
    if (!reading) co_return nonsense("a step of the epoch");
    co_return std::move(*reading);
}

asio::awaitable<Result<Description>> Client::describe(Deadline deadline) {
    Verb verb = DescribeRequest{};
    const auto answer = co_await supervisor_->call(std::move(verb), deadline);
    if (!answer) co_return answer.error();
    auto description = decode_description(answer->reveal());
    if (!description) co_return nonsense("describe");
    co_return std::move(*description);
}

}  // namespace hwvault::hardware
