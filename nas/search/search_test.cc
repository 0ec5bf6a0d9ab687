#include "nas/search/search.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numeric>
#include <set>
#include <sstream>

#include "base/file.h"
#include "base/status_matchers.h"
#include "nas/random.h"

namespace zcbench {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

const Space& SpaceOf(std::string_view name) { return *FindSpace(name).value()->space; }

// All of NAS-Bench-201 with a landscape of our own: the operations of an edge add up, and noise. Every third
// architecture has no score.
SearchTable Landscape() {
  const Space& space = SpaceOf("nasbench201");
  const CounterStream noise(1, "search_test/noise");
  SearchTable table;
  for (uint64_t i = 0; i < space.size(); ++i) {
    const std::string text = space.At(i).value();
    double fitness = 0.5 * noise.Normal(i);
    for (size_t at = 0; at < text.size(); ++at) fitness += text[at] == '_' ? 0 : ((text[at] - '0') * 2 % 5) * 0.3;
    table.fitness.push_back(i % 3 == 0 ? kNone : fitness);
    table.architectures.push_back(text);
    table.seconds.push_back(0.5 + noise.Uniform(100'000 + i));
    table.params.push_back(std::count(text.begin(), text.end(), '3') * 100 + std::count(text.begin(), text.end(), '2'));
  }
  return table;
}

// The mean over searches of the best fitness found.
double MeanBest(const Search& search, int seeds) {
  double sum = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    sum += search.table().fitness[search.Run(static_cast<uint64_t>(seed)).value().best];
  }
  return sum / seeds;
}

class SearchAlgorithmTest : public ::testing::TestWithParam<SearchAlgorithm> {};

TEST_P(SearchAlgorithmTest, StaysWithinScoresAndWindowAndBudget) {
  const Search search =
      Search::Create(SpaceOf("nasbench201"), Landscape(),
                     {.algorithm = GetParam(), .evaluations = 700, .min_params = 2, .max_params = 299})
          .value();
  const SearchTable& table = search.table();
  double highest = -1e9;
  for (const uint32_t row : search.rows()) highest = std::max(highest, table.fitness[row]);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const SearchResult result = search.Run(seed).value();
    ASSERT_EQ(result.rows.size(), 700u);
    EXPECT_FALSE(result.exhausted);
    double seconds = 0;
    std::set<uint32_t> distinct;
    double best = -1e9;
    for (const uint32_t row : result.rows) {
      ASSERT_TRUE(std::isfinite(table.fitness[row]));
      ASSERT_GE(table.params[row], 2);
      ASSERT_LE(table.params[row], 299);
      best = std::max(best, table.fitness[row]);
      if (distinct.insert(row).second) seconds += table.seconds[row];
    }
    EXPECT_EQ(table.fitness[result.best], best);
    EXPECT_LE(best, highest);
    EXPECT_EQ(result.distinct, static_cast<int64_t>(distinct.size()));
    EXPECT_NEAR(result.seconds, seconds, 1e-9);
    if (GetParam() != SearchAlgorithm::kRegularised) {
      EXPECT_EQ(distinct.size(), 700u);
    }
  }
}

TEST_P(SearchAlgorithmTest, RepeatsBySeedAndDiffersBetweenSeeds) {
  const SearchOptions options = {.algorithm = GetParam(), .evaluations = 150};
  const Search one = Search::Create(SpaceOf("nasbench201"), Landscape(), options).value();
  Search moved_from = Search::Create(SpaceOf("nasbench201"), Landscape(), options).value();
  const Search two = std::move(moved_from);
  std::set<std::vector<uint32_t>> all;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<uint32_t> rows = one.Run(seed).value().rows;
    EXPECT_EQ(rows, two.Run(seed).value().rows);
    all.insert(rows);
  }
  EXPECT_EQ(all.size(), 10u);
}

TEST_P(SearchAlgorithmTest, ALongerSearchBeginsAsAShorterOne) {
  const auto rows = [&](int64_t evaluations) {
    return Search::Create(SpaceOf("nasbench201"), Landscape(), {.algorithm = GetParam(), .evaluations = evaluations})
        .value()
        .Run(4)
        .value()
        .rows;
  };
  const std::vector<uint32_t> shorter = rows(83);
  std::vector<uint32_t> longer = rows(400);
  longer.resize(83);
  EXPECT_EQ(shorter, longer);
}

TEST_P(SearchAlgorithmTest, EndsWithTheEvaluationThatReachesTheCost) {
  const Search search = Search::Create(SpaceOf("nasbench201"), Landscape(),
                                       {.algorithm = GetParam(), .evaluations = 1'000'000, .seconds = 50})
                            .value();
  const SearchResult result = search.Run(0).value();
  EXPECT_GE(result.seconds, 50);
  EXPECT_LT(result.seconds - search.table().seconds[result.rows.back()], 50);
}

TEST_P(SearchAlgorithmTest, VisitsAllOfASmallTableAndFindsItsBest) {
  SearchTable table = Landscape();
  for (size_t row = 0; row < table.fitness.size(); ++row) {
    if (row % 40 != 1) table.fitness[row] = kNone;
  }
  const Search search =
      Search::Create(SpaceOf("nasbench201"), table, {.algorithm = GetParam(), .evaluations = 20'000}).value();
  const SearchResult result = search.Run(0).value();
  double highest = -1e9;
  for (const uint32_t row : search.rows()) highest = std::max(highest, table.fitness[row]);
  EXPECT_EQ(table.fitness[result.best], highest);
  EXPECT_EQ(result.exhausted, GetParam() != SearchAlgorithm::kRegularised);
  if (result.exhausted) {
    EXPECT_EQ(result.rows.size(), search.rows().size());
  }
}

TEST_P(SearchAlgorithmTest, ItsNameReadsBack) {
  EXPECT_EQ(ParseSearchAlgorithm(NameOf(GetParam())).value(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, SearchAlgorithmTest, ::testing::ValuesIn(kSearchAlgorithms),
                         [](const auto& tested) { return NameOf(tested.param); });

TEST(SearchTest, TheOthersBeatRandomSearchOnASmoothLandscape) {
  const auto mean = [](SearchAlgorithm algorithm) {
    return MeanBest(
        Search::Create(SpaceOf("nasbench201"), Landscape(), {.algorithm = algorithm, .evaluations = 300}).value(), 60);
  };
  const double random = mean(SearchAlgorithm::kRandom);
  for (const SearchAlgorithm algorithm :
       {SearchAlgorithm::kRegularised, SearchAlgorithm::kAutoformer, SearchAlgorithm::kLocal}) {
    EXPECT_GT(mean(algorithm), random + 0.1) << NameOf(algorithm);
  }
}

TEST(SearchTest, AnUnknownAlgorithmSuggestsTheNearest) {
  EXPECT_THAT(ParseSearchAlgorithm("regularized").status().message(), HasSubstr("did you mean `regularised`"));
}

// A thousand draws of 1e9 networks: hardly any child has a score, and the result says so.
TEST(SearchTest, ASparseTableOfAutoformerIsRefilledWithRandomRows) {
  const SpaceDefinition* const space = FindSpace("autoformer_tiny").value();
  SampleSequence sample(*space, 0);
  SearchTable table;
  for (uint64_t i = 0; i < 2000; ++i) {
    table.architectures.push_back(sample.At(i).value());
    table.fitness.push_back(static_cast<double>(i % 37));
  }
  const Search search = Search::Create(*space->space, std::move(table),
                                       {.algorithm = SearchAlgorithm::kAutoformer, .evaluations = 50 + 20 * 50})
                            .value();
  const SearchResult result = search.Run(0).value();
  EXPECT_EQ(result.rows.size(), 1050u);
  EXPECT_GT(result.refills, 900);
  EXPECT_LE(result.refills, 1000);
}

TEST(SearchTest, SaysWhatIsWrongWithATableOrAnOption) {
  const SearchTable good = {
      .architectures = {"0_00_000", "1_00_000"}, .fitness = {1, 2}, .seconds = {1, 1}, .params = {10, 20}};
  struct Case {
    std::function<void(SearchTable&, SearchOptions&)> spoil;
    absl::StatusCode code;
    std::string text;
  };
  const Case cases[] = {
      {[](auto& table, auto&) { table.fitness.pop_back(); }, absl::StatusCode::kInvalidArgument,
       "the column fitness has 1 values for 2 architectures"},
      {[](auto& table, auto&) { table.seconds[1] = -3; }, absl::StatusCode::kInvalidArgument,
       "seconds of 1_00_000: -3 is no cost"},
      {[](auto& table, auto&) { table.architectures[1] = "0_00_000"; }, absl::StatusCode::kInvalidArgument,
       "0_00_000 has two rows"},
      {[](auto& table, auto&) { table.architectures[1] = "9_00_000"; }, absl::StatusCode::kInvalidArgument, "9_00_000"},
      {[](auto& table, auto&) {
         table.fitness = {kNone, kNone};
       },
       absl::StatusCode::kFailedPrecondition, "of 2 architectures 0 have a score"},
      {[](auto&, auto& options) { options.max_params = 9; }, absl::StatusCode::kFailedPrecondition,
       "the table has 10 to 20"},
      {[](auto& table, auto& options) {
         table.params.clear();
         options.min_params = 1;
       },
       absl::StatusCode::kInvalidArgument, "needs the column params"},
      {[](auto&, auto& options) { options.evaluations = 0; }, absl::StatusCode::kInvalidArgument, "evaluations is 0"},
      {[](auto&, auto& options) { options.seconds = kNone; }, absl::StatusCode::kInvalidArgument, "seconds is nan"},
      {[](auto&, auto& options) { options.tournament = -1; }, absl::StatusCode::kInvalidArgument, "tournament is -1"},
      {[](auto&, auto& options) { options.mutants = 40; }, absl::StatusCode::kInvalidArgument,
       "40 mutants and 25 crossovers"},
  };
  EXPECT_TRUE(Search::Create(SpaceOf("nasbench201"), good, {}).ok());
  for (const Case& test : cases) {
    SearchTable table = good;
    SearchOptions options;
    test.spoil(table, options);
    const absl::Status status = Search::Create(SpaceOf("nasbench201"), table, options).status();
    EXPECT_EQ(status.code(), test.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.text));
  }
}

TEST(SearchCurveTest, IsTheAccuracyOfTheBestSoFarOverSearches) {
  const Search search =
      Search::Create(SpaceOf("nasbench201"),
                     {.architectures = {"0_00_000", "1_00_000", "2_00_000"}, .fitness = {1, 3, 2}}, {})
          .value();
  const std::vector<SearchResult> results = {{.rows = {0, 2, 1}}, {.rows = {2, 0}}};
  const std::vector<double> accuracy = {70, kNone, 90};
  const std::vector<int64_t> at = {1, 2, 3};
  const std::vector<CurvePoint> curve = SearchCurve(search, results, accuracy, at);
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_EQ(curve[0].mean, 80);
  EXPECT_NEAR(curve[0].deviation, std::sqrt(200.0), 1e-12);
  EXPECT_EQ(curve[1].mean, 90);
  EXPECT_EQ(curve[1].deviation, 0);
  EXPECT_EQ(curve[2].mean, 90);  // the first search now has one without accuracy
  EXPECT_EQ(curve[2].evaluations, 3);
}

TEST(MergeByReferenceTest, IsMergeForRowsOfTheSample) {
  const CounterStream stream(3, "search_test/merge");
  std::vector<double> a, b;
  for (uint64_t i = 0; i < 200; ++i) {
    a.push_back(i % 17 == 0 ? kNone : std::exp(stream.Normal(i)));
    b.push_back(std::floor(1 + 5 * stream.Uniform(1000 + i)));  // ties
  }
  std::vector<uint32_t> half, all(200);
  std::iota(all.begin(), all.end(), 0u);
  std::vector<double> half_a, half_b;
  for (uint32_t row = 1; row < 200; row += 2) {
    half.push_back(row);
    half_a.push_back(a[row]);
    half_b.push_back(b[row]);
  }
  const std::span<const double> columns[] = {a, b};
  const std::span<const double> half_columns[] = {half_a, half_b};
  for (const MergeRule rule : kMergeRules) {
    SCOPED_TRACE(NameOf(rule));
    const std::vector<double> whole = MergeByReference(rule, columns, all).value();
    const std::vector<double> expected = Merge(rule, columns).values;
    const std::vector<double> sampled = MergeByReference(rule, columns, half).value();
    const std::vector<double> half_expected = Merge(rule, half_columns).values;
    for (size_t i = 0; i < 200; ++i) {
      EXPECT_EQ(std::isnan(whole[i]), i % 17 == 0);
      EXPECT_EQ(std::isnan(sampled[i]), i % 17 == 0);
      if (i % 17 == 0) continue;
      EXPECT_NEAR(whole[i], expected[i], 1e-9);
      if (i % 2 == 1) {
        EXPECT_NEAR(sampled[i], half_expected[i / 2], 1e-9);
      }
    }
  }
}

TEST(MergeByReferenceTest, RanksRowsOutsideTheSampleBetweenItsOwn) {
  const std::vector<double> column = {10, 20, 20, 30, 5, 20, 25};
  const std::span<const double> columns[] = {column};
  const std::vector<uint32_t> reference = {0, 1, 2, 3};
  EXPECT_THAT(MergeByReference(MergeRule::kRankSum, columns, reference).value(),
              ::testing::ElementsAre(1, 2.5, 2.5, 4, 0.5, 2.5, 3.5));
  const std::vector<double> constant = {2, 2, 7};
  const std::span<const double> one[] = {constant};
  const std::vector<uint32_t> two = {0, 1};
  EXPECT_THAT(MergeByReference(MergeRule::kZscoreSum, one, two).value(), Each(0));
}

TEST(MergeByReferenceTest, SaysWhatCannotBeMerged) {
  const std::vector<double> column = {1, kNone, -1};
  const std::span<const double> columns[] = {column};
  const auto message = [&](MergeRule rule, const std::vector<uint32_t>& reference) {
    return std::string(MergeByReference(rule, columns, reference).status().message());
  };
  EXPECT_THAT(message(MergeRule::kRankSum, {3}), HasSubstr("reference row 3 of 3"));
  EXPECT_THAT(message(MergeRule::kRankSum, {1}), HasSubstr("none of the 1 rows"));
  EXPECT_THAT(message(MergeRule::kRawProduct, {0}), HasSubstr("column 0 has -1 in row 2"));
}

// Published accuracies of all of NAS-Bench-201: after 200 evaluations each search by CIFAR-10 validation accuracy is
// ahead of random search, by more than three standard errors.
TEST(PublishedSearchTest, EvolutionBeatsRandomSearchOnNasbench201) {
  const char* const folder = std::getenv("ZCB_TEST_DATA");
  if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "ZCB_TEST_DATA names no folder of published tables";
  const Space& space = SpaceOf("nasbench201");
  std::istringstream text(ReadFile(std::filesystem::path(folder) / "nb201_accuracy.csv").value());
  std::string line;
  std::getline(text, line);
  ASSERT_TRUE(line.starts_with("idx,code,arch_str,c10_val,c10_test,")) << line;
  SearchTable table;
  std::vector<double> test;
  while (std::getline(text, line)) {
    std::istringstream cells(line);
    std::string architecture, validation, test_accuracy;
    for (int skipped = 0; skipped < 3; ++skipped) std::getline(cells, architecture, ',');
    std::getline(cells, validation, ',');
    std::getline(cells, test_accuracy, ',');
    table.architectures.push_back(space.Parse(architecture).value());
    table.fitness.push_back(std::stod(validation));
    test.push_back(std::stod(test_accuracy));
  }
  ASSERT_EQ(table.fitness.size(), 15625u);
  const double best = *std::max_element(table.fitness.begin(), table.fitness.end());
  constexpr int kSeeds = 500;
  const std::vector<int64_t> at = {50, 100, 200};
  CurvePoint random{};
  for (const SearchAlgorithm algorithm : kSearchAlgorithms) {
    const Search search = Search::Create(space, table, {.algorithm = algorithm, .evaluations = 200}).value();
    std::vector<SearchResult> results;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) results.push_back(search.Run(seed).value());
    const std::vector<CurvePoint> curve = SearchCurve(search, results, search.table().fitness, at);
    const std::vector<CurvePoint> test_curve = SearchCurve(search, results, test, at);
    for (size_t i = 0; i < at.size(); ++i) {
      std::printf("%-12s %4ld evaluations: validation %.2f +- %.2f (regret %.2f), test %.2f +- %.2f\n",
                  NameOf(algorithm).c_str(), static_cast<long>(at[i]), curve[i].mean, curve[i].deviation,
                  best - curve[i].mean, test_curve[i].mean, test_curve[i].deviation);
    }
    EXPECT_LE(curve.back().mean, best);
    if (algorithm == SearchAlgorithm::kRandom) random = curve.back();
    const double error = std::hypot(random.deviation, curve.back().deviation) / std::sqrt(double{kSeeds});
    if (algorithm != SearchAlgorithm::kRandom) {
      EXPECT_GT(curve.back().mean, random.mean + 3 * error) << NameOf(algorithm);
    }
  }
}

}  // namespace
}  // namespace zcbench
