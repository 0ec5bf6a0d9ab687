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

grpc::ServerUnaryReactor* JobService::ControlJob(grpc::CallbackServerContext* context,
                                                 const v1::ControlJobRequest* request,
                                                 v1::ControlJobResponse* response) {
  return Handle(executor_, context, "ControlJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ControlJob(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::RetryFailures(grpc::CallbackServerContext* context,
                                                    const v1::RetryFailuresRequest* request,
                                                    v1::RetryFailuresResponse* response) {
  return Handle(executor_, context, "RetryFailures", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.RetryFailures(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListConflicts(grpc::CallbackServerContext* context,
                                                    const v1::ListConflictsRequest* request,
                                                    v1::ListConflictsResponse* response) {
  return Handle(executor_, context, "ListConflicts", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ListConflicts(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ExplainJob(grpc::CallbackServerContext* context,
                                                 const v1::ExplainJobRequest* request,
                                                 v1::ExplainJobResponse* response) {
  return Handle(executor_, context, "ExplainJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.ExplainJob(*request));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::AuditJob(grpc::CallbackServerContext* context, const v1::AuditJobRequest* request,
                                               v1::AuditJobResponse* response) {
  return Handle(executor_, context, "AuditJob", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, scheduler_.AuditJob(*request));
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
