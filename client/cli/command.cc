#include "client/cli/command.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "nas/space.h"
#include "nas/task.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

constexpr char kHowToStart[] = "start one with `zcbench up`";

}  // namespace

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      return kExitUsage;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnreachable;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return kExitStopped;
    default:
      return kExitFailed;
  }
}

std::vector<std::unique_ptr<Command>> MakeCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {MakeUp,        MakeDown,     MakeAccess, MakeSubmit, MakeWatch,     MakeScores, MakeCorrelate, MakeLibra,
        MakeLayers,    MakeFailures, MakeWhy,    MakeAudit,  MakeConflicts, MakePause,  MakeResume,    MakeStop,
        MakeCancel,    MakeList,     MakeImport, MakeWorkers, MakeDrain}) {
    commands.push_back(make());
  }
  return commands;
}

void Say(const std::string& line) { std::cerr << line << std::endl; }

void Describe(CLI::App& app, const std::string& summary, const std::string& details) {
  app.description(details.empty() ? summary + ".\n" : absl::StrCat(summary, ".\n\n", details, "\n"));
}

void SetExamples(CLI::App& app, const std::string& examples) { app.footer("Examples:\n" + examples); }

void ServerOption::Declare(CLI::App& app) {
  app.add_option("--server", server_,
                 absl::StrCat("The server's file, or the address of one without TLS on this machine, HOST:PORT or "
                              "unix:PATH (default: $ZCB_SERVER, else ./",
                              kDefaultServerFile, ")"));
}

absl::StatusOr<ServerFile> ServerOption::Find() const {
  if (!server_.empty()) return FindServer(server_);
  if (const char* variable = std::getenv("ZCB_SERVER"); variable != nullptr && *variable != '\0') {
    return FindServer(variable);
  }
  absl::StatusOr<ServerFile> file = ReadServerFile(kDefaultServerFile);
  if (!absl::IsNotFound(file.status())) return file;
  return absl::UnavailableError(absl::StrCat("no server: there is no ", kDefaultServerFile,
                                             " in this folder and neither --server nor ZCB_SERVER is set; ",
                                             kHowToStart));
}

absl::StatusOr<std::unique_ptr<Client>> ServerOption::Connect() const {
  ZCB_ASSIGN_OR_RETURN(const ServerFile server, Find());
  absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(server);
  if (client.ok() || !absl::IsUnavailable(client.status())) return client;
  const char* const variable = std::getenv("ZCB_SERVER");
  const std::string from = !server_.empty()                           ? "--server"
                           : variable != nullptr && *variable != '\0' ? "ZCB_SERVER"
                                                                      : kDefaultServerFile;
  std::string message = absl::StrCat(client.status().message(), " (from ", from, ")");
  if (server.pid != 0) {
    absl::StrAppend(&message, ": its process ", server.pid,
                    server.host.empty() || server.host == ThisHost() ? "" : " on " + server.host,
                    ServerRuns(server) ? " may run" : " has ended", "; ", kHowToStart);
  } else if (server.certificate.empty()) {
    absl::StrAppend(&message,
                    "; is it running? A server with TLS, which is the default, is named by the file that it "
                    "wrote. Or ",
                    kHowToStart);
  } else {
    absl::StrAppend(&message, "; is it running? Or ", kHowToStart);
  }
  return absl::UnavailableError(message);
}

void FormatOption::Declare(CLI::App& app, const std::string& note) {
  app.add_option_function<std::string>(
         "--format",
         [this](const std::string& name) {
           const absl::StatusOr<Format> format = ParseFormat(name);
           if (!format.ok()) throw CLI::ValidationError("--format", std::string(format.status().message()));
           format_ = *format;
         },
         absl::StrCat("table, csv or json (default: table)", note))
      ->type_name("FORMAT");
}

void FilterOptions::Declare(CLI::App& app) {
  app.add_option("job,--job", job_,
                 "A job's number or `last`: exactly its architectures, proxies and seeds (default: last, unless "
                 "one of the following is given)");
  app.add_option("--space", space_, "Only this search space")->excludes("--job");
  app.add_option("--task", task_, "Only this task")->excludes("--job");
  app.add_option("--proxies", proxies_, "Only these proxies: a,b(x=1)");
  app.add_option("--seeds", seeds_, "Only these seeds: 0,1 or 0..4");
  app.add_option("--numerics", numerics_, "Only scores of this numerics class, where there are several");
}

absl::StatusOr<pb::ScoreFilter> FilterOptions::Resolve(Client& client, bool everything) const {
  pb::ScoreFilter filter;
  if (space_.empty() && task_.empty() && !(everything && job_.empty())) {
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ParseJobId(job_));
    filter.set_job(id);
    if (id == 0) {
      ZCB_ASSIGN_OR_RETURN(const pb::Job job, client.GetJob(0));
      filter.set_job(job.id());
    }
  }
  if (!space_.empty()) {
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(space_));
    filter.set_space(space->name);
  }
  if (!task_.empty()) {
    ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(task_));
    filter.set_task(task->name);
  }
  if (!proxies_.empty()) {
    ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> proxies, ParseProxies(proxies_));
    filter.mutable_proxies()->Assign(proxies.begin(), proxies.end());
  }
  if (!seeds_.empty()) {
    ZCB_ASSIGN_OR_RETURN(const std::vector<uint64_t> seeds, ParseSeeds(seeds_));
    filter.mutable_seeds()->Assign(seeds.begin(), seeds.end());
  }
  filter.set_numerics(numerics_);
  return filter;
}

bool ErrorIsTerminal() { return isatty(STDERR_FILENO) == 1; }

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> folders = {own.string()};
  if (const char* path = std::getenv("PATH"); path != nullptr) {
    for (std::string& folder : std::vector<std::string>(absl::StrSplit(path, ':', absl::SkipEmpty()))) {
      folders.push_back(std::move(folder));
    }
  }
  for (const std::string& folder : folders) {
    const std::string program = folder + "/" + name;
    if (access(program.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(program, error)) return program;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the program ", name, " is neither in ", own.string(), " nor in PATH"));
}

}  // namespace zcbench
