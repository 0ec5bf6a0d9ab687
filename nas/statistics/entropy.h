// Entropies of discretised columns, as NAS-Bench-Suite-Zero takes them: Krishnakumar et al., "NAS-Bench-Suite-Zero:
// Accelerating Research on Zero Cost Proxies", NeurIPS 2022, arXiv:2210.03230, section 4.2, and the notebook of its
// information-theoretic figures. In bits.
//
// Columns must be finite and of the same length. Thread-safe.
#ifndef ZCBENCH_NAS_STATISTICS_ENTROPY_H_
#define ZCBENCH_NAS_STATISTICS_ENTROPY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

// How a column becomes bins.
//   width     equal parts of [lowest, highest], the last one closed: what NAS-Bench-Suite-Zero ran. A few huge values
//             leave nearly everything in one bin, and the column then seems to tell nothing.
//   quantile  equal parts of the ranks, equal values in one bin: blind to scale.
enum class Binning { kWidth, kQuantile };

// What is made of the counts, for n values in n of many cells.
//   plugin       -sum p log2 p of the shares: what NAS-Bench-Suite-Zero ran. Too low where cells are many.
//   miller_madow  plugin + (occupied cells - 1) / (2 n ln 2). Miller, "Note on the Bias of Information Estimates"
//   (1955) permutation   plugin; from an information gain the mean of the gains of `permutations` shuffles of the new
//   column
//                 among architectures of equal bins of the given one is taken away: what a column without news would
//                 gain. Conditional entropies are plugin.
enum class EntropyEstimator { kPlugin, kMillerMadow, kPermutation };

std::string NameOf(Binning binning);
std::string NameOf(EntropyEstimator estimator);
// NOT_FOUND with the nearest name.
absl::StatusOr<Binning> ParseBinning(std::string_view name);
absl::StatusOr<EntropyEstimator> ParseEntropyEstimator(std::string_view name);

// round(1 + 3.322 ln n): 24 for 1000, 19 for 200, 26 for 2000. (Sturges' rule has the decimal logarithm there; this is
// the rule that the published entropies were made with.) At least 1.
int BinCount(size_t n);

// A column's bins, from 0.
struct Binned {
  std::vector<uint32_t> bin_of{};
  uint32_t count = 1;  // > every bin
};

Binned Bin(std::span<const double> values, Binning binning, int bins);

struct EntropyOptions {
  EntropyEstimator estimator = EntropyEstimator::kPlugin;
  int permutations = 20;  // > 0
  uint64_t seed = 0;      // of the shuffles
};

double Entropy(const Binned& y, EntropyEstimator estimator = EntropyEstimator::kPlugin);

// H(y | z) = H(y, z) - H(z).
double ConditionalEntropy(const Binned& y, const Binned& z, EntropyEstimator estimator = EntropyEstimator::kPlugin);

// H(y | given) - H(y | given, z): what z tells about y beyond what `given` tells.
double InformationGain(const Binned& y, const Binned& given, const Binned& z, const EntropyOptions& options = {});

// Both columns as one: its cells are the occupied pairs of bins.
Binned Join(const Binned& a, const Binned& b);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_STATISTICS_ENTROPY_H_
