#include "client/cli/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "client/cli/svg_plot.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

size_t Times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

HeatMap TwoByTwo() {
  return {.name = "map",
          .scale = "Spearman",
          .rows = {"params", "zico"},
          .columns = {"cifar10", "cifar100"},
          .groups = {"nasbench201", "nasbench201"},
          .cells = {{.value = 0.734, .published = 0.72, .hover = "n = 5"}, {.value = -1}, {.value = 1}, {}},
          .baseline_rows = 1};
}

TEST(HeatMapTest, EveryCellPrintsItsNumberInTheColourOfItsValue) {
  const std::string svg = DrawHeatMap(TwoByTwo());
  EXPECT_THAT(svg, AllOf(HasSubstr("<rect class=\"c17\""), HasSubstr(">0.73</text>"), HasSubstr(">paper 0.72</text>"),
                         HasSubstr("<title>n = 5</title>")));
  EXPECT_THAT(svg, AllOf(HasSubstr("<text class=\"c0\""), HasSubstr(">\u22121.00</text>"), HasSubstr(">1.00</text>")));
  EXPECT_EQ(Times(svg, "<rect class=\"none\""), 1u);  // undefined is no colour
  EXPECT_EQ(Times(svg, ">nasbench201</text>"), 1u);   // one heading over both
}

TEST(HeatMapTest, ValuesBeyondTheScaleTakeItsEnds) {
  HeatMap map = TwoByTwo();
  map.cells = {{.value = 1.0000001}, {.value = -1.0000001}, {.value = 0}, {.value = -0.001}};
  const std::string svg = DrawHeatMap(map);
  EXPECT_THAT(svg, AllOf(HasSubstr("<text class=\"c20\""), HasSubstr("<text class=\"c0\"")));
  EXPECT_EQ(Times(svg, ">0.00</text>"), 2u);  // and no minus before it
}

TEST(HeatMapTest, NamesAreTextAndNoMarkup) {
  HeatMap map = TwoByTwo();
  const std::string hostile = "\"><b>'&\x01";  // short, so that it is cut nowhere
  map.name = map.scale = map.rows[1] = map.columns[0] = map.groups[0] = map.cells[1].hover = hostile;
  const std::string svg = DrawHeatMap(map);
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, Not(HasSubstr("\x01")));
  EXPECT_EQ(Times(svg, "&quot;&gt;&lt;b&gt;&#39;&amp;\uFFFD"), 6u);
}

TEST(HeatMapTest, TextStandsOutFromEveryColour) {
  // Contrast of WCAG 2 between the ground and the text of each class, on light and on dark pages.
  const auto luminance = [](const std::string& colour) {
    double sum = 0;
    const double weights[] = {0.2126, 0.7152, 0.0722};
    for (size_t i = 0; i < 3; ++i) {
      const double c = std::stoi(colour.substr(2 * i, 2), nullptr, 16) / 255.0;
      sum += weights[i] * (c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
  };
  const std::string style = HeatMapStyle();
  const std::regex rule("rect\\.c\\d+ \\{ fill: #(\\w{6}) \\} \\.heat text\\.c\\d+ \\{ fill: #(\\w{6}) \\}");
  int rules = 0;
  for (std::sregex_iterator match(style.begin(), style.end(), rule); match != std::sregex_iterator();
       ++match, ++rules) {
    double ground = luminance((*match)[1]), text = luminance((*match)[2]);
    if (ground < text) std::swap(ground, text);
    EXPECT_GE((ground + 0.05) / (text + 0.05), 4.5) << (*match)[0];
  }
  EXPECT_EQ(rules, 42);
}

TEST(FittedTextTest, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(FittedText("params", 100), "params");
  const std::string cut = FittedText("\u03c1\u03c1\u03c1\u03c1\u03c1\u03c1\u03c1\u03c1", 40);
  EXPECT_EQ(cut, "\u03c1\u03c1\u03c1\u03c1\u2026");
  EXPECT_LE(TextWidth(cut), 40);
}

TEST(EscapedXmlTest, LeavesWhatIsNoMarkup) {
  EXPECT_EQ(EscapedXml("lswag(window=p30-p60), \u03c1 = 0.7\n"), "lswag(window=p30-p60), \u03c1 = 0.7\n");
}

}  // namespace
}  // namespace zcbench
