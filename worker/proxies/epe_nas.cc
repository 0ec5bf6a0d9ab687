// epe_nas (EPE-NAS): jacov's correlations, class by class.
//   R_c   = correlation coefficients of the rows J[n] (see jacov) with label c
//   s_c   = sum over i, j of ln( |R_c[i,j]| + 1e-5 )
//   at most 100 outputs:  score = sum over c of |s_c|
//   more:                 s_c is divided by the rows of its class, classes of a single image are left out, and
//                         score = sum over ordered pairs (c, c') of |s_c - s_c'|, divided by the number of classes that
//                         are left
// Paper:   Lopes et al., "EPE-NAS: Efficient Performance Estimation Without Training for NAS", ICANN 2021,
//          arXiv:2102.08099.
// Reads:   the image gradients of the pass of ones, and the labels, of soft targets the likeliest.
// Score:   no unit, >= 0, larger ranks better. A constant row: not finite. Undefined where the targets are no classes.
//          Cost: none beyond jacov's.
// Differs: nowhere from NASLib (branch zerocost), where the width of the logits decides; the authors' own script always
//          takes the first form. Correlations in float64.
//
// epe_nas_eval_bn: the same with batch normalisation by running statistics (see jacov_eval_bn).
#include <cmath>
#include <map>

#include "base/status_macros.h"
#include "worker/proxies/input_jacobian.h"

namespace zcbench {
namespace {

class EpeNas final : public InputJacobian {
 public:
  using InputJacobian::InputJacobian;
  absl::StatusOr<double> Score(const ModelView& view) override {
    const at::Tensor logs = (Correlation().abs() + 1e-5).log();
    const auto terms = logs.accessor<double, 2>();
    std::map<int64_t, std::vector<int64_t>> classes;  // label -> images
    for (int64_t n = 0; n < labels_.size(0); ++n) classes[labels_[n].item<int64_t>()].push_back(n);

    const bool many = view.model.classes() > 100;
    std::vector<double> sums;
    for (const auto& [label, images] : classes) {
      if (many && images.size() == 1) continue;
      double sum = 0;
      for (const int64_t i : images) {
        for (const int64_t j : images) sum += terms[i][j];
      }
      sums.push_back(many ? sum / static_cast<double>(images.size()) : sum);
    }
    double score = 0;
    for (const double a : sums) {
      if (!many) score += std::fabs(a);
      for (const double b : sums) score += many ? std::fabs(a - b) : 0;
    }
    return many ? score / static_cast<double>(sums.size()) : score;
  }
};

std::string OnlyClasses(const Model& model) {
  switch (model.kind()) {
    case TaskKind::kClassification:
    case TaskKind::kSoftClassification:
    case TaskKind::kJigsaw:
      return "";
    case TaskKind::kRegression:
    case TaskKind::kSegmentation:
    case TaskKind::kImage:
      return "the task's targets are no classes of images: epe_nas correlates the images of a class";
  }
  ZCB_CHECK(false);
}

constexpr char kPaper[] = "Lopes et al., \"EPE-NAS\", ICANN 2021, arXiv:2102.08099";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, epe_nas) {
  registry.Add({.name = "epe_nas",
                .summary = "correlation of the image gradients within classes",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"input_ones"},
                .tolerance = 5e-2,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<EpeNas>("input_ones");
                },
                .undefined_for = OnlyClasses});
  registry.Add({.name = "epe_nas_eval_bn",
                .summary = "epe_nas with batch normalisation by running statistics",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"eval_ones"},
                .variant = true,
                .tolerance = 3e-3,
                .create = [](const ProxyOptions&) -> absl::StatusOr<std::unique_ptr<Proxy>> {
                  return std::make_unique<EpeNas>("eval_ones");
                },
                .undefined_for = [](const Model& model) -> std::string {
                  if (!model.couples_samples()) return "the model has no batch normalisation: this is `epe_nas`";
                  return OnlyClasses(model);
                }});
}

}  // namespace zcbench
