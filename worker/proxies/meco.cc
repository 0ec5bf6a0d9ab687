// meco (MeCo): how independent the channels of the first image's features are.
//   A = output of a module for the first image, [channels, positions];   R = correlation coefficients of its rows, 0
//   where a channel is constant
//   score = sum over all modules of the smallest eigenvalue of R;   meco_conv: over the convolutions only
// Paper:   Jiang, Wang, Bie, "MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of
//          Correlation", NeurIPS 2023; code: HamsterMimi/MeCo.
// Reads:   the modules' outputs in the train loss pass: a batch's statistics, where the authors run one image. A matrix
//          [channels, channels] a module outlives its event.
// Score:   no unit, >= 0, larger ranks better. Cost: one symmetric eigenvalue problem a tensor, none where there are no
//          more positions than channels.
// Differs: a symmetric solver in float64 for their general one in float32, and exactly 0 where R cannot have full rank
//          (its rank is below the number of positions), where theirs gives 1e-8. Every module counts, containers too,
//          as there; a tensor that several modules put out one after the other is solved once.
//          On a vision transformer, for which nothing is published, as the code runs: it takes the first axis of tokens
//          [T, C] for channels, so R correlates the tokens of the first image over their features.
//
// meco_channels: tokens as positions, features as channels. With 197 tokens it is 0 for every module of 197 features or
// more, so for all of AutoFormer-S and -B.
#include "worker/proxies/channels.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

enum class Rows { kFirstAxis, kConvolutionChannels, kChannels };

template <Rows rows>
class Meco final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kModuleOutputs}}; }
  void OnModuleOutput(const PassRun&, ModuleKind kind, int64_t first, const at::Tensor& output, int count) override {
    if (first != 0 || output.dim() < 3) return;  // one position: no correlation
    if (rows == Rows::kConvolutionChannels && (kind != ModuleKind::kLayer || output.dim() != 4)) return;
    const at::Tensor image = output.dim() == 4 ? output[0].flatten(1) : output[0];
    const at::Tensor a = output.dim() == 3 && rows == Rows::kChannels ? image.t() : image;
    if (a.size(1) <= a.size(0)) return;  // an eigenvalue 0
    if (last_.defined() && last_.const_data_ptr() == a.const_data_ptr() && last_.sizes() == a.sizes()) {
      counts_.back() += count;
      return;
    }
    last_ = a;
    counts_.push_back(count);
    correlations_.push_back(Correlation(a.to(at::kDouble)).nan_to_num_(0));
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    double score = 0;
    const std::vector<at::Tensor> values = Eigenvalues(correlations_);
    for (size_t i = 0; i < values.size(); ++i) score += counts_[i] * values[i][0].template item<double>();
    return score;
  }

 private:
  at::Tensor last_;  // kept until the next one comes, so that its storage is not used again
  std::vector<int> counts_;
  std::vector<at::Tensor> correlations_;
};

std::string OnlyConvolutionNetworks(const Model& model) {
  return model.is_transformer() ? "a vision transformer has one convolution: meco_conv compares many" : "";
}

std::string OnlyTransformers(const Model& model) {
  return model.is_transformer() ? "" : "the model has no tokens: meco is the same number";
}

constexpr char kPaper[] = "Jiang et al., \"MeCo\", NeurIPS 2023";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, meco) {
  registry.Add({.name = "meco",
                .summary = "smallest eigenvalues of the channels' correlations, over all modules",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 5e-4,
                .create = Create<Meco<Rows::kFirstAxis>>});
  registry.Add({.name = "meco_conv",
                .summary = "meco over the outputs of convolutions only",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .variant = true,
                .tolerance = 5e-4,
                .create = Create<Meco<Rows::kConvolutionChannels>>,
                .undefined_for = OnlyConvolutionNetworks});
  registry.Add({.name = "meco_channels",
                .summary = "meco with tokens as positions and features as channels (vision transformers)",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .variant = true,
                .tolerance = 5e-4,
                .create = Create<Meco<Rows::kChannels>>,
                .undefined_for = OnlyTransformers});
}

}  // namespace zcbench
