#include "nas/spaces/autoformer.h"

#include <map>
#include <set>

#include "base/status_matchers.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Space& SpaceNamed(const std::string& name) { return *(*FindSpace(name))->space; }

constexpr char kSmall[] = "13-384-6657555667767-0101222222212";  // AutoFormer-S

TEST(AutoformerTest, ASubnetIsItsString) {
  const absl::StatusOr<AutoformerSubnet> subnet = DecodeAutoformer("3-577-a3f-012");
  ASSERT_THAT(subnet, IsOk());
  EXPECT_EQ(subnet->depth(), 3);
  EXPECT_EQ(subnet->embed, 577);
  EXPECT_THAT(subnet->heads, ElementsAre(10, 3, 15));
  EXPECT_THAT(subnet->mlp_halves, ElementsAre(6, 7, 8));
  EXPECT_EQ(subnet->hidden(0), 1731);
  EXPECT_EQ(subnet->hidden(1), 2019);  // int(577 * 3.5) = int(2019.5)
  EXPECT_EQ(EncodeAutoformer(*subnet), "3-577-a3f-012");
}

TEST(AutoformerTest, ReadsTheNotationsOfOtherTools) {
  for (const std::string text :
       {"3-192-343-012", "af-t/3-192-343-012", "autoformer_tiny/3-192-343-012", "(3, 3.0, 3.5, 4.0, 3, 4, 3, 192)",
        "(3,3,3.5,4,3,4,3,192)", "[3, 3.0, 3.5, 4.0, 3, 4, 3, 192]", "( 3 , 3.0 , 3.5 , 4 , 3 , 4 , 3 , 192 )",
        R"({"depth": 3, "embed_dim": 192, "num_heads": [3, 4, 3], "mlp_ratio": [3.0, 3.5, 4.0]})",
        R"({"depth":3,"embed_dim":192,"num_heads":[3,4,3],"mlp_ratio":[3,3.5,4]})",
        "{'layer_num': 3, 'embed_dim': [192, 192, 192], 'num_heads': [3, 4, 3], 'mlp_ratio': [3.0, 3.5, 4.0]}",
        "{'hidden_dim': 192, 'mlp_ratio': [3.0, 3.5, 4.0], 'depth': 3, 'num_heads': (3, 4, 3)}",
        "{\n\"hidden_dim\": 192,\n\"mlp_ratio\": [\n3.0,\n3.5,\n4.0\n],\n\"depth\": 3,\n\"num_heads\": [3, 4, 3]\n}"}) {
    EXPECT_THAT(SpaceNamed("autoformer_tiny").Parse(text), IsOkAndHolds("3-192-343-012")) << text;
  }
  EXPECT_THAT(SpaceNamed("af-s").Official(kSmall),
              IsOkAndHolds("(13, 3.0, 3.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 4.0, 6, 6, 5, 7, 5, 5, 5, "
                           "6, 6, 7, 7, 6, 7, 384)"));
}

TEST(AutoformerTest, AnErrorNamesTheCharacter) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"0-192--", "expected a depth from 1 to 99 at character 1, found `0`"},
           {"03-192-343-012", "expected a depth from 1 to 99 at character 1"},
           {"100-192-3", "expected a depth from 1 to 99 at character 1"},
           {"3-4097-343-012", "expected an embedding width from 1 to 4096 at character 3"},
           {"3-192-303-012", "expected a number of heads (1 to f) at character 8, found `0`"},
           {"3-192-3A3-012", "at character 8, found `A`"},
           {"3-192-34-012", "expected a number of heads (1 to f) at character 9, found `-`"},
           {"3-192-3433-012", "expected `-` at character 10, found `3`"},
           {"3-192-343-013", "expected an MLP ratio (0 = 3.0, 1 = 3.5, 2 = 4.0) at character 13, found `3`"},
           {"3-192-343-0122", "expected the end at character 14, found `2`"},
           {"(3, 3.0, 3.5, 4.0, 3, 4, 192)", "expected a number of heads from 1 to 15 at character 26"},
           {"(3, 3.0, 3.5, 4.0, 3, 4, 3, 192]", "expected `)` at character 32, found `]`"},
           {"(3, 3.0, 3.6, 4.0, 3, 4, 3, 192)", "expected an MLP ratio (3.0, 3.5 or 4.0) at character 10, found `3`"},
           {"{'depth': 3}", "expected the key embed_dim at character 12"},
           {"{}", "at character 2, found `}`"},
           {"{'depth': 3, 'depth': 3}", "expected a key not given before at character 14"},
           {"{'patch': 3}", "expected one of the keys depth"},
           {"{'depth': 2, 'embed_dim': 192, 'num_heads': [3], 'mlp_ratio': [4, 4]}", "num_heads of 2 layers"},
           {"{'depth': 2, 'embed_dim': 192, 'num_heads': [3, 3], 'mlp_ratio': [4]}", "mlp_ratio of 2 layers"},
           {"{'depth': 2, 'embed_dim': [192, 216], 'num_heads': [3, 3], 'mlp_ratio': [4, 4]}", "2 equal widths"},
           {"{'depth': 2, 'embed_dim': [192], 'num_heads': [3, 3], 'mlp_ratio': [4, 4]}", "2 equal widths"},
           {"{'depth': 2, 'embed_dim': 192, 'num_heads': [3, 3], 'mlp_ratio': [4, 4]", "expected `}` at character 72"},
           {"af-s/3-192-343-012", "`af-s` at character 1 is another space"},
           {"#1056964608", "expected an index from 0 to 1056964607 at character 2"}}) {
    EXPECT_THAT(SpaceNamed("autoformer_tiny").Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

TEST(AutoformerTest, ANetworkOutsideTheSetIsParsedAndCountedButHasNoIndex) {
  const Space& tiny = SpaceNamed("autoformer_tiny");
  // The published AutoFormer-T has MLP ratios of 3.0, which its own supernet lacks.
  const std::string published = "13-192-3333333333433-1101002212121";
  Draws draws(0, "test");
  EXPECT_THAT(tiny.Parse("af-t/" + published), IsOkAndHolds(published));
  Cell imagenet;
  imagenet.height = imagenet.width = 224;
  imagenet.classes = 1000;
  EXPECT_THAT(tiny.Params(published, imagenet), IsOkAndHolds(5867944));
  for (const auto& [architecture, what] :
       std::vector<std::pair<std::string, std::string>>{{published, "MLP ratio 3 in layer 3"},
                                                        {"11-192-33333333333-11111111111", "depth 11"},
                                                        {"12-193-333333333333-111111111111", "width 193"},
                                                        {"12-192-333333333335-111111111111", "5 heads in layer 12"}}) {
    const auto is_not_found = StatusIs(absl::StatusCode::kNotFound, HasSubstr(what));
    EXPECT_THAT(tiny.IndexOf(architecture), is_not_found);
    EXPECT_THAT(tiny.Mutate(architecture, draws), is_not_found);
    EXPECT_THAT(tiny.Crossover(architecture, architecture, draws), is_not_found);
    EXPECT_THAT(tiny.Neighbours(architecture), is_not_found);
    EXPECT_THAT(tiny.Official(architecture), IsOk());
  }
}

TEST(AutoformerTest, TheIndexCountsDepthThenWidthThenLayers) {
  const Space& tiny = SpaceNamed("autoformer_tiny");
  for (const auto& [index, architecture] :
       std::map<uint64_t, std::string>{{0, "12-192-333333333333-111111111111"},
                                       {1, "12-192-333333333333-111111111112"},
                                       {2, "12-192-333333333334-111111111111"},
                                       {16777216, "12-216-333333333333-111111111111"},       // 4^12
                                       {50331648, "13-192-3333333333333-1111111111111"},     // 3 * 4^12
                                       {251658240, "14-192-33333333333333-11111111111111"},  // 3 * (4^12 + 4^13)
                                       {1056964607, "14-240-44444444444444-22222222222222"}}) {
    EXPECT_THAT(tiny.At(index), IsOkAndHolds(architecture));
    EXPECT_THAT(tiny.IndexOf(architecture), IsOkAndHolds(index));
  }
}

TEST(AutoformerTest, ComplexityIsRoundedDownToWholeOperations) {
  const AutoformerInput small{.image = 32, .patch = 8};  // 16 patches
  const absl::StatusOr<AutoformerSubnet> subnet = DecodeAutoformer("1-129-2-1");
  ASSERT_THAT(subnet, IsOk());
  const double c = 129, q = 128, f = 451, n = 18;
  const double exact = c + 16 * 192 * c + 17 * c / 2 + 17 * 10 * c + 2 * n * c + 3 * n * q * c + 2 * n * n * q +
                       n * q * c + 28 * n * n + n * n / 2 + n * q / 2 + 2 * n * c * f;
  EXPECT_EQ(exact - static_cast<int64_t>(exact), 0.5);
  EXPECT_EQ(AutoformerComplexity(*subnet, small, 10), static_cast<int64_t>(exact));
}

// The numbers of the fixture networks at 32 pixels in patches of 8.
TEST(AutoformerTest, ParamsFollowThePatchAndTheImage) {
  const AutoformerInput small{.image = 32, .patch = 8};
  EXPECT_EQ(AutoformerParams(*DecodeAutoformer("2-192-32-10"), small, 1000), 978760);
}

TEST(AutoformerTest, DrawsDepthsAlike) {
  const Space& small = SpaceNamed("autoformer_small");
  Draws draws(0, "test");
  std::map<int, int> depths;
  std::map<int, int> widths;
  std::map<int, int> heads;
  std::map<int, int> mlps;
  for (int i = 0; i < 3000; ++i) {
    const AutoformerSubnet subnet = *DecodeAutoformer(small.Draw(draws));
    ++depths[subnet.depth()];
    ++widths[subnet.embed];
    ++heads[subnet.heads.back()];
    ++mlps[subnet.mlp_halves.front()];
  }
  for (const std::map<int, int>& counts : {depths, widths, heads, mlps}) {
    ASSERT_EQ(counts.size(), 3u);
    for (const auto& [choice, count] : counts) EXPECT_NEAR(count, 1000, 120) << choice;
  }
}

// evolution.py: depth and width are drawn anew with chance 0.4, a layer's heads and MLP ratio with chance 0.2; of three
// choices two are changes.
TEST(AutoformerTest, MutatesAsOftenAsTheAuthors) {
  const Space& small = SpaceNamed("autoformer_small");
  const AutoformerSubnet parent = *DecodeAutoformer(kSmall);
  Draws draws(0, "test");
  std::map<int, int> depths;
  int width = 0;
  int heads = 0;
  int mlp = 0;
  for (int i = 0; i < 6000; ++i) {
    const AutoformerSubnet child = *DecodeAutoformer(*small.Mutate(kSmall, draws));
    ++depths[child.depth()];
    width += child.embed != parent.embed;
    heads += child.heads[3] != parent.heads[3];
    mlp += child.mlp_halves[11] != parent.mlp_halves[11];
  }
  EXPECT_NEAR(depths[12], 800, 120);
  EXPECT_NEAR(depths[14], 800, 120);
  EXPECT_NEAR(width, 1600, 150);
  EXPECT_NEAR(heads, 800, 120);
  EXPECT_NEAR(mlp, 800, 120);
}

TEST(AutoformerTest, AChildHasEachPartFromAParent) {
  const Space& tiny = SpaceNamed("autoformer_tiny");
  Draws draws(0, "test");
  std::set<std::string> children;
  for (int i = 0; i < 500; ++i) {
    children.insert(*tiny.Crossover("12-192-333333333333-111111111111", "12-240-444444444444-222222222222", draws));
  }
  EXPECT_GT(children.size(), 490u);
  for (const std::string& child : children) {
    EXPECT_TRUE(child.starts_with("12-192-") || child.starts_with("12-240-")) << child;
  }
  EXPECT_THAT(tiny.Crossover("12-192-333333333333-111111111111", "13-192-3333333333333-1111111111111", draws),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("depths 12 and 13")));
}

TEST(AutoformerTest, NeighboursAreOneChangeAway) {
  const Space& tiny = SpaceNamed("autoformer_tiny");
  // 2 widths, 12 heads, 12 ratios, 4 longer.
  EXPECT_EQ(tiny.Neighbours("12-192-333333333333-111111111111")->size(), 30u);
  // 2 widths, 13 heads, 13 ratios, 1 shorter, 4 longer.
  EXPECT_EQ(tiny.Neighbours("13-192-3333333333333-1111111111111")->size(), 33u);
  // 2 widths, 14 * 2 heads, 14 * 2 ratios, 1 shorter.
  EXPECT_EQ(SpaceNamed("af-s").Neighbours("14-384-66666666666666-11111111111111")->size(), 59u);
}

}  // namespace
}  // namespace zcbench
