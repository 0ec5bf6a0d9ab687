// What a proxy sees of a pass. Events carry tensors of the pass's precision on the model's device; they are only valid
// during the call, and nothing the size of a layer should outlive it. An event that nobody subscribed to costs nothing.
#ifndef ZCBENCH_WORKER_PASSES_OBSERVER_H_
#define ZCBENCH_WORKER_PASSES_OBSERVER_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "worker/models/model.h"
#include "worker/models/weights.h"
#include "worker/passes/pass.h"
#include "worker/passes/patterns.h"

namespace zcbench {

enum Event : uint32_t {
  kActivationPatterns = 1 << 0,  // signs of the activations' inputs, once, after the forward of the whole batch
  kLayerPatterns = 1 << 1,       // signs of the layers' outputs, likewise
  kLayerBackward = 1 << 2,       // input, output and their gradients, for each layer and piece of the batch
  kTokenOutputs = 1 << 3,        // with kLayerBackward: outputs of token layers too, which cost memory of their own
  kWeightGradients = 1 << 4,     // the gradient of a layer's weight, once a layer
  kGradientMoments = 1 << 5,     // moments of a layer's weight gradient over the parts, once a layer
  kInputGradients = 1 << 6,      // the gradient of the images, for each piece of the batch
};

// One run of a pass.
struct PassRun {
  const PassSpec& spec;
  const Model& model;
  const Weights& weights;    // as this pass uses them
  const at::Tensor& labels;  // [N] int64 on the CPU
  int64_t samples;           // N
};

// A layer in the backward direction, for the samples first, ..., first + n - 1. Gradients are those of the mean over
// all N samples.
struct LayerBackward {
  int64_t first;
  at::Tensor input;        // [n, ...]
  at::Tensor output;       // undefined for token layers [n, T, out] unless kTokenOutputs was asked for
  at::Tensor grad_output;  // as output
  at::Tensor grad_input;   // as input; undefined where the input is the images
};

// Over the K parts of a batch, in float64, shaped as the weight: the mean and the sum of squared deviations
// (population: variance = m2 / parts) of the gradient and of its absolute. Exact zeros where all parts agree.
struct GradientMoments {
  int parts;
  at::Tensor mean, m2, mean_abs, m2_abs;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnActivationPatterns(const PassRun&, const SignPatterns&) {}
  virtual void OnLayerPatterns(const PassRun&, const SignPatterns&) {}
  virtual void OnLayerBackward(const PassRun&, const Layer&, const LayerBackward&) {}
  // Not called for a layer that took no part in the output.
  virtual void OnWeightGradient(const PassRun&, const Layer&, const at::Tensor& /*gradient*/) {}
  virtual void OnGradientMoments(const PassRun&, const Layer&, const GradientMoments&) {}
  // gradient: [n, 3, H, W], of the samples first, ..., first + n - 1.
  virtual void OnInputGradient(const PassRun&, int64_t /*first*/, const at::Tensor& /*gradient*/) {}
};

struct Subscription {
  PassSpec pass;
  uint32_t events;  // Event bits
  Observer* observer;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_OBSERVER_H_
