#include "nas/spaces/nasbench101.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/md5.h"
#include "nas/scanner.h"
#include "nas/space.h"

namespace zcbench {
namespace {

constexpr std::string_view kName = "nasbench101";
constexpr std::string_view kKind = "nasbench101 architecture";
constexpr int kMostVertices = kNasbench101MostVertices;
constexpr int kMostEdges = 9;
constexpr int kOps = 3;
constexpr int kCells = 423624;
constexpr int kStem = 128;  // channels
constexpr int kStacks = 3;
constexpr int kCellsPerStack = 3;

constexpr std::array<std::string_view, kOps> kOfficialOps = {"conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"};

uint32_t EdgeBit(int from, int to) { return uint32_t{1} << (from + to * (to - 1) / 2); }

int EdgeCount(const Nasbench101Cell& cell) {
  int count = 0;
  for (const uint8_t successors : cell.successors) count += std::popcount(successors);
  return count;
}

// Of a cell whose edges all lead to later vertices.
uint32_t EdgesOf(const Nasbench101Cell& cell) {
  uint32_t edges = 0;
  for (int to = 1; to < cell.vertices; ++to) {
    for (int from = 0; from < to; ++from) edges |= cell.HasEdge(from, to) ? EdgeBit(from, to) : 0;
  }
  return edges;
}

// How many sets of operations there are for the inner vertices.
int OpSets(int vertices) {
  int sets = 1;
  for (int inner = vertices - 2; inner > 0; --inner) sets *= kOps;
  return sets;
}

// Ops of the inner vertices as a number, the last vertex fastest.
void SetOps(Nasbench101Cell& cell, int rank) {
  for (int vertex = cell.vertices - 2; vertex > 0; --vertex, rank /= kOps) {
    cell.ops[vertex] = static_cast<Nasbench101Op>(rank % kOps);
  }
}

Nasbench101Cell CellOf(int vertices, uint32_t edges, int op_rank) {
  Nasbench101Cell cell{.vertices = vertices};
  for (int to = 1; to < vertices; ++to) {
    for (int from = 0; from < to; ++from) {
      if (edges & EdgeBit(from, to)) cell.successors[from] |= 1 << to;
    }
  }
  SetOps(cell, op_rank);
  return cell;
}

// True when every vertex lies on a path from the input to the output. The cell is acyclic.
bool IsFull(const Nasbench101Cell& cell) {
  int reached = 1;
  for (int vertex = 0; vertex < cell.output(); ++vertex) {
    if (cell.successors[vertex] == 0) return false;
    reached |= cell.successors[vertex];
  }
  return reached == (1 << cell.vertices) - 1;
}

using Numbering = std::array<int, kMostVertices>;  // of each vertex

// Calls visit(numbering, edges) for every numbering of the vertices in which all edges lead to later ones.
template <typename Visit>
void ForEachNumbering(const Nasbench101Cell& cell, const Visit& visit) {
  Numbering numbering;
  std::iota(numbering.begin(), numbering.end(), 0);
  do {
    uint32_t edges = 0;
    bool forward = true;
    for (int from = 0; from < cell.output() && forward; ++from) {
      for (uint32_t rest = cell.successors[from]; rest != 0 && forward; rest &= rest - 1) {
        const int to = numbering[std::countr_zero(rest)];
        forward = numbering[from] < to;
        if (forward) edges |= EdgeBit(numbering[from], to);
      }
    }
    if (forward) visit(numbering, edges);
  } while (std::next_permutation(numbering.begin() + 1, numbering.begin() + cell.output()));
}

// The rank of the ops after the vertices are numbered anew.
int OpRank(const Nasbench101Cell& cell, const Numbering& numbering) {
  Nasbench101Cell renumbered = cell;
  int rank = 0;
  for (int vertex = 1; vertex < cell.output(); ++vertex) renumbered.ops[numbering[vertex]] = cell.ops[vertex];
  for (int vertex = 1; vertex < cell.output(); ++vertex) rank = rank * kOps + static_cast<int>(renumbered.ops[vertex]);
  return rank;
}

// The canonical cells in the order of the authors' generator: by number of vertices, edges, ops.
class CanonicalCells {
 public:
  static const CanonicalCells& Get() {
    static const CanonicalCells* const cells = new CanonicalCells;
    return *cells;
  }

  Nasbench101Cell At(uint32_t index) const {
    const auto graph =
        std::prev(std::upper_bound(graphs_.begin(), graphs_.end(), index,
                                   [](uint32_t value, const Graph& candidate) { return value < candidate.first; }));
    return CellOf(graph->vertices, graph->edges, graph->op_ranks[index - graph->first]);
  }

  // The cell is canonical.
  uint32_t IndexOf(const Nasbench101Cell& cell) const {
    const std::pair<int, uint32_t> key = {cell.vertices, EdgesOf(cell)};
    const auto graph =
        std::lower_bound(graphs_.begin(), graphs_.end(), key, [](const Graph& candidate, const auto& wanted) {
          return std::pair{candidate.vertices, candidate.edges} < wanted;
        });
    Numbering same;
    std::iota(same.begin(), same.end(), 0);
    const auto rank = std::lower_bound(graph->op_ranks.begin(), graph->op_ranks.end(), OpRank(cell, same));
    return graph->first + static_cast<uint32_t>(rank - graph->op_ranks.begin());
  }

  // Calls visit(index of the first, cells) for groups of at most kMd5Lanes consecutive cells that differ only in ops.
  template <typename Visit>
  void ForEachGroup(const Visit& visit) const {
    std::vector<Nasbench101Cell> group;
    for (const Graph& graph : graphs_) {
      for (size_t start = 0; start < graph.op_ranks.size(); start += kMd5Lanes) {
        group.clear();
        for (size_t i = start; i < std::min(start + kMd5Lanes, graph.op_ranks.size()); ++i) {
          group.push_back(CellOf(graph.vertices, graph.edges, graph.op_ranks[i]));
        }
        visit(graph.first + static_cast<uint32_t>(start), group);
      }
    }
  }

 private:
  struct Graph {
    int vertices;
    uint32_t edges;
    uint32_t first;                 // index of its first cell
    std::vector<uint8_t> op_ranks;  // ascending
  };

  CanonicalCells() {
    uint32_t count = 0;
    for (int vertices = 2; vertices <= kMostVertices; ++vertices) {
      for (uint32_t edges = 1; edges < EdgeBit(0, vertices); ++edges) {
        if (std::popcount(edges) > kMostEdges) continue;
        const Nasbench101Cell cell = CellOf(vertices, edges, 0);
        if (!IsFull(cell)) continue;
        std::vector<uint8_t> op_ranks = CanonicalOpRanks(cell, edges);
        if (op_ranks.empty()) continue;
        graphs_.push_back({vertices, edges, count, std::move(op_ranks)});
        count += static_cast<uint32_t>(graphs_.back().op_ranks.size());
      }
    }
    ZCB_CHECK(count == kCells);
  }

  // Empty when another numbering has smaller edges; else those that no automorphism makes smaller.
  static std::vector<uint8_t> CanonicalOpRanks(Nasbench101Cell cell, uint32_t edges) {
    uint32_t smallest = edges;
    std::vector<Numbering> automorphisms;
    ForEachNumbering(cell, [&](const Numbering& numbering, uint32_t renumbered) {
      smallest = std::min(smallest, renumbered);
      if (renumbered == edges) automorphisms.push_back(numbering);
    });
    std::vector<uint8_t> op_ranks;
    if (smallest < edges) return op_ranks;
    for (int rank = 0; rank < OpSets(cell.vertices); ++rank) {
      SetOps(cell, rank);
      if (std::all_of(automorphisms.begin(), automorphisms.end(),
                      [&](const Numbering& numbering) { return OpRank(cell, numbering) >= rank; })) {
        op_ranks.push_back(static_cast<uint8_t>(rank));
      }
    }
    return op_ranks;
  }

  std::vector<Graph> graphs_;
};

// The authors' graph_util.hash_module, of cells with the same edges: every vertex starts from a digest of its degrees
// and operation, and as often as there are vertices takes in the sorted digests of its neighbours.
std::array<Md5Digits, kMd5Lanes> HashesOf(const std::array<Nasbench101Cell, kMd5Lanes>& cells) {
  const Nasbench101Cell& graph = cells[0];
  std::array<uint8_t, kMostVertices> predecessors = {};
  for (int from = 0; from < graph.vertices; ++from) {
    for (int to = 0; to < graph.vertices; ++to) predecessors[to] |= graph.HasEdge(from, to) << from;
  }
  std::array<std::array<Md5Digits, kMd5Lanes>, kMostVertices> digests;
  std::array<std::string, kMd5Lanes> messages;
  for (int vertex = 0; vertex < graph.vertices; ++vertex) {
    for (int lane = 0; lane < kMd5Lanes; ++lane) {
      const int label = vertex == 0 ? -1 : vertex == graph.output() ? -2 : static_cast<int>(cells[lane].ops[vertex]);
      messages[lane] = absl::StrCat("(", std::popcount(graph.successors[vertex]), ", ",
                                    std::popcount(predecessors[vertex]), ", ", label, ")");
    }
    digests[vertex] = Md5OfEight(messages);
  }
  std::array<std::array<int, kMostVertices>, kMd5Lanes> sorted;
  const auto sort_digests = [&] {
    for (int lane = 0; lane < kMd5Lanes; ++lane) {
      std::iota(sorted[lane].begin(), sorted[lane].end(), 0);
      std::sort(sorted[lane].begin(), sorted[lane].begin() + graph.vertices, [&](int a, int b) {
        return std::memcmp(digests[a][lane].data(), digests[b][lane].data(), sizeof(Md5Digits)) < 0;
      });
    }
  };
  for (int round = 0; round < graph.vertices; ++round) {
    sort_digests();
    const auto before = digests;
    for (int vertex = 0; vertex < graph.vertices; ++vertex) {
      for (int lane = 0; lane < kMd5Lanes; ++lane) {
        std::string& message = messages[lane];
        message.clear();
        for (const uint8_t neighbours : {predecessors[vertex], graph.successors[vertex]}) {
          for (int i = 0; i < graph.vertices; ++i) {
            const int other = sorted[lane][i];
            if (neighbours >> other & 1) message.append(before[other][lane].data(), sizeof(Md5Digits));
          }
          message += '|';
        }
        message.append(before[vertex][lane].data(), sizeof(Md5Digits));
      }
      digests[vertex] = Md5OfEight(messages);
    }
  }
  sort_digests();
  for (int lane = 0; lane < kMd5Lanes; ++lane) {
    messages[lane].assign(1, '[');
    for (int i = 0; i < graph.vertices; ++i) {
      messages[lane] += i > 0 ? ", '" : "'";
      messages[lane].append(digests[sorted[lane][i]][lane].data(), sizeof(Md5Digits));
      messages[lane] += '\'';
    }
    messages[lane] += ']';
  }
  return Md5OfEight(messages);
}

// From the authors' hashes to indices. Making it takes seconds, so it is made when the first hash is asked for.
class HashTable {
 public:
  static const HashTable& Get() {
    static const HashTable* const table = new HashTable;
    return *table;
  }

  // NOT_FOUND: no cell has this hash of 32 digits.
  absl::StatusOr<Nasbench101Cell> Find(std::string_view hash) const {
    for (auto entry = std::lower_bound(entries_.begin(), entries_.end(), Prefix(hash));
         entry != entries_.end() && (*entry & ~kIndexMask) == Prefix(hash); ++entry) {
      const Nasbench101Cell cell = CanonicalCells::Get().At(static_cast<uint32_t>(*entry & kIndexMask));
      if (Nasbench101Hash(cell) == hash) return cell;
    }
    return absl::NotFoundError("no such hash");
  }

 private:
  static constexpr uint64_t kIndexMask = std::bit_ceil(uint64_t{kCells}) - 1;

  HashTable() {
    entries_.reserve(kCells);
    CanonicalCells::Get().ForEachGroup([this](uint32_t first, const std::vector<Nasbench101Cell>& group) {
      std::array<Nasbench101Cell, kMd5Lanes> cells;
      cells.fill(group[0]);
      std::copy(group.begin(), group.end(), cells.begin());
      const std::array<Md5Digits, kMd5Lanes> hashes = HashesOf(cells);
      for (size_t i = 0; i < group.size(); ++i) {
        entries_.push_back(Prefix({hashes[i].data(), hashes[i].size()}) | (first + i));
      }
    });
    std::sort(entries_.begin(), entries_.end());
  }

  // The first bits of a hash, zeros where an entry has the index.
  static uint64_t Prefix(std::string_view hash) {
    uint64_t bits = 0;
    ZCB_CHECK(absl::SimpleHexAtoi(absl::string_view(hash.data(), 16), &bits));
    return bits & ~kIndexMask;
  }

  std::vector<uint64_t> entries_;  // ascending
};

// The canonical cell of what lies between input and output. Edges lead to later vertices.
absl::StatusOr<Nasbench101Cell> Pruned(const Nasbench101Cell& cell) {
  int after_input = 1;
  for (int vertex = 0; vertex < cell.output(); ++vertex) {
    if (after_input >> vertex & 1) after_input |= cell.successors[vertex];
  }
  int before_output = 1 << cell.output();
  for (int vertex = cell.output() - 1; vertex >= 0; --vertex) {
    if (cell.successors[vertex] & before_output) before_output |= 1 << vertex;
  }
  const int kept = after_input & before_output;
  if ((kept & 1) == 0) return absl::InvalidArgumentError("no path leads from the input to the output");
  Nasbench101Cell pruned{.vertices = 0};
  std::array<int, kMostVertices> numbers = {};
  for (int vertex = 0; vertex < cell.vertices; ++vertex) {
    if ((kept >> vertex & 1) == 0) continue;
    numbers[vertex] = pruned.vertices++;
    pruned.ops[numbers[vertex]] = cell.ops[vertex];
    for (int from = 0; from < vertex; ++from) {
      if ((kept >> from & 1) != 0 && cell.HasEdge(from, vertex))
        pruned.successors[numbers[from]] |= 1 << numbers[vertex];
    }
  }
  if (EdgeCount(pruned) > kMostEdges) {
    return absl::InvalidArgumentError(absl::StrCat(EdgeCount(pruned),
                                                   " edges lie on paths from the input to the output, at most ",
                                                   kMostEdges, " are of the space"));
  }
  return CanonicalNasbench101(pruned);
}

absl::StatusOr<Nasbench101Cell> ScanCanonical(Scanner& scanner) {
  ZCB_ASSIGN_OR_RETURN(const uint64_t vertices, scanner.Number(2, kMostVertices, "a number of vertices"));
  ZCB_RETURN_IF_ERROR(scanner.Expect("-"));
  const Scanner at_edges = scanner;
  const std::string_view digits =
      scanner.TakeWhile([](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  const uint32_t end = EdgeBit(0, static_cast<int>(vertices));
  uint32_t edges = 0;
  if (digits.size() > 6 || digits.starts_with('0') ||
      !absl::SimpleHexAtoi(absl::string_view(digits.data(), digits.size()), &edges) || edges >= end) {
    return at_edges.Error(absl::StrCat("edges from 1 to ", absl::Hex(end - 1)));
  }
  ZCB_RETURN_IF_ERROR(scanner.Expect("-"));
  Nasbench101Cell cell = CellOf(static_cast<int>(vertices), edges, 0);
  for (int vertex = 1; vertex < cell.output(); ++vertex) {
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit("012", "an operation (0 to 2)"));
    cell.ops[vertex] = static_cast<Nasbench101Op>(op);
  }
  return cell;
}

// `word`, with spaces around it.
absl::Status ScanToken(Scanner& scanner, std::string_view word) {
  scanner.SkipSpaces();
  ZCB_RETURN_IF_ERROR(scanner.Expect(word));
  scanner.SkipSpaces();
  return absl::OkStatus();
}

// One entry of the adjacency matrix.
absl::Status ScanEntry(Scanner& scanner, int from, int to, Nasbench101Cell& cell) {
  ZCB_ASSIGN_OR_RETURN(const int edge, from < to ? scanner.Digit("01", "0 or 1")
                                                 : scanner.Digit("0", "0, since edges lead to later vertices"));
  cell.successors[from] |= edge << to;
  return absl::OkStatus();
}

// `"word"`, or in single quotes.
absl::Status ScanQuoted(Scanner& scanner, std::string_view word) {
  scanner.SkipSpaces();
  const std::string quote = scanner.Peek() == '\'' ? "'" : "\"";
  return ScanToken(scanner, absl::StrCat(quote, std::string(word), quote));
}

absl::Status ScanOp(Scanner& scanner, Nasbench101Op& op) {
  for (int i = 0; i < kOps; ++i) {
    Scanner candidate = scanner;
    if (!ScanQuoted(candidate, kOfficialOps[i]).ok()) continue;
    scanner = candidate;
    op = static_cast<Nasbench101Op>(i);
    return absl::OkStatus();
  }
  return scanner.Error("one of \"conv3x3-bn-relu\" \"conv1x1-bn-relu\" \"maxpool3x3\"");
}

// What the authors' ModelSpec takes: `[[0, 1], [0, 0]] ["input", "output"]`, or `{"matrix": ..., "ops": ...}`.
absl::StatusOr<Nasbench101Cell> ScanModelSpec(Scanner& scanner) {
  Nasbench101Cell cell{.vertices = kMostVertices};  // until the first row says how many there are
  const bool has_keys = scanner.Take("{");
  if (has_keys) {
    ZCB_RETURN_IF_ERROR(ScanQuoted(scanner, "matrix"));
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, ":"));
  }
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, "["));
  for (int from = 0; from < cell.vertices; ++from) {
    if (from > 0) ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, "["));
    for (int to = 0; to < cell.vertices; ++to) {
      if (to > 0) ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
      ZCB_RETURN_IF_ERROR(ScanEntry(scanner, from, to, cell));
      scanner.SkipSpaces();
      if (from == 0 && to > 0 && scanner.Peek() == ']') cell.vertices = to + 1;
    }
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, "]"));
  }
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, "]"));
  if (has_keys) {
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
    ZCB_RETURN_IF_ERROR(ScanQuoted(scanner, "ops"));
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, ":"));
  } else {
    scanner.Take(",");
  }
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, "["));
  ZCB_RETURN_IF_ERROR(ScanQuoted(scanner, "input"));
  for (int vertex = 1; vertex < cell.output(); ++vertex) {
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
    ZCB_RETURN_IF_ERROR(ScanOp(scanner, cell.ops[vertex]));
  }
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
  ZCB_RETURN_IF_ERROR(ScanQuoted(scanner, "output"));
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, "]"));
  if (has_keys) ZCB_RETURN_IF_ERROR(ScanToken(scanner, "}"));
  return cell;
}

// NASLib's tuple, without its opening parenthesis: the matrix row by row, then an operation a vertex, with 0 the input,
// 1 the output, 2 maxpool, 3 conv1x1, 4 conv3x3. NASLib itself writes 7 vertices, some of them unconnected.
absl::StatusOr<Nasbench101Cell> ScanNaslib(Scanner& scanner) {
  Scanner rest = scanner;
  const std::string_view numbers = rest.TakeWhile([](char c) { return c != ')'; });
  const auto count = 1 + std::count(numbers.begin(), numbers.end(), ',');
  Nasbench101Cell cell;
  while (cell.vertices < kMostVertices && cell.vertices * (cell.vertices + 1) < count) ++cell.vertices;
  if (cell.vertices * (cell.vertices + 1) != count) {
    return scanner.Error(absl::StrCat("V * V + V numbers of 2 to ", kMostVertices, " vertices, not ", count));
  }
  for (int from = 0; from < cell.vertices; ++from) {
    for (int to = 0; to < cell.vertices; ++to) {
      scanner.SkipSpaces();
      ZCB_RETURN_IF_ERROR(ScanEntry(scanner, from, to, cell));
      ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
    }
  }
  ZCB_RETURN_IF_ERROR(scanner.Expect("0"));
  for (int vertex = 1; vertex < cell.output(); ++vertex) {
    ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
    ZCB_ASSIGN_OR_RETURN(const int op, scanner.Digit("432", "an operation of NASLib (2 to 4)"));
    cell.ops[vertex] = static_cast<Nasbench101Op>(op);
  }
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, ","));
  ZCB_RETURN_IF_ERROR(scanner.Expect("1"));
  ZCB_RETURN_IF_ERROR(ScanToken(scanner, ")"));
  return cell;
}

bool IsHash(std::string_view text) {
  return text.size() == std::tuple_size_v<Md5Digits> &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What a network's layers cost, each at its own resolution.
struct Counts {
  int64_t params = 0;
  int64_t macs = 0;         // of convolutions and the classifier, without its bias
  int64_t tensorwatch = 0;  // of every layer by tensorwatch's rules, as in NAS-Bench-Suite-Zero

  void ConvolutionBatchNormRelu(int kernel, int64_t in, int64_t out, int64_t pixels) {
    const int64_t weights = kernel * kernel * in * out;
    params += weights + 2 * out;
    macs += weights * pixels;
    tensorwatch += (weights + 3 * out) * pixels;  // two of the normalisation, one of the ReLU
  }
  void MaxPool(int kernel, int64_t channels, int64_t pixels) { tensorwatch += kernel * kernel * channels * pixels; }
};

absl::StatusOr<Counts> Count(std::string_view architecture, const Cell& input) {
  ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, DecodeNasbench101(architecture));
  if (input.channels != 3 || input.classes < 1) {
    return absl::InvalidArgumentError(absl::StrCat("cell: ", input.channels, " channels and ", input.classes,
                                                   " classes; nasbench101 takes 3 channels and at least 1 class"));
  }
  if (input.height < 4 || input.width < 4 || input.height % 4 != 0 || input.width % 4 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cell: ", input.height, " x ", input.width,
                     " pixels; nasbench101 halves its input twice and needs multiples of 4"));
  }
  Counts counts;
  int64_t pixels = int64_t{input.height} * input.width;
  int64_t in = kStem;
  int64_t out = kStem;
  counts.ConvolutionBatchNormRelu(3, input.channels, kStem, pixels);
  for (int stack = 0; stack < kStacks; ++stack) {
    if (stack > 0) {
      pixels /= 4;
      counts.MaxPool(2, in, pixels);
      out *= 2;
    }
    for (int i = 0; i < kCellsPerStack; ++i, in = out) {
      const auto channels = Nasbench101Channels(cell, in, out);
      for (int vertex = 1; vertex < cell.output(); ++vertex) {
        const int64_t width = channels[vertex];
        if (cell.ops[vertex] == Nasbench101Op::kConv3x3) counts.ConvolutionBatchNormRelu(3, width, width, pixels);
        if (cell.ops[vertex] == Nasbench101Op::kConv1x1) counts.ConvolutionBatchNormRelu(1, width, width, pixels);
        if (cell.ops[vertex] == Nasbench101Op::kMaxPool3x3) counts.MaxPool(3, width, pixels);
      }
      for (int vertex = 1; vertex < cell.vertices; ++vertex) {
        if (cell.HasEdge(0, vertex)) counts.ConvolutionBatchNormRelu(1, in, channels[vertex], pixels);
      }
    }
  }
  counts.params += (out + 1) * input.classes;
  counts.macs += out * input.classes;
  counts.tensorwatch += out * input.classes;  // the mean before it is no layer
  return counts;
}

// With 7 vertices, as the authors' search keeps its parents: those missing come before the output, unconnected, with
// any operation.
Nasbench101Cell Padded(const Nasbench101Cell& cell, Draws& draws) {
  Nasbench101Cell padded = cell;
  padded.vertices = kMostVertices;
  for (int vertex = cell.output(); vertex < padded.output(); ++vertex) {
    padded.ops[vertex] = static_cast<Nasbench101Op>(draws.Below(kOps));
  }
  for (uint8_t& successors : padded.successors) {
    const bool feeds_output = (successors >> cell.output() & 1) != 0;
    successors &= ~(1 << cell.output());
    successors |= feeds_output << padded.output();
  }
  return padded;
}

class Nasbench101 final : public Space {
 public:
  std::string_view summary() const override {
    return "NAS-Bench-101: cells of up to 7 vertices, 9 edges and 3 operations";
  }
  int version() const override { return 1; }
  // The images' own size up to the 32 pixels of CIFAR, for which the space was made.
  int input_size(const Task& task) const override {
    return task.native_size > 0 && task.native_size < 32 ? task.native_size : 32;
  }
  std::vector<std::string> prefixes() const override { return {"nb101"}; }

  uint64_t size() const override { return kCells; }

  absl::StatusOr<std::string> At(uint64_t index) const override {
    if (index >= kCells) {
      return absl::OutOfRangeError(absl::StrCat("index ", index, ": nasbench101 has ", kCells, " architectures"));
    }
    return EncodeNasbench101(CanonicalCells::Get().At(static_cast<uint32_t>(index)));
  }

  absl::StatusOr<uint64_t> IndexOf(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, DecodeNasbench101(architecture));
    return CanonicalCells::Get().IndexOf(cell);
  }

  // Whatever the notation, vertices off every path from input to output are dropped, as the authors' ModelSpec does.
  absl::StatusOr<std::string> Parse(std::string_view text) const override {
    ZCB_ASSIGN_OR_RETURN(const std::string_view notation, WithoutSpaceName(text, kName, prefixes()));
    Scanner scanner(kKind, notation);
    if (scanner.Take("#")) {
      ZCB_ASSIGN_OR_RETURN(const uint64_t index, scanner.Number(0, kCells - 1, "an index"));
      ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
      return At(index);
    }
    if (IsHash(notation)) {
      const absl::StatusOr<Nasbench101Cell> cell = HashTable::Get().Find(notation);
      if (!cell.ok()) return scanner.Error("the hash of a cell");
      return EncodeNasbench101(*cell);
    }
    const absl::StatusOr<Nasbench101Cell> cell = scanner.Take("(") ? ScanNaslib(scanner)
                                                 : scanner.Peek() == '{' || scanner.Peek() == '['
                                                     ? ScanModelSpec(scanner)
                                                     : ScanCanonical(scanner);
    if (!cell.ok()) return cell.status();
    ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
    const absl::StatusOr<Nasbench101Cell> pruned = Pruned(*cell);
    if (!pruned.ok()) return Annotate(pruned.status(), absl::StrCat(std::string(kKind), " ", Quoted(notation)));
    return EncodeNasbench101(*pruned);
  }

  // The arguments of the authors' ModelSpec, as JSON.
  absl::StatusOr<std::string> Official(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, DecodeNasbench101(architecture));
    std::string text = "{\"matrix\": [";
    for (int from = 0; from < cell.vertices; ++from) {
      text += from > 0 ? ", [" : "[";
      for (int to = 0; to < cell.vertices; ++to) {
        absl::StrAppend(&text, to > 0 ? ", " : "", cell.HasEdge(from, to) ? 1 : 0);
      }
      text += "]";
    }
    text += "], \"ops\": [\"input\"";
    for (int vertex = 1; vertex < cell.output(); ++vertex) {
      absl::StrAppend(&text, ", \"", std::string(kOfficialOps[static_cast<int>(cell.ops[vertex])]), "\"");
    }
    return text + ", \"output\"]}";
  }

  // random_spec of the authors' notebook, and NASLib: 7 vertices, each of the 21 edges with chance 1/2, uniform
  // operations; again until what remains after pruning is of the space.
  std::string Draw(Draws& draws) const override {
    while (true) {
      Nasbench101Cell cell{.vertices = kMostVertices};
      for (int from = 0; from < cell.output(); ++from) {
        for (int to = from + 1; to < cell.vertices; ++to) cell.successors[from] |= draws.Below(2) << to;
      }
      for (int vertex = 1; vertex < cell.output(); ++vertex) {
        cell.ops[vertex] = static_cast<Nasbench101Op>(draws.Below(kOps));
      }
      const absl::StatusOr<Nasbench101Cell> pruned = Pruned(cell);
      if (pruned.ok()) return EncodeNasbench101(*pruned);
    }
  }

  // mutate_spec of the authors' notebook at its rate of 1: each of the 21 edges of 7 vertices is flipped with chance
  // 1/7, each inner vertex gets another operation with chance 1/5; again until the cell is of the space. Their parents
  // keep what was pruned; ours are padded anew.
  absl::StatusOr<std::string> Mutate(std::string_view architecture, Draws& draws) const override {
    constexpr double kEdgeChance = 1.0 / kMostVertices;
    constexpr double kOpChance = 1.0 / (kMostVertices - 2);
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, DecodeNasbench101(architecture));
    const Nasbench101Cell parent = Padded(cell, draws);
    while (true) {
      Nasbench101Cell child = parent;
      for (int from = 0; from < child.output(); ++from) {
        for (int to = from + 1; to < child.vertices; ++to) {
          if (draws.Chance(kEdgeChance)) child.successors[from] ^= 1 << to;
        }
      }
      for (int vertex = 1; vertex < child.output(); ++vertex) {
        if (!draws.Chance(kOpChance)) continue;
        const uint64_t op = static_cast<uint64_t>(child.ops[vertex]) + 1 + draws.Below(kOps - 1);
        child.ops[vertex] = static_cast<Nasbench101Op>(op % kOps);
      }
      const absl::StatusOr<Nasbench101Cell> pruned = Pruned(child);
      if (pruned.ok()) return EncodeNasbench101(*pruned);
    }
  }

  // Both parents with 7 vertices, each possible edge and each vertex's operation from either with equal chance, again
  // until the cell is of the space (both parents are such children, so it ends). The authors define no crossover.
  absl::StatusOr<std::string> Crossover(std::string_view a, std::string_view b, Draws& draws) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell_a, DecodeNasbench101(a));
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell_b, DecodeNasbench101(b));
    const Nasbench101Cell parent_a = Padded(cell_a, draws);
    const Nasbench101Cell parent_b = Padded(cell_b, draws);
    while (true) {
      Nasbench101Cell child = parent_a;
      for (int from = 0; from < child.output(); ++from) {
        for (int to = from + 1; to < child.vertices; ++to) {
          if (draws.Below(2) == 1)
            child.successors[from] ^= (child.successors[from] ^ parent_b.successors[from]) & 1 << to;
        }
      }
      for (int vertex = 1; vertex < child.output(); ++vertex) {
        if (draws.Below(2) == 1) child.ops[vertex] = parent_b.ops[vertex];
      }
      const absl::StatusOr<Nasbench101Cell> pruned = Pruned(child);
      if (pruned.ok()) return EncodeNasbench101(*pruned);
    }
  }

  // Another operation of one vertex; one edge more or less, with every vertex still between input and output; one
  // vertex more or less that has one edge in and one out. Sorted by their strings. NASLib flips one edge or changes one
  // operation of its 7 vertices, connected or not, which is no symmetric relation between pruned cells.
  absl::StatusOr<std::vector<std::string>> Neighbours(std::string_view architecture) const override {
    ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, DecodeNasbench101(architecture));
    std::set<std::string> neighbours;
    const auto add = [&neighbours](const Nasbench101Cell& other) {
      if (IsFull(other) && EdgeCount(other) <= kMostEdges) {
        neighbours.insert(EncodeNasbench101(CanonicalNasbench101(other)));
      }
    };
    for (int vertex = 1; vertex < cell.output(); ++vertex) {
      for (int step = 1; step < kOps; ++step) {
        Nasbench101Cell other = cell;
        other.ops[vertex] = static_cast<Nasbench101Op>((static_cast<int>(cell.ops[vertex]) + step) % kOps);
        add(other);
      }
      AddWithout(cell, vertex, add);
    }
    const std::array<uint8_t, kMostVertices> reached = Reached(cell);
    for (int from = 0; from < cell.output(); ++from) {
      for (int to = 1; to < cell.vertices; ++to) {
        if (from == to || (reached[to] >> from & 1) != 0) continue;  // would close a cycle
        Nasbench101Cell other = cell;
        other.successors[from] ^= 1 << to;
        add(other);
        AddBetween(cell, from, to, add);
      }
    }
    return std::vector<std::string>(neighbours.begin(), neighbours.end());
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

  // macs_conv_linear: convolutions and the classifier only. The authors publish none.
  absl::StatusOr<std::vector<NamedCount>> Macs(std::string_view architecture, const Cell& cell) const override {
    ZCB_ASSIGN_OR_RETURN(const Counts counts, Count(architecture, cell));
    return std::vector<NamedCount>{{"macs_conv_linear", counts.macs}};
  }

 private:
  // Bit y of [x]: a path from x to y.
  static std::array<uint8_t, kMostVertices> Reached(const Nasbench101Cell& cell) {
    std::array<uint8_t, kMostVertices> reached = {};
    for (int from = cell.output() - 1; from >= 0; --from) {
      reached[from] = cell.successors[from];
      for (int to = from + 1; to < cell.vertices; ++to) {
        if (cell.HasEdge(from, to)) reached[from] |= reached[to];
      }
    }
    return reached;
  }

  // Adds the cell without `vertex`, when that has one edge in and one out.
  template <typename Add>
  static void AddWithout(const Nasbench101Cell& cell, int vertex, const Add& add) {
    const auto feeds = [vertex](uint8_t successors) { return (successors >> vertex & 1) != 0; };
    if (std::popcount(cell.successors[vertex]) != 1) return;
    if (std::count_if(cell.successors.begin(), cell.successors.end(), feeds) != 1) return;
    Nasbench101Cell other{.vertices = cell.vertices - 1};
    const int below = (1 << vertex) - 1;
    for (int from = 0; from < cell.output(); ++from) {
      if (from == vertex) continue;
      const int place = from - (from > vertex);
      other.successors[place] =
          static_cast<uint8_t>((cell.successors[from] & below) | (cell.successors[from] >> 1 & ~below));
      other.ops[place] = cell.ops[from];
    }
    add(other);
  }

  // Adds the cell with a new vertex from `from` to `to`, of each operation.
  template <typename Add>
  static void AddBetween(const Nasbench101Cell& cell, int from, int to, const Add& add) {
    if (cell.vertices == kMostVertices) return;
    Nasbench101Cell other = cell;
    const int fresh = cell.output();  // the output moves up
    other.vertices = cell.vertices + 1;
    for (uint8_t& successors : other.successors) {
      if (successors >> fresh & 1) successors ^= 1 << fresh | 1 << other.output();
    }
    other.successors[from] |= 1 << fresh;
    other.successors[fresh] = static_cast<uint8_t>(1 << (to == cell.output() ? other.output() : to));
    for (int op = 0; op < kOps; ++op) {
      other.ops[fresh] = static_cast<Nasbench101Op>(op);
      add(other);
    }
  }
};

}  // namespace

absl::StatusOr<Nasbench101Cell> DecodeNasbench101(std::string_view architecture) {
  Scanner scanner(kKind, architecture);
  const Scanner start = scanner;
  ZCB_ASSIGN_OR_RETURN(const Nasbench101Cell cell, ScanCanonical(scanner));
  ZCB_RETURN_IF_ERROR(scanner.ExpectEnd());
  const absl::StatusOr<Nasbench101Cell> canonical = Pruned(cell);
  if (!canonical.ok()) return Annotate(canonical.status(), absl::StrCat(std::string(kKind), " ", Quoted(architecture)));
  if (*canonical != cell) return start.Error(absl::StrCat("the canonical ", Quoted(EncodeNasbench101(*canonical))));
  return cell;
}

std::string EncodeNasbench101(const Nasbench101Cell& cell) {
  std::string text = absl::StrCat(cell.vertices, "-", absl::Hex(EdgesOf(cell)), "-");
  for (int vertex = 1; vertex < cell.output(); ++vertex) absl::StrAppend(&text, static_cast<int>(cell.ops[vertex]));
  return text;
}

Nasbench101Cell CanonicalNasbench101(const Nasbench101Cell& cell) {
  std::pair<uint32_t, int> first = {UINT32_MAX, 0};
  ForEachNumbering(cell, [&](const Numbering& numbering, uint32_t edges) {
    if (edges <= first.first) first = std::min(first, {edges, OpRank(cell, numbering)});
  });
  return CellOf(cell.vertices, first.first, first.second);
}

std::string Nasbench101Hash(const Nasbench101Cell& cell) {
  std::array<Nasbench101Cell, kMd5Lanes> cells;
  cells.fill(cell);
  const Md5Digits hash = HashesOf(cells)[0];
  return std::string(hash.begin(), hash.end());
}

std::array<int64_t, kMostVertices> Nasbench101Channels(const Nasbench101Cell& cell, int64_t in, int64_t out) {
  std::array<int64_t, kMostVertices> channels = {};
  int64_t shares = 0;
  for (int vertex = 1; vertex < cell.output(); ++vertex) shares += cell.HasEdge(vertex, cell.output());
  int64_t remainder = shares > 0 ? out % shares : 0;
  for (int vertex = 1; vertex < cell.output(); ++vertex) {
    if (cell.HasEdge(vertex, cell.output())) channels[vertex] = out / shares + (remainder-- > 0);
  }
  for (int vertex = cell.output() - 1; vertex > 0; --vertex) {
    if (cell.HasEdge(vertex, cell.output())) continue;
    for (int to = vertex + 1; to < cell.output(); ++to) {
      if (cell.HasEdge(vertex, to)) channels[vertex] = std::max(channels[vertex], channels[to]);
    }
  }
  channels[0] = in;
  channels[cell.output()] = out;
  return channels;
}

ZCB_REGISTER(space, SpaceDefinition, nasbench101) {
  registry.Add({std::string(kName), std::make_shared<const Nasbench101>()});
}

}  // namespace zcbench
