#include "client/cli/layer_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace zcbench {
namespace {

constexpr double kWidth = 720, kHeight = 400;
constexpr double kLeft = 70, kRight = 20, kTop = 44, kBottom = 56;  // around the axes

constexpr char kHead[] =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13">
  <title>%s</title>
  <style>
    .ground { fill: #ffffff }
    .window { fill: #fdf1cf }
    .grid { stroke: #d8dee4; fill: none }
    .band { fill: #3b6fb6; fill-opacity: .22; stroke: #3b6fb6; stroke-opacity: .22 }
    .mean { stroke: #3b6fb6; stroke-width: 2; fill: none }
    .point { fill: #3b6fb6 }
    text { fill: #1f2328 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 }
      .window { fill: #3a3212 }
      .grid { stroke: #3a4149 }
      .band { fill: #79a8e8; stroke: #79a8e8 }
      .mean { stroke: #79a8e8 }
      .point { fill: #79a8e8 }
      text { fill: #f0f6fc }
    }
  </style>
  <rect class="ground" width="%g" height="%g"/>
)svg";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

// 1, 2 or 5 times a power of ten, so that about `count` steps fill the span.
double NiceStep(double span, int count) {
  const double power = std::pow(10, std::floor(std::log10(span / count)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power * count >= span) return factor * power;
  }
  return 10 * power;
}

class Axes {
 public:
  Axes(double low, double high, int bins) : low_(low), high_(high), bins_(bins) {}
  double X(double bin) const { return kLeft + (bin + 0.5) * (kWidth - kLeft - kRight) / bins_; }
  double Y(double value) const {
    return kHeight - kBottom - (value - low_) / (high_ - low_) * (kHeight - kTop - kBottom);
  }

 private:
  double low_, high_;
  int bins_;
};

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
  if (low > high) low = high = 0;  // no bin has a mean
  const double margin = std::max(0.05 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
  low -= margin;
  high += margin;
  const Axes axes(low, high, profile.bins_size());

  std::string svg = absl::StrFormat(kHead, kWidth, kHeight, Escaped(title), kWidth, kHeight);
  const double bottom = kHeight - kBottom;
  const auto in_window = [](const pb::LayerProfileBin& bin) { return bin.in_window(); };
  const auto first = std::find_if(profile.bins().begin(), profile.bins().end(), in_window);
  const auto bins_of_window = std::count_if(profile.bins().begin(), profile.bins().end(), in_window);
  if (bins_of_window > 0) {
    absl::StrAppendFormat(&svg, "  <rect class=\"window\" x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%g\"/>\n",
                          axes.X(first->bin() - 0.5), kTop,
                          static_cast<double>(bins_of_window) * (axes.X(1) - axes.X(0)), bottom - kTop);
  }
  absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"26\" font-size=\"15\" font-weight=\"600\">%s</text>\n", kLeft,
                        Escaped(title));
  const double step = NiceStep(high - low, 6);
  for (double tick = std::ceil(low / step); tick * step <= high; ++tick) {
    const double y = axes.Y(tick * step);
    absl::StrAppendFormat(&svg, "  <path class=\"grid\" d=\"M%g %.1f H%g\"/>\n", kLeft, y, kWidth - kRight);
    absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", kLeft - 8, y + 4,
                          tick * step);
  }
  for (const pb::LayerProfileBin& bin : profile.bins()) {
    absl::StrAppendFormat(&svg, "  <text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%d</text>\n", axes.X(bin.bin()),
                          bottom + 20, 10 * bin.bin());
  }
  absl::StrAppendFormat(&svg,
                        "  <text x=\"%g\" y=\"%g\" text-anchor=\"middle\">depth of the layer in its network, percent"
                        "</text>\n",
                        (kLeft + kWidth - kRight) / 2, kHeight - 12);
  absl::StrAppendFormat(&svg,
                        "  <text x=\"18\" y=\"%g\" text-anchor=\"middle\" transform=\"rotate(-90 18 %g)\">%s, mean "
                        "&#177; sd</text>\n",
                        (kTop + bottom) / 2, (kTop + bottom) / 2, LayerStatisticText(profile.statistic()));

  // Runs of bins with networks: a band, a line over it, a point each. A bin between gaps has a bar for a band.
  for (int start = 0; start < profile.bins_size();) {
    int end = start;
    std::string upper, lower, means;
    for (; end < profile.bins_size() && profile.bins(end).has_mean(); ++end) {
      const pb::LayerProfileBin& bin = profile.bins(end);
      const double x = axes.X(bin.bin());
      absl::StrAppendFormat(&upper, " %.1f,%.1f", x, axes.Y(bin.mean() + bin.deviation()));
      lower = absl::StrFormat(" %.1f,%.1f", x, axes.Y(bin.mean() - bin.deviation())) + lower;
      absl::StrAppendFormat(&means, " %.1f,%.1f", x, axes.Y(bin.mean()));
    }
    if (end > start) {
      absl::StrAppend(&svg, "  <polygon class=\"band\" points=\"", upper.substr(1), lower, "\"/>\n");
      absl::StrAppend(&svg, "  <polyline class=\"mean\" points=\"", means.substr(1), "\"/>\n");
    }
    start = std::max(end, start + 1);
  }
  for (const pb::LayerProfileBin& bin : profile.bins()) {
    if (!bin.has_mean()) continue;
    absl::StrAppendFormat(&svg, "  <circle class=\"point\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", axes.X(bin.bin()),
                          axes.Y(bin.mean()));
  }
  return svg + "</svg>\n";
}

}  // namespace zcbench
