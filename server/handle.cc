#include "server/handle.h"

#include "base/log.h"

namespace zcbench {
namespace {
// A status travels in a header, of which gRPC takes 8 KiB with up to three bytes a character.
constexpr size_t kLongestMessage = 2000;
}  // namespace

grpc::Status Answer(const absl::Status& status, const char* rpc) {
  if (status.ok()) return grpc::Status::OK;
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kUnavailable:
      Log(LogLevel::kError, "request failed", {{"rpc", rpc}, {"status", status.ToString()}});
      break;
    default:
      break;  // the caller's, who is told
  }
  std::string message(status.message());
  if (message.size() > kLongestMessage) message = message.substr(0, kLongestMessage) + "...";
  return {static_cast<grpc::StatusCode>(status.code()), message};
}

}  // namespace zcbench
