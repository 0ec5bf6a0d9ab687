#include "nas/spaces/autoformer.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"
#include "nas/space.h"

namespace zcbench {
namespace {

constexpr int kMaxDepth = 99;
constexpr int kMaxEmbed = 4096;
constexpr int kMaxHeads = 15;
constexpr std::string_view kHeadDigits = "0123456789abcdef";
constexpr std::string_view kMlpDigits = "012";
constexpr int kLeastMlpHalves = 6;  // the digit 0
constexpr std::string_view kWhatHeads = "a number of heads (1 to f)";
constexpr std::string_view kWhatMlp = "an MLP ratio (0 = 3.0, 1 = 3.5, 2 = 4.0)";

absl::StatusOr<AutoformerSubnet> ScanCanonical(Scanner& scanner) {
  AutoformerSubnet subnet;
  ZCB_ASSIGN_OR_RETURN(const uint64_t depth, scanner.Number(1, kMaxDepth, "a depth"));
  ZCB_RETURN_IF_ERROR(scanner.Expect("-"));
  ZCB_ASSIGN_OR_RETURN(subnet.embed, scanner.Number(1, kMaxEmbed, "an embedding width"));
  ZCB_RETURN_IF_ERROR(scanner.Expect("-"));
  for (uint64_t layer = 0; layer < depth; ++layer) {
    ZCB_ASSIGN_OR_RETURN(const int heads, scanner.Digit(kHeadDigits.substr(1), kWhatHeads));
    subnet.heads.push_back(heads + 1);
  }
  ZCB_RETURN_IF_ERROR(scanner.Expect("-"));
  for (uint64_t layer = 0; layer < depth; ++layer) {
    ZCB_ASSIGN_OR_RETURN(const int mlp, scanner.Digit(kMlpDigits, kWhatMlp));
    subnet.mlp_halves.push_back(kLeastMlpHalves + mlp);
  }
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return subnet;
}

// `3`, `3.0`, `3.5`, `4` or `4.0`, as twice its value.
absl::StatusOr<int> ScanMlpRatio(Scanner& scanner) {
  const Scanner start = scanner;
  const std::string_view text =
      scanner.TakeWhile([](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e'; });
  if (text == "3" || text == "3.0") return 6;
  if (text == "3.5") return 7;
  if (text == "4" || text == "4.0") return 8;
  return start.Error("an MLP ratio (3.0, 3.5 or 4.0)");
}

absl::StatusOr<int> ScanHeads(Scanner& scanner) { return scanner.Number(1, kMaxHeads, "a number of heads"); }

absl::StatusOr<int> ScanEmbed(Scanner& scanner) { return scanner.Number(1, kMaxEmbed, "an embedding width"); }

// evolution.py: (depth, mlp_1, ..., mlp_depth, heads_1, ..., heads_depth, embed); the bracket has been read.
absl::StatusOr<AutoformerSubnet> ScanTuple(Scanner& scanner, std::string_view close) {
  AutoformerSubnet subnet;
  const auto comma = [&]() -> absl::Status {
    scanner.SkipSpaces();
    ZCB_RETURN_IF_ERROR(scanner.Expect(","));
    scanner.SkipSpaces();
    return absl::OkStatus();
  };
  scanner.SkipSpaces();
  ZCB_ASSIGN_OR_RETURN(const uint64_t depth, scanner.Number(1, kMaxDepth, "a depth"));
  for (uint64_t layer = 0; layer < depth; ++layer) {
    ZCB_RETURN_IF_ERROR(comma());
    ZCB_ASSIGN_OR_RETURN(const int mlp, ScanMlpRatio(scanner));
    subnet.mlp_halves.push_back(mlp);
  }
  for (uint64_t layer = 0; layer < depth; ++layer) {
    ZCB_RETURN_IF_ERROR(comma());
    ZCB_ASSIGN_OR_RETURN(const int heads, ScanHeads(scanner));
    subnet.heads.push_back(heads);
  }
  ZCB_RETURN_IF_ERROR(comma());
  ZCB_ASSIGN_OR_RETURN(subnet.embed, ScanEmbed(scanner));
  scanner.SkipSpaces();
  ZCB_RETURN_IF_ERROR(scanner.Expect(close));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return subnet;
}

// `[3, 3, 4]` or `(3, 3, 4)`, each element read by `scan`.
template <typename Scan>
absl::StatusOr<std::vector<int>> ScanList(Scanner& scanner, const Scan& scan) {
  const bool round = scanner.Take("(");
  if (!round) ZCB_RETURN_IF_ERROR(scanner.Expect("["));
  std::vector<int> list;
  do {
    scanner.SkipSpaces();
    ZCB_ASSIGN_OR_RETURN(const int element, scan(scanner));
    list.push_back(element);
    scanner.SkipSpaces();
  } while (scanner.Take(","));
  ZCB_RETURN_IF_ERROR(scanner.Expect(round ? ")" : "]"));
  return list;
}

// A dictionary in JSON or Python: {"depth", "embed_dim", "num_heads", "mlp_ratio"}, AutoFormer's own {'layer_num',
// 'embed_dim': [C, ..., C], ...} or Auto-Prox's {'hidden_dim', ...}, in any order; the brace has been read.
absl::StatusOr<AutoformerSubnet> ScanDictionary(Scanner& scanner) {
  AutoformerSubnet subnet;
  std::optional<size_t> depth;
  std::vector<int> embeds;  // a list has one a layer
  bool embed_is_list = false;
  do {
    scanner.SkipSpaces();
    const Scanner at_key = scanner;
    const bool single = scanner.Take("'");
    if (!single) ZCB_RETURN_IF_ERROR(scanner.Expect("\""));
    const std::string_view key = scanner.TakeWhile([](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    ZCB_RETURN_IF_ERROR(scanner.Expect(single ? "'" : "\""));
    scanner.SkipSpaces();
    ZCB_RETURN_IF_ERROR(scanner.Expect(":"));
    scanner.SkipSpaces();
    bool repeated = false;
    if (key == "depth" || key == "layer_num") {
      repeated = depth.has_value();
      ZCB_ASSIGN_OR_RETURN(depth, scanner.Number(1, kMaxDepth, "a depth"));
    } else if (key == "embed_dim" || key == "hidden_dim") {
      repeated = !embeds.empty();
      embed_is_list = scanner.Peek() == '[' || scanner.Peek() == '(';
      if (embed_is_list) {
        ZCB_ASSIGN_OR_RETURN(embeds, ScanList(scanner, ScanEmbed));
      } else {
        ZCB_ASSIGN_OR_RETURN(const int embed, ScanEmbed(scanner));
        embeds = {embed};
      }
    } else if (key == "num_heads") {
      repeated = !subnet.heads.empty();
      ZCB_ASSIGN_OR_RETURN(subnet.heads, ScanList(scanner, ScanHeads));
    } else if (key == "mlp_ratio") {
      repeated = !subnet.mlp_halves.empty();
      ZCB_ASSIGN_OR_RETURN(subnet.mlp_halves, ScanList(scanner, ScanMlpRatio));
    } else {
      return at_key.Error("one of the keys depth layer_num embed_dim hidden_dim num_heads mlp_ratio");
    }
    if (repeated) return at_key.Error("a key not given before");
    scanner.SkipSpaces();
  } while (scanner.Take(","));
  if (!depth.has_value()) return scanner.Error("the key depth");
  if (embeds.empty()) return scanner.Error("the key embed_dim");
  if (subnet.heads.size() != *depth) return scanner.Error(absl::StrCat("num_heads of ", *depth, " layers before"));
  if (subnet.mlp_halves.size() != *depth) return scanner.Error(absl::StrCat("mlp_ratio of ", *depth, " layers before"));
  if (embed_is_list && embeds != std::vector<int>(*depth, embeds[0])) {
    return scanner.Error(absl::StrCat("embed_dim of ", *depth, " equal widths before"));
  }
  subnet.embed = embeds[0];
  ZCB_RETURN_IF_ERROR(scanner.Expect("}"));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return subnet;
}

// What a supernet's yaml file allows; every list ascending.
struct Choices {
  std::vector<int> depths;
  std::vector<int> embeds;
  std::vector<int> heads;
  std::vector<int> mlp_halves;
};

uint64_t Power(uint64_t base, int exponent) {
  uint64_t power = 1;
  for (int i = 0; i < exponent; ++i) power *= base;
  return power;
}

int Choose(const std::vector<int>& choices, Draws& draws) { return choices[draws.Below(choices.size())]; }

bool Contains(const std::vector<int>& choices, int value) {
  return std::find(choices.begin(), choices.end(), value) != choices.end();
}

uint64_t PlaceOf(const std::vector<int>& choices, int value) {
  return std::find(choices.begin(), choices.end(), value) - choices.begin();
}

class Autoformer final : public Space {
 public:
  Autoformer(std::string name, std::string prefix, std::string summary, Choices choices)
      : name_(std::move(name)),
        kind_(name_ + " architecture"),
        prefix_(std::move(prefix)),
        summary_(std::move(summary)),
        choices_(std::move(choices)) {}

  std::string_view summary() const override { return summary_; }
  int version() const override { return 1; }
  int input_size(const Task&) const override { return AutoformerInput().image; }
  std::vector<std::string> prefixes() const override { return {prefix_}; }

  uint64_t size() const override {
    uint64_t size = 0;
    for (const int depth : choices_.depths) size += SizeOfDepth(depth);
    return size;
  }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= size()) {
      return absl::OutOfRangeError(absl::StrCat("index ", index, ": ", name_, " has ", size(), " architectures"));
    }
    size_t place = 0;
    while (index >= SizeOfDepth(choices_.depths[place])) index -= SizeOfDepth(choices_.depths[place++]);
    const int depth = choices_.depths[place];
    AutoformerSubnet subnet{.embed = 0, .heads = std::vector<int>(depth), .mlp_halves = std::vector<int>(depth)};
    for (int layer = depth; layer-- > 0;) {
      subnet.mlp_halves[layer] = choices_.mlp_halves[index % choices_.mlp_halves.size()];
      index /= choices_.mlp_halves.size();
      subnet.heads[layer] = choices_.heads[index % choices_.heads.size()];
      index /= choices_.heads.size();
    }
    subnet.embed = choices_.embeds[index];
    return EncodeAutoformer(subnet);
  }

  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeMember(architecture));
    uint64_t before = 0;
    for (const int depth : choices_.depths) {
      if (depth < subnet.depth()) before += SizeOfDepth(depth);
    }
    uint64_t index = PlaceOf(choices_.embeds, subnet.embed);
    for (int layer = 0; layer < subnet.depth(); ++layer) {
      index = index * choices_.heads.size() + PlaceOf(choices_.heads, subnet.heads[layer]);
      index = index * choices_.mlp_halves.size() + PlaceOf(choices_.mlp_halves, subnet.mlp_halves[layer]);
    }
    return before + index;
  }

  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, name_, prefixes()));
    Scanner scanner(kind_, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, size() - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    const absl::StatusOr<AutoformerSubnet> subnet = scanner.Take("(")   ? ScanTuple(scanner, ")")
                                                    : scanner.Take("[") ? ScanTuple(scanner, "]")
                                                    : scanner.Take("{") ? ScanDictionary(scanner)
                                                                        : ScanCanonical(scanner);
    if (!subnet.ok()) return subnet.status();
    return EncodeAutoformer(*subnet);
  }

  // The tuple of evolution.py.
  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(architecture));
    std::string text = absl::StrCat("(", subnet.depth());
    for (const int mlp : subnet.mlp_halves) absl::StrAppend(&text, ", ", mlp / 2, mlp % 2 == 0 ? ".0" : ".5");
    for (const int heads : subnet.heads) absl::StrAppend(&text, ", ", heads);
    absl::StrAppend(&text, ", ", subnet.embed, ")");
    return text;
  }

  // evolution.py's get_random_cand: the depth, then the MLP ratio of every layer, then the heads of every layer, then
  // the width, each uniform.
  std::string Draw(Draws& draws) const override {
    AutoformerSubnet subnet;
    const int depth = Choose(choices_.depths, draws);
    for (int layer = 0; layer < depth; ++layer) subnet.mlp_halves.push_back(Choose(choices_.mlp_halves, draws));
    for (int layer = 0; layer < depth; ++layer) subnet.heads.push_back(Choose(choices_.heads, draws));
    subnet.embed = Choose(choices_.embeds, draws);
    return EncodeAutoformer(subnet);
  }

  // evolution.py's get_mutation with its default probabilities: depth and width are drawn anew with chance 0.4 (layers
  // are cut off or appended), each MLP ratio and each number of heads with chance 0.2; what is drawn may be what was.
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    constexpr double kWholeChance = 0.4;  // "s_prob"
    constexpr double kLayerChance = 0.2;  // "m_prob"
    ZCB_ASSIGN_OR_RETURN(AutoformerSubnet subnet, DecodeMember(architecture));
    if (draws.Chance(kWholeChance)) {
      const size_t depth = Choose(choices_.depths, draws);
      const size_t old_depth = subnet.heads.size();
      subnet.mlp_halves.resize(depth);
      subnet.heads.resize(depth);
      for (size_t layer = old_depth; layer < depth; ++layer) {
        subnet.mlp_halves[layer] = Choose(choices_.mlp_halves, draws);
      }
      for (size_t layer = old_depth; layer < depth; ++layer) subnet.heads[layer] = Choose(choices_.heads, draws);
    }
    for (int& mlp : subnet.mlp_halves) {
      if (draws.Chance(kLayerChance)) mlp = Choose(choices_.mlp_halves, draws);
    }
    for (int& heads : subnet.heads) {
      if (draws.Chance(kLayerChance)) heads = Choose(choices_.heads, draws);
    }
    if (draws.Chance(kWholeChance)) subnet.embed = Choose(choices_.embeds, draws);
    return EncodeAutoformer(subnet);
  }

  // evolution.py's get_crossover: each element of the tuple from either parent with equal chance. Parents of different
  // depths are FAILED_PRECONDITION: the authors draw another pair, up to 50 times (and then cross unequal tuples, which
  // is not repeated here).
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(AutoformerSubnet child, DecodeMember(a));
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet other, DecodeMember(b));
    if (child.depth() != other.depth()) {
      return absl::FailedPreconditionError(absl::StrCat("parents of depths ", child.depth(), " and ", other.depth(),
                                                        " have no child; take two of one depth"));
    }
    for (int layer = 0; layer < child.depth(); ++layer) {
      if (draws.Below(2) == 1) child.mlp_halves[layer] = other.mlp_halves[layer];
    }
    for (int layer = 0; layer < child.depth(); ++layer) {
      if (draws.Below(2) == 1) child.heads[layer] = other.heads[layer];
    }
    if (draws.Below(2) == 1) child.embed = other.embed;
    return EncodeAutoformer(child);
  }

  // Another width; other heads of one layer; another MLP ratio of one layer; one layer cut off at the end; one layer
  // appended, of each kind. In this order, layers from the first, values ascending. The authors define none.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(AutoformerSubnet subnet, DecodeMember(architecture));
    std::vector<std::string> neighbours;
    const auto vary = [&](int& value, const std::vector<int>& choices) {
      const int old = value;
      for (const int choice : choices) {
        value = choice;
        if (choice != old) neighbours.push_back(EncodeAutoformer(subnet));
      }
      value = old;
    };
    vary(subnet.embed, choices_.embeds);
    for (int& heads : subnet.heads) vary(heads, choices_.heads);
    for (int& mlp : subnet.mlp_halves) vary(mlp, choices_.mlp_halves);
    if (Contains(choices_.depths, subnet.depth() - 1)) {
      AutoformerSubnet shorter = subnet;
      shorter.heads.pop_back();
      shorter.mlp_halves.pop_back();
      neighbours.push_back(EncodeAutoformer(shorter));
    }
    if (Contains(choices_.depths, subnet.depth() + 1)) {
      AutoformerSubnet longer = subnet;
      longer.heads.push_back(0);
      longer.mlp_halves.push_back(0);
      for (const int heads : choices_.heads) {
        for (const int mlp : choices_.mlp_halves) {
          longer.heads.back() = heads;
          longer.mlp_halves.back() = mlp;
          neighbours.push_back(EncodeAutoformer(longer));
        }
      }
    }
    return neighbours;
  }

  absl::StatusOr<int64_t> Params(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(architecture));
    ZCB_ASSIGN_OR_RETURN(const AutoformerInput input, InputOf(cell));
    return AutoformerParams(subnet, input, cell.classes);
  }

  // The authors' get_complexity.
  absl::StatusOr<int64_t> Flops(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(architecture));
    ZCB_ASSIGN_OR_RETURN(const AutoformerInput input, InputOf(cell));
    return AutoformerComplexity(subnet, input, cell.classes);
  }

  // macs_true: the multiply-accumulates that a forward pass needs.
  absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(architecture));
    ZCB_ASSIGN_OR_RETURN(const AutoformerInput input, InputOf(cell));
    return std::vector<NamedCount>{{"macs_true", AutoformerTrueMacs(subnet, input, cell.classes)}};
  }

 private:
  // The depth is the leading digit of an index, then the width, then layer by layer the heads and the MLP ratio (the
  // last layer fastest), each by its place among the choices.
  uint64_t SizeOfDepth(int depth) const {
    return choices_.embeds.size() * Power(choices_.heads.size() * choices_.mlp_halves.size(), depth);
  }

  absl::StatusOr<AutoformerSubnet> DecodeMember(std::string_view architecture) const {
    ZCB_ASSIGN_OR_RETURN(AutoformerSubnet subnet, DecodeAutoformer(architecture));
    const auto outside = [&](const std::string& what) {
      return absl::NotFoundError(absl::StrCat(std::string(architecture), " is not in ", name_, ": ", what));
    };
    if (!Contains(choices_.depths, subnet.depth())) return outside(absl::StrCat("depth ", subnet.depth()));
    if (!Contains(choices_.embeds, subnet.embed)) return outside(absl::StrCat("width ", subnet.embed));
    for (int layer = 0; layer < subnet.depth(); ++layer) {
      if (!Contains(choices_.heads, subnet.heads[layer])) {
        return outside(absl::StrCat(subnet.heads[layer], " heads in layer ", layer + 1));
      }
      if (!Contains(choices_.mlp_halves, subnet.mlp_halves[layer])) {
        return outside(absl::StrCat("MLP ratio ", subnet.mlp_halves[layer] / 2.0, " in layer ", layer + 1));
      }
    }
    return subnet;
  }

  absl::StatusOr<AutoformerInput> InputOf(const Cell& cell) const {
    const AutoformerInput input{.image = cell.height};
    if (cell.channels != 3 || cell.width != cell.height || cell.height < input.patch ||
        cell.height % input.patch != 0) {
      return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.channels, " x ", cell.height, " x ", cell.width,
                                                     "; ", name_, " needs 3 x N x N with N a multiple of ",
                                                     input.patch));
    }
    if (cell.classes < 1) return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.classes, " classes"));
    return input;
  }

  std::string name_;
  std::string kind_;
  std::string prefix_;
  std::string summary_;
  Choices choices_;
};

}  // namespace

absl::StatusOr<AutoformerSubnet> DecodeAutoformer(std::string_view architecture) {
  Scanner scanner("autoformer architecture", architecture);
  return ScanCanonical(scanner);
}

std::string EncodeAutoformer(const AutoformerSubnet& subnet) {
  std::string text = absl::StrCat(subnet.depth(), "-", subnet.embed, "-");
  for (const int heads : subnet.heads) text += kHeadDigits[heads];
  text += '-';
  for (const int mlp : subnet.mlp_halves) text += kMlpDigits[mlp - kLeastMlpHalves];
  return text;
}

int64_t AutoformerParams(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes) {
  const int64_t width = subnet.embed;
  const int64_t patch = 3 * input.patch * input.patch;
  const int64_t relative = 2 * kAutoformerMaxRelativePosition + 2;
  // Patches, class token, positions, last normalisation, head.
  int64_t params = (patch + 1) * width + width + (input.patches() + 1) * width + 2 * width + (width + 1) * classes;
  for (int layer = 0; layer < subnet.depth(); ++layer) {
    const int64_t inner = kAutoformerHeadWidth * subnet.heads[layer];
    const int64_t hidden = subnet.hidden(layer);
    params += 4 * width;                                    // two normalisations
    params += 3 * inner * (width + 1);                      // queries, keys, values
    params += 4 * relative * kAutoformerHeadWidth;          // relative positions: two axes for keys, two for values
    params += width * (inner + 1);                          // projection
    params += hidden * (width + 1) + width * (hidden + 1);  // MLP
  }
  return params;
}

int64_t AutoformerComplexity(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes) {
  const int64_t width = subnet.embed;
  const int64_t patches = input.patches();
  const int64_t patch = 3 * input.patch * input.patch;
  const int64_t n = patches + 2;  // the authors add the class token twice
  // Some terms are halves of integers, so everything is counted twice.
  int64_t twice = 2 * width + 2 * patches * patch * width + (patches + 1) * width + 2 * (patches + 1) * classes * width;
  for (int layer = 0; layer < subnet.depth(); ++layer) {
    const int64_t inner = kAutoformerHeadWidth * subnet.heads[layer];
    twice += 2 * (2 * n * width + 3 * n * inner * width + 2 * n * n * inner + n * inner * width);
    twice += 2 * 2 * kAutoformerMaxRelativePosition * n * n + n * n + n * inner;  // relative positions
    twice += 2 * 2 * n * width * subnet.hidden(layer);
  }
  return twice / 2;
}

int64_t AutoformerTrueMacs(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes) {
  const int64_t width = subnet.embed;
  const int64_t tokens = input.patches() + 1;
  int64_t macs = int64_t{input.patches()} * 3 * input.patch * input.patch * width + width * classes;
  for (int layer = 0; layer < subnet.depth(); ++layer) {
    const int64_t inner = kAutoformerHeadWidth * subnet.heads[layer];
    macs += 4 * tokens * inner * width;                 // queries, keys, values, projection
    macs += 4 * tokens * tokens * inner;                // scores and sums, by content and by relative position
    macs += 2 * tokens * width * subnet.hidden(layer);  // MLP
  }
  return macs;
}

ZCB_REGISTER(space, SpaceDefinition, autoformer) {
  const auto add = [&](std::string name, std::string prefix, std::string summary, Choices choices) {
    auto space = std::make_shared<const Autoformer>(name, std::move(prefix), std::move(summary), std::move(choices));
    registry.Add({std::move(name), std::move(space)});
  };
  add("autoformer_tiny", "af-t", "AutoFormer-T supernet: widths 192-240, depths 12-14, 3 or 4 heads",
      {.depths = {12, 13, 14}, .embeds = {192, 216, 240}, .heads = {3, 4}, .mlp_halves = {7, 8}});
  add("autoformer_small", "af-s", "AutoFormer-S supernet: widths 320-448, depths 12-14, 5 to 7 heads",
      {.depths = {12, 13, 14}, .embeds = {320, 384, 448}, .heads = {5, 6, 7}, .mlp_halves = {6, 7, 8}});
  add("autoformer_base", "af-b", "AutoFormer-B supernet: widths 528-624, depths 14-16, 9 or 10 heads",
      {.depths = {14, 15, 16}, .embeds = {528, 576, 624}, .heads = {9, 10}, .mlp_halves = {6, 7, 8}});
}

}  // namespace zcbench
