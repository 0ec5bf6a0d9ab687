#include "server/layer_profile.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "nas/statistics/layer_window.h"
#include "server/columns.h"
#include "server/convert.h"

namespace zcbench {
namespace {

constexpr std::pair<LayerStatistic, v1::LayerStatistic> kStatistics[] = {
    {LayerStatistic::kLogInverseSigma, v1::LAYER_STATISTIC_LOG_INVERSE_SIGMA},
    {LayerStatistic::kLogSigma, v1::LAYER_STATISTIC_LOG_SIGMA}};

// The finite scores of a proxy.
std::vector<double> ValuesOf(const VariableTable& table, const std::string& proxy) {
  std::vector<double> values;
  for (const Variable& variable : table.variables) {
    if (variable.name != proxy) continue;
    std::copy_if(variable.values.begin(), variable.values.end(), std::back_inserter(values),
                 [](double value) { return std::isfinite(value); });
  }
  return values;
}

}  // namespace

absl::StatusOr<v1::ProfileLayersResponse> ProfileLayers(Store& store, Scheduler& scheduler,
                                                        const v1::ProfileLayersRequest& request) {
  if (!request.filter().proxies().empty()) return BadField("filter.proxies", "is set; a profile has its own proxies");
  v1::ScoreFilter filter = request.filter();
  for (const auto& [statistic, unused] : kStatistics) {
    for (const std::string& proxy : ProxiesOf(statistic)) filter.add_proxies(proxy);
  }
  ZCB_ASSIGN_OR_RETURN(const ColumnSelection selection, SelectColumns(store, scheduler, filter));
  ZCB_ASSIGN_OR_RETURN(const VariableTable table, ReadVariables(store, selection));
  v1::ProfileLayersResponse response;
  for (const auto& [statistic, name] : kStatistics) {
    LayerProfile profile;
    const auto proxies = ProxiesOf(statistic);
    for (size_t b = 0; b < profile.size(); ++b) profile[b] = MakeProfileBin(ValuesOf(table, proxies[b]));
    const std::optional<LayerWindow> window = FindSpike(profile);
    v1::LayerProfile& answer = *response.add_profiles();
    answer.set_statistic(name);
    if (window.has_value()) answer.set_window(PrintLayerWindow(*window));
    for (size_t b = 0; b < profile.size(); ++b) {
      v1::LayerProfileBin& bin = *answer.add_bins();
      bin.set_bin(static_cast<uint32_t>(b));
      bin.set_networks(static_cast<uint64_t>(profile[b].networks));
      if (profile[b].networks > 0) bin.set_mean(profile[b].mean);
      if (profile[b].networks > 1) bin.set_deviation(profile[b].deviation);
      bin.set_in_window(window.has_value() && window->first_bin <= static_cast<int>(b) &&
                        static_cast<int>(b) <= window->last_bin);
    }
  }
  return response;
}

}  // namespace zcbench
