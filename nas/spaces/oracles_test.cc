// Counts, notations and indices against published values: the records of tests/oracles/, every *.json of the folder
// that ZCB_ORACLES_DIR names (same format), and the tables of the folder that ZCB_TEST_DATA names.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "nas/space.h"
#include "nas/spaces/darts.h"

namespace zcbench {
namespace {

using nlohmann::json;

const Space& SpaceNamed(const std::string& name) { return *(*FindSpace(name))->space; }

// A record holds some fields of those checked here; each that it holds must agree.
std::string TextOf(const json& field) { return field.is_string() ? field.get<std::string>() : field.dump(); }

// In its native notation, else by its id.
std::string ArchitectureOf(const json& record) {
  return TextOf(record.contains("arch") ? record["arch"] : record["id"]);
}

void ExpectCount(const json& record, const std::string& field, int64_t ours) {
  if (!record.contains(field)) return;
  EXPECT_EQ(record[field].get<double>(), static_cast<double>(ours)) << field;
}

int64_t MacsNamed(const Space& space, const std::string& architecture, const Cell& cell, const std::string& name) {
  const absl::StatusOr<std::vector<NamedCount>> macs = space.Macs(architecture, cell);
  EXPECT_THAT(macs, IsOk());
  for (const NamedCount& count : *macs) {
    if (count.name == name) return count.value;
  }
  ADD_FAILURE() << "no count " << name;
  return -1;
}

Cell SquareCell(int pixels, int classes) {
  Cell cell;
  cell.height = cell.width = pixels;
  cell.classes = classes;
  return cell;
}

void CheckNasbench201(const json& record) {
  const Space& space = SpaceNamed("nasbench201");
  const absl::StatusOr<std::string> architecture = space.Parse(ArchitectureOf(record));
  ASSERT_THAT(architecture, IsOk());
  EXPECT_EQ("nb201/" + *architecture, record["id"].get<std::string>());
  if (record.contains("arch")) {
    EXPECT_THAT(space.Official(*architecture), IsOkAndHolds(TextOf(record["arch"])));
  }
  if (record.contains("index")) {
    EXPECT_THAT(space.IndexOf(*architecture), IsOkAndHolds(record["index"].get<uint64_t>()));
  }
  if (record.contains("naslib_op_indices")) {
    EXPECT_THAT(space.Parse(TextOf(record["naslib_op_indices"])), IsOkAndHolds(*architecture));
  }
  const Cell cifar10 = SquareCell(32, 10);
  ExpectCount(record, "params", *space.Params(*architecture, cifar10));
  ExpectCount(record, "flops", MacsNamed(space, *architecture, cifar10, "macs_api"));
  ExpectCount(record, "flops_tensorwatch", *space.Flops(*architecture, cifar10));
  for (const auto& [name, cell] : std::map<std::string, Cell>{
           {"cifar10", cifar10}, {"cifar100", SquareCell(32, 100)}, {"ImageNet16-120", SquareCell(16, 120)}}) {
    if (!record.contains(name)) continue;
    SCOPED_TRACE(name);
    ExpectCount(record[name], "params", *space.Params(*architecture, cell));
    ExpectCount(record[name], "flops_api", MacsNamed(space, *architecture, cell, "macs_api"));
    ExpectCount(record[name], "flops_tensorwatch", *space.Flops(*architecture, cell));
  }
}

void CheckNasbench101(const json& record) {
  const Space& space = SpaceNamed("nasbench101");
  const absl::StatusOr<std::string> architecture = space.Parse(ArchitectureOf(record));
  ASSERT_THAT(architecture, IsOk());
  EXPECT_EQ("nb101/" + *architecture, record["id"].get<std::string>());
  EXPECT_THAT(space.Parse(*space.Official(*architecture)), IsOkAndHolds(*architecture));
  if (record.contains("hash")) {
    EXPECT_THAT(space.Parse(TextOf(record["hash"])), IsOkAndHolds(*architecture));
  }
  if (record.contains("api_canonical")) {
    EXPECT_EQ(json::parse(*space.Official(*architecture)), record["api_canonical"]);
  }
  const Cell cell = SquareCell(32, 10);
  for (const char* field : {"params", "canonical_params", "formula_params", "published_trainable_parameters"}) {
    ExpectCount(record, field, *space.Params(*architecture, cell));
  }
  ExpectCount(record, "flops", MacsNamed(space, *architecture, cell, "macs_conv_linear"));
}

void CheckAutoformer(const json& record) {
  const std::string id = record["id"];
  const std::string prefix = id.substr(0, id.find('/'));
  ASSERT_THAT(FindSpace(prefix), IsOk());
  const Space& space = SpaceNamed(prefix);
  const absl::StatusOr<std::string> architecture = space.Parse(ArchitectureOf(record));
  ASSERT_THAT(architecture, IsOk());
  EXPECT_EQ(prefix + "/" + *architecture, id);
  EXPECT_THAT(space.Parse(id), IsOkAndHolds(*architecture));
  const Cell cell = SquareCell(224, 1000);
  ExpectCount(record, "params", *space.Params(*architecture, cell));
  ExpectCount(record, "flops", *space.Flops(*architecture, cell));
  ExpectCount(record, "macs_true_N197", MacsNamed(space, *architecture, cell, "macs_true"));
}

// The head that helps training, no part of our networks: on ImageNet without its second normalisation, as in the
// authors' code. NAS-Bench-301's `model_parameters` includes it.
int64_t AuxiliaryParams(const DartsConfig& config, int classes) {
  const int64_t in = 4 * DartsPlaces(config)[static_cast<size_t>(2 * config.cells / 3)].width;
  return 128 * in + 2 * 128 + 4 * 128 * 768 + (config.imagenet ? 0 : 2 * 768) + 769 * classes;
}

void CheckDarts(const json& record) {
  const Space& space = SpaceNamed("darts");
  const absl::StatusOr<std::string> architecture = space.Parse(ArchitectureOf(record));
  ASSERT_THAT(architecture, IsOk());
  EXPECT_EQ("darts/" + *architecture, record["id"].get<std::string>());
  if (record.contains("name") && record["name"].get<std::string>().starts_with("DARTS_V")) {
    EXPECT_THAT(space.Parse(record["name"].get<std::string>()), IsOkAndHolds(*architecture));
  }
  EXPECT_THAT(space.Parse(record["compact"].dump()), IsOkAndHolds(*architecture));
  const absl::StatusOr<DartsGenotype> genotype = DecodeDarts(*architecture);
  ASSERT_THAT(genotype, IsOk());
  const Cell cifar10 = SquareCell(32, 10);
  int settings = 0;
  for (const auto& [name, config] :
       std::map<std::string, DartsConfig>{{"C16_L8", {16, 8}},
                                          {"C32_L8", kDarts},
                                          {"C36_L20", kDartsEval},
                                          {"C50_L20", {50, 20}},
                                          {"imagenet_C48_L14", {48, 14, /*imagenet=*/true}}}) {
    if (!record.contains(name)) continue;
    SCOPED_TRACE(name);
    ++settings;
    const json& setting = record[name];
    const Cell cell = config.imagenet ? SquareCell(224, 1000) : cifar10;
    const absl::StatusOr<DartsCounts> counts = CountDarts(*genotype, config, cell);
    ASSERT_THAT(counts, IsOk());
    ExpectCount(setting, "params", counts->params);
    ExpectCount(setting, "params_with_aux", counts->params + AuxiliaryParams(config, cell.classes));
    ExpectCount(setting, "macs_conv_linear", counts->macs);
    if (record["config"].get<std::string>().starts_with(name)) {
      ExpectCount(record, "params", counts->params);
      ExpectCount(record, "flops", counts->macs);
      ExpectCount(record, "published_model_parameters", counts->params + AuxiliaryParams(config, cell.classes));
    }
  }
  EXPECT_GT(settings, 0);
  for (const auto& [name, setting] :
       std::map<std::string, const char*>{{"darts", "C32_L8"}, {"darts_eval", "C36_L20"}}) {
    if (!record.contains(setting)) continue;
    SCOPED_TRACE(name);
    ExpectCount(record[setting], "params", *SpaceNamed(name).Params(*architecture, cifar10));
    ExpectCount(record[setting], "macs_conv_linear",
                MacsNamed(SpaceNamed(name), *architecture, cifar10, "macs_conv_linear"));
  }
  if (record.contains("naslib_zc")) {
    ExpectCount(record["naslib_zc"], "params", CountDarts(*genotype, kDarts, cifar10)->naslib_params);
    ExpectCount(record["naslib_zc"], "flops_tensorwatch", MacsNamed(space, *architecture, cifar10, "macs_naslib"));
  }
}

// The discriminator that the authors train beside their generative decoder, no part of our networks.
constexpr int64_t kDiscriminatorParams = 5168705;

void CheckTransnas(const json& record) {
  const std::string id = record["id"];
  const std::string prefix = id.substr(0, id.find('/'));
  ASSERT_THAT(FindSpace(prefix), IsOk());
  const Space& space = SpaceNamed(prefix);
  const absl::StatusOr<std::string> architecture = space.Parse(ArchitectureOf(record));
  ASSERT_THAT(architecture, IsOk());
  EXPECT_EQ(prefix + "/" + *architecture, id);
  EXPECT_THAT(space.Official(*architecture), IsOkAndHolds(TextOf(record["arch"])));

  // The heads of NAS-Bench-Suite-Zero are those of our tasks.
  const Cell scene = *FindCell(prefix, "class_scene");
  if (record.contains("naslib_zc_class_scene")) {
    const json& naslib = record["naslib_zc_class_scene"];
    EXPECT_EQ(scene.height, 256);
    ExpectCount(naslib, "params", *space.Params(*architecture, scene));
    ExpectCount(naslib, "flops_tensorwatch_256", *space.Flops(*architecture, scene));
    ExpectCount(naslib, "flops_tensorwatch", *space.Flops(*architecture, scene));
  }
  if (!record.contains("tasks")) return;
  EXPECT_EQ(record["tasks"].size(), 7u);
  for (const auto& [name, task] : record["tasks"].items()) {
    SCOPED_TRACE(name);
    const absl::StatusOr<Cell> naslib = FindCell(prefix, name);
    ASSERT_THAT(naslib, IsOk());
    ExpectCount(task, "model_params_naslib_head(100/63)", *space.Params(*architecture, *naslib));
    Cell official = *naslib;
    if (name == "class_object") official.classes = 75;
    if (name == "class_scene") official.classes = 47;
    const int64_t params = *space.Params(*architecture, official);
    EXPECT_EQ(params, record["encoder_params"].get<int64_t>() + task["decoder_params"].get<int64_t>());
    ExpectCount(task, "model_params_enc_dec", params);
    ExpectCount(task, "model_params_with_discriminator", params + kDiscriminatorParams);
    ExpectCount(task, "macs_at_info_input", MacsNamed(space, *architecture, official, "macs_api"));
    // The API counts at 224 pixels whatever the cell's size.
    if (naslib->kind != TaskKind::kJigsaw) {
      EXPECT_EQ(MacsNamed(space, *architecture, official, "macs_encoder_api"), record["encoder_macs_224"]);
    } else {
      ExpectCount(task, "macs_at_info_input", MacsNamed(space, *architecture, official, "macs_true"));
    }
    if (name == "class_object") {
      ExpectCount(record, "params", params);
      ExpectCount(record, "flops", MacsNamed(space, *architecture, official, "macs_api"));
    }
  }
}

// Returns how many records there were.
int CheckFile(const std::filesystem::path& path) {
  SCOPED_TRACE(path);
  const absl::StatusOr<std::string> text = ReadFile(path);
  EXPECT_THAT(text, IsOk());
  if (!text.ok()) return 0;
  const json file = json::parse(*text, nullptr, false);
  EXPECT_TRUE(file.is_object()) << "not a JSON object";
  if (!file.is_object()) return 0;
  int records = 0;
  const auto check_list = [&](const char* list, void (*check)(const json&)) {
    if (!file.contains(list)) return;
    for (const json& record : file[list]) {
      SCOPED_TRACE(record.dump());
      ++records;
      ASSERT_TRUE(record.contains("id"));
      check(record);
    }
  };
  check_list("nb201", CheckNasbench201);
  check_list("nb101", CheckNasbench101);
  check_list("autoformer", CheckAutoformer);
  check_list("tnb", CheckTransnas);
  check_list("darts", CheckDarts);
  return records;
}

int CheckFolder(const std::filesystem::path& folder) {
  int records = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") records += CheckFile(entry.path());
  }
  EXPECT_FALSE(error) << folder << ": " << error.message();
  return records;
}

TEST(OraclesTest, EveryRecordOfTheRepositoryAgrees) { EXPECT_GE(CheckFolder(SourceDir() / "tests/oracles"), 76); }

TEST(OraclesTest, EveryRecordOfTheFolderGivenAgrees) {
  const char* const folder = std::getenv("ZCB_ORACLES_DIR");
  if (folder == nullptr) GTEST_SKIP() << "ZCB_ORACLES_DIR names no folder of further oracles";
  EXPECT_GT(CheckFolder(folder), 0) << folder << " holds no record of a space of ours";
}

class PublishedTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("ZCB_TEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "ZCB_TEST_DATA does not name the folder of the published tables";
    folder_ = folder;
  }

  std::string Read(const std::string& name) const {
    const absl::StatusOr<std::string> text = ReadFile(folder_ / name);
    EXPECT_THAT(text, IsOk());
    return text.value_or("");
  }

  // The rows below the header, each a map from column to field.
  std::vector<std::map<std::string, std::string>> Rows(const std::string& name) const {
    const std::string text = Read(name);
    std::vector<std::map<std::string, std::string>> rows;
    std::vector<std::string> columns;
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n', absl::SkipEmpty()))) {
      const std::vector<std::string> fields = absl::StrSplit(line, ',');
      if (columns.empty()) {
        columns = fields;
        continue;
      }
      EXPECT_EQ(fields.size(), columns.size()) << line;
      auto& row = rows.emplace_back();
      for (size_t i = 0; i < std::min(fields.size(), columns.size()); ++i) row[columns[i]] = fields[i];
    }
    return rows;
  }

 private:
  std::filesystem::path folder_;
};

// The table has millions with seven digits.
std::string Millions(int64_t count) { return absl::StrFormat("%.7g", count / 1e6); }

TEST_F(PublishedTableTest, NasbenchSuiteZeroCountsTheSame) {
  const Space& space = SpaceNamed("nasbench201");
  const Cell cell = SquareCell(32, 10);
  const auto rows = Rows("nb201_zc_cifar10.csv");
  EXPECT_EQ(rows.size(), 9445u);
  for (const auto& row : rows) {
    const absl::StatusOr<std::string> architecture = space.Parse("#" + row.at("idx"));
    ASSERT_THAT(architecture, IsOk());
    ASSERT_THAT(space.Parse(row.at("code")), IsOkAndHolds(*architecture)) << row.at("idx");
    double millions = 0;
    ASSERT_TRUE(absl::SimpleAtod(row.at("params"), &millions));
    ASSERT_THAT(space.Params(*architecture, cell), IsOkAndHolds(std::llround(millions * 1e6))) << row.at("idx");
    ASSERT_EQ(Millions(*space.Flops(*architecture, cell)), row.at("flops")) << row.at("idx");
  }
}

TEST_F(PublishedTableTest, TheAccuracyTableHasTheSameIndex) {
  const Space& space = SpaceNamed("nasbench201");
  const auto rows = Rows("nb201_accuracy.csv");
  EXPECT_EQ(rows.size(), space.size());
  for (const auto& row : rows) {
    const absl::StatusOr<std::string> architecture = space.Parse("#" + row.at("idx"));
    ASSERT_THAT(architecture, IsOk());
    ASSERT_THAT(space.Parse(row.at("code")), IsOkAndHolds(*architecture)) << row.at("idx");
    ASSERT_THAT(space.Official(*architecture), IsOkAndHolds(row.at("arch_str"))) << row.at("idx");
  }
}

TEST_F(PublishedTableTest, NasbenchSuiteZeroCountsTransnasTheSame) {
  const Space& space = SpaceNamed("transnas_micro");
  const Cell scene = *FindCell("transnas_micro", "class_scene");
  const auto rows = Rows("tnb101_micro_zc_class_scene.csv");
  EXPECT_EQ(rows.size(), 2128u);
  for (const auto& row : rows) {
    const absl::StatusOr<std::string> architecture = space.Parse(row.at("code"));
    ASSERT_THAT(architecture, IsOk()) << row.at("code");
    ASSERT_EQ(Millions(*space.Params(*architecture, scene)), row.at("params")) << row.at("code");
    ASSERT_EQ(Millions(*space.Flops(*architecture, scene)), row.at("flops")) << row.at("code");
  }
}

TEST_F(PublishedTableTest, TheAccuracyTableHasEveryMicroCellInOrder) {
  const Space& space = SpaceNamed("transnas_micro");
  const auto rows = Rows("tnb101_micro.csv");
  ASSERT_EQ(rows.size(), space.size());
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const std::string architecture = *space.At(i);
    ASSERT_THAT(space.Parse(rows[i].at("code")), IsOkAndHolds(architecture));
    ASSERT_THAT(space.Official(architecture), IsOkAndHolds(rows[i].at("arch_str")));
  }
}

TEST_F(PublishedTableTest, EverySubnetOfVitBenchIsOfAutoformerTiny) {
  const Space& space = SpaceNamed("autoformer_tiny");
  const json records = json::parse(Read("vitbench_autoformer_tiny.json"), nullptr, false);
  ASSERT_EQ(records.size(), 100u);
  for (const json& record : records) {
    const absl::StatusOr<std::string> architecture = space.Parse(record["arch"].dump());
    ASSERT_THAT(architecture, IsOk());
    EXPECT_THAT(space.IndexOf(*architecture), IsOk());
  }
}

}  // namespace
}  // namespace zcbench
