#include "worker/passes/run_passes.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/passes/first_elements.h"
#include "worker/passes/graph_run.h"

namespace zcbench {
namespace {

constexpr int kPieces = 8;
constexpr int64_t kThinBatches = 3;
constexpr int64_t kThinImages = 1000;  // of a batch

std::vector<Batch> Cut(const Batch& batch, int64_t parts) {
  if (parts == 1) return {batch};
  const int64_t count = batch.images.size(0) / parts;
  std::vector<Batch> pieces;
  for (int64_t i = 0; i < parts; ++i) pieces.push_back(batch.Slice(i * count, count));
  return pieces;
}

Scheme SchemeOf(WeightUse use) {
  switch (use) {
    case WeightUse::kKaimingFanIn:
      return Scheme::kKaimingFanIn;
    case WeightUse::kKaimingFanOut:
      return Scheme::kKaimingFanOut;
    case WeightUse::kGaussian:
      return Scheme::kGaussian;
    default:
      return Scheme::kDefault;
  }
}

// In the run's precision, on its device.
Weights Prepare(const PassInput& input, const GraphSpec& graph, int draw) {
  const WeightUse use = graph.weights;
  Weights weights;
  for (const at::Tensor& tensor : input.weights.Draw(input.model, SchemeOf(use), draw))
    weights.push_back(tensor.to(input.device, graph.in_double ? at::kDouble : input.dtype));
  for (size_t i = 0; i < weights.size(); ++i) {
    const TensorRole role = input.model.tensors()[i].role;
    const bool weight =
        role == TensorRole::kLayerWeight || role == TensorRole::kTransposedWeight || role == TensorRole::kNormWeight;
    const bool bias =
        role == TensorRole::kLayerBias || role == TensorRole::kTransposedBias || role == TensorRole::kNormBias;
    if (use == WeightUse::kAbsolute ||
        (use == WeightUse::kAbsoluteTokens && role == TensorRole::kEmbedding && weights[i].dim() == 3)) {
      weights[i] = weights[i].abs();
    } else if (IsConstant(use)) {
      const double value = use == WeightUse::kConstantLow ? 1e-7 : 1;
      if (weight) weights[i] = at::full_like(weights[i], value);
      if (bias) weights[i] = at::zeros_like(weights[i]);
    }
  }
  return weights;
}

void RunThin(const PassInput& asked, const GraphSpec& graph, const std::vector<Subscription>& subscriptions,
             const std::vector<size_t>& members) {
  constexpr int64_t images = kThinBatches * kThinImages;
  const std::unique_ptr<Model> model = asked.model.Thin();
  ZCB_CHECK(model != nullptr);
  const Batch batch{asked.weights.Normal("noise", {images, 1, 3, 3}), at::zeros({images}, at::kLong)};
  const PassInput input{*model, asked.weights, batch, {}, asked.dtype, asked.device};
  GraphRun run(input, graph, Prepare(input, graph, 0), Cut(batch, kThinBatches));
  for (const size_t i : members) run.Add(subscriptions[i], Backward::kNone);
  run.Run();
}

// Feeds each layer ones in one channel after the other.
void RunSurrogate(const PassInput& input, const std::vector<Subscription>& subscriptions,
                  const std::vector<size_t>& members) {
  const at::NoGradGuard no_grad;
  const Weights none;
  const std::vector<SurrogateLayer> layers = input.model.Surrogate();
  int drawn = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const SurrogateLayer& layer = layers[i];
    at::Tensor response = at::eye(layer.channels, at::TensorOptions(input.device).dtype(input.dtype));
    if (layer.convolution) {
      const Convolution& shape = *layer.convolution;
      const at::Tensor weight =
          input.weights.Normal(absl::StrCat("nasgraph/", drawn++), {shape.out, shape.in, shape.kernel, shape.kernel})
              .to(input.device, input.dtype);
      const at::Tensor ones =
          response.view({shape.in, shape.in, 1, 1}).expand({shape.in, shape.in, layer.side, layer.side});
      response = at::conv2d(ones, weight, {}, shape.stride, shape.padding).relu().sum(at::IntArrayRef{2, 3});
    }
    if (layer.blocks) response.zero_();
    for (const size_t m : members) {
      const Subscription& subscription = subscriptions[m];
      if (!(subscription.events & kSurrogateLayers)) continue;
      const PassRun run{subscription.pass, input.model, none, input.batch.labels, 0};
      subscription.observer->OnSurrogateLayer(run, static_cast<int>(i), layer, response);
    }
  }
}

// What a run's images are, before they are cut into pieces.
Batch InputOf(const PassInput& input, GraphInput kind, int64_t images) {
  Batch batch = input.batch.Slice(0, images);
  const std::vector<int64_t> shape = batch.images.sizes().vec();
  switch (kind) {
    case GraphInput::kProbeBatch:
      break;
    case GraphInput::kOnes:
      return {at::ones({1, shape[1], shape[2], shape[3]}), {}};
    case GraphInput::kRandom:
      batch.images = input.weights.Normal("noise", shape);
      break;
    case GraphInput::kPerturbed:
      batch.images = input.weights.Normal("noise", shape).to(input.dtype) +
                     0.01 * input.weights.Normal("perturbation", shape).to(input.dtype);
      break;
  }
  return batch;
}

// Which run a subscription belongs to: its graph and the pieces in which the images go through it.
struct RunKey {
  GraphSpec graph;
  int draw;
  int64_t images;
  int64_t pieces;
  bool given_parts;

  auto operator<=>(const RunKey&) const = default;
};

// A pass as it is for this model: what makes no difference to it is not told apart.
PassDefinition For(const Model& model, PassDefinition pass) {
  if (model.is_transformer() &&
      (pass.graph.weights == WeightUse::kKaimingFanIn || pass.graph.weights == WeightUse::kKaimingFanOut)) {
    pass.graph.weights = WeightUse::kDefault;
  }
  if (!model.couples_samples()) {
    pass.graph.batch_norm = BatchNormUse::kBatch;
    if (pass.backward == Backward::kEachLossToWeights) pass.backward = Backward::kLossToWeights;
    if (pass.backward == Backward::kEachOutputToWeights) pass.backward = Backward::kOutputToWeights;
  }
  // The Jacobian of a batch-normalised network is chaotic in float32: rounding the images alone moves epe_nas by 7 %.
  if (model.couples_samples() && pass.backward == Backward::kOutputToImages &&
      pass.graph.batch_norm == BatchNormUse::kBatch) {
    pass.graph.in_double = true;
  }
  return pass;
}

int64_t PiecesFor(int64_t samples) {
  int64_t pieces = kPieces;
  while (samples % pieces != 0) --pieces;
  return pieces;
}

absl::StatusOr<RunKey> KeyOf(const PassInput& input, const PassDefinition& pass, const PassSpec& spec) {
  const int64_t all = input.batch.images.size(0);
  const int64_t images = spec.images > 0 ? std::min<int64_t>(spec.images, all) : all;
  const int draw = pass.graph.weights == WeightUse::kGaussian ? spec.draw : 0;
  if (pass.graph.network != Network::kOwn) return RunKey{pass.graph, 0, 0, 1, false};
  if (pass.graph.input == GraphInput::kOnes) return RunKey{pass.graph, draw, images, 1, false};
  if (spec.parts == 1) {
    // All images of a layer at once where their gradients are multiplied with each other.
    const bool whole =
        pass.graph.norm_gradients || (input.model.couples_samples() && pass.graph.batch_norm == BatchNormUse::kBatch);
    return RunKey{pass.graph, draw, images, whole ? 1 : PiecesFor(images), false};
  }
  if (pass.backward != Backward::kLossToWeights) {
    return absl::InvalidArgumentError(absl::StrCat("pass ", pass.name, " has no parts"));
  }
  if (!input.parts.empty()) {
    return RunKey{pass.graph, draw, images, static_cast<int64_t>(input.parts.size()), true};
  }
  if (images % spec.parts != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.parts, " micro-batches do not divide a probe batch of ", images, " images"));
  }
  return RunKey{pass.graph, draw, images, spec.parts, false};
}

}  // namespace

int PiecesOf(const Model& model, int64_t samples) {
  return model.couples_samples() ? 1 : static_cast<int>(PiecesFor(samples));
}

absl::StatusOr<std::vector<double>> RunPasses(const PassInput& input, const std::vector<Subscription>& subscriptions) {
  std::map<RunKey, std::vector<size_t>> runs;
  std::vector<PassDefinition> passes;  // of the subscriptions
  for (size_t i = 0; i < subscriptions.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(const PassDefinition* const pass, pass_registry().Find(subscriptions[i].pass.pass));
    passes.push_back(For(input.model, *pass));
    ZCB_ASSIGN_OR_RETURN(const RunKey key, KeyOf(input, passes.back(), subscriptions[i].pass));
    runs[key].push_back(i);
  }

  std::vector<double> seconds(subscriptions.size(), 0.0);
  Weights weights;
  std::optional<std::tuple<WeightUse, int, bool>> prepared;  // runs are sorted by it
  for (const auto& [key, members] : runs) {
    const auto start = std::chrono::steady_clock::now();
    if (key.graph.network == Network::kThin) {
      RunThin(input, key.graph, subscriptions, members);
    } else if (key.graph.network == Network::kSurrogate) {
      RunSurrogate(input, subscriptions, members);
    } else {
      const std::tuple wanted = {key.graph.weights, key.draw, key.graph.in_double};
      if (prepared != wanted) {
        weights.clear();
        weights = Prepare(input, key.graph, key.draw);
        prepared = wanted;
      }
      std::vector<Batch> pieces =
          key.given_parts ? input.parts : Cut(InputOf(input, key.graph.input, key.images), key.pieces);
      if (key.graph.first_elements) {
        RunFirstElements(input, key.graph.batch_norm, weights, pieces, subscriptions, members);
      } else {
        GraphRun run(input, key.graph, weights, std::move(pieces));
        for (const size_t i : members) run.Add(subscriptions[i], passes[i].backward);
        run.Run();
      }
    }
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (const size_t i : members) seconds[i] += elapsed / static_cast<double>(members.size());
  }
  return seconds;
}

}  // namespace zcbench
