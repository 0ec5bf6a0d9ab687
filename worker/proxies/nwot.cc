// nwot (NASWOT, version 2): how differently the images switch the activations.
//   b[n]  = 1[x > 0] over the inputs x of all activations (ReLU or GELU), each activation once
//   K     = sum over units of b b^T + (1 - b)(1 - b)^T   [N, N], integers
//   score = ln | det K |
// Paper:   Mellor et al., "Neural Architecture Search without Training", ICML 2021, arXiv:2006.04647.
// Reads:   the packed signs of the activations' inputs in the train loss pass; no label.
// Score:   at most about N ln(units), larger ranks better; equal codes of two images make K singular: not finite. Cost:
// none beyond the forward. Differs: nowhere from NASLib (branch zerocost) on its own NAS-Bench-201 graphs. The original
// hooks every class whose name contains "ReLU", which
//          counts some activations twice (about + N ln 2). GELU inputs as the vision transformer ports. K is exact.
//
// nwot_cl_eval: the same over the outputs of the convolution and linear layers, batch normalisation by running
// statistics (the code that
//   the authors of T-CET name: iViolinSolo/zero-cost-proxies, naswot.py).
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Nwot : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kActivationPatterns}}; }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    agreement_ = patterns.Agreement();
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    return std::get<1>(at::linalg_slogdet(agreement_)).item<double>();
  }

 protected:
  at::Tensor agreement_;  // [N, N] float64
};

class NwotOfLayers final : public Nwot {
 public:
  std::vector<Observation> Observes() const override { return {{{"eval_forward"}, kLayerPatterns}}; }
  void OnLayerPatterns(const PassRun&, const SignPatterns& patterns) override { agreement_ = patterns.Agreement(); }
};

constexpr char kPaper[] = "Mellor et al., \"Neural Architecture Search without Training\", ICML 2021, arXiv:2006.04647";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, nwot) {
  registry.Add({.name = "nwot",
                .summary = "log-determinant of the kernel of activation codes",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-5,
                .create = Create<Nwot>});
  registry.Add({.name = "nwot_cl_eval",
                .summary = "nwot over the outputs of convolution and linear layers, running statistics",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"eval_forward"},
                .variant = true,
                .tolerance = 1e-5,
                .create = Create<NwotOfLayers>});
}

}  // namespace zcbench
