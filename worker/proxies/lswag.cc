// lswag (L-SWAG) with its two factors lswag_lambda and lswag_psi.
//   Lambda = sum over layers l of ln sum over the weights w of l of 1 / std_k |g_w|      g of micro-batch k = 1..K,
//   population std Psi    = number of distinct sample-wise patterns of the activations > 0 lswag  = Lambda * Psi
// Paper:   Casarin, Escalera, Lanz, "L-SWAG: Layer-Sample Wise Activation with Gradients information for Zero-Shot NAS
// on Vision Transformers",
//          CVPR 2025, arXiv:2505.07300, Eq. 1. No code was released.
// Reads:   moments of the weight gradients of the train loss pass in parts, signs of the activations of the whole
// batch; options: micro_batches (K,
//          2 to 64, default 8).
// Score:   no unit, larger ranks better. Cost: K micro-batches of one probe batch, shared with zico; none for Psi.
// Readings taken where the paper is silent: layers are convolution and linear weights in module order, the whole depth
// of them; the variance runs over
//          micro-batches (Eq. 1 calls X_i a batch) and over |g| (the formula; ZiCo's code takes signed g); a weight
//          with a deviation of exactly 0 is dropped, a layer without any left adds 0; one set of patterns over all
//          layers. Lambda is not free of the loss's scale: mean reduction, float32 or float64.
#include <cmath>

#include "base/status_macros.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Lswag final : public Proxy {
 public:
  Lswag(bool lambda, bool psi, int micro_batches) : lambda_(lambda), psi_(psi), micro_batches_(micro_batches) {}

  std::vector<Observation> Observes() const override {
    std::vector<Observation> observations;
    if (lambda_) observations.push_back({{"train_loss", micro_batches_}, kGradientMoments});
    if (psi_) observations.push_back({{"train_loss"}, kActivationPatterns});
    return observations;
  }
  void OnGradientMoments(const PassRun&, const Layer& layer, const GradientMoments& moments) override {
    sums_.Set(layer, SumOverDeviation({}, moments.m2_abs, moments.parts));
  }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    distinct_ = patterns.CountDistinct();
  }

  absl::StatusOr<double> Score(const ModelView&) override {
    double lambda = 0;
    for (const double sum : sums_.Values()) lambda += sum > 0 ? std::log(sum) : 0;
    const auto psi = static_cast<double>(distinct_);
    return (lambda_ ? lambda : 1) * (psi_ ? psi : 1);
  }

 private:
  bool lambda_;
  bool psi_;
  int micro_batches_;
  LayerTerms sums_;
  uint64_t distinct_ = 0;
};

template <bool psi>
absl::StatusOr<std::unique_ptr<Proxy>> CreateWithLambda(const ProxyOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const int micro_batches, options.Integer("micro_batches", 2, 64));
  return std::make_unique<Lswag>(true, psi, micro_batches);
}

absl::StatusOr<std::unique_ptr<Proxy>> CreatePsi(const ProxyOptions&) {
  return std::make_unique<Lswag>(false, true, 0);
}

constexpr char kPaper[] = "Casarin et al., \"L-SWAG\", CVPR 2025, arXiv:2505.07300";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, lswag) {
  registry.Add({.name = "lswag",
                .summary = "L-SWAG: gradient steadiness times distinct activation patterns",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 3e-2,
                .options = {{"micro_batches", "8"}},
                .create = CreateWithLambda<true>});
  registry.Add({.name = "lswag_lambda",
                .summary = "L-SWAG's gradient factor",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 3e-2,
                .options = {{"micro_batches", "8"}},
                .create = CreateWithLambda<false>});
  registry.Add({.name = "lswag_psi",
                .summary = "L-SWAG's activation factor",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-3,
                .create = CreatePsi});
}

}  // namespace zcbench
