// One forward graph with everything that is differentiated on it, for all subscriptions that share it.
#ifndef ZCBENCH_WORKER_PASSES_GRAPH_RUN_H_
#define ZCBENCH_WORKER_PASSES_GRAPH_RUN_H_

#include <ATen/ATen.h>

#include <optional>
#include <utility>
#include <vector>

#include "worker/passes/observer.h"
#include "worker/passes/run_passes.h"

namespace zcbench {

// The model's operators during the run. Layers own their backward: they hand delta to the run, which makes the weight
// gradient once, in the form its observers need; autograd gets the gradient of the input and none of the weight.
class GraphRun final : public PlainOperators {
 public:
  // The batch goes through the model piece by piece.
  GraphRun(const PassInput& input, const GraphSpec& graph, const Weights& weights, std::vector<Batch> pieces);

  void Add(const Subscription& subscription, Backward backward);
  void Run();

  using PlainOperators::Apply;
  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override;
  at::Tensor Apply(const Norm& norm, const at::Tensor& x) override;
  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override;
  at::Tensor Apply(const TransposedConvolution& layer, const at::Tensor& x) override;
  void At(Point point, const at::Tensor& x) override;
  void Modules(const at::Tensor& x, int count) override;

  // What follows is for the layers' functions in the autograd graph.
  const Layer& LayerAt(int64_t index) const { return input_.model.layers()[static_cast<size_t>(index)]; }
  // The layer's output, of plain tensors.
  at::Tensor Compute(const Layer& layer, const at::Tensor& x);
  bool KeepsOutput(const at::Tensor& y) const;
  // Delta has arrived; returns the gradient of the layer's input. x and y as saved, part of the graph.
  at::Tensor LayerBackwardOf(const Layer& layer, const at::Tensor& x, const at::Tensor& y, const at::Tensor& delta);
  // The gradient of the layer's input, of plain tensors.
  at::Tensor InputGradient(const Layer& layer, const at::Tensor& delta, at::IntArrayRef input_size);
  // Second derivative: the gradient of `InputGradient` by delta along `v`; takes the one by the weight.
  at::Tensor InputGradientBackwardOf(const Layer& layer, const at::Tensor& delta, const at::Tensor& v);

 private:
  bool Wants(Backward backward) const { return wants_[static_cast<size_t>(backward)]; }
  bool Differentiates() const;
  // One image does not influence another in this graph.
  bool IndependentImages() const;

  void RunPiece(const Batch& piece);
  void DifferentiateTwice(const at::Tensor& images);
  void DifferentiateFeatures();
  void DifferentiateEach(Backward phase, const at::Tensor& values, const at::Tensor& images);
  void EndPiece();
  void EmitTotals();

  at::Tensor WeightGradient(const Layer& layer, const at::Tensor& x, const at::Tensor& delta);
  // The inputs of a derivative: the images, then the weights of norms when they are differentiated too.
  std::vector<at::Tensor> GradientInputs(const at::Tensor& images) const;
  void TakeNormGradients(int64_t first, const std::vector<at::Tensor>& gradients, double scale);
  void TakeGradient(const Layer& layer, const at::Tensor& of_one_call);
  void EmitProducts(const Layer& layer, const at::Tensor& x, const at::Tensor& delta);
  void EmitGradient(const Layer& layer, const at::Tensor& gradient);
  void EmitSamples(const SampleGradients& event);
  void EmitModule(ModuleKind kind, const at::Tensor& output, int count);

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
  // moves by 10 %. So its convolutions are summed in float64 and stored in float32, which takes away most of those
  // turns (12 to 2 of 471,040 units).
  bool sums_in_double_ = false;
  std::vector<const Subscription*> subscriptions_;
  uint32_t events_ = 0;
  bool wants_[8] = {};  // by Backward

  int64_t samples_ = 0;
  int64_t first_ = 0;                 // the first sample of the current piece
  int64_t sample_ = 0;                // the image whose loss or outputs are being differentiated
  Backward phase_ = Backward::kNone;  // what is being differentiated now
  double part_scale_ = 1;             // from a gradient of the whole batch's mean to one of the piece's own
  std::vector<int> layer_calls_;      // how often each was applied to the current piece
  std::vector<int> arrived_;          // how many gradients of its weight came since
  std::vector<int> activation_calls_;
  std::vector<at::Tensor> features_;         // of the current piece
  std::vector<at::Tensor> norm_weights_;     // leaves, with norm_gradients
  std::vector<at::Tensor> hessian_outputs_;  // whose products with hessian_factors_ sum up to the weights times
  std::vector<at::Tensor> hessian_factors_;  // their gradient
  // Where a layer is applied more than once: its weight gradient of the calls so far, or the factors of the products.
  std::vector<at::Tensor> call_gradients_;
  std::vector<std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>>> call_factors_;
  std::vector<at::Tensor> totals_;            // weight gradients of the whole batch
  std::vector<at::Tensor> hessian_products_;  // (H w + gradient) of the whole batch
  std::vector<GradientMoments> moments_;
  at::Tensor kernel_;                    // the tangent kernel, [N, N] float64 on the CPU
  std::vector<at::Tensor> kernel_rows_;  // [N, weights] of each layer, then each norm, until all images were there
  std::optional<SignPatterns> activation_patterns_;
  std::optional<SignPatterns> layer_patterns_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PASSES_GRAPH_RUN_H_
