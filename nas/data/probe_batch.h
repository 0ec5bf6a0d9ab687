// A probe batch: the images and targets that proxies see, for one task, size, number of images and seed. It is
// content-addressed: the SHA-256 of its file is part of every score's key, so every worker sees the same bytes and no
// worker needs a data set.
//
// File, little-endian, readable from any language in ten lines:
//   8 bytes   "ZCBBATCH"
//   4 bytes   length of the header, uint32
//   header    JSON, keys sorted, no spaces:
//             {"height":32,"images":16,"mean":[..3],"seed":0,"source":"<64 hex
//             digits>","standard_deviation":[..3],"target":"class",
//              "target_type":"int32","task":"photos","version":1,"width":32}
//   images    uint8, [images, 3, height, width]
//   targets   int32, [images]: the class of each image
#ifndef ZCBENCH_NAS_DATA_PROBE_BATCH_H_
#define ZCBENCH_NAS_DATA_PROBE_BATCH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

struct ProbeBatch {
  std::string task;
  uint64_t seed = 0;
  int images = 0;
  int height = 0;
  int width = 0;
  std::array<float, 3> mean{};  // of pixels scaled to [0, 1]; applied by the scorer, not here
  std::array<float, 3> standard_deviation{};
  std::string source;           // SHA-256 over the data set's files, sorted by path
  std::string pixels;           // [images, 3, height, width] uint8
  std::vector<int32_t> labels;  // [images]
};

// The file's bytes. The batch must be consistent (sizes as declared), which is checked.
std::string EncodeProbeBatch(const ProbeBatch& batch);

// INVALID_ARGUMENT names what is wrong and at which byte: not a probe batch, truncated, too long, a header of another
// version, labels out of range of [0, 1e6).
absl::StatusOr<ProbeBatch> DecodeProbeBatch(std::string_view bytes);

// SHA-256 of the encoded bytes, 64 hexadecimal digits: the batch's name.
std::string ProbeBatchDigest(std::string_view encoded);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_PROBE_BATCH_H_
