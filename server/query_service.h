// The benchmark, for whoever reads it: see zcbench/v1/query.proto.
#ifndef ZCBENCH_SERVER_QUERY_SERVICE_H_
#define ZCBENCH_SERVER_QUERY_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "base/clock.h"
#include "db/store.h"
#include "server/executor.h"
#include "server/scheduler.h"
#include "zcbench/v1/query.grpc.pb.h"

namespace zcbench {

class QueryService final : public v1::QueryService::CallbackService {
 public:
  // `version`: of this zcbench.
  QueryService(Store& store, Scheduler& scheduler, const Clock& clock, Executor& executor, std::string version)
      : store_(store), scheduler_(scheduler), clock_(clock), executor_(executor), version_(std::move(version)) {}

  grpc::ServerWriteReactor<v1::StreamScoresResponse>* StreamScores(grpc::CallbackServerContext* context,
                                                                   const v1::StreamScoresRequest* request) override;
  grpc::ServerUnaryReactor* ListSeries(grpc::CallbackServerContext* context, const v1::ListSeriesRequest* request,
                                       v1::ListSeriesResponse* response) override;
  grpc::ServerUnaryReactor* Correlate(grpc::CallbackServerContext* context, const v1::CorrelateRequest* request,
                                      v1::CorrelateResponse* response) override;
  grpc::ServerUnaryReactor* CorrelateTasks(grpc::CallbackServerContext* context,
                                           const v1::CorrelateTasksRequest* request,
                                           v1::CorrelateTasksResponse* response) override;
  grpc::ServerUnaryReactor* FitLibra(grpc::CallbackServerContext* context, const v1::FitLibraRequest* request,
                                     v1::FitLibraResponse* response) override;
  grpc::ServerUnaryReactor* ListCombinations(grpc::CallbackServerContext* context,
                                             const v1::ListCombinationsRequest* request,
                                             v1::ListCombinationsResponse* response) override;
  grpc::ServerUnaryReactor* ProfileLayers(grpc::CallbackServerContext* context, const v1::ProfileLayersRequest* request,
                                          v1::ProfileLayersResponse* response) override;
  grpc::ServerUnaryReactor* ImportAccuracies(grpc::CallbackServerContext* context,
                                             const v1::ImportAccuraciesRequest* request,
                                             v1::ImportAccuraciesResponse* response) override;
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context, const v1::DescribeRequest* request,
                                     v1::DescribeResponse* response) override;

 private:
  absl::StatusOr<v1::ListSeriesResponse> DoListSeries(const v1::ListSeriesRequest& request);
  absl::StatusOr<v1::ImportAccuraciesResponse> DoImportAccuracies(const v1::ImportAccuraciesRequest& request);
  absl::StatusOr<v1::DescribeResponse> DoDescribe();

  Store& store_;
  Scheduler& scheduler_;
  const Clock& clock_;
  Executor& executor_;
  const std::string version_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_QUERY_SERVICE_H_
