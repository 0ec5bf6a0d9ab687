#include "nas/spaces/darts.h"

#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

const Space& SpaceNamed(const std::string& name) { return *(*FindSpace(name))->space; }

constexpr char kV2[] = "0313031302130225_0010102200221022";

Cell Cifar10() {
  Cell cell;
  cell.height = cell.width = 32;
  cell.classes = 10;
  return cell;
}

TEST(DartsTest, AGenotypeIsItsDigits) {
  const absl::StatusOr<DartsGenotype> genotype = DecodeDarts("0016112302201645_0010102200221022");
  ASSERT_THAT(genotype, IsOk());
  using enum DartsOp;
  EXPECT_THAT(genotype->normal,
              ElementsAre(DartsEdge{0, kMaxPool3x3}, DartsEdge{1, kDilConv5x5}, DartsEdge{1, kAvgPool3x3},
                          DartsEdge{2, kSepConv3x3}, DartsEdge{0, kSkip}, DartsEdge{2, kMaxPool3x3},
                          DartsEdge{1, kDilConv5x5}, DartsEdge{4, kDilConv3x3}));
  EXPECT_EQ(EncodeDarts(*genotype), "0016112302201645_0010102200221022");
}

TEST(DartsTest, ReadsTheNotationsOfOtherTools) {
  // As the authors wrote it: the edges of a node in the order of their strength, later nodes with a comma at the end.
  const std::string genotype =
      "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
      "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, "
      "5], "
      "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', "
      "0), "
      "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])";
  const std::string other_spelling =
      "Genotype(\n  reduce_concat = range(2, 6),\n  normal = [\n(\"sep_conv_3x3\",0),(\"sep_conv_3x3\",1),"
      "[\"sep_conv_3x3\",0],(\"sep_conv_3x3\",1),(\"skip_connect\",0),(\"sep_conv_3x3\",1),(\"dil_conv_3x3\",2),"
      "(\"skip_connect\",0),\n],\n  reduce = (('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), "
      "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)),\n)";
  const std::string dictionary =
      R"({"normal": [["sep_conv_3x3", 0], ["sep_conv_3x3", 1], ["sep_conv_3x3", 0], ["sep_conv_3x3", 1],
         ["sep_conv_3x3", 1], ["skip_connect", 0], ["skip_connect", 0], ["dil_conv_3x3", 2]],
         "reduce": [["max_pool_3x3", 0], ["max_pool_3x3", 1], ["skip_connect", 2], ["max_pool_3x3", 1],
         ["max_pool_3x3", 0], ["skip_connect", 2], ["skip_connect", 2], ["max_pool_3x3", 1]], "concat": [2, 3, 4, 5]})";
  const std::string compact =
      "(((0, 3), (1, 3), (0, 3), (1, 3), (1, 3), (0, 2), (0, 2), (2, 5)), "
      "((0, 0), (1, 0), (2, 2), (1, 0), (0, 0), (2, 2), (2, 2), (1, 0)))";
  const std::string compact_json =
      "[[[0,3],[1,3],[0,3],[1,3],[1,3],[0,2],[0,2],[2,5]],[[0,0],[1,0],[2,2],[1,0],[0,0],[2,2],[2,2],[1,0]]]";
  const std::string index = absl::StrCat("#", *SpaceNamed("darts").IndexOf(kV2));
  for (const std::string& text : {std::string(kV2), std::string("DARTS_V2"), genotype, other_spelling, dictionary,
                                  compact, compact_json, index}) {
    EXPECT_THAT(SpaceNamed("darts").Parse(text), IsOkAndHolds(kV2)) << text;
    EXPECT_THAT(SpaceNamed("darts").Parse("darts/" + text), IsOkAndHolds(kV2)) << text;
    EXPECT_THAT(SpaceNamed("darts").Parse("nb301/" + text), IsOkAndHolds(kV2)) << text;
    EXPECT_THAT(SpaceNamed("darts_eval").Parse("darts_eval/" + text), IsOkAndHolds(kV2)) << text;
  }
  EXPECT_THAT(
      SpaceNamed("darts").Official(kV2),
      IsOkAndHolds("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
                   "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), "
                   "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
                   "('max_pool_3x3', 1), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), "
                   "('skip_connect', 2), ('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=[2, 3, 4, 5])"));
}

// A configuration of NAS-Bench-301 in Python's spelling; `edge_normal_3` and `inputs_node_normal_5` can be replaced.
std::string Nasbench301Configuration(const std::string& edge_normal_3 = "'skip_connect'",
                                     const std::string& inputs_node_normal_5 = "'1_4'") {
  const std::vector<std::pair<std::string, std::string>> of_darts = {
      {"auxiliary", "True"},
      {"drop_path_prob", "0.2"},
      {"edge_normal_0", "'max_pool_3x3'"},
      {"edge_normal_1", "'dil_conv_5x5'"},
      {"edge_normal_3", edge_normal_3},  // node 3, input 1
      {"edge_normal_4", "'sep_conv_3x3'"},
      {"edge_normal_5", "'avg_pool_3x3'"},  // node 4, input 0
      {"edge_normal_8", "'sep_conv_5x5'"},
      {"edge_normal_10", "'dil_conv_3x3'"},  // node 5, input 1
      {"edge_normal_13", "'max_pool_3x3'"},
      {"edge_reduce_0", "'sep_conv_5x5'"},
      {"edge_reduce_1", "'skip_connect'"},
      {"edge_reduce_2", "'avg_pool_3x3'"},
      {"edge_reduce_3", "'avg_pool_3x3'"},
      {"edge_reduce_6", "'dil_conv_3x3'"},
      {"edge_reduce_7", "'sep_conv_3x3'"},
      {"edge_reduce_11", "'dil_conv_5x5'"},
      {"edge_reduce_12", "'skip_connect'"},
      {"init_channels", "32"},
      {"inputs_node_normal_3", "'1_2'"},
      {"inputs_node_normal_4", "'0_3'"},
      {"inputs_node_normal_5", inputs_node_normal_5},
      {"inputs_node_reduce_3", "'0_1'"},
      {"inputs_node_reduce_4", "'1_2'"},
      {"inputs_node_reduce_5", "'2_3'"},
      {"layers", "8"}};
  std::string text = "{'CreateImageDataLoader:batch_size': 96, 'OptimizerSelector:optimizer': 'sgd', ";
  for (const auto& [key, value] : of_darts) {
    absl::StrAppend(&text, "'NetworkSelectorDatasetInfo:darts:", key, "': ", value, ", ");
  }
  return text + "'SimpleTrainNode:mixup:alpha': 0.2}";
}

TEST(DartsTest, ReadsConfigurationsOfNasbench301) {
  constexpr char kArchitecture[] = "0016122301341540_0412011115232632";
  std::string text = Nasbench301Configuration();
  EXPECT_THAT(SpaceNamed("darts").Parse(text), IsOkAndHolds(kArchitecture));
  for (char& c : text) {
    if (c == '\'') c = '"';
  }
  EXPECT_THAT(SpaceNamed("darts").Parse(text), IsOkAndHolds(kArchitecture)) << "as JSON";
  for (const auto& [wrong, message] : std::vector<std::pair<std::string, std::string>>{
           {Nasbench301Configuration("'none'"), "expected one of max_pool_3x3"},
           {Nasbench301Configuration("'skip_connect'", "'4_4'"), "expected an input from 0 to 3"},
           {Nasbench301Configuration("'skip_connect'", "'3_3'"), "expected another input from 4 to 4"},
           {Nasbench301Configuration("'skip_connect'", "'0_4'"), "expected the key edge_normal_9 before"},
           {Nasbench301Configuration(
                "'skip_connect', 'NetworkSelectorDatasetInfo:darts:edge_normal_3': 'skip_connect'"),
            "expected a key not given before"},
           {"{'NetworkSelectorDatasetInfo:darts:edge_normal_0': 'skip_connect'}", "expected the key edge_normal_1"},
           {"{'NetworkSelectorDatasetInfo:network': 'darts'}", "expected the key edge_normal_0"}}) {
    EXPECT_THAT(SpaceNamed("darts").Parse(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << wrong;
  }
}

TEST(DartsTest, AnErrorNamesTheCharacter) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"0323031302130225_0010102200221022", "expected an input (0 to 1) at character 3, found `2`"},
           {"0313031302130255_0010102200221022", "expected an input (0 to 4) at character 15, found `5`"},
           {"0317031302130225_0010102200221022", "expected an operation (0 to 6) at character 4, found `7`"},
           {"1303031302130225_0010102200221022", "not below the pair before, of the same node at character 3"},
           {"0302031302130225_0010102200221022", "not below the pair before, of the same node at character 3"},
           {"0313031302130225-0010102200221022", "expected `_` at character 17, found `-`"},
           {"0313031302130225_00101022002210220", "expected the end at character 34, found `0`"},
           {"DARTS_V3", "expected an input (0 to 1) at character 1, found `D`"},
           {"Genotype(normal=[('none', 0)", "expected one of max_pool_3x3 avg_pool_3x3 skip_connect"},
           {"Genotype(normal=[('sep_conv_7x7', 0)", "at character 20, found `s`"},
           {"Genotype(normal=[('sep_conv_3x3', 2)", "expected an input from 0 to 1 at character 35, found `2`"},
           {"Genotype(normal_concat=[2, 3, 4, 5, 6]", "expected `]` at character 37, found `6`"},
           {"Genotype(normal_concat=range(2, 7)", "expected `6` at character 33, found `7`"},
           {"Genotype(up=[", "expected one of the keys normal normal_concat reduce reduce_concat at character 10"},
           {"Genotype()", "expected the key normal before at character 10"},
           {"{}", "expected the key normal before at character 2"},
           {"{'normal'}", "expected `:` at character 10"},
           {"(((0, 7)", "expected an operation from 0 to 6 at character 7"},
           {"(((0, 0), (2, 0)", "expected an input from 0 to 1 at character 12"},
           {"af-t/0313031302130225_0010102200221022", "`af-t` at character 1 is another space"},
           {"#1076746950455072400", "expected an index from 0 to 1076746950455072399 at character 2"}}) {
    EXPECT_THAT(SpaceNamed("darts").Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

TEST(DartsTest, AnInputUsedTwiceIsParsedAndCountedButHasNoIndex) {
  const Space& darts = SpaceNamed("darts");
  constexpr char kTwice[] = "0313031323230225_0010102200221022";
  Draws draws(0, "test");
  EXPECT_THAT(darts.Parse("((0,3),(1,3),(0,3),(1,3),(2,3),(2,3),(0,2),(2,5)),((0,0)"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected `(` or `[` at character 3")));
  EXPECT_THAT(darts.Parse("[((0,3),(1,3),(0,3),(1,3),(2,3),(2,3),(0,2),(2,5)),"
                          "((0,0),(1,0),(1,0),(2,2),(0,0),(2,2),(1,0),(2,2))]"),
              IsOkAndHolds(kTwice));
  // Node 4 of the normal cell has a separable convolution where DARTS_V2 has a skip.
  const int64_t skip = *darts.Params(kV2, Cifar10());
  int64_t more = 0;
  for (const int64_t width : {32, 32, 64, 64, 128, 128}) more += 2 * 9 * width + 2 * width * width + 4 * width;
  EXPECT_THAT(darts.Params(kTwice, Cifar10()), IsOkAndHolds(skip + more));
  EXPECT_THAT(darts.Official(kTwice), IsOk());
  const auto is_not_found =
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("is not in darts: node 4 of the normal cell has input 2 twice"));
  EXPECT_THAT(darts.IndexOf(kTwice), is_not_found);
  EXPECT_THAT(darts.Mutate(kTwice, draws), is_not_found);
  EXPECT_THAT(darts.Crossover(kTwice, kV2, draws), is_not_found);
  EXPECT_THAT(darts.Crossover(kV2, kTwice, draws), is_not_found);
  EXPECT_THAT(darts.Neighbours(kTwice), is_not_found);
}

TEST(DartsTest, TheIndexCountsNodeByNode) {
  const Space& darts = SpaceNamed("darts");
  for (const auto& [index, architecture] :
       std::map<uint64_t, std::string>{{0, "0010001000100010_0010001000100010"},
                                       {1, "0010001000100010_0010001000100011"},
                                       {7, "0010001000100010_0010001000100110"},
                                       {49, "0010001000100010_0010001000100020"},       // inputs 0 and 2
                                       {2 * 49, "0010001000100010_0010001000101020"},   // inputs 1 and 2
                                       {9 * 49, "0010001000100010_0010001000103040"},   // inputs 3 and 4
                                       {10 * 49, "0010001000100010_0010001000110010"},  // ten pairs of inputs of node 5
                                       {1037664180, "0010001000100011_0010001000100010"},
                                       {1076746950455072399, "0616162626363646_0616162626363646"}}) {
    EXPECT_THAT(darts.At(index), IsOkAndHolds(architecture));
    EXPECT_THAT(darts.IndexOf(architecture), IsOkAndHolds(index));
  }
}

TEST(DartsTest, DrawsInputsAndOperationsAlike) {
  Draws draws(0, "test");
  std::map<int, int> ops;
  std::map<std::pair<int, int>, int> inputs;
  for (int i = 0; i < 7000; ++i) {
    const DartsGenotype genotype = *DecodeDarts(SpaceNamed("darts").Draw(draws));
    ++ops[static_cast<int>(genotype.normal[3].op)];
    ++inputs[{genotype.reduce[6].input, genotype.reduce[7].input}];
  }
  ASSERT_EQ(ops.size(), 7u);
  for (const auto& [op, count] : ops) EXPECT_NEAR(count, 1000, 120) << op;
  ASSERT_EQ(inputs.size(), 10u);
  for (const auto& [pair, count] : inputs) EXPECT_NEAR(count, 700, 100) << pair.first << " " << pair.second;
}

TEST(DartsTest, AMutantIsANeighbour) {
  const Space& darts = SpaceNamed("darts");
  Draws draws(0, "test");
  std::set<std::string> mutants;
  for (int i = 0; i < 5000; ++i) mutants.insert(*darts.Mutate(kV2, draws));
  const std::vector<std::string> neighbours = *darts.Neighbours(kV2);
  EXPECT_EQ(neighbours.size(), 120u);
  EXPECT_THAT(mutants, UnorderedElementsAreArray(neighbours));
}

TEST(DartsTest, AChildHasEachNodeFromAParent) {
  Draws draws(0, "test");
  std::set<std::string> children;
  for (int i = 0; i < 5000; ++i) {
    children.insert(*SpaceNamed("darts").Crossover("0010001000100010_0010001000100010",
                                                   "0616162626363646_0616162626363646", draws));
  }
  EXPECT_EQ(children.size(), 256u);  // all, both parents among them
}

TEST(DartsTest, ReductionsAreAtOneAndTwoThirds) {
  for (const auto& [config, reductions] : std::vector<std::pair<DartsConfig, std::vector<size_t>>>{
           {kDarts, {2, 5}}, {kDartsEval, {6, 13}}, {{16, 4}, {1, 2}}, {{48, 14, true}, {4, 9}}}) {
    const std::vector<DartsPlace> places = DartsPlaces(config);
    ASSERT_EQ(places.size(), static_cast<size_t>(config.cells));
    std::vector<size_t> found;
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i].reduction) found.push_back(i);
      EXPECT_EQ(places[i].after_reduction, i > 0 ? places[i - 1].reduction : config.imagenet);
    }
    EXPECT_EQ(found, reductions);
    EXPECT_EQ(places.back().width, 4 * config.channels);
  }
}

TEST(DartsTest, AWrongCellIsNamed) {
  const auto count = [](void (*change)(Cell&)) {
    Cell cell = Cifar10();
    change(cell);
    return SpaceNamed("darts").Params(kV2, cell).status();
  };
  using enum absl::StatusCode;
  EXPECT_THAT(count([](Cell& c) { c.width = 30; }), StatusIs(kInvalidArgument, HasSubstr("3 x 32 x 30")));
  EXPECT_THAT(count([](Cell& c) { c.channels = 1; }), StatusIs(kInvalidArgument, HasSubstr("1 x 32 x 32")));
  EXPECT_THAT(count([](Cell& c) { c.classes = 0; }), StatusIs(kInvalidArgument, HasSubstr("0 classes")));
}

}  // namespace
}  // namespace zcbench
