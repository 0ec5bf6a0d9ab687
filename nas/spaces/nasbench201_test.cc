#include "nas/spaces/nasbench201.h"

#include <openssl/evp.h>

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "base/status_matchers.h"
#include "nas/space.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Space& TheSpace() { return *(*FindSpace("nasbench201"))->space; }

std::string Md5(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EXPECT_EQ(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr), 1);
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(digest), size));
}

// The digest is that of the 15,625 strings of the released benchmark, joined by newlines.
TEST(Nasbench201Test, TheIndexIsTheOrderOfTheOfficialApi) {
  std::vector<std::string> official;
  for (uint64_t i = 0; i < TheSpace().size(); ++i) official.push_back(*TheSpace().Official(*TheSpace().At(i)));
  EXPECT_EQ(Md5(absl::StrJoin(official, "\n")), "1985aacc268bf045d31ddeecaaac0dc0");
  EXPECT_EQ(official[0],
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|");
  EXPECT_EQ(official[12], "|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|");
  EXPECT_EQ(official[15624], "|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|");
}

TEST(Nasbench201Test, EveryArchitectureHasItsOwnIndexAndString) {
  std::set<std::string> all;
  for (uint64_t i = 0; i < TheSpace().size(); ++i) {
    const std::string architecture = *TheSpace().At(i);
    all.insert(architecture);
    ASSERT_THAT(TheSpace().IndexOf(architecture), IsOkAndHolds(i));
  }
  EXPECT_EQ(all.size(), TheSpace().size());
}

TEST(Nasbench201Test, ReadsTheNotationsOfOtherTools) {
  for (const std::string text :
       {"4_10_242", "nb201/4_10_242", "nasbench201/4_10_242",
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|",
        "nb201/|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|", "#2631",
        "nb201/#2631", "(4, 0, 3, 1, 4, 3)", "(4,0,3,1,4,3)", "( 4 , 0 , 3 , 1 , 4 , 3 )", "4-0-3-1-4-3"}) {
    EXPECT_THAT(TheSpace().Parse(text), IsOkAndHolds("4_10_242")) << text;
  }
}

TEST(Nasbench201Test, AnErrorNamesTheCharacter) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"3_33_135", "expected an operation (0 to 4) at character 8, found `5`"},
           {"3-33_133", "expected `-` at character 4, found `3`"},
           {"3_33_1333", "expected the end at character 9, found `3`"},
           {"3333133", "expected `_` at character 2, found `3`"},
           {"2631", "expected `_` at character 2, found `6`"},
           {"|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|avg_pool_5x5~2|", "expected one of none"},
           {"|none~0|+|none~0|none~0|", "expected `~1|` at character 22, found `~`"},
           {"(4, 0, 3, 1, 4)", "expected `,` at character 15, found `)`"},
           {"(4, 0, 3, 1, 4, 5)", "at character 17, found `5`"},
           {"#15625", "expected an index from 0 to 15624 at character 2, found `1`"},
           {"tnb-micro/3_33_133", "`tnb-micro` at character 1 is another space"}}) {
    EXPECT_THAT(TheSpace().Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message))) << text;
  }
}

TEST(Nasbench201Test, ACellIsItsDigits) {
  const absl::StatusOr<Nasbench201Cell> cell = DecodeNasbench201("4_10_242");
  ASSERT_THAT(cell, IsOk());
  EXPECT_THAT(*cell, ElementsAre(Nasbench201Op::kAvgPool3x3, Nasbench201Op::kSkip, Nasbench201Op::kNone,
                                 Nasbench201Op::kConv1x1, Nasbench201Op::kAvgPool3x3, Nasbench201Op::kConv1x1));
  EXPECT_EQ(EncodeNasbench201(*cell), "4_10_242");
}

// Over all cells the published closed forms, which the official API and NAS-Bench-Suite-Zero agree with.
TEST(Nasbench201Test, CountsAreThePublishedClosedForms) {
  Cell cifar;
  cifar.height = cifar.width = 32;
  cifar.classes = 10;
  Cell cifar100 = cifar;
  cifar100.classes = 100;
  Cell imagenet16;
  imagenet16.height = imagenet16.width = 16;
  imagenet16.classes = 120;
  for (uint64_t i = 0; i < TheSpace().size(); ++i) {
    const std::string architecture = *TheSpace().At(i);
    int64_t n1 = 0;
    int64_t n3 = 0;
    int64_t na = 0;
    const Nasbench201Cell cell = *DecodeNasbench201(architecture);
    for (const Nasbench201Op op : cell) {
      n1 += op == Nasbench201Op::kConv1x1;
      n3 += op == Nasbench201Op::kConv3x3;
      na += op == Nasbench201Op::kAvgPool3x3;
    }
    const int64_t params = 73306 + 28000 * n1 + 243040 * n3;
    ASSERT_THAT(TheSpace().Params(architecture, cifar), IsOkAndHolds(params));
    ASSERT_THAT(TheSpace().Params(architecture, cifar100), IsOkAndHolds(params + 5850));
    ASSERT_THAT(TheSpace().Params(architecture, imagenet16), IsOkAndHolds(params + 7150));
    ASSERT_THAT(TheSpace().Flops(architecture, cifar),
                IsOkAndHolds(7943872 + 4362240 * n1 + 35819520 * n3 + 1290240 * na));
    ASSERT_THAT(TheSpace().Flops(architecture, imagenet16),
                IsOkAndHolds(1993792 + 1090560 * n1 + 8954880 * n3 + 322560 * na));
    const std::vector<NamedCount> macs = *TheSpace().Macs(architecture, cifar);
    ASSERT_EQ(macs.size(), 1u);
    ASSERT_EQ(macs[0].name, "macs_api");
    ASSERT_EQ(macs[0].value, 7783050 + 3932160 * n1 + 35389440 * n3);
    ASSERT_EQ((*TheSpace().Macs(architecture, imagenet16))[0].value, 1953400 + 983040 * n1 + 8847360 * n3);
  }
}

TEST(Nasbench201Test, AMutantDiffersInOneEdge) {
  Draws draws(0, "test");
  std::set<std::string> mutants;
  for (int i = 0; i < 1000; ++i) mutants.insert(*TheSpace().Mutate("3_33_133", draws));
  const std::vector<std::string> neighbours = *TheSpace().Neighbours("3_33_133");
  EXPECT_EQ(neighbours.size(), 24u);
  EXPECT_EQ(mutants, std::set<std::string>(neighbours.begin(), neighbours.end()));
}

TEST(Nasbench201Test, AChildHasEachEdgeFromAParent) {
  Draws draws(0, "test");
  std::set<std::string> children;
  for (int i = 0; i < 1000; ++i) children.insert(*TheSpace().Crossover("0_00_000", "1_11_111", draws));
  EXPECT_EQ(children.size(), 64u);  // all, both parents among them
  for (const std::string& child : children) EXPECT_EQ(child.find_first_not_of("01_"), std::string::npos) << child;
}

}  // namespace
}  // namespace zcbench
