// The rules of the queue: what a job is, which worker gets which work unit until when, what a lost attempt means, and
// when a job is done. Knows the store and the clock, not gRPC.
//
//   Expansion  A job is a row with a cursor; units are made when a worker asks, the next few only. A unit is a range of
//              one seed's architectures, about 30 s of work by the job's measured seconds an architecture, 1 at first.
//              Architectures whose every score is there already (for the asking worker's numerics class and versions)
//              are counted as reused and never leased.
//   Lease      (unit, attempt), renewed by Synchronize. Scores are recorded whenever they come and whoever sends them.
//   Lost       A lease that ran out, whose worker opened another session, or that was closed as CRASHED: a range with
//              several open architectures is halved, a single one is counted an attempt.
//   Failure    An architecture is tried three times; then it has failed for good and its job goes on without it. A
//              lease that was given back as planned counts nothing.
//   Shares     A worker's next lease comes from the job of the highest priority that has one for it; jobs of the same
//              priority take turns, and since a unit is about as long as any other, each gets the same time.
//   Audit      A job that computes scores which are there once more. Its units are leased to workers of the scores' own
//              numerics class, each to another worker than the one that computed them.
//   Restart    Everything but sessions is in the store. A worker hears NOT_FOUND and opens another session; its leases
//              are prolonged by one duration when the scheduler starts, so that it keeps them.
//
// Every method checks every field of its request: INVALID_ARGUMENT names the field. Every method may also answer
// UNAVAILABLE and DATA_LOSS of the store. Thread-safe; every method may block on the store.
#ifndef ZCBENCH_SERVER_SCHEDULER_H_
#define ZCBENCH_SERVER_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "db/store.h"
#include "server/job_plan.h"
#include "zcbench/v1/job.pb.h"
#include "zcbench/v1/worker.pb.h"

namespace zcbench {

// What the scheduler has done since it was made. Thread-safe.
struct SchedulerCounters {
  Counter leases_granted;
  Counter leases_completed;
  Counter leases_returned;  // by a planned stop
  Counter leases_crashed;
  Counter leases_expired;  // their worker was not heard of in time, or opened another session
  Counter scores_recorded;
  Counter scores_already_recorded;
  Counter scores_conflicting;
  Histogram architecture_seconds{{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300}};  // by space, task, device
};

// What there is to do, and who does it, at one moment.
struct QueueState {
  UnitCounts units{};
  uint64_t waiting_pairs = 0;                 // of running jobs, in no unit yet
  absl::Duration oldest_free{};               // the longest Job.oldest_free; 0: nothing is free
  std::map<std::string, uint64_t> workers{};  // by state: idle, busy, draining, lost
};

struct SchedulerOptions {
  absl::Duration lease_duration = absl::Minutes(1);
  absl::Duration unit_target = absl::Seconds(30);  // of computing
};

class Scheduler {
 public:
  // Both outlive the scheduler.
  static absl::StatusOr<std::unique_ptr<Scheduler>> Create(Store& store, const Clock& clock,
                                                           const SchedulerOptions& options = {});

  // Called from any thread, without a lock held, when a waiting worker may find something new. Set before the first
  // call of anything else.
  void SetWake(std::function<void()> wake) { wake_ = std::move(wake); }

  absl::StatusOr<v1::OpenSessionResponse> OpenSession(const v1::OpenSessionRequest& request);
  // Does not wait: nothing free, no leases. NOT_FOUND: the session has ended.
  absl::StatusOr<v1::SynchronizeResponse> Synchronize(const v1::SynchronizeRequest& request);
  // Frees the leases of an answer that could not be delivered, without a trace.
  void ReturnUnheard(const v1::SynchronizeResponse& response);
  absl::StatusOr<v1::RecordScoresResponse> RecordScores(const v1::RecordScoresRequest& request);
  // Whether some running job has a unit that nobody holds now. A worker may still get nothing, if it cannot compute it.
  absl::StatusOr<bool> HasWork();
  // Nothing is leased from now on; everything else goes on.
  void StopLeasing();

  absl::StatusOr<v1::CreateJobResponse> CreateJob(const v1::CreateJobRequest& request);
  absl::StatusOr<v1::GetJobResponse> GetJob(const v1::GetJobRequest& request);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request);
  absl::StatusOr<v1::ControlJobResponse> ControlJob(const v1::ControlJobRequest& request);
  absl::StatusOr<v1::ListFailuresResponse> ListFailures(const v1::ListFailuresRequest& request);
  absl::StatusOr<v1::RetryFailuresResponse> RetryFailures(const v1::RetryFailuresRequest& request);
  absl::StatusOr<v1::ListConflictsResponse> ListConflicts(const v1::ListConflictsRequest& request);
  absl::StatusOr<v1::ExplainJobResponse> ExplainJob(const v1::ExplainJobRequest& request);
  absl::StatusOr<v1::AuditJobResponse> AuditJob(const v1::AuditJobRequest& request);
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers();
  // NOT_FOUND names the nearest worker.
  absl::Status DrainWorker(const v1::DrainWorkerRequest& request);

  // NOT_FOUND: no such job.
  absl::StatusOr<std::shared_ptr<JobPlan>> GetPlan(JobId job);

  const SchedulerCounters& counters() const { return counters_; }
  absl::StatusOr<QueueState> DescribeQueue();

 private:
  // What a worker announced; never changes.
  struct Announcement {
    std::string session;
    Execution execution;
    std::map<std::string, std::string> spaces;  // name -> version
    std::map<std::string, KnownProxy> proxies;  // by name
    absl::Time available_until = absl::InfiniteFuture();
    uint64_t memory_bytes = 0;

    // "proxy.pass.space"; both must be held.
    std::string Version(const std::string& proxy, const std::string& space) const {
      return proxies.at(proxy).version + "." + spaces.at(space);
    }
  };
  // What was completed over the last minute.
  class Rate {
   public:
    void Add(absl::Time now, uint64_t count);
    // Architectures a second; `since`: when the first could have been begun. 0: none, or less than a second ago.
    double PerSecond(absl::Time now, absl::Time since) const;

   private:
    std::deque<std::pair<absl::Time, uint64_t>> completed_;
  };
  struct Session {
    std::shared_ptr<const Announcement> announced;
    v1::WorkerState state = v1::WORKER_STATE_IDLE;
    absl::Time opened;
    absl::Time last_seen;
    bool drain = false;
    uint64_t completed = 0;
    Rate rate;
    std::deque<double> seconds;               // of the last architectures
    std::map<int64_t, v1::WorkerLease> held;  // by unit
  };
  struct JobPace {
    double seconds = 0;                               // an architecture, smoothed; 0 = not known
    absl::Time first_lease = absl::UnixEpoch();       // of this run of the server; the epoch: none yet
    absl::Time waiting_since = absl::InfinitePast();  // its last lease, or when it could be leased again
    uint64_t expired = 0;                             // leases of this run of the server
    Rate rate;
  };
  struct Recording;

  Scheduler(Store& store, const Clock& clock, const SchedulerOptions& options)
      : store_(store), clock_(clock), options_(options), started_(clock.Now()) {}

  void Wake() const {
    if (wake_) wake_();
  }

  Session* FindSession(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // null: it has ended
  static bool CanCompute(const Announcement& worker, const JobPlan& plan);
  bool IsLive(const Session& session, absl::Time now) const {
    return now - session.last_seen <= options_.lease_duration;
  }

  absl::StatusOr<std::vector<v1::Lease>> Acquire(const Announcement& worker, int wanted);
  // Unset when the job has nothing for the worker now.
  absl::StatusOr<std::optional<v1::Lease>> AcquireFrom(JobId id, JobPlan& plan, const Announcement& worker);
  struct Expansion {
    uint64_t from = 0;  // the cursor at which it was planned
    uint64_t to = 0;
    uint64_t reused = 0;
    std::vector<WorkUnit> units{};  // none or one
  };
  // Looks at about `scan` positions from the cursor on.
  absl::StatusOr<Expansion> PlanExpansion(const Job& job, JobPlan& plan, const Announcement& worker, uint64_t scan);
  // Takes the leases that ran out from their workers.
  absl::Status Reap(JobPlan& plan, const std::vector<WorkUnit>& expired, absl::Time now);
  // Unset when it turns out that everything of the unit is complete; then it is gone.
  absl::StatusOr<std::optional<v1::Lease>> FillLease(const WorkUnit& unit, JobPlan& plan, const Announcement& worker);
  // The keys of the job's proxies for this worker and seed.
  absl::StatusOr<std::vector<SeriesKey>> Columns(const JobPlan& plan, const Announcement& worker, uint64_t seed);
  absl::StatusOr<std::string> ProbeBatchDigest(const JobPlan& plan, uint64_t seed);
  uint64_t UnitSize(JobId id, const JobPlan& plan, uint64_t remaining) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<Recording> CheckRecording(const v1::RecordScoresRequest& request);
  absl::Status RecordUnit(StoreWriter& writer, const v1::RecordScoresRequest& request, Recording& recording,
                          absl::Time now);

  absl::StatusOr<v1::Job> Describe(const Job& job);
  absl::StatusOr<Job> FindJob(int64_t id);              // 0: the newest
  static constexpr size_t kMaxResponseBytes = 900'000;  // of a list: a message holds 1 MiB
  // The columns that hold the job's scores, of every version and numerics class.
  absl::StatusOr<std::vector<SeriesInfo>> JobSeries(const JobPlan& plan);
  absl::StatusOr<uint64_t> CountConflicts(JobId job, const JobPlan& plan);
  // Since when what is free of the job has been waiting.
  absl::Time WaitingSince(const Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From now on, if it has something free.
  void BeginWaiting(JobId job) ABSL_LOCKS_EXCLUDED(mutex_);
  const char* StateOf(const Session& session, absl::Time now) const;

  Store& store_;
  const Clock& clock_;
  const SchedulerOptions options_;
  const absl::Time started_;
  std::function<void()> wake_;
  SchedulerCounters counters_;

  Mutex mutex_;
  bool leasing_ ABSL_GUARDED_BY(mutex_) = true;
  std::map<std::string, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);  // by worker
  std::unordered_map<std::string, std::string> workers_ ABSL_GUARDED_BY(mutex_);      // session -> worker
  std::map<JobId, std::shared_ptr<JobPlan>> plans_ ABSL_GUARDED_BY(mutex_);
  std::map<JobId, JobPace> pace_ ABSL_GUARDED_BY(mutex_);
  JobId last_served_ ABSL_GUARDED_BY(mutex_){};  // round robin over the jobs
  // The conflicts of a job's columns, as of so many conflicts recorded in all: a poll counts only what may have
  // changed.
  std::map<JobId, std::pair<uint64_t, uint64_t>> conflicts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_SCHEDULER_H_
