// up, down, access: a server and workers on this machine, and who else may use it.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/process.h"
#include "client/cli/progress.h"
#include "client/cli/signals.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;

constexpr char kServerProgram[] = "zcbench-server";
constexpr char kWorkerProgram[] = "zcbench-worker";
constexpr char kOwnProgram[] = "zcbench";

constexpr absl::Duration kStartTime = absl::Minutes(1);    // until a started server has written its address
constexpr absl::Duration kDrainTime = absl::Minutes(5);    // for workers to finish an architecture
constexpr absl::Duration kInsistTime = absl::Seconds(10);  // after a second Ctrl-C
constexpr absl::Duration kServerStopTime = absl::Seconds(30);
constexpr absl::Duration kFirstPause = absl::Seconds(1);  // before a worker is started again; doubles
constexpr absl::Duration kLongestPause = absl::Minutes(1);
constexpr absl::Duration kHealthyTime = absl::Minutes(1);  // a worker that ran so long starts again at once
constexpr absl::Duration kPollStep = absl::Milliseconds(50);
constexpr int kMaxWorkers = 256;

// Why a program ended, in its own words: the last line that it wrote after `begin` of its log. Logs are JSON lines.
std::string LastWords(const std::string& log_file, size_t begin) {
  const absl::StatusOr<std::string> log = ReadFile(log_file);
  if (!log.ok() || log->size() <= begin) return "";
  const std::vector<std::string> lines = absl::StrSplit(log->substr(begin), '\n', absl::SkipWhitespace());
  if (lines.empty()) return "";
  if (constexpr std::string_view kSays = "zcbench-server: "; lines.back().starts_with(kSays)) {
    return lines.back().substr(kSays.size());
  }
  const nlohmann::json json = nlohmann::json::parse(lines.back(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("message") || !json["message"].is_string()) return lines.back();
  std::string words = json["message"];
  for (const auto& [key, value] : json.items()) {
    if (key == "message" || key == "time" || key == "level") continue;
    absl::StrAppend(&words, " ", key, "=", value.is_string() ? value.get<std::string>() : value.dump());
  }
  return words;
}

struct Plan {
  std::string store;              // absolute
  std::string server_file;        // absolute
  std::string shown_server_file;  // as given
  std::string listen;
  bool insecure = false;             // without TLS and tokens
  std::string metrics;               // the server's --metrics-port; empty: none
  std::vector<std::string> devices;  // one a worker
  int threads = 0;                   // of each worker; 0 = its own default
  std::string server_program;
  std::string worker_program;

  std::string LogOf(const std::string& name) const {
    return (fs::path(store).parent_path() / (name + ".log")).string();
  }
};

// Starts the server and the workers and looks after them until it is told to stop.
class Supervisor {
 public:
  explicit Supervisor(Plan plan) : plan_(std::move(plan)), signals_({SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
    for (size_t i = 0; i < plan_.devices.size(); ++i) {
      const std::string name = absl::StrCat(kWorkerProgram, "-", i + 1);
      Worker& worker = workers_.emplace_back();
      worker.name = name;
      worker.log = plan_.LogOf(name);
    }
  }

  // Every child has been stopped before an error comes back. CANCELLED: told to stop meanwhile.
  absl::Status Start() {
    ZCB_RETURN_IF_ERROR(StartServer());
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (const absl::Status status = StartWorker(i); !status.ok()) {
        Stop();
        return status;
      }
    }
    return absl::OkStatus();
  }

  std::string Report() const {
    std::string text = absl::StrCat("zcbench is up\n  server    ", server_.address, " (process ", server_.pid, ")\n");
    absl::StrAppend(&text, "  database  ", plan_.store, "\n");
    absl::StrAppend(&text, "  workers   ", workers_.size(), " (", absl::StrJoin(plan_.devices, ", "), ")\n");
    absl::StrAppend(&text, "  access    ",
                    plan_.insecure ? "no TLS, no tokens: every user of this machine"
                                   : absl::StrCat("TLS, tokens in ", plan_.server_file),
                    "\n");
    absl::StrAppend(&text, "  logs      ", plan_.LogOf("zcbench-*"), "\n");
    const bool is_default = plan_.server_file == fs::absolute(kDefaultServerFile).lexically_normal();
    absl::StrAppend(&text, "Ask for scores", is_default ? " from this folder" : "", ":\n  zcbench submit ",
                    is_default ? "" : absl::StrCat("--server ", plan_.shown_server_file, " "),
                    "--space nasbench201 --task photos --proxies all --count 24 --watch\n");
    return text;
  }

  // Until a signal or the server's end. The exit code.
  int Run() {
    for (;;) {
      const int signal = signals_.Wait(UntilNextStart());
      if (signal != 0 && signal != SIGCHLD) {
        Say("stopping: workers finish the architecture they compute (Ctrl-C again: now)");
        Stop();
        return kExitDone;
      }
      ReapWorkers();
      int status = 0;
      if (waitpid(server_.pid, &status, WNOHANG) == server_.pid) {
        Say(absl::StrCat("zcbench: the server ended with ", DescribeEnd(status), ": ",
                         LastWords(server_.log, server_.log_begin), " (see ", server_.log, ")"));
        server_.pid = 0;
        Stop();
        return kExitFailed;
      }
      StartDueWorkers();
    }
  }

 private:
  struct Server {
    pid_t pid = 0;
    std::string address;
    std::string log;
    size_t log_begin = 0;  // what an earlier server wrote
  };
  struct Worker {
    std::string name;
    std::string log;
    pid_t pid = 0;  // 0: not running
    absl::Time started;
    absl::Duration pause = kFirstPause;
    std::optional<absl::Time> start_at;  // set while it waits to be started again
  };

  absl::Status StartServer() {
    server_.log = plan_.LogOf(kServerProgram);
    std::error_code error;
    const auto size = fs::file_size(server_.log, error);
    server_.log_begin = error ? 0 : size;
    std::vector<std::string> command = {plan_.server_program, "--store",       plan_.store,      "--listen",
                                        plan_.listen,         "--server-file", plan_.server_file};
    if (plan_.insecure) command.push_back("--insecure");
    if (!plan_.metrics.empty()) command.insert(command.end(), {"--metrics-port", plan_.metrics});
    ZCB_ASSIGN_OR_RETURN(server_.pid, StartProcess(command, server_.log));
    const absl::Time deadline = absl::Now() + kStartTime;
    for (;;) {
      if (const auto file = ReadServerFile(plan_.server_file); file.ok() && file->pid == server_.pid) {
        server_.address = file->address;
        return absl::OkStatus();
      }
      int status = 0;
      if (waitpid(server_.pid, &status, WNOHANG) == server_.pid) {
        server_.pid = 0;
        const std::string words = LastWords(server_.log, server_.log_begin);
        return absl::InternalError(
            words.empty() ? absl::StrCat("the server ended with ", DescribeEnd(status), "; see ", server_.log) : words);
      }
      const int signal = signals_.Wait(kPollStep);
      if (signal != 0 && signal != SIGCHLD) {
        Stop();
        return absl::CancelledError("stopped while the server was starting");
      }
      if (absl::Now() > deadline) {
        Stop();
        return absl::DeadlineExceededError(
            absl::StrCat("the server has not answered for ", DurationText(kStartTime), "; see ", server_.log));
      }
    }
  }

  absl::Status StartWorker(size_t i) {
    Worker& worker = workers_[i];
    // The same name again ends the session of a crashed worker at once instead of after a lease; the spool lies beside
    // the database that its scores belong to.
    std::vector<std::string> command = {plan_.worker_program,
                                        "run",
                                        "--server-file",
                                        plan_.server_file,
                                        "--device",
                                        plan_.devices[i],
                                        "--name",
                                        WorkerName(i),
                                        "--spool",
                                        (fs::path(plan_.store).parent_path() / (worker.name + ".spool")).string()};
    if (plan_.threads > 0) command.insert(command.end(), {"--threads", absl::StrCat(plan_.threads)});
    ZCB_ASSIGN_OR_RETURN(worker.pid, StartProcess(command, worker.log));
    worker.started = absl::Now();
    worker.start_at.reset();
    return absl::OkStatus();
  }

  static std::string WorkerName(size_t i) {
    char host[256] = "local";
    gethostname(host, sizeof(host) - 1);
    std::string name = host;
    for (char& c : name) {
      if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '-';
    }
    return absl::StrCat(name.substr(0, 56), "-", i + 1);
  }

  void ReapWorkers() {
    for (Worker& worker : workers_) {
      int status = 0;
      if (worker.pid == 0 || waitpid(worker.pid, &status, WNOHANG) != worker.pid) continue;
      worker.pid = 0;
      if (WIFEXITED(status) && (WEXITSTATUS(status) == kExitDone || WEXITSTATUS(status) == kExitStopped)) {
        Say(absl::StrCat(worker.name, " has left (drained or without work)"));
        continue;
      }
      if (absl::Now() - worker.started >= kHealthyTime) worker.pause = kFirstPause;
      worker.start_at = absl::Now() + worker.pause;
      Say(absl::StrCat(worker.name, " ended with ", DescribeEnd(status), "; started again in ",
                       DurationText(worker.pause), " (see ", worker.log, ")"));
      worker.pause = std::min(worker.pause * 2, kLongestPause);
    }
  }

  absl::Duration UntilNextStart() const {
    absl::Duration wait = absl::Minutes(10);
    for (const Worker& worker : workers_) {
      if (worker.start_at.has_value()) wait = std::min(wait, *worker.start_at - absl::Now());
    }
    return std::max(wait, absl::Milliseconds(1));
  }

  void StartDueWorkers() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i].start_at.has_value() || *workers_[i].start_at > absl::Now()) continue;
      if (const absl::Status status = StartWorker(i); !status.ok()) {
        Say(absl::StrCat(workers_[i].name, ": ", status.message()));
        workers_[i].start_at = absl::Now() + workers_[i].pause;
      }
    }
  }

  // Workers first, so that they can record what they have; then the server.
  void Stop() {
    std::vector<pid_t> running;
    for (const Worker& worker : workers_) {
      if (worker.pid != 0) running.push_back(worker.pid);
    }
    StopAll(running, kDrainTime);
    for (Worker& worker : workers_) worker.pid = 0;
    if (server_.pid != 0) StopAll({server_.pid}, kServerStopTime);
    server_.pid = 0;
    // The server takes its file away; this is for one that was killed.
    const auto file = ReadServerFile(plan_.server_file);
    std::error_code ignored;
    if (file.ok() && file->address == server_.address && !ProcessRuns(file->pid, kServerProgram)) {
      fs::remove(plan_.server_file, ignored);
    }
  }

  // SIGTERM now and again when the user insists, SIGKILL when that does not help; until all have ended.
  void StopAll(std::vector<pid_t> running, absl::Duration patience) {
    const auto send = [&](int signal) {
      for (const pid_t pid : running) kill(pid, signal);
    };
    send(SIGTERM);
    absl::Time deadline = absl::Now() + patience;
    for (;;) {
      std::erase_if(running, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
      if (running.empty()) return;
      const int signal = signals_.Wait(absl::Seconds(1));
      if (absl::Now() > deadline) {
        send(SIGKILL);
      } else if (signal != 0 && signal != SIGCHLD) {
        send(SIGTERM);
        deadline = std::min(deadline, absl::Now() + kInsistTime);
      }
    }
  }

  const Plan plan_;
  Signals signals_;
  Server server_;
  std::vector<Worker> workers_;
};

// What was told to the process that waits for a detached supervisor: a status code and its message or the report.
void WriteOutcome(int fd, const absl::StatusOr<std::string>& outcome) {
  std::string bytes(1, static_cast<char>(outcome.status().code()));
  bytes += outcome.ok() ? *outcome : std::string(outcome.status().message());
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(fd, bytes.data() + done, bytes.size() - done);
    if (written <= 0) break;
    done += written;
  }
  close(fd);
}

absl::StatusOr<std::string> ReadOutcome(int fd) {
  std::string bytes;
  char buffer[4096];
  for (ssize_t got; (got = read(fd, buffer, sizeof(buffer))) > 0 || (got < 0 && errno == EINTR);) {
    if (got > 0) bytes.append(buffer, got);
  }
  close(fd);
  if (bytes.empty()) return absl::InternalError("the detached process ended without a word; see zcbench-up.log");
  if (bytes[0] == 0) return bytes.substr(1);
  return absl::Status(static_cast<absl::StatusCode>(bytes[0]), bytes.substr(1));
}

class Up final : public Command {
 public:
  std::string name() const override { return "up"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Starts a server and workers on this machine",
             "They run until Ctrl-C (SIGTERM), one worker for each device: then workers finish the architecture they "
             "compute and\n"
             "everything is recorded. A worker that dies is started again; if the server dies all end. Logs lie beside "
             "the database.");
    app.add_option("--store", store_, "The database, on a local disk (default: zcbench.db)");
    app.add_option("--server-file", server_file_,
                   absl::StrCat("Where the server writes its address, certificate and tokens (default: ",
                                kDefaultServerFile, ")"));
    app.add_option("--listen", listen_, "Address to listen on; port 0 takes a free one (default: 127.0.0.1:0)");
    app.add_option("--metrics-port", metrics_, "The server shows Prometheus what it does, at this port of 127.0.0.1");
    app.add_flag("--insecure", insecure_, "Without TLS and tokens, on this machine's own addresses only");
    app.add_option("--workers", workers_, "How many workers, or auto: one a device (default: auto)");
    app.add_option("--device", device_, "auto, cpu, cuda:0, or a list: cuda:0,cuda:1 (default: auto)");
    app.add_option("--threads", threads_,
                   "Threads of each worker's scorer (default: all cores, shared out to the workers)")
        ->check(CLI::Range(1, 1024));
    app.add_flag("--detach", detach_, "Leave them running in the background until `zcbench down`");
    SetExamples(app,
                "  zcbench up\n"
                "  zcbench up --detach && zcbench submit --space nasbench201 --task photos --count 24 --watch\n"
                "  zcbench up --store /data/bench.db --workers 2 --threads 8");
  }

  absl::StatusOr<int> Run() override {
    Plan plan;
    ZCB_ASSIGN_OR_RETURN(plan, MakePlan());
    if (detach_) return Detach(std::move(plan));
    Supervisor supervisor(std::move(plan));
    ZCB_RETURN_IF_ERROR(supervisor.Start());
    std::cout << supervisor.Report() << "Ctrl-C stops everything." << std::endl;
    return supervisor.Run();
  }

 private:
  absl::StatusOr<Plan> MakePlan() const {
    Plan plan;
    plan.store = fs::absolute(store_).lexically_normal().string();
    plan.server_file = fs::absolute(server_file_).lexically_normal().string();
    plan.shown_server_file = server_file_;
    plan.listen = listen_;
    plan.insecure = insecure_;
    plan.metrics = metrics_;
    plan.threads = threads_;
    size_t count = 0;
    if (workers_ != "auto" && (!absl::SimpleAtoi(workers_, &count) || count < 1 || count > kMaxWorkers)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--workers `", workers_, "`: expected auto or a number from 1 to ", kMaxWorkers));
    }
    ZCB_RETURN_IF_ERROR(CheckNothingRuns(plan));
    ZCB_ASSIGN_OR_RETURN(plan.server_program, FindProgram(kServerProgram));
    ZCB_ASSIGN_OR_RETURN(plan.worker_program, FindProgram(kWorkerProgram));
    const std::vector<std::string> devices = Devices();
    if (count == 0) count = devices.size();
    for (size_t i = 0; i < count; ++i) plan.devices.push_back(devices[i % devices.size()]);
    if (plan.threads == 0 && count > 1) {
      plan.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency() / count));
    }
    return plan;
  }

  // A file that a live server wrote is left alone; one of a dead server is taken away.
  static absl::Status CheckNothingRuns(const Plan& plan) {
    const absl::StatusOr<ServerFile> file = ReadServerFile(plan.server_file);
    if (absl::IsNotFound(file.status())) return absl::OkStatus();
    if (!file.ok()) return file.status();
    if (ProcessRuns(file->pid, kServerProgram)) {
      return absl::FailedPreconditionError(
          absl::StrCat("a server is up already: ", file->address, ", process ", file->pid, ", database ", file->store,
                       "; stop it with `zcbench down`, or give another --server-file"));
    }
    Say(absl::StrCat("removing ", plan.shown_server_file, ": its server (process ", file->pid, ") has ended"));
    std::error_code error;
    fs::remove(plan.server_file, error);
    return error
               ? absl::FailedPreconditionError(absl::StrCat(plan.server_file, " cannot be removed: ", error.message()))
               : absl::OkStatus();
  }

  // `auto`: every accelerator that the scorer can use, else what the worker takes by itself.
  std::vector<std::string> Devices() const {
    if (device_ != "auto") return absl::StrSplit(device_, ',', absl::SkipEmpty());
    std::error_code error;
    std::vector<std::string> devices;
    if (fs::exists("/dev/nvidiactl", error)) {
      const absl::StatusOr<std::string> scorer = FindProgram("zcbench-scorer");
      const absl::StatusOr<std::string> text =
          scorer.ok() ? RunProcess({*scorer, "describe", "--format", "json"}) : scorer.status();
      const nlohmann::json json = nlohmann::json::parse(text.value_or(""), nullptr, /*allow_exceptions=*/false);
      if (json.is_object() && json.contains("devices")) {
        for (const nlohmann::json& device : json["devices"]) {
          if (device.is_string() && device != "cpu") devices.push_back(device);
        }
      }
    }
    if (devices.empty()) devices.push_back("auto");
    return devices;
  }

  // The supervisor goes on in the background; this process waits until it is up.
  static absl::StatusOr<int> Detach(Plan plan) {
    const std::string log_file = plan.LogOf("zcbench-up");
    const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0)
      return absl::FailedPreconditionError(absl::StrCat(log_file, " cannot be written: ", std::strerror(errno)));
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError(absl::StrCat("no pipe: ", std::strerror(errno)));
    const pid_t pid = fork();
    if (pid < 0) return absl::UnavailableError(absl::StrCat("no further process: ", std::strerror(errno)));
    if (pid == 0) {
      close(ends[0]);
      setsid();
      dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
      dup2(log, STDOUT_FILENO);
      dup2(log, STDERR_FILENO);
      Supervisor supervisor(std::move(plan));
      const absl::Status started = supervisor.Start();
      WriteOutcome(ends[1], started.ok() ? absl::StatusOr<std::string>(supervisor.Report()) : started);
      if (!started.ok()) return ExitCode(started);
      return supervisor.Run();
    }
    close(log);
    close(ends[1]);
    ZCB_ASSIGN_OR_RETURN(const std::string report, ReadOutcome(ends[0]));
    std::cout << report << "`zcbench down` stops everything." << std::endl;
    return kExitDone;
  }

  std::string store_ = "zcbench.db";
  std::string server_file_ = kDefaultServerFile;
  std::string listen_ = "127.0.0.1:0";
  std::string workers_ = "auto";
  std::string device_ = "auto";
  int threads_ = 0;
  bool insecure_ = false;
  std::string metrics_;
  bool detach_ = false;
};

class Access final : public Command {
 public:
  std::string name() const override { return "access"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Writes a server file with the rights of one role, to give to somebody",
             "A reader reads jobs, scores and statistics; a worker leases work and records scores; the admin may do "
             "everything.\n"
             "Whoever has the file has the rights: keep it at mode 0600, and send it over an encrypted way (scp).");
    app.add_option("--role", role_, "reader, worker or admin")->required();
    app.add_option("--out", out_, "The file to write (default: zcbench.ROLE.server.json)");
    app.add_option("--address", address_, "The address that the other machine uses, HOST:PORT (default: the server's)");
    server_.Declare(app);
    SetExamples(app,
                "  zcbench access --role worker --address head.example:7700 && scp zcbench.worker.server.json gpu-3:\n"
                "  zcbench access --role reader --out alice.server.json");
  }

  absl::StatusOr<int> Run() override {
    const std::vector<std::string> roles(std::begin(kRoles), std::end(kRoles));
    if (std::find(roles.begin(), roles.end(), role_) == roles.end()) return UnknownName("role", role_, roles);
    ZCB_ASSIGN_OR_RETURN(ServerFile file, server_.Find());
    if (file.certificate.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the server at ", file.address, " has neither TLS nor tokens (--insecure): there is nothing to give"));
    }
    const auto token = file.tokens.find(role_);
    if (token == file.tokens.end()) {
      return absl::PermissionDeniedError(absl::StrCat("your own server file has no token of the role ", role_));
    }
    file.tokens = {{role_, token->second}};
    if (!address_.empty()) file.address = address_;
    if (!IsServerAddress(file.address)) {
      return absl::InvalidArgumentError(absl::StrCat("--address `", address_, "`: expected HOST:PORT"));
    }
    file.client_certificate.clear();
    file.client_key.clear();
    const std::string out = out_.empty() ? absl::StrCat("zcbench.", role_, ".server.json") : out_;
    ZCB_RETURN_IF_ERROR(WriteServerFile(out, file));
    Say(absl::StrCat("wrote ", out, ": ", file.address, " as ", role_));
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string role_;
  std::string out_;
  std::string address_;
};

class Down final : public Command {
 public:
  std::string name() const override { return "down"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Stops what `zcbench up` started",
             "Workers finish the architecture they compute, everything is recorded.");
    app.add_option("--server-file", server_file_,
                   absl::StrCat("As given to `zcbench up` (default: ", kDefaultServerFile, ")"));
    SetExamples(app, "  zcbench down");
  }

  absl::StatusOr<int> Run() override {
    const absl::StatusOr<ServerFile> file = ReadServerFile(server_file_);
    if (absl::IsNotFound(file.status())) {
      Say(absl::StrCat("nothing to stop: there is no ", server_file_));
      return kExitDone;
    }
    if (!file.ok()) return file.status();
    if (!ProcessRuns(file->pid, kServerProgram)) {
      std::error_code ignored;
      fs::remove(server_file_, ignored);
      Say(absl::StrCat("nothing to stop: the server (process ", file->pid, ") has ended"));
      return kExitDone;
    }
    const pid_t supervisor = ParentOf(file->pid);
    if (!ProcessRuns(supervisor, kOwnProgram)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the server of ", server_file_, " was not started by `zcbench up`; stop it with `kill ", file->pid, "`"));
    }
    if (kill(supervisor, SIGTERM) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("process ", supervisor, " cannot be stopped: ", std::strerror(errno)));
    }
    Say("stopping: workers finish the architecture they compute");
    while (ProcessRuns(supervisor, kOwnProgram)) absl::SleepFor(kPollStep);
    Say("stopped");
    return kExitDone;
  }

 private:
  std::string server_file_ = kDefaultServerFile;
};

}  // namespace

std::unique_ptr<Command> MakeUp() { return std::make_unique<Up>(); }
std::unique_ptr<Command> MakeAccess() { return std::make_unique<Access>(); }
std::unique_ptr<Command> MakeDown() { return std::make_unique<Down>(); }

}  // namespace zcbench
