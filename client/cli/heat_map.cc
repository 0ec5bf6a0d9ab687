#include "client/cli/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

constexpr int kColours = 21;
constexpr double kLongestRow = 340;
constexpr double kLongestColumn = 220;
constexpr double kGap = 8;  // below the baseline

using Colour = std::array<double, 3>;

Colour Mix(const Colour& a, const Colour& b, double share) {
  Colour mixed{};
  for (size_t i = 0; i < 3; ++i) mixed[i] = a[i] + (b[i] - a[i]) * share;
  return mixed;
}

// From -1 over 0 to 1, with one anchor between.
Colour ColourAt(const std::array<Colour, 5>& anchors, double value) {
  const double place = (value + 1) * 2;
  const size_t below = std::min<size_t>(3, static_cast<size_t>(place));
  return Mix(anchors[below], anchors[below + 1], place - static_cast<double>(below));
}

// Relative luminance of WCAG 2.
double Luminance(const Colour& colour) {
  constexpr Colour kWeights = {0.2126, 0.7152, 0.0722};
  double sum = 0;
  for (size_t i = 0; i < 3; ++i) {
    const double c = colour[i] / 255;
    sum += kWeights[i] * (c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  return sum;
}

std::string Rules(const std::array<Colour, 5>& anchors, const char* indent) {
  std::string rules;
  for (int i = 0; i < kColours; ++i) {
    const Colour colour = ColourAt(anchors, i / 10.0 - 1);
    const double luminance = Luminance(colour);
    const bool dark_text = (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05);
    absl::StrAppendFormat(&rules, "%s.heat rect.c%d { fill: #%02x%02x%02x } .heat text.c%d { fill: %s }\n", indent, i,
                          std::lround(colour[0]), std::lround(colour[1]), std::lround(colour[2]), i,
                          dark_text ? "#111111" : "#ffffff");
  }
  return rules;
}

std::string Class(double value) { return absl::StrCat("c", std::lround((std::clamp(value, -1.0, 1.0) + 1) * 10)); }

}  // namespace

std::string TwoDigits(double value) {
  const std::string text = absl::StrFormat("%.2f", std::abs(value));
  return value < 0 && text != "0.00" ? absl::StrCat("\u2212", text) : text;
}

std::string DrawHeatMap(const HeatMap& map) {
  ZCB_CHECK(map.cells.size() == map.rows.size() * map.columns.size());
  ZCB_CHECK(map.groups.empty() || map.groups.size() == map.columns.size());
  const bool published =
      std::any_of(map.cells.begin(), map.cells.end(), [](const HeatCell& cell) { return cell.published.has_value(); });
  double longest_row = 0, longest_column = 0;
  for (const std::string& row : map.rows) longest_row = std::max(longest_row, std::min(kLongestRow, TextWidth(row)));
  for (const std::string& column : map.columns)
    longest_column = std::max(longest_column, std::min(kLongestColumn, TextWidth(column)));
  const size_t columns = map.columns.size();
  const double cell_width = columns <= 3 ? 116 : columns <= 5 ? 96 : columns <= 9 ? 72 : columns <= 16 ? 52 : 42;
  const double cell_height = published || map.tall ? 34 : 26;
  const bool turned = longest_column > cell_width - 6;
  const double left = longest_row + 14;
  const double names = turned ? longest_column * 0.72 + 16 : 22;  // height of the columns' names
  const double top = names + (map.groups.empty() ? 0 : 24);
  const double gap = map.baseline_rows > 0 && map.baseline_rows < map.rows.size() ? kGap : 0;
  const double bottom = top + cell_height * static_cast<double>(map.rows.size()) + gap;
  const double right = left + cell_width * static_cast<double>(columns);
  constexpr double kLegend = 210;
  const double width = std::max(right + (turned ? longest_column * 0.72 : 0) + 8,
                                left + std::max(kLegend, TextWidth(map.scale, 11)) + 20);
  const double height = bottom + 58;
  const auto x_of = [&](size_t c) { return left + cell_width * static_cast<double>(c); };

  std::string svg = absl::StrFormat(
      "<svg class=\"chart heat\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\" "
      "aria-label=\"%s\">\n",
      width, height, width, height, EscapedXml(map.name));
  for (size_t c = 0; c < map.groups.size();) {
    size_t end = c;
    while (end < columns && map.groups[end] == map.groups[c]) ++end;
    absl::StrAppendFormat(&svg, "<text class=\"group\" x=\"%.1f\" y=\"14\" text-anchor=\"middle\">%s</text>",
                          (x_of(c) + x_of(end)) / 2, EscapedXml(FittedText(map.groups[c], x_of(end) - x_of(c), 13)));
    absl::StrAppendFormat(&svg, "<path class=\"rule\" d=\"M%.1f 20H%.1f\"/>\n", x_of(c) + 3, x_of(end) - 3);
    c = end;
  }
  for (size_t c = 0; c < columns; ++c) {
    const double x = x_of(c) + cell_width / 2;
    absl::StrAppendFormat(&svg,
                          turned ? "<text transform=\"translate(%.1f %.1f) rotate(-45)\">%s</text>\n"
                                 : "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                          x, top - 8, EscapedXml(FittedText(map.columns[c], kLongestColumn)));
  }
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const double y = top + cell_height * static_cast<double>(r) + (r >= map.baseline_rows ? gap : 0);
    const double middle = y + cell_height / 2;
    absl::StrAppendFormat(&svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left - 8, middle + 4,
                          EscapedXml(FittedText(map.rows[r], kLongestRow)));
    for (size_t c = 0; c < columns; ++c) {
      const HeatCell& cell = map.cells[r * columns + c];
      const std::string colour = cell.value.has_value() ? Class(*cell.value) : "none";
      const double x = x_of(c);
      absl::StrAppendFormat(&svg, "<g><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                            colour, x + 1, y + 1, cell_width - 2, cell_height - 2);
      absl::StrAppendFormat(&svg, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>", colour,
                            x + cell_width / 2, cell.published.has_value() ? y + 16 : middle + 4,
                            cell.value.has_value() ? TwoDigits(*cell.value) : "\u2013");
      if (cell.published.has_value()) {
        absl::StrAppendFormat(&svg, "<text class=\"%s printed\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
                              colour, x + cell_width / 2, y + 28,
                              absl::StrCat(cell_width > 70 ? "paper " : "", TwoDigits(*cell.published)));
      }
      if (!cell.hover.empty()) absl::StrAppend(&svg, "<title>", EscapedXml(cell.hover), "</title>");
      svg += "</g>\n";
    }
  }
  for (int i = 0; i < kColours; ++i) {
    absl::StrAppendFormat(&svg, "<rect class=\"c%d\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\"/>", i,
                          left + 10.0 * i, bottom + 14);
  }
  for (const int value : {-1, 0, 1}) {
    absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
                          left + 105 + 100 * value, bottom + 38, value < 0 ? "\u22121" : absl::StrCat(value));
  }
  absl::StrAppendFormat(&svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">%s</text>\n</svg>\n", left, bottom + 53,
                        EscapedXml(FittedText(map.scale, width - left, 11)));
  return svg;
}

std::string HeatMapStyle() {
  const std::array<Colour, 5> light = {
      {{0xa6, 0x4b, 0x00}, {0xf0, 0xa8, 0x58}, {0xf5, 0xf5, 0xf5}, {0x8c, 0xbe, 0xe0}, {0x1c, 0x5f, 0xa8}}};
  const std::array<Colour, 5> dark = {
      {{0xf2, 0xa1, 0x4a}, {0x92, 0x55, 0x17}, {0x24, 0x2b, 0x33}, {0x24, 0x5f, 0x96}, {0x74, 0xb4, 0xec}}};
  return absl::StrCat(Rules(light, ""), "@media (prefers-color-scheme: dark) {\n", Rules(dark, "  "), "}\n");
}

}  // namespace zcbench
