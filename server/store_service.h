// The database as a whole: see zcbench/v1/store.proto.
#ifndef ZCBENCH_SERVER_STORE_SERVICE_H_
#define ZCBENCH_SERVER_STORE_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "base/clock.h"
#include "db/store.h"
#include "server/executor.h"
#include "zcbench/v1/store.grpc.pb.h"

namespace zcbench {

class StoreService final : public v1::StoreService::CallbackService {
 public:
  // `version`: of this zcbench.
  StoreService(Store& store, const Clock& clock, Executor& executor, std::string version)
      : store_(store), clock_(clock), executor_(executor), version_(std::move(version)) {}

  grpc::ServerWriteReactor<v1::BackUpStoreResponse>* BackUpStore(grpc::CallbackServerContext* context,
                                                                 const v1::BackUpStoreRequest* request) override;
  grpc::ServerWriteReactor<v1::CheckStoreResponse>* CheckStore(grpc::CallbackServerContext* context,
                                                               const v1::CheckStoreRequest* request) override;
  grpc::ServerUnaryReactor* DescribeStore(grpc::CallbackServerContext* context, const v1::DescribeStoreRequest* request,
                                          v1::DescribeStoreResponse* response) override;

 private:
  absl::StatusOr<v1::DescribeStoreResponse> DoDescribeStore();

  Store& store_;
  const Clock& clock_;
  Executor& executor_;
  const std::string version_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_STORE_SERVICE_H_
