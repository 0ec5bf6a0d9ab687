// A pass runs a model in one exactly stated way: which weights, which batch normalisation, which input, what is
// differentiated. It is a value; equal passes of different proxies are one run. Passes that differ only in what is
// differentiated share a forward graph.
//
//   train_loss    the task's loss (mean over the batch) to the weights: default weights, batch statistics
//   input_ones    the sum of all logits to the images, on train_loss's graph
//   linearised    the sum of the outputs to the weights: absolute weights in float64, no batch normalisation, one image
//   of ones eval_forward  no derivative: default weights, batch normalisation by the running statistics of a new model
//   (0 and 1)
//
// In float32, convolutions of the whole batch through a model with batch normalisation are summed in float64
// (run_passes.cc says why).
//
// A pass's execution is a function of the model, the batch and its spec, never of which proxies asked.
#ifndef ZCBENCH_WORKER_PASSES_PASS_H_
#define ZCBENCH_WORKER_PASSES_PASS_H_

#include <compare>
#include <string>

#include "base/registry.h"
#include "worker/models/plain_operators.h"

namespace zcbench {

enum class WeightUse {
  kDefault,   // as the weight source draws them, in the run's precision
  kAbsolute,  // their absolute values, in float64
};

enum class GraphInput { kProbeBatch, kOnes };

// What makes a forward graph.
struct GraphSpec {
  WeightUse weights = WeightUse::kDefault;
  BatchNormUse batch_norm = BatchNormUse::kBatch;
  GraphInput input = GraphInput::kProbeBatch;

  auto operator<=>(const GraphSpec&) const = default;
};

enum class Backward {
  kNone,
  kLossToWeights,    // the mean cross-entropy
  kOutputToWeights,  // the sum of the outputs
  kOutputToImages,   // the sum of the outputs
};

struct PassDefinition {
  std::string name;
  int version;  // raised when a number of any proxy that observes it would change
  GraphSpec graph;
  Backward backward;
};

const Registry<PassDefinition>& pass_registry();

// What a proxy asks for. parts = 1: over the whole probe batch. parts = K > 1: one gradient for each of K equal
// consecutive parts of it, each the gradient of the part's own mean loss (train_loss only).
struct PassSpec {
  std::string pass;
  int parts = 1;

  auto operator<=>(const PassSpec&) const = default;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_PASS_H_
