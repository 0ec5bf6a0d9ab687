// grasp: how much a step along the gradient would change the gradient's own norm.
//   score = - sum over layers of sum_w w (H g)_w = - sum over layers of <g, H w>      g gradient, H Hessian of the loss
// Paper:   Wang, Zhang, Grosse, "Picking Winning Tickets Before Training by Preserving Gradient Flow", ICLR 2020,
//          arXiv:2002.07376; sign and settings (temperature 1, one iteration) of Abdelfattah et al., "Zero-Cost Proxies
//          for Lightweight NAS", ICLR 2021, arXiv:2101.08134.
// Reads:   gradient and Hessian times weights of the hessian pass.
// Score:   no unit, larger ranks better on convolution networks (the published sign; on transformers it may turn).
// Cost:    a second derivative on the loss's graph, about 1.5 times a forward and backward; the graph of the first one
//          stays in memory, two to three times a training step.
// Differs: H is symmetric, so the weights may stand on its right side: then one derivative of <w, g> on the same graph
//          gives all of it, where the authors run the model a second time.
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Grasp final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"hessian"}, kHessianProducts}}; }
  void OnHessianProduct(const PassRun&, const Layer& layer, const at::Tensor& gradient,
                        const at::Tensor& product) override {
    terms_.Set(layer, Dot(gradient, product));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return -terms_.Sum(); }

 private:
  LayerTerms terms_;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, grasp) {
  registry.Add({.name = "grasp",
                .summary = "change of the gradient's norm by a step along it",
                .paper = "Wang et al., \"Picking Winning Tickets\", ICLR 2020, arXiv:2002.07376",
                .reads = kWeights | kImages | kLabels,
                .passes = {"hessian"},
                .tolerance = 2e-2,
                .create = Create<Grasp>});
}

}  // namespace zcbench
