#include "server/call_timer.h"

#include <chrono>
#include <string>

#include "absl/status/status.h"

namespace zcbench {
namespace {

class CallTimer final : public grpc::experimental::Interceptor {
 public:
  CallTimer(Histogram& seconds, const char* method) : seconds_(seconds), method_(method + (*method == '/' ? 1 : 0)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const auto code = static_cast<absl::StatusCode>(methods->GetSendStatus().error_code());
      seconds_.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(),
                       {{"method", method_}, {"code", absl::StatusCodeToString(code)}});
    }
    methods->Proceed();
  }

 private:
  Histogram& seconds_;
  const std::string method_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class CallTimers final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallTimers(Histogram& seconds) : seconds_(seconds) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    return new CallTimer(seconds_, info->method());  // gRPC deletes it
  }

 private:
  Histogram& seconds_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> TimeCalls(Histogram& seconds) {
  return std::make_unique<CallTimers>(seconds);
}

}  // namespace zcbench
