#include "worker/models/darts.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

// ReLU - 1x1 convolution - batch normalisation; with a second convolution a factorised reduction.
struct Projection {
  Activation relu;
  Layer convolution;
  std::optional<Layer> shifted;  // sees the image from its second row and column on
  Norm norm;

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    const at::Tensor active = ops.Apply(relu, x);
    at::Tensor y = ops.Apply(convolution, active);
    if (shifted) y = at::cat({y, ops.Apply(*shifted, active.slice(2, 1).slice(3, 1))}, 1);
    y = ops.Apply(norm, y);
    ops.Modules(y, shifted ? 1 : 2);  // FactorizedReduce; ReLUConvBN and its Sequential
    return y;
  }
};

// ReLU - depthwise convolution - 1x1 convolution - batch normalisation.
struct Separable {
  Activation relu;
  Layer depthwise;
  Layer pointwise;
  Norm norm;

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    return ops.Apply(norm, ops.Apply(pointwise, ops.Apply(depthwise, ops.Apply(relu, x))));
  }
};

struct Operation {
  int input;  // as DartsEdge
  DartsOp op;
  int64_t stride;
  std::optional<Projection> reduce;   // a skip of stride 2
  std::vector<Separable> separables;  // two of a separable convolution, one of a dilated one

  at::Tensor operator()(Operators& ops, const at::Tensor& x) const {
    if (reduce) return (*reduce)(ops, x);
    at::Tensor y = x;
    for (const Separable& separable : separables) y = separable(ops, y);
    if (op == DartsOp::kMaxPool3x3) y = at::max_pool2d(x, 3, stride, 1);
    if (op == DartsOp::kAvgPool3x3) {
      y = at::avg_pool2d(x, 3, stride, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
    }
    ops.Modules(y, separables.empty() ? 1 : 2);  // a pooling or Identity; SepConv or DilConv and its Sequential
    return y;
  }
};

struct BuiltCell {
  Projection pre0;
  Projection pre1;
  std::vector<Operation> operations;  // two a node
};

class DartsModel final : public Model {
 public:
  DartsModel(const DartsGenotype& genotype, const DartsConfig& config, int classes, TaskKind kind)
      : Model(classes, /*is_transformer=*/false, kind), imagenet_(config.imagenet) {
    const int64_t width = config.channels;
    if (imagenet_) {
      AddStem("stem0.conv1", "stem0.bn1", 3, width / 2, 2);
      stem_relus_.push_back(AddActivation("stem0.relu", ActivationKind::kRelu, 0));
      AddStem("stem0.conv2", "stem0.bn2", width / 2, width, 2);
      stem_relus_.push_back(AddActivation("stem1.relu", ActivationKind::kRelu, 0));
      AddStem("stem1.conv", "stem1.bn", width, width, 2);
    } else {
      AddStem("stem.conv", "stem.bn", 3, 3 * width, 1);
    }
    const std::vector<DartsPlace> places = DartsPlaces(config);
    for (const DartsPlace& place : places) AddCell(genotype, place);
    classifier_ =
        AddLinear("classifier", 4 * places.back().width, classes, Initialisation::kFanIn, Initialisation::kFanIn);
  }

  at::Tensor Forward(Operators& ops, const at::Tensor& images) const override {
    at::Tensor x = Stem(ops, 0, images);
    if (imagenet_) x = Stem(ops, 1, ops.Apply(stem_relus_[0], x));
    ops.Modules(x, 1);  // Sequential
    at::Tensor before = x;
    if (imagenet_) {
      x = Stem(ops, 2, ops.Apply(stem_relus_[1], x));
      ops.Modules(x, 1);  // Sequential
    }
    ops.At(Point::kFeature, x);
    for (const BuiltCell& cell : cells_) {
      at::Tensor next = RunCell(ops, cell, before, x);
      before = std::move(x);
      x = std::move(next);
      ops.Modules(x, 1);  // Cell
      ops.At(Point::kFeature, x);
    }
    ops.At(Point::kLast, x);
    return ops.Apply(classifier_, x.mean(at::IntArrayRef{2, 3}));
  }

 private:
  void AddStem(const std::string& convolution, const std::string& norm, int64_t in, int64_t out, int64_t stride) {
    stems_.push_back(AddConvolution(convolution, {.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1}));
    stem_norms_.push_back(AddNorm(norm, NormKind::kBatch, out));
  }

  at::Tensor Stem(Operators& ops, size_t i, const at::Tensor& x) const {
    return ops.Apply(stem_norms_[i], ops.Apply(stems_[i], x));
  }

  Activation AddRelu(const std::string& name) {
    return AddActivation(name, ActivationKind::kRelu, static_cast<int>(cells_.size()));
  }

  Projection AddProjection(std::string name, int64_t in, int64_t out, bool reduce) {
    if (reduce) name += ".reduce";
    Projection projection;
    projection.relu = AddRelu(name + ".relu");
    if (reduce) {
      projection.convolution = AddConvolution(name + ".conv1", {.in = in, .out = out / 2, .stride = 2});
      projection.shifted = AddConvolution(name + ".conv2", {.in = in, .out = out / 2, .stride = 2});
    } else {
      projection.convolution = AddConvolution(name + ".conv", {.in = in, .out = out});
    }
    projection.norm = AddNorm(name + ".bn", NormKind::kBatch, out);
    return projection;
  }

  // `number`: 1 or 2, within its operation.
  Separable AddSeparable(const std::string& name, int number, int64_t width, int64_t kernel, int64_t stride,
                         int64_t dilation) {
    const auto named = [&](const char* part) { return absl::StrCat(name, ".", part, number); };
    Separable separable;
    separable.relu = AddRelu(named("relu"));
    separable.depthwise = AddConvolution(named("dw"), {.in = width,
                                                       .out = width,
                                                       .kernel = kernel,
                                                       .stride = stride,
                                                       .padding = dilation * (kernel / 2),
                                                       .dilation = dilation,
                                                       .groups = width});
    separable.pointwise = AddConvolution(named("pw"), {.in = width, .out = width});
    separable.norm = AddNorm(named("bn"), NormKind::kBatch, width);
    return separable;
  }

  Operation AddOperation(const std::string& name, const DartsEdge& edge, int64_t width, int64_t stride) {
    const DartsOp op = edge.op;
    Operation operation{.input = edge.input, .op = op, .stride = stride, .reduce = {}, .separables = {}};
    const int64_t kernel = op == DartsOp::kSepConv5x5 || op == DartsOp::kDilConv5x5 ? 5 : 3;
    if (op == DartsOp::kSkip && stride == 2) operation.reduce = AddProjection(name, width, width, /*reduce=*/true);
    if (op == DartsOp::kSepConv3x3 || op == DartsOp::kSepConv5x5) {
      operation.separables.push_back(AddSeparable(name, 1, width, kernel, stride, /*dilation=*/1));
      operation.separables.push_back(AddSeparable(name, 2, width, kernel, /*stride=*/1, /*dilation=*/1));
    }
    if (op == DartsOp::kDilConv3x3 || op == DartsOp::kDilConv5x5) {
      operation.separables.push_back(AddSeparable(name, 1, width, kernel, stride, /*dilation=*/2));
    }
    return operation;
  }

  void AddCell(const DartsGenotype& genotype, const DartsPlace& place) {
    const std::string name = absl::StrCat("cells.", cells_.size());
    BuiltCell cell;
    cell.pre0 = AddProjection(name + ".pre0", place.in0, place.width, place.after_reduction);
    cell.pre1 = AddProjection(name + ".pre1", place.in1, place.width, /*reduce=*/false);
    for (const DartsEdge& edge : place.reduction ? genotype.reduce : genotype.normal) {
      const int64_t stride = place.reduction && edge.input < 2 ? 2 : 1;
      const std::string operation = absl::StrCat(name, ".op", cell.operations.size());
      cell.operations.push_back(AddOperation(operation, edge, place.width, stride));
    }
    cells_.push_back(std::move(cell));
  }

  at::Tensor RunCell(Operators& ops, const BuiltCell& cell, const at::Tensor& before, const at::Tensor& x) const {
    std::vector<at::Tensor> states = {cell.pre0(ops, before), cell.pre1(ops, x)};
    const auto run = [&](const Operation& operation) {
      return operation(ops, states[static_cast<size_t>(operation.input)]);
    };
    for (size_t e = 0; e < cell.operations.size(); e += 2) {
      const at::Tensor first = run(cell.operations[e]);
      states.push_back(first + run(cell.operations[e + 1]));
    }
    return at::cat(at::TensorList(states).slice(2), 1);
  }

  bool imagenet_;
  std::vector<Layer> stems_;
  std::vector<Norm> stem_norms_;
  std::vector<Activation> stem_relus_;
  std::vector<BuiltCell> cells_;
  Layer classifier_;
};

template <const DartsConfig& config>
absl::StatusOr<std::unique_ptr<Model>> Build(std::string_view architecture, const Cell& cell) {
  ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeDarts(architecture));
  return MakeDartsModel(genotype, config, cell.classes, cell.kind);
}

}  // namespace

std::unique_ptr<Model> MakeDartsModel(const DartsGenotype& genotype, const DartsConfig& config, int classes,
                                      TaskKind kind) {
  return std::make_unique<DartsModel>(genotype, config, classes, kind);
}

ZCB_REGISTER(model, ModelDefinition, darts) {
  registry.Add({"darts", Build<kDarts>});
  registry.Add({"darts_eval", Build<kDartsEval>});
}

}  // namespace zcbench
