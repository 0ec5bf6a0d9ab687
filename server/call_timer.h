// How long the server's calls take, from arrival to answer.
#ifndef ZCBENCH_SERVER_CALL_TIMER_H_
#define ZCBENCH_SERVER_CALL_TIMER_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "base/metrics.h"

namespace zcbench {

// Observes the seconds of every call that reaches a service, by method ("zcbench.v1.JobService/GetJob") and code
// ("OK"). Refused tokens and methods that are not there are not seen. `seconds` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> TimeCalls(Histogram& seconds);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_CALL_TIMER_H_
