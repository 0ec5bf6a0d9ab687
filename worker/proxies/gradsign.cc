// gradsign_sum and gradsign_mean (GradSign): how far the images agree in which way each weight should go.
//   a_w   = | sum over images n of sign( dL_n/dw ) |,   L_n = the loss of image n alone, in a batch of one
//   sum   = sum of a_w over the convolution and linear weights;   mean = sum / their number
// Paper:   Zhang and Jia, "GradSign: Model Performance Inference with Theoretical Insights", ICLR 2022,
//          arXiv:2110.08616.
// Reads:   the weight gradients of each image in the pass per_image: a batch of one normalises each image by its own
//          statistics, so all images run together.
// Score:   0 to the number of images (mean), times the weights (sum); larger ranks better. Cost: products of its own
//          for each image. Memory: two bytes a weight, since the images come in pieces.
// Differs: nowhere. The authors' released code has the sum, AZ-NAS's copy of it the mean, which does not grow with the
//          network. A weight without a gradient and a NaN add 0. Where batch normalisation stands directly before the
//          pooling (TransNAS-Bench-101's classifiers, some cells of DARTS) one image's output does not depend on the
//          weights before it, and the signs are those of rounding errors; of a single pixel, which PyTorch refuses to
//          normalise, they are 0.
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

template <bool mean>
class GradSign final : public Proxy {
 public:
  std::vector<Observation> Observes() const override { return {{{"per_image"}, kSampleGradients}}; }
  void OnSampleGradients(const PassRun& run, const SampleGradients& event) override {
    const at::Tensor& gradient = event.gradient;
    if (sums_.empty()) sums_.resize(run.model.layers().size());
    at::Tensor& sums = sums_[static_cast<size_t>(event.layer->index)];
    if (!sums.defined()) sums = at::zeros({event.layer->out, gradient.size(2)}, gradient.options().dtype(at::kShort));
    AddSigns(gradient, sums.narrow(0, event.row, gradient.size(1)));
  }
  absl::StatusOr<double> Score(const ModelView& view) override {
    LayerTerms agreement;
    int64_t weights = 0;
    for (const Layer& layer : view.model.layers()) {
      weights += view.model.tensors()[static_cast<size_t>(layer.weight)].numel();
      const auto i = static_cast<size_t>(layer.index);
      if (i < sums_.size() && sums_[i].defined()) agreement.Set(layer, sums_[i].abs().sum());
    }
    return agreement.Sum() / (mean ? static_cast<double>(weights) : 1);
  }

 private:
  std::vector<at::Tensor> sums_;  // of signs, by layer
};

constexpr char kPaper[] = "Zhang and Jia, \"GradSign\", ICLR 2022, arXiv:2110.08616";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, gradsign) {
  registry.Add({.name = "gradsign_sum",
                .summary = "agreement of the signs of the images' gradients, over all weights",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"per_image"},
                .tolerance = 1e-3,
                .create = Create<GradSign<false>>});
  registry.Add({.name = "gradsign_mean",
                .summary = "agreement of the signs of the images' gradients, mean over weights",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"per_image"},
                .tolerance = 1e-3,
                .create = Create<GradSign<true>>});
}

}  // namespace zcbench
