// zcbench-server: keeps the store, gives out the work, answers queries. One process owns one database file.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string>

#include "base/log.h"
#include "base/metrics_page/metrics_page.h"
#include "proto/server_file.h"
#include "server/server.h"

namespace zcbench {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

int Run(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // what matters of its lines is in the status of a call, and logged by us
  CLI::App app("The zcbench server: owns the database, gives work to workers and answers the command line.");
  app.footer(
      "Examples:\n"
      "  zcbench-server --store /data/bench.db\n"
      "  zcbench-server --store /data/bench.db --listen 0.0.0.0:7700 --server-file /data/bench.server.json\n"
      "  zcbench-server --store /data/bench.db --metrics-port 9464\n\n"
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
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
