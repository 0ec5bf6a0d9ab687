#include "client/cli/accuracy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "base/status_macros.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using Rows = std::vector<std::pair<std::string, double>>;

absl::StatusOr<Rows> Read(const std::string& space, const std::string& text, const AccuracyColumns& columns = {}) {
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const found, FindSpace(space));
  Rows rows;
  std::istringstream in(text);
  ZCB_RETURN_IF_ERROR(
      ReadAccuracies(*found->space, in, "truth.csv", columns, [&](const std::string& architecture, double accuracy) {
        rows.emplace_back(architecture, accuracy);
        return absl::OkStatus();
      }));
  return rows;
}

TEST(AccuracyFileTest, ReadsTheTwoColumnsWhereverTheyAre) {
  EXPECT_THAT(Read("nasbench201", "architecture,accuracy\n3_33_133,93.66\n0_00_001,10\n"),
              IsOkAndHolds(ElementsAre(Pair("3_33_133", 93.66), Pair("0_00_001", 10))));
  EXPECT_THAT(Read("nasbench201",
                   "\xEF\xBB\xBFid,accuracy,note,architecture\r\n0,9.5e1,\"a, \"\"b\"\"\",nb201/3_33_133\r\n\r\n"),
              IsOkAndHolds(ElementsAre(Pair("3_33_133", 95))));
}

TEST(AccuracyFileTest, ReadsPublishedTablesByTheNamesOfTheirColumns) {
  EXPECT_THAT(Read("nasbench201",
                   "idx,arch_str,c10_val,c10_test\n0,|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|"
                   "skip_connect~1|"
                   "skip_connect~2|,81.983,85.863\n",
                   {.architecture = "arch_str", .accuracy = "c10_test"}),
              IsOkAndHolds(ElementsAre(Pair("4_21_211", 85.863))));
}

TEST(AccuracyFileTest, WrongFilesAreNamedWithTheirLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "truth.csv has no rows"},
      {"architecture,accuracy\n", "truth.csv has no rows"},
      {"arch,accuracy\n", "truth.csv:1: the header has no column `architecture`"},
      {"architecture,acuracy\n", "did you mean `acuracy`?"},
      {"architecture,accuracy\n3_33_133,93\n3_33_139,93\n", "truth.csv:3: "},
      {"architecture,accuracy\n3_33_133\n", "truth.csv:2: only 1 fields"},
      {"architecture,accuracy\n3_33_133,high\n", "truth.csv:2: `high` in column `accuracy` is no finite number"},
      {"architecture,accuracy\n3_33_133,\n", "truth.csv:2: `` in column"},
      {"architecture,accuracy\n3_33_133,nan\n", "truth.csv:2: `nan`"},
      {"architecture,accuracy\n\"3_33_133,93\n", "truth.csv:2: a quote is not closed"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_THAT(Read("nasbench201", text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(reason))) << text;
  }
}

TEST(AccuracyFileTest, AnErrorOfTheReceiverEndsIt) {
  const absl::StatusOr<const SpaceDefinition*> space = FindSpace("nasbench201");
  ASSERT_THAT(space, IsOk());
  std::istringstream in("architecture,accuracy\n3_33_133,1\n3_33_133,2\n");
  int calls = 0;
  EXPECT_THAT(ReadAccuracies(*(*space)->space, in, "truth.csv", {},
                             [&](const std::string&, double) {
                               ++calls;
                               return absl::AlreadyExistsError("no");
                             }),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("no")));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace zcbench
