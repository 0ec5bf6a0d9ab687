#include "worker/agent/metrics.h"

#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace zcbench {
namespace {

// 0: there is no such process.
double ResidentBytes(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/statm"));
  uint64_t size = 0;
  uint64_t resident = 0;
  if (!(file >> size >> resident)) return 0;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

Metric Single(MetricType type, const char* name, const char* help, double value) {
  return {.name = name, .help = help, .type = type, .samples = {{.value = value}}};
}

}  // namespace

std::vector<Metric> CollectMetrics(const Agent& agent) {
  constexpr auto kCounter = MetricType::kCounter;
  constexpr auto kGauge = MetricType::kGauge;
  const AgentCounters& counters = agent.counters();
  const AgentState state = agent.state();
  const auto count = [](const Counter& counter) { return static_cast<double>(counter.value()); };
  Metric states{.name = "zcbench_worker_state", .help = "1 for the state that the worker is in.", .type = kGauge};
  for (const char* name : {"idle", "busy", "draining"}) {
    states.samples.push_back({.labels = {{"state", name}}, .value = state.state == name ? 1.0 : 0.0});
  }
  Metric left{.name = "zcbench_worker_walltime_left_seconds",
              .help = "Until the machine goes away; without a sample where that is not known.",
              .type = kGauge};
  if (state.walltime_left.has_value()) left.samples.push_back({.value = absl::ToDoubleSeconds(*state.walltime_left)});
  return {
      std::move(states),
      Single(kGauge, "zcbench_worker_leases", "Leases that the worker holds.", static_cast<double>(state.leases)),
      Single(kGauge, "zcbench_worker_spooled_requests", "Requests in the spool that the server has not acknowledged.",
             static_cast<double>(state.spooled)),
      Single(kGauge, "zcbench_worker_device_memory_bytes", "Memory of the device in all; 0: not known.",
             static_cast<double>(state.device_memory_bytes)),
      {.name = "zcbench_worker_resident_bytes",
       .help = "Main memory that the worker's two processes hold.",
       .type = kGauge,
       .samples = {{.labels = {{"process", "agent"}}, .value = ResidentBytes(::getpid())},
                   {.labels = {{"process", "scorer"}}, .value = state.scorer == 0 ? 0 : ResidentBytes(state.scorer)}}},
      std::move(left),
      {.name = "zcbench_worker_architectures_total",
       .help = "Architectures by how they fared.",
       .type = kCounter,
       .samples = {{.labels = {{"outcome", "scored"}}, .value = count(counters.architectures_scored)},
                   {.labels = {{"outcome", "failed"}}, .value = count(counters.architectures_failed)}}},
      Single(kCounter, "zcbench_worker_scorer_crashes_total", "Times that the scorer died.",
             count(counters.scorer_crashes)),
      Single(kCounter, "zcbench_worker_leases_lost_total", "Leases that the server had given to others.",
             count(counters.leases_lost)),
      Single(kCounter, "zcbench_worker_calls_failed_total", "Calls of the server that failed, each try.",
             count(counters.calls_failed)),
      {.name = "zcbench_worker_architecture_seconds",
       .help = "From asking the scorer for an architecture to its answer.",
       .type = MetricType::kHistogram,
       .bounds = counters.architecture_seconds.bounds(),
       .samples = counters.architecture_seconds.samples()},
  };
}

}  // namespace zcbench
