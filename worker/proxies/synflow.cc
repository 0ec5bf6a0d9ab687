// synflow: how much flows through the linearised network.
//   all tensors absolute, batch normalisation left out, one image of ones, float64;   R = sum of the outputs
//   synflow_raw = sum over convolution and linear weights of | w dR/dw |;   synflow = ln(synflow_raw), 0 where it is 0
// Paper:   Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic flow", NeurIPS
// 2020, arXiv:2006.05467. Reads:   the weights and their gradients in the linearised pass; no image, no label. Score:
// larger ranks better. Raw values reach 1e60, so float32 is out of the question. Cost: one image. Differs: nowhere
// (NASLib, branch zerocost; the logarithm is its predictor's). Layer normalisation, softmax and GELU of a vision
// transformer are kept,
//          its tokens, positions and tables are made absolute too.
#include <cmath>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class SynflowRaw : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"linearised"}, kWeightGradients}}; }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    terms_.Set(layer, AbsDot(run.weights[static_cast<size_t>(layer.weight)], gradient));
  }
  absl::StatusOr<double> Score(const ModelView&) override { return terms_.Sum(); }

 private:
  LayerTerms terms_;
};

class Synflow final : public SynflowRaw {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override {
    ZCB_ASSIGN_OR_RETURN(const double raw, SynflowRaw::Score(view));
    return raw == 0 ? 0 : std::log(raw);
  }
};

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
                .create = Create<SynflowRaw>});
}

}  // namespace zcbench
