#include "client/cli/report_data.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/curve_plot.h"
#include "client/cli/published_figures.h"
#include "nas/random.h"
#include "nas/space.h"
#include "nas/statistics/ranking.h"

namespace zcbench {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr char kAgainst[] = "accuracy:";
constexpr char kLayers[] = "layer_log_";
constexpr uint64_t kSearches = 100;
constexpr int64_t kEvaluations = 200;
constexpr size_t kThreads = 4;
constexpr size_t kReference = 1000;  // as `zcbench search`

using Progress = std::function<void(const std::string&)>;

std::string WithoutOptions(const std::string& proxy) { return proxy.substr(0, proxy.find('(')); }

// What a cell cannot have is a line in it; that the server is gone is an error.
bool IsOfTheCell(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status) ||
         absl::IsPermissionDenied(status);
}

// The cells of a store: one a space and task, and where a proxy has scores of several sources one a source.
std::vector<ReportCell> CellsOf(const std::vector<pb::Series>& series, const pb::ScoreFilter& filter) {
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::set<std::string>>> places;
  for (const pb::Series& one : series) {
    places[{one.space(), one.task()}][one.proxy()].insert(one.source().empty() ? "computed" : one.source());
  }
  std::vector<ReportCell> cells;
  for (const auto& [place, proxies] : places) {
    std::set<std::string> sources;
    bool mixed = false;
    for (const auto& [proxy, of] : proxies) {
      sources.insert(of.begin(), of.end());
      mixed |= of.size() > 1;
    }
    if (!mixed) sources = {""};
    for (const std::string& source : sources) {
      ReportCell& cell = cells.emplace_back();
      cell.space = place.first;
      cell.task = place.second;
      cell.label = source.empty() ? cell.task : absl::StrCat(cell.task, ", ", source);
      cell.filter = filter;
      cell.filter.set_space(cell.space);
      cell.filter.set_task(cell.task);
      if (!source.empty()) cell.filter.set_source(source);
    }
  }
  return cells;
}

absl::Status ReadScores(Client& client, ReportCell& cell) {
  struct Sum {
    std::vector<double> values, seconds;
    std::vector<uint32_t> finite, timed;
    uint32_t series = 0;
  };
  std::map<uint64_t, size_t> places;
  std::map<uint64_t, std::string> proxies;
  std::map<std::string, Sum> sums;
  ZCB_RETURN_IF_ERROR(client.StreamScores(cell.filter, [&](const pb::StreamScoresResponse& chunk) {
    const pb::ArchitectureChunk& names = chunk.architectures();
    for (int i = 0; i < std::min(names.ids_size(), names.architectures_size()); ++i) {
      places[names.ids(i)] = cell.architectures.size();
      cell.architectures.push_back(names.architectures(i));
    }
    const pb::ColumnChunk& column = chunk.column();
    if (column.architectures_size() == 0) return absl::OkStatus();
    if (column.has_series()) {
      proxies[column.series_id()] = column.series().proxy();
      ++sums[column.series().proxy()].series;
    }
    Sum& sum = sums[proxies[column.series_id()]];
    for (auto* const values : {&sum.values, &sum.seconds}) values->resize(cell.architectures.size());
    for (auto* const counts : {&sum.finite, &sum.timed}) counts->resize(cell.architectures.size());
    const int rows =
        std::min({column.architectures_size(), column.scores_size(), column.outcomes_size(), column.seconds_size()});
    for (int i = 0; i < rows; ++i) {
      const size_t place = places[column.architectures(i)];
      if (column.outcomes(i) == pb::SCORE_OUTCOME_OK) {
        sum.values[place] += column.scores(i);
        ++sum.finite[place];
      }
      if (column.seconds(i) > 0) {
        sum.seconds[place] += column.seconds(i);
        ++sum.timed[place];
      }
    }
    return absl::OkStatus();
  }));
  for (auto& [proxy, sum] : sums) {
    if (proxy.starts_with(kLayers)) continue;
    ReportColumn& column = cell.columns[proxy];
    double seconds = 0;
    size_t timed = 0;
    for (size_t i = 0; i < sum.values.size(); ++i) {
      column.values.push_back(sum.finite[i] == sum.series ? sum.values[i] / sum.series : kNone);
      if (sum.timed[i] == 0) continue;
      seconds += sum.seconds[i] / sum.timed[i];
      ++timed;
    }
    if (timed > 0) column.seconds = seconds / static_cast<double>(timed);
  }
  return absl::OkStatus();
}

// The accuracies of a cell's task, each by the place of its architectures.
absl::StatusOr<std::map<std::string, std::vector<double>>> ReadAccuracies(Client& client, const ReportCell& cell) {
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < cell.architectures.size(); ++i) places[cell.architectures[i]] = i;
  std::map<std::string, std::vector<double>> accuracies;
  ZCB_RETURN_IF_ERROR(client.StreamAccuracies(cell.space, cell.task, [&](const pb::StreamAccuraciesResponse& chunk) {
    std::vector<double>& values = accuracies[absl::StrCat(chunk.source(), "/", chunk.metric())];
    values.resize(cell.architectures.size(), kNone);
    for (int i = 0; i < std::min(chunk.architectures_size(), chunk.accuracies_size()); ++i) {
      const auto place = places.find(chunk.architectures(i));
      if (place != places.end()) values[place->second] = chunk.accuracies(i);
    }
    return absl::OkStatus();
  }));
  return accuracies;
}

absl::Status ReadAccuracy(Client& client, const std::string& against, ReportCell& cell) {
  ZCB_ASSIGN_OR_RETURN(auto accuracies, ReadAccuracies(client, cell));
  std::vector<std::string> names;
  for (const auto& [name, values] : accuracies) names.push_back(name);
  std::string chosen = ChooseAccuracy(names);
  if (against.starts_with(kAgainst)) {
    chosen = against.substr(std::string(kAgainst).size());
    if (!accuracies.contains(chosen)) {
      cell.skipped = names.empty() ? "no accuracies of it are stored"
                                   : std::string(UnknownName("accuracy", chosen, names).message());
      return absl::OkStatus();
    }
  }
  if (chosen.empty()) {
    cell.skipped = "no accuracies of it are stored";
    return absl::OkStatus();
  }
  cell.accuracy = kAgainst + chosen;
  cell.truth = std::move(accuracies[chosen]);
  return absl::OkStatus();
}

// Stored combinations all of whose proxies have scores here.
std::vector<std::string> CombinationsOf(const ReportCell& cell, const std::vector<pb::Combination>& stored) {
  std::vector<std::string> names;
  for (const pb::Combination& combination : stored) {
    if (combination.space() != cell.space || combination.task() != cell.task) continue;
    if (std::all_of(combination.proxies().begin(), combination.proxies().end(),
                    [&](const pb::CombinedProxy& proxy) { return cell.columns.contains(proxy.proxy()); })) {
      names.push_back(combination.name());
    }
  }
  return names;
}

// Layer statistics are no proxies: without them what the cell holds, by name.
std::vector<std::string> ProxiesOf(const ReportCell& cell) {
  std::vector<std::string> proxies;
  for (const auto& [proxy, column] : cell.columns) proxies.push_back(proxy);
  return proxies;
}

absl::Status Correlate(Client& client, const std::vector<pb::Combination>& stored, ReportCell& cell) {
  pb::CorrelateRequest request;
  *request.mutable_filter() = cell.filter;
  const std::vector<std::string> proxies = ProxiesOf(cell);
  request.mutable_filter()->mutable_proxies()->Assign(proxies.begin(), proxies.end());
  ZCB_ASSIGN_OR_RETURN(cell.pairs, client.Correlate(request));
  if (cell.accuracy.empty()) return absl::OkStatus();
  request.set_against(cell.accuracy);
  request.set_all_statistics(true);
  for (const std::string& name : CombinationsOf(cell, stored)) request.add_combinations(name);
  ZCB_ASSIGN_OR_RETURN(cell.against, client.Correlate(request));
  return absl::OkStatus();
}

absl::Status FitLibra(Client& client, const Progress& progress, const std::string& where, ReportCell& cell) {
  pb::FitLibraRequest request;
  *request.mutable_filter() = cell.filter;
  request.set_against(cell.accuracy);
  request.set_in_sample(true);
  absl::StatusOr<pb::Combination> libra = client.FitLibra(request);
  if (!libra.ok()) {
    if (!IsOfTheCell(libra.status())) return libra.status();
    cell.no_libra = std::string(libra.status().message());
    return absl::OkStatus();
  }
  cell.libra = *std::move(libra);
  const std::vector<std::tuple<std::string, std::string, std::string>> variants = {
      {"best + max gain", "max_gain", "none"}, {"without bias", "", "none"}, {"least bias", "", "least_bias"}};
  for (const auto& [how, second, third] : variants) {
    progress(absl::StrCat(where, ": LIBRA, ", how));
    request.set_second(second);
    request.set_third(third);
    absl::StatusOr<pb::Combination> other = client.FitLibra(request);
    if (!other.ok()) return other.status();
    cell.choices.push_back({how, *std::move(other)});
  }
  cell.choices.push_back({"bias matching", *cell.libra});
  return absl::OkStatus();
}

bool SmallerIsBetter(const ReportCell& cell, const std::string& proxy) {
  return std::find(cell.smaller_better.begin(), cell.smaller_better.end(), WithoutOptions(proxy)) !=
         cell.smaller_better.end();
}

std::vector<double> Turned(const ReportCell& cell, const std::string& proxy) {
  std::vector<double> values = cell.columns.at(proxy).values;
  if (SmallerIsBetter(cell, proxy)) {
    for (double& value : values) value = -value;
  }
  return values;
}

// The proxy that ranks best as it declares itself, params apart.
std::string BestProxy(const ReportCell& cell) {
  std::string best;
  double highest = -std::numeric_limits<double>::infinity();
  for (const pb::Correlation& entry : cell.against) {
    if (entry.a() == "params" || !entry.has_spearman() || !cell.columns.contains(entry.a())) continue;
    const double rho = SmallerIsBetter(cell, entry.a()) ? -entry.spearman() : entry.spearman();
    if (rho > highest) best = entry.a();
    highest = std::max(highest, rho);
  }
  return best;
}

absl::StatusOr<std::vector<double>> LibraFitness(const ReportCell& cell) {
  std::vector<std::vector<double>> columns;
  for (const pb::CombinedProxy& proxy : cell.libra->proxies()) {
    columns.push_back(cell.columns.at(proxy.proxy()).values);
    if (!proxy.negated()) continue;
    for (double& value : columns.back()) value = -value;
  }
  std::vector<uint32_t> sample(cell.architectures.size());
  std::iota(sample.begin(), sample.end(), 0u);
  Draws draws(0, "search/reference");
  const size_t size = std::min(sample.size(), kReference);
  for (size_t i = 0; i < size; ++i) std::swap(sample[i], sample[i + draws.Below(sample.size() - i)]);
  sample.resize(size);
  const std::vector<std::span<const double>> spans(columns.begin(), columns.end());
  return MergeByReference(MergeRule::kRankSum, spans, sample);
}

absl::StatusOr<std::vector<SearchResult>> RunAll(const Search& search) {
  std::vector<SearchResult> results;
  for (uint64_t seed = 0; seed < kSearches; ++seed) {
    ZCB_ASSIGN_OR_RETURN(SearchResult result, search.Run(seed));
    results.push_back(std::move(result));
  }
  return results;
}

absl::Status RunSearches(const Progress& progress, const std::string& where, ReportCell& cell) {
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(cell.space));
  std::vector<std::pair<std::string, std::vector<double>>> fitnesses;
  if (const std::string best = BestProxy(cell); !best.empty()) fitnesses.emplace_back(best, Turned(cell, best));
  if (cell.libra.has_value() && cell.libra->proxies_size() > 1) {
    ZCB_ASSIGN_OR_RETURN(std::vector<double> merged, LibraFitness(cell));
    fitnesses.emplace_back(absl::StrCat("LIBRA: ", absl::StrJoin(cell.libra->proxies(), " + ",
                                                                 [](std::string* out, const pb::CombinedProxy& proxy) {
                                                                   absl::StrAppend(out, proxy.negated() ? "-" : "",
                                                                                   proxy.proxy());
                                                                 })),
                           std::move(merged));
  }
  for (auto& [by, fitness] : fitnesses) {
    SearchTable table{.architectures = cell.architectures, .fitness = std::move(fitness)};
    SearchOptions options{.algorithm = SearchAlgorithm::kRandom, .evaluations = kEvaluations};
    ZCB_ASSIGN_OR_RETURN(const Search random, Search::Create(*space->space, table, options));
    const std::vector<int64_t> points = CurveSteps(kEvaluations);
    progress(absl::StrCat(where, ": random search by ", by));
    ZCB_ASSIGN_OR_RETURN(const std::vector<SearchResult> baseline, RunAll(random));
    const std::vector<CurvePoint> random_curve = SearchCurve(random, baseline, cell.truth, points);
    for (const SearchAlgorithm algorithm : {SearchAlgorithm::kRegularised, SearchAlgorithm::kLocal}) {
      progress(absl::StrCat(where, ": ", NameOf(algorithm), " search by ", by));
      options.algorithm = algorithm;
      ZCB_ASSIGN_OR_RETURN(const Search search, Search::Create(*space->space, table, options));
      ZCB_ASSIGN_OR_RETURN(const std::vector<SearchResult> results, RunAll(search));
      double best = -std::numeric_limits<double>::infinity();
      for (const uint32_t row : search.rows()) {
        if (std::isfinite(cell.truth[row])) best = std::max(best, cell.truth[row]);
      }
      double refills = 0, evaluations = 0;
      for (const SearchResult& result : results) {
        refills += static_cast<double>(result.refills);
        evaluations += static_cast<double>(result.rows.size());
      }
      cell.searches.push_back({.by = by,
                               .algorithm = NameOf(algorithm),
                               .curve = SearchCurve(search, results, cell.truth, points),
                               .random = random_curve,
                               .refills = refills / evaluations,
                               .best = best});
    }
  }
  return absl::OkStatus();
}

bool HasLayers(const std::vector<pb::Series>& series) {
  return std::any_of(series.begin(), series.end(),
                     [](const pb::Series& one) { return one.proxy().starts_with(kLayers); });
}

absl::Status Fill(Client& client, const ReportRequest& request, const std::vector<pb::Combination>& stored,
                  const Progress& progress, const std::string& where, ReportCell& cell) {
  ZCB_ASSIGN_OR_RETURN(cell.series, client.ListSeries(cell.filter));
  // What a job lacks may be there of its space and task.
  pb::ScoreFilter layers;
  layers.set_space(cell.space);
  layers.set_task(cell.task);
  layers.set_numerics(request.filter.numerics());
  layers.set_source("computed");
  absl::StatusOr<std::vector<pb::LayerProfile>> profiles = client.ProfileLayers(layers);
  if (profiles.ok()) {
    cell.layers = *std::move(profiles);
  } else if (!IsOfTheCell(profiles.status())) {
    return profiles.status();
  }
  if (HasLayers(cell.series) && cell.filter.proxies().empty()) {
    // Of a column of statistics of layers nothing is correlated.
    std::set<std::string> proxies;
    for (const pb::Series& one : cell.series) {
      if (!one.proxy().starts_with(kLayers)) proxies.insert(one.proxy());
    }
    cell.filter.mutable_proxies()->Assign(proxies.begin(), proxies.end());
    if (proxies.empty()) {
      cell.skipped = "only statistics of layers are stored";
      return absl::OkStatus();
    }
  }
  progress(absl::StrCat(where, ": scores"));
  ZCB_RETURN_IF_ERROR(ReadScores(client, cell));
  ZCB_RETURN_IF_ERROR(ReadAccuracy(client, request.against, cell));
  progress(absl::StrCat(where, ": correlations of ", cell.columns.size(), " proxies over ", cell.architectures.size(),
                        " architectures"));
  ZCB_RETURN_IF_ERROR(Correlate(client, stored, cell));
  if (cell.accuracy.empty()) return absl::OkStatus();
  progress(absl::StrCat(where, ": LIBRA"));
  ZCB_RETURN_IF_ERROR(FitLibra(client, progress, where, cell));
  if (!request.search) return absl::OkStatus();
  const absl::Status searched = RunSearches(progress, where, cell);
  if (!searched.ok()) {
    cell.searches.clear();
    cell.no_search = std::string(searched.message());
  }
  return absl::OkStatus();
}

}  // namespace

std::string ChooseAccuracy(const std::vector<std::string>& names) {
  for (const std::string_view metric : {"/validation", "/test"}) {
    for (const std::string& name : names) {
      if (name.ends_with(metric)) return name;
    }
  }
  return names.empty() ? "" : names[0];
}

absl::StatusOr<ReportData> GatherReport(Client& client, const ReportRequest& request, const Progress& progress) {
  ReportData data{.request = request, .made = absl::Now()};
  ZCB_ASSIGN_OR_RETURN(data.server, client.Describe());
  if (request.jobs.empty()) {
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Series> series, client.ListSeries(request.filter));
    data.cells = CellsOf(series, request.filter);
    if (data.cells.empty()) {
      return absl::NotFoundError(
          "no scores fit, so there is nothing to report; `zcbench submit` computes some, `zcbench import scores` "
          "brings "
          "published ones");
    }
  }
  std::map<std::pair<std::string, std::string>, int> times;
  for (const int64_t id : request.jobs) {
    ZCB_ASSIGN_OR_RETURN(pb::Job job, client.GetJob(id));
    ReportCell& cell = data.cells.emplace_back();
    cell.space = job.spec().space();
    cell.task = job.spec().task();
    cell.label = cell.task;
    ++times[{cell.space, cell.task}];
    cell.filter = request.filter;
    cell.filter.set_job(job.id());
    data.jobs.push_back(std::move(job));
  }
  for (size_t i = 0; i < data.jobs.size(); ++i) {
    ReportCell& cell = data.cells[i];
    if (times[{cell.space, cell.task}] > 1) absl::StrAppend(&cell.label, ", job ", data.jobs[i].id());
  }
  ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Combination> stored, client.ListCombinations());
  std::vector<std::string> smaller;
  for (const pb::ProxyInfo& proxy : data.server.proxies()) {
    if (!proxy.larger_is_better()) smaller.push_back(proxy.name());
  }
  // A cell at a time on each of a few threads; every cell has its own place.
  std::vector<absl::Status> statuses(data.cells.size());
  std::atomic<size_t> next = 0;
  Mutex told;
  const Progress tell = [&](const std::string& what) {
    const MutexLock lock(told);
    progress(what);
  };
  const auto work = [&] {
    for (size_t i = next++; i < data.cells.size(); i = next++) {
      ReportCell& cell = data.cells[i];
      cell.smaller_better = smaller;
      const std::string where = absl::StrCat(i + 1, "/", data.cells.size(), " ", cell.space, " on ", cell.label);
      statuses[i] = Fill(client, request, stored, tell, where, cell);
    }
  };
  std::vector<std::thread> others;
  for (size_t t = 1; t < std::min(kThreads, data.cells.size()); ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  for (size_t i = 0; i < data.cells.size(); ++i) {
    ReportCell& cell = data.cells[i];
    if (statuses[i].ok()) continue;
    if (!IsOfTheCell(statuses[i])) return Annotate(statuses[i], absl::StrCat(cell.space, " on ", cell.label));
    if (data.cells.size() == 1) return statuses[i];
    cell.skipped = std::string(statuses[i].message());
  }
  ZCB_ASSIGN_OR_RETURN(const std::vector<pb::SourceInfo> sources, client.ListSources());
  for (const pb::SourceInfo& source : sources) {
    const auto holds = [&](const ReportCell& cell) {
      if (cell.space != source.space() || cell.task != source.task()) return false;
      if (!source.metric().empty())
        return cell.accuracy == absl::StrCat(kAgainst, source.source(), "/", source.metric());
      return std::any_of(cell.series.begin(), cell.series.end(),
                         [&](const pb::Series& one) { return one.source() == source.source(); });
    };
    if (std::any_of(data.cells.begin(), data.cells.end(), holds)) data.sources.push_back(source);
  }
  return data;
}

}  // namespace zcbench
