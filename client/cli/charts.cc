#include "client/cli/charts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/heat_map.h"
#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

constexpr int kShades = 7;
constexpr size_t kFewPoints = 500;  // are drawn larger

constexpr char kStyle[] = R"css(.chart { max-width: 100%; height: auto; font: 12px var(--font) }
.chart text { fill: var(--ink) }
.chart .small { font-size: 11px; fill: var(--soft) }
.chart .printed { font-size: 10px }
.chart .group { font-weight: 600 }
.chart .rule { stroke: var(--line); fill: none }
.chart .axis { stroke: var(--soft); fill: none }
.heat rect.none { fill: none; stroke: var(--line) }
.chart .bar { fill: var(--blue) }
.chart .baseline { fill: var(--orange) }
.chart .mark { stroke: var(--ink); stroke-width: 2; fill: none }
.chart .front { stroke: var(--blue); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none }
.chart .dot { fill: var(--blue) }
.chart .off { fill: none; stroke: var(--soft); stroke-width: 1.5 }
.points path { fill: none; stroke-linecap: round; stroke-width: 3.2; stroke-opacity: .7 }
.few path { stroke-width: 6 }
)css";
constexpr const char* kLightShades[kShades] = {"#b9d7ee", "#93bfe0", "#6ca5d0", "#4889bd",
                                               "#2c6ca3", "#174e82", "#06305c"};
constexpr const char* kDarkShades[kShades] = {"#2f6090", "#3872a8", "#4586c2", "#5b9bd6",
                                              "#7fb6e6", "#abd2f2", "#e0effc"};

std::string Open(const char* kind, double width, double height, const std::string& name) {
  return absl::StrFormat(
      "<svg class=\"chart %s\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" "
      "aria-label=\"%s\">\n",
      kind, width, height, width, height, EscapedXml(name));
}

// 1, 2 or 5 times a power of ten, so that about `count` steps fill the span.
double NiceStep(double span, int count) {
  const double power = std::pow(10, std::floor(std::log10(span / count)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power * count >= span) return factor * power;
  }
  return 10 * power;
}

// "250", "50k", "2M", "−0.4", "1e-05".
std::string TickText(double value) {
  const double size = std::abs(value);
  std::string text = absl::StrFormat("%g", size);
  if (size >= 1e10 || (size > 0 && size < 1e-3)) {
    text = absl::StrFormat("%.0e", size);
  } else if (size >= 1e6) {
    text = absl::StrFormat("%gM", size / 1e6);
  } else if (size >= 1e4) {
    text = absl::StrFormat("%gk", size / 1e3);
  }
  return value < 0 ? absl::StrCat("\u2212", text) : text;
}

double Percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
}

// Average ranks from 1.
std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = 0.5 * static_cast<double>(begin + end + 1);
    begin = end;
  }
  return ranks;
}

// How values lie on the horizontal axis.
struct Axis {
  enum class Kind { kLinear, kLogarithmic, kRanks } kind = Kind::kLinear;
  double low = 0;
  double high = 1;
};

// A few outliers rule an axis whose ends are far beyond where the middle half lies.
bool RuledByOutliers(const std::vector<double>& sorted) {
  return sorted.back() - sorted.front() > 10 * (Percentile(sorted, 0.75) - Percentile(sorted, 0.25));
}

// Makes `x` what is drawn.
Axis ChooseAxis(std::vector<double>& x) {
  std::vector<double> sorted = x;
  std::sort(sorted.begin(), sorted.end());
  Axis axis;
  if (sorted.front() < sorted.back() && RuledByOutliers(sorted)) {
    const bool positive = sorted.front() > 0;
    if (positive) {
      for (double& value : sorted) value = std::log10(value);
    }
    if (positive && !RuledByOutliers(sorted)) {
      axis.kind = Axis::Kind::kLogarithmic;
      for (double& value : x) value = std::log10(value);
    } else {
      axis.kind = Axis::Kind::kRanks;
      x = RanksOf(x);
    }
  }
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const double margin = std::max(0.03 * (*high - *low), 1e-9 * std::max(1.0, std::abs(*high)));
  axis.low = *low - margin;
  axis.high = *high + margin;
  return axis;
}

// A frame of 0 to `width` and 0 to `height` with values inside.
struct Area {
  double left, right, top, bottom;
  double x_low, x_high, y_low, y_high;

  double X(double value) const { return left + (value - x_low) / (x_high - x_low) * (right - left); }
  double Y(double value) const { return bottom - (value - y_low) / (y_high - y_low) * (bottom - top); }
};

void AddYAxis(std::string& svg, const Area& area, const std::string& text) {
  const double step = NiceStep(area.y_high - area.y_low, 5);
  for (double tick = std::ceil(area.y_low / step); tick * step <= area.y_high + 1e-12; ++tick) {
    const double y = area.Y(tick * step);
    absl::StrAppendFormat(&svg, "<path class=\"rule\" d=\"M%.1f %.1fH%.1f\"/>", area.left, y, area.right);
    absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                          area.left - 6, y + 4, TickText(tick * step));
  }
  const double middle = (area.top + area.bottom) / 2;
  absl::StrAppendFormat(
      &svg, "<text x=\"13\" y=\"%.1f\" text-anchor=\"middle\" transform=\"rotate(-90 13 %.1f)\">%s</text>\n", middle,
      middle, EscapedXml(FittedText(text, area.bottom - area.top)));
}

void AddXTick(std::string& svg, const Area& area, double at, const std::string& text) {
  const double x = area.X(at);
  absl::StrAppendFormat(&svg, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>", x, area.bottom);
  absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                        area.bottom + 17, text);
}

void AddXAxis(std::string& svg, const Area& area, const Axis& axis, const std::string& text) {
  absl::StrAppendFormat(&svg, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", area.left, area.bottom, area.right);
  if (axis.kind == Axis::Kind::kLogarithmic && axis.high - axis.low > 1) {
    const double every = std::ceil((axis.high - axis.low) / 5);
    for (double power = std::ceil(axis.low / every) * every; power <= axis.high; power += every) {
      AddXTick(svg, area, power, TickText(std::pow(10, power)));
    }
  } else {
    const double step = NiceStep(area.x_high - area.x_low, 4);
    for (double tick = std::ceil(area.x_low / step); tick * step <= area.x_high; ++tick) {
      const double at = tick * step;
      AddXTick(svg, area, at,
               axis.kind == Axis::Kind::kLogarithmic ? absl::StrFormat("%.2g", std::pow(10, at)) : TickText(at));
    }
  }
  const char* const note = axis.kind == Axis::Kind::kLinear        ? ""
                           : axis.kind == Axis::Kind::kLogarithmic ? " (logarithmic)"
                                                                   : " (rank)";
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s%s</text>\n",
                        (area.left + area.right) / 2, area.bottom + 34,
                        EscapedXml(FittedText(text, area.right - area.left - 90)), note);
}

// By rank of the colour, 0 to 6.
std::vector<int> ShadesOf(const std::vector<double>& colour, size_t points) {
  std::vector<int> shades(points, kShades - 2);
  if (colour.empty()) return shades;
  const std::vector<double> ranks = RanksOf(colour);
  for (size_t i = 0; i < points; ++i) {
    shades[i] = std::clamp(static_cast<int>((ranks[i] - 0.5) / static_cast<double>(points) * kShades), 0, kShades - 1);
  }
  return shades;
}

// One path a shade: a point is a line of no length with round ends.
void AddPoints(std::string& svg, const Area& area, const std::vector<double>& x, const std::vector<double>& y,
               const std::vector<int>& shades) {
  std::string paths[kShades];
  for (size_t i = 0; i < x.size(); ++i) {
    absl::StrAppendFormat(&paths[shades[i]], "M%.1f %.1fh0", area.X(x[i]), area.Y(y[i]));
  }
  svg += x.size() > kFewPoints ? "<g class=\"points\">" : "<g class=\"points few\">";
  for (int shade = 0; shade < kShades; ++shade) {
    if (!paths[shade].empty()) absl::StrAppend(&svg, "<path class=\"s", shade, "\" d=\"", paths[shade], "\"/>\n");
  }
  svg += "</g>\n";
}

void AddHexagons(std::string& svg, const Area& area, const std::vector<double>& x, const std::vector<double>& y,
                 const std::vector<int>& shades) {
  constexpr double kRadius = 5.5;
  const double across = std::sqrt(3.0) * kRadius;
  struct Bin {
    int count = 0;
    double shades = 0;
  };
  std::map<std::pair<int, int>, Bin> bins;  // row, column
  int most = 1;
  for (size_t i = 0; i < x.size(); ++i) {
    // The nearer of the two lattices of which hexagons are made.
    const double px = area.X(x[i]), py = area.Y(y[i]);
    std::pair<int, int> best;
    double nearest = std::numeric_limits<double>::infinity();
    for (const int odd : {0, 1}) {
      const int row = 2 * static_cast<int>(std::lround((py / (1.5 * kRadius) - odd) / 2)) + odd;
      const int column = static_cast<int>(std::lround(px / across - 0.5 * odd));
      const double dx = px - (column + 0.5 * odd) * across, dy = py - row * 1.5 * kRadius;
      if (dx * dx + dy * dy < nearest) {
        nearest = dx * dx + dy * dy;
        best = {row, column};
      }
    }
    Bin& bin = bins[best];
    most = std::max(most, ++bin.count);
    bin.shades += shades[i];
  }
  for (const auto& [at, bin] : bins) {
    const int odd = ((at.first % 2) + 2) % 2;
    const double cx = (at.second + 0.5 * odd) * across, cy = at.first * 1.5 * kRadius;
    const double size = kRadius * (0.35 + 0.65 * std::log(1.0 + bin.count) / std::log(1.0 + most));
    const double half = size * std::sqrt(3.0) / 2;
    absl::StrAppendFormat(
        &svg,
        "<path class=\"f%d\" d=\"M%.1f %.1fl%.1f %.1fv%.1fl%.1f %.1fl%.1f %.1fv%.1fz\"><title>%d</title>"
        "</path>\n",
        static_cast<int>(std::lround(bin.shades / bin.count)), cx, cy - size, half, size / 2, size, -half, size / 2,
        -half, -size / 2, -size, bin.count);
  }
}

}  // namespace

std::string ChartStyle() {
  std::string style = kStyle;
  for (const bool dark : {false, true}) {
    if (dark) style += "@media (prefers-color-scheme: dark) {\n";
    for (int i = 0; i < kShades; ++i) {
      absl::StrAppendFormat(&style, ".points .s%d { stroke: %s } .chart .f%d { fill: %s }\n", i,
                            dark ? kDarkShades[i] : kLightShades[i], i, dark ? kDarkShades[i] : kLightShades[i]);
    }
    if (dark) style += "}\n";
  }
  return style;
}

std::string DrawBars(const std::vector<Bar>& bars, const std::string& name, const std::string& axis) {
  constexpr double kRow = 24, kScale = 420, kTop = 8, kLongestName = 340;
  double longest = 0, note = 0;
  double low = 0, high = 0.1;
  for (const Bar& bar : bars) {
    longest = std::max(longest, std::min(kLongestName, TextWidth(bar.name)));
    note = std::max(note, TextWidth(bar.note, 11));
    low = std::min({low, bar.value, bar.published.value_or(0)});
    high = std::max({high, bar.value, bar.published.value_or(0)});
  }
  low = low < 0 ? std::floor(low * 5) / 5 : 0;
  high = std::min(1.0, std::ceil(high * 5) / 5);
  Area area{.left = longest + 14,
            .right = longest + 14 + kScale,
            .top = kTop,
            .bottom = kTop + kRow * static_cast<double>(bars.size()),
            .x_low = low,
            .x_high = high,
            .y_low = 0,
            .y_high = 1};
  std::string svg = Open("bars", area.right + 52 + note, area.bottom + 44, name);
  for (double tick = std::ceil(low * 5 - 1e-9); tick / 5 <= high + 1e-9; ++tick) {
    const double x = area.X(tick / 5);
    absl::StrAppendFormat(&svg, "<path class=\"rule\" d=\"M%.1f %.1fV%.1f\"/>", x, area.top, area.bottom);
    absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                          area.bottom + 16, TickText(tick / 5));
  }
  const double zero = area.X(0);
  for (size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double y = area.top + kRow * static_cast<double>(i);
    const double end = area.X(bar.value);
    absl::StrAppendFormat(&svg, "<g><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>", area.left - 8, y + 16,
                          EscapedXml(FittedText(bar.name, kLongestName)));
    absl::StrAppendFormat(&svg, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                          bar.baseline ? "baseline" : "bar", std::min(zero, end), y + 4, std::abs(end - zero),
                          kRow - 8);
    double text_at = std::max(zero, end);
    if (bar.published.has_value()) {
      const double mark = area.X(*bar.published);
      absl::StrAppendFormat(&svg, "<path class=\"mark\" d=\"M%.1f %.1fv%.1f\"/>", mark, y + 2, kRow - 4);
      text_at = std::max(text_at, mark);
    }
    absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\">%s <tspan class=\"small\">%s</tspan></text>", text_at + 7,
                          y + 16, TwoDigits(bar.value), EscapedXml(bar.note));
    if (!bar.hover.empty()) absl::StrAppend(&svg, "<title>", EscapedXml(bar.hover), "</title>");
    svg += "</g>\n";
  }
  absl::StrAppendFormat(&svg, "<path class=\"axis\" d=\"M%.1f %.1fV%.1f\"/>", zero, area.top, area.bottom);
  absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">%s</text>\n</svg>\n", area.left,
                        area.bottom + 35, EscapedXml(axis));
  return svg;
}

std::string DrawCloud(const Cloud& cloud) {
  constexpr double kWidth = 356, kHeight = 280;
  std::vector<double> x, y, colour;
  for (size_t i = 0; i < cloud.x.size(); ++i) {
    const bool coloured = cloud.colour.empty() || std::isfinite(cloud.colour[i]);
    if (!std::isfinite(cloud.x[i]) || !std::isfinite(cloud.y[i]) || !coloured) continue;
    x.push_back(cloud.x[i]);
    y.push_back(cloud.y[i]);
    if (!cloud.colour.empty()) colour.push_back(cloud.colour[i]);
  }
  if (x.empty()) return "";
  const std::vector<int> shades = ShadesOf(colour, x.size());
  const Axis axis = ChooseAxis(x);
  std::vector<double> sorted = y;
  std::sort(sorted.begin(), sorted.end());
  double low = sorted.front();
  const double high = sorted.back();
  const double floor = Percentile(sorted, 0.02);
  const bool cut = high - low > 2 * (high - floor);
  if (cut) {
    low = floor;
    for (double& value : y) value = std::max(value, low);
  }
  const double margin = std::max(0.04 * (high - low), 1e-9 * std::max(1.0, std::abs(high)));
  const Area area{.left = 58,
                  .right = kWidth - 20,
                  .top = 28,
                  .bottom = kHeight - 42,
                  .x_low = axis.low,
                  .x_high = axis.high,
                  .y_low = low - margin,
                  .y_high = high + margin};
  std::string svg = Open("cloud", kWidth, kHeight, cloud.title);
  absl::StrAppendFormat(&svg, "<text class=\"group\" x=\"%.1f\" y=\"16\">%s</text>\n", area.left,
                        EscapedXml(FittedText(cloud.title, area.right - area.left - (cut ? 132 : 0), 14.5)));
  AddYAxis(svg, area, cloud.y_axis);
  if (x.size() > kMostPoints) {
    AddHexagons(svg, area, x, y, shades);
  } else {
    AddPoints(svg, area, x, y, shades);
  }
  AddXAxis(svg, area, axis, cloud.x_axis);
  if (cut) {
    absl::StrAppendFormat(
        &svg, "<text class=\"small\" x=\"%.1f\" y=\"16\" text-anchor=\"end\">\u2264 %s on the edge</text>\n",
        area.right, absl::StrFormat("%.4g", low));
  }
  svg += "</svg>\n";
  return svg;
}

std::string DrawColourScale(const std::string& low, const std::string& high) {
  const double left = TextWidth(low) + 10;
  std::string svg = Open("scale", left + 14 * kShades + 10 + TextWidth(high), 18, low + " to " + high);
  absl::StrAppendFormat(&svg, "<text x=\"0\" y=\"13\">%s</text>", EscapedXml(low));
  for (int i = 0; i < kShades; ++i) {
    absl::StrAppendFormat(&svg, "<rect class=\"f%d\" x=\"%.1f\" y=\"3\" width=\"14\" height=\"12\"/>", i,
                          left + 14.0 * i);
  }
  absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"13\">%s</text></svg>\n", left + 14 * kShades + 8, EscapedXml(high));
  return svg;
}

std::string DrawCosts(const std::vector<CostPoint>& points, const std::string& x_axis, const std::string& y_axis) {
  constexpr double kWidth = 760, kHeight = 400;
  if (points.empty()) return "";
  double first = std::numeric_limits<double>::infinity(), last = 0, low = first, high = -first;
  for (const CostPoint& point : points) {
    first = std::min(first, point.seconds);
    last = std::max(last, point.seconds);
    low = std::min(low, point.value);
    high = std::max(high, point.value);
  }
  Axis axis{.kind = Axis::Kind::kLogarithmic, .low = std::log10(first) - 0.15, .high = std::log10(last) + 0.35};
  const double margin = std::max(0.06 * (high - low), 0.01);
  const Area area{.left = 58,
                  .right = kWidth - 10,
                  .top = 12,
                  .bottom = kHeight - 44,
                  .x_low = axis.low,
                  .x_high = axis.high,
                  .y_low = low - margin,
                  .y_high = high + margin};
  std::string svg = Open("costs", kWidth, kHeight, absl::StrCat(y_axis, " against ", x_axis));
  AddYAxis(svg, area, y_axis);
  AddXAxis(svg, area, axis, x_axis);

  std::vector<const CostPoint*> order;
  for (const CostPoint& point : points) order.push_back(&point);
  std::stable_sort(order.begin(), order.end(), [](const CostPoint* a, const CostPoint* b) {
    return std::pair(a->seconds, -a->value) < std::pair(b->seconds, -b->value);
  });
  double best = -std::numeric_limits<double>::infinity();
  std::string front;
  std::vector<bool> on_front;
  for (const CostPoint* point : order) {
    on_front.push_back(point->value > best);
    if (!on_front.back()) continue;
    best = point->value;
    absl::StrAppendFormat(&front, "%s%.1f %.1f", front.empty() ? "M" : "L", area.X(std::log10(point->seconds)),
                          area.Y(point->value));
  }
  absl::StrAppend(&svg, "<path class=\"front\" d=\"", front, "\"/>\n");

  // A name goes where no other is: right, left, above, below; else it is shown under the pointer alone.
  struct Box {
    double left, top, right, bottom;
    bool Meets(const Box& o) const { return left < o.right && o.left < right && top < o.bottom && o.top < bottom; }
  };
  std::vector<Box> taken;
  for (const CostPoint* point : order) {
    const double x = area.X(std::log10(point->seconds)), y = area.Y(point->value);
    taken.push_back({x - 5, y - 5, x + 5, y + 5});
  }
  for (size_t i = 0; i < order.size(); ++i) {
    const CostPoint& point = *order[i];
    const double x = area.X(std::log10(point.seconds)), y = area.Y(point.value);
    absl::StrAppendFormat(&svg, "<g><circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/>",
                          on_front[i] ? "dot" : "off", x, y);
    const std::string name = FittedText(point.name, 260);
    const double width = TextWidth(name);
    for (const auto& [dx, dy] : {std::pair{8.0, 4.0}, {-8.0 - width, 4.0}, {-width / 2, -9.0}, {-width / 2, 18.0}}) {
      const Box box{x + dx, y + dy - 11, x + dx + width, y + dy + 3};
      if (box.left < area.left || box.right > kWidth || box.top < 0 || box.bottom > area.bottom) continue;
      if (std::any_of(taken.begin(), taken.end(), [&](const Box& other) { return other.Meets(box); })) continue;
      taken.push_back(box);
      absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\">%s</text>", box.left, y + dy, EscapedXml(name));
      break;
    }
    absl::StrAppend(&svg, "<title>", EscapedXml(point.hover.empty() ? point.name : point.hover), "</title></g>\n");
  }
  return svg + "</svg>\n";
}

}  // namespace zcbench
