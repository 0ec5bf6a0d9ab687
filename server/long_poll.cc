#include "server/long_poll.h"

#include <algorithm>
#include <utility>

namespace zcbench {
namespace {
constexpr absl::Duration kTick = absl::Seconds(1);
}  // namespace

LongPoll::LongPoll(Scheduler& scheduler, Executor& executor) : scheduler_(scheduler), executor_(executor) {
  thread_ = std::thread([this] { Run(); });
}

LongPoll::~LongPoll() { Stop(); }

void LongPoll::Synchronize(const CallName& call, grpc::CallbackServerContext* context,
                           const v1::SynchronizeRequest* request, v1::SynchronizeResponse* response,
                           grpc::ServerUnaryReactor* reactor, absl::Duration wait) {
  Post(
      {call, context, request, response, reactor, std::chrono::steady_clock::now() + absl::ToChronoMicroseconds(wait)});
}

void LongPoll::Post(const Waiter& waiter) {
  if (!executor_.Post([this, waiter] { Try(waiter); })) waiter.reactor->Finish(Answer(Overloaded(), waiter.call));
}

void LongPoll::Try(const Waiter& waiter) {
  if (waiter.context->IsCancelled()) {  // nobody would hear of a lease
    waiter.reactor->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the worker has gone"));
    return;
  }
  const LogContext log({{"request", waiter.call.request}});
  uint64_t wakes = 0;
  {
    MutexLock lock(mutex_);
    wakes = wakes_;
  }
  absl::StatusOr<v1::SynchronizeResponse> response = scheduler_.Synchronize(*waiter.request);
  if (!response.ok()) {
    waiter.reactor->Finish(Answer(response.status(), waiter.call));
    return;
  }
  if (!response->leases().empty() && waiter.context->IsCancelled()) {
    scheduler_.ReturnUnheard(*response);
    waiter.reactor->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the worker has gone"));
    return;
  }
  const bool wants = waiter.request->wanted() > 0 && waiter.request->state() != v1::WORKER_STATE_DRAINING;
  if (wants && response->leases().empty() && response->lost().empty() && !response->drain() &&
      std::chrono::steady_clock::now() < waiter.deadline) {
    MutexLock lock(mutex_);
    if (!stopped_) {
      waiters_.push_back(waiter);
      if (wakes != wakes_) woken_ = true;  // something came while it was being tried
      changed_.NotifyAll();
      return;
    }
  }
  *waiter.response = *std::move(response);
  waiter.reactor->Finish(grpc::Status::OK);
}

void LongPoll::Wake() {
  MutexLock lock(mutex_);
  ++wakes_;
  woken_ = true;
  changed_.NotifyAll();
}

void LongPoll::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void LongPoll::Run() {
  while (true) {
    std::deque<Waiter> ready;
    bool stopped = false;
    bool tick = false;
    {
      MutexLock lock(mutex_);
      while (!woken_ && !stopped_ && !tick) {
        if (waiters_.empty()) {
          changed_.Wait(mutex_);
          continue;
        }
        const auto next = std::min_element(waiters_.begin(), waiters_.end(),
                                           [](const Waiter& a, const Waiter& b) { return a.deadline < b.deadline; });
        const absl::Duration left = absl::FromChrono(next->deadline - std::chrono::steady_clock::now());
        if (left <= absl::ZeroDuration()) {
          tick = true;
        } else if (left < kTick) {
          (void)changed_.WaitFor(mutex_, left);
        } else {
          tick = !changed_.WaitFor(mutex_, kTick);
        }
      }
      stopped = stopped_;
      if (woken_ || stopped) {
        ready.swap(waiters_);
        woken_ = false;
        tick = false;
      }
    }
    if (tick) {
      const absl::StatusOr<bool> work = scheduler_.HasWork();
      const bool all = work.ok() && *work;
      const auto now = std::chrono::steady_clock::now();
      MutexLock lock(mutex_);
      std::deque<Waiter> rest;
      for (const Waiter& waiter : waiters_) {
        (all || waiter.deadline <= now || waiter.context->IsCancelled() ? ready : rest).push_back(waiter);
      }
      waiters_.swap(rest);
    }
    for (const Waiter& waiter : ready) Post(waiter);
    if (stopped) return;
  }
}

}  // namespace zcbench
