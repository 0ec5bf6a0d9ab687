// Every registered proxy equals the values that the authors' own code gave on the fixtures, in float32 and float64.
//
// Also reads every file of the folder that ZCB_GOLDEN_DIR names, so that anybody can check other networks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "tests/golden/fixture.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

enum class On { kX, kX32 };

// What a value of a file must equal. An empty proxy: a diagnostic, with the reason.
struct Row {
  const char* value;
  const char* proxy;  // with its options
  On on = On::kX;
  const char* why_not = "";
};

constexpr char kNotYet[] = "not registered yet";
constexpr char kOther[] = "another implementation's number, for comparison";

constexpr Row kRows[] = {
    {"params", "params"},
    {"l2_norm", "l2_norm"},
    {"grad_norm", "grad_norm"},
    {"snip", "snip"},
    {"plain", "plain"},
    {"grasp", "grasp"},
    {"fisher", "fisher"},
    {"fisher_channel", "fisher_channel"},
    {"synflow", "synflow"},
    {"synflow_raw", "synflow_raw"},
    {"jacov", "jacov"},
    {"epe_nas", "epe_nas"},
    {"jacov_eval_bn", "jacov_eval_bn"},
    {"epe_nas_eval_bn", "epe_nas_eval_bn"},
    {"nwot", "nwot"},
    {"nwot_gelu", "nwot"},
    {"nwot_cl_eval", "nwot_cl_eval"},
    {"swap", "swap"},
    {"swap_gelu", "swap"},
    {"swap", "swap_gaussian(repeats=2)"},  // the fixture draws the same weights again
    {"swap_n32", "swap", On::kX32},
    {"swap_gelu_n32", "swap", On::kX32},
    {"zico", "zico"},
    {"lswag", "lswag"},
    {"lswag_lambda", "lswag_lambda"},
    {"lswag_psi", "lswag_psi"},
    {"dss", "dss"},
    {"dss_head_once", "dss_head_once"},
    {"az_complexity", "flops"},
    {"az_complexity", "az_complexity"},
    {"dss_tftas", "dss_tftas"},
    {"grad_norm_global", "", On::kX, "ZenNAS's norm over all parameters: no proxy of ours"},
    {"nwot_dup", "", On::kX, kOther},
    {"nwot_dup_eval", "", On::kX, kOther},
    {"zico_accum", "", On::kX, kOther},
    {"gsnr_accum", "", On::kX, kOther},
    {"az_expressivity_clamped", "az_expressivity"},
    {"az_progressivity_clamped", "az_progressivity"},
    {"synflow_bn_raw", "synflow_bn"},
    {"logsynflow", "logsynflow"},
    {"zen", "zen"},
    {"zen_bnmom_0.003", "zen(momentum=0.003)"},
    {"zen_bnmom_port", "", On::kX, kOther},
    {"lswag_lambda_ps", "lswag_lambda_ps"},
    {"gsnr", "gsnr"},
    {"gradsign_mean", "gradsign_mean"},
    {"gradsign_sum", "gradsign_sum"},
    {"ntk_cond", "ntk_cond"},
    {"ntk_lambda_max", "ntk_lambda_max"},
    {"lnwot_sum", "lnwot"},
    {"snr_syn", "snr_syn"},
    {"snr_syn_log", "snr_syn_log"},
    {"snr_snip", "snr_snip"},
    {"snr_snip_log", "snr_snip_log"},
    {"tcet_syn_none", "tcet_syn"},
    {"tcet_syn_log", "tcet_syn_log"},
    {"tcet_snip_none", "tcet_snip"},
    {"tcet_snip_log", "tcet_snip_log"},
    {"wrcor", "wrcor"},
    {"wrcor_unweighted", "wrcor_unweighted"},
    {"az_expressivity", "az_expressivity"},
    {"az_progressivity", "az_progressivity"},
    {"az_trainability", "az_trainability"},
    {"te_regions", "te_regions"},
    {"meco", "meco"},
    {"meco_conv", "meco_conv"},
    {"swap_reg_mu700_sigma400000", "reg_swap"},
    {"nasgraph_degree", "nasgraph"},
};

std::vector<Row> RowsOf(const std::string& value) {
  std::vector<Row> rows;
  std::copy_if(std::begin(kRows), std::end(kRows), std::back_inserter(rows),
               [&](const Row& row) { return value == row.value; });
  return rows;
}

// |a - b| within `tolerance` relative to b, absolute where b is 0.
testing::AssertionResult Near(double score, double golden, double tolerance) {
  const double difference = std::fabs(score - golden);
  const double allowed = golden == 0 ? tolerance : tolerance * std::fabs(golden);
  if (difference <= allowed) return testing::AssertionSuccess();
  return testing::AssertionFailure() << absl::StrCat("score ", score, ", golden ", golden, ", relative difference ",
                                                     difference / std::fabs(golden), ", allowed ", tolerance);
}

class GoldenTest : public testing::TestWithParam<std::filesystem::path> {
 protected:
  void Compare(const Fixture& fixture, at::ScalarType dtype) {
    const bool double_precision = dtype == at::kDouble;
    for (const On on : {On::kX, On::kX32}) {
      std::vector<ProxyText> proxies;
      std::vector<std::string> values;
      for (const auto& [value, golden] : fixture.file.at("values").items()) {
        const std::vector<Row> rows = RowsOf(value);
        ASSERT_FALSE(rows.empty()) << "no row says what `" << value << "` must equal";
        for (const Row& row : rows) {
          if (row.on != on || *row.proxy == '\0' || golden.contains("unstable")) continue;
          values.push_back(value);
          const auto proxy = ParseProxyText(row.proxy);
          ASSERT_THAT(proxy, IsOk());
          proxies.push_back(*proxy);
        }
      }
      if (proxies.empty()) continue;
      const PassInput input = on == On::kX ? fixture.Input(dtype) : fixture.Input32(dtype);
      const auto scores = Evaluate(input, proxies);
      ASSERT_THAT(scores, IsOk());
      for (size_t i = 0; i < values.size(); ++i) {
        SCOPED_TRACE(absl::StrCat(fixture.name, " ", values[i], double_precision ? " float64" : " float32"));
        const nlohmann::json& golden = fixture.file["values"][values[i]];
        const ProxyScore& score = (*scores)[i];
        if (golden["f64"].is_null() && golden["f32"].is_null()) {
          EXPECT_EQ(score.outcome, Outcome::kNotFinite) << score.score;
          continue;
        }
        ASSERT_EQ(score.outcome, Outcome::kOk) << score.reason;
        const nlohmann::json& reference = golden["f64"].is_null() ? golden["f32"] : golden["f64"];
        EXPECT_TRUE(Near(score.score, reference, golden.at(double_precision ? "t64" : "t32")));
      }
    }
  }
};

// Sees the outputs and the gradients of single layers.
class Checks final : public Observer {
 public:
  void OnOutput(const PassRun&, int64_t, const at::Tensor& output) override { outputs.push_back(output); }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    norms[run.model.tensors()[static_cast<size_t>(layer.weight)].name] = norms[layer.name] =
        gradient.norm().item<double>();
  }
  std::vector<at::Tensor> outputs;
  std::map<std::string, double> norms;
};

TEST_P(GoldenTest, TheNetworkIsTheFixture) {
  auto fixture = LoadFixture(GetParam());
  if (absl::IsUnimplemented(fixture.status())) GTEST_SKIP() << fixture.status().message();
  ASSERT_THAT(fixture, IsOk());
  Checks checks;
  ASSERT_THAT(RunPasses(fixture->Input(at::kDouble), {{{"train_loss"}, kOutputs | kWeightGradients, &checks}}), IsOk());
  const at::Tensor output = at::cat(checks.outputs);
  const at::Tensor logits = output.flatten(1);
  const nlohmann::json& file = fixture->file["checks"];
  const double scale = logits.abs().max().item<double>();
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(logits[0][c].item<double>(), file["logits_first"]["f64"][static_cast<size_t>(c)], 1e-10 * scale);
    EXPECT_NEAR(logits[-1][c].item<double>(), file["logits_last"]["f64"][static_cast<size_t>(c)], 1e-10 * scale);
  }
  const double loss = ImageLosses(fixture->model->kind(), output, fixture->batch).mean().item<double>();
  EXPECT_TRUE(Near(loss, file["loss"]["f64"], 1e-11));
  for (const auto& [layer, norm] : file["layer_grad_norm"].items()) {
    SCOPED_TRACE(layer);
    ASSERT_TRUE(checks.norms.contains(layer) || norm["f64"] == 0);
    EXPECT_TRUE(Near(checks.norms[layer], norm["f64"], 1e-9));
  }
}

TEST_P(GoldenTest, EveryScoreEqualsTheAuthorsCodeInFloat64) {
  auto fixture = LoadFixture(GetParam());
  if (absl::IsUnimplemented(fixture.status())) GTEST_SKIP() << fixture.status().message();
  ASSERT_THAT(fixture, IsOk());
  Compare(*fixture, at::kDouble);
}

TEST_P(GoldenTest, EveryScoreEqualsTheAuthorsCodeInFloat32) {
  auto fixture = LoadFixture(GetParam());
  if (absl::IsUnimplemented(fixture.status())) GTEST_SKIP() << fixture.status().message();
  ASSERT_THAT(fixture, IsOk());
  Compare(*fixture, at::kFloat);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenTest, testing::ValuesIn(GoldenFiles("published")), [](const auto& test) {
  // ZCB_GOLDEN_DIR may hold files of the same names.
  std::string name = absl::StrCat(test.index, "_", test.param.stem().string());
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST(GoldenRegistryTest, EveryProxyHasGoldenValues) {
  // No published code computes these: formula_test.cc, features_test.cc and own_test.cc check them.
  std::set<std::string> covered = {"reg_swap_log",
                                   "te_regions_thin",
                                   "autoprox",
                                   "macs_api",
                                   "macs_encoder_api",
                                   "macs_conv_linear",
                                   "macs_true",
                                   "macs_naslib",
                                   "near",
                                   "epsinas",
                                   "vkdnw",
                                   "meco_channels",
                                   "layer_log_inverse_sigma",
                                   "layer_log_sigma"};
  for (const std::filesystem::path& path : GoldenFiles("published")) {
    const auto fixture = LoadFixture(path);
    if (!fixture.ok()) continue;
    for (const auto& [value, golden] : fixture->file["values"].items()) {
      for (const Row& row : RowsOf(value)) {
        const bool given = !golden["f64"].is_null() || !golden["f32"].is_null();
        if (*row.proxy != '\0' && given) covered.insert(ParseProxyText(row.proxy)->name);
      }
    }
  }
  for (const ProxyDefinition& proxy : proxy_registry().All()) {
    EXPECT_TRUE(covered.contains(proxy.name)) << proxy.name << " has no golden value in tests/golden";
  }
}

}  // namespace
}  // namespace zcbench
