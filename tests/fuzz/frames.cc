// The stream between agent and scorer, read from either side until it ends.
#include "worker/agent/frames.h"

#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "zcbench/v1/scorer.pb.h"

namespace zcbench {
namespace {

template <typename Message>
void Read(std::string_view bytes) {
  int sockets[2];
  ZCB_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  ZCB_CHECK(send(sockets[0], bytes.data(), bytes.size(), MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size()));
  close(sockets[0]);
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    Message message;
    more = ReadFrame(sockets[1], message);
  }
  ZCB_CHECK(more.ok() || absl::IsUnavailable(more.status()) || absl::IsDataLoss(more.status()));
  close(sockets[1]);
}

}  // namespace

void Fuzz(std::string_view input) {
  constexpr size_t kSocketBuffer = 64 << 10;  // what is sent before anybody reads
  input = input.substr(0, kSocketBuffer);
  Read<v1::ScorerRequest>(input);
  Read<v1::ScorerResponse>(input);
}

}  // namespace zcbench
