#include "worker/passes/run_passes.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/passes/kernels.h"

namespace zcbench {
namespace {

constexpr int kPieces = 8;
constexpr int64_t kTile = 1 << 14;

at::Tensor DoubleZeros(const at::Tensor& like) { return at::zeros(like.sizes(), like.options().dtype(at::kDouble)); }

// Takes the gradient of one more part.
void AddPart(GradientMoments& moments, const at::Tensor& gradient, double scale) {
  if (!moments.mean.defined()) {
    moments = {0, DoubleZeros(gradient), DoubleZeros(gradient), DoubleZeros(gradient), DoubleZeros(gradient)};
  }
  const int k = moments.parts++;
  if (!gradient.is_cpu()) {
    const at::Tensor value = gradient.to(at::kDouble) * scale;
    const auto update = [&](const at::Tensor& x, at::Tensor& mean, at::Tensor& m2) {
      const at::Tensor step = x - mean;
      mean.add_(step, 1.0 / (k + 1));
      m2.addcmul_(step, x - mean);
    };
    update(value, moments.mean, moments.m2);
    update(value.abs(), moments.mean_abs, moments.m2_abs);
    return;
  }
  const at::Tensor g = gradient.contiguous();
  AT_DISPATCH_FLOATING_TYPES(g.scalar_type(), "moments", [&] {
    const scalar_t* values = g.const_data_ptr<scalar_t>();
    double* mean = moments.mean.data_ptr<double>();
    double* m2 = moments.m2.data_ptr<double>();
    double* mean_abs = moments.mean_abs.data_ptr<double>();
    double* m2_abs = moments.m2_abs.data_ptr<double>();
    at::parallel_for(0, g.numel(), kTile, [&](int64_t begin, int64_t end) {
      kernels::UpdateMoments(values + begin, scale, k, static_cast<size_t>(end - begin), mean + begin, m2 + begin,
                             mean_abs + begin, m2_abs + begin);
    });
  });
}

class GraphRun;

// A layer that owns its backward: it hands delta to the run, which makes the weight gradient once, in the form its
// observers need; autograd gets the gradient of the input and none of the weight.
struct LayerFunction : public torch::autograd::Function<LayerFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t run, int64_t layer);
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients);
};

// One forward graph with what is differentiated on it, for all subscriptions that share it.
class GraphRun final : public PlainOperators {
 public:
  GraphRun(const PassInput& input, const GraphSpec& graph, const Weights& weights, std::vector<Batch> pieces)
      : PlainOperators(weights, graph.batch_norm), input_(input), graph_(graph), pieces_(std::move(pieces)) {
    std::vector<at::Tensor> labels;
    for (const Batch& piece : pieces_) {
      samples_ += piece.images.size(0);
      labels.push_back(piece.labels);
    }
    if (graph_.input == GraphInput::kProbeBatch) labels_ = at::cat(labels);
    dtype_ = graph_.weights == WeightUse::kAbsolute ? at::kDouble : input_.dtype;
    sums_in_double_ = dtype_ == at::kFloat && input_.model.couples_samples() && pieces_.size() == 1;
  }

  void Add(const Subscription& subscription, Backward backward) {
    subscriptions_.push_back(&subscription);
    events_ |= subscription.events;
    wants_[static_cast<size_t>(backward)] = true;
    // One graph has one kind of weight gradient, so an event needs no mark of what was differentiated.
    ZCB_CHECK(!Wants(Backward::kLossToWeights) || !Wants(Backward::kOutputToWeights));
  }

  void Run() {
    const size_t layers = input_.model.layers().size();
    totals_.resize(layers);
    moments_.resize(layers);
    if (events_ & kActivationPatterns)
      activation_patterns_.emplace(static_cast<int>(input_.model.activations().size()), static_cast<int>(samples_));
    if (events_ & kLayerPatterns) layer_patterns_.emplace(static_cast<int>(layers), static_cast<int>(samples_));
    first_ = 0;
    for (const Batch& piece : pieces_) {
      RunPiece(piece);
      first_ += piece.images.size(0);
    }
    if (activation_patterns_) {
      Emit(kActivationPatterns,
           [&](Observer& o, const PassRun& run) { o.OnActivationPatterns(run, *activation_patterns_); });
    }
    if (layer_patterns_)
      Emit(kLayerPatterns, [&](Observer& o, const PassRun& run) { o.OnLayerPatterns(run, *layer_patterns_); });
    for (size_t i = 0; i < layers; ++i) {
      const Layer& layer = input_.model.layers()[i];
      if (totals_[i].defined()) EmitGradient(layer, totals_[i]);
      if (moments_[i].mean.defined()) {
        Emit(kGradientMoments, [&](Observer& o, const PassRun& run) { o.OnGradientMoments(run, layer, moments_[i]); });
      }
      totals_[i] = at::Tensor();
      moments_[i] = {};
    }
  }

  using PlainOperators::Apply;
  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override {
    const at::Tensor y =
        Differentiates() ? LayerFunction::apply(x, reinterpret_cast<int64_t>(this), layer.index) : Compute(layer, x);
    if (layer_patterns_) layer_patterns_->Add(layer.index, first_, y);
    return y;
  }

  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override {
    if (activation_patterns_) activation_patterns_->Add(activation.index, first_, x);
    return PlainOperators::Apply(activation, x);
  }

  // The layer's output, of plain tensors.
  at::Tensor Compute(const Layer& layer, const at::Tensor& x) {
    if (!sums_in_double_ || layer.kind == LayerKind::kLinear) return PlainOperators::Apply(layer, x);
    const at::Tensor bias = layer.bias < 0 ? at::Tensor() : Get(layer.bias).to(at::kDouble);
    return ApplyLayer(layer, x.to(at::kDouble), Get(layer.weight).to(at::kDouble), bias).to(x.scalar_type());
  }

  // Called by the layers in the backward direction; returns the gradient of the layer's input.
  at::Tensor LayerBackwardOf(const Layer& layer, const at::Tensor& x, const at::Tensor& y, const at::Tensor& delta) {
    const bool of_images = x.is_leaf() && x.requires_grad();
    const bool to_weights = phase_ != Backward::kOutputToImages;
    const bool wants_gradient = to_weights && (events_ & (kWeightGradients | kGradientMoments));
    const bool wants_input = !of_images || phase_ == Backward::kOutputToImages;
    const at::NoGradGuard no_grad;
    const auto [grad_input, grad_weight] = Gradients(layer, x.detach(), delta, wants_input, wants_gradient);
    if (to_weights && (events_ & kLayerBackward)) {
      const LayerBackward event{first_, x.detach(), y.defined() ? y.detach() : y, delta, grad_input};
      Emit(kLayerBackward, [&](Observer& o, const PassRun& run) { o.OnLayerBackward(run, layer, event); });
    }
    if (grad_weight.defined()) TakeGradient(layer, grad_weight);
    return grad_input;
  }

  bool KeepsOutput(const at::Tensor& y) const {
    return (events_ & kLayerBackward) && (y.dim() != 3 || (events_ & kTokenOutputs));
  }
  const Layer& LayerAt(int64_t index) const { return input_.model.layers()[static_cast<size_t>(index)]; }

 private:
  bool Wants(Backward backward) const { return wants_[static_cast<size_t>(backward)]; }
  bool Differentiates() const {
    return Wants(Backward::kLossToWeights) || Wants(Backward::kOutputToWeights) || Wants(Backward::kOutputToImages);
  }

  void RunPiece(const Batch& piece) {
    at::Tensor images = piece.images.to(input_.device, dtype_);
    if (!Differentiates()) {
      const at::NoGradGuard no_grad;
      input_.model.Forward(*this, images);
      return;
    }
    images = images.detach().requires_grad_();
    const at::Tensor logits = input_.model.Forward(*this, images);
    const bool to_images = Wants(Backward::kOutputToImages);
    if (Wants(Backward::kLossToWeights)) {
      phase_ = Backward::kLossToWeights;
      const double share = static_cast<double>(piece.images.size(0)) / static_cast<double>(samples_);
      at::Tensor loss = at::cross_entropy_loss(logits, piece.labels.to(input_.device));
      if (pieces_.size() > 1) loss = loss * share;
      part_scale_ = pieces_.size() > 1 ? 1 / share : 1;
      torch::autograd::grad({loss}, {images}, {}, /*retain_graph=*/to_images, /*create_graph=*/false,
                            /*allow_unused=*/true);
    }
    if (Wants(Backward::kOutputToWeights)) {
      phase_ = Backward::kOutputToWeights;
      torch::autograd::grad({logits.sum()}, {images}, {}, /*retain_graph=*/to_images, /*create_graph=*/false,
                            /*allow_unused=*/true);
    }
    if (to_images) {
      phase_ = Backward::kOutputToImages;
      const at::Tensor gradient = torch::autograd::grad({logits.sum()}, {images})[0];
      Emit(kInputGradients, [&](Observer& o, const PassRun& run) { o.OnInputGradient(run, first_, gradient); });
    }
  }

  std::pair<at::Tensor, at::Tensor> Gradients(const Layer& layer, const at::Tensor& x, const at::Tensor& delta,
                                              bool to_input, bool to_weight) {
    const at::Tensor weight = Get(layer.weight);
    if (layer.kind == LayerKind::kConvolution) {
      auto [dx, dw, db] = at::convolution_backward(delta, x, weight, at::OptionalIntArrayRef(),
                                                   {layer.stride, layer.stride}, {layer.padding, layer.padding}, {1, 1},
                                                   false, {0, 0}, 1, {to_input, to_weight, false});
      return {dx, dw};
    }
    const at::Tensor rows = delta.reshape({-1, layer.out});
    at::Tensor dx, dw;
    if (to_input) dx = at::mm(rows, weight).view(x.sizes());
    if (to_weight) dw = at::mm(rows.t(), x.reshape({-1, layer.in}));
    return {dx, dw};
  }

  // Whole-batch gradients wait until the last piece; with one piece nothing waits.
  void TakeGradient(const Layer& layer, const at::Tensor& gradient) {
    const auto i = static_cast<size_t>(layer.index);
    if (events_ & kGradientMoments) AddPart(moments_[i], gradient, part_scale_);
    if (!(events_ & kWeightGradients)) return;
    if (pieces_.size() == 1) return EmitGradient(layer, gradient);
    totals_[i] = totals_[i].defined() ? totals_[i].add_(gradient) : gradient;
  }

  void EmitGradient(const Layer& layer, const at::Tensor& gradient) {
    Emit(kWeightGradients, [&](Observer& o, const PassRun& run) { o.OnWeightGradient(run, layer, gradient); });
  }

  template <typename Call>
  void Emit(Event event, Call call) {
    for (const Subscription* s : subscriptions_) {
      if (s->events & event) call(*s->observer, PassRun{s->pass, input_.model, weights(), labels_, samples_});
    }
  }

  const PassInput& input_;
  GraphSpec graph_;
  std::vector<Batch> pieces_;
  at::Tensor labels_;
  at::ScalarType dtype_;
  // A batch-normalised ReLU network is chaotic in float32: a rounding error turns a unit's sign, and epe_nas or plain
  // moves by 10 %. So the whole batch's convolutions are summed in float64 and stored in float32, which takes away most
  // of those turns (12 to 2 of 471,040 units).
  bool sums_in_double_ = false;
  std::vector<const Subscription*> subscriptions_;
  uint32_t events_ = 0;
  bool wants_[4] = {};

  int64_t samples_ = 0;
  int64_t first_ = 0;                 // the first sample of the current piece
  Backward phase_ = Backward::kNone;  // what is being differentiated now
  double part_scale_ = 1;             // from a gradient of the whole batch's mean to one of the piece's own
  std::vector<at::Tensor> totals_;
  std::vector<GradientMoments> moments_;
  std::optional<SignPatterns> activation_patterns_;
  std::optional<SignPatterns> layer_patterns_;
};

at::Tensor LayerFunction::forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t run,
                                  int64_t layer) {
  auto& graph = *reinterpret_cast<GraphRun*>(run);
  const at::Tensor y = graph.Compute(graph.LayerAt(layer), x);
  context->save_for_backward({x, graph.KeepsOutput(y) ? y : at::Tensor()});
  context->saved_data["run"] = run;
  context->saved_data["layer"] = layer;
  return y;
}

torch::autograd::variable_list LayerFunction::backward(torch::autograd::AutogradContext* context,
                                                       torch::autograd::variable_list gradients) {
  auto& graph = *reinterpret_cast<GraphRun*>(context->saved_data["run"].toInt());
  const torch::autograd::variable_list saved = context->get_saved_variables();
  const Layer& layer = graph.LayerAt(context->saved_data["layer"].toInt());
  return {graph.LayerBackwardOf(layer, saved[0], saved[1], gradients[0]), {}, {}};
}

std::vector<Batch> Cut(const Batch& batch, int64_t parts) {
  if (parts == 1) return {batch};
  const std::vector<at::Tensor> images = batch.images.chunk(parts);
  const std::vector<at::Tensor> labels = batch.labels.chunk(parts);
  std::vector<Batch> pieces;
  for (size_t i = 0; i < images.size(); ++i) pieces.push_back({images[i], labels[i]});
  return pieces;
}

Weights Prepare(const Weights& weights, WeightUse use, const PassInput& input) {
  Weights prepared;
  for (const at::Tensor& tensor : weights) {
    prepared.push_back(use == WeightUse::kAbsolute ? tensor.to(input.device, at::kDouble).abs()
                                                   : tensor.to(input.device, input.dtype));
  }
  return prepared;
}

// Which run a subscription belongs to: its graph and the pieces in which the images go through it.
struct RunKey {
  GraphSpec graph;
  int64_t pieces;
  bool given_parts;

  auto operator<=>(const RunKey&) const = default;
};

absl::StatusOr<RunKey> KeyOf(const PassInput& input, const PassDefinition& pass, const PassSpec& spec) {
  const int64_t samples = input.batch.images.size(0);
  if (pass.graph.input == GraphInput::kOnes) return RunKey{pass.graph, 1, false};
  if (spec.parts == 1) return RunKey{pass.graph, PiecesOf(input.model, samples), false};
  if (pass.backward != Backward::kLossToWeights) {
    return absl::InvalidArgumentError(absl::StrCat("pass ", pass.name, " has no parts"));
  }
  if (!input.parts.empty()) return RunKey{pass.graph, static_cast<int64_t>(input.parts.size()), true};
  if (samples % spec.parts != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.parts, " micro-batches do not divide a probe batch of ", samples, " images"));
  }
  return RunKey{pass.graph, spec.parts, false};
}

}  // namespace

int PiecesOf(const Model& model, int64_t samples) {
  if (model.couples_samples()) return 1;
  int pieces = kPieces;
  while (samples % pieces != 0) --pieces;
  return pieces;
}

absl::StatusOr<std::vector<double>> RunPasses(const PassInput& input, const std::vector<Subscription>& subscriptions) {
  std::map<RunKey, std::vector<size_t>> runs;
  std::vector<const PassDefinition*> passes;  // of the subscriptions
  for (size_t i = 0; i < subscriptions.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(const PassDefinition* const pass, pass_registry().Find(subscriptions[i].pass.pass));
    ZCB_ASSIGN_OR_RETURN(const RunKey key, KeyOf(input, *pass, subscriptions[i].pass));
    runs[key].push_back(i);
    passes.push_back(pass);
  }

  std::vector<double> seconds(subscriptions.size(), 0.0);
  if (runs.empty()) return seconds;
  const Weights drawn = input.weights.Default(input.model);
  Weights weights;
  std::optional<WeightUse> prepared;  // runs are sorted by it
  for (const auto& [key, members] : runs) {
    const auto start = std::chrono::steady_clock::now();
    if (prepared != key.graph.weights) {
      weights = Prepare(drawn, key.graph.weights, input);
      prepared = key.graph.weights;
    }
    std::vector<Batch> pieces;
    if (key.graph.input == GraphInput::kOnes) {
      pieces = {
          {at::ones({1, input.batch.images.size(1), input.batch.images.size(2), input.batch.images.size(3)}), {}}};
    } else {
      pieces = key.given_parts ? input.parts : Cut(input.batch, key.pieces);
    }
    GraphRun run(input, key.graph, weights, std::move(pieces));
    for (const size_t i : members) run.Add(subscriptions[i], passes[i]->backward);
    run.Run();
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const size_t i : members) seconds[i] += elapsed / static_cast<double>(members.size());
  }
  return seconds;
}

}  // namespace zcbench
