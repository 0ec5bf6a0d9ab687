// zico and L-SWAG over 8 micro-batches equal a direct transcription of their formulas (make_own.cc wrote the values).
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/status_matchers.h"
#include "tests/golden/fixture.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

class OwnGoldenTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(OwnGoldenTest, EightMicroBatchesEqualTheFormula) {
  const auto text = ReadFile(GetParam());
  ASSERT_THAT(text, IsOk());
  const nlohmann::json golden = nlohmann::json::parse(*text);
  const std::filesystem::path folder = std::filesystem::path(ZCB_SOURCE_DIR) / "tests/golden/published";
  const auto fixture = LoadFixture(folder / (golden.at("fixture").get<std::string>() + ".json"));
  ASSERT_THAT(fixture, IsOk());
  std::vector<ProxyText> proxies;
  for (const auto& [name, value] : golden.at("values").items()) proxies.push_back({name, {}});
  // The tolerances of the published values of the same names (two batches).
  const std::map<std::string, std::pair<double, double>> tolerances = {
      {"zico", {1e-5, 3e-2}}, {"lswag_lambda", {3e-5, 3e-2}}, {"lswag_psi", {1e-5, 1e-3}}, {"lswag", {3e-5, 3e-2}}};
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto scores = Evaluate(fixture->Input32(dtype), proxies);
    ASSERT_THAT(scores, IsOk());
    for (size_t i = 0; i < proxies.size(); ++i) {
      const double expected = golden["values"][proxies[i].name];
      const auto [t64, t32] = tolerances.at(proxies[i].name);
      EXPECT_NEAR((*scores)[i].score, expected, std::fabs(expected) * (dtype == at::kDouble ? t64 : t32))
          << proxies[i].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, OwnGoldenTest, testing::ValuesIn(GoldenFiles("own")), [](const auto& test) {
  std::string name = test.param.stem();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace zcbench
