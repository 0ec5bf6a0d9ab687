#include "base/metrics_page/metrics_page.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <exception>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace zcbench {
namespace {

constexpr size_t kThreads = 2;  // so that a reader that stops does not keep another from the page

prometheus::ClientMetric ToClientMetric(const Metric& metric, const Sample& sample) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : sample.labels) out.label.push_back({name, value});
  switch (metric.type) {
    case MetricType::kCounter:
      out.counter.value = sample.value;
      break;
    case MetricType::kGauge:
      out.gauge.value = sample.value;
      break;
    case MetricType::kHistogram:
      for (size_t i = 0; i < sample.buckets.size(); ++i) {
        out.histogram.sample_count += sample.buckets[i];
        out.histogram.bucket.push_back(
            {.cumulative_count = out.histogram.sample_count,
             .upper_bound = i < metric.bounds.size() ? metric.bounds[i] : std::numeric_limits<double>::infinity()});
      }
      out.histogram.sample_sum = sample.sum;
      break;
  }
  return out;
}

class Collected final : public prometheus::Collectable {
 public:
  explicit Collected(std::function<std::vector<Metric>()> collect) : collect_(std::move(collect)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    for (const Metric& metric : collect_()) {
      prometheus::MetricFamily& family = families.emplace_back();
      family.name = metric.name;
      family.help = metric.help;
      family.type = metric.type == MetricType::kCounter ? prometheus::MetricType::Counter
                    : metric.type == MetricType::kGauge ? prometheus::MetricType::Gauge
                                                        : prometheus::MetricType::Histogram;
      for (const Sample& sample : metric.samples) family.metric.push_back(ToClientMetric(metric, sample));
    }
    return families;
  }

 private:
  const std::function<std::vector<Metric>()> collect_;
};

class Page final : public MetricsPage {
 public:
  Page(const std::string& host, const std::string& port, std::function<std::vector<Metric>()> collect)
      : collected_(std::make_shared<Collected>(std::move(collect))), exposer_(absl::StrCat(host, ":", port), kThreads) {
    exposer_.RegisterCollectable(collected_);
    address_ = absl::StrCat(host, ":", exposer_.GetListeningPorts().at(0));
  }

  const std::string& address() const override { return address_; }

 private:
  std::shared_ptr<Collected> collected_;
  prometheus::Exposer exposer_;
  std::string address_;
};

// Host and port; the host is empty when the address is none.
std::pair<std::string, std::string> Split(std::string_view address) {
  const size_t colon = address.rfind(':');
  const std::string port(colon == std::string_view::npos ? address : address.substr(colon + 1));
  int number = -1;
  if (!absl::SimpleAtoi(port, &number) || number < 0 || number > 65535) return {};
  return {colon == std::string_view::npos ? "127.0.0.1" : std::string(address.substr(0, colon)), port};
}

}  // namespace

std::string CheckMetricsAddress(const std::string& address) {
  if (!Split(address).first.empty()) return "";
  return absl::StrCat("`", address, "`: expected a port, as 9464, or HOST:PORT; port 0 takes a free one");
}

absl::StatusOr<std::unique_ptr<MetricsPage>> MetricsPage::Serve(std::string_view address,
                                                                std::function<std::vector<Metric>()> collect) {
  const auto [host, port] = Split(address);
  if (host.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics-port: ", CheckMetricsAddress(std::string(address))));
  }
  try {
    return std::make_unique<Page>(host, port, std::move(collect));
  } catch (const std::exception&) {  // the library's, which does not say why
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", host, ":", port,
                                               ": the port is in use, or the address is not this machine's; give "
                                               "another --metrics-port"));
  }
}

}  // namespace zcbench
