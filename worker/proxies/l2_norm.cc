// l2_norm: the size of the initial weights.
//   score = sum over convolution and linear weights W of || W ||_2
// Paper:   Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, arXiv:2101.08134.
// Reads:   the weights as drawn; no image.
// Score:   no unit, > 0, larger ranks better. Cost: one sweep over the weights.
// Differs: nowhere (NASLib, branch zerocost).
#include <cmath>

#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class L2Norm final : public Proxy {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override {
    LayerTerms squares;
    for (const Layer& layer : view.model.layers())
      squares.Set(layer, SumSquares((*view.weights)[static_cast<size_t>(layer.weight)]));
    double sum = 0;
    for (const double square : squares.Values()) sum += std::sqrt(square);
    return sum;
  }
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, l2_norm) {
  registry.Add({.name = "l2_norm",
                .summary = "sum over layers of the norm of the weight",
                .paper = "Abdelfattah et al., \"Zero-Cost Proxies for Lightweight NAS\", ICLR 2021, arXiv:2101.08134",
                .reads = kWeights,
                .tolerance = 1e-4,
                .create = Create<L2Norm>});
}

}  // namespace zcbench
