#include "nas/libra/libra.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/random.h"

namespace zcbench {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

const json& Golden() {
  static const json* const golden =
      new json(json::parse(ReadFile(SourceDir() / "nas/libra/libra_golden.json").value_or("{}")));
  return *golden;
}

LibraTable TableOf(const json& columns) {
  LibraTable table;
  for (const auto& [name, values] : columns.items()) {
    if (name == "y") {
      table.accuracy = values.get<std::vector<double>>();
    } else {
      table.names.push_back(name);
      table.scores.push_back(values.get<std::vector<double>>());
      if (name == "params") table.params = table.scores.back();
    }
  }
  return table;
}

std::vector<size_t> EverySecond(size_t n, size_t first) {
  std::vector<size_t> rows;
  for (size_t i = first; i < n; i += 2) rows.push_back(i);
  return rows;
}

std::vector<std::string> Chosen(const LibraFit& fit) {
  std::vector<std::string> names;
  for (const size_t c : fit.chosen) names.push_back(fit.candidates[c].name);
  return names;
}

LibraTable Synthetic(size_t n, const std::vector<std::vector<double>>& weights) {
  // Columns are weighted sums of y and noise; params is its own noise with a little y.
  const CounterStream stream(1, "test/libra");
  LibraTable table;
  for (size_t i = 0; i < n; ++i) {
    table.accuracy.push_back(stream.Normal(100 * i));
    table.params.push_back(table.accuracy[i] + stream.Normal(100 * i + 1));
  }
  for (size_t c = 0; c < weights.size(); ++c) {
    table.names.push_back(std::string(1, static_cast<char>('a' + c)));
    std::vector<double>& column = table.scores.emplace_back();
    for (size_t i = 0; i < n; ++i) {
      column.push_back(weights[c][0] * table.accuracy[i] + weights[c][1] * table.params[i] +
                       weights[c][2] * stream.Normal(100 * i + 2 + c));
    }
  }
  return table;
}

// ---- Entropies, as NAS-Bench-Suite-Zero's notebook computes them from its scores.

TEST(EntropyTest, BinsAreAsManyAsPublished) {
  EXPECT_EQ(BinCount(200), 19);
  EXPECT_EQ(BinCount(1000), 24);
  EXPECT_EQ(BinCount(2000), 26);
  EXPECT_EQ(BinCount(1), 1);
  EXPECT_EQ(BinCount(0), 1);
}

TEST(EntropyTest, EqualsTheNotebookOnPublishedScores) {
  const json& extract = Golden()["extract"];
  const size_t n = extract["y"].size();
  ASSERT_EQ(n, 300u);
  const int bins = BinCount(n);
  EXPECT_EQ(bins, Golden()["bins"]);
  std::map<std::string, Binned> columns;
  for (const auto& [name, values] : extract.items()) {
    columns[name] = Bin(values.get<std::vector<double>>(), Binning::kWidth, bins);
  }
  EXPECT_NEAR(Entropy(columns["y"]), Golden()["entropy"].get<double>(), 1e-12);
  for (const auto& [name, value] : Golden()["conditional"].items()) {
    EXPECT_NEAR(ConditionalEntropy(columns["y"], columns[name]), value.get<double>(), 1e-12) << name;
  }
  int gains = 0;
  for (const auto& [given, row] : Golden()["gain"].items()) {
    for (const auto& [name, value] : row.items()) {
      EXPECT_NEAR(InformationGain(columns["y"], columns[given], columns[name]), value.get<double>(), 1e-12)
          << name << " given " << given;
      ++gains;
    }
  }
  EXPECT_EQ(gains, 169);
}

TEST(EntropyTest, IsRightWhereItIsKnown) {
  const Binned coin{.bin_of = {0, 1, 0, 1, 0, 1, 0, 1}, .count = 2};
  const Binned other{.bin_of = {0, 0, 1, 1, 0, 0, 1, 1}, .count = 2};
  const Binned both{.bin_of = {0, 1, 1, 0, 0, 1, 1, 0}, .count = 2};  // exclusive or
  EXPECT_DOUBLE_EQ(Entropy(coin), 1);
  EXPECT_DOUBLE_EQ(Entropy(coin, EntropyEstimator::kMillerMadow), 1 + 1 / (16 * std::log(2.0)));
  EXPECT_DOUBLE_EQ(ConditionalEntropy(coin, coin), 0);
  EXPECT_DOUBLE_EQ(ConditionalEntropy(both, coin), 1);
  EXPECT_DOUBLE_EQ(InformationGain(both, coin, other), 1);  // nothing alone, all together
  EXPECT_DOUBLE_EQ(InformationGain(both, coin, coin), 0);
}

TEST(EntropyTest, TheLastBinIsClosedAndExtremesDoNotOverflow) {
  EXPECT_THAT(Bin(std::vector<double>{0, 0.24, 0.25, 0.99, 1}, Binning::kWidth, 4).bin_of, ElementsAre(0, 0, 1, 3, 3));
  EXPECT_THAT(Bin(std::vector<double>{-1.7e308, 0, 1.7e308}, Binning::kWidth, 2).bin_of, ElementsAre(0, 1, 1));
  EXPECT_THAT(Bin(std::vector<double>{7, 7, 7}, Binning::kWidth, 5).bin_of, ElementsAre(0, 0, 0));
  EXPECT_THAT(Bin(std::vector<double>{5, 1, 1e9, 2}, Binning::kQuantile, 2).bin_of, ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(Bin(std::vector<double>{}, Binning::kWidth, 3).bin_of, IsEmpty());
}

TEST(EntropyTest, PermutationsTakeAwayTheGainOfNoise) {
  const LibraTable table = Synthetic(1000, {{1, 0, 1}, {0, 0, 1}, {1, 0, 0.5}});
  const auto bin = [&](const std::vector<double>& column) { return Bin(column, Binning::kQuantile, BinCount(1000)); };
  const Binned y = bin(table.accuracy);
  const Binned given = bin(table.scores[0]);
  const EntropyOptions corrected{.estimator = EntropyEstimator::kPermutation};
  EXPECT_GT(InformationGain(y, given, bin(table.scores[1])), 1);  // noise seems to tell much
  EXPECT_NEAR(InformationGain(y, given, bin(table.scores[1]), corrected), 0, 0.05);
  EXPECT_GT(InformationGain(y, given, bin(table.scores[2]), corrected), 0.1);
  EXPECT_EQ(InformationGain(y, given, bin(table.scores[2]), corrected),
            InformationGain(y, given, bin(table.scores[2]), corrected));
}

// ---- Algorithm 1.

TEST(LibraTest, ChoosesAndRanksAsTheOtherProgram) {
  const LibraTable table = TableOf(Golden()["extract"]);
  const std::vector<size_t> rows = EverySecond(300, 0);
  ASSERT_EQ(Golden()["fits"].size(), 4u);
  for (const json& test : Golden()["fits"]) {
    SCOPED_TRACE(test["binning"].get<std::string>() + " " + test["estimator"].get<std::string>());
    LibraOptions options;
    options.binning = *ParseBinning(test["binning"].get<std::string>());
    options.entropy.estimator = *ParseEntropyEstimator(test["estimator"].get<std::string>());
    const absl::StatusOr<LibraFit> fit = FitLibra(table, rows, options);
    ASSERT_THAT(fit, IsOk());
    EXPECT_EQ(Chosen(*fit), test["chosen"].get<std::vector<std::string>>());
    EXPECT_EQ(fit->note, "");
    EXPECT_EQ(fit->reasons.size(), fit->chosen.size());
    for (const LibraCandidate& candidate : fit->candidates) {
      EXPECT_NEAR(*candidate.rho, test["rho"][candidate.name].get<double>(), 1e-12) << candidate.name;
      EXPECT_EQ(candidate.in_range, test["bias"].contains(candidate.name)) << candidate.name;
      ASSERT_EQ(candidate.gain.has_value(), test["gain"].contains(candidate.name)) << candidate.name;
      if (!candidate.in_range) continue;
      EXPECT_NEAR(*candidate.bias, test["bias"][candidate.name].get<double>(), 1e-12);
      if (!candidate.gain.has_value()) continue;
      EXPECT_NEAR(*candidate.gain, test["gain"][candidate.name].get<double>(), 1e-12);
    }
    // Ranks of what was not chosen by.
    const std::vector<size_t> held_out = EverySecond(300, 1);
    std::vector<double> y;
    std::vector<std::vector<double>> columns(fit->chosen.size());
    for (const size_t row : held_out) {
      y.push_back(table.accuracy[row]);
      for (size_t c = 0; c < columns.size(); ++c) columns[c].push_back(table.scores[fit->chosen[c]][row]);
    }
    const std::vector<std::span<const double>> spans(columns.begin(), columns.end());
    for (const MergeRule rule : kMergeRules) {
      const json& theirs = test["held_out"]["LIBRA, " + NameOf(rule)];
      const std::optional<double> rho = Spearman(Merge(rule, spans).values, y).value;
      ASSERT_EQ(rho.has_value(), !theirs.is_null());
      if (!rho.has_value()) continue;
      EXPECT_NEAR(*rho, theirs.get<double>(), 1e-9) << NameOf(rule);
    }
  }
}

TEST(LibraTest, AnEmptyRangeEndsWithWhatWasChosen) {
  const LibraTable alone = Synthetic(400, {{1, 0, 0.1}, {0.2, 0, 1}});
  const LibraFit one = FitLibra(alone, AllRows(alone), {}).value();
  EXPECT_THAT(Chosen(one), ElementsAre("a"));
  EXPECT_THAT(one.note, HasSubstr("z1 stands alone"));
  const LibraTable two = Synthetic(400, {{1, 0, 0.4}, {1, 0, 0.5}, {0.2, 0, 1}});
  const LibraFit pair = FitLibra(two, AllRows(two), {}).value();
  EXPECT_THAT(Chosen(pair), ElementsAre("a", "b"));
  EXPECT_THAT(pair.note, HasSubstr("no third proxy is within 0.1"));
  LibraTable blind = Synthetic(400, {{1, 0, 0.4}, {1, 0, 0.5}, {1, 0, 0.45}});
  std::fill(blind.params.begin(), blind.params.end(), kNone);
  EXPECT_THAT(FitLibra(blind, AllRows(blind), {})->note, HasSubstr("with params, so no third proxy"));
}

TEST(LibraTest, TheThirdHasTheBiasOfTheAccuracy) {
  // b follows params too closely, c too little, d as the accuracy does; a and e are the first two.
  LibraTable table = Synthetic(2000, {{1, 0, 0.5}, {0.6, 0.6, 0.35}, {1, -0.1, 0.6}, {1, 0, 0.62}});
  const LibraOptions three{.third = ThirdRule::kBiasMatching};
  const LibraFit fit = FitLibra(table, AllRows(table), three).value();
  ASSERT_EQ(fit.chosen.size(), 3u);
  double nearest = 1;
  std::string expected;
  for (size_t c = 0; c < fit.candidates.size(); ++c) {
    if (c == fit.chosen[0] || c == fit.chosen[1] || !fit.candidates[c].in_range) continue;
    const double distance = std::fabs(*fit.candidates[c].bias - *fit.accuracy_bias);
    if (distance < nearest) {
      nearest = distance;
      expected = fit.candidates[c].name;
    }
  }
  EXPECT_EQ(Chosen(fit)[2], expected);
  EXPECT_THAT(FitLibra(table, AllRows(table), {.third = ThirdRule::kNone})->chosen.size(), 2u);
}

TEST(LibraTest, TiesGoToTheNameAndCopiesGainNothing) {
  LibraTable table = Synthetic(300, {{1, 0, 0.5}});
  table.names = {"b", "a", "c"};
  table.scores = {table.scores[0], table.scores[0], table.scores[0]};
  const LibraFit fit = FitLibra(table, AllRows(table), {}).value();
  EXPECT_THAT(Chosen(fit), ElementsAre("a", "b", "c"));
  EXPECT_NEAR(*fit.candidates[0].gain, 0, 1e-12);
}

TEST(LibraTest, AbsoluteRhoTakesWhatRanksTheOtherWay) {
  LibraTable table = Synthetic(300, {{-1, 0, 0.2}, {1, 0, 0.5}, {1, 0, 0.7}});
  EXPECT_EQ(Chosen(FitLibra(table, AllRows(table), {}).value())[0], "b");
  const LibraFit fit = FitLibra(table, AllRows(table), {.abs_rho = true}).value();
  EXPECT_EQ(Chosen(fit)[0], "a");
  EXPECT_TRUE(fit.candidates[0].negated);
  EXPECT_GT(*fit.candidates[0].rho, 0.9);
}

TEST(LibraTest, FewScoresAndConstantsAreNoCandidates) {
  LibraTable table = Synthetic(100, {{1, 0, 0.1}, {1, 0, 0.5}, {1, 0, 0.6}});
  for (size_t i = 0; i < 30; ++i) table.scores[0][i] = kNone;
  std::fill(table.scores[2].begin(), table.scores[2].end(), 3.0);
  const LibraFit fit = FitLibra(table, AllRows(table), {}).value();
  EXPECT_THAT(Chosen(fit), ElementsAre("b"));
  EXPECT_EQ(fit.candidates[0].excluded, "scores for 70 of 100 architectures");
  EXPECT_EQ(fit.candidates[2].excluded, "constant");
  EXPECT_EQ(Chosen(FitLibra(table, AllRows(table), {.min_coverage = 0.5}).value())[0], "a");
  table.scores[1] = table.scores[0] = table.scores[2];
  EXPECT_EQ(FitLibra(table, AllRows(table), {}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(FitLibra(table, AllRows(table), {.threshold = 0}).status().message(), HasSubstr("threshold: 0"));
}

// ---- Validation.

TEST(LibraValidationTest, NothingIsRankedThatWasChosenBy) {
  // Scores that say nothing: what is best by chance on the chosen half is worth nothing on the other, but seems to be
  // in sample.
  LibraTable table = Synthetic(40, std::vector<std::vector<double>>(20, {0, 0, 1}));
  const LibraValidation result =
      ValidateLibra(table, {}, {.kind = Validation::kSplits, .rounds = 40, .in_sample = true}).value();
  const auto single = std::find_if(result.methods.begin(), result.methods.end(),
                                   [](const MethodResult& m) { return m.name == "best single proxy"; });
  ASSERT_NE(single, result.methods.end());
  EXPECT_LT(*single->held_out.rho, 0.15);
  EXPECT_GT(*single->in_sample->rho, 0.25);
  EXPECT_EQ(single->held_out.architectures, 20);
  EXPECT_EQ(single->in_sample->architectures, 40);
  const LibraValidation again = ValidateLibra(table, {}, {.rounds = 40}).value();
  EXPECT_EQ(*again.methods[0].held_out.rho, *result.methods[0].held_out.rho);
  EXPECT_FALSE(again.methods[0].in_sample.has_value());
}

TEST(LibraValidationTest, FoldsRankEachArchitectureOnceAndListPublishedCombinations) {
  LibraTable table = Synthetic(103, {{1, 0, 1}, {1, 0, 2}, {0, 1, 1}, {1, 0, 1}, {1, 0, 3}});
  table.names = {"az_expressivity", "az_trainability", "az_complexity", "ntk_cond", "te_regions"};
  const LibraValidation result = ValidateLibra(table, {}, {.kind = Validation::kFolds, .rounds = 5}).value();
  std::vector<std::string> names;
  for (const MethodResult& method : result.methods) {
    names.push_back(method.name);
    // Negative scores have no place in a product.
    EXPECT_DOUBLE_EQ(method.held_out.architectures, method.name == "LIBRA, raw_product" ? 0 : 103 / 5.0) << method.name;
  }
  EXPECT_THAT(names, ElementsAre("LIBRA, rank_sum", "LIBRA, log_rank", "LIBRA, zscore_sum", "LIBRA, raw_product",
                                 "best single proxy", "params", "all within 0.1 of the best, rank_sum",
                                 "az_nas without az_progressivity, log_rank", "te_nas, rank_sum"));
  EXPECT_THAT(ValidateLibra(table, {}, {.kind = Validation::kFolds, .rounds = 60}).status().message(),
              HasSubstr("60 folds of at least 4 need more"));
}

// The split-half protocol on whole published tables, beside the other program's means over its own ten splits.
TEST(LibraValidationTest, SplitHalvesOfPublishedTablesAgree) {
  const char* const folder = std::getenv("ZCB_TEST_DATA");
  if (folder == nullptr) GTEST_SKIP() << "ZCB_TEST_DATA names no folder of published tables";
  const auto read = [&](const std::string& name) {
    std::vector<std::vector<std::string>> rows;
    std::istringstream text(ReadFile(std::filesystem::path(folder) / name).value());
    for (std::string line; std::getline(text, line);) {
      std::vector<std::string>& row = rows.emplace_back();
      std::istringstream cells(line);
      for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    }
    return rows;
  };
  std::map<std::string, double> accuracy;  // of NAS-Bench-201, by index
  const auto truth = read("nb201_accuracy.csv");
  const auto column = [](const std::vector<std::string>& header, const std::string& name) {
    return static_cast<size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  for (size_t r = 1; r < truth.size(); ++r) {
    accuracy[truth[r][column(truth[0], "idx")]] = std::stod(truth[r][column(truth[0], "c10_val_nbsz")]);
  }
  for (const auto& [name, theirs] : Golden()["tables"].items()) {
    SCOPED_TRACE(name);
    const auto rows = read(name + ".csv");
    LibraTable table;
    for (const auto& [proxy, unused] : Golden()["whole"][name]["rho"].items()) {
      table.names.push_back(proxy);
      const size_t c = column(rows[0], proxy);
      std::vector<double>& values = table.scores.emplace_back();
      for (size_t r = 1; r < rows.size(); ++r) {
        const double value = std::stod(rows[r][c]);
        values.push_back(value == -1e8 ? kNone : value);
      }
      if (proxy == "params") table.params = values;
    }
    const bool scene = name == "tnb101_micro_zc_class_scene";
    for (size_t r = 1; r < rows.size(); ++r) {
      table.accuracy.push_back(scene ? std::stod(rows[r][column(rows[0], "class_scene_val")]) : accuracy[rows[r][0]]);
    }
    const json& whole = Golden()["whole"][name];
    const LibraFit fit = FitLibra(table, AllRows(table), {}).value();
    EXPECT_EQ(Chosen(fit), whole["chosen"].get<std::vector<std::string>>());
    for (const auto& [proxy, gain] : whole["gain"].items()) {
      const auto c = std::find(table.names.begin(), table.names.end(), proxy) - table.names.begin();
      EXPECT_NEAR(*fit.candidates[c].gain, gain.get<double>(), 1e-11) << proxy;
    }
    const LibraValidation result = ValidateLibra(table, {}, {.rounds = 10, .in_sample = true}).value();
    int compared = 0;
    for (const MethodResult& method : result.methods) {
      if (!theirs.contains(method.name) || theirs[method.name].is_null()) continue;
      ++compared;
      // Ten splits each: the choice may differ between halves, so raw products, which one proxy decides, vary most.
      EXPECT_NEAR(*method.held_out.rho, theirs[method.name].get<double>(), 0.03) << method.name;
      EXPECT_NEAR(*method.in_sample->rho, whole["held_out"][method.name].get<double>(), 1e-9) << method.name;
      std::printf("%-38s held out %.3f [%.3f, %.3f], other program %.3f, in sample %.3f\n", method.name.c_str(),
                  *method.held_out.rho, method.held_out.interval->low, method.held_out.interval->high,
                  theirs[method.name].get<double>(), *method.in_sample->rho);
    }
    EXPECT_EQ(compared, 7);
  }
}

}  // namespace
}  // namespace zcbench
