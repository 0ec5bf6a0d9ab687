// Correlations as a heat map: the one place where a table of numbers becomes coloured cells.
#ifndef ZCBENCH_CLIENT_CLI_HEAT_MAP_H_
#define ZCBENCH_CLIENT_CLI_HEAT_MAP_H_

#include <optional>
#include <string>
#include <vector>

namespace zcbench {

struct HeatCell {
  std::optional<double> value{};      // in [-1, 1]; nullopt: undefined, drawn empty
  std::optional<double> published{};  // what a paper prints, in small figures below
  std::string hover{};                // what is shown under the pointer
};

// All texts are plain.
struct HeatMap {
  std::string name{};                  // what it shows, for who cannot see it
  std::string scale{};                 // below the colours: "Spearman with the accuracy"
  std::vector<std::string> rows{};     // from the top
  std::vector<std::string> columns{};  // from the left
  std::vector<std::string> groups{};   // of the columns, equal ones side by side under one heading; empty: none
  std::vector<HeatCell> cells{};       // rows x columns, row after row
  size_t baseline_rows = 0;            // so many first rows stand apart
  bool tall = false;                   // rows as high as those of a map with published numbers, to stand beside one
};

// An element <svg class="chart heat"> for a page that holds HeatMapStyle() once. Values are printed in the cells with
// two digits.
std::string DrawHeatMap(const HeatMap& map);

// Rules of CSS: 21 colours from -1 (orange) over 0 to 1 (blue), which colour-blind readers tell apart, for light and
// dark ground, each with the colour of the text upon it.
std::string HeatMapStyle();

// "0.73", "−0.20"; two digits, and never "−0.00".
std::string TwoDigits(double value);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_HEAT_MAP_H_
