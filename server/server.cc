#include "server/server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/metrics_page/metrics_page.h"
#include "base/status_macros.h"
#include "db/sqlite/sqlite_store.h"
#include "server/call_timer.h"
#include "server/executor.h"
#include "server/job_service.h"
#include "server/long_poll.h"
#include "server/metrics.h"
#include "server/probe_batch_service.h"
#include "server/publication_service.h"
#include "server/query_service.h"
#include "server/store_service.h"
#include "server/worker_service.h"

namespace zcbench {
namespace {

// They mostly wait for the disk; what waits at the same time is committed together.
constexpr int kThreads = 32;
constexpr int kMaxMessageBytes = (1 << 20) + 4096;
constexpr auto kGrace = std::chrono::seconds(5);

class GrpcServer final : public Server {
 public:
  GrpcServer(std::unique_ptr<Store> store, std::unique_ptr<Scheduler> scheduler, const Clock& clock,
             const std::string& version)
      : store_(std::move(store)),
        scheduler_(std::move(scheduler)),
        executor_(std::make_unique<Executor>(kThreads)),
        long_poll_(std::make_unique<LongPoll>(*scheduler_, *executor_)),
        worker_service_(*scheduler_, *long_poll_, *executor_),
        job_service_(*scheduler_, *executor_),
        probe_batch_service_(*store_, clock, *executor_),
        query_service_(*store_, *scheduler_, clock, *executor_, version),
        publication_service_(*store_, clock, *executor_),
        store_service_(*store_, clock, *executor_, version) {
    scheduler_->SetWake([this] { long_poll_->Wake(); });
  }

  ~GrpcServer() override { Shutdown(); }

  absl::Status Listen(const ListenOptions& options, const Identity& identity, const std::string& metrics) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    grpc::ServerBuilder builder;
    int port = 0;
    ZCB_ASSIGN_OR_RETURN(const std::string host, CheckListenOptions(options));
    ZCB_ASSIGN_OR_RETURN(const auto credentials, MakeServerCredentials(options, identity));
    builder.AddListeningPort(options.address, credentials, &port);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    builder.RegisterService(&worker_service_);
    builder.RegisterService(&job_service_);
    builder.RegisterService(&probe_batch_service_);
    builder.RegisterService(&query_service_);
    builder.RegisterService(&publication_service_);
    builder.RegisterService(&store_service_);
    if (!metrics.empty()) {
      std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
      interceptors.push_back(TimeCalls(call_seconds_));
      builder.experimental().SetInterceptorCreators(std::move(interceptors));
      ZCB_ASSIGN_OR_RETURN(metrics_page_, MetricsPage::Serve(metrics, [this] {
                             return CollectMetrics(*scheduler_, *store_, call_seconds_);
                           }));
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options.address, ": it is in use, or not ours"));
    }
    address_ = absl::StrCat(host, ":", port);
    access_.address = host == "0.0.0.0" || host == "[::]" ? absl::StrCat(ThisHost(), ":", port) : address_;
    access_.host = ThisHost();
    access_.pid = ::getpid();
    access_.store = store_->location();
    if (!options.insecure) {
      access_.certificate = identity.certificate;
      access_.tokens = identity.tokens;
    }
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }
  const ServerFile& access() const override { return access_; }
  std::string store_location() const override { return store_->location(); }
  std::string metrics_address() const override { return metrics_page_ == nullptr ? "" : metrics_page_->address(); }

  void Shutdown() override {
    if (server_ != nullptr) {
      if (server_->GetHealthCheckService() != nullptr) server_->GetHealthCheckService()->SetServingStatus(false);
      scheduler_->StopLeasing();
      long_poll_->Stop();
      server_->Shutdown(std::chrono::system_clock::now() + kGrace);
      server_->Wait();
    }
    // Whoever still works for a call is waited for; then nobody wakes the long poll, and the store writes what it
    // holds.
    if (executor_ != nullptr) executor_.reset();
    server_.reset();
    metrics_page_.reset();
  }

 private:
  // In the order in which they need each other.
  std::unique_ptr<Store> store_;
  std::unique_ptr<Scheduler> scheduler_;
  Histogram call_seconds_{{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30}};
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<LongPoll> long_poll_;
  WorkerService worker_service_;
  JobService job_service_;
  ProbeBatchService probe_batch_service_;
  QueryService query_service_;
  PublicationService publication_service_;
  StoreService store_service_;
  std::unique_ptr<MetricsPage> metrics_page_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  ServerFile access_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, const Clock& clock) {
  ZCB_RETURN_IF_ERROR(CheckListenOptions(options.listen).status());  // before a file is made
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Store> store,
                       options.read_only ? OpenPublishedStore(options.store) : OpenSqliteStore(options.store));
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Scheduler> scheduler, Scheduler::Create(*store, clock, options.scheduler));
  auto server = std::make_unique<GrpcServer>(std::move(store), std::move(scheduler), clock, options.version);
  ListenOptions listen = options.listen;
  if (listen.identity.empty()) listen.identity = options.store.string() + ".identity";
  Identity identity;
  if (!listen.insecure) {
    ZCB_ASSIGN_OR_RETURN(identity, LoadIdentity(listen));
  }
  ZCB_RETURN_IF_ERROR(server->Listen(listen, identity, options.metrics));
  return server;
}

}  // namespace zcbench
