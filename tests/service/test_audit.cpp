// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The way of the trail from the store to the files, and what happens when somebody, or the disk, stands in it.
#include <algorithm>
#include <fstream>
#include <future>
#include <thread>

#include "crypto/p256.h"
#include "daemon/audit/entry.h"
#include "daemon/audit/verifier.h"
#include "daemon/service/audit_export.h"
#include "tests/service/harness.h"
#include "tests/service/lost.h"

using namespace hwvault;
using namespace hwvault::service;
using std::filesystem::path;

namespace {

path current_file(const Harness& vault) {
    return vault.folder.path() / "audit" / audit::kCurrentFile;
}

void wait_until_written(Harness& vault) {
    vault.until([&] {
        const Status status = vault.service().status();
        return status.audit_sequence > 0 && status.audit_written == status.audit_sequence;
    });
}

// What the files have, in order; nullopt when a line is not whole, or does not follow the one before.
std::optional<std::vector<audit::Entry>> entries_if_whole(const path& folder) {
    std::vector<audit::Entry> all;
    std::optional<audit::Trail> trail;
    for (const path& file : audit::files_in(folder).value()) {
        std::ifstream in(file);
        for (std::string text; std::getline(in, text);) {
            const auto line = audit::parse_line(text);
            if (!line) return std::nullopt;
            if (const auto* start = std::get_if<audit::FileStart>(&*line)) {
                if (!trail) trail.emplace(start->follows.sequence, start->follows.hash);
                if (trail->sequence() != start->follows.sequence) return std::nullopt;
                continue;
            }
            const auto& link = std::get<vault::EventLink>(*line);
            if (!trail || !trail->follow(link)) return std::nullopt;
            all.push_back(audit::decode(link.body).value());
        }
    }
    return all;
}

// The service may write on, or begin the next file, while they are read: what is whole is so when read again.
std::vector<audit::Entry> entries(const path& folder) {
    auto all = entries_if_whole(folder);
    for (int again = 0; !all && again < 1000; ++again) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        all = entries_if_whole(folder);
    }
    REQUIRE(all.has_value());
    return *all;
}

std::vector<vault::Event> events(const Harness& vault) {
    std::vector<vault::Event> found;
    for (const audit::Entry& entry : entries(vault.folder.path() / "audit")) {
        if (const auto* event = std::get_if<vault::Event>(&entry)) found.push_back(*event);
    }
    return found;
}

std::size_t count(const std::vector<vault::Event>& all, vault::Verb verb) {
    return static_cast<std::size_t>(std::ranges::count(all, verb, &vault::Event::verb));
}

// That the files were touched is said once, and has its own line in them.
void wait_until_noticed(Harness& vault) {
    vault.until([&] { return !vault.touched.empty(); });
    vault.until([&] {
        const Status status = vault.service().status();
        return status.audit_written == status.audit_sequence && count(events(vault), vault::Verb::kAudit) == 1;
    });
    CHECK(vault.touched.size() == 1);
}

std::uint64_t sequence_of_last_line(const path& file) {
    std::ifstream in(file);
    std::string last;
    for (std::string text; std::getline(in, text);) last = text;
    return std::get<vault::EventLink>(audit::parse_line(last).value()).sequence;
}

// Files that take as long as the test says.
class SlowFiles final : public audit::Sink {
public:
    explicit SlowFiles(std::shared_ptr<audit::Sink> files) : files_(std::move(files)) {}
    std::shared_future<void> hang_until;  // none: no longer than they need

    Result<std::optional<audit::Position>> end(const vault::Id& vault) override { return files_->end(vault); }
    std::optional<audit::Position> end_of_full(const vault::Id& vault) override { return files_->end_of_full(vault); }
    Result<void> set_aside_full(const vault::Id& vault) override { return files_->set_aside_full(vault); }
    Result<void> retire() override { return files_->retire(); }
    Result<std::string> begin(const vault::Id& vault, const audit::Position& follows) override {
        return files_->begin(vault, follows);
    }
    Result<void> append(std::span<const vault::EventLink> links) override {
        if (hang_until.valid()) hang_until.wait();
        return files_->append(links);
    }

private:
    std::shared_ptr<audit::Sink> files_;
};

// Starts the vault anew over files that hang until the promise is kept.
std::promise<void> hang_log_disk(Harness& vault) {
    vault.shut();
    const auto slow = std::make_shared<SlowFiles>(vault.audit_files);
    std::promise<void> goes_on;
    slow->hang_until = goes_on.get_future().share();
    vault.audit_files = slow;
    vault.start();
    return goes_on;
}

}  // namespace

TEST_CASE("What happens is in the files soon after, with who, what and by which rule") {
    Harness vault;
    vault.alice.unit = "deploy.service";
    vault.alice.invocation = "0123456789abcdef0123456789abcdef";
    vault.alice.executable = "/usr/bin/deploy";
    const std::string token = vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    wait_until_written(vault);
    const auto all = events(vault);
    REQUIRE(count(all, vault::Verb::kRetrieve) == 1);
    const vault::Event& read = *std::ranges::find(all, vault::Verb::kRetrieve, &vault::Event::verb);
    CHECK(read.actor.uid == 1000);
    CHECK(read.actor.user == "alice");
    CHECK(read.actor.unit == "deploy.service");
    CHECK(read.actor.invocation == vault.alice.invocation);
    CHECK(read.actor.executable == "/usr/bin/deploy");
    CHECK(read.account == "user:alice");
    CHECK(read.name == "default");
    CHECK(read.generation == 1);
    CHECK(token.substr(4, 10) == read.token_id);
    CHECK_FALSE(read.decided_by.empty());
    CHECK(count(all, vault::Verb::kRevoke) == 1);
    std::ifstream in(current_file(vault));
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    CHECK(text.find(token.substr(14, 20)) == std::string::npos);
}

TEST_CASE("The end of hwvaultd signs the trail and writes it, and the next start goes on with it") {
    Harness vault;
    vault.get(vault.alice);
    const Bytes key = vault.run(vault.device().describe({}))->signing_key;
    vault.shut();
    const auto all = entries(vault.folder.path() / "audit");
    REQUIRE_FALSE(all.empty());
    const auto* const made = std::get_if<vault::SignedCheckpoint>(&all.back());
    REQUIRE(made != nullptr);
    CHECK(crypto::verify_p256(key, vault::checkpoint_message(made->checkpoint), made->signature).value());
    vault.start();
    vault.get(vault.bob);
    vault.shut();
    CHECK(count(events(vault), vault::Verb::kRetrieve) == 2);
    CHECK(vault.touched.empty());
}

TEST_CASE("Files that are deleted, replaced or cut under a running hwvaultd are noticed, put aside and made again") {
    Harness vault;
    vault.get(vault.alice);
    wait_until_written(vault);
    const auto how = GENERATE(0, 1, 2);
    const path file = current_file(vault);
    if (how == 0) std::filesystem::remove(file);
    if (how == 1) {
        const path copy = file.string() + ".copy";
        std::filesystem::copy_file(file, copy);
        std::filesystem::rename(copy, file);
    }
    if (how == 2) std::filesystem::resize_file(file, std::filesystem::file_size(file) - 30);
    vault.get(vault.bob);
    wait_until_noticed(vault);
    CHECK(count(events(vault), vault::Verb::kRetrieve) == 2);  // nothing of before is lost
    CHECK(vault.service().status().audit_error == vault.touched.front());
    vault.restart();
    vault.get(vault.bob);
    wait_until_written(vault);
    CHECK(vault.touched.size() == 1);
    CHECK(vault.service().status().audit_error.empty());
}

TEST_CASE("Files that were deleted, cut back or exchanged while hwvaultd was stopped are noticed at its start") {
    Harness vault;
    vault.get(vault.alice);
    wait_until_written(vault);
    const path file = current_file(vault);
    const path earlier = file.string() + ".earlier";
    vault.shut();
    std::filesystem::copy_file(file, earlier);
    vault.start();
    vault.get(vault.bob);
    wait_until_written(vault);
    vault.get(vault.bob);  // the commit after it says in the store how far the files are
    vault.shut();
    SECTION("deleted") { std::filesystem::remove(file); }
    SECTION("an earlier one put in its place") { std::filesystem::rename(earlier, file); }
    SECTION("its last line written by somebody else") {
        std::ifstream in(file);
        std::string text{std::istreambuf_iterator<char>(in), {}};
        text.resize(text.rfind('\n', text.size() - 2) + 1);
        const std::uint64_t last = sequence_of_last_line(file);
        vault::Event forged;
        forged.verb = vault::Verb::kDelete;
        const vault::EventLink link = audit::Trail(last - 1, {}).append(forged);
        std::ofstream(file, std::ios::trunc) << text << audit::to_line(link) << "\n";
    }
    SECTION("of another vault") {
        std::ofstream(file, std::ios::trunc) << audit::to_line(audit::FileStart{vault::Id{9}, {}}) << "\n";
    }
    vault.start();
    wait_until_noticed(vault);
    CHECK(count(events(vault), vault::Verb::kRetrieve) == 3);
}

TEST_CASE("A file that is begun anew follows the ones that are complete") {
    Harness vault;
    vault.shut();
    vault.audit_files = audit::make_files(vault.folder.path() / "audit", 4'000);  // full after a few entries
    vault.start();
    const auto complete = [&] { return audit::files_in(vault.folder.path() / "audit").value().size() - 1; };
    while (complete() < 2) {
        vault.get(vault.alice);
        wait_until_written(vault);
    }
    vault.get(vault.alice);
    wait_until_written(vault);
    std::filesystem::remove(current_file(vault));
    vault.get(vault.bob);
    wait_until_noticed(vault);  // and each line of all files follows the one before
    const auto all = events(vault);
    CHECK(std::ranges::count_if(all, [](const vault::Event& event) {
              return event.verb == vault::Verb::kRetrieve && event.actor.user == "bob";
          }) == 1);
}

TEST_CASE("Files of a store that was given up for an older one are set aside, and the trail goes on") {
    Harness vault;
    vault.shut();
    vault.audit_files = audit::make_files(vault.folder.path() / "audit", 4'000);
    vault.start();
    const auto fill = [&](std::size_t files) {
        while (audit::files_in(vault.folder.path() / "audit").value().size() < files) {
            vault.get(vault.alice);
            wait_until_written(vault);
        }
    };
    fill(3);
    vault.shut();
    const path copy = vault.folder.path() / "copy";
    copy_store(vault, copy);
    vault.start();
    fill(5);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.shut();
    put_back(vault, copy);
    vault.plug_in();
    vault::Event event;
    event.time = vault.now;
    event.verb = vault::Verb::kRecover;
    REQUIRE(vault.run(accept_rollback(vault.opening_parts(), event)));
    vault.start();
    vault.get(vault.bob);
    wait_until_written(vault);
    CHECK(count(events(vault), vault::Verb::kRecover) == 1);  // each line of all files follows the one before
    std::size_t aside = 0;
    for (const auto& entry : std::filesystem::directory_iterator(vault.folder.path() / "audit")) {
        if (entry.path().extension() == ".set-aside") ++aside;
    }
    CHECK(aside >= 2);
}

TEST_CASE("A store whose oldest entries are in the files alone opens, and files can be made again from the rest") {
    Harness vault;
    vault.get(vault.alice);
    vault.shut();
    {
        hardware::FakeDevice device(vault.token);
        const auto header = store::Store::read_header(vault.file()).value();
        const SecretBytes root = device.derive(hardware::Label::kStore, store::store_context(header)).value();
        const auto opened = store::Store::open(vault.file(), root).value();
        const store::Contents contents = opened->take_contents();
        audit::Trail trail(contents.audit_sequence, contents.audit_head);
        while (trail.sequence() < 2 * store::kEntriesKept) {
            store::Batch batch;
            batch.epoch = contents.epoch.epoch;
            batch.time_mark = contents.time_mark;
            batch.audit_written = trail.sequence();
            while (batch.events.size() < 500) batch.events.push_back(trail.append(vault::Event{}));
            REQUIRE(opened->commit(batch));
        }
    }
    vault.start();
    CHECK(vault.service().status().state == "serving");
    vault.get(vault.bob);
    vault.until([&] { return !vault.touched.empty(); });  // no file has what the store says that they have
    wait_until_written(vault);
    vault.shut();
    const auto all = events(vault);
    CHECK(all.size() >= store::kEntriesKept);
    CHECK(all.size() < 2 * store::kEntriesKept);
    CHECK(count(all, vault::Verb::kRetrieve) == 1);  // alice's is gone with the oldest
}

TEST_CASE("The files of a lost device's vault stay, and that of the recovered one follow them") {
    const RecoveryKeys keys;
    Lost lost(keys);
    lost.get(lost.alice);
    lost.wait_until_signed();
    wait_until_written(lost);
    lost.die();
    NewMachine fresh(keys.recipient_file());
    const path folder = fresh.folder.path() / "audit";
    std::filesystem::copy(lost.folder.path() / "audit", folder);
    REQUIRE(fresh.recover(lost, keys));
    fresh.start();
    fresh.get(fresh.bob);
    wait_until_written(fresh);
    const Bytes key = fresh.run(fresh.device().describe({}))->signing_key;
    fresh.shut();
    CHECK(fresh.touched.empty());
    audit::Verifier verifier({.signing_keys = {lost.signing_key, key}, .check_signatures = true, .known = {}, .at_least = 0});
    for (const path& file : audit::files_in(folder).value()) {
        std::ifstream in(file);
        for (std::string line; std::getline(in, line);) CHECK(verifier.take(line));
    }
    CHECK(verifier.finish());
    CHECK(verifier.summary().trails == 2);
    CHECK(verifier.is_proven());
}

TEST_CASE("A crash between two files is none that touched them") {
    Harness vault;
    vault.shut();
    vault.audit_files = audit::make_files(vault.folder.path() / "audit", 1);  // each append fills one
    vault.start();
    vault.get(vault.alice);
    wait_until_written(vault);
    vault.get(vault.alice);
    vault.shut();
    std::filesystem::remove(current_file(vault));  // as before it had its name
    vault.start();
    vault.get(vault.bob);
    vault.shut();
    CHECK(vault.touched.empty());
    CHECK(count(events(vault), vault::Verb::kRetrieve) == 3);
}

TEST_CASE("A trail that hwvaultd left unsigned is signed when there is a device again") {
    Harness vault;
    vault.get(vault.alice);
    wait_until_written(vault);
    vault.token->faults.gone = true;
    vault.shut();
    const auto is_signed = [&] {
        return std::holds_alternative<vault::SignedCheckpoint>(entries(vault.folder.path() / "audit").back());
    };
    CHECK_FALSE(is_signed());
    vault.token->faults.gone = false;
    vault.restart();
    vault.shut();
    CHECK(is_signed());
}

TEST_CASE("A store that is older than its audit files is noticed, though nothing else could tell") {
    Harness vault;
    vault.get(vault.alice);
    wait_until_written(vault);
    vault.shut();
    const path copy = vault.folder.path() / "copy";
    copy_store(vault, copy);
    vault.start();
    vault.get(vault.bob);
    vault.shut();
    put_back(vault, copy);
    vault.start();
    vault.until([&] { return !vault.touched.empty(); });
    CHECK(vault.touched.front().find("older copy") != std::string::npos);
}

TEST_CASE("A log disk that hangs holds nobody up, and what happened meanwhile is written when it goes on") {
    Harness vault;
    std::promise<void> goes_on = hang_log_disk(vault);
    vault.get(vault.alice);
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.until([&] { return vault.service().status().audit_error.find("does not answer") != std::string::npos; });
    vault.get(vault.alice);
    CHECK(vault.service().status().audit_written < vault.service().status().audit_sequence);
    goes_on.set_value();
    wait_until_written(vault);
    const auto all = events(vault);
    CHECK(count(all, vault::Verb::kRetrieve) == 2);
    CHECK(count(all, vault::Verb::kRevoke) == 1);
    CHECK(vault.touched.size() == 2);  // that it hangs, and that it goes on
    CHECK(vault.service().status().audit_error.empty());
}

TEST_CASE("hwvaultd ends though the log disk hangs") {
    Harness vault;
    std::promise<void> goes_on = hang_log_disk(vault);
    vault.get(vault.alice);
    const auto began = std::chrono::steady_clock::now();
    vault.shut();
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(15));
    goes_on.set_value();
}

TEST_CASE("Audit files that cannot be written are said in Status, and stop nothing") {
    Harness vault;
    vault.shut();
    std::filesystem::remove_all(vault.folder.path() / "audit");
    std::ofstream(vault.folder.path() / "audit") << "a file where the folder is to be";
    vault.start();
    vault.get(vault.alice);
    vault.until([&] { return !vault.service().status().audit_error.empty(); });
    REQUIRE(vault.run(vault.service().revoke(vault.alice, "", "", 0)));
    vault.shut();
    vault.shut();
    vault.touched.clear();
    vault.start();  // the store says that there were none: nothing was touched
    vault.until([&] { return !vault.service().status().audit_error.empty(); });
    CHECK(vault.touched == std::vector{vault.service().status().audit_error});
    vault.shut();
    std::filesystem::remove(vault.folder.path() / "audit");
    vault.start();
    wait_until_written(vault);
    CHECK(count(events(vault), vault::Verb::kRetrieve) == 1);
}
