#include "worker/passes/first_elements.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

namespace zcbench {
namespace {

constexpr size_t kTensors = 128;

// A small change of element 0 of a weight moves channel 0 of its layer's output alone, and each image's by itself. So
// each image gets a change of its own, a leaf of zeros, and the gradient by the leaves is the Jacobian image by image.
class FirstElementOperators final : public PlainOperators {
 public:
  FirstElementOperators(const Weights& weights, BatchNormUse batch_norm)
      : PlainOperators(weights, batch_norm), changes_(std::min(weights.size(), kTensors)) {}

  using PlainOperators::Apply;
  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override {
    at::Tensor seen = x;  // what meets element 0 of the weight at each position
    if (layer.kind == LayerKind::kConvolution) {
      seen = at::constant_pad_nd(x.narrow(1, 0, 1), {layer.padding, layer.padding, layer.padding, layer.padding});
    }
    return Changed(PlainOperators::Apply(layer, x), seen, layer.stride, layer.weight, layer.bias);
  }
  at::Tensor Apply(const Norm& norm, const at::Tensor& x) override {
    const at::Tensor weight = Get(norm.weight);
    const at::Tensor normalised = Normalise(norm, x, at::ones_like(weight)) - Get(norm.bias).view({1, -1, 1, 1});
    return Changed(PlainOperators::Apply(norm, x), normalised, 1, norm.weight, norm.bias);
  }

  std::vector<at::Tensor>& changes() { return changes_; }

 private:
  // y with the changes in its channel 0. seen: channel 0 at least, of every stride-th position.
  at::Tensor Changed(const at::Tensor& y, const at::Tensor& seen, int64_t stride, int weight, int bias) {
    at::Tensor channel = y.narrow(1, 0, 1);
    if (const at::Tensor change = ChangeOf(weight, y); change.defined()) {
      at::Tensor factor = seen.narrow(1, 0, 1);
      for (int64_t d = 2; d < y.dim(); ++d) factor = factor.slice(d, 0, stride * (y.size(d) - 1) + 1, stride);
      channel = channel + change * factor;
    }
    if (const at::Tensor change = ChangeOf(bias, y); change.defined()) channel = channel + change;
    return at::cat({channel, y.narrow(1, 1, y.size(1) - 1)}, 1);
  }
  // [n, 1, ...]; undefined beyond the first tensors.
  at::Tensor ChangeOf(int tensor, const at::Tensor& y) {
    if (tensor < 0 || static_cast<size_t>(tensor) >= changes_.size()) return {};
    at::Tensor& change = changes_[static_cast<size_t>(tensor)];
    if (!change.defined()) change = at::zeros({y.size(0)}, y.options()).requires_grad_();
    std::vector<int64_t> shape(static_cast<size_t>(y.dim()), 1);
    shape[0] = y.size(0);
    return change.view(shape);
  }

  std::vector<at::Tensor> changes_;  // [n] each, of the current piece; undefined where not met
};

}  // namespace

void RunFirstElements(const PassInput& input, BatchNormUse batch_norm, const Weights& weights,
                      const std::vector<Batch>& pieces, const std::vector<Subscription>& subscriptions,
                      const std::vector<size_t>& members) {
  int64_t samples = 0;
  for (const Batch& piece : pieces) samples += piece.images.size(0);
  int64_t first = 0;
  for (const Batch& piece : pieces) {
    FirstElementOperators operators(weights, batch_norm);
    const at::Tensor output = input.model.Forward(operators, piece.images.to(input.device, input.dtype));
    std::vector<at::Tensor> met;
    std::vector<int64_t> columns;
    for (size_t t = 0; t < operators.changes().size(); ++t) {
      if (!operators.changes()[t].defined()) continue;
      met.push_back(operators.changes()[t]);
      columns.push_back(static_cast<int64_t>(t));
    }
    const at::Tensor jacobian =
        at::zeros({output.size(0), output.size(1), static_cast<int64_t>(operators.changes().size())}, output.options());
    for (int64_t c = 0; c < output.size(1); ++c) {
      const std::vector<at::Tensor> gradients =
          torch::autograd::grad({output.select(1, c).sum()}, met, {}, /*retain_graph=*/c + 1 < output.size(1),
                                /*create_graph=*/false, /*allow_unused=*/true);
      for (size_t t = 0; t < met.size(); ++t) {
        if (gradients[t].defined()) jacobian.select(1, c).select(1, columns[t]).copy_(gradients[t]);
      }
    }
    for (const size_t m : members) {
      const Subscription& subscription = subscriptions[m];
      if (!(subscription.events & kFirstElements)) continue;
      const PassRun run{subscription.pass, input.model, weights, input.batch.labels, samples};
      subscription.observer->OnFirstElements(run, first, output.detach(), jacobian);
    }
    first += output.size(0);
  }
}

}  // namespace zcbench
