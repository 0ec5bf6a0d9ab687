#include "worker/scorer/model_builder.h"

#include <gtest/gtest.h>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

BuildOrder OrderOf(const char* architecture, uint64_t seed = 0) {
  return {FindCell("nasbench201", "photos", 16).value(), architecture, seed, true};
}

void ExpectFresh(const absl::StatusOr<BuiltModel>& built, const BuildOrder& order) {
  ASSERT_THAT(built, IsOk());
  const auto model = BuildModel(order.architecture, order.cell).value();
  EXPECT_EQ(built->model->params(), model->params());
  const Weights expected = CounterSource(order.seed).Default(*model);
  ASSERT_EQ(built->weights.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(built->weights[i], expected[i])) << i;
}

TEST(ModelBuilderTest, WhatWasOrderedAheadIsWhatWouldBeBuiltNow) {
  ModelBuilder builder;
  builder.Order(OrderOf("3_33_133"));
  ExpectFresh(builder.Take(OrderOf("3_33_133")), OrderOf("3_33_133"));
}

TEST(ModelBuilderTest, AnotherArchitectureOrSeedThanOrderedIsBuiltNow) {
  ModelBuilder builder;
  builder.Order(OrderOf("3_33_133"));
  ExpectFresh(builder.Take(OrderOf("1_02_202")), OrderOf("1_02_202"));
  builder.Order(OrderOf("3_33_133", 1));
  builder.Order(OrderOf("1_02_202", 1));
  ExpectFresh(builder.Take(OrderOf("1_02_202", 2)), OrderOf("1_02_202", 2));
}

TEST(ModelBuilderTest, AFailedBuildAheadIsReportedWhenItIsTaken) {
  ModelBuilder builder;
  builder.Order(OrderOf("no architecture"));
  EXPECT_THAT(builder.Take(OrderOf("no architecture")), StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
  builder.Order(OrderOf("no architecture"));
  ExpectFresh(builder.Take(OrderOf("3_33_133")), OrderOf("3_33_133"));
}

TEST(ModelBuilderTest, WeightsAreDrawnOnlyWhenAskedFor) {
  ModelBuilder builder;
  BuildOrder order = OrderOf("3_33_133");
  order.draw = false;
  builder.Order(order);
  const auto built = builder.Take(order);
  ASSERT_THAT(built, IsOk());
  EXPECT_TRUE(built->weights.empty());
}

}  // namespace
}  // namespace zcbench
