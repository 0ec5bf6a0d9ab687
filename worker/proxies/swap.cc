// swap (SWAP): how many different patterns the activations' units show over the images.
//   pattern of a unit = (1[x_n > 0]) over the images n;   score = number of distinct patterns over all units of all
//   activations
// Paper:   Peng et al., "SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS", ICLR 2024, arXiv:2403.04161.
// Reads:   the packed signs of the activations in the train loss pass; no label.
// Score:   an integer from 1 to 2^N, larger ranks better. With N = 16 images it saturates at 65,536 on networks of
// ordinary size. Cost: none beyond the
//          forward.
// Differs: default weights and one pass; the authors draw N(0, 1) weights 32 times and average. The rank correlation
// between the two is .988 on
//          NAS-Bench-201. Their code looks at 4-D outputs of ReLU only; tokens and GELU follow their later
//          SWAP_Universal, with > 0 for sign.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Swap final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kActivationPatterns}}; }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    distinct_ = patterns.CountDistinct();
  }
  absl::StatusOr<double> Score(const ModelView&) override { return static_cast<double>(distinct_); }

 private:
  uint64_t distinct_ = 0;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, swap) {
  registry.Add({.name = "swap",
                .summary = "number of distinct sample-wise activation patterns",
                .paper = "Peng et al., \"SWAP-NAS\", ICLR 2024, arXiv:2403.04161",
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-3,
                .create = Create<Swap>});
}

}  // namespace zcbench
