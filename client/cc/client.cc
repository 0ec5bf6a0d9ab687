#include "client/cc/client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr auto kConnectTime = std::chrono::seconds(5);
constexpr size_t kUploadPiece = 256 << 10;
constexpr uint32_t kPageSize = 1000;

// Follows the page tokens of a listing. `request` names what is listed; `take` moves the rows out of a response.
template <typename Request, typename List, typename Take>
absl::Status ListAll(Request request, const List& list, const Take& take) {
  request.set_page_size(kPageSize);
  do {
    ZCB_ASSIGN_OR_RETURN(auto response, list(request));
    take(response);
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

template <typename Message, typename Rows>
void Append(Rows& from, std::vector<Message>& to) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const ServerFile& server) {
  ZCB_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, MakeChannel(server, "admin"));
  const auto deadline = std::chrono::system_clock::now() + kConnectTime;
  // The first failed attempt is the answer: nobody listens there, and a channel would go on trying for ever.
  for (auto state = channel->GetState(true); state != GRPC_CHANNEL_READY; state = channel->GetState(true)) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || !channel->WaitForStateChange(state, deadline)) {
      return absl::UnavailableError(ConnectionProblem(server));
    }
  }
  return std::unique_ptr<Client>(new Client(server.address, std::move(channel)));
}

Client::Client(std::string address, std::shared_ptr<grpc::Channel> channel)
    : address_(std::move(address)),
      channel_(std::move(channel)),
      jobs_(pb::JobService::NewStub(channel_)),
      probe_batches_(pb::ProbeBatchService::NewStub(channel_)),
      queries_(pb::QueryService::NewStub(channel_)),
      publications_(pb::PublicationService::NewStub(channel_)),
      store_(pb::StoreService::NewStub(channel_)) {}

bool Client::connected() const { return channel_->GetState(false) == GRPC_CHANNEL_READY; }

absl::Status Client::FromCall(const grpc::Status& status) const {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && !connected()) {
    return absl::UnavailableError(absl::StrCat("the server at ", address_, " does not answer any more"));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(
        absl::StrCat("the server at ", address_, " did not answer within ", absl::ToInt64Seconds(kCallTime), " s"));
  }
  return FromGrpc(status);
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Client::Call(Stub& stub,
                                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                      const Request& request, absl::Duration time) {
  grpc::ClientContext context;
  if (time < absl::InfiniteDuration()) context.set_deadline(absl::ToChronoTime(absl::Now() + time));
  Response response;
  ZCB_RETURN_IF_ERROR(FromCall((stub.*method)(&context, request, &response)));
  return response;
}

absl::StatusOr<pb::CreateJobResponse> Client::CreateJob(const pb::JobSpec& spec, bool validate_only) {
  pb::CreateJobRequest request;
  *request.mutable_spec() = spec;
  request.set_validate_only(validate_only);
  return Call(*jobs_, &pb::JobService::Stub::CreateJob, request);
}

absl::StatusOr<pb::Job> Client::GetJob(int64_t id) {
  pb::GetJobRequest request;
  request.set_id(id);
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*jobs_, &pb::JobService::Stub::GetJob, request));
  return std::move(*response.mutable_job());
}

absl::StatusOr<std::vector<pb::Job>> Client::ListJobs() {
  std::vector<pb::Job> jobs;
  ZCB_RETURN_IF_ERROR(ListAll(
      pb::ListJobsRequest(),
      [this](const auto& request) { return Call(*jobs_, &pb::JobService::Stub::ListJobs, request); },
      [&](auto& response) { Append(*response.mutable_jobs(), jobs); }));
  return jobs;
}

absl::StatusOr<pb::Job> Client::ControlJob(int64_t id, pb::JobOrder order) {
  pb::ControlJobRequest request;
  request.set_id(id);
  request.set_order(order);
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*jobs_, &pb::JobService::Stub::ControlJob, request));
  return std::move(*response.mutable_job());
}

absl::StatusOr<pb::RetryFailuresResponse> Client::RetryFailures(int64_t job) {
  pb::RetryFailuresRequest request;
  request.set_job(job);
  return Call(*jobs_, &pb::JobService::Stub::RetryFailures, request);
}

absl::StatusOr<pb::ListConflictsResponse> Client::ListConflicts(int64_t job) {
  pb::ListConflictsRequest request;
  request.set_job(job);
  return Call(*jobs_, &pb::JobService::Stub::ListConflicts, request);
}

absl::StatusOr<pb::ExplainJobResponse> Client::ExplainJob(int64_t id) {
  pb::ExplainJobRequest request;
  request.set_id(id);
  return Call(*jobs_, &pb::JobService::Stub::ExplainJob, request);
}

absl::StatusOr<pb::Job> Client::AuditJob(int64_t job, double fraction, uint64_t sample_seed) {
  pb::AuditJobRequest request;
  request.set_job(job);
  request.set_fraction(fraction);
  request.set_sample_seed(sample_seed);
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*jobs_, &pb::JobService::Stub::AuditJob, request));
  return std::move(*response.mutable_job());
}

absl::StatusOr<std::vector<pb::Failure>> Client::ListFailures(int64_t job) {
  pb::ListFailuresRequest request;
  request.set_job(job);
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*jobs_, &pb::JobService::Stub::ListFailures, request));
  std::vector<pb::Failure> failures;
  Append(*response.mutable_failures(), failures);
  return failures;
}

absl::StatusOr<std::vector<pb::Worker>> Client::ListWorkers() {
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*jobs_, &pb::JobService::Stub::ListWorkers, pb::ListWorkersRequest()));
  std::vector<pb::Worker> workers;
  Append(*response.mutable_workers(), workers);
  return workers;
}

absl::Status Client::DrainWorker(const std::string& worker) {
  pb::DrainWorkerRequest request;
  request.set_worker(worker);
  return Call(*jobs_, &pb::JobService::Stub::DrainWorker, request).status();
}

absl::StatusOr<pb::CreateProbeBatchResponse> Client::CreateProbeBatch(std::string_view encoded) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTime));
  pb::CreateProbeBatchResponse response;
  const auto writer = probe_batches_->CreateProbeBatch(&context, &response);
  pb::CreateProbeBatchRequest request;
  request.set_digest(Sha256Hex(encoded));
  do {
    request.set_content(std::string(encoded.substr(0, kUploadPiece)));
    encoded.remove_prefix(request.content().size());
    if (!writer->Write(request)) break;  // Finish says why
    request.clear_digest();
  } while (!encoded.empty());
  writer->WritesDone();
  ZCB_RETURN_IF_ERROR(FromCall(writer->Finish()));
  return response;
}

absl::StatusOr<std::string> Client::FetchProbeBatch(const std::string& digest) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTime));
  pb::FetchProbeBatchRequest request;
  request.set_digest(digest);
  const auto reader = probe_batches_->FetchProbeBatch(&context, request);
  std::string encoded;
  pb::FetchProbeBatchResponse response;
  while (reader->Read(&response)) encoded += response.content();
  ZCB_RETURN_IF_ERROR(FromCall(reader->Finish()));
  if (Sha256Hex(encoded) != digest) {
    return absl::DataLossError(absl::StrCat("probe batch ", digest, " arrived as ", encoded.size(),
                                            " bytes with digest ", Sha256Hex(encoded)));
  }
  return encoded;
}

absl::StatusOr<std::vector<pb::ProbeBatchInfo>> Client::ListProbeBatches(const std::string& task) {
  pb::ListProbeBatchesRequest first;
  first.set_task(task);
  std::vector<pb::ProbeBatchInfo> batches;
  ZCB_RETURN_IF_ERROR(ListAll(
      first,
      [this](const auto& request) {
        return Call(*probe_batches_, &pb::ProbeBatchService::Stub::ListProbeBatches, request);
      },
      [&](auto& response) { Append(*response.mutable_probe_batches(), batches); }));
  return batches;
}

template <typename Response>
absl::Status Client::Receive(grpc::ClientContext& context, grpc::ClientReader<Response>& reader,
                             const std::function<absl::Status(const Response&)>& receive) {
  Response response;
  absl::Status received;
  while (received.ok() && reader.Read(&response)) received = receive(response);
  if (!received.ok()) context.TryCancel();
  const absl::Status finished = FromCall(reader.Finish());
  return received.ok() ? finished : received;
}

absl::Status Client::StreamScores(const pb::ScoreFilter& filter,
                                  const std::function<absl::Status(const pb::StreamScoresResponse&)>& receive) {
  grpc::ClientContext context;  // no deadline: a large benchmark takes what it takes; keepalive notices a lost server
  pb::StreamScoresRequest request;
  *request.mutable_filter() = filter;
  return Receive(context, *queries_->StreamScores(&context, request), receive);
}

absl::StatusOr<std::vector<pb::Series>> Client::ListSeries(const pb::ScoreFilter& filter) {
  pb::ListSeriesRequest first;
  *first.mutable_filter() = filter;
  std::vector<pb::Series> series;
  ZCB_RETURN_IF_ERROR(ListAll(
      first, [this](const auto& request) { return Call(*queries_, &pb::QueryService::Stub::ListSeries, request); },
      [&](auto& response) { Append(*response.mutable_series(), series); }));
  return series;
}

absl::StatusOr<std::vector<pb::Correlation>> Client::Correlate(const pb::CorrelateRequest& request) {
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*queries_, &pb::QueryService::Stub::Correlate, request));
  std::vector<pb::Correlation> correlations;
  Append(*response.mutable_correlations(), correlations);
  return correlations;
}

absl::StatusOr<std::vector<pb::TaskCorrelations>> Client::CorrelateTasks(const pb::CorrelateTasksRequest& request) {
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*queries_, &pb::QueryService::Stub::CorrelateTasks, request));
  std::vector<pb::TaskCorrelations> tasks;
  Append(*response.mutable_tasks(), tasks);
  return tasks;
}

absl::StatusOr<pb::Combination> Client::FitLibra(const pb::FitLibraRequest& request) {
  ZCB_ASSIGN_OR_RETURN(auto response,
                       Call(*queries_, &pb::QueryService::Stub::FitLibra, request, absl::InfiniteDuration()));
  return std::move(*response.mutable_combination());
}

absl::StatusOr<std::vector<pb::Combination>> Client::ListCombinations(const std::string& name) {
  pb::ListCombinationsRequest request;
  request.set_name(name);
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*queries_, &pb::QueryService::Stub::ListCombinations, request));
  std::vector<pb::Combination> combinations;
  Append(*response.mutable_combinations(), combinations);
  return combinations;
}

absl::StatusOr<std::vector<pb::LayerProfile>> Client::ProfileLayers(const pb::ScoreFilter& filter) {
  pb::ProfileLayersRequest request;
  *request.mutable_filter() = filter;
  ZCB_ASSIGN_OR_RETURN(auto response, Call(*queries_, &pb::QueryService::Stub::ProfileLayers, request));
  std::vector<pb::LayerProfile> profiles;
  Append(*response.mutable_profiles(), profiles);
  return profiles;
}

absl::StatusOr<pb::ImportAccuraciesResponse> Client::ImportAccuracies(const pb::ImportAccuraciesRequest& request) {
  return Call(*queries_, &pb::QueryService::Stub::ImportAccuracies, request);
}

absl::StatusOr<pb::DescribeResponse> Client::Describe() {
  return Call(*queries_, &pb::QueryService::Stub::Describe, pb::DescribeRequest());
}

absl::StatusOr<pb::ImportScoresResponse> Client::ImportScores(const pb::ImportScoresRequest& request) {
  return Call(*publications_, &pb::PublicationService::Stub::ImportScores, request);
}

absl::Status Client::StreamAccuracies(const std::string& space, const std::string& task,
                                      const std::function<absl::Status(const pb::StreamAccuraciesResponse&)>& receive) {
  grpc::ClientContext context;
  pb::StreamAccuraciesRequest request;
  request.set_space(space);
  request.set_task(task);
  return Receive(context, *publications_->StreamAccuracies(&context, request), receive);
}

absl::StatusOr<std::vector<pb::SourceInfo>> Client::ListSources() {
  ZCB_ASSIGN_OR_RETURN(auto response,
                       Call(*publications_, &pb::PublicationService::Stub::ListSources, pb::ListSourcesRequest()));
  std::vector<pb::SourceInfo> sources;
  Append(*response.mutable_sources(), sources);
  return sources;
}

absl::Status Client::ExportStore(const std::function<absl::Status(const pb::ExportStoreResponse&)>& receive) {
  grpc::ClientContext context;
  return Receive(context, *publications_->ExportStore(&context, pb::ExportStoreRequest()), receive);
}

absl::Status Client::BackUpStore(const std::function<absl::Status(const pb::BackUpStoreResponse&)>& receive) {
  grpc::ClientContext context;
  return Receive(context, *store_->BackUpStore(&context, pb::BackUpStoreRequest()), receive);
}

absl::Status Client::CheckStore(const std::function<absl::Status(const pb::CheckStoreResponse&)>& receive) {
  grpc::ClientContext context;
  return Receive(context, *store_->CheckStore(&context, pb::CheckStoreRequest()), receive);
}

absl::StatusOr<pb::DescribeStoreResponse> Client::DescribeStore() {
  return Call(*store_, &pb::StoreService::Stub::DescribeStore, pb::DescribeStoreRequest());
}

}  // namespace zcbench
