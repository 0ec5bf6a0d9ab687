// params: the number of trainable parameters, biases and normalisation included. The baseline of every correlation.
//   score = sum over tensors of the number of elements
// Paper:   none; NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022, arXiv:2210.03230) lists it as a proxy.
// Score:   a count, > 0, larger ranks better. Cost: none.
// Differs: NAS-Bench-Suite-Zero reports millions.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class Params final : public Proxy {
 public:
  absl::StatusOr<double> Score(const ModelView& view) override { return static_cast<double>(view.model.params()); }
};

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, params) {
  registry.Add({.name = "params",
                .summary = "number of parameters",
                .paper = "Krishnakumar et al., \"NAS-Bench-Suite-Zero\", NeurIPS 2022, arXiv:2210.03230",
                .tolerance = 0,
                .create = Create<Params>});
}

}  // namespace zcbench
