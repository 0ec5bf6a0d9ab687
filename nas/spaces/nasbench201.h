// NAS-Bench-201 (Dong and Yang, ICLR 2020, arXiv:2001.00326), the topology space of NATS-Bench: a cell of four nodes
// whose six edges each carry one of five operations; 5^6 = 15,625 cells, all valid. Networks: C 16, N 5. Canonical
// string `a_bc_def`: one digit an edge in the order 0->1, 0->2, 1->2, 0->3, 1->3, 2->3.
#ifndef ZCBENCH_NAS_SPACES_NASBENCH201_H_
#define ZCBENCH_NAS_SPACES_NASBENCH201_H_

#include <array>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace zcbench {

enum class Nasbench201Op { kNone = 0, kSkip = 1, kConv1x1 = 2, kConv3x3 = 3, kAvgPool3x3 = 4 };

struct Nasbench201Edge {
  int from;
  int to;
};

// The edges in the order of the canonical string.
inline constexpr std::array<Nasbench201Edge, 6> kNasbench201Edges = {{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}};

// One operation for each of kNasbench201Edges.
using Nasbench201Cell = std::array<Nasbench201Op, 6>;

// From the canonical string only. INVALID_ARGUMENT otherwise.
absl::StatusOr<Nasbench201Cell> DecodeNasbench201(std::string_view architecture);
std::string EncodeNasbench201(const Nasbench201Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACES_NASBENCH201_H_
