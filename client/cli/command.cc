#include "client/cli/command.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/process.h"
#include "nas/space.h"
#include "nas/task.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

constexpr absl::Duration kStartTime = absl::Seconds(30);  // of a private server
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
  for (const auto make : {MakeUp,        MakeDown,   MakeAccess, MakeSubmit,  MakeWatch,    MakeScores, MakeCorrelate,
                          MakeLibra,     MakeSearch, MakeLayers, MakeReport,  MakeFailures, MakeWhy,    MakeAudit,
                          MakeConflicts, MakePause,  MakeResume, MakeStop,    MakeCancel,   MakeList,   MakeImport,
                          MakeExport,    MakeStore,  MakeDoctor, MakeWorkers, MakeDrain}) {
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

// A read-only server over a published file, for this process alone.
class ServerOption::PrivateServer {
 public:
  static absl::StatusOr<std::shared_ptr<PrivateServer>> Start(const std::string& file) {
    ZCB_ASSIGN_OR_RETURN(const std::string program, FindProgram("zcbench-server"));
    std::string folder = (std::filesystem::temp_directory_path() / "zcbench-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) {
      return absl::UnavailableError(absl::StrCat("cannot make a folder like ", folder, "; set TMPDIR"));
    }
    std::shared_ptr<PrivateServer> server(new PrivateServer(folder));
    const std::string server_file = folder + "/server.json";
    const std::string log = folder + "/log";
    ZCB_ASSIGN_OR_RETURN(server->pid_, StartProcess({program, "--store", file, "--read-only", "--insecure", "--listen",
                                                     "127.0.0.1:0", "--server-file", server_file},
                                                    log));
    for (const absl::Time deadline = absl::Now() + kStartTime; absl::Now() < deadline;) {
      const absl::StatusOr<ServerFile> written = ReadServerFile(server_file);
      if (written.ok()) {
        server->server_ = *written;
        return server;
      }
      if (waitpid(server->pid_, nullptr, WNOHANG) == server->pid_) {
        server->pid_ = 0;
        const absl::StatusOr<std::string> said = ReadFile(log);
        constexpr std::string_view kName = "zcbench-server: ";
        const size_t begin = said.ok() ? said->rfind(kName) : std::string::npos;
        return absl::InvalidArgumentError(
            begin == std::string::npos
                ? absl::StrCat("--file ", file, " could not be opened")
                : absl::StrCat("--file: ", absl::StripTrailingAsciiWhitespace(said->substr(begin + kName.size()))));
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return absl::UnavailableError(absl::StrCat("--file ", file, ": its server did not start within 30 s"));
  }

  ~PrivateServer() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  PrivateServer(const PrivateServer&) = delete;

  const ServerFile& server() const { return server_; }

 private:
  explicit PrivateServer(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
  ServerFile server_;
  pid_t pid_ = 0;
};

void ServerOption::DeclareReading(CLI::App& app) {
  Declare(app);
  app.add_option("--file", file_, "Read this published benchmark (zcbench export --format sqlite); no server is needed")
      ->excludes("--server");
}

absl::StatusOr<std::unique_ptr<Client>> ServerOption::Connect() const {
  if (!file_.empty()) {
    if (private_server_ == nullptr) {
      ZCB_ASSIGN_OR_RETURN(private_server_, PrivateServer::Start(file_));
    }
    return Client::Connect(private_server_->server());
  }
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
  DeclareColumns(app);
  for (const char* const option : {"--space", "--task"}) app.get_option(option)->excludes("--job");
}

void FilterOptions::DeclareColumns(CLI::App& app) {
  app.add_option("--space", space_, "Only this search space");
  app.add_option("--task", task_, "Only this task");
  app.add_option("--proxies", proxies_, "Only these proxies: a,b(x=1)");
  app.add_option("--seeds", seeds_, "Only these seeds: 0,1 or 0..4");
  app.add_option("--numerics", numerics_, "Only scores of this numerics class, where there are several");
  app.add_option("--source", source_, "`computed`, or the source of imported scores, where there are both");
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
  filter.set_source(source_);
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
