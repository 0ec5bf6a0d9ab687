// Correlations between two columns of numbers of the same architectures, with their uncertainty.
//
// Everywhere a pair counts only when both its numbers are finite; the others are dropped and `pairs` says how many were
// left. A correlation is undefined (nullopt, never a number) with fewer than two pairs or when one side is constant.
// x and y must have the same length. Thread-safe; 1e6 pairs take well under a second.
#ifndef ZCBENCH_NAS_STATISTICS_CORRELATION_H_
#define ZCBENCH_NAS_STATISTICS_CORRELATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zcbench {

struct Correlation {
  std::optional<double> value;  // in [-1, 1]
  int64_t pairs = 0;
};

// Product-moment correlation, in two passes over values scaled so that no finite double overflows.
Correlation Pearson(std::span<const double> x, std::span<const double> y);

// Spearman's rho: Pearson of the ranks, ties at their average.
Correlation Spearman(std::span<const double> x, std::span<const double> y);

// Kendall's tau-b, which corrects for ties on either side; O(n log n) as in Knight, "A Computer Method for Calculating
// Kendall's Tau with Ungrouped Data", JASA 61 (1966).
Correlation KendallTauB(std::span<const double> x, std::span<const double> y);

// Partial Spearman: how alike x and y rank once what both share with `control` (the number of parameters) is taken out,
//   (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)),   r = Spearman over the triples that are finite in all three.
// Also undefined with fewer than three triples, and where the control ranks exactly as x or y, or the reverse.
Correlation PartialSpearman(std::span<const double> x, std::span<const double> y, std::span<const double> control);

// Ranks from 1, ties at their average (scipy.stats.rankdata). The values must not be NaN.
std::vector<double> Ranks(std::span<const double> values);

struct IntervalOptions {
  double level = 0.95;   // in (0, 1)
  int resamples = 1000;  // > 0
  uint64_t seed = 0;     // of the resampling; the same everywhere by default, so that a table repeats
};

struct Interval {
  double low;
  double high;
};

// A confidence interval for Spearman's rho of the population that the pairs were drawn from.
//   up to 1e4 pairs   percentile bootstrap: quantiles (linear between order statistics) of rho over resamples of the
//                     pairs, ranked anew. Resamples with a constant side have no rho and are left out.
//   beyond            Fisher's z with the standard error sqrt((1 + rho^2 / 2) / (n - 3)) of Bonett and Wright, "Sample
//                     Size Requirements for Estimating Pearson, Kendall and Spearman Correlations", Psychometrika 65
//                     (2000)
// nullopt: rho is undefined, there are fewer than 4 pairs, or more than half of the resamples had a constant side.
std::optional<Interval> SpearmanInterval(std::span<const double> x, std::span<const double> y,
                                         const IntervalOptions& options = {});

}  // namespace zcbench

#endif  // ZCBENCH_NAS_STATISTICS_CORRELATION_H_
