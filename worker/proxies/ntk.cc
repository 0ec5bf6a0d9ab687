// ntk_cond (TE-NAS): how evenly the neural tangent kernel of the first images is conditioned.
//   J[n]  = d(sum of image n's outputs)/dW, through the graph of the whole batch; W = the weights of convolutions,
//           linear layers and norms
//   score = largest / smallest eigenvalue of J J^T;  100000 where that is 0 / 0
//   ntk_lambda_max: the largest eigenvalue itself
// Paper:   Chen et al., "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021, arXiv:2102.11535.
// Reads:   the tangent kernel of the pass each_output, with Kaiming weights (fan-out) except on vision transformers; no
//          label. Options: images (2 to 256, default 16, or as many as there are; the authors' search takes 72).
// Score:   no unit; SMALLER ranks better. Cost: where batch normalisation couples the images one backward for each of
//          them, about 5 passes of 16 images; else products of its own for each image. Memory: in the former case
//          16 gradients of all weights; the products are summed in float64, layer by layer.
// Differs: nowhere from the authors' code, which gives 100000 for NaN; an infinite score is not finite. Weights of
//          transposed convolutions (dense decoders, which the authors did not have) take no part. Where batch
//          normalisation stands directly before the pooling (TransNAS-Bench-101's classifiers, some cells of DARTS) the
//          rows sum to zero, the kernel is exactly singular and the score is rounding noise, its sign included.
#include <cmath>
#include <limits>

#include "base/status_macros.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr double kOfNaN = 100000;

template <bool condition>
class Ntk final : public Proxy {
 public:
  explicit Ntk(int images) : images_(images) {}

  std::vector<Observation> Observes() const override {
    return {{{.pass = "each_output", .images = images_}, kTangentKernel}};
  }
  void OnTangentKernel(const PassRun&, const at::Tensor& kernel) override {
    if (!at::isfinite(kernel).all().item<bool>()) return;
    const at::Tensor eigenvalues = at::linalg_eigvalsh(kernel);  // ascending
    const double largest = eigenvalues[-1].item<double>();
    score_ = condition ? largest / eigenvalues[0].item<double>() : largest;
    if (std::isnan(score_)) score_ = kOfNaN;
  }
  absl::StatusOr<double> Score(const ModelView&) override { return score_; }

 private:
  int images_;
  double score_ = std::numeric_limits<double>::quiet_NaN();
};

template <bool condition>
absl::StatusOr<std::unique_ptr<Proxy>> CreateNtk(const ProxyOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const int images, options.Integer("images", 2, 256));
  return std::make_unique<Ntk<condition>>(images);
}

constexpr char kPaper[] =
    "Chen et al., \"Neural Architecture Search on ImageNet in Four GPU Hours\", ICLR 2021, arXiv:2102.11535";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, ntk) {
  registry.Add({.name = "ntk_cond",
                .summary = "condition number of the neural tangent kernel",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"each_output"},
                .larger_is_better = false,
                .tolerance = 1e-2,
                .options = {{"images", "16"}},
                .create = CreateNtk<true>});
  registry.Add({.name = "ntk_lambda_max",
                .summary = "largest eigenvalue of the neural tangent kernel",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"each_output"},
                .variant = true,
                .tolerance = 1e-2,
                .options = {{"images", "16"}},
                .create = CreateNtk<false>});
}

}  // namespace zcbench
