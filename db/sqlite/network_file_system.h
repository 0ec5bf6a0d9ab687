// SQLite's locks and shared memory cannot be trusted on a network file system.
#ifndef ZCBENCH_DB_SQLITE_NETWORK_FILE_SYSTEM_H_
#define ZCBENCH_DB_SQLITE_NETWORK_FILE_SYSTEM_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace zcbench::sqlite {

// The name of the network file system with this `f_type` of statfs(2); empty for every other one. FUSE is told apart by
// its mount's type ("fuse.sshfs") in RefuseNetworkFileSystem.
std::string_view NetworkFileSystemName(int64_t magic);

struct FileSystem {
  std::string name{};  // "ext4", "NFS"; empty: not known
  bool network = false;
};

// That of `folder`, as far as it is known.
FileSystem DescribeFileSystem(const std::filesystem::path& folder);

// FAILED_PRECONDITION: `folder` lies on one; the message says where to put the store instead. UNAVAILABLE: not
// readable.
absl::Status RefuseNetworkFileSystem(const std::filesystem::path& folder);

}  // namespace zcbench::sqlite

#endif  // ZCBENCH_DB_SQLITE_NETWORK_FILE_SYSTEM_H_
