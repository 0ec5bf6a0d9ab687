// A model: an architecture built for a cell, as layers that a pass can observe and change.
//
// A model holds no weights and no state: it lists the tensors it needs and says how they are connected. A pass brings
// the weights and the operators (which mode, what is recorded), so a model is the same before and after, and one model
// serves passes with different weights. Names of tensors and layers are those under which the golden values are
// published.
#ifndef ZCBENCH_WORKER_MODELS_MODEL_H_
#define ZCBENCH_WORKER_MODELS_MODEL_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"
#include "nas/task.h"

namespace zcbench {

enum class TensorRole { kLayerWeight, kLayerBias, kNormWeight, kNormBias, kEmbedding };

// How a tensor is drawn by default, i.e. as the authors of the space do.
enum class Initialisation {
  kFanIn,   // U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for weights and biases of convolutions and linear
            // layers
  kNormal,  // N(0, 0.02) cut at +-2: trunc_normal_ of the vision transformers
  kOnes,
  kZeros,
};

struct TensorSpec {
  std::string name;  // "blocks.0.qkv.weight"
  std::vector<int64_t> shape;
  TensorRole role;
  Initialisation initialisation;
  int64_t fan_in = 0;  // elements of weight[0], for kFanIn

  int64_t numel() const;
};

enum class LayerKind { kConvolution, kLinear };

// A convolution or linear layer. Its weight is what almost every gradient proxy sums over ("CL weights").
struct Layer {
  int index;         // in module order
  std::string name;  // "blocks.0.qkv"
  LayerKind kind;
  int weight;     // index into Model::tensors(): [out, in, kh, kw] or [out, in]
  int bias = -1;  // [out], or none
  int64_t in = 0;
  int64_t out = 0;
  int64_t stride = 1;
  int64_t padding = 0;
};

enum class NormKind { kBatch, kLayer };

struct Norm {
  std::string name;
  NormKind kind;
  int weight;
  int bias;
  double epsilon = 1e-5;
};

enum class ActivationKind { kRelu, kGelu };  // GELU is the exact one, x * Phi(x)

struct Activation {
  int index;  // in module order
  std::string name;
  ActivationKind kind;
};

// What a model calls for everything that a pass may observe or change. Tensors are float32 or float64, as the pass
// says.
class Operators {
 public:
  virtual ~Operators() = default;
  // [N, in, H, W] -> [N, out, H', W'], or [..., in] -> [..., out].
  virtual at::Tensor Apply(const Layer& layer, const at::Tensor& x) = 0;
  // Batch: over [N, C, H, W]; layer: over the last dimension.
  virtual at::Tensor Apply(const Norm& norm, const at::Tensor& x) = 0;
  virtual at::Tensor Apply(const Activation& activation, const at::Tensor& x) = 0;
  // A tensor that is no layer's: tokens, positions, tables.
  virtual at::Tensor Get(int tensor) = 0;
};

class Model {
 public:
  virtual ~Model() = default;

  // [N, 3, H, W] -> logits [N, classes].
  virtual at::Tensor Forward(Operators& operators, const at::Tensor& images) const = 0;

  // Single operations as the proxy `flops` counts them on this space.
  virtual int64_t flops() const = 0;

  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const std::vector<Activation>& activations() const { return activations_; }
  int64_t params() const;  // all elements of all tensors
  int classes() const { return classes_; }
  // True when one image's result depends on the others of its batch (batch normalisation in training mode).
  bool couples_samples() const { return couples_samples_; }
  // True for models of tokens [N, T, C].
  bool is_transformer() const { return is_transformer_; }

 protected:
  explicit Model(int classes, bool is_transformer) : classes_(classes), is_transformer_(is_transformer) {}

  // Called by constructors, in module order.
  int AddTensor(std::string name, std::vector<int64_t> shape, TensorRole role, Initialisation initialisation,
                int64_t fan_in = 0);
  Layer AddConvolution(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                       int64_t padding, bool bias = false);
  Layer AddLinear(const std::string& name, int64_t in, int64_t out, Initialisation weight, Initialisation bias);
  Norm AddNorm(const std::string& name, NormKind kind, int64_t width);
  Activation AddActivation(const std::string& name, ActivationKind kind);

 private:
  std::vector<TensorSpec> tensors_;
  std::vector<Layer> layers_;
  std::vector<Activation> activations_;
  int classes_;
  bool is_transformer_;
  bool couples_samples_ = false;
};

// How the architectures of one space become models. INVALID_ARGUMENT: the architecture is not canonical, or the cell is
// not one of the space.
struct ModelDefinition {
  std::string name;  // the space's
  absl::StatusOr<std::unique_ptr<Model>> (*build)(std::string_view architecture, const Cell& cell);
};

const Registry<ModelDefinition>& model_registry();

// Builds `architecture` of `cell.space` for the cell.
absl::StatusOr<std::unique_ptr<Model>> BuildModel(std::string_view architecture, const Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_MODEL_H_
