// What the command line says about a job.
#ifndef ZCBENCH_CLIENT_CLI_PROGRESS_H_
#define ZCBENCH_CLIENT_CLI_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "client/cli/table.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "zcbench/v1/job.pb.h"

namespace zcbench {

namespace pb = v1;

// "under 1 s", "45 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
std::string DurationText(absl::Duration duration);

// In the unit that gives a number of at least 1: "12.3/s", "8.5/min", "1.2/h".
std::string RateText(double per_second);

// "0.0 MiB", "120.5 MiB", "3.2 GiB".
std::string BytesText(uint64_t bytes);

// "out of memory", "crash", "error".
std::string FailureWord(pb::FailureKind kind);

// One line: done/total, rate, ETA, workers, failures by class; where there are some, conflicts and expired leases, and
// how long the oldest free unit has waited, once that is a minute; what the job waits for. `width` > 0 adds a bar when
// there is room and cuts the line to that many characters; 0 is for lines that are kept.
std::string ProgressText(const pb::Job& job, const std::vector<pb::Worker>& workers,
                         const std::vector<pb::Failure>& failures, int width);

// The same facts as one line of JSON: job, state, total, done, failed, leased, reused, rate (a second), eta_seconds,
// workers, failures (by class), conflicts, leases_expired, oldest_free_unit_seconds, waiting_for. null: not known.
std::string ProgressJson(const pb::Job& job, const std::vector<pb::Worker>& workers,
                         const std::vector<pb::Failure>& failures);

// How a job that has ended ended: "job 3 done: 48 of 48 in 12 s, 24 of them were there already".
std::string EndText(const pb::Job& job);

// A job as a row of a table.
std::vector<TableColumn> JobColumns();
std::vector<TableCell> JobRow(const pb::Job& job);

absl::Duration ToDuration(const google::protobuf::Duration& duration);
absl::Time ToTime(const google::protobuf::Timestamp& time);
// "24.0 GiB", "512 MiB".
std::string MemoryText(uint64_t bytes);
// "2026-11-24T07:35:20Z".
std::string TimestampText(const google::protobuf::Timestamp& time);

// While it lives, a line every `every`: "LIBRA: 4 s so far". For a call that tells nothing before it ends. `what` and
// `say` are called by a thread of its own.
class Waiting {
 public:
  explicit Waiting(std::function<std::string()> what, absl::Duration every = absl::Seconds(2),
                   std::function<void(const std::string&)> say = nullptr);  // nullptr: to standard error
  ~Waiting();
  Waiting(const Waiting&) = delete;

 private:
  void Run();

  const std::function<std::string()> what_;
  const absl::Duration every_;
  const std::function<void(const std::string&)> say_;
  Mutex mutex_;
  CondVar over_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_PROGRESS_H_
