#include "server/credentials.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace zcbench {

absl::StatusOr<std::string> CheckListenOptions(const ListenOptions& options) {
  if (!options.insecure) {
    return absl::FailedPreconditionError(
        "this version speaks without TLS only: pass --insecure, which serves programs of this machine alone");
  }
  const size_t colon = options.address.rfind(':');
  int number = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(options.address.substr(colon + 1), &number) || number < 0 ||
      number > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: `", options.address, "` is not of the form HOST:PORT, as 127.0.0.1:0"));
  }
  const std::string host = options.address.substr(0, colon);
  if (host != "127.0.0.1" && host != "localhost" && host != "[::1]") {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: `", host,
                     "` can be reached from other machines, and without TLS whoever reaches the "
                     "server may read and change everything; use 127.0.0.1, localhost or [::1]"));
  }
  return host;
}

void AddListeningPort(grpc::ServerBuilder& builder, const ListenOptions& options, int* port) {
  builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), port);
}

}  // namespace zcbench
