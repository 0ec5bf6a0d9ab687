// The store in one SQLite file.
//
// One thread with one connection writes; what waits is committed together (up to 64 writes or 5 ms in one transaction,
// each within its own savepoint), and nobody is answered before the commit is on the disk. Readers have connections of
// their own that cannot write. The writer alone checkpoints. While the store is open `FILE.lock` is locked, so a second
// server on the same file is refused. The schema's version is `user_version`; an older file is copied to
// `FILE.version-N.backup` and upgraded. `FILE.part-*` are copies in the making; those that a dead server left are
// removed by the next start.
#ifndef ZCBENCH_DB_SQLITE_SQLITE_STORE_H_
#define ZCBENCH_DB_SQLITE_SQLITE_STORE_H_

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "db/store.h"

namespace zcbench {

inline constexpr int kSqliteApplicationId = 0x5A434231;  // "ZCB1"

// The SQL that leads from schema version i to i + 1, for every i from 0.
std::span<const std::string_view> SqliteMigrations();

// Opens the file or makes it; an empty one is made into a store. FAILED_PRECONDITION: another server has it open, it
// or its folder may not be written, it is of a newer zcbench, or it lies on a network file system. INVALID_ARGUMENT: it
// is no zcbench store. DATA_LOSS: it is damaged. NOT_FOUND: no such folder.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(
    const std::filesystem::path& file, std::span<const std::string_view> migrations = SqliteMigrations());

// Opens a file that Store::Publish has written, for reading alone; the folder need not be writable.
// FAILED_PRECONDITION: it has another schema version than this zcbench. INVALID_ARGUMENT, DATA_LOSS: as above.
// NOT_FOUND: no such file.
absl::StatusOr<std::unique_ptr<Store>> OpenPublishedStore(const std::filesystem::path& file);

// Copies a store into a new one, compacted, as a single file to travel. Both are URLs, sqlite:FILE. A server may have
// the source open. `progress` hears about once a second how many bytes are written, of at most `most`; its error ends
// the copy. The target appears when it is whole. INVALID_ARGUMENT: no such kind of store. ALREADY_EXISTS: the target is
// there. RESOURCE_EXHAUSTED: too little space. Others as OpenPublishedStore.
absl::Status CopyStore(std::string_view from, std::string_view to,
                       absl::FunctionRef<absl::Status(uint64_t written, uint64_t most)> progress);

// Gives the space of deleted rows back to the disk, in place, and orders the pages. FAILED_PRECONDITION: a server has
// the file open. An end at any moment leaves the old file or the new one. Others as CopyStore.
absl::Status VacuumStore(const std::filesystem::path& file,
                         absl::FunctionRef<absl::Status(uint64_t written, uint64_t most)> progress);

}  // namespace zcbench

#endif  // ZCBENCH_DB_SQLITE_SQLITE_STORE_H_
