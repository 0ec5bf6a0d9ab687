// Writes the golden values that no authors' code can give: zico and L-SWAG over 8 micro-batches, by a direct
// transcription of the formulas. Nothing of the engine is used but the network's wiring: plain operators, autograd's
// own weight gradients, all gradients kept, two-pass deviations, a set of strings for the patterns.
//
//   make_own FIXTURE.json > own/FIXTURE.json      X32 (stream 2^20 + 5), labels n mod 10, cut into 8 parts of 4
//
// Each key is the text of a proxy; its value is null where the proxy is undefined.
//
//   zico            sum over layers of ln sum_w mean_k |g| / std_k(g)      population std over k; std 0 dropped, empty
//                   layers skipped
//   lswag_lambda    sum over layers of ln sum_w 1 / std_k |g|              likewise; signed: std_k(g); micro_batches: K
//   lswag_psi       distinct sample-wise patterns of the activations > 0 over all 32 images
//   lswag           lswag_lambda * lswag_psi
//   window=pA-pB    layers l of D whose floor((l / D * 100) / 10) * 10 is in [A, B], and the activations between them
//   layer_log_...   mean over the layers of a bin of ln mean_w 1 / std_k |g|, or of ln mean_w std_k |g|
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <iostream>
#include <set>

#include "tests/golden/fixture.h"
#include "worker/models/plain_operators.h"

namespace zcbench {
namespace {

// Float64 weights, those of the layers trained by autograd.
Weights Trained(const Model& model, const Weights& drawn) {
  Weights weights;
  for (const at::Tensor& tensor : drawn) weights.push_back(tensor.to(at::kDouble));
  for (const Layer& layer : model.layers()) weights[static_cast<size_t>(layer.weight)].requires_grad_();
  return weights;
}

// Keeps the activations' outputs, by their position among all modules.
class KeepingOperators final : public PlainOperators {
 public:
  using PlainOperators::Apply;
  using PlainOperators::PlainOperators;
  std::map<int, at::Tensor> activations;

  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override {
    const at::Tensor y = PlainOperators::Apply(activation, x);
    activations[activation.position] = y.detach();
    return y;
  }
};

// Over the weights of one layer.
struct LayerSums {
  double coefficient = 0;     // of mean |g| / std(g)
  double inverse = 0;         // of 1 / std |g|
  double inverse_signed = 0;  // of 1 / std(g)
  double deviation = 0;       // of std |g|
  double varying = 0;         // weights with std |g| > 0
  double weights = 0;
};

std::vector<LayerSums> SumOverParts(const Fixture& fixture, KeepingOperators& operators, int parts) {
  std::vector<at::Tensor> trained;
  for (const Layer& layer : fixture.model->layers()) trained.push_back(operators.Get(layer.weight));
  const std::vector<at::Tensor> images = fixture.batch32.images.to(at::kDouble).chunk(parts);
  const std::vector<at::Tensor> labels = fixture.batch32.labels.chunk(parts);
  std::vector<std::vector<at::Tensor>> gradients;  // [part][layer]
  for (size_t k = 0; k < images.size(); ++k) {
    const at::Tensor loss = at::cross_entropy_loss(fixture.model->Forward(operators, images[k]), labels[k]);
    gradients.push_back(torch::autograd::grad({loss}, trained, {}, std::nullopt, false, /*allow_unused=*/true));
    for (at::Tensor& gradient : gradients.back()) {
      if (gradient.defined()) gradient = gradient.contiguous();
    }
  }
  std::vector<LayerSums> sums(trained.size());
  for (size_t l = 0; l < trained.size(); ++l) {
    if (!gradients[0][l].defined()) continue;
    for (int64_t w = 0; w < gradients[0][l].numel(); ++w) {
      double mean = 0, mean_abs = 0;
      for (const auto& part : gradients) {
        const double g = part[l].data_ptr<double>()[w];
        mean += g / parts;
        mean_abs += std::fabs(g) / parts;
      }
      double variance = 0, variance_abs = 0;
      for (const auto& part : gradients) {
        const double g = part[l].data_ptr<double>()[w];
        variance += (g - mean) * (g - mean) / parts;
        variance_abs += (std::fabs(g) - mean_abs) * (std::fabs(g) - mean_abs) / parts;
      }
      sums[l].weights += 1;
      if (variance > 0) sums[l].coefficient += mean_abs / std::sqrt(variance);
      if (variance > 0) sums[l].inverse_signed += 1 / std::sqrt(variance);
      if (variance_abs > 0) sums[l].inverse += 1 / std::sqrt(variance_abs);
      if (variance_abs > 0) sums[l].varying += 1;
      sums[l].deviation += std::sqrt(variance_abs);
    }
  }
  return sums;
}

int BinOf(size_t l, size_t depth) {
  return static_cast<int>(std::floor(static_cast<double>(l + 1) / static_cast<double>(depth) * 100 / 10));
}

// The layers of the window [first, last], in percent.
std::vector<size_t> Window(size_t depth, int first, int last) {
  std::vector<size_t> layers;
  for (size_t l = 0; l < depth; ++l) {
    if (first <= 10 * BinOf(l, depth) && 10 * BinOf(l, depth) <= last) layers.push_back(l);
  }
  return layers;
}

double SumOfLogs(const std::vector<LayerSums>& sums, const std::vector<size_t>& layers, double LayerSums::*sum) {
  double total = 0;
  for (const size_t l : layers) total += sums[l].*sum > 0 ? std::log(sums[l].*sum) : 0;
  return total;
}

// Distinct patterns of the activations at the positions [from, to].
double CountPatterns(const std::map<int, at::Tensor>& activations, int from, int to) {
  std::set<std::string> patterns;
  for (const auto& [position, activation] : activations) {
    if (position < from || position > to) continue;
    const at::Tensor signs = (activation.flatten(1) > 0).contiguous();
    for (int64_t unit = 0; unit < signs.size(1); ++unit) {
      std::string pattern;
      for (int64_t n = 0; n < signs.size(0); ++n)
        pattern += signs.data_ptr<bool>()[n * signs.size(1) + unit] ? '1' : '0';
      patterns.insert(std::move(pattern));
    }
  }
  return static_cast<double>(patterns.size());
}

nlohmann::ordered_json Compute(const Fixture& fixture) {
  KeepingOperators operators(Trained(*fixture.model, fixture.weights->Default(*fixture.model)), BatchNormUse::kBatch);
  const std::vector<LayerSums> sums = SumOverParts(fixture, operators, 8);
  const std::vector<LayerSums> each = SumOverParts(fixture, operators, 32);
  fixture.model->Forward(operators, fixture.batch32.images.to(at::kDouble));
  const size_t depth = sums.size();
  const std::vector<Layer>& layers = fixture.model->layers();
  const std::vector<size_t> all = Window(depth, 0, 100);
  const std::vector<size_t> middle = Window(depth, 30, 60);
  const int first = layers[middle.front()].position;
  const int last = layers[middle.back()].position;
  const double lambda = SumOfLogs(sums, all, &LayerSums::inverse);
  const double psi = CountPatterns(operators.activations, 0, layers.back().position);
  const double lambda_middle = SumOfLogs(sums, middle, &LayerSums::inverse);
  const double psi_middle = CountPatterns(operators.activations, first, last);
  nlohmann::ordered_json values = {
      {"zico", SumOfLogs(sums, all, &LayerSums::coefficient)},
      {"lswag_lambda", lambda},
      {"lswag_psi", psi},
      {"lswag", lambda * psi},
      {"lswag_lambda(signed=true)", SumOfLogs(sums, all, &LayerSums::inverse_signed)},
      {"lswag_lambda(micro_batches=32)", SumOfLogs(each, all, &LayerSums::inverse)},
      {"lswag_lambda(window=p30-p60)", lambda_middle},
      {"lswag_lambda(window=p90-p100)", SumOfLogs(sums, Window(depth, 90, 100), &LayerSums::inverse)},
      {"lswag_psi(window=p30-p60)", psi_middle},
      {"lswag_psi(psi_from_start=true, window=p30-p60)", CountPatterns(operators.activations, 0, last)},
      {"lswag(window=p30-p60)", lambda_middle * psi_middle}};
  for (int bin = 0; bin <= 10; ++bin) {
    double inverse = 0, deviation = 0, count = 0;
    for (const size_t l : Window(depth, 10 * bin, 10 * bin)) {
      if (sums[l].varying == 0) continue;
      inverse += std::log(sums[l].inverse / sums[l].varying);
      deviation += std::log(sums[l].deviation / sums[l].weights);
      count += 1;
    }
    const std::string option = bin == 0 ? "" : "(bin=" + std::to_string(bin) + ")";
    using Value = nlohmann::ordered_json;
    values["layer_log_inverse_sigma" + option] = count > 0 ? Value(inverse / count) : Value();
    values["layer_log_sigma" + option] = count > 0 ? Value(deviation / count) : Value();
  }
  return {{"fixture", fixture.name}, {"values", values}};
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
