// tcet (T-CET): layer by layer, how differently the images switch the outputs, times how even the saliency is.
//   lnwot_l  = ln det K_l,  K_l = sum over the units of layer l of b b^T + (1 - b)(1 - b)^T,  b[n] = 1[output of l >
//   0];
//              0 where K_l is singular
//   snr_l    = sum(s) / std(s) over the weights of l (unbiased; only the sum where std is 0, as in a layer of zeros),
//              s = | w dR/dw | of the linearised pass (syn) or | w dL/dw | (snip); _log: ln snr_l, 0 where snr_l is 0
//   lnwot    = sum over l of lnwot_l;   snr_X = sum over l of snr_l;   tcet_X = sum over l of lnwot_l snr_l
// Paper:   Xiang et al., "Exploiting Network Compressibility and Topology in Zero-Cost NAS", AutoML 2023; its headline
//          is the logarithm.
// Reads:   the packed signs of the layers' outputs with batch normalisation by running statistics; the weights and
// their
//          gradients in the linearised pass or in the train loss pass.
// Score:   no unit, larger ranks better. Cost: a forward (none beyond the train loss pass without batch normalisation),
//          and one image for syn.
// Differs: from the toolkit that the authors name (iViolinSolo/zero-cost-proxies, t_cet.py): whether K_l is singular is
//          decided in integers (there by an LU decomposition in floating point, which calls some singular matrices
//          regular), and both factors are of the same layer (there one comes in the order of execution, the other in
//          that of declaration, which differ on NAS-Bench-101). A layer of a single weight has no std and adds 0.
#include <cmath>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

enum class Saliency { kNone, kSynflow, kSnip };

class Tcet final : public Proxy {
 public:
  Tcet(bool lnwot, Saliency saliency, bool log) : lnwot_(lnwot), saliency_(saliency), log_(log) {}

  std::vector<Observation> Observes() const override {
    std::vector<Observation> observations;
    if (lnwot_) observations.push_back({{"eval_forward"}, kLayerPatterns});
    if (saliency_ == Saliency::kSynflow) observations.push_back({{"linearised"}, kWeightGradients});
    if (saliency_ == Saliency::kSnip) observations.push_back({{"train_loss"}, kWeightGradients});
    return observations;
  }
  void OnLayerPatterns(const PassRun&, const SignPatterns& patterns) override {
    log_determinants_ = patterns.LogDeterminants();
  }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    const at::Tensor& weight = run.weights[static_cast<size_t>(layer.weight)];
    const at::Tensor sum = AbsDot(weight, gradient);
    sums_.Set(layer, sum);
    spreads_.Set(layer, AbsDotSpread(weight, gradient, sum / weight.numel()));
  }

  absl::StatusOr<double> Score(const ModelView& view) override {
    const size_t layers = view.model.layers().size();
    std::vector<double> sums = sums_.Values();
    std::vector<double> spreads = spreads_.Values();
    sums.resize(layers);
    spreads.resize(layers);
    double score = 0;
    for (size_t l = 0; l < layers; ++l) {
      const int64_t weights = view.model.tensors()[static_cast<size_t>(view.model.layers()[l].weight)].numel();
      const double term = saliency_ == Saliency::kNone ? 1 : Ratio(sums[l], spreads[l], weights);
      score += (lnwot_ ? log_determinants_[l] : 1) * term;
    }
    return score;
  }

 private:
  // snr_l, or its logarithm.
  double Ratio(double sum, double spread, int64_t weights) const {
    if (weights == 1) return 0;
    const double deviation = std::sqrt(spread / static_cast<double>(weights - 1));
    const double ratio = deviation == 0 ? sum : sum / deviation;
    if (!log_) return ratio;
    return ratio == 0 ? 0 : std::log(ratio);
  }

  bool lnwot_;
  Saliency saliency_;
  bool log_;
  std::vector<double> log_determinants_;
  LayerTerms sums_;
  LayerTerms spreads_;
};

template <bool lnwot, Saliency saliency, bool log>
absl::StatusOr<std::unique_ptr<Proxy>> CreateTcet(const ProxyOptions&) {
  return std::make_unique<Tcet>(lnwot, saliency, log);
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, tcet) {
  const auto add = [&](const char* name, const char* summary, uint32_t reads, std::vector<std::string> passes,
                       double tolerance, auto create) {
    registry.Add({.name = name,
                  .summary = summary,
                  .paper = "Xiang et al., \"Exploiting Network Compressibility and Topology in Zero-Cost NAS\", "
                           "AutoML 2023",
                  .reads = reads,
                  .passes = std::move(passes),
                  .tolerance = tolerance,
                  .create = create});
  };
  constexpr uint32_t kAll = kWeights | kImages | kLabels;
  add("lnwot", "nwot of each layer's outputs, summed over the layers", kWeights | kImages, {"eval_forward"}, 1e-4,
      CreateTcet<true, Saliency::kNone, false>);
  add("snr_syn", "sum over deviation of each layer's synflow", kWeights, {"linearised"}, 1e-8,
      CreateTcet<false, Saliency::kSynflow, false>);
  add("snr_syn_log", "snr_syn with the logarithm of each layer", kWeights, {"linearised"}, 1e-8,
      CreateTcet<false, Saliency::kSynflow, true>);
  add("snr_snip", "sum over deviation of each layer's snip", kAll, {"train_loss"}, 1e-3,
      CreateTcet<false, Saliency::kSnip, false>);
  add("snr_snip_log", "snr_snip with the logarithm of each layer", kAll, {"train_loss"}, 1e-3,
      CreateTcet<false, Saliency::kSnip, true>);
  add("tcet_syn", "T-CET: lnwot times snr_syn, layer by layer", kWeights | kImages, {"eval_forward", "linearised"},
      1e-3, CreateTcet<true, Saliency::kSynflow, false>);
  add("tcet_syn_log", "tcet_syn with the logarithm of each layer's snr_syn", kWeights | kImages,
      {"eval_forward", "linearised"}, 1e-3, CreateTcet<true, Saliency::kSynflow, true>);
  add("tcet_snip", "T-CET with snip: lnwot times snr_snip, layer by layer", kAll, {"eval_forward", "train_loss"}, 1e-3,
      CreateTcet<true, Saliency::kSnip, false>);
  add("tcet_snip_log", "tcet_snip with the logarithm of each layer's snr_snip", kAll, {"eval_forward", "train_loss"},
      1e-3, CreateTcet<true, Saliency::kSnip, true>);
}

}  // namespace zcbench
