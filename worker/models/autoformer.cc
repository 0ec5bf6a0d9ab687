#include "worker/models/autoformer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

// Tables of one relative position embedding, by row distance and by column distance.
struct RelativePosition {
  int rows;     // [30, 64]
  int columns;  // [30, 64]
};

struct Block {
  Norm norm1;
  Layer qkv;
  RelativePosition key;
  RelativePosition value;
  Layer proj;
  Norm norm2;
  Layer fc1;
  Activation gelu;
  Layer fc2;
  int64_t heads;
};

class AutoformerModel final : public Model {
 public:
  AutoformerModel(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes)
      : Model(classes, /*is_transformer=*/true), side_(input.image / input.patch) {
    const int64_t width = subnet.embed;
    positions_ =
        AddTensor("pos_embed", {1, input.patches() + 1, width}, TensorRole::kEmbedding, Initialisation::kNormal);
    class_token_ = AddTensor("cls_token", {1, 1, width}, TensorRole::kEmbedding, Initialisation::kNormal);
    patch_ = AddConvolution("patch_embed",
                            {.in = 3, .out = width, .kernel = input.patch, .stride = input.patch, .bias = true});
    for (int i = 0; i < subnet.depth(); ++i) AddBlock(i, width, subnet.heads[i], subnet.hidden(i));
    norm_ = AddNorm("norm", NormKind::kLayer, width);
    head_ = AddLinear("head", width, classes, Initialisation::kNormal, Initialisation::kZeros);
    IndexDistances();
  }

  at::Tensor Forward(Operators& ops, const at::Tensor& images) const override {
    at::Tensor x = ops.Apply(patch_, images).flatten(2).transpose(1, 2);
    x = at::cat({ops.Get(class_token_).expand({x.size(0), -1, -1}), x}, 1) + ops.Get(positions_);
    for (const Block& block : blocks_) {
      x = x + Attend(ops, block, ops.Apply(block.norm1, x));
      ops.At(Point::kFeature, x);
      x = x + ops.Apply(block.fc2, ops.Apply(block.gelu, ops.Apply(block.fc1, ops.Apply(block.norm2, x))));
      ops.At(Point::kFeature, x);
    }
    x = ops.Apply(norm_, x);
    ops.At(Point::kLast, x);
    return ops.Apply(head_, x.slice(1, 1).mean(1));
  }

 private:
  void AddBlock(int i, int64_t width, int64_t heads, int64_t hidden) {
    const std::string name = absl::StrCat("blocks.", i, ".");
    const int64_t inner = kAutoformerHeadWidth * heads;
    Block block;
    block.heads = heads;
    block.qkv = AddLinear(name + "qkv", width, 3 * inner, Initialisation::kNormal, Initialisation::kZeros);
    block.key = AddTables(name + "rel_pos_k");
    block.value = AddTables(name + "rel_pos_v");
    block.proj = AddLinear(name + "proj", inner, width, Initialisation::kNormal, Initialisation::kZeros);
    block.norm1 = AddNorm(name + "ln1", NormKind::kLayer, width);
    block.norm2 = AddNorm(name + "ln2", NormKind::kLayer, width);
    block.fc1 = AddLinear(name + "fc1", width, hidden, Initialisation::kNormal, Initialisation::kZeros);
    block.gelu = AddActivation(name + "gelu", ActivationKind::kGelu, i);
    block.fc2 = AddLinear(name + "fc2", hidden, width, Initialisation::kNormal, Initialisation::kZeros);
    blocks_.push_back(std::move(block));
  }

  RelativePosition AddTables(const std::string& name) {
    const std::vector<int64_t> shape = {2 * kAutoformerMaxRelativePosition + 2, kAutoformerHeadWidth};
    const int rows = AddTensor(name + ".table_v", shape, TensorRole::kEmbedding, Initialisation::kNormal);
    return {rows, AddTensor(name + ".table_h", shape, TensorRole::kEmbedding, Initialisation::kNormal)};
  }

  // For every query token the table rows that its keys use: [tokens, side] by row and by column of the key. Pairs with
  // the class token use row 0 of both tables.
  void IndexDistances() {
    const int64_t tokens = side_ * side_ + 1;
    row_index_ = at::zeros({tokens, side_}, at::kLong);
    column_index_ = at::zeros({tokens, side_}, at::kLong);
    const auto index = [](int64_t key, int64_t query) {
      constexpr int64_t kMax = kAutoformerMaxRelativePosition;
      return std::clamp(key - query, -kMax, kMax) + kMax + 1;
    };
    auto rows = row_index_.accessor<int64_t, 2>();
    auto columns = column_index_.accessor<int64_t, 2>();
    for (int64_t query = 1; query < tokens; ++query) {
      for (int64_t key = 0; key < side_; ++key) {
        rows[query][key] = index(key, (query - 1) / side_);
        columns[query][key] = index(key, (query - 1) % side_);
      }
    }
  }

  // [tokens, 1 + 2 side, 64]: for each query the table row of the class token, those of the key rows, those of the key
  // columns.
  at::Tensor Tables(Operators& ops, const RelativePosition& position) const {
    const at::Tensor rows = ops.Get(position.rows);
    const at::Tensor columns = ops.Get(position.columns);
    const int64_t tokens = row_index_.size(0);
    const at::Tensor first = (rows[0] + columns[0]).expand({tokens, 1, kAutoformerHeadWidth});
    const auto pick = [&](const at::Tensor& table, const at::Tensor& index) {
      return table.index_select(0, index.to(table.device()).flatten()).view({tokens, side_, kAutoformerHeadWidth});
    };
    return at::cat({first, pick(rows, row_index_), pick(columns, column_index_)}, 1);
  }

  at::Tensor Attend(Operators& ops, const Block& block, const at::Tensor& x) const {
    const int64_t n = x.size(0);
    const int64_t tokens = x.size(1);
    const int64_t pairs = n * block.heads;
    const at::Tensor qkv =
        ops.Apply(block.qkv, x).view({n, tokens, 3, block.heads, kAutoformerHeadWidth}).permute({2, 0, 3, 1, 4});
    const at::Tensor q = qkv[0] * 0.125;  // 64^-0.5, for both score terms
    const at::Tensor k = qkv[1];
    const at::Tensor v = qkv[2];  // [N, heads, T, 64]

    // q.R: [T, N heads, 64] x [T, 64, 29], spread over the keys.
    const at::Tensor q_by_token = q.reshape({pairs, tokens, kAutoformerHeadWidth}).transpose(0, 1);
    const at::Tensor distances =
        at::bmm(q_by_token, Tables(ops, block.key).transpose(1, 2)).transpose(0, 1);  // [N heads, T, 29]
    const at::Tensor patch_bias =
        distances.slice(2, 1, 1 + side_).unsqueeze(3) + distances.slice(2, 1 + side_).unsqueeze(2);
    const at::Tensor bias = at::cat({distances.slice(2, 0, 1), patch_bias.reshape({pairs, tokens, side_ * side_})}, 2);
    const at::Tensor attention =
        at::softmax(at::matmul(q, k.transpose(2, 3)) + bias.view({n, block.heads, tokens, tokens}), -1);

    // A.R, folded over rows and over columns of the keys.
    const at::Tensor flat = attention.view({pairs, tokens, tokens});
    const at::Tensor grid = flat.slice(2, 1).reshape({pairs, tokens, side_, side_});
    const at::Tensor folded =
        at::cat({flat.slice(2, 0, 1), grid.sum(3), grid.sum(2)}, 2).transpose(0, 1);  // [T, N heads, 29]
    const at::Tensor relative = at::bmm(folded, Tables(ops, block.value))
                                    .transpose(0, 1)
                                    .reshape({n, block.heads, tokens, kAutoformerHeadWidth});
    const at::Tensor out = at::matmul(attention, v) + relative;
    return ops.Apply(block.proj, out.transpose(1, 2).reshape({n, tokens, block.heads * kAutoformerHeadWidth}));
  }

  int64_t side_;  // patches a side
  int positions_;
  int class_token_;
  Layer patch_;
  std::vector<Block> blocks_;
  Norm norm_;
  Layer head_;
  at::Tensor row_index_;
  at::Tensor column_index_;
};

absl::StatusOr<std::unique_ptr<Model>> Build(std::string_view architecture, const Cell& cell) {
  ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(architecture));
  AutoformerInput input;
  if (cell.height != input.image || cell.width != input.image) {
    return absl::InvalidArgumentError(absl::StrCat("AutoFormer takes images of ", input.image, " x ", input.image,
                                                   " pixels, not ", cell.height, " x ", cell.width));
  }
  return MakeAutoformerModel(subnet, input, cell.classes);
}

}  // namespace

std::unique_ptr<Model> MakeAutoformerModel(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes) {
  return std::make_unique<AutoformerModel>(subnet, input, classes);
}

ZCB_REGISTER(model, ModelDefinition, autoformer) {
  for (const char* space : {"autoformer_tiny", "autoformer_small", "autoformer_base"}) registry.Add({space, Build});
}

}  // namespace zcbench
