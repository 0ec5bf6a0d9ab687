#include "worker/models/weights.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "nas/random.h"

namespace zcbench {
namespace {

std::span<float> Span(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

void FillDefault(const TensorSpec& spec, const CounterStream& stream, std::span<float> out) {
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

bool IsWeight(TensorRole role) { return role == TensorRole::kLayerWeight || role == TensorRole::kTransposedWeight; }
bool IsBias(TensorRole role) { return role == TensorRole::kLayerBias || role == TensorRole::kTransposedBias; }

const char* Name(Scheme scheme) {
  switch (scheme) {
    case Scheme::kDefault:
      return "weights/";
    case Scheme::kKaimingFanIn:
      return "kaiming_fan_in/";
    case Scheme::kKaimingFanOut:
      return "kaiming_fan_out/";
    case Scheme::kGaussian:
      return "gaussian/";
  }
  return "";
}

void Fill(const TensorSpec& spec, uint64_t seed, Scheme scheme, int draw, std::span<float> out) {
  if (scheme == Scheme::kDefault || (!IsWeight(spec.role) && !IsBias(spec.role))) {
    return FillDefault(spec, CounterStream(seed, "weights/" + spec.name), out);
  }
  if (IsBias(spec.role)) return std::fill(out.begin(), out.end(), 0.0f);
  const CounterStream stream(seed,
                             absl::StrCat(Name(scheme), draw > 0 ? absl::StrCat(draw, "/") : std::string(), spec.name));
  double deviation = 1;
  if (scheme == Scheme::kKaimingFanIn) deviation = std::sqrt(2 / static_cast<double>(spec.fan_in));
  if (scheme == Scheme::kKaimingFanOut) deviation = std::sqrt(2 / static_cast<double>(spec.fan_out));
  stream.FillNormal(out, deviation);
}

}  // namespace

Weights CounterSource::Draw(const Model& model, Scheme scheme, int draw) const {
  if (model.is_transformer() && scheme != Scheme::kGaussian) scheme = Scheme::kDefault;
  const std::vector<TensorSpec>& specs = model.tensors();
  Weights weights(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) weights[i] = at::empty(specs[i].shape, at::kFloat);
  at::parallel_for(0, static_cast<int64_t>(specs.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) Fill(specs[i], seed_, scheme, draw, Span(weights[i]));
  });
  return weights;
}

at::Tensor CounterSource::Normal(std::string_view purpose, const std::vector<int64_t>& shape) const {
  const at::Tensor tensor = at::empty(shape, at::kFloat);
  CounterStream(seed_, absl::StrCat("normal/", std::string(purpose))).FillNormal(Span(tensor), 1);
  return tensor;
}

at::Tensor CounterSource::Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const {
  // One bit an element.
  const CounterStream stream(seed_, absl::StrCat("signs/", draw));
  const at::Tensor tensor = at::empty(shape, at::kFloat);
  float* out = tensor.data_ptr<float>();
  const int64_t last_element = first_element + tensor.numel();
  const int64_t first_word = first_element / 32;
  std::vector<uint32_t> words(static_cast<size_t>((last_element + 31) / 32 - first_word));
  stream.FillWords(words, static_cast<uint64_t>(first_word));
  for (int64_t i = first_element; i < last_element; ++i) {
    out[i - first_element] = words[static_cast<size_t>(i / 32 - first_word)] >> (i % 32) & 1 ? 1.0f : -1.0f;
  }
  return tensor;
}

}  // namespace zcbench
