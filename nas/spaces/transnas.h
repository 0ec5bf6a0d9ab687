// TransNAS-Bench-101 (Duan et al., CVPR 2021, arXiv:2105.11871): encoders for seven tasks on one set of images, each
// with the head or decoder that the cell's task asks for.
//
// Every encoder is a stem that leaves a quarter of height and width and 64 channels, then modules of two cells; the
// first cell of a module may halve the resolution and double the channels.
//   transnas_micro  five modules (doubling and halving in the first, third and fifth); the cell is searched: four
//                   nodes, six edges, four operations, 4^6 = 4,096. Canonical string `a_bc_def`: one digit an edge in
//                   the order 0->1, 0->2, 1->2, 0->3, 1->3, 2->3.
//   transnas_macro  residual blocks as cells; the modules are searched. Canonical string: one digit a module, 1 plain,
//                   2 doubles the channels, 3 halves the resolution, 4 both. The enumerated set: 4 to 6 modules, 1 to 3
//                   that double, 1 to 4 that halve; 210 + 750 + 2,296 = 3,256. One to six modules of any kind can be
//                   built.
// Parse also reads the official strings `64-41414-a_bc_def` and `64-123311-basic` and NASLib's tuples, which hold the
// same digits (macro: padded with 0 to six).
//
// Index: ours, the canonical strings in lexicographic order. The official API's follows its own file, whose order is
// not published (it begins with `64-2311-basic` at 1).
#ifndef ZCBENCH_NAS_SPACES_TRANSNAS_H_
#define ZCBENCH_NAS_SPACES_TRANSNAS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/task.h"

namespace zcbench {

enum class TransnasOp { kNone = 0, kSkip = 1, kConv1x1 = 2, kConv3x3 = 3 };

struct TransnasEdge {
  int from;
  int to;
};

// The edges in the order of the canonical string.
inline constexpr std::array<TransnasEdge, 6> kTransnasEdges = {{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}};

// One operation for each of kTransnasEdges. Edges from node 0 change channels and resolution, all others keep them.
using TransnasMicroCell = std::array<TransnasOp, 6>;

// Its first cell; the second one is (out, out, 1).
struct TransnasModule {
  int64_t in;
  int64_t out;
  int64_t stride;
};

struct TransnasNetwork {
  std::vector<TransnasModule> modules;
  std::optional<TransnasMicroCell> cell;  // none: residual blocks

  int64_t out() const { return modules.back().out; }
  int halvings() const;  // by the modules
};

// From canonical strings only. INVALID_ARGUMENT otherwise.
absl::StatusOr<TransnasNetwork> DecodeTransnasMicro(std::string_view architecture);
absl::StatusOr<TransnasNetwork> DecodeTransnasMacro(std::string_view architecture);

// Channels of the stem's two convolutions.
inline constexpr int64_t kTransnasHalfStem = 32;
inline constexpr int64_t kTransnasStem = 64;
inline constexpr int kTransnasTiles = 9;  // of a jigsaw

// A 3x3 convolution of a decoder, or a transposed one that doubles height and width.
struct TransnasDecoderLayer {
  int64_t in;
  int64_t out;
  bool doubles;
};

// The decoder of a task that is answered pixel by pixel (kSegmentation, kImage), from the encoder's output to `classes`
// channels of the input's size. The authors size it for an encoder output of 56 pixels a side halved by the modules,
// and an image of 256.
std::vector<TransnasDecoderLayer> TransnasDecoder(const TransnasNetwork& network, TaskKind kind, int classes);

// INVALID_ARGUMENT: an input that the network does not take or a task that it cannot answer.
absl::Status CheckTransnasCell(const TransnasNetwork& network, const Cell& cell);

// What a network and its head cost on one image of a cell that CheckTransnasCell accepts. Without the discriminator
// that the authors train beside their generative decoder.
struct TransnasCounts {
  int64_t params = 0;
  int64_t tensorwatch = 0;  // every layer by tensorwatch's rules, which leave out transposed convolutions and see a
                            // layer once, also where it runs over nine tiles
  int64_t macs = 0;         // multiply-accumulates of convolutions, transposed ones and linear layers
  int64_t macs_api = 0;     // the same for images of 224 x 224 (tiles of 64 x 64), as the official API states
  int64_t macs_encoder_api = 0;  // of the encoder alone, on one image or tile
};
TransnasCounts CountTransnas(const TransnasNetwork& network, const Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACES_TRANSNAS_H_
