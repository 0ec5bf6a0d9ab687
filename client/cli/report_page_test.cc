#include "client/cli/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "client/cli/charts.h"
#include "client/cli/published_figures.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

size_t Times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

pb::Correlation Entry(const std::string& a, const std::string& b, double rho) {
  pb::Correlation entry;
  entry.set_a(a);
  entry.set_b(b);
  entry.set_n(3);
  entry.set_left_out(1);
  entry.set_spearman(rho);
  entry.set_spearman_low(rho - 0.1);
  entry.set_spearman_high(rho + 0.1);
  entry.set_kendall(rho / 2);
  entry.set_seeds(1);
  return entry;
}

// Three architectures of NAS-Bench-201 with params and another proxy.
ReportCell MakeCell(const std::string& task, const std::string& proxy) {
  ReportCell cell{.space = "nasbench201", .task = task, .label = task, .accuracy = "accuracy:Truth/test"};
  cell.architectures = {"0_00_000", "1_00_000", "2_00_000"};
  cell.columns["params"] = {.values = {1, 2, 3}};
  cell.columns[proxy] = {.values = {3, 1, std::numeric_limits<double>::quiet_NaN()}, .seconds = 0.5};
  cell.truth = {50, 60, 70};
  cell.against = {Entry("params", cell.accuracy, 0.5), Entry(proxy, cell.accuracy, -0.25)};
  cell.pairs = {Entry("params", proxy, 0.125)};
  pb::Series& series = cell.series.emplace_back();
  series.set_space(cell.space);
  series.set_task(cell.task);
  series.set_proxy(proxy);
  series.set_version("1.1.1");
  series.set_seed(7);
  series.set_probe_batch(std::string(64, 'd'));
  series.set_numerics("cpu-test");
  series.set_finite(1);
  series.set_not_finite(1);
  return cell;
}

ReportData MakeData(const std::string& proxy) {
  ReportData data;
  data.request.command = "zcbench report --space nasbench201";
  data.made = absl::FromUnixSeconds(1'800'000'000);
  data.server.set_zcbench_version("9.9.9");
  data.cells = {MakeCell("cifar10", proxy), MakeCell("cifar100", proxy)};
  pb::SourceInfo& source = data.sources.emplace_back();
  source.set_source("Truth");
  source.set_licence("CC-BY-4.0");
  source.set_digest(std::string(64, 'e'));
  source.set_space("nasbench201");
  source.set_task("cifar10");
  source.set_metric("test");
  return data;
}

TEST(ReportPageTest, ShowsEverySectionAndWhereNumbersComeFrom) {
  const std::string page = WriteReport(MakeData("nwot"));
  EXPECT_EQ(Times(page, "<h2 id=\"s"), 10u);
  EXPECT_THAT(page, AllOf(HasSubstr("params (baseline)"), HasSubstr(">paper 0.77</text>"),
                          HasSubstr("Spearman \u22120.250, 95 % [\u22120.350, \u22120.150]"),
                          HasSubstr("n = 3, left out 1"), HasSubstr("NAS-Bench-Suite-Zero, NeurIPS 2022")));
  EXPECT_THAT(page, AllOf(HasSubstr("9.9.9"), HasSubstr("<pre>zcbench report --space nasbench201</pre>"),
                          HasSubstr("2027-01-15"), HasSubstr("CC-BY-4.0"), HasSubstr("cpu-test"),
                          HasSubstr("title=\"" + std::string(64, 'd') + "\"")));
  // One of three architectures is not finite, one is missing.
  EXPECT_THAT(page,
              HasSubstr("<td class=\"n\">1</td><td class=\"n\">1</td><td class=\"n\">0</td><td class=\"n\">1</td>"));
}

TEST(ReportPageTest, SaysWhatIsLeftOutAndWhichCommandComputesIt) {
  ReportData data = MakeData("nwot");
  const std::string page = WriteReport(data);
  EXPECT_THAT(page, HasSubstr("nasbench201 on cifar10, cifar100: no statistics of layers are stored; "
                              "<code>zcbench layers nasbench201 cifar10</code> for one, and likewise for the others"));
  EXPECT_THAT(page, HasSubstr("--proxies &#39;zico,lswag_lambda,lswag_psi,"));
  for (ReportCell& cell : data.cells) {
    cell.against.clear();
    cell.accuracy.clear();
    cell.skipped = "no accuracies of it are stored";
  }
  const std::string unjudged = WriteReport(data);
  EXPECT_EQ(Times(unjudged, "<h2 id=\"s"), 10u);
  EXPECT_THAT(unjudged, HasSubstr("zcbench import accuracies FILE --space nasbench201 --task cifar10</code>"));
  EXPECT_EQ(Times(unjudged, "id=\"figure"), 1u);  // between proxies
}

TEST(ReportPageTest, NamesAreTextAndNoMarkup) {
  const std::string hostile = "</title></style><script>alert(1)</script><img src=x onerror='a' \"b\">&";
  ReportData data = MakeData(hostile);
  data.request.command = hostile;
  data.server.set_zcbench_version(hostile);
  data.sources[0].set_source(hostile);
  data.sources[0].set_licence(hostile);
  for (ReportCell& cell : data.cells) {
    cell.label = cell.no_search = cell.no_libra = hostile;
    cell.accuracy = "accuracy:" + hostile;
    cell.series[0].set_proxy(hostile);
    cell.series[0].set_numerics(hostile);
    pb::Combination& libra = cell.libra.emplace();
    pb::CombinedProxy& proxy = *libra.add_proxies();
    proxy.set_proxy(hostile);
    proxy.set_reason(hostile);
    libra.add_methods()->set_method(hostile);
    libra.set_note(hostile);
    libra.set_validation(hostile);
    cell.searches = {{.by = hostile,
                      .algorithm = hostile,
                      .curve = {{1, 50, 1}, {200, 60, 1}},
                      .random = {{1, 50, 1}},
                      .refills = 0.75}};
  }
  const std::string page = WriteReport(data);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("<img"))));
  EXPECT_EQ(Times(page, "Up to 75 % of the steps of evolution were random"), 2u);
  // Every "<" begins an element that the page itself makes.
  const std::regex element("<(/?[a-zA-Z0-9]+|!DOCTYPE)[ >/]");
  const auto begin = std::sregex_iterator(page.begin(), page.end(), element);
  EXPECT_EQ(static_cast<size_t>(std::distance(begin, std::sregex_iterator())), Times(page, "<"));
}

TEST(ReportPageTest, TheFileNeedsNoOther) {
  const std::string page = WriteReport(MakeData("nwot"));
  for (const char* const outside :
       {"<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "http://", "https://"}) {
    std::string text = page;
    // The name of SVG is no address.
    for (size_t at; (at = text.find("http://www.w3.org/2000/svg")) != std::string::npos;) text.erase(at, 26);
    EXPECT_THAT(text, Not(HasSubstr(outside)));
  }
}

TEST(ChooseAccuracyTest, PrefersValidationThenTest) {
  EXPECT_EQ(ChooseAccuracy({"A/other", "B/test", "C/validation"}), "C/validation");
  EXPECT_EQ(ChooseAccuracy({"A/other", "B/test"}), "B/test");
  EXPECT_EQ(ChooseAccuracy({"A/other", "A/third"}), "A/other");
  EXPECT_EQ(ChooseAccuracy({}), "");
}

TEST(CloudTest, ManyPointsAreHexagonsThatHoldThemAll) {
  Cloud cloud{.title = "t"};
  for (int i = 0; i < 6000; ++i) {
    cloud.x.push_back(i % 77);
    cloud.y.push_back(i % 91);
  }
  cloud.x[5] = std::nan("");
  const std::string svg = DrawCloud(cloud);
  EXPECT_EQ(Times(svg, "<g class=\"points\">"), 0u);
  const std::regex title("<title>(\\d+)</title>");
  int sum = 0;
  for (std::sregex_iterator match(svg.begin(), svg.end(), title); match != std::sregex_iterator(); ++match) {
    sum += std::stoi((*match)[1]);
  }
  EXPECT_EQ(sum, 5999);
}

TEST(CloudTest, FewPointsAreDrawnEachAndOutliersRuleNoAxis) {
  Cloud cloud{.x_axis = "zen", .title = "t"};
  for (int i = 0; i < 1000; ++i) {
    cloud.x.push_back(i);
    cloud.y.push_back(i);
  }
  EXPECT_THAT(DrawCloud(cloud), AllOf(Not(HasSubstr("(rank)")), Not(HasSubstr("(logarithmic)"))));
  EXPECT_EQ(Times(DrawCloud(cloud), "h0"), 1000u);
  cloud.x[3] = 1e9;  // and 0 is among them, so no logarithm
  EXPECT_THAT(DrawCloud(cloud), HasSubstr("zen (rank)"));
  for (double& x : cloud.x) x = std::exp(x / 50);
  cloud.x[3] = 1;
  EXPECT_THAT(DrawCloud(cloud), HasSubstr("zen (logarithmic)"));
  EXPECT_EQ(DrawCloud({.x = {std::nan("")}, .y = {1}}), "");
}

TEST(CostsTest, OnlyWhatNothingCheaperReachesIsFilled) {
  const std::string svg = DrawCosts({{"fast", 0.1, 0.5}, {"worse", 0.2, 0.4}, {"best", 3, 0.8}}, "seconds", "rho");
  EXPECT_EQ(Times(svg, "class=\"dot\""), 2u);
  EXPECT_EQ(Times(svg, "class=\"off\""), 1u);
  EXPECT_THAT(svg, AllOf(HasSubstr(">fast</text>"), HasSubstr(">worse</text>"), HasSubstr(">best</text>")));
}

TEST(PublishedFiguresTest, AreThoseOfThePapers) {
  EXPECT_THAT(PublishedSpearman("nwot", "nasbench201", "cifar100"), Optional(0.80));
  EXPECT_THAT(PublishedSpearman("plain", "transnas_macro", "segmentsemantic"), Optional(0.00));
  EXPECT_EQ(PublishedSpearman("lswag", "nasbench201", "cifar100"), std::nullopt);
  EXPECT_EQ(PublishedSpearman("nwot", "autoformer_small", "imagenet"), std::nullopt);
  EXPECT_THAT(PublishedCombined("LIBRA, rank_sum", "darts", "cifar10"), Optional(0.74));
  EXPECT_THAT(PublishedCombined("az_nas, log_rank", "nasbench101", "cifar10"), Optional(0.54));
  EXPECT_THAT(PublishedCombined("tcet_snip", "transnas_macro", "class_object"), Optional(0.49));
  EXPECT_EQ(PublishedCombined("params", "darts", "cifar10"), std::nullopt);
  ASSERT_EQ(PublishedAblations().size(), 8u);
  EXPECT_THAT(PublishedAblationSpearman(7, "transnas_macro", "normal"), Optional(0.84));
  EXPECT_THAT(PublishedAblationSpearman(0, "transnas_macro", "jigsaw"), Optional(0.05));
  EXPECT_EQ(PublishedAblationSpearman(8, "nasbench201", "cifar10"), std::nullopt);
  EXPECT_THAT(PublishedChoice("bias matching", "transnas_micro", "class_scene"), Optional(0.79));
  for (const auto& names : {std::vector<const char*>(std::begin(kPublishedSeconds), std::end(kPublishedSeconds)),
                            std::vector<const char*>(std::begin(kPublishedThirds), std::end(kPublishedThirds))}) {
    for (const char* const name : names) EXPECT_TRUE(PublishedChoice(name, "darts", "cifar10").has_value()) << name;
  }
}

}  // namespace
}  // namespace zcbench
