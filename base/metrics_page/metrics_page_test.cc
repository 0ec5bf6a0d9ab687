#include "base/metrics_page/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/metrics_page/read_page.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(MetricsPageTest, ShowsWhatIsCountedAtTheTimeOfTheScrape) {
  Counter leases;
  Histogram seconds({0.1, 1});
  const auto page = MetricsPage::Serve("0", [&] {
    return std::vector<Metric>{
        {.name = "zcbench_leases_total",
         .help = "Leases.",
         .type = MetricType::kCounter,
         .samples = {{.labels = {{"outcome", "returned"}}, .value = static_cast<double>(leases.value())}}},
        {.name = "zcbench_commit_seconds",
         .help = "Commits.",
         .type = MetricType::kHistogram,
         .bounds = seconds.bounds(),
         .samples = seconds.samples()}};
  });
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT((*page)->address(), AllOf(HasSubstr("127.0.0.1:"), Not(HasSubstr(":0"))));
  EXPECT_THAT(
      ReadPage((*page)->address()),
      AllOf(HasSubstr("# TYPE zcbench_leases_total counter"), HasSubstr("zcbench_leases_total{outcome=\"returned\"} 0"),
            HasSubstr("# TYPE zcbench_commit_seconds histogram"), Not(HasSubstr("zcbench_commit_seconds_count"))));
  leases.Add(3);
  for (const double observed : {0.1, 0.5, 7.0}) seconds.Observe(observed);
  EXPECT_THAT(ReadPage((*page)->address()),
              AllOf(HasSubstr("zcbench_leases_total{outcome=\"returned\"} 3"),
                    HasSubstr("zcbench_commit_seconds_bucket{le=\"0.1\"} 1"),
                    HasSubstr("zcbench_commit_seconds_bucket{le=\"1\"} 2"),
                    HasSubstr("zcbench_commit_seconds_bucket{le=\"+Inf\"} 3"),
                    HasSubstr("zcbench_commit_seconds_count 3"), HasSubstr("zcbench_commit_seconds_sum 7.6")));
}

TEST(MetricsPageTest, AnAddressThatIsTakenOrNoneIsNamed) {
  const auto none = [] { return std::vector<Metric>(); };
  const auto page = MetricsPage::Serve("127.0.0.1:0", none);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(MetricsPage::Serve((*page)->address(), none).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr((*page)->address())));
  for (const char* wrong : {"", "x", "70000", "127.0.0.1:", ":9464", "host:x"}) {
    EXPECT_THAT(MetricsPage::Serve(wrong, none).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("`", wrong, "`"))));
    EXPECT_THAT(CheckMetricsAddress(wrong), Not(IsEmpty()));
  }
}

TEST(HistogramTest, EachSetOfLabelsHasItsOwn) {
  Histogram histogram({1, 2});
  histogram.Observe(1, {{"a", "x"}});
  histogram.Observe(2.5, {{"a", "y"}});
  histogram.Observe(1.5, {{"a", "y"}});
  const std::vector<Sample> samples = histogram.samples();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].buckets, (std::vector<uint64_t>{1, 0, 0}));
  EXPECT_EQ(samples[1].buckets, (std::vector<uint64_t>{0, 1, 1}));
  EXPECT_DOUBLE_EQ(samples[1].sum, 4);
}

}  // namespace
}  // namespace zcbench
