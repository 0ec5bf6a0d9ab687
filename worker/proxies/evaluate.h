// All proxies of one model at once, from the smallest set of runs.
#ifndef ZCBENCH_WORKER_PROXIES_EVALUATE_H_
#define ZCBENCH_WORKER_PROXIES_EVALUATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/proxy_text.h"
#include "worker/passes/run_passes.h"
#include "worker/proxies/proxy.h"

namespace zcbench {

enum class Outcome { kOk, kNotFinite, kUndefined };

struct ProxyScore {
  Outcome outcome = Outcome::kOk;
  double score = 0;    // finite for kOk, else 0
  double seconds = 0;  // the proxy's share of the runs plus its own reduction
  std::string reason;  // for the other outcomes
};

// One score for each of `proxies`, which are canonical and known. On the CPU a score is bit-equal whether it is
// computed alone or with others, in any order; the model and the weights are unchanged afterwards. RESOURCE_EXHAUSTED:
// the device is out of memory. INVALID_ARGUMENT: as RunPasses. INTERNAL: anything else that LibTorch throws.
absl::StatusOr<std::vector<ProxyScore>> Evaluate(const PassInput& input, const std::vector<ProxyText>& proxies);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_PROXIES_EVALUATE_H_
