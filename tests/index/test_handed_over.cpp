// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The index in another process's hands: what it may do with it, and when it stops to trust it.
#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "os/passing.h"
#include "tests/index/harness.h"

using namespace hwvault;
using namespace hwvault::index;

namespace {

constexpr uid_t kNobody = 65534;

std::optional<bool> verify(const Table& table, const Token& token) {
    Found found;
    return table.verify(token.text.reveal(), found);
}

// In a process of its own, as `uid`; true when it says so.
bool in_a_child(uid_t uid, const std::function<bool()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (uid != ::geteuid() && (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0)) ::_exit(2);
        ::_exit(work() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string path_of(const os::Fd& fd) {
    return "/proc/self/fd/" + std::to_string(fd.get());
}

bool can_be_mapped_to_write(int fd) {
    void* const at = ::mmap(nullptr, kHeaderSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return false;
    ::munmap(at, kHeaderSize);
    return true;
}

bool can_be_made_writable(const os::Fd& fd) {
    void* const at = ::mmap(nullptr, kHeaderSize, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (at == MAP_FAILED) return false;
    const bool made = ::mprotect(at, kHeaderSize, PROT_READ | PROT_WRITE) == 0;
    ::munmap(at, kHeaderSize);
    return made;
}

// All that a receiver can think of to change a file that it has a descriptor of.
bool can_be_changed(const os::Fd& fd) {
    struct stat status {};
    ::fstat(fd.get(), &status);
    bool changed = ::write(fd.get(), "x", 1) == 1 || ::pwrite(fd.get(), "x", 1, 0) == 1 || can_be_mapped_to_write(fd.get()) ||
                   can_be_made_writable(fd) || ::ftruncate(fd.get(), status.st_size / 2) == 0 ||
                   ::ftruncate(fd.get(), status.st_size * 2) == 0 || ::fallocate(fd.get(), 0, 0, status.st_size * 2) == 0 ||
                   ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 ||
                   ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0;
    ::fchmod(fd.get(), 0666);  // its owner may, and gains nothing
    for (const int how : {O_WRONLY, O_RDWR, O_RDWR | O_TRUNC}) {
        const os::Fd again{::open(path_of(fd).c_str(), how | O_CLOEXEC)};
        if (!again) continue;
        changed = changed || ::pwrite(again.get(), "x", 1, 0) == 1 || can_be_mapped_to_write(again.get()) ||
                  ::ftruncate(again.get(), 0) == 0;
    }
    return changed;
}

bool can_be_reopened_to_write(const os::Fd& fd) {
    return static_cast<bool>(os::Fd{::open(path_of(fd).c_str(), O_RDWR | O_CLOEXEC)});
}

bool can_be_resized(const os::Fd& fd) {
    return ::ftruncate(fd.get(), 0) == 0 || ::ftruncate(fd.get(), 1 << 30) == 0 || ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0;
}

// A process that makes an index, hands it over, and goes on as it is told, until it is killed.
class OtherProcess {
public:
    explicit OtherProcess(const std::function<void(Writer&)>& then) {
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
        const os::Fd ours{pair[0]};
        const os::Fd theirs{pair[1]};
        pid_ = ::fork();
        if (pid_ == 0) {
            const auto writer = make_writer();
            writer->beat(clock_now(), clock_now());
            const std::array descriptors{copy_of(writer->index_descriptor()), copy_of(writer->stamps_descriptor())};
            os::send_with(theirs.get(), bytes_of("x"), descriptors);
            then(*writer);
            for (;;) ::pause();
        }
        table_ = receive(ours);
    }
    OtherProcess(const OtherProcess&) = delete;
    OtherProcess& operator=(const OtherProcess&) = delete;
    ~OtherProcess() { kill(); }

    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] const Table& table() const { return *table_; }

private:
    static std::shared_ptr<const Table> receive(const os::Fd& from) {
        pollfd ready{from.get(), POLLIN, 0};
        ::poll(&ready, 1, -1);
        std::array<std::uint8_t, 1> byte{};
        std::vector<os::Fd> descriptors;
        REQUIRE(os::receive_with(from.get(), byte, descriptors) == 1);
        REQUIRE(descriptors.size() == 2);
        return Table::map(std::move(descriptors[0]), std::move(descriptors[1])).value();
    }

    pid_t pid_{-1};
    std::shared_ptr<const Table> table_;
};

}  // namespace

TEST_CASE("A receiver of the index cannot write, resize or reseal it, as the same user and as another") {
    const auto writer = make_writer();
    const uid_t who = GENERATE(uid_t{0}, kNobody);
    const uid_t uid = ::geteuid() == 0 ? who : ::geteuid();
    const os::Fd& index = writer->index_descriptor();
    CHECK(in_a_child(uid, [&] { return !can_be_changed(index); }));
    CHECK(in_a_child(uid, [&] { return !can_be_resized(writer->stamps_descriptor()); }));
    // The control: what is looked for can be seen, on a memfd that is like it but for the seals.
    const os::Fd open_to_all{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(::ftruncate(open_to_all.get(), static_cast<off_t>(size_of(kMinSlots))) == 0);
    CHECK(in_a_child(uid, [&] { return can_be_changed(open_to_all); }));
}

TEST_CASE("Another user cannot open the index anew at all") {
    if (::geteuid() != 0) {
        WARN("skipped: only root can become another user");
        return;
    }
    const auto writer = make_writer();
    CHECK(in_a_child(kNobody, [&] { return !can_be_reopened_to_write(writer->index_descriptor()); }));
}

TEST_CASE("An application finds what the index has, and its use is noted once a minute") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry()));
    const auto table = handed_over(*writer);
    CHECK(verify(*table, token) == std::nullopt);  // hwvaultd has not said yet that it lives
    writer->beat(clock_now(), clock_now());
    CHECK(verify(*table, token) == true);
    CHECK(verify(*table, make_token("user:alice", "default")) == false);
    const std::uint32_t used = writer->stored(token.key())->used;
    CHECK(used + 60 > clock_now());
    CHECK(used <= clock_now());
    writer->drop(token.key());
    CHECK(verify(*table, token) == false);
    CHECK_FALSE(writer->stored(token.key()));
}

TEST_CASE("Several are verified at once as one by one") {
    const auto writer = make_writer();
    writer->beat(clock_now(), clock_now());
    const std::vector<Token> tokens = make_tokens(Table::kAtOnce);
    std::vector<BytesView> texts;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (i % 3 != 0) REQUIRE(writer->put(tokens[i].entry()));
        texts.push_back(i == 4 ? BytesView() : tokens[i].text.reveal());
    }
    const auto table = handed_over(*writer);
    std::size_t taken = 0;
    CHECK(table->verify_some(texts, [&](std::size_t i, const Found* found) {
        CHECK(i == taken++);
        CHECK((found != nullptr) == (i % 3 != 0 && i != 4));
        if (found != nullptr) CHECK(found->name() == tokens[i].name);
    }));
    CHECK(taken == tokens.size());
    writer->give_up();
    CHECK_FALSE(table->verify_some(texts, [](std::size_t, const Found*) {}));
}

TEST_CASE("A table that was given up, is silent, or has lost its owner is not trusted") {
    const auto writer = make_writer();
    const Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry()));
    const auto table = handed_over(*writer);
    writer->beat(clock_now() - kMaxSilence - 1, 0);
    CHECK(verify(*table, token) == std::nullopt);
    writer->beat(clock_now(), 0);
    CHECK(verify(*table, token) == true);
    SECTION("given up") {
        writer->give_up();
        CHECK(verify(*table, token) == std::nullopt);
        CHECK(has(*writer, token));  // hwvaultd itself goes on with it until the next one is there
    }
    SECTION("gone") {
        auto owned = make_writer();
        owned->beat(clock_now(), 0);
        const auto other = handed_over(*owned);
        CHECK(verify(*other, token) == false);
        owned.reset();
        CHECK(verify(*other, token) == std::nullopt);
    }
}

TEST_CASE("A table is not trusted once the process that wrote it was killed") {
    OtherProcess daemon([](Writer&) {});
    const Token token = make_token("user:alice", "default");
    CHECK(verify(daemon.table(), token) == false);
    daemon.kill();
    CHECK(verify(daemon.table(), token) == std::nullopt);
}

TEST_CASE("A writer that is killed in the middle of a publication leaves no reader spinning, and no stale yes") {
    const std::vector<Token> tokens = make_tokens(16);
    for (int round = 0; round < 20; ++round) {
        OtherProcess daemon([&](Writer& writer) {
            for (std::size_t i = 0;; ++i) {
                const Token& token = tokens[i % tokens.size()];
                if (i / tokens.size() % 2 == 0) static_cast<void>(writer.put(token.entry()));
                else writer.drop(token.key());
            }
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(round));
        daemon.kill();
        for (const Token& token : tokens) CHECK(verify(daemon.table(), token) == std::nullopt);
    }
}

TEST_CASE("What is not sealed, or is no index of this version and size, is refused") {
    const auto writer = make_writer();
    const auto memory = [](std::size_t size, os::SharedMemory::Others others) {
        return std::move(os::SharedMemory::make("test", size, others)).value();
    };
    const auto refused = [&](const os::Fd& index) {
        return !Table::map(copy_of(index), copy_of(writer->stamps_descriptor())).has_value();
    };
    REQUIRE_FALSE(refused(writer->index_descriptor()));
    CHECK(refused(writer->stamps_descriptor()));
    const os::Fd bare{::memfd_create("test", MFD_CLOEXEC)};
    REQUIRE(::ftruncate(bare.get(), static_cast<off_t>(size_of(kMinSlots))) == 0);
    CHECK(refused(bare));
    CHECK(refused(os::Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}));
    const auto size = GENERATE(std::size_t{1}, kHeaderSize - 1, kHeaderSize, size_of(kMinSlots) - 1, size_of(kMinSlots));
    const auto made = memory(size, os::SharedMemory::Others::kRead);
    CHECK(refused(made.descriptor()));
    if (size < kHeaderSize) return;
    auto& header = *reinterpret_cast<Header*>(made.data());
    header.magic = kMagic;
    header.version = kVersion;
    header.slots = kMinSlots;
    CHECK(refused(made.descriptor()) == (size != size_of(kMinSlots)));
    header.version = kVersion + 1;
    CHECK(refused(made.descriptor()));
    header.version = kVersion;
    header.slots = 0;
    CHECK(refused(made.descriptor()));
}

TEST_CASE("A table that is put into large pages is the same table, to who had it before and to who maps it then") {
    const auto writer = make_writer(1 << 16);
    const Token token = make_token("user:alice", "default");
    REQUIRE(writer->put(token.entry()));
    writer->beat(clock_now(), 0);
    const auto before = handed_over(*writer);
    CHECK(verify(*before, token) == true);
    os::SharedMemory::gather(writer->index_descriptor(), 0, texts_at(writer->slots()));
    const auto after = handed_over(*writer);
    CHECK(verify(*before, token) == true);
    CHECK(verify(*after, token) == true);
    writer->drop(token.key());
    CHECK(verify(*before, token) == false);
    CHECK(verify(*after, token) == false);
}
