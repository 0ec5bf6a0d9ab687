#include "nas/spaces/darts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"
#include "nas/space.h"

namespace zcbench {
namespace {

constexpr int kOps = 7;
constexpr uint64_t kCellCount = 1'037'664'180;  // 180 * 7^8
constexpr std::array<std::string_view, kOps> kOpNames = {"max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3",
                                                         "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"};
constexpr std::string_view kWhatOpName =
    "one of max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5";

// The two cells that the paper found.
constexpr std::pair<std::string_view, std::string_view> kNamed[] = {{"DARTS_V1", "0313021302130322_0010002200220122"},
                                                                    {"DARTS_V2", "0313031302130225_0010102200221022"}};

int NodeOf(size_t edge) { return 2 + static_cast<int>(edge) / 2; }

void Sort(DartsCell& cell) {
  for (size_t e = 0; e < cell.size(); e += 2) std::sort(cell.begin() + e, cell.begin() + e + 2);
}

// Two different inputs a < b of a node have the number b (b - 1) / 2 + a, whatever the node.
uint64_t PairsBelow(int b) { return static_cast<uint64_t>(b * (b - 1) / 2); }

// The cells in the order of their nodes, the last one fastest; of a node first the inputs, then the operations.
uint64_t RankOf(const DartsCell& cell) {
  uint64_t rank = 0;
  for (size_t e = 0; e < cell.size(); e += 2) {
    rank = rank * PairsBelow(NodeOf(e)) + PairsBelow(cell[e + 1].input) + static_cast<uint64_t>(cell[e].input);
    for (const DartsEdge& edge : {cell[e], cell[e + 1]}) rank = rank * kOps + static_cast<uint64_t>(edge.op);
  }
  return rank;
}

DartsCell CellOf(uint64_t rank) {
  DartsCell cell;
  for (size_t e = cell.size(); e > 0;) {
    DartsEdge& second = cell[--e];
    DartsEdge& first = cell[--e];
    for (DartsEdge* const edge : {&second, &first}) {
      edge->op = static_cast<DartsOp>(rank % kOps);
      rank /= kOps;
    }
    const uint64_t pair = rank % PairsBelow(NodeOf(e));
    rank /= PairsBelow(NodeOf(e));
    second.input = 1;
    while (PairsBelow(second.input + 1) <= pair) ++second.input;
    first.input = static_cast<int>(pair - PairsBelow(second.input));
  }
  return cell;
}

DartsGenotype GenotypeOf(uint64_t index) { return {CellOf(index / kCellCount), CellOf(index % kCellCount)}; }

absl::StatusOr<int> ScanInput(Scanner& scanner, size_t edge) {
  return scanner.Number(0, static_cast<uint64_t>(NodeOf(edge) - 1), "an input");
}

absl::StatusOr<DartsCell> ScanDigits(Scanner& scanner) {
  DartsCell cell;
  for (size_t e = 0; e < cell.size(); ++e) {
    const Scanner at_edge = scanner;
    const auto inputs = static_cast<size_t>(NodeOf(e));
    ZCB_ASSIGN_OR_RETURN(cell[e].input, scanner.Digit(std::string_view("01234").substr(0, inputs),
                                                      absl::StrCat("an input (0 to ", inputs - 1, ")")));
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit("0123456", "an operation (0 to 6)"));
    cell[e].op = static_cast<DartsOp>(op);
    if (e % 2 == 1 && cell[e] < cell[e - 1]) {
      return at_edge.Error("an input and operation not below the pair before, of the same node");
    }
  }
  return cell;
}

absl::StatusOr<DartsGenotype> ScanCanonical(Scanner& scanner) {
  DartsGenotype genotype;
  ZCB_ASSIGN_OR_RETURN(genotype.normal, ScanDigits(scanner));
  ZCB_RETURN_IF_ERROR(scanner.Expect("_"));
  ZCB_ASSIGN_OR_RETURN(genotype.reduce, ScanDigits(scanner));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return genotype;
}

// In brackets of either kind, with spaces anywhere; returns what closes it.
absl::StatusOr<std::string_view> ScanOpening(Scanner& scanner) {
  scanner.SkipSpaces();
  const bool round = scanner.Take("(");
  if (!round && !scanner.Take("[")) return scanner.Error("`(` or `[`");
  scanner.SkipSpaces();
  return round ? ")" : "]";
}

absl::Status ScanComma(Scanner& scanner) {
  scanner.SkipSpaces();
  ZCB_RETURN_IF_ERROR(scanner.Expect(","));
  scanner.SkipSpaces();
  return absl::OkStatus();
}

// After the last element Python allows a comma.
absl::Status ScanClosing(Scanner& scanner, std::string_view close) {
  scanner.SkipSpaces();
  if (scanner.Take(",")) scanner.SkipSpaces();
  return scanner.Expect(close);
}

// `[('sep_conv_3x3', 0), ...]`: eight pairs, each read by `scan`.
template <typename Scan>
absl::StatusOr<DartsCell> ScanCell(Scanner& scanner, const Scan& scan) {
  ZCB_ASSIGN_OR_RETURN(const std::string_view close, ScanOpening(scanner));
  DartsCell cell;
  for (size_t e = 0; e < cell.size(); ++e) {
    if (e > 0) ZCB_RETURN_IF_ERROR(ScanComma(scanner));
    ZCB_ASSIGN_OR_RETURN(const std::string_view close_edge, ScanOpening(scanner));
    ZCB_RETURN_IF_ERROR(scan(scanner, e, cell[e]));
    ZCB_RETURN_IF_ERROR(ScanClosing(scanner, close_edge));
  }
  ZCB_RETURN_IF_ERROR(ScanClosing(scanner, close));
  Sort(cell);
  return cell;
}

// `((0, 3), (1, 3), ...), ((0, 0), ...)`: the compact notation of BANANAS and NASLib, (input, operation) as numbers.
absl::StatusOr<DartsGenotype> ScanCompact(Scanner& scanner) {
  const auto scan_edge = [](Scanner& edge_scanner, size_t e, DartsEdge& edge) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(edge.input, ScanInput(edge_scanner, e));
    ZCB_RETURN_IF_ERROR(ScanComma(edge_scanner));
    ZCB_ASSIGN_OR_RETURN(const uint64_t op, edge_scanner.Number(0, kOps - 1, "an operation"));
    edge.op = static_cast<DartsOp>(op);
    return absl::OkStatus();
  };
  DartsGenotype genotype;
  ZCB_ASSIGN_OR_RETURN(const std::string_view close, ScanOpening(scanner));
  ZCB_ASSIGN_OR_RETURN(genotype.normal, ScanCell(scanner, scan_edge));
  ZCB_RETURN_IF_ERROR(ScanComma(scanner));
  ZCB_ASSIGN_OR_RETURN(genotype.reduce, ScanCell(scanner, scan_edge));
  ZCB_RETURN_IF_ERROR(ScanClosing(scanner, close));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return genotype;
}

// In quotes of either kind; `scan` reads what is between them.
template <typename Scan>
auto ScanQuoted(Scanner& scanner, const Scan& scan) -> decltype(scan(scanner)) {
  const bool single = scanner.Take("'");
  if (!single) ZCB_RETURN_IF_ERROR(scanner.Expect("\""));
  auto read = scan(scanner);
  if (read.ok()) ZCB_RETURN_IF_ERROR(scanner.Expect(single ? "'" : "\""));
  return read;
}

absl::StatusOr<DartsOp> ScanOpName(Scanner& scanner) {
  return ScanQuoted(scanner, [](Scanner& inner) -> absl::StatusOr<DartsOp> {
    for (int op = 0; op < kOps; ++op) {
      if (inner.Take(kOpNames[op])) return static_cast<DartsOp>(op);
    }
    return inner.Error(kWhatOpName);
  });
}

std::string_view TakeName(Scanner& scanner) {
  return scanner.TakeWhile([](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
  });
}

absl::StatusOr<std::string> ScanKey(Scanner& scanner) {
  return ScanQuoted(scanner,
                    [](Scanner& inner) -> absl::StatusOr<std::string> { return std::string(TakeName(inner)); });
}

// `[2, 3, 4, 5]` or `range(2, 6)`: the only order in which nodes are concatenated here.
absl::Status ScanConcat(Scanner& scanner) {
  const bool range = scanner.Take("range");
  ZCB_ASSIGN_OR_RETURN(const std::string_view close, ScanOpening(scanner));
  for (const int node : range ? std::vector<int>{2, 6} : std::vector<int>{2, 3, 4, 5}) {
    if (node > 2) ZCB_RETURN_IF_ERROR(ScanComma(scanner));
    ZCB_RETURN_IF_ERROR(scanner.Expect(std::to_string(node)));
  }
  return ScanClosing(scanner, close);
}

// The fields of a Genotype in any order, `normal=[('sep_conv_3x3', 0), ...], normal_concat=[2, 3, 4, 5], ...`, or, with
// quotes and colons, of a dictionary.
absl::StatusOr<DartsGenotype> ScanGenotype(Scanner& scanner, std::string_view close) {
  const auto scan_edge = [](Scanner& edge_scanner, size_t e, DartsEdge& edge) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(edge.op, ScanOpName(edge_scanner));
    ZCB_RETURN_IF_ERROR(ScanComma(edge_scanner));
    ZCB_ASSIGN_OR_RETURN(edge.input, ScanInput(edge_scanner, e));
    return absl::OkStatus();
  };
  const bool dictionary = close == "}";
  std::map<std::string, DartsCell> cells;
  do {
    scanner.SkipSpaces();
    if (scanner.Peek() == close[0]) break;  // after a last comma
    const Scanner at_key = scanner;
    std::string key;
    if (dictionary) {
      ZCB_ASSIGN_OR_RETURN(key, ScanKey(scanner));
    } else {
      key = std::string(TakeName(scanner));
    }
    scanner.SkipSpaces();
    if (cells.contains(key)) return at_key.Error("a key not given before");
    if (key == "normal" || key == "reduce") {
      ZCB_RETURN_IF_ERROR(scanner.Expect(dictionary ? ":" : "="));
      ZCB_ASSIGN_OR_RETURN(cells[key], ScanCell(scanner, scan_edge));
    } else if (key == "normal_concat" || key == "reduce_concat" || key == "concat") {
      ZCB_RETURN_IF_ERROR(scanner.Expect(dictionary ? ":" : "="));
      scanner.SkipSpaces();
      ZCB_RETURN_IF_ERROR(ScanConcat(scanner));
    } else {
      return at_key.Error("one of the keys normal normal_concat reduce reduce_concat");
    }
    scanner.SkipSpaces();
  } while (scanner.Take(","));
  for (const char* const key : {"normal", "reduce"}) {
    if (!cells.contains(key)) return scanner.Error(absl::StrCat("the key ", key, " before"));
  }
  ZCB_RETURN_IF_ERROR(scanner.Expect(close));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return DartsGenotype{cells["normal"], cells["reduce"]};
}

// The configuration of NAS-Bench-301 as a dictionary: `edge_normal_3` has an operation, `inputs_node_normal_4` has
// inputs `0_2`. Edges are numbered by their node, then by their input; node 2 always has the inputs 0 and 1. Keys of
// the network's other settings and of its training are skipped: the space fixes the ones, and has none of the others.
absl::StatusOr<DartsGenotype> ScanNasbench301(Scanner& scanner) {
  constexpr std::string_view kBase = "NetworkSelectorDatasetInfo:darts:";
  std::map<std::string, DartsOp> ops;
  std::map<std::string, std::pair<int, int>> inputs;
  do {
    scanner.SkipSpaces();
    if (scanner.Peek() == '}') break;  // after a last comma
    const Scanner at_key = scanner;
    ZCB_ASSIGN_OR_RETURN(std::string key, ScanKey(scanner));
    scanner.SkipSpaces();
    ZCB_RETURN_IF_ERROR(scanner.Expect(":"));
    scanner.SkipSpaces();
    if (key.starts_with(kBase)) key = key.substr(kBase.size());
    if (ops.contains(key) || inputs.contains(key)) return at_key.Error("a key not given before");
    if (key.starts_with("edge_")) {
      ZCB_ASSIGN_OR_RETURN(ops[key], ScanOpName(scanner));
    } else if (key.starts_with("inputs_node_")) {
      ZCB_ASSIGN_OR_RETURN(inputs[key], ScanQuoted(scanner, [](Scanner& inner) -> absl::StatusOr<std::pair<int, int>> {
                             ZCB_ASSIGN_OR_RETURN(const uint64_t a, inner.Number(0, 3, "an input"));
                             ZCB_RETURN_IF_ERROR(inner.Expect("_"));
                             ZCB_ASSIGN_OR_RETURN(const uint64_t b, inner.Number(a + 1, 4, "another input"));
                             return std::pair(static_cast<int>(a), static_cast<int>(b));
                           }));
    } else if (scanner.Peek() == '\'' || scanner.Peek() == '"') {
      ZCB_RETURN_IF_ERROR(ScanKey(scanner).status());
    } else {
      scanner.TakeWhile([](char c) { return c != ',' && c != '}'; });
    }
    scanner.SkipSpaces();
  } while (scanner.Take(","));
  const auto assemble = [&](const std::string& kind) -> absl::StatusOr<DartsCell> {
    DartsCell cell;
    int first_edge = 0;
    for (size_t e = 0; e < cell.size(); e += 2) {
      const int node = NodeOf(e);
      std::pair<int, int> of_node = {0, 1};
      if (node > 2) {
        const std::string key = absl::StrCat("inputs_node_", kind, "_", node);
        if (!inputs.contains(key)) return scanner.Error(absl::StrCat("the key ", key, " before"));
        of_node = inputs[key];
        if (of_node.second >= node) return scanner.Error(absl::StrCat(key, " of inputs below ", node, " before"));
      }
      for (const int input : {of_node.first, of_node.second}) {
        const std::string key = absl::StrCat("edge_", kind, "_", first_edge + input);
        if (!ops.contains(key)) return scanner.Error(absl::StrCat("the key ", key, " before"));
        cell[input == of_node.first ? e : e + 1] = {input, ops[key]};
      }
      first_edge += node;
    }
    return cell;
  };
  DartsGenotype genotype;
  ZCB_ASSIGN_OR_RETURN(genotype.normal, assemble("normal"));
  ZCB_ASSIGN_OR_RETURN(genotype.reduce, assemble("reduce"));
  ZCB_RETURN_IF_ERROR(scanner.Expect("}"));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return genotype;
}

// Keys of NAS-Bench-301 have colons; the brace has been read.
absl::StatusOr<DartsGenotype> ScanDictionary(Scanner& scanner) {
  Scanner ahead = scanner;
  ahead.SkipSpaces();
  const absl::StatusOr<std::string> key = ScanKey(ahead);
  if (key.ok() && key->find(':') != std::string::npos) return ScanNasbench301(scanner);
  return ScanGenotype(scanner, "}");
}

// Adds what layers cost to our network and to NASLib's.
class Counter {
 public:
  enum class At { kNetwork, kOperation };

  void Convolution(int64_t kernel, int64_t in, int64_t out, int64_t pixels) {
    const int64_t weights = kernel * kernel * in * out;
    counts.macs += weights * pixels;
    Add(weights, weights * pixels);
  }
  void DepthwiseConvolution(int64_t kernel, int64_t channels, int64_t pixels) {
    Convolution(kernel, 1, channels, pixels);
  }
  void BatchNorm(int64_t channels, int64_t pixels, At at) {
    counts.params += 2 * channels;
    counts.tensorwatch += 2 * channels * pixels;
    counts.naslib_params += at == At::kNetwork ? 2 * channels : 0;
    counts.naslib_tensorwatch += (at == At::kNetwork ? 2 : 1) * channels * pixels;
  }
  void Relu(int64_t channels, int64_t pixels) { Add(0, channels * pixels); }
  void Pool(int64_t channels, int64_t pixels) {
    Add(0, 9 * channels * pixels);
    counts.naslib_tensorwatch += channels * pixels;
  }
  void ReluConvolutionBatchNorm(int64_t in, int64_t out, int64_t pixels) {
    Relu(in, pixels);
    Convolution(1, in, out, pixels);
    BatchNorm(out, pixels, At::kNetwork);
  }
  // From `pixels` to a quarter of them.
  void FactorizedReduce(int64_t in, int64_t out, int64_t pixels, At at) {
    Relu(in, pixels);
    Convolution(1, in, out, pixels / 4);  // two, each with half of the outputs
    BatchNorm(out, pixels / 4, at);
  }
  void Separable(int64_t kernel, int64_t channels, int64_t in_pixels, int64_t out_pixels) {
    Relu(channels, in_pixels);
    DepthwiseConvolution(kernel, channels, out_pixels);
    Convolution(1, channels, channels, out_pixels);
    BatchNorm(channels, out_pixels, At::kOperation);
  }
  void Operation(DartsOp op, int64_t channels, int64_t in_pixels, int64_t out_pixels) {
    switch (op) {
      case DartsOp::kMaxPool3x3:
      case DartsOp::kAvgPool3x3:
        return Pool(channels, out_pixels);
      case DartsOp::kSkip:
        if (in_pixels != out_pixels) FactorizedReduce(channels, channels, in_pixels, At::kOperation);
        return;
      case DartsOp::kSepConv3x3:
      case DartsOp::kSepConv5x5: {
        const int kernel = op == DartsOp::kSepConv3x3 ? 3 : 5;
        Separable(kernel, channels, in_pixels, out_pixels);
        return Separable(kernel, channels, out_pixels, out_pixels);
      }
      case DartsOp::kDilConv3x3:
      case DartsOp::kDilConv5x5:
        return Separable(op == DartsOp::kDilConv3x3 ? 3 : 5, channels, in_pixels, out_pixels);
    }
  }
  void Add(int64_t params, int64_t tensorwatch) {
    counts.params += params;
    counts.tensorwatch += tensorwatch;
    counts.naslib_params += params;
    counts.naslib_tensorwatch += tensorwatch;
  }

  DartsCounts counts;
};

class Darts final : public Space {
 public:
  Darts(std::string name, std::vector<std::string> prefixes, std::string summary, DartsConfig config)
      : name_(std::move(name)),
        kind_(name_ + " architecture"),
        prefixes_(std::move(prefixes)),
        summary_(std::move(summary)),
        config_(config) {}

  std::string_view summary() const override { return summary_; }
  int version() const override { return 1; }
  // The images' own size up to the 32 pixels of CIFAR, for which the space was made.
  int input_size(const Task& task) const override {
    return task.native_size > 0 && task.native_size < 32 ? task.native_size : 32;
  }
  std::vector<std::string> prefixes() const override { return prefixes_; }

  uint64_t size() const override { return kCellCount * kCellCount; }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= size()) {
      return absl::OutOfRangeError(absl::StrCat("index ", index, ": ", name_, " has ", size(), " architectures"));
    }
    return EncodeDarts(GenotypeOf(index));
  }

  // The normal cell is the leading digit.
  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeMember(architecture));
    return RankOf(genotype.normal) * kCellCount + RankOf(genotype.reduce);
  }

  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, name_, prefixes_));
    for (const auto& [name, architecture] : kNamed) {
      if (notation == name) return std::string(architecture);
    }
    Scanner scanner(kind_, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, size() - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    const bool compact = scanner.Peek() == '(' || scanner.Peek() == '[';
    const absl::StatusOr<DartsGenotype> genotype = compact                     ? ScanCompact(scanner)
                                                   : scanner.Take("Genotype(") ? ScanGenotype(scanner, ")")
                                                   : scanner.Take("{")         ? ScanDictionary(scanner)
                                                                               : ScanCanonical(scanner);
    if (!genotype.ok()) return genotype.status();
    return EncodeDarts(*genotype);
  }

  // The Genotype of the authors' code.
  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeDarts(architecture));
    std::string text = "Genotype(";
    for (const auto& [key, cell] : {std::pair("normal", genotype.normal), std::pair("reduce", genotype.reduce)}) {
      absl::StrAppend(&text, key == std::string_view("normal") ? "" : ", ", key, "=[");
      for (size_t e = 0; e < cell.size(); ++e) {
        absl::StrAppend(&text, e > 0 ? ", ('" : "('", std::string(kOpNames[static_cast<size_t>(cell[e].op)]), "', ",
                        cell[e].input, ")");
      }
      absl::StrAppend(&text, "], ", key, "_concat=[2, 3, 4, 5]");
    }
    return text + ")";
  }

  // NASLib: for every node two different inputs and two operations, each uniform. That is uniform over the index.
  std::string Draw(Draws& draws) const override { return EncodeDarts(GenotypeOf(draws.Below(size()))); }

  // NASLib: in a uniform cell a uniform edge gets, with equal chance, a uniform operation or a uniform input other than
  // its sibling's; again until something has changed.
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype parent, DecodeMember(architecture));
    DartsGenotype child = parent;
    while (child == parent) {
      DartsCell& cell = draws.Below(2) == 0 ? child.normal : child.reduce;
      const size_t e = draws.Below(cell.size());
      if (draws.Below(2) == 0) {
        cell[e].op = static_cast<DartsOp>(draws.Below(kOps));
      } else {
        const auto input = static_cast<int>(draws.Below(static_cast<uint64_t>(NodeOf(e))));
        if (input != cell[e ^ 1].input) cell[e].input = input;
      }
      Sort(cell);
    }
    return EncodeDarts(child);
  }

  // Each node from either parent with equal chance; the authors define no crossover.
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(DartsGenotype child, DecodeMember(a));
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype other, DecodeMember(b));
    for (const auto cell : {&DartsGenotype::normal, &DartsGenotype::reduce}) {
      for (size_t e = 0; e < (child.*cell).size(); e += 2) {
        if (draws.Below(2) == 1) std::copy_n((other.*cell).begin() + e, 2, (child.*cell).begin() + e);
      }
    }
    return EncodeDarts(child);
  }

  // 120: another operation of an edge (96), another input of an edge (24). The normal cell first, edge by edge, first
  // the operations, ascending.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeMember(architecture));
    std::vector<std::string> neighbours;
    for (const auto cell : {&DartsGenotype::normal, &DartsGenotype::reduce}) {
      const auto add = [&](size_t e, const DartsEdge& edge) {
        DartsGenotype neighbour = genotype;
        (neighbour.*cell)[e] = edge;
        Sort(neighbour.*cell);
        neighbours.push_back(EncodeDarts(neighbour));
      };
      for (size_t e = 0; e < (genotype.*cell).size(); ++e) {
        const DartsEdge edge = (genotype.*cell)[e];
        for (int op = 0; op < kOps; ++op) {
          if (op != static_cast<int>(edge.op)) add(e, {edge.input, static_cast<DartsOp>(op)});
        }
        for (int input = 0; input < NodeOf(e); ++input) {
          if (input != edge.input && input != (genotype.*cell)[e ^ 1].input) add(e, {input, edge.op});
        }
      }
    }
    return neighbours;
  }

  absl::StatusOr<int64_t> Params(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsCounts counts, Count(architecture, cell));
    return counts.params;
  }

  // tensorwatch's count, also of normalisation, activations and pooling.
  absl::StatusOr<int64_t> Flops(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsCounts counts, Count(architecture, cell));
    return counts.tensorwatch;
  }

  // macs_conv_linear: convolutions and the classifier only. macs_naslib: tensorwatch's count of NASLib's graph, the
  // `flops` of NAS-Bench-Suite-Zero.
  absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const DartsCounts counts, Count(architecture, cell));
    return std::vector<NamedCount>{{"macs_conv_linear", counts.macs}, {"macs_naslib", counts.naslib_tensorwatch}};
  }

 private:
  absl::StatusOr<DartsGenotype> DecodeMember(std::string_view architecture) const {
    ZCB_ASSIGN_OR_RETURN(DartsGenotype genotype, DecodeDarts(architecture));
    for (const auto& [kind, cell] : {std::pair("normal", genotype.normal), std::pair("reduction", genotype.reduce)}) {
      for (size_t e = 0; e < cell.size(); e += 2) {
        if (cell[e].input != cell[e + 1].input) continue;
        return absl::NotFoundError(absl::StrCat(std::string(architecture), " is not in ", name_, ": node ", NodeOf(e),
                                                " of the ", kind, " cell has input ", cell[e].input, " twice"));
      }
    }
    return genotype;
  }

  absl::StatusOr<DartsCounts> Count(std::string_view architecture, const Cell& cell) const {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeDarts(architecture));
    return CountDarts(genotype, config_, cell);
  }

  std::string name_;
  std::string kind_;
  std::vector<std::string> prefixes_;
  std::string summary_;
  DartsConfig config_;
};

}  // namespace

absl::StatusOr<DartsGenotype> DecodeDarts(std::string_view architecture) {
  Scanner scanner("darts architecture", architecture);
  return ScanCanonical(scanner);
}

std::string EncodeDarts(const DartsGenotype& genotype) {
  std::string text;
  for (const DartsCell& cell : {genotype.normal, genotype.reduce}) {
    if (!text.empty()) text += '_';
    for (const DartsEdge& edge : cell) absl::StrAppend(&text, edge.input, static_cast<int>(edge.op));
  }
  return text;
}

std::vector<DartsPlace> DartsPlaces(const DartsConfig& config) {
  std::vector<DartsPlace> places;
  int64_t in0 = config.imagenet ? config.channels : 3 * config.channels;
  int64_t in1 = in0;
  int64_t width = config.channels;
  bool after_reduction = config.imagenet;
  for (int i = 0; i < config.cells; ++i) {
    const bool reduction = i == config.cells / 3 || i == 2 * config.cells / 3;
    if (reduction) width *= 2;
    places.push_back({reduction, after_reduction, in0, in1, width});
    after_reduction = reduction;
    in0 = in1;
    in1 = 4 * width;
  }
  return places;
}

absl::StatusOr<DartsCounts> CountDarts(const DartsGenotype& genotype, const DartsConfig& config, const Cell& cell) {
  const int multiple = config.imagenet ? 32 : 4;
  if (cell.channels != 3 || cell.height < multiple || cell.width < multiple || cell.height % multiple != 0 ||
      cell.width % multiple != 0) {
    return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.channels, " x ", cell.height, " x ", cell.width,
                                                   "; darts needs 3 x H x W with H and W multiples of ", multiple));
  }
  if (cell.classes < 1) return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.classes, " classes"));
  using At = Counter::At;
  Counter counter;
  int64_t height = cell.height;
  int64_t width = cell.width;
  const auto halve = [&] { height /= 2, width /= 2; };
  const auto pixels = [&] { return height * width; };
  const int64_t channels = config.channels;
  const auto stem = [&](int64_t in, int64_t out) {
    counter.Convolution(3, in, out, pixels());
    counter.BatchNorm(out, pixels(), At::kNetwork);
  };
  if (config.imagenet) {
    halve();
    stem(3, channels / 2);
    counter.Relu(channels / 2, pixels());
    halve();
    stem(channels / 2, channels);
    counter.Relu(channels, pixels());
    halve();
    stem(channels, channels);
  } else {
    stem(3, 3 * channels);
  }
  const std::vector<DartsPlace> places = DartsPlaces(config);
  for (const DartsPlace& place : places) {
    const int64_t in_pixels = pixels();
    if (place.after_reduction) {
      counter.FactorizedReduce(place.in0, place.width, 4 * in_pixels, At::kNetwork);
    } else {
      counter.ReluConvolutionBatchNorm(place.in0, place.width, in_pixels);
    }
    counter.ReluConvolutionBatchNorm(place.in1, place.width, in_pixels);
    if (place.reduction) halve();
    for (const DartsEdge& edge : place.reduction ? genotype.reduce : genotype.normal) {
      counter.Operation(edge.op, place.width, edge.input < 2 ? in_pixels : pixels(), pixels());
    }
  }
  const int64_t features = 4 * places.back().width;
  // The global average: of ImageNet's networks a pooling of 7 x 7, of CIFAR's an adaptive one, for which tensorwatch
  // has its own rule.
  counter.Add(0, features * (config.imagenet ? pixels() : (height + 1) * (width + 1)));
  counter.counts.macs += features * cell.classes;
  counter.Add((features + 1) * cell.classes, features * cell.classes);
  return counter.counts;
}

ZCB_REGISTER(space, SpaceDefinition, darts) {
  const auto add = [&](std::string name, std::vector<std::string> prefixes, std::string summary, DartsConfig config) {
    auto space = std::make_shared<const Darts>(name, std::move(prefixes), std::move(summary), config);
    registry.Add({std::move(name), std::move(space)});
  };
  add("darts", {"nb301"}, "DARTS cells in the networks of NAS-Bench-301: 32 channels, 8 cells", kDarts);
  add("darts_eval", {}, "DARTS cells in the networks that its paper trains: 36 channels, 20 cells", kDartsEval);
}

}  // namespace zcbench
