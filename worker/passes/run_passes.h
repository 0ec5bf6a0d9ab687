// Runs the passes that observers ask for, each forward graph once.
#ifndef ZCBENCH_WORKER_PASSES_RUN_PASSES_H_
#define ZCBENCH_WORKER_PASSES_RUN_PASSES_H_

#include <ATen/ATen.h>

#include <vector>

#include "absl/status/statusor.h"
#include "worker/models/model.h"
#include "worker/models/weights.h"
#include "worker/passes/loss.h"
#include "worker/passes/observer.h"

namespace zcbench {

struct PassInput {
  const Model& model;
  const RandomSource& weights;
  Batch batch;
  // Given: the parts of passes with parts > 1, instead of cutting the batch. Only fixtures of published values do that.
  std::vector<Batch> parts;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
};

// The number of pieces in which the whole batch runs through a model whose samples do not influence each other: small
// enough to stay in the cache (0.80 to 0.93 of the time of one run of 64), and the same whichever proxies ask. 1 for
// models with batch normalisation.
int PiecesOf(const Model& model, int64_t samples);

// Seconds that each subscription is charged: its equal share of every run that it needed.
// INVALID_ARGUMENT: a pass with parts that do not divide the batch, or parts for a pass that has none. What LibTorch
// throws goes through.
absl::StatusOr<std::vector<double>> RunPasses(const PassInput& input, const std::vector<Subscription>& subscriptions);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_RUN_PASSES_H_
