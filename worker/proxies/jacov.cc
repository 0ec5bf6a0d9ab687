// jacov (jacob_cov): how differently the network's outputs depend on different images.
//   J[n]  = d(sum of all logits)/dx[n], flattened;   R = correlation coefficients of the rows, v its eigenvalues
//   score = - sum over v of ( ln(v + 1e-5) + 1 / (v + 1e-5) )
// Paper:   Mellor et al., "Neural Architecture Search without Training" (first version), arXiv:2006.04647v1.
// Reads:   the image gradients of the pass of ones; no label.
// Score:   at most about -N, larger ranks better. A constant row or an eigenvalue below -1e-5: not finite.
// Cost:    a backward to the images; through batch normalisation a forward too, both in float64.
// Differs: correlations and a symmetric eigen-solver in float64; the authors' general solver in float32 differs by
//          about 1e-6. Where batch normalisation stands directly before the pooling the gradient is exactly zero and
//          the score is rounding noise.
//
// jacov_eval_bn: the same with batch normalisation by running statistics, which is well defined there too.
#include <limits>

#include "worker/proxies/input_jacobian.h"

namespace zcbench {
namespace {

class Jacov final : public InputJacobian {
 public:
  using InputJacobian::InputJacobian;
  absl::StatusOr<double> Score(const ModelView&) override {
    const at::Tensor correlation = Correlation();
    if (!at::isfinite(correlation).all().item<bool>()) return std::numeric_limits<double>::quiet_NaN();
    const at::Tensor shifted = at::linalg_eigvalsh(correlation) + 1e-5;
    return -(shifted.log() + shifted.reciprocal()).sum().item<double>();
  }
};

constexpr char kPaper[] = "Mellor et al., \"Neural Architecture Search without Training\", arXiv:2006.04647v1";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, jacov) {
  registry.Add({.name = "jacov",
                .summary = "spectrum of the correlation of the image gradients",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"input_ones"},
                .tolerance = 1e-4,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<Jacov>("input_ones");
                }});
  registry.Add({.name = "jacov_eval_bn",
                .summary = "jacov with batch normalisation by running statistics",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"eval_ones"},
                .variant = true,
                .tolerance = 1e-4,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<Jacov>("eval_ones");
                },
                .undefined_for = [](const Model& model) -> std::string {
                  return model.couples_samples() ? "" : "the model has no batch normalisation: this is `jacov`";
                }});
}

}  // namespace zcbench
