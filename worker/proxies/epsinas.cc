// epsinas (epsilon): how far the outputs for different images spread apart between two constant weights.
//   y_k = each image's first output with every weight w_k, w_1 = 1e-7 and w_2 = 1;   p_k = (y_k - min) / (max - min)
//   score = mean | p_1 - p_2 | / mean of p_1 and p_2 together, both over the values other than 0
// Paper:   Gracheva, "Neural Architecture Search: Two Constant Shared Weights Initialisations", Artificial Intelligence
//          Review 2025, arXiv:2302.04406; code: egracheva/epsinas.
// Reads:   the outputs of the passes with constant weights; no weights but these, no label.
// Score:   no unit, >= 0, larger ranks better; not finite where all outputs are equal. Cost: two forwards in float64.
// Differs: nowhere but in precision. As in the code, weights of norms are w_k too, biases are 0, and batch statistics
//          hold. Its networks have one output; with equal weights all of a layer's outputs are equal. In float32, as
//          there, w_1 vanishes in networks whose every path has convolutions, and the score is not a number.
#include <limits>

#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

// Scaled to [0, 1], flat; NaN where 0.
at::Tensor Scaled(const std::vector<at::Tensor>& outputs) {
  const at::Tensor y = at::cat(outputs).flatten().to(at::kDouble);
  const at::Tensor p = (y - y.min()) / (y.max() - y.min());
  return p.masked_fill(p == 0, std::numeric_limits<double>::quiet_NaN());
}

class Epsinas final : public Proxy {
 public:
  std::vector<Observation> Observes() const override {
    return {{{"constant_low"}, kOutputs}, {{"constant_high"}, kOutputs}};
  }
  void OnOutput(const PassRun& run, int64_t, const at::Tensor& output) override {
    (run.spec.pass == "constant_low" ? low_ : high_).push_back(output.select(1, 0).clone());
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    const at::Tensor low = Scaled(low_);
    const at::Tensor high = Scaled(high_);
    return ((low - high).abs().nanmean() / at::cat({low, high}).nanmean()).item<double>();
  }

 private:
  std::vector<at::Tensor> low_, high_;  // pieces of the batch
};

std::string OnlyConvolutionNetworks(const Model& model) {
  return model.is_transformer() ? "equal weights behind a layer normalisation sum up to 0: a vision transformer's "
                                  "outputs are rounding noise"
                                : "";
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, epsinas) {
  registry.Add({.name = "epsinas",
                .summary = "spread of the outputs between two constant weights",
                .paper = "Gracheva, \"Two Constant Shared Weights Initialisations\", AIR 2025, arXiv:2302.04406",
                .reads = kImages,
                .passes = {"constant_low", "constant_high"},
                .tolerance = 1e-6,
                .create = Create<Epsinas>,
                .undefined_for = OnlyConvolutionNetworks});
}

}  // namespace zcbench
