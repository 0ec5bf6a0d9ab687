#include "nas/data/make_probe_batch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "nas/data/image.h"
#include "nas/data/shipped.h"
#include "nas/random.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

Cell CellOf(const Task& task, int size, int images) {
  return {.space = "any", .task = task.name, .height = size, .width = size, .classes = task.classes, .images = images};
}

const Task& TaskNamed(const char* name) { return **task_registry().Find(name); }

// 100 images of 32 x 32, image i all of byte i.
class FlatImages final : public DataSet {
 public:
  int size() const override { return 100; }
  const std::string& source() const override { return source_; }
  int Label(int index) const override { return index % 10; }
  std::string Name(int index) const override { return absl::StrCat("flat ", index); }
  absl::StatusOr<Image> Load(int index) const override {
    if (index == broken_) return absl::InvalidArgumentError("flat: damaged");
    return Image{narrow_ ? 1 : 32, narrow_ ? 3200 : 32, std::string(narrow_ ? 9600 : 3072, static_cast<char>(index))};
  }

  int broken_ = -1;
  bool narrow_ = false;
  const std::string source_ = std::string(64, '5');
};

std::vector<int> Chosen(const ProbeBatch& batch) {
  std::vector<int> chosen;
  const size_t image = batch.pixels.size() / static_cast<size_t>(batch.images);
  for (size_t at = 0; at < batch.pixels.size(); at += image) chosen.push_back(static_cast<uint8_t>(batch.pixels[at]));
  return chosen;
}

TEST(MakeProbeBatchTest, HoldsWhatTheTaskAndTheCellSay) {
  const Task& task = TaskNamed("cifar10");
  const absl::StatusOr<ProbeBatch> batch = MakeProbeBatch(FlatImages(), task, CellOf(task, 32, 20), 3);
  ASSERT_THAT(batch, IsOk());
  EXPECT_THAT(CheckProbeBatch(*batch), IsOk());
  EXPECT_EQ(batch->task, "cifar10");
  EXPECT_EQ(batch->seed, 3u);
  EXPECT_EQ(batch->images, 20);
  EXPECT_EQ(batch->height, 32);
  EXPECT_EQ(batch->width, 32);
  EXPECT_EQ(batch->mean, task.mean);
  EXPECT_EQ(batch->standard_deviation, task.standard_deviation);
  EXPECT_EQ(batch->source, std::string(64, '5'));
  const std::vector<int> chosen = Chosen(*batch);
  EXPECT_EQ(std::set<int>(chosen.begin(), chosen.end()).size(), 20u);  // without replacement
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(batch->labels[i], chosen[i] % 10);
}

TEST(MakeProbeBatchTest, ASmallerBatchBeginsALargerOne) {
  const Task& task = TaskNamed("cifar10");
  const absl::StatusOr<ProbeBatch> all = MakeProbeBatch(FlatImages(), task, CellOf(task, 32, 100), 5);
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(std::set<char>(all->pixels.begin(), all->pixels.end()).size(), 100u);
  for (const int images : {1, 16, 64}) {
    const absl::StatusOr<ProbeBatch> part = MakeProbeBatch(FlatImages(), task, CellOf(task, 32, images), 5);
    ASSERT_THAT(part, IsOk());
    EXPECT_EQ(part->pixels, all->pixels.substr(0, part->pixels.size()));
  }
}

TEST(MakeProbeBatchTest, SeedAndTaskChooseOtherImages) {
  const Task& ten = TaskNamed("cifar10");
  const Task& hundred = TaskNamed("cifar100");
  const std::vector<int> chosen = Chosen(*MakeProbeBatch(FlatImages(), ten, CellOf(ten, 32, 20), 0));
  EXPECT_EQ(chosen, Chosen(*MakeProbeBatch(FlatImages(), ten, CellOf(ten, 32, 20), 0)));
  EXPECT_NE(chosen, Chosen(*MakeProbeBatch(FlatImages(), ten, CellOf(ten, 32, 20), 1)));
  EXPECT_NE(chosen, Chosen(*MakeProbeBatch(FlatImages(), hundred, CellOf(hundred, 32, 20), 0)));
}

TEST(MakeProbeBatchTest, EveryImageIsAsLikely) {
  const Task& task = TaskNamed("cifar10");
  std::map<int, int> count;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    for (const int i : Chosen(*MakeProbeBatch(FlatImages(), task, CellOf(task, 1, 10), seed))) ++count[i];
  }
  // 100 expected of each; the variance is 90. Chi-squared with 99 degrees of freedom, 1 - 1e-6 quantile: 173.
  double chi_squared = 0;
  for (int i = 0; i < 100; ++i) chi_squared += (count[i] - 100.0) * (count[i] - 100.0) / 90.0;
  EXPECT_LT(chi_squared, 173);
}

TEST(MakeProbeBatchTest, RefusesWhatCannotBe) {
  const Task& task = TaskNamed("cifar10");
  const auto make = [&](const FlatImages& data, const Cell& cell) { return MakeProbeBatch(data, task, cell, 0); };
  EXPECT_THAT(make(FlatImages(), CellOf(task, 32, 101)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "probe batch of cifar10: 101 images asked for, the data set has 100"));
  EXPECT_THAT(make(FlatImages(), CellOf(task, 32, 0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 images is not in [1, 4096]")));
  Cell cell = CellOf(task, 32, 2);
  cell.width = 48;
  EXPECT_THAT(make(FlatImages(), cell), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[3, 32, 48]")));
  cell = CellOf(task, 32, 2);
  cell.kind = TaskKind::kSegmentation;
  EXPECT_THAT(make(FlatImages(), cell), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no classes")));

  FlatImages data;
  data.broken_ = Chosen(*make(FlatImages(), CellOf(task, 32, 2)))[1];
  EXPECT_THAT(make(data, CellOf(task, 32, 1)), IsOk());
  EXPECT_THAT(make(data, CellOf(task, 32, 2)), StatusIs(absl::StatusCode::kInvalidArgument, "flat: damaged"));
  data.narrow_ = true;
  EXPECT_THAT(make(data, CellOf(task, 32, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::MatchesRegex("flat [0-9]+: .* is too narrow.*")));
}

// These are in the keys of published scores. They change only when the shipped photos, the choice, the resizing or the
// format change, which is never. A program of its own (Python, Pillow 13.0 with libjpeg-turbo 3.2) makes the same four.
// Where only this test and DecodeJpegTest.PhotosDecodeToTheKnownPixels fail, this machine's libjpeg decodes
// differently: scores of `photos` made here then have other probe batches than everybody's.
TEST(MakeProbeBatchTest, DigestsOfPhotosNeverChange) {
  const Task& task = TaskNamed("photos");
  const auto data = OpenShippedDataSet(task);
  ASSERT_THAT(data, IsOk());
  struct Case {
    int size;  // 32 for nasbench201, 224 for autoformer_tiny
    int images;
    uint64_t seed;
    const char* digest;
  };
  const Case cases[] = {
      {32, 16, 0, "916caa0a4aab27deec4ea3f271833d0238af0410864377824e4fc4f10e5cce31"},
      {224, 16, 0, "750517ad1bb3184d94581d3f3a73eeb2ee76cc145499c38a00d3a21cc2fd14c8"},
      {32, 145, 9, "28b0a3ddf9cbb568552dd4776cbd6aed3597207b6aec641486b0ff20e35d0d74"},
      {224, 145, 3, "4f31f112542cf4919154c511afb1e67371f344f3a174308759e923f384517639"},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<ProbeBatch> batch = MakeProbeBatch(**data, task, CellOf(task, c.size, c.images), c.seed);
    ASSERT_THAT(batch, IsOk());
    EXPECT_EQ(ProbeBatchDigest(EncodeProbeBatch(*batch)), c.digest) << c.size << " px, seed " << c.seed;
  }
}

TEST(MakeProbeBatchTest, CifarStaysAsItIsAtItsOwnSize) {
  const char* const folder = std::getenv("ZCB_TEST_DATA");
  if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "ZCB_TEST_DATA does not name the folder of published data";
  const Task& task = TaskNamed("cifar10");
  const auto data = OpenDataSet(task, std::filesystem::path(folder) / "cifar10_train_a.bin");
  ASSERT_THAT(data, IsOk());
  const absl::StatusOr<ProbeBatch> enlarged = MakeProbeBatch(**data, task, CellOf(task, 224, 64), 0);
  ASSERT_THAT(enlarged, IsOk());
  EXPECT_EQ(ProbeBatchDigest(EncodeProbeBatch(*enlarged)),
            "fc9f5630eb918832d435b009d38ffa5d433b8f437ec901dc55280adfb730b7fd");
  const absl::StatusOr<ProbeBatch> batch = MakeProbeBatch(**data, task, CellOf(task, 32, 64), 0);
  ASSERT_THAT(batch, IsOk());
  EXPECT_EQ(ProbeBatchDigest(EncodeProbeBatch(*batch)),
            "d1ee11a4a00de9cca900178f8320ebf022b426bb836ba6c4b781ecffc43f63c5");

  Draws draws(0, "probe_batch/cifar10");
  const int first = static_cast<int>(draws.Below(1000));  // the first swap is with element 0
  const Image image = *(*data)->Load(first);
  for (size_t i = 0; i < 1024; ++i) {
    for (size_t c = 0; c < 3; ++c) ASSERT_EQ(batch->pixels[1024 * c + i], image.rgb[3 * i + c]);
  }
  EXPECT_EQ(batch->labels[0], (*data)->Label(first));
}

}  // namespace
}  // namespace zcbench
