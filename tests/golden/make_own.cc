// Writes the golden values that no authors' code can give: zico and L-SWAG over 8 micro-batches, by a direct
// transcription of the formulas. Nothing of the engine is used but the network's wiring: plain operators, autograd's
// own weight gradients, all gradients kept, two-pass deviations, a set of strings for the patterns.
//
//   make_own FIXTURE.json > own/FIXTURE.json      X32 (stream 2^20 + 5), labels n mod 10, cut into 8 parts of 4
//
// zico         sum over layers of ln sum_w mean_k |g| / std_k(g)      population std over k = 1..8; std 0 dropped,
// empty layers skipped lswag_lambda sum over layers of ln sum_w 1 / std_k |g|              likewise lswag_psi distinct
// sample-wise patterns of the activations > 0 over all 32 images lswag        lswag_lambda * lswag_psi
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <iostream>
#include <set>

#include "tests/golden/fixture.h"
#include "worker/models/plain_operators.h"

namespace zcbench {
namespace {

constexpr int kParts = 8;

// Float64 weights, those of the layers trained by autograd.
Weights Trained(const Model& model, const Weights& drawn) {
  Weights weights;
  for (const at::Tensor& tensor : drawn) weights.push_back(tensor.to(at::kDouble));
  for (const Layer& layer : model.layers()) weights[static_cast<size_t>(layer.weight)].requires_grad_();
  return weights;
}

// Keeps the activations' outputs, in order of execution.
class KeepingOperators final : public PlainOperators {
 public:
  using PlainOperators::Apply;
  using PlainOperators::PlainOperators;
  std::vector<at::Tensor> activations;

  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override {
    const at::Tensor y = PlainOperators::Apply(activation, x);
    activations.push_back(y.detach());
    return y;
  }
};

nlohmann::ordered_json Compute(const Fixture& fixture) {
  KeepingOperators operators(Trained(*fixture.model, fixture.weights->Default(*fixture.model)), BatchNormUse::kBatch);
  std::vector<at::Tensor> trained;
  for (const Layer& layer : fixture.model->layers()) trained.push_back(operators.Get(layer.weight));
  const std::vector<at::Tensor> images = fixture.batch32.images.to(at::kDouble).chunk(kParts);
  const std::vector<at::Tensor> labels = fixture.batch32.labels.chunk(kParts);
  std::vector<std::vector<at::Tensor>> gradients;  // [part][layer]
  for (size_t k = 0; k < kParts; ++k) {
    const at::Tensor loss = at::cross_entropy_loss(fixture.model->Forward(operators, images[k]), labels[k]);
    gradients.push_back(torch::autograd::grad({loss}, trained, {}, std::nullopt, false, /*allow_unused=*/true));
  }
  double zico = 0;
  double lambda = 0;
  for (size_t l = 0; l < trained.size(); ++l) {
    if (!gradients[0][l].defined()) continue;
    double zico_sum = 0;
    double lambda_sum = 0;
    for (int64_t w = 0; w < gradients[0][l].numel(); ++w) {
      double mean = 0, mean_abs = 0;
      for (const auto& part : gradients) {
        const double g = part[l].contiguous().data_ptr<double>()[w];
        mean += g / kParts;
        mean_abs += std::fabs(g) / kParts;
      }
      double variance = 0, variance_abs = 0;
      for (const auto& part : gradients) {
        const double g = part[l].contiguous().data_ptr<double>()[w];
        variance += (g - mean) * (g - mean) / kParts;
        variance_abs += (std::fabs(g) - mean_abs) * (std::fabs(g) - mean_abs) / kParts;
      }
      if (variance > 0) zico_sum += mean_abs / std::sqrt(variance);
      if (variance_abs > 0) lambda_sum += 1 / std::sqrt(variance_abs);
    }
    if (zico_sum > 0) zico += std::log(zico_sum);
    if (lambda_sum > 0) lambda += std::log(lambda_sum);
  }
  operators.activations.clear();
  fixture.model->Forward(operators, fixture.batch32.images.to(at::kDouble));
  std::set<std::string> patterns;
  for (const at::Tensor& activation : operators.activations) {
    const at::Tensor signs = (activation.flatten(1) > 0).contiguous();
    for (int64_t unit = 0; unit < signs.size(1); ++unit) {
      std::string pattern;
      for (int64_t n = 0; n < signs.size(0); ++n)
        pattern += signs.data_ptr<bool>()[n * signs.size(1) + unit] ? '1' : '0';
      patterns.insert(std::move(pattern));
    }
  }
  const auto psi = static_cast<double>(patterns.size());
  return {{"fixture", fixture.name},
          {"parts", kParts},
          {"values", {{"zico", zico}, {"lswag_lambda", lambda}, {"lswag_psi", psi}, {"lswag", lambda * psi}}}};
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_own FIXTURE.json > own/FIXTURE.json\n";
    return 2;
  }
  const auto fixture = zcbench::LoadFixture(argv[1]);
  if (!fixture.ok()) {
    std::cerr << fixture.status().ToString() << "\n";
    return 1;
  }
  std::cout << zcbench::Compute(*fixture).dump(2) << "\n";
}
