#include "nas/statistics/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/statistics/correlation.h"

namespace zcbench {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Pair {
  double score;
  double accuracy;
};

// The pairs that count, best score first.
std::vector<Pair> Sorted(std::span<const double> scores, std::span<const double> accuracies) {
  ZCB_CHECK(scores.size() == accuracies.size());
  std::vector<Pair> pairs;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isfinite(scores[i]) && std::isfinite(accuracies[i])) pairs.push_back({scores[i], accuracies[i]});
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.score > b.score; });
  return pairs;
}

// [first, last) of the pairs that tie with the k-th best score.
std::pair<size_t, size_t> TiesAt(const std::vector<Pair>& sorted, size_t k) {
  const double boundary = sorted[k - 1].score;
  const auto first = std::find_if(sorted.begin(), sorted.end(), [&](const Pair& p) { return p.score == boundary; });
  const auto last = std::find_if(first, sorted.end(), [&](const Pair& p) { return p.score != boundary; });
  return {first - sorted.begin(), last - sorted.begin()};
}

// The chance of each value to be among the k largest when ties at the k-th place are broken at random.
std::vector<double> Membership(const std::vector<double>& values, size_t k) {
  std::vector<double> sorted = values;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(k - 1), sorted.end(), std::greater<>());
  const double boundary = sorted[k - 1];
  size_t above = 0;
  size_t tied = 0;
  for (const double value : values) {
    above += value > boundary;
    tied += value == boundary;
  }
  std::vector<double> chances(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > boundary) chances[i] = 1;
    if (values[i] == boundary) chances[i] = static_cast<double>(k - above) / static_cast<double>(tied);
  }
  return chances;
}

}  // namespace

std::optional<double> Ndcg(std::span<const double> scores, std::span<const double> accuracies, size_t k) {
  const std::vector<Pair> pairs = Sorted(scores, accuracies);
  if (k == 0 || pairs.size() < k) return std::nullopt;
  std::vector<double> gains;
  for (const Pair& pair : pairs) gains.push_back(pair.accuracy);
  std::sort(gains.begin(), gains.end(), std::greater<>());
  const double lowest = gains.back();
  if (gains.front() == lowest) return std::nullopt;
  const auto discount = [k](size_t place) { return place < k ? 1 / std::log2(static_cast<double>(place) + 2) : 0.0; };
  double ideal = 0;
  for (size_t i = 0; i < k; ++i) ideal += (gains[i] - lowest) * discount(i);
  double sum = 0;
  for (size_t first = 0; first < k;) {
    size_t last = first;
    double gain = 0;
    double weight = 0;
    for (; last < pairs.size() && pairs[last].score == pairs[first].score; ++last) {
      gain += pairs[last].accuracy - lowest;
      weight += discount(last);
    }
    sum += gain / static_cast<double>(last - first) * weight;
    first = last;
  }
  return std::min(sum / ideal, 1.0);
}

std::optional<double> TopKOverlap(std::span<const double> scores, std::span<const double> accuracies, size_t k) {
  const std::vector<Pair> pairs = Sorted(scores, accuracies);
  if (k == 0 || pairs.size() < k) return std::nullopt;
  std::vector<double> some_scores;
  std::vector<double> some_accuracies;
  for (const Pair& pair : pairs) {
    some_scores.push_back(pair.score);
    some_accuracies.push_back(pair.accuracy);
  }
  const std::vector<double> a = Membership(some_scores, k);
  const std::vector<double> b = Membership(some_accuracies, k);
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / static_cast<double>(k);
}

std::optional<double> RegretAtK(std::span<const double> scores, std::span<const double> accuracies, size_t k) {
  const std::vector<Pair> pairs = Sorted(scores, accuracies);
  if (k == 0 || pairs.size() < k) return std::nullopt;
  double best = pairs[0].accuracy;
  for (const Pair& pair : pairs) best = std::max(best, pair.accuracy);
  const auto [first, last] = TiesAt(pairs, k);
  double certain = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < first; ++i) certain = std::max(certain, pairs[i].accuracy);
  std::vector<double> tied;
  for (size_t i = first; i < last; ++i) tied.push_back(pairs[i].accuracy);
  std::sort(tied.begin(), tied.end(), std::greater<>());
  // `drawn` of the tied are drawn: the expected maximum, walking down from the best.
  const size_t drawn = k - first;
  double expected = 0;
  double none_before = 1;  // the chance that none of the better ones was drawn
  for (size_t j = 0; j + drawn <= tied.size(); ++j) {
    const double chance = static_cast<double>(drawn) / static_cast<double>(tied.size() - j);
    expected += none_before * chance * std::max(certain, tied[j]);
    none_before *= 1 - chance;
  }
  return std::max(best - expected, 0.0);
}

std::string NameOf(MergeRule rule) {
  switch (rule) {
    case MergeRule::kRankSum:
      return "rank_sum";
    case MergeRule::kLogRank:
      return "log_rank";
    case MergeRule::kZscoreSum:
      return "zscore_sum";
    case MergeRule::kRawProduct:
      return "raw_product";
  }
  ZCB_CHECK(false);
}

absl::StatusOr<MergeRule> ParseMergeRule(std::string_view name) {
  std::vector<std::string> names;
  for (const MergeRule rule : kMergeRules) {
    if (NameOf(rule) == name) return rule;
    names.push_back(NameOf(rule));
  }
  return UnknownName("merge rule", std::string(name), names);
}

Merged Merge(MergeRule rule, std::span<const std::span<const double>> columns) {
  ZCB_CHECK(!columns.empty());
  const size_t n = columns[0].size();
  std::vector<size_t> complete;
  for (const std::span<const double> column : columns) ZCB_CHECK(column.size() == n);
  for (size_t i = 0; i < n; ++i) {
    const bool all = std::all_of(columns.begin(), columns.end(), [&](const auto& c) { return std::isfinite(c[i]); });
    if (all) complete.push_back(i);
  }
  const double m = static_cast<double>(complete.size());
  std::vector<double> sum(complete.size());
  Merged merged{.values = std::vector<double>(n, kNone), .complete = complete.size()};
  for (size_t c = 0; c < columns.size(); ++c) {
    std::vector<double> some(complete.size());
    for (size_t j = 0; j < complete.size(); ++j) some[j] = columns[c][complete[j]];
    if (rule == MergeRule::kRankSum || rule == MergeRule::kLogRank) {
      some = Ranks(some);
      if (rule == MergeRule::kLogRank) {
        for (double& rank : some) rank = std::log(rank / m);
      }
    } else if (rule == MergeRule::kZscoreSum) {
      double largest = 0;  // scaled, so that no square overflows
      for (const double value : some) largest = std::max(largest, std::fabs(value));
      if (largest > 0) {
        for (double& value : some) value /= largest;
      }
      const double mean = std::accumulate(some.begin(), some.end(), 0.0) / m;
      double squares = 0;
      for (double& value : some) {
        value -= mean;
        squares += value * value;
      }
      const bool constant = std::adjacent_find(some.begin(), some.end(), std::not_equal_to<>()) == some.end();
      const double deviation = std::sqrt(squares / m);
      for (double& value : some) value = constant ? 0 : value / deviation;
    } else {
      if (std::any_of(some.begin(), some.end(), [](double value) { return value <= 0; })) {
        merged.skipped.push_back(c);
        continue;
      }
      for (double& value : some) value = std::log(value);
    }
    for (size_t j = 0; j < some.size(); ++j) sum[j] += some[j];
  }
  if (merged.skipped.size() == columns.size()) return merged;
  for (size_t j = 0; j < complete.size(); ++j) merged.values[complete[j]] = sum[j];
  return merged;
}

const std::vector<RankAggregate>& RankAggregates() {
  static const auto* const aggregates = new std::vector<RankAggregate>{
      {"az_nas",
       MergeRule::kLogRank,
       {"az_expressivity", "az_progressivity", "az_trainability", "az_complexity"},
       "az_progressivity"},
      {"te_nas", MergeRule::kRankSum, {"ntk_cond", "te_regions"}},
      {"vkdnw", MergeRule::kLogRank, {"vkdnw", "jacov", "az_expressivity", "az_trainability", "flops"}}};
  return *aggregates;
}

}  // namespace zcbench
