#include "client/cli/curve_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace zcbench {
namespace {

constexpr double kWidth = 720, kHeight = 400;
constexpr double kLeft = 80, kRight = 20, kTop = 44, kBottom = 56;  // around the axes

constexpr char kHead[] =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" font-family="system-ui, sans-serif" font-size="13">
  <title>%s</title>
  <style>
    .ground { fill: #ffffff }
    .grid { stroke: #d8dee4; fill: none }
    .line { stroke-width: 2; fill: none }
    .band { fill-opacity: .18 }
    .line0 { stroke: #3b6fb6 } .band0 { fill: #3b6fb6 }
    .line1 { stroke: #8a5a00; stroke-dasharray: 6 4 } .band1 { fill: #8a5a00 }
    text { fill: #1f2328 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 }
      .grid { stroke: #3a4149 }
      .line0 { stroke: #79a8e8 } .band0 { fill: #79a8e8 }
      .line1 { stroke: #e0b060 } .band1 { fill: #e0b060 }
      text { fill: #f0f6fc }
    }
  </style>
  <rect class="ground" width="%g" height="%g"/>
)svg";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

}  // namespace

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
  if (low > high) low = high = 0;  // no point has a mean
  const double margin = std::max(0.05 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
  low -= margin;
  high += margin;
  const double bottom = kHeight - kBottom;
  const auto x_of = [&](int64_t evaluations) {
    return kLeft + std::log(static_cast<double>(evaluations)) / std::log(last) * (kWidth - kLeft - kRight);
  };
  const auto y_of = [&](double value) { return bottom - (value - low) / (high - low) * (bottom - kTop); };

  std::string svg = absl::StrFormat(kHead, kWidth, kHeight, Escaped(title), kWidth, kHeight);
  absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"26\" font-size=\"15\" font-weight=\"600\">%s</text>\n", kLeft,
                        Escaped(title));
  const double power = std::pow(10, std::floor(std::log10((high - low) / 5)));
  const double step = power * ((high - low) / power > 25 ? 5 : (high - low) / power > 10 ? 2 : 1);
  for (double tick = std::ceil(low / step); tick * step <= high; ++tick) {
    absl::StrAppendFormat(&svg, "  <path class=\"grid\" d=\"M%g %.1f H%g\"/>\n", kLeft, y_of(tick * step),
                          kWidth - kRight);
    absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", kLeft - 8,
                          y_of(tick * step) + 4, tick * step);
  }
  for (int64_t tick = 1; static_cast<double>(tick) <= last; tick *= 10) {
    absl::StrAppendFormat(&svg, "  <text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%d</text>\n", x_of(tick),
                          bottom + 20, tick);
  }
  absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"%g\" text-anchor=\"middle\">evaluations</text>\n",
                        (kLeft + kWidth - kRight) / 2, kHeight - 12);
  absl::StrAppendFormat(&svg,
                        "  <text x=\"18\" y=\"%g\" text-anchor=\"middle\" transform=\"rotate(-90 18 %g)\">%s</text>\n",
                        (kTop + bottom) / 2, (kTop + bottom) / 2, Escaped(y_axis));
  for (size_t c = 0; c < curves.size(); ++c) {
    std::string upper, lower, means;
    for (const CurvePoint& point : curves[c].points) {
      if (!std::isfinite(point.mean)) continue;
      const double x = x_of(point.evaluations);
      absl::StrAppendFormat(&upper, " %.1f,%.1f", x, y_of(point.mean + point.deviation));
      lower = absl::StrFormat(" %.1f,%.1f", x, y_of(point.mean - point.deviation)) + lower;
      absl::StrAppendFormat(&means, " %.1f,%.1f", x, y_of(point.mean));
    }
    if (means.empty()) continue;
    absl::StrAppendFormat(&svg, "  <polygon class=\"band band%d\" points=\"%s%s\"/>\n", c, upper.substr(1), lower);
    absl::StrAppendFormat(&svg, "  <polyline class=\"line line%d\" points=\"%s\"/>\n", c, means.substr(1));
    const double y = bottom - 14 - 20 * static_cast<double>(curves.size() - 1 - c);
    absl::StrAppendFormat(&svg, "  <path class=\"line line%d\" d=\"M%g %g h30\"/>\n", c, kWidth - kRight - 150, y);
    absl::StrAppendFormat(&svg, "  <text x=\"%g\" y=\"%g\">%s</text>\n", kWidth - kRight - 112, y + 4,
                          Escaped(curves[c].name));
  }
  return svg + "</svg>\n";
}

}  // namespace zcbench
