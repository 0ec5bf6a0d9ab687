#include "server/handle.h"

#include "base/log.h"

namespace zcbench {

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
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

}  // namespace zcbench
