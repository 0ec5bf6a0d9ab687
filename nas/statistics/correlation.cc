#include "nas/statistics/correlation.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status_macros.h"
#include "nas/random.h"

namespace zcbench {
namespace {

constexpr size_t kMostPairsResampled = 10000;
constexpr size_t kFewestPairsForInterval = 4;

struct Pairs {
  std::vector<double> x;
  std::vector<double> y;
  size_t size() const { return x.size(); }
};

Pairs FinitePairs(std::span<const double> x, std::span<const double> y) {
  ZCB_CHECK(x.size() == y.size());
  Pairs pairs;
  pairs.x.reserve(x.size());
  pairs.y.reserve(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    pairs.x.push_back(x[i]);
    pairs.y.push_back(y[i]);
  }
  return pairs;
}

// The values that differ, numbered in ascending order, and the number of each element.
struct Levels {
  std::vector<uint32_t> level_of;
  size_t count = 0;
};

Levels FindLevels(std::span<const double> values) {
  std::vector<std::pair<double, uint32_t>> sorted(values.size());
  for (size_t i = 0; i < values.size(); ++i) sorted[i] = {values[i], static_cast<uint32_t>(i)};
  std::sort(sorted.begin(), sorted.end());
  Levels levels{.level_of = std::vector<uint32_t>(values.size())};
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || sorted[i].first != sorted[i - 1].first) ++levels.count;
    levels.level_of[sorted[i].second] = static_cast<uint32_t>(levels.count - 1);
  }
  return levels;
}

// The average rank of each level, given how many elements have it; what a level without elements gets means nothing.
void RankLevels(const std::vector<uint32_t>& elements, std::vector<double>& ranks) {
  uint64_t before = 0;
  for (size_t level = 0; level < elements.size(); ++level) {
    ranks[level] = static_cast<double>(before) + 0.5 * (elements[level] + 1.0);
    before += elements[level];
  }
}

std::vector<double> RanksOf(const Levels& levels) {
  std::vector<uint32_t> elements(levels.count);
  for (const uint32_t level : levels.level_of) ++elements[level];
  std::vector<double> rank_of_level(levels.count);
  RankLevels(elements, rank_of_level);
  std::vector<double> ranks(levels.level_of.size());
  for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = rank_of_level[levels.level_of[i]];
  return ranks;
}

double Clamped(double correlation) { return std::clamp(correlation, -1.0, 1.0); }

// Deviations from the mean, scaled by a power of two to at most about 1. False: all values are equal.
bool Centre(std::vector<double>& values) {
  const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  if (*lowest == *highest) return false;
  int exponent = 0;
  std::frexp(std::max(std::fabs(*lowest), std::fabs(*highest)), &exponent);
  for (double& value : values) value = std::ldexp(value, -exponent);
  const double n = static_cast<double>(values.size());
  for (int pass = 0; pass < 2; ++pass) {  // the second removes the rounding of the first mean
    double sum = 0;
    for (const double value : values) sum += value;
    for (double& value : values) value -= sum / n;
  }
  return true;  // some deviation is at least 2^-54, so the squares do not vanish
}

Correlation PearsonOf(Pairs pairs) {
  Correlation result{.value = std::nullopt, .pairs = static_cast<int64_t>(pairs.size())};
  if (pairs.size() < 2 || !Centre(pairs.x) || !Centre(pairs.y)) return result;
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    xx += pairs.x[i] * pairs.x[i];
    yy += pairs.y[i] * pairs.y[i];
    xy += pairs.x[i] * pairs.y[i];
  }
  result.value = Clamped(xy / (std::sqrt(xx) * std::sqrt(yy)));
  return result;
}

// Sorts by merging and returns how many pairs stood in the wrong order.
uint64_t CountInversions(std::vector<uint32_t>& values) {
  std::vector<uint32_t> merged(values.size());
  uint64_t inversions = 0;
  for (size_t width = 1; width < values.size(); width *= 2) {
    for (size_t start = 0; start < values.size(); start += 2 * width) {
      const size_t middle = std::min(start + width, values.size());
      const size_t end = std::min(middle + width, values.size());
      size_t left = start;
      size_t right = middle;
      for (size_t to = start; to < end; ++to) {
        if (right == end || (left < middle && values[left] <= values[right])) {
          merged[to] = values[left++];
        } else {
          merged[to] = values[right++];
          inversions += middle - left;
        }
      }
    }
    values.swap(merged);
  }
  return inversions;
}

// The number of pairs of equal neighbours-by-run: sum of t (t - 1) / 2 over the runs of a sorted sequence.
template <typename T>
int64_t TiedPairs(const std::vector<T>& sorted) {
  int64_t tied = 0;
  for (size_t i = 0, run = 0; i < sorted.size(); ++i) {
    run = i > 0 && sorted[i] == sorted[i - 1] ? run + 1 : 0;
    tied += static_cast<int64_t>(run);
  }
  return tied;
}

// Quantile of an ascending sequence, linear between its elements.
double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// Spearman's rho of resamples of the pairs in linear time each: levels are sorted once, a resample only counts them.
class Resampler {
 public:
  Resampler(const Pairs& pairs, uint64_t seed)
      : x_(FindLevels(pairs.x)),
        y_(FindLevels(pairs.y)),
        stream_(seed, "statistics/spearman_interval"),
        words_(pairs.size()),
        x_ranks_(x_.count),
        y_ranks_(y_.count) {}

  std::optional<double> Rho(uint64_t resample) {
    const uint64_t n = words_.size();
    stream_.FillWords(words_, resample * n);
    x_elements_.assign(x_.count, 0);
    y_elements_.assign(y_.count, 0);
    for (uint32_t& word : words_) {
      word = static_cast<uint32_t>(word * n >> 32);  // an index; its bias is below n / 2^32
      ++x_elements_[x_.level_of[word]];
      ++y_elements_[y_.level_of[word]];
    }
    RankLevels(x_elements_, x_ranks_);
    RankLevels(y_elements_, y_ranks_);
    const double mean = 0.5 * (static_cast<double>(n) + 1.0);
    double xx = 0;
    double yy = 0;
    double xy = 0;
    for (const uint32_t index : words_) {
      const double x = x_ranks_[x_.level_of[index]] - mean;
      const double y = y_ranks_[y_.level_of[index]] - mean;
      xx += x * x;
      yy += y * y;
      xy += x * y;
    }
    if (xx == 0 || yy == 0) return std::nullopt;
    return Clamped(xy / std::sqrt(xx * yy));
  }

 private:
  Levels x_;
  Levels y_;
  CounterStream stream_;
  std::vector<uint32_t> words_;
  std::vector<uint32_t> x_elements_;
  std::vector<uint32_t> y_elements_;
  std::vector<double> x_ranks_;
  std::vector<double> y_ranks_;
};

}  // namespace

std::vector<double> Ranks(std::span<const double> values) { return RanksOf(FindLevels(values)); }

Correlation Pearson(std::span<const double> x, std::span<const double> y) { return PearsonOf(FinitePairs(x, y)); }

Correlation Spearman(std::span<const double> x, std::span<const double> y) {
  const Pairs pairs = FinitePairs(x, y);
  return PearsonOf({.x = Ranks(pairs.x), .y = Ranks(pairs.y)});
}

Correlation KendallTauB(std::span<const double> x, std::span<const double> y) {
  const Pairs pairs = FinitePairs(x, y);
  const int64_t n = static_cast<int64_t>(pairs.size());
  Correlation result{.value = std::nullopt, .pairs = n};
  if (n < 2) return result;
  const Levels x_levels = FindLevels(pairs.x);
  const Levels y_levels = FindLevels(pairs.y);
  if (x_levels.count == 1 || y_levels.count == 1) return result;

  std::vector<uint64_t> both(pairs.size());  // x's level, then y's
  for (size_t i = 0; i < both.size(); ++i) both[i] = uint64_t{x_levels.level_of[i]} << 32 | y_levels.level_of[i];
  std::sort(both.begin(), both.end());
  std::vector<uint32_t> x_sorted(both.size());
  std::vector<uint32_t> y_by_x(both.size());
  for (size_t i = 0; i < both.size(); ++i) {
    x_sorted[i] = static_cast<uint32_t>(both[i] >> 32);
    y_by_x[i] = static_cast<uint32_t>(both[i]);
  }
  const int64_t all = n * (n - 1) / 2;
  const int64_t tied_x = TiedPairs(x_sorted);
  const int64_t tied_both = TiedPairs(both);
  const int64_t discordant = static_cast<int64_t>(CountInversions(y_by_x));  // leaves y sorted
  const int64_t tied_y = TiedPairs(y_by_x);
  const int64_t difference = all - tied_x - tied_y + tied_both - 2 * discordant;
  result.value = Clamped(static_cast<double>(difference) / std::sqrt(static_cast<double>(all - tied_x)) /
                         std::sqrt(static_cast<double>(all - tied_y)));
  return result;
}

Correlation PartialSpearman(std::span<const double> x, std::span<const double> y, std::span<const double> control) {
  ZCB_CHECK(x.size() == y.size() && x.size() == control.size());
  std::vector<double> some_x;
  std::vector<double> some_y;
  std::vector<double> some_control;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i]) || !std::isfinite(control[i])) continue;
    some_x.push_back(x[i]);
    some_y.push_back(y[i]);
    some_control.push_back(control[i]);
  }
  Correlation result{.value = std::nullopt, .pairs = static_cast<int64_t>(some_x.size())};
  if (some_x.size() < 3) return result;
  const std::vector<double> x_ranks = Ranks(some_x);
  const std::vector<double> y_ranks = Ranks(some_y);
  const std::vector<double> control_ranks = Ranks(some_control);
  const std::optional<double> xy = PearsonOf({.x = x_ranks, .y = y_ranks}).value;
  const std::optional<double> xz = PearsonOf({.x = x_ranks, .y = control_ranks}).value;
  const std::optional<double> yz = PearsonOf({.x = y_ranks, .y = control_ranks}).value;
  if (!xy.has_value() || !xz.has_value() || !yz.has_value()) return result;
  constexpr double kRounding = 1e-12;  // what is left of 1 - r^2 when the ranks are the same
  const double left_x = 1.0 - *xz * *xz;
  const double left_y = 1.0 - *yz * *yz;
  if (left_x < kRounding || left_y < kRounding) return result;
  result.value = Clamped((*xy - *xz * *yz) / std::sqrt(left_x * left_y));
  return result;
}

std::optional<Interval> SpearmanInterval(std::span<const double> x, std::span<const double> y,
                                         const IntervalOptions& options) {
  ZCB_CHECK(options.level > 0 && options.level < 1 && options.resamples > 0);
  const Pairs pairs = FinitePairs(x, y);
  const std::optional<double> rho = Spearman(pairs.x, pairs.y).value;
  if (!rho.has_value() || pairs.size() < kFewestPairsForInterval) return std::nullopt;
  const double outside = 0.5 * (1.0 - options.level);

  if (pairs.size() > kMostPairsResampled) {
    if (std::fabs(*rho) == 1.0) return Interval{*rho, *rho};
    const double error = std::sqrt((1.0 + *rho * *rho / 2.0) / (static_cast<double>(pairs.size()) - 3.0));
    const double width = -InverseNormalCdf(outside) * error;
    const double z = std::atanh(*rho);
    return Interval{std::tanh(z - width), std::tanh(z + width)};
  }

  Resampler resampler(pairs, options.seed);
  std::vector<double> values;
  for (int i = 0; i < options.resamples; ++i) {
    if (const std::optional<double> value = resampler.Rho(i)) values.push_back(*value);
  }
  if (2 * values.size() < static_cast<size_t>(options.resamples)) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval{Quantile(values, outside), Quantile(values, 1.0 - outside)};
}

}  // namespace zcbench
