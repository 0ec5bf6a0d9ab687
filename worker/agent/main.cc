// zcbench-worker: computes scores for a server.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/metrics_page/metrics_page.h"
#include "proto/channel.h"
#include "worker/agent/agent.h"
#include "worker/agent/metrics.h"
#include "worker/agent/spool.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;

constexpr int kExitUsage = 2;
constexpr int kExitServerUnreachable = 69;  // EX_UNAVAILABLE of sysexits.h
constexpr int kExitScorerUnusable = 70;     // EX_SOFTWARE
constexpr int kExitStoppedEarly = 75;       // EX_TEMPFAIL

constexpr uint64_t kSpoolBytes = uint64_t{1} << 30;

constexpr char kFooter[] = R"(Examples:
  zcbench-worker run --server-file zcbench.server.json
  zcbench-worker run --server-file zcbench.worker.server.json --device cuda:0 --exit-when-idle 5m
  zcbench-worker run --server-file zcbench.worker.server.json --available-for 4h --metrics-port 9465
  zcbench-worker score --space nasbench201 --task photos --proxies all 3_33_133

Exit codes: 0 no work left (only with --exit-when-idle), 2 usage, 69 no server, 70 the scorer does not start,
75 stopped early: drained by SIGTERM, Ctrl-C or the server, or the server was lost. A second signal stops at once.)";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// $XDG_..._HOME/zcbench, or ~/`fallback`/zcbench; without a home, beside the other temporary files.
fs::path UserFolder(const char* variable, const char* fallback) {
  if (const std::string folder = Variable(variable); !folder.empty()) return fs::path(folder) / "zcbench";
  if (const std::string home = Variable("HOME"); !home.empty()) return fs::path(home) / fallback / "zcbench";
  return fs::temp_directory_path() / "zcbench";
}

// A text that fits a worker's name and a file's name.
std::string HostName() {
  char buffer[256] = "";
  ::gethostname(buffer, sizeof(buffer) - 1);
  std::string host(buffer);
  for (char& c : host) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '_') c = '-';
  }
  return host.empty() ? "localhost" : host.substr(0, 50);
}

// `zcbench-scorer` beside this program, then on PATH.
std::optional<std::string> FindScorer() {
  std::error_code error;
  std::vector<fs::path> folders = {fs::read_symlink("/proc/self/exe", error).parent_path()};
  for (const auto& folder : absl::StrSplit(Variable("PATH"), ':', absl::SkipEmpty()))
    folders.emplace_back(std::string(folder));
  for (const fs::path& folder : folders) {
    const fs::path scorer = folder / "zcbench-scorer";
    if (!folder.empty() && ::access(scorer.c_str(), X_OK) == 0 && !fs::is_directory(scorer, error))
      return scorer.string();
  }
  return std::nullopt;
}

int NoScorer() {
  std::cerr
      << "zcbench-worker: there is no zcbench-scorer beside this program or on PATH; build it (it needs LibTorch) or "
         "name it with --scorer\n";
  return kExitUsage;
}

// `zcbench-worker score ARGUMENTS`: the scorer does it all, help included.
int BecomeScorer(int argc, char** argv) {
  const std::optional<std::string> scorer = FindScorer();
  if (!scorer.has_value()) return NoScorer();
  std::vector<char*> arguments = {const_cast<char*>(scorer->c_str())};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  arguments.push_back(nullptr);
  ::execv(scorer->c_str(), arguments.data());
  std::cerr << "zcbench-worker: " << *scorer << ": " << std::strerror(errno) << "\n";
  return kExitUsage;
}

std::string CheckName(const std::string& name) {
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-';
  });
  if (good && !name.empty() && name.size() <= 64) return "";
  return absl::StrCat("`", name, "`: a worker's name has 1 to 64 of A-Z a-z 0-9 _ . : -");
}

std::string CheckDevice(const std::string& device) {
  int number = 0;
  if (device == "auto" || device == "cpu" || device == "cuda") return "";
  if (device.rfind("cuda:", 0) == 0 && absl::SimpleAtoi(device.substr(5), &number) && number >= 0) return "";
  return absl::StrCat("`", device, "`: expected auto, cpu or cuda:N");
}

std::string CheckDuration(const std::string& text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration()) return "";
  return absl::StrCat("`", text, "`: expected a duration like 30s, 10m or 1h30m");
}

absl::Duration DurationOf(const std::string& text) {
  absl::Duration duration;
  absl::ParseDuration(text, &duration);
  return duration;
}

int Main(int argc, char** argv) {
  ::setenv("GRPC_VERBOSITY", "NONE", 0);  // what matters of its lines is in the status of a call, and logged by us
  if (argc > 1 && std::string_view(argv[1]) == "score") return BecomeScorer(argc, argv);

  AgentOptions options;
  std::string device = "auto", threads = "0", scorer, spool_folder, cache, give_up = "10m", exit_when_idle,
              available_for, metrics;
  options.host = HostName();
  options.name = absl::StrCat(options.host, ":", ::getpid());

  CLI::App app("Computes scores of zero-cost proxies for a zcbench server, on one device.", "zcbench-worker");
  app.set_version_flag("--version", "zcbench " ZCB_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.add_subcommand("score", "Prints scores without any server: `zcbench-scorer score` with the same arguments");
  CLI::App& run = *app.add_subcommand("run", "Leases work from a server until it is told to stop");
  run.footer(kFooter);
  CLI::Option* const server =
      run.add_option("--server", options.server, "The address of a server without TLS, e.g. 127.0.0.1:7700")
          ->type_name("HOST:PORT");
  CLI::Option* const server_file =
      run.add_option("--server-file", options.server_file,
                     "The file that the server wrote, or a copy: address, certificate, token")
          ->type_name("FILE");
  server->excludes(server_file);
  run.add_option("--name", options.name, "This worker's name, unique among live workers [HOST:PID]")
      ->type_name("NAME")
      ->check(CheckName);
  run.add_option("--device", device, "auto (a GPU where there is one), cpu or cuda:N [auto]")
      ->type_name("DEVICE")
      ->check(CheckDevice);
  run.add_option("--threads", threads, "CPU threads of the scorer, 0 = all cores [0]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
  run.add_option("--spool", spool_folder,
                 "Folder for scores that the server does not have yet, one a worker "
                 "[~/.local/state/zcbench/spool/HOST-N, the first free one]")
      ->type_name("DIR");
  run.add_option("--cache", cache,
                 "Folder of probe batches, shared by any number of workers [~/.cache/zcbench/probe_batches]")
      ->type_name("DIR");
  run.add_option("--give-up", give_up, "Stop when the server has not answered for this long [10m]")
      ->type_name("DURATION")
      ->check(CheckDuration);
  run.add_option("--exit-when-idle", exit_when_idle, "Leave when there was no work for this long [never]")
      ->type_name("DURATION")
      ->check(CheckDuration);
  run.add_option("--available-for", available_for,
                 "When this machine goes away, from now on: the server gives nothing out that would not be done by "
                 "then [until $SLURM_JOB_END_TIME, else for ever]")
      ->type_name("DURATION")
      ->check(CheckDuration);
  run.add_option("--metrics-port", metrics,
                 "Serve a page for Prometheus at http://127.0.0.1:PORT/metrics, or HOST:PORT; port 0 takes a free "
                 "one [none]")
      ->type_name("PORT")
      ->check(CheckMetricsAddress);
  run.add_option("--scorer", scorer, "The zcbench-scorer to run [beside this program, then on PATH]")
      ->type_name("PATH")
      ->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }

  const auto usage = [](absl::string_view message) {
    std::cerr << "zcbench-worker: " << message << "\n";
    return kExitUsage;
  };
  if (server->count() + server_file->count() == 0)
    return usage("say which server: --server-file FILE, or --server ADDRESS for one without TLS on this machine");
  if (server->count() > 0) {
    if (const auto channel = MakeChannel(options.server); !channel.ok()) return usage(channel.status().message());
  }
  if (scorer.empty()) {
    const std::optional<std::string> found = FindScorer();
    if (!found.has_value()) return NoScorer();
    scorer = *found;
  }
  options.scorer = {scorer, "serve", "--fd", "3", "--device", device, "--threads", threads};
  options.cache = cache.empty() ? UserFolder("XDG_CACHE_HOME", ".cache") / "probe_batches" : fs::path(cache);
  options.give_up = DurationOf(give_up);
  if (!exit_when_idle.empty()) options.exit_when_idle = DurationOf(exit_when_idle);
  int64_t end_time = 0;  // seconds since 1970; the batch system's
  if (!available_for.empty()) {
    options.available_until = absl::Now() + DurationOf(available_for);
  } else if (absl::SimpleAtoi(Variable("SLURM_JOB_END_TIME"), &end_time)) {
    options.available_until = absl::FromUnixSeconds(end_time);
  }
  absl::StatusOr<std::unique_ptr<Spool>> spool =
      spool_folder.empty()
          ? Spool::OpenFirstFree(UserFolder("XDG_STATE_HOME", ".local/state") / "spool", options.host, kSpoolBytes)
          : Spool::Open(spool_folder, kSpoolBytes);
  if (!spool.ok()) return usage(spool.status().message());

  // Before any thread: they inherit it, so that only the one that waits below gets these signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGCHLD, SIG_DFL);  // whoever started us may have ignored it, and then no child's end could be read

  Agent agent(std::move(options), *std::move(spool));
  std::unique_ptr<MetricsPage> page;
  if (!metrics.empty()) {
    absl::StatusOr<std::unique_ptr<MetricsPage>> served =
        MetricsPage::Serve(metrics, [&agent] { return CollectMetrics(agent); });
    if (!served.ok()) return usage(served.status().message());
    page = *std::move(served);
    Log(LogLevel::kInfo, "serving metrics", {{"page", "http://" + page->address() + "/metrics"}});
  }
  std::thread([&agent, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    agent.Drain();
    sigwait(&signals, &signal);
    Log(LogLevel::kWarning, "stopped at once by a second signal");
    ::_exit(kExitStoppedEarly);
  }).detach();

  const AgentExit exit = agent.Run();
  // Not by return: the thread above still uses the agent.
  switch (exit) {
    case AgentExit::kNoWorkLeft:
      ::_exit(0);
    case AgentExit::kStoppedEarly:
      ::_exit(kExitStoppedEarly);
    case AgentExit::kServerUnreachable:
      ::_exit(kExitServerUnreachable);
    case AgentExit::kScorerUnusable:
      ::_exit(kExitScorerUnusable);
  }
  ::_exit(kExitScorerUnusable);
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) { return zcbench::Main(argc, argv); }
