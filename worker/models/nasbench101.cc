#include "worker/models/nasbench101.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr int kStem = 128;
constexpr int kStacks = 3;
constexpr int kCellsPerStack = 3;

struct ConvolutionNormRelu {
  Layer convolution;
  Norm norm;
  Activation relu;

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    const at::Tensor y = ops.Apply(relu, ops.Apply(norm, ops.Apply(convolution, x)));
    ops.Modules(y, 2);  // ConvBnRelu and its Sequential
    return y;
  }
};

// One copy of the cell, by vertices.
struct PlacedCell {
  std::array<int64_t, kNasbench101MostVertices> channels;
  std::array<std::optional<ConvolutionNormRelu>, kNasbench101MostVertices> convolutions;  // none: max pooling
  std::array<std::optional<ConvolutionNormRelu>, kNasbench101MostVertices> projections;   // of the cell's input
};

class Nasbench101Model final : public Model {
 public:
  Nasbench101Model(const Nasbench101Cell& cell, int classes) : Model(classes, /*is_transformer=*/false), cell_(cell) {
    stem_ = AddConvolutionNormRelu("stem", 3, kStem, 3);
    int64_t in = kStem;
    int64_t out = kStem;
    for (int stack = 0; stack < kStacks; ++stack, out *= 2) {
      for (int i = 0; i < kCellsPerStack; ++i, in = out) AddCell(in, out);
    }
    classifier_ = AddLinear("classifier", in, classes, Initialisation::kSmallNormal, Initialisation::kZeros);
  }

  at::Tensor Forward(Operators& ops, const at::Tensor& images) const override {
    at::Tensor x = stem_(ops, images);
    ops.At(Point::kFeature, x);
    for (size_t i = 0; i < placed_.size(); ++i) {
      if (i > 0 && i % kCellsPerStack == 0) {
        x = at::max_pool2d(x, 2, 2);
        ops.Modules(x, 1);  // MaxPool2d
      }
      x = RunCell(ops, placed_[i], x);
      ops.Modules(x, 1);  // Cell
      ops.At(Point::kFeature, x);
    }
    ops.At(Point::kLast, x);
    return ops.Apply(classifier_, x.mean(at::IntArrayRef{2, 3}));
  }

 private:
  ConvolutionNormRelu AddConvolutionNormRelu(const std::string& name, int64_t in, int64_t out, int64_t kernel) {
    const Layer layer = AddConvolution(name + ".conv", {.in = in,
                                                        .out = out,
                                                        .kernel = kernel,
                                                        .padding = kernel / 2,
                                                        .initialisation = Initialisation::kFanOutNormal});
    const Norm norm = AddNorm(name + ".bn", NormKind::kBatch, out);
    const int cell = static_cast<int>(placed_.size());
    return {layer, norm, AddActivation(name + ".relu", ActivationKind::kRelu, cell)};
  }

  void AddCell(int64_t in, int64_t out) {
    const std::string name = absl::StrCat("cells.", placed_.size());
    PlacedCell& placed = placed_.emplace_back();
    placed.channels = Nasbench101Channels(cell_, in, out);
    for (int vertex = 1; vertex < cell_.output(); ++vertex) {
      if (cell_.ops[vertex] == Nasbench101Op::kMaxPool3x3) continue;
      const int64_t width = placed.channels[vertex];
      const int64_t kernel = cell_.ops[vertex] == Nasbench101Op::kConv3x3 ? 3 : 1;
      placed.convolutions[vertex] = AddConvolutionNormRelu(absl::StrCat(name, ".vertex", vertex), width, width, kernel);
    }
    for (int vertex = 1; vertex < cell_.vertices; ++vertex) {
      if (!cell_.HasEdge(0, vertex)) continue;
      placed.projections[vertex] =
          AddConvolutionNormRelu(absl::StrCat(name, ".proj", vertex), in, placed.channels[vertex], 1);
    }
  }

  at::Tensor RunCell(Operators& ops, const PlacedCell& placed, const at::Tensor& input) const {
    std::array<at::Tensor, kNasbench101MostVertices> outputs;
    std::vector<at::Tensor> last;
    for (int vertex = 1; vertex < cell_.output(); ++vertex) {
      at::Tensor sum;
      const auto add = [&sum](const at::Tensor& x) { sum = sum.defined() ? sum + x : x; };
      for (int from = 1; from < vertex; ++from) {
        if (cell_.HasEdge(from, vertex)) add(outputs[from].narrow(1, 0, placed.channels[vertex]));
      }
      if (placed.projections[vertex]) add((*placed.projections[vertex])(ops, input));
      if (placed.convolutions[vertex]) {
        outputs[vertex] = (*placed.convolutions[vertex])(ops, sum);
        ops.Modules(outputs[vertex], 1);  // Conv3x3BnRelu, Conv1x1BnRelu
      } else {
        outputs[vertex] = at::max_pool2d(sum, 3, 1, 1);
        ops.Modules(outputs[vertex], 2);  // MaxPool3x3 and its MaxPool2d
      }
      if (cell_.HasEdge(vertex, cell_.output())) last.push_back(outputs[vertex]);
    }
    const auto& projection = placed.projections[cell_.output()];
    if (last.empty()) return (*projection)(ops, input);
    const at::Tensor joined = last.size() == 1 ? last[0] : at::cat(last, 1);
    return projection ? joined + (*projection)(ops, input) : joined;
  }

  Nasbench101Cell cell_;
  ConvolutionNormRelu stem_;
  std::vector<PlacedCell> placed_;
  Layer classifier_;
};

}  // namespace

std::unique_ptr<Model> MakeNasbench101Model(const Nasbench101Cell& cell, int classes) {
  return std::make_unique<Nasbench101Model>(cell, classes);
}

ZCB_REGISTER(model, ModelDefinition, nasbench101) {
  registry.Add(
      {"nasbench101", [](std::string_view architecture, const Cell& cell) -> absl::StatusOr<std::unique_ptr<Model>> {
         ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell graph, DecodeNasbench101(architecture));
         return MakeNasbench101Model(graph, cell.classes);
       }});
}

}  // namespace zcbench
