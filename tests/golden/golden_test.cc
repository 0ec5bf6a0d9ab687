// Every registered proxy equals the values that the authors' own code gave on the fixtures, in float32 and float64.
//
// Also reads every file of the folder that ZCB_GOLDEN_DIR names, so that anybody can check other networks.
#include <gtest/gtest.h>

#include <cmath>
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
  const char* proxy;
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
    {"nwot", "nwot"},
    {"nwot_gelu", "nwot"},
    {"nwot_cl_eval", "nwot_cl_eval"},
    {"swap", "swap"},
    {"swap_gelu", "swap"},
    {"swap_n32", "swap", On::kX32},
    {"swap_gelu_n32", "swap", On::kX32},
    {"zico", "zico"},
    {"lswag", "lswag"},
    {"lswag_lambda", "lswag_lambda"},
    {"lswag_psi", "lswag_psi"},
    {"dss", "dss"},
    {"dss_head_once", "dss_head_once"},
    {"az_complexity", "flops"},
    {"dss_tftas", "dss_tftas"},
    {"grad_norm_global", "", On::kX, "ZenNAS's norm over all parameters: no proxy of ours"},
    {"nwot_dup", "", On::kX, kOther},
    {"nwot_dup_eval", "", On::kX, kOther},
    {"zico_accum", "", On::kX, kOther},
    {"gsnr_accum", "", On::kX, kOther},
    {"az_expressivity_clamped", "", On::kX, kNotYet},
    {"az_progressivity_clamped", "", On::kX, kNotYet},
    {"synflow_bn_raw", "synflow_bn"},
    {"logsynflow", "logsynflow"},
    {"zen", "", On::kX, kNotYet},
    {"zen_bnmom_0.003", "", On::kX, kNotYet},
    {"zen_bnmom_port", "", On::kX, kOther},
    {"jacov_eval_bn", "", On::kX, kNotYet},
    {"epe_nas_eval_bn", "", On::kX, kNotYet},
    {"lswag_lambda_ps", "", On::kX, kNotYet},
    {"gsnr", "", On::kX, kNotYet},
    {"gradsign_mean", "", On::kX, kNotYet},
    {"gradsign_sum", "", On::kX, kNotYet},
    {"ntk_cond", "", On::kX, kNotYet},
    {"ntk_lambda_max", "", On::kX, kNotYet},
    {"lnwot_sum", "lnwot"},
    {"snr_syn", "snr_syn"},
    {"snr_syn_log", "snr_syn_log"},
    {"snr_snip", "snr_snip"},
    {"snr_snip_log", "snr_snip_log"},
    {"tcet_syn_none", "tcet_syn"},
    {"tcet_syn_log", "tcet_syn_log"},
    {"tcet_snip_none", "tcet_snip"},
    {"tcet_snip_log", "tcet_snip_log"},
    {"wrcor", "", On::kX, kNotYet},
    {"wrcor_unweighted", "", On::kX, kNotYet},
    {"az_expressivity", "", On::kX, kNotYet},
    {"az_progressivity", "", On::kX, kNotYet},
    {"az_trainability", "", On::kX, kNotYet},
    {"te_regions", "te_regions"},
    {"meco", "", On::kX, kNotYet},
    {"meco_conv", "", On::kX, kNotYet},
    {"swap_reg_mu700_sigma400000", "", On::kX, kNotYet},
    {"nasgraph_degree", "nasgraph"},
};

const Row* FindRow(const std::string& value) {
  for (const Row& row : kRows) {
    if (value == row.value) return &row;
  }
  return nullptr;
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
        const Row* const row = FindRow(value);
        ASSERT_NE(row, nullptr) << "no row says what `" << value << "` must equal";
        if (row->on != on || *row->proxy == '\0' || golden.contains("unstable")) continue;
        values.push_back(value);
        proxies.push_back({row->proxy, {}});
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

// Sees the logits and the gradients of single layers.
class Checks final : public Observer {
 public:
  void OnLayerBackward(const PassRun& run, const Layer& layer, const LayerBackward& event) override {
    if (layer.index + 1 == static_cast<int>(run.model.layers().size())) logits.push_back(event.output);
  }
  void OnWeightGradient(const PassRun& run, const Layer& layer, const at::Tensor& gradient) override {
    norms[run.model.tensors()[static_cast<size_t>(layer.weight)].name] = norms[layer.name] =
        gradient.norm().item<double>();
  }
  std::vector<at::Tensor> logits;
  std::map<std::string, double> norms;
};

TEST_P(GoldenTest, TheNetworkIsTheFixture) {
  auto fixture = LoadFixture(GetParam());
  if (absl::IsUnimplemented(fixture.status())) GTEST_SKIP() << fixture.status().message();
  ASSERT_THAT(fixture, IsOk());
  Checks checks;
  ASSERT_THAT(RunPasses(fixture->Input(at::kDouble), {{{"train_loss"}, kLayerBackward | kWeightGradients, &checks}}),
              IsOk());
  const at::Tensor logits = at::cat(checks.logits);
  const nlohmann::json& file = fixture->file["checks"];
  const double scale = logits.abs().max().item<double>();
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(logits[0][c].item<double>(), file["logits_first"]["f64"][static_cast<size_t>(c)], 1e-10 * scale);
    EXPECT_NEAR(logits[-1][c].item<double>(), file["logits_last"]["f64"][static_cast<size_t>(c)], 1e-10 * scale);
  }
  const double loss = at::cross_entropy_loss(logits, fixture->batch.labels).item<double>();
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
  // No published code computes these: own_test.cc checks them.
  std::set<std::string> covered = {"layer_log_inverse_sigma", "layer_log_sigma"};
  for (const std::filesystem::path& path : GoldenFiles("published")) {
    const auto fixture = LoadFixture(path);
    if (!fixture.ok()) continue;
    for (const auto& [value, golden] : fixture->file["values"].items()) {
      if (const Row* const row = FindRow(value); row != nullptr && !golden["f64"].is_null()) covered.insert(row->proxy);
    }
  }
  for (const ProxyDefinition& proxy : proxy_registry().All()) {
    EXPECT_TRUE(covered.contains(proxy.name)) << proxy.name << " has no golden value in tests/golden";
  }
}

}  // namespace
}  // namespace zcbench
