#include "nas/data/noise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nas/random.h"

namespace zcbench {
namespace {

std::string NormalPixels(size_t count, const CounterStream& stream) {
  std::vector<float> normals(count);
  stream.FillNormal(normals, 1);
  std::string pixels(count, '\0');
  for (size_t i = 0; i < count; ++i) {
    const double byte = std::floor(static_cast<double>(normals[i]) * 31.875 + 128);
    pixels[i] = static_cast<char>(static_cast<uint8_t>(std::clamp(byte, 0.0, 255.0)));
  }
  return pixels;
}

// Word i scaled to [0, bound), which a 32-bit word does to within 2^-32 * bound.
int Below(int bound, uint32_t word) { return static_cast<int>(static_cast<uint64_t>(bound) * word >> 32); }

}  // namespace

ProbeBatch MakeNoise(const Cell& cell, uint64_t seed) {
  ProbeBatch batch{.task = cell.task,
                   .seed = seed,
                   .images = cell.images,
                   .height = cell.height,
                   .width = cell.width,
                   .mean = {0.5f, 0.5f, 0.5f},
                   .standard_deviation = {0.125f, 0.125f, 0.125f},
                   .source = kNoise,
                   .pixels = {},
                   .labels = {},
                   .channels = cell.channels,
                   .target = TargetOf(cell.kind),
                   .classes = cell.classes};
  const auto images = static_cast<size_t>(cell.images);
  const auto classes = static_cast<size_t>(cell.classes);
  const size_t pixels = images * static_cast<size_t>(cell.height) * static_cast<size_t>(cell.width);
  batch.pixels = NormalPixels(pixels * static_cast<size_t>(cell.channels),
                              CounterStream(seed, absl::StrCat("noise/pixels/", cell.task)));

  const CounterStream stream(seed, absl::StrCat("noise/targets/", cell.task));
  const auto words = [&](size_t count) {
    std::vector<uint32_t> result(count);
    stream.FillWords(result);
    return result;
  };
  switch (batch.target) {
    case TargetKind::kClass:
      for (const uint32_t word : words(images)) batch.labels.push_back(Below(cell.classes, word));
      break;
    case TargetKind::kClassMap:
      for (const uint32_t word : words(pixels))
        batch.target_pixels.push_back(static_cast<char>(Below(cell.classes, word)));
      break;
    case TargetKind::kNumbers:
      batch.values.resize(images * classes);
      stream.FillNormal(batch.values, 1);
      break;
    case TargetKind::kProbabilities:
      for (size_t image = 0; image < images; ++image) {
        double sum = 0;
        for (size_t c = 0; c < classes; ++c) sum += stream.Uniform(image * classes + c);
        for (size_t c = 0; c < classes; ++c) {
          batch.values.push_back(static_cast<float>(stream.Uniform(image * classes + c) / sum));
        }
      }
      break;
    case TargetKind::kImage:
      for (const uint32_t word : words(pixels * classes)) batch.target_pixels.push_back(static_cast<char>(word >> 24));
      batch.target_mean = batch.target_standard_deviation = {0.5f, 0.5f, 0.5f};
      break;
  }
  ZCB_CHECK(CheckProbeBatch(batch).ok());
  return batch;
}

}  // namespace zcbench
