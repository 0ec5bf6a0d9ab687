// The file that opens a server: where it is, how to know it, and what its reader may do. zcbench-server writes it when
// it is ready, mode 0600, and takes it away when it stops; whoever has a copy, on this machine or another, has its
// rights.
//
//   {"address": "127.0.0.1:43211", "host": "node7", "pid": 17, "store": "/data/zcbench.db",
//    "certificate": "-----BEGIN CERTIFICATE-----...", "tokens": {"admin": "...", "reader": "...", "worker": "..."},
//    "client_certificate": "me.pem", "client_key": "me.key"}
//
// Only the address is needed. Without a certificate the connection is not encrypted, which is allowed on one machine
// alone. A copy may hold fewer tokens (`zcbench access`). The client's certificate and key are for a server that asks
// for one; they are paths, relative to the file, and whoever has them adds them.
#ifndef ZCBENCH_PROTO_SERVER_FILE_H_
#define ZCBENCH_PROTO_SERVER_FILE_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr char kDefaultServerFile[] = "zcbench.server.json";

// What a token allows: `reader` reads jobs, scores and statistics; `worker` leases work and records scores; `admin` may
// do everything. Which call needs which is the table in server/credentials.cc.
inline constexpr std::string_view kRoles[] = {"admin", "reader", "worker"};

struct ServerFile {
  std::string address;                        // HOST:PORT or unix:PATH
  std::string host;                           // of the server's process
  pid_t pid = 0;                              // on that host; 0: not said
  std::string store;                          // absolute path of the database, there
  std::string certificate;                    // PEM, pinned: no other certificate is accepted; empty: no TLS
  std::map<std::string, std::string> tokens;  // by role
  std::filesystem::path client_certificate;   // PEM files; empty: none
  std::filesystem::path client_key;
};

// The file's text; `name` is what messages call it. INVALID_ARGUMENT: not such a file; says which member.
absl::StatusOr<ServerFile> ParseServerFile(std::string_view text, std::string_view name);
std::string FormatServerFile(const ServerFile& file);

// NOT_FOUND: no such file. INVALID_ARGUMENT: no server file. PERMISSION_DENIED: it is another user's.
// FAILED_PRECONDITION: it holds tokens and other users can read it.
absl::StatusOr<ServerFile> ReadServerFile(const std::filesystem::path& path);
absl::Status WriteServerFile(const std::filesystem::path& path, const ServerFile& file);

// What `--server` and ZCB_SERVER name: an address (a server without TLS, on this machine) or the path of a server file.
bool IsServerAddress(std::string_view text);
absl::StatusOr<ServerFile> FindServer(const std::string& address_or_path);

// The token of the role, else the one that may do most; "" without tokens.
std::string TokenFor(const ServerFile& file, std::string_view role);

// Files for this user alone (mode 0600), written beside the target and renamed. Codes as of ReadServerFile.
absl::Status WritePrivateFile(const std::filesystem::path& path, std::string_view bytes);
absl::StatusOr<std::string> ReadPrivateFile(const std::filesystem::path& path, size_t max_bytes = 1 << 16);

// This machine's name.
std::string ThisHost();

// Whether the server's process runs; true also when that cannot be known, since it runs on another machine.
bool ServerRuns(const ServerFile& file);

// Whether `pid` is a live process of this machine whose program is called `program`: a process id that was given to
// another program since does not count.
bool ProcessRuns(pid_t pid, std::string_view program);

// The parent of a live process; 0 when there is none.
pid_t ParentOf(pid_t pid);

}  // namespace zcbench

#endif  // ZCBENCH_PROTO_SERVER_FILE_H_
