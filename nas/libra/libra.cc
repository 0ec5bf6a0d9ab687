#include "nas/libra/libra.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "nas/random.h"

namespace zcbench {
namespace {

constexpr double kResampledValues = 1e8;  // of all intervals of one validation
constexpr size_t kFewestRanked = 4;       // architectures that a round must rank

std::vector<double> Take(const std::vector<double>& column, std::span<const size_t> rows, bool negate = false) {
  std::vector<double> values(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) values[i] = negate ? -column[rows[i]] : column[rows[i]];
  return values;
}

std::string Digits(double value) { return absl::StrFormat("%.3f", value); }

absl::Status Check(const LibraTable& table, const LibraOptions& options) {
  ZCB_CHECK(table.names.size() == table.scores.size() && table.params.size() == table.accuracy.size());
  for (const std::vector<double>& column : table.scores) ZCB_CHECK(column.size() == table.accuracy.size());
  const auto bad = [](const char* field, double value, const char* range) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " is not ", range));
  };
  if (!(options.threshold > 0 && options.threshold <= 2)) return bad("threshold", options.threshold, "in (0, 2]");
  if (!(options.min_coverage >= 0 && options.min_coverage <= 1)) {
    return bad("min_coverage", options.min_coverage, "in [0, 1]");
  }
  if (options.bins < 0 || options.bins > 1000) return bad("bins", options.bins, "0 (by the rule) to 1000");
  if (options.entropy.permutations < 1 || options.entropy.permutations > 1000) {
    return bad("permutations", options.entropy.permutations, "1 to 1000");
  }
  return absl::OkStatus();
}

// The gain of z over z1 on the architectures that have y and both.
std::optional<double> Gain(const std::vector<double>& y, const std::vector<double>& z1, const std::vector<double>& z,
                           const LibraOptions& options) {
  std::vector<double> some_y;
  std::vector<double> some_z1;
  std::vector<double> some_z;
  for (size_t i = 0; i < y.size(); ++i) {
    if (!std::isfinite(y[i]) || !std::isfinite(z1[i]) || !std::isfinite(z[i])) continue;
    some_y.push_back(y[i]);
    some_z1.push_back(z1[i]);
    some_z.push_back(z[i]);
  }
  if (some_y.size() < 2) return std::nullopt;
  const int bins = options.bins > 0 ? options.bins : BinCount(some_y.size());
  return InformationGain(Bin(some_y, options.binning, bins), Bin(some_z1, options.binning, bins),
                         Bin(some_z, options.binning, bins), options.entropy);
}

// Of a way to rank: its scores for `rows`.
struct Ranking {
  std::string name;
  std::vector<double> values;
};

std::vector<double> MergeColumns(const LibraTable& table, std::span<const size_t> rows, MergeRule rule,
                                 const std::vector<std::pair<size_t, bool>>& columns) {
  std::vector<std::vector<double>> taken;
  for (const auto& [column, negated] : columns) taken.push_back(Take(table.scores[column], rows, negated));
  return Merge(rule, std::vector<std::span<const double>>(taken.begin(), taken.end())).values;
}

// Every way that ValidateLibra lists, chosen by `fit` and applied to `rows`; always the same ones in the same order.
std::vector<Ranking> Rank(const LibraTable& table, const LibraFit& fit, const LibraOptions& options,
                          std::span<const size_t> rows) {
  std::vector<std::pair<size_t, bool>> chosen;
  std::vector<std::pair<size_t, bool>> in_range;
  for (const size_t c : fit.chosen) chosen.emplace_back(c, fit.candidates[c].negated);
  for (size_t c = 0; c < fit.candidates.size(); ++c) {
    if (fit.candidates[c].in_range) in_range.emplace_back(c, fit.candidates[c].negated);
  }
  std::vector<MergeRule> rules = {options.merge};
  for (const MergeRule rule : kMergeRules) {
    if (rule != options.merge) rules.push_back(rule);
  }
  std::vector<Ranking> rankings;
  for (const MergeRule rule : rules) {
    rankings.push_back({absl::StrCat("LIBRA, ", NameOf(rule)), MergeColumns(table, rows, rule, chosen)});
  }
  rankings.push_back({"best single proxy", Take(table.scores[fit.chosen[0]], rows, chosen[0].second)});
  rankings.push_back({"params", Take(table.params, rows)});
  rankings.push_back({absl::StrFormat("all within %g of the best, rank_sum", options.threshold),
                      MergeColumns(table, rows, MergeRule::kRankSum, in_range)});
  for (const RankAggregate& aggregate : RankAggregates()) {
    std::vector<std::pair<size_t, bool>> columns;
    for (const std::string& proxy : aggregate.proxies) {
      const auto place = std::find(table.names.begin(), table.names.end(), proxy);
      if (place != table.names.end()) columns.emplace_back(place - table.names.begin(), false);
    }
    std::string name = aggregate.name;
    if (columns.size() < aggregate.proxies.size()) {
      const bool only_optional =
          !aggregate.optional.empty() && columns.size() + 1 == aggregate.proxies.size() &&
          std::find(table.names.begin(), table.names.end(), aggregate.optional) == table.names.end();
      if (!only_optional) continue;
      absl::StrAppend(&name, " without ", aggregate.optional);
    }
    rankings.push_back(
        {absl::StrCat(name, ", ", NameOf(aggregate.rule)), MergeColumns(table, rows, aggregate.rule, columns)});
  }
  for (size_t c = 0; c < table.names.size(); ++c) {
    if (absl::StartsWith(table.names[c], "tcet_")) rankings.push_back({table.names[c], Take(table.scores[c], rows)});
  }
  return rankings;
}

// Running means of one method over rounds.
struct Sums {
  std::string name;
  double rho = 0;
  double low = 0;
  double high = 0;
  double architectures = 0;
  int rounds = 0;
  int intervals = 0;
};

void Add(const LibraTable& table, const std::vector<Ranking>& rankings, std::span<const size_t> rows,
         const IntervalOptions& interval, std::vector<Sums>& sums) {
  const std::vector<double> y = Take(table.accuracy, rows);
  sums.resize(rankings.size());
  for (size_t r = 0; r < rankings.size(); ++r) {
    sums[r].name = rankings[r].name;
    const Correlation rho = Spearman(rankings[r].values, y);
    sums[r].architectures += static_cast<double>(rho.pairs);
    if (!rho.value.has_value()) continue;
    ++sums[r].rounds;
    sums[r].rho += *rho.value;
    const std::optional<Interval> bounds = SpearmanInterval(rankings[r].values, y, interval);
    if (!bounds.has_value()) continue;
    ++sums[r].intervals;
    sums[r].low += bounds->low;
    sums[r].high += bounds->high;
  }
}

MethodRho Mean(const Sums& sums, int rounds) {
  MethodRho mean{.architectures = sums.architectures / rounds, .rounds = sums.rounds};
  if (sums.rounds > 0) mean.rho = sums.rho / sums.rounds;
  if (sums.intervals > 0) mean.interval = Interval{sums.low / sums.intervals, sums.high / sums.intervals};
  return mean;
}

}  // namespace

std::vector<size_t> AllRows(const LibraTable& table) {
  std::vector<size_t> rows(table.accuracy.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  return rows;
}

absl::StatusOr<LibraFit> FitLibra(const LibraTable& table, std::span<const size_t> rows, const LibraOptions& options) {
  ZCB_RETURN_IF_ERROR(Check(table, options));
  const std::vector<double> y = Take(table.accuracy, rows);
  const std::vector<double> params = Take(table.params, rows);
  LibraFit fit{.accuracy_bias = Spearman(y, params).value,
               .architectures = std::count_if(y.begin(), y.end(), [](double v) { return std::isfinite(v); })};
  fit.bins = options.bins > 0 ? options.bins : BinCount(static_cast<size_t>(fit.architectures));

  // The columns as they count from here on.
  std::vector<std::vector<double>> columns;
  for (size_t c = 0; c < table.names.size(); ++c) {
    LibraCandidate candidate{.name = table.names[c]};
    columns.push_back(Take(table.scores[c], rows));
    const Correlation rho = Spearman(columns[c], y);
    candidate.pairs = rho.pairs;
    candidate.rho = rho.value;
    if (options.abs_rho && rho.value.value_or(0) < 0) {
      candidate.negated = true;
      candidate.rho = -*rho.value;
      for (double& value : columns[c]) value = -value;
    }
    if (!candidate.rho.has_value()) {
      candidate.excluded = rho.pairs < 2 ? "fewer than 2 scores" : "constant";
    } else if (static_cast<double>(rho.pairs) < options.min_coverage * static_cast<double>(fit.architectures)) {
      candidate.excluded = absl::StrCat("scores for ", rho.pairs, " of ", fit.architectures, " architectures");
    }
    fit.candidates.push_back(std::move(candidate));
  }
  // True: a comes before b by (key, then higher rho, then name).
  const auto before = [&](size_t a, double key_a, size_t b, double key_b) {
    const LibraCandidate& x = fit.candidates[a];
    const LibraCandidate& z = fit.candidates[b];
    return std::tuple(key_a, -*x.rho, std::string_view(x.name)) < std::tuple(key_b, -*z.rho, std::string_view(z.name));
  };
  const auto choose = [&](const auto& key) {
    std::optional<size_t> best;
    double best_key = 0;
    for (size_t c = 0; c < fit.candidates.size(); ++c) {
      if (std::find(fit.chosen.begin(), fit.chosen.end(), c) != fit.chosen.end()) continue;
      const std::optional<double> value = key(fit.candidates[c]);
      if (!value.has_value() || (best.has_value() && !before(c, *value, *best, best_key))) continue;
      best = c;
      best_key = *value;
    }
    return best;
  };

  const std::optional<size_t> first = choose([](const LibraCandidate& c) -> std::optional<double> {
    if (!c.excluded.empty()) return std::nullopt;
    return -*c.rho;
  });
  if (!first.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no proxy has a rank correlation with the accuracy over ", fit.architectures,
        " architectures that have one: scores of the same architectures and at least two different values are needed"));
  }
  const double best_rho = *fit.candidates[*first].rho;
  fit.chosen.push_back(*first);
  fit.reasons.push_back(absl::StrCat(options.abs_rho ? "highest |rho|, " : "highest rho, ", Digits(best_rho)));
  size_t others = 0;
  for (size_t c = 0; c < fit.candidates.size(); ++c) {
    LibraCandidate& candidate = fit.candidates[c];
    if (!candidate.excluded.empty()) continue;
    candidate.in_range = *candidate.rho > best_rho - options.threshold ||
                         (options.closed_range && *candidate.rho == best_rho - options.threshold);
    if (!candidate.in_range) continue;
    candidate.bias = Spearman(columns[c], params).value;
    if (c == *first) continue;
    candidate.gain = Gain(y, columns[*first], columns[c], options);
    ++others;
  }
  const std::string range = absl::StrFormat("within %g of the best rho", options.threshold);

  const bool least_gain = options.second == SecondRule::kMinGain;
  const std::optional<size_t> second = choose([&](const LibraCandidate& c) -> std::optional<double> {
    if (!c.gain.has_value()) return std::nullopt;
    return least_gain ? *c.gain : -*c.gain;
  });
  if (!second.has_value()) {
    fit.note = absl::StrCat("no other proxy is ", range, ": z1 stands alone");
    return fit;
  }
  fit.chosen.push_back(*second);
  fit.reasons.push_back(absl::StrCat(least_gain ? "least" : "most", " information gain beside z1, ",
                                     Digits(*fit.candidates[*second].gain), " bits, of ", others, " proxies ", range));
  if (options.third == ThirdRule::kNone) {
    fit.note = "no third proxy was asked for";
    return fit;
  }
  const bool matching = options.third == ThirdRule::kBiasMatching;
  if (matching && !fit.accuracy_bias.has_value()) {
    fit.note = "there is no rank correlation of the accuracy with params, so no third proxy";
    return fit;
  }
  const auto distance = [&](const LibraCandidate& c) -> std::optional<double> {
    if (!c.in_range || !c.bias.has_value()) return std::nullopt;
    return matching ? std::fabs(*fit.accuracy_bias - *c.bias) : std::fabs(*c.bias);
  };
  const std::optional<size_t> third = choose(distance);
  if (!third.has_value()) {
    fit.note = absl::StrCat("no third proxy ", others < 2 ? absl::StrCat("is ", range) : "has a bias");
    return fit;
  }
  fit.chosen.push_back(*third);
  fit.reasons.push_back(matching
                            ? absl::StrCat("bias by params nearest to the accuracy's, ",
                                           Digits(*fit.candidates[*third].bias), " to ", Digits(*fit.accuracy_bias))
                            : absl::StrCat("least bias by params, ", Digits(*fit.candidates[*third].bias)));
  return fit;
}

absl::StatusOr<LibraValidation> ValidateLibra(const LibraTable& table, const LibraOptions& options,
                                              const ValidationOptions& validation) {
  ZCB_RETURN_IF_ERROR(Check(table, options));
  const bool folds = validation.kind == Validation::kFolds;
  if (validation.rounds < (folds ? 2 : 1) || validation.rounds > 1000) {
    return absl::InvalidArgumentError(
        absl::StrCat("rounds: ", validation.rounds, " is not ", folds ? "2" : "1", " to 1000"));
  }
  std::vector<size_t> known;  // only these can choose or be compared
  for (size_t i = 0; i < table.accuracy.size(); ++i) {
    if (std::isfinite(table.accuracy[i])) known.push_back(i);
  }
  const size_t rounds = static_cast<size_t>(validation.rounds);
  const size_t ranked = folds ? known.size() / rounds : known.size() - known.size() / 2;
  if (ranked < kFewestRanked) {
    return absl::InvalidArgumentError(absl::StrCat(known.size(), " architectures have an accuracy and scores; ",
                                                   folds ? absl::StrCat(rounds, " folds") : "two halves",
                                                   " of at least ", kFewestRanked, " need more"));
  }
  IntervalOptions interval;
  interval.resamples =
      static_cast<int>(std::clamp(kResampledValues / (static_cast<double>(rounds * ranked) * 12.0), 100.0, 1000.0));

  const auto shuffled = [&](size_t round) {
    std::vector<size_t> order = known;
    Draws draws(validation.seed, absl::StrCat("libra/split/", round));
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws.Below(i)]);
    return order;
  };
  std::vector<Sums> sums;
  std::map<std::string, int> times;
  const std::vector<size_t> one_order = shuffled(0);
  for (size_t round = 0; round < rounds; ++round) {
    std::vector<size_t> choosing;
    std::vector<size_t> held_out;
    if (folds) {
      for (size_t i = 0; i < one_order.size(); ++i) (i % rounds == round ? held_out : choosing).push_back(one_order[i]);
    } else {
      const std::vector<size_t> order = shuffled(round);
      const auto middle = order.begin() + static_cast<ptrdiff_t>(order.size() / 2);
      choosing.assign(order.begin(), middle);
      held_out.assign(middle, order.end());
    }
    ZCB_ASSIGN_OR_RETURN(const LibraFit fit, FitLibra(table, choosing, options));
    for (const size_t c : fit.chosen) ++times[fit.candidates[c].name];
    Add(table, Rank(table, fit, options, held_out), held_out, interval, sums);
  }
  LibraValidation result;
  for (const Sums& method : sums) {
    result.methods.push_back({.name = method.name, .held_out = Mean(method, validation.rounds)});
  }
  result.choices.assign(times.begin(), times.end());
  std::stable_sort(result.choices.begin(), result.choices.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (validation.in_sample) {
    ZCB_ASSIGN_OR_RETURN(const LibraFit fit, FitLibra(table, known, options));
    std::vector<Sums> all;
    Add(table, Rank(table, fit, options, known), known, interval, all);
    for (size_t m = 0; m < all.size(); ++m) result.methods[m].in_sample = Mean(all[m], 1);
  }
  return result;
}

}  // namespace zcbench
