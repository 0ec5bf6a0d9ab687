#include "nas/data/contact_sheet.h"

#include "base/status_macros.h"
#include "nas/data/image.h"

namespace zcbench {

absl::StatusOr<std::string> EncodeContactSheet(const ProbeBatch& batch) {
  ZCB_CHECK(CheckProbeBatch(batch).ok());
  const int tiles = batch.channels / 3;
  const int pictures = batch.images * tiles;
  int columns = tiles;
  while (tiles == 1 && columns * columns < pictures) ++columns;
  const int rows = (pictures + columns - 1) / columns;
  Image sheet{columns * (batch.width + 1) - 1, rows * (batch.height + 1) - 1, ""};
  sheet.rgb.assign(size_t{3} * static_cast<size_t>(sheet.width) * static_cast<size_t>(sheet.height), '\xff');
  size_t in = 0;
  for (int i = 0; i < pictures; ++i) {
    const int left = i % columns * (batch.width + 1);
    const int top = i / columns * (batch.height + 1);
    for (size_t c = 0; c < 3; ++c) {
      for (int y = top; y < top + batch.height; ++y) {
        const size_t row = static_cast<size_t>(y) * static_cast<size_t>(sheet.width);
        for (int x = left; x < left + batch.width; ++x) {
          sheet.rgb[3 * (row + static_cast<size_t>(x)) + c] = batch.pixels[in++];
        }
      }
    }
  }
  return EncodePng(sheet);
}

}  // namespace zcbench
