// grad_norm: how strongly one probe batch pulls on the untrained weights.
//   score = sum over convolution and linear weights W of || dL/dW ||_2,   L = the task's loss, mean over the batch
// Paper:   Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, arXiv:2101.08134.
// Reads:   the weight gradients of the train loss pass, each [out, in, ...].
// Score:   no unit, >= 0, larger ranks better. Cost: none beyond the pass.
// Differs: nowhere (NASLib, branch zerocost). A weight that took no part in the loss adds 0.
#include <cmath>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class GradNorm final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kWeightGradients}}; }
  void OnWeightGradient(const PassRun&, const Layer& layer, const at::Tensor& gradient) override {
    squares_.Set(layer, SumSquares(gradient));
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    double sum = 0;
    for (const double square : squares_.Values()) sum += std::sqrt(square);
    return sum;
  }

 private:
  LayerTerms squares_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, grad_norm) {
  registry.Add({.name = "grad_norm",
                .summary = "sum over layers of the norm of the loss gradient",
                .paper = "Abdelfattah et al., \"Zero-Cost Proxies for Lightweight NAS\", ICLR 2021, arXiv:2101.08134",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 2e-3,
                .create = Create<GradNorm>});
}

}  // namespace zcbench
