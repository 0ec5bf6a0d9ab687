// Search over architectures whose scores are known: what a search would have found, and what it would have cost,
// without training or scoring anything.
//
//   random               rows of the table in a random order, none twice
//   regularised          regularised evolution: a first-in, first-out population, the best of a random few is mutated.
//                        Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
//                        arXiv:1802.01548; population 10 and tournament 3 (drawn with replacement) as in Dong et al.,
//                        "NATS-Bench", TPAMI 2021, arXiv:2009.00437
//   autoformer           the search of Chen et al., "AutoFormer", ICCV 2021, arXiv:2107.00651 (evolution.py): parents
//   are
//                        the best 10 of all seen; each generation 25 mutants, 25 crossovers of equally deep parents,
//                        new ones only, and random ones where tries run out
//   local                local search: all neighbours, then on from the best of them; where none is better, again from
//                        a random one. White et al., "Exploring the Loss Landscape in Neural Architecture Search", UAI
//                        2021, arXiv:2005.02960
//
// A random architecture is a row of the table, each with equal chance. (AutoFormer's authors draw depth first, over the
// whole space.)
#ifndef ZCBENCH_NAS_SEARCH_SEARCH_H_
#define ZCBENCH_NAS_SEARCH_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nas/random.h"
#include "nas/space.h"
#include "nas/statistics/ranking.h"

namespace zcbench {

enum class SearchAlgorithm { kRandom, kRegularised, kAutoformer, kLocal };

inline constexpr SearchAlgorithm kSearchAlgorithms[] = {SearchAlgorithm::kRandom, SearchAlgorithm::kRegularised,
                                                        SearchAlgorithm::kAutoformer, SearchAlgorithm::kLocal};

std::string NameOf(SearchAlgorithm algorithm);
// NOT_FOUND with the nearest name.
absl::StatusOr<SearchAlgorithm> ParseSearchAlgorithm(std::string_view name);

// One row an architecture; columns of the same length, or empty where not known (never `fitness`).
struct SearchTable {
  std::vector<std::string> architectures{};  // canonical, of the enumerated set, all different
  std::vector<double> fitness{};             // larger is better; not finite: no score, the search cannot go there
  std::vector<double> seconds{};             // that the scores of the row took, >= 0
  std::vector<int64_t> params{};
};

struct SearchOptions {
  SearchAlgorithm algorithm = SearchAlgorithm::kRegularised;
  int64_t evaluations = 200;                                 // a search ends after so many, > 0
  double seconds = std::numeric_limits<double>::infinity();  // or with the one that reaches this cost, > 0
  std::optional<int64_t> min_params{};
  std::optional<int64_t> max_params{};
  // Of regularised evolution, both > 0.
  int population = 10;
  int tournament = 3;
  // Of AutoFormer's, all > 0. Mutants and crossovers are at most a generation.
  int generation = 50;
  int parents = 10;
  int mutants = 25;
  int crossovers = 25;
};

struct SearchResult {
  std::vector<uint32_t> rows{};  // of the table, in the order of evaluation
  uint32_t best = 0;             // the row with the largest fitness of those; the earliest of equals
  int64_t distinct = 0;          // different ones among them
  double seconds = 0;            // their cost, each architecture's once: scores are stored
  // Children of evolution that were not found within the tries and had a random row in their place. Where it is most of
  // them the table is too sparse a part of its space, and the search is little more than random search.
  int64_t refills = 0;
  bool exhausted = false;  // ended because nothing new was left
};

// A table made ready for searches under one set of options. Thread-safe.
class Search {
 public:
  // `space` outlives it. INVALID_ARGUMENT: columns of different lengths, a negative cost, the same architecture twice,
  // an option out of range. FAILED_PRECONDITION: no row has a fitness and fits the window of parameters. Errors of
  // Space::IndexOf for an architecture that is not of the enumerated set.
  static absl::StatusOr<Search> Create(const Space& space, SearchTable table, const SearchOptions& options);

  Search(Search&&) = default;
  Search& operator=(Search&&) = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // The same seed gives the same rows on every machine. INTERNAL: the space made a child that it cannot read.
  absl::StatusOr<SearchResult> Run(uint64_t seed) const;

  const SearchTable& table() const { return table_; }
  // The rows that a search may visit, ascending; not empty.
  const std::vector<uint32_t>& rows() const { return rows_; }

 private:
  class State;

  Search(const Space& space, SearchTable table, const SearchOptions& options)
      : space_(&space), table_(std::move(table)), options_(options) {}

  absl::Status RunRegularised(State& state) const;
  absl::Status RunAutoformer(State& state) const;
  absl::Status RunLocal(State& state) const;

  const Space* space_;
  SearchTable table_;
  SearchOptions options_;
  std::vector<uint32_t> rows_;
  std::unordered_map<std::string_view, uint32_t> row_of_;  // of rows_ only; views into table_
};

struct CurvePoint {
  int64_t evaluations;
  double mean;       // over searches
  double deviation;  // over searches, with n - 1; 0 for fewer than two
};

// What searches that stop after 1, 2, ... evaluations would hand over: `values[row]` (an accuracy, say) of the row with
// the largest fitness so far. `at` ascending and > 0; a search that ended earlier counts with its last. Searches whose
// row has no finite value are left out of a point; a point of none is NaN.
std::vector<CurvePoint> SearchCurve(const Search& search, std::span<const SearchResult> results,
                                    std::span<const double> values, std::span<const int64_t> at);

// A fitness from several proxies: Merge of nas/statistics/ranking.h, but with ranks, means and deviations taken within
// a fixed reference sample of rows, so that an architecture's fitness does not depend on what else a search has seen.
// For rows of the sample it is Merge of the sample. A rank of any row is (rows of the sample below it) + (equal ones +
// 1) /
// 2. Rows that lack a score are NaN, and out of the sample.
// INVALID_ARGUMENT: no columns, different lengths, a row number beyond them, no row of the sample has all scores, or
// raw_product of a score <= 0.
absl::StatusOr<std::vector<double>> MergeByReference(MergeRule rule, std::span<const std::span<const double>> columns,
                                                     std::span<const uint32_t> reference);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SEARCH_SEARCH_H_
