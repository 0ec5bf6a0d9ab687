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
  // In the forward direction, for each piece of the batch unless it says otherwise.
  kActivationPatterns = 1 << 0,  // signs of the activations' inputs, once, after the forward of the whole batch
  kLayerPatterns = 1 << 1,       // signs of the layers' outputs, likewise
  kModuleOutputs = 1 << 2,       // the output of every module
  kFeatures = 1 << 3,            // the features
  kLastFeatures = 1 << 4,        // what enters the pooling, or the last convolution of a decoder
  kOutputs = 1 << 5,             // the model's output
  kBatchVariances = 1 << 6,      // the variances that batch normalisation meets
  kActivationInputs = 1 << 17,   // the input of every activation
  kSurrogateLayers = 1 << 18,    // of the pass `surrogate`
  // In the backward direction, likewise.
  kLayerBackward = 1 << 7,       // input, output and their gradients, for each layer
  kTokenOutputs = 1 << 8,        // with kLayerBackward: outputs of token layers too, which cost memory of their own
  kActivationBackward = 1 << 9,  // the gradient of the input, for each activation
  kNormBackward = 1 << 10,       // the gradient of the output, for each norm
  kInputGradients = 1 << 11,     // the gradient of the images
  kFeatureGradients = 1 << 12,   // from feature to feature
  kSampleGradients = 1 << 13,    // gradients of weights, image by image
  kFirstElements = 1 << 20,      // of the pass `first_elements`
  // Once for each layer, of the whole batch.
  kWeightGradients = 1 << 14,  // the gradient of a layer's weight
  kGradientMoments = 1 << 15,  // moments of a layer's weight gradient over the parts
  kHessianProducts = 1 << 16,  // gradient and Hessian times the weights
  // Once.
  kTangentKernel = 1 << 19,  // inner products of the gradients of weights, image with image
};

// One run of a pass.
struct PassRun {
  const PassSpec& spec;
  const Model& model;
  const Weights& weights;    // as this pass uses them
  const at::Tensor& labels;  // [N] int64 on the CPU
  int64_t samples;           // N
};

enum class ModuleKind { kLayer, kNorm, kActivation, kOther };

// A layer in the backward direction, for the samples first, ..., first + n - 1. Gradients are those of the mean over
// all N samples.
struct LayerBackward {
  int64_t first;
  at::Tensor input;        // [n, ...]
  at::Tensor output;       // undefined for token layers [n, T, out] unless kTokenOutputs was asked for
  at::Tensor grad_output;  // as output
  at::Tensor grad_input;   // as input; undefined where the input is the images
};

// Gradients of the samples first, ..., first + n - 1, each of the image's own loss or outputs. Either a few rows of a
// layer's weight or the weight of a norm (only in passes with norm_gradients).
struct SampleGradients {
  const Layer* layer;  // null: of `norm`
  const Norm* norm;
  int64_t first;
  int64_t row;          // of the weight, the first one here
  at::Tensor gradient;  // [n, rows, elements of a row]; contiguous
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
  // output: [n, ...], of the samples first, ..., that `count` modules of the authors' network have as their output.
  virtual void OnModuleOutput(const PassRun&, ModuleKind, int64_t /*first*/, const at::Tensor& /*output*/,
                              int /*count*/) {}
  // feature: [n, C, H, W] or [n, T, C]; `index` from 0.
  virtual void OnFeature(const PassRun&, int /*index*/, int64_t /*first*/, const at::Tensor& /*feature*/) {}
  virtual void OnLastFeatures(const PassRun&, int64_t /*first*/, const at::Tensor& /*features*/) {}
  virtual void OnOutput(const PassRun&, int64_t /*first*/, const at::Tensor& /*output*/) {}
  // variance: [C], unbiased, of one application of the norm.
  virtual void OnBatchVariance(const PassRun&, const Norm&, const at::Tensor& /*variance*/) {}
  virtual void OnActivationInput(const PassRun&, const Activation&, int64_t /*first*/, const at::Tensor& /*input*/) {}

  // response: [in, out], element (c, d): the sum over the pixels of channel d of the output when channel c of the input
  // is ones and the others are zeros.
  virtual void OnSurrogateLayer(const PassRun&, int /*index*/, const SurrogateLayer&, const at::Tensor& /*response*/) {}

  virtual void OnLayerBackward(const PassRun&, const Layer&, const LayerBackward&) {}
  // The gradient of the loss by the activation's input through this activation alone, [n, ...].
  virtual void OnActivationBackward(const PassRun&, const Activation&, int64_t /*first*/,
                                    const at::Tensor& /*gradient*/) {}
  virtual void OnNormBackward(const PassRun&, const Norm&, int64_t /*first*/, const at::Tensor& /*grad_output*/) {}
  // gradient: [n, 3, H, W], of the samples first, ..., first + n - 1.
  virtual void OnInputGradient(const PassRun&, int64_t /*first*/, const at::Tensor& /*gradient*/) {}
  // signs: as the feature `index` > 0; gradient: their product with the Jacobian of feature `index` by the one before,
  // shaped as that one.
  virtual void OnFeatureGradient(const PassRun&, int /*index*/, const at::Tensor& /*signs*/,
                                 const at::Tensor& /*gradient*/) {}
  virtual void OnSampleGradients(const PassRun&, const SampleGradients&) {}
  // output: [n, classes]; jacobian: [n, classes, tensors], of each image's outputs by element 0 of each of the first
  // 128 of Model::tensors().
  virtual void OnFirstElements(const PassRun&, int64_t /*first*/, const at::Tensor& /*output*/,
                               const at::Tensor& /*jacobian*/) {}
  // kernel: [N, N] float64 on the CPU, over the weights of layers and norms. Only in passes with norm_gradients.
  virtual void OnTangentKernel(const PassRun&, const at::Tensor& /*kernel*/) {}

  // Not called for a layer that took no part in the output.
  virtual void OnWeightGradient(const PassRun&, const Layer&, const at::Tensor& /*gradient*/) {}
  virtual void OnGradientMoments(const PassRun&, const Layer&, const GradientMoments&) {}
  // product: (H w) of this layer, where w are the weights of all layers.
  virtual void OnHessianProduct(const PassRun&, const Layer&, const at::Tensor& /*gradient*/,
                                const at::Tensor& /*product*/) {}
};

struct Subscription {
  PassSpec pass;
  uint32_t events;  // Event bits
  Observer* observer;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_OBSERVER_H_
