#include "worker/passes/patterns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

namespace zcbench {
namespace {

// [samples, units] of signs by a formula.
at::Tensor Signs(int64_t samples, int64_t units) {
  const at::Tensor i = at::arange(samples * units, at::kDouble);
  return at::sin(i * i * 0.37).view({samples, units});
}

TEST(PatternsTest, LogDeterminantsAreThoseOfEachSource) {
  SignPatterns patterns(3, 8);
  patterns.Add(0, 0, Signs(8, 500));
  patterns.Add(2, 0, Signs(8, 3));  // fewer units than images: singular
  const std::vector<double>& values = patterns.LogDeterminants();
  ASSERT_EQ(values.size(), 3u);
  EXPECT_NEAR(values[0], std::log(std::fabs(at::linalg_det(patterns.Agreement(0)).item<double>())), 1e-9);
  EXPECT_EQ(values[1], 0) << "nothing was added";
  EXPECT_EQ(values[2], 0);
}

TEST(PatternsTest, ASmallDeterminantIsNotSingular) {
  // Three images, two units: the kernel's rows agree in 2, 1 or 0 units.
  SignPatterns patterns(2, 2);
  patterns.Add(0, 0, at::tensor({1.0, 1.0, 1.0, -1.0}).view({2, 2}));
  patterns.Add(1, 0, at::tensor({1.0, 1.0, 1.0, 1.0}).view({2, 2}));
  EXPECT_NEAR(patterns.LogDeterminants()[0], std::log(3), 1e-12);  // 2 1 / 1 2
  EXPECT_EQ(patterns.LogDeterminants()[1], 0);                     // 2 2 / 2 2
}

TEST(PatternsTest, DistinctSamplesEqualASetOfStrings) {
  for (const int64_t samples : {1, 5, 64, 200}) {
    for (const int64_t units : {1, 3, 6, 100}) {
      const at::Tensor signs = Signs(samples, units);
      SignPatterns patterns(1, static_cast<int>(samples));
      patterns.Add(0, 0, signs);
      std::set<std::string> rows;
      for (int64_t s = 0; s < samples; ++s) {
        std::string row;
        for (int64_t u = 0; u < units; ++u) row += signs[s][u].item<double>() > 0 ? '1' : '0';
        rows.insert(row);
      }
      EXPECT_EQ(patterns.CountDistinctSamples(), static_cast<int64_t>(rows.size())) << samples << " " << units;
    }
  }
}

TEST(PatternsTest, ASourceLeftOutCountsForTheAgreementOnly) {
  SignPatterns patterns(2, 8);
  patterns.Add(0, 0, Signs(8, 40));
  const uint64_t distinct = patterns.CountDistinct(0, 1);
  patterns.LeaveOut(1);
  patterns.Add(1, 0, Signs(8, 90).flip(0));
  EXPECT_EQ(patterns.CountDistinct(), distinct);
  EXPECT_EQ(patterns.Agreement()[0][0].item<double>(), 130);
}

}  // namespace
}  // namespace zcbench
