#include "server/columns.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"
#include "nas/statistics/correlation.h"
#include "nas/statistics/ranking.h"
#include "server/convert.h"
#include "server/libra.h"

namespace zcbench {
namespace {

constexpr int kPage = 8192;                   // rows: below 256 KiB on the wire
constexpr size_t kDictionaryBytes = 128'000;  // of text in one piece
constexpr size_t kMaxVariables = 64;
constexpr size_t kMaxCells = 50'000'000;  // of all variables
constexpr double kResampledValues = 5e7;  // of all bootstraps of one Correlate
constexpr char kBaseline[] = "params";
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::vector<int64_t> VersionNumbers(const std::string& version) {
  std::vector<int64_t> numbers;
  for (const auto part : absl::StrSplit(version, absl::ByAnyChar(".+"))) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(part, &number)) number = -1;
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<std::vector<SeriesInfo>> ListAll(Store& store, const SeriesFilter& filter) {
  std::vector<SeriesInfo> series;
  while (true) {
    const SeriesId after = series.empty() ? SeriesId{0} : series.back().id;
    const size_t before = series.size();
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(std::vector<SeriesInfo> page, reader.ListSeries(filter, after, 1000));
      std::move(page.begin(), page.end(), std::back_inserter(series));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    if (series.size() < before + 1000) return series;
  }
}

// Which architecture ids belong to a job.
absl::StatusOr<std::vector<bool>> JobArchitectures(Store& store, JobPlan& plan, JobId job) {
  std::vector<bool> has;
  for (uint64_t first = 0; first < plan.architecture_count(); first += kPage) {
    ZCB_ASSIGN_OR_RETURN(
        const std::vector<std::string> texts,
        plan.Architectures(store, job, first, std::min<uint64_t>(kPage, plan.architecture_count() - first)));
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const auto ids, reader.FindArchitectures(plan.cell().space, texts));
      for (const std::optional<ArchitectureId>& id : ids) {
        if (!id.has_value()) continue;
        if (has.size() <= static_cast<size_t>(*id)) has.resize(static_cast<size_t>(*id) + 1);
        has[static_cast<size_t>(*id)] = true;
      }
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
  }
  return has;
}

template <typename Visit>
absl::Status VisitColumn(Store& store, SeriesId series, Visit visit) {
  ArchitectureId after{};
  while (true) {
    std::vector<ScoreRow> rows;
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(rows, reader.ReadColumn(series, after, kPage));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    for (const ScoreRow& row : rows) visit(row);
    if (rows.size() < static_cast<size_t>(kPage)) return absl::OkStatus();
    after = rows.back().architecture;
  }
}

// The accuracy that `against` names. FAILED_PRECONDITION: there are several and none is named.
absl::StatusOr<AccuracyInfo> FindAccuracy(Store& store, const std::string& space, const std::string& task,
                                          const std::string& against) {
  std::vector<AccuracyInfo> known;
  const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(known, reader.ListAccuracies(space, task));
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  std::vector<std::string> names;
  for (const AccuracyInfo& info : known) names.push_back(absl::StrCat(info.key.source, "/", info.key.metric));
  if (known.empty()) {
    return absl::NotFoundError(absl::StrCat("no accuracies of ", space, " on ", task,
                                            " are known; import some with `zcbench import accuracies FILE`"));
  }
  if (against == "accuracy") {
    if (known.size() == 1) return known[0];
    return absl::FailedPreconditionError(absl::StrCat("against: there are several accuracies, choose one: accuracy:",
                                                      absl::StrJoin(names, ", accuracy:")));
  }
  const std::string wanted = against.substr(std::string("accuracy:").size());
  for (size_t i = 0; i < known.size(); ++i) {
    if (names[i] == wanted) return known[i];
  }
  return UnknownName("accuracy", wanted, names);
}

// NOT_FOUND: no score is of this source.
absl::Status CheckSource(Store& store, const std::string& source) {
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, ListAll(store, {}));
  std::set<std::string> names = {kComputed};
  for (const SeriesInfo& info : series) {
    if (info.key.source == source) return absl::OkStatus();
    if (!info.key.source.empty()) names.insert(info.key.source);
  }
  return UnknownName("source", source, {names.begin(), names.end()});
}

// Suggests among what workers have announced and what published tables hold.
absl::Status UnknownProxy(Store& store, const std::vector<KnownProxy>& known, const std::string& name) {
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, ListAll(store, {}));
  std::set<std::string> names;
  for (const KnownProxy& proxy : known) names.insert(proxy.name);
  for (const SeriesInfo& info : series) names.insert(info.key.proxy.substr(0, info.key.proxy.find('(')));
  return UnknownName("proxy", name, {names.begin(), names.end()});
}

}  // namespace

absl::StatusOr<SeriesFilter> CheckFilter(Store& store, Scheduler& scheduler, const v1::ScoreFilter& filter) {
  SeriesFilter checked;
  ZCB_RETURN_IF_ERROR(CheckText("filter.numerics", filter.numerics(), 200, true));
  checked.numerics = filter.numerics();
  ZCB_RETURN_IF_ERROR(CheckText("filter.source", filter.source(), 200, true));
  checked.source = filter.source();
  if (!checked.source.empty() && checked.source != kComputed) ZCB_RETURN_IF_ERROR(CheckSource(store, checked.source));
  if (filter.proxies_size() > 256) return BadField("filter.proxies", "has more than 256 entries");
  if (filter.seeds_size() > 1024) return BadField("filter.seeds", "has more than 1024 entries");
  for (const uint64_t seed : filter.seeds()) {
    ZCB_RETURN_IF_ERROR(CheckSeed("filter.seeds", seed));
    checked.seeds.push_back(seed);
  }
  ZCB_RETURN_IF_ERROR(CheckText("filter.space", filter.space(), 64, true));
  ZCB_RETURN_IF_ERROR(CheckText("filter.task", filter.task(), 64, true));
  if (filter.job() < 0) return BadField("filter.job", absl::StrCat(filter.job(), " is no number of a job"));
  if (!filter.space().empty()) {
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* space, FindSpace(filter.space()));
    checked.space = space->name;
  }
  if (!filter.task().empty()) {
    ZCB_RETURN_IF_ERROR(task_registry().Find(filter.task()).status());
    checked.task = filter.task();
  }
  if (!filter.proxies().empty()) {
    std::vector<KnownProxy> known;
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(known, reader.GetProxies());
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    for (const std::string& text : filter.proxies()) {
      ZCB_RETURN_IF_ERROR(CheckText("filter.proxies", text, 1000));
      absl::StatusOr<std::string> proxy = CanonicalProxy(text, known);
      if (absl::IsNotFound(proxy.status())) {
        // No worker has announced it, but a published table may hold it.
        ZCB_ASSIGN_OR_RETURN(const ProxyText imported, ParseProxyText(text));
        SeriesFilter held{.space = checked.space, .task = checked.task, .proxies = {PrintProxyText(imported)}};
        ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, ListAll(store, held));
        if (series.empty()) return UnknownProxy(store, known, imported.name);
        proxy = held.proxies[0];
      }
      if (!proxy.ok()) return proxy.status();
      checked.proxies.push_back(*std::move(proxy));
    }
  }
  if (filter.job() == 0) return checked;

  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, scheduler.GetPlan(JobId{filter.job()}));
  if ((!checked.space.empty() && checked.space != plan->cell().space) ||
      (!checked.task.empty() && checked.task != plan->cell().task)) {
    return BadField("filter", absl::StrCat("job ", filter.job(), " is of space ", plan->cell().space, " and task ",
                                           plan->cell().task, ", not of those named"));
  }
  if (!checked.source.empty() && checked.source != kComputed) {
    return BadField("filter.source", absl::StrCat("a job's scores are computed, not from ", checked.source));
  }
  checked.source = kComputed;
  checked.space = plan->cell().space;
  checked.task = plan->cell().task;
  // What is named beside the job must be of the job.
  const auto within = [&](const auto& of_job, auto& named, std::string_view field) -> absl::Status {
    if (named.empty()) {
      named.assign(of_job.begin(), of_job.end());
      return absl::OkStatus();
    }
    for (const auto& value : named) {
      if (std::find(of_job.begin(), of_job.end(), value) == of_job.end()) {
        return BadField(field, absl::StrCat(value, " is not of job ", filter.job()));
      }
    }
    return absl::OkStatus();
  };
  ZCB_RETURN_IF_ERROR(within(plan->proxies(), checked.proxies, "filter.proxies"));
  ZCB_RETURN_IF_ERROR(within(plan->seeds(), checked.seeds, "filter.seeds"));
  return checked;
}

absl::StatusOr<ColumnSelection> SelectColumns(Store& store, Scheduler& scheduler, const v1::ScoreFilter& filter,
                                              bool baseline) {
  ZCB_ASSIGN_OR_RETURN(SeriesFilter checked, CheckFilter(store, scheduler, filter));
  if (baseline && !checked.proxies.empty()) checked.proxies.push_back(kBaseline);
  ZCB_ASSIGN_OR_RETURN(std::vector<SeriesInfo> all, ListAll(store, checked));
  ColumnSelection selection;
  if (filter.job() != 0) {
    ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, scheduler.GetPlan(JobId{filter.job()}));
    ZCB_ASSIGN_OR_RETURN(selection.architectures, JobArchitectures(store, *plan, JobId{filter.job()}));
    // Only the job's own probe batches: another number of images is another column.
    std::set<std::string> digests = {""};
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      for (const uint64_t seed : plan->seeds()) {
        const absl::StatusOr<ProbeBatchRow> row = reader.FindProbeBatch(plan->BatchKey(seed));
        if (row.ok()) {
          digests.insert(row->digest);
        } else if (!absl::IsNotFound(row.status())) {
          return row.status();
        }
      }
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    std::erase_if(all, [&](const SeriesInfo& series) { return !digests.contains(series.key.probe_batch); });
  }

  std::map<std::tuple<std::string, std::string, std::string>, std::set<std::string>> sources;
  for (const SeriesInfo& series : all) {
    std::set<std::string>& names = sources[{series.key.space, series.key.task, series.key.proxy}];
    names.insert(series.key.source.empty() ? kComputed : series.key.source);
    if (names.size() > 1) {
      return absl::FailedPreconditionError(
          absl::StrCat(series.key.proxy, " of ", series.key.space, " on ", series.key.task,
                       " has scores of several sources, which are not mixed; choose one with --source: ",
                       absl::StrJoin(names, ", ")));
    }
  }

  using Column = std::tuple<std::string, std::string, std::string>;  // space, task, proxy
  std::map<Column, std::vector<int64_t>> newest;
  for (const SeriesInfo& series : all) {
    std::vector<int64_t>& version = newest[{series.key.space, series.key.task, series.key.proxy}];
    version = std::max(version, VersionNumbers(series.key.version));
  }
  std::map<std::tuple<Column, std::optional<uint64_t>, std::string>, std::set<std::string>> classes;
  for (SeriesInfo& series : all) {
    const Column column = {series.key.space, series.key.task, series.key.proxy};
    if (VersionNumbers(series.key.version) != newest[column]) continue;
    std::set<std::string>& numerics = classes[{column, series.key.seed, series.key.probe_batch}];
    numerics.insert(series.key.numerics);
    if (numerics.size() > 1) {
      return absl::FailedPreconditionError(absl::StrCat(
          series.key.proxy, " of ", series.key.space, " on ", series.key.task,
          " has scores of several numerics classes, which are not mixed; choose one: ", absl::StrJoin(numerics, ", ")));
    }
    selection.series.push_back(std::move(series));
  }
  return selection;
}

absl::Status ScoreStream::Begin() {
  ZCB_ASSIGN_OR_RETURN(selection_, SelectColumns(*store_, *scheduler_, filter_));
  for (const SeriesInfo& series : selection_.series) {
    ZCB_RETURN_IF_ERROR(VisitColumn(*store_, series.id, [&](const ScoreRow& row) {
      if (!selection_.Has(row.architecture)) return;
      const size_t id = static_cast<size_t>(row.architecture);
      if (used_.size() <= id) used_.resize(id + 1);
      used_[id] = true;
    }));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ScoreStream::Next(v1::StreamScoresResponse& response) {
  if (!begun_) {
    ZCB_RETURN_IF_ERROR(Begin());
    begun_ = true;
  }
  if (dictionary_next_ < used_.size()) {
    v1::ArchitectureChunk& chunk = *response.mutable_architectures();
    size_t bytes = 0;
    const absl::Status read = store_->Read([&](StoreReader& reader) -> absl::Status {
      for (; dictionary_next_ < used_.size() && bytes < kDictionaryBytes; ++dictionary_next_) {
        if (!used_[dictionary_next_]) continue;
        ZCB_ASSIGN_OR_RETURN(std::string text,
                             reader.GetArchitecture(ArchitectureId{static_cast<int64_t>(dictionary_next_)}));
        bytes += text.size() + 12;
        chunk.add_ids(dictionary_next_);
        chunk.add_architectures(std::move(text));
      }
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    return true;
  }
  while (column_ < selection_.series.size()) {
    const SeriesInfo& series = selection_.series[column_];
    std::vector<ScoreRow> rows;
    const absl::Status read = store_->Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(rows, reader.ReadColumn(series.id, column_after_, kPage));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    if (rows.empty()) {
      ++column_;
      column_after_ = ArchitectureId{};
      column_begun_ = false;
      continue;
    }
    column_after_ = rows.back().architecture;
    v1::ColumnChunk& chunk = *response.mutable_column();
    chunk.set_series_id(static_cast<uint64_t>(series.id));
    for (const ScoreRow& row : rows) {
      // Recorded after the dictionary was sent: left for the next call.
      const size_t id = static_cast<size_t>(row.architecture);
      if (id >= used_.size() || !used_[id]) continue;
      chunk.add_architectures(id);
      chunk.add_scores(row.value);
      chunk.add_outcomes(static_cast<v1::ScoreOutcome>(row.outcome));
      chunk.add_seconds(row.seconds);
    }
    if (chunk.architectures().empty()) continue;
    if (!column_begun_) *chunk.mutable_series() = ToProto(series);
    column_begun_ = true;
    return true;
  }
  return false;
}

absl::StatusOr<VariableTable> ReadVariables(Store& store, const ColumnSelection& selection) {
  if (selection.series.empty()) return absl::NotFoundError("filter: no scores fit it");
  VariableTable table{.space = selection.series[0].key.space, .task = selection.series[0].key.task};
  std::map<std::string, std::vector<const SeriesInfo*>> proxies;
  for (const SeriesInfo& series : selection.series) {
    if (series.key.space != table.space || series.key.task != table.task) {
      return absl::FailedPreconditionError(absl::StrCat("filter: scores of several spaces or tasks fit it (",
                                                        table.space, " on ", table.task, ", ", series.key.space, " on ",
                                                        series.key.task, "); choose one space and one task"));
    }
    std::vector<const SeriesInfo*>& columns = proxies[series.key.proxy];
    for (const SeriesInfo* other : columns) {
      if (other->key.seed == series.key.seed) {
        return absl::FailedPreconditionError(
            absl::StrCat(series.key.proxy, " has scores from several probe batches of one seed; choose a job"));
      }
    }
    columns.push_back(&series);
  }
  if (proxies.size() > kMaxVariables) {
    return BadField("filter.proxies", absl::StrCat(proxies.size(), " proxies fit it; choose at most ", kMaxVariables));
  }

  // Architectures get a number as they come.
  size_t cells = 0;
  for (const auto& proxy : proxies) {
    const auto& columns = proxy.second;
    Variable variable{.name = proxy.first, .seeds = static_cast<uint32_t>(columns.size())};
    std::vector<uint32_t> finite;
    for (const SeriesInfo* series : columns) {
      ZCB_RETURN_IF_ERROR(VisitColumn(store, series->id, [&](const ScoreRow& row) {
        if (row.outcome != Outcome::kOk || !selection.Has(row.architecture)) return;
        const size_t number =
            table.numbers.try_emplace(static_cast<int64_t>(row.architecture), table.numbers.size()).first->second;
        if (variable.values.size() <= number) {
          variable.values.resize(number + 1, 0);
          finite.resize(number + 1, 0);
        }
        variable.values[number] += row.value / static_cast<double>(columns.size());
        ++finite[number];
      }));
    }
    // A mean over some of the seeds is another number than one over all.
    for (size_t i = 0; i < finite.size(); ++i) {
      if (finite[i] < columns.size()) variable.values[i] = kNone;
    }
    cells += variable.values.size();
    if (cells > kMaxCells) return BadField("filter", "more than 50,000,000 scores fit it; choose fewer proxies");
    table.variables.push_back(std::move(variable));
  }
  for (Variable& variable : table.variables) variable.values.resize(table.numbers.size(), kNone);
  return table;
}

namespace {

absl::Status CheckAgainst(const std::string& against) {
  if (against == "accuracy" || against.rfind("accuracy:", 0) == 0) return absl::OkStatus();
  return BadField("against", absl::StrCat("`", against, "` is neither `accuracy` nor `accuracy:SOURCE/METRIC`"));
}

std::string NameOf(const AccuracyInfo& info) {
  return absl::StrCat("accuracy:", info.key.source, "/", info.key.metric);
}

}  // namespace

absl::StatusOr<Variable> ReadAccuracy(Store& store, const VariableTable& table, const std::string& against) {
  ZCB_RETURN_IF_ERROR(CheckText("against", against, 500));
  ZCB_RETURN_IF_ERROR(CheckAgainst(against));
  ZCB_ASSIGN_OR_RETURN(const AccuracyInfo info, FindAccuracy(store, table.space, table.task, against));
  Variable truth{.name = NameOf(info)};
  truth.values.resize(table.numbers.size(), kNone);
  ArchitectureId after{};
  while (true) {
    std::vector<AccuracyRow> rows;
    const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(rows, reader.ReadAccuracies(info.id, after, kPage));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(read);
    for (const AccuracyRow& row : rows) {
      // An architecture without any score is nobody's pair.
      const auto number = table.numbers.find(static_cast<int64_t>(row.architecture));
      if (number != table.numbers.end()) truth.values[number->second] = row.value;
    }
    if (rows.size() < static_cast<size_t>(kPage)) return truth;
    after = rows.back().architecture;
  }
}

const Variable* FindVariable(const std::vector<Variable>& variables, const std::string& name) {
  const auto found =
      std::find_if(variables.begin(), variables.end(), [&](const Variable& v) { return v.name == name; });
  return found == variables.end() ? nullptr : &*found;
}

absl::StatusOr<std::set<std::string>> SmallerIsBetter(Store& store) {
  std::set<std::string> names;
  const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<KnownProxy> proxies, reader.GetProxies());
    for (const KnownProxy& proxy : proxies) {
      if (!proxy.larger_is_better) names.insert(proxy.name);
    }
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  return names;
}

bool IsOneOf(const std::set<std::string>& names, const std::string& proxy) {
  return names.contains(proxy.substr(0, proxy.find('(')));
}

namespace {

void PutBaselineFirst(std::vector<Variable>& variables) {
  std::stable_partition(variables.begin(), variables.end(), [](const Variable& v) { return v.name == kBaseline; });
}

// Pairs of both, and what correlations say of all of them.
struct PairedValues {
  std::vector<double> a;
  std::vector<double> b;
};

// `b_ranks`: of b's finite values, where the caller has them; they are b's ranks when no pair is left out.
PairedValues Pair(const Variable& a, const Variable& b, v1::Correlation& correlation,
                  const std::vector<double>* b_ranks = nullptr) {
  PairedValues pairs;
  uint64_t left_out = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const bool has_a = std::isfinite(a.values[i]);
    const bool has_b = std::isfinite(b.values[i]);
    if (has_a && has_b) {
      pairs.a.push_back(a.values[i]);
      pairs.b.push_back(b.values[i]);
    } else if (has_a || has_b) {
      ++left_out;
    }
  }
  correlation.set_a(a.name);
  correlation.set_b(b.name);
  correlation.set_n(pairs.a.size());
  correlation.set_left_out(left_out);
  correlation.set_seeds(std::max(a.seeds, b.seeds));
  const Correlation rho =
      b_ranks != nullptr && left_out == 0 ? Pearson(Ranks(pairs.a), *b_ranks) : Spearman(pairs.a, pairs.b);
  if (rho.value.has_value()) correlation.set_spearman(*rho.value);
  return pairs;
}

void SetInterval(const PairedValues& pairs, const IntervalOptions& options, v1::Correlation& correlation) {
  const std::optional<Interval> bounds = SpearmanInterval(pairs.a, pairs.b, options);
  if (!bounds.has_value()) return;
  correlation.set_spearman_low(bounds->low);
  correlation.set_spearman_high(bounds->high);
}

IntervalOptions AffordableIntervals(size_t pairs, size_t architectures) {
  IntervalOptions options;
  options.resamples = static_cast<int>(
      std::clamp(kResampledValues / (static_cast<double>(pairs) * static_cast<double>(architectures)), 200.0, 1000.0));
  return options;
}

}  // namespace

absl::StatusOr<v1::CorrelateResponse> Correlate(Store& store, Scheduler& scheduler,
                                                const v1::CorrelateRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("against", request.against(), 500, true));
  if (!request.against().empty()) ZCB_RETURN_IF_ERROR(CheckAgainst(request.against()));
  if (request.top() > 1'000'000) return BadField("top", absl::StrCat(request.top(), " is more than 1,000,000"));
  const size_t top = request.top() == 0 ? 10 : request.top();
  if (request.combinations_size() > 64) return BadField("combinations", "has more than 64 entries");
  std::vector<v1::Combination> combinations;
  for (const std::string& name : request.combinations()) {
    ZCB_ASSIGN_OR_RETURN(v1::Combination combination, FindCombination(store, name));
    combinations.push_back(std::move(combination));
  }
  v1::ScoreFilter filter = request.filter();
  if (!filter.proxies().empty()) {
    for (const v1::Combination& combination : combinations) {
      for (const v1::CombinedProxy& proxy : combination.proxies()) filter.add_proxies(proxy.proxy());
    }
  }
  ZCB_ASSIGN_OR_RETURN(const ColumnSelection selection, SelectColumns(store, scheduler, filter, /*baseline=*/true));
  ZCB_ASSIGN_OR_RETURN(VariableTable table, ReadVariables(store, selection));
  std::vector<Variable>& variables = table.variables;
  PutBaselineFirst(variables);
  std::vector<Variable> merged;
  for (const v1::Combination& combination : combinations) {
    ZCB_ASSIGN_OR_RETURN(Variable values, MergeVariables(table, combination));
    merged.push_back(std::move(values));
  }
  if (!request.filter().proxies().empty() && !combinations.empty()) {
    ZCB_ASSIGN_OR_RETURN(const SeriesFilter asked, CheckFilter(store, scheduler, request.filter()));
    std::erase_if(variables, [&](const Variable& v) {
      return v.name != kBaseline &&
             std::find(asked.proxies.begin(), asked.proxies.end(), v.name) == asked.proxies.end();
    });
  }
  std::move(merged.begin(), merged.end(), std::back_inserter(variables));

  std::optional<Variable> truth;
  if (!request.against().empty()) {
    ZCB_ASSIGN_OR_RETURN(truth, ReadAccuracy(store, table, request.against()));
  }
  std::set<std::string> smaller;
  if (request.all_statistics()) {
    ZCB_ASSIGN_OR_RETURN(smaller, SmallerIsBetter(store));
  }
  const Variable* const params = FindVariable(variables, kBaseline);

  std::vector<std::pair<const Variable*, const Variable*>> pairs;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (truth.has_value()) {
      pairs.emplace_back(&variables[i], &*truth);
      continue;
    }
    for (size_t j = i + 1; j < variables.size(); ++j) pairs.emplace_back(&variables[i], &variables[j]);
  }
  const IntervalOptions interval = AffordableIntervals(pairs.size(), table.numbers.size());
  v1::CorrelateResponse response;
  for (const auto& [a, b] : pairs) {
    v1::Correlation& correlation = *response.add_correlations();
    PairedValues values = Pair(*a, *b, correlation);
    if (const std::optional<double> tau = KendallTauB(values.a, values.b).value) correlation.set_kendall(*tau);
    SetInterval(values, interval, correlation);
    if (!request.all_statistics()) continue;
    if (const std::optional<double> r = Pearson(values.a, values.b).value) correlation.set_pearson(*r);
    if (params != nullptr && a != params && b != params) {
      const std::optional<double> partial = PartialSpearman(a->values, b->values, params->values).value;
      if (partial.has_value()) correlation.set_partial_spearman(*partial);
    }
    if (!truth.has_value()) continue;
    if (IsOneOf(smaller, a->name)) {
      for (double& value : values.a) value = -value;
    }
    if (const auto ndcg = Ndcg(values.a, values.b, top)) correlation.set_ndcg(*ndcg);
    if (const auto overlap = TopKOverlap(values.a, values.b, top)) correlation.set_top_overlap(*overlap);
    if (const auto regret = RegretAtK(values.a, values.b, top)) correlation.set_regret(*regret);
  }
  return response;
}

namespace {

// `cells`: how many there are, which share the time of the intervals.
absl::Status CorrelateTask(Store& store, const ColumnSelection& cell, const v1::CorrelateTasksRequest& request,
                           size_t cells, v1::TaskCorrelations& task) {
  const std::string against = request.against().empty() ? "accuracy" : request.against();
  const absl::StatusOr<AccuracyInfo> known = FindAccuracy(store, task.space(), task.task(), against);
  if (absl::IsNotFound(known.status()) || absl::IsFailedPrecondition(known.status())) {
    task.set_skipped(std::string(known.status().message()));
    return absl::OkStatus();
  }
  ZCB_RETURN_IF_ERROR(known.status());
  ZCB_ASSIGN_OR_RETURN(VariableTable table, ReadVariables(store, cell));
  PutBaselineFirst(table.variables);
  ZCB_ASSIGN_OR_RETURN(const Variable truth, ReadAccuracy(store, table, NameOf(*known)));
  task.set_accuracy(truth.name);
  std::vector<double> finite;
  std::copy_if(truth.values.begin(), truth.values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  const std::vector<double> ranks = Ranks(finite);
  const IntervalOptions interval = AffordableIntervals(table.variables.size() * cells, table.numbers.size());
  for (const Variable& variable : table.variables) {
    v1::Correlation& correlation = *task.add_correlations();
    const PairedValues values = Pair(variable, truth, correlation, &ranks);
    if (request.intervals()) SetInterval(values, interval, correlation);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::CorrelateTasksResponse> CorrelateTasks(Store& store, Scheduler& scheduler,
                                                          const v1::CorrelateTasksRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("against", request.against(), 500, true));
  if (!request.against().empty()) ZCB_RETURN_IF_ERROR(CheckAgainst(request.against()));
  ZCB_ASSIGN_OR_RETURN(ColumnSelection selection, SelectColumns(store, scheduler, request.filter(), /*baseline=*/true));
  std::map<std::pair<std::string, std::string>, ColumnSelection> cells;
  for (SeriesInfo& series : selection.series) {
    ColumnSelection& cell = cells[{series.key.space, series.key.task}];
    cell.architectures = selection.architectures;
    cell.series.push_back(std::move(series));
  }
  v1::CorrelateTasksResponse response;
  std::vector<const ColumnSelection*> selections;
  for (const auto& [name, cell] : cells) {
    response.add_tasks()->set_space(name.first);
    response.mutable_tasks()->rbegin()->set_task(name.second);
    selections.push_back(&cell);
  }
  // A cell at a time on each of a few threads; every cell has its own place in the answer.
  std::vector<absl::Status> statuses(selections.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t c = next++; c < selections.size(); c = next++) {
      statuses[c] = CorrelateTask(store, *selections[c], request, selections.size(),
                                  *response.mutable_tasks(static_cast<int>(c)));
    }
  };
  const size_t threads = std::min<size_t>({std::thread::hardware_concurrency(), 4, selections.size()});
  std::vector<std::thread> others;
  for (size_t t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  for (size_t c = 0; c < statuses.size(); ++c) {
    const v1::TaskCorrelations& task = response.tasks(static_cast<int>(c));
    if (!statuses[c].ok()) return Annotate(statuses[c], absl::StrCat(task.space(), " on ", task.task()));
  }
  return response;
}

}  // namespace zcbench
