// Sessions, leases and scores: see zcbench/v1/worker.proto.
#ifndef ZCBENCH_SERVER_WORKER_SERVICE_H_
#define ZCBENCH_SERVER_WORKER_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "server/executor.h"
#include "server/long_poll.h"
#include "server/scheduler.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  WorkerService(Scheduler& scheduler, LongPoll& long_poll, Executor& executor)
      : scheduler_(scheduler), long_poll_(long_poll), executor_(executor) {}

  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context, const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* response) override;
  grpc::ServerUnaryReactor* Synchronize(grpc::CallbackServerContext* context, const v1::SynchronizeRequest* request,
                                        v1::SynchronizeResponse* response) override;
  grpc::ServerUnaryReactor* RecordScores(grpc::CallbackServerContext* context, const v1::RecordScoresRequest* request,
                                         v1::RecordScoresResponse* response) override;

 private:
  Scheduler& scheduler_;
  LongPoll& long_poll_;
  Executor& executor_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_WORKER_SERVICE_H_
