// zen (Zen-score): how strongly features answer to a small change of the input, per unit of normalisation.
//   Gaussian weights, x and e of the images' shape N(0, 1), batch statistics;   f = what enters the global average
//   pooling (of a decoder: the last convolution; of a vision transformer: all tokens behind the last normalisation)
//   score = ln mean over images of sum | f(x) - f(x + 0.01 e) |  +  sum over batch normalisations of ln sqrt(mean v)
//   v     = the norm's running variance behind these two passes, in this order, from 1
// Paper:   Lin et al., "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV 2021, arXiv:2102.01063.
// Reads:   last features and batch variances of the two Gaussian noise passes; no image, no label. Keeps the features
//          of one pass until the other's come.
// Options: momentum (default `own`, each norm's; else a number from 0 to 1 for all norms).
// Score:   no unit, larger ranks better; -infinity where no change arrives. Cost: two forwards.
// Differs: nowhere from NASLib (branch zerocost), which takes one draw. ZenNAS takes the mean of 32 draws of 16 images
//          and leaves residual connections out. No norm of a transformer has a running variance.
#include <cmath>
#include <map>
#include <optional>

#include "base/status_macros.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr char kNoise[] = "gaussian_noise";
constexpr char kPerturbed[] = "gaussian_perturbed";

class Zen final : public Proxy {
 public:
  explicit Zen(std::optional<double> momentum) : momentum_(momentum) {}

  std::vector<Observation> Observes() const override {
    return {{{kNoise}, kLastFeatures | kBatchVariances}, {{kPerturbed}, kLastFeatures | kBatchVariances}};
  }
  void OnLastFeatures(const PassRun& run, int64_t first, const at::Tensor& features) override {
    at::Tensor& other = waiting_[first];
    if (!other.defined()) {
      other = features.clone();
      return;
    }
    differences_.push_back(other.sub_(features).abs_().sum(at::kDouble));
    other = at::Tensor();
    samples_ = run.samples;
  }
  void OnBatchVariance(const PassRun& run, const Norm& norm, const at::Tensor& variance) override {
    NormVariances& variances = norms_[norm.index];
    variances.momentum = momentum_.value_or(norm.momentum);
    (run.spec.pass == kNoise ? variances.noise : variances.perturbed).push_back(variance.mean(at::kDouble));
  }

  absl::StatusOr<double> Score(const ModelView&) override {
    double sum = 0;
    for (const double difference : ToDoubles(differences_)) sum += difference;
    double score = std::log(sum / static_cast<double>(samples_));
    for (const auto& [index, variances] : norms_) {
      double running = 1;
      for (const auto* updates : {&variances.noise, &variances.perturbed}) {
        for (const double mean : ToDoubles(*updates)) running += variances.momentum * (mean - running);
      }
      score += std::log(std::sqrt(running));
    }
    return score;
  }

 private:
  struct NormVariances {
    double momentum = 0;
    std::vector<at::Tensor> noise, perturbed;  // means over the channels
  };

  std::optional<double> momentum_;
  std::map<int64_t, at::Tensor> waiting_;  // by the first sample
  std::vector<at::Tensor> differences_;
  std::map<int, NormVariances> norms_;
  int64_t samples_ = 0;
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, zen) {
  registry.Add({.name = "zen",
                .summary = "answer of Gaussian features to a perturbed input, with the norms' scales",
                .paper = "Lin et al., \"Zen-NAS\", ICCV 2021, arXiv:2102.01063",
                .reads = kWeights,
                .passes = {kNoise, kPerturbed},
                .tolerance = 1e-5,
                .options = {{"momentum", "own"}},
                .create = [](const ProxyOptions& options) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  if (options.Text("momentum") == "own") return std::make_unique<Zen>(std::nullopt);
                  ZCB_ASSIGN_OR_RETURN(const double momentum, options.Number("momentum", 0, 1));
                  return std::make_unique<Zen>(momentum);
                }});
}

}  // namespace zcbench
