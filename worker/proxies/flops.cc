// flops: operations of one image, in the convention of the published scores of the space.
//   convolution spaces: tensorwatch's count (multiply-accumulates of convolutions and linear layers, and the pointwise
//   terms of normalisation, activation and pooling), as NAS-Bench-Suite-Zero; AutoFormer: the authors' get_complexity.
//   Other conventions: Space::Macs().
// Paper:   Krishnakumar et al., "NAS-Bench-Suite-Zero", NeurIPS 2022, arXiv:2210.03230.
// Score:   a count of single operations, > 0, larger ranks better. Cost: none.
// Differs: NAS-Bench-Suite-Zero reports millions.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Flops final : public Proxy {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override { return static_cast<double>(view.model.flops()); }
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, flops) {
  registry.Add({.name = "flops",
                .summary = "operations of one image, as the space's published scores count them",
                .paper = "Krishnakumar et al., \"NAS-Bench-Suite-Zero\", NeurIPS 2022, arXiv:2210.03230",
                .tolerance = 0,
                .create = Create<Flops>});
}

}  // namespace zcbench
