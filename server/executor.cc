#include "server/executor.h"

#include <utility>

namespace zcbench {
namespace {
constexpr size_t kMaxWaiting = 10'000;
}  // namespace

Executor::Executor(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    posted_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Executor::Post(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (ending_ || tasks_.size() >= kMaxWaiting) return false;
  tasks_.push_back(std::move(task));
  posted_.NotifyOne();
  return true;
}

void Executor::Run() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !ending_) posted_.Wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace zcbench
