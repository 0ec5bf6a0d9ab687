// The one place where the server's port and its credentials are made.
#ifndef ZCBENCH_SERVER_CREDENTIALS_H_
#define ZCBENCH_SERVER_CREDENTIALS_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/statusor.h"

namespace zcbench {

struct ListenOptions {
  std::string address = "127.0.0.1:0";  // HOST:PORT; port 0 = any free one
  bool insecure = false;                // without TLS and token: this machine's own addresses only
};

// Returns the host. FAILED_PRECONDITION: `insecure` is not set. INVALID_ARGUMENT: no HOST:PORT, or an address that
// others can reach.
absl::StatusOr<std::string> CheckListenOptions(const ListenOptions& options);

// Adds the port to the builder; the options must be good. `port` is set when the server starts, to 0 when the address
// is taken.
void AddListeningPort(grpc::ServerBuilder& builder, const ListenOptions& options, int* port);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_CREDENTIALS_H_
