// fisher: how much the loss would move if single channels were taken away.
//   s[n,k] = sum over positions of a[n,k,.] dL/da[n,k,.]      a = output of a convolution or linear layer, before
//   normalisation D[k]   = 1/2 mean over n of s[n,k]^2 score  = sum over layers and k of D[k] * numel(W) / out
// Paper:   Turner et al., "BlockSwap", ICLR 2020, arXiv:1906.04113; as a score: Abdelfattah et al., ICLR 2021,
// arXiv:2101.08134. Reads:   input, output and gradients of every layer of the train loss pass; L is the mean over the
// batch, so dL/da carries 1/N. Score:   no unit, >= 0, larger ranks better. Cost: one product and sum over each layer's
// output. Differs: nowhere (NASLib, branch zerocost), also where it surprises: on a token layer [N, T, C] the code sums
// over features and leaves the tokens
//          as "channels", sum over t of D[t] * in. There s[n,t] = x . dL/dx + b . dL/da, so no output is kept.
//          `fisher_channel` is the reading with tokens as positions and features as channels.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

// 1/2 sum over k of (sum over n of s^2): a tensor without dimension, float64.
at::Tensor HalfSquares(const at::Tensor& s) { return s.to(at::kDouble).square().sum() * 0.5; }

class Fisher : public Proxy {
 public:
  explicit Fisher(bool tokens_are_channels) : tokens_are_channels_(tokens_are_channels) {}

  std::vector<Observation> Observes() const override {
    return {{{"train_loss"}, kLayerBackward | (tokens_are_channels_ ? 0u : kTokenOutputs)}};
  }

  void OnLayerBackward(const PassRun& run, const Layer& layer, const LayerBackward& event) override {
    at::Tensor s;
    if (event.grad_output.dim() == 3 && tokens_are_channels_) {
      s = (event.input * event.grad_input).sum(-1) +
          at::matmul(event.grad_output, run.weights[static_cast<size_t>(layer.bias)]);
    } else {
      s = event.output * event.grad_output;
      if (s.dim() == 4) s = s.sum(at::IntArrayRef{2, 3});
      if (s.dim() == 3) s = s.sum(1);
    }
    const int64_t weights_per_channel = run.weights[static_cast<size_t>(layer.weight)][0].numel();
    terms_.Add(layer, HalfSquares(s) * (static_cast<double>(weights_per_channel) / static_cast<double>(run.samples)));
  }

  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 private:
  bool tokens_are_channels_;
  LayerTerms terms_;
};

std::string OnlyTransformers(const Model& model) {
  return model.is_transformer() ? "" : "the model has no token layers: this is `fisher`";
}

constexpr char kPaper[] = "Turner et al., \"BlockSwap\", ICLR 2020, arXiv:1906.04113";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, fisher) {
  registry.Add({.name = "fisher",
                .summary = "squared channel sums of activation times gradient",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 5e-3,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<Fisher>(true);
                }});
  registry.Add({.name = "fisher_channel",
                .summary = "fisher with tokens as positions and features as channels (vision transformers)",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .variant = true,
                .tolerance = 1e-3,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<Fisher>(false);
                },
                .undefined_for = OnlyTransformers});
}

}  // namespace zcbench
