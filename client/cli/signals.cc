#include "client/cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/status_macros.h"

namespace zcbench {
namespace {

// Written by the handler; -1 while no Signals lives.
std::atomic<int> write_end{-1};

void Handle(int signal) {
  const int saved = errno;
  const unsigned char byte = static_cast<unsigned char>(signal);
  // A full pipe loses nothing that matters: whoever reads it is about to act on what is there.
  [[maybe_unused]] const ssize_t written = write(write_end.load(), &byte, 1);
  errno = saved;
}

}  // namespace

Signals::Signals(std::initializer_list<int> signals) : signals_(signals) {
  int ends[2];
  ZCB_CHECK(write_end.load() == -1 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  read_end_ = ends[0];
  write_end = ends[1];
  struct sigaction action = {};
  action.sa_handler = Handle;
  action.sa_flags = SA_RESTART;
  for (const int signal : signals_) sigaction(signal, &action, nullptr);
}

Signals::~Signals() {
  for (const int number : signals_) signal(number, SIG_DFL);
  close(read_end_);
  close(write_end.exchange(-1));
}

int Signals::Wait(absl::Duration timeout) {
  pollfd readable = {.fd = read_end_, .events = POLLIN, .revents = 0};
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const int64_t left = std::clamp<int64_t>(absl::ToInt64Milliseconds(deadline - absl::Now()), 0, 1 << 30);
    if (poll(&readable, 1, static_cast<int>(left)) > 0) break;
    if (absl::Now() >= deadline) return 0;
  }
  unsigned char byte = 0;
  return read(read_end_, &byte, 1) == 1 ? byte : 0;
}

}  // namespace zcbench
