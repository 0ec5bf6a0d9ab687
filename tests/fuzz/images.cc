// JPEG files, as far as to what a model sees of them.
#include "nas/data/image.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  const absl::StatusOr<Image> image = DecodeJpeg(input);
  if (!image.ok()) {
    ZCB_CHECK(absl::IsInvalidArgument(image.status()));
    return;
  }
  ZCB_CHECK(image->rgb.size() == size_t{3} * static_cast<size_t>(image->width) * static_cast<size_t>(image->height));
  for (const int size : {32, 224}) {
    const absl::StatusOr<Image> square = FitToSquare(*image, size);
    ZCB_CHECK(square.ok() ? square->width == size : absl::IsInvalidArgument(square.status()));
  }
}

}  // namespace zcbench
