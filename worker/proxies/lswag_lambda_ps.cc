// lswag_lambda_ps: L-SWAG's gradient factor with the variance over the images instead of over micro-batches.
//   score = sum over layers l of ln sum over the weights w of l of 1 / std_n | dL_n/dw |
//           L_n = the loss of image n, n = 1..N, through the graph of the whole batch; population std
// Paper:   Casarin, Escalera, Lanz, "L-SWAG", CVPR 2025, arXiv:2505.07300, Eq. 1, read as its name "sample-wise" and
//          its Eq. 4 suggest; lswag.cc has the other reading. No code was released.
// Reads:   the weight gradients of each image in the pass each_loss; options: window, as of lswag_lambda.
// Score:   no unit, larger ranks better. Cost: where batch normalisation couples the images one backward for each of
//          them, else products of its own for each image. Memory: two float64 a weight, for Welford's updates.
// As in lswag: a weight with a deviation of exactly 0 is dropped, a layer without any left adds 0.
#include <cmath>

#include "base/status_macros.h"
#include "nas/statistics/layer_window.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class LswagLambdaPs final : public Proxy {
 public:
  explicit LswagLambdaPs(const LayerWindow& window) : window_(window) {}

  std::vector<Observation> Observes() const override { return {{{"each_loss"}, kSampleGradients}}; }
  void OnSampleGradients(const PassRun& run, const SampleGradients& event) override {
    const auto layers = static_cast<int>(run.model.layers().size());
    const LayerRange selected = LayersIn(window_, layers);
    const int index = event.layer->index;
    if (index < selected.first || index > selected.last) return;
    moments_.resize(static_cast<size_t>(layers));
    Moments& moments = moments_[static_cast<size_t>(index)];
    const at::Tensor& gradient = event.gradient;
    if (!moments.mean.defined()) {
      moments.mean = at::zeros({event.layer->out, gradient.size(2)}, gradient.options().dtype(at::kDouble));
      moments.m2 = at::zeros_like(moments.mean);
    }
    UpdateAbsMoments(gradient, event.first, moments.mean.narrow(0, event.row, gradient.size(1)),
                     moments.m2.narrow(0, event.row, gradient.size(1)));
    samples_ = static_cast<int>(event.first + gradient.size(0));
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    std::vector<at::Tensor> sums;
    for (const Moments& moments : moments_) {
      if (moments.m2.defined()) sums.push_back(SumOverDeviation({}, moments.m2, samples_));
    }
    double score = 0;
    for (const double sum : ToDoubles(sums)) score += sum > 0 ? std::log(sum) : 0;
    return score;
  }

 private:
  struct Moments {
    at::Tensor mean, m2;  // of |g|
  };

  LayerWindow window_;
  std::vector<Moments> moments_;  // by layer
  int samples_ = 0;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, lswag_lambda_ps) {
  registry.Add({.name = "lswag_lambda_ps",
                .summary = "L-SWAG's gradient factor over single images",
                .paper = "Casarin et al., \"L-SWAG\", CVPR 2025, arXiv:2505.07300",
                .reads = kWeights | kImages | kLabels,
                .passes = {"each_loss"},
                .variant = true,
                .tolerance = 1e-4,
                .options = {{"window", "whole"}},
                .create = [](const ProxyOptions& options) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  ZCB_ASSIGN_OR_RETURN(const LayerWindow window, ParseLayerWindow(options.Text("window")));
                  return std::make_unique<LswagLambdaPs>(window);
                }});
}

}  // namespace zcbench
