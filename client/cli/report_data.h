// What a report shows: gathered from a server, which computes every statistic; nothing here is text or markup yet.
#ifndef ZCBENCH_CLIENT_CLI_REPORT_DATA_H_
#define ZCBENCH_CLIENT_CLI_REPORT_DATA_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cc/client.h"
#include "nas/search/search.h"

namespace zcbench {

// What is asked for.
struct ReportRequest {
  std::vector<int64_t> jobs{};  // a cell each; empty: every space and task that fits the filter
  pb::ScoreFilter filter{};     // of the columns; with jobs beside them
  std::string against{};        // an accuracy as of CorrelateRequest; empty: as ChooseAccuracy
  bool search = true;           // searches take seconds a cell
  std::string command{};        // the command line, for the page
};

// A column of scores, or an accuracy: a number for each architecture of the cell, NaN where there is none.
struct ReportColumn {
  std::vector<double> values{};
  double seconds = 0;  // mean of the architectures, of each its mean over the seeds; 0: none is stored
};

// Searches by one fitness.
struct ReportSearch {
  std::string by{};         // "nwot", "LIBRA: nwot + jacov + flops"
  std::string algorithm{};  // as NameOf; the other curve is random search
  std::vector<CurvePoint> curve{};
  std::vector<CurvePoint> random{};
  double refills = 0;  // share of the evaluations that were random for want of scored children
  double best = 0;     // the highest accuracy that any search could have found
};

// LIBRA with one of its rules changed, for table 4 of the paper.
struct ReportChoice {
  std::string how{};  // as kPublishedSeconds and kPublishedThirds
  pb::Combination combination{};
};

// One space and task, or one job: a column of the heat map.
struct ReportCell {
  std::string space{};
  std::string task{};
  std::string label{};  // of the column; differs from those of other cells
  pb::ScoreFilter filter{};
  std::vector<pb::Series> series{};

  std::string accuracy{};                     // `accuracy:SOURCE/METRIC`; empty: there is none
  std::string skipped{};                      // why there are no correlations
  std::vector<pb::Correlation> against{};     // of proxies and stored combinations with the accuracy
  std::vector<pb::Correlation> pairs{};       // of proxies with each other
  std::vector<std::string> smaller_better{};  // names of proxies without options

  std::vector<std::string> architectures{};
  std::map<std::string, ReportColumn> columns{};  // by proxy
  std::vector<double> truth{};                    // the accuracy, by architecture

  std::optional<pb::Combination> libra{};
  std::vector<ReportChoice> choices{};
  std::string no_libra{};  // why there is none
  std::vector<pb::LayerProfile> layers{};
  std::vector<ReportSearch> searches{};
  std::string no_search{};
};

struct ReportData {
  ReportRequest request{};
  absl::Time made{};
  pb::DescribeResponse server{};
  std::vector<ReportCell> cells{};
  std::vector<pb::Job> jobs{};
  std::vector<pb::SourceInfo> sources{};  // of the cells
};

// Of several accuracies `SOURCE/METRIC` the one to judge by: a metric `validation`, else `test`, else the first; "" of
// none.
std::string ChooseAccuracy(const std::vector<std::string>& names);

// `progress` is told what is being done, before it is, by one thread at a time. Errors as of the calls for what was
// asked; what one cell lacks is said in the cell.
absl::StatusOr<ReportData> GatherReport(Client& client, const ReportRequest& request,
                                        const std::function<void(const std::string&)>& progress);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_REPORT_DATA_H_
