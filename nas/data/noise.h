// Generated probe batches, for a task whose images are not at hand and for checking a build. They are asked for by name
// and never stand in silently for images: their source is `noise`, so their digest, and with it the key of every score,
// is another one than that of any data set.
#ifndef ZCBENCH_NAS_DATA_NOISE_H_
#define ZCBENCH_NAS_DATA_NOISE_H_

#include <cstdint>

#include "nas/data/probe_batch.h"
#include "nas/task.h"

namespace zcbench {

// The batch of a cell and a seed, the same bytes on every machine; a smaller one is the beginning of a larger one. Two
// streams of the generator, "noise/pixels/TASK" and "noise/targets/TASK", element i of each for element i of the file:
//   pixels    z ~ N(0, 1) in steps of 8/255 cut at +-4: the byte is floor(31.875 z + 128) in [0, 255]. The batch
//             carries mean 0.5 and standard deviation 0.125, so the model sees (byte - 127.5) / 31.875.
//   targets   class, class map: uniform over the classes
//             numbers: N(0, 1), as standardised targets
//             probabilities: uniform in (0, 1), divided by the image's sum
//             image: uniform bytes with mean 0.5 and standard deviation 0.5, uniform in [-1, 1]
ProbeBatch MakeNoise(const Cell& cell, uint64_t seed);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_NOISE_H_
