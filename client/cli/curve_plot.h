// Curves of searches as a picture.
#ifndef ZCBENCH_CLIENT_CLI_CURVE_PLOT_H_
#define ZCBENCH_CLIENT_CLI_CURVE_PLOT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nas/search/search.h"

namespace zcbench {

// Where a curve over so many evaluations is read: 1, 2, 5, 10, ... and the last.
std::vector<int64_t> CurveSteps(int64_t last);

struct NamedCurve {
  std::string name;
  std::vector<CurvePoint> points;
};

// An SVG file that needs no other and is readable on light and dark ground: at most two curves over the evaluations
// (logarithmic), each with a band of one standard deviation; the second is dashed. Points without a mean are left out.
// The texts are plain.
std::string DrawCurves(const std::vector<NamedCurve>& curves, const std::string& title, const std::string& y_axis);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_CURVE_PLOT_H_
