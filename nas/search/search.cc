#include "nas/search/search.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int kTriesPerChild = 10;
constexpr int kTriesPerPair = 50;

absl::Status CheckPositive(const std::string& name, double value) {
  if (value > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, " and must be above 0"));
}

absl::Status CheckLength(const std::string& name, size_t length, size_t rows) {
  if (length == rows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the column ", name, " has ", length, " values for ", rows, " architectures"));
}

}  // namespace

std::string NameOf(SearchAlgorithm algorithm) {
  switch (algorithm) {
    case SearchAlgorithm::kRandom:
      return "random";
    case SearchAlgorithm::kRegularised:
      return "regularised";
    case SearchAlgorithm::kAutoformer:
      return "autoformer";
    case SearchAlgorithm::kLocal:
      return "local";
  }
  ZCB_CHECK(false);
}

absl::StatusOr<SearchAlgorithm> ParseSearchAlgorithm(std::string_view name) {
  std::vector<std::string> names;
  for (const SearchAlgorithm algorithm : kSearchAlgorithms) {
    if (NameOf(algorithm) == name) return algorithm;
    names.push_back(NameOf(algorithm));
  }
  return UnknownName("search algorithm", std::string(name), names);
}

// One search under way.
class Search::State {
 public:
  State(const Search& search, uint64_t seed)
      : draws(seed, absl::StrCat("search/", NameOf(search.options_.algorithm))),
        search_(search),
        seen_(search.table_.architectures.size()) {}

  bool Done() const {
    return exhausted_ || static_cast<int64_t>(result_.rows.size()) >= search_.options_.evaluations ||
           result_.seconds >= search_.options_.seconds;
  }

  void Evaluate(uint32_t row) {
    const SearchTable& table = search_.table_;
    if (result_.rows.empty() || table.fitness[row] > table.fitness[result_.best]) result_.best = row;
    result_.rows.push_back(row);
    if (seen_[row]) return;
    seen_[row] = true;
    ++result_.distinct;
    if (!table.seconds.empty()) result_.seconds += table.seconds[row];
  }

  bool seen(uint32_t row) const { return seen_[row]; }

  uint32_t Random() { return search_.rows_[draws.Below(search_.rows_.size())]; }

  // Uniform over what has not been evaluated; nullopt, and the search is done, when that is nothing.
  std::optional<uint32_t> RandomUnseen() {
    if (order_.empty()) order_ = search_.rows_;
    while (shuffled_ < order_.size()) {
      std::swap(order_[shuffled_], order_[shuffled_ + draws.Below(order_.size() - shuffled_)]);
      const uint32_t row = order_[shuffled_++];
      if (!seen_[row]) return row;
    }
    exhausted_ = true;
    return std::nullopt;
  }

  // The row of a child; nullopt where the table has no score of it or it is outside the window.
  std::optional<uint32_t> Find(std::string_view child) const {
    const auto found = search_.row_of_.find(child);
    if (found == search_.row_of_.end()) return std::nullopt;
    return found->second;
  }

  void Refill() { ++result_.refills; }

  SearchResult Take() && {
    result_.exhausted = exhausted_;
    return std::move(result_);
  }

  Draws draws;

 private:
  const Search& search_;
  SearchResult result_;
  std::vector<bool> seen_;  // by row
  std::vector<uint32_t> order_;
  size_t shuffled_ = 0;  // order_ before it has been handed out
  bool exhausted_ = false;
};

absl::StatusOr<Search> Search::Create(const Space& space, SearchTable table, const SearchOptions& options) {
  ZCB_RETURN_IF_ERROR(CheckPositive("evaluations", static_cast<double>(options.evaluations)));
  ZCB_RETURN_IF_ERROR(CheckPositive("seconds", options.seconds));
  for (const auto& [name, value] :
       {std::pair("population", options.population), std::pair("tournament", options.tournament),
        std::pair("generation", options.generation), std::pair("parents", options.parents),
        std::pair("mutants", options.mutants), std::pair("crossovers", options.crossovers)}) {
    ZCB_RETURN_IF_ERROR(CheckPositive(name, value));
  }
  if (int64_t{options.mutants} + options.crossovers > options.generation) {
    return absl::InvalidArgumentError(absl::StrCat(options.mutants, " mutants and ", options.crossovers,
                                                   " crossovers are more than the generation of ", options.generation));
  }
  const size_t n = table.architectures.size();
  ZCB_RETURN_IF_ERROR(CheckLength("fitness", table.fitness.size(), n));
  if (!table.seconds.empty()) ZCB_RETURN_IF_ERROR(CheckLength("seconds", table.seconds.size(), n));
  if (!table.params.empty()) ZCB_RETURN_IF_ERROR(CheckLength("params", table.params.size(), n));
  if (table.params.empty() && (options.min_params.has_value() || options.max_params.has_value())) {
    return absl::InvalidArgumentError("a window of parameters needs the column params");
  }
  for (size_t row = 0; row < table.seconds.size(); ++row) {
    if (std::isfinite(table.seconds[row]) && table.seconds[row] >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("seconds of ", table.architectures[row], ": ", table.seconds[row], " is no cost"));
  }
  Search search(space, std::move(table), options);
  const SearchTable& kept = search.table_;
  std::unordered_map<std::string_view, uint32_t> all;
  int64_t scored = 0;
  for (uint32_t row = 0; row < n; ++row) {
    const std::string& architecture = kept.architectures[row];
    ZCB_RETURN_IF_ERROR(space.IndexOf(architecture).status());
    if (!all.emplace(architecture, row).second) {
      return absl::InvalidArgumentError(absl::StrCat(architecture, " has two rows; a search needs one of each"));
    }
    if (!std::isfinite(kept.fitness[row])) continue;
    ++scored;
    if (options.min_params.has_value() && kept.params[row] < *options.min_params) continue;
    if (options.max_params.has_value() && kept.params[row] > *options.max_params) continue;
    search.rows_.push_back(row);
    search.row_of_.emplace(architecture, row);
  }
  if (search.rows_.empty()) {
    std::string message = absl::StrCat("nothing to search: of ", n, " architectures ", scored, " have a score");
    if (scored > 0) {
      const auto [low, high] = std::minmax_element(kept.params.begin(), kept.params.end());
      absl::StrAppend(&message, ", none in the window of parameters; the table has ", *low, " to ", *high);
    }
    return absl::FailedPreconditionError(message);
  }
  return search;
}

absl::StatusOr<SearchResult> Search::Run(uint64_t seed) const {
  State state(*this, seed);
  switch (options_.algorithm) {
    case SearchAlgorithm::kRandom:
      while (!state.Done()) {
        if (const std::optional<uint32_t> row = state.RandomUnseen()) state.Evaluate(*row);
      }
      break;
    case SearchAlgorithm::kRegularised:
      ZCB_RETURN_IF_ERROR(RunRegularised(state));
      break;
    case SearchAlgorithm::kAutoformer:
      ZCB_RETURN_IF_ERROR(RunAutoformer(state));
      break;
    case SearchAlgorithm::kLocal:
      ZCB_RETURN_IF_ERROR(RunLocal(state));
      break;
  }
  return std::move(state).Take();
}

absl::Status Search::RunRegularised(State& state) const {
  std::deque<uint32_t> population;
  while (!state.Done() && population.size() < static_cast<size_t>(options_.population)) {
    population.push_back(state.Random());
    state.Evaluate(population.back());
  }
  while (!state.Done()) {
    uint32_t parent = population[state.draws.Below(population.size())];
    for (int i = 1; i < options_.tournament; ++i) {
      const uint32_t other = population[state.draws.Below(population.size())];
      if (table_.fitness[other] > table_.fitness[parent]) parent = other;
    }
    std::optional<uint32_t> child;
    for (int i = 0; i < kTriesPerChild && !child.has_value(); ++i) {
      ZCB_ASSIGN_OR_RETURN(const std::string text, space_->Mutate(table_.architectures[parent], state.draws));
      child = state.Find(text);
    }
    if (!child.has_value()) {
      state.Refill();
      child = state.Random();
    }
    state.Evaluate(*child);
    population.push_back(*child);
    population.pop_front();
  }
  return absl::OkStatus();
}

absl::Status Search::RunAutoformer(State& state) const {
  std::vector<uint32_t> parents;  // best first
  std::vector<uint32_t> generation;
  const auto add = [&](uint32_t row) {
    state.Evaluate(row);
    generation.push_back(row);
  };
  while (!state.Done()) {
    parents.insert(parents.end(), generation.begin(), generation.end());
    std::stable_sort(parents.begin(), parents.end(),
                     [&](uint32_t a, uint32_t b) { return table_.fitness[a] > table_.fitness[b]; });
    parents.resize(std::min(parents.size(), static_cast<size_t>(options_.parents)));
    generation.clear();
    const auto any_parent = [&]() -> const std::string& {
      return table_.architectures[parents[state.draws.Below(parents.size())]];
    };
    if (!parents.empty()) {
      int made = 0;
      for (int i = 0; i < kTriesPerChild * options_.mutants && made < options_.mutants && !state.Done(); ++i) {
        ZCB_ASSIGN_OR_RETURN(const std::string text, space_->Mutate(any_parent(), state.draws));
        const std::optional<uint32_t> child = state.Find(text);
        if (!child.has_value() || state.seen(*child)) continue;
        add(*child);
        ++made;
      }
      made = 0;
      for (int i = 0; i < kTriesPerChild * options_.crossovers && made < options_.crossovers && !state.Done(); ++i) {
        std::optional<uint32_t> child;
        for (int pair = 0; pair < kTriesPerPair; ++pair) {
          const std::string& a = any_parent();
          const absl::StatusOr<std::string> text = space_->Crossover(a, any_parent(), state.draws);
          if (absl::IsFailedPrecondition(text.status())) continue;  // two that cannot be crossed
          ZCB_RETURN_IF_ERROR(text.status());
          child = state.Find(*text);
          break;
        }
        if (!child.has_value() || state.seen(*child)) continue;
        add(*child);
        ++made;
      }
    }
    int64_t missing = parents.empty() ? 0 : options_.mutants + options_.crossovers - std::ssize(generation);
    while (!state.Done() && generation.size() < static_cast<size_t>(options_.generation)) {
      const std::optional<uint32_t> row = state.RandomUnseen();
      if (!row.has_value()) break;
      if (missing-- > 0) state.Refill();
      add(*row);
    }
  }
  return absl::OkStatus();
}

absl::Status Search::RunLocal(State& state) const {
  while (!state.Done()) {
    const std::optional<uint32_t> start = state.RandomUnseen();
    if (!start.has_value()) break;
    state.Evaluate(*start);
    uint32_t at = *start;
    for (bool moved = true; moved && !state.Done();) {
      moved = false;
      ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> neighbours, space_->Neighbours(table_.architectures[at]));
      uint32_t best = at;
      for (const std::string& text : neighbours) {
        const std::optional<uint32_t> row = state.Find(text);
        if (!row.has_value()) continue;
        if (!state.seen(*row)) {
          if (state.Done()) break;
          state.Evaluate(*row);
        }
        if (table_.fitness[*row] > table_.fitness[best]) best = *row;
      }
      moved = best != at;
      at = best;
    }
  }
  return absl::OkStatus();
}

std::vector<CurvePoint> SearchCurve(const Search& search, std::span<const SearchResult> results,
                                    std::span<const double> values, std::span<const int64_t> at) {
  const std::vector<double>& fitness = search.table().fitness;
  ZCB_CHECK(values.size() == fitness.size());
  std::vector<std::vector<double>> found(at.size());  // by point, of each search
  for (const SearchResult& result : results) {
    size_t done = 0;
    uint32_t best = result.rows.front();
    for (size_t point = 0; point < at.size(); ++point) {
      ZCB_CHECK(at[point] > 0 && (point == 0 || at[point] > at[point - 1]));
      for (; done < result.rows.size() && static_cast<int64_t>(done) < at[point]; ++done) {
        if (fitness[result.rows[done]] > fitness[best]) best = result.rows[done];
      }
      if (std::isfinite(values[best])) found[point].push_back(values[best]);
    }
  }
  std::vector<CurvePoint> curve;
  for (size_t point = 0; point < at.size(); ++point) {
    const double n = static_cast<double>(found[point].size());
    const double mean = n == 0 ? kNone : std::accumulate(found[point].begin(), found[point].end(), 0.0) / n;
    double squares = 0;
    for (const double value : found[point]) squares += (value - mean) * (value - mean);
    curve.push_back({at[point], mean, n < 2 ? 0 : std::sqrt(squares / (n - 1))});
  }
  return curve;
}

absl::StatusOr<std::vector<double>> MergeByReference(MergeRule rule, std::span<const std::span<const double>> columns,
                                                     std::span<const uint32_t> reference) {
  if (columns.empty()) return absl::InvalidArgumentError("no columns to merge");
  const size_t n = columns[0].size();
  for (size_t c = 0; c < columns.size(); ++c) {
    ZCB_RETURN_IF_ERROR(CheckLength(absl::StrCat("number ", c), columns[c].size(), n));
  }
  const auto complete = [&](size_t row) {
    return std::all_of(columns.begin(), columns.end(), [&](const auto& column) { return std::isfinite(column[row]); });
  };
  std::vector<uint32_t> sample;
  for (const uint32_t row : reference) {
    if (row >= n) return absl::InvalidArgumentError(absl::StrCat("reference row ", row, " of ", n));
    if (complete(row)) sample.push_back(row);
  }
  if (sample.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "none of the ", reference.size(), " rows of the reference sample has all ", columns.size(), " scores"));
  }
  const double m = static_cast<double>(sample.size());
  std::vector<double> merged(n);
  for (size_t row = 0; row < n; ++row) merged[row] = complete(row) ? 0 : kNone;
  for (size_t c = 0; c < columns.size(); ++c) {
    std::vector<double> sorted;
    for (const uint32_t row : sample) sorted.push_back(columns[c][row]);
    std::sort(sorted.begin(), sorted.end());
    // Scaled, so that no square overflows.
    const double largest = std::max(std::fabs(sorted.front()), std::fabs(sorted.back()));
    const double scale = largest > 0 ? largest : 1;
    double mean = 0;
    for (const double value : sorted) mean += value / scale / m;
    double squares = 0;
    for (const double value : sorted) squares += (value / scale - mean) * (value / scale - mean);
    const double deviation = std::sqrt(squares / m);
    const bool constant = sorted.front() == sorted.back();
    for (size_t row = 0; row < n; ++row) {
      if (std::isnan(merged[row])) continue;
      const double value = columns[c][row];
      if (rule == MergeRule::kRankSum || rule == MergeRule::kLogRank) {
        const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
        const double rank = static_cast<double>(low - sorted.begin()) + (static_cast<double>(high - low) + 1) / 2;
        merged[row] += rule == MergeRule::kRankSum ? rank : std::log(rank / m);
      } else if (rule == MergeRule::kZscoreSum) {
        if (!constant) merged[row] += (value / scale - mean) / deviation;
      } else {
        if (value <= 0) {
          return absl::InvalidArgumentError(absl::StrCat("raw_product takes scores above 0; column ", c, " has ", value,
                                                         " in row ", row, "; leave it out or take rank_sum"));
        }
        merged[row] += std::log(value);
      }
    }
  }
  return merged;
}

}  // namespace zcbench
