// Time enters the program here, so that a test can move it.
#ifndef ZCBENCH_BASE_CLOCK_H_
#define ZCBENCH_BASE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace zcbench {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;  // thread-safe
};

// The machine's wall clock; lives for ever.
const Clock& SystemClock();

// Stands still until a test moves it. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time start) : micros_(absl::ToUnixMicros(start)) {}
  absl::Time Now() const override { return absl::FromUnixMicros(micros_.load()); }
  void Advance(absl::Duration step) { micros_ += absl::ToInt64Microseconds(step); }

 private:
  std::atomic<int64_t> micros_;
};

}  // namespace zcbench

#endif  // ZCBENCH_BASE_CLOCK_H_
