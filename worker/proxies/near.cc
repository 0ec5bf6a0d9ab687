// near (NEAR): how many directions the features span, before and after the activations.
//   A = C positions in a row of a module's output, [C positions, C channels];   s = its singular values, over their sum
//   score = sum over convolutions, linear layers, norms and activations of the effective rank exp(- sum s ln s) of A
// Paper:   Husistein, Reiher, Eckhoff, "NEAR: A Training-Free Pre-Estimator of Machine Learning Model Performance",
//          ICLR 2025, arXiv:2408.08776; code: ReiherGroup/NEAR.
// Reads:   the modules' outputs in the train loss pass; of each at most `channels` squared values outlive their event.
// Options: channels (2 to 4096, default 512): a module of more is represented by so many of them, evenly spaced, and as
//          many positions; its rank counts C / channels times. Bounds the cost on transformers (C to 2,560).
// Score:   no unit, larger ranks better. Cost: one symmetric eigenvalue problem a module.
// Differs: the authors draw where the C positions start, among all images; here they are the first ones, in their
//          order: image, column, row. A transformer's positions are its tokens; the authors have none. Where a batch
//          has fewer positions than channels (a classifier), all of them, where they take more batches. Singular values
//          by the Gram matrix in float64. A module that runs once for each tile of a jigsaw counts each time.
#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "worker/proxies/channels.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr size_t kTogether = 16;  // matrices that wait to be solved side by side

// The first `count` positions of [n, C, H, W], [n, T, C] or [n, C], or all if there are fewer: [positions, C].
at::Tensor FirstPositions(const at::Tensor& output, int64_t count) {
  const int64_t channels = output.size(output.dim() == 4 ? 1 : -1);
  const int64_t of_image = output.numel() / output.size(0) / channels;
  const at::Tensor images = output.narrow(0, 0, std::min(output.size(0), (count + of_image - 1) / of_image));
  const at::Tensor rows = (output.dim() == 4 ? images.transpose(1, 3) : images).reshape({-1, channels});
  return rows.narrow(0, 0, std::min(count, rows.size(0)));
}

class Near final : public Proxy {
 public:
  explicit Near(int channels) : limit_(channels) {}

  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kModuleOutputs}}; }
  void OnModuleOutput(const PassRun& run, ModuleKind kind, int64_t first, const at::Tensor& output, int) override {
    if (kind == ModuleKind::kOther) return;
    if (first != first_) {
      first_ = first;
      next_ = 0;
    }
    if (modules_.size() == next_) modules_.emplace_back();
    Block& block = modules_[next_++];
    if (block.done) return;

    const int64_t channels = output.size(output.dim() == 4 ? 1 : -1);
    const int64_t positions = output.numel() / output.size(0) / channels * run.samples;
    const bool limited = channels > limit_ && positions >= channels;
    const int64_t wanted = limited ? limit_ : std::min(channels, positions);
    at::Tensor rows = FirstPositions(output, wanted - (block.rows.defined() ? block.rows.size(0) : 0));
    if (limited) {
      const at::Tensor spaced = (at::arange(limit_, rows.options().dtype(at::kLong)) * channels).floor_divide(limit_);
      rows = rows.index_select(1, spaced);
    }
    block.rows = block.rows.defined() ? at::cat({block.rows, rows}) : rows.clone();
    if (block.rows.size(0) < wanted) return;

    const at::Tensor a = block.rows.to(at::kDouble);
    grams_.push_back(a.size(0) <= a.size(1) ? at::mm(a, a.t()) : at::mm(a.t(), a));
    weights_.push_back(limited ? static_cast<double>(channels) / static_cast<double>(limit_) : 1);
    block = {.rows = {}, .done = true};
    if (grams_.size() == kTogether) AddRanks();
  }
  absl::StatusOr<double> Score(const ModelView&) override {
    AddRanks();
    return score_;
  }

 private:
  struct Block {
    at::Tensor rows;  // so far
    bool done = false;
  };

  void AddRanks() {
    const std::vector<at::Tensor> spectra = Eigenvalues(grams_);
    for (size_t i = 0; i < spectra.size(); ++i) {
      const at::Tensor singular = spectra[i].clamp_min(0).sqrt();
      const at::Tensor s = singular / singular.sum();
      const double rank = std::exp(-at::xlogy(s, s).sum().item<double>());
      if (!std::isnan(rank)) score_ += weights_[i] * rank;  // a block of zeros adds 0
    }
    grams_.clear();
    weights_.clear();
  }

  int64_t limit_;
  int64_t first_ = -1;  // of the current piece
  size_t next_ = 0;     // the module that comes next in it
  std::vector<Block> modules_;
  std::vector<at::Tensor> grams_;
  std::vector<double> weights_;
  double score_ = 0;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, near) {
  registry.Add({.name = "near",
                .summary = "effective ranks of features before and after activations",
                .paper = "Husistein et al., \"NEAR\", ICLR 2025, arXiv:2408.08776",
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-4,
                .options = {{"channels", "512"}},
                .create = [](const ProxyOptions& options) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  ZCB_ASSIGN_OR_RETURN(const int channels, options.Integer("channels", 2, 4096));
                  return std::make_unique<Near>(channels);
                }});
}

}  // namespace zcbench
