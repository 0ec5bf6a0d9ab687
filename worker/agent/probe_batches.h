// Probe batches on the worker's side: fetched from the server once and cached in a folder, by digest.
#ifndef ZCBENCH_WORKER_AGENT_PROBE_BATCHES_H_
#define ZCBENCH_WORKER_AGENT_PROBE_BATCHES_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zcbench/v1/job.grpc.pb.h"

namespace zcbench {

// A folder of files named by their SHA-256, 64 lower-case hexadecimal digits; any number of workers may share it.
class ProbeBatchCache {
 public:
  explicit ProbeBatchCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // NOT_FOUND: it is not there, or the file was damaged; that is logged and the file deleted. INVALID_ARGUMENT: no
  // digest.
  absl::StatusOr<std::string> Read(const std::string& digest) const;

  // A cache that cannot be written costs time, not work: that is logged.
  void Write(const std::string& digest, const std::string& bytes) const;

 private:
  const std::filesystem::path folder_;
};

// Gets the bytes of `digest` from offset bytes.size() on, appends them, and checks the digest of the whole. An error of
// the call leaves in `bytes` what has come, so that the same call continues there. DATA_LOSS: what came does not have
// the digest; `bytes` is empty then. RESOURCE_EXHAUSTED: the batch is larger than a scorer accepts.
absl::Status FetchProbeBatch(v1::ProbeBatchService::StubInterface& server, const std::string& digest,
                             std::string& bytes);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_PROBE_BATCHES_H_
