// synflow: how much flows through the linearised network.
//   all tensors absolute, batch normalisation left out, one image of ones, float64;   R = sum of the outputs
//   synflow_raw = sum over convolution and linear weights of | w dR/dw |;   synflow = ln(synflow_raw), 0 where it is 0
//   logsynflow  = sum of | w ln(1 + dR/dw) |;   synflow_bn = synflow_raw with batch normalisation over the one image
// Paper:   Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS
//          2020, arXiv:2006.05467; logsynflow: Cavagnero et al., "FreeREA", WACV 2023, arXiv:2207.05135.
// Reads:   the weights and their gradients in the linearised pass; no image, no label.
// Score:   larger ranks better. Raw values reach 1e60, so float32 is out of the question. logsynflow of a vision
//          transformer is not finite where a derivative is -1 or less. Cost: one image.
// Differs: nowhere (NASLib, branch zerocost; the logarithm is its predictor's, which takes none of synflow_bn). Layer
//          normalisation, softmax and GELU of a vision transformer are kept, its tokens, positions and tables are made
//          absolute too. logsynflow is the formula of FreeREA and HyTAS; Auto-Prox leaves the 1 out.
#include <cmath>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

template <bool batch_norm>
class SynflowRaw : public Proxy {
 public:
  std::vector<Observation> Observes() const override {
    return {{{batch_norm ? "linearised_bn" : "linearised"}, kWeightGradients}};
  }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    terms_.Set(layer, AbsDot(run.weights[static_cast<size_t>(layer.weight)], gradient));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 protected:
  LayerTerms terms_;
};

class Synflow final : public SynflowRaw<false> {
 public:
  absl::StatusOr<double> Score(const ModelView&) override {
    const double raw = terms_.Sum();
    return raw == 0 ? 0 : std::log(raw);
  }
};

class LogSynflow final : public SynflowRaw<false> {
 public:
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    terms_.Set(layer, AbsDot(run.weights[static_cast<size_t>(layer.weight)], gradient.log1p()));
  }
};

std::string OnlyWithBatchNorm(const Model& model) {
  return model.couples_samples() ? "" : "the model has no batch normalisation: this is `synflow_raw`";
}

constexpr char kPaper[] = "Tanaka et al., \"Pruning neural networks without any data\", NeurIPS 2020, arXiv:2006.05467";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, synflow) {
  registry.Add({.name = "synflow",
                .summary = "logarithm of the synaptic flow of the linearised network",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"linearised"},
                .tolerance = 1e-10,
                .create = Create<Synflow>});
  registry.Add({.name = "synflow_raw",
                .summary = "synaptic flow without the logarithm",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"linearised"},
                .variant = true,
                .tolerance = 1e-9,
                .create = Create<SynflowRaw<false>>});
  registry.Add({.name = "logsynflow",
                .summary = "synaptic flow with the logarithm of each gradient",
                .paper = "Cavagnero et al., \"FreeREA\", WACV 2023, arXiv:2207.05135",
                .reads = kWeights,
                .passes = {"linearised"},
                .tolerance = 1e-9,
                .create = Create<LogSynflow>});
  registry.Add({.name = "synflow_bn",
                .summary = "synflow_raw with batch normalisation kept",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"linearised_bn"},
                .variant = true,
                .tolerance = 1e-8,
                .create = Create<SynflowRaw<true>>,
                .undefined_for = OnlyWithBatchNorm});
}

}  // namespace zcbench
