#include "nas/spaces/nasbench101.h"

#include <bit>
#include <map>
#include <set>
#include <unordered_map>

#include "base/status_matchers.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Space& TheSpace() { return *(*FindSpace("nasbench101"))->space; }

Cell Cifar10() {
  Cell cell;
  cell.height = cell.width = 32;
  cell.classes = 10;
  return cell;
}

// The published closed form for 10 classes, of the cell as it is numbered.
int64_t ParamsOf(const Nasbench101Cell& cell) {
  int64_t params = 3712 + 5130;
  for (const auto& [in, out, cells] :
       std::vector<std::array<int64_t, 3>>{{128, 128, 3}, {128, 256, 1}, {256, 256, 2}, {256, 512, 1}, {512, 512, 2}}) {
    const auto channels = Nasbench101Channels(cell, in, out);
    for (int vertex = 1; vertex < cell.vertices; ++vertex) {
      const int64_t width = channels[vertex];
      if (cell.HasEdge(0, vertex)) params += cells * (in * width + 2 * width);
      if (vertex == cell.output() || cell.ops[vertex] == Nasbench101Op::kMaxPool3x3) continue;
      const int64_t kernel = cell.ops[vertex] == Nasbench101Op::kConv3x3 ? 3 : 1;
      params += cells * (kernel * kernel * width * width + 2 * width);
    }
  }
  return params;
}

// Calls visit(cell) for every labelled graph in the order of the authors' generator: vertices, edges, ops, without
// those of more than 9 edges, an empty row but the last, or an empty column but the first.
template <typename Visit>
void ForEachLabelledCell(const Visit& visit) {
  for (int vertices = 2; vertices <= 7; ++vertices) {
    for (uint32_t edges = 0; edges < uint32_t{1} << (vertices * (vertices - 1) / 2); ++edges) {
      if (std::popcount(edges) > 9) continue;
      Nasbench101Cell cell{.vertices = vertices};
      uint32_t with_predecessor = 0;
      uint32_t bit = 0;
      for (int to = 1; to < vertices; ++to) {
        for (int from = 0; from < to; ++from) {
          if ((edges >> bit++ & 1) == 0) continue;
          cell.successors[from] |= 1 << to;
          with_predecessor |= 1 << to;
        }
      }
      bool full = with_predecessor == (uint32_t{1} << vertices) - 2;
      for (int vertex = 0; vertex < vertices - 1; ++vertex) full = full && cell.successors[vertex] != 0;
      if (!full) continue;
      int vertex = 0;
      do {
        visit(cell);
        for (vertex = vertices - 2; vertex > 0; --vertex) {
          const int op = (static_cast<int>(cell.ops[vertex]) + 1) % 3;
          cell.ops[vertex] = static_cast<Nasbench101Op>(op);
          if (op != 0) break;
        }
      } while (vertex > 0);
    }
  }
}

// Walks the whole space: seconds.
TEST(Nasbench101Test, TheIndexIsTheOrderOfTheAuthorsGenerator) {
  struct Range {
    int64_t low;
    int64_t high;
  };
  std::unordered_map<std::string, Range> params;  // of every class, over its numberings
  std::map<int, int> classes;                     // by vertices
  int labelled = 0;
  int64_t sum = 0;
  int64_t smallest = INT64_MAX;
  int64_t largest = 0;
  ForEachLabelledCell([&](const Nasbench101Cell& cell) {
    ++labelled;
    const int64_t count = ParamsOf(cell);
    const std::string canonical = EncodeNasbench101(CanonicalNasbench101(cell));
    const auto [it, is_first] = params.insert({canonical, {count, count}});
    it->second.low = std::min(it->second.low, count);
    it->second.high = std::max(it->second.high, count);
    if (!is_first) return;
    ASSERT_EQ(EncodeNasbench101(cell), canonical) << "the first of a class is the canonical one";
    ASSERT_THAT(TheSpace().At(params.size() - 1), IsOkAndHolds(canonical));
    ASSERT_THAT(TheSpace().Params(canonical, Cifar10()), IsOkAndHolds(count));
    ++classes[cell.vertices];
    sum += count;
    smallest = std::min(smallest, count);
    largest = std::max(largest, count);
  });
  EXPECT_EQ(labelled, 1293208);
  EXPECT_EQ(params.size(), TheSpace().size());
  EXPECT_THAT(classes, ElementsAre(std::pair{2, 1}, std::pair{3, 6}, std::pair{4, 84}, std::pair{5, 2441},
                                   std::pair{6, 62010}, std::pair{7, 359082}));
  EXPECT_EQ(sum, 3583758170075);
  EXPECT_EQ(smallest, 227274);
  EXPECT_EQ(largest, 49979274);
  EXPECT_EQ(std::count_if(params.begin(), params.end(),
                          [](const auto& entry) { return entry.second.low < entry.second.high; }),
            53908);
}

// The cell of the benchmark's README.
TEST(Nasbench101Test, ReadsTheNotationsOfOtherTools) {
  const std::string rows =
      "[[0, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0], "
      "[0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]]";
  for (const std::string& text : std::vector<std::string>{
           "7-17404b-01200", "nb101/7-17404b-01200", "nasbench101/7-17404b-01200",
           "7-1b060b-10002",  // as the README numbers it
           "28cfc7874f6d200472e1a9dcd8650aa0", "nb101/28cfc7874f6d200472e1a9dcd8650aa0",
           "{\"matrix\": " + rows +
               ", \"ops\": [\"input\", \"conv1x1-bn-relu\", \"conv3x3-bn-relu\", \"conv3x3-bn-relu\", "
               "\"conv3x3-bn-relu\", \"maxpool3x3\", \"output\"]}",
           "{'matrix': " + rows +
               ", 'ops': ['input', 'conv1x1-bn-relu', 'conv3x3-bn-relu', 'conv3x3-bn-relu', 'conv3x3-bn-relu', "
               "'maxpool3x3', 'output']}",
           rows + " [\"input\",\"conv1x1-bn-relu\",\"conv3x3-bn-relu\",\"conv3x3-bn-relu\",\"conv3x3-bn-relu\","
                  "\"maxpool3x3\",\"output\"]",
           "(0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, "
           "0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 4, 4, 2, 1)"}) {
    EXPECT_THAT(TheSpace().Parse(text), IsOkAndHolds("7-17404b-01200")) << text;
  }
}

TEST(Nasbench101Test, WhatIsNotBetweenInputAndOutputIsDropped) {
  for (const auto& [text, canonical] : std::vector<std::pair<std::string, std::string>>{
           // NASLib pads with unconnected vertices.
           {"(0,1,0,0,0,0,0, 0,0,0,0,0,0,1, 0,0,0,0,0,0,0, 0,0,0,0,0,0,0, 0,0,0,0,0,0,0, 0,0,0,0,0,0,0, 0,0,0,0,0,0,0, "
            "0,2,4,4,4,4,1)",
            "3-5-2"},
           {"(0, 1, 0, 0, 0, 1)", "2-1-"},
           // 1 leads nowhere, 2 comes from nowhere.
           {"[[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]] ['input', 'maxpool3x3', 'maxpool3x3', 'output']",
            "2-1-"},
           {"4-2e-20", "3-7-0"},            // nothing leads to 1
           {"7-1007ff-00001", "3-5-1"}}) {  // 12 edges, of which the 10 between 0 to 4 lead nowhere
    EXPECT_THAT(TheSpace().Parse(text), IsOkAndHolds(canonical)) << text;
  }
}

TEST(Nasbench101Test, AnErrorSaysWhatIsWrong) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"8-17404b-01200", "expected a number of vertices from 2 to 7 at character 1, found `8`"},
           {"7-200000-00000", "expected edges from 1 to 1fffff at character 3, found `2`"},
           {"3-05-0", "expected edges from 1 to 7 at character 3, found `0`"},
           {"7-17404B-01200", "expected `-` at character 8, found `B`"},
           {"7-17404b-01300", "expected an operation (0 to 2) at character 12, found `3`"},
           {"7-17404b-012000", "expected the end at character 15, found `0`"},
           {"4-5-00", "`4-5-00`: no path leads from the input to the output"},
           {"7-1fffff-00000", "21 edges lie on paths from the input to the output, at most 9 are of the space"},
           {"00000000000000000000000000000000", "expected the hash of a cell at character 1"},
           {"#423624", "expected an index from 0 to 423623 at character 2"},
           {"(0, 1, 0, 0, 0)", "expected V * V + V numbers of 2 to 7 vertices, not 5 at character 2"},
           {"(0, 1, 1, 0, 0, 1)", "expected 0, since edges lead to later vertices at character 8, found `1`"},
           {"(0, 1, 0, 0, 1, 0)", "expected `0` at character 14, found `1`"},
           {"(0,1,0,0,0,1,0,0,0,0,1,1)", "expected an operation of NASLib (2 to 4) at character 22, found `1`"},
           {"[[0, 2], [0, 0]] ['input', 'output']", "expected 0 or 1 at character 6, found `2`"},
           {"[[0, 1], [0]] ['input', 'output']", "expected `,` at character 12, found `]`"},
           {"[[0, 1], [0, 0]] ['input', 'maxpool3x3', 'output']", "'` at character 28"},
           {"[[0,1,0],[0,0,1],[0,0,0]] ['input', 'avgpool3x3', 'output']", "expected one of \"conv3x3-bn-relu\""},
           {"{\"ops\": [\"input\", \"output\"]}", "matrix\\\"` at character 2"}}) {
    EXPECT_THAT(TheSpace().Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message))) << text;
  }
}

TEST(Nasbench101Test, AnotherNumberingIsReadButNotTaken) {
  EXPECT_THAT(TheSpace().Parse("7-1b060b-10002"), IsOkAndHolds("7-17404b-01200"));
  EXPECT_THAT(DecodeNasbench101("7-1b060b-10002"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected the canonical `7-17404b-01200` at character 1")));
  EXPECT_THAT(DecodeNasbench101("4-2e-20"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected the canonical `3-7-0`")));
  EXPECT_THAT(DecodeNasbench101("4-5-00"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no path")));
}

TEST(Nasbench101Test, OfficialIsWhatModelSpecTakes) {
  EXPECT_THAT(TheSpace().Official("4-2d-02"),
              IsOkAndHolds("{\"matrix\": [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "
                           "\"ops\": [\"input\", \"conv3x3-bn-relu\", \"maxpool3x3\", \"output\"]}"));
}

TEST(Nasbench101Test, AHashIsThatOfAllNumberings) {
  Draws draws(0, "test");
  for (int i = 0; i < 20; ++i) {
    const Nasbench101Cell cell = *DecodeNasbench101(TheSpace().Draw(draws));
    const std::string hash = Nasbench101Hash(cell);
    EXPECT_THAT(TheSpace().Parse(hash), IsOkAndHolds(EncodeNasbench101(cell)));
    Nasbench101Cell other = cell;  // the inner vertices backwards
    for (int from = 0; from < cell.vertices; ++from) {
      const auto renumbered = [&](int vertex) {
        return vertex == 0 || vertex == cell.output() ? vertex : cell.output() - vertex;
      };
      other.ops[renumbered(from)] = cell.ops[from];
      other.successors[renumbered(from)] = 0;
      for (int to = 0; to < cell.vertices; ++to) {
        other.successors[renumbered(from)] |= cell.HasEdge(from, to) << renumbered(to);
      }
    }
    EXPECT_EQ(CanonicalNasbench101(other), cell);
    EXPECT_EQ(Nasbench101Hash(other), hash);
  }
}

TEST(Nasbench101Test, ChannelsThatDoNotDivideGoToTheFirstVertices) {
  const absl::StatusOr<Nasbench101Cell> cell = DecodeNasbench101("6-692d-2220");
  ASSERT_THAT(cell, IsOk());
  EXPECT_THAT(Nasbench101Channels(*cell, 128, 128), ElementsAre(128, 43, 43, 43, 42, 128, 0));
  const absl::StatusOr<Nasbench101Cell> direct = DecodeNasbench101("2-1-");
  ASSERT_THAT(direct, IsOk());
  EXPECT_THAT(Nasbench101Channels(*direct, 256, 512), ElementsAre(256, 512, 0, 0, 0, 0, 0));
}

// By hand: the stem, nine projections, two poolings, the classifier.
TEST(Nasbench101Test, FlopsAreTensorwatchs) {
  constexpr int64_t kMacs = 137761792;
  constexpr int64_t kOutputs = 1024 * 128 * 4 + 256 * 256 * 3 + 64 * 512 * 3;  // of convolutions
  constexpr int64_t kPooling = 4 * (256 * 128 + 64 * 256);
  EXPECT_THAT(TheSpace().Flops("2-1-", Cifar10()), IsOkAndHolds(kMacs + 3 * kOutputs + kPooling));
  constexpr int64_t kMaxPools = 9 * (1024 * 128 * 3 + 256 * 256 * 3 + 64 * 512 * 3);
  EXPECT_THAT(TheSpace().Flops("3-5-2", Cifar10()), IsOkAndHolds(kMacs + 3 * kOutputs + kPooling + kMaxPools));
  const absl::StatusOr<std::vector<NamedCount>> macs = TheSpace().Macs("2-1-", Cifar10());
  ASSERT_THAT(macs, IsOk());
  ASSERT_EQ(macs->size(), 1u);
  EXPECT_EQ((*macs)[0].name, "macs_conv_linear");
  EXPECT_EQ((*macs)[0].value, kMacs);
}

TEST(Nasbench101Test, ACellGrowsAndShrinksByAVertexInTheMiddleOfAnEdge) {
  EXPECT_THAT(TheSpace().Neighbours("2-1-"), IsOkAndHolds(ElementsAre("3-7-0", "3-7-1", "3-7-2")));
  // Other operations; the direct edge; a second vertex before, beside or behind.
  EXPECT_THAT(TheSpace().Neighbours("3-5-0"),
              IsOkAndHolds(ElementsAre("3-5-1", "3-5-2", "3-7-0", "4-27-00", "4-27-10", "4-27-20", "4-33-00", "4-33-01",
                                       "4-33-02", "4-35-00", "4-35-01", "4-35-02")));
}

TEST(Nasbench101Test, ASmallCellMutatesIntoLargerOnes) {
  Draws draws(0, "test");
  std::set<char> vertices;
  for (int i = 0; i < 5000; ++i) vertices.insert((*TheSpace().Mutate("3-5-0", draws))[0]);
  EXPECT_THAT(vertices, ElementsAre('2', '3', '4', '5', '6', '7'));
}

}  // namespace
}  // namespace zcbench
