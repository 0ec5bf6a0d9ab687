// Runs over a whole SQLite file: the backup of a file in use, the check of one, and what it says of itself.
#ifndef ZCBENCH_DB_SQLITE_MAINTENANCE_H_
#define ZCBENCH_DB_SQLITE_MAINTENANCE_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "db/sqlite/connection.h"
#include "db/store.h"

namespace zcbench::sqlite {

// Copies what `from` sees now, page by page, into the new file `to`, and reads the copy once to see that it is whole.
// The copy has no write-ahead log. Holds one read transaction, so that writers go on and the copy never begins anew;
// the log grows meanwhile. Errors as Store::StartBackup.
absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(std::unique_ptr<Connection> from,
                                                       const std::filesystem::path& to);

// As Store::StartCheck, in one read transaction.
absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck(std::unique_ptr<Connection> reader);

// As Store::GetFacts; `newest_schema` is left alone.
absl::StatusOr<StoreFacts> ReadFacts(Connection& reader, const std::filesystem::path& file, absl::Time now);

// The database with its log.
uint64_t BytesOnDisk(const std::filesystem::path& file);

// RESOURCE_EXHAUSTED: the disk of `folder` has fewer than `bytes` for this user; the message says so, and for what.
absl::Status NeedSpace(const std::filesystem::path& folder, uint64_t bytes, const std::string& purpose);

}  // namespace zcbench::sqlite

#endif  // ZCBENCH_DB_SQLITE_MAINTENANCE_H_
