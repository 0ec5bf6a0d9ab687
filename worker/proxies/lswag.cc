// lswag (L-SWAG) with its two factors lswag_lambda and lswag_psi.
//   Lambda = sum over layers l of ln sum over the weights w of l of 1 / std_k |g_w|
//   Psi    = number of distinct sample-wise patterns of the activations > 0
//   lswag  = Lambda * Psi                      g of micro-batch k = 1..K, population std
// Paper:   Casarin, Escalera, Lanz, "L-SWAG: Layer-Sample Wise Activation with Gradients information for Zero-Shot NAS
//          on Vision Transformers", CVPR 2025, arXiv:2505.07300, Eq. 1. No code was released.
// Reads:   moments of the weight gradients of the train loss pass in parts, signs of the activations of the whole
//          batch. Options of Lambda: micro_batches (K, 2 to 64, default 8), signed (std of g instead of |g|); of Psi:
//          psi_from_start; of both: window.
// Window:  layers are convolution and linear weights in module order, and window=p30-p60 keeps those whose percentile
//          bin, int((l / D * 100) // 10) for layer l = 1..D, is one of 3..6 (nas/statistics/layer_window.h); where a
//          shallow network has none, the layer nearest to the window's middle. Psi takes the activations that stand
//          between the first and the last of these layers, from the start (the end) of the network where the first
//          (last) layer is one of them, and at least one: else the nearest, the earlier of two. psi_from_start=true
//          takes them from the start always, as Definition 1 has it. `zcbench layers` finds a window.
// Score:   no unit, larger ranks better. Cost: K micro-batches of one probe batch, shared with zico; none for Psi.
// Readings taken where the paper is silent: the variance runs over micro-batches (Eq. 1 calls X_i a batch) and over |g|
//          (the formula; ZiCo's code takes signed g); a weight with a deviation of exactly 0 is dropped, a layer
//          without any left adds 0; one set of patterns over all layers. Lambda is not free of the loss's scale: mean
//          reduction, float32 or float64. With as many micro-batches as images a vision transformer's variance runs
//          over the samples; batch normalisation then takes each image's own statistics.
#include <cmath>
#include <limits>

#include "base/status_macros.h"
#include "nas/statistics/layer_window.h"
#include "worker/passes/reductions.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

struct Settings {
  LayerWindow window{};
  // Of Lambda, which is 1 where there are none.
  int micro_batches = 0;
  bool is_signed = false;
  // Of Psi, likewise.
  bool psi = false;
  bool psi_from_start = false;
};

LayerRange SelectedLayers(const LayerWindow& window, const Model& model) {
  return LayersIn(window, static_cast<int>(model.layers().size()));
}

// The activations that Psi counts, by index; {0, -1} for a model without any. Leaky ones have no patterns.
LayerRange SelectedActivations(const Settings& settings, const Model& model) {
  const std::vector<Layer>& layers = model.layers();
  const LayerRange selected = SelectedLayers(settings.window, model);
  const auto end = static_cast<int>(layers.size()) - 1;
  const int from =
      settings.psi_from_start || selected.first == 0 ? 0 : layers[static_cast<size_t>(selected.first)].position;
  const int to =
      selected.last == end ? std::numeric_limits<int>::max() : layers[static_cast<size_t>(selected.last)].position;
  LayerRange between{0, -1};
  LayerRange nearest{0, -1};
  int smallest = std::numeric_limits<int>::max();
  for (const Activation& activation : model.activations()) {
    if (activation.kind == ActivationKind::kLeakyRelu) continue;
    const int distance = activation.position < from ? from - activation.position : activation.position - to;
    if (distance <= 0) {
      if (between.last < 0) between.first = activation.index;
      between.last = activation.index;
    } else if (distance < smallest) {
      nearest = {activation.index, activation.index};
      smallest = distance;
    }
  }
  return between.last < 0 ? nearest : between;
}

class Lswag final : public Proxy {
 public:
  explicit Lswag(const Settings& settings) : settings_(settings) {}

  std::vector<Observation> Observes() const override {
    std::vector<Observation> observations;
    if (has_lambda()) observations.push_back({{"train_loss", settings_.micro_batches}, kGradientMoments});
    if (settings_.psi) observations.push_back({{"train_loss"}, kActivationPatterns});
    return observations;
  }
  void OnGradientMoments(const PassRun& run, const Layer& layer, const GradientMoments& moments) override {
    const LayerRange selected = SelectedLayers(settings_.window, run.model);
    if (layer.index < selected.first || layer.index > selected.last) return;
    sums_.Set(layer, SumOverDeviation({}, settings_.is_signed ? moments.m2 : moments.m2_abs, moments.parts));
  }
  void OnActivationPatterns(const PassRun& run, const SignPatterns& patterns) override {
    const LayerRange selected = SelectedActivations(settings_, run.model);
    const bool all = settings_.window == LayerWindow{};  // counted once for all proxies
    distinct_ = all ? patterns.CountDistinct() : patterns.CountDistinct(selected.first, selected.last);
  }

  absl::StatusOr<double> Score(const ModelView&) override {
    double lambda = 0;
    for (const double sum : sums_.Values()) lambda += sum > 0 ? std::log(sum) : 0;
    return (has_lambda() ? lambda : 1) * (settings_.psi ? static_cast<double>(distinct_) : 1);
  }

 private:
  bool has_lambda() const { return settings_.micro_batches > 0; }

  Settings settings_;
  LayerTerms sums_;
  uint64_t distinct_ = 0;
};

template <bool lambda, bool psi>
absl::StatusOr<std::unique_ptr<Proxy>> CreateLswag(const ProxyOptions& options) {
  Settings settings{.psi = psi};
  ZCB_ASSIGN_OR_RETURN(settings.window, ParseLayerWindow(options.Text("window")));
  if (lambda) {
    ZCB_ASSIGN_OR_RETURN(settings.micro_batches, options.Integer("micro_batches", 2, 64));
    ZCB_ASSIGN_OR_RETURN(settings.is_signed, options.Flag("signed"));
  }
  if (psi) {
    ZCB_ASSIGN_OR_RETURN(settings.psi_from_start, options.Flag("psi_from_start"));
  }
  return std::make_unique<Lswag>(settings);
}

constexpr char kPaper[] = "Casarin et al., \"L-SWAG\", CVPR 2025, arXiv:2505.07300";

}  // namespace

ZCB_REGISTER(proxy, ProxyDefinition, lswag) {
  registry.Add(
      {.name = "lswag",
       .summary = "L-SWAG: gradient steadiness times distinct activation patterns",
       .paper = kPaper,
       .reads = kWeights | kImages | kLabels,
       .passes = {"train_loss"},
       .tolerance = 3e-2,
       .options = {{"micro_batches", "8"}, {"psi_from_start", "false"}, {"signed", "false"}, {"window", "whole"}},
       .create = CreateLswag<true, true>});
  registry.Add({.name = "lswag_lambda",
                .summary = "L-SWAG's gradient factor",
                .paper = kPaper,
                .reads = kWeights | kImages | kLabels,
                .passes = {"train_loss"},
                .tolerance = 3e-2,
                .options = {{"micro_batches", "8"}, {"signed", "false"}, {"window", "whole"}},
                .create = CreateLswag<true, false>});
  registry.Add({.name = "lswag_psi",
                .summary = "L-SWAG's activation factor",
                .paper = kPaper,
                .reads = kWeights | kImages,
                .passes = {"train_loss"},
                .tolerance = 1e-3,
                .options = {{"psi_from_start", "false"}, {"window", "whole"}},
                .create = CreateLswag<false, true>});
}

}  // namespace zcbench
