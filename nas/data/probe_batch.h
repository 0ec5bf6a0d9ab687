// A probe batch: the images and targets that proxies see, for one task, size, number of images and seed. It is
// content-addressed: the SHA-256 of its file is part of every score's key, so every worker sees the same bytes and no
// worker needs a data set.
//
// File, little-endian, written from any language in ten lines (docs/probe_batches.md):
//   8 bytes   "ZCBBATCH"
//   4 bytes   length of the header, uint32, at most 4096
//   header    JSON, keys sorted, no spaces. Version 1 is a batch of three channels and class numbers from a data set:
//             {"height":32,"images":16,"mean":[0.5,0.5,0.5],"seed":0,"source":"<64 hex digits>",
//              "standard_deviation":[0.25,0.25,0.25],"target":"class","target_type":"int32","task":"photos",
//              "version":1,"width":32}
//             Every other batch is version 2, which adds "channels" and "classes", and for images as targets
//             "target_mean" and "target_standard_deviation".
//             A float is the shortest decimal that reads back as the same float (std::to_chars), so equal batches are
//             equal bytes on every machine; a reader refuses any other spelling.
//   images    uint8, [images, channels, height, width]
//   targets   as TargetKind says
#ifndef ZCBENCH_NAS_DATA_PROBE_BATCH_H_
#define ZCBENCH_NAS_DATA_PROBE_BATCH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nas/task.h"

namespace zcbench {

inline constexpr int kMaxProbeImages = 4096;
inline constexpr int kMaxProbeSide = 4096;    // pixels
inline constexpr int kMaxProbeChannels = 63;  // nine tiles of three colours are 27

// What stands in `ProbeBatch::source` of generated batches (nas/data/noise.h).
inline constexpr char kNoise[] = "noise";

// The targets of a batch: "target" and "target_type" of the header, and the bytes of the file.
enum class TargetKind {
  kClass,          // "class": int32 [images], the class of each image
  kProbabilities,  // "probabilities": float32 [images, classes] in [0, 1], the sum of an image within 0.001 of 1
  kNumbers,        // "numbers": float32 [images, classes], finite
  kClassMap,       // "class_map": uint8 [images, height, width], the class of each pixel
  kImage,          // "image": uint8 [images, classes, height, width]
};

// The targets that a task of this kind needs.
TargetKind TargetOf(TaskKind kind);

struct ProbeBatch {
  std::string task;  // [a-z0-9_]+, at most 64 characters
  uint64_t seed = 0;
  int images = 0;  // [1, kMaxProbeImages]
  int height = 0;  // pixels, [1, kMaxProbeSide]
  int width = 0;   // likewise
  // Of pixels scaled to [0, 1]; channel c has element c mod 3. Applied by the scorer, not here.
  std::array<float, 3> mean{};
  std::array<float, 3> standard_deviation{};
  std::string source;  // SHA-256 over the data set's files (DataSet::source) in 64 digits of 0-9 a-f; or kNoise
  std::string pixels;  // [images, channels, height, width] uint8
  std::vector<int32_t> labels;  // of kClass: [images], each in [0, 1e6) and below `classes` where that is said

  // From here on of version 2; a batch of version 1 has these values.
  int channels = 3;  // [3, kMaxProbeChannels], a multiple of 3
  TargetKind target = TargetKind::kClass;
  int classes = 0;                     // width of the target: Task::classes; 0 in version 1, which does not say it
  std::vector<float> values = {};      // of kProbabilities and kNumbers
  std::string target_pixels = {};      // of kClassMap and kImage
  std::array<float, 3> target_mean{};  // of kImage, as `mean`; else 0
  std::array<float, 3> target_standard_deviation{};

  bool operator==(const ProbeBatch&) const = default;
};

// INVALID_ARGUMENT names the field that is outside the ranges above, or the size that does not fit the shape.
absl::Status CheckProbeBatch(const ProbeBatch& batch);

// Whether a model of `cell` can take the batch. INVALID_ARGUMENT says what differs.
absl::Status CheckProbeBatchFits(const ProbeBatch& batch, const Cell& cell);

// The cell of the first search space that takes the batch for its own task. NOT_FOUND: an unknown task, with the
// nearest name. INVALID_ARGUMENT: no space takes images of this size (says which sizes), or as CheckProbeBatchFits.
absl::StatusOr<Cell> FindProbeBatchCell(const ProbeBatch& batch);

// The file's bytes. A batch that CheckProbeBatch refuses is a bug of the caller and stops the process.
std::string EncodeProbeBatch(const ProbeBatch& batch);

// For bytes from anywhere: whatever they are, memory stays within a small multiple of their size. INVALID_ARGUMENT
// names what is wrong and at which byte: not a probe batch, truncated, too long, a header of another version or not in
// the one canonical spelling, a field or a target out of range.
absl::StatusOr<ProbeBatch> DecodeProbeBatch(std::string_view bytes);

// SHA-256 of the encoded bytes, 64 hexadecimal digits: the batch's name.
std::string ProbeBatchDigest(std::string_view encoded);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_PROBE_BATCH_H_
