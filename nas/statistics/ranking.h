// How good the top of a ranking is, and how several rankings become one.
//
// Larger scores rank better everywhere; negate what ranks the other way. An architecture counts only when all its
// numbers are finite. Columns must have the same length. Thread-safe.
#ifndef ZCBENCH_NAS_STATISTICS_RANKING_H_
#define ZCBENCH_NAS_STATISTICS_RANKING_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

// Normalised discounted cumulative gain of the first k: an architecture's gain is its accuracy above the lowest one,
// and the i-th place counts 1 / log2(1 + i); tied scores share the mean gain of their places. In [0, 1].
// nullopt: fewer than k pairs, k = 0, or all accuracies are equal. Järvelin and Kekäläinen, "Cumulated Gain-Based
// Evaluation of IR Techniques", TOIS 20 (2002).
std::optional<double> Ndcg(std::span<const double> scores, std::span<const double> accuracies, size_t k);

// The share of the k best by accuracy that are among the k best by score, in [0, 1]: with ties at the k-th place the
// mean over all ways to break them. nullopt: fewer than k pairs, or k = 0.
std::optional<double> TopKOverlap(std::span<const double> scores, std::span<const double> accuracies, size_t k);

// The highest accuracy of all minus the highest among the k best by score: what a search that trains k architectures
// loses, in the accuracy's unit, >= 0. With ties at the k-th place the mean over all choices of k. nullopt: fewer than
// k pairs, or k = 0.
std::optional<double> RegretAtK(std::span<const double> scores, std::span<const double> accuracies, size_t k);

// How the scores of several proxies become one number an architecture, over the m architectures that have all:
//   rank_sum     sum of the ranks (from 1, ties at their average). Free of scale. TE-NAS: Chen, Gong, Wang, "Neural
//                Architecture Search on ImageNet in Four GPU Hours", ICLR 2021, arXiv:2102.11535
//   log_rank     sum of log(rank / m): one bad rank weighs more than a good one. AZ-NAS: Lee and Ham, CVPR 2024,
//                arXiv:2403.19232; VKDNW: Tybl and Neumann, CVPR 2025, arXiv:2502.04975
//   zscore_sum   sum of (score - mean) / standard deviation; a constant proxy adds 0
//   raw_product  product of the scores as they are; a proxy with a score <= 0 has no place in it and is skipped. The
//                logarithm of the product is returned, which ranks alike and does not overflow.
enum class MergeRule { kRankSum, kLogRank, kZscoreSum, kRawProduct };

inline constexpr MergeRule kMergeRules[] = {MergeRule::kRankSum, MergeRule::kLogRank, MergeRule::kZscoreSum,
                                            MergeRule::kRawProduct};

std::string NameOf(MergeRule rule);
// NOT_FOUND with the nearest name.
absl::StatusOr<MergeRule> ParseMergeRule(std::string_view name);

struct Merged {
  std::vector<double> values{};   // NaN for an architecture that lacks a score; all NaN when every proxy was skipped
  std::vector<size_t> skipped{};  // proxies that raw_product could not take
  size_t complete = 0;            // m
};

// A rank depends on the whole set: the merge of a part is not a part of the merge. `columns` must not be empty.
Merged Merge(MergeRule rule, std::span<const std::span<const double>> columns);

// A published combination of proxies by rank.
struct RankAggregate {
  std::string name;
  MergeRule rule;
  std::vector<std::string> proxies;
  std::string optional{};  // the one of them that is not defined in every space; left out where it has no scores
};

// az_nas, te_nas, vkdnw: what their papers combine, by the names of the proxies here.
const std::vector<RankAggregate>& RankAggregates();

}  // namespace zcbench

#endif  // ZCBENCH_NAS_STATISTICS_RANKING_H_
