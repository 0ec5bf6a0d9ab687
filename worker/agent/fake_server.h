// A real gRPC server on loopback whose answers a test scripts. Tests only.
#ifndef ZCBENCH_WORKER_AGENT_FAKE_SERVER_H_
#define ZCBENCH_WORKER_AGENT_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {

// Gives out the leases that a test adds, keeps what is recorded, forgets nothing when it is stopped and started again.
class FakeServer final : public v1::WorkerService::Service, public v1::ProbeBatchService::Service {
 public:
  static constexpr absl::Duration kDeadline = absl::Seconds(30);  // of every wait of a test

  // What a test reads and sets.
  struct State {
    std::vector<v1::OpenSessionRequest> opened;
    std::vector<v1::SynchronizeRequest> synchronized;
    std::vector<v1::RecordScoresRequest> recorded;  // those answered OK
    std::vector<uint64_t> fetch_offsets;
    std::set<std::string> sessions;  // alive
    std::map<std::string, std::string> probe_batches;
    size_t fetch_limit = SIZE_MAX;  // bytes until a fetch breaks off, once
    std::set<int64_t> lost;         // units to call lost
    bool drain = false;
    int record_failures = 0;  // so many calls of RecordScores are answered with:
    grpc::Status record_failure{grpc::StatusCode::UNAVAILABLE, "the store is busy"};
    grpc::Status open_failure;
  };

  FakeServer() { Start(); }
  ~FakeServer() override { Stop(); }

  void Start() {
    grpc::ServerBuilder builder;
    // The same port again: clients must find a server that was started anew.
    builder.AddListeningPort(address_.empty() ? "127.0.0.1:0" : address_, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<v1::WorkerService::Service*>(this));
    builder.RegisterService(static_cast<v1::ProbeBatchService::Service*>(this));
    {
      MutexLock lock(mutex_);
      stopping_ = false;
    }
    server_ = builder.BuildAndStart();
    ZCB_CHECK(server_ != nullptr);
    address_ = absl::StrCat("127.0.0.1:", port_);
  }

  void Stop() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    server_ = nullptr;
  }

  const std::string& address() const { return address_; }

  void Add(v1::Lease lease) {
    MutexLock lock(mutex_);
    free_.push_back(std::move(lease));
    changed_.NotifyAll();
  }

  void Set(const std::function<void(State&)>& change) {
    MutexLock lock(mutex_);
    change(state_);
    changed_.NotifyAll();
  }

  State state() {
    MutexLock lock(mutex_);
    return state_;
  }

  // True when `condition` has come true before the deadline.
  bool Await(const std::function<bool(const State&)>& condition) {
    const absl::Time deadline = absl::Now() + kDeadline;
    MutexLock lock(mutex_);
    while (!condition(state_)) {
      if (absl::Now() >= deadline) return false;
      changed_.WaitFor(mutex_, deadline - absl::Now());
    }
    return true;
  }

 private:
  grpc::Status OpenSession(grpc::ServerContext*, const v1::OpenSessionRequest* request,
                           v1::OpenSessionResponse* response) override {
    MutexLock lock(mutex_);
    if (!state_.open_failure.ok()) return state_.open_failure;
    state_.opened.push_back(*request);
    response->set_session(absl::StrCat("session-", state_.opened.size()));
    state_.sessions = {response->session()};
    response->mutable_lease_duration()->set_seconds(60);
    response->mutable_heartbeat()->set_nanos(50'000'000);
    changed_.NotifyAll();
    return grpc::Status::OK;
  }

  grpc::Status Synchronize(grpc::ServerContext* context, const v1::SynchronizeRequest* request,
                           v1::SynchronizeResponse* response) override {
    const absl::Time until =
        absl::Now() + absl::Seconds(request->wait().seconds()) + absl::Nanoseconds(request->wait().nanos());
    MutexLock lock(mutex_);
    if (state_.sessions.count(request->session()) == 0) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("no session `", request->session(), "`"));
    }
    state_.synchronized.push_back(*request);
    changed_.NotifyAll();
    if (request->wanted() > 0) {
      while (free_.empty() && !stopping_ && !state_.drain && !context->IsCancelled() && absl::Now() < until) {
        changed_.WaitFor(mutex_, std::min(until - absl::Now(), absl::Milliseconds(20)));
      }
      if (state_.sessions.count(request->session()) == 0) {
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "the session has ended");
      }
      for (uint32_t i = 0; i < request->wanted() && !free_.empty() && !state_.drain && !context->IsCancelled(); ++i) {
        *response->add_leases() = free_.front();
        free_.pop_front();
      }
    }
    for (const v1::HeldLease& held : request->held()) {
      if (state_.lost.count(held.unit()) > 0) response->add_lost(held.unit());
    }
    response->set_drain(state_.drain);
    return grpc::Status::OK;
  }

  grpc::Status RecordScores(grpc::ServerContext*, const v1::RecordScoresRequest* request,
                            v1::RecordScoresResponse* response) override {
    MutexLock lock(mutex_);
    if (state_.record_failures > 0) {
      --state_.record_failures;
      changed_.NotifyAll();
      return state_.record_failure;
    }
    if (!request->session().empty() && state_.sessions.count(request->session()) == 0) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such session");
    }
    state_.recorded.push_back(*request);
    for (const v1::ArchitectureResult& result : request->results()) {
      for (int i = 0; i < result.scores_size(); ++i) response->add_dispositions(v1::DISPOSITION_RECORDED);
    }
    response->set_lease_valid(true);
    changed_.NotifyAll();
    return grpc::Status::OK;
  }

  grpc::Status FetchProbeBatch(grpc::ServerContext*, const v1::FetchProbeBatchRequest* request,
                               grpc::ServerWriter<v1::FetchProbeBatchResponse>* writer) override {
    MutexLock lock(mutex_);
    state_.fetch_offsets.push_back(request->offset());
    const auto batch = state_.probe_batches.find(request->digest());
    if (batch == state_.probe_batches.end()) return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such probe batch");
    constexpr size_t kChunk = 256 << 10;
    for (size_t at = request->offset(); at < batch->second.size(); at += kChunk) {
      if (at - request->offset() >= state_.fetch_limit) {
        state_.fetch_limit = SIZE_MAX;
        return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server stops");
      }
      v1::FetchProbeBatchResponse response;
      response.set_content(batch->second.substr(at, kChunk));
      writer->Write(response);
    }
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
  Mutex mutex_;
  CondVar changed_;
  State state_;
  std::deque<v1::Lease> free_;
  bool stopping_ = false;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_FAKE_SERVER_H_
