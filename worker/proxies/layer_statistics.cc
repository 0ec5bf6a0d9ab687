// layer_log_inverse_sigma, layer_log_sigma: how a network's gradients spread in one tenth of its depth.
//   r_l = ln mean over the weights w of layer l with sigma_w > 0 of 1 / sigma_w
//   s_l = ln mean over the weights w of layer l of sigma_w      sigma_w = population std over 8 micro-batches of |g_w|
//   score(bin=b) = mean of r_l (of s_l) over the layers in the percentile bin b = 0..10
// Paper:   Casarin, Escalera, Lanz, "L-SWAG", CVPR 2025, arXiv:2505.07300, section 3.1 and Fig. 2: averaged over many
//          networks they are the profile in which a window of layers for lswag is found (`zcbench layers`).
// Reads:   as lswag_lambda, its micro-batches and layers. Bins: nas/statistics/layer_window.h.
// Score:   no unit; it ranks nothing. UNDEFINED where the network has no layer in the bin, as happens below 11 layers,
//          or where the gradients of none of them vary. Cost: none beyond lswag's.
// Readings taken: what the paper's figure calls log(sigma) reaches values that deviations of gradients cannot have and
//          r_l does, so both are here. A layer whose gradients do not vary (a dead part of a cell) is left out.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/statistics/layer_window.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr int kMicroBatches = 8;

template <LayerStatistic statistic>
class LayerLog final : public Proxy {
 public:
  explicit LayerLog(int bin) : bin_(bin) {}

  std::vector<Observation> Observes() const override { return {{{"train_loss", kMicroBatches}, kGradientMoments}}; }
  void OnGradientMoments(const PassRun& run, const Layer& layer, const GradientMoments& moments) override {
    if (PercentileBin(layer.index, static_cast<int>(run.model.layers().size())) != bin_) return;
    const at::Tensor& m2 = moments.m2_abs;
    if (statistic == LayerStatistic::kLogInverseSigma) {
      means_.Set(layer, SumOverDeviation({}, m2, moments.parts) / (m2 > 0).sum());
    } else {
      // m2 / sigma = parts sigma
      means_.Set(layer, SumOverDeviation(m2, m2, moments.parts) / moments.parts / m2.numel());
    }
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    double sum = 0;
    int layers = 0;
    for (const double mean : means_.Values()) {
      if (!(mean > 0)) continue;
      sum += std::log(mean);
      ++layers;
    }
    if (layers == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("the network has no layer with varying gradients in the percentile bin ", bin_));
    }
    return sum / layers;
  }

 private:
  int bin_;
  LayerTerms means_;
};

template <LayerStatistic statistic>
absl::StatusOr<std::unique_ptr<Proxy>> CreateLayerLog(const ProxyOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const int bin, options.Integer("bin", 0, kPercentileBins - 1));
  return std::make_unique<LayerLog<statistic>>(bin);
}

template <LayerStatistic statistic>
ProxyDefinition Definition(std::string name, std::string summary) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .paper = "Casarin et al., \"L-SWAG\", CVPR 2025, arXiv:2505.07300",
          .reads = kWeights | kImages | kLabels,
          .passes = {"train_loss"},
          .variant = true,
          .tolerance = 3e-2,
          .options = {{"bin", "0"}},
          .create = CreateLayerLog<statistic>};
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, layer_statistics) {
  registry.Add(Definition<LayerStatistic::kLogInverseSigma>(
      "layer_log_inverse_sigma", "log of the mean of 1 / deviation of the gradients, of the layers in one tenth"));
  registry.Add(Definition<LayerStatistic::kLogSigma>(
      "layer_log_sigma", "log of the mean deviation of the gradients, of the layers in one tenth"));
}

}  // namespace zcbench
