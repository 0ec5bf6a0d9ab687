#include "server/metrics.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace zcbench {
namespace {

// A counter or gauge whose samples differ in one label.
Metric ByLabel(MetricType type, const char* name, const char* help, const char* label,
               const std::vector<std::pair<std::string, uint64_t>>& values) {
  Metric metric{.name = name, .help = help, .type = type};
  for (const auto& [word, value] : values) {
    metric.samples.push_back({.labels = {{label, word}}, .value = static_cast<double>(value)});
  }
  return metric;
}

Metric Single(MetricType type, const char* name, const char* help, double value) {
  return {.name = name, .help = help, .type = type, .samples = {{.value = value}}};
}

Metric FromHistogram(const char* name, const char* help, const Histogram& histogram) {
  return {.name = name,
          .help = help,
          .type = MetricType::kHistogram,
          .bounds = histogram.bounds(),
          .samples = histogram.samples()};
}

}  // namespace

std::vector<Metric> CollectMetrics(Scheduler& scheduler, const Store& store, const Histogram& call_seconds) {
  constexpr auto kCounter = MetricType::kCounter;
  constexpr auto kGauge = MetricType::kGauge;
  const SchedulerCounters& counters = scheduler.counters();
  std::vector<Metric> metrics = {
      Single(kCounter, "zcbench_leases_granted_total", "Leases given to workers.",
             static_cast<double>(counters.leases_granted.value())),
      ByLabel(kCounter, "zcbench_leases_ended_total", "Leases that ended, by how.", "outcome",
              {{"completed", counters.leases_completed.value()},
               {"returned", counters.leases_returned.value()},
               {"crashed", counters.leases_crashed.value()},
               {"expired", counters.leases_expired.value()}}),
      ByLabel(kCounter, "zcbench_scores_total", "Scores that workers sent, by what became of them.", "disposition",
              {{"recorded", counters.scores_recorded.value()},
               {"already_recorded", counters.scores_already_recorded.value()},
               {"conflict", counters.scores_conflicting.value()}}),
      FromHistogram("zcbench_architecture_seconds", "Computing an architecture: all its missing proxies together.",
                    counters.architecture_seconds),
      FromHistogram("zcbench_call_seconds", "Calls of the service from arrival to answer.", call_seconds),
  };
  if (const StoreMeters* const meters = store.meters(); meters != nullptr) {
    metrics.push_back(FromHistogram("zcbench_commit_seconds", "Transactions of the store's writer, with their writes.",
                                    meters->commit_seconds));
    metrics.push_back(
        FromHistogram("zcbench_commit_writes", "Writes that were committed together.", meters->commit_writes));
    metrics.push_back(Single(kGauge, "zcbench_store_queue_writes", "Writes that wait for the store's writer.",
                             static_cast<double>(meters->waiting.load())));
  }
  const absl::StatusOr<QueueState> queue = scheduler.DescribeQueue();
  if (!queue.ok()) {
    Log(LogLevel::kError, "a scrape lacks the queue", {{"status", queue.status().ToString()}});
    return metrics;
  }
  metrics.push_back(ByLabel(
      kGauge, "zcbench_units", "Work units by state; expired: the lease has run out, nobody has taken it back.",
      "state", {{"free", queue->units.free}, {"leased", queue->units.leased}, {"expired", queue->units.expired}}));
  metrics.push_back(Single(kGauge, "zcbench_waiting_pairs",
                           "(Architecture, seed) pairs of running jobs that are in no work unit yet.",
                           static_cast<double>(queue->waiting_pairs)));
  metrics.push_back(Single(kGauge, "zcbench_oldest_free_unit_seconds",
                           "How long the longest-waiting job has had something free to lease and given out nothing.",
                           absl::ToDoubleSeconds(queue->oldest_free)));
  metrics.push_back(ByLabel(kGauge, "zcbench_workers", "Workers that have opened a session, by state.", "state",
                            {queue->workers.begin(), queue->workers.end()}));
  return metrics;
}

}  // namespace zcbench
