#include "client/cli/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace zcbench {
namespace {

constexpr char kHead[] =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13">
  <title>%s</title>
  <style>
    .ground { fill: #ffffff }
    .grid { stroke: #d8dee4; fill: none }
    text { fill: #1f2328 }
%s    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 }
      .grid { stroke: #3a4149 }
      text { fill: #f0f6fc }
%s    }
  </style>
  <rect class="ground" width="%g" height="%g"/>
)svg";

// 1, 2 or 5 times a power of ten, so that about `count` steps fill the span.
double NiceStep(double span, int count) {
  const double power = std::pow(10, std::floor(std::log10(span / count)));
  for (const double factor : {1, 2, 5}) {
    if (factor * power * count >= span) return factor * power;
  }
  return 10 * power;
}

}  // namespace

std::string EscapedXml(std::string_view text) {
  std::string escaped = absl::StrReplaceAll(
      std::string(text), {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
  const auto is_control = [](char c) { return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 0x7f; };
  for (size_t at = 0; at < escaped.size(); ++at) {
    if (is_control(escaped[at])) escaped.replace(at, 1, "\uFFFD");
  }
  return escaped;
}

double TextWidth(std::string_view text, double font_size) {
  // A letter of a wide font; the rest of a character of several bytes takes nothing.
  const auto letters = std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
  return 0.6 * font_size * static_cast<double>(letters);
}

std::string FittedText(std::string_view text, double width, double font_size) {
  if (TextWidth(text, font_size) <= width) return std::string(text);
  const auto fits = static_cast<size_t>(std::max(1.0, width / (0.6 * font_size) - 1));
  size_t end = 0;
  for (size_t letters = 0; end < text.size(); ++end) {
    if ((text[end] & 0xc0) != 0x80 && letters++ == fits) break;
  }
  return absl::StrCat(std::string(text.substr(0, end)), "\u2026");
}

SvgPlot::SvgPlot(const std::string& title, std::string_view light, std::string_view dark, double low, double high)
    : title_(EscapedXml(FittedText(title, kWidth - kLeft - kRight, 15))), low_(low), high_(high) {
  if (low_ > high_) low_ = high_ = 0;
  const double margin = std::max(0.05 * (high_ - low_), 1e-3 * std::max(1.0, std::abs(high_)));
  low_ -= margin;
  high_ += margin;
  svg_ = absl::StrFormat(kHead, kWidth, kHeight, title_, light, dark, kWidth, kHeight);
}

double SvgPlot::Y(double value) const { return kFloor - (value - low_) / (high_ - low_) * (kFloor - kTop); }

void SvgPlot::AddFrame(const std::string& x_axis, const std::string& y_axis) {
  absl::StrAppendFormat(&svg_, "  <text x=\"%g\" y=\"26\" font-size=\"15\" font-weight=\"600\">%s</text>\n", kLeft,
                        title_);
  const double step = NiceStep(high_ - low_, 6);
  for (double tick = std::ceil(low_ / step); tick * step <= high_; ++tick) {
    const double y = Y(tick * step);
    absl::StrAppendFormat(&svg_, "  <path class=\"grid\" d=\"M%g %.1f H%g\"/>\n", kLeft, y, kWidth - kRight);
    absl::StrAppendFormat(&svg_, "  <text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", kLeft - 8, y + 4,
                          tick * step);
  }
  absl::StrAppendFormat(&svg_, "  <text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n",
                        (kLeft + kWidth - kRight) / 2, kHeight - 12,
                        EscapedXml(FittedText(x_axis, kWidth - kLeft - kRight, 13)));
  const double middle = (kTop + kFloor) / 2;
  absl::StrAppendFormat(&svg_,
                        "  <text x=\"18\" y=\"%g\" text-anchor=\"middle\" transform=\"rotate(-90 18 %g)\">%s</text>\n",
                        middle, middle, EscapedXml(FittedText(y_axis, kHeight - 20, 13)));
}

void SvgPlot::AddTick(double x, int64_t number) {
  absl::StrAppendFormat(&svg_, "  <text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%d</text>\n", x, kFloor + 20,
                        number);
}

}  // namespace zcbench
