// What the commands of `zcbench` have in common.
#ifndef ZCBENCH_CLIENT_CLI_COMMAND_H_
#define ZCBENCH_CLIENT_CLI_COMMAND_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cc/client.h"
#include "client/cli/table.h"

namespace zcbench {

// Exit codes of the program.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;        // architectures of the job failed for good, or the command failed
inline constexpr int kExitUsage = 2;         // what was asked for cannot be: a wrong option, an unknown name
inline constexpr int kExitUnreachable = 69;  // no server, or it cannot serve now
inline constexpr int kExitStopped = 75;      // stopped before the end: cancelled, interrupted, server lost

// The exit code of a command that failed with `status`.
int ExitCode(const absl::Status& status);

// One command: declares its options, then runs with what was given. An error is printed by the caller, once.
class Command {
 public:
  virtual ~Command() = default;
  virtual std::string name() const = 0;
  // Sets the description, the options, which are members, and the examples.
  virtual void Declare(CLI::App& app) = 0;
  virtual absl::StatusOr<int> Run() = 0;
};

// Every command of the program, in the order of --help.
std::vector<std::unique_ptr<Command>> MakeCommands();

// One a file; MakeCommands lists them.
std::unique_ptr<Command> MakeUp();
std::unique_ptr<Command> MakeDown();
std::unique_ptr<Command> MakeAccess();
std::unique_ptr<Command> MakeSubmit();
std::unique_ptr<Command> MakeWatch();
std::unique_ptr<Command> MakeScores();
std::unique_ptr<Command> MakeCorrelate();
std::unique_ptr<Command> MakeLibra();
std::unique_ptr<Command> MakeSearch();
std::unique_ptr<Command> MakeLayers();
std::unique_ptr<Command> MakeReport();
std::unique_ptr<Command> MakeFailures();
std::unique_ptr<Command> MakeConflicts();
std::unique_ptr<Command> MakeWhy();
std::unique_ptr<Command> MakeAudit();
std::unique_ptr<Command> MakePause();
std::unique_ptr<Command> MakeResume();
std::unique_ptr<Command> MakeStop();
std::unique_ptr<Command> MakeCancel();
std::unique_ptr<Command> MakeList();
std::unique_ptr<Command> MakeImport();
std::unique_ptr<Command> MakeExport();
std::unique_ptr<Command> MakeStore();
std::unique_ptr<Command> MakeDoctor();
std::unique_ptr<Command> MakeWorkers();
std::unique_ptr<Command> MakeDrain();

// Lines for people go to standard error; data goes to standard output.
void Say(const std::string& line);

// A command's --help: one line, which the list of commands shows, what else there is to say, and the block of examples.
void Describe(CLI::App& app, const std::string& summary, const std::string& details = "");
void SetExamples(CLI::App& app, const std::string& examples);

// `--server`, the environment variable ZCB_SERVER, or the file that a server of this folder has written; for a command
// that only reads also `--file`, a published benchmark, over which a server of its own runs while this lives.
class ServerOption {
 public:
  void Declare(CLI::App& app);
  void DeclareReading(CLI::App& app);
  // UNAVAILABLE: there is no server, or it does not answer; the message says how to start one. Errors of a published
  // file are those of its server.
  absl::StatusOr<std::unique_ptr<Client>> Connect() const;
  // Whether a published file was named.
  bool reads_file() const { return !file_.empty(); }
  // What would be connected to. UNAVAILABLE: none is named and none is here. Other codes as of FindServer.
  absl::StatusOr<ServerFile> Find() const;

 private:
  class PrivateServer;

  std::string server_;
  std::string file_;
  mutable std::shared_ptr<PrivateServer> private_server_;  // started by the first Connect
};

// `--format table|csv|json`.
class FormatOption {
 public:
  // `note` is added to the help text.
  void Declare(CLI::App& app, const std::string& note = "");
  Format format() const { return format_; }

 private:
  Format format_ = Format::kTable;
};

// Which scores are meant: a job, or a space, a task, proxies and seeds; without any of them the newest job.
class FilterOptions {
 public:
  void Declare(CLI::App& app);
  // All but the job.
  void DeclareColumns(CLI::App& app);
  // Looks up what `last` is. `everything`: without job, space and task the filter restricts neither. INVALID_ARGUMENT
  // and NOT_FOUND as arguments.h.
  absl::StatusOr<pb::ScoreFilter> Resolve(Client& client, bool everything = false) const;

 private:
  std::string job_;
  std::string space_;
  std::string task_;
  std::string proxies_;
  std::string seeds_;
  std::string numerics_;
  std::string source_;
};

// Whether what is written to standard error is seen by a person now.
bool ErrorIsTerminal();

// The program `name` beside the running one, else the first in PATH. FAILED_PRECONDITION: in neither.
absl::StatusOr<std::string> FindProgram(const std::string& name);

// Creates the job. A fresh server gets time until its first worker has said what it can compute, and the images of a
// shipped task, or noise, when it lacks them.
absl::StatusOr<pb::CreateJobResponse> CreateJob(Client& client, const pb::JobSpec& spec);

// Follows a job until it ends; `patience` is how long a server may be away. Shared by `watch` and `submit --watch`.
absl::StatusOr<int> WatchJob(Client& client, int64_t job, absl::Duration patience);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_COMMAND_H_
