// The service's calls for C++ programs: one method a call, pages and streams gathered, errors as absl::Status. Nothing
// is checked here that the server checks. Every method may be called from any thread.
//
// Any method: UNAVAILABLE: the server does not answer (`connected()` is false) or cannot serve this call now (it is
// true). DEADLINE_EXCEEDED: it took too long. The other codes are those of proto/zcbench/v1.
#ifndef ZCBENCH_CLIENT_CC_CLIENT_H_
#define ZCBENCH_CLIENT_CC_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/channel.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/publication.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"
#include "zcbench/v1/store.grpc.pb.h"

namespace zcbench {

namespace pb = v1;

class Client {
 public:
  // Connects to the server of the file, for at most 5 s. UNAVAILABLE: nobody answers there, or another than the server
  // of the file. Other errors: see MakeChannel.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const ServerFile& server);

  const std::string& address() const { return address_; }
  bool connected() const;

  absl::StatusOr<pb::CreateJobResponse> CreateJob(const pb::JobSpec& spec, bool validate_only = false);
  absl::StatusOr<pb::Job> GetJob(int64_t id);  // 0 = the newest
  absl::StatusOr<std::vector<pb::Job>> ListJobs();
  absl::StatusOr<pb::Job> ControlJob(int64_t id, pb::JobOrder order);
  absl::StatusOr<pb::RetryFailuresResponse> RetryFailures(int64_t job);
  absl::StatusOr<pb::ListConflictsResponse> ListConflicts(int64_t job);  // 0 = of all
  absl::StatusOr<pb::ExplainJobResponse> ExplainJob(int64_t id);         // 0 = the newest
  absl::StatusOr<pb::Job> AuditJob(int64_t job, double fraction, uint64_t sample_seed);
  absl::StatusOr<std::vector<pb::Failure>> ListFailures(int64_t job);
  absl::StatusOr<std::vector<pb::Worker>> ListWorkers();
  absl::Status DrainWorker(const std::string& worker);

  // `encoded` is a probe batch file (nas/data/probe_batch.h). Storing the same again is no error.
  absl::StatusOr<pb::CreateProbeBatchResponse> CreateProbeBatch(std::string_view encoded);
  // DATA_LOSS: what arrived does not have the digest.
  absl::StatusOr<std::string> FetchProbeBatch(const std::string& digest);
  absl::StatusOr<std::vector<pb::ProbeBatchInfo>> ListProbeBatches(const std::string& task = "");

  // Hands every chunk to `receive` as it arrives; an error of `receive` ends the stream and is returned.
  absl::Status StreamScores(const pb::ScoreFilter& filter,
                            const std::function<absl::Status(const pb::StreamScoresResponse&)>& receive);
  absl::StatusOr<std::vector<pb::Series>> ListSeries(const pb::ScoreFilter& filter = {});
  absl::StatusOr<std::vector<pb::Correlation>> Correlate(const pb::CorrelateRequest& request);
  absl::StatusOr<std::vector<pb::TaskCorrelations>> CorrelateTasks(const pb::CorrelateTasksRequest& request);
  // Takes the time that it takes.
  absl::StatusOr<pb::Combination> FitLibra(const pb::FitLibraRequest& request);
  // All of them, or the named one.
  absl::StatusOr<std::vector<pb::Combination>> ListCombinations(const std::string& name = "");
  absl::StatusOr<std::vector<pb::LayerProfile>> ProfileLayers(const pb::ScoreFilter& filter);
  absl::StatusOr<pb::ImportAccuraciesResponse> ImportAccuracies(const pb::ImportAccuraciesRequest& request);
  absl::StatusOr<pb::DescribeResponse> Describe();

  absl::StatusOr<pb::ImportScoresResponse> ImportScores(const pb::ImportScoresRequest& request);
  // As StreamScores.
  absl::Status StreamAccuracies(const std::string& space, const std::string& task,
                                const std::function<absl::Status(const pb::StreamAccuraciesResponse&)>& receive);
  absl::StatusOr<std::vector<pb::SourceInfo>> ListSources();
  absl::Status ExportStore(const std::function<absl::Status(const pb::ExportStoreResponse&)>& receive);

  // As StreamScores.
  absl::Status BackUpStore(const std::function<absl::Status(const pb::BackUpStoreResponse&)>& receive);
  absl::Status CheckStore(const std::function<absl::Status(const pb::CheckStoreResponse&)>& receive);
  absl::StatusOr<pb::DescribeStoreResponse> DescribeStore();

 private:
  // Generous: an aggregate over a large store, or an import that waits for the writer.
  static constexpr absl::Duration kCallTime = absl::Seconds(120);

  Client(std::string address, std::shared_ptr<grpc::Channel> channel);

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration time = kCallTime);
  absl::Status FromCall(const grpc::Status& status) const;
  template <typename Response>
  absl::Status Receive(grpc::ClientContext& context, grpc::ClientReader<Response>& reader,
                       const std::function<absl::Status(const Response&)>& receive);

  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::JobService::Stub> jobs_;
  std::unique_ptr<pb::ProbeBatchService::Stub> probe_batches_;
  std::unique_ptr<pb::QueryService::Stub> queries_;
  std::unique_ptr<pb::PublicationService::Stub> publications_;
  std::unique_ptr<pb::StoreService::Stub> store_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CC_CLIENT_H_
