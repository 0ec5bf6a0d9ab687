#include "client/cli/layer_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

pb::LayerProfile Profile(const std::vector<int>& missing = {}) {
  pb::LayerProfile profile;
  profile.set_statistic(pb::LAYER_STATISTIC_LOG_INVERSE_SIGMA);
  for (int b = 0; b <= 10; ++b) {
    pb::LayerProfileBin& bin = *profile.add_bins();
    bin.set_bin(static_cast<uint32_t>(b));
    if (std::find(missing.begin(), missing.end(), b) != missing.end()) continue;
    bin.set_networks(5);
    bin.set_mean(b == 3 || b == 4 ? 8 : 5);
    bin.set_deviation(0.5);
    bin.set_in_window(b == 3 || b == 4);
  }
  return profile;
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(LayerPlotTest, ShowsMeansBandAndWindow) {
  const std::string svg = DrawLayerProfile(Profile(), "a space on a task: lswag(window=p30-p40)");
  EXPECT_THAT(svg, AllOf(StartsWith("<svg xmlns="), HasSubstr("prefers-color-scheme: dark"),
                         HasSubstr("lswag(window=p30-p40)</text>"), HasSubstr(">log of the mean of 1 / sigma, mean"),
                         HasSubstr(">depth of the layer in its network, percent<"), HasSubstr(">100</text>")));
  EXPECT_EQ(Count(svg, "class=\"layer-window\""), 1u);
  EXPECT_EQ(Count(svg, "class=\"layer-point\""), 11u);
  EXPECT_EQ(Count(svg, "class=\"layer-band\""), 1u);
  EXPECT_THAT(svg, Not(HasSubstr("href")));  // nothing from elsewhere
  EXPECT_EQ(Count(svg, "<"), Count(svg, ">"));
}

TEST(LayerPlotTest, BinsWithoutNetworksAreGaps) {
  const std::string svg = DrawLayerProfile(Profile({0, 6, 8}), "t");
  EXPECT_EQ(Count(svg, "class=\"layer-point\""), 8u);
  EXPECT_EQ(Count(svg, "class=\"layer-band\""), 3u);
}

TEST(LayerPlotTest, DegenerateProfilesAreDrawn) {
  pb::LayerProfile flat = Profile();
  for (pb::LayerProfileBin& bin : *flat.mutable_bins()) {
    bin.set_mean(-7);
    bin.clear_deviation();
  }
  const pb::LayerProfile empty = Profile({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const pb::LayerProfile one = Profile({0, 1, 2, 3, 5, 6, 7, 8, 9, 10});
  for (const pb::LayerProfile& profile : {flat, empty, one}) {
    const std::string svg = DrawLayerProfile(profile, "a < b & c");
    EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")), HasSubstr("a &lt; b &amp; c</title>")));
    EXPECT_LT(Count(svg, "class=\"grid\""), 20u);
  }
}

}  // namespace
}  // namespace zcbench
