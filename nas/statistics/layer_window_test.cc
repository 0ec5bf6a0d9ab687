#include "nas/statistics/layer_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/status_matchers.h"
#include "nas/proxy_text.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

LayerWindow Window(int a, int b) { return {a / 10, b / 10}; }

TEST(PercentileBinTest, EqualsThePapersFormulaForEveryDepth) {
  for (int depth = 1; depth <= 1000; ++depth) {
    for (int l = 1; l <= depth; ++l) {
      const int published = static_cast<int>(std::floor(static_cast<double>(l) / depth * 100 / (100.0 / 10)));
      ASSERT_EQ(PercentileBin(l - 1, depth), published) << l << " of " << depth;
    }
  }
}

TEST(PercentileBinTest, TheLastLayerIsAloneInTheLastBin) {
  // AutoFormer-S with 14 blocks: the patch convolution, four layers a block, the head.
  EXPECT_EQ(PercentileBin(4, 58), 0);
  EXPECT_EQ(PercentileBin(5, 58), 1);
  EXPECT_EQ(PercentileBin(56, 58), 9);
  EXPECT_EQ(PercentileBin(57, 58), 10);
  EXPECT_EQ(PercentileBin(0, 1), 10);
}

TEST(LayerWindowTest, EveryWindowReadsBackAsItself) {
  for (int first = 0; first < kPercentileBins; ++first) {
    for (int last = first; last < kPercentileBins; ++last) {
      const LayerWindow window{first, last};
      EXPECT_THAT(ParseLayerWindow(PrintLayerWindow(window)), IsOkAndHolds(window));
    }
  }
  EXPECT_EQ(PrintLayerWindow(Window(30, 60)), "p30-p60");
  EXPECT_EQ(PrintLayerWindow(Window(0, 100)), "whole");
  EXPECT_THAT(ParseLayerWindow("p0-p100"), IsOkAndHolds(LayerWindow{}));
}

TEST(LayerWindowTest, OtherTextsAreRefused) {
  for (const char* text : {"", "p30", "p30-", "p30-p", "30-60", "p60-p30", "p35-p60", "p30-p65", "p30-p110", "p030-p60",
                           "p30-p60 ", "p30-p600", "-p30", "Whole", "p30..p60", "p-10-p30"}) {
    EXPECT_THAT(ParseLayerWindow(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("as p30-p60"))) << text;
  }
}

TEST(LayersInTest, AreThoseOfTheBins) {
  EXPECT_EQ(LayersIn({}, 58), (LayerRange{0, 57}));
  EXPECT_EQ(LayersIn(Window(30, 60), 58), (LayerRange{17, 39}));  // 18 / 58 = .31, 40 / 58 = .69
  EXPECT_EQ(LayersIn(Window(0, 0), 58), (LayerRange{0, 4}));
  EXPECT_EQ(LayersIn(Window(100, 100), 58), (LayerRange{57, 57}));
  for (int depth = 1; depth <= 200; ++depth) {
    for (int first = 0; first < kPercentileBins; ++first) {
      for (int last = first; last < kPercentileBins; ++last) {
        const LayerRange range = LayersIn({first, last}, depth);
        ASSERT_TRUE(0 <= range.first && range.first <= range.last && range.last < depth);
        if (depth < kPercentileBins) continue;  // deeper networks have layers in every bin
        for (int index = 0; index < depth; ++index) {
          const int bin = PercentileBin(index, depth);
          ASSERT_EQ(range.first <= index && index <= range.last, first <= bin && bin <= last)
              << index << " of " << depth << " in " << PrintLayerWindow({first, last});
        }
      }
    }
  }
}

TEST(LayersInTest, AnEmptyWindowKeepsTheLayerNearestToItsMiddle) {
  // Three layers stand at 33.3, 66.7 and 100 percent.
  EXPECT_EQ(LayersIn(Window(0, 0), 3), (LayerRange{0, 0}));
  EXPECT_EQ(LayersIn(Window(40, 40), 3), (LayerRange{0, 0}));  // the middle is 45
  EXPECT_EQ(LayersIn(Window(40, 50), 3), (LayerRange{0, 0}));  // 50: the earlier of two
  EXPECT_EQ(LayersIn(Window(50, 50), 3), (LayerRange{1, 1}));  // 55
  EXPECT_EQ(LayersIn(Window(80, 80), 3), (LayerRange{2, 2}));  // 85
  EXPECT_EQ(LayersIn(Window(20, 40), 1), (LayerRange{0, 0}));
}

TEST(ProxiesOfTest, AreCanonicalTexts) {
  for (const LayerStatistic statistic : {LayerStatistic::kLogInverseSigma, LayerStatistic::kLogSigma}) {
    for (const std::string& text : ProxiesOf(statistic)) {
      const auto proxy = ParseProxyText(text);
      ASSERT_THAT(proxy, IsOk());
      EXPECT_EQ(PrintProxyText(*proxy), text);
    }
  }
  EXPECT_EQ(ProxiesOf(LayerStatistic::kLogInverseSigma)[0], "layer_log_inverse_sigma");
  EXPECT_EQ(ProxiesOf(LayerStatistic::kLogSigma)[10], "layer_log_sigma(bin=10)");
}

TEST(ProfileBinTest, IsMeanAndDeviationOverNetworks) {
  EXPECT_EQ(MakeProfileBin({}), ProfileBin{});
  EXPECT_EQ(MakeProfileBin(std::vector<double>{-2.5}), (ProfileBin{1, -2.5, 0}));
  EXPECT_EQ(MakeProfileBin(std::vector<double>{1, 2, 3, 6}), (ProfileBin{4, 3, std::sqrt(14.0 / 3)}));
  for (size_t n = 1; n < 50; ++n) EXPECT_EQ(MakeProfileBin(std::vector<double>(n, 3.1)).mean, 3.1);
}

// A mean of NaN is a bin without networks.
LayerProfile Profile(const std::array<double, kPercentileBins>& means) {
  LayerProfile profile;
  for (size_t b = 0; b < means.size(); ++b) {
    if (!std::isnan(means[b])) profile[b] = {.networks = 5, .mean = means[b], .deviation = 1};
  }
  return profile;
}

TEST(FindSpikeTest, FindsTheRunWithTheLargestArea) {
  struct Case {
    const char* what;
    std::array<double, kPercentileBins> means;
    LayerWindow window;
  };
  const Case cases[] = {
      {"one spike", {0, .1, -.1, 5, 6, 5, 0, .1, -.1, 0, .1}, Window(30, 50)},
      {"a narrow and high spike beats a wide and low one", {0, 9, 0, .1, 2, 2, 2, -.1, .1, 0, -.1}, Window(10, 10)},
      {"a wide and low spike beats a narrow one", {0, 5, 0, .1, 2, 2, 2, -.1, .1, 0, -.1}, Window(40, 60)},
      {"at the beginning", {7, 6, 0, .1, 0, -.1, 0, .1, 0, -.1, 0}, Window(0, 10)},
      {"the last layer alone", {0, .1, 0, -.1, 0, .1, 0, -.1, 0, .1, 4}, Window(100, 100)},
      {"a ramp: what is beyond the spread", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Window(100, 100)},
      {"values below zero", {-9, -8.9, -9, -4, -4, -9, -8.9, -9, -9.1, -9, -9}, Window(30, 40)},
      {"a drop is no spike", {0, .1, -.1, -50, -60, 0, 2, .1, -.1, 0, .1}, Window(60, 60)},
      {"the first of equal spikes", {0, 3, 0, 3, 0, 0, 0, 3, 0, 0, 0}, Window(10, 10)},
      {"no spread: whatever is above the median", {0, 0, 0, 0, 0, 1e-9, 0, 0, 0, 0, 0}, Window(50, 50)},
      {"a missing bin parts a spike", {0, .1, 5, kNone, 4, 4, 0, .1, -.1, 0, .1}, Window(40, 50)},
  };
  for (const Case& test : cases) EXPECT_EQ(FindSpike(Profile(test.means)), test.window) << test.what;
}

TEST(FindSpikeTest, WithoutASpikeTakesTheThreeHighestNeighbours) {
  struct Case {
    const char* what;
    std::array<double, kPercentileBins> means;
    LayerWindow window;
  };
  const double n = kNone;
  const Case cases[] = {
      {"all equal", {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, Window(0, 20)},
      {"all equal and negative", {-2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2}, Window(0, 20)},
      {"a step in the middle is within the spread", {0, 0, 0, 0, 0, .5, 1, 1, 1, 1, 1}, Window(60, 80)},
      {"one bin", {n, n, n, n, -3, n, n, n, n, n, n}, Window(40, 40)},
      {"two bins side by side", {n, n, n, n, n, n, 1, 2, n, n, n}, Window(60, 70)},
      {"two bins apart", {n, 1, n, n, n, n, n, 2, n, n, n}, Window(70, 70)},
      {"no three side by side", {1, 1, n, 0, 2, n, 2, n, 0, 0, n}, Window(0, 10)},
  };
  for (const Case& test : cases) EXPECT_EQ(FindSpike(Profile(test.means)), test.window) << test.what;
}

TEST(FindSpikeTest, NothingIsNoWindow) { EXPECT_EQ(FindSpike({}), std::nullopt); }

}  // namespace
}  // namespace zcbench
