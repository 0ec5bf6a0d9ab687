#include "nas/spaces/nasbench201.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/scanner.h"
#include "nas/space.h"

namespace zcbench {
namespace {

constexpr std::string_view kName = "nasbench201";
constexpr std::string_view kKind = "nasbench201 architecture";
constexpr int kOps = 5;
constexpr int kEdges = 6;
constexpr int kCells = 15625;
constexpr int kWidth = 16;         // channels of the first stage
constexpr int kCellsPerStage = 5;  // "N"
constexpr int kStages = 3;

constexpr std::array<std::string_view, kOps> kOfficialOps = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3",
                                                             "avg_pool_3x3"};
// NASLib numbers the operations and orders the edges by their source: 01 02 03 12 13 23.
constexpr std::array<Nasbench201Op, kOps> kNaslibOps = {Nasbench201Op::kSkip, Nasbench201Op::kNone,
                                                        Nasbench201Op::kConv3x3, Nasbench201Op::kConv1x1,
                                                        Nasbench201Op::kAvgPool3x3};
constexpr std::array<int, kEdges> kNaslibEdges = {0, 1, 3, 2, 4, 5};

// The cells in lexicographic order of their edges, the last one fastest.
int RankOf(const Nasbench201Cell& cell) {
  int rank = 0;
  for (const Nasbench201Op op : cell) rank = rank * kOps + static_cast<int>(op);
  return rank;
}

Nasbench201Cell CellOf(int rank) {
  Nasbench201Cell cell;
  for (int edge = kEdges; edge-- > 0; rank /= kOps) cell[edge] = static_cast<Nasbench201Op>(rank % kOps);
  return cell;
}

// The generator of Python's `random`, as far as `random.seed(n)` and `random.shuffle` need it: MT19937 of Matsumoto and
// Nishimura (1998) with their init_by_array. std::mt19937 cannot be seeded so.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed) {
    state_[0] = 19650218u;
    for (uint32_t i = 1; i < kSize; ++i) state_[i] = 1812433253u * Mixed(i - 1) + i;
    uint32_t i = 1;
    for (uint32_t k = 0; k < kSize; ++k) {
      state_[i] = (state_[i] ^ Mixed(i - 1) * 1664525u) + seed;
      Advance(i);
    }
    for (uint32_t k = 0; k + 1 < kSize; ++k) {
      state_[i] = (state_[i] ^ Mixed(i - 1) * 1566083941u) - i;
      Advance(i);
    }
    state_[0] = 0x80000000u;
  }

  // Uniform in [0, bound).
  uint32_t Below(uint32_t bound) {
    uint32_t word;
    do {
      word = Next() >> (32 - std::bit_width(bound));
    } while (word >= bound);
    return word;
  }

 private:
  static constexpr uint32_t kSize = 624;

  uint32_t Mixed(uint32_t i) const { return state_[i] ^ (state_[i] >> 30); }

  void Advance(uint32_t& i) {
    if (++i < kSize) return;
    state_[0] = state_[kSize - 1];
    i = 1;
  }

  uint32_t Next() {
    if (next_ == kSize) {
      for (uint32_t i = 0; i < kSize; ++i) {
        const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kSize] & 0x7fffffffu);
        state_[i] = state_[(i + 397) % kSize] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
      }
      next_ = 0;
    }
    uint32_t y = state_[next_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }

  std::array<uint32_t, kSize> state_;
  uint32_t next_ = kSize;
};

// The index of the official API: the ranks after `random.seed(88); random.shuffle(...)`, and back.
struct OfficialOrder {
  std::array<uint16_t, kCells> rank_of_index;
  std::array<uint16_t, kCells> index_of_rank;
};

const OfficialOrder& TheOfficialOrder() {
  static const OfficialOrder* const order = [] {
    auto* made = new OfficialOrder;
    std::iota(made->rank_of_index.begin(), made->rank_of_index.end(), uint16_t{0});
    PythonRandom random(88);
    for (uint32_t i = kCells - 1; i > 0; --i) {
      std::swap(made->rank_of_index[i], made->rank_of_index[random.Below(i + 1)]);
    }
    for (uint16_t i = 0; i < kCells; ++i) made->index_of_rank[made->rank_of_index[i]] = i;
    return made;
  }();
  return *order;
}

// `|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|`
absl::StatusOr<Nasbench201Cell> ScanOfficial(Scanner& scanner) {
  Nasbench201Cell cell;
  for (int edge = 0; edge < kEdges; ++edge) {
    const auto [from, to] = kNasbench201Edges[edge];
    if (from == 0) ZCB_RETURN_IF_ERROR(scanner.Expect(to == 1 ? "|" : "+|"));
    int op = 0;
    while (op < kOps && !scanner.Take(kOfficialOps[op])) ++op;
    if (op == kOps) return scanner.Error("one of none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3");
    cell[edge] = static_cast<Nasbench201Op>(op);
    ZCB_RETURN_IF_ERROR(scanner.Expect(absl::StrCat("~", from, "|")));
  }
  return cell;
}

// NASLib's six numbers, e.g. `(4, 0, 3, 1, 4, 3)` or `4-0-3-1-4-3`.
absl::StatusOr<Nasbench201Cell> ScanNaslib(Scanner& scanner, std::string_view separator) {
  Nasbench201Cell cell;
  for (int i = 0; i < kEdges; ++i) {
    if (i > 0) ZCB_RETURN_IF_ERROR(scanner.Expect(separator));
    scanner.SkipSpaces();
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit("01234", "an operation of NASLib (0 to 4)"));
    cell[kNaslibEdges[i]] = kNaslibOps[op];
    scanner.SkipSpaces();
  }
  return cell;
}

absl::StatusOr<Nasbench201Cell> ScanCanonical(Scanner& scanner) {
  Nasbench201Cell cell;
  for (int edge = 0; edge < kEdges; ++edge) {
    const auto [from, to] = kNasbench201Edges[edge];
    if (from == 0 && to > 1) ZCB_RETURN_IF_ERROR(scanner.Expect("_"));
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit("01234", "an operation (0 to 4)"));
    cell[edge] = static_cast<Nasbench201Op>(op);
  }
  return cell;
}

// What a network's layers cost, each at its own resolution.
struct Counts {
  int64_t params = 0;
  int64_t macs = 0;         // of convolutions and the classifier, its bias included: the official API's `flop`
  int64_t tensorwatch = 0;  // of every layer by tensorwatch's rules, as in NAS-Bench-Suite-Zero

  void Convolution(int kernel, int64_t in, int64_t out, int64_t pixels) {
    const int64_t weights = kernel * kernel * in * out;
    params += weights;
    macs += weights * pixels;
    tensorwatch += weights * pixels;
  }
  void BatchNorm(int64_t channels, int64_t pixels) {
    params += 2 * channels;
    tensorwatch += 2 * channels * pixels;
  }
  void Relu(int64_t channels, int64_t pixels) { tensorwatch += channels * pixels; }
  void AvgPool(int kernel, int64_t channels, int64_t pixels) { tensorwatch += kernel * kernel * channels * pixels; }
  void ReluConvolutionBatchNorm(int kernel, int64_t in, int64_t in_pixels, int64_t out, int64_t out_pixels) {
    Relu(in, in_pixels);
    Convolution(kernel, in, out, out_pixels);
    BatchNorm(out, out_pixels);
  }
};

absl::StatusOr<Counts> Count(std::string_view architecture, const Cell& input) {
  ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell cell, DecodeNasbench201(architecture));
  if (input.channels < 1 || input.classes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("cell: ", input.channels, " channels and ", input.classes, " classes; each must be at least 1"));
  }
  if (input.height < 4 || input.width < 4 || input.height % 4 != 0 || input.width % 4 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cell: ", input.height, " x ", input.width,
                     " pixels; nasbench201 halves its input twice and needs multiples of 4"));
  }
  Counts counts;
  int64_t channels = kWidth;
  int64_t height = input.height;
  int64_t width = input.width;
  counts.Convolution(3, input.channels, channels, height * width);
  counts.BatchNorm(channels, height * width);
  for (int stage = 0; stage < kStages; ++stage) {
    if (stage > 0) {
      const int64_t before = height * width;
      height /= 2;
      width /= 2;
      const int64_t after = height * width;
      counts.ReluConvolutionBatchNorm(3, channels, before, 2 * channels, after);
      counts.ReluConvolutionBatchNorm(3, 2 * channels, after, 2 * channels, after);
      counts.AvgPool(2, channels, after);
      counts.Convolution(1, channels, 2 * channels, after);
      channels *= 2;
    }
    const int64_t pixels = height * width;
    for (int i = 0; i < kCellsPerStage; ++i) {
      for (const Nasbench201Op op : cell) {
        if (op == Nasbench201Op::kConv1x1) counts.ReluConvolutionBatchNorm(1, channels, pixels, channels, pixels);
        if (op == Nasbench201Op::kConv3x3) counts.ReluConvolutionBatchNorm(3, channels, pixels, channels, pixels);
        if (op == Nasbench201Op::kAvgPool3x3) counts.AvgPool(3, channels, pixels);
      }
    }
  }
  counts.BatchNorm(channels, height * width);
  counts.Relu(channels, height * width);
  counts.tensorwatch += channels * (height + 1) * (width + 1);  // its rule for the global average
  counts.params += (channels + 1) * input.classes;
  counts.macs += (channels + 1) * input.classes;
  counts.tensorwatch += channels * input.classes;
  return counts;
}

class Nasbench201 final : public Space {
 public:
  std::string_view summary() const override {
    return "NAS-Bench-201 / NATS-Bench topology: cells of 6 edges and 5 ops";
  }
  int version() const override { return 1; }
  // The images' own size up to the 32 pixels of CIFAR, for which the space was made.
  int input_size(const Task& task) const override {
    return task.native_size > 0 && task.native_size < 32 ? task.native_size : 32;
  }
  std::vector<std::string> prefixes() const override { return {"nb201"}; }

  uint64_t size() const override { return kCells; }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= kCells) {
      return absl::OutOfRangeError(absl::StrCat("index ", index, ": nasbench201 has ", kCells, " architectures"));
    }
    return EncodeNasbench201(CellOf(TheOfficialOrder().rank_of_index[index]));
  }

  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell cell, DecodeNasbench201(architecture));
    return TheOfficialOrder().index_of_rank[RankOf(cell)];
  }

  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, kName, prefixes()));
    Scanner scanner(kKind, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, kCells - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    absl::StatusOr<Nasbench201Cell> cell;
    if (scanner.Peek() == '|') {
      cell = ScanOfficial(scanner);
    } else if (scanner.Take("(")) {
      cell = ScanNaslib(scanner, ",");
      if (cell.ok()) ZCB_RETURN_IF_ERROR(scanner.Expect(")"));
    } else if (notation.size() > 1 && notation[1] == '-') {
      cell = ScanNaslib(scanner, "-");
    } else {
      cell = ScanCanonical(scanner);
    }
    if (!cell.ok()) return cell.status();
    ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
    return EncodeNasbench201(*cell);
  }

  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell cell, DecodeNasbench201(architecture));
    std::string text;
    for (int edge = 0; edge < kEdges; ++edge) {
      const auto [from, to] = kNasbench201Edges[edge];
      if (from == 0) text += to == 1 ? "|" : "+|";
      absl::StrAppend(&text, std::string(kOfficialOps[static_cast<int>(cell[edge])]), "~", from, "|");
    }
    return text;
  }

  std::string Draw(Draws& draws) const override {
    return EncodeNasbench201(CellOf(static_cast<int>(draws.Below(kCells))));
  }

  // A uniform edge gets a uniform different operation (NASLib; NATS-Bench's own draws the edge's node first).
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(Nasbench201Cell cell, DecodeNasbench201(architecture));
    Nasbench201Op& op = cell[draws.Below(kEdges)];
    op = static_cast<Nasbench201Op>((static_cast<uint64_t>(op) + 1 + draws.Below(kOps - 1)) % kOps);
    return EncodeNasbench201(cell);
  }

  // Each edge from either parent with equal chance; the authors define no crossover.
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(Nasbench201Cell child, DecodeNasbench201(a));
    ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell other, DecodeNasbench201(b));
    for (int edge = 0; edge < kEdges; ++edge) {
      if (draws.Below(2) == 1) child[edge] = other[edge];
    }
    return EncodeNasbench201(child);
  }

  // 24: edge by edge in the order of the string, operations in the order of their digits.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell cell, DecodeNasbench201(architecture));
    std::vector<std::string> neighbours;
    for (int edge = 0; edge < kEdges; ++edge) {
      for (int op = 0; op < kOps; ++op) {
        Nasbench201Cell other = cell;
        other[edge] = static_cast<Nasbench201Op>(op);
        if (other != cell) neighbours.push_back(EncodeNasbench201(other));
      }
    }
    return neighbours;
  }

  absl::StatusOr<int64_t> Params(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const Counts counts, Count(architecture, cell));
    return counts.params;
  }

  // tensorwatch's count, the `flops` of NAS-Bench-Suite-Zero: also normalisation, activations and pooling.
  absl::StatusOr<int64_t> Flops(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const Counts counts, Count(architecture, cell));
    return counts.tensorwatch;
  }

  // macs_api: the `flop` of the official API, convolutions and the classifier only.
  absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const Counts counts, Count(architecture, cell));
    return std::vector<NamedCount>{{"macs_api", counts.macs}};
  }
};

}  // namespace

absl::StatusOr<Nasbench201Cell> DecodeNasbench201(std::string_view architecture) {
  Scanner scanner(kKind, architecture);
  ZCB_ASSIGN_OR_RETURN(const Nasbench201Cell cell, ScanCanonical(scanner));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  return cell;
}

std::string EncodeNasbench201(const Nasbench201Cell& cell) {
  std::string text;
  for (int edge = 0; edge < kEdges; ++edge) {
    const auto [from, to] = kNasbench201Edges[edge];
    if (from == 0 && to > 1) text += '_';
    text += static_cast<char>('0' + static_cast<int>(cell[edge]));
  }
  return text;
}

ZCB_REGISTER(space, SpaceDefinition, nasbench201) {
  registry.Add({std::string(kName), std::make_shared<const Nasbench201>()});
}

}  // namespace zcbench
