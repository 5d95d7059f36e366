// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/store/store.h"

#include "daemon/store/database.h"
#include "daemon/store/head.h"
#include "daemon/store/sqlite_store.h"
#include "foundation/fields.h"

namespace hwvault::store {

Result<Header> Store::read_header(const std::filesystem::path& file) {
    HWVAULT_TRY(const Connection connection, open_database(file));
    HWVAULT_TRY(StoredHead stored, read_head(connection));
    return std::move(stored.head.header);
}

Result<void> Store::create(const std::filesystem::path& file, const Header& header, const SecretBytes& root,
                           const DeviceCounter& counter) {
    if (!crypto::is_token_prefix(header.prefix)) {
        return Error{ErrorCode::kInvalidArgument,
                     "A token's prefix is two to six letters a-z and an underscore, as in `hwv_`."};
    }
    const Keys keys{root};
    Head head;
    head.header = header;
    head.epoch.device_origin = counter.value;
    head.epoch.counter = counter.identity;
    return create_database(file, [&](Connection& connection) -> Result<void> {
        HWVAULT_TRY(const Statement statement, prepare_head_write(connection));
        return write_head(statement, head, keys.head_mac(authenticated_bytes(head)));
    });
}

Result<void> Store::move_into_place(const std::filesystem::path& made, const std::filesystem::path& file) {
    return move_new_database(made, file);
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file, const SecretBytes& root,
                                           const TakeRecords& take) {
    HWVAULT_TRY(Connection connection, open_database(file));
    auto store = std::make_unique<SqliteStore>(std::move(connection), root, file);
    HWVAULT_CHECK(store->load(take));
    return std::unique_ptr<Store>{std::move(store)};
}

Bytes store_context(const Header& header) {
    return FieldWriter().bytes(header.vault).text(header.prefix).take();
}

}  // namespace hwvault::store
