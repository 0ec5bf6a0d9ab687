// Probe batches by content: see zcbench/v1/job.proto.
#ifndef ZCBENCH_SERVER_PROBE_BATCH_SERVICE_H_
#define ZCBENCH_SERVER_PROBE_BATCH_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <atomic>

#include "base/clock.h"
#include "db/store.h"
#include "server/executor.h"
#include "zcbench/v1/job.grpc.pb.h"

namespace zcbench {

class ProbeBatchService final : public v1::ProbeBatchService::CallbackService {
 public:
  ProbeBatchService(Store& store, const Clock& clock, Executor& executor)
      : store_(store), clock_(clock), executor_(executor) {}

  grpc::ServerReadReactor<v1::CreateProbeBatchRequest>* CreateProbeBatch(
      grpc::CallbackServerContext* context, v1::CreateProbeBatchResponse* response) override;
  grpc::ServerWriteReactor<v1::FetchProbeBatchResponse>* FetchProbeBatch(
      grpc::CallbackServerContext* context, const v1::FetchProbeBatchRequest* request) override;
  grpc::ServerUnaryReactor* ListProbeBatches(grpc::CallbackServerContext* context,
                                             const v1::ListProbeBatchesRequest* request,
                                             v1::ListProbeBatchesResponse* response) override;

 private:
  class Upload;

  absl::StatusOr<v1::CreateProbeBatchResponse> Add(const std::string& digest, const std::string& content);

  Store& store_;
  const Clock& clock_;
  Executor& executor_;
  std::atomic<int> uploads_{0};
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_PROBE_BATCH_SERVICE_H_
