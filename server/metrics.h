// What the server shows Prometheus: the table of docs/operations.md, "Monitoring".
#ifndef ZCBENCH_SERVER_METRICS_H_
#define ZCBENCH_SERVER_METRICS_H_

#include <vector>

#include "base/metrics.h"
#include "db/store.h"
#include "server/scheduler.h"

namespace zcbench {

// As they are now. Reads the queue's counts from the store, in one short transaction; when that fails, which is logged,
// the gauges of the queue have no samples. `call_seconds`: of TimeCalls.
std::vector<Metric> CollectMetrics(Scheduler& scheduler, const Store& store, const Histogram& call_seconds);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_METRICS_H_
