// LIBRA-NAS: which three proxies to combine on one benchmark (a space and a task), given the accuracies of some of its
// architectures. Casarin, Escalera, Lanz, "L-SWAG: Layer-Sample Wise Activation with Gradients information for
// Zero-Shot NAS on Vision Transformers", CVPR 2025, section 3.2 and Algorithm 1:
//   z1 = argmax rho                                     rho = Spearman of the proxy with the accuracy
//   z2 = argmin IG(z) over rho1 - 0.1 < rho(z) <= rho1  IG(z) = H(y | z1) - H(y | z1, z)
//   z3 = argmin |b_y - b_z| over what is left of these  b = Spearman with the number of parameters
// The paper prints no formula for the merge, no treatment of negative rho, of ties and of empty ranges, and evaluates
// on the architectures it chose by. LibraOptions names the readings; the defaults are the algorithm as it is written.
//
// Scores are given so that larger ones rank better. A missing or not finite number is NaN: rho, b and IG are each taken
// over the architectures that have all the numbers they need. Thread-safe.
#ifndef ZCBENCH_NAS_LIBRA_LIBRA_H_
#define ZCBENCH_NAS_LIBRA_LIBRA_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/statistics/correlation.h"
#include "nas/statistics/entropy.h"
#include "nas/statistics/ranking.h"

namespace zcbench {

// One benchmark. Every column has a number for each architecture.
struct LibraTable {
  std::vector<std::string> names{};           // of the proxies, distinct; `params` and `flops` are proxies like others
  std::vector<std::vector<double>> scores{};  // one column a proxy
  std::vector<double> accuracy{};
  std::vector<double> params{};  // the bias; all NaN where it is not known
};

enum class SecondRule { kMinGain, kMaxGain };               // max: the paper's Table 4a
enum class ThirdRule { kBiasMatching, kLeastBias, kNone };  // least: smallest |b_z|, the paper's Table 4b

struct LibraOptions {
  double threshold = 0.1;     // > 0
  bool closed_range = false;  // rho = rho1 - threshold is in range too
  // Strength counts, whatever its sign: |rho| in place of rho, and a proxy with rho < 0 enters everything negated.
  bool abs_rho = false;
  Binning binning = Binning::kWidth;  // quantile with permutation is what we recommend against heavy tails
  int bins = 0;                       // 0: BinCount of the architectures
  EntropyOptions entropy{};
  SecondRule second = SecondRule::kMinGain;
  ThirdRule third = ThirdRule::kBiasMatching;
  MergeRule merge = MergeRule::kRankSum;
  // A proxy with a score for a smaller share of the architectures that have an accuracy is no candidate: its rho is
  // that of another population. In [0, 1].
  double min_coverage = 0.8;
};

// What the algorithm saw of a proxy.
struct LibraCandidate {
  std::string name{};
  int64_t pairs = 0;             // architectures with a score and an accuracy
  std::optional<double> rho{};   // with abs_rho of the negated proxy where it was negative
  bool negated = false;          // by abs_rho
  std::optional<double> bias{};  // b_z, of the negated proxy where it is
  std::optional<double> gain{};  // IG(z) in bits, for z in range other than z1
  bool in_range = false;
  std::string excluded{};  // why it is no candidate; empty: it is one
};

struct LibraFit {
  std::vector<LibraCandidate> candidates{};  // as in the table
  std::vector<size_t> chosen{};              // z1, z2, z3: 1 to 3 places in `candidates`
  std::vector<std::string> reasons{};        // one for each of `chosen`
  std::string note{};                        // why there are fewer than three; empty: there are three
  std::optional<double> accuracy_bias{};     // b_y
  int64_t architectures = 0;                 // with an accuracy
  int bins = 0;                              // of H(y), by the number of architectures
};

// Algorithm 1 on the architectures `rows` of the table. Ties go to the higher rho, then to the name. An empty range
// ends with what has been chosen, and so does a third choice without parameters; `note` says so. FAILED_PRECONDITION:
// no proxy has a defined rho. INVALID_ARGUMENT: an option is out of its range.
absl::StatusOr<LibraFit> FitLibra(const LibraTable& table, std::span<const size_t> rows, const LibraOptions& options);

// Every architecture of a table.
std::vector<size_t> AllRows(const LibraTable& table);

// How well a way to rank does on architectures that it was not chosen by.
enum class Validation {
  kSplits,  // `rounds` random halves: choose on one, rank the other
  kFolds,   // `rounds` folds: choose on all others, rank the fold
};

struct ValidationOptions {
  Validation kind = Validation::kSplits;
  int rounds = 10;         // 1 to 1000 splits, 2 to 1000 folds
  uint64_t seed = 0;       // of the split
  bool in_sample = false;  // also choose and rank on all architectures, as the paper does
};

struct MethodRho {
  std::optional<double> rho{};         // Spearman with the accuracy; mean over the rounds where it is defined
  std::optional<Interval> interval{};  // 95 %: the ends' means over the rounds
  double architectures = 0;            // mean number of ranked ones
  int rounds = 0;                      // in which rho was defined
};

struct MethodResult {
  std::string name{};
  MethodRho held_out{};
  std::optional<MethodRho> in_sample{};
};

struct LibraValidation {
  std::vector<MethodResult> methods{};
  std::vector<std::pair<std::string, int>> choices{};  // in how many rounds a proxy was among the three, most first
};

// Ranks by, in this order: LIBRA with the options' merge rule, and with the other three; the best single proxy (z1);
// params; the rank sum of all proxies in range; what RankAggregates() lists and the tcet proxies, as far as the table
// has their columns. Errors as FitLibra, for any round; INVALID_ARGUMENT: too few architectures for the rounds.
absl::StatusOr<LibraValidation> ValidateLibra(const LibraTable& table, const LibraOptions& options,
                                              const ValidationOptions& validation);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_LIBRA_LIBRA_H_
