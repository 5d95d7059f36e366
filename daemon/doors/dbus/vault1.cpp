// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/dbus/vault1.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <future>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

#include "daemon/vault/lifecycle.h"
#include "os/memfd.h"
#include "policy/caller.h"

namespace hwvault::doors::dbus {
namespace {

namespace asio = boost::asio;

// What a method answers: one value for each of its output arguments.
template <class... Out>
using Answer = asio::awaitable<Result<std::tuple<Out...>>>;

// Tokens of a List that are translated before other calls get their turn on the strand.
constexpr std::size_t kInfosAtOnce = 32;

constexpr const char* kLeavers =
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
    "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''";

Result<std::tuple<Dictionary>> full(const Result<vault::Info>& info) {
    if (!info) return info.error();
    return std::tuple{full_dictionary(*info)};
}

Result<std::tuple<>> nothing(const Result<void>& done) {
    if (!done) return done.error();
    return std::tuple<>{};
}

void log_unsent(const sdbus::Error& failure) {
    spdlog::warn("An answer over D-Bus could not be sent: {}", failure.getMessage());
}

template <class... Out>
void refuse(const sdbus::Result<Out...>& result, const Error& error) try {
    if (error.code == ErrorCode::kInternal) spdlog::error("A call over D-Bus failed: {}", error.message);
    result.returnError(error_of(error));
} catch (const sdbus::Error& failure) {
    log_unsent(failure);
}

template <class... Out>
void give(const sdbus::Result<Out...>& result, const std::tuple<Out...>& values) try {
    std::apply([&](const Out&... out) { result.returnResults(out...); }, values);
} catch (const sdbus::Error& failure) {
    log_unsent(failure);
}

// Only a defect gets here: the service answers with errors, not exceptions.
void log_defect(const std::exception_ptr& failure) {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& defect) {
        spdlog::error("A call over D-Bus ended without an answer: {}", defect.what());
    }
}

// Longer than any name or cursor there is. A call that waits keeps its whole message: one with such a text ends at once.
constexpr std::size_t kMaxTextSize = 512;

template <class... Out>
bool refuse_long(const sdbus::Result<Out...>& result, std::initializer_list<std::string_view> texts) {
    if (std::ranges::all_of(texts, [](std::string_view text) { return text.size() <= kMaxTextSize; })) return false;
    refuse(result, invalid_argument("A name in this call is longer than any account, token or cursor can be."));
    return true;
}

}  // namespace

// What a call under way holds. The result refers to the connection, so it goes first and the door last.
template <class... Out>
struct Vault1::Call {
    Call(std::shared_ptr<Vault1> on, Callers::Ticket place, sdbus::Result<Out...>&& answer_to)
        : door(std::move(on)), ticket(std::move(place)), result(std::move(answer_to)) {}

    std::shared_ptr<Vault1> door;
    Callers::Ticket ticket;
    sdbus::Result<Out...> result;
};

// Runs `work(who, sender)` on the strand for the caller that the bus vouches for, and has its answer sent.
template <class... Out, class Work>
void Vault1::answer(sdbus::Result<Out...>&& result, Work work) {
    auto ticket = callers_.admit(current_sender(getObject()));
    if (!ticket) return refuse(result, ticket.error());
    auto call = std::make_shared<Call<Out...>>(shared_from_this(), std::move(*ticket), std::move(result));
    asio::co_spawn(strand_, carry(std::move(call), std::move(work)), log_defect);
}

template <class Work, class... Out>
asio::awaitable<void> Vault1::carry(std::shared_ptr<Call<Out...>> call, Work work) {
    auto who = co_await call->door->callers_.identify(call->ticket);
    if (!who) {
        reply(std::move(call), Result<std::tuple<Out...>>{who.error()});
        co_return;
    }
    auto outcome = co_await work(std::move(*who), call->ticket.sender());
    reply(std::move(call), std::move(outcome));
}

// The call goes with its answer, so that the message it holds is let go of where the answer is sent.
template <class... Out>
void Vault1::reply(std::shared_ptr<Call<Out...>> call, Result<std::tuple<Out...>> outcome) {
    const auto door = call->door;  // which has the outbox, and may be held by nobody else
    door->outbox_.send([call = std::move(call), outcome = std::move(outcome)] {
        if (outcome) {
            give(call->result, *outcome);
        } else {
            refuse(call->result, outcome.error());
        }
    });
}

Vault1::Vault1(std::unique_ptr<sdbus::IConnection> connected, service::Service& service, peer::Resolver& resolver,
               std::chrono::milliseconds status_patience)
    : Connected{std::move(connected)},
      AdaptorInterfaces(*connection, sdbus::ObjectPath{kObjectPath}),
      service_(service),
      strand_(service.executor()),
      status_patience_(status_patience),
      outbox_(*connection),
      descriptors_(strand_),
      callers_(*connection, resolver, strand_) {
    registerAdaptor();
}

Vault1::~Vault1() {
    unregisterAdaptor();
    give_up_unsent(*connection);
}

void Vault1::open() {
    add_match(*connection, kLeavers, [this](auto& message) {
        std::string name;
        message >> name;
        callers_.forget(name);
    });
    connection->requestName(ServiceName{kServiceName});
}

void Vault1::close() {
    callers_.close();
    outbox_.close();
}

Result<void> Vault1::subscribe(const policy::Caller& caller, const std::shared_ptr<Sender>& sender) {
    if (!policy::is_administrator(caller)) {
        return Error{ErrorCode::kAccessDenied,
                     "Only root and the members of hwvault-admin may subscribe to the changes of all tokens."};
    }
    if (sender->gone || sender->on_leaving) return {};
    HWVAULT_TRY(auto watch, service_.watch(caller, "*"));
    sender->on_leaving = [watch = watch.get()] { watch->cancel(); };
    asio::co_spawn(strand_, forward(shared_from_this(), Callers::Ticket{sender}, std::move(watch)), log_defect);
    return {};
}

asio::awaitable<void> Vault1::forward(std::shared_ptr<Vault1> door, Callers::Ticket ticket,
                                      std::unique_ptr<service::Watch> watch) {
    for (;;) {
        auto notice = co_await watch->next();
        if (!notice) break;
        door->tell(ticket.sender()->name, *notice);
    }
    ticket.sender()->on_leaving = nullptr;
    if (ticket.sender()->gone) co_return;
    spdlog::warn("The subscription of {} has ended: it fell behind.", ticket.sender()->name);
}

void Vault1::tell(const std::string& destination, const vault::Notice& notice) {
    outbox_.put([door = shared_from_this(), destination, notice] {
        try {
            auto signal = make_signal(door->getObject(), INTERFACE_NAME, "TokenChanged", destination);
            signal << notice.account << notice.name << notice.generation << notice.event;
            door->getObject().emitSignal(signal);
        } catch (const sdbus::Error& failure) {
            spdlog::warn("A change could not be told to {}: {}", destination, failure.getMessage());
        }
    });
}

void Vault1::Retrieve(sdbus::Result<sdbus::UnixFd, Brief>&& result, std::string account, std::string name) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result),
           [this, account = std::move(account), name = std::move(name)](
               peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<sdbus::UnixFd, Brief> {
               auto retrieved = co_await service_.retrieve(std::move(who), account, name);
               if (!retrieved) co_return std::move(retrieved).error();
               HWVAULT_CO_TRY(auto memfd, os::sealed_memfd(retrieved->secret.reveal()));
               co_return std::tuple{sdbus::UnixFd{memfd.release(), sdbus::adopt_fd}, Brief{std::move(retrieved->info)}};
           });
}

void Vault1::Revoke(OneDictionary&& result, std::string account, std::string name, std::uint64_t generation) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result),
           [this, account = std::move(account), name = std::move(name), generation](
               peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<Dictionary> {
               auto info = co_await service_.revoke(std::move(who.caller), account, name, generation);
               co_return full(info);
           });
}

void Vault1::RevokeToken(OneDictionary&& result, sdbus::UnixFd token) {
    answer(std::move(result),
           [this, token = take_descriptor(std::move(token))](
               peer::Identity who, const std::shared_ptr<Sender>&) mutable -> Answer<Dictionary> {
               auto text = co_await descriptors_.read(std::move(token), kMaxTokenSize);
               if (!text) co_return std::move(text).error();
               auto info = co_await service_.revoke_token(std::move(who.caller), std::move(*text));
               if (!info) co_return std::move(info).error();
               if (!*info) co_return std::tuple{Dictionary{}};
               co_return std::tuple{full_dictionary(**info)};
           });
}

void Vault1::Rotate(OneDictionary&& result, std::string account, std::string name, std::uint64_t generation,
                    std::uint64_t overlap_seconds) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result),
           [this, account = std::move(account), name = std::move(name), generation, overlap_seconds](
               peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<Dictionary> {
               auto info = co_await service_.rotate(std::move(who.caller), account, name, generation, overlap_seconds);
               co_return full(info);
           });
}

void Vault1::Verify(sdbus::Result<bool, Brief>&& result, sdbus::UnixFd token) {
    answer(std::move(result),
           [this, token = take_descriptor(std::move(token))](
               peer::Identity who, const std::shared_ptr<Sender>&) mutable -> Answer<bool, Brief> {
               auto text = co_await descriptors_.read(std::move(token), kMaxTokenSize);
               if (!text) co_return std::move(text).error();
               const auto verified = service_.verify(who.caller, text->reveal());
               if (!verified) co_return verified.error();
               co_return std::tuple{verified->active, brief_of(*verified)};
           });
}

void Vault1::Create(OneDictionary&& result, std::string account, std::string name, Options options) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result),
           [this, account = std::move(account), name = std::move(name), options = std::move(options.read)](
               peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<Dictionary> {
               if (!options) co_return options.error();
               auto info = co_await service_.create(std::move(who.caller), account, name, *options);
               co_return full(info);
           });
}

void Vault1::Import(OneDictionary&& result, std::string account, std::string name, sdbus::UnixFd secret,
                    Options options) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result),
           [this, account = std::move(account), name = std::move(name), secret = take_descriptor(std::move(secret)),
            options = std::move(options.read)](peer::Identity who,
                                               const std::shared_ptr<Sender>&) mutable -> Answer<Dictionary> {
               if (!options) co_return options.error();
               auto content = co_await descriptors_.read(std::move(secret), vault::kMaxSecretSize);
               if (!content) co_return std::move(content).error();
               auto info = co_await service_.import(std::move(who.caller), account, name, std::move(*content), *options);
               co_return full(info);
           });
}

void Vault1::Delete(sdbus::Result<>&& result, std::string account, std::string name) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result), [this, account = std::move(account), name = std::move(name)](
                                  peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<> {
        auto done = co_await service_.erase(std::move(who.caller), account, name);
        co_return nothing(done);
    });
}

void Vault1::List(sdbus::Result<std::vector<Dictionary>, std::string>&& result, std::string account,
                  std::string cursor, std::uint32_t limit) {
    if (refuse_long(result, {account, cursor})) return;
    answer(std::move(result),
           [this, account = std::move(account), cursor = std::move(cursor), limit](
               peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<std::vector<Dictionary>, std::string> {
               auto page = co_await service_.list(std::move(who.caller), account, cursor, limit);
               if (!page) co_return std::move(page).error();
               std::vector<Dictionary> infos;
               for (const auto& info : page->infos) {
                   infos.push_back(full_dictionary(info));
                   if (infos.size() % kInfosAtOnce == 0) co_await asio::post(strand_, asio::use_awaitable);
               }
               co_return std::tuple{std::move(infos), std::move(page->next)};
           });
}

void Vault1::Describe(OneDictionary&& result, std::string account, std::string name) {
    if (refuse_long(result, {account, name})) return;
    answer(std::move(result), [this, account = std::move(account), name = std::move(name)](
                                  peer::Identity who, const std::shared_ptr<Sender>&) -> Answer<Dictionary> {
        co_return full(service_.describe(who.caller, account, name));
    });
}

void Vault1::Subscribe(sdbus::Result<>&& result) {
    answer(std::move(result), [this](peer::Identity who, const std::shared_ptr<Sender>& sender) -> Answer<> {
        co_return nothing(subscribe(who.caller, sender));
    });
}

Dictionary Vault1::Status() {
    const auto status = std::make_shared<std::promise<service::Status>>();
    asio::post(strand_, [door = weak_from_this(), status] {
        if (const auto self = door.lock()) status->set_value(self->service_.status());
    });
    auto answer = status->get_future();
    if (answer.wait_for(status_patience_) == std::future_status::ready) return status_dictionary(answer.get());
    throw error_of({ErrorCode::kBusy, "hwvaultd does not answer at the moment. Try again in a second."});
}

std::string Vault1::Version() {
    return HWVAULT_VERSION;
}

}  // namespace hwvault::doors::dbus
