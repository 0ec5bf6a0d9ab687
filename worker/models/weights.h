// Where everything random about a model's run comes from: its weights, noise inputs and random signs. A pass asks the
// source, so a test can bring a formula instead of the generator.
#ifndef ZCBENCH_WORKER_MODELS_WEIGHTS_H_
#define ZCBENCH_WORKER_MODELS_WEIGHTS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "worker/models/model.h"

namespace zcbench {

// One tensor for each of Model::tensors(), in their order.
using Weights = std::vector<at::Tensor>;

// How weights are drawn. All but kDefault change the weights of layers (convolutions, linear layers) and transposed
// convolutions, set their biases to 0 and leave everything else at its default; on a transformer the Kaiming schemes
// are the default one, as in the published ports.
enum class Scheme {
  kDefault,        // as the authors of the space do
  kKaimingFanIn,   // N(0, sqrt(2 / fan_in)): AZ-NAS
  kKaimingFanOut,  // N(0, sqrt(2 / fan_out)): TE-NAS
  kGaussian,       // N(0, 1): zen, SWAP
};

// All tensors are contiguous float32 on the CPU, functions of the arguments alone. Thread-safe.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  // The `draw`-th drawing, from 0.
  virtual Weights Draw(const Model& model, Scheme scheme, int draw) const = 0;
  Weights Default(const Model& model) const { return Draw(model, Scheme::kDefault, 0); }
  // N(0, 1); `purpose` names what for: "noise", "perturbation".
  virtual at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const = 0;
  // +1 or -1 with equal chance: the elements from `first_element` on, row-major, of the `draw`-th tensor of signs.
  virtual at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const = 0;
};

// Draws from the counter generator, by the seed and the name of what is drawn: the same on every machine, in any order.
class CounterSource final : public RandomSource {
 public:
  explicit CounterSource(uint64_t seed) : seed_(seed) {}
  Weights Draw(const Model& model, Scheme scheme, int draw) const override;
  at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const override;
  at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const override;

 private:
  uint64_t seed_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_WEIGHTS_H_
