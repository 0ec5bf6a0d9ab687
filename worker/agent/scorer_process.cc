#include "worker/agent/scorer_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "worker/agent/frames.h"

namespace zcbench {
namespace {

constexpr int kScorerSocket = 3;  // what `--fd 3` of the command says
constexpr absl::Duration kExitPatience = absl::Seconds(1);

absl::Status SystemError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// Milliseconds for poll(), rounded up, so that a deadline has passed when it returns 0.
int Until(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return -1;
  const int64_t ms = absl::ToInt64Milliseconds(deadline - absl::Now() + absl::Milliseconds(1));
  return static_cast<int>(std::clamp<int64_t>(ms, 0, 1 << 30));
}

// Between fork and exec of a process with threads: only calls that are safe in a signal handler.
[[noreturn]] void BecomeScorer(const char* path, char* const* arguments, pid_t agent, int socket, int output,
                               int errors) {
  // The socket may be any number, also that of a target: move the ones still needed out of the way first.
  socket = ::fcntl(socket, F_DUPFD_CLOEXEC, 10);
  output = ::fcntl(output, F_DUPFD_CLOEXEC, 10);
  errors = ::fcntl(errors, F_DUPFD_CLOEXEC, 10);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::dup2(socket, kScorerSocket);
  // gRPC's and other libraries' descriptors stay here; a kernel without this call keeps what they marked themselves.
  ::syscall(SYS_close_range, kScorerSocket + 1, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
  // Its own group: Ctrl-C in a terminal drains the agent and must not kill what it still computes.
  ::setpgid(0, 0);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == agent) ::execv(path, arguments);  // else the agent died before prctl
  const int reason = errno;
  [[maybe_unused]] const ssize_t told = ::write(errors, &reason, sizeof(reason));
  ::_exit(127);
}

}  // namespace

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* name = ::sigabbrev_np(signal);
    std::string text = absl::StrCat("was killed by signal ", signal);
    if (name != nullptr) absl::StrAppend(&text, " (SIG", name, ")");
    if (signal == SIGKILL) absl::StrAppend(&text, ", probably out of memory");
    return text;
  }
  return absl::StrCat("exited with status ", WEXITSTATUS(wait_status));
}

absl::StatusOr<std::unique_ptr<ScorerProcess>> ScorerProcess::Start(const std::vector<std::string>& command,
                                                                    absl::Duration patience, int interrupt) {
  ZCB_CHECK(!command.empty());
  const absl::Time deadline = absl::Now() + patience;
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  std::unique_ptr<ScorerProcess> scorer(new ScorerProcess);
  int sockets[2], output[2], errors[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return SystemError("socketpair");
  scorer->socket_ = sockets[0];
  if (::pipe2(output, O_CLOEXEC) != 0) {
    ::close(sockets[1]);
    return SystemError("pipe");
  }
  scorer->output_ = output[0];
  ::fcntl(output[0], F_SETFL, O_NONBLOCK);
  if (::pipe2(errors, O_CLOEXEC) != 0) {
    ::close(sockets[1]);
    ::close(output[1]);
    return SystemError("pipe");
  }
  const pid_t agent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) BecomeScorer(command[0].c_str(), arguments.data(), agent, sockets[1], output[1], errors[1]);
  const int fork_errno = errno;
  ::close(sockets[1]);
  ::close(output[1]);
  ::close(errors[1]);
  if (pid < 0) {
    ::close(errors[0]);
    return absl::UnavailableError(absl::StrCat("cannot start the scorer: fork: ", std::strerror(fork_errno)));
  }
  scorer->pid_ = pid;
  scorer->process_ = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  int exec_errno = 0;
  ssize_t told;
  do {
    told = ::read(errors[0], &exec_errno, sizeof(exec_errno));  // ends when exec closes the other end
  } while (told < 0 && errno == EINTR);
  ::close(errors[0]);
  if (told == sizeof(exec_errno)) {
    return absl::UnavailableError(
        absl::StrCat("cannot start the scorer ", command[0], ": ", std::strerror(exec_errno)));
  }
  if (scorer->process_ < 0) return SystemError("pidfd_open (Linux 5.3 or newer is needed)");

  ZCB_ASSIGN_OR_RETURN(v1::ScorerResponse response, scorer->ReadResponse(deadline, interrupt));
  if (!response.has_hello()) {
    return absl::UnavailableError(
        absl::StrCat(command[0], ": said something else than hello; is it a scorer of this build?"));
  }
  scorer->hello_ = std::move(*response.mutable_hello());
  return scorer;
}

ScorerProcess::~ScorerProcess() {
  if (socket_ >= 0) ::close(socket_);
  if (pid_ > 0 && !ended_) {
    if (!WaitForExit(absl::Now() + kExitPatience)) ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (output_ >= 0) {
    PumpOutput();
    if (output_ >= 0) ::close(output_);
  }
  if (process_ >= 0) ::close(process_);
}

absl::Status ScorerProcess::LoadProbeBatch(const std::string& digest, std::string content) {
  v1::ScorerRequest request;
  request.mutable_load()->set_digest(digest);
  request.mutable_load()->set_content(std::move(content));
  ZCB_ASSIGN_OR_RETURN(const v1::ScorerResponse response, Call(request));
  if (!response.has_accepted()) return absl::InternalError("the scorer did not answer that it has the probe batch");
  return absl::OkStatus();
}

absl::StatusOr<v1::ArchitectureResult> ScorerProcess::Score(const v1::ScoreArchitecture& score) {
  v1::ScorerRequest request;
  *request.mutable_score() = score;
  ZCB_ASSIGN_OR_RETURN(v1::ScorerResponse response, Call(request));
  if (!response.has_result()) return absl::InternalError("the scorer did not answer with a result");
  return std::move(*response.mutable_result());
}

absl::StatusOr<v1::ScorerResponse> ScorerProcess::Call(const v1::ScorerRequest& request) {
  if (ended_) return absl::UnavailableError("the scorer has died before");
  PumpOutput();
  last_words_.clear();
  if (const absl::Status sent = WriteFrame(socket_, request); !sent.ok()) {
    return absl::IsInvalidArgument(sent) ? sent : Died(sent);
  }
  ZCB_ASSIGN_OR_RETURN(v1::ScorerResponse response, ReadResponse(absl::InfiniteFuture(), -1));
  if (response.has_error()) {
    const auto code = static_cast<absl::StatusCode>(response.error().code());
    return absl::InternalError(absl::StrCat(absl::StatusCodeToString(code), ": ", response.error().message()));
  }
  return response;
}

absl::StatusOr<v1::ScorerResponse> ScorerProcess::ReadResponse(absl::Time deadline, int interrupt) {
  for (;;) {
    // poll() passes over negative descriptors.
    pollfd events[] = {{socket_, POLLIN, 0}, {output_, POLLIN, 0}, {interrupt, POLLIN, 0}};
    const int ready = ::poll(events, std::size(events), Until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return SystemError("poll");
    if (events[1].revents != 0) PumpOutput();
    if (events[0].revents != 0) break;  // the answer is written at once: reading it does not wait for a computation
    if (events[2].revents != 0) return absl::CancelledError("interrupted while waiting for the scorer");
    if (ready == 0) {
      return absl::DeadlineExceededError("the scorer said nothing for too long after it was started");
    }
  }
  v1::ScorerResponse response;
  const absl::StatusOr<bool> more = ReadFrame(socket_, response);
  if (more.ok() && *more) return response;
  return Died(more.ok() ? absl::UnavailableError("it closed its socket") : more.status());
}

void ScorerProcess::PumpOutput() {
  char buffer[4096];
  while (output_ >= 0) {
    const ssize_t count = ::read(output_, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
      ::close(output_);
      output_ = -1;
      if (!partial_line_.empty()) LogLine(std::exchange(partial_line_, {}));
      return;
    }
    for (ssize_t i = 0; i < count; ++i) {
      constexpr size_t kMaxLine = 4096;
      if (buffer[i] != '\n') partial_line_.push_back(buffer[i]);
      if (buffer[i] == '\n' || partial_line_.size() == kMaxLine) LogLine(std::exchange(partial_line_, {}));
    }
  }
}

void ScorerProcess::LogLine(std::string line) {
  if (line.empty()) return;
  // Its own log lines come as JSON, since it does not write to a terminal: keep their level, message and fields.
  LogLevel level = LogLevel::kInfo;
  if (const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
      json.is_object() && json.contains("message") && json["message"].is_string()) {
    line = json["message"].get<std::string>();
    for (const auto& [key, value] : json.items()) {
      if (key == "level" && value == "warning") level = LogLevel::kWarning;
      if (key == "level" && value == "error") level = LogLevel::kError;
      if (key == "time" || key == "level" || key == "message") continue;
      absl::StrAppend(&line, " ", key, "=", value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  Log(level, absl::StrCat("scorer: ", line));
  last_words_ = std::move(line);
}

bool ScorerProcess::WaitForExit(absl::Time deadline) {
  for (;;) {
    pollfd events[] = {{process_, POLLIN, 0}, {output_, POLLIN, 0}};
    const int ready = ::poll(events, std::size(events), Until(deadline));
    if (ready < 0 && errno != EINTR) return false;
    if (ready == 0) return false;
    if (ready < 0) continue;
    if (events[1].revents != 0) PumpOutput();  // it may wait for room to write
    if (process_ < 0 || events[0].revents != 0) return process_ >= 0;
  }
}

absl::Status ScorerProcess::Died(const absl::Status& stream) {
  std::string how;
  if (WaitForExit(absl::Now() + kExitPatience)) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    how = absl::StrCat("the scorer ", DescribeExit(status));
  } else {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    how = absl::StrCat("the scorer was ended because it could not be understood (", std::string(stream.message()), ")");
  }
  ended_ = true;
  PumpOutput();
  if (!partial_line_.empty()) LogLine(std::exchange(partial_line_, {}));
  if (!last_words_.empty()) absl::StrAppend(&how, "; it last said: ", last_words_.substr(0, 500));
  return absl::UnavailableError(how);
}

}  // namespace zcbench
