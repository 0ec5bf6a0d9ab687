#include "nas/data/image.h"

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <png.h>

#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Neither smooth nor random: every byte differs from its neighbours.
Image Pattern(int width, int height) {
  Image image{width, height, ""};
  for (int64_t i = 0; i < int64_t{3} * width * height; ++i) {
    image.rgb.push_back(static_cast<char>((i % 3 + 1) * 37 * (i / 3) + (i / 3) * (i / 3) / 11));
  }
  return image;
}

struct JpegOptions {
  J_COLOR_SPACE from = JCS_RGB;
  int components = 3;
  bool progressive = false;
  std::vector<jpeg_scan_info> scans = {};  // of a progressive file, instead of the usual ones
};

std::string EncodeJpeg(int width, int height, std::string_view samples, const JpegOptions& options) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = options.components;
  info.in_color_space = options.from;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (options.progressive) jpeg_simple_progression(&info);
  if (!options.scans.empty()) {
    info.scan_info = options.scans.data();
    info.num_scans = static_cast<int>(options.scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  std::string row(static_cast<size_t>(width * options.components), '\0');
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    row = samples.substr(y * row.size(), row.size());
    auto* pointer = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(out), size);
  std::free(out);
  return bytes;
}

std::string SmoothJpeg(const JpegOptions& options = {}) {
  std::string samples;
  for (int y = 0; y < 48; ++y) {
    for (int x = 0; x < 64; ++x) {
      for (int c = 0; c < options.components; ++c) samples.push_back(static_cast<char>(2 * x + y + 20 * c));
    }
  }
  return EncodeJpeg(64, 48, samples, options);
}

// Another height and width in the frame header of a baseline JPEG.
std::string WithSize(std::string jpeg, int height, int width) {
  const size_t frame = jpeg.find("\xff\xc0");
  for (const auto& [at, value] : {std::pair{frame + 5, height}, std::pair{frame + 7, width}}) {
    jpeg[at] = static_cast<char>(value >> 8);
    jpeg[at + 1] = static_cast<char>(value & 0xff);
  }
  return jpeg;
}

TEST(DecodeJpegTest, ReadsColourBaselineAndProgressive) {
  for (const bool progressive : {false, true}) {
    const absl::StatusOr<Image> image = DecodeJpeg(SmoothJpeg({.progressive = progressive}));
    ASSERT_THAT(image, IsOk());
    EXPECT_EQ(image->width, 64);
    EXPECT_EQ(image->height, 48);
    ASSERT_EQ(image->rgb.size(), 3u * 64 * 48);
    for (const auto& [x, y] : {std::pair{0, 0}, std::pair{63, 0}, std::pair{20, 40}, std::pair{63, 47}}) {
      for (int c = 0; c < 3; ++c) {
        EXPECT_NEAR(static_cast<uint8_t>(image->rgb[static_cast<size_t>(3 * (64 * y + x) + c)]), 2 * x + y + 20 * c, 4);
      }
    }
  }
}

TEST(DecodeJpegTest, GreyBecomesThreeEqualChannels) {
  const absl::StatusOr<Image> image = DecodeJpeg(SmoothJpeg({.from = JCS_GRAYSCALE, .components = 1}));
  ASSERT_THAT(image, IsOk());
  ASSERT_EQ(image->rgb.size(), 3u * 64 * 48);
  for (size_t i = 0; i < image->rgb.size(); i += 3) {
    ASSERT_EQ(image->rgb[i], image->rgb[i + 1]);
    ASSERT_EQ(image->rgb[i], image->rgb[i + 2]);
  }
}

TEST(DecodeJpegTest, RefusesOtherColourSpaces) {
  EXPECT_THAT(DecodeJpeg(SmoothJpeg({.from = JCS_CMYK, .components = 4})),
              StatusIs(absl::StatusCode::kInvalidArgument, "a CMYK JPEG, made for print; convert it to RGB"));
  EXPECT_THAT(DecodeJpeg(SmoothJpeg({.from = JCS_UNKNOWN, .components = 2})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 colour components")));
}

TEST(DecodeJpegTest, NamesOtherFormats) {
  EXPECT_THAT(DecodeJpeg(""), StatusIs(absl::StatusCode::kInvalidArgument, "not a JPEG but an empty file"));
  EXPECT_THAT(DecodeJpeg(std::string_view("\x89PNG\r\n\x1a\n")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("not a JPEG but a PNG image"), HasSubstr("byte 0"), HasSubstr("89504e47"))));
  EXPECT_THAT(DecodeJpeg("hello"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another kind of file")));
}

TEST(DecodeJpegTest, EveryTruncationIsAnError) {
  const std::string baseline = SmoothJpeg();
  const std::string progressive = SmoothJpeg({.progressive = true});
  for (const std::string& jpeg : {baseline, progressive}) {
    for (size_t size = 0; size < jpeg.size(); ++size) {
      ASSERT_THAT(DecodeJpeg(jpeg.substr(0, size)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JPEG")))
          << "truncated at byte " << size;
    }
  }
  EXPECT_THAT(DecodeJpeg(baseline.substr(0, 700)),
              StatusIs(absl::StatusCode::kInvalidArgument, "truncated JPEG: it ends early, at byte 700"));
}

TEST(DecodeJpegTest, NoChangedByteBreaksIt) {
  const std::string jpeg = SmoothJpeg();
  for (size_t at = 0; at < jpeg.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string changed = jpeg;
      changed[at] = static_cast<char>(changed[at] ^ change);
      const absl::StatusOr<Image> image = DecodeJpeg(changed);
      if (image.ok()) {
        ASSERT_EQ(image->rgb.size(), 3u * static_cast<size_t>(image->width) * static_cast<size_t>(image->height));
      } else {
        ASSERT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JPEG")));
      }
    }
  }
}

TEST(DecodeJpegTest, ChecksTheSizeBeforeItTakesMemory) {
  EXPECT_THAT(DecodeJpeg(WithSize(SmoothJpeg(), 20'001, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a JPEG of 1 x 20001 pixels; at most 20000")));
  EXPECT_THAT(DecodeJpeg(WithSize(SmoothJpeg(), 8'000, 8'001)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64000000 in all")));
  EXPECT_THAT(DecodeJpeg(WithSize(SmoothJpeg(), 65'500, 65'500)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65500 x 65500")));
}

TEST(DecodeJpegTest, RefusesTooManyScans) {
  JpegOptions options{.progressive = true, .scans = {{3, {0, 1, 2}, 0, 0, 0, 0}}};
  for (int coefficient = 1; coefficient < 64; ++coefficient) {  // each alone, 63 of each colour
    for (int component = 0; component < 3; ++component) {
      options.scans.push_back({1, {component}, coefficient, coefficient, 0, 0});
      if (options.scans.size() == 100) {
        EXPECT_THAT(DecodeJpeg(SmoothJpeg(options)), IsOk());
      }
    }
  }
  EXPECT_THAT(DecodeJpeg(SmoothJpeg(options)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 100 scans")));
}

// What libjpeg decodes may differ between its versions and so would every digest of photos: this is the test that says
// it first. The values are those of libjpeg-turbo 2.1 and 3.2 (Pillow 13.0).
TEST(DecodeJpegTest, PhotosDecodeToTheKnownPixels) {
  struct Case {
    std::string_view file, sha256;
  };
  const Case cases[] = {
      {"animal/cat.jpg", "3c8190b0ef987f7eff264ef0b36f6c5bb5c4e7598d915e0297583e8d017926f0"},
      {"fish/fish1.jpg", "19d4bf4db9ab648db45dc7b55a027f74eb579ac4defedb3350b9c06cf39347f3"},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<std::string> bytes = ReadFile(SourceDir() / "nas/data/photos" / std::string(c.file));
    ASSERT_THAT(bytes, IsOk());
    const absl::StatusOr<Image> image = DecodeJpeg(*bytes);
    ASSERT_THAT(image, IsOk());
    EXPECT_EQ(Sha256Hex(image->rgb), c.sha256) << c.file << " of " << image->width << " x " << image->height;
  }
}

// The digests are of the bytes that Pillow 13.0 makes of the same pixels: Image.resize((width, height), BILINEAR).
TEST(ResizeTest, EqualsPillow) {
  struct Case {
    int from_width, from_height, width, height;
    std::string_view sha256;
  };
  const Case cases[] = {
      {500, 333, 384, 256, "a5c096e42c6a5bc70e5bf8ffdd30a58c152b764fac82625690381c4492d92549"},
      {64, 48, 42, 32, "dd09ee679d9b88fa5103b297ff1b410d04168bcf0fe829b0683f0d5f986bfb9b"},
      {32, 32, 256, 256, "f68c96bb25bbb23a93aa7cdc3571194d6cabf2c00a2a39e2161b4e3136804f2c"},
      {7, 5, 3, 11, "bbebd81d034cf57fb9fc742cc84978f18559d0d13c453cd9811ce4ec6624cb33"},
      {1, 1, 4, 4, "17b0761f87b081d5cf10757ccc89f12be355c70e2e29df288b65b30710dcbcd1"},
      {301, 2, 1, 1, "8a02e234e4aa9024bafc17e263aecc9c089b53d982fd2e5c4f200abb2b7d7a0d"},
      {97, 89, 96, 90, "05ffdaf920cca52ec44a4395f96c78227ac1e7868ae2d62499511384fc10ff3c"},
  };
  for (const Case& c : cases) {
    const Image image = Resize(Pattern(c.from_width, c.from_height), c.width, c.height);
    EXPECT_EQ(image.width, c.width);
    EXPECT_EQ(image.height, c.height);
    EXPECT_EQ(Sha256Hex(image.rgb), c.sha256)
        << c.from_width << " x " << c.from_height << " to " << c.width << " x " << c.height;
  }
}

TEST(ResizeTest, IsTheWrittenFormula) {
  // Two pixels to one: both centres are half an output pixel away, so the mean, rounded half up.
  EXPECT_EQ(Resize({2, 1, {0, 1, 2, 1, 2, 5}}, 1, 1).rgb, std::string({1, 2, 4}));
  // One to two: both are the one.
  EXPECT_EQ(Resize({1, 1, {9, 8, 7}}, 2, 1).rgb, std::string({9, 8, 7, 9, 8, 7}));
  // Two to four: 0, 1/4, 3/4, 1 of the way.
  EXPECT_EQ(Resize({2, 1, {0, 0, 0, 100, 100, 100}}, 4, 1).rgb,
            std::string({0, 0, 0, 25, 25, 25, 75, 75, 75, 100, 100, 100}));
}

TEST(ResizeTest, KeepsAnImageOfTheSameSizeAndAConstantOne) {
  const Image pattern = Pattern(33, 21);
  EXPECT_EQ(Resize(pattern, 33, 21), pattern);
  for (const int value : {0, 1, 127, 254, 255}) {
    const Image flat{19, 230, std::string(3 * 19 * 230, static_cast<char>(value))};
    for (const auto& [width, height] : {std::pair{7, 19}, std::pair{256, 300}, std::pair{1, 1}}) {
      EXPECT_EQ(Resize(flat, width, height).rgb,
                std::string(static_cast<size_t>(3 * width * height), static_cast<char>(value)));
    }
  }
}

TEST(CentreCropTest, RoundsAnOddRestHalfToEven) {
  struct Case {
    int from, to, left;
  };
  for (const Case& c : {Case{4, 4, 0}, Case{4, 2, 1}, Case{5, 4, 0}, Case{7, 4, 2}, Case{9, 4, 2}, Case{11, 4, 4}}) {
    Image row{c.from, 1, ""};
    for (int x = 0; x < c.from; ++x) row.rgb.append(3, static_cast<char>(x));
    EXPECT_EQ(CentreCrop(row, c.to, 1).rgb,
              row.rgb.substr(static_cast<size_t>(3 * c.left), static_cast<size_t>(3 * c.to)))
        << c.from << " to " << c.to;
    const Image column{1, c.from, row.rgb};
    EXPECT_EQ(CentreCrop(column, 1, c.to).rgb,
              row.rgb.substr(static_cast<size_t>(3 * c.left), static_cast<size_t>(3 * c.to)));
  }
}

TEST(FitToSquareTest, ResizesTheShortSideAndCrops) {
  struct Case {
    int width, height, size, resized_width, resized_height;
  };
  const Case cases[] = {{500, 333, 224, 384, 256}, {333, 500, 224, 256, 384}, {100, 299, 32, 32, 95},
                        {32, 32, 32, 32, 32},      {32, 32, 224, 256, 256},   {256, 300, 224, 256, 300}};
  for (const Case& c : cases) {
    const Image image = Pattern(c.width, c.height);
    EXPECT_THAT(FitToSquare(image, c.size),
                IsOkAndHolds(CentreCrop(Resize(image, c.resized_width, c.resized_height), c.size, c.size)))
        << c.width << " x " << c.height;
  }
  EXPECT_THAT(FitToSquare(Pattern(32, 32), 32), IsOkAndHolds(Pattern(32, 32)));
}

TEST(FitToSquareTest, RefusesAnExtremeShape) {
  EXPECT_THAT(FitToSquare(Pattern(2, 400), 224),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("2 x 400 pixels is too narrow"), HasSubstr("51200 pixels"))));
  EXPECT_THAT(FitToSquare(Pattern(2, 100), 224), IsOk());
}

TEST(EncodePngTest, LibpngReadsTheSamePixels) {
  const Image image = Pattern(13, 9);
  const absl::StatusOr<std::string> bytes = EncodePng(image);
  ASSERT_THAT(bytes, IsOk());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&png, bytes->data(), bytes->size()), 0);
  EXPECT_EQ(png.width, 13u);
  EXPECT_EQ(png.height, 9u);
  png.format = PNG_FORMAT_RGB;
  std::string rgb(PNG_IMAGE_SIZE(png), '\0');
  ASSERT_NE(png_image_finish_read(&png, nullptr, rgb.data(), 0, nullptr), 0);
  EXPECT_EQ(rgb, image.rgb);
}

}  // namespace
}  // namespace zcbench
