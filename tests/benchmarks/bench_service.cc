// What the service costs: a real zcbench-server with TLS and tokens, simulated workers, each figure beside that of the
// bare store or of a call that does nothing, in the same run.
//
//   bench_service [--json FILE] [--seconds 10]      (scripts/bench service)
//
// A unit is one architecture with 30 scores. Workers and server share the machine, and each worker makes its requests
// as the agent does (16 architectures, or one). "At most" and "at least" are the bars of docs/performance.md.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/temporary_folder.h"
#include "db/sqlite/sqlite_store.h"
#include "nas/space.h"
#include "proto/channel.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

constexpr int kProxies = 30;
constexpr int kWorkers = 32;
constexpr int kIdleWorkers = 1000;
constexpr char kNumerics[] = "bench";
constexpr char kColumnSpace[] = "autoformer_small";  // of the column of 1e6 scores

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string ProxyName(int i) { return i == 0 ? "params" : absl::StrCat("proxy", i); }

// A server of its own process, ended with the object.
class ServerProcess {
 public:
  ServerProcess(const std::filesystem::path& folder, const std::string& store) {
    const std::filesystem::path file = folder / (store + ".server.json");
    pid_ = ::fork();
    if (pid_ == 0) {
      const int log = ::open((folder / (store + ".log")).c_str(), O_CREAT | O_WRONLY, 0600);
      ::dup2(log, STDERR_FILENO);
      ::dup2(log, STDOUT_FILENO);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // also when this program fails
      const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "zcbench-server";
      ::execl(program.c_str(), "zcbench-server", "--store", (folder / store).c_str(), "--server-file", file.c_str(),
              nullptr);
      ::_exit(127);
    }
    const double give_up = Now() + 60;
    auto read = ReadServerFile(file);
    while (!read.ok() && Now() < give_up && ::waitpid(pid_, nullptr, WNOHANG) == 0) {
      ::usleep(10'000);
      read = ReadServerFile(file);
    }
    if (!read.ok()) {
      std::fprintf(stderr, "bench_service: the server did not start; see %s\n", folder.c_str());
      std::exit(1);
    }
    file_ = *std::move(read);
  }
  ~ServerProcess() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  std::shared_ptr<grpc::Channel> NewChannel(const char* role = "admin") const {
    return MakeChannel(file_, role).value();
  }
  // Seconds of processor that it has used.
  double Processor() const {
    std::ifstream stat(absl::StrCat("/proc/", pid_, "/stat"));
    std::string field;
    double ticks = 0;
    for (int i = 1; i <= 15 && stat >> field; ++i) {
      if (i >= 14) ticks += std::atof(field.c_str());
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  double ResidentMiB() const {
    std::ifstream statm(absl::StrCat("/proc/", pid_, "/statm"));
    double pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
  }

 private:
  pid_t pid_ = 0;
  ServerFile file_;
};

template <typename Stub, typename Request, typename Response>
Response Must(Stub& stub, grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  Response response;
  const grpc::Status status = (stub.*rpc)(&context, request, &response);
  if (!status.ok()) {
    std::fprintf(stderr, "bench_service: %s\n", status.error_message().c_str());
    std::exit(1);
  }
  return response;
}

v1::OpenSessionRequest Announcement(const std::string& name) {
  v1::OpenSessionRequest request;
  request.set_worker(name);
  request.mutable_execution()->set_worker(name);
  request.mutable_execution()->set_device("cpu");
  request.mutable_execution()->set_numerics(kNumerics);
  for (const char* space : {"nasbench201", "nasbench101", kColumnSpace}) {
    v1::SpaceInfo& info = *request.add_spaces();
    info.set_name(space);
    info.set_version("1");
  }
  for (int i = 0; i < kProxies; ++i) {
    v1::ProxyInfo& info = *request.add_proxies();
    info.set_name(ProxyName(i));
    info.set_version("1.1");
    info.set_reads_weights(i > 0);
    info.set_larger_is_better(true);
    info.set_tolerance(1e-3);
  }
  return request;
}

v1::CreateJobRequest JobOf(const std::string& space, uint64_t count) {
  v1::CreateJobRequest request;
  v1::JobSpec& spec = *request.mutable_spec();
  spec.set_space(space);
  spec.set_task("cifar10");
  for (int i = 0; i < kProxies; ++i) spec.add_proxies(ProxyName(i));
  spec.add_seeds(0);
  spec.mutable_indexed()->set_count(count);
  return request;
}

// One simulated worker: leases and records as fast as the server answers.
class SimulatedWorker {
 public:
  SimulatedWorker(const ServerProcess& server, const std::string& name)
      : announcement_(Announcement(name)), stub_(v1::WorkerService::NewStub(server.NewChannel("worker"))) {
    session_ = Must(*stub_, &v1::WorkerService::Stub::OpenSession, announcement_).session();
  }

  // Until `stop`; adds to `units` what was acknowledged.
  void Work(int batch, const std::atomic<bool>& stop, std::atomic<int64_t>& units) {
    while (!stop) {
      v1::SynchronizeRequest request;
      request.set_session(session_);
      request.set_state(v1::WORKER_STATE_IDLE);
      request.set_wanted(1);
      const v1::SynchronizeResponse response = Must(*stub_, &v1::WorkerService::Stub::Synchronize, request);
      for (const v1::Lease& lease : response.leases()) {
        for (int first = 0; first < lease.items_size() && !stop; first += batch) {
          Must(*stub_, &v1::WorkerService::Stub::RecordScores, Results(lease, first, batch));
          units += std::min(batch, lease.items_size() - first);
        }
      }
    }
  }

  v1::RecordScoresRequest Results(const v1::Lease& lease, int first, int count) {
    v1::RecordScoresRequest request;
    request.set_session(session_);
    request.set_request_id(absl::StrCat(announcement_.worker(), "-", ++requests_));
    request.set_unit(lease.unit());
    request.set_attempt(lease.attempt());
    *request.mutable_execution() = announcement_.execution();
    *request.mutable_cell() = lease.cell();
    *request.mutable_proxies() = lease.proxies();
    for (int i = 0; i < lease.proxies_size(); ++i) request.add_versions("1.1.1");
    const int end = std::min(first + count, lease.items_size());
    for (int i = first; i < end; ++i) {
      v1::ArchitectureResult& result = *request.add_results();
      result.set_architecture(lease.items(i).architecture());
      result.set_seed(lease.items(i).seed());
      for (int p = 0; p < lease.proxies_size(); ++p) {
        v1::ProxyScore& score = *result.add_scores();
        score.set_proxy(static_cast<uint32_t>(p));
        score.set_outcome(v1::SCORE_OUTCOME_OK);
        score.set_score(1.0 / (1 + i + p));
        score.set_seconds(0.1 / kProxies);  // so leases are ranges of 300
      }
    }
    if (end == lease.items_size()) request.set_close(v1::LEASE_OUTCOME_COMPLETED);
    return request;
  }

 private:
  v1::OpenSessionRequest announcement_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::string session_;
  int64_t requests_ = 0;
};

// Runs `body(i)` on n threads for so many seconds; returns the seconds that it took.
double OnThreads(int n, double seconds, const std::function<void(int, const std::atomic<bool>&)>& body) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  const double start = Now();
  for (int i = 0; i < n; ++i) threads.emplace_back([&, i] { body(i, stop); });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return Now() - start;
}

struct Figure {
  std::string name;
  std::string unit;
  double value = 0;
  std::string beside;  // what the bare thing does
  double bare = 0;
  bool at_least = false;
  double bar = 0;
};

class Report {
 public:
  void Add(Figure figure) {
    std::printf("%-62s %10.4g %-9s", figure.name.c_str(), figure.value, figure.unit.c_str());
    if (figure.bar > 0) {
      std::printf(" %s %-6g %-6s", figure.at_least ? ">=" : "<=", figure.bar,
                  (figure.at_least ? figure.value >= figure.bar : figure.value <= figure.bar) ? "met" : "missed");
    } else {
      std::printf(" %16s", "");
    }
    if (!figure.beside.empty()) std::printf("  %s: %.4g", figure.beside.c_str(), figure.bare);
    std::printf("\n");
    std::fflush(stdout);
    json_.push_back({{"name", figure.name},
                     {"unit", figure.unit},
                     {"value", figure.value},
                     {"bar", figure.bar},
                     {"beside", figure.beside},
                     {"bare", figure.bare}});
  }
  const nlohmann::ordered_json& json() const { return json_; }

 private:
  nlohmann::ordered_json json_ = nlohmann::ordered_json::array();
};

std::vector<ScoreColumn> Columns(const std::string& space) {
  std::vector<ScoreColumn> columns;
  for (int p = 0; p < kProxies; ++p) {
    columns.push_back({.key = {.space = space,
                               .task = "cifar10",
                               .proxy = ProxyName(p),
                               .version = "1.1.1",
                               .seed = p == 0 ? std::optional<uint64_t>() : std::optional<uint64_t>(0),
                               .numerics = kNumerics},
                       .tolerance = 1e-3});
  }
  return columns;
}

// Units a second into the store itself, in writes of `batch` units from as many threads as there are workers.
double BareStore(Store& store, int batch, double seconds) {
  const std::vector<ScoreColumn> columns = Columns("bare");
  std::atomic<int64_t> units = 0;
  std::atomic<int64_t> next = 0;
  const double took = OnThreads(kWorkers, seconds, [&](int, const std::atomic<bool>& stop) {
    while (!stop) {
      std::vector<std::string> names;
      std::vector<NewScore> scores;
      for (int i = 0; i < batch; ++i) names.push_back(absl::StrCat("a", next++));
      for (const std::string& name : names) {
        for (uint32_t p = 0; p < kProxies; ++p)
          scores.push_back({.series = p, .architecture = name, .value = 1.0 / (1 + p), .seconds = 0.01});
      }
      const absl::Status written = store.Write([&](StoreWriter& writer) {
        return writer.AddScores(columns, scores, {.worker = "bare", .numerics = kNumerics}, absl::Now()).status();
      });
      ZCB_CHECK(written.ok());
      units += batch;
    }
  });
  return static_cast<double>(units) / took;
}

// Answers without doing anything.
class Echo final : public v1::WorkerService::CallbackService {
 public:
  grpc::ServerUnaryReactor* RecordScores(grpc::CallbackServerContext* context, const v1::RecordScoresRequest*,
                                         v1::RecordScoresResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Units a second through a server that does nothing, without TLS.
double BareEcho(const v1::RecordScoresRequest& request, double seconds) {
  Echo echo;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&echo);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::atomic<int64_t> units = 0;
  const double took = OnThreads(kWorkers, seconds, [&](int i, const std::atomic<bool>& stop) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("bench.worker", i);  // a connection each
    const auto stub = v1::WorkerService::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments));
    while (!stop) {
      Must(*stub, &v1::WorkerService::Stub::RecordScores, request);
      units += request.results_size();
    }
  });
  server->Shutdown();
  return static_cast<double>(units) / took;
}

void MeasureRecording(const std::filesystem::path& folder, double seconds, Report& report) {
  for (const int batch : {16, 1}) {
    double bare = 0;
    {
      const auto store = OpenSqliteStore(folder / absl::StrCat("bare", batch, ".db"));
      ZCB_CHECK(store.ok());
      bare = BareStore(**store, batch, seconds);
    }
    const ServerProcess server(folder, absl::StrCat("record", batch, ".db"));
    const auto jobs = v1::JobService::NewStub(server.NewChannel());
    std::vector<std::unique_ptr<SimulatedWorker>> workers;
    for (int i = 0; i < kWorkers; ++i)
      workers.push_back(std::make_unique<SimulatedWorker>(server, absl::StrCat("w", i)));
    Must(*jobs, &v1::JobService::Stub::CreateJob, JobOf("nasbench101", 400'000));
    std::atomic<int64_t> units = 0;
    const double used = server.Processor();
    const double took = OnThreads(kWorkers, seconds, [&](int i, const std::atomic<bool>& stop) {
      workers[static_cast<size_t>(i)]->Work(batch, stop, units);
    });
    const double processor = server.Processor() - used;
    report.Add({absl::StrCat("durable units of 30 scores, ", kWorkers, " workers, ", batch, " a request"), "units/s",
                static_cast<double>(units) / took, "bare store", bare, true, batch == 16 ? 4000.0 : 0});
    report.Add({"  of the server's processor", "us/unit", processor / static_cast<double>(units) * 1e6, "", 0});
    v1::Lease lease;
    lease.mutable_cell()->set_space("nasbench101");
    for (int p = 0; p < kProxies; ++p) lease.add_proxies(ProxyName(p));
    for (int i = 0; i < batch; ++i) lease.add_items()->set_architecture("7-17404b-01200");
    report.Add({"  a call that does nothing with them", "units/s",
                BareEcho(workers[0]->Results(lease, 0, batch), seconds / 4), "", 0});
  }
}

void MeasureClaims(const std::filesystem::path& folder, Report& report) {
  constexpr int kUnits = 1'000'000;
  const auto opened = OpenSqliteStore(folder / "claims.db");
  ZCB_CHECK(opened.ok());
  Store& store = **opened;
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  std::vector<JobId> jobs;
  for (const char* state : {"free", "leased but 1,000", "expired"}) {
    JobId job{};
    ZCB_CHECK(store
                  .Write([&](StoreWriter& writer) -> absl::Status {
                    ZCB_ASSIGN_OR_RETURN(job, writer.AddJob({.digest = state, .created = now, .total = kUnits}));
                    return absl::OkStatus();
                  })
                  .ok());
    for (int first = 0; first < kUnits; first += 10'000) {
      std::vector<WorkUnit> units;
      for (int i = first; i < first + 10'000; ++i) {
        WorkUnit unit{.job = job, .first = static_cast<uint64_t>(i), .open = {true}};
        if (*state == 'l' && i % 1000 != 0) unit.free_from = now + absl::Minutes(1);
        if (*state == 'e') unit.free_from = now - absl::Seconds(1);
        units.push_back(std::move(unit));
      }
      ZCB_CHECK(store.Write([&](StoreWriter& writer) { return writer.AddUnits(units); }).ok());
    }
    std::vector<double> seconds;
    for (int i = 0; i < 50; ++i) {
      // Within a transaction, so that it is the claim that is measured and not the disk.
      ZCB_CHECK(store
                    .Write([&](StoreWriter& writer) -> absl::Status {
                      const double start = Now();
                      ZCB_ASSIGN_OR_RETURN(const auto units,
                                           writer.AcquireUnits(job, "w", now, now + absl::Minutes(1), 16));
                      seconds.push_back(Now() - start);
                      ZCB_CHECK(units.size() == 16);
                      return absl::OkStatus();
                    })
                    .ok());
    }
    std::sort(seconds.begin(), seconds.end());
    report.Add({absl::StrCat("claim of 16 among 1e6 units, ", state), "ms", seconds[seconds.size() / 2] * 1e3, "", 0,
                false, 1});
  }
}

void MeasureJob(const std::filesystem::path& folder, Report& report) {
  const ServerProcess server(folder, "job.db");
  SimulatedWorker worker(server, "w");
  const auto jobs = v1::JobService::NewStub(server.NewChannel());
  Must(*jobs, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest());  // connects
  double start = Now();
  Must(*jobs, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest());
  const double call = Now() - start;
  start = Now();
  Must(*jobs, &v1::JobService::Stub::CreateJob, JobOf(kColumnSpace, 10'000'000));
  report.Add(
      {"creating a job over 1e7 architectures", "ms", (Now() - start) * 1e3, "a call, ms", call * 1e3, false, 100});
}

// Waits of workers that have nothing to do.
class IdleCall {
 public:
  IdleCall(v1::WorkerService::Stub& stub, std::string session) : stub_(stub) {
    request_.set_session(std::move(session));
    request_.set_state(v1::WORKER_STATE_IDLE);
    request_.set_wanted(1);
    request_.mutable_wait()->set_seconds(15);
    Start();
  }
  // No further call; waits for the present one.
  void End() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    if (context_ != nullptr) context_->TryCancel();
    ended_.wait(lock, [&] { return context_ == nullptr; });
  }

 private:
  void Start() {
    std::lock_guard lock(mutex_);
    if (ending_) {
      context_ = nullptr;
      ended_.notify_all();
      return;
    }
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    stub_.async()->Synchronize(context_.get(), &request_, &response_, [this](const grpc::Status&) { Start(); });
  }

  v1::WorkerService::Stub& stub_;
  v1::SynchronizeRequest request_;
  v1::SynchronizeResponse response_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::unique_ptr<grpc::ClientContext> context_;
};

void MeasureIdle(const std::filesystem::path& folder, double seconds, Report& report) {
  const ServerProcess server(folder, "idle.db");
  std::vector<std::unique_ptr<v1::WorkerService::Stub>> stubs;
  std::vector<std::unique_ptr<IdleCall>> calls;
  for (int i = 0; i < kIdleWorkers; ++i) {
    stubs.push_back(v1::WorkerService::NewStub(server.NewChannel("worker")));
    const std::string session =
        Must(*stubs.back(), &v1::WorkerService::Stub::OpenSession, Announcement(absl::StrCat("idle", i))).session();
    calls.push_back(std::make_unique<IdleCall>(*stubs.back(), session));
  }
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const double used = server.Processor();
  const double start = Now();
  std::this_thread::sleep_for(std::chrono::duration<double>(std::max(30.0, seconds)));
  report.Add({absl::StrCat(kIdleWorkers, " idle workers"), "% of core",
              100 * (server.Processor() - used) / (Now() - start), "MiB resident", server.ResidentMiB(), false, 5});
  for (const auto& call : calls) call->End();
}

void MeasureColumn(const std::filesystem::path& folder, Report& report) {
  constexpr int kRows = 1'000'000;
  {
    const auto opened = OpenSqliteStore(folder / "column.db");
    ZCB_CHECK(opened.ok());
    const Space& space = *FindSpace(kColumnSpace).value()->space;
    const std::vector<ScoreColumn> columns = {Columns(kColumnSpace)[1]};
    for (int first = 0; first < kRows; first += 20'000) {
      std::vector<std::string> names;
      for (int i = first; i < first + 20'000; ++i) names.push_back(space.Parse(absl::StrCat("#", i)).value());
      std::vector<NewScore> scores;
      for (const std::string& name : names) scores.push_back({.architecture = name, .value = 0.5, .seconds = 0.1});
      ZCB_CHECK(
          (*opened)
              ->Write([&](StoreWriter& writer) {
                return writer.AddScores(columns, scores, {.worker = "w", .numerics = kNumerics}, absl::Now()).status();
              })
              .ok());
    }
  }
  const ServerProcess server(folder, "column.db");
  Must(*v1::WorkerService::NewStub(server.NewChannel("worker")), &v1::WorkerService::Stub::OpenSession,
       Announcement("w"));
  const auto queries = v1::QueryService::NewStub(server.NewChannel());
  v1::StreamScoresRequest request;
  request.mutable_filter()->set_space(kColumnSpace);
  request.mutable_filter()->set_task("cifar10");
  request.mutable_filter()->add_proxies(ProxyName(1));
  const double before = server.ResidentMiB();
  double peak = before;
  size_t largest = 0;
  std::vector<double> seconds;
  std::vector<double> column_seconds;
  for (int round = 0; round < 5; ++round) {
    grpc::ClientContext context;
    const double start = Now();
    double column = 0;
    const auto reader = queries->StreamScores(&context, request);
    int64_t rows = 0;
    for (v1::StreamScoresResponse chunk; reader->Read(&chunk);) {
      if (chunk.has_column() && column == 0) column = Now();
      rows += chunk.column().scores_size();
      largest = std::max(largest, chunk.ByteSizeLong());
      if (rows % 16 == 0) peak = std::max(peak, server.ResidentMiB());
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok() || rows != kRows) {
      std::fprintf(stderr, "bench_service: %lld rows: %s\n", static_cast<long long>(rows),
                   status.error_message().c_str());
      std::exit(1);
    }
    seconds.push_back(Now() - start);
    column_seconds.push_back(Now() - column);
  }
  std::sort(seconds.begin(), seconds.end());
  std::sort(column_seconds.begin(), column_seconds.end());
  report.Add({"reading a column of 1e6 scores", "s", column_seconds[2], "with its dictionary", seconds[2], false, 0.5});
  report.Add({"  the server's memory beyond that before", "MiB", peak - before, "", 0, false, 64});
  report.Add({"  its largest response", "KiB", static_cast<double>(largest) / 1024, "", 0, false, 1024});
  {
    // A reader that stops.
    grpc::ClientContext context;
    const auto reader = queries->StreamScores(&context, request);
    v1::StreamScoresResponse chunk;
    ZCB_CHECK(reader->Read(&chunk));
    const double rest = server.ResidentMiB();
    std::this_thread::sleep_for(std::chrono::seconds(3));
    report.Add(
        {"a reader that stops: the server's memory grows by", "MiB", server.ResidentMiB() - rest, "", 0, false, 64});
    context.TryCancel();
    reader->Finish();
  }
}

// More results at once than can be stored: callers wait, memory does not grow.
void MeasureFlood(const std::filesystem::path& folder, double seconds, Report& report) {
  const ServerProcess server(folder, "flood.db");
  std::vector<std::unique_ptr<SimulatedWorker>> workers;
  constexpr int kFlood = 128;
  for (int i = 0; i < kFlood; ++i) workers.push_back(std::make_unique<SimulatedWorker>(server, absl::StrCat("w", i)));
  Must(*v1::JobService::NewStub(server.NewChannel()), &v1::JobService::Stub::CreateJob, JobOf("nasbench101", 400'000));
  const double before = server.ResidentMiB();
  std::atomic<int64_t> units = 0;
  OnThreads(kFlood, seconds,
            [&](int i, const std::atomic<bool>& stop) { workers[static_cast<size_t>(i)]->Work(250, stop, units); });
  report.Add({"a flood by 128 workers: the server's memory grows by", "MiB", server.ResidentMiB() - before,
              "units recorded", static_cast<double>(units), false, 512});
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  double seconds = 10;
  std::string json;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") seconds = std::atof(argv[i + 1]);
    if (flag == "--json") json = argv[i + 1];
    if (flag == "--only") only = argv[i + 1];
  }
  setenv("GRPC_VERBOSITY", "NONE", 0);
  const zcbench::TemporaryFolder folder;
  zcbench::Report report;
  const auto wants = [&](const char* part) { return only.empty() || only == part; };
  if (wants("record")) zcbench::MeasureRecording(folder.path(), seconds, report);
  if (wants("claim")) zcbench::MeasureClaims(folder.path(), report);
  if (wants("job")) zcbench::MeasureJob(folder.path(), report);
  if (wants("column")) zcbench::MeasureColumn(folder.path(), report);
  if (wants("flood")) zcbench::MeasureFlood(folder.path(), seconds, report);
  if (wants("idle")) zcbench::MeasureIdle(folder.path(), seconds, report);
  if (!json.empty()) std::ofstream(json) << report.json().dump(2) << "\n";
}
