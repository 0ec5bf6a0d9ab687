// Files of probe batches: what is read has exactly one spelling, so it is written as the same bytes.
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {

void Fuzz(std::string_view input) {
  const absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(input);
  if (!batch.ok()) {
    ZCB_CHECK(absl::IsInvalidArgument(batch.status()));
    return;
  }
  ZCB_CHECK(EncodeProbeBatch(*batch) == input);
  const absl::StatusOr<Cell> cell = FindProbeBatchCell(*batch);
  if (!cell.ok()) return;
  ZCB_CHECK(CheckProbeBatchFits(*batch, *cell).ok());
  if (batch->source == kNoise) ZCB_CHECK(CheckProbeBatch(MakeNoise(*cell, batch->seed)).ok());
}

}  // namespace zcbench
