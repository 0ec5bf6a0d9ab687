// autoprox (Auto-Prox): the expression that an evolution over vision transformers arrived at.
//   t_l   = the input of convolution or linear layer l, of all images;   g_n = dL/d(output of normalisation n),
//   likewise score = mean over l of || (t_l - min t_l) / (max t_l - min t_l + 1e-9) ||_2  +  mean over n of mean of
//   sqrt(sigmoid(g_n))
// Paper:   Wei et al., "Auto-Prox: Training-Free Vision Transformer Architecture Search via Automatic Proxy Discovery",
//          AAAI 2024, arXiv:2312.09059.
// Reads:   the inputs of layers and the gradients at normalisations in the train loss pass.
// Score:   no unit, > 0, larger ranks better. Cost: none beyond the train loss pass.
// Our reading: the package that evaluates the expression (autozc) was not released. In the notation of its sister for
//          convolution networks t2 are the inputs of convolutions and t4 the outputs of batch normalisation, g their
//          gradients; on a transformer we take all convolution and linear layers and layer normalisation. Layers and
//          normalisations are averaged apart, since there is not one for the other, over those that take part in the
//          loss. The norm is of the whole tensor. So these numbers may differ from the authors'.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class AutoProx final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kLayerBackward | kNormBackward}}; }

  void OnLayerBackward(const PassRun&, const Layer& layer, const LayerBackward& event) override {
    const at::Tensor& x = event.input;
    inputs_[layer.index].push_back({x.numel(), {x.min(), x.max(), x.sum(at::kDouble), SumSquares(x)}});
  }
  void OnNormBackward(const PassRun&, const Norm& norm, int64_t, const at::Tensor& gradient) override {
    gradients_[norm.index].push_back({gradient.numel(), {gradient.sigmoid().sqrt().sum(at::kDouble)}});
  }

  absl::StatusOr<double> Score(const ModelView&) override {
    double layers = 0;
    for (const auto& [layer, pieces] : inputs_) layers += Norm2(pieces);
    double norms = 0;
    for (const auto& [norm, pieces] : gradients_) {
      double sum = 0;
      double count = 0;
      for (const Piece& piece : pieces) {
        sum += ToDoubles(piece.scalars)[0];
        count += static_cast<double>(piece.count);
      }
      norms += sum / count;
    }
    return layers / static_cast<double>(inputs_.size()) + norms / static_cast<double>(gradients_.size());
  }

 private:
  struct Piece {
    int64_t count;
    std::vector<at::Tensor> scalars;  // on the device
  };

  // Of the normalised tensor whose pieces have this minimum, maximum, sum and sum of squares.
  static double Norm2(const std::vector<Piece>& pieces) {
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    double sum = 0;
    double squares = 0;
    double count = 0;
    for (const Piece& piece : pieces) {
      const std::vector<double> values = ToDoubles(piece.scalars);
      low = std::min(low, values[0]);
      high = std::max(high, values[1]);
      sum += values[2];
      squares += values[3];
      count += static_cast<double>(piece.count);
    }
    return std::sqrt(std::max(0.0, squares - 2 * low * sum + count * low * low)) / (high - low + 1e-9);
  }

  std::map<int, std::vector<Piece>> inputs_;     // by layer
  std::map<int, std::vector<Piece>> gradients_;  // by norm
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, autoprox) {
  registry.Add({.name = "autoprox",
                .summary = "Auto-Prox's evolved expression of layer inputs and gradients, in our reading",
                .paper = "Wei et al., \"Auto-Prox\", AAAI 2024, arXiv:2312.09059",
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 1e-4,
                .create = Create<AutoProx>});
}

}  // namespace zcbench
