// vkdnw (VKDNW): how evenly the Fisher information of single weights spreads over its eigenvalues.
//   J_n = Jacobian of image n's outputs by element 0 of each of the first 128 tensors of the network, [classes, 128]
//   L_n = Cholesky factor of the covariance of its softmax p (p 0.95 + 0.05 / classes, in the code's float16 constants)
//   F   = mean over images of (L_n J_n)^T (L_n J_n);   q = the deciles 0.1, ..., 0.9 of its singular values, over their
//   sum (+ 1e-10);   score = number of the network's tensors - sum q ln(q + 1e-10)
//   Kaiming fan-in weights, running statistics, noise.
// Paper:   Tybl and Neumann, "Training-free Neural Architecture Search through Variance of Knowledge of Deep Network
//          Weights", CVPR 2025, arXiv:2502.04975; code: ondratybl/VKDNW.
// Reads:   outputs and their Jacobian in the pass of first elements; no image, no label.
// Score:   no unit, larger ranks better; the number of tensors decides, the entropy of q orders equals. Cost: one
//          backward to the activations for each class, hence a variant.
// Differs: nowhere from the code's form for NAS-Bench-201 with its first 128 tensors; sums in float64. As there L J,
// where
//          the Fisher information has L^T J. Beyond a few hundred classes the float16 constants give no covariance, and
//          the score is not a number.
#include <c10/util/Half.h>

#include "worker/proxies/channels.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

// L_n J_n of each image: column by column of L, below the diagonal -p_i d_j / q_j and on it d_j, where q are what is
// left of p behind each class.
at::Tensor WithCovariance(const at::Tensor& output, const at::Tensor& jacobian) {
  const c10::Half alpha(0.05f);
  const at::Tensor p = at::softmax(output, 1) * static_cast<double>(c10::Half(1 - alpha)) +
                       static_cast<double>(c10::Half(alpha / static_cast<float>(output.size(1))));
  at::Tensor q = 1 - p.cumsum(1);
  q.select(1, -1).zero_();
  at::Tensor before = q.roll(1, 1);
  before.select(1, 0).fill_(1);
  const at::Tensor d = (p * q / before).sqrt();
  const at::Tensor scaled = (d / q).unsqueeze(2) * jacobian;
  // Of the classes before each.
  const at::Tensor sums = at::constant_pad_nd(scaled.narrow(1, 0, scaled.size(1) - 1), {0, 0, 1, 0}).cumsum(1);
  return d.unsqueeze(2) * jacobian - p.unsqueeze(2) * sums;
}

class Vkdnw final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"first_elements"}, kFirstElements}}; }
  void OnFirstElements(const PassRun& run, int64_t, const at::Tensor& output, const at::Tensor& jacobian) override {
    const at::Tensor rows =
        WithCovariance(output.to(at::kDouble), jacobian.to(at::kDouble)).reshape({-1, jacobian.size(2)});
    const at::Tensor products = at::mm(rows.t(), rows).div_(static_cast<double>(run.samples));
    fisher_ = fisher_.defined() ? fisher_.add_(products) : products;
  }
  absl::StatusOr<double> Score(const ModelView& view) override {
    const at::Tensor deciles = at::quantile(Eigenvalues({fisher_})[0].abs(), at::arange(1, 10, at::kDouble) / 10);
    const at::Tensor q = deciles / (deciles.sum() + 1e-10);
    return static_cast<double>(view.model.tensors().size()) - (q * (q + 1e-10).log()).sum().item<double>();
  }

 private:
  at::Tensor fisher_;  // [tensors, tensors]
};

std::string OnlyClassifiers(const Model& model) {
  if (model.is_transformer()) return "VKDNW is published for convolution networks only";
  const TaskKind kind = model.kind();
  return kind == TaskKind::kClassification || kind == TaskKind::kSoftClassification || kind == TaskKind::kJigsaw
             ? ""
             : "the model puts out no classes: vkdnw needs their probabilities";
}

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, vkdnw) {
  registry.Add({.name = "vkdnw",
                .summary = "size of the network and entropy of its Fisher information's spectrum",
                .paper = "Tybl and Neumann, \"VKDNW\", CVPR 2025, arXiv:2502.04975",
                .reads = kWeights,
                .passes = {"first_elements"},
                .variant = true,
                .tolerance = 1e-4,
                .create = Create<Vkdnw>,
                .undefined_for = OnlyClassifiers});
}

}  // namespace zcbench
