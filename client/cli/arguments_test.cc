#include "client/cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ArgumentsTest, SeedsAreListsAndRanges) {
  EXPECT_THAT(ParseSeeds("7"), IsOkAndHolds(ElementsAre(7)));
  EXPECT_THAT(ParseSeeds("0,1"), IsOkAndHolds(ElementsAre(0, 1)));
  EXPECT_THAT(ParseSeeds("0..4"), IsOkAndHolds(ElementsAre(0, 1, 2, 3, 4)));
  EXPECT_THAT(ParseSeeds("3, 0..1"), IsOkAndHolds(ElementsAre(3, 0, 1)));
  EXPECT_THAT(ParseSeeds("18446744073709551615"), IsOkAndHolds(ElementsAre(UINT64_MAX)));
  EXPECT_THAT(ParseSeeds("18446744073709551614..18446744073709551615"),
              IsOkAndHolds(ElementsAre(UINT64_MAX - 1, UINT64_MAX)));
}

TEST(ArgumentsTest, WrongSeedsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is no number"},
      {"a", "`a` in the seeds"},
      {"-1", "`-1`"},
      {"4..0", "ends before"},
      {"0..64", "more than 64"},
      {"0..18446744073709551615", "more than 64"},
      {"1,1", "hold 1 twice"},
      {"0..", "`` in the seeds"},
      {"0..1..2", "`1..2`"},
      {"0..40,50..90", "more than 64"},
  };
  for (const auto& [text, reason] : cases) EXPECT_THAT(ParseSeeds(text), StatusIs(kInvalid, HasSubstr(reason))) << text;
}

TEST(ArgumentsTest, ProxiesComeInCanonicalForm) {
  EXPECT_THAT(ParseProxies("all"), IsOkAndHolds(ElementsAre("all")));
  EXPECT_THAT(ParseProxies("zico,swap(samples=16,repeats=32)"),
              IsOkAndHolds(ElementsAre("zico", "swap(repeats=32, samples=16)")));
  EXPECT_THAT(ParseProxies("zico,,params"), StatusIs(kInvalid, HasSubstr("name of a proxy")));
  EXPECT_THAT(ParseProxies("lswag(micro_batches)"), StatusIs(kInvalid, HasSubstr("=")));
}

TEST(ArgumentsTest, LastAndNothingAreTheNewestJob) {
  EXPECT_THAT(ParseJobId(""), IsOkAndHolds(0));
  EXPECT_THAT(ParseJobId("last"), IsOkAndHolds(0));
  EXPECT_THAT(ParseJobId("17"), IsOkAndHolds(17));
  for (const char* text : {"0", "-3", "newest", "1.5"})
    EXPECT_THAT(ParseJobId(text), StatusIs(kInvalid, HasSubstr(text)));
}

}  // namespace
}  // namespace zcbench
