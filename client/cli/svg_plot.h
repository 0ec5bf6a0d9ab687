// What the pictures of this folder have in common: one SVG file of 720 x 400 that needs no other, readable on light and
// dark ground, with a title and an axis of values on the left.
#ifndef ZCBENCH_CLIENT_CLI_SVG_PLOT_H_
#define ZCBENCH_CLIENT_CLI_SVG_PLOT_H_

#include <string>
#include <string_view>

namespace zcbench {

// `text` as the text of an element or a quoted attribute, of SVG and of HTML: whoever chose a name chooses no markup.
// Control characters, which XML cannot hold, become U+FFFD.
std::string EscapedXml(std::string_view text);

// Pixels that a text takes at a font size, about; and the beginning of it that takes no more, with an ellipsis where it
// is cut. UTF-8.
double TextWidth(std::string_view text, double font_size = 12);
std::string FittedText(std::string_view text, double width, double font_size = 12);

class SvgPlot {
 public:
  static constexpr double kWidth = 720, kHeight = 400;
  static constexpr double kLeft = 80, kRight = 20, kTop = 44, kBottom = 56;  // around the axes
  static constexpr double kFloor = kHeight - kBottom;

  // `light` and `dark`: rules of CSS for the plot's own classes, one a line. Values from `low` to `high` are to be
  // shown, with a margin; low > high: there are none.
  SvgPlot(const std::string& title, std::string_view light, std::string_view dark, double low, double high);

  // Of a value: pixels from the top.
  double Y(double value) const;
  void Add(std::string_view elements) { svg_.append(elements); }
  // Title, lines of the grid and both axes' names; over what has been added so far.
  void AddFrame(const std::string& x_axis, const std::string& y_axis);
  // A number below the horizontal axis.
  void AddTick(double x, int64_t number);
  std::string Finish() { return svg_ + "</svg>\n"; }

 private:
  std::string title_;
  double low_, high_;
  std::string svg_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_SVG_PLOT_H_
