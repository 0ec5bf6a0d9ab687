// A probe batch as the tensors that a pass runs on.
#ifndef ZCBENCH_WORKER_SCORER_BATCH_TENSORS_H_
#define ZCBENCH_WORKER_SCORER_BATCH_TENSORS_H_

#include "nas/data/probe_batch.h"
#include "worker/passes/loss.h"

namespace zcbench {

// Images and targets, normalised. The batch is one that CheckProbeBatchFits has accepted.
Batch ToTensors(const ProbeBatch& batch);

// Zeros of the cell's shapes: for proxies that read no image a pass still needs a batch.
Batch Blank(const Cell& cell);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_SCORER_BATCH_TENSORS_H_
