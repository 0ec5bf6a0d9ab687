// Where a model's weights come from. A pass asks the source, so a test can bring a formula instead of the generator.
#ifndef ZCBENCH_WORKER_MODELS_WEIGHTS_H_
#define ZCBENCH_WORKER_MODELS_WEIGHTS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "worker/models/model.h"

namespace zcbench {

// One tensor for each of Model::tensors(), in their order.
using Weights = std::vector<at::Tensor>;

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // Default initialisation: contiguous float32 on the CPU. A function of the model alone; thread-safe.
  virtual Weights Default(const Model& model) const = 0;
};

// Draws every tensor from the counter generator, by the seed and the tensor's name: the same on every machine, in any
// order.
class CounterWeights final : public WeightSource {
 public:
  explicit CounterWeights(uint64_t seed) : seed_(seed) {}
  Weights Default(const Model& model) const override;

 private:
  uint64_t seed_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_WEIGHTS_H_
