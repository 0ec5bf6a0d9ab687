// How the services answer: the work runs on the executor, a failure of the server's own is logged once, and the Status
// becomes gRPC's.
#ifndef ZCBENCH_SERVER_HANDLE_H_
#define ZCBENCH_SERVER_HANDLE_H_

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/executor.h"

namespace zcbench {

// Code and message (2,500 bytes of it). Logs what is the server's fault (INTERNAL, DATA_LOSS, UNKNOWN, UNAVAILABLE).
grpc::Status Answer(const absl::Status& status, const char* rpc);

inline absl::Status Overloaded() { return absl::UnavailableError("the server is stopping or has too much to do"); }

// For a unary rpc. `body` runs on the executor and may block; request and response live until it returns.
template <typename Body>
grpc::ServerUnaryReactor* Handle(Executor& executor, grpc::CallbackServerContext* context, const char* rpc, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool posted = executor.Post([reactor, rpc, body = std::move(body)] { reactor->Finish(Answer(body(), rpc)); });
  if (!posted) reactor->Finish(Answer(Overloaded(), rpc));
  return reactor;
}

// For a server stream with one write at a time. `Source` has absl::StatusOr<bool> Next(Response&): true, send it and
// ask again when it is written; false, the end. It runs on the executor, so a reader that stops costs no thread and no
// transaction.
template <typename Response, typename Source>
class Stream final : public grpc::ServerWriteReactor<Response> {
 public:
  Stream(Executor& executor, const char* rpc, Source source)
      : executor_(executor), rpc_(rpc), source_(std::move(source)) {
    Produce();
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Produce();
    } else {
      this->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the reader has gone"));
    }
  }
  void OnDone() override { delete this; }

 private:
  void Produce() {
    const bool posted = executor_.Post([this] {
      response_.Clear();
      const absl::StatusOr<bool> more = source_.Next(response_);
      if (more.ok() && *more) {
        this->StartWrite(&response_);
      } else {
        this->Finish(Answer(more.status(), rpc_));
      }
    });
    if (!posted) this->Finish(Answer(Overloaded(), rpc_));
  }

  Executor& executor_;
  const char* const rpc_;
  Source source_;
  Response response_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_HANDLE_H_
