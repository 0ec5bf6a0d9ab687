// NAS-Bench-101 (Ying, Klein, Christiansen, Real, Murphy, Hutter, ICML 2019, arXiv:1902.09635): a cell is a directed
// acyclic graph of at most 7 vertices and 9 edges from its input to its output, each inner vertex one of three
// operations; 423,624 cells that are not isomorphic. Networks: stem 128, three stacks of three cells.
//
// Canonical string `<V>-<edges>-<ops>`, e.g. `7-144565-12111`: the number of vertices; the edges as lowercase
// hexadecimal, bit x + y(y-1)/2 for an edge from x to y > x; one digit an inner vertex, 0 conv3x3, 1 conv1x1,
// 2 maxpool. It is that of the isomorphic graph that the authors' generator meets first: the smallest edges, then the
// smallest ops. The numbering matters: vertices with lower numbers get the channels that do not divide evenly, and
// parameters of 53,908 cells depend on it.
#ifndef ZCBENCH_NAS_SPACES_NASBENCH101_H_
#define ZCBENCH_NAS_SPACES_NASBENCH101_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr int kNasbench101MostVertices = 7;

enum class Nasbench101Op { kConv3x3 = 0, kConv1x1 = 1, kMaxPool3x3 = 2 };

struct Nasbench101Cell {
  int vertices = 2;                                               // 0 is the input, the last one the output
  std::array<uint8_t, kNasbench101MostVertices> successors = {};  // bit y of [x]: an edge from x to y
  std::array<Nasbench101Op, kNasbench101MostVertices> ops = {};   // of the inner vertices, 1 to vertices - 2

  int output() const { return vertices - 1; }
  bool HasEdge(int from, int to) const { return (successors[from] >> to & 1) != 0; }
  bool operator==(const Nasbench101Cell&) const = default;
};

// From the canonical string only. INVALID_ARGUMENT otherwise.
absl::StatusOr<Nasbench101Cell> DecodeNasbench101(std::string_view architecture);
// Every edge leads to a later vertex.
std::string EncodeNasbench101(const Nasbench101Cell& cell);

// The isomorphic cell that the canonical string stands for. The cell is acyclic, and every vertex lies between its
// input and its output; its inner vertices may be numbered in any order.
Nasbench101Cell CanonicalNasbench101(const Nasbench101Cell& cell);

// The authors' key of a cell, equal for isomorphic ones: 32 hexadecimal digits.
std::string Nasbench101Hash(const Nasbench101Cell& cell);

// The channels of every vertex, from `in` at the input to `out` at the output. The vertices before the output share its
// channels, the first of them taking the remainder; every other one has as many as the widest that it feeds.
std::array<int64_t, kNasbench101MostVertices> Nasbench101Channels(const Nasbench101Cell& cell, int64_t in, int64_t out);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SPACES_NASBENCH101_H_
