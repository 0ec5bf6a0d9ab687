#include "nas/data/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

Cell CellOf(TaskKind kind, int classes, int images = 4, int size = 32) {
  return {.space = "any",
          .task = "photos",
          .kind = kind,
          .channels = kind == TaskKind::kJigsaw ? 27 : 3,
          .height = size,
          .width = size,
          .classes = classes,
          .images = images};
}

struct Kind {
  TaskKind kind;
  int classes;
  const char* digest;  // of 4 images of 32 x 32, seed 3
};
constexpr Kind kKinds[] = {
    {TaskKind::kClassification, 5, "5f4e1933ed8ed92476dca64dea0b704c63af60607e7bbfef59c28587f4e47579"},
    {TaskKind::kSoftClassification, 75, "ef48cf523ea3db0be7cbe1b828691b30e2ba3d2dc83a3c9d1cb24671bf441c87"},
    {TaskKind::kJigsaw, 1000, "6eac513e4f4411e33289f4906c5c4fd9f536f3519c0e1e8f497a5fd4fe1866ee"},
    {TaskKind::kRegression, 9, "493cde7366ad3e543043440307653ba5166a98d0c69d0566b5263f2f52c0a10c"},
    {TaskKind::kSegmentation, 17, "a0013f01aa17ff9b6433c47a3ae5337d03d41e49feb1e5607ed37877aa236d0c"},
    {TaskKind::kImage, 3, "89bd526da53d8610ecfe610d5f47ff053c3c2c0cfd8d135e5d2c8995998c70d2"},
};

TEST(NoiseTest, FitsItsCellAndSaysThatItIsNoise) {
  for (const Kind& kind : kKinds) {
    const ProbeBatch batch = MakeNoise(CellOf(kind.kind, kind.classes), 3);
    EXPECT_THAT(CheckProbeBatchFits(batch, CellOf(kind.kind, kind.classes)), IsOk());
    EXPECT_THAT(DecodeProbeBatch(EncodeProbeBatch(batch)), IsOkAndHolds(batch));
    EXPECT_EQ(batch.source, "noise");
    EXPECT_EQ(batch.seed, 3u);
  }
}

// They are in the keys of scores. A program of its own (Python, with its inverse of the normal distribution) makes the
// same six.
TEST(NoiseTest, DigestsNeverChange) {
  for (const Kind& kind : kKinds) {
    EXPECT_EQ(ProbeBatchDigest(EncodeProbeBatch(MakeNoise(CellOf(kind.kind, kind.classes), 3))), kind.digest)
        << static_cast<int>(kind.kind);
  }
}

TEST(NoiseTest, ASmallerBatchBeginsALargerOneAndAnotherSeedIsAnother) {
  for (const Kind& kind : kKinds) {
    const ProbeBatch large = MakeNoise(CellOf(kind.kind, kind.classes, 6), 3);
    const ProbeBatch small = MakeNoise(CellOf(kind.kind, kind.classes, 4), 3);
    EXPECT_EQ(large.pixels.substr(0, small.pixels.size()), small.pixels);
    EXPECT_EQ(large.target_pixels.substr(0, small.target_pixels.size()), small.target_pixels);
    EXPECT_TRUE(std::equal(small.labels.begin(), small.labels.end(), large.labels.begin()));
    EXPECT_TRUE(std::equal(small.values.begin(), small.values.end(), large.values.begin()));
    EXPECT_NE(MakeNoise(CellOf(kind.kind, kind.classes, 4), 4).pixels, small.pixels);
  }
}

TEST(NoiseTest, TheModelSeesStandardNormals) {
  const ProbeBatch batch = MakeNoise(CellOf(TaskKind::kClassification, 5, 64, 64), 0);
  double sum = 0;
  double squares = 0;
  size_t within_one = 0;
  for (const char c : batch.pixels) {
    const double byte = static_cast<uint8_t>(c);
    const double seen =
        (byte / 255 - static_cast<double>(batch.mean[0])) / static_cast<double>(batch.standard_deviation[0]);
    sum += seen;
    squares += seen * seen;
    within_one += std::abs(seen) < 1 ? 1 : 0;
  }
  // Of 786,432 numbers: five standard errors.
  const auto count = static_cast<double>(batch.pixels.size());
  EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2 / count));
  EXPECT_NEAR(static_cast<double>(within_one) / count, 0.6870, 0.003);  // |byte - 127.5| < 31.875: |z| < 1.0039
}

TEST(NoiseTest, EveryClassIsThere) {
  const ProbeBatch labels = MakeNoise(CellOf(TaskKind::kClassification, 5, 64), 0);
  EXPECT_EQ(std::set<int32_t>(labels.labels.begin(), labels.labels.end()).size(), 5u);
  const ProbeBatch map = MakeNoise(CellOf(TaskKind::kSegmentation, 17), 0);
  EXPECT_EQ(std::set<char>(map.target_pixels.begin(), map.target_pixels.end()).size(), 17u);
}

}  // namespace
}  // namespace zcbench
