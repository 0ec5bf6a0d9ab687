// What the scorer process can do, in plain C++: the engine implements it, `Serve()` speaks Protobuf on the other side
// of it. Neither side sees the other's library.
#ifndef ZCBENCH_WORKER_SCORING_BACKEND_H_
#define ZCBENCH_WORKER_SCORING_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nas/task.h"

namespace zcbench {

// A search space that the scorer can build models of.
struct SpaceDescription {
  std::string name;
  std::string version;
};

// A proxy that the scorer holds; the fields of ProxyInfo in common.proto.
struct ProxyDescription {
  std::string name;          // registered name, without options
  std::string summary = "";  // one line
  std::string paper = "";    // authors, title, venue, arXiv id
  std::string version;       // `proxy.pass`
  bool reads_weights = false;
  bool reads_images = false;
  bool reads_labels = false;
  std::map<std::string, std::string> options = {};  // with their defaults
  double tolerance = 0;                             // relative, float32: below it two scores of one key are the same
  bool larger_is_better = true;
  bool variant = false;  // left out of `all`
};

struct ScorerDescription {
  std::string device;           // "cpu", "cuda:0 NVIDIA H100"
  std::string numerics;         // the numerics class
  std::string zcbench_version;  // "0.1.0"
  std::string commit;           // of the sources; empty when not known
  std::vector<SpaceDescription> spaces;
  std::vector<ProxyDescription> proxies;
  uint64_t memory_bytes = 0;  // of the device
};

struct ScoringRequest {
  Cell cell;
  std::string architecture;  // canonical
  uint64_t seed = 0;
  std::vector<std::string> proxies;  // canonical texts
  std::string probe_batch;           // its digest; empty when no proxy reads images or labels
  std::string next_architecture;     // of the same cell and seed, comes next: may be built meanwhile; empty = not known
};

// All three complete a cell of the benchmark.
enum class ScoreOutcome {
  kOk,
  kNotFinite,  // the formula gave NaN or an infinity
  kUndefined,  // the proxy is not defined for this model
};

struct ScoredProxy {
  ScoreOutcome outcome = ScoreOutcome::kOk;
  double score = 0;         // only with kOk, finite
  double seconds = 0;       // the proxy's share of the computing time
  std::string reason = "";  // for the other outcomes: why, in one line
};

// The agent counts on it that a backend holds this many probe batches, the last ones it was given, and sends any other
// one again before it is named. So a backend drops the oldest when one more comes.
inline constexpr size_t kProbeBatchesHeld = 8;

// Called by one thread at a time.
class ScoringBackend {
 public:
  virtual ~ScoringBackend() = default;

  // Called once, at start.
  virtual ScorerDescription Describe() = 0;

  // Holds a probe batch file (`ZCBBATCH...`) under its digest, 64 hexadecimal digits. An error says what is wrong with
  // `bytes`; the architectures that need it are then reported as failed with that message.
  virtual absl::Status LoadProbeBatch(const std::string& digest, std::string bytes) = 0;

  // One entry a proxy, in the order of `request.proxies`. An error is a failure of the whole architecture, which is
  // tried again elsewhere or later. RESOURCE_EXHAUSTED: the device is out of memory. Any other code: the model or a
  // pass failed.
  virtual absl::StatusOr<std::vector<ScoredProxy>> Score(const ScoringRequest& request) = 0;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_SCORING_BACKEND_H_
