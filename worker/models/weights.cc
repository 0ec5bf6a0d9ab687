#include "worker/models/weights.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <span>

#include "nas/random.h"

namespace zcbench {
namespace {

void Fill(const TensorSpec& spec, uint64_t seed, std::span<float> out) {
  const CounterStream stream(seed, "weights/" + spec.name);
  switch (spec.initialisation) {
    case Initialisation::kFanIn: {
      const double bound = 1 / std::sqrt(static_cast<double>(spec.fan_in));
      return stream.FillUniform(out, -bound, bound);
    }
    case Initialisation::kNormal:
      return stream.FillTruncatedNormal(out, 0.02, 2);
    case Initialisation::kFanOutNormal:
      return stream.FillNormal(out, std::sqrt(2 / static_cast<double>(spec.fan_out)));
    case Initialisation::kSmallNormal:
      return stream.FillNormal(out, 0.01);
    case Initialisation::kOnes:
      std::fill(out.begin(), out.end(), 1.0f);
      return;
    case Initialisation::kZeros:
      std::fill(out.begin(), out.end(), 0.0f);
      return;
  }
}

}  // namespace

Weights CounterWeights::Default(const Model& model) const {
  const std::vector<TensorSpec>& specs = model.tensors();
  Weights weights(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) weights[i] = at::empty(specs[i].shape, at::kFloat);
  at::parallel_for(0, static_cast<int64_t>(specs.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Fill(specs[i], seed_, std::span<float>(weights[i].data_ptr<float>(), static_cast<size_t>(weights[i].numel())));
    }
  });
  return weights;
}

}  // namespace zcbench
