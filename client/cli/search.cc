// search: what a search by a score would have found, and what it would have cost.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/curve_plot.h"
#include "client/cli/score_table.h"
#include "nas/random.h"
#include "nas/search/search.h"

namespace zcbench {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr char kParams[] = "params";

// What one space and task of a store has, in columns.
struct Columns {
  std::string space;
  std::string task;
  std::vector<std::string> architectures;
  std::map<std::string, std::vector<double>> scores;   // by column of `zcbench scores`; NaN = none
  std::map<std::string, std::vector<double>> seconds;  // by proxy
};

absl::StatusOr<Columns> ReadColumns(Client& client, const pb::ScoreFilter& filter) {
  Columns columns;
  ScoreTable table;
  std::map<uint64_t, std::string> architecture_of, proxy_of;
  std::map<std::string, std::map<std::string, double>> seconds;  // proxy, architecture
  ZCB_RETURN_IF_ERROR(client.StreamScores(filter, [&](const pb::StreamScoresResponse& chunk) {
    const pb::ArchitectureChunk& names = chunk.architectures();
    for (int i = 0; i < std::min(names.ids_size(), names.architectures_size()); ++i) {
      architecture_of[names.ids(i)] = names.architectures(i);
    }
    const pb::ColumnChunk& column = chunk.column();
    if (column.has_series()) {
      columns.space = column.series().space();
      columns.task = column.series().task();
      proxy_of[column.series().id()] = column.series().proxy();
    }
    const std::string& proxy = proxy_of[column.has_series() ? column.series().id() : column.series_id()];
    for (int i = 0; i < std::min(column.architectures_size(), column.seconds_size()); ++i) {
      seconds[proxy][architecture_of[column.architectures(i)]] = column.seconds(i);
    }
    return table.Add(chunk);
  }));
  table.Finish();
  if (table.rows() == 0) return absl::FailedPreconditionError("no scores fit, so there is nothing to search");
  size_t architecture = 0;
  for (size_t c = 0; c < table.columns().size(); ++c) {
    const std::string& name = table.columns()[c].name;
    if (name == "architecture") architecture = c;
    for (const std::string key : {"space", "task", "seed"}) {
      if (name != key) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("the scores are of several ", key, "s; choose one with --", key == "seed" ? "seeds" : key));
    }
  }
  for (size_t row = 0; row < table.rows(); ++row) {
    columns.architectures.push_back(std::get<std::string>(table.At(row, architecture)));
    for (size_t c = architecture + 1; c < table.columns().size(); ++c) {
      const TableCell cell = table.At(row, c);
      const double* const score = std::get_if<double>(&cell);
      columns.scores[table.columns()[c].name].push_back(score == nullptr ? kNone : *score);
    }
    for (const auto& [proxy, of] : seconds) {
      const auto cost = of.find(columns.architectures.back());
      columns.seconds[proxy].push_back(cost == of.end() ? 0 : cost->second);
    }
  }
  return columns;
}

// How many of the searched rows are better, plus one.
int64_t Place(const Search& search, const std::vector<double>& values, uint32_t row) {
  return 1 + std::count_if(search.rows().begin(), search.rows().end(),
                           [&](uint32_t other) { return values[other] > values[row]; });
}

class SearchCommand final : public Command {
 public:
  std::string name() const override { return "search"; }

  void Declare(CLI::App& app) override {
    Describe(app, "What an architecture search by a score would have found",
             "Runs many searches on the scores that are stored; nothing is computed anew. A search sees one column, "
             "`--by`, or the merged\n"
             "ranks of several within a fixed sample of architectures. Shown are the best architecture found, and what "
             "searches hand over\n"
             "after so many evaluations beside random search: in accuracy where one is stored, else in the score. The "
             "algorithms are\n"
             "described in nas/search/search.h.");
    filter_.Declare(app);
    app.add_option("--by", by_,
                   "A column of `zcbench scores`, several with commas between (a rank_sum), or az_nas, te_nas, vkdnw")
        ->required();
    app.add_option("--lowest", lowest_, "Of these columns the lowest is best: a,b")->delimiter(',');
    app.add_option("--reference", reference_, "Architectures that ranks are taken within (default: 1000)")
        ->check(CLI::PositiveNumber);
    app.add_option("--algorithm", algorithm_,
                   "random, regularised, autoformer or local (default: regularised, population 10)");
    app.add_option("--evaluations", options_.evaluations, "Architectures a search looks at (default: 200)")
        ->check(CLI::PositiveNumber);
    app.add_option("--searches", searches_, "How many, with the seeds 0, 1, ... (default: 100)")
        ->check(CLI::Range(1, 10'000));
    app.add_option("--min-params", options_.min_params, "Only architectures with at least so many parameters");
    app.add_option("--max-params", options_.max_params, "Only architectures with at most so many parameters");
    app.add_option("--accuracy", accuracy_, "SOURCE/METRIC, where several accuracies are stored");
    app.add_option("--svg", svg_, "Also draw the curves into this file");
    server_.DeclareReading(app);
    format_.Declare(app, "of the curves");
    SetExamples(
        app,
        "  zcbench search --space nasbench201 --task cifar10 --by zico\n"
        "  zcbench search --by az_nas --algorithm autoformer --evaluations 1050 --max-params 1000000\n"
        "  zcbench search --file benchmark.db --space nasbench201 --task cifar10 --by snip,zico --svg curve.svg");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(options_.algorithm, ParseSearchAlgorithm(algorithm_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const pb::ScoreFilter filter, filter_.Resolve(*client));
    ZCB_ASSIGN_OR_RETURN(const Columns columns, ReadColumns(*client, filter));
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(columns.space));
    ZCB_ASSIGN_OR_RETURN(SearchTable table, MakeTable(*client, columns));
    ZCB_ASSIGN_OR_RETURN(const std::vector<double> accuracy, ReadAccuracy(*client, columns));

    ZCB_ASSIGN_OR_RETURN(const Search search, Search::Create(*space->space, table, options_));
    SearchOptions random_options = options_;
    random_options.algorithm = SearchAlgorithm::kRandom;
    ZCB_ASSIGN_OR_RETURN(const Search random, Search::Create(*space->space, std::move(table), random_options));
    ZCB_ASSIGN_OR_RETURN(const std::vector<SearchResult> results, RunAll(search, NameOf(options_.algorithm)));
    ZCB_ASSIGN_OR_RETURN(const std::vector<SearchResult> baseline, RunAll(random, "random"));

    const std::vector<double>& fitness = search.table().fitness;
    const bool has_accuracy = !accuracy.empty();
    const std::vector<double>& shown = has_accuracy ? accuracy : fitness;
    double best = -std::numeric_limits<double>::infinity();
    for (const uint32_t row : search.rows()) {
      if (std::isfinite(shown[row])) best = std::max(best, shown[row]);
    }
    const std::vector<int64_t> points = CurveSteps(options_.evaluations);
    const std::vector<CurvePoint> curve = SearchCurve(search, results, shown, points);
    const std::vector<CurvePoint> other = SearchCurve(random, baseline, shown, points);
    std::vector<std::vector<TableCell>> rows;
    for (size_t i = 0; i < points.size(); ++i) {
      const auto cell = [](double value) { return std::isfinite(value) ? TableCell(value) : TableCell(); };
      rows.push_back({curve[i].evaluations, cell(curve[i].mean), curve[i].deviation, cell(best - curve[i].mean),
                      cell(other[i].mean), other[i].deviation, cell(best - other[i].mean)});
    }
    PrintTable(std::cout, format_.format(),
               {{"evaluations", true},
                {"mean", true},
                {"sd", true},
                {"regret", true},
                {"random_mean", true},
                {"random_sd", true},
                {"random_regret", true}},
               rows);
    std::cout.flush();
    Summarise(*space, search, results, accuracy);
    if (!svg_.empty()) {
      const std::string of = has_accuracy ? "accuracy" : by_;
      ZCB_RETURN_IF_ERROR(
          WriteFileAtomically(svg_, DrawCurves({{NameOf(options_.algorithm), curve}, {"random", other}},
                                               absl::StrCat(columns.space, " on ", columns.task, ": search by ", by_),
                                               absl::StrCat(of, " of the best found, mean ± sd"))));
      Say(absl::StrCat("wrote ", svg_));
    }
    return kExitDone;
  }

 private:
  absl::StatusOr<SearchTable> MakeTable(Client& client, const Columns& columns) const {
    MergeRule rule = MergeRule::kRankSum;
    std::vector<std::string> names;
    for (const RankAggregate& aggregate : RankAggregates()) {
      if (aggregate.name != by_) continue;
      rule = aggregate.rule;
      for (const std::string& proxy : aggregate.proxies) {
        if (proxy != aggregate.optional || columns.scores.contains(proxy)) names.push_back(proxy);
      }
    }
    if (names.empty()) {
      ZCB_ASSIGN_OR_RETURN(names, ParseNames(columns));
    }
    std::vector<std::string> known;
    for (const auto& [name, unused] : columns.scores) known.push_back(name);
    ZCB_ASSIGN_OR_RETURN(const pb::DescribeResponse described, client.Describe());
    std::set<std::string> turned(lowest_.begin(), lowest_.end());
    for (const pb::ProxyInfo& proxy : described.proxies()) {
      if (!proxy.larger_is_better()) turned.insert(proxy.name());
    }
    SearchTable table;
    table.architectures = columns.architectures;
    std::vector<std::vector<double>> values;
    for (const std::string& name : names) {
      const auto column = columns.scores.find(name);
      if (column == columns.scores.end()) return UnknownName("column of scores", name, known);
      values.push_back(column->second);
      const std::string proxy = name.substr(0, name.find_first_of("(/"));
      if (turned.contains(name) || turned.contains(proxy)) {
        for (double& value : values.back()) value = -value;
      }
      // A column with its version in the name has the cost of its proxy.
      const auto cost = columns.seconds.find(columns.seconds.contains(name) ? name : name.substr(0, name.rfind('/')));
      if (cost == columns.seconds.end()) continue;
      table.seconds.resize(columns.architectures.size());
      for (size_t row = 0; row < table.seconds.size(); ++row) {
        if (std::isfinite(cost->second[row])) table.seconds[row] += cost->second[row];
      }
    }
    if (const auto params = columns.scores.find(kParams); params != columns.scores.end()) {
      for (const double value : params->second) {
        table.params.push_back(std::isfinite(value) ? std::llround(value) : -1);
      }
    }
    if (values.size() == 1) {
      table.fitness = values[0];
      return table;
    }
    // The first of a shuffle that only the number of architectures decides.
    std::vector<uint32_t> sample(columns.architectures.size());
    std::iota(sample.begin(), sample.end(), 0u);
    Draws draws(0, "search/reference");
    const size_t size = std::min<size_t>(sample.size(), reference_);
    for (size_t i = 0; i < size; ++i) std::swap(sample[i], sample[i + draws.Below(sample.size() - i)]);
    sample.resize(size);
    const std::vector<std::span<const double>> spans(values.begin(), values.end());
    ZCB_ASSIGN_OR_RETURN(table.fitness, MergeByReference(rule, spans, sample));
    return table;
  }

  // Commas also stand within the options of a proxy.
  absl::StatusOr<std::vector<std::string>> ParseNames(const Columns& columns) const {
    if (columns.scores.contains(by_)) return std::vector<std::string>{by_};
    std::vector<std::string> names(1);
    int depth = 0;
    for (const char c : by_) {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      if (c == ',' && depth == 0) {
        names.emplace_back();
      } else {
        names.back().push_back(c);
      }
    }
    return names;
  }

  // By row; empty where none is stored.
  absl::StatusOr<std::vector<double>> ReadAccuracy(Client& client, const Columns& columns) const {
    std::map<std::string, std::map<std::string, double>> stored;  // source and metric, architecture
    ZCB_RETURN_IF_ERROR(
        client.StreamAccuracies(columns.space, columns.task, [&](const pb::StreamAccuraciesResponse& chunk) {
          auto& of = stored[absl::StrCat(chunk.source(), "/", chunk.metric())];
          for (int i = 0; i < std::min(chunk.architectures_size(), chunk.accuracies_size()); ++i) {
            of[chunk.architectures(i)] = chunk.accuracies(i);
          }
          return absl::OkStatus();
        }));
    std::vector<std::string> names;
    for (const auto& [name, unused] : stored) names.push_back(name);
    if (!accuracy_.empty() && !stored.contains(accuracy_)) return UnknownName("accuracy", accuracy_, names);
    if (stored.empty()) return std::vector<double>{};
    if (accuracy_.empty() && stored.size() > 1) {
      return absl::FailedPreconditionError(absl::StrCat(stored.size(), " accuracies of ", columns.space, " on ",
                                                        columns.task, " are stored; choose one: --accuracy ",
                                                        names[0]));
    }
    const auto& of = accuracy_.empty() ? stored.begin()->second : stored[accuracy_];
    std::vector<double> accuracy;
    for (const std::string& architecture : columns.architectures) {
      const auto found = of.find(architecture);
      accuracy.push_back(found == of.end() ? kNone : found->second);
    }
    return accuracy;
  }

  // With a line every two seconds.
  absl::StatusOr<std::vector<SearchResult>> RunAll(const Search& search, const std::string& what) const {
    const absl::Time start = absl::Now();
    absl::Time said = start;
    std::vector<SearchResult> results;
    for (uint64_t seed = 0; seed < searches_; ++seed) {
      ZCB_ASSIGN_OR_RETURN(SearchResult result, search.Run(seed));
      results.push_back(std::move(result));
      const absl::Time now = absl::Now();
      if (now - said < absl::Seconds(2)) continue;
      said = now;
      const double rate = static_cast<double>(seed + 1) / absl::ToDoubleSeconds(now - start);
      Say(absl::StrFormat("%s: %d of %d searches, %.1f/s, %.0f s left", what, seed + 1, searches_, rate,
                          static_cast<double>(searches_ - seed - 1) / rate));
    }
    return results;
  }

  void Summarise(const SpaceDefinition& space, const Search& search, const std::vector<SearchResult>& results,
                 const std::vector<double>& accuracy) const {
    const SearchTable& table = search.table();
    uint32_t best = results[0].best;
    double seconds = 0, distinct = 0, refills = 0, evaluations = 0;
    for (const SearchResult& result : results) {
      if (table.fitness[result.best] > table.fitness[best]) best = result.best;
      seconds += result.seconds;
      distinct += static_cast<double>(result.distinct);
      refills += static_cast<double>(result.refills);
      evaluations += static_cast<double>(result.rows.size());
    }
    const double n = static_cast<double>(results.size());
    Say(absl::StrFormat("best by %s: %s, place %d of %d by it", by_, table.architectures[best],
                        Place(search, table.fitness, best), search.rows().size()));
    if (const auto official = space.space->Official(table.architectures[best]); official.ok()) {
      Say(absl::StrCat("as its authors write it: ", *official));
    }
    if (!accuracy.empty() && std::isfinite(accuracy[best])) {
      double top = accuracy[best];
      for (const uint32_t row : search.rows()) {
        if (std::isfinite(accuracy[row])) top = std::max(top, accuracy[row]);
      }
      Say(absl::StrFormat("its accuracy: %g, place %d, regret %g", accuracy[best], Place(search, accuracy, best),
                          top - accuracy[best]));
    }
    Say(absl::StrFormat("a search: %.0f evaluations of %.0f architectures, whose scores took %.4g s", evaluations / n,
                        distinct / n, seconds / n));
    if (2 * refills > evaluations) {
      Say(absl::StrFormat(
          "%.0f %% of these were random: children had no score, were outside the window or were known. Where few of %s "
          "are scored, read this as random search",
          100 * refills / evaluations, space.name));
    }
  }

  ServerOption server_;
  FormatOption format_;
  FilterOptions filter_;
  SearchOptions options_;
  std::string by_;
  std::vector<std::string> lowest_;
  std::string algorithm_ = "regularised";
  std::string accuracy_;
  std::string svg_;
  uint32_t reference_ = 1000;
  uint64_t searches_ = 100;
};

}  // namespace

std::unique_ptr<Command> MakeSearch() { return std::make_unique<SearchCommand>(); }

}  // namespace zcbench
