// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A verify index of more tokens than a vault may have, handed over as hwvaultd's socket does, so that libhwvault verifies by it.
// All else is refused: who gets an answer got it from the index.
//
//     bench_index_vault SOCKET COUNT        the tokens are those of bench/derived_texts.h from 0 on
//
// Until it is ended from outside.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bench/derived_texts.h"
#include "daemon/index/writer.h"
#include "os/asio.h"
#include "os/passing.h"

namespace {

using namespace hwvault;
using namespace std::string_view_literals;
namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr std::size_t kOfAccount = 1'000;
constexpr std::size_t kMaxCall = 4'096;
constexpr std::string_view kWanted = "org.hwvault.Vault.GetVerifyIndex";
constexpr std::string_view kHandedOver = "{\"parameters\":{\"index\":0,\"stamps\":1}}\0"sv;
constexpr std::string_view kRefusal =
    "{\"error\":\"org.hwvault.Vault.InvalidArgument\",\"parameters\":{\"message\":\"This is an index alone.\"}}\0"sv;

std::uint64_t clock_now() {
    return static_cast<std::uint64_t>(::time(nullptr));
}

// As full as hwvaultd makes them.
std::unique_ptr<index::Writer> make_table(std::size_t count) {
    const std::size_t slots = std::max<std::size_t>(count * 100 / 66, index::kMinSlots);
    auto table = index::Writer::make(crypto::kDefaultPrefix, static_cast<std::uint32_t>(slots)).value();
    const std::vector<std::string> scopes{"read"};
    for (std::size_t number = 0; number < count; ++number) {
        const bench::DerivedText text = bench::derived_text(number);
        const crypto::TokenProof proof = crypto::prove_token_text(crypto::kDefaultPrefix, text).value();
        const std::string account = "app:bench-" + std::to_string(number / kOfAccount);
        const std::string name = "t" + std::to_string(number % kOfAccount);
        const index::Key key{.id = proof.id, .generation = 1, .account = account, .name = name};
        const bool placed = table->put({.key = key, .hash = proof.hash, .live = true, .expires_at = 0, .scopes = scopes});
        if (!placed) throw std::runtime_error("a token found no place in the table");
    }
    os::SharedMemory::gather(table->index_descriptor(), 0, index::texts_at(table->slots()));  // as hwvaultd does
    table->hold().value();
    return table;
}

os::Fd copy_of(const os::Fd& fd) {
    return os::Fd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
}

asio::awaitable<void> answer(Socket socket, const index::Writer& table) {
    std::string unread;
    for (;;) {
        const auto [failure, size] = co_await asio::async_read_until(socket, asio::dynamic_buffer(unread, kMaxCall), '\0', os::kAsTuple);
        if (failure) co_return;
        std::vector<os::Fd> descriptors;
        const bool is_wanted = std::string_view(unread).substr(0, size).find(kWanted) != std::string_view::npos;
        if (is_wanted) {
            descriptors.push_back(copy_of(table.index_descriptor()));
            descriptors.push_back(copy_of(table.stamps_descriptor()));
        }
        const std::string_view reply = is_wanted ? kHandedOver : kRefusal;
        if (os::send_with(socket.native_handle(), bytes_of(reply), descriptors) != static_cast<ssize_t>(reply.size())) co_return;
        unread.erase(0, size);
    }
}

asio::awaitable<void> accept(asio::io_context& io, const char* path, const index::Writer& table) {
    asio::local::stream_protocol::acceptor acceptor(io, asio::local::stream_protocol::endpoint(path));
    for (;;) {
        auto [failure, socket] = co_await acceptor.async_accept(os::kAsTuple);
        if (!failure) asio::co_spawn(io, answer(std::move(socket), table), asio::detached);
    }
}

asio::awaitable<void> beat(asio::io_context& io, index::Writer& table) {
    asio::steady_timer timer(io);
    for (;;) {
        table.beat(clock_now(), clock_now());
        timer.expires_after(std::chrono::seconds(1));
        co_await timer.async_wait(os::kAsTuple);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench_index_vault SOCKET COUNT\n");
        return 2;
    }
    try {
        asio::io_context io{1};
        const auto table = make_table(std::strtoul(argv[2], nullptr, 10));
        asio::co_spawn(io, beat(io, *table), asio::detached);
        asio::co_spawn(io, accept(io, argv[1], *table), asio::detached);
        io.run();
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_index_vault: %s\n", failure.what());
        return 1;
    }
    return 0;
}
