// Properties that hold for every registered proxy, on a small model of every space: real photos, or generated images
// where the task has none here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status_matchers.h"
#include "nas/data/make_probe_batch.h"
#include "nas/data/noise.h"
#include "nas/data/shipped.h"
#include "nas/space.h"
#include "worker/proxies/evaluate.h"
#include "worker/scorer/batch_tensors.h"
#include "worker/scorer/engine.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

constexpr int kImages = 8;

struct Case {
  const char* name;
  const char* space;
  const char* task;
  const char* architecture;
  int pixels;          // images smaller than the cell's, for a test's patience
  bool alone = false;  // each proxy is scored alone too, not only the list backwards
};

class ProxyPropertyTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    auto cell = FindCell(GetParam().space, GetParam().task, kImages);
    ASSERT_THAT(cell, IsOk());
    cell->height = cell->width = GetParam().pixels;
    const Task& task = **task_registry().Find(GetParam().task);
    if (task.name == "photos") {
      const auto data = OpenShippedDataSet(task);
      ASSERT_THAT(data, IsOk());
      const auto batch = MakeProbeBatch(**data, task, *cell, 3);
      ASSERT_THAT(batch, IsOk());
      batch_ = *batch;
    } else {
      batch_ = MakeNoise(*cell, 3);
    }
    request_.cell = *cell;
    request_.architecture = GetParam().architecture;
    request_.seed = 3;
    auto engine = Engine::Create({.device = "cpu", .threads = 1, .dtype = "float32"});
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
  }

  std::vector<ScoredProxy> Score(std::vector<std::string> proxies) {
    ScoringRequest request = request_;
    request.proxies = std::move(proxies);
    auto scores = engine_->Score(request, &batch_);
    EXPECT_THAT(scores, IsOk());
    return scores.value_or(std::vector<ScoredProxy>(request.proxies.size()));
  }

  ProbeBatch batch_;
  ScoringRequest request_;
  std::unique_ptr<Engine> engine_;
};

// The scores that the authors' formula leaves without a value: the logarithm of 1 + a gradient below -1.
bool MayBeNotFinite(const Model& model, const std::string& proxy) {
  return proxy == "logsynflow" && model.is_transformer();
}

bool SameBits(const ScoredProxy& a, const ScoredProxy& b) {
  return a.outcome == b.outcome && std::memcmp(&a.score, &b.score, sizeof(double)) == 0;
}

TEST_P(ProxyPropertyTest, EveryScoreIsDefinedOrSaysWhyNotAndIsBitEqualInAnyCompany) {
  const auto model = BuildModel(request_.architecture, request_.cell);
  ASSERT_THAT(model, IsOk());
  std::vector<std::string> names = proxy_registry().Names();
  for (const char* text :
       {"zico(micro_batches=4)", "lswag(window=p30-p60)", "lswag_psi(window=p90-p90)", "layer_log_sigma(bin=4)"}) {
    names.push_back(text);
  }
  const std::vector<ScoredProxy> together = Score(names);
  std::vector<std::string> backwards(names.rbegin(), names.rend());
  std::vector<ScoredProxy> reversed = Score(backwards);
  std::reverse(reversed.begin(), reversed.end());
  for (size_t i = 0; i < names.size(); ++i) {
    SCOPED_TRACE(names[i]);
    if (!MayBeNotFinite(**model, names[i])) {
      EXPECT_NE(together[i].outcome, ScoreOutcome::kNotFinite) << together[i].reason;
    }
    EXPECT_EQ(together[i].outcome == ScoreOutcome::kOk, together[i].reason.empty()) << together[i].reason;
    EXPECT_GE(together[i].seconds, 0);
    EXPECT_TRUE(SameBits(together[i], reversed[i])) << together[i].score << " " << reversed[i].score;
    if (!GetParam().alone) continue;
    const ScoredProxy alone = Score({names[i]})[0];
    EXPECT_TRUE(SameBits(together[i], alone)) << together[i].score << " " << alone.score;
  }
}

TEST_P(ProxyPropertyTest, TheModelAndTheBatchAreUnchanged) {
  const auto model = BuildModel(request_.architecture, request_.cell);
  ASSERT_THAT(model, IsOk());
  // One set of weights for all passes of the model, as a source may hand out.
  class Held final : public RandomSource {
   public:
    Held(const Model& model, Weights weights) : model_(model), weights_(std::move(weights)) {}
    Weights Draw(const Model& model, Scheme scheme, int draw) const override {
      return &model == &model_ ? weights_ : CounterSource(3).Draw(model, scheme, draw);
    }
    at::Tensor Normal(std::string_view purpose, const std::vector<int64_t>& shape) const override {
      return CounterSource(3).Normal(purpose, shape);
    }
    at::Tensor Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const override {
      return CounterSource(3).Signs(draw, first_element, shape);
    }

   private:
    const Model& model_;
    Weights weights_;
  };
  const Weights drawn = CounterSource(3).Default(**model);
  Weights before;
  for (const at::Tensor& tensor : drawn) before.push_back(tensor.clone());
  const Batch batch = ToTensors(batch_);
  const at::Tensor images_before = batch.images.clone();
  const Held held(**model, drawn);
  const PassInput input{**model, held, batch, {}, at::kFloat, at::kCPU};
  std::vector<ProxyText> proxies;
  for (const std::string& name : proxy_registry().Names()) proxies.push_back({name, {}});
  ASSERT_THAT(Evaluate(input, proxies), IsOk());
  for (size_t i = 0; i < drawn.size(); ++i) EXPECT_TRUE(at::equal(drawn[i], before[i])) << (*model)->tensors()[i].name;
  EXPECT_TRUE(at::equal(batch.images, images_before));
}

TEST_P(ProxyPropertyTest, OptionsAtTheirDefaultAreTheProxyItself) {
  const auto canonical = CanonicalProxy({"lswag", {{"micro_batches", "8"}}});
  ASSERT_THAT(canonical, IsOk());
  EXPECT_EQ(PrintProxyText(*canonical), "lswag");
  EXPECT_TRUE(SameBits(Score({"lswag(micro_batches=8)"})[0], Score({"lswag"})[0]));
}

TEST_P(ProxyPropertyTest, WrongRequestsAreRefusedByName) {
  ScoringRequest request = request_;
  request.proxies = {"zico(micro_batches=3)"};
  EXPECT_THAT(engine_->Score(request, &batch_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 micro-batches do not divide")));
  request.proxies = {"zico(micro_batches=1)"};
  EXPECT_THAT(engine_->Score(request, &batch_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("micro_batches=1")));
  request.proxies = {"zico(microbatches=8)"};
  EXPECT_THAT(engine_->Score(request, &batch_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("`micro_batches`?")));
  request.proxies = {"lswag_psi(window=p60-p30)"};
  EXPECT_THAT(engine_->Score(request, &batch_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("window=p60-p30")));
  request.proxies = {"lswag(signed=yes)"};
  EXPECT_THAT(engine_->Score(request, &batch_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("signed=yes is neither true nor false")));
  request.proxies = {"layer_log_sigma(bin=11)"};
  EXPECT_THAT(engine_->Score(request, &batch_), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bin=11")));
  request.proxies = {"synflw"};
  EXPECT_THAT(engine_->Score(request, &batch_), StatusIs(absl::StatusCode::kNotFound, HasSubstr("`synflow`?")));
  request.proxies = {"snip"};
  EXPECT_THAT(engine_->Score(request, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("snip reads images")));
  request.cell.images = 4;
  EXPECT_THAT(engine_->Score(request, &batch_), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("8 images")));
  request.cell.images = kImages;
  request.architecture = "nonsense";
  EXPECT_THAT(engine_->Score(request, &batch_), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nonsense")));
  request = request_;
  request.proxies = {"snip"};
  request.probe_batch = std::string(64, 'a');
  EXPECT_THAT(engine_->Score(request), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("was not loaded")));
}

INSTANTIATE_TEST_SUITE_P(Models, ProxyPropertyTest,
                         testing::Values(Case{"nasbench201", "nasbench201", "photos", "2_14_013", 16, true},
                                         Case{"nasbench101", "nasbench101", "photos", "6-692d-2220", 16},
                                         Case{"darts", "darts", "photos", "0313031302130225_0010102200221022", 16},
                                         Case{"transnas_micro", "transnas_micro", "class_scene", "1_02_202", 32},
                                         Case{"transnas_macro", "transnas_macro", "class_object", "1234", 32},
                                         Case{"autoformer", "autoformer_tiny", "photos", "1-192-3-1", 224, true}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(WeightsTest, AreDrawnByNameAndSeed) {
  const auto cell = FindCell("nasbench201", "photos");
  ASSERT_THAT(cell, IsOk());
  const auto a = BuildModel("2_14_013", *cell);
  const auto b = BuildModel("3_00_002", *cell);
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  const Weights of_a = CounterSource(1).Default(**a);
  const Weights of_b = CounterSource(1).Default(**b);
  EXPECT_TRUE(at::equal(of_a[0], of_b[0])) << "the stem has the same name in both";
  EXPECT_FALSE(at::equal(of_a[0], CounterSource(2).Default(**a)[0]));
  const double bound = 1 / std::sqrt(27.0);
  EXPECT_LE(of_a[0].abs().max().item<double>(), bound);
  EXPECT_NEAR(of_a[0].std().item<double>(), bound / std::sqrt(3.0), 0.02);
}

}  // namespace
}  // namespace zcbench
