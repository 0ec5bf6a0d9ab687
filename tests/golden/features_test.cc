// Proxies of features and outputs for which no published code gives values equal a direct transcription of their
// formulas: plain operators in float64, everything kept, singular values by a singular value decomposition, Jacobians
// image by image by autograd's own gradients.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "base/source_dir.h"
#include "base/status_matchers.h"
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

Weights InDouble(const Weights& drawn) {
  Weights weights;
  for (const at::Tensor& tensor : drawn) weights.push_back(tensor.to(at::kDouble));
  return weights;
}

// Keeps the outputs of layers, norms and activations, and of other modules as often as they count.
class Recorder final : public PlainOperators {
 public:
  using PlainOperators::PlainOperators;
  std::vector<at::Tensor> outputs, others;

  at::Tensor Apply(const Layer& layer, const at::Tensor& x) override { return Keep(PlainOperators::Apply(layer, x)); }
  at::Tensor Apply(const Norm& norm, const at::Tensor& x) override { return Keep(PlainOperators::Apply(norm, x)); }
  at::Tensor Apply(const Activation& activation, const at::Tensor& x) override {
    return Keep(PlainOperators::Apply(activation, x));
  }
  at::Tensor Apply(const TransposedConvolution& layer, const at::Tensor& x) override {
    return PlainOperators::Apply(layer, x);
  }
  void Modules(const at::Tensor& x, int count) override { others.insert(others.end(), static_cast<size_t>(count), x); }

 private:
  at::Tensor Keep(const at::Tensor& y) {
    outputs.push_back(y);
    return y;
  }
};

Recorder Record(const Fixture& fixture, const at::Tensor& images) {
  Recorder recorder(InDouble(fixture.weights->Default(*fixture.model)), BatchNormUse::kBatch);
  fixture.model->Forward(recorder, images.to(at::kDouble));
  return recorder;
}

// [positions, channels], images first, then columns, then rows.
at::Tensor Positions(const at::Tensor& x) {
  if (x.dim() == 4) return x.permute({0, 3, 2, 1}).flatten(0, 2);
  return x.dim() == 3 ? x.flatten(0, 1) : x;
}

double EffectiveRank(const at::Tensor& matrix) {
  const at::Tensor singular = at::linalg_svdvals(matrix);
  double sum = 0, entropy = 0;
  for (int64_t i = 0; i < singular.numel(); ++i) sum += singular[i].item<double>();
  for (int64_t i = 0; i < singular.numel(); ++i) {
    const double p = singular[i].item<double>() / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  return sum > 0 ? std::exp(entropy) : 0;
}

TEST(FeaturesTest, NearIsTheSumOfEffectiveRanks) {
  for (const char* const name : {"nb201_3_24_103", "nb201_0_00_000", "vit_3-128", "vit_2-192"}) {
    const Fixture fixture = Load(name);
    double expected = 0;
    for (const at::Tensor& output : Record(fixture, fixture.batch.images).outputs) {
      const at::Tensor rows = Positions(output);
      expected += EffectiveRank(rows.narrow(0, 0, std::min(rows.size(0), rows.size(1))));
    }
    EXPECT_NEAR(ScoreOf("near(channels=4096)", fixture.Input(at::kDouble)), expected, 1e-6 * expected) << name;
    EXPECT_NEAR(ScoreOf("near(channels=4096)", fixture.Input(at::kFloat)), expected, 1e-4 * expected) << name;
  }
}

TEST(FeaturesTest, NearRepresentsWideModulesBySomeChannels) {
  for (const char* const name : {"nb201_3_24_103", "vit_3-128"}) {
    const Fixture fixture = Load(name);
    constexpr int64_t kChannels = 24;
    double expected = 0;
    for (const at::Tensor& output : Record(fixture, fixture.batch.images).outputs) {
      const at::Tensor rows = Positions(output);
      if (rows.size(1) <= kChannels || rows.size(0) < rows.size(1)) {
        expected += EffectiveRank(rows.narrow(0, 0, std::min(rows.size(0), rows.size(1))));
        continue;
      }
      std::vector<at::Tensor> columns;
      for (int64_t c = 0; c < kChannels; ++c) columns.push_back(rows.select(1, c * rows.size(1) / kChannels));
      expected +=
          EffectiveRank(at::stack(columns, 1).narrow(0, 0, kChannels)) * static_cast<double>(rows.size(1)) / kChannels;
    }
    EXPECT_NEAR(ScoreOf("near(channels=24)", fixture.Input(at::kDouble)), expected, 1e-6 * expected) << name;
  }
}

// Of the correlation coefficients of the rows, 0 where they are not defined.
double SmallestEigenvalue(const at::Tensor& rows) {
  return at::linalg_eigvalsh(at::nan_to_num(at::corrcoef(rows), 0))[0].item<double>();
}

TEST(FeaturesTest, MecoOfTokens) {
  for (const char* const name : {"vit_3-128", "vit_4-64_c100"}) {
    const Fixture fixture = Load(name);
    double channels = 0, tokens = 0;
    for (const at::Tensor& output : Record(fixture, fixture.batch.images).outputs) {
      if (output.dim() < 3) continue;
      const at::Tensor image = output[0].flatten(1);
      channels += SmallestEigenvalue(output.dim() == 3 ? image.t() : image);
      tokens += SmallestEigenvalue(image);
    }
    EXPECT_NEAR(ScoreOf("meco_channels", fixture.Input(at::kDouble)), channels, 1e-9) << name;
    EXPECT_GT(tokens, 0.1);
    EXPECT_NEAR(ScoreOf("meco", fixture.Input(at::kDouble)), tokens, 1e-9 * tokens) << name;
    EXPECT_NEAR(ScoreOf("meco", fixture.Input(at::kFloat)), tokens, 5e-4 * tokens) << name;
  }
}

// The weights of layers and norms `value`, all biases 0.
Weights Constant(const Model& model, double value) {
  Weights weights;
  for (const TensorSpec& spec : model.tensors()) {
    const bool weight = spec.role == TensorRole::kLayerWeight || spec.role == TensorRole::kNormWeight;
    weights.push_back(at::full(spec.shape, weight ? value : 0, at::kDouble));
  }
  return weights;
}

TEST(FeaturesTest, EpsinasComparesScaledOutputs) {
  for (const char* const name : {"nb201_3_24_103", "nb201_1_33_242", "nb201_1_04_400_c120"}) {
    const Fixture fixture = Load(name);
    std::vector<std::vector<double>> scaled;
    for (const double value : {1e-7, 1.0}) {
      PlainOperators operators(Constant(*fixture.model, value), BatchNormUse::kBatch);
      const at::Tensor output = fixture.model->Forward(operators, fixture.batch.images.to(at::kDouble)).select(1, 0);
      const double low = output.min().item<double>(), high = output.max().item<double>();
      std::vector<double> p;
      for (int64_t n = 0; n < output.numel(); ++n) p.push_back((output[n].item<double>() - low) / (high - low));
      scaled.push_back(p);
    }
    double difference = 0, sum = 0;
    int both = 0, all = 0;
    for (size_t n = 0; n < scaled[0].size(); ++n) {
      const double a = scaled[0][n], b = scaled[1][n];
      if (a != 0 && b != 0) difference += std::fabs(a - b), ++both;
      for (const double p : {a, b}) {
        if (p != 0) sum += p, ++all;
      }
    }
    const double expected = (difference / both) / (sum / all);
    EXPECT_NEAR(ScoreOf("epsinas", fixture.Input(at::kDouble)), expected, 1e-8 * expected) << name;
    // Two constants draw no weights, so the precision of the run changes nothing.
    EXPECT_NEAR(ScoreOf("epsinas", fixture.Input(at::kFloat)), expected, 1e-8 * expected) << name;
  }
  const auto scores = Evaluate(Load("nb201_0_00_000").Input(at::kDouble), {{"epsinas", {}}});
  ASSERT_THAT(scores, IsOk());
  EXPECT_EQ((*scores)[0].outcome, Outcome::kNotFinite) << "nothing of an image arrives";
}

// The Cholesky factor of the covariance of the classes, element by element.
at::Tensor Factor(const at::Tensor& output) {
  const float alpha = c10::Half(0.05f), rest = c10::Half(1 - alpha);
  const int64_t classes = output.numel();
  const at::Tensor p =
      at::softmax(output, 0) * rest + static_cast<float>(c10::Half(alpha / static_cast<float>(classes)));
  at::Tensor factor = at::zeros({classes, classes}, at::kDouble);
  double before = 1;
  for (int64_t j = 0; j < classes; ++j) {
    const double q = j + 1 < classes ? before - p[j].item<double>() : 0;
    const double d = std::sqrt(p[j].item<double>() * q / before);
    factor[j][j] = d;
    for (int64_t i = j + 1; i < classes; ++i) factor[i][j] = -p[i].item<double>() / q * d;
    before = q;
  }
  return factor;
}

TEST(FeaturesTest, VkdnwIsTheEntropyOfTheFisherInformation) {
  for (const char* const name : {"nb201_2_04_002", "nb201_3_24_103"}) {
    const Fixture fixture = Load(name);
    const int64_t images = 4;
    Weights weights = InDouble(fixture.weights->Default(*fixture.model));
    const size_t tensors = std::min<size_t>(128, weights.size());
    for (size_t t = 0; t < tensors; ++t) weights[t].requires_grad_();
    PlainOperators operators(weights, BatchNormUse::kRunning);
    at::Tensor fisher = at::zeros({static_cast<int64_t>(tensors), static_cast<int64_t>(tensors)}, at::kDouble);
    for (int64_t n = 0; n < images; ++n) {
      const at::Tensor output =
          fixture.model->Forward(operators, fixture.batch.images.narrow(0, n, 1).to(at::kDouble))[0];
      at::Tensor jacobian = at::zeros({output.numel(), static_cast<int64_t>(tensors)}, at::kDouble);
      for (int64_t c = 0; c < output.numel(); ++c) {
        const auto gradients = torch::autograd::grad({output[c]}, {weights.begin(), weights.begin() + tensors}, {},
                                                     true, false, /*allow_unused=*/true);
        for (size_t t = 0; t < tensors; ++t) {
          if (gradients[t].defined()) jacobian[c][static_cast<int64_t>(t)] = gradients[t].flatten()[0];
        }
      }
      const at::Tensor rows = at::mm(Factor(output.detach()), jacobian);
      fisher += at::mm(rows.t(), rows) / images;
    }
    const at::Tensor singular = std::get<0>(at::sort(at::linalg_svdvals(fisher)));
    std::vector<double> deciles;
    double sum = 1e-10;
    for (int k = 1; k <= 9; ++k) {
      const double place = 0.1 * k * static_cast<double>(tensors - 1);
      const auto below = static_cast<int64_t>(place);
      const double a = singular[below].item<double>(), b = singular[below + 1].item<double>();
      deciles.push_back(a + (b - a) * (place - static_cast<double>(below)));
      sum += deciles.back();
    }
    double expected = static_cast<double>(weights.size());
    for (const double q : deciles) expected -= q / sum * std::log(q / sum + 1e-10);
    // The fixture's noise is its batch. Four images do not fill the matrix: its small deciles are rounding.
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      PassInput input = fixture.Input(dtype);
      input.batch = input.batch.Slice(0, images);
      EXPECT_NEAR(ScoreOf("vkdnw", input), expected, dtype == at::kDouble ? 1e-6 : 1e-4) << name;
    }
    EXPECT_GT(expected, static_cast<double>(weights.size()));
  }
}

}  // namespace
}  // namespace zcbench
