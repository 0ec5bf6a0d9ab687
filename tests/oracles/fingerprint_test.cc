// The models compute what the authors' networks compute: forward fingerprints of tests/oracles, in float64 and eval
// mode. Also reads every
// *.json of the folder that ZCB_ORACLES_DIR names.
//
// Fill of a fingerprint: u(i, seed) is a 32-bit mixer of i + seed * 0x9E3779B9 over 2^32; every layer weight (2 u(i, 1)
// - 1) sqrt(6 / fan_in), biases 0.01 cos(i), norm weights 1 + 0.1 sin(i), norm biases 0.1 cos(i); positions 0.02
// sqrt(3) (2 u(i, 4) - 1), class token the same with seed 5, tables with seed 2 (rows) and 3 (columns); input (2 u(i,
// 7) - 1) sqrt(3). Element i counts from 0 in each tensor.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_matchers.h"
#include "nas/space.h"
#include "worker/models/model.h"
#include "worker/models/plain_operators.h"

namespace zcbench {
namespace {

double Uniform(uint64_t i, uint32_t seed) {
  uint32_t x = static_cast<uint32_t>(i) + seed * 0x9E3779B9u;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x / 4294967296.0;
}

template <typename Element>
at::Tensor Fill(const std::vector<int64_t>& shape, Element element) {
  at::Tensor tensor = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < tensor.numel(); ++i) tensor.data_ptr<double>()[i] = element(static_cast<uint64_t>(i));
  return tensor;
}

at::Tensor FillTensor(const TensorSpec& spec) {
  const auto signed_uniform = [](uint32_t seed, double scale) {
    return [=](uint64_t i) { return (2 * Uniform(i, seed) - 1) * scale; };
  };
  const double token = 0.02 * std::sqrt(3.0);
  switch (spec.role) {
    case TensorRole::kLayerWeight: {
      const double fan_in = static_cast<double>(spec.numel() / spec.shape[0]);
      return Fill(spec.shape, signed_uniform(1, std::sqrt(6 / fan_in)));
    }
    case TensorRole::kTransposedWeight:
      return Fill(spec.shape, signed_uniform(1, std::sqrt(6 / static_cast<double>(spec.shape[0] * 9))));
    case TensorRole::kLayerBias:
    case TensorRole::kTransposedBias:
      return Fill(spec.shape, [](uint64_t i) { return 0.01 * std::cos(static_cast<double>(i)); });
    case TensorRole::kNormWeight:
      return Fill(spec.shape, [](uint64_t i) { return 1 + 0.1 * std::sin(static_cast<double>(i)); });
    case TensorRole::kNormBias:
      return Fill(spec.shape, [](uint64_t i) { return 0.1 * std::cos(static_cast<double>(i)); });
    case TensorRole::kEmbedding:
      break;
  }
  if (spec.name == "pos_embed") return Fill(spec.shape, signed_uniform(4, token));
  if (spec.name == "cls_token") return Fill(spec.shape, signed_uniform(5, token));
  return Fill(spec.shape, signed_uniform(absl::EndsWith(spec.name, "table_v") ? 2 : 3, token));
}

Weights FillAll(const Model& model) {
  Weights weights;
  for (const TensorSpec& spec : model.tensors()) weights.push_back(FillTensor(spec));
  return weights;
}

struct Record {
  std::string id;
  nlohmann::json fingerprint;
  int64_t params;  // 0: not given
};

std::vector<Record> Records() {
  std::vector<std::filesystem::path> files = {std::filesystem::path(ZCB_SOURCE_DIR) /
                                              "tests/oracles/space_oracles.json"};
  if (const char* folder = std::getenv("ZCB_ORACLES_DIR"); folder != nullptr) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
  }
  std::vector<Record> records;
  for (const std::filesystem::path& file : files) {
    const nlohmann::json json = nlohmann::json::parse(ReadFile(file).value());
    for (const char* list : {"nb201", "autoformer"}) {
      if (!json.contains(list)) continue;
      for (const nlohmann::json& record : json[list]) {
        if (record.contains("fingerprint"))
          records.push_back({record.at("id"), record["fingerprint"], record.value("params", int64_t{0})});
      }
    }
  }
  return records;
}

TEST(FingerprintTest, TheFillIsThePublishedOne) {
  EXPECT_NEAR(Uniform(0, 1), 0.007765133400, 1e-12);
  EXPECT_NEAR(Uniform(3, 1), 0.060723019298, 1e-12);
  EXPECT_NEAR(Uniform(2, 7), 0.144616509322, 1e-12);
}

class FingerprintTest : public testing::TestWithParam<Record> {};

TEST_P(FingerprintTest, TheLogitsAreTheAuthors) {
  const Record& record = GetParam();
  const size_t slash = record.id.find('/');
  const auto space = FindSpace(record.id.substr(0, slash));
  ASSERT_THAT(space, IsOk());
  const auto architecture = (*space)->space->Parse(record.id.substr(slash + 1));
  ASSERT_THAT(architecture, IsOk());
  const nlohmann::json& logits = record.fingerprint.at("logits");
  const std::vector<int64_t> shape = record.fingerprint.at("input");
  const auto numel = logits.at("numel").get<int64_t>();
  Cell cell;
  cell.space = (*space)->name;
  cell.task = "fingerprint";
  cell.height = cell.width = static_cast<int>(shape[2]);
  cell.classes = static_cast<int>(numel / shape[0]);
  cell.images = static_cast<int>(shape[0]);
  const auto model = BuildModel(*architecture, cell);
  ASSERT_THAT(model, IsOk());
  if (record.params > 0) {
    EXPECT_EQ((*model)->params(), record.params);
  }

  PlainOperators plain(FillAll(**model), BatchNormUse::kRunning);
  const at::Tensor images = Fill(shape, [](uint64_t i) { return (2 * Uniform(i, 7) - 1) * std::sqrt(3.0); });
  const at::Tensor output = (*model)->Forward(plain, images).flatten();
  ASSERT_EQ(output.numel(), numel);
  // AutoFormer's own GELU computes in float32 even in a float64 model: 1e-6 of the logits' root mean square, l2 to
  // 1e-8.
  const double l2 = logits.at("l2");
  const double allowed = (*model)->is_transformer() ? 1e-6 * l2 / std::sqrt(static_cast<double>(numel)) : 0;
  for (size_t i = 0; i < 4; ++i) {
    const double golden = logits.at("first4")[i];
    EXPECT_NEAR(output[static_cast<int64_t>(i)].item<double>(), golden,
                allowed > 0 ? allowed : 1e-8 * std::fabs(golden));
  }
  EXPECT_NEAR(output.norm().item<double>(), l2, 1e-8 * l2);
}

INSTANTIATE_TEST_SUITE_P(Oracles, FingerprintTest, testing::ValuesIn(Records()), [](const auto& test) {
  std::string name = absl::StrCat(test.index, "_", test.param.id);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace zcbench
