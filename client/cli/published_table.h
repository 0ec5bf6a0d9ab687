// Published tables of scores and accuracies, read row by row; memory does not grow with the file. Recognised by
// content:
//
//   CSV with a header. The architecture stands in the column `architecture`, `arch_str` or `code`, in any notation of
//   the
//     space. Accuracies: `c10_test` and the like of NAS-Bench-201 tables (c10, c100, im), `TASK_test_best`,
//     `TASK_val_last` and the like of TransNAS-Bench-101 tables, `accuracy`. `zen_TASK`, `synflow_TASK`, `epe_TASK`:
//     scores of that task. Every other column that is named as a proxy may be: its scores.
//   JSON of NAS-Bench-Suite-Zero: {task: {architecture: {proxy: {"score": 1.5, "time": 0.1}, "val_accuracy": 93.1}}},
//   and
//     its partial files, lists of {"arch": ..., proxy: {...}}.
//   JSON of AutoFormer networks (ViT-Bench-101, OoD-ViT-NAS): a list, or an object, of {"arch" or "net_setting": {...}}
//   with
//     accuracies (`c100_base_acc`, `imagenet_super_acc`, `performance`, ...) and `params`.
//
// -1e8, NaN and infinities are scores that are not finite. `params` and `flops` are in millions, except in CSV with a
// column `architecture`, and come out as single ones. A published number of parameters is compared with the space's
// own: exactly where tables print all digits, else to the digits printed.
#ifndef ZCBENCH_CLIENT_CLI_PUBLISHED_TABLE_H_
#define ZCBENCH_CLIENT_CLI_PUBLISHED_TABLE_H_

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

inline constexpr double kPublishedNotFinite = -1e8;  // how NASLib writes NaN and infinities

struct PublishedScore {
  std::string proxy;            // canonical text
  std::optional<double> value;  // unset: not finite
  double seconds = 0;           // 0: unknown
};

// What a table says of one architecture on one task.
struct PublishedRow {
  std::string space;         // canonical name
  std::string task;          // likewise
  std::string architecture;  // canonical
  std::vector<PublishedScore> scores;
  std::vector<std::pair<std::string, double>> accuracies;  // metric ("test", "validation", ...), finite value
};

struct PublishedTableOptions {
  std::string space;              // canonical name; empty: as the table says
  std::string task;               // likewise; with a table of several tasks: only this one
  std::set<std::string> proxies;  // only these; empty: all
  bool check_parameters = true;   // against the space's count
};

struct PublishedTableNotes {
  uint64_t rows = 0;               // architectures on tasks
  uint64_t parameters_equal = 0;   // that were compared
  std::set<std::string> left_out;  // columns whose task zcbench does not know
};

// Hands every row to `receive`; an error of it ends the reading. INVALID_ARGUMENT names the file, the row and what is
// wrong, as a number of parameters that is not ours. NOT_FOUND: no such file.
absl::StatusOr<PublishedTableNotes> ReadPublishedTable(const std::string& file, const PublishedTableOptions& options,
                                                       const std::function<absl::Status(const PublishedRow&)>& receive);

// The task that a table calls `name` ("ImageNet16-120", "scifar100"). NOT_FOUND.
absl::StatusOr<std::string> FindPublishedTask(const std::string& name);
// How NAS-Bench-Suite-Zero calls a task of ours.
std::string NasBenchSuiteZeroTask(const std::string& task);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_PUBLISHED_TABLE_H_
