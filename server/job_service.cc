#include "server/job_service.h"

#include "base/status_macros.h"
#include "server/handle.h"

namespace zcbench {

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* context,
                                                const v1::CreateJobRequest* request, v1::CreateJobResponse* response) {
  return Handle(executor_, context, "CreateJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.CreateJob(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                             v1::GetJobResponse* response) {
  return Handle(executor_, context, "GetJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.GetJob(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return Handle(executor_, context, "ListJobs", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ListJobs(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const v1::CancelJobRequest* request, v1::CancelJobResponse* response) {
  return Handle(executor_, context, "CancelJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.CancelJob(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListFailures(grpc::CallbackServerContext* context,
                                                   const v1::ListFailuresRequest* request,
                                                   v1::ListFailuresResponse* response) {
  return Handle(executor_, context, "ListFailures", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ListFailures(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListWorkers(grpc::CallbackServerContext* context, const v1::ListWorkersRequest*,
                                                  v1::ListWorkersResponse* response) {
  return Handle(executor_, context, "ListWorkers", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ListWorkers());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::DrainWorker(grpc::CallbackServerContext* context,
                                                  const v1::DrainWorkerRequest* request, v1::DrainWorkerResponse*) {
  return Handle(executor_, context, "DrainWorker", [=, this] { return scheduler_.DrainWorker(*request); });
}

}  // namespace zcbench
