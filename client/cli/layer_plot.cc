#include "client/cli/layer_plot.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

constexpr char kLight[] = R"css(    .layer-window { fill: #fdf1cf }
    .layer-band { fill: #3b6fb6; fill-opacity: .22; stroke: #3b6fb6; stroke-opacity: .22 }
    .layer-mean { stroke: #3b6fb6; stroke-width: 2; fill: none }
    .layer-point { fill: #3b6fb6 }
)css";
constexpr char kDark[] = R"css(      .layer-window { fill: #3a3212 }
      .layer-band { fill: #79a8e8; stroke: #79a8e8 }
      .layer-mean { stroke: #79a8e8 }
      .layer-point { fill: #79a8e8 }
)css";

}  // namespace

std::string LayerStatisticText(pb::LayerStatistic statistic) {
  return statistic == pb::LAYER_STATISTIC_LOG_SIGMA ? "log of the mean of sigma" : "log of the mean of 1 / sigma";
}

std::string DrawLayerProfile(const pb::LayerProfile& profile, const std::string& title) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const pb::LayerProfileBin& bin : profile.bins()) {
    if (!bin.has_mean()) continue;
    low = std::min(low, bin.mean() - bin.deviation());
    high = std::max(high, bin.mean() + bin.deviation());
  }
  SvgPlot plot(title, kLight, kDark, low, high);
  const double bin_width = (SvgPlot::kWidth - SvgPlot::kLeft - SvgPlot::kRight) / profile.bins_size();
  const auto x_of = [&](double bin) { return SvgPlot::kLeft + (bin + 0.5) * bin_width; };

  const auto in_window = [](const pb::LayerProfileBin& bin) { return bin.in_window(); };
  const auto first = std::find_if(profile.bins().begin(), profile.bins().end(), in_window);
  const auto bins_of_window = std::count_if(profile.bins().begin(), profile.bins().end(), in_window);
  if (bins_of_window > 0) {
    plot.Add(absl::StrFormat("  <rect class=\"layer-window\" x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%g\"/>\n",
                             x_of(first->bin() - 0.5), SvgPlot::kTop, static_cast<double>(bins_of_window) * bin_width,
                             SvgPlot::kFloor - SvgPlot::kTop));
  }
  plot.AddFrame("depth of the layer in its network, percent",
                absl::StrCat(LayerStatisticText(profile.statistic()), ", mean ± sd"));
  for (const pb::LayerProfileBin& bin : profile.bins()) plot.AddTick(x_of(bin.bin()), 10 * bin.bin());

  // Runs of bins with networks: a band, a line over it, a point each. A bin between gaps has a bar for a band.
  for (int start = 0; start < profile.bins_size();) {
    int end = start;
    std::string upper, lower, means;
    for (; end < profile.bins_size() && profile.bins(end).has_mean(); ++end) {
      const pb::LayerProfileBin& bin = profile.bins(end);
      const double x = x_of(bin.bin());
      absl::StrAppendFormat(&upper, " %.1f,%.1f", x, plot.Y(bin.mean() + bin.deviation()));
      lower = absl::StrFormat(" %.1f,%.1f", x, plot.Y(bin.mean() - bin.deviation())) + lower;
      absl::StrAppendFormat(&means, " %.1f,%.1f", x, plot.Y(bin.mean()));
    }
    if (end > start) {
      plot.Add(absl::StrCat("  <polygon class=\"layer-band\" points=\"", upper.substr(1), lower, "\"/>\n"));
      plot.Add(absl::StrCat("  <polyline class=\"layer-mean\" points=\"", means.substr(1), "\"/>\n"));
    }
    start = std::max(end, start + 1);
  }
  for (const pb::LayerProfileBin& bin : profile.bins()) {
    if (!bin.has_mean()) continue;
    plot.Add(absl::StrFormat("  <circle class=\"layer-point\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", x_of(bin.bin()),
                             plot.Y(bin.mean())));
  }
  return plot.Finish();
}

}  // namespace zcbench
