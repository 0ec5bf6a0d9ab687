#include "worker/models/transnas.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

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

// A skip that changes channels and resolution.
struct ReductionEdge {
  Activation relu;
  Layer convolution;
  Layer shifted;
  Norm norm;

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    const at::Tensor positive = ops.Apply(relu, x);
    const at::Tensor padded = at::constant_pad_nd(positive, {0, 1, 0, 1});
    ops.Modules(padded, 1);  // ConstantPad2d
    const at::Tensor first = ops.Apply(convolution, positive);
    const at::Tensor second = ops.Apply(shifted, padded.slice(2, 1).slice(3, 1));
    const at::Tensor y = ops.Apply(norm, at::cat({first, second}, 1));
    ops.Modules(y, 1);  // FactorizedReduce
    return y;
  }
};

// A micro cell or a residual block. What is not set is none of it.
struct EncoderCell {
  TransnasModule place;
  std::array<std::optional<ConvolutionEdge>, 6> edges;
  std::array<std::optional<ReductionEdge>, 6> reductions;
  std::optional<ConvolutionEdge> first;
  std::optional<ConvolutionEdge> second;
  std::optional<Layer> shortcut;
  std::optional<Norm> shortcut_norm;
};

struct DecoderLayer {
  // One of the two.
  std::optional<Layer> convolution;
  std::optional<TransposedConvolution> transposed;
  // None in the last layer.
  std::optional<Norm> norm;
  std::optional<Activation> activation;
};

class TransnasModel final : public Model {
 public:
  TransnasModel(const TransnasNetwork& network, TaskKind kind, int classes)
      : Model(classes, /*is_transformer=*/false, kind), ops_(network.cell) {
    stem1_ = AddEncoderConvolution("stem.conv1", 3, kTransnasHalfStem, 3, 2);
    stem1_norm_ = AddNorm("stem.bn1", NormKind::kBatch, kTransnasHalfStem);
    stem2_ = AddEdge("stem.relu", "stem.conv2", "stem.bn2", kTransnasHalfStem, kTransnasStem, 3, 2);
    for (size_t i = 0; i < network.modules.size(); ++i) {
      const TransnasModule& module = network.modules[i];
      AddCell(absl::StrCat("layer", i, ".cell0"), module);
      AddCell(absl::StrCat("layer", i, ".cell1"), {module.out, module.out, 1});
    }
    if (kind == TaskKind::kSegmentation || kind == TaskKind::kImage) {
      AddDecoder(network);
    } else {
      const int64_t width = network.out() * (kind == TaskKind::kJigsaw ? kTransnasTiles : 1);
      head_ = AddLinear("head", width, classes, Initialisation::kFanIn, Initialisation::kFanIn);
    }
  }

  at::Tensor Forward(Operators& ops, const at::Tensor& images) const override {
    std::vector<at::Tensor> tiles = {images};
    if (kind() == TaskKind::kJigsaw) tiles = images.chunk(kTransnasTiles, 1);
    // All tiles take one step, and what they make is a feature.
    const auto step = [&](const auto& encode) {
      for (at::Tensor& tile : tiles) tile = encode(tile);
      if (tiles.size() == 1) return ops.At(Point::kFeature, tiles[0]);
      const at::Tensor all = at::cat(tiles);
      ops.At(Point::kFeature, all);
      tiles = all.chunk(kTransnasTiles);
    };
    step([&](const at::Tensor& x) {
      const at::Tensor y = stem2_(ops, ops.Apply(stem1_norm_, ops.Apply(stem1_, x)));
      ops.Modules(y, 1);  // Sequential
      return y;
    });
    for (size_t i = 0; i < cells_.size(); ++i) {
      step([&](const at::Tensor& x) {
        const at::Tensor y = ops_ ? RunCell(ops, cells_[i], x) : RunBlock(ops, cells_[i], x);
        ops.Modules(y, i % 2 == 0 ? 1 : 2);             // the cell, and the Sequential of its module
        if (i + 1 == cells_.size()) ops.Modules(y, 1);  // MacroNet
        return y;
      });
    }
    const at::Tensor x = tiles.size() == 1 ? tiles[0] : at::cat(tiles, 1);
    if (!decoder_.empty()) return Decode(ops, x);
    ops.At(Point::kLast, x);
    return ops.Apply(head_, x.mean(at::IntArrayRef{2, 3}));
  }

 private:
  Layer AddEncoderConvolution(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    return AddConvolution(name, {.in = in,
                                 .out = out,
                                 .kernel = kernel,
                                 .stride = stride,
                                 .padding = kernel / 2,
                                 .initialisation = Initialisation::kFanOutNormal});
  }

  ConvolutionEdge AddEdge(const std::string& relu, const std::string& convolution, const std::string& norm, int64_t in,
                          int64_t out, int64_t kernel, int64_t stride) {
    const Activation activation = AddActivation(relu, ActivationKind::kRelu, activation_cell_);
    const Layer layer = AddEncoderConvolution(convolution, in, out, kernel, stride);
    return {activation, layer, AddNorm(norm, NormKind::kBatch, out)};
  }

  void AddCell(const std::string& name, const TransnasModule& place) {
    ++activation_cell_;
    EncoderCell cell;
    cell.place = place;
    const bool changes = place.stride != 1 || place.in != place.out;
    if (!ops_) {
      cell.first = AddEdge(name + ".relu_a", name + ".conv_a", name + ".bn_a", place.in, place.out, 3, place.stride);
      cell.second = AddEdge(name + ".relu_b", name + ".conv_b", name + ".bn_b", place.out, place.out, 3, 1);
      if (changes) {
        cell.shortcut = AddEncoderConvolution(name + ".shortcut.conv", place.in, place.out, 1, place.stride);
        cell.shortcut_norm = AddNorm(name + ".shortcut.bn", NormKind::kBatch, place.out, /*epsilon=*/1, /*momentum=*/1);
      }
    }
    for (size_t e = 0; ops_ && e < kTransnasEdges.size(); ++e) {
      const TransnasOp op = (*ops_)[e];
      const bool first = kTransnasEdges[e].from == 0;
      const std::string edge = absl::StrCat(name, ".edge_", kTransnasEdges[e].from, "_", kTransnasEdges[e].to);
      const int64_t in = first ? place.in : place.out;
      const int64_t stride = first ? place.stride : 1;
      if (op == TransnasOp::kConv1x1 || op == TransnasOp::kConv3x3) {
        cell.edges[e] = AddEdge(edge + ".relu", edge + ".conv", edge + ".bn", in, place.out,
                                op == TransnasOp::kConv3x3 ? 3 : 1, stride);
      } else if (op == TransnasOp::kSkip && first && changes) {
        const Activation relu = AddActivation(edge + ".reduce.relu", ActivationKind::kRelu, activation_cell_);
        const Layer convolution = AddEncoderConvolution(edge + ".reduce.conv0", in, place.out / 2, 1, stride);
        const Layer shifted = AddEncoderConvolution(edge + ".reduce.conv1", in, place.out / 2, 1, stride);
        cell.reductions[e] = {relu, convolution, shifted, AddNorm(edge + ".reduce.bn", NormKind::kBatch, place.out)};
      }
    }
    cells_.push_back(std::move(cell));
  }

  void AddDecoder(const TransnasNetwork& network) {
    ++activation_cell_;
    const std::vector<TransnasDecoderLayer> layers = TransnasDecoder(network, kind(), classes());
    for (size_t i = 0; i < layers.size(); ++i) {
      const TransnasDecoderLayer& shape = layers[i];
      const std::string name =
          kind() == TaskKind::kImage ? absl::StrCat("decoder.conv", i + 1) : absl::StrCat("decoder.", i);
      DecoderLayer layer;
      if (shape.doubles) {
        layer.transposed = AddTransposedConvolution(name, shape.in, shape.out);
      } else {
        layer.convolution =
            AddConvolution(name, {.in = shape.in, .out = shape.out, .kernel = 3, .padding = 1, .bias = true});
      }
      if (i + 1 < layers.size()) {
        layer.norm = AddNorm(name + ".bn", NormKind::kBatch, shape.out);
        layer.activation = AddActivation(name + ".relu", ActivationKind::kLeakyRelu, activation_cell_);
      }
      decoder_.push_back(std::move(layer));
    }
  }

  at::Tensor RunCell(Operators& ops, const EncoderCell& cell, const at::Tensor& x) const {
    std::array<at::Tensor, 4> nodes;
    nodes[0] = x;
    for (int to = 1; to < 4; ++to) {
      at::Tensor& node = nodes[static_cast<size_t>(to)];
      for (size_t e = 0; e < kTransnasEdges.size(); ++e) {
        if (kTransnasEdges[e].to != to || (*ops_)[e] == TransnasOp::kNone) continue;
        at::Tensor value = nodes[static_cast<size_t>(kTransnasEdges[e].from)];
        if (cell.edges[e]) {
          value = (*cell.edges[e])(ops, value);
        } else if (cell.reductions[e]) {
          value = (*cell.reductions[e])(ops, value);
        } else {
          ops.Modules(value, 1);  // Identity
        }
        node = node.defined() ? node + value : value;
      }
      if (!node.defined()) node = Zeros(cell.place, x);
    }
    return nodes[3];
  }

  // What nothing feeds is zero, and connected by a zero gradient.
  static at::Tensor Zeros(const TransnasModule& place, const at::Tensor& x) {
    const at::Tensor kept = x.slice(2, 0, std::nullopt, place.stride).slice(3, 0, std::nullopt, place.stride) * 0;
    return place.in == place.out ? kept : kept.repeat({1, place.out / place.in, 1, 1});
  }

  static at::Tensor RunBlock(Operators& ops, const EncoderCell& cell, const at::Tensor& x) {
    const at::Tensor main = (*cell.second)(ops, (*cell.first)(ops, x));
    if (!cell.shortcut) return x + main;
    const at::Tensor shortcut = ops.Apply(*cell.shortcut_norm, ops.Apply(*cell.shortcut, x));
    ops.Modules(shortcut, 1);  // Sequential
    return shortcut + main;
  }

  at::Tensor Decode(Operators& ops, at::Tensor x) const {
    for (const DecoderLayer& layer : decoder_) {
      if (!layer.norm) ops.At(Point::kLast, x);
      x = layer.transposed ? ops.Apply(*layer.transposed, x) : ops.Apply(*layer.convolution, x);
      if (layer.norm) {
        x = ops.Apply(*layer.activation, ops.Apply(*layer.norm, x));
      } else if (kind() == TaskKind::kImage) {
        x = at::tanh(x);
        ops.Modules(x, 1);  // Tanh
      }
      ops.Modules(x, 1);  // ConvLayer, DeconvLayer
    }
    ops.Modules(x, kind() == TaskKind::kImage ? 2 : 3);  // the decoder (with its Sequential) and the network
    return x;
  }

  std::optional<TransnasMicroCell> ops_;
  int activation_cell_ = 0;  // of the activations being added: 0 the stem, then the cells, at last the decoder
  Layer stem1_;
  Norm stem1_norm_;
  ConvolutionEdge stem2_;
  std::vector<EncoderCell> cells_;
  std::vector<DecoderLayer> decoder_;
  Layer head_;
};

absl::StatusOr<std::unique_ptr<Model>> Build(const absl::StatusOr<TransnasNetwork>& network, const Cell& cell) {
  if (!network.ok()) return network.status();
  ZCB_RETURN_IF_ERROR(CheckTransnasCell(*network, cell));
  return MakeTransnasModel(*network, cell.kind, cell.classes);
}

}  // namespace

std::unique_ptr<Model> MakeTransnasModel(const TransnasNetwork& network, TaskKind kind, int classes) {
  return std::make_unique<TransnasModel>(network, kind, classes);
}

ZCB_REGISTER(model, ModelDefinition, transnas) {
  registry.Add({"transnas_micro", [](std::string_view architecture, const Cell& cell) {
                  return Build(DecodeTransnasMicro(architecture), cell);
                }});
  registry.Add({"transnas_macro", [](std::string_view architecture, const Cell& cell) {
                  return Build(DecodeTransnasMacro(architecture), cell);
                }});
}

}  // namespace zcbench
