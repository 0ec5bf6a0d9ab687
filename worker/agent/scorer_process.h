// One `zcbench-scorer serve` as a child process, over a socket pair. A crash of LibTorch ends the child, never the
// agent.
#ifndef ZCBENCH_WORKER_AGENT_SCORER_PROCESS_H_
#define ZCBENCH_WORKER_AGENT_SCORER_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "zcbench/v1/scorer.pb.h"

namespace zcbench {

// Used by one thread, which must live as long as the object: the kernel kills the child when the thread that started it
// ends, so that no scorer outlives its agent. What the child prints is logged as `scorer: ...` while a call waits.
class ScorerProcess {
 public:
  // Runs `command` (the program's path, then its arguments) with its end of the socket pair as descriptor 3, and waits
  // until it has said hello. UNAVAILABLE: it could not be started, or died; says how. DEADLINE_EXCEEDED: no hello
  // within `patience`. CANCELLED: `interrupt`, a descriptor, became readable (-1: never).
  static absl::StatusOr<std::unique_ptr<ScorerProcess>> Start(const std::vector<std::string>& command,
                                                              absl::Duration patience, int interrupt = -1);

  // Closes the socket pair, which ends an idle scorer, and kills one that is still there after a second.
  ~ScorerProcess();
  ScorerProcess(const ScorerProcess&) = delete;
  ScorerProcess& operator=(const ScorerProcess&) = delete;

  const v1::ScorerHello& hello() const { return hello_; }
  pid_t pid() const { return pid_; }

  // Both: UNAVAILABLE: the scorer died, e.g. "the scorer was killed by signal 11 (SIGSEGV)"; the object is of no
  // further use. INVALID_ARGUMENT: the request is larger than a frame. INTERNAL: the scorer refused it, with its
  // reason; it goes on.
  absl::Status LoadProbeBatch(const std::string& digest, std::string content);
  absl::StatusOr<v1::ArchitectureResult> Score(const v1::ScoreArchitecture& request);

 private:
  ScorerProcess() = default;

  absl::StatusOr<v1::ScorerResponse> Call(const v1::ScorerRequest& request);
  absl::StatusOr<v1::ScorerResponse> ReadResponse(absl::Time deadline, int interrupt);
  // Logs what has come from the child's standard error; does not wait.
  void PumpOutput();
  void LogLine(std::string line);
  // True when the child has ended by `deadline`.
  bool WaitForExit(absl::Time deadline);
  // Ends the child if need be and says how it ended: UNAVAILABLE.
  absl::Status Died(const absl::Status& stream);

  pid_t pid_ = -1;
  int process_ = -1;  // a pidfd: readable when the child has ended
  int socket_ = -1;
  int output_ = -1;  // its standard output and error
  bool ended_ = false;
  std::string partial_line_;
  std::string last_words_;  // the last line since the last request
  v1::ScorerHello hello_;
};

// "exited with status 3", "was killed by signal 11 (SIGSEGV)", "was killed by signal 9 (SIGKILL), probably out of
// memory".
std::string DescribeExit(int wait_status);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_SCORER_PROCESS_H_
