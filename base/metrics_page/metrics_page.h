// The page that Prometheus scrapes: the one place that knows its library.
#ifndef ZCBENCH_BASE_METRICS_PAGE_METRICS_PAGE_H_
#define ZCBENCH_BASE_METRICS_PAGE_METRICS_PAGE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/metrics.h"

namespace zcbench {

class MetricsPage {
 public:
  // Serves http://`address`/metrics in the text format, with neither encryption nor token. `collect` runs in the page's
  // own two threads, once a scrape, and what it uses outlives the page. `address` is PORT, on 127.0.0.1, or HOST:PORT;
  // port 0 takes a free one. INVALID_ARGUMENT: it is neither. UNAVAILABLE: it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<MetricsPage>> Serve(std::string_view address,
                                                            std::function<std::vector<Metric>()> collect);
  // A scrape under way is finished first.
  virtual ~MetricsPage() = default;

  virtual const std::string& address() const = 0;  // "127.0.0.1:9464"
};

// "" when `address` is one that Serve understands, else what is wrong with it: a check for CLI11.
std::string CheckMetricsAddress(const std::string& address);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_METRICS_PAGE_METRICS_PAGE_H_
