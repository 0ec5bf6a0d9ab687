// wrcor (WRCor): how alike the responses of different images are, layer by layer.
//   a = input of a ReLU, g = gradient of the train loss by it through this ReLU alone, each [N, units]
//   K = sum over the ReLUs of 2^cell (|corr(rows of a)| + |corr(rows of g)|);   score = ln |det K|
//   wrcor_unweighted: without the factor 2^cell
// Paper:   Jing et al., "A Zero-Shot Neural Architecture Search with Weighted Response Correlation for Image
//          Recognition", Neurocomputing 2025, arXiv:2507.08841; code: kunjing96/ZSNAS-WRCor.
// Reads:   inputs and gradients of the activations in the train loss pass.
// Score:   no unit, larger ranks better; -infinity where K is singular. Cost: two products [N, units] x [units, N] a
//          ReLU.
// Differs: the authors hook every class whose name contains "ReLU", so a container counts its ReLU again; here each
//          counts once, as in NAS-Bench-201's graphs without containers. cell counts cells, blocks or stages from 0;
//          the last activation of a network comes after the last cell. Leaky ReLUs do not count. A correlation that is
//          not defined (a constant row) leaves its matrix out, as theirs. Sums in float64.
#include <cmath>

#include "worker/proxies/channels.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Wrcor final : public Proxy {
 public:
  explicit Wrcor(bool weighted) : weighted_(weighted) {}

  std::vector<Observation> Observes() const override {
    return {{{"train_loss"}, kActivationInputs | kActivationBackward}};
  }
  void OnActivationInput(const PassRun&, const Activation& activation, int64_t, const at::Tensor& input) override {
    AddCorrelation(activation, input);
  }
  void OnActivationBackward(const PassRun&, const Activation& activation, int64_t,
                            const at::Tensor& gradient) override {
    AddCorrelation(activation, gradient);
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    return std::get<1>(at::linalg_slogdet(kernel_)).item<double>();
  }

 private:
  void AddCorrelation(const Activation& activation, const at::Tensor& responses) {
    if (activation.kind != ActivationKind::kRelu) return;
    const at::Tensor correlation = Correlation(responses.flatten(1)).abs_();
    if (!kernel_.defined()) kernel_ = at::zeros_like(correlation);
    if (at::isnan(correlation).any().item<bool>()) return;
    kernel_.add_(correlation, weighted_ ? std::ldexp(1.0, activation.cell) : 1.0);
  }

  bool weighted_;
  at::Tensor kernel_;  // [N, N] float64 on the CPU
};

std::string OnlyReluNetworks(const Model& model) {
  for (const Activation& activation : model.activations()) {
    if (activation.kind == ActivationKind::kRelu) return "";
  }
  return "the model has no ReLU: wrcor correlates their responses";
}

constexpr char kPaper[] = "Jing et al., \"Weighted Response Correlation\", Neurocomputing 2025, arXiv:2507.08841";

template <bool weighted>
absl::StatusOr<std::unique_ptr<Proxy>> CreateWrcor(const ProxyOptions&) {
  return std::make_unique<Wrcor>(weighted);
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, wrcor) {
  registry.Add({.name = "wrcor",
                .summary = "log-determinant of the correlations of responses, later cells weighing more",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 1e-4,
                .create = CreateWrcor<true>,
                .undefined_for = OnlyReluNetworks});
  registry.Add({.name = "wrcor_unweighted",
                .summary = "wrcor with all activations weighing the same",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .variant = true,
                .tolerance = 1e-4,
                .create = CreateWrcor<false>,
                .undefined_for = OnlyReluNetworks});
}

}  // namespace zcbench
