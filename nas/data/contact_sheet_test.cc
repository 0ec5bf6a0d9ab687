#include "nas/data/contact_sheet.h"

#include <gtest/gtest.h>
#include <png.h>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using std::string_literals::operator""s;

// Images of 3 rows and 2 columns, image i all of the colour (i, 100 + i, 200 + i).
ProbeBatch Batch(int images) {
  ProbeBatch batch{.task = "t",
                   .seed = 0,
                   .images = images,
                   .height = 3,
                   .width = 2,
                   .mean = {},
                   .standard_deviation = {1, 1, 1},
                   .source = std::string(64, '0'),
                   .pixels = {},
                   .labels = {}};
  for (int i = 0; i < images; ++i) {
    for (int c = 0; c < 3; ++c) batch.pixels.append(6, static_cast<char>(100 * c + i));
    batch.labels.push_back(0);
  }
  return batch;
}

TEST(ContactSheetTest, IsAGridWithWhiteGaps) {
  const absl::StatusOr<std::string> bytes = EncodeContactSheet(Batch(5));  // 3 columns, 2 rows
  ASSERT_THAT(bytes, IsOk());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&png, bytes->data(), bytes->size()), 0);
  ASSERT_EQ(png.width, 8u);
  ASSERT_EQ(png.height, 7u);
  png.format = PNG_FORMAT_RGB;
  std::string rgb(PNG_IMAGE_SIZE(png), '\0');
  ASSERT_NE(png_image_finish_read(&png, nullptr, rgb.data(), 0, nullptr), 0);
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 8; ++x) {
      const int image = y / 4 * 3 + x / 3;
      const bool gap = x % 3 == 2 || y % 4 == 3 || image >= 5;
      for (int c = 0; c < 3; ++c) {
        EXPECT_EQ(static_cast<uint8_t>(rgb[static_cast<size_t>(3 * (8 * y + x) + c)]), gap ? 255 : 100 * c + image)
            << x << ", " << y;
      }
    }
  }
}

TEST(ContactSheetTest, OneImageIsItself) {
  const absl::StatusOr<std::string> bytes = EncodeContactSheet(Batch(1));
  ASSERT_THAT(bytes, IsOk());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&png, bytes->data(), bytes->size()), 0);
  EXPECT_EQ(png.width, 2u);
  EXPECT_EQ(png.height, 3u);
  png_image_free(&png);
}

TEST(ContactSheetTest, AnImageOfTilesIsARow) {
  ProbeBatch batch = Batch(4);
  batch.images = 2;
  batch.channels = 6;
  batch.classes = 1;
  batch.labels.resize(2);
  const absl::StatusOr<std::string> bytes = EncodeContactSheet(batch);
  ASSERT_THAT(bytes, IsOk());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&png, bytes->data(), bytes->size()), 0);
  ASSERT_EQ(png.width, 5u);
  ASSERT_EQ(png.height, 7u);
  png.format = PNG_FORMAT_RGB;
  std::string rgb(PNG_IMAGE_SIZE(png), '\0');
  ASSERT_NE(png_image_finish_read(&png, nullptr, rgb.data(), 0, nullptr), 0);
  EXPECT_EQ(rgb.substr(0, 3), "\x00\x64\xc8"s);
  EXPECT_EQ(rgb.substr(3 * 3, 3), "\x01\x65\xc9"s);
  EXPECT_EQ(rgb.substr(3 * (4 * 5 + 3), 3), "\x03\x67\xcb"s);
}

}  // namespace
}  // namespace zcbench
