// Workers that wait for work. No thread is held for them: they are tried again when the scheduler says that there may
// be something, and once a second for leases that have run out.
#ifndef ZCBENCH_SERVER_LONG_POLL_H_
#define ZCBENCH_SERVER_LONG_POLL_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <thread>

#include "base/mutex.h"
#include "server/executor.h"
#include "server/handle.h"
#include "server/scheduler.h"
#include "zcbench/v1/worker.pb.h"

namespace zcbench {

class LongPoll {
 public:
  // Both outlive this.
  LongPoll(Scheduler& scheduler, Executor& executor);
  ~LongPoll();

  // Answers with what the scheduler has, after at most `wait` if that is nothing. Takes over finishing `reactor`.
  void Synchronize(const CallName& call, grpc::CallbackServerContext* context, const v1::SynchronizeRequest* request,
                   v1::SynchronizeResponse* response, grpc::ServerUnaryReactor* reactor, absl::Duration wait);
  // Those who wait are tried again.
  void Wake();
  // Answers all who wait with what there is, and nobody waits from now on. Not from two threads at once.
  void Stop();

 private:
  struct Waiter {
    CallName call;
    grpc::CallbackServerContext* context;
    const v1::SynchronizeRequest* request;
    v1::SynchronizeResponse* response;
    grpc::ServerUnaryReactor* reactor;
    std::chrono::steady_clock::time_point deadline;
  };

  void Post(const Waiter& waiter);
  void Try(const Waiter& waiter);
  void Run();

  Scheduler& scheduler_;
  Executor& executor_;

  Mutex mutex_;
  CondVar changed_;
  uint64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_LONG_POLL_H_
