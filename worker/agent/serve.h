// The scorer's side of scorer.proto.
#ifndef ZCBENCH_WORKER_AGENT_SERVE_H_
#define ZCBENCH_WORKER_AGENT_SERVE_H_

#include "worker/scoring_backend.h"

namespace zcbench {

// Says hello on `socket`, then answers one request after the other until the agent closes its end. Returns the
// process's exit code: 0 at that end, 70 when the stream is damaged (logged). Whatever the backend does to the process
// (abort, out of memory) is the agent's to notice.
int Serve(int socket, ScoringBackend& backend);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_SERVE_H_
