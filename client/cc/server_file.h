// The file in which a running server says where it is: JSON {"address": "127.0.0.1:43211", "pid": 17, "store":
// "/data/zcbench.db"}, written by zcbench-server and read by whoever wants to talk to it from the same folder.
#ifndef ZCBENCH_CLIENT_CC_SERVER_FILE_H_
#define ZCBENCH_CLIENT_CC_SERVER_FILE_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr char kDefaultServerFile[] = "zcbench.server.json";

struct ServerFile {
  std::string address;
  pid_t pid = 0;
  std::string store;  // absolute path of the database
};

// NOT_FOUND: no such file. INVALID_ARGUMENT: not JSON, or without an address or a process id.
absl::StatusOr<ServerFile> ReadServerFile(const std::filesystem::path& path);

// Whether `pid` is a live process of this machine whose program is called `program`: a process id that was given to
// another program since does not count.
bool ProcessRuns(pid_t pid, std::string_view program);

// The parent of a live process; 0 when there is none.
pid_t ParentOf(pid_t pid);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CC_SERVER_FILE_H_
