// What a worker shows Prometheus: the table of docs/operations.md, "Monitoring".
#ifndef ZCBENCH_WORKER_AGENT_METRICS_H_
#define ZCBENCH_WORKER_AGENT_METRICS_H_

#include <vector>

#include "base/metrics.h"
#include "worker/agent/agent.h"

namespace zcbench {

// As they are now. Reads the memory of the two processes from /proc.
std::vector<Metric> CollectMetrics(const Agent& agent);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_METRICS_H_
