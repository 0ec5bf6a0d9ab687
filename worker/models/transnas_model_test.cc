#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_matchers.h"
#include "worker/models/plain_operators.h"
#include "worker/models/transnas.h"

namespace zcbench {
namespace {

class Recorder final : public PlainOperators {
 public:
  explicit Recorder(Weights weights) : PlainOperators(std::move(weights), BatchNormUse::kBatch) {}
  explicit Recorder(const Model& model) : Recorder(CounterSource(0).Default(model)) {}

  void At(Point point, const at::Tensor& x) override { (point == Point::kLast ? last : features).push_back(x); }

  std::vector<at::Tensor> features;
  std::vector<at::Tensor> last;
};

std::unique_ptr<Model> Macro(const char* architecture, TaskKind kind, int classes) {
  return MakeTransnasModel(*DecodeTransnasMacro(architecture), kind, classes);
}

// Millions need not be drawn to see shapes.
Weights Constant(const Model& model) {
  Weights weights;
  for (const TensorSpec& spec : model.tensors()) weights.push_back(at::full(spec.shape, 0.1));
  return weights;
}

at::Tensor Images(const std::vector<int64_t>& shape) { return CounterSource(1).Normal("noise", shape); }

TEST(TransnasModelTest, AJigsawRunsTheEncoderOverOneTileAfterTheOther) {
  const std::unique_ptr<Model> jigsaw = Macro("14", TaskKind::kJigsaw, 10);
  const std::unique_ptr<Model> single = Macro("14", TaskKind::kClassification, 10);
  EXPECT_EQ(jigsaw->calls(), 9);
  const at::Tensor images = Images({3, 27, 16, 16});
  Recorder all(*jigsaw);
  EXPECT_EQ(jigsaw->Forward(all, images).sizes(), at::IntArrayRef({3, 10}));
  Recorder tiles(*single);
  for (int64_t tile = 0; tile < 9; ++tile) single->Forward(tiles, images.narrow(1, 3 * tile, 3));
  ASSERT_EQ(all.last.size(), 1u);
  EXPECT_TRUE(at::equal(all.last[0], at::cat(tiles.last, 1)));
  ASSERT_EQ(all.features.size(), 5u);
  for (size_t i = 0; i < all.features.size(); ++i) {
    std::vector<at::Tensor> of_tiles;
    for (size_t tile = 0; tile < 9; ++tile) of_tiles.push_back(tiles.features[5 * tile + i]);
    EXPECT_TRUE(at::equal(all.features[i], at::cat(of_tiles)));
  }
}

TEST(TransnasModelTest, FeaturesAreTheStemAndTwoCellsAModule) {
  const std::unique_ptr<Model> model =
      MakeTransnasModel(*DecodeTransnasMicro("1_02_230"), TaskKind::kSoftClassification, 63);
  Recorder recorder(*model);
  model->Forward(recorder, Images({2, 3, 64, 64}));
  std::vector<int64_t> widths;
  for (const at::Tensor& feature : recorder.features) widths.push_back(feature.size(1));
  EXPECT_EQ(widths, (std::vector<int64_t>{64, 128, 128, 128, 128, 256, 256, 256, 256, 512, 512}));
  EXPECT_EQ(recorder.last[0].sizes(), at::IntArrayRef({2, 512, 2, 2}));
  EXPECT_TRUE(at::equal(recorder.last[0], recorder.features.back()));
}

TEST(TransnasModelTest, ADecoderAnswersEveryPixel) {
  for (const char* architecture : {"2", "1234", "44"}) {
    const at::Tensor images = Images({2, 3, 32, 32});
    const std::unique_ptr<Model> segmentation = Macro(architecture, TaskKind::kSegmentation, 17);
    Recorder classes(Constant(*segmentation));
    EXPECT_EQ(segmentation->Forward(classes, images).sizes(), at::IntArrayRef({2, 17, 32, 32}));
    EXPECT_EQ(classes.last[0].sizes(), at::IntArrayRef({2, 32, 32, 32}));
    const std::unique_ptr<Model> image = Macro(architecture, TaskKind::kImage, 3);
    Recorder pixels(Constant(*image));
    const at::Tensor output = image->Forward(pixels, images);
    EXPECT_EQ(output.sizes(), at::IntArrayRef({2, 3, 32, 32}));
    EXPECT_LE(output.abs().max().item<double>(), 1);
    EXPECT_EQ(pixels.last[0].sizes(), at::IntArrayRef({2, 16, 32, 32}));
  }
}

TEST(TransnasModelTest, NothingReachesTheHeadOfADeadCell) {
  const std::unique_ptr<Model> model =
      MakeTransnasModel(*DecodeTransnasMicro("0_00_000"), TaskKind::kSoftClassification, 63);
  Recorder recorder(*model);
  model->Forward(recorder, Images({2, 3, 64, 64}).requires_grad_());
  EXPECT_EQ(recorder.last[0].abs().max().item<double>(), 0);
  EXPECT_EQ(recorder.last[0].sizes(), at::IntArrayRef({2, 512, 2, 2}));
  EXPECT_TRUE(recorder.last[0].requires_grad());  // connected, so that a derivative is zero and not missing
}

TEST(TransnasModelTest, EncodersAreDrawnByFanOutAndHeadsByFanIn) {
  const std::unique_ptr<Model> model = Macro("2", TaskKind::kClassification, 100);
  const Weights weights = CounterSource(0).Default(*model);
  for (const Layer& layer : model->layers()) {
    const at::Tensor& weight = weights[static_cast<size_t>(layer.weight)];
    const double spread = weight.to(at::kDouble).square().mean().sqrt().item<double>();
    const auto fan_out = static_cast<double>(layer.out * layer.kernel * layer.kernel);
    const double expected = layer.name == "head" ? 1 / std::sqrt(3.0 * 128) : std::sqrt(2 / fan_out);
    EXPECT_NEAR(spread / expected, 1, 0.06) << layer.name;
  }
}

TEST(TransnasModelTest, OnlyAShortcutHasAnOddNormalisation) {
  const std::unique_ptr<Model> model = Macro("12", TaskKind::kClassification, 10);
  int shortcuts = 0;
  for (const Norm& norm : model->norms()) {
    const bool shortcut = norm.name.ends_with("shortcut.bn");
    shortcuts += shortcut;
    EXPECT_EQ(norm.epsilon, shortcut ? 1 : 1e-5) << norm.name;
    EXPECT_EQ(norm.momentum, shortcut ? 1 : 0.1) << norm.name;
  }
  EXPECT_EQ(shortcuts, 1);
}

TEST(TransnasModelTest, ActivationsKnowTheirCell) {
  const std::unique_ptr<Model> model = Macro("14", TaskKind::kImage, 3);
  std::vector<int> cells;
  for (const Activation& activation : model->activations()) cells.push_back(activation.cell);
  EXPECT_TRUE(std::is_sorted(cells.begin(), cells.end()));
  EXPECT_EQ(cells.front(), 0);
  EXPECT_EQ(std::count(cells.begin(), cells.end(), 5), 13);  // the decoder's
  EXPECT_EQ(cells.back(), 5);
}

}  // namespace
}  // namespace zcbench
