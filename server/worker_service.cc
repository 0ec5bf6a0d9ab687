#include "server/worker_service.h"

#include <algorithm>

#include "base/status_macros.h"
#include "server/convert.h"
#include "server/handle.h"

namespace zcbench {
namespace {
constexpr absl::Duration kLongestWait = absl::Seconds(30);
}  // namespace

grpc::ServerUnaryReactor* WorkerService::OpenSession(grpc::CallbackServerContext* context,
                                                     const v1::OpenSessionRequest* request,
                                                     v1::OpenSessionResponse* response) {
  return Handle(executor_, context, "OpenSession", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.OpenSession(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkerService::Synchronize(grpc::CallbackServerContext* context,
                                                     const v1::SynchronizeRequest* request,
                                                     v1::SynchronizeResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const CallName call = NameCall(*context, "Synchronize");
  const absl::StatusOr<absl::Duration> wait = FromProto("wait", request->wait());
  if (!wait.ok()) {
    reactor->Finish(Answer(wait.status(), call));
    return reactor;
  }
  long_poll_.Synchronize(call, context, request, response, reactor, std::min(*wait, kLongestWait));
  return reactor;
}

grpc::ServerUnaryReactor* WorkerService::RecordScores(grpc::CallbackServerContext* context,
                                                      const v1::RecordScoresRequest* request,
                                                      v1::RecordScoresResponse* response) {
  return Handle(executor_, context, "RecordScores", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.RecordScores(*request));
    return absl::OkStatus();
  });
}

}  // namespace zcbench
