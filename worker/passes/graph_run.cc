#include "worker/passes/graph_run.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "base/status_macros.h"
#include "worker/passes/convolution.h"
#include "worker/passes/kernels.h"
#include "worker/passes/loss.h"
#include "worker/passes/reductions.h"

namespace zcbench {
namespace {

constexpr int64_t kTile = 1 << 14;
constexpr int64_t kProductBytes = 8 << 20;  // of one chunk of per-image gradients

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

void Accumulate(at::Tensor& total, const at::Tensor& more) {
  if (total.defined()) {
    total.add_(more);
  } else {
    total = more;
  }
}

// Of a float32 batch on the CPU.
at::Tensor ConvolveInDouble(const Layer& layer, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  const kernels::ConvolutionShape shape{size(layer.in),      size(layer.out), size(layer.kernel), size(layer.stride),
                                        size(layer.padding), size(x.size(2)), size(x.size(3))};
  const at::Tensor images = x.contiguous();
  at::Tensor y = at::empty(
      {x.size(0), layer.out, static_cast<int64_t>(shape.out_height()), static_cast<int64_t>(shape.out_width())},
      x.options());
  const std::vector<double> packed = kernels::PackConvolution(shape, weight.contiguous().const_data_ptr<float>());
  const float* const biases = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  const int64_t in = images.numel() / images.size(0);
  const int64_t out = y.numel() / y.size(0);
  at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<double> scratch;
    for (int64_t n = begin; n < end; ++n) {
      kernels::ConvolveInDouble(shape, packed.data(), biases, images.const_data_ptr<float>() + n * in,
                                y.data_ptr<float>() + n * out, scratch);
    }
  });
  return y;
}

GraphRun& RunOf(torch::autograd::AutogradContext* context) {
  return *reinterpret_cast<GraphRun*>(context->saved_data["run"].toInt());
}
const Layer& LayerOf(torch::autograd::AutogradContext* context) {
  return RunOf(context).LayerAt(context->saved_data["layer"].toInt());
}
void Remember(torch::autograd::AutogradContext* context, int64_t run, int64_t layer) {
  context->saved_data["run"] = run;
  context->saved_data["layer"] = layer;
}

struct LayerFunction : public torch::autograd::Function<LayerFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t run,
                            int64_t layer) {
    Remember(context, run, layer);
    const at::Tensor y = RunOf(context).Compute(LayerOf(context), x);
    context->save_for_backward({x, RunOf(context).KeepsOutput(y) ? y : at::Tensor()});
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    return {RunOf(context).LayerBackwardOf(LayerOf(context), saved[0], saved[1], gradients[0]), {}, {}};
  }
};

// The gradient of a layer's input as a function of delta, so that it can be differentiated once more.
struct InputGradientFunction : public torch::autograd::Function<InputGradientFunction> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& delta, int64_t run,
                            int64_t layer, at::IntArrayRef input_size) {
    Remember(context, run, layer);
    context->save_for_backward({delta});
    return RunOf(context).InputGradient(LayerOf(context), delta, input_size);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::Tensor delta = context->get_saved_variables()[0];
    return {RunOf(context).InputGradientBackwardOf(LayerOf(context), delta, gradients[0]), {}, {}, {}};
  }
};

}  // namespace

GraphRun::GraphRun(const PassInput& input, const GraphSpec& graph, const Weights& weights, std::vector<Batch> pieces)
    : PlainOperators(weights, graph.batch_norm), input_(input), graph_(graph), pieces_(std::move(pieces)) {
  std::vector<at::Tensor> labels;
  for (const Batch& piece : pieces_) {
    samples_ += piece.images.size(0);
    labels.push_back(piece.labels);
  }
  if (graph_.input == GraphInput::kProbeBatch) labels_ = at::cat(labels);
  dtype_ = graph_.in_double ? at::kDouble : input_.dtype;
  sums_in_double_ = dtype_ == at::kFloat && !IndependentImages();
}

void GraphRun::Add(const Subscription& subscription, Backward backward) {
  subscriptions_.push_back(&subscription);
  events_ |= subscription.events;
  wants_[static_cast<size_t>(backward)] = true;
  if (backward == Backward::kHessian) wants_[static_cast<size_t>(Backward::kLossToWeights)] = true;
  // One graph has one kind of weight gradient, so an event needs no mark of what was differentiated.
  ZCB_CHECK(!Wants(Backward::kLossToWeights) || !Wants(Backward::kOutputToWeights));
}

bool GraphRun::Differentiates() const {
  for (size_t i = 1; i < std::size(wants_); ++i) {
    if (wants_[i]) return true;
  }
  return false;
}

bool GraphRun::IndependentImages() const {
  return !input_.model.couples_samples() || graph_.batch_norm != BatchNormUse::kBatch;
}

void GraphRun::Run() {
  const size_t layers = input_.model.layers().size();
  const size_t activations = input_.model.activations().size();
  const int calls = input_.model.calls();
  totals_.resize(layers);
  hessian_products_.resize(layers);
  call_gradients_.resize(layers);
  call_factors_.resize(layers);
  moments_.resize(layers);
  norm_weights_.resize(input_.model.norms().size());
  if (events_ & kActivationPatterns) {
    activation_patterns_.emplace(static_cast<int>(activations), static_cast<int>(samples_), calls);
    // Proxies that count patterns look at nn.ReLU and GELU.
    for (const Activation& activation : input_.model.activations()) {
      if (activation.kind == ActivationKind::kLeakyRelu) activation_patterns_->LeaveOut(activation.index);
    }
  }
  if (events_ & kTangentKernel) {
    ZCB_CHECK(graph_.norm_gradients);
    kernel_ = at::zeros({samples_, samples_}, at::kDouble);
    kernel_rows_.resize(layers + norm_weights_.size());
  }
  if (events_ & kLayerPatterns) layer_patterns_.emplace(static_cast<int>(layers), static_cast<int>(samples_), calls);
  first_ = 0;
  for (const Batch& piece : pieces_) {
    layer_calls_.assign(layers, 0);
    arrived_.assign(layers, 0);
    activation_calls_.assign(activations, 0);
    RunPiece(piece);
    EndPiece();
    first_ += piece.images.size(0);
  }
  if (activation_patterns_) {
    Emit(kActivationPatterns,
         [&](Observer& o, const PassRun& run) { o.OnActivationPatterns(run, *activation_patterns_); });
  }
  if (layer_patterns_)
    Emit(kLayerPatterns, [&](Observer& o, const PassRun& run) { o.OnLayerPatterns(run, *layer_patterns_); });
  if (events_ & kTangentKernel)
    Emit(kTangentKernel, [&](Observer& o, const PassRun& run) { o.OnTangentKernel(run, kernel_); });
  EmitTotals();
}

at::Tensor GraphRun::Apply(const Layer& layer, const at::Tensor& x) {
  const at::Tensor y =
      Differentiates() ? LayerFunction::apply(x, reinterpret_cast<int64_t>(this), layer.index) : Compute(layer, x);
  const int call = layer_calls_[static_cast<size_t>(layer.index)]++;
  if (layer_patterns_) layer_patterns_->Add(layer.index, first_, y, call);
  EmitModule(ModuleKind::kLayer, y, 1);
  return y;
}

at::Tensor GraphRun::Apply(const Norm& norm, const at::Tensor& x) {
  if ((events_ & kBatchVariances) && norm.kind == NormKind::kBatch && graph_.batch_norm == BatchNormUse::kBatch) {
    const at::Tensor variance = at::var(x.detach(), at::OptionalIntArrayRef({0, 2, 3}), /*correction=*/1);
    Emit(kBatchVariances, [&](Observer& o, const PassRun& run) { o.OnBatchVariance(run, norm, variance); });
  }
  at::Tensor y;
  if (!graph_.norm_gradients) {
    y = PlainOperators::Apply(norm, x);
  } else if (norm.kind == NormKind::kBatch) {
    at::Tensor& weight = norm_weights_[static_cast<size_t>(norm.index)];
    if (!weight.defined()) weight = Get(norm.weight).detach().clone().requires_grad_();
    y = Normalise(norm, x, weight);
  } else {
    // A weight for each image.
    at::Tensor& weight = norm_weights_[static_cast<size_t>(norm.index)];
    weight = Get(norm.weight).detach().expand({x.size(0), 1, x.size(-1)}).clone().requires_grad_();
    y = at::layer_norm(x, {x.size(-1)}, {}, {}, norm.epsilon) * weight + Get(norm.bias);
  }
  if ((events_ & kNormBackward) && y.requires_grad()) {
    y.register_hook([this, &norm, first = first_](const at::Tensor& gradient) {
      if (phase_ != Backward::kLossToWeights) return;
      Emit(kNormBackward,
           [&](Observer& o, const PassRun& run) { o.OnNormBackward(run, norm, first, gradient.detach()); });
    });
  }
  EmitModule(ModuleKind::kNorm, y, 1);
  return y;
}

at::Tensor GraphRun::Apply(const Activation& activation, const at::Tensor& x) {
  const int call = activation_calls_[static_cast<size_t>(activation.index)]++;
  if (activation_patterns_) activation_patterns_->Add(activation.index, first_, x, call);
  Emit(kActivationInputs,
       [&](Observer& o, const PassRun& run) { o.OnActivationInput(run, activation, first_, x.detach()); });
  const at::Tensor y = PlainOperators::Apply(activation, x);
  if ((events_ & kActivationBackward) && y.requires_grad()) {
    // Captured without the graph: a hook that holds its own tensor is a cycle.
    const bool gelu = activation.kind == ActivationKind::kGelu;
    y.register_hook(
        [this, &activation, gelu, kept = gelu ? x.detach() : y.detach(), first = first_](const at::Tensor& gradient) {
          if (phase_ != Backward::kLossToWeights) return;
          const at::NoGradGuard no_grad;
          at::Tensor through;
          if (gelu) {
            through = at::gelu_backward(gradient, kept, "none");
          } else if (activation.kind == ActivationKind::kRelu) {
            through = at::threshold_backward(gradient, kept, 0);
          } else {
            through = at::leaky_relu_backward(gradient, kept, 0.2, /*self_is_result=*/true);
          }
          Emit(kActivationBackward,
               [&](Observer& o, const PassRun& run) { o.OnActivationBackward(run, activation, first, through); });
        });
  }
  EmitModule(ModuleKind::kActivation, y, 1);
  return y;
}

at::Tensor GraphRun::Apply(const TransposedConvolution& layer, const at::Tensor& x) {
  const at::Tensor y = PlainOperators::Apply(layer, x);
  EmitModule(ModuleKind::kOther, y, 1);
  return y;
}

void GraphRun::At(Point point, const at::Tensor& x) {
  if (point == Point::kLast) {
    Emit(kLastFeatures, [&](Observer& o, const PassRun& run) { o.OnLastFeatures(run, first_, x.detach()); });
    return;
  }
  if (!(events_ & kFeatures) && !Wants(Backward::kFeatures)) return;
  Emit(kFeatures, [&](Observer& o, const PassRun& run) {
    o.OnFeature(run, static_cast<int>(features_.size()), first_, x.detach());
  });
  features_.push_back(x);
}

void GraphRun::Modules(const at::Tensor& x, int count) { EmitModule(ModuleKind::kOther, x, count); }

void GraphRun::EmitModule(ModuleKind kind, const at::Tensor& output, int count) {
  Emit(kModuleOutputs,
       [&](Observer& o, const PassRun& run) { o.OnModuleOutput(run, kind, first_, output.detach(), count); });
}

at::Tensor GraphRun::Compute(const Layer& layer, const at::Tensor& x) {
  if (IsConstant(graph_.weights) && layer.groups == 1) {
    // All outputs of the layer are equal, so one is computed.
    const at::Tensor y = ApplyLayer(layer, x, Get(layer.weight).narrow(0, 0, 1), {});
    std::vector<int64_t> sizes = y.sizes().vec();
    (layer.kind == LayerKind::kConvolution ? sizes[1] : sizes.back()) = layer.out;
    return y.expand(sizes);
  }
  // A grouped convolution sums too few products to matter.
  if (!sums_in_double_ || layer.kind == LayerKind::kLinear || layer.groups > 1) return PlainOperators::Apply(layer, x);
  if (x.is_cpu() && layer.dilation == 1)
    return ConvolveInDouble(layer, x, Get(layer.weight), layer.bias < 0 ? at::Tensor() : Get(layer.bias));
  const at::Tensor bias = layer.bias < 0 ? at::Tensor() : Get(layer.bias).to(at::kDouble);
  return ApplyLayer(layer, x.to(at::kDouble), Get(layer.weight).to(at::kDouble), bias).to(x.scalar_type());
}

bool GraphRun::KeepsOutput(const at::Tensor& y) const {
  return (events_ & kLayerBackward) && (y.dim() != 3 || (events_ & kTokenOutputs));
}

at::Tensor GraphRun::LayerBackwardOf(const Layer& layer, const at::Tensor& x, const at::Tensor& y,
                                     const at::Tensor& delta) {
  const bool of_images = x.is_leaf() && x.requires_grad();
  if (phase_ == Backward::kHessian) {
    Accumulate(hessian_products_[static_cast<size_t>(layer.index)], WeightGradient(layer, x, delta));
    return of_images ? at::Tensor() : InputGradient(layer, delta, x.sizes());
  }
  const bool to_weights = phase_ != Backward::kOutputToImages && phase_ != Backward::kFeatures;
  const bool twice = phase_ == Backward::kLossToWeights && Wants(Backward::kHessian);
  at::Tensor grad_input;
  if (twice) {
    // The weights times their gradient, of this layer, are also the inner product of its input and the input's
    // gradient.
    grad_input =
        InputGradientFunction::apply(delta, reinterpret_cast<int64_t>(this), layer.index, at::IntArrayRef(x.sizes()));
    if (grad_input.requires_grad()) {
      hessian_outputs_.push_back(grad_input);
      hessian_factors_.push_back(x.detach());
    }
    if (!of_images) {
      hessian_outputs_.push_back(x);
      hessian_factors_.push_back(grad_input.detach());
    }
  } else if (!of_images || phase_ == Backward::kOutputToImages) {
    grad_input = InputGradient(layer, delta, x.sizes());
  }
  if (!to_weights) return grad_input;

  const at::NoGradGuard no_grad;
  const at::Tensor input = x.detach();
  const at::Tensor flow = delta.detach();
  const bool each = phase_ == Backward::kEachLossToWeights || phase_ == Backward::kEachOutputToWeights;
  if (!each && (events_ & kLayerBackward)) {
    const LayerBackward event{first_, input, y.defined() ? y.detach() : y, flow,
                              of_images || !grad_input.defined() ? at::Tensor() : grad_input.detach()};
    Emit(kLayerBackward, [&](Observer& o, const PassRun& run) { o.OnLayerBackward(run, layer, event); });
  }
  if (!each && (events_ & (kSampleGradients | kTangentKernel)) && IndependentImages()) EmitProducts(layer, input, flow);
  if (each || (events_ & (kWeightGradients | kGradientMoments | kHessianProducts)))
    TakeGradient(layer, WeightGradient(layer, input, flow));
  return grad_input;
}

at::Tensor GraphRun::InputGradient(const Layer& layer, const at::Tensor& delta, at::IntArrayRef input_size) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = Get(layer.weight);
  if (layer.kind == LayerKind::kLinear) return at::mm(delta.reshape({-1, layer.out}), weight).view(input_size);
  const at::Tensor input = at::empty(input_size, delta.options());  // only its shape matters
  return std::get<0>(at::convolution_backward(
      delta, input, weight, at::OptionalIntArrayRef(), {layer.stride, layer.stride}, {layer.padding, layer.padding},
      {layer.dilation, layer.dilation}, false, {0, 0}, layer.groups, {true, false, false}));
}

at::Tensor GraphRun::WeightGradient(const Layer& layer, const at::Tensor& x, const at::Tensor& delta) {
  if (layer.kind == LayerKind::kLinear) return at::mm(delta.reshape({-1, layer.out}).t(), x.reshape({-1, layer.in}));
  return std::get<1>(at::convolution_backward(delta, x, Get(layer.weight), at::OptionalIntArrayRef(),
                                              {layer.stride, layer.stride}, {layer.padding, layer.padding},
                                              {layer.dilation, layer.dilation}, false, {0, 0}, layer.groups,
                                              {false, true, false}));
}

at::Tensor GraphRun::InputGradientBackwardOf(const Layer& layer, const at::Tensor& delta, const at::Tensor& v) {
  const at::NoGradGuard no_grad;
  Accumulate(hessian_products_[static_cast<size_t>(layer.index)], WeightGradient(layer, v, delta.detach()));
  return ApplyLayer(layer, v, Get(layer.weight), {});
}

std::vector<at::Tensor> GraphRun::GradientInputs(const at::Tensor& images) const {
  std::vector<at::Tensor> inputs = {images};
  for (const at::Tensor& weight : norm_weights_) {
    if (weight.defined()) inputs.push_back(weight);
  }
  return inputs;
}

void GraphRun::RunPiece(const Batch& piece) {
  at::Tensor images = piece.images.to(input_.device, dtype_);
  const auto emit_output = [&](const at::Tensor& output) {
    Emit(kOutputs, [&](Observer& o, const PassRun& run) { o.OnOutput(run, first_, output.detach()); });
  };
  if (!Differentiates()) {
    const at::NoGradGuard no_grad;
    emit_output(input_.model.Forward(*this, images));
    return;
  }
  images = images.detach().requires_grad_();
  const at::Tensor output = input_.model.Forward(*this, images);
  emit_output(output);

  // The last derivative frees the graph as it goes.
  size_t left = 0;
  for (size_t i = 1; i < std::size(wants_); ++i) left += wants_[i];
  const auto differentiate = [&](Backward phase, const at::Tensor& value, bool create_graph = false) {
    phase_ = phase;
    return torch::autograd::grad({value}, GradientInputs(images), {}, /*retain_graph=*/--left > 0, create_graph,
                                 /*allow_unused=*/true);
  };
  at::Tensor losses;
  if (Wants(Backward::kLossToWeights) || Wants(Backward::kEachLossToWeights))
    losses = ImageLosses(input_.model.kind(), output, piece);
  if (Wants(Backward::kLossToWeights)) {
    const double share = static_cast<double>(piece.images.size(0)) / static_cast<double>(samples_);
    part_scale_ = 1 / share;
    at::Tensor loss = losses.mean();
    if (pieces_.size() > 1) loss = loss * share;
    const bool twice = Wants(Backward::kHessian);
    differentiate(Backward::kLossToWeights, loss, twice);
    if (twice) DifferentiateTwice(images);
  }
  if (Wants(Backward::kOutputToWeights)) {
    const std::vector<at::Tensor> gradients = differentiate(Backward::kOutputToWeights, output.sum());
    TakeNormGradients(first_, gradients, 1);
  }
  if (Wants(Backward::kEachLossToWeights)) DifferentiateEach(Backward::kEachLossToWeights, losses, images);
  if (Wants(Backward::kEachOutputToWeights))
    DifferentiateEach(Backward::kEachOutputToWeights, output.flatten(1).sum(1), images);
  if (Wants(Backward::kFeatures)) DifferentiateFeatures();
  if (Wants(Backward::kOutputToImages)) {
    const at::Tensor gradient = differentiate(Backward::kOutputToImages, output.sum())[0];
    Emit(kInputGradients, [&](Observer& o, const PassRun& run) {
      o.OnInputGradient(run, first_, gradient.defined() ? gradient : at::zeros_like(images));
    });
  }
}

// Hessian times weights: the sum of <weights, their gradient> over the layers is differentiated by the weights, which
// gives H w + gradient. One more product a layer than the first derivative has, and nothing is recomputed.
void GraphRun::DifferentiateTwice(const at::Tensor& images) {
  phase_ = Backward::kHessian;
  if (!hessian_outputs_.empty()) {
    torch::autograd::grad(hessian_outputs_, {images}, hessian_factors_, /*retain_graph=*/true, /*create_graph=*/false,
                          /*allow_unused=*/true);
  }
  hessian_outputs_.clear();
  hessian_factors_.clear();
}

void GraphRun::DifferentiateEach(Backward phase, const at::Tensor& values, const at::Tensor& images) {
  phase_ = phase;
  const std::vector<at::Tensor> inputs = GradientInputs(images);
  for (int64_t n = 0; n < values.size(0); ++n) {
    sample_ = first_ + n;
    TakeNormGradients(sample_,
                      torch::autograd::grad({values[n]}, inputs, {}, /*retain_graph=*/true, /*create_graph=*/false,
                                            /*allow_unused=*/true),
                      1);
  }
}

void GraphRun::DifferentiateFeatures() {
  phase_ = Backward::kFeatures;
  const int last = static_cast<int>(features_.size()) - 1;
  for (int i = last; i > 0; --i) {
    const at::Tensor& to = features_[static_cast<size_t>(i)];
    const at::Tensor& from = features_[static_cast<size_t>(i) - 1];
    const int64_t elements = to.numel() / to.size(0);
    const at::Tensor signs =
        input_.weights.Signs(last - i, first_ * elements, to.sizes().vec()).to(input_.device, dtype_);
    const at::Tensor gradient = torch::autograd::grad({to}, {from}, {signs}, /*retain_graph=*/true,
                                                      /*create_graph=*/false, /*allow_unused=*/true)[0];
    Emit(kFeatureGradients, [&](Observer& o, const PassRun& run) {
      o.OnFeatureGradient(run, i, signs, gradient.defined() ? gradient : at::zeros_like(from));
    });
  }
}

void GraphRun::TakeNormGradients(int64_t first, const std::vector<at::Tensor>& gradients, double scale) {
  if (!graph_.norm_gradients) return;
  size_t next = 1;
  for (const Norm& norm : input_.model.norms()) {
    if (!norm_weights_[static_cast<size_t>(norm.index)].defined()) continue;
    const at::Tensor& gradient = gradients[next++];
    if (!gradient.defined()) continue;
    const int64_t width = gradient.size(-1);
    const at::Tensor rows = (gradient.detach() * scale).reshape({-1, 1, width});
    EmitSamples({nullptr, &norm, first, 0, rows.contiguous()});
  }
}

void GraphRun::TakeGradient(const Layer& layer, const at::Tensor& of_one_call) {
  const auto i = static_cast<size_t>(layer.index);
  Accumulate(call_gradients_[i], of_one_call);
  if (++arrived_[i] % layer_calls_[i] != 0) return;
  const at::Tensor gradient = std::exchange(call_gradients_[i], at::Tensor());
  if (phase_ == Backward::kEachLossToWeights || phase_ == Backward::kEachOutputToWeights)
    return EmitSamples({&layer, nullptr, sample_, 0, gradient.contiguous().view({1, layer.out, -1})});
  if (events_ & kGradientMoments) AddPart(moments_[i], gradient, part_scale_);
  if (!(events_ & (kWeightGradients | kHessianProducts))) return;
  // Whole-batch gradients wait until the last piece; with one piece nothing waits but for its second derivative.
  if (pieces_.size() == 1 && !(events_ & kHessianProducts)) return EmitGradient(layer, gradient);
  Accumulate(totals_[i], gradient);
}

// The gradient of each image: delta times input, a few rows of the weight at a time.
void GraphRun::EmitProducts(const Layer& layer, const at::Tensor& x, const at::Tensor& delta) {
  const int64_t n = x.size(0);
  const int64_t out = layer.out / layer.groups;
  const double scale = phase_ == Backward::kLossToWeights ? static_cast<double>(samples_) : 1;
  // [n groups, out, positions], [n groups, positions, elements]; one of each for each application of the layer.
  auto& [ds, as] = call_factors_[static_cast<size_t>(layer.index)];
  if (layer.kind == LayerKind::kLinear) {
    ds.push_back(delta.reshape({n, -1, layer.out}).transpose(1, 2));
    as.push_back(x.reshape({n, -1, layer.in}));
  } else {
    ds.push_back(delta.reshape({n * layer.groups, out, -1}));
    const at::Tensor columns = at::im2col(x, {layer.kernel, layer.kernel}, {layer.dilation, layer.dilation},
                                          {layer.padding, layer.padding}, {layer.stride, layer.stride});
    as.push_back(columns.view({n * layer.groups, columns.size(1) / layer.groups, -1}).transpose(1, 2));
  }
  if (static_cast<int>(ds.size()) < layer_calls_[static_cast<size_t>(layer.index)]) return;
  const at::Tensor d = ds.size() == 1 ? ds[0] : at::cat(ds, 2);
  const at::Tensor a = as.size() == 1 ? as[0] : at::cat(as, 1);
  ds.clear(), as.clear();
  const int64_t elements = a.size(2);
  if (layer.groups > 1) {
    return EmitSamples({&layer, nullptr, first_, 0, (at::bmm(d, a) * scale).view({n, layer.out, elements})});
  }
  const int64_t bytes = n * elements * static_cast<int64_t>(x.element_size());
  const int64_t rows = std::max<int64_t>(1, kProductBytes / bytes);
  for (int64_t row = 0; row < out; row += rows) {
    const int64_t count = std::min(rows, out - row);
    EmitSamples({&layer, nullptr, first_, row, at::bmm(d.narrow(1, row, count), a).mul_(scale)});
  }
}

void GraphRun::EmitGradient(const Layer& layer, const at::Tensor& gradient) {
  Emit(kWeightGradients, [&](Observer& o, const PassRun& run) { o.OnWeightGradient(run, layer, gradient); });
}

void GraphRun::EmitSamples(const SampleGradients& event) {
  Emit(kSampleGradients, [&](Observer& o, const PassRun& run) { o.OnSampleGradients(run, event); });
  if (!(events_ & kTangentKernel)) return;
  const at::Tensor& gradient = event.gradient;
  if (gradient.size(0) == samples_) return AddProducts(gradient, kernel_);
  const size_t index = event.layer != nullptr ? static_cast<size_t>(event.layer->index)
                                              : input_.model.layers().size() + static_cast<size_t>(event.norm->index);
  at::Tensor& rows = kernel_rows_[index];
  if (!rows.defined()) rows = at::empty({samples_, gradient.numel()}, gradient.options());
  rows[event.first].copy_(gradient.flatten());
  if (event.first + 1 < samples_) return;
  AddProducts(rows, kernel_);
  rows = at::Tensor();
}

void GraphRun::EndPiece() {
  features_.clear();
  std::fill(norm_weights_.begin(), norm_weights_.end(), at::Tensor());
}

void GraphRun::EmitTotals() {
  for (size_t i = 0; i < totals_.size(); ++i) {
    const Layer& layer = input_.model.layers()[i];
    if (totals_[i].defined()) {
      EmitGradient(layer, totals_[i]);
      if (hessian_products_[i].defined()) {
        const at::Tensor product = hessian_products_[i].sub_(totals_[i]);
        Emit(kHessianProducts,
             [&](Observer& o, const PassRun& run) { o.OnHessianProduct(run, layer, totals_[i], product); });
      }
    }
    if (moments_[i].mean.defined()) {
      Emit(kGradientMoments, [&](Observer& o, const PassRun& run) { o.OnGradientMoments(run, layer, moments_[i]); });
    }
    totals_[i] = hessian_products_[i] = at::Tensor();
    moments_[i] = {};
  }
}

}  // namespace zcbench
