// gsnr (xi-GSNR): signal to noise of the gradients over micro-batches.
//   g_k   = gradient of micro-batch k's mean loss, k = 1..K
//   score = sum over convolution and linear weights of  (mean_k g)^2 / (var_k g + xi)
//           population variance, xi = 1e-8; a layer whose variances are all exactly 0 adds nothing, a weight of
//           another layer with variance 0 mean^2 / xi
// Paper:   Sun et al., "Unleashing the Power of Gradient Signal-to-Noise Ratio for Zero-Shot NAS", ICCV 2023.
// Reads:   the moments of the weight gradients of the train loss pass in parts; options: micro_batches (K, 2 to 64,
//          default 8).
// Score:   no unit, >= 0, larger ranks better. Cost: K micro-batches of one probe batch, shared with zico.
// Differs: the authors' loop over NAS-Bench-201 never sets gradients to zero, so that its k-th gradient is the sum of
//          the first k, which their formula does not have; here each is its own. K = 8 parts of one probe batch instead
//          of 8 batches. Moments in float64. The score is dominated by weights with hardly any variance, and float32
//          may be off by half with few micro-batches.
#include "base/status_macros.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr double kXi = 1e-8;

class Gsnr final : public Proxy {
 public:
  explicit Gsnr(int micro_batches) : micro_batches_(micro_batches) {}
  std::vector<Observation> Observes() const override { return {{{"train_loss", micro_batches_}, kGradientMoments}}; }
  void OnGradientMoments(const PassRun&, const Layer& layer, const GradientMoments& moments) override {
    const at::Tensor ratios = SumSquareOverVariance(moments.mean, moments.m2, moments.parts, kXi);
    ratios_.Set(layer, at::where(moments.m2.any(), ratios, at::zeros_like(ratios)));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return ratios_.Sum(); }

 private:
  int micro_batches_;
  LayerTerms ratios_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, gsnr) {
  registry.Add({.name = "gsnr",
                .summary = "squared mean over variance of the gradients, summed over weights",
                .paper = "Sun et al., \"Unleashing the Power of Gradient Signal-to-Noise Ratio for Zero-Shot NAS\", "
                         "ICCV 2023",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 0.5,
                .options = {{"micro_batches", "8"}},
                .create = [](const ProxyOptions& options) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  ZCB_ASSIGN_OR_RETURN(const int micro_batches, options.Integer("micro_batches", 2, 64));
                  return std::make_unique<Gsnr>(micro_batches);
                }});
}

}  // namespace zcbench
