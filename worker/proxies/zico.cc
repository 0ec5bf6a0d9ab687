// zico (ZiCo): how steady the gradients are over micro-batches.
//   g_k   = gradient of micro-batch k's mean loss, k = 1..K
//   t_l   = sum over the weights of layer l with std_k(g) > 0 of  mean_k |g| / std_k(g)      population std of the
//   signed gradient score = sum over convolution and linear layers with t_l > 0 of ln t_l
// Paper:   Li et al., "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients", ICLR 2023,
// arXiv:2301.11300. Reads:   the moments of the weight gradients of the train loss pass in parts; options:
// micro_batches (K, 2 to 64, default 8). Score:   no unit, larger ranks better. Cost: K micro-batches of one probe
// batch. Differs: K = 8 parts of one probe batch instead of two batches of a loader: with K = 2 the ratio (|g1| + |g2|)
// / |g1 - g2| has no expectation and float32 gives
//          1e-3 between one and two threads. micro_batches=2 is the authors' number, on halves of the batch. Moments
//          are Welford updates in float64; a weight is dropped if and only if its deviation is exactly 0, as in the
//          authors' code.
#include <cmath>

#include "base/status_macros.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Zico final : public Proxy {
 public:
  explicit Zico(int micro_batches) : micro_batches_(micro_batches) {}
  std::vector<Observation> Observes() const override { return {{{"train_loss", micro_batches_}, kGradientMoments}}; }
  void OnGradientMoments(const PassRun&, const Layer& layer, const GradientMoments& moments) override {
    sums_.Set(layer, SumOverDeviation(moments.mean_abs, moments.m2, moments.parts));
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    double score = 0;
    for (const double sum : sums_.Values()) score += sum > 0 ? std::log(sum) : 0;
    return score;
  }

 private:
  int micro_batches_;
  LayerTerms sums_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, zico) {
  registry.Add({.name = "zico",
                .summary = "log of mean over deviation of the gradients, summed over layers",
                .paper = "Li et al., \"ZiCo\", ICLR 2023, arXiv:2301.11300",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 3e-2,
                .options = {{"micro_batches", "8"}},
                .create = [](const ProxyOptions& options) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  ZCB_ASSIGN_OR_RETURN(const int micro_batches, options.Integer("micro_batches", 2, 64));
                  return std::make_unique<Zico>(micro_batches);
                }});
}

}  // namespace zcbench
