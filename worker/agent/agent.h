// The worker's agent: leases work units from the server, has its scorer compute them, and records the scores.
//
// Three threads that never wait for one another's work: one computes (the caller of Run), one keeps the session and the
// leases alive (Synchronize), one sends what the spool holds (RecordScores). A crash of the scorer costs the attempt it
// was in; a lost server costs nothing that was computed.
#ifndef ZCBENCH_WORKER_AGENT_AGENT_H_
#define ZCBENCH_WORKER_AGENT_AGENT_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "proto/server_file.h"
#include "worker/agent/backoff.h"
#include "worker/agent/probe_batches.h"
#include "worker/agent/scorer_process.h"
#include "worker/agent/spool.h"
#include "zcbench/v1/worker.pb.h"

namespace zcbench {

struct AgentOptions {
  // One of the two. `server` is the address of a server without TLS; the file (proto/server_file.h) is read again
  // whenever the server does not answer, since a server that was started again may listen elsewhere.
  std::string server;
  std::filesystem::path server_file;
  std::string name;                              // of the worker: [A-Za-z0-9_.:-]{1,64}
  std::string host;                              // kept with the scores
  std::vector<std::string> scorer;               // the command that starts it
  std::filesystem::path cache;                   // of probe batches
  absl::Duration give_up = absl::Minutes(10);    // without the server
  std::optional<absl::Duration> exit_when_idle;  // unset: waits for work for ever
  std::optional<absl::Time> available_until;     // when the machine goes away; unset: not known

  absl::Duration scorer_patience = absl::Minutes(2);        // until a started scorer says hello
  absl::Duration recording_patience = absl::Seconds(10);    // for what is unsent when a drained agent leaves
  absl::Duration shortest_pause = absl::Milliseconds(500);  // between tries: of calls, of starting the scorer
  absl::Duration longest_pause = absl::Seconds(30);
};

// What a worker has done since it was started. Thread-safe.
struct AgentCounters {
  Counter architectures_scored;
  Counter architectures_failed;  // errors, crashes and a lack of memory
  Counter scorer_crashes;
  Counter leases_lost;
  Counter calls_failed;                                                            // of the server, each try
  Histogram architecture_seconds{{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300}};  // by space and task
};

// How a worker stands at one moment.
struct AgentState {
  std::string state;  // idle, busy, draining
  uint64_t leases = 0;
  uint64_t spooled = 0;              // requests that the server has not acknowledged
  uint64_t device_memory_bytes = 0;  // 0: not known
  pid_t scorer = 0;                  // its process; 0: none runs
  std::optional<absl::Duration> walltime_left;
};

enum class AgentExit {
  kNoWorkLeft,         // idle for `exit_when_idle`, everything is recorded
  kStoppedEarly,       // drained, or the server was lost for `give_up`; what is unsent is in the spool
  kServerUnreachable,  // no session within `give_up`, or the server refused this worker
  kScorerUnusable,     // the scorer does not start
};

class Agent {
 public:
  Agent(AgentOptions options, std::unique_ptr<Spool> spool);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Works until it has a reason to leave, which is logged. Once. The calling thread must not be one that ends before
  // the process is meant to lose its scorer.
  AgentExit Run();

  // Thread-safe: finish the architecture in hand, record it, give back the rest, and let Run() return.
  void Drain();

  // Thread-safe, before and while Run() runs.
  const AgentCounters& counters() const { return counters_; }
  AgentState state() const;

 private:
  enum class Stop {
    kNo,
    kFinishHeld,  // the server's wish: nothing new
    kReturnHeld,  // Drain()
  };
  // Two kinds of calls, of which one may fail while the other gets through.
  enum Contact { kSession, kScores };
  struct HeldUnit {
    int32_t attempt = 0;
    uint32_t done = 0;     // architectures
    bool closing = false;  // the request that closes it is in the spool
  };
  class UnitReport;

  // The computing thread.
  absl::Status StartScorer();
  AgentExit Work();
  std::optional<v1::Lease> NextLease(AgentExit& reason);
  void ScoreUnit(const v1::Lease& lease);
  v1::LeaseOutcome ScoreItems(const v1::Lease& lease, UnitReport& report);
  absl::StatusOr<v1::ArchitectureResult> ScoreItem(const v1::Lease& lease, int index, const std::vector<int>& missing);
  absl::Status GiveProbeBatchToScorer(const std::string& digest);
  void Record(v1::RecordScoresRequest request);
  // Gives back what is not begun, once the server has heard that a drained worker takes nothing more.
  void ReturnQueue();
  std::string VersionOf(const std::string& proxy, const std::string& space) const;

  // The session's thread.
  void KeepSession();
  absl::Status OpenSession();
  // When to call again, counted from the start of this call.
  absl::StatusOr<absl::Duration> Synchronize();

  // The recording thread.
  void SendScores();

  // Shared.
  absl::Status ReadServerAddress();
  std::shared_ptr<grpc::Channel> channel();
  void Reached(Contact contact, const char* call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Failed(Contact contact, const char* call, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  bool GaveUp() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for `pause`; true when the end, or with `until_drained` Drain(), came before.
  bool Pause(absl::Duration pause, bool until_drained) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetScorerPid(pid_t pid) ABSL_LOCKS_EXCLUDED(mutex_);

  const AgentOptions options_;
  const std::unique_ptr<Spool> spool_;
  const ProbeBatchCache cache_;
  const int drain_event_;  // an eventfd: readable once Drain() was called

  // The computing thread's.
  std::unique_ptr<ScorerProcess> scorer_;
  std::deque<std::string> scorers_batches_;  // the digests that the scorer holds, oldest first
  Backoff scorer_backoff_;
  v1::OpenSessionRequest announcement_;  // unchanged once the threads run

  AgentCounters counters_;

  mutable Mutex mutex_;
  CondVar changed_;  // anything below
  ServerFile server_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  Stop stop_ ABSL_GUARDED_BY(mutex_) = Stop::kNo;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // the other threads return
  std::string session_ ABSL_GUARDED_BY(mutex_);
  absl::Duration heartbeat_ ABSL_GUARDED_BY(mutex_);
  // Leases until the server has acknowledged that they are closed, by unit.
  std::map<int64_t, HeldUnit> held_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Lease> queue_ ABSL_GUARDED_BY(mutex_);  // not begun
  bool computing_ ABSL_GUARDED_BY(mutex_) = false;
  pid_t scorer_pid_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t device_memory_ ABSL_GUARDED_BY(mutex_) = 0;
  bool synchronize_now_ ABSL_GUARDED_BY(mutex_) = false;  // there is news for the server
  std::optional<absl::Time> idle_since_ ABSL_GUARDED_BY(mutex_);
  bool leaving_said_ ABSL_GUARDED_BY(mutex_) = false;  // the server has heard that nothing more is taken
  bool no_work_left_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Time> failing_since_[2] ABSL_GUARDED_BY(mutex_);    // by Contact
  grpc::ClientContext* synchronizing_ ABSL_GUARDED_BY(mutex_) = nullptr;  // the call under way
  grpc::ClientContext* recording_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_AGENT_H_
