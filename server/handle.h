// How the services answer: every call has an id, the work runs on the executor, a failure of the server's own is logged
// once, and the Status becomes gRPC's.
#ifndef ZCBENCH_SERVER_HANDLE_H_
#define ZCBENCH_SERVER_HANDLE_H_

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log.h"
#include "server/executor.h"

namespace zcbench {

// A call, as the log names it.
struct CallName {
  const char* rpc;
  std::string request;  // its id
};

// The metadata that carries the id of a call: the client's own, [A-Za-z0-9_.:-]{1,64}, or else a new random one. It
// comes back in the trailing metadata, and every line that the server logs for the call has it as `request`.
inline constexpr char kRequestIdKey[] = "x-request-id";
CallName NameCall(grpc::CallbackServerContext& context, const char* rpc);

// Code and message (2,500 bytes of it). Logs what is the server's fault (INTERNAL, DATA_LOSS, UNKNOWN, UNAVAILABLE);
// the message of the first three also says by which id the log knows the call.
grpc::Status Answer(const absl::Status& status, const CallName& call);

inline absl::Status Overloaded() { return absl::UnavailableError("the server is stopping or has too much to do"); }

// For a unary rpc. `body` runs on the executor and may block; request and response live until it returns.
template <typename Body>
grpc::ServerUnaryReactor* Handle(Executor& executor, grpc::CallbackServerContext* context, const char* rpc, Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const CallName call = NameCall(*context, rpc);
  const bool posted = executor.Post([reactor, call, body = std::move(body)] {
    const LogContext log({{"request", call.request}});
    reactor->Finish(Answer(body(), call));
  });
  if (!posted) reactor->Finish(Answer(Overloaded(), call));
  return reactor;
}

// For a server stream with one write at a time. `Source` has absl::StatusOr<bool> Next(Response&): true, send it and
// ask again when it is written; false, the end. It runs on the executor, so a reader that stops costs no thread. It may
// have void Cancel(), called from another thread when the reader has gone or the server stops, which ends a long
// Next().
template <typename Response, typename Source>
class Stream final : public grpc::ServerWriteReactor<Response> {
 public:
  Stream(Executor& executor, grpc::CallbackServerContext* context, const char* rpc, Source source)
      : executor_(executor), call_(NameCall(*context, rpc)), source_(std::move(source)) {
    Produce();
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Produce();
    } else {
      this->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the reader has gone"));
    }
  }
  void OnCancel() override {
    if constexpr (requires { source_.Cancel(); }) source_.Cancel();
  }
  void OnDone() override { delete this; }

 private:
  void Produce() {
    const bool posted = executor_.Post([this] {
      const LogContext log({{"request", call_.request}});
      response_.Clear();
      const absl::StatusOr<bool> more = source_.Next(response_);
      if (more.ok() && *more) {
        this->StartWrite(&response_);
      } else {
        this->Finish(Answer(more.status(), call_));
      }
    });
    if (!posted) this->Finish(Answer(Overloaded(), call_));
  }

  Executor& executor_;
  const CallName call_;
  Source source_;
  Response response_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_HANDLE_H_
