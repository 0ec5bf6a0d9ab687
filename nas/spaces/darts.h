// DARTS (Liu, Simonyan and Yang, ICLR 2019, arXiv:1806.09055): a normal and a reduction cell. A cell has two inputs
// (0: the output of the cell before the last, 1: of the last cell) and four nodes (2 to 5); each node adds two
// operations on two different inputs or earlier nodes, and the cell's output is all four, concatenated. (180 * 7^8)^2 =
// 1.0767e18 pairs of cells. Spaces: `darts`, the networks of NAS-Bench-301 (Zela et al., ICLR 2022, arXiv:2008.09777)
// with 32 channels and 8 cells, and `darts_eval`, those that the paper trains on CIFAR, with 36 channels and 20 cells.
//
// Canonical string `N_R`, the normal and the reduction cell: per cell 16 digits, for each node two pairs of (input,
// operation), a node's pairs in ascending order; operations as DartsOp. A node may also use one input twice: such
// networks of other papers can be built, but are not of the enumerated set. The operation `none` and cells of other
// depths cannot be written.
#ifndef ZCBENCH_NAS_SPACES_DARTS_H_
#define ZCBENCH_NAS_SPACES_DARTS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/task.h"

namespace zcbench {

enum class DartsOp {
  kMaxPool3x3 = 0,
  kAvgPool3x3 = 1,
  kSkip = 2,
  kSepConv3x3 = 3,
  kSepConv5x5 = 4,
  kDilConv3x3 = 5,
  kDilConv5x5 = 6
};

struct DartsEdge {
  int input;  // 0 or 1: an input of the cell; 2 and more: a node
  DartsOp op;
  auto operator<=>(const DartsEdge&) const = default;
};

inline constexpr int kDartsNodes = 4;
// Edges 2 n and 2 n + 1, in ascending order, are those of node n + 2.
using DartsCell = std::array<DartsEdge, 2 * kDartsNodes>;

struct DartsGenotype {
  DartsCell normal;
  DartsCell reduce;
  bool operator==(const DartsGenotype&) const = default;
};

// From the canonical string only, of any network that can be built. INVALID_ARGUMENT otherwise.
absl::StatusOr<DartsGenotype> DecodeDarts(std::string_view architecture);
std::string EncodeDarts(const DartsGenotype& genotype);

// The settings of a network.
struct DartsConfig {
  int channels;           // of the first cells' nodes
  int cells;              // those at a third and at two thirds are reductions and double the channels
  bool imagenet = false;  // the ImageNet networks' stem, three times halving, instead of the 3x3 convolution for CIFAR
};

inline constexpr DartsConfig kDarts{.channels = 32, .cells = 8};
inline constexpr DartsConfig kDartsEval{.channels = 36, .cells = 20};

// Where a cell stands in its network.
struct DartsPlace {
  bool reduction;        // operations on the cell's inputs have stride 2
  bool after_reduction;  // input 0 is twice as large as input 1
  int64_t in0;           // channels of the inputs
  int64_t in1;
  int64_t width;  // channels of each node; the output has four times as many
};

std::vector<DartsPlace> DartsPlaces(const DartsConfig& config);

// What a network costs on one image, without auxiliary head.
struct DartsCounts {
  int64_t params = 0;
  int64_t macs = 0;         // multiply-accumulates of convolutions and the classifier
  int64_t tensorwatch = 0;  // every layer by tensorwatch's rules
  // The same of NASLib's graph, which NAS-Bench-Suite-Zero counted: normalisation after operations has no weights, and
  // also follows each pooling.
  int64_t naslib_params = 0;
  int64_t naslib_tensorwatch = 0;
};

// INVALID_ARGUMENT: an input that the network does not take.
absl::StatusOr<DartsCounts> CountDarts(const DartsGenotype& genotype, const DartsConfig& config, const Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACES_DARTS_H_
