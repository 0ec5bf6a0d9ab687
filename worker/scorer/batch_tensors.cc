#include "worker/scorer/batch_tensors.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace zcbench {
namespace {

// (byte / 255 - mean) / standard deviation, in float64 and rounded once: one value for each byte and channel, [images,
// channels, height, width] float32.
at::Tensor Normalised(std::string_view bytes, const ProbeBatch& batch, int channels, const std::array<float, 3>& mean,
                      const std::array<float, 3>& standard_deviation) {
  at::Tensor result = at::empty({batch.images, channels, batch.height, batch.width}, at::kFloat);
  float* out = result.data_ptr<float>();
  const size_t plane = static_cast<size_t>(batch.height) * static_cast<size_t>(batch.width);
  for (size_t colour = 0; colour < 3; ++colour) {
    float values[256];
    for (int byte = 0; byte < 256; ++byte) {
      values[byte] = static_cast<float>((byte / 255.0 - static_cast<double>(mean[colour])) /
                                        static_cast<double>(standard_deviation[colour]));
    }
    for (size_t n = 0; n < static_cast<size_t>(batch.images); ++n) {
      for (size_t channel = colour; channel < static_cast<size_t>(channels); channel += 3) {
        const size_t first = (n * static_cast<size_t>(channels) + channel) * plane;
        for (size_t i = first; i < first + plane; ++i) out[i] = values[static_cast<uint8_t>(bytes[i])];
      }
    }
  }
  return result;
}

}  // namespace

Batch ToTensors(const ProbeBatch& batch) {
  Batch result;
  result.images = Normalised(batch.pixels, batch, batch.channels, batch.mean, batch.standard_deviation);
  result.labels = at::zeros({batch.images}, at::kLong);
  switch (batch.target) {
    case TargetKind::kClass:
      std::copy(batch.labels.begin(), batch.labels.end(), result.labels.data_ptr<int64_t>());
      break;
    case TargetKind::kProbabilities:
    case TargetKind::kNumbers:
      result.targets = at::empty({batch.images, batch.classes}, at::kFloat);
      std::copy(batch.values.begin(), batch.values.end(), result.targets.data_ptr<float>());
      if (batch.target == TargetKind::kProbabilities) result.labels = result.targets.argmax(1);
      break;
    case TargetKind::kClassMap:
      result.targets = at::empty({batch.images, batch.height, batch.width}, at::kLong);
      std::transform(batch.target_pixels.begin(), batch.target_pixels.end(), result.targets.data_ptr<int64_t>(),
                     [](char c) { return static_cast<uint8_t>(c); });
      break;
    case TargetKind::kImage:
      result.targets =
          Normalised(batch.target_pixels, batch, batch.classes, batch.target_mean, batch.target_standard_deviation);
      break;
  }
  return result;
}

Batch Blank(const Cell& cell) {
  Batch blank{.images = at::zeros({cell.images, cell.channels, cell.height, cell.width}),
              .labels = at::zeros({cell.images}, at::kLong)};
  switch (TargetOf(cell.kind)) {
    case TargetKind::kClass:
      break;
    case TargetKind::kProbabilities:
    case TargetKind::kNumbers:
      blank.targets = at::zeros({cell.images, cell.classes});
      break;
    case TargetKind::kClassMap:
      blank.targets = at::zeros({cell.images, cell.height, cell.width}, at::kLong);
      break;
    case TargetKind::kImage:
      blank.targets = at::zeros({cell.images, cell.classes, cell.height, cell.width});
      break;
  }
  return blank;
}

}  // namespace zcbench
