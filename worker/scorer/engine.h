// The engine behind the scorer's two front ends: architectures in, scores out, on one device.
#ifndef ZCBENCH_WORKER_SCORER_ENGINE_H_
#define ZCBENCH_WORKER_SCORER_ENGINE_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/data/probe_batch.h"
#include "worker/scoring_backend.h"

namespace zcbench {

struct EngineOptions {
  std::string device = "auto";    // "auto": an accelerator when LibTorch sees one, else the CPU; "cpu", "cuda:N"
  int threads = 0;                // of the CPU; 0 = all cores
  std::string dtype = "float32";  // or "float64"
};

// The devices that `device` may name here: "cpu", then "cuda:0", ...
std::vector<std::string> AvailableDevices();

// Fixes LibTorch's threads and precision flags for the whole process: one engine a process. Not thread-safe.
class Engine final : public ScoringBackend {
 public:
  // INVALID_ARGUMENT: an unknown device (says which there are), dtype or number of threads.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options);
  ~Engine() override;

  ScorerDescription Describe() override;
  absl::Status LoadProbeBatch(const std::string& digest, std::string bytes) override;
  absl::StatusOr<std::vector<ScoredProxy>> Score(const ScoringRequest& request) override;

  // The same with a batch at hand; null when no proxy reads images.
  absl::StatusOr<std::vector<ScoredProxy>> Score(const ScoringRequest& request, const ProbeBatch* batch);

 private:
  struct Device;
  explicit Engine(std::unique_ptr<Device> device);

  struct Loaded {
    std::string digest;
    ProbeBatch batch;
  };

  std::unique_ptr<Device> device_;
  std::deque<Loaded> batches_;  // the last kProbeBatchesHeld
  bool warned_of_small_parts_ = false;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_SCORER_ENGINE_H_
