// A model's operators as LibTorch has them, with nothing observed. Passes add what they observe; tests and benchmarks
// use them as they are.
#ifndef ZCBENCH_WORKER_MODELS_PLAIN_OPERATORS_H_
#define ZCBENCH_WORKER_MODELS_PLAIN_OPERATORS_H_

#include <ATen/ATen.h>

#include "worker/models/model.h"
#include "worker/models/weights.h"

namespace zcbench {

enum class BatchNormUse {
  kBatch,     // statistics of the images that run together
  kSample,    // statistics of each image alone, as a batch of one would have them
  kRunning,   // mean 0, variance 1: the running statistics of a new model
  kIdentity,  // left out
};

class PlainOperators : public Operators {
 public:
  // `weights` as Model::tensors(), all of one dtype on one device.
  PlainOperators(Weights weights, BatchNormUse batch_norm) : weights_(std::move(weights)), batch_norm_(batch_norm) {}

  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override;
  at::Tensor Apply(const Norm& norm, const at::Tensor& x) override;
  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override;
  at::Tensor Apply(const TransposedConvolution& layer, const at::Tensor& x) override;
  at::Tensor Get(int tensor) override { return weights_[static_cast<size_t>(tensor)]; }

  const Weights& weights() const { return weights_; }

 protected:
  BatchNormUse batch_norm() const { return batch_norm_; }
  // With another weight than its own.
  at::Tensor Normalise(const Norm& norm, const at::Tensor& x, const at::Tensor& weight);

 private:
  Weights weights_;
  BatchNormUse batch_norm_;
};

// The layer with another weight and bias (undefined: none) of its shapes.
at::Tensor ApplyLayer(const Layer& layer, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_PLAIN_OPERATORS_H_
