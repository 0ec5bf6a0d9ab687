// snip: how much the loss would move if single weights were taken away.
//   score = sum over convolution and linear weights of | w dL/dw |,   L = the task's loss, mean over the batch
// Paper:   Lee et al., "SNIP", ICLR 2019, arXiv:1810.02340.
// Reads:   the weights and the weight gradients of the train loss pass.
// Score:   no unit, >= 0, larger ranks better. Cost: none beyond the pass.
// Differs: nowhere in the number. The authors multiply every weight by a mask of ones and differentiate the mask; that
// gradient is w dL/dw.
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Snip final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kWeightGradients}}; }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    terms_.Set(layer, AbsDot(run.weights[static_cast<size_t>(layer.weight)], gradient));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 private:
  LayerTerms terms_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, snip) {
  registry.Add({.name = "snip",
                .summary = "sum of |w dL/dw|",
                .paper = "Lee et al., \"SNIP\", ICLR 2019, arXiv:1810.02340",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 2e-3,
                .create = Create<Snip>});
}

}  // namespace zcbench
