#include "server/handle.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "server/convert.h"

namespace zcbench {
namespace {

// gRPC carries a message as a header, writes each byte that is no ASCII as three, and refuses headers above 8 KiB.
constexpr size_t kMaxMessage = 2500;

}  // namespace

CallName NameCall(grpc::CallbackServerContext& context, const char* rpc) {
  CallName call{.rpc = rpc, .request = ""};
  if (const auto sent = context.client_metadata().find(kRequestIdKey); sent != context.client_metadata().end()) {
    const std::string_view id(sent->second.data(), sent->second.size());
    if (IsPlainName(id)) call.request = id;
  }
  if (call.request.empty()) {
    std::random_device random;
    call.request = absl::StrCat(absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
  }
  context.AddTrailingMetadata(kRequestIdKey, call.request);
  return call;
}

grpc::Status Answer(const absl::Status& status, const CallName& call) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnknown:
      absl::StrAppend(&message, " (the server's log has it as request ", call.request, ")");
      [[fallthrough]];
    case absl::StatusCode::kUnavailable:
      Log(LogLevel::kError, "request failed",
          {{"rpc", call.rpc}, {"status", status.ToString()}, {"request", call.request}});
      break;
    default:
      break;  // the caller's, who is told
  }
  return {static_cast<grpc::StatusCode>(status.code()), OneLine(message, kMaxMessage)};
}

}  // namespace zcbench
