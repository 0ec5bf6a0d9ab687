// Images in memory: decoding, resizing, writing. Every result is integer arithmetic on bytes, so it is the same on
// every machine; only DecodeJpeg leans on a library, and it says how far.
#ifndef ZCBENCH_NAS_DATA_IMAGE_H_
#define ZCBENCH_NAS_DATA_IMAGE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr int kMaxImageSide = 20'000;        // pixels
inline constexpr int kMaxImagePixels = 64'000'000;  // width * height

struct Image {
  int width = 0;  // pixels
  int height = 0;
  std::string rgb;  // [height, width, 3] uint8

  bool operator==(const Image&) const = default;
};

// INVALID_ARGUMENT when `bytes` do not begin as a JPEG file; says what they look like instead.
absl::Status CheckJpegSignature(std::string_view bytes);

// Baseline and progressive JPEG, 8 bits, colour or grey (which becomes R = G = B). Settings are fixed: the accurate
// integer DCT (JDCT_ISLOW), "fancy" chroma upsampling, no block smoothing; embedded colour profiles and EXIF
// orientation are ignored. That is what Pillow and so torchvision decode. libjpeg-turbo 2.1 and 3.2 decode every
// shipped photo to the same bytes, with or without SIMD; another library, such as IJG's libjpeg 7 and later, may round
// chroma differently, and the tests of this folder then fail and say so.
//
// INVALID_ARGUMENT names the byte near which the file is wrong: another format, damaged, truncated, CMYK (convert it),
// larger than kMaxImageSide or kMaxImagePixels (checked before memory is taken), more than 100 scans. What libjpeg only
// warns of, a damaged or missing piece that it would fill with grey, is an error here.
absl::StatusOr<Image> DecodeJpeg(std::string_view bytes);

// Resizes with an antialiasing triangle filter, first each row, then each column, rounding to bytes after each:
//   out[x] = min(255, (2^21 + sum over j of k[x, j] * in[j]) >> 22)
//   k[x, j] = w * 2^22 / (sum over j of w), rounded half up
//   w[x, j] = max(0, 2 * max(n, m) - |(2 j + 1) m - (2 x + 1) n|)     for n pixels in and m out
// i.e. a triangle around the centre of the output pixel, as wide as two input pixels when enlarging and two output
// pixels when shrinking, cut at the border. It is Pillow's `Image.resize(size, BILINEAR)` with the weights made of
// integers. At the same size it changes nothing. Sizes must be in [1, kMaxImageSide], which is checked.
Image Resize(const Image& image, int width, int height);

// The middle; an odd rest is split as torchvision does it: half of it, rounded half to even, lies left and above. The
// crop must fit, which is checked.
Image CentreCrop(const Image& image, int width, int height);

// What a model sees, [size, size]: Resize to a short side of 256 for size 224 and of `size` otherwise, the long side in
// proportion, rounded down; then CentreCrop. At 224 this is torchvision's Resize(256), CenterCrop(224); an image of 32
// x 32 stays as it is at 32 and is enlarged to 256 x 256 and cropped at 224.
//
// INVALID_ARGUMENT: so narrow that the long side would be longer than kMaxImageSide.
absl::StatusOr<Image> FitToSquare(const Image& image, int size);

// 8-bit RGB. INTERNAL: libpng failed, e.g. by lack of memory.
absl::StatusOr<std::string> EncodePng(const Image& image);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_IMAGE_H_
