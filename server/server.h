// The server: the store, the scheduler and the services behind one port.
#ifndef ZCBENCH_SERVER_SERVER_H_
#define ZCBENCH_SERVER_SERVER_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "proto/server_file.h"
#include "server/credentials.h"
#include "server/scheduler.h"

namespace zcbench {

struct ServerOptions {
  std::filesystem::path store = "zcbench.db";
  bool read_only = false;  // `store` is a published file (db/sqlite/sqlite_store.h)
  ListenOptions listen{};
  SchedulerOptions scheduler{};
  std::string version{};  // of zcbench
  std::string metrics{};  // where the page for Prometheus is (MetricsPage::Serve); empty: nowhere
};

class Server {
 public:
  // Opens the store and serves. The codes are those of OpenSqliteStore, CheckListenOptions, LoadIdentity and
  // MetricsPage::Serve;
  // UNAVAILABLE: the address is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const Clock& clock = SystemClock());
  // As Shutdown.
  virtual ~Server() = default;

  virtual const std::string& address() const = 0;  // "127.0.0.1:43211"
  // What a client needs: address, certificate, the tokens of all roles.
  virtual const ServerFile& access() const = 0;
  virtual std::string store_location() const = 0;   // absolute path
  virtual std::string metrics_address() const = 0;  // of the page, "127.0.0.1:9464"; empty: there is none
  // Health says NOT_SERVING, nothing is leased, calls have 5 s to end, then the store is closed. Once or more.
  virtual void Shutdown() = 0;
};

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_SERVER_H_
