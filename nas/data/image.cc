#include "nas/data/image.h"

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>  // before jpeglib.h, which needs it
#include <cstdlib>
#include <vector>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr int kMaxScans = 100;  // a progressive file of thousands of scans decodes for minutes

// libjpeg reports errors by a call that must not return. Every method that calls libjpeg sets its own jump target and
// has no object with a destructor between there and the call.
class JpegReader {
 public:
  explicit JpegReader(std::string_view bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr info) { Fail(info); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) Fail(info);  // a warning; traces are >= 0
    };
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
    progress_.progress_monitor = [](j_common_ptr info) {
      JpegReader& self = *static_cast<JpegReader*>(info->client_data);
      if (self.info_.input_scan_number <= kMaxScans) return;
      std::snprintf(self.message_, sizeof(self.message_), "more than %d scans", kMaxScans);
      std::longjmp(self.target_, 1);
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  const jpeg_decompress_struct& info() const { return info_; }

  bool ReadHeader() {
    if (setjmp(target_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  // `rgb` holds height * width * 3 bytes.
  bool ReadPixels(char* rgb) {
    if (setjmp(target_) != 0) return false;
    info_.out_color_space = JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    info_.do_block_smoothing = FALSE;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = reinterpret_cast<JSAMPROW>(rgb) + size_t{3} * info_.output_scanline * info_.output_width;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  absl::Status Error() const {
    if (errors_.msg_code == JWRN_JPEG_EOF) {
      return absl::InvalidArgumentError(absl::StrCat("truncated JPEG: it ends early, at byte ", bytes_.size()));
    }
    const size_t left = info_.src == nullptr ? bytes_.size() : info_.src->bytes_in_buffer;
    return absl::InvalidArgumentError(absl::StrCat("damaged JPEG: ", message_, ", near byte ",
                                                   bytes_.size() - std::min(left, bytes_.size()), " of ",
                                                   bytes_.size()));
  }

 private:
  [[noreturn]] static void Fail(j_common_ptr info) {
    JpegReader& self = *static_cast<JpegReader*>(info->client_data);
    info->err->format_message(info, self.message_);
    std::longjmp(self.target_, 1);
  }

  std::string_view bytes_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf target_{};
  char message_[JMSG_LENGTH_MAX] = "";
};

const char* FormatOf(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return "a PNG image";
  if (bytes.starts_with("GIF8")) return "a GIF image";
  if (bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return "a WebP image";
  if (bytes.starts_with("BM")) return "a BMP image";
  if (bytes.starts_with("II*") || bytes.starts_with("MM")) return "a TIFF image";
  return "another kind of file";
}

// The weights of one axis from `in` to `out` pixels.
struct Filter {
  struct Window {
    int first;                    // input pixel
    std::vector<int32_t> weight;  // of the pixels from `first`, in units of 2^-22
  };
  std::vector<Window> windows;  // [out]
};

constexpr int kFractionBits = 22;

Filter MakeFilter(int in, int out) {
  const int64_t n = in;
  const int64_t m = out;
  const int64_t reach = 2 * std::max(n, m);
  Filter filter;
  filter.windows.resize(static_cast<size_t>(out));
  for (int64_t x = 0; x < m; ++x) {
    const int64_t centre = (2 * x + 1) * n;  // of the output pixel, in units of 1 / (2 m) input pixels
    const auto weight = [&](int64_t j) { return reach - std::abs((2 * j + 1) * m - centre); };
    // The pixels of positive weight are consecutive, and the one under the centre is one of them.
    int64_t first = centre / (2 * m);
    while (first > 0 && weight(first - 1) > 0) --first;
    int64_t sum = 0;
    int64_t end = first;
    for (; end < n && weight(end) > 0; ++end) sum += weight(end);
    Filter::Window& window = filter.windows[static_cast<size_t>(x)];
    window.first = static_cast<int>(first);
    for (int64_t j = first; j < end; ++j) {
      window.weight.push_back(static_cast<int32_t>(((weight(j) << (kFractionBits + 1)) + sum) / (2 * sum)));
    }
  }
  return filter;
}

// One output byte: `pixel` is the first byte of the window, the next one is `stride` further. Weights sum up to about
// 2^22, so the sum fits.
uint8_t Apply(const Filter::Window& window, const uint8_t* pixel, size_t stride) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (const int32_t weight : window.weight) {
    sum += weight * *pixel;
    pixel += stride;
  }
  return static_cast<uint8_t>(std::min(sum >> kFractionBits, 255));
}

}  // namespace

absl::Status CheckJpegSignature(std::string_view bytes) {
  if (bytes.starts_with("\xff\xd8\xff")) return absl::OkStatus();
  if (bytes.empty()) return absl::InvalidArgumentError("not a JPEG but an empty file");
  return absl::InvalidArgumentError(absl::StrCat("not a JPEG but ", FormatOf(bytes), ": byte 0 is the beginning of `",
                                                 absl::BytesToHexString(std::string(bytes.substr(0, 4))),
                                                 "`, a JPEG begins with `ffd8ff`"));
}

absl::StatusOr<Image> DecodeJpeg(std::string_view bytes) {
  ZCB_RETURN_IF_ERROR(CheckJpegSignature(bytes));
  JpegReader reader(bytes);
  if (!reader.ReadHeader()) return reader.Error();
  const jpeg_decompress_struct& info = reader.info();
  if (info.image_width > kMaxImageSide || info.image_height > kMaxImageSide ||
      int64_t{info.image_width} * info.image_height > kMaxImagePixels) {
    return absl::InvalidArgumentError(absl::StrCat("a JPEG of ", info.image_width, " x ", info.image_height,
                                                   " pixels; at most ", kMaxImageSide, " a side and ", kMaxImagePixels,
                                                   " in all"));
  }
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) {
    return absl::InvalidArgumentError("a CMYK JPEG, made for print; convert it to RGB");
  }
  if (info.num_components != 1 && info.num_components != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("a JPEG of ", info.num_components, " colour components; 1 or 3 are read"));
  }
  Image image{static_cast<int>(info.image_width), static_cast<int>(info.image_height), ""};
  image.rgb.resize(size_t{3} * info.image_width * info.image_height);
  if (!reader.ReadPixels(image.rgb.data())) return reader.Error();
  return image;
}

Image Resize(const Image& image, int width, int height) {
  ZCB_CHECK(width >= 1 && width <= kMaxImageSide && height >= 1 && height <= kMaxImageSide);
  const auto out_row = size_t{3} * static_cast<size_t>(width);
  const Filter across = MakeFilter(image.width, width);
  std::string rows(out_row * static_cast<size_t>(image.height), '\0');
  const auto* in = reinterpret_cast<const uint8_t*>(image.rgb.data());
  auto* out = reinterpret_cast<uint8_t*>(rows.data());
  for (int y = 0; y < image.height; ++y) {
    for (const Filter::Window& window : across.windows) {
      for (int c = 0; c < 3; ++c) *out++ = Apply(window, in + 3 * window.first + c, 3);
    }
    in += 3 * image.width;
  }

  Image result{width, height, std::string(out_row * static_cast<size_t>(height), '\0')};
  in = reinterpret_cast<const uint8_t*>(rows.data());
  out = reinterpret_cast<uint8_t*>(result.rgb.data());
  for (const Filter::Window& window : MakeFilter(image.height, height).windows) {
    const uint8_t* top = in + out_row * static_cast<size_t>(window.first);
    for (size_t i = 0; i < out_row; ++i) *out++ = Apply(window, top + i, out_row);
  }
  return result;
}

Image CentreCrop(const Image& image, int width, int height) {
  ZCB_CHECK(width >= 1 && width <= image.width && height >= 1 && height <= image.height);
  const auto half = [](int rest) { return static_cast<size_t>(rest / 2 + (rest % 4 == 3)); };  // half to even
  const size_t left = half(image.width - width);
  const size_t top = half(image.height - height);
  const size_t row = size_t{3} * static_cast<size_t>(width);
  Image result{width, height, ""};
  result.rgb.reserve(row * static_cast<size_t>(height));
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    result.rgb.append(image.rgb, 3 * ((top + y) * static_cast<size_t>(image.width) + left), row);
  }
  return result;
}

absl::StatusOr<Image> FitToSquare(const Image& image, int size) {
  const int64_t target = size == 224 ? 256 : size;
  const int64_t shorter = std::min(image.width, image.height);
  const int64_t longer = target * std::max(image.width, image.height) / shorter;
  if (longer > kMaxImageSide) {
    return absl::InvalidArgumentError(absl::StrCat("an image of ", image.width, " x ", image.height,
                                                   " pixels is too narrow: at a short side of ", target,
                                                   " its long side would be ", longer, " pixels"));
  }
  const bool upright = image.height > image.width;
  return CentreCrop(
      Resize(image, static_cast<int>(upright ? target : longer), static_cast<int>(upright ? longer : target)), size,
      size);
}

absl::StatusOr<std::string> EncodePng(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  std::string bytes;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  bytes.resize(size);
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.rgb.data(), 0, nullptr) == 0) {
    return absl::InternalError(
        absl::StrCat("cannot write a PNG of ", image.width, " x ", image.height, " pixels: ", png.message));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace zcbench
