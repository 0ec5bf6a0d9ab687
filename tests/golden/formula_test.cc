// Proxies for which no published code gives values equal a direct transcription of their formulas: plain operators,
// autograd's own gradients, everything kept, sets of strings for patterns. own_test.cc has those over micro-batches.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <set>

#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/space.h"
#include "tests/golden/fixture.h"
#include "worker/models/plain_operators.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

Fixture Load(const std::string& name) {
  auto fixture = LoadFixture(SourceDir() / "tests/golden/published" / (name + ".json"));
  EXPECT_THAT(fixture, IsOk());
  return *std::move(fixture);
}

double ScoreOf(const std::string& proxy, const PassInput& input) {
  const auto scores = Evaluate(input, {*ParseProxyText(proxy)});
  EXPECT_THAT(scores, IsOk());
  EXPECT_EQ((*scores)[0].outcome, Outcome::kOk) << proxy << ": " << (*scores)[0].reason;
  return (*scores)[0].score;
}

// Keeps what it sees.
class Recorder final : public PlainOperators {
 public:
  using PlainOperators::Apply;
  using PlainOperators::PlainOperators;
  std::vector<at::Tensor> layer_inputs, norm_outputs, activations;

  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override {
    layer_inputs.push_back(x.detach());
    return PlainOperators::Apply(layer, x);
  }
  at::Tensor Apply(const Norm& norm, const at::Tensor& x) override {
    norm_outputs.push_back(PlainOperators::Apply(norm, x));
    return norm_outputs.back();
  }
  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override {
    const at::Tensor y = PlainOperators::Apply(activation, x);
    activations.push_back(y.detach());
    return y;
  }
};

Weights InDouble(const Weights& drawn) {
  Weights weights;
  for (const at::Tensor& tensor : drawn) weights.push_back(tensor.to(at::kDouble));
  return weights;
}

// The rows of [rows, columns] of signs as strings.
std::set<std::string> DistinctRows(const at::Tensor& signs) {
  const at::Tensor bits = signs.to(at::kBool).contiguous();
  std::set<std::string> rows;
  for (int64_t r = 0; r < bits.size(0); ++r) {
    std::string row;
    for (int64_t c = 0; c < bits.size(1); ++c) row += bits.const_data_ptr<bool>()[r * bits.size(1) + c] ? '1' : '0';
    rows.insert(std::move(row));
  }
  return rows;
}

// [images, units] of all activations.
at::Tensor SignsOf(const std::vector<at::Tensor>& activations) {
  std::vector<at::Tensor> signs;
  for (const at::Tensor& activation : activations) signs.push_back(activation.flatten(1) > 0);
  return at::cat(signs, 1);
}

TEST(FormulaTest, AutoProxEqualsItsExpression) {
  for (const char* const name : {"nb201_2_04_002", "vit_3-128"}) {
    const Fixture fixture = Load(name);
    Recorder recorder(InDouble(fixture.weights->Default(*fixture.model)), BatchNormUse::kBatch);
    const at::Tensor images = fixture.batch.images.to(at::kDouble).requires_grad_();
    const at::Tensor loss = at::cross_entropy_loss(fixture.model->Forward(recorder, images), fixture.batch.labels);
    double expected = 0;
    for (const at::Tensor& x : recorder.layer_inputs) {
      const at::Tensor normalised = (x - x.min()) / (x.max() - x.min() + 1e-9);
      expected += normalised.norm().item<double>() / static_cast<double>(recorder.layer_inputs.size());
    }
    for (const at::Tensor& gradient : torch::autograd::grad({loss}, recorder.norm_outputs)) {
      expected += gradient.sigmoid().sqrt().mean().item<double>() / static_cast<double>(recorder.norm_outputs.size());
    }
    EXPECT_NEAR(ScoreOf("autoprox", fixture.Input(at::kDouble)), expected, 1e-10 * expected) << name;
    EXPECT_NEAR(ScoreOf("autoprox", fixture.Input(at::kFloat)), expected, 1e-4 * expected) << name;
  }
}

TEST(FormulaTest, GaussianSwapIsTheMeanOverDrawings) {
  for (const char* const name : {"nb201_2_04_002", "vit_3-128"}) {
    const Fixture fixture = Load(name);
    const CounterSource source(5);
    double sum = 0;
    std::set<size_t> counts;
    for (int draw = 0; draw < 3; ++draw) {
      Recorder recorder(InDouble(source.Draw(*fixture.model, Scheme::kGaussian, draw)), BatchNormUse::kBatch);
      fixture.model->Forward(recorder, fixture.batch.images.narrow(0, 0, 8).to(at::kDouble));
      const size_t distinct = DistinctRows(SignsOf(recorder.activations).t()).size();
      counts.insert(distinct);
      sum += static_cast<double>(distinct);
    }
    PassInput input{*fixture.model, source, fixture.batch, {}, at::kDouble, at::kCPU};
    EXPECT_DOUBLE_EQ(ScoreOf("swap_gaussian(repeats=3, samples=8)", input), sum / 3) << name;
    EXPECT_LE(*counts.rbegin(), 256u);
  }
}

TEST(FormulaTest, LogarithmOfRegularisedSwapIsNeverZero) {
  const Fixture fixture = Load("nb201_3_33_133");
  const PassInput input = fixture.Input(at::kDouble);
  EXPECT_NEAR(ScoreOf("reg_swap_log", input), std::log(ScoreOf("reg_swap", input)), 1e-12);
  const double thousands = static_cast<double>(fixture.model->params()) / 1e3;
  const double expected = std::log(ScoreOf("swap", input)) - (thousands - 10) * (thousands - 10) / 2.5;
  EXPECT_NEAR(ScoreOf("reg_swap_log(mu=10, sigma=2.5)", input), expected, 1e-12 * std::fabs(expected));
  EXPECT_EQ(ScoreOf("reg_swap(mu=10, sigma=2.5)", input), 0);
}

TEST(FormulaTest, ThinRegionsAreDistinctImagesOfTheThinNetwork) {
  for (const char* const name : {"nb201_3_24_103", "nb201_1_11_111"}) {
    const Fixture fixture = Load(name);
    const CounterSource source(7);
    const std::unique_ptr<Model> thin = fixture.model->Thin();
    const at::Tensor images = source.Normal("noise", {3000, 1, 3, 3}).to(at::kDouble);
    std::vector<at::Tensor> signs;
    for (const at::Tensor& batch : images.chunk(3)) {
      Recorder recorder(InDouble(source.Draw(*thin, Scheme::kKaimingFanIn, 0)), BatchNormUse::kBatch);
      thin->Forward(recorder, batch);
      signs.push_back(SignsOf(recorder.activations));
    }
    const size_t expected = DistinctRows(at::cat(signs)).size();
    const PassInput input{*fixture.model, source, fixture.batch, {}, at::kDouble, at::kCPU};
    EXPECT_EQ(ScoreOf("te_regions_thin", input), static_cast<double>(expected)) << name;
    EXPECT_GT(expected, 100u);
    EXPECT_LT(expected, 3000u);
  }
}

TEST(FormulaTest, EveryPublishedCountOfASpaceIsAProxy) {
  int counts = 0;
  for (const SpaceDefinition& space : space_registry().All()) {
    for (const Task& task : task_registry().All()) {
      const auto cell = FindCell(space.name, task.name);
      if (!cell.ok() || !model_registry().Find(space.name).ok()) continue;
      const auto architecture = SampleSequence(space, 1).At(0);
      ASSERT_THAT(architecture, IsOk());
      const auto model = BuildModel(*architecture, *cell);
      if (!model.ok()) continue;  // not a task of the space
      const CounterSource source(1);
      const PassInput input{**model, source, {}, {}, at::kDouble, at::kCPU};
      for (const NamedCount& count : (*model)->macs()) {
        EXPECT_EQ(ScoreOf(count.name, input), static_cast<double>(count.value)) << space.name << " " << task.name;
        ++counts;
      }
    }
  }
  EXPECT_GT(counts, 0);
}

}  // namespace
}  // namespace zcbench
