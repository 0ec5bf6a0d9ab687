// Making and naming the probe batches that a server needs.
#ifndef ZCBENCH_CLIENT_CLI_PROBE_BATCHES_H_
#define ZCBENCH_CLIENT_CLI_PROBE_BATCHES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cc/client.h"
#include "nas/data/data_set.h"
#include "nas/task.h"

namespace zcbench {

// `TASK/HEIGHTxWIDTH/IMAGES/SEED`: photos/32x32/16/0; of generated ones photos/32x32/16/0/noise.
std::string PrintProbeBatchKey(const pb::ProbeBatchKey& key);

// The one of `batches` that `text` names: its key, its digest, or at least 6 first digits of the digest.
// NOT_FOUND: none or several.
absl::StatusOr<pb::ProbeBatchInfo> FindProbeBatch(const std::vector<pb::ProbeBatchInfo>& batches,
                                                  const std::string& text);

// Gives a probe batch file to the server; says on standard error what it did. Errors as Client::CreateProbeBatch.
absl::Status UploadProbeBatch(Client& client, const std::string& encoded);

// Makes the probe batch of every cell and seed from `data`, and gives them to the server one by one; says on standard
// error what it did. Errors as MakeProbeBatch and Client::CreateProbeBatch.
absl::Status UploadProbeBatches(Client& client, const DataSet& data, const Task& task, const std::vector<Cell>& cells,
                                const std::vector<uint64_t>& seeds);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_PROBE_BATCHES_H_
