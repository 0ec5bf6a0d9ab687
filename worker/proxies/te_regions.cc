// te_regions (TE-NAS): in how many linear regions of the network the images lie.
//   pattern of an image = (1[x > 0]) over the units of all ReLU and GELU;   score = number of distinct patterns
// Paper:   Chen et al., "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR 2021, arXiv:2102.11535.
// Reads:   the packed signs of the activations in the train loss pass; no label.
// Score:   an integer from 1 to N, larger ranks better. At the size of real images it is always N.
// Cost:    none beyond the forward.
// Differs: nowhere from AZ-NAS's port of the authors' code, which counts in half precision; that looks at 4-D inputs of
//          nn.ReLU only, tokens and GELU are ours.
//
// te_regions_thin: the same as the authors' search runs it, on a thin network that tells architectures apart: a single
//   cell of one channel without a stem, then batch normalisation and ReLU; Kaiming weights (fan-in), 3 batches of 1000
//   images of one channel and 3 x 3 pixels. At most 3000. Differs: the images are N(0, 1), as in ZenNAS's and AZ-NAS's
//   ports, where TE-NAS crops them from training images; one drawing of the weights, where its search takes three.
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

class TeRegions : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"train_loss"}, kActivationPatterns}}; }
  void OnActivationPatterns(const PassRun&, const SignPatterns& patterns) override {
    regions_ = patterns.CountDistinctSamples();
  }
  absl::StatusOr<double> Score(const ModelView&) override { return static_cast<double>(regions_); }

 private:
  int64_t regions_ = 0;
};

class ThinTeRegions final : public TeRegions {
 public:
  std::vector<Observation> Observes() const override { return {{{"thin_noise"}, kActivationPatterns}}; }
};

constexpr char kPaper[] =
    "Chen et al., \"Neural Architecture Search on ImageNet in Four GPU Hours\", ICLR 2021, arXiv:2102.11535";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, te_regions) {
  registry.Add({.name = "te_regions",
                .summary = "number of linear regions in which the images lie",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 0,
                .create = Create<TeRegions>});
  registry.Add({.name = "te_regions_thin",
                .summary = "te_regions of the thin network on tiny images of noise",
                .paper = kPaper,
                .reads = kWeights,
                .passes = {"thin_noise"},
                .variant = true,
                .tolerance = 1e-2,
                .create = Create<ThinTeRegions>,
                .undefined_for = [](const Model& model) -> std::string {
                  return model.Thin() != nullptr ? "" : "the space has no thin network";
                }});
}

}  // namespace zcbench
