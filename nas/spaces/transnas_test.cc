#include "nas/spaces/transnas.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_matchers.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Space& Micro() { return *(*FindSpace("transnas_micro"))->space; }
const Space& Macro() { return *(*FindSpace("transnas_macro"))->space; }

std::vector<std::string> All(const Space& space) {
  std::vector<std::string> all;
  for (uint64_t i = 0; i < space.size(); ++i) all.push_back(*space.At(i));
  return all;
}

int Count(std::string_view text, std::string_view digits) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [&](char c) { return digits.find(c) != std::string_view::npos; }));
}

// What the cell computes as a term, with skips removed. `dead`: what nothing reaches is `#`; `drop`: and left out of
// sums.
std::string Term(const TransnasMicroCell& cell, bool dead, bool drop) {
  std::vector<std::string> nodes = {"0"};
  for (int to = 1; to < 4; ++to) {
    std::vector<std::string> terms;
    for (size_t e = 0; e < cell.size(); ++e) {
      if (kTransnasEdges[e].to != to) continue;
      const std::string& from = nodes[static_cast<size_t>(kTransnasEdges[e].from)];
      std::string term = absl::StrCat("(", from, ")@", static_cast<int>(cell[e]));
      if (cell[e] == TransnasOp::kSkip) term = from;
      if (dead && (cell[e] == TransnasOp::kNone || from == "#")) term = "#";
      if (!drop || term != "#") terms.push_back(term);
    }
    std::sort(terms.begin(), terms.end());
    nodes.push_back(terms.empty() ? "#" : absl::StrJoin(terms, "+"));
  }
  return nodes[3];
}

// Every edge that is not `none` lies on a path from the input to the output, and there is one.
bool EveryEdgeCounts(const TransnasMicroCell& cell) {
  std::set<int> reached = {0};
  std::set<int> reaching = {3};
  for (int round = 0; round < 3; ++round) {
    for (size_t e = 0; e < cell.size(); ++e) {
      if (cell[e] == TransnasOp::kNone) continue;
      if (reached.contains(kTransnasEdges[e].from)) reached.insert(kTransnasEdges[e].to);
      if (reaching.contains(kTransnasEdges[e].to)) reaching.insert(kTransnasEdges[e].from);
    }
  }
  int edges = 0;
  for (size_t e = 0; e < cell.size(); ++e) {
    if (cell[e] == TransnasOp::kNone) continue;
    ++edges;
    if (!reached.contains(kTransnasEdges[e].from) || !reaching.contains(kTransnasEdges[e].to)) return false;
  }
  return edges > 0;
}

TEST(TransnasMicroTest, HasAsManyDistinctCellsAsCounted) {
  std::set<std::string> without_skips;
  std::set<std::string> with_dead_ends;
  std::set<std::string> functions;
  int dead = 0;
  int whole = 0;
  for (const std::string& architecture : All(Micro())) {
    const TransnasMicroCell cell = *DecodeTransnasMicro(architecture)->cell;
    without_skips.insert(Term(cell, false, false));
    with_dead_ends.insert(Term(cell, true, false));
    functions.insert(Term(cell, true, true));
    dead += Term(cell, true, true) == "#";
    whole += EveryEdgeCounts(cell);
  }
  EXPECT_EQ(without_skips.size(), 3131u);
  EXPECT_EQ(with_dead_ends.size(), 1236u);
  EXPECT_EQ(functions.size(), 951u);
  EXPECT_EQ(dead, 169);
  EXPECT_EQ(whole, 2127);
}

TEST(TransnasMacroTest, HasAsManyArchitecturesOfEachLengthAsPublished) {
  std::map<size_t, int> of_length;
  for (const std::string& architecture : All(Macro())) {
    ++of_length[architecture.size()];
    EXPECT_GE(Count(architecture, "24"), 1);
    EXPECT_LE(Count(architecture, "24"), 3);
    EXPECT_GE(Count(architecture, "34"), 1);
    EXPECT_LE(Count(architecture, "34"), 4);
  }
  EXPECT_EQ(of_length, (std::map<size_t, int>{{4, 210}, {5, 750}, {6, 2296}}));
}

TEST(TransnasTest, TheIndexIsLexicographic) {
  EXPECT_THAT(Micro().At(0), IsOkAndHolds("0_00_000"));
  EXPECT_THAT(Micro().At(1), IsOkAndHolds("0_00_001"));
  EXPECT_THAT(Micro().At(4095), IsOkAndHolds("3_33_333"));
  EXPECT_THAT(Micro().IndexOf("1_02_202"), IsOkAndHolds(1u * 1024 + 2 * 64 + 2 * 16 + 2));
  EXPECT_THAT(Macro().At(0), IsOkAndHolds("111114"));
  EXPECT_THAT(Macro().At(1), IsOkAndHolds("111123"));
  EXPECT_THAT(Macro().At(3255), IsOkAndHolds("444311"));
  const std::vector<std::string> macro = All(Macro());
  EXPECT_TRUE(std::is_sorted(macro.begin(), macro.end()));
}

TEST(TransnasMicroTest, ReadsTheNotationsOfOtherTools) {
  for (const std::string text :
       {"1_02_202", "tnb-micro/1_02_202", "transnas_micro/1_02_202", "64-41414-1_02_202", "tnb-micro/64-41414-1_02_202",
        "#1186", "(1, 0, 2, 2, 0, 2)", "(1,0,2,2,0,2)", "( 1 , 0 , 2 , 2 , 0 , 2 )", "1-0-2-2-0-2"}) {
    EXPECT_THAT(Micro().Parse(text), IsOkAndHolds("1_02_202")) << text;
  }
  EXPECT_THAT(Micro().Official("1_02_202"), IsOkAndHolds("64-41414-1_02_202"));
}

TEST(TransnasMacroTest, ReadsTheNotationsOfOtherTools) {
  for (const std::string text :
       {"1234", "tnb-macro/1234", "transnas_macro/1234", "64-1234-basic", "tnb-macro/64-1234-basic", "(1, 2, 3, 4)",
        "(1,2,3,4,0,0)", "(1, 2, 3, 4, 0)", "1-2-3-4", "1-2-3-4-0-0"}) {
    EXPECT_THAT(Macro().Parse(text), IsOkAndHolds("1234")) << text;
  }
  EXPECT_THAT(Macro().Official("123311"), IsOkAndHolds("64-123311-basic"));
}

TEST(TransnasTest, AnErrorNamesTheCharacter) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"1_02_204", "expected an operation (0 to 3) at character 8, found `4`"},
           {"1_02_2022", "expected the end at character 9, found `2`"},
           {"102202", "expected `_` at character 2, found `0`"},
           {"64-41413-1_02_202", "expected `41414-` at character 4"},
           {"64-1234-basic", "expected `41414-` at character 4"},
           {"(1, 0, 2, 2, 0)", "expected `,` at character 15, found `)`"},
           {"(1, 0, 2, 2, 0, 2, 1)", "expected `)` at character 18, found `,`"},
           {"1-0-2-2-0", "at character 10"},
           {"#4096", "expected an index from 0 to 4095 at character 2"},
           {"nb201/1_02_202", "`nb201` at character 1 is another space"}}) {
    EXPECT_THAT(Micro().Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message))) << text;
  }
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"1235", "expected a module (1 to 4) at character 4, found `5`"},
           {"1234123", "expected the end at character 7, found `3`"},
           {"64-1234", "expected `-basic` at character 8"},
           {"64-41414-1_02_202", "expected `-basic` at character 9"},
           {"(1, 2, 0, 4)", "the 0 at character 8 may only follow the last module"},
           {"0-1-2-3", "the 0 at character 1 may only follow the last module"},
           {"(1, 2, 3, 4, 0, 0, 0)", "expected `)` at character 18, found `,`"},
           {"#3256", "expected an index from 0 to 3255 at character 2"}}) {
    EXPECT_THAT(Macro().Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message))) << text;
  }
}

TEST(TransnasMacroTest, ANetworkOutsideTheSetIsBuiltButHasNoIndex) {
  Draws draws(0, "test");
  for (const std::string text : {"1", "1111", "111", "2222", "222211", "333331"}) {
    ASSERT_THAT(Macro().Parse(text), IsOkAndHolds(text));
    ASSERT_THAT(Macro().Official(text), IsOkAndHolds("64-" + text + "-basic"));
    const auto is_not_found = StatusIs(absl::StatusCode::kNotFound, HasSubstr(text + " is not in transnas_macro"));
    EXPECT_THAT(Macro().IndexOf(text), is_not_found);
    EXPECT_THAT(Macro().Mutate(text, draws), is_not_found);
    EXPECT_THAT(Macro().Crossover(text, text, draws), is_not_found);
    EXPECT_THAT(Macro().Neighbours(text), is_not_found);
  }
}

TEST(TransnasTest, ModulesDoubleAndHalve) {
  const absl::StatusOr<TransnasNetwork> macro = DecodeTransnasMacro("1234");
  ASSERT_THAT(macro, IsOk());
  EXPECT_FALSE(macro->cell.has_value());
  EXPECT_EQ(macro->halvings(), 2);
  EXPECT_EQ(macro->out(), 256);
  EXPECT_EQ(macro->modules[1].in, 64);
  EXPECT_EQ(macro->modules[1].out, 128);
  EXPECT_EQ(macro->modules[1].stride, 1);
  EXPECT_EQ(macro->modules[2].stride, 2);
  const absl::StatusOr<TransnasNetwork> micro = DecodeTransnasMicro("1_02_203");
  ASSERT_THAT(micro, IsOk());
  EXPECT_THAT(*micro->cell, ElementsAre(TransnasOp::kSkip, TransnasOp::kNone, TransnasOp::kConv1x1,
                                        TransnasOp::kConv1x1, TransnasOp::kNone, TransnasOp::kConv3x3));
  EXPECT_EQ(micro->halvings(), 3);
  EXPECT_EQ(micro->out(), 512);
}

TEST(TransnasTest, ADecoderReachesTheSizeOfTheImage) {
  for (const std::string text : {"1111", "1234", "41414", "3333", "444"}) {
    const TransnasNetwork network = *DecodeTransnasMacro(text);
    for (const TaskKind kind : {TaskKind::kSegmentation, TaskKind::kImage}) {
      const std::vector<TransnasDecoderLayer> decoder = TransnasDecoder(network, kind, 17);
      EXPECT_EQ(decoder.size(), kind == TaskKind::kImage ? 14u : 8u);
      EXPECT_EQ(std::count_if(decoder.begin(), decoder.end(), [](const auto& layer) { return layer.doubles; }),
                network.halvings() + 2);
      EXPECT_EQ(decoder.front().in, network.out());
      EXPECT_EQ(decoder.back().out, 17);
      EXPECT_FALSE(decoder.back().doubles);
      for (size_t i = 1; i < decoder.size(); ++i) EXPECT_EQ(decoder[i].in, decoder[i - 1].out);
    }
  }
}

// Encoder parameters of every micro cell in closed form, at 63 outputs.
TEST(TransnasMicroTest, ParamsAreThePublishedClosedForm) {
  const Cell cell = *FindCell("transnas_micro", "class_scene");
  for (const std::string& architecture : All(Micro())) {
    const TransnasMicroCell ops = *DecodeTransnasMicro(architecture)->cell;
    int64_t params = 19488 + 63 * 513;
    for (size_t e = 0; e < ops.size(); ++e) {
      const bool first = kTransnasEdges[e].from == 0;
      if (ops[e] == TransnasOp::kSkip && first) params += 173824;
      if (ops[e] == TransnasOp::kConv1x1) params += first ? 685056 : 857088;
      if (ops[e] == TransnasOp::kConv3x3) params += first ? 6124544 : 7672832;
    }
    ASSERT_THAT(Micro().Params(architecture, cell), IsOkAndHolds(params)) << architecture;
  }
}

TEST(TransnasTest, ACellThatANetworkDoesNotTakeIsNamed) {
  const auto is_invalid = [](const std::string& what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what));
  };
  Cell cell = *FindCell("tnb-macro", "segmentsemantic");
  EXPECT_THAT(Macro().Params("333311", cell), IsOk());
  EXPECT_THAT(Macro().Params("333331", cell), is_invalid("has 5"));
  cell.height = 32;
  EXPECT_THAT(Macro().Params("3333", cell), is_invalid("32 x 256 pixels; this network halves its input 6 times"));
  EXPECT_THAT(Macro().Params("3331", cell), IsOk());
  Cell jigsaw = *FindCell("tnb-micro", "jigsaw");
  EXPECT_THAT(Micro().Params("1_02_202", jigsaw), IsOk());
  jigsaw.channels = 3;
  EXPECT_THAT(Micro().Params("1_02_202", jigsaw), is_invalid("3 channels"));
}

TEST(TransnasMicroTest, AMutantDiffersInOneEdge) {
  Draws draws(0, "test");
  std::set<std::string> mutants;
  for (int i = 0; i < 1000; ++i) mutants.insert(*Micro().Mutate("1_02_202", draws));
  const std::vector<std::string> neighbours = *Micro().Neighbours("1_02_202");
  EXPECT_EQ(neighbours.size(), 18u);
  EXPECT_EQ(mutants, std::set<std::string>(neighbours.begin(), neighbours.end()));
}

TEST(TransnasMicroTest, AChildHasEachEdgeFromAParent) {
  Draws draws(0, "test");
  std::set<std::string> children;
  for (int i = 0; i < 1000; ++i) children.insert(*Micro().Crossover("0_00_000", "1_11_111", draws));
  EXPECT_EQ(children.size(), 64u);
}

TEST(TransnasMacroTest, AMutantHasOneOtherNumber) {
  Draws draws(0, "test");
  std::set<std::string> mutants;
  for (int i = 0; i < 20000; ++i) {
    const std::string mutant = *Macro().Mutate("123311", draws);
    mutants.insert(mutant);
    const bool length = mutant.size() != 6;
    const bool doublings = Count(mutant, "24") != 1;
    const bool halvings = Count(mutant, "34") != 2;
    ASSERT_EQ(length + doublings + halvings, 1) << mutant;
  }
  EXPECT_THAT(mutants, Contains("124311"));
  EXPECT_THAT(mutants, Contains("3231"));
  // All arrangements: of 4 and 5 modules; of 1, 3 and 4 halvings; of 2 and 3 doublings.
  EXPECT_EQ(mutants.size(), 4u * 6 + 5 * 10 + 6 * (6 + 20 + 15) + 15 * (15 + 20));
}

TEST(TransnasMacroTest, NeighboursHaveThreeOtherNumbers) {
  const std::vector<std::string> neighbours = *Macro().Neighbours("123311");
  EXPECT_THAT(neighbours, Contains("4211"));
  EXPECT_THAT(neighbours, Not(Contains("3211")));
  // 4 and 5 modules; 1, 3 and 4 halvings; 2 and 3 doublings.
  EXPECT_EQ(neighbours.size(), (4u + 4 + 1) * (6 + 4) + (5 + 10 + 5) * (10 + 10));
}

TEST(TransnasMacroTest, AChildHasEachModuleFromAParent) {
  Draws draws(0, "test");
  std::set<std::string> children;
  for (int i = 0; i < 1000; ++i) children.insert(*Macro().Crossover("1124", "1231", draws));
  // 1121, 1131 and 1221 are not of the set.
  EXPECT_EQ(children, (std::set<std::string>{"1124", "1134", "1224", "1231", "1234"}));
  EXPECT_THAT(Macro().Crossover("1124", "11124", draws),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("parents of 4 and 5 modules")));
}

}  // namespace
}  // namespace zcbench
