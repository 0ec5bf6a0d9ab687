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
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/space.h"
#include "nas/spaces/darts.h"
#include "nas/spaces/nasbench101.h"
#include "worker/models/darts.h"
#include "worker/models/model.h"
#include "worker/models/nasbench101.h"
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
    case TensorRole::kLayerWeight:
    case TensorRole::kTransposedWeight: {
      // A decoder has millions: the elements before scaling are the same in every tensor.
      static at::Tensor unscaled = at::empty({0}, at::kDouble);
      if (unscaled.numel() < spec.numel()) unscaled = Fill({spec.numel()}, signed_uniform(1, 1));
      const bool transposed = spec.role == TensorRole::kTransposedWeight;
      const int64_t fan_in = transposed ? spec.shape[0] * 9 : spec.numel() / spec.shape[0];
      return (unscaled.narrow(0, 0, spec.numel()) * std::sqrt(6 / static_cast<double>(fan_in))).view(spec.shape);
    }
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
  std::string task;  // empty where the space has one kind
  nlohmann::json fingerprint;
  int64_t params;  // 0: not given
  nlohmann::json arch = {};
};

// Of NAS-Bench-101, with the vertices numbered as given: another numbering is another network.
Nasbench101Cell AsNumbered(const nlohmann::json& arch) {
  const std::vector<std::string> ops = {"conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"};
  Nasbench101Cell cell{.vertices = static_cast<int>(arch.at("ops").size())};
  for (int from = 0; from < cell.output(); ++from) {
    for (int to = 0; to < cell.vertices; ++to) cell.successors[from] |= arch.at("matrix")[from][to].get<int>() << to;
    const auto op = std::find(ops.begin(), ops.end(), arch["ops"][from].get<std::string>());
    if (from > 0) cell.ops[from] = static_cast<Nasbench101Op>(op - ops.begin());
  }
  return cell;
}

std::vector<Record> Records() {
  std::vector<std::filesystem::path> files = {SourceDir() / "tests/oracles/space_oracles.json"};
  if (const char* folder = std::getenv("ZCB_ORACLES_DIR"); folder != nullptr) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
  }
  std::vector<Record> records;
  for (const std::filesystem::path& file : files) {
    const nlohmann::json json = nlohmann::json::parse(ReadFile(file).value());
    for (const char* list : {"nb201", "nb101", "autoformer", "darts"}) {
      if (!json.contains(list)) continue;
      for (const nlohmann::json& record : json[list]) {
        if (record.contains("fingerprint"))
          records.push_back({record.at("id"), "", record["fingerprint"], record.value("params", int64_t{0}),
                             record.value("arch", nlohmann::json())});
      }
    }
    if (!json.contains("tnb")) continue;
    for (const nlohmann::json& record : json["tnb"]) {
      if (!record.contains("fingerprint")) continue;
      for (const auto& [task, fingerprint] : record["fingerprint"].items()) {
        const int64_t params = record.at("tasks").at(task).at("model_params_enc_dec");
        records.push_back({record.at("id"), task, fingerprint, params});
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

// The records of DARTS are of several settings: "C50_L20".
absl::StatusOr<std::unique_ptr<Model>> BuildDarts(const std::string& architecture, const std::string& setting,
                                                  int classes) {
  DartsConfig config{};
  if (std::sscanf(setting.c_str(), "C%d_L%d", &config.channels, &config.cells) != 2) {
    return absl::InvalidArgumentError(absl::StrCat("setting ", setting));
  }
  const absl::StatusOr<DartsGenotype> genotype = DecodeDarts(architecture);
  if (!genotype.ok()) return genotype.status();
  return MakeDartsModel(*genotype, config, classes);
}

TEST(DartsModelTest, HasTheParametersThatAreCounted) {
  Cell cell;
  cell.height = cell.width = 224;
  cell.classes = 1000;
  for (const char* const architecture : {"0313031302130225_0010102200221022", "0215030412160213_0206121504230111"}) {
    const absl::StatusOr<DartsGenotype> genotype = DecodeDarts(architecture);
    ASSERT_THAT(genotype, IsOk());
    for (const DartsConfig& config : {DartsConfig{16, 4}, kDarts, kDartsEval, DartsConfig{48, 14, /*imagenet=*/true}}) {
      const std::unique_ptr<Model> model = MakeDartsModel(*genotype, config, cell.classes);
      EXPECT_EQ(model->params(), CountDarts(*genotype, config, cell)->params);
      PlainOperators plain(FillAll(*model), BatchNormUse::kRunning);
      const at::Tensor output = model->Forward(plain, at::ones({1, 3, 32, 32}, at::kDouble));
      EXPECT_EQ(output.sizes(), at::IntArrayRef({1, cell.classes}));
    }
  }
}

class FingerprintTest : public testing::TestWithParam<Record> {};

TEST_P(FingerprintTest, TheLogitsAreTheAuthors) {
  const Record& record = GetParam();
  const size_t slash = record.id.find('/');
  const auto space = FindSpace(record.id.substr(0, slash));
  ASSERT_THAT(space, IsOk());
  const auto architecture = (*space)->space->Parse(record.id.substr(slash + 1));
  ASSERT_THAT(architecture, IsOk());
  const nlohmann::json& logits = record.fingerprint.at(record.task.empty() ? "logits" : "output");
  std::vector<int64_t> shape = record.fingerprint.at("input");
  if (shape.size() == 5) shape = {shape[0], shape[1] * shape[2], shape[3], shape[4]};  // tiles
  const auto numel = logits.at("numel").get<int64_t>();
  Cell cell;
  cell.space = (*space)->name;
  cell.task = "fingerprint";
  cell.height = cell.width = static_cast<int>(shape[2]);
  cell.classes = static_cast<int>(numel / shape[0]);
  cell.images = static_cast<int>(shape[0]);
  if (!record.task.empty()) {
    const auto task = FindCell(cell.space, record.task);
    ASSERT_THAT(task, IsOk());
    cell.kind = task->kind;
    cell.channels = task->channels;
  }
  if (cell.kind == TaskKind::kSegmentation || cell.kind == TaskKind::kImage) cell.classes /= cell.height * cell.width;
  auto model = cell.space == "darts" ? BuildDarts(*architecture, record.fingerprint.at("config"), cell.classes)
                                     : BuildModel(*architecture, cell);
  ASSERT_THAT(model, IsOk());
  if (record.params > 0) {
    EXPECT_EQ((*model)->params(), record.params);
  }
  if (cell.space == "nasbench101") model = MakeNasbench101Model(AsNumbered(record.arch), cell.classes);

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
  if (logits.contains("sum")) {
    EXPECT_NEAR(output.sum().item<double>(), logits["sum"].get<double>(), 1e-6 * l2);
  }
}

INSTANTIATE_TEST_SUITE_P(Oracles, FingerprintTest, testing::ValuesIn(Records()), [](const auto& test) {
  std::string name = absl::StrCat(test.index, "_", test.param.id, test.param.task);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

}  // namespace
}  // namespace zcbench
