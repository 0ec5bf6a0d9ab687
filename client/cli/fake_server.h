// The three services of the command line, with answers that a test gives. Tests only.
#ifndef ZCBENCH_CLIENT_CLI_FAKE_SERVER_H_
#define ZCBENCH_CLIENT_CLI_FAKE_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/status_macros.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"

namespace zcbench {

namespace pb = v1;

// A real gRPC server on a free port of 127.0.0.1. A call without a handler is UNIMPLEMENTED. Handlers run one at a
// time.
class FakeServer {
 public:
  template <typename Request, typename Response>
  using Handler = std::function<grpc::Status(const Request&, Response&)>;

  FakeServer() : jobs_(*this), batches_(*this), queries_(*this) { Start("127.0.0.1:0"); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void Stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  void StartAgain() { Start(address()); }

  Handler<pb::CreateJobRequest, pb::CreateJobResponse> create_job;
  Handler<pb::GetJobRequest, pb::GetJobResponse> get_job;
  Handler<pb::ListJobsRequest, pb::ListJobsResponse> list_jobs;
  Handler<pb::ControlJobRequest, pb::ControlJobResponse> control_job;
  Handler<pb::RetryFailuresRequest, pb::RetryFailuresResponse> retry_failures;
  Handler<pb::ListConflictsRequest, pb::ListConflictsResponse> list_conflicts;
  Handler<pb::ExplainJobRequest, pb::ExplainJobResponse> explain_job;
  Handler<pb::AuditJobRequest, pb::AuditJobResponse> audit_job;
  Handler<pb::ListFailuresRequest, pb::ListFailuresResponse> list_failures;
  Handler<pb::ListWorkersRequest, pb::ListWorkersResponse> list_workers;
  Handler<pb::DrainWorkerRequest, pb::DrainWorkerResponse> drain_worker;
  Handler<std::vector<pb::CreateProbeBatchRequest>, pb::CreateProbeBatchResponse> create_probe_batch;
  Handler<pb::FetchProbeBatchRequest, std::vector<pb::FetchProbeBatchResponse>> fetch_probe_batch;
  Handler<pb::ListProbeBatchesRequest, pb::ListProbeBatchesResponse> list_probe_batches;
  Handler<pb::StreamScoresRequest, std::vector<pb::StreamScoresResponse>> stream_scores;
  Handler<pb::ListSeriesRequest, pb::ListSeriesResponse> list_series;
  Handler<pb::CorrelateRequest, pb::CorrelateResponse> correlate;
  Handler<pb::ProfileLayersRequest, pb::ProfileLayersResponse> profile_layers;
  Handler<pb::ImportAccuraciesRequest, pb::ImportAccuraciesResponse> import_accuracies;
  Handler<pb::DescribeRequest, pb::DescribeResponse> describe;

 private:
  template <typename Request, typename Response>
  grpc::Status Answer(const Handler<Request, Response>& handler, const Request& request, Response& response) {
    MutexLock lock(mutex_);
    return handler ? handler(request, response)
                   : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test has no answer");
  }

#define ZCB_FAKE_UNARY(NAME, HANDLER)                                                                                \
  grpc::Status NAME(grpc::ServerContext*, const pb::NAME##Request* request, pb::NAME##Response* response) override { \
    return owner.Answer(owner.HANDLER, *request, *response);                                                         \
  }

  struct Jobs final : pb::JobService::Service {
    explicit Jobs(FakeServer& o) : owner(o) {}
    FakeServer& owner;
    ZCB_FAKE_UNARY(CreateJob, create_job)
    ZCB_FAKE_UNARY(GetJob, get_job)
    ZCB_FAKE_UNARY(ListJobs, list_jobs)
    ZCB_FAKE_UNARY(ControlJob, control_job)
    ZCB_FAKE_UNARY(RetryFailures, retry_failures)
    ZCB_FAKE_UNARY(ListConflicts, list_conflicts)
    ZCB_FAKE_UNARY(ExplainJob, explain_job)
    ZCB_FAKE_UNARY(AuditJob, audit_job)
    ZCB_FAKE_UNARY(ListFailures, list_failures)
    ZCB_FAKE_UNARY(ListWorkers, list_workers)
    ZCB_FAKE_UNARY(DrainWorker, drain_worker)
  };

  struct ProbeBatches final : pb::ProbeBatchService::Service {
    explicit ProbeBatches(FakeServer& o) : owner(o) {}
    FakeServer& owner;
    ZCB_FAKE_UNARY(ListProbeBatches, list_probe_batches)
    grpc::Status CreateProbeBatch(grpc::ServerContext*, grpc::ServerReader<pb::CreateProbeBatchRequest>* reader,
                                  pb::CreateProbeBatchResponse* response) override {
      std::vector<pb::CreateProbeBatchRequest> pieces(1);
      while (reader->Read(&pieces.back())) pieces.emplace_back();
      pieces.pop_back();
      return owner.Answer(owner.create_probe_batch, pieces, *response);
    }
    grpc::Status FetchProbeBatch(grpc::ServerContext*, const pb::FetchProbeBatchRequest* request,
                                 grpc::ServerWriter<pb::FetchProbeBatchResponse>* writer) override {
      std::vector<pb::FetchProbeBatchResponse> pieces;
      const grpc::Status status = owner.Answer(owner.fetch_probe_batch, *request, pieces);
      for (const auto& piece : pieces) writer->Write(piece);
      return status;
    }
  };

  struct Queries final : pb::QueryService::Service {
    explicit Queries(FakeServer& o) : owner(o) {}
    FakeServer& owner;
    ZCB_FAKE_UNARY(ListSeries, list_series)
    ZCB_FAKE_UNARY(Correlate, correlate)
    ZCB_FAKE_UNARY(ProfileLayers, profile_layers)
    ZCB_FAKE_UNARY(ImportAccuracies, import_accuracies)
    ZCB_FAKE_UNARY(Describe, describe)
    grpc::Status StreamScores(grpc::ServerContext*, const pb::StreamScoresRequest* request,
                              grpc::ServerWriter<pb::StreamScoresResponse>* writer) override {
      std::vector<pb::StreamScoresResponse> pieces;
      const grpc::Status status = owner.Answer(owner.stream_scores, *request, pieces);
      for (const auto& piece : pieces) writer->Write(piece);
      return status;
    }
  };

#undef ZCB_FAKE_UNARY

  void Start(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&jobs_);
    builder.RegisterService(&batches_);
    builder.RegisterService(&queries_);
    server_ = builder.BuildAndStart();
    ZCB_CHECK(server_ != nullptr);
  }

  Jobs jobs_;
  ProbeBatches batches_;
  Queries queries_;
  Mutex mutex_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;  // last: it ends before what it calls
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_FAKE_SERVER_H_
