// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/store/fixture.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <sqlite3.h>

namespace hwvault::store::testing {

TemporaryFolder::TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hwvault-store-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code failure;
    std::filesystem::remove_all(folder_, failure);
}

SecretBytes root_key(std::uint8_t device) {
    return SecretBytes::copy_of(Bytes(32, device));
}

vault::Id id_of(std::uint8_t kind, std::uint64_t number) {
    vault::Id id{};
    id[0] = kind;
    for (std::size_t i = 0; i < 8; ++i) id[i + 1] = static_cast<std::uint8_t>(number >> (8 * i));
    return id;
}

vault::Account account_of(std::uint64_t number, std::string_view name) {
    auto parsed = vault::AccountName::parse(name);
    REQUIRE(parsed);
    return {.id = id_of('a', number), .name = std::move(parsed).value(), .uid = {}, .owners = {}, .created_at = 1'000};
}

vault::Token token_of(std::uint64_t number, const vault::Account& account, std::string_view name) {
    auto parsed = vault::TokenName::parse(name);
    REQUIRE(parsed);
    vault::Token token;
    token.id = id_of('t', number);
    token.account = account.id;
    token.name = std::move(parsed).value();
    token.scopes = {"read", "write"};
    token.description = "a token of the tests";
    token.created_at = token.changed_at = 1'000 + number;
    vault::Generation generation;
    generation.id.fill(static_cast<char>('0' + number % 10));
    generation.nonce.emplace().fill(static_cast<std::uint8_t>(number));
    generation.created_at = 1'000 + number;
    token.generations.push_back(generation);
    return token;
}

vault::Token imported_token_of(std::uint64_t number, const vault::Account& account, std::string_view name) {
    vault::Token token = token_of(number, account, name);
    token.origin = vault::Origin::kImported;
    token.seal_nonce.emplace().fill(7);
    return token;
}

TakeRecords add_to(Records& all) {
    return [&all](Records records) {
        std::ranges::move(records.accounts, std::back_inserter(all.accounts));
        std::ranges::move(records.tokens, std::back_inserter(all.tokens));
        std::ranges::move(records.used, std::back_inserter(all.used));
    };
}

Result<Snapshot> read_all(const path& file, const SecretBytes& root) {
    Records records;
    HWVAULT_TRY(const auto store, Store::open(file, root, add_to(records)));
    const Contents contents = store->take_contents();
    Snapshot all{.accounts = std::move(records.accounts),
                 .tokens = std::move(records.tokens),
                 .contents = {},
                 .events = {},
                 .epoch = contents.epoch.epoch,
                 .device_target = contents.epoch.device_target(),
                 .time_mark = contents.time_mark,
                 .audit_head = contents.audit_head};
    std::ranges::sort(all.accounts, {}, &vault::Account::id);
    std::ranges::sort(all.tokens, {}, &vault::Token::id);
    for (const vault::Token& token : all.tokens) {
        HWVAULT_TRY(auto content, store->read_content(token.id));
        if (content) all.contents.emplace(token.id, std::move(*content));
    }
    audit::Trail trail;
    bool unbroken = true;
    HWVAULT_CHECK(store->visit_events(0, [&](const vault::EventLink& link) {
        unbroken = trail.follow(link);
        all.events.push_back(link.body);
        return unbroken;
    }));
    if (!unbroken || trail.head() != contents.audit_head) return Error{ErrorCode::kStoreTampered, "The chain broke."};
    return all;
}

Result<void> OpenStore::commit(vault::Change change, bool withdraws) {
    audit::Trail next = trail;
    vault::Event event;
    event.verb = vault::Verb::kCreate;
    event.time = time + 1;
    Batch batch;
    batch.changes.push_back(std::move(change));
    batch.events.push_back(next.append(event));
    batch.epoch = withdraws ? epoch + 1 : epoch;
    batch.time_mark = time + 1;
    HWVAULT_CHECK(store->commit(batch));
    trail = next;
    epoch = batch.epoch;
    time = batch.time_mark;
    return {};
}

OpenStore open_store(const path& file, const SecretBytes& root) {
    auto opened = Store::open(file, root);
    if (!opened) INFO(opened.error().message);
    REQUIRE(opened);
    OpenStore open{.store = std::move(opened).value(), .trail = {}};
    const Contents contents = open.store->take_contents();
    open.trail = audit::Trail{contents.audit_sequence, contents.audit_head};
    open.epoch = contents.epoch.epoch;
    open.time = contents.time_mark;
    return open;
}

path new_store(const TemporaryFolder& folder, std::string_view name, std::uint8_t vault_number) {
    const path file = folder.get() / name;
    const Header header{.vault = id_of('v', vault_number), .prefix = "hwv_"};
    REQUIRE(Store::create(file, header, root_key(vault_number), {40, {}}));
    return file;
}

vault::Change put(vault::Account account) {
    vault::Change change;
    change.accounts.push_back({std::move(account), false});
    return change;
}

vault::Change put(vault::Token token, std::optional<Bytes> content) {
    vault::Change change;
    change.tokens.push_back({std::move(token), false, std::move(content)});
    return change;
}

vault::Change erase(vault::Token token) {
    vault::Change change;
    change.tokens.push_back({std::move(token), true, std::nullopt});
    return change;
}

void fill_sample(OpenStore& open) {
    const auto alice = account_of(1, "user:alice");
    const auto deploy = account_of(2, "app:deploy");
    vault::Change first = put(alice);
    first.tokens.push_back({token_of(1, alice, "default"), false, std::nullopt});
    REQUIRE(open.commit(std::move(first)));
    vault::Change second = put(deploy);
    second.tokens.push_back({token_of(2, deploy, "ci"), false, std::nullopt});
    REQUIRE(open.commit(std::move(second)));
    REQUIRE(open.commit(put(token_of(3, deploy, "release"))));
    REQUIRE(open.commit(put(imported_token_of(4, deploy, "stripe"), Bytes(3'000, 0x5a))));
    vault::Token revoked = token_of(3, deploy, "release");
    revoked.revoked = true;
    REQUIRE(open.commit(put(revoked), true));
}

path sample_store(const TemporaryFolder& folder) {
    const path file = new_store(folder);
    OpenStore open = open_store(file, root_key());
    fill_sample(open);
    return file;
}

void edit_raw(const path& file, const std::string& sql) {
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &connection) == SQLITE_OK);
    char* message = nullptr;
    const std::string all = "PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON;" + sql;
    const int code = sqlite3_exec(connection, all.c_str(), nullptr, nullptr, &message);
    const std::string said = message != nullptr ? message : "";
    sqlite3_free(message);
    INFO(sql << ": " << said);
    REQUIRE(code == SQLITE_OK);
    REQUIRE(sqlite3_close(connection) == SQLITE_OK);
}

path wal_of(const path& file) {
    return file.string() + "-wal";
}

void copy_store(const path& from, const path& to) {
    constexpr auto kReplace = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(from, to, kReplace);
    std::filesystem::remove(wal_of(to));
    if (std::filesystem::exists(wal_of(from))) std::filesystem::copy_file(wal_of(from), wal_of(to), kReplace);
}

Bytes file_bytes(const path& file) {
    std::ifstream in(file, std::ios::binary);
    REQUIRE(in);
    return Bytes(std::istreambuf_iterator<char>(in), {});
}

void write_bytes(const path& file, BytesView bytes) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.close();
    REQUIRE(out);
}

}  // namespace hwvault::store::testing
