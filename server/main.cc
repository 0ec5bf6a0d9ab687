// zcbench-server: keeps the store, gives out the work, answers queries. One process owns one database file.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/metrics_page/metrics_page.h"
#include "db/sqlite/sqlite_store.h"
#include "proto/server_file.h"
#include "server/server.h"

namespace zcbench {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

// Runs what works on a whole file, with a line every few seconds of how far it is.
template <typename Body>
int Maintain(const char* what, const Body& body) {
  const absl::Time start = absl::Now();
  absl::Time next = start + absl::Seconds(2);
  const auto progress = [&](uint64_t written, uint64_t most) -> absl::Status {
    const absl::Time now = absl::Now();
    if (now < next) return absl::OkStatus();
    next = now + absl::Seconds(5);
    const double seconds = absl::ToDoubleSeconds(now - start);
    const double rate = static_cast<double>(written) / seconds;
    // Before the first byte the rows are read and sorted, which cannot be foreseen.
    std::cerr << what << ": " << (written >> 20) << " of at most " << (most >> 20) << " MiB, "
              << static_cast<int64_t>(seconds) << " s";
    if (written > 0 && written < most) {
      std::cerr << ", " << static_cast<int64_t>(rate) / (1 << 20) << " MiB/s, ETA at most "
                << static_cast<int64_t>(static_cast<double>(most - written) / rate) << " s";
    }
    std::cerr << std::endl;
    return absl::OkStatus();
  };
  const absl::Status status = body(progress);
  if (status.ok()) {
    std::cerr << what << ": done in " << absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1)))
              << std::endl;
    return 0;
  }
  std::cerr << "zcbench-server: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ? kExitUsage : kExitFailed;
}

int Run(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // what matters of its lines is in the status of a call, and logged by us
  CLI::App app("The zcbench server: owns the database, gives work to workers and answers the command line.");
  app.footer(
      "Examples:\n"
      "  zcbench-server --store /data/bench.db\n"
      "  zcbench-server --store /data/bench.db --listen 0.0.0.0:7700 --server-file /data/bench.server.json\n"
      "  zcbench-server --store /data/bench.db --metrics-port 9464\n"
      "  zcbench-server store vacuum /data/bench.db\n\n"
      "Connections are encrypted, and every call needs a token; both are in the server file (docs/operations.md).\n"
      "SIGTERM or Ctrl-C stops it: nothing new is given out, calls in progress have 5 s, everything recorded is kept.\n"
      "Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage.");
  ServerOptions options;
  options.version = ZCB_VERSION;
  std::string store = "zcbench.db";
  std::string server_file = kDefaultServerFile;
  double lease_seconds = 60;
  app.add_option("--store", store, "The database, on a local disk; it is made if it is not there")
      ->capture_default_str();
  app.add_flag("--read-only", options.read_only,
               "The database is a published file (zcbench export --format sqlite): nothing in it changes");
  app.add_option("--listen", options.listen.address, "HOST:PORT; port 0 takes a free one")->capture_default_str();
  app.add_option("--server-file,--address-file", server_file,
                 "Written when the server is ready, mode 0600: address, certificate and tokens, for its clients and "
                 "workers; removed when it stops")
      ->capture_default_str();
  app.add_option("--identity", options.listen.identity,
                 "Certificate, key and tokens, kept from start to start; made if it is not there [STORE.identity]");
  app.add_option("--certificate", options.listen.certificate, "A certificate of your own, PEM, with --key");
  app.add_option("--key", options.listen.key, "Its key, PEM");
  app.add_option("--client-ca", options.listen.client_ca,
                 "Clients must show a certificate that one of these has signed, PEM (mutual TLS)");
  app.add_flag("--insecure", options.listen.insecure, "Without TLS and token, for programs of this machine alone");
  app.add_option("--lease-seconds", lease_seconds,
                 "How long a worker may be silent before its work is given to another")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  app.add_option("--metrics-port", options.metrics,
                 "Serve a page for Prometheus at http://127.0.0.1:PORT/metrics, or HOST:PORT for another address "
                 "of this machine; without encryption and token; port 0 takes a free one [none]")
      ->type_name("PORT")
      ->check(CheckMetricsAddress);
  app.set_version_flag("--version", std::string("zcbench-server ") + ZCB_VERSION);
  CLI::App* const maintenance =
      app.add_subcommand("store", "Works on a database without serving it (see `zcbench store --help`)");
  maintenance->require_subcommand(1);
  std::string from;
  std::string to;
  CLI::App* const copy = maintenance->add_subcommand("copy", "Copies a store into a new one, compacted");
  copy->add_option("from", from, "sqlite:FILE")->required();
  copy->add_option("to", to, "sqlite:FILE, which is not there yet")->required();
  CLI::App* const vacuum = maintenance->add_subcommand("vacuum", "Gives the space of deleted rows back to the disk");
  vacuum->add_option("file", from, "The database; no server may have it open")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  // A limit on the size of files is an error of writing, as a full disk is.
  signal(SIGXFSZ, SIG_IGN);
  if (*copy) {
    return Maintain("copying", [&](auto progress) { return CopyStore(from, to, progress); });
  }
  if (*vacuum) {
    setenv("SQLITE_TMPDIR", std::filesystem::absolute(from).parent_path().c_str(), 0);  // a disk made for its size
    return Maintain("vacuuming", [&](auto progress) { return VacuumStore(from, progress); });
  }
  options.store = store;
  options.scheduler.lease_duration = absl::Seconds(lease_seconds);

  // Before any thread is made, so that all of them inherit it and the signal comes here.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  if (const auto file = ReadServerFile(server_file);
      file.ok() && file->pid != getpid() && file->host == ThisHost() && ProcessRuns(file->pid, "zcbench-server")) {
    std::cerr << "zcbench-server: " << server_file << " is that of a running server (process " << file->pid << ", "
              << file->store << "): give another --server-file\n";
    return kExitUsage;
  }
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options);
  if (!server.ok()) {
    std::cerr << "zcbench-server: " << server.status().message() << "\n";
    return absl::IsInvalidArgument(server.status()) ? kExitUsage : kExitFailed;
  }
  Log(LogLevel::kInfo, "serving",
      {{"address", (*server)->address()}, {"store", (*server)->store_location()}, {"version", options.version}});
  if (!(*server)->metrics_address().empty()) {
    Log(LogLevel::kInfo, "serving metrics", {{"page", "http://" + (*server)->metrics_address() + "/metrics"}});
  }
  if (const absl::Status written = WriteServerFile(server_file, (*server)->access()); !written.ok()) {
    std::cerr << "zcbench-server: " << written.message() << "\n";
    return kExitFailed;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  Log(LogLevel::kInfo, "stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  // Another server may have written it since.
  if (const auto file = ReadServerFile(server_file); file.ok() && file->pid == getpid()) {
    std::error_code ignored;
    std::filesystem::remove(server_file, ignored);
  }
  (*server)->Shutdown();
  server->reset();
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) { return zcbench::Run(argc, argv); }
