#include "server/handle.h"

#include "base/log.h"
#include "server/convert.h"

namespace zcbench {
namespace {
// gRPC carries a message as a header, writes each byte that is no ASCII as three, and refuses headers above 8 KiB.
constexpr size_t kMaxMessage = 2500;
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
  return {static_cast<grpc::StatusCode>(status.code()), OneLine(std::string(status.message()), kMaxMessage)};
}

}  // namespace zcbench
