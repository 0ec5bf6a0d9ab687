// Published tables in, the benchmark out: see zcbench/v1/publication.proto.
#ifndef ZCBENCH_SERVER_PUBLICATION_SERVICE_H_
#define ZCBENCH_SERVER_PUBLICATION_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "base/clock.h"
#include "db/store.h"
#include "server/executor.h"
#include "zcbench/v1/publication.grpc.pb.h"

namespace zcbench {

class PublicationService final : public v1::PublicationService::CallbackService {
 public:
  PublicationService(Store& store, const Clock& clock, Executor& executor)
      : store_(store), clock_(clock), executor_(executor) {}

  grpc::ServerUnaryReactor* ImportScores(grpc::CallbackServerContext* context, const v1::ImportScoresRequest* request,
                                         v1::ImportScoresResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamAccuraciesResponse>* StreamAccuracies(
      grpc::CallbackServerContext* context, const v1::StreamAccuraciesRequest* request) override;
  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context, const v1::ListSourcesRequest* request,
                                        v1::ListSourcesResponse* response) override;
  grpc::ServerWriteReactor<v1::ExportStoreResponse>* ExportStore(grpc::CallbackServerContext* context,
                                                                 const v1::ExportStoreRequest* request) override;

 private:
  absl::StatusOr<v1::ImportScoresResponse> DoImportScores(const v1::ImportScoresRequest& request);
  absl::StatusOr<v1::ListSourcesResponse> DoListSources();

  Store& store_;
  const Clock& clock_;
  Executor& executor_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_PUBLICATION_SERVICE_H_
