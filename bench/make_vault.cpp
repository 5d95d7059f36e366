// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes a vault of so many tokens, as hwvaultd --dev has it, within seconds: on a SoftHSM2, its keys from the device, and
// every record written and authenticated by the product's own store, some ten thousand in a commit.
//
//     bench_make_vault DIR COUNT HWVAULT-HARDWARE
//
// A token that is verified needs a text that is known, and what the store has of a text is its hash. So the texts are drawn
// here, and the device derives none of them: DIR/texts has one a line, each as long as the others (bench/known_texts.h), first
// those that are in the vault, then as many that are not. The tokens are `t0` to `t999` of the accounts `app:bench-0`,
// `app:bench-1` and so on, which are root's. Beside them are the accounts `app:busy-0` to `app:busy-63`, whose `default` can be
// revoked again and again, and which has no text yet.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "bench/known_texts.h"
#include "crypto/random.h"
#include "crypto/token_text.h"
#include "daemon/development.h"
#include "daemon/hardware/client.h"
#include "daemon/service/opening.h"
#include "daemon/vault/change.h"
#include "os/asio.h"

namespace {

using namespace hwvault;
namespace asio = boost::asio;

constexpr std::size_t kBatch = 10'000;  // tokens a commit
constexpr std::size_t kOfAccount = 1'000;
constexpr std::size_t kBusy = 64;
constexpr auto kLook = std::chrono::milliseconds(5);  // between looks at whether the child is there

template <std::size_t Size>
std::array<std::uint8_t, Size> drawn() {
    std::array<std::uint8_t, Size> bytes{};
    crypto::fill_random(bytes).value();
    return bytes;
}

vault::UnixTime clock_now() {
    return static_cast<vault::UnixTime>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
}

// Draws texts and writes them down.
class Texts {
public:
    explicit Texts(const std::filesystem::path& file) : file_(file, std::ios::binary | std::ios::trunc) {}

    crypto::TokenProof draw() {
        const auto secret = drawn<32>();
        const SecretBytes text = crypto::make_token_text(crypto::kDefaultPrefix, crypto::random_token_id().value(),
                                                         SecretBytes::copy_of(secret));
        if (text.size() + 1 != bench::kTextStride) throw std::logic_error("A token's text has another size.");
        file_.write(reinterpret_cast<const char*>(text.reveal().data()), static_cast<std::streamsize>(text.size()));
        file_.put('\n');
        return crypto::prove_token_text(crypto::kDefaultPrefix, text.reveal()).value();
    }
    void close() {
        file_.close();
        if (!file_) throw std::runtime_error("The texts could not be written.");
    }

private:
    std::ofstream file_;
};

vault::Account account(const std::string& name) {
    return {.id = drawn<16>(),
            .name = vault::AccountName::parse(name).value(),
            .uid = std::nullopt,
            .owners = {"user:root"},
            .created_at = clock_now()};
}

vault::Token token(const vault::Account& of, const std::string& name) {
    vault::Token made;
    made.id = drawn<16>();
    made.account = of.id;
    made.name = vault::TokenName::parse(name).value();
    made.created_at = made.changed_at = clock_now();
    vault::Generation generation;
    generation.id = crypto::random_token_id().value();
    generation.nonce = drawn<32>();
    generation.created_at = made.created_at;
    made.generations.push_back(generation);
    return made;
}

class Maker {
public:
    Maker(std::filesystem::path folder, const std::filesystem::path& program)
        : folder_(std::move(folder)),
          development_(prepare_development(folder_, Simulated::kSoftHsm, program).value()),
          device_(hardware::Client::create(io_.get_executor(), {.child = development_.child})),
          texts_(folder_ / bench::kTextsFile) {}

    void make(std::size_t count) {
        asio::co_spawn(io_, fill(count), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
        io_.run();
    }

private:
    asio::awaitable<void> fill(std::size_t count) {
        co_await open();
        vault::Change change;
        for (std::size_t i = 0; i < kBusy; ++i) {
            change.accounts.push_back({account("app:busy-" + std::to_string(i)), false});
            change.tokens.push_back({token(change.accounts.back().account, "default"), false, std::nullopt});
        }
        commit(std::exchange(change, {}));
        for (std::size_t made = 0; made < count;) {
            const vault::Account of = account("app:bench-" + std::to_string(made / kOfAccount));
            change.accounts.push_back({of, false});
            for (const std::size_t end = std::min(made + kOfAccount, count); made < end; ++made) {
                change.tokens.push_back({known(of, made), false, std::nullopt});
            }
            if (change.tokens.size() >= kBatch || made == count) commit(std::exchange(change, {}));
        }
        for (std::size_t i = 0; i < count; ++i) texts_.draw();
        texts_.close();
        co_await device_->stop();
    }

    asio::awaitable<void> open() {
        asio::steady_timer pause(io_);
        while (!device_->state()) {
            pause.expires_after(kLook);
            co_await pause.async_wait(os::kAsTuple);
        }
        const service::OpeningParts parts{.store_thread = store_thread_,
                                          .hardware = *device_,
                                          .store_file = development_.settings.store_file(),
                                          .quotas = development_.settings.quotas,
                                          .anti_rollback = development_.settings.anti_rollback,
                                          .recipient_file = development_.settings.recipient};
        (co_await service::initialise_vault(parts, development_.settings.prefix)).value();
        auto opened = co_await service::open_vault(parts);
        opened_ = std::move(opened).value();
    }

    vault::Token known(const vault::Account& of, std::size_t number) {
        const crypto::TokenProof proof = texts_.draw();
        vault::Token made = token(of, "t" + std::to_string(number % kOfAccount));
        made.scopes = {"read"};
        made.generations.back().id = proof.id;
        made.generations.back().hash = proof.hash;
        made.generations.back().given = true;
        return made;
    }

    // Nothing else runs, so that the store may work on this thread.
    void commit(vault::Change change) {
        store::Batch batch;
        batch.changes.push_back(std::move(change));
        batch.epoch = opened_.epochs.epoch;
        batch.time_mark = std::max(opened_.time_mark, clock_now());
        opened_.store->commit(batch).value();
        opened_.time_mark = batch.time_mark;
    }

    std::filesystem::path folder_;
    asio::io_context io_{1};
    asio::thread_pool store_thread_{1};
    Development development_;
    std::unique_ptr<hardware::Client> device_;
    service::Opened opened_;
    Texts texts_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench_make_vault DIR COUNT HWVAULT-HARDWARE\n");
        return 2;
    }
    Maker(argv[1], argv[3]).make(std::strtoul(argv[2], nullptr, 10));
    return 0;
}
