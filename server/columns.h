// Which columns of the benchmark a filter means, and their values.
#ifndef ZCBENCH_SERVER_COLUMNS_H_
#define ZCBENCH_SERVER_COLUMNS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "db/store.h"
#include "server/scheduler.h"
#include "zcbench/v1/query.pb.h"

namespace zcbench {

struct ColumnSelection {
  std::vector<SeriesInfo> series;  // by id
  // With a job: whether the architecture of this id belongs to it. Ids beyond the end do not.
  std::optional<std::vector<bool>> architectures;

  bool Has(ArchitectureId id) const {
    const size_t index = static_cast<size_t>(id);
    return !architectures.has_value() || (index < architectures->size() && (*architectures)[index]);
  }
};

// What ListSeries lists: every version and numerics class. NOT_FOUND: an unknown job, space, task or proxy.
absl::StatusOr<SeriesFilter> CheckFilter(Store& store, Scheduler& scheduler, const v1::ScoreFilter& filter);

// Of several versions of a column the newest. FAILED_PRECONDITION: a column has several numerics classes and the filter
// names none. `baseline`: params too, whether it is named or not.
absl::StatusOr<ColumnSelection> SelectColumns(Store& store, Scheduler& scheduler, const v1::ScoreFilter& filter,
                                              bool baseline = false);

// A number for each architecture of a table, NaN where there is none.
struct Variable {
  std::string name;
  std::vector<double> values{};
  uint32_t seeds = 1;
};

// Scores of one space and task, architecture by architecture.
struct VariableTable {
  std::string space;
  std::string task;
  std::vector<Variable> variables{};              // a proxy each, by name: the mean over its seeds
  std::unordered_map<int64_t, size_t> numbers{};  // of an architecture's id: its place in the values
};

// An architecture without a finite score for every seed of a proxy has no number there. NOT_FOUND: nothing was
// selected. FAILED_PRECONDITION: several spaces, tasks or probe batches of one seed. INVALID_ARGUMENT: it is too much.
absl::StatusOr<VariableTable> ReadVariables(Store& store, const ColumnSelection& selection);

const Variable* FindVariable(const std::vector<Variable>& variables, const std::string& name);  // nullptr: none

// The accuracy that `against` names (`accuracy`, or `accuracy:SOURCE/METRIC`) for the table's architectures.
// NOT_FOUND: no such accuracy. FAILED_PRECONDITION: there are several and none is named. INVALID_ARGUMENT: it names
// none.
absl::StatusOr<Variable> ReadAccuracy(Store& store, const VariableTable& table, const std::string& against);

// Of proxies by name without options: whether smaller scores rank better.
absl::StatusOr<std::set<std::string>> SmallerIsBetter(Store& store);
bool IsOneOf(const std::set<std::string>& names, const std::string& proxy);  // `proxy` with its options

// Rank correlations as CorrelateRequest says.
absl::StatusOr<v1::CorrelateResponse> Correlate(Store& store, Scheduler& scheduler,
                                                const v1::CorrelateRequest& request);
// As CorrelateTasksRequest says.
absl::StatusOr<v1::CorrelateTasksResponse> CorrelateTasks(Store& store, Scheduler& scheduler,
                                                          const v1::CorrelateTasksRequest& request);

// The source of a StreamScores: the dictionary, then column after column.
class ScoreStream {
 public:
  ScoreStream(Store& store, Scheduler& scheduler, const v1::ScoreFilter& filter)
      : store_(&store), scheduler_(&scheduler), filter_(filter) {}

  absl::StatusOr<bool> Next(v1::StreamScoresResponse& response);

 private:
  absl::Status Begin();

  Store* store_;
  Scheduler* scheduler_;
  v1::ScoreFilter filter_;
  bool begun_ = false;
  ColumnSelection selection_;
  std::vector<bool> used_;      // by architecture id: in the dictionary
  size_t dictionary_next_ = 0;  // id
  size_t column_ = 0;
  ArchitectureId column_after_{};
  bool column_begun_ = false;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_COLUMNS_H_
