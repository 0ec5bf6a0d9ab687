// Messages on a stream socket between the agent and its scorer: a uint32 length, little-endian, and that many bytes of
// one Protobuf message. Blocking, restarted after signals.
#ifndef ZCBENCH_WORKER_AGENT_FRAMES_H_
#define ZCBENCH_WORKER_AGENT_FRAMES_H_

#include <google/protobuf/message_lite.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

// A probe batch is the largest message: 445 images of 224 x 224.
inline constexpr size_t kMaxFrameBytes = size_t{64} << 20;

// INVALID_ARGUMENT: the message is larger than kMaxFrameBytes; nothing was written. UNAVAILABLE: the other side is
// gone.
absl::Status WriteFrame(int socket, const google::protobuf::MessageLite& message);

// False when the other side closed the stream between two frames; `message` is then unchanged.
// UNAVAILABLE: it ended within a frame, i.e. the other side died. DATA_LOSS: a length above kMaxFrameBytes, or bytes
// that are no such message; the stream is of no further use.
absl::StatusOr<bool> ReadFrame(int socket, google::protobuf::MessageLite& message);

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_FRAMES_H_
