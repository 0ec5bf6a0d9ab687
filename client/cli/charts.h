// Small charts of a report: bars, clouds of points, costs. Each is an element <svg class="chart"> for a page that holds
// ChartStyle() once. All texts are plain.
#ifndef ZCBENCH_CLIENT_CLI_CHARTS_H_
#define ZCBENCH_CLIENT_CLI_CHARTS_H_

#include <optional>
#include <string>
#include <vector>

namespace zcbench {

std::string ChartStyle();

struct Bar {
  std::string name{};
  double value = 0;                   // in [-1, 1]
  std::optional<double> published{};  // a mark beside it
  std::string note{};                 // behind the value: "2 of 3 tasks"
  std::string hover{};
  bool baseline = false;  // in the colour of baselines
};

// Horizontal bars, from the top. `axis` says what their length is.
std::string DrawBars(const std::vector<Bar>& bars, const std::string& name, const std::string& axis);

// Points of which any number may be NaN; such a point is left out.
struct Cloud {
  std::string x_axis{};
  std::string y_axis{};
  std::string title{};
  std::vector<double> x{};
  std::vector<double> y{};
  std::vector<double> colour{};  // empty: one colour
};

// More points than this are drawn as hexagons, whose size says how many there are and whose colour is their mean.
inline constexpr size_t kMostPoints = 5000;

// Colours by the rank of `colour`, in seven steps of equal numbers of points. The horizontal axis is linear, or
// logarithmic where that shows more, or of ranks where both would be ruled by a few outliers; it says which. Where the
// lowest accuracies would take most of the height, the 2 % below are drawn on the lower edge: "<= 64.77 on the edge".
std::string DrawCloud(const Cloud& cloud);

// The scale of DrawCloud's colours, from `low` to `high`.
std::string DrawColourScale(const std::string& low, const std::string& high);

struct CostPoint {
  std::string name{};
  double seconds = 0;  // > 0
  double value = 0;
  std::string hover{};
};

// Cost (logarithmic) against a correlation; those that no cheaper one reaches are joined by a line.
std::string DrawCosts(const std::vector<CostPoint>& points, const std::string& x_axis, const std::string& y_axis);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_CHARTS_H_
