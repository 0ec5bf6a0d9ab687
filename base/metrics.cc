#include "base/metrics.h"

#include <algorithm>

namespace zcbench {

void Histogram::Observe(double value, const Labels& labels) {
  const size_t bucket = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  MutexLock lock(mutex_);
  Sample& sample = samples_[labels];
  if (sample.buckets.empty()) {
    sample.labels = labels;
    sample.buckets.resize(bounds_.size() + 1);
  }
  ++sample.buckets[bucket];
  sample.sum += value;
}

std::vector<Sample> Histogram::samples() const {
  MutexLock lock(mutex_);
  std::vector<Sample> samples;
  for (const auto& [labels, sample] : samples_) samples.push_back(sample);
  return samples;
}

}  // namespace zcbench
