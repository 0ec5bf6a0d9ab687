// Threads for what blocks (the store, statistics), so that gRPC's own threads never do.
#ifndef ZCBENCH_SERVER_EXECUTOR_H_
#define ZCBENCH_SERVER_EXECUTOR_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace zcbench {

class Executor {
 public:
  explicit Executor(int threads);
  // Finishes what was posted.
  ~Executor();

  // False when too much waits already, or the executor is ending: `task` will not run. Thread-safe.
  [[nodiscard]] bool Post(std::function<void()> task);

 private:
  void Run();

  Mutex mutex_;
  CondVar posted_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_EXECUTOR_H_
