#include "nas/statistics/correlation.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/random.h"
#include "nas/statistics/ranking.h"

namespace zcbench {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

std::vector<double> Column(const json& values) {
  std::vector<double> column;
  for (const json& value : values) {
    column.push_back(value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>());  // "nan", "-inf"
  }
  return column;
}

void ExpectIs(const Correlation& ours, const json& theirs, int64_t pairs, const char* what) {
  EXPECT_EQ(ours.pairs, pairs) << what;
  ASSERT_EQ(ours.value.has_value(), !theirs.is_null()) << what;
  if (theirs.is_null()) return;
  EXPECT_NEAR(*ours.value, theirs.get<double>(), 1e-13) << what;
}

TEST(CorrelationTest, EqualsTheGoldenValues) {
  const absl::StatusOr<std::string> text = ReadFile(SourceDir() / "nas/statistics/correlation_golden.json");
  ASSERT_THAT(text, IsOk());
  const json golden = json::parse(*text, nullptr, false);
  ASSERT_GE(golden["cases"].size(), 25u);
  for (const json& test : golden["cases"]) {
    SCOPED_TRACE(test["name"].get<std::string>());
    const std::vector<double> x = Column(test["x"]);
    const std::vector<double> y = Column(test["y"]);
    ExpectIs(Pearson(x, y), test["pearson"], test["pairs"], "Pearson");
    ExpectIs(Spearman(x, y), test["spearman"], test["pairs"], "Spearman");
    ExpectIs(KendallTauB(x, y), test["kendall"], test["pairs"], "Kendall");
    ExpectIs(Pearson(y, x), test["pearson"], test["pairs"], "Pearson, swapped");
    ExpectIs(Spearman(y, x), test["spearman"], test["pairs"], "Spearman, swapped");
    ExpectIs(KendallTauB(y, x), test["kendall"], test["pairs"], "Kendall, swapped");
    if (test["pairs"].get<size_t>() == x.size()) {
      EXPECT_EQ(Ranks(x), Column(test["x_ranks"]));
    }
  }
}

// Null where the generator has no value: undefined, or too many ways to break ties.
TEST(RankingTest, EqualsTheGoldenValues) {
  const absl::StatusOr<std::string> text = ReadFile(SourceDir() / "nas/statistics/correlation_golden.json");
  ASSERT_THAT(text, IsOk());
  const json golden = json::parse(*text, nullptr, false);
  int compared = 0;
  for (const json& test : golden["cases"]) {
    SCOPED_TRACE(test["name"].get<std::string>());
    const std::vector<double> x = Column(test["x"]);
    const std::vector<double> y = Column(test["y"]);
    ExpectIs(PartialSpearman(x, y, Column(test["control"])), test["partial"], test["pairs"], "partial Spearman");
    for (const json& top : test["top"]) {
      const size_t k = top["k"];
      SCOPED_TRACE(k);
      const auto expect = [&](const std::optional<double>& ours, const json& theirs, double tolerance) {
        if (theirs.is_null()) return;
        ++compared;
        ASSERT_TRUE(ours.has_value());
        EXPECT_NEAR(*ours, theirs.get<double>(), tolerance);
      };
      expect(Ndcg(x, y, k), top["ndcg"], 1e-12);
      expect(TopKOverlap(x, y, k), top["overlap"], 1e-12);
      const double scale = top["regret"].is_null() ? 0 : std::fabs(top["regret"].get<double>());
      if (std::isfinite(scale)) expect(RegretAtK(x, y, k), top["regret"], 1e-12 * std::max(1.0, scale));
    }
  }
  EXPECT_GT(compared, 150);
}

TEST(RankingTest, IsUndefinedWithoutEnoughPairs) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> x = {1, 2, nan, 4};
  const std::vector<double> y = {5, 5, 5, nan};
  EXPECT_FALSE(TopKOverlap(x, y, 3).has_value());
  EXPECT_FALSE(RegretAtK(x, y, 0).has_value());
  EXPECT_FALSE(Ndcg(x, y, 2).has_value());  // all accuracies are equal
  EXPECT_EQ(TopKOverlap(x, y, 2), 1);
  EXPECT_EQ(RegretAtK(x, y, 1), 0);
}

TEST(MergeTest, EachRuleIsItsFormula) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> a = {1, 4, nan, 2};
  const std::vector<double> b = {30, 10, 50, 30};
  const std::vector<std::span<const double>> columns = {a, b};
  const Merged ranks = Merge(MergeRule::kRankSum, columns);
  EXPECT_EQ(ranks.complete, 3u);
  EXPECT_THAT(ranks.values, ElementsAre(3.5, 4, ::testing::IsNan(), 4.5));
  const Merged logs = Merge(MergeRule::kLogRank, columns);
  EXPECT_NEAR(logs.values[0], std::log(1 / 3.0) + std::log(2.5 / 3), 1e-15);
  EXPECT_NEAR(logs.values[1], std::log(1 / 3.0), 1e-15);
  const Merged scores = Merge(MergeRule::kZscoreSum, columns);
  EXPECT_NEAR(scores.values[1], (4 - 7 / 3.0) / std::sqrt(14 / 9.0) - std::sqrt(2.0), 1e-14);
  const Merged product = Merge(MergeRule::kRawProduct, columns);
  EXPECT_NEAR(product.values[3], std::log(60.0), 1e-15);
  EXPECT_TRUE(std::isnan(product.values[2]));

  // A constant adds nothing; what is not positive has no place in a product.
  const std::vector<double> constant(4, 7.0);
  EXPECT_EQ(Merge(MergeRule::kZscoreSum, std::vector<std::span<const double>>{constant, b}).values,
            Merge(MergeRule::kZscoreSum, std::vector<std::span<const double>>{b}).values);
  const std::vector<double> zero = {0, 1, 2, 3};
  const Merged skipped = Merge(MergeRule::kRawProduct, std::vector<std::span<const double>>{zero, b});
  EXPECT_THAT(skipped.skipped, ElementsAre(0u));
  EXPECT_NEAR(skipped.values[1], std::log(10.0), 1e-15);
  EXPECT_TRUE(std::isnan(Merge(MergeRule::kRawProduct, std::vector<std::span<const double>>{zero}).values[1]));
}

TEST(MergeTest, NamesAreReadBackAndAMistypedOneSuggestsTheNearest) {
  for (const MergeRule rule : kMergeRules) EXPECT_EQ(ParseMergeRule(NameOf(rule)).value(), rule);
  const absl::Status unknown = ParseMergeRule("ranksum").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(unknown.message(), ::testing::HasSubstr("did you mean `rank_sum`?"));
}

TEST(RanksTest, TiesHaveTheirAverageAndInfinitiesTheEnds) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_THAT(Ranks(std::vector<double>{3, inf, 3, -inf, 3, 1}), ElementsAre(4, 6, 4, 1, 4, 2));
  EXPECT_TRUE(Ranks({}).empty());
}

// By the definition, over all pairs of pairs.
double SlowTau(const std::vector<double>& x, const std::vector<double>& y) {
  double numerator = 0;
  double untied_x = 0;
  double untied_y = 0;
  const auto sign = [](double d) { return (d > 0) - (d < 0); };
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      numerator += sign(x[i] - x[j]) * sign(y[i] - y[j]);
      untied_x += x[i] != x[j];
      untied_y += y[i] != y[j];
    }
  }
  return numerator / std::sqrt(untied_x * untied_y);
}

TEST(KendallTest, IsTheDefinitionOnRandomColumns) {
  Draws draws(0, "test");
  for (int round = 0; round < 200; ++round) {
    const size_t n = 5 + draws.Below(60);
    const uint64_t levels = 2 + draws.Below(40);
    std::vector<double> x(n);
    std::vector<double> y(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = static_cast<double>(draws.Below(levels));
      y[i] = static_cast<double>(draws.Below(levels));
    }
    const Correlation tau = KendallTauB(x, y);
    if (!tau.value.has_value()) continue;
    ASSERT_NEAR(*tau.value, SlowTau(x, y), 1e-12) << round;
  }
}

TEST(CorrelationTest, AMillionPairsAreExact) {
  constexpr int kPairs = 1000000;
  std::vector<double> x(kPairs);
  std::vector<double> y(kPairs);
  for (int i = 0; i < kPairs; ++i) {  // a permutation of x; the reverse in pairs
    x[i] = static_cast<double>(i * int64_t{7919} % kPairs);
    y[i] = static_cast<double>(static_cast<int64_t>(x[i]) ^ 1);
  }
  const double pairs = kPairs / 2.0 * (kPairs - 1.0);
  EXPECT_NEAR(*KendallTauB(x, y).value, 1 - 2 * (kPairs / 2.0) / pairs, 1e-15);
  EXPECT_NEAR(*Spearman(x, y).value, 1 - 6.0 / (static_cast<double>(kPairs) * kPairs - 1), 1e-10);
}

// x and y with Pearson correlation `rho` in the population, normal.
void DrawPairs(uint64_t seed, double rho, std::vector<double>& x, std::vector<double>& y) {
  const CounterStream stream(seed, "test/pairs");
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = stream.Normal(2 * i);
    y[i] = rho * x[i] + std::sqrt(1 - rho * rho) * stream.Normal(2 * i + 1);
  }
}

TEST(SpearmanIntervalTest, IsTheQuantilesOfResampledRho) {
  std::vector<double> x(40);
  std::vector<double> y(40);
  DrawPairs(1, 0.6, x, y);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::round(4 * x[i]);  // ties
  const std::optional<Interval> interval = SpearmanInterval(x, y, {.level = 0.9, .resamples = 201, .seed = 5});
  ASSERT_TRUE(interval.has_value());

  const CounterStream stream(5, "statistics/spearman_interval");
  std::vector<double> rhos;
  for (uint64_t resample = 0; resample < 201; ++resample) {
    std::vector<double> some_x;
    std::vector<double> some_y;
    for (uint64_t i = 0; i < 40; ++i) {
      const uint64_t index = stream.Word(resample * 40 + i) * uint64_t{40} >> 32;
      some_x.push_back(x[index]);
      some_y.push_back(y[index]);
    }
    rhos.push_back(*Spearman(some_x, some_y).value);
  }
  std::sort(rhos.begin(), rhos.end());
  EXPECT_NEAR(interval->low, rhos[10], 1e-12);  // 5 % of 200 steps
  EXPECT_NEAR(interval->high, rhos[190], 1e-12);
}

TEST(SpearmanIntervalTest, RepeatsAndWidensWithTheLevel) {
  std::vector<double> x(100);
  std::vector<double> y(100);
  DrawPairs(2, 0.5, x, y);
  const Interval wide = *SpearmanInterval(x, y, {.level = 0.99});
  const Interval usual = *SpearmanInterval(x, y);
  const Interval again = *SpearmanInterval(x, y);
  EXPECT_EQ(usual.low, again.low);
  EXPECT_EQ(usual.high, again.high);
  EXPECT_LT(wide.low, usual.low);
  EXPECT_GT(wide.high, usual.high);
  EXPECT_NE(usual.low, SpearmanInterval(x, y, {.seed = 1})->low);
}

// Of 300 samples about 95 % should have the population's rho inside; for normals it is 6 / pi asin(r / 2).
TEST(SpearmanIntervalTest, CoversThePopulationsRho) {
  const double rho = 6 / std::acos(-1.0) * std::asin(0.6 / 2);
  std::vector<double> x(100);
  std::vector<double> y(100);
  int covered = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    DrawPairs(seed, 0.6, x, y);
    const Interval interval = *SpearmanInterval(x, y, {.resamples = 400});
    covered += interval.low <= rho && rho <= interval.high;
  }
  EXPECT_GE(covered, 0.91 * 300);
  EXPECT_LE(covered, 0.98 * 300);
}

TEST(SpearmanIntervalTest, ManyPairsUseFishersZAndBothMethodsMeet) {
  std::vector<double> x(10001);
  std::vector<double> y(10001);
  DrawPairs(3, 0.7, x, y);
  const double rho = *Spearman(x, y).value;
  const Interval many = *SpearmanInterval(x, y);
  const double error = std::sqrt((1 + rho * rho / 2) / (10001 - 3));
  EXPECT_NEAR(many.low, std::tanh(std::atanh(rho) - 1.959963984540054 * error), 1e-12);
  EXPECT_NEAR(many.high, std::tanh(std::atanh(rho) + 1.959963984540054 * error), 1e-12);

  x.pop_back();
  y.pop_back();
  const Interval few = *SpearmanInterval(x, y);
  EXPECT_NEAR(few.low, many.low, 0.002);
  EXPECT_NEAR(few.high, many.high, 0.002);
}

TEST(SpearmanIntervalTest, PerfectAgreementHasNoWidth) {
  for (const size_t n : {20u, 20000u}) {
    std::vector<double> x(n);
    std::iota(x.begin(), x.end(), 0.0);
    const std::optional<Interval> interval = SpearmanInterval(x, x);
    ASSERT_TRUE(interval.has_value());
    EXPECT_EQ(interval->low, 1);
    EXPECT_EQ(interval->high, 1);
  }
}

TEST(SpearmanIntervalTest, NeedsFourPairsAndTwoVaryingSides) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(SpearmanInterval({}, {}).has_value());
  EXPECT_FALSE(SpearmanInterval(std::vector<double>{1, 2, 3}, std::vector<double>{1, 2, 4}).has_value());
  EXPECT_FALSE(SpearmanInterval(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 2, 4, nan}).has_value());
  EXPECT_FALSE(SpearmanInterval(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 1, 1, 1}).has_value());
  EXPECT_TRUE(SpearmanInterval(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 2, 4, 3}).has_value());
}

TEST(CorrelationDeathTest, ColumnsMustPair) {
  EXPECT_DEATH(Pearson(std::vector<double>{1, 2}, std::vector<double>{1}), "broken invariant");
}

}  // namespace
}  // namespace zcbench
