// Signals as something to wait for, so that a command ends what it does in order.
#ifndef ZCBENCH_CLIENT_CLI_SIGNALS_H_
#define ZCBENCH_CLIENT_CLI_SIGNALS_H_

#include <initializer_list>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace zcbench {

// Catches the given signals while it lives; one at a time in a process. It works whatever threads there are and leaves
// nothing blocked for child processes.
class Signals {
 public:
  explicit Signals(std::initializer_list<int> signals);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next signal that came, waiting for it at most `timeout`; 0 when none came.
  int Wait(absl::Duration timeout);

 private:
  std::vector<int> signals_;
  int read_end_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_SIGNALS_H_
