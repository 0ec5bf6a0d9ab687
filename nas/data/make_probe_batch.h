// From a data set to the probe batch of a cell and a seed.
#ifndef ZCBENCH_NAS_DATA_MAKE_PROBE_BATCH_H_
#define ZCBENCH_NAS_DATA_MAKE_PROBE_BATCH_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "nas/data/data_set.h"
#include "nas/data/probe_batch.h"
#include "nas/task.h"

namespace zcbench {

// `cell.images` images of `data`, uniformly without replacement, brought to the cell's size by FitToSquare and not
// augmented. Image i is the i-th of a Fisher-Yates shuffle of the data set's order by Draws(seed, "probe_batch/TASK"),
// so a smaller batch is the beginning of a larger one of the same seed. Equal files give equal bytes and one digest on
// every machine, as far as libjpeg decodes alike (DecodeJpeg); CIFAR needs no decoder. INVALID_ARGUMENT: the data set
// has fewer images (says both numbers), the cell is not square or its task no classification, or an image is damaged
// (names its file). NOT_FOUND, UNAVAILABLE: a file is gone or cannot be read any more.
absl::StatusOr<ProbeBatch> MakeProbeBatch(const DataSet& data, const Task& task, const Cell& cell, uint64_t seed);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_MAKE_PROBE_BATCH_H_
