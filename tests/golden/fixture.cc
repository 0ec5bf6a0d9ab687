#include "tests/golden/fixture.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_macros.h"
#include "nas/space.h"
#include "nas/spaces/autoformer.h"
#include "nas/spaces/darts.h"
#include "worker/models/autoformer.h"
#include "worker/models/darts.h"

namespace zcbench {
namespace {

uint64_t SplitMix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// `labels`: the class of each image, or a number of images of a dense task.
Batch MakeBatch(const Model& model, uint64_t stream, std::vector<int64_t> shape, const std::vector<int64_t>& labels) {
  shape[0] = static_cast<int64_t>(labels.size());
  Batch batch{FixtureFill(stream, shape, std::sqrt(3.0)), at::tensor(labels, at::kLong)};
  const uint64_t target_stream = stream == kStreamX2 ? kStreamTargets2 : kStreamTargets;
  switch (model.kind()) {
    case TaskKind::kSoftClassification:
      batch.targets = at::full({shape[0], model.classes()}, 0.1 / model.classes(), at::kDouble);
      for (int64_t n = 0; n < shape[0]; ++n) batch.targets[n][labels[static_cast<size_t>(n)]] += 0.9;
      break;
    case TaskKind::kSegmentation:
      batch.targets = at::empty({shape[0], shape[2], shape[3]}, at::kLong);
      for (int64_t i = 0; i < batch.targets.numel(); ++i) {
        batch.targets.data_ptr<int64_t>()[i] =
            static_cast<int64_t>(model.classes() * FixtureUniform(target_stream, static_cast<uint64_t>(i)));
      }
      break;
    case TaskKind::kImage:
      batch.targets = FixtureFill(target_stream, shape, 1);
      break;
    default:
      break;
  }
  return batch;
}

// The labels that a file gives; a dense task has none.
std::vector<int64_t> LabelsOf(const nlohmann::json& file, const char* key) {
  if (file.contains(key)) return file[key];
  return std::vector<int64_t>(file.at("input_shape")[0].get<size_t>());
}

// The model of a file's `arch` and `config`; of a space whose name fixes its networks, at the fixture's resolution.
absl::StatusOr<std::unique_ptr<Model>> BuildFixtureModel(const nlohmann::json& file) {
  const std::string space = file.at("space");
  const std::string id = file.at("arch").at("id");
  const int classes = file.at("classes");
  const std::vector<std::string> parts = absl::StrSplit(id, absl::MaxSplits('/', 1));
  if (space == "nb201" || space == "nb101" || space == "tnb-micro" || space == "tnb-macro") {
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const definition, FindSpace(space));
    const int side = file.at("input_shape")[2];
    const std::string task = file.at("config").value("task", "");
    TaskKind kind = TaskKind::kClassification;
    if (!task.empty()) {
      ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(space, task));
      kind = cell.kind;
    }
    const Cell cell{.space = definition->name,
                    .task = "fixture",
                    .kind = kind,
                    .height = side,
                    .width = side,
                    .classes = classes,
                    .images = file.at("input_shape")[0]};
    return BuildModel(parts[1], cell);
  }
  if (space == "darts") {
    ZCB_ASSIGN_OR_RETURN(const DartsGenotype genotype, DecodeDarts(parts[1]));
    const DartsConfig config{.channels = file.at("config").at("C"), .cells = file.at("config").at("layers")};
    const Cell cell{.space = "darts",
                    .task = "fixture",
                    .height = file.at("input_shape")[2],
                    .width = file.at("input_shape")[3],
                    .classes = classes,
                    .images = file.at("input_shape")[0]};
    ZCB_ASSIGN_OR_RETURN(const DartsCounts counts, CountDarts(genotype, config, cell));
    std::unique_ptr<Model> model = MakeDartsModel(genotype, config, classes);
    model->SetCounts(counts.tensorwatch, {});
    return model;
  }
  if (space == "vit") {
    ZCB_ASSIGN_OR_RETURN(const AutoformerSubnet subnet, DecodeAutoformer(parts[1]));
    const AutoformerInput input{file.at("config").at("img"), file.at("config").at("patch")};
    std::unique_ptr<Model> model = MakeAutoformerModel(subnet, input, classes);
    model->SetCounts(AutoformerComplexity(subnet, input, classes), {});
    return model;
  }
  return absl::UnimplementedError(absl::StrCat("fixture of space ", space));
}

}  // namespace

double FixtureUniform(uint64_t stream, uint64_t element) {
  return static_cast<double>(SplitMix64((stream << 32) + element) >> 40) / 16777216.0;
}

at::Tensor FixtureFill(uint64_t stream, const std::vector<int64_t>& shape, double scale) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  float* out = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    out[i] = static_cast<float>((2 * FixtureUniform(stream, static_cast<uint64_t>(i)) - 1) * scale);
  }
  return tensor;
}

Weights FixtureSource::Draw(const Model& model, Scheme, int) const {
  Weights weights;
  for (const TensorSpec& spec : model.tensors()) {
    if (const auto it = streams_.find(spec.name); it != streams_.end()) {
      // The other way round than PyTorch, which goes by the stored layout [in, out, ...].
      const int64_t fan_in = spec.role == TensorRole::kTransposedWeight ? spec.fan_out : spec.fan_in;
      weights.push_back(
          FixtureFill(it->second, spec.shape, scale_ > 0 ? scale_ : std::sqrt(3.0 / static_cast<double>(fan_in))));
    } else if (spec.role == TensorRole::kNormWeight) {
      weights.push_back(at::ones(spec.shape, at::kFloat));
    } else {
      weights.push_back(at::zeros(spec.shape, at::kFloat));
    }
  }
  return weights;
}

at::Tensor FixtureSource::Normal(std::string_view purpose, const std::vector<int64_t>& shape) const {
  if (purpose == "noise") return FixtureFill(kStreamX, shape, std::sqrt(3.0));
  if (purpose == "perturbation") return FixtureFill(kStreamXM, shape, std::sqrt(3.0));
  uint64_t number = 0;
  absl::string_view text(purpose.data(), purpose.size());
  ZCB_CHECK(absl::ConsumePrefix(&text, "nasgraph/") && absl::SimpleAtoi(text, &number));
  double fan_in = 1;
  for (size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
  return FixtureFill(kStreamSurrogate + number, shape, std::sqrt(3 / fan_in));
}

at::Tensor FixtureSource::Signs(int draw, int64_t first_element, const std::vector<int64_t>& shape) const {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const double u =
        FixtureUniform(kStreamSigns + static_cast<uint64_t>(draw), static_cast<uint64_t>(first_element + i));
    tensor.data_ptr<float>()[i] = u >= 0.5 ? 1.0f : -1.0f;
  }
  return tensor;
}

absl::StatusOr<Fixture> LoadFixture(const std::filesystem::path& path) {
  ZCB_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Fixture fixture;
  fixture.name = path.stem();
  fixture.file = nlohmann::json::parse(text);
  ZCB_ASSIGN_OR_RETURN(fixture.model, BuildFixtureModel(fixture.file));
  std::map<std::string, uint64_t> streams;
  const bool transformer = fixture.model->is_transformer();
  if (transformer) {
    for (const auto& row : fixture.file.at("parameters")) {
      if (row[3] == "fill") streams[row[1]] = row[0];
    }
  } else {
    for (const auto& row : fixture.file.at("layers"))
      streams[absl::StrCat(row[1].get<std::string>(), ".weight")] = row[0];
    for (const auto& row : fixture.file.value("transposed_conv_tensors", nlohmann::json::array()))
      streams[absl::StrCat(row[1].get<std::string>(), ".weight")] = kStreamTransposed + row[0].get<uint64_t>();
  }
  fixture.weights = std::make_unique<FixtureSource>(std::move(streams), transformer ? 0.02 * std::sqrt(3.0) : 0);
  const std::vector<int64_t> shape = fixture.file.at("input_shape");
  fixture.batch = MakeBatch(*fixture.model, kStreamX, shape, LabelsOf(fixture.file, "labels"));
  fixture.batch2 = MakeBatch(*fixture.model, kStreamX2, shape, LabelsOf(fixture.file, "labels2"));
  std::vector<int64_t> labels32;
  for (int64_t n = 0; n < 32; ++n) labels32.push_back(n % 10);
  fixture.batch32 = MakeBatch(*fixture.model, kStreamX32, shape, labels32);
  return fixture;
}

std::vector<std::filesystem::path> GoldenFiles(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  std::vector<std::filesystem::path> folders = {SourceDir() / "tests/golden" / folder};
  if (const char* more = std::getenv("ZCB_GOLDEN_DIR"); more != nullptr && folder == "published")
    folders.emplace_back(more);
  for (const std::filesystem::path& from : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace zcbench
