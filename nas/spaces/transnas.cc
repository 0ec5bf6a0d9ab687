#include "nas/spaces/transnas.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"
#include "nas/space.h"

namespace zcbench {
namespace {

constexpr std::string_view kMicroName = "transnas_micro";
constexpr std::string_view kMacroName = "transnas_macro";
constexpr std::string_view kMicroKind = "transnas_micro architecture";
constexpr std::string_view kMacroKind = "transnas_macro architecture";
constexpr std::string_view kMicroModules = "41414";
constexpr int kOps = 4;
constexpr int kEdges = 6;
constexpr int kMicroCells = 4096;
constexpr size_t kMostModules = 6;
constexpr int kStemStride = 4;
constexpr int kMostDecoderHalvings = 4;  // the authors' decoders double two to six times
constexpr int kSmallestSide = 64;        // a multiple of what any network of the sets needs
constexpr int kTaskonomySide = 256;
constexpr int kApiSide = 224;
constexpr int kApiTile = 64;

bool Doubles(char module) { return module == '2' || module == '4'; }
bool Halves(char module) { return module == '3' || module == '4'; }

std::vector<TransnasModule> ModulesOf(std::string_view digits) {
  std::vector<TransnasModule> modules;
  int64_t channels = kTransnasStem;
  for (const char digit : digits) {
    const int64_t out = Doubles(digit) ? 2 * channels : channels;
    modules.push_back({channels, out, Halves(digit) ? 2 : 1});
    channels = out;
  }
  return modules;
}

// The space of both: only what an architecture is differs.
class Transnas : public Space {
 public:
  int version() const override { return 1; }
  // Taskonomy's 256 (the jigsaw's tiles 64) for its tasks and for images of any size; smaller ones go to the next
  // multiple of 64.
  int input_size(const Task& task) const override {
    if (task.native_size == 0) return kTaskonomySide;
    return std::min((task.native_size + kSmallestSide - 1) / kSmallestSide * kSmallestSide, kTaskonomySide);
  }
  bool Answers(TaskKind) const override { return true; }

  absl::StatusOr<int64_t> Params(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const TransnasCounts counts, Count(architecture, cell));
    return counts.params;
  }

  // tensorwatch's count, the `flops` of NAS-Bench-Suite-Zero.
  absl::StatusOr<int64_t> Flops(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const TransnasCounts counts, Count(architecture, cell));
    return counts.tensorwatch;
  }

  // macs_true: of convolutions, transposed ones and linear layers. macs_api, macs_encoder_api: the official API's
  // model_FLOPs (with the cell's outputs) and encoder_FLOPs, whatever the cell's size.
  absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const TransnasCounts counts, Count(architecture, cell));
    return std::vector<NamedCount>{
        {"macs_true", counts.macs}, {"macs_api", counts.macs_api}, {"macs_encoder_api", counts.macs_encoder_api}};
  }

 protected:
  virtual absl::StatusOr<TransnasNetwork> Decode(std::string_view architecture) const = 0;

 private:
  absl::StatusOr<TransnasCounts> Count(std::string_view architecture, const Cell& cell) const {
    ZCB_ASSIGN_OR_RETURN(const TransnasNetwork network, Decode(architecture));
    ZCB_RETURN_IF_ERROR(CheckTransnasCell(network, cell));
    return CountTransnas(network, cell);
  }
};

// The digits of `(1, 0, 2)` or `1-0-2`, from after the opening bracket: `least` to `most`.
absl::StatusOr<std::string> ScanNaslib(Scanner& scanner, bool tuple, std::string_view digits, size_t least, size_t most,
                                       std::string_view what) {
  const std::string_view separator = tuple ? "," : "-";
  std::string found;
  while (found.size() < most) {
    if (!found.empty() && !scanner.Take(separator)) {
      if (found.size() >= least) break;
      return scanner.Error(Quoted(separator));
    }
    scanner.SkipSpaces();
    ZCB_ASSIGN_OR_RETURN(const int digit, scanner.Digit(digits, what));
    found += digits[static_cast<size_t>(digit)];
    scanner.SkipSpaces();
  }
  if (tuple) ZCB_RETURN_IF_ERROR(scanner.Expect(")"));
  return found;
}

constexpr std::string_view kMicroDigits = "0123";
constexpr std::string_view kMicroWhat = "an operation (0 to 3)";

TransnasMicroCell CellOf(std::string_view digits) {
  TransnasMicroCell cell;
  for (size_t edge = 0; edge < cell.size(); ++edge) cell[edge] = static_cast<TransnasOp>(digits[edge] - '0');
  return cell;
}

// In lexicographic order.
TransnasMicroCell CellAt(int rank) {
  TransnasMicroCell cell;
  for (size_t edge = kEdges; edge-- > 0; rank /= kOps) cell[edge] = static_cast<TransnasOp>(rank % kOps);
  return cell;
}

std::string EncodeMicro(const TransnasMicroCell& cell) {
  std::string text;
  for (size_t edge = 0; edge < cell.size(); ++edge) {
    if (kTransnasEdges[edge].from == 0 && edge > 0) text += '_';
    text += kMicroDigits[static_cast<size_t>(cell[edge])];
  }
  return text;
}

absl::StatusOr<TransnasMicroCell> ScanMicro(Scanner& scanner) {
  TransnasMicroCell cell;
  for (size_t edge = 0; edge < cell.size(); ++edge) {
    if (kTransnasEdges[edge].from == 0 && edge > 0) ZCB_RETURN_IF_ERROR(scanner.Expect("_"));
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit(kMicroDigits, kMicroWhat));
    cell[edge] = static_cast<TransnasOp>(op);
  }
  return cell;
}

absl::StatusOr<TransnasMicroCell> DecodeMicroCell(std::string_view architecture) {
  Scanner scanner(kMicroKind, architecture);
  ZCB_ASSIGN_OR_RETURN(const TransnasMicroCell cell, ScanMicro(scanner));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return cell;
}

class TransnasMicro final : public Transnas {
 public:
  std::string_view summary() const override {
    return "TransNAS-Bench-101 micro: cells of 6 edges and 4 ops, seven tasks";
  }
  std::vector<std::string> prefixes() const override { return {"tnb-micro"}; }

  uint64_t size() const override { return kMicroCells; }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= kMicroCells) {
      return absl::OutOfRangeError(
          absl::StrCat("index ", index, ": transnas_micro has ", kMicroCells, " architectures"));
    }
    return EncodeMicro(CellAt(static_cast<int>(index)));
  }

  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const TransnasMicroCell cell, DecodeMicroCell(architecture));
    uint64_t rank = 0;
    for (const TransnasOp op : cell) rank = rank * kOps + static_cast<uint64_t>(op);
    return rank;
  }

  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, kMicroName, prefixes()));
    Scanner scanner(kMicroKind, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, kMicroCells - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    TransnasMicroCell cell;
    if (const bool tuple = scanner.Take("("); tuple || (notation.size() > 1 && notation[1] == '-')) {
      ZCB_ASSIGN_OR_RETURN(const std::string digits,
                           ScanNaslib(scanner, tuple, kMicroDigits, kEdges, kEdges, kMicroWhat));
      cell = CellOf(digits);
    } else {
      if (scanner.Take("64-")) ZCB_RETURN_IF_ERROR(scanner.Expect(absl::StrCat(std::string(kMicroModules), "-")));
      ZCB_ASSIGN_OR_RETURN(cell, ScanMicro(scanner));
    }
    ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
    return EncodeMicro(cell);
  }

  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_RETURN_IF_ERROR(DecodeMicroCell(architecture).status());
    return absl::StrCat("64-", std::string(kMicroModules), "-", std::string(architecture));
  }

  // Uniform. NASLib draws again when one of two sets of three edges is all 1, which in its own numbering is `none`;
  // here it is `skip`.
  std::string Draw(Draws& draws) const override {
    return EncodeMicro(CellAt(static_cast<int>(draws.Below(kMicroCells))));
  }

  // As NASLib: a uniform edge gets a uniform different operation.
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(TransnasMicroCell cell, DecodeMicroCell(architecture));
    TransnasOp& op = cell[draws.Below(kEdges)];
    op = static_cast<TransnasOp>((static_cast<uint64_t>(op) + 1 + draws.Below(kOps - 1)) % kOps);
    return EncodeMicro(cell);
  }

  // Each edge from either parent with equal chance; the authors define no crossover.
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(TransnasMicroCell child, DecodeMicroCell(a));
    ZCB_ASSIGN_OR_RETURN(const TransnasMicroCell other, DecodeMicroCell(b));
    for (size_t edge = 0; edge < child.size(); ++edge) {
      if (draws.Below(2) == 1) child[edge] = other[edge];
    }
    return EncodeMicro(child);
  }

  // As NASLib, 18: edge by edge in the order of the string, operations in the order of their digits.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const TransnasMicroCell cell, DecodeMicroCell(architecture));
    std::vector<std::string> neighbours;
    for (size_t edge = 0; edge < cell.size(); ++edge) {
      for (int op = 0; op < kOps; ++op) {
        TransnasMicroCell other = cell;
        other[edge] = static_cast<TransnasOp>(op);
        if (other != cell) neighbours.push_back(EncodeMicro(other));
      }
    }
    return neighbours;
  }

 protected:
  absl::StatusOr<TransnasNetwork> Decode(std::string_view architecture) const override {
    return DecodeTransnasMicro(architecture);
  }
};

constexpr std::string_view kMacroDigits = "1234";
constexpr std::string_view kMacroWhat = "a module (1 to 4)";
constexpr int kFewestModules = 4;
constexpr int kMostHalvings = 4;
constexpr int kMostDoublings = 3;

// What NASLib's sampling, mutation and neighbourhood are about.
struct MacroNumbers {
  int modules;
  int halvings;
  int doublings;

  bool operator==(const MacroNumbers&) const = default;
};

MacroNumbers NumbersOf(std::string_view architecture) {
  return {static_cast<int>(architecture.size()),
          static_cast<int>(std::count_if(architecture.begin(), architecture.end(), Halves)),
          static_cast<int>(std::count_if(architecture.begin(), architecture.end(), Doubles))};
}

bool IsMember(const MacroNumbers& numbers) {
  return numbers.modules >= kFewestModules && numbers.halvings >= 1 && numbers.halvings <= kMostHalvings &&
         numbers.doublings >= 1 && numbers.doublings <= kMostDoublings;
}

// The enumerated set, sorted.
const std::vector<std::string>& MacroMembers() {
  static const auto* const members = [] {
    auto* made = new std::vector<std::string>;
    std::vector<std::string> longest = {""};
    for (size_t length = 1; length <= kMostModules; ++length) {
      std::vector<std::string> longer;
      for (const std::string& text : longest) {
        for (const char digit : kMacroDigits) {
          longer.push_back(text + digit);
          if (IsMember(NumbersOf(longer.back()))) made->push_back(longer.back());
        }
      }
      longest = std::move(longer);
    }
    std::sort(made->begin(), made->end());
    return made;
  }();
  return *members;
}

absl::StatusOr<std::string> ScanMacro(Scanner& scanner) {
  std::string digits;
  do {
    ZCB_ASSIGN_OR_RETURN(const int digit, scanner.Digit(kMacroDigits, kMacroWhat));
    digits += kMacroDigits[static_cast<size_t>(digit)];
  } while (digits.size() < kMostModules && !scanner.AtEnd() && scanner.Peek() != '-');
  return digits;
}

absl::Status CheckMacro(std::string_view architecture) {
  Scanner scanner(kMacroKind, architecture);
  ZCB_RETURN_IF_ERROR(ScanMacro(scanner).status());
  return scanner.ExpectEnd();
}

absl::Status CheckMacroMember(std::string_view architecture) {
  ZCB_RETURN_IF_ERROR(CheckMacro(architecture));
  const MacroNumbers numbers = NumbersOf(architecture);
  if (IsMember(numbers)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(std::string(architecture), " is not in transnas_macro: ", numbers.modules,
                                          " modules, ", numbers.halvings, " of which halve the resolution and ",
                                          numbers.doublings,
                                          " double the channels; the set has 4 to 6, 1 to 4, 1 to 3"));
}

// `ones` of `size` places, in random order.
std::vector<bool> ShuffledMask(int size, int ones, Draws& draws) {
  std::vector<bool> mask(static_cast<size_t>(size));
  std::fill_n(mask.begin(), ones, true);
  for (size_t i = mask.size() - 1; i > 0; --i) {
    const size_t j = draws.Below(i + 1);
    const bool kept = mask[i];
    mask[i] = mask[j];
    mask[j] = kept;
  }
  return mask;
}

std::string DrawArrangement(const MacroNumbers& numbers, Draws& draws) {
  const std::vector<bool> halves = ShuffledMask(numbers.modules, numbers.halvings, draws);
  const std::vector<bool> doubles = ShuffledMask(numbers.modules, numbers.doublings, draws);
  std::string text;
  for (size_t i = 0; i < halves.size(); ++i) text += kMacroDigits[(halves[i] ? 2u : 0u) + (doubles[i] ? 1u : 0u)];
  return text;
}

// Uniform in [low, high] without `value`.
int DrawOther(int value, int low, int high, Draws& draws) {
  const int drawn = low + static_cast<int>(draws.Below(static_cast<uint64_t>(high - low)));
  return drawn < value ? drawn : drawn + 1;
}

class TransnasMacro final : public Transnas {
 public:
  std::string_view summary() const override {
    return "TransNAS-Bench-101 macro: 4 to 6 modules of residual blocks, seven tasks";
  }
  std::vector<std::string> prefixes() const override { return {"tnb-macro"}; }

  uint64_t size() const override { return MacroMembers().size(); }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= size()) {
      return absl::OutOfRangeError(absl::StrCat("index ", index, ": transnas_macro has ", size(), " architectures"));
    }
    return MacroMembers()[index];
  }

  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_RETURN_IF_ERROR(CheckMacroMember(architecture));
    const std::vector<std::string>& members = MacroMembers();
    return static_cast<uint64_t>(std::lower_bound(members.begin(), members.end(), architecture) - members.begin());
  }

  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, kMacroName, prefixes()));
    Scanner scanner(kMacroKind, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, size() - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    if (const bool tuple = scanner.Take("("); tuple || (notation.size() > 1 && notation[1] == '-')) {
      ZCB_ASSIGN_OR_RETURN(std::string digits,
                           ScanNaslib(scanner, tuple, "01234", 1, kMostModules, "a module (1 to 4, 0 for none)"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      const size_t modules = std::min(digits.find('0'), digits.size());
      if (modules == 0 || digits.find_first_not_of('0', modules) != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat(std::string(kMacroKind), " ", Quoted(notation),
                                                       ": the 0 at character ", notation.find('0') + 1,
                                                       " may only follow the last module"));
      }
      digits.resize(modules);
      return digits;
    }
    const bool official = scanner.Take("64-");
    ZCB_ASSIGN_OR_RETURN(const std::string digits, ScanMacro(scanner));
    if (official) ZCB_RETURN_IF_ERROR(scanner.Expect("-basic"));
    ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
    return digits;
  }

  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_RETURN_IF_ERROR(CheckMacro(architecture));
    return absl::StrCat("64-", std::string(architecture), "-basic");
  }

  // As NASLib: the number of modules, of halvings and of doublings, each uniform, then the places of both.
  std::string Draw(Draws& draws) const override {
    const int modules = kFewestModules + static_cast<int>(draws.Below(kMostModules - kFewestModules + 1));
    const int halvings = 1 + static_cast<int>(draws.Below(kMostHalvings));
    const int doublings = 1 + static_cast<int>(draws.Below(kMostDoublings));
    return DrawArrangement({modules, halvings, doublings}, draws);
  }

  // As NASLib: one of the three numbers becomes another one, then the places are drawn anew. (NASLib draws one order
  // for both, the halvings on the doublings, so none of its mutants has both a 2 and a 3.)
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    ZCB_RETURN_IF_ERROR(CheckMacroMember(architecture));
    MacroNumbers numbers = NumbersOf(architecture);
    switch (draws.Below(3)) {
      case 0:
        numbers.modules = DrawOther(numbers.modules, kFewestModules, kMostModules, draws);
        break;
      case 1:
        numbers.halvings = DrawOther(numbers.halvings, 1, kMostHalvings, draws);
        break;
      default:
        numbers.doublings = DrawOther(numbers.doublings, 1, kMostDoublings, draws);
        break;
    }
    return DrawArrangement(numbers, draws);
  }

  // Each module from either parent with equal chance, drawn again until the child is of the set; the authors define no
  // crossover. Parents with different numbers of modules are FAILED_PRECONDITION.
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_RETURN_IF_ERROR(CheckMacroMember(a));
    ZCB_RETURN_IF_ERROR(CheckMacroMember(b));
    if (a.size() != b.size()) {
      return absl::FailedPreconditionError(
          absl::StrCat("parents of ", a.size(), " and ", b.size(), " modules have no child; take two of one number"));
    }
    std::string child;
    do {
      child = a;
      for (size_t i = 0; i < child.size(); ++i) {
        if (draws.Below(2) == 1) child[i] = b[i];
      }
    } while (!IsMember(NumbersOf(child)));
    return child;
  }

  // As NASLib: all three numbers are others. NASLib draws one arrangement of each such triple; here are all of them, in
  // the order of the index.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_RETURN_IF_ERROR(CheckMacroMember(architecture));
    const MacroNumbers own = NumbersOf(architecture);
    std::vector<std::string> neighbours;
    for (const std::string& member : MacroMembers()) {
      const MacroNumbers other = NumbersOf(member);
      if (other.modules != own.modules && other.halvings != own.halvings && other.doublings != own.doublings) {
        neighbours.push_back(member);
      }
    }
    return neighbours;
  }

 protected:
  absl::StatusOr<TransnasNetwork> Decode(std::string_view architecture) const override {
    return DecodeTransnasMacro(architecture);
  }
};

// Sums what layers cost, at the resolution where it stands.
class Counter {
 public:
  Counter(int64_t height, int64_t width) : height_(height), width_(width) {}

  int64_t pixels() const { return height_ * width_; }
  void Halve() { height_ = (height_ + 1) / 2, width_ = (width_ + 1) / 2; }
  void Double() { height_ *= 2, width_ *= 2; }

  void Convolution(int64_t kernel, int64_t in, int64_t out, bool bias = false) {
    const int64_t weights = kernel * kernel * in * out;
    counts.params += weights + (bias ? out : 0);
    counts.macs += weights * pixels();
    counts.tensorwatch += (weights + (bias ? out : 0)) * pixels();
  }
  void TransposedConvolution(int64_t in, int64_t out) {
    counts.params += 9 * in * out + out;
    counts.macs += 9 * in * out * pixels();
    Double();
  }
  void BatchNorm(int64_t channels) {
    counts.params += 2 * channels;
    counts.tensorwatch += 2 * channels * pixels();
  }
  void Activation(int64_t channels) { counts.tensorwatch += channels * pixels(); }
  // The global average and a linear layer.
  void Head(int64_t in, int64_t out) {
    counts.params += (in + 1) * out;
    counts.macs += in * out;
    counts.tensorwatch += in * (height_ + 1) * (width_ + 1) + in * out;
  }

  TransnasCounts counts;

 private:
  int64_t height_;
  int64_t width_;
};

void CountEncoder(const TransnasNetwork& network, Counter& counter) {
  counter.Halve();
  counter.Convolution(3, 3, kTransnasHalfStem);
  counter.BatchNorm(kTransnasHalfStem);
  counter.Activation(kTransnasHalfStem);
  counter.Halve();
  counter.Convolution(3, kTransnasHalfStem, kTransnasStem);
  counter.BatchNorm(kTransnasStem);
  for (const TransnasModule& module : network.modules) {
    for (const TransnasModule& place : {module, TransnasModule{module.out, module.out, 1}}) {
      Counter before = counter;  // where the edges from the cell's input have their activation
      before.counts = {};
      if (place.stride == 2) counter.Halve();
      const bool changes = place.stride != 1 || place.in != place.out;
      if (!network.cell) {
        before.Activation(place.in);
        counter.Convolution(3, place.in, place.out);
        counter.BatchNorm(place.out);
        counter.Activation(place.out);
        counter.Convolution(3, place.out, place.out);
        counter.BatchNorm(place.out);
        if (changes) {
          counter.Convolution(1, place.in, place.out);
          counter.BatchNorm(place.out);
        }
      } else {
        for (size_t edge = 0; edge < kTransnasEdges.size(); ++edge) {
          const TransnasOp op = (*network.cell)[edge];
          const bool first = kTransnasEdges[edge].from == 0;
          if (op == TransnasOp::kNone || (op == TransnasOp::kSkip && !(first && changes))) continue;
          const int64_t in = first ? place.in : place.out;
          (first ? before : counter).Activation(in);
          // A skip is two 1x1 convolutions to half the channels each.
          counter.Convolution(op == TransnasOp::kConv3x3 ? 3 : 1, in, place.out);
          counter.BatchNorm(place.out);
        }
      }
      counter.counts.tensorwatch += before.counts.tensorwatch;
    }
  }
}

void CountHead(const TransnasNetwork& network, const Cell& cell, Counter& counter) {
  if (cell.kind == TaskKind::kJigsaw) return counter.Head(kTransnasTiles * network.out(), cell.classes);
  if (cell.kind != TaskKind::kSegmentation && cell.kind != TaskKind::kImage) {
    return counter.Head(network.out(), cell.classes);
  }
  const std::vector<TransnasDecoderLayer> decoder = TransnasDecoder(network, cell.kind, cell.classes);
  for (const TransnasDecoderLayer& layer : decoder) {
    if (layer.doubles) {
      counter.TransposedConvolution(layer.in, layer.out);
    } else {
      counter.Convolution(3, layer.in, layer.out, /*bias=*/true);
    }
    if (&layer == &decoder.back()) break;
    counter.BatchNorm(layer.out);
    counter.Activation(layer.out);
  }
}

// At one size; macs_encoder_api is the encoder's at that size.
TransnasCounts CountAt(const TransnasNetwork& network, const Cell& cell, int64_t height, int64_t width) {
  Counter counter(height, width);
  CountEncoder(network, counter);
  const int64_t encoder = counter.counts.macs;
  if (cell.kind == TaskKind::kJigsaw) counter.counts.macs *= kTransnasTiles;
  CountHead(network, cell, counter);
  counter.counts.macs_encoder_api = encoder;
  return counter.counts;
}

}  // namespace

int TransnasNetwork::halvings() const {
  return static_cast<int>(
      std::count_if(modules.begin(), modules.end(), [](const TransnasModule& module) { return module.stride == 2; }));
}

absl::StatusOr<TransnasNetwork> DecodeTransnasMicro(std::string_view architecture) {
  ZCB_ASSIGN_OR_RETURN(const TransnasMicroCell cell, DecodeMicroCell(architecture));
  return TransnasNetwork{ModulesOf(kMicroModules), cell};
}

absl::StatusOr<TransnasNetwork> DecodeTransnasMacro(std::string_view architecture) {
  ZCB_RETURN_IF_ERROR(CheckMacro(architecture));
  return TransnasNetwork{ModulesOf(architecture), std::nullopt};
}

std::vector<TransnasDecoderLayer> TransnasDecoder(const TransnasNetwork& network, TaskKind kind, int classes) {
  // 256 pixels from 56 >> halvings, rounded down to whole doublings.
  const int doublings = network.halvings() + 2;
  if (kind == TaskKind::kSegmentation) {
    std::vector<TransnasDecoderLayer> layers = {{network.out(), 1024, false}};
    int64_t channels = 1024;
    for (int i = 0; i < 5; ++i, channels /= 2) layers.push_back({channels, channels / 2, i >= 6 - doublings});
    layers.push_back({channels, channels, true});
    layers.push_back({channels, classes, false});
    return layers;
  }
  return {{network.out(), 1024, false},
          {1024, 1024, false},
          {1024, 512, doublings >= 6},
          {512, 512, false},
          {512, 256, doublings >= 5},
          {256, 128, false},
          {128, 64, doublings >= 4},
          {64, 64, false},
          {64, 32, doublings >= 3},
          {32, 32, false},
          {32, 16, true},
          {16, 32, false},
          {32, 16, true},
          {16, classes, false}};
}

absl::Status CheckTransnasCell(const TransnasNetwork& network, const Cell& cell) {
  const int halvings = network.halvings();
  const int multiple = kStemStride << halvings;
  const int channels = cell.kind == TaskKind::kJigsaw ? 3 * kTransnasTiles : 3;
  if (cell.channels != channels || cell.classes < 1) {
    return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.channels, " channels and ", cell.classes,
                                                   " classes; task ", cell.task, " has ", channels,
                                                   " channels and at least 1 class"));
  }
  if (cell.height < multiple || cell.width < multiple || cell.height % multiple != 0 || cell.width % multiple != 0) {
    return absl::InvalidArgumentError(absl::StrCat("cell: ", cell.height, " x ", cell.width,
                                                   " pixels; this network halves its input ", halvings + 2,
                                                   " times and needs multiples of ", multiple));
  }
  const bool decodes = cell.kind == TaskKind::kSegmentation || cell.kind == TaskKind::kImage;
  if (decodes && halvings > kMostDecoderHalvings) {
    return absl::InvalidArgumentError(
        absl::StrCat("cell: task ", cell.task, " needs a decoder, which the authors define", " for up to ",
                     kMostDecoderHalvings, " halving modules; this network", " has ", halvings));
  }
  return absl::OkStatus();
}

TransnasCounts CountTransnas(const TransnasNetwork& network, const Cell& cell) {
  TransnasCounts counts = CountAt(network, cell, cell.height, cell.width);
  const int api_side = cell.kind == TaskKind::kJigsaw ? kApiTile : kApiSide;
  const TransnasCounts api = CountAt(network, cell, api_side, api_side);
  counts.macs_api = api.macs;
  counts.macs_encoder_api = api.macs_encoder_api;
  return counts;
}

ZCB_REGISTER(space, SpaceDefinition, transnas) {
  registry.Add({std::string(kMicroName), std::make_shared<const TransnasMicro>()});
  registry.Add({std::string(kMacroName), std::make_shared<const TransnasMacro>()});
}

}  // namespace zcbench
