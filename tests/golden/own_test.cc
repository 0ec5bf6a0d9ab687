// zico, L-SWAG with its options and the statistics of layers equal a direct transcription of their formulas over
// micro-batches (make_own.cc wrote the values).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "tests/golden/fixture.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

class OwnGoldenTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(OwnGoldenTest, MicroBatchesEqualTheFormula) {
  const auto content = ReadFile(GetParam());
  ASSERT_THAT(content, IsOk());
  const nlohmann::json golden = nlohmann::json::parse(*content);
  const std::filesystem::path folder = SourceDir() / "tests/golden/published";
  const auto fixture = LoadFixture(folder / (golden.at("fixture").get<std::string>() + ".json"));
  ASSERT_THAT(fixture, IsOk());
  std::vector<ProxyText> proxies;
  std::vector<nlohmann::json> expected;
  for (const auto& [text, value] : golden.at("values").items()) {
    const auto proxy = ParseProxyText(text);
    ASSERT_THAT(proxy, IsOk());
    EXPECT_EQ(PrintProxyText(*CanonicalProxy(*proxy)), text);
    proxies.push_back(*proxy);
    expected.push_back(value);
  }
  // Those of the published values of the same names (two batches). A mean over many weights is no less steady.
  const std::map<std::string, std::pair<double, double>> tolerances = {{"zico", {1e-5, 3e-2}},
                                                                       {"lswag_lambda", {3e-5, 3e-2}},
                                                                       {"lswag_psi", {1e-5, 1e-3}},
                                                                       {"lswag", {3e-5, 3e-2}},
                                                                       {"layer_log_inverse_sigma", {3e-5, 3e-2}},
                                                                       {"layer_log_sigma", {3e-5, 3e-2}}};
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto scores = Evaluate(fixture->Input32(dtype), proxies);
    ASSERT_THAT(scores, IsOk());
    for (size_t i = 0; i < proxies.size(); ++i) {
      SCOPED_TRACE(PrintProxyText(proxies[i]));
      const ProxyScore& score = (*scores)[i];
      if (expected[i].is_null()) {
        EXPECT_EQ(score.outcome, Outcome::kUndefined) << score.score;
        EXPECT_THAT(score.reason, testing::HasSubstr("percentile bin"));
        continue;
      }
      ASSERT_EQ(score.outcome, Outcome::kOk) << score.reason;
      const double value = expected[i];
      const auto [t64, t32] = tolerances.at(proxies[i].name);
      EXPECT_NEAR(score.score, value, std::fabs(value) * (dtype == at::kDouble ? t64 : t32));
    }
  }
}

// Lambda in a window is the sum of the terms that the published files have for each layer. In float64 alone: two
// batches are chaotic in float32 (deviations are differences of two gradients), which averages out over a whole network
// only.
TEST(LayerWindowGoldenTest, LambdaIsTheSumOfItsLayersTerms) {
  const std::pair<int, int> windows[] = {{0, 100}, {0, 20}, {30, 60}, {50, 50}, {70, 100}, {100, 100}};
  int compared = 0;
  for (const std::filesystem::path& path : GoldenFiles("published")) {
    const auto fixture = LoadFixture(path);
    if (absl::IsUnimplemented(fixture.status())) continue;
    ASSERT_THAT(fixture, IsOk());
    if (fixture->model->params() > 1'500'000) continue;  // small networks will do
    const nlohmann::json& columns = fixture->file.at("layer_columns");
    const auto column = std::find(columns.begin(), columns.end(), "lswag_lambda");
    if (column == columns.end() || !fixture->file["values"].contains("lswag_lambda")) continue;
    const nlohmann::json& layers = fixture->file.at("layers");
    ASSERT_EQ(layers.size(), fixture->model->layers().size());
    const auto depth = static_cast<double>(layers.size());
    std::vector<ProxyText> proxies;
    std::vector<double> expected;
    for (const auto& [first, last] : windows) {
      double sum = 0;
      bool empty = true;
      for (size_t l = 0; l < layers.size(); ++l) {
        const double percentile = std::floor(static_cast<double>(l + 1) / depth * 100 / 10) * 10;
        if (percentile < first || percentile > last) continue;
        empty = false;
        sum += layers[l][static_cast<size_t>(column - columns.begin())].get<double>();
      }
      if (empty) continue;
      proxies.push_back({"lswag_lambda", {{"window", absl::StrCat("p", first, "-p", last)}}});
      expected.push_back(sum);
    }
    const auto scores = Evaluate(fixture->Input(at::kDouble), proxies);
    ASSERT_THAT(scores, IsOk());
    const double tolerance = fixture->file["values"]["lswag_lambda"]["t64"];
    for (size_t i = 0; i < proxies.size(); ++i) {
      EXPECT_NEAR((*scores)[i].score, expected[i], std::fabs(expected[i]) * tolerance)
          << fixture->name << " " << PrintProxyText(proxies[i]);
      ++compared;
    }
  }
  EXPECT_GE(compared, 60);
}

TEST(LayerWindowGoldenTest, AShallowNetworkKeepsItsNearestLayer) {
  const auto fixture = LoadFixture(SourceDir() / "tests/golden/published/vit_2-192.json");
  ASSERT_THAT(fixture, IsOk());
  ASSERT_EQ(fixture->model->layers().size(), 10u);  // the first at 10 percent
  const auto scores = Evaluate(fixture->Input(at::kDouble), {{"lswag_lambda", {{"window", "p0-p0"}}},
                                                             {"lswag_lambda", {{"window", "p10-p10"}}},
                                                             {"lswag_psi", {{"window", "p0-p0"}}},
                                                             {"lswag_psi", {{"window", "p10-p50"}}},
                                                             {"layer_log_sigma", {}}});
  ASSERT_THAT(scores, IsOk());
  EXPECT_GT((*scores)[0].score, 0);
  EXPECT_EQ((*scores)[0].score, (*scores)[1].score);
  // The activation nearest to the patch convolution is the only one up to the fifth layer, the first block's.
  EXPECT_GT((*scores)[2].score, 0);
  EXPECT_EQ((*scores)[2].score, (*scores)[3].score);
  EXPECT_EQ((*scores)[4].outcome, Outcome::kUndefined);
}

INSTANTIATE_TEST_SUITE_P(Files, OwnGoldenTest, testing::ValuesIn(GoldenFiles("own")), [](const auto& test) {
  std::string name = test.param.stem();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace zcbench
