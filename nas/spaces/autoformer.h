// AutoFormer (Chen, Peng, Fu, Ling, ICCV 2021, arXiv:2107.00651): vision transformers with one embedding width, a
// depth, and for each layer a number of heads (of 64 each) and an MLP ratio. Spaces `autoformer_tiny`, `_small`,
// `_base` are the supernets' yaml files. Canonical string `<depth>-<embed>-<heads>-<mlp>`: one hexadecimal digit a
// layer for the heads, one digit a layer for the MLP ratio (0 = 3.0, 1 = 3.5, 2 = 4.0):
// `13-384-6657555667767-0101222222212` is AutoFormer-S.
#ifndef ZCBENCH_NAS_SPACES_AUTOFORMER_H_
#define ZCBENCH_NAS_SPACES_AUTOFORMER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr int kAutoformerHeadWidth = 64;
inline constexpr int kAutoformerMaxRelativePosition = 14;  // tables of 2 * 14 + 2 rows

struct AutoformerSubnet {
  int embed = 0;                // width of the tokens
  std::vector<int> heads;       // one a layer
  std::vector<int> mlp_halves;  // MLP ratio times 2, one a layer: 6, 7 or 8

  int depth() const { return static_cast<int>(heads.size()); }
  int hidden(int layer) const { return embed * mlp_halves[layer] / 2; }
};

// From the canonical string only, of any network that can be built. INVALID_ARGUMENT otherwise.
absl::StatusOr<AutoformerSubnet> DecodeAutoformer(std::string_view architecture);
std::string EncodeAutoformer(const AutoformerSubnet& subnet);

// How the network meets its images; the spaces use 224 pixels in patches of 16.
struct AutoformerInput {
  int image = 224;  // pixels a side
  int patch = 16;
  int patches() const { return (image / patch) * (image / patch); }
};

// All parameters: the authors' get_sampled_params_numel.
int64_t AutoformerParams(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes);
// The authors' get_complexity(patches), with its sequence lengths of one too many, rounded down to whole
// operations.
int64_t AutoformerComplexity(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes);
// Multiply-accumulates as they are, relative positions included.
int64_t AutoformerTrueMacs(const AutoformerSubnet& subnet, const AutoformerInput& input, int classes);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACES_AUTOFORMER_H_
