// dss (DSS): synaptic diversity of attention and synaptic saliency of the MLP of a vision transformer.
//   all tensors absolute, one image of ones, float64;   R = sum of the logits
//   score = sum over blocks of  ||W||_* ||dR/dW||_* for qkv and for proj,  + sum | W dR/dW | for fc1 and fc2;
//           + sum | W dR/dW | of the head, twice where it has exactly 1000 outputs
//   dss_tftas: signed weights, only tokens and positions absolute, and without the terms of qkv and of the head
// Paper:   Zhou et al., "Training-free Transformer Architecture Search", CVPR 2022, arXiv:2203.12217.
// Reads:   the weights and their gradients in the linearised pass; no image, no label.
// Score:   no unit, > 0, larger ranks better. Cost: one image and four singular value decompositions a block.
// Differs: nowhere from the form of AZ-NAS (cvlab-yonsei/AZ-NAS, ImageNet_AutoFormer), which completes the released
// TF_TAS code: there the copies of the sliced
//          weights stay signed and qkv and head add 0: `dss_tftas`. The head is doubled because its layer satisfies two
//          of the collector's conditions when it has 1000 outputs; `dss_head_once` counts it once. The patch embedding
//          is left out. float64 where the authors have float32.
#include "absl/strings/match.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

at::Tensor NuclearNorm(const at::Tensor& matrix) { return at::linalg_svdvals(matrix).sum(); }

enum class Form { kComplete, kHeadOnce, kTfTas };

template <Form form>
class Dss final : public Proxy {
 public:
  std::vector<Observation> Observes() const override {
    return {{{form == Form::kTfTas ? "signed_ones" : "linearised"}, kWeightGradients}};
  }

  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    const at::Tensor& weight = run.weights[static_cast<size_t>(layer.weight)];
    if (form == Form::kTfTas && (absl::EndsWith(layer.name, ".qkv") || layer.name == "head")) return;
    if (absl::EndsWith(layer.name, ".qkv") || absl::EndsWith(layer.name, ".proj")) {
      terms_.Set(layer, NuclearNorm(weight) * NuclearNorm(gradient));
    } else if (absl::EndsWith(layer.name, ".fc1") || absl::EndsWith(layer.name, ".fc2")) {
      terms_.Set(layer, AbsDot(weight, gradient));
    } else if (layer.name == "head") {
      terms_.Set(layer, AbsDot(weight, gradient) * (form == Form::kComplete && layer.out == 1000 ? 2 : 1));
    }
  }
  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 private:
  LayerTerms terms_;
};

std::string OnlyTransformers(const Model& model) {
  return model.is_transformer() ? "" : "the model has no attention: dss is defined for vision transformers";
}

constexpr char kPaper[] = "Zhou et al., \"Training-free Transformer Architecture Search\", CVPR 2022, arXiv:2203.12217";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, dss) {
  registry.Add({.name = "dss",
                .summary = "diversity of attention and saliency of MLPs (vision transformers)",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"linearised"},
                .tolerance = 1e-7,
                .create = Create<Dss<Form::kComplete>>,
                .undefined_for = OnlyTransformers});
  registry.Add({.name = "dss_head_once",
                .summary = "dss with the head counted once whatever its width",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"linearised"},
                .variant = true,
                .tolerance = 1e-7,
                .create = Create<Dss<Form::kHeadOnce>>,
                .undefined_for = OnlyTransformers});
  registry.Add({.name = "dss_tftas",
                .summary = "dss as the released code of TF_TAS computes it: signed weights, no qkv, no head",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"signed_ones"},
                .variant = true,
                .tolerance = 1e-7,
                .create = Create<Dss<Form::kTfTas>>,
                .undefined_for = OnlyTransformers});
}

}  // namespace zcbench
