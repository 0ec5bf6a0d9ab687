#ifndef ZCBENCH_WORKER_AGENT_BACKOFF_H_
#define ZCBENCH_WORKER_AGENT_BACKOFF_H_

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace zcbench {

// Pauses between tries: each twice the one before, up to `longest`, and shortened by chance by up to a half, so that a
// thousand workers do not come back to a restarted server at the same moment. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration shortest, absl::Duration longest) : shortest_(shortest), longest_(longest), pause_(shortest) {}

  absl::Duration Next() {
    const absl::Duration pause = pause_ * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
    pause_ = std::min(2 * pause_, longest_);
    return pause;
  }
  void Reset() { pause_ = shortest_; }

 private:
  const absl::Duration shortest_;
  const absl::Duration longest_;
  absl::Duration pause_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_BACKOFF_H_
