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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"
#include "nas/space.h"
#include "nas/task.h"

namespace zcbench {

enum class TensorRole {
  kLayerWeight,
  kLayerBias,
  kNormWeight,
  kNormBias,
  kEmbedding,
  kTransposedWeight,  // of a transposed convolution, which is no layer for any proxy
  kTransposedBias,
};

// How a tensor is drawn by default, i.e. as the authors of the space do.
enum class Initialisation {
  kFanIn,   // U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for weights and biases of convolutions and linear
            // layers
  kNormal,  // N(0, 0.02) cut at +-2: trunc_normal_ of the vision transformers
  kFanOutNormal,  // N(0, sqrt(2 / fan_out)): kaiming_normal_ with fan_out and ReLU
  kSmallNormal,   // N(0, 0.01)
  kOnes,
  kZeros,
};

struct TensorSpec {
  std::string name;  // "blocks.0.qkv.weight"
  std::vector<int64_t> shape;
  TensorRole role;
  Initialisation initialisation;
  int64_t fan_in = 0;   // elements of weight[0], as PyTorch counts it; of a bias: its weight's
  int64_t fan_out = 0;  // (out / groups) * kernel area; out for a linear layer

  int64_t numel() const;
};

enum class LayerKind { kConvolution, kLinear };

// A convolution or linear layer. Its weight is what almost every gradient proxy sums over ("CL weights").
struct Layer {
  int index;         // in module order
  int position;      // in the module order of layers and activations together
  std::string name;  // "blocks.0.qkv"
  LayerKind kind;
  int weight;     // index into Model::tensors(): [out, in, kh, kw] or [out, in]
  int bias = -1;  // [out], or none
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
};

// A transposed convolution, 3x3 with stride 2 that doubles height and width. No layer for any proxy (its class is
// another one in the authors' code), so its weight never counts.
struct TransposedConvolution {
  std::string name;
  int weight;  // [in, out, kernel, kernel]
  int bias;    // [out]
  int64_t stride = 2;
  int64_t padding = 1;
  int64_t output_padding = 1;
};

enum class NormKind { kBatch, kLayer };

struct Norm {
  int index;  // in module order
  std::string name;
  NormKind kind;
  int weight;
  int bias;
  double epsilon = 1e-5;
  double momentum = 0.1;  // of the running statistics, batch normalisation only
};

enum class ActivationKind { kRelu, kGelu, kLeakyRelu };  // GELU: the exact one, x * Phi(x); leaky: slope 0.2

struct Activation {
  int index;  // in module order
  std::string name;
  ActivationKind kind;
  int cell;  // of the cell, block or stage that it belongs to, from 0; the last activation comes after the last cell
  int position;  // as a layer's
};

// A place in a model that some proxy looks at.
enum class Point {
  kFeature,  // the output of the stem, then of each cell or half block, in order: what AZ-NAS looks at
  kLast,     // what enters the global average pooling, or the last convolution of a decoder: what zen looks at
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
  virtual at::Tensor Apply(const TransposedConvolution& layer, const at::Tensor& x) = 0;
  // A tensor that is no layer's: tokens, positions, tables.
  virtual at::Tensor Get(int tensor) = 0;

  // x passes this point.
  virtual void At(Point /*point*/, const at::Tensor& /*x*/) {}
  // x is also the output of `count` modules of the authors' network that are no layer, norm or activation: containers,
  // poolings, identities, the whole network. For proxies that look at every module (meco).
  virtual void Modules(const at::Tensor& /*x*/, int /*count*/) {}
};

// For Model::AddConvolution.
struct Convolution {
  int64_t in;
  int64_t out;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = false;
  Initialisation initialisation = Initialisation::kFanIn;
};

// A layer of a model's surrogate: a small network of its architecture whose layers are looked at one by one, each with
// ones in a single channel of its input (nasgraph).
struct SurrogateLayer {
  std::vector<int> parents;  // layers whose outputs are summed into its input
  int64_t channels;          // of its input
  // A convolution, followed by ReLU, of an input of `side` pixels. Otherwise each channel goes on as it is: identity,
  // and average pooling, since it takes ones to ones.
  std::optional<Convolution> convolution = {};
  int64_t side = 0;
  bool blocks = false;  // no channel goes on: a zero operation
};

class Model {
 public:
  virtual ~Model() = default;

  // [N, channels, H, W] -> the output, as TaskKind says: [N, classes] or [N, classes, H, W].
  virtual at::Tensor Forward(Operators& operators, const at::Tensor& images) const = 0;

  // A network of the same architecture with one channel and one cell, for images of one channel, as TE-NAS counts
  // linear regions on; null where there is none.
  virtual std::unique_ptr<Model> Thin() const { return nullptr; }
  // In the order in which their convolutions are drawn; empty where there is none.
  virtual std::vector<SurrogateLayer> Surrogate() const { return {}; }

  // Single operations as the proxy `flops` counts them on this space, and the other published conventions by name.
  // BuildModel sets them.
  int64_t flops() const { return flops_; }
  const std::vector<NamedCount>& macs() const { return macs_; }
  void SetCounts(int64_t flops, std::vector<NamedCount> macs) { flops_ = flops, macs_ = std::move(macs); }

  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  const std::vector<Layer>& layers() const { return layers_; }
  const std::vector<Norm>& norms() const { return norms_; }
  const std::vector<Activation>& activations() const { return activations_; }
  int64_t params() const;  // all elements of all tensors
  int classes() const { return classes_; }
  TaskKind kind() const { return kind_; }
  // True when one image's result depends on the others of its batch (batch normalisation in training mode).
  bool couples_samples() const { return couples_samples_; }
  // True for models of tokens [N, T, C].
  bool is_transformer() const { return is_transformer_; }
  // How often one forward calls each layer of the encoder: once, or for each of the jigsaw's nine tiles.
  int calls() const { return kind_ == TaskKind::kJigsaw ? 9 : 1; }

 protected:
  explicit Model(int classes, bool is_transformer, TaskKind kind = TaskKind::kClassification)
      : classes_(classes), is_transformer_(is_transformer), kind_(kind) {}

  // Called by constructors, in module order.
  int AddTensor(std::string name, std::vector<int64_t> shape, TensorRole role, Initialisation initialisation,
                int64_t fan_in = 0, int64_t fan_out = 0);
  Layer AddConvolution(const std::string& name, const Convolution& shape);
  Layer AddLinear(const std::string& name, int64_t in, int64_t out, Initialisation weight, Initialisation bias);
  // 3x3, stride 2, with bias; PyTorch's default initialisation.
  TransposedConvolution AddTransposedConvolution(const std::string& name, int64_t in, int64_t out);
  Norm AddNorm(const std::string& name, NormKind kind, int64_t width, double epsilon = 1e-5, double momentum = 0.1);
  Activation AddActivation(const std::string& name, ActivationKind kind, int cell);

 private:
  Layer NewLayer(const std::string& name, LayerKind kind) const;

  std::vector<TensorSpec> tensors_;
  std::vector<Layer> layers_;
  std::vector<Norm> norms_;
  std::vector<Activation> activations_;
  int64_t flops_ = 0;
  std::vector<NamedCount> macs_;
  int classes_;
  bool is_transformer_;
  TaskKind kind_;
  bool couples_samples_ = false;
};

// How the architectures of one space become models. INVALID_ARGUMENT: the architecture is not canonical, or the cell is
// not one of the space.
struct ModelDefinition {
  std::string name;  // the space's
  absl::StatusOr<std::unique_ptr<Model>> (*build)(std::string_view architecture, const Cell& cell);
};

const Registry<ModelDefinition>& model_registry();

// Builds `architecture` of `cell.space` for the cell, counts included.
absl::StatusOr<std::unique_ptr<Model>> BuildModel(std::string_view architecture, const Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_MODELS_MODEL_H_
