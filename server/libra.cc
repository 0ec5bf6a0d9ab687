#include "server/libra.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/libra/libra.h"
#include "server/convert.h"

namespace zcbench {
namespace {

constexpr char kBias[] = "params";

// `text` by the names of the values, the first of which is the default; fills the default in.
template <typename T>
absl::StatusOr<T> Choose(const char* field, std::string& text, const std::vector<std::pair<const char*, T>>& values) {
  if (text.empty()) text = values[0].first;
  std::vector<std::string> names;
  for (const auto& [name, value] : values) {
    if (text == name) return value;
    names.emplace_back(name);
  }
  return BadField(field, std::string(UnknownName("value", text, names).message()));
}

// The same for what nas/ names.
template <typename T>
absl::StatusOr<T> Parse(const char* field, std::string& text, T by_default,
                        absl::StatusOr<T> (*parse)(std::string_view)) {
  if (text.empty()) text = NameOf(by_default);
  absl::StatusOr<T> value = parse(text);
  if (!value.ok()) return BadField(field, std::string(value.status().message()));
  return value;
}

// The options, with every default written into the request.
absl::StatusOr<LibraOptions> ParseOptions(v1::FitLibraRequest& request) {
  LibraOptions options;
  if (!request.has_threshold()) request.set_threshold(options.threshold);
  if (!request.has_min_coverage()) request.set_min_coverage(options.min_coverage);
  options.threshold = request.threshold();
  options.min_coverage = request.min_coverage();
  options.closed_range = request.closed_range();
  options.abs_rho = request.abs_rho();
  if (request.bins() > 1000) return BadField("bins", absl::StrCat(request.bins(), " is more than 1,000"));
  options.bins = static_cast<int>(request.bins());
  ZCB_RETURN_IF_ERROR(CheckSeed("seed", request.seed()));
  options.entropy.seed = request.seed();
  ZCB_ASSIGN_OR_RETURN(options.binning, Parse("binning", *request.mutable_binning(), options.binning, ParseBinning));
  ZCB_ASSIGN_OR_RETURN(options.entropy.estimator, Parse("estimator", *request.mutable_estimator(),
                                                        options.entropy.estimator, ParseEntropyEstimator));
  ZCB_ASSIGN_OR_RETURN(options.merge, Parse("merge", *request.mutable_merge(), options.merge, ParseMergeRule));
  ZCB_ASSIGN_OR_RETURN(options.second,
                       Choose<SecondRule>("second", *request.mutable_second(),
                                          {{"min_gain", SecondRule::kMinGain}, {"max_gain", SecondRule::kMaxGain}}));
  ZCB_ASSIGN_OR_RETURN(options.third, Choose<ThirdRule>("third", *request.mutable_third(),
                                                        {{"bias_matching", ThirdRule::kBiasMatching},
                                                         {"least_bias", ThirdRule::kLeastBias},
                                                         {"none", ThirdRule::kNone}}));
  return options;
}

absl::Status CheckName(const std::string& name) {
  const bool fits = name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
                    });
  return fits ? absl::OkStatus()
              : BadField("save_as", absl::StrCat("`", name, "` is not 1 to 64 of a-z, 0-9, `_`, `-` and `.`"));
}

// The proxies as candidates, turned so that larger ranks better.
LibraTable MakeTable(const VariableTable& variables, const Variable& truth, const std::set<std::string>& smaller,
                     const std::vector<std::string>& named) {
  LibraTable table{.accuracy = truth.values};
  table.params.assign(truth.values.size(), std::numeric_limits<double>::quiet_NaN());
  for (const Variable& variable : variables.variables) {
    if (variable.name == kBias) table.params = variable.values;
    // Statistics of layers are no proxies, and params beside named proxies is the bias only.
    if (absl::StartsWith(variable.name, "layer_log_")) continue;
    if (!named.empty() && std::find(named.begin(), named.end(), variable.name) == named.end()) continue;
    table.names.push_back(variable.name);
    table.scores.push_back(variable.values);
    if (!IsOneOf(smaller, variable.name)) continue;
    for (double& value : table.scores.back()) value = -value;
  }
  return table;
}

template <typename Set>
void SetIf(const std::optional<double>& value, const Set& set) {
  if (value.has_value()) set(*value);
}

void ToProto(const MethodResult& method, v1::MethodResult& answer) {
  answer.set_method(method.name);
  SetIf(method.held_out.rho, [&](double v) { answer.set_rho(v); });
  if (method.held_out.interval.has_value()) {
    answer.set_rho_low(method.held_out.interval->low);
    answer.set_rho_high(method.held_out.interval->high);
  }
  answer.set_n(method.held_out.architectures);
  if (!method.in_sample.has_value()) return;
  SetIf(method.in_sample->rho, [&](double v) { answer.set_in_sample(v); });
  if (method.in_sample->interval.has_value()) {
    answer.set_in_sample_low(method.in_sample->interval->low);
    answer.set_in_sample_high(method.in_sample->interval->high);
  }
}

absl::Status Save(Store& store, const Clock& clock, v1::Combination& combination, bool replace) {
  StoredCombination row{.name = combination.name(),
                        .space = combination.space(),
                        .task = combination.task(),
                        .merge = combination.merge(),
                        .created = absl::FromUnixMicros(absl::ToUnixMicros(clock.Now()))};
  combination.set_created_us(absl::ToUnixMicros(row.created));
  row.proxies = absl::StrJoin(combination.proxies(), ", ", [](std::string* out, const v1::CombinedProxy& proxy) {
    absl::StrAppend(out, proxy.negated() ? "-" : "", proxy.proxy());
  });
  if (!google::protobuf::util::MessageToJsonString(combination, &row.details).ok()) {
    return absl::InternalError("a combination could not be written as JSON");
  }
  const absl::Status written = store.Write([&](StoreWriter& writer) { return writer.PutCombination(row, replace); });
  if (!absl::IsAlreadyExists(written)) return written;
  return absl::AlreadyExistsError(
      absl::StrCat("save_as: ", std::string(written.message()), "; choose another name or ask to replace it"));
}

}  // namespace

absl::StatusOr<v1::FitLibraResponse> FitLibra(Store& store, Scheduler& scheduler, const Clock& clock,
                                              const v1::FitLibraRequest& request) {
  v1::FitLibraRequest full = request;
  ZCB_ASSIGN_OR_RETURN(const LibraOptions options, ParseOptions(full));
  ValidationOptions validation{.seed = request.seed(), .in_sample = request.in_sample()};
  ZCB_ASSIGN_OR_RETURN(validation.kind,
                       Choose<Validation>("validation", *full.mutable_validation(),
                                          {{"splits", Validation::kSplits}, {"folds", Validation::kFolds}}));
  if (request.rounds() > 1000) return BadField("rounds", absl::StrCat(request.rounds(), " is more than 1,000"));
  if (full.rounds() == 0) full.set_rounds(10);
  validation.rounds = static_cast<int>(full.rounds());
  if (full.against().empty()) full.set_against("accuracy");
  ZCB_RETURN_IF_ERROR(CheckName(request.save_as()));

  ZCB_ASSIGN_OR_RETURN(const ColumnSelection selection,
                       SelectColumns(store, scheduler, request.filter(), /*baseline=*/true));
  ZCB_ASSIGN_OR_RETURN(const VariableTable variables, ReadVariables(store, selection));
  ZCB_ASSIGN_OR_RETURN(const Variable truth, ReadAccuracy(store, variables, full.against()));
  ZCB_ASSIGN_OR_RETURN(const std::set<std::string> smaller, SmallerIsBetter(store));
  std::vector<std::string> named;
  if (!request.filter().proxies().empty()) {
    ZCB_ASSIGN_OR_RETURN(named, [&]() -> absl::StatusOr<std::vector<std::string>> {
      ZCB_ASSIGN_OR_RETURN(SeriesFilter checked, CheckFilter(store, scheduler, request.filter()));
      return std::move(checked.proxies);
    }());
  }
  const LibraTable table = MakeTable(variables, truth, smaller, named);
  ZCB_ASSIGN_OR_RETURN(const LibraFit fit, FitLibra(table, AllRows(table), options));
  ZCB_ASSIGN_OR_RETURN(const LibraValidation results, ValidateLibra(table, options, validation));

  v1::FitLibraResponse response;
  v1::Combination& combination = *response.mutable_combination();
  combination.set_name(request.save_as());
  combination.set_space(variables.space);
  combination.set_task(variables.task);
  combination.set_merge(full.merge());
  combination.set_accuracy(truth.name);
  combination.set_n(static_cast<uint64_t>(fit.architectures));
  combination.set_note(fit.note);
  combination.set_bins(static_cast<uint32_t>(fit.bins));
  SetIf(fit.accuracy_bias, [&](double v) { combination.set_accuracy_bias(v); });
  for (size_t z = 0; z < fit.chosen.size(); ++z) {
    const LibraCandidate& candidate = fit.candidates[fit.chosen[z]];
    v1::CombinedProxy& proxy = *combination.add_proxies();
    proxy.set_proxy(candidate.name);
    proxy.set_negated(candidate.negated != IsOneOf(smaller, candidate.name));
    proxy.set_reason(fit.reasons[z]);
  }
  for (const LibraCandidate& candidate : fit.candidates) {
    v1::LibraCandidate& answer = *combination.add_candidates();
    answer.set_proxy(candidate.name);
    answer.set_n(static_cast<uint64_t>(candidate.pairs));
    SetIf(candidate.rho, [&](double v) { answer.set_rho(v); });
    SetIf(candidate.bias, [&](double v) { answer.set_bias(v); });
    SetIf(candidate.gain, [&](double v) { answer.set_gain(v); });
    answer.set_in_range(candidate.in_range);
    answer.set_negated(candidate.negated != IsOneOf(smaller, candidate.name));
    answer.set_excluded(candidate.excluded);
  }
  for (const MethodResult& method : results.methods) ToProto(method, *combination.add_methods());
  for (const auto& [proxy, count] : results.choices) {
    v1::ProxyCount& choice = *combination.add_choices();
    choice.set_proxy(proxy);
    choice.set_count(static_cast<uint32_t>(count));
  }
  combination.set_validation(absl::StrCat(validation.rounds,
                                          validation.kind == Validation::kFolds ? " folds" : " random halves",
                                          ", seed ", request.seed()));
  *combination.mutable_request() = full;
  if (!request.save_as().empty()) ZCB_RETURN_IF_ERROR(Save(store, clock, combination, request.replace()));
  return response;
}

absl::StatusOr<v1::ListCombinationsResponse> ListCombinations(Store& store,
                                                              const v1::ListCombinationsRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("name", request.name(), 64, true));
  std::vector<StoredCombination> rows;
  const absl::Status read = store.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(rows, reader.ListCombinations());
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  v1::ListCombinationsResponse response;
  std::vector<std::string> names;
  for (const StoredCombination& row : rows) {
    names.push_back(row.name);
    if (!request.name().empty() && row.name != request.name()) continue;
    if (!google::protobuf::util::JsonStringToMessage(row.details, response.add_combinations()).ok()) {
      return absl::DataLossError(absl::StrCat("combination ", row.name, ": its details are no JSON of a combination"));
    }
  }
  if (request.name().empty() || response.combinations_size() > 0) return response;
  if (names.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no combination `", request.name(),
                                            "`, nor any other; `zcbench libra fit --save NAME` stores one"));
  }
  return UnknownName("combination", request.name(), names);
}

absl::StatusOr<v1::Combination> FindCombination(Store& store, const std::string& name) {
  ZCB_RETURN_IF_ERROR(CheckText("combination", name, 64));
  v1::ListCombinationsRequest request;
  request.set_name(name);
  ZCB_ASSIGN_OR_RETURN(v1::ListCombinationsResponse response, ListCombinations(store, request));
  return std::move(*response.mutable_combinations(0));
}

absl::StatusOr<Variable> MergeVariables(const VariableTable& table, const v1::Combination& combination) {
  if (combination.space() != table.space || combination.task() != table.task) {
    return absl::FailedPreconditionError(absl::StrCat("combination ", combination.name(), " is of ",
                                                      combination.space(), " on ", combination.task(), ", not of ",
                                                      table.space, " on ", table.task));
  }
  Variable merged{.name = absl::StrCat("libra:", combination.name())};
  std::vector<std::vector<double>> columns;
  for (const v1::CombinedProxy& proxy : combination.proxies()) {
    const Variable* const variable = FindVariable(table.variables, proxy.proxy());
    if (variable == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat("combination ", combination.name(), ": there are no scores of ",
                                                        proxy.proxy(), " for ", table.space, " on ", table.task));
    }
    merged.seeds = std::max(merged.seeds, variable->seeds);
    columns.push_back(variable->values);
    if (!proxy.negated()) continue;
    for (double& value : columns.back()) value = -value;
  }
  ZCB_ASSIGN_OR_RETURN(const MergeRule rule, ParseMergeRule(combination.merge()));
  if (columns.empty()) return absl::DataLossError(absl::StrCat("combination ", combination.name(), " has no proxies"));
  merged.values = Merge(rule, std::vector<std::span<const double>>(columns.begin(), columns.end())).values;
  return merged;
}

}  // namespace zcbench
