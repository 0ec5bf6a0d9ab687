// A layer profile as a picture.
#ifndef ZCBENCH_CLIENT_CLI_LAYER_PLOT_H_
#define ZCBENCH_CLIENT_CLI_LAYER_PLOT_H_

#include <string>

#include "zcbench/v1/query.pb.h"

namespace zcbench {

namespace pb = v1;

// "log of the mean of 1 / sigma".
std::string LayerStatisticText(pb::LayerStatistic statistic);

// An SVG file that needs no other and is readable on light and dark ground: the mean over networks in each bin with a
// band of one standard deviation, the window shaded. A bin without networks is a gap. `title` is plain text.
std::string DrawLayerProfile(const pb::LayerProfile& profile, const std::string& title);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_LAYER_PLOT_H_
