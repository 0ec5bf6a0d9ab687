#include "client/cli/curve_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"
#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

constexpr char kLight[] = R"css(    .line { stroke-width: 2; fill: none }
    .band { fill-opacity: .18 }
    .line0 { stroke: #3b6fb6 } .band0 { fill: #3b6fb6 }
    .line1 { stroke: #8a5a00; stroke-dasharray: 6 4 } .band1 { fill: #8a5a00 }
)css";
constexpr char kDark[] = R"css(      .line0 { stroke: #79a8e8 } .band0 { fill: #79a8e8 }
      .line1 { stroke: #e0b060 } .band1 { fill: #e0b060 }
)css";

}  // namespace

std::vector<int64_t> CurveSteps(int64_t last) {
  std::vector<int64_t> points;
  for (int64_t power = 1; power < last; power *= 10) {
    for (const int64_t factor : {1, 2, 5}) {
      if (factor * power < last) points.push_back(factor * power);
    }
  }
  points.push_back(last);
  return points;
}

std::string DrawCurves(const std::vector<NamedCurve>& curves, const std::string& title, const std::string& y_axis) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  double last = 2;
  for (const NamedCurve& curve : curves) {
    for (const CurvePoint& point : curve.points) {
      last = std::max(last, static_cast<double>(point.evaluations));
      if (!std::isfinite(point.mean)) continue;
      low = std::min(low, point.mean - point.deviation);
      high = std::max(high, point.mean + point.deviation);
    }
  }
  constexpr double kEnd = SvgPlot::kWidth - SvgPlot::kRight;
  SvgPlot plot(title, kLight, kDark, low, high);
  const auto x_of = [&](int64_t evaluations) {
    return SvgPlot::kLeft + std::log(static_cast<double>(evaluations)) / std::log(last) * (kEnd - SvgPlot::kLeft);
  };
  plot.AddFrame("evaluations", y_axis);
  for (int64_t tick = 1; static_cast<double>(tick) <= last; tick *= 10) plot.AddTick(x_of(tick), tick);

  for (size_t c = 0; c < curves.size(); ++c) {
    std::string upper, lower, means;
    for (const CurvePoint& point : curves[c].points) {
      if (!std::isfinite(point.mean)) continue;
      const double x = x_of(point.evaluations);
      absl::StrAppendFormat(&upper, " %.1f,%.1f", x, plot.Y(point.mean + point.deviation));
      lower = absl::StrFormat(" %.1f,%.1f", x, plot.Y(point.mean - point.deviation)) + lower;
      absl::StrAppendFormat(&means, " %.1f,%.1f", x, plot.Y(point.mean));
    }
    if (means.empty()) continue;
    plot.Add(absl::StrFormat("  <polygon class=\"band band%d\" points=\"%s%s\"/>\n", c, upper.substr(1), lower));
    plot.Add(absl::StrFormat("  <polyline class=\"line line%d\" points=\"%s\"/>\n", c, means.substr(1)));
    const double y = SvgPlot::kFloor - 14 - 20 * static_cast<double>(curves.size() - 1 - c);
    plot.Add(absl::StrFormat("  <path class=\"line line%d\" d=\"M%g %g h30\"/>\n", c, kEnd - 150, y));
    plot.Add(absl::StrFormat("  <text x=\"%g\" y=\"%g\">%s</text>\n", kEnd - 112, y + 4, EscapedXml(curves[c].name)));
  }
  return plot.Finish();
}

}  // namespace zcbench
