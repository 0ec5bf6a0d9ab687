// The four proxies of AZ-NAS. Features F_0, F_1, ...: the outputs of the stem and of each cell (of a vision
// transformer: the tokens behind each attention and each MLP); Kaiming fan-in weights (transformer: its own), batch
// statistics.
//   E_i = - sum p ln(p + 1e-8),  p = eigenvalues, over their sum, of the covariance of F_i's channels over all
//   positions az_expressivity  = sum over i of E_i az_progressivity = min over i of (E_i - E_{i-1}) t_i = 2 - s - 1 /
//   (s + 1e-6),  s = largest singular value of g_in^T g_out / positions of F_i,
//         g_out = random signs on F_i, g_in = their product with the Jacobian of F_i by F_{i-1}; where F_{i-1} is
//         larger, its pixels become channels
//   az_trainability  = mean over i of t_i
//   az_complexity    = multiply-accumulates of convolutions and linear layers; AutoFormer: the authors' get_complexity
// Paper:   Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024,
//          arXiv:2403.19232. Its score is the sum of the logarithms of the four ranks among all candidates.
// Reads:   features and the gradients between neighbours in the pass of features; a covariance or product [C, C] of
// each
//          outlives its event.
// Score:   no unit, larger ranks better. Not finite where a feature is zero or, on convolution networks, where g_in
//          equals g_out. Cost: a forward and a sweep back without weight gradients; on a transformer the forward is
//          the train loss pass's.
// Differs: eigenvalues in float64, negative ones as 0: the code gets NaN from rank-deficient features in float32. A
//          pair of equal g_in and g_out counts -infinity on convolution networks and is left out on transformers, as
//          there; progressivity is not defined on transformers, as there. Real images, where the authors draw noise
//          unless they get a loader.
#include <algorithm>
#include <cmath>
#include <limits>

#include "worker/proxies/channels.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Spectra : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"features"}, kFeatures}}; }
  void OnFeature(const PassRun&, int index, int64_t, const at::Tensor& feature) override {
    const auto i = static_cast<size_t>(index);
    if (covariances_.size() <= i) covariances_.resize(i + 1);
    covariances_[i].Add(ByChannel(feature));
  }

 protected:
  std::vector<double> Entropies() const {
    std::vector<at::Tensor> matrices;
    for (const ChannelCovariance& covariance : covariances_) matrices.push_back(covariance.Value());
    std::vector<double> entropies;
    for (const at::Tensor& values : Eigenvalues(matrices)) {
      const at::Tensor clamped = values.clamp_min(0);
      const at::Tensor p = clamped / clamped.sum();
      entropies.push_back(-(p * (p + 1e-8).log()).sum().item<double>());
    }
    return entropies;
  }

 private:
  std::vector<ChannelCovariance> covariances_;
};

class Expressivity final : public Spectra {
 public:
  absl::StatusOr<double> Score(const ModelView&) override {
    double score = 0;
    for (const double entropy : Entropies()) score += entropy;
    return score;
  }
};

class Progressivity final : public Spectra {
 public:
  absl::StatusOr<double> Score(const ModelView&) override {
    const std::vector<double> entropies = Entropies();
    double score = std::numeric_limits<double>::infinity();
    for (size_t i = 1; i < entropies.size(); ++i) {
      const double step = entropies[i] - entropies[i - 1];
      if (std::isnan(step)) return step;
      score = std::min(score, step);
    }
    return score;
  }
};

class Trainability final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"features"}, kFeatureGradients}}; }
  void OnFeatureGradient(const PassRun&, int index, const at::Tensor& signs, const at::Tensor& gradient) override {
    const auto i = static_cast<size_t>(index) - 1;
    if (pairs_.size() <= i) pairs_.resize(i + 1);
    Pair& pair = pairs_[i];
    pair.equal = pair.equal && at::equal(signs, gradient);
    at::Tensor g_in = gradient;
    if (signs.dim() == 4 && signs.sizes().slice(2) != gradient.sizes().slice(2))
      g_in = at::pixel_unshuffle(gradient, gradient.size(2) / signs.size(2));
    const at::Tensor product = Products(ByChannel(g_in), ByChannel(signs));
    pair.positions += signs.numel() / (signs.dim() == 4 ? signs.size(1) : signs.size(2));
    pair.product = pair.product.defined() ? pair.product.add_(product) : product;
  }
  absl::StatusOr<double> Score(const ModelView& view) override {
    std::vector<at::Tensor> squares;  // eigenvalues: squared singular values
    double sum = 0;
    for (const Pair& pair : pairs_) {
      if (pair.equal) {
        sum -= view.model.is_transformer() ? 0 : std::numeric_limits<double>::infinity();
        continue;
      }
      const at::Tensor matrix = pair.product / static_cast<double>(pair.positions);
      squares.push_back(matrix.size(0) < matrix.size(1) ? at::mm(matrix, matrix.t()) : at::mm(matrix.t(), matrix));
    }
    for (const at::Tensor& values : Eigenvalues(squares)) {
      const double largest = std::sqrt(values.clamp_min(0).max().item<double>());
      sum += 2 - largest - 1 / (largest + 1e-6);
    }
    return sum / static_cast<double>(squares.size());
  }

 private:
  struct Pair {
    at::Tensor product;  // g_in^T g_out
    int64_t positions = 0;
    bool equal = true;
  };
  std::vector<Pair> pairs_;  // of neighbours, the first two at 0
};

class Complexity final : public Proxy {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override {
    if (view.model.is_transformer()) return static_cast<double>(view.model.flops());
    return static_cast<double>(Macs(view.model)->value);
  }
  // What the spaces call the authors' count; null where they have none.
  static const NamedCount* Macs(const Model& model) {
    for (const NamedCount& count : model.macs()) {
      if (count.name == "macs_api" || count.name == "macs_conv_linear") return &count;
    }
    return nullptr;
  }
};

std::string OnlyConvolutionNetworks(const Model& model) {
  return model.is_transformer() ? "AZ-NAS has no progressivity on vision transformers" : "";
}

std::string OnlyCounted(const Model& model) {
  return model.is_transformer() || Complexity::Macs(model) != nullptr
             ? ""
             : "the space counts no multiply-accumulates of convolutions and linear layers alone";
}

constexpr char kPaper[] = "Lee and Ham, \"AZ-NAS\", CVPR 2024, arXiv:2403.19232";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, az_nas) {
  registry.Add({.name = "az_expressivity",
                .summary = "AZ-NAS: entropy of the features' spectra",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"features"},
                .tolerance = 1e-4,
                .create = Create<Expressivity>});
  registry.Add({.name = "az_progressivity",
                .summary = "AZ-NAS: least growth of that entropy from cell to cell",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"features"},
                .tolerance = 1e-3,
                .create = Create<Progressivity>,
                .undefined_for = OnlyConvolutionNetworks});
  registry.Add({.name = "az_trainability",
                .summary = "AZ-NAS: how far random signs going back through a cell keep their size",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"features"},
                .tolerance = 2e-3,
                .create = Create<Trainability>});
  registry.Add({.name = "az_complexity",
                .summary = "AZ-NAS: operations of one image",
                .paper = kPaper,
                .tolerance = 0,
                .create = Create<Complexity>,
                .undefined_for = OnlyCounted});
}

}  // namespace zcbench
