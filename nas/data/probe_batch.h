// A probe batch: the images and targets that proxies see, for one task, size, number of images and seed. It is
// content-addressed: the SHA-256 of its file is part of every score's key, so every worker sees the same bytes and no
// worker needs a data set.
//
// File, little-endian, readable from any language in ten lines:
//   8 bytes   "ZCBBATCH"
//   4 bytes   length of the header, uint32, at most 4096
//   header    JSON, keys sorted, no spaces:
//             {"height":32,"images":16,"mean":[0.5,0.5,0.5],"seed":0,"source":"<64 hex digits>",
//              "standard_deviation":[0.25,0.25,0.25],"target":"class","target_type":"int32","task":"photos",
//              "version":1,"width":32}
//             A float is the shortest decimal that reads back as the same float (std::to_chars), so equal batches are
//             equal bytes on every machine; a reader refuses any other spelling.
//   images    uint8, [images, 3, height, width]
//   targets   int32, [images]: the class of each image
#ifndef ZCBENCH_NAS_DATA_PROBE_BATCH_H_
#define ZCBENCH_NAS_DATA_PROBE_BATCH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr int kMaxProbeImages = 4096;
inline constexpr int kMaxProbeSide = 4096;  // pixels

struct ProbeBatch {
  std::string task;  // [a-z0-9_]+, at most 64 characters
  uint64_t seed = 0;
  int images = 0;               // [1, kMaxProbeImages]
  int height = 0;               // pixels, [1, kMaxProbeSide]
  int width = 0;                // likewise
  std::array<float, 3> mean{};  // of pixels scaled to [0, 1]; applied by the scorer, not here
  std::array<float, 3> standard_deviation{};
  std::string source;           // SHA-256 over the data set's files (DataSet::source), 64 lower-case hexadecimal digits
  std::string pixels;           // [images, 3, height, width] uint8
  std::vector<int32_t> labels;  // [images], each in [0, 1e6)

  bool operator==(const ProbeBatch&) const = default;
};

// INVALID_ARGUMENT names the field that is outside the ranges above, or the size that does not fit the shape.
absl::Status CheckProbeBatch(const ProbeBatch& batch);

// The file's bytes. A batch that CheckProbeBatch refuses is a bug of the caller and stops the process.
std::string EncodeProbeBatch(const ProbeBatch& batch);

// For bytes from anywhere: whatever they are, memory stays within a small multiple of their size. INVALID_ARGUMENT
// names what is wrong and at which byte: not a probe batch, truncated, too long, a header of another version or not in
// the one canonical spelling, a field or a label out of range.
absl::StatusOr<ProbeBatch> DecodeProbeBatch(std::string_view bytes);

// SHA-256 of the encoded bytes, 64 hexadecimal digits: the batch's name.
std::string ProbeBatchDigest(std::string_view encoded);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_PROBE_BATCH_H_
