// plain: the signed saliency of all weights.
//   score = sum over convolution and linear weights of w dL/dw,   L = the task's loss, mean over the batch
// Paper:   Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, arXiv:2101.08134.
// Reads:   the weights and the weight gradients of the train loss pass.
// Score:   no unit, any sign, larger ranks better. Cost: none beyond the pass.
// Differs: nowhere (NASLib, branch zerocost). A weight followed by batch normalisation adds 0 up to rounding.
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Plain final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kWeightGradients}}; }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    terms_.Set(layer, Dot(run.weights[static_cast<size_t>(layer.weight)], gradient));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 private:
  LayerTerms terms_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, plain) {
  registry.Add({.name = "plain",
                .summary = "sum of w dL/dw",
                .paper = "Abdelfattah et al., \"Zero-Cost Proxies for Lightweight NAS\", ICLR 2021, arXiv:2101.08134",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 5e-3,
                .create = Create<Plain>});
}

}  // namespace zcbench
