// A pass runs a model in one exactly stated way: which weights, which batch normalisation, which input, what is
// differentiated. It is a value; equal passes of different proxies are one run. Passes that differ only in what is
// differentiated share a forward graph, and in a model without batch normalisation so do those that differ only in its
// use.
//
//   train_loss      the task's loss (mean over the batch) to the weights: default weights, batch statistics
//   hessian         the Hessian of that loss times the weights, on train_loss's graph
//   input_ones      the sum of all outputs to the images: on train_loss's graph, or, through batch normalisation, in
//                   float64 on a graph of its own
//   each_loss       each image's own loss to the weights, through the graph of the whole batch
//   per_image       the same with each image normalised by its own statistics, as in a batch of one
//   each_output     the sum of each image's outputs to the weights: kaiming fan-out weights, the first images only
//   linearised      the sum of the outputs to the weights: absolute weights in float64, no batch normalisation, one
//   image
//                   of ones
//   linearised_bn   the same with batch normalisation
//   signed_ones     the same with signed weights but absolute tokens and positions
//   eval_forward    no derivative: default weights, batch normalisation by the running statistics of a new model (0, 1)
//   eval_ones       the sum of all outputs to the images, on eval_forward's graph
//   features        from each feature back to the one before, a random sign on every element: kaiming fan-in weights
//   gaussian        no derivative: Gaussian weights (the draw-th), batch statistics
//   gaussian_noise, gaussian_perturbed    Gaussian weights on noise x, and on x + 0.01 noise
//   constant_low, constant_high           weights of layers and norms 1e-7, and 1, in float64: batch statistics
//   first_elements  each output to element 0 of the first tensors: kaiming fan-in weights, noise, running statistics
//   thin_noise      no derivative: the thin network, kaiming fan-in weights, 3 x 1000 images of noise
//   surrogate       the layers of the surrogate one by one, Gaussian weights of their own
//
// In float32, convolutions of a graph with batch normalisation by batch statistics are summed in float64 (graph_run.h
// says why).
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
  kDefault,         // as the source draws them
  kKaimingFanIn,    // on a transformer: kDefault
  kKaimingFanOut,   // likewise
  kGaussian,        //
  kConstantLow,     // weights of layers and norms 1e-7, their biases 0
  kConstantHigh,    // weights of layers and norms 1, their biases 0
  kAbsolute,        // the default ones' absolute values
  kAbsoluteTokens,  // the default ones with absolute embeddings
};

inline bool IsConstant(WeightUse use) { return use == WeightUse::kConstantLow || use == WeightUse::kConstantHigh; }

enum class GraphInput {
  kProbeBatch,
  kOnes,       // one image
  kRandom,     // N(0, 1) of the probe batch's shape
  kPerturbed,  // the same + 0.01 N(0, 1)
};

enum class Network {
  kOwn,
  kThin,       // Model::Thin(), 3 x 1000 images of noise of 3 x 3 pixels; each thousand has its own batch statistics
  kSurrogate,  // Model::Surrogate(), no images
};

// What makes a forward graph.
struct GraphSpec {
  WeightUse weights = WeightUse::kDefault;
  BatchNormUse batch_norm = BatchNormUse::kBatch;
  GraphInput input = GraphInput::kProbeBatch;
  bool norm_gradients = false;  // weights of norms are differentiated too
  bool first_elements = false;  // single weights are, image by image, and nothing else (first_elements.h)
  Network network = Network::kOwn;
  bool in_double =
      false;  // in float64 whatever the run's precision: products of 1e-7 underflow, absolute ones overflow

  auto operator<=>(const GraphSpec&) const = default;
};

enum class Backward {
  kNone,
  kLossToWeights,        // the mean loss
  kHessian,              // a second time, along the weights
  kEachLossToWeights,    // one image's loss after the other
  kOutputToWeights,      // the sum of the outputs
  kEachOutputToWeights,  // one image's outputs after the other
  kOutputToImages,       // the sum of the outputs
  kFeatures,             // from feature to feature
};

struct PassDefinition {
  std::string name;
  int version;  // raised when a number of any proxy that observes it would change
  GraphSpec graph;
  Backward backward;
};

const Registry<PassDefinition>& pass_registry();

// What a proxy asks for.
struct PassSpec {
  std::string pass;
  // 1: over the whole probe batch. K > 1: one gradient for each of K equal consecutive parts of it, each the gradient
  // of the part's own mean loss (train_loss only).
  int parts = 1;
  int images = 0;  // only the first so many images; 0, or more than there are: all
  int draw = 0;    // which drawing of the weights

  auto operator<=>(const PassSpec&) const = default;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_PASS_H_
