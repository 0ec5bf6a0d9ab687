#include "worker/models/model.h"

#include <utility>

#include "base/status_macros.h"
#include "nas/space.h"

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
                     int64_t fan_in, int64_t fan_out) {
  tensors_.push_back({std::move(name), std::move(shape), role, initialisation, fan_in, fan_out});
  return static_cast<int>(tensors_.size()) - 1;
}

Layer Model::NewLayer(const std::string& name, LayerKind kind) const {
  const size_t position = layers_.size() + activations_.size();
  return {.index = static_cast<int>(layers_.size()),
          .position = static_cast<int>(position),
          .name = name,
          .kind = kind,
          .weight = 0};
}

Layer Model::AddConvolution(const std::string& name, const Convolution& shape) {
  Layer layer = NewLayer(name, LayerKind::kConvolution);
  const int64_t in = shape.in / shape.groups;
  const int64_t area = shape.kernel * shape.kernel;
  const int64_t fan_out = shape.out / shape.groups * area;
  layer.weight = AddTensor(name + ".weight", {shape.out, in, shape.kernel, shape.kernel}, TensorRole::kLayerWeight,
                           shape.initialisation, in * area, fan_out);
  if (shape.bias) {
    layer.bias = AddTensor(name + ".bias", {shape.out}, TensorRole::kLayerBias, Initialisation::kFanIn, in * area);
  }
  layer.in = shape.in;
  layer.out = shape.out;
  layer.kernel = shape.kernel;
  layer.stride = shape.stride;
  layer.padding = shape.padding;
  layer.dilation = shape.dilation;
  layer.groups = shape.groups;
  layers_.push_back(layer);
  return layer;
}

Layer Model::AddLinear(const std::string& name, int64_t in, int64_t out, Initialisation weight, Initialisation bias) {
  Layer layer = NewLayer(name, LayerKind::kLinear);
  layer.weight = AddTensor(name + ".weight", {out, in}, TensorRole::kLayerWeight, weight, in, out);
  layer.bias = AddTensor(name + ".bias", {out}, TensorRole::kLayerBias, bias, in);
  layer.in = in;
  layer.out = out;
  layers_.push_back(layer);
  return layer;
}

TransposedConvolution Model::AddTransposedConvolution(const std::string& name, int64_t in, int64_t out) {
  TransposedConvolution layer{.name = name, .weight = 0, .bias = 0};
  // The fan-in of PyTorch's initialisation is that of the stored layout.
  layer.weight = AddTensor(name + ".weight", {in, out, 3, 3}, TensorRole::kTransposedWeight, Initialisation::kFanIn,
                           out * 9, in * 9);
  layer.bias = AddTensor(name + ".bias", {out}, TensorRole::kTransposedBias, Initialisation::kFanIn, out * 9);
  return layer;
}

Norm Model::AddNorm(const std::string& name, NormKind kind, int64_t width, double epsilon, double momentum) {
  if (kind == NormKind::kBatch) couples_samples_ = true;
  Norm norm{.index = static_cast<int>(norms_.size()),
            .name = name,
            .kind = kind,
            .weight = 0,
            .bias = 0,
            .epsilon = epsilon,
            .momentum = momentum};
  norm.weight = AddTensor(name + ".weight", {width}, TensorRole::kNormWeight, Initialisation::kOnes);
  norm.bias = AddTensor(name + ".bias", {width}, TensorRole::kNormBias, Initialisation::kZeros);
  norms_.push_back(norm);
  return norm;
}

Activation Model::AddActivation(const std::string& name, ActivationKind kind, int cell) {
  const size_t position = layers_.size() + activations_.size();
  activations_.push_back({static_cast<int>(activations_.size()), name, kind, cell, static_cast<int>(position)});
  return activations_.back();
}

absl::StatusOr<std::unique_ptr<Model>> BuildModel(std::string_view architecture, const Cell& cell) {
  ZCB_ASSIGN_OR_RETURN(const ModelDefinition* const definition, model_registry().Find(cell.space));
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, definition->build(architecture, cell));
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(cell.space));
  ZCB_ASSIGN_OR_RETURN(const int64_t flops, space->space->Flops(architecture, cell));
  ZCB_ASSIGN_OR_RETURN(std::vector<NamedCount> macs, space->space->Macs(architecture, cell));
  model->SetCounts(flops, std::move(macs));
  return model;
}

}  // namespace zcbench
