#include "worker/models/model.h"

#include "base/status_macros.h"

namespace zcbench {

int64_t TensorSpec::numel() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

int64_t Model::params() const {
  int64_t count = 0;
  for (const TensorSpec& tensor : tensors_) count += tensor.numel();
  return count;
}

int Model::AddTensor(std::string name, std::vector<int64_t> shape, TensorRole role, Initialisation initialisation,
                     int64_t fan_in) {
  tensors_.push_back({std::move(name), std::move(shape), role, initialisation, fan_in});
  return static_cast<int>(tensors_.size()) - 1;
}

Layer Model::AddConvolution(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                            int64_t padding, bool bias) {
  Layer layer{.index = static_cast<int>(layers_.size()), .name = name, .kind = LayerKind::kConvolution, .weight = 0};
  const int64_t fan_in = in * kernel * kernel;
  layer.weight =
      AddTensor(name + ".weight", {out, in, kernel, kernel}, TensorRole::kLayerWeight, Initialisation::kFanIn, fan_in);
  if (bias) layer.bias = AddTensor(name + ".bias", {out}, TensorRole::kLayerBias, Initialisation::kFanIn, fan_in);
  layer.in = in;
  layer.out = out;
  layer.stride = stride;
  layer.padding = padding;
  layers_.push_back(layer);
  return layer;
}

Layer Model::AddLinear(const std::string& name, int64_t in, int64_t out, Initialisation weight, Initialisation bias) {
  Layer layer{.index = static_cast<int>(layers_.size()), .name = name, .kind = LayerKind::kLinear, .weight = 0};
  layer.weight = AddTensor(name + ".weight", {out, in}, TensorRole::kLayerWeight, weight, in);
  layer.bias = AddTensor(name + ".bias", {out}, TensorRole::kLayerBias, bias, in);
  layer.in = in;
  layer.out = out;
  layers_.push_back(layer);
  return layer;
}

Norm Model::AddNorm(const std::string& name, NormKind kind, int64_t width) {
  if (kind == NormKind::kBatch) couples_samples_ = true;
  Norm norm{.name = name, .kind = kind, .weight = 0, .bias = 0};
  norm.weight = AddTensor(name + ".weight", {width}, TensorRole::kNormWeight, Initialisation::kOnes);
  norm.bias = AddTensor(name + ".bias", {width}, TensorRole::kNormBias, Initialisation::kZeros);
  return norm;
}

Activation Model::AddActivation(const std::string& name, ActivationKind kind) {
  activations_.push_back({static_cast<int>(activations_.size()), name, kind});
  return activations_.back();
}

absl::StatusOr<std::unique_ptr<Model>> BuildModel(std::string_view architecture, const Cell& cell) {
  ZCB_ASSIGN_OR_RETURN(const ModelDefinition* const definition, model_registry().Find(cell.space));
  return definition->build(architecture, cell);
}

}  // namespace zcbench
