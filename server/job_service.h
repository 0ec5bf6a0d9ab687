// Jobs and workers, for whoever wants something computed: see zcbench/v1/job.proto.
#ifndef ZCBENCH_SERVER_JOB_SERVICE_H_
#define ZCBENCH_SERVER_JOB_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "server/executor.h"
#include "server/scheduler.h"
#include "zcbench/v1/job.grpc.pb.h"

namespace zcbench {

class JobService final : public v1::JobService::CallbackService {
 public:
  JobService(Scheduler& scheduler, Executor& executor) : scheduler_(scheduler), executor_(executor) {}

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const v1::CreateJobRequest* request,
                                      v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::GetJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* ControlJob(grpc::CallbackServerContext* context, const v1::ControlJobRequest* request,
                                       v1::ControlJobResponse* response) override;
  grpc::ServerUnaryReactor* RetryFailures(grpc::CallbackServerContext* context, const v1::RetryFailuresRequest* request,
                                          v1::RetryFailuresResponse* response) override;
  grpc::ServerUnaryReactor* ListConflicts(grpc::CallbackServerContext* context, const v1::ListConflictsRequest* request,
                                          v1::ListConflictsResponse* response) override;
  grpc::ServerUnaryReactor* ExplainJob(grpc::CallbackServerContext* context, const v1::ExplainJobRequest* request,
                                       v1::ExplainJobResponse* response) override;
  grpc::ServerUnaryReactor* AuditJob(grpc::CallbackServerContext* context, const v1::AuditJobRequest* request,
                                     v1::AuditJobResponse* response) override;
  grpc::ServerUnaryReactor* ListFailures(grpc::CallbackServerContext* context, const v1::ListFailuresRequest* request,
                                         v1::ListFailuresResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context, const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* DrainWorker(grpc::CallbackServerContext* context, const v1::DrainWorkerRequest* request,
                                        v1::DrainWorkerResponse* response) override;

 private:
  Scheduler& scheduler_;
  Executor& executor_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_JOB_SERVICE_H_
