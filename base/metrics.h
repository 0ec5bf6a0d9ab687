// What a program counts of itself, whether anybody looks or not, and the form in which that is shown. Plain data: who
// counts knows nothing of Prometheus. base/metrics_page serves it.
#ifndef ZCBENCH_BASE_METRICS_H_
#define ZCBENCH_BASE_METRICS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace zcbench {

using Labels = std::vector<std::pair<std::string, std::string>>;

// One time series of a metric at one moment.
struct Sample {
  Labels labels{};
  double value = 0;                 // of a counter or a gauge
  std::vector<uint64_t> buckets{};  // of a histogram: observations in each bucket, the last one without a bound
  double sum = 0;                   // of a histogram: of all observations
};

enum class MetricType { kCounter, kGauge, kHistogram };

struct Metric {
  std::string name{};  // zcbench_..., with the unit last; a counter ends in _total
  std::string help{};
  MetricType type = MetricType::kGauge;
  std::vector<double> bounds{};  // of a histogram's buckets but the last: ascending, inclusive
  std::vector<Sample> samples{};
};

// Only grows. Thread-safe.
class Counter {
 public:
  void Add(uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How observations are spread over buckets, one histogram for each set of labels. Thread-safe.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)) {}

  void Observe(double value, const Labels& labels = {});
  const std::vector<double>& bounds() const { return bounds_; }
  std::vector<Sample> samples() const;

 private:
  const std::vector<double> bounds_;
  mutable Mutex mutex_;
  std::map<Labels, Sample> samples_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zcbench

#endif  // ZCBENCH_BASE_METRICS_H_
