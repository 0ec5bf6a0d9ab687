// swap (SWAP): how many different patterns the activations' units show over the images.
//   pattern of a unit = (1[x_n > 0]) over the images n
//   swap         = number of distinct patterns over all units of all ReLU and GELU
//   reg_swap     = swap exp( -(P - mu)^2 / sigma ),  P the parameters in thousands;   reg_swap_log = its logarithm
//   swap_gaussian = mean of swap over `repeats` drawings of N(0, 1) weights, on the first `samples` images
// Paper:   Peng et al., "SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS", ICLR 2024, arXiv:2403.04161.
// Reads:   the packed signs of the activations in the train loss pass, or in the Gaussian one; no label.
// Score:   swap: an integer from 1 to 2^N, larger ranks better. With N = 16 images it saturates at 65,536 on
//          networks of ordinary size. reg_swap: >= 0; it underflows to 0 a few hundred sqrt(sigma) from mu,
//          reg_swap_log never does. Cost: none beyond the forward; a forward of the samples for each repeat of
//          swap_gaussian.
// Differs: swap takes default weights and one pass; swap_gaussian is what the authors run (32 repeats of 16 images).
// The
//          rank correlation between the two is .988 on NAS-Bench-201. Their code looks at 4-D outputs of nn.ReLU only,
//          so LeakyReLU is out here too; tokens and GELU follow their later SWAP_Universal, with > 0 for sign. The
//          authors publish no mu and sigma: the defaults suit NAS-Bench-201, a space of other sizes needs its own.
#include <cmath>

#include "base/status_macros.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Swap : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kActivationPatterns}}; }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    distinct_ = static_cast<double>(patterns.CountDistinct());
  }
  absl::StatusOr<double> Score(const ModelView&) override { return distinct_; }

 protected:
  double distinct_ = 0;
};

template <bool log>
class RegularisedSwap final : public Swap {
 public:
  RegularisedSwap(double mu, double sigma) : mu_(mu), sigma_(sigma) {}
  absl::StatusOr<double> Score(const ModelView& view) override {
    const double distance = static_cast<double>(view.model.params()) / 1e3 - mu_;
    const double exponent = -distance * distance / sigma_;
    return log ? std::log(distinct_) + exponent : distinct_ * std::exp(exponent);
  }

 private:
  double mu_;
  double sigma_;
};

template <bool log>
absl::StatusOr<std::unique_ptr<Proxy>> CreateRegularised(const ProxyOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const double mu, options.Number("mu", 0, 1e9));
  ZCB_ASSIGN_OR_RETURN(const double sigma, options.Number("sigma", 1e-3, 1e18));
  return std::make_unique<RegularisedSwap<log>>(mu, sigma);
}

class GaussianSwap final : public Proxy {
 public:
  GaussianSwap(int repeats, int samples) : repeats_(repeats), samples_(samples) {}
  std::vector<Observation> Observes() const override {
    std::vector<Observation> observations;
    for (int draw = 0; draw < repeats_; ++draw) {
      observations.push_back({{.pass = "gaussian", .images = samples_, .draw = draw}, kActivationPatterns});
    }
    return observations;
  }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    sum_ += static_cast<double>(patterns.CountDistinct());  // integers, so exact in any order
  }
  absl::StatusOr<double> Score(const ModelView&) override { return sum_ / repeats_; }

 private:
  int repeats_;
  int samples_;
  double sum_ = 0;
};

absl::StatusOr<std::unique_ptr<Proxy>> CreateGaussian(const ProxyOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const int repeats, options.Integer("repeats", 1, 1024));
  ZCB_ASSIGN_OR_RETURN(const int samples, options.Integer("samples", 2, 4096));
  return std::make_unique<GaussianSwap>(repeats, samples);
}

constexpr char kPaper[] = "Peng et al., \"SWAP-NAS\", ICLR 2024, arXiv:2403.04161";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, swap) {
  registry.Add({.name = "swap",
                .summary = "number of distinct sample-wise activation patterns",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-3,
                .create = Create<Swap>});
  registry.Add({.name = "reg_swap",
                .summary = "swap times a bell curve of the number of parameters (mu, sigma in thousands)",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-3,
                .options = {{"mu", "700"}, {"sigma", "400000"}},
                .create = CreateRegularised<false>});
  registry.Add({.name = "reg_swap_log",
                .summary = "logarithm of reg_swap, without its underflow",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .variant = true,
                .tolerance = 1e-3,
                .options = {{"mu", "700"}, {"sigma", "400000"}},
                .create = CreateRegularised<true>});
  registry.Add({.name = "swap_gaussian",
                .summary = "swap with Gaussian weights, averaged over drawings, as its authors run it",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"gaussian"},
                .variant = true,
                .tolerance = 1e-3,
                .options = {{"repeats", "32"}, {"samples", "16"}},
                .create = CreateGaussian});
}

}  // namespace zcbench
