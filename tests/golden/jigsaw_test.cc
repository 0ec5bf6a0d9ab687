// Every layer of a jigsaw's encoder runs once for each tile. No published code scored these networks image by image, so
// what proxies make of single images' gradients is checked against autograd's own, with plain operators.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/status_matchers.h"
#include "nas/task.h"
#include "worker/models/model.h"
#include "worker/models/plain_operators.h"
#include "worker/proxies/evaluate.h"

namespace zcbench {
namespace {

constexpr int kImages = 2;

class JigsawTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto cell = FindCell("transnas_micro", "jigsaw", kImages);
    ASSERT_THAT(cell, IsOk());
    auto model = BuildModel("1_02_202", *cell);
    ASSERT_THAT(model, IsOk());
    model_ = *std::move(model);
    batch_ = {source_.Normal("noise", {kImages, cell->channels, 64, 64}), at::arange(kImages)};
  }

  PassInput Input() const { return {*model_, source_, batch_, {}, at::kDouble, at::kCPU}; }

  double ScoreOf(const std::string& proxy) const {
    const auto scores = Evaluate(Input(), {*ParseProxyText(proxy)});
    EXPECT_THAT(scores, IsOk());
    EXPECT_EQ((*scores)[0].outcome, Outcome::kOk) << (*scores)[0].reason;
    return (*scores)[0].score;
  }

  // Leaves.
  Weights Draw(Scheme scheme) const {
    Weights weights;
    for (const at::Tensor& tensor : source_.Draw(*model_, scheme, 0))
      weights.push_back(tensor.to(at::kDouble).requires_grad_());
    return weights;
  }

  CounterSource source_{3};
  std::unique_ptr<Model> model_;
  Batch batch_;
};

TEST_F(JigsawTest, LambdaOverSingleImagesEqualsItsFormula) {
  const Weights weights = Draw(Scheme::kDefault);
  PlainOperators operators(weights, BatchNormUse::kBatch);
  const at::Tensor losses = at::cross_entropy_loss(model_->Forward(operators, batch_.images.to(at::kDouble)),
                                                   batch_.labels, {}, at::Reduction::None);
  std::vector<at::Tensor> inputs;
  for (const Layer& layer : model_->layers()) inputs.push_back(weights[static_cast<size_t>(layer.weight)]);
  std::vector<std::vector<at::Tensor>> of_layers(inputs.size());
  for (int64_t n = 0; n < kImages; ++n) {
    const std::vector<at::Tensor> gradients = torch::autograd::grad({losses[n]}, inputs, {}, true, false, true);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (gradients[i].defined()) of_layers[i].push_back(gradients[i].abs());
    }
  }
  double expected = 0;
  for (const std::vector<at::Tensor>& gradients : of_layers) {
    if (gradients.empty()) continue;
    const at::Tensor deviation = at::stack(gradients).std(0, /*unbiased=*/false);
    const double sum = deviation.index({deviation > 0}).reciprocal().sum().item<double>();
    if (sum > 0) expected += std::log(sum);
  }
  EXPECT_NEAR(ScoreOf("lswag_lambda_ps"), expected, 1e-8 * std::fabs(expected));
}

TEST_F(JigsawTest, TangentKernelEqualsItsFormula) {
  const Weights weights = Draw(Scheme::kKaimingFanOut);
  PlainOperators operators(weights, BatchNormUse::kBatch);
  const at::Tensor sums = model_->Forward(operators, batch_.images.to(at::kDouble)).sum(1);
  std::vector<at::Tensor> inputs;
  for (const Layer& layer : model_->layers()) inputs.push_back(weights[static_cast<size_t>(layer.weight)]);
  for (const Norm& norm : model_->norms()) inputs.push_back(weights[static_cast<size_t>(norm.weight)]);
  std::vector<at::Tensor> rows;
  for (int64_t n = 0; n < kImages; ++n) {
    std::vector<at::Tensor> row;
    for (const at::Tensor& gradient : torch::autograd::grad({sums[n]}, inputs, {}, true, false, true)) {
      if (gradient.defined()) row.push_back(gradient.flatten());
    }
    rows.push_back(at::cat(row));
  }
  const at::Tensor jacobian = at::stack(rows);
  const double expected = at::linalg_eigvalsh(jacobian.mm(jacobian.t()))[-1].item<double>();
  EXPECT_NEAR(ScoreOf("ntk_lambda_max"), expected, 1e-9 * expected);
}

// Adds up what comes of single images.
class Sums final : public Observer {
 public:
  explicit Sums(const Model& model) : whole(model.layers().size()), images(model.layers().size()) {}
  std::vector<at::Tensor> whole, images;  // by layer

  void OnWeightGradient(const PassRun&, const Layer& layer, const at::Tensor& gradient) override {
    whole[static_cast<size_t>(layer.index)] = gradient.clone();
  }
  void OnSampleGradients(const PassRun& run, const SampleGradients& event) override {
    const Layer& layer = *event.layer;
    at::Tensor& sum = images[static_cast<size_t>(layer.index)];
    if (!sum.defined()) sum = at::zeros_like(run.weights[static_cast<size_t>(layer.weight)]);
    sum.view({layer.out, -1}).narrow(0, event.row, event.gradient.size(1)).add_(event.gradient.sum(0));
  }
};

TEST_F(JigsawTest, GradientsOfImagesSumUpToThatOfTheBatch) {
  // Image by image on the graph of the batch; and products, where the images are independent.
  struct Passes {
    const char* whole;
    const char* images;
    int count;
  };
  for (const Passes& passes : {Passes{"train_loss", "each_loss", kImages}, Passes{"linearised", "linearised", 1}}) {
    Sums sums(*model_);
    ASSERT_THAT(
        RunPasses(Input(), {{{passes.whole}, kWeightGradients, &sums}, {{passes.images}, kSampleGradients, &sums}}),
        IsOk());
    for (const Layer& layer : model_->layers()) {
      const at::Tensor& whole = sums.whole[static_cast<size_t>(layer.index)];
      const at::Tensor& images = sums.images[static_cast<size_t>(layer.index)];
      ASSERT_EQ(whole.defined(), images.defined()) << layer.name;
      if (!whole.defined()) continue;
      const double error = (images / passes.count - whole).abs().max().item<double>();
      EXPECT_LE(error, 1e-10 * whole.abs().max().item<double>() + 1e-14) << passes.images << " " << layer.name;
    }
  }
}

}  // namespace
}  // namespace zcbench
