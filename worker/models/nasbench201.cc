#include "worker/models/nasbench201.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr int kWidth = 16;
constexpr int kCellsPerStage = 5;
constexpr int kStages = 3;

// ReLU - convolution - batch normalisation.
struct ConvolutionEdge {
  Activation relu;
  Layer convolution;
  Norm norm;

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    const at::Tensor y = ops.Apply(norm, ops.Apply(convolution, ops.Apply(relu, x)));
    ops.Modules(y, 2);  // ReLUConvBN and its Sequential
    return y;
  }
};

struct Stage {
  // One of the two: a searched cell, or a reduction.
  std::array<std::optional<ConvolutionEdge>, 6> edges;
  std::optional<ConvolutionEdge> reduce_a;
  std::optional<ConvolutionEdge> reduce_b;
  std::optional<Layer> shortcut;
};

class Nasbench201Model final : public Model {
 public:
  // thin: TE-NAS's network, one cell of one channel between the images and the last activation.
  Nasbench201Model(const Nasbench201Cell& cell, int classes, bool thin = false)
      : Model(classes, /*is_transformer=*/false), cell_(cell), thin_(thin) {
    int64_t width = thin ? 1 : kWidth;
    if (thin) {
      AddCell(width);
    } else {
      stem_ = AddConvolution("stem.conv", {.in = 3, .out = width, .kernel = 3, .padding = 1});
      stem_norm_ = AddNorm("stem.bn", NormKind::kBatch, width);
      for (int stage = 0; stage < kStages; ++stage) {
        if (stage > 0) {
          AddReduction(width);
          width *= 2;
        }
        for (int i = 0; i < kCellsPerStage; ++i) AddCell(width);
      }
    }
    last_norm_ = AddNorm("lastact.bn", NormKind::kBatch, width);
    last_relu_ = AddActivation("lastact.relu", ActivationKind::kRelu, static_cast<int>(stages_.size()));
    classifier_ = AddLinear("classifier", width, classes, Initialisation::kFanIn, Initialisation::kFanIn);
  }

  at::Tensor Forward(Operators& ops, const at::Tensor& images) const override {
    at::Tensor x = images;
    if (!thin_) {
      x = ops.Apply(stem_norm_, ops.Apply(stem_, images));
      ops.Modules(x, 1);  // Sequential
      ops.At(Point::kFeature, x);
    }
    for (const Stage& stage : stages_) {
      x = stage.shortcut ? Reduce(ops, stage, x) : RunCell(ops, stage, x);
      ops.Modules(x, 1);  // InferCell, ResNetBasicblock
      ops.At(Point::kFeature, x);
    }
    x = ops.Apply(last_relu_, ops.Apply(last_norm_, x));
    ops.Modules(x, 1);  // Sequential
    ops.At(Point::kLast, x);
    return ops.Apply(classifier_, x.mean(at::IntArrayRef{2, 3}));
  }

  std::unique_ptr<Model> Thin() const override {
    return std::make_unique<Nasbench201Model>(cell_, classes(), /*thin=*/true);
  }

  // One cell a stage, 32 pixels, no normalisation.
  std::vector<SurrogateLayer> Surrogate() const override {
    std::vector<SurrogateLayer> layers;
    const auto add = [&](SurrogateLayer layer) {
      layers.push_back(std::move(layer));
      return static_cast<int>(layers.size()) - 1;
    };
    const auto convolve = [&](const std::vector<int>& parents, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                              int64_t side) {
      return add(
          {.parents = parents,
           .channels = in,
           .convolution = Convolution{.in = in, .out = out, .kernel = kernel, .stride = stride, .padding = kernel / 2},
           .side = side});
    };
    int64_t width = kWidth;
    int64_t side = 32;
    std::vector<int> input = {convolve({add({.parents = {}, .channels = 3})}, 3, width, 3, 1, side)};
    for (int stage = 0; stage < kStages; ++stage) {
      if (stage > 0) {
        const int conv_a = convolve(input, width, 2 * width, 3, 2, side);
        side /= 2;
        const int conv_b = convolve({conv_a}, 2 * width, 2 * width, 3, 1, side);
        // Behind its average pooling.
        const int shortcut = convolve(input, width, 2 * width, 1, 1, side);
        input = {conv_b, shortcut};
        width *= 2;
      }
      std::array<std::vector<int>, 4> nodes;  // what is summed into them
      nodes[0] = input;
      for (size_t e = 0; e < cell_.size(); ++e) {
        const std::vector<int>& parents = nodes[kNasbench201Edges[e].from];
        const bool convolution = cell_[e] == Nasbench201Op::kConv1x1 || cell_[e] == Nasbench201Op::kConv3x3;
        nodes[kNasbench201Edges[e].to].push_back(
            convolution ? convolve(parents, width, width, cell_[e] == Nasbench201Op::kConv3x3 ? 3 : 1, 1, side)
                        : add({.parents = parents, .channels = width, .blocks = cell_[e] == Nasbench201Op::kNone}));
      }
      input = nodes[3];
    }
    add({.parents = input, .channels = width});
    return layers;
  }

 private:
  ConvolutionEdge AddEdge(const std::string& relu, const std::string& convolution, const std::string& norm, int64_t in,
                          int64_t out, int64_t kernel, int64_t stride) {
    const Activation activation = AddActivation(relu, ActivationKind::kRelu, static_cast<int>(stages_.size()));
    const Layer layer =
        AddConvolution(convolution, {.in = in, .out = out, .kernel = kernel, .stride = stride, .padding = kernel / 2});
    return {activation, layer, AddNorm(norm, NormKind::kBatch, out)};
  }

  void AddCell(int64_t width) {
    Stage stage;
    for (size_t e = 0; e < cell_.size(); ++e) {
      if (cell_[e] != Nasbench201Op::kConv1x1 && cell_[e] != Nasbench201Op::kConv3x3) continue;
      const std::string name =
          absl::StrCat("cells.", stages_.size(), ".edge_", kNasbench201Edges[e].from, "_", kNasbench201Edges[e].to);
      const int64_t kernel = cell_[e] == Nasbench201Op::kConv3x3 ? 3 : 1;
      stage.edges[e] = AddEdge(name + ".relu", name + ".conv", name + ".bn", width, width, kernel, 1);
    }
    stages_.push_back(std::move(stage));
  }

  void AddReduction(int64_t width) {
    const std::string name = absl::StrCat("cells.", stages_.size());
    Stage stage;
    stage.reduce_a = AddEdge(name + ".relu_a", name + ".conv_a", name + ".bn_a", width, 2 * width, 3, 2);
    stage.reduce_b = AddEdge(name + ".relu_b", name + ".conv_b", name + ".bn_b", 2 * width, 2 * width, 3, 1);
    stage.shortcut = AddConvolution(name + ".shortcut.conv", {.in = width, .out = 2 * width});
    stages_.push_back(std::move(stage));
  }

  at::Tensor RunCell(Operators& ops, const Stage& stage, const at::Tensor& x) const {
    std::array<at::Tensor, 4> nodes;
    nodes[0] = x;
    for (int to = 1; to < 4; ++to) {
      for (size_t e = 0; e < cell_.size(); ++e) {
        if (kNasbench201Edges[e].to != to || cell_[e] == Nasbench201Op::kNone) continue;
        at::Tensor value = nodes[kNasbench201Edges[e].from];
        if (stage.edges[e]) {
          value = (*stage.edges[e])(ops, value);
        } else if (cell_[e] == Nasbench201Op::kAvgPool3x3) {
          value = at::avg_pool2d(value, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
          ops.Modules(value, 2);  // POOLING and its AvgPool2d
        } else {
          ops.Modules(value, 1);  // Identity
        }
        nodes[to] = nodes[to].defined() ? nodes[to] + value : value;
      }
      // What nothing feeds is zero, and connected by a zero gradient.
      if (!nodes[to].defined()) nodes[to] = x * 0;
    }
    return nodes[3];
  }

  at::Tensor Reduce(Operators& ops, const Stage& stage, const at::Tensor& x) const {
    const at::Tensor main = (*stage.reduce_b)(ops, (*stage.reduce_a)(ops, x));
    const at::Tensor pooled = at::avg_pool2d(x, 2, 2);
    ops.Modules(pooled, 1);  // AvgPool2d
    const at::Tensor shortcut = ops.Apply(*stage.shortcut, pooled);
    ops.Modules(shortcut, 1);  // Sequential
    return shortcut + main;
  }

  Nasbench201Cell cell_;
  bool thin_;
  Layer stem_;
  Norm stem_norm_;
  std::vector<Stage> stages_;
  Norm last_norm_;
  Activation last_relu_;
  Layer classifier_;
};

}  // namespace

std::unique_ptr<Model> MakeNasbench201Model(const Nasbench201Cell& cell, int classes) {
  return std::make_unique<Nasbench201Model>(cell, classes);
}

ZCB_REGISTER(model, ModelDefinition, nasbench201) {
  registry.Add(
      {"nasbench201", [](std::string_view architecture, const Cell& cell) -> absl::StatusOr<std::unique_ptr<Model>> {
         ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell ops, DecodeNasbench201(architecture));
         return MakeNasbench201Model(ops, cell.classes);
       }});
}

}  // namespace zcbench
