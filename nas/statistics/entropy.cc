#include "nas/statistics/entropy.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/random.h"
#include "nas/statistics/correlation.h"

namespace zcbench {
namespace {

constexpr std::pair<Binning, std::string_view> kBinnings[] = {{Binning::kWidth, "width"},
                                                              {Binning::kQuantile, "quantile"}};
constexpr std::pair<EntropyEstimator, std::string_view> kEstimators[] = {
    {EntropyEstimator::kPlugin, "plugin"},
    {EntropyEstimator::kMillerMadow, "miller_madow"},
    {EntropyEstimator::kPermutation, "permutation"}};

template <typename T, size_t N>
std::string Name(const std::pair<T, std::string_view> (&table)[N], T value) {
  for (const auto& [entry, name] : table) {
    if (entry == value) return std::string(name);
  }
  ZCB_CHECK(false);
}

template <typename T, size_t N>
absl::StatusOr<T> Parse(const std::pair<T, std::string_view> (&table)[N], const char* kind, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [value, known] : table) {
    if (known == name) return value;
    names.emplace_back(known);
  }
  return UnknownName(kind, std::string(name), names);
}

}  // namespace

std::string NameOf(Binning binning) { return Name(kBinnings, binning); }
std::string NameOf(EntropyEstimator estimator) { return Name(kEstimators, estimator); }
absl::StatusOr<Binning> ParseBinning(std::string_view name) { return Parse(kBinnings, "binning", name); }
absl::StatusOr<EntropyEstimator> ParseEntropyEstimator(std::string_view name) {
  return Parse(kEstimators, "entropy estimator", name);
}

int BinCount(size_t n) {
  if (n < 2) return 1;
  return static_cast<int>(std::lround(1 + 3.322 * std::log(static_cast<double>(n))));
}

Binned Bin(std::span<const double> values, Binning binning, int bins) {
  ZCB_CHECK(bins > 0);
  Binned binned{.bin_of = std::vector<uint32_t>(values.size()), .count = static_cast<uint32_t>(bins)};
  if (values.empty()) return binned;
  if (binning == Binning::kQuantile) {
    const std::vector<double> ranks = Ranks(values);
    const double n = static_cast<double>(values.size());
    for (size_t i = 0; i < ranks.size(); ++i) binned.bin_of[i] = static_cast<uint32_t>(bins * (ranks[i] - 0.5) / n);
    return binned;
  }
  const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  if (*lowest == *highest) return binned;
  const double step = *highest / bins - *lowest / bins;  // the range itself may overflow
  const auto edge = [&, first = *lowest](uint32_t b) { return first + b * step; };
  const uint32_t last = binned.count - 1;
  for (size_t i = 0; i < values.size(); ++i) {
    const double place = step > 0 ? (values[i] / step - *lowest / step) : 0;
    uint32_t b = static_cast<uint32_t>(std::clamp(place, 0.0, static_cast<double>(last)));
    while (b > 0 && values[i] < edge(b)) --b;
    while (b < last && values[i] >= edge(b + 1)) ++b;
    binned.bin_of[i] = b;
  }
  return binned;
}

double Entropy(const Binned& y, EntropyEstimator estimator) {
  const size_t n = y.bin_of.size();
  if (n == 0) return 0;
  std::vector<uint32_t> counts(y.count);
  for (const uint32_t b : y.bin_of) ++counts[b];
  double sum = 0;
  size_t occupied = 0;
  for (const uint32_t count : counts) {
    if (count == 0) continue;
    ++occupied;
    sum += count * std::log2(static_cast<double>(count));
  }
  double entropy = std::log2(static_cast<double>(n)) - sum / static_cast<double>(n);
  if (estimator == EntropyEstimator::kMillerMadow) {
    entropy += static_cast<double>(occupied - 1) / (2 * static_cast<double>(n) * std::log(2.0));
  }
  return std::max(entropy, 0.0);
}

Binned Join(const Binned& a, const Binned& b) {
  ZCB_CHECK(a.bin_of.size() == b.bin_of.size());
  const uint64_t pairs = uint64_t{a.count} * b.count;
  Binned joint{.bin_of = std::vector<uint32_t>(a.bin_of.size()), .count = 0};
  ZCB_CHECK(pairs <= uint64_t{1} << 31);
  std::vector<uint32_t> cells(pairs);  // 0: not occupied yet
  for (size_t i = 0; i < a.bin_of.size(); ++i) {
    uint32_t& cell = cells[uint64_t{a.bin_of[i]} * b.count + b.bin_of[i]];
    if (cell == 0) cell = ++joint.count;
    joint.bin_of[i] = cell - 1;
  }
  joint.count = std::max(joint.count, 1u);
  return joint;
}

double ConditionalEntropy(const Binned& y, const Binned& z, EntropyEstimator estimator) {
  return Entropy(Join(y, z), estimator) - Entropy(z, estimator);
}

double InformationGain(const Binned& y, const Binned& given, const Binned& z, const EntropyOptions& options) {
  const Binned y_given = Join(y, given);
  const double before = Entropy(y_given, options.estimator) - Entropy(given, options.estimator);
  const auto gain = [&](const Binned& column) {
    return before -
           (Entropy(Join(y_given, column), options.estimator) - Entropy(Join(given, column), options.estimator));
  };
  const double observed = gain(z);
  if (options.estimator != EntropyEstimator::kPermutation) return observed;

  ZCB_CHECK(options.permutations > 0);
  std::vector<std::vector<size_t>> strata(given.count);
  for (size_t i = 0; i < given.bin_of.size(); ++i) strata[given.bin_of[i]].push_back(i);
  Draws draws(options.seed, "statistics/information_gain");
  Binned shuffled = z;
  double sum = 0;
  for (int round = 0; round < options.permutations; ++round) {
    for (const std::vector<size_t>& stratum : strata) {
      for (size_t i = stratum.size(); i > 1; --i) {
        std::swap(shuffled.bin_of[stratum[i - 1]], shuffled.bin_of[stratum[draws.Below(i)]]);
      }
    }
    sum += gain(shuffled);
  }
  return observed - sum / options.permutations;
}

}  // namespace zcbench
