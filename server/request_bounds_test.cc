// Every request with each of its fields wrong or too large in turn, over a real connection: the answer names the field,
// and what is right is still answered afterwards.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "server/server.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/publication.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kNoSeed = ~uint64_t{0};  // seeds are below 2^63
const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

std::string Long(size_t bytes) { return std::string(bytes, 'x'); }

template <typename Repeated>
void Repeat(Repeated* repeated, int count, const typename Repeated::value_type& value) {
  for (int i = 0; i < count; ++i) *repeated->Add() = value;
}

template <typename Request>
struct Case {
  const char* says;  // in the message of the answer
  std::function<void(Request&)> change;
  grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT;
};

class RequestBoundsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::Start(
        {.store = folder_ / "zcbench.db", .listen = {.address = "127.0.0.1:0", .insecure = true}, .version = "9.8.7"});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    const auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    worker_ = v1::WorkerService::NewStub(channel);
    jobs_ = v1::JobService::NewStub(channel);
    batches_ = v1::ProbeBatchService::NewStub(channel);
    query_ = v1::QueryService::NewStub(channel);
    publication_ = v1::PublicationService::NewStub(channel);
    v1::OpenSessionResponse opened;
    ASSERT_TRUE(Call(*worker_, &v1::WorkerService::Stub::OpenSession, Opening(), opened).ok());
    session_ = opened.session();
  }

  template <typename Stub, typename Request, typename Response>
  static grpc::Status Call(Stub& stub, grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return (stub.*rpc)(&context, request, &response);
  }

  // Each change of `good` is refused, and `good` itself is not.
  template <typename Stub, typename Request, typename Response>
  static void Refuses(Stub& stub, grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                      const Request& good, const std::vector<Case<Request>>& cases) {
    for (const Case<Request>& wrong : cases) {
      Request request = good;
      wrong.change(request);
      Response response;
      const grpc::Status status = Call(stub, rpc, request, response);
      const std::string name = absl::StrCat(std::string(Request::descriptor()->name()), " ", wrong.says);
      EXPECT_EQ(status.error_code(), wrong.code) << name << ": " << status.error_message();
      EXPECT_THAT(status.error_message(), HasSubstr(wrong.says)) << name;
      EXPECT_LE(status.error_message().size(), 2100u) << name;
    }
    Response response;
    const grpc::Status status = Call(stub, rpc, good, response);
    EXPECT_TRUE(status.ok()) << std::string(Request::descriptor()->name()) << ": " << status.error_message();
  }

  // The same for a server stream, whose status comes at its end.
  template <typename Stub, typename Request, typename Response>
  static void Refuses(Stub& stub,
                      std::unique_ptr<grpc::ClientReader<Response>> (Stub::*rpc)(grpc::ClientContext*, const Request&),
                      const Request& good, const std::vector<Case<Request>>& cases) {
    const auto call = [&](const Request& request) {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
      const auto reader = (stub.*rpc)(&context, request);
      Response response;
      while (reader->Read(&response)) {
      }
      return reader->Finish();
    };
    for (const Case<Request>& wrong : cases) {
      Request request = good;
      wrong.change(request);
      const grpc::Status status = call(request);
      const std::string name = absl::StrCat(std::string(Request::descriptor()->name()), " ", wrong.says);
      EXPECT_EQ(status.error_code(), wrong.code) << name << ": " << status.error_message();
      EXPECT_THAT(status.error_message(), HasSubstr(wrong.says)) << name;
    }
    EXPECT_TRUE(call(good).ok());
  }

  static v1::OpenSessionRequest Opening() {
    v1::OpenSessionRequest request;
    request.set_worker("w");
    request.mutable_execution()->set_worker("w");
    request.mutable_execution()->set_device("cpu");
    request.mutable_execution()->set_numerics("cpu-test");
    request.add_spaces()->set_name("nasbench201");
    request.mutable_spaces(0)->set_version("1");
    for (const char* name : {"params", "synflow"}) {
      v1::ProxyInfo& proxy = *request.add_proxies();
      proxy.set_name(name);
      proxy.set_version("1.1");
      proxy.set_reads_weights(true);
      (*proxy.mutable_options())["samples"] = "16";
    }
    return request;
  }

  static v1::CreateJobRequest NewJob() {
    v1::CreateJobRequest request;
    v1::JobSpec& spec = *request.mutable_spec();
    spec.set_space("nasbench201");
    spec.set_task("photos");
    spec.add_proxies("all");
    spec.add_seeds(0);
    spec.mutable_indexed()->set_count(2);
    return request;
  }

  v1::Lease Acquire() {
    v1::CreateJobResponse job;
    EXPECT_TRUE(Call(*jobs_, &v1::JobService::Stub::CreateJob, NewJob(), job).ok());
    v1::SynchronizeRequest request;
    request.set_session(session_);
    request.set_state(v1::WORKER_STATE_IDLE);
    request.set_wanted(1);
    v1::SynchronizeResponse response;
    EXPECT_TRUE(Call(*worker_, &v1::WorkerService::Stub::Synchronize, request, response).ok());
    return response.leases(0);
  }

  v1::RecordScoresRequest Recording() {
    const v1::Lease lease = Acquire();
    v1::RecordScoresRequest request;
    request.set_session(session_);
    request.set_request_id("1");
    request.set_unit(lease.unit());
    request.set_attempt(lease.attempt());
    *request.mutable_execution() = Opening().execution();
    *request.mutable_cell() = lease.cell();
    *request.mutable_proxies() = lease.proxies();
    for (int i = 0; i < lease.proxies_size(); ++i) request.add_versions("1.1.1");
    v1::ArchitectureResult& result = *request.add_results();
    result.set_architecture(lease.items(0).architecture());
    for (int i = 0; i < lease.proxies_size(); ++i) {
      v1::ProxyScore& score = *result.add_scores();
      score.set_proxy(static_cast<uint32_t>(i));
      score.set_outcome(v1::SCORE_OUTCOME_OK);
      score.set_score(1);
    }
    request.set_close(v1::LEASE_OUTCOME_COMPLETED);
    return request;
  }

  template <typename Request>
  static std::vector<Case<Request>> FilterCases() {
    return {{"filter.job", [](auto& r) { r.mutable_filter()->set_job(-1); }},
            {"filter.space", [](auto& r) { r.mutable_filter()->set_space(Long(65)); }},
            {"filter.task", [](auto& r) { r.mutable_filter()->set_task(Long(65)); }},
            {"filter.proxies", [](auto& r) { Repeat(r.mutable_filter()->mutable_proxies(), 257, "params"); }},
            {"filter.proxies", [](auto& r) { r.mutable_filter()->add_proxies(Long(1001)); }},
            {"filter.seeds", [](auto& r) { r.mutable_filter()->add_seeds(kNoSeed); }},
            {"filter.seeds", [](auto& r) { Repeat(r.mutable_filter()->mutable_seeds(), 1025, uint64_t{0}); }},
            {"filter.numerics", [](auto& r) { r.mutable_filter()->set_numerics(Long(201)); }},
            {"filter.source", [](auto& r) { r.mutable_filter()->set_source(Long(201)); }},
            {"did you mean `nasbench201`", [](auto& r) { r.mutable_filter()->set_space("nasbench202x"); },
             grpc::StatusCode::NOT_FOUND},
            {"did you mean `synflow`", [](auto& r) { r.mutable_filter()->add_proxies("sinflow"); },
             grpc::StatusCode::NOT_FOUND}};
  }

  TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::WorkerService::Stub> worker_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ProbeBatchService::Stub> batches_;
  std::unique_ptr<v1::QueryService::Stub> query_;
  std::unique_ptr<v1::PublicationService::Stub> publication_;
  std::string session_;
};

TEST_F(RequestBoundsTest, OfOpenSession) {
  Refuses(*worker_, &v1::WorkerService::Stub::OpenSession, Opening(),
          {{"worker", [](auto& r) { r.set_worker(Long(65)); }},
           {"worker", [](auto& r) { r.set_worker("a/b"); }},
           {"execution.worker", [](auto& r) { r.mutable_execution()->set_worker(Long(65)); }},
           {"execution.host", [](auto& r) { r.mutable_execution()->set_host(Long(201)); }},
           {"execution.host", [](auto& r) { r.mutable_execution()->set_host("a\nb"); }},
           {"execution.device", [](auto& r) { r.mutable_execution()->set_device(Long(201)); }},
           {"execution.numerics", [](auto& r) { r.mutable_execution()->set_numerics(Long(201)); }},
           {"execution.zcbench_version", [](auto& r) { r.mutable_execution()->set_zcbench_version(Long(201)); }},
           {"execution.commit", [](auto& r) { r.mutable_execution()->set_commit(Long(201)); }},
           {"spaces", [](auto& r) { Repeat(r.mutable_spaces(), 256, r.spaces(0)); }},
           {"spaces.name", [](auto& r) { r.mutable_spaces(0)->set_name(Long(65)); }},
           {"spaces.version", [](auto& r) { r.mutable_spaces(0)->set_version("-1"); }},
           {"spaces.version", [](auto& r) { r.mutable_spaces(0)->set_version(std::string(65, '1')); }},
           {"proxies", [](auto& r) { Repeat(r.mutable_proxies(), 1023, r.proxies(0)); }},
           {"name", [](auto& r) { r.mutable_proxies(0)->set_name(Long(65)); }},
           {"summary", [](auto& r) { r.mutable_proxies(0)->set_summary(Long(1001)); }},
           {"paper", [](auto& r) { r.mutable_proxies(0)->set_paper(Long(1001)); }},
           {"version", [](auto& r) { r.mutable_proxies(0)->set_version("1." + std::string(64, '1')); }},
           {"tolerance", [](auto& r) { r.mutable_proxies(0)->set_tolerance(kNan); }},
           {"options", [](auto& r) { (*r.mutable_proxies(0)->mutable_options())[Long(65)] = "1"; }},
           {"options.samples", [](auto& r) { (*r.mutable_proxies(0)->mutable_options())["samples"] = Long(201); }},
           {"options",
            [](auto& r) {
              for (int i = 0; i < 33; ++i) (*r.mutable_proxies(0)->mutable_options())[absl::StrCat("o", i)] = "1";
            }},
           {"available_until", [](auto& r) { r.mutable_available_until()->set_seconds(-1); }},
           {"available_until", [](auto& r) { r.mutable_available_until()->set_nanos(1'000'000'000); }}});
}

TEST_F(RequestBoundsTest, OfSynchronize) {
  v1::SynchronizeRequest good;
  good.set_session(session_);
  good.set_state(v1::WORKER_STATE_BUSY);
  good.add_held()->set_unit(7);
  good.mutable_held(0)->set_attempt(1);
  Refuses(*worker_, &v1::WorkerService::Stub::Synchronize, good,
          {{"session", [](auto& r) { r.set_session(Long(65)); }},
           {"session", [](auto& r) { r.set_session("another"); }, grpc::StatusCode::NOT_FOUND},
           {"state", [](auto& r) { r.clear_state(); }},
           {"state", [](auto& r) { r.set_state(static_cast<v1::WorkerState>(99)); }},
           {"held", [](auto& r) { Repeat(r.mutable_held(), 256, r.held(0)); }},
           {"held.unit", [](auto& r) { r.mutable_held(0)->set_unit(-1); }},
           {"held.attempt", [](auto& r) { r.mutable_held(0)->set_attempt(-1); }},
           {"wanted", [](auto& r) { r.set_wanted(17); }},
           {"wait", [](auto& r) { r.mutable_wait()->set_seconds(-1); }},
           {"wait", [](auto& r) { r.mutable_wait()->set_nanos(1'000'000'000); }}});
}

TEST_F(RequestBoundsTest, OfRecordScores) {
  using Request = v1::RecordScoresRequest;
  const auto result = [](Request& r) { return r.mutable_results(0); };
  const auto score = [](Request& r) { return r.mutable_results(0)->mutable_scores(0); };
  Refuses(*worker_, &v1::WorkerService::Stub::RecordScores, Recording(),
          {{"session", [](auto& r) { r.set_session(Long(65)); }},
           {"request_id", [](auto& r) { r.clear_request_id(); }},
           {"request_id", [](auto& r) { r.set_request_id(Long(65)); }},
           {"unit", [](auto& r) { r.set_unit(-1); }},
           {"attempt", [](auto& r) { r.set_attempt(-1); }},
           {"execution.device", [](auto& r) { r.mutable_execution()->clear_device(); }},
           {"cell.space", [](auto& r) { r.mutable_cell()->set_space(Long(65)); }},
           {"`nasbench201`", [](auto& r) { r.mutable_cell()->set_space("nasbench200"); }, grpc::StatusCode::NOT_FOUND},
           {"cell.task", [](auto& r) { r.mutable_cell()->set_task(Long(65)); }},
           {"`photos`", [](auto& r) { r.mutable_cell()->set_task("fotos"); }, grpc::StatusCode::NOT_FOUND},
           {"cell.images", [](auto& r) { r.mutable_cell()->set_images(4097); }},
           {"cell.height", [](auto& r) { r.mutable_cell()->set_height(33); }},
           {"cell.width", [](auto& r) { r.mutable_cell()->set_width(33); }},
           {"cell.channels", [](auto& r) { r.mutable_cell()->set_channels(4); }},
           {"cell.classes", [](auto& r) { r.mutable_cell()->set_classes(6); }},
           {"cell.kind", [](auto& r) { r.mutable_cell()->set_kind(v1::TASK_KIND_JIGSAW); }},
           {"proxies",
            [](auto& r) {
              Repeat(r.mutable_proxies(), 256, "params");
              Repeat(r.mutable_versions(), 256, "1.1.1");
            }},
           {"proxies", [](auto& r) { r.set_proxies(0, Long(1001)); }},
           {"did you mean `params`", [](auto& r) { r.set_proxies(0, "parms"); }, grpc::StatusCode::NOT_FOUND},
           {"versions", [](auto& r) { r.add_versions("1.1.1"); }},
           {"versions", [](auto& r) { r.set_versions(0, "1.1." + std::string(64, '1')); }},
           {"results.architecture", [&](auto& r) { result(r)->set_architecture(Long(100'000)); }},
           {"results.seed", [&](auto& r) { result(r)->set_seed(kNoSeed); }},
           {"results", [](auto& r) { *r.add_results() = r.results(0); }},
           {"results.failure", [&](auto& r) { result(r)->set_failure(v1::FAILURE_KIND_UNDEFINED); }},
           {"results.failure", [&](auto& r) { result(r)->set_failure(static_cast<v1::FailureKind>(-1)); }},
           {"results.scores.proxy", [&](auto& r) { score(r)->set_proxy(2); }},
           {"results.scores.outcome", [&](auto& r) { score(r)->set_outcome(static_cast<v1::ScoreOutcome>(4)); }},
           {"results.scores.score", [&](auto& r) { score(r)->set_score(kInfinity); }},
           {"results.scores.seconds", [&](auto& r) { score(r)->set_seconds(-1); }},
           {"results.scores.seconds", [&](auto& r) { score(r)->set_seconds(kNan); }},
           {"close", [](auto& r) { r.set_close(static_cast<v1::LeaseOutcome>(4)); }},
           {"probe_batches", [](auto& r) { (*r.mutable_probe_batches())[0] = "ABC"; }},
           {"probe_batches", [](auto& r) { (*r.mutable_probe_batches())[kNoSeed] = std::string(64, 'a'); }},
           {"probe_batches", [](auto& r) {
              for (uint64_t seed = 0; seed < 65; ++seed) (*r.mutable_probe_batches())[seed] = std::string(64, 'a');
            }}});
}

// A long reason is no reason to lose a score.
TEST_F(RequestBoundsTest, AReasonIsShortened) {
  v1::RecordScoresRequest request = Recording();
  v1::ProxyScore& score = *request.mutable_results(0)->mutable_scores(0);
  score.set_outcome(v1::SCORE_OUTCOME_UNDEFINED);
  score.clear_score();
  score.set_reason("so\nit is" + Long(5000));
  v1::RecordScoresResponse recorded;
  ASSERT_TRUE(Call(*worker_, &v1::WorkerService::Stub::RecordScores, request, recorded).ok());
  EXPECT_EQ(recorded.dispositions(0), v1::DISPOSITION_RECORDED);
  v1::ListFailuresRequest list;
  list.set_job(1);
  v1::ListFailuresResponse failures;
  ASSERT_TRUE(Call(*jobs_, &v1::JobService::Stub::ListFailures, list, failures).ok());
  ASSERT_EQ(failures.failures_size(), 1);
  EXPECT_THAT(failures.failures(0).message(), testing::StartsWith("so it isxxx"));
  EXPECT_EQ(failures.failures(0).message().size(), 1000u);
}

TEST_F(RequestBoundsTest, OfCreateJob) {
  using Request = v1::CreateJobRequest;
  const auto spec = [](Request& r) { return r.mutable_spec(); };
  Refuses(
      *jobs_, &v1::JobService::Stub::CreateJob, NewJob(),
      {{"spec.space", [&](auto& r) { spec(r)->set_space(Long(65)); }},
       {"did you mean `nasbench201`", [&](auto& r) { spec(r)->set_space("nasbench2001"); },
        grpc::StatusCode::NOT_FOUND},
       {"spec.task", [&](auto& r) { spec(r)->set_task(Long(65)); }},
       {"did you mean `photos`", [&](auto& r) { spec(r)->set_task("fotos"); }, grpc::StatusCode::NOT_FOUND},
       {"spec.proxies", [&](auto& r) { spec(r)->clear_proxies(); }},
       {"spec.proxies", [&](auto& r) { spec(r)->add_proxies(Long(1001)); }},
       {"xxx...`", [&](auto& r) { spec(r)->add_proxies(Long(1000)); }, grpc::StatusCode::NOT_FOUND},
       {"spec.proxies", [&](auto& r) { Repeat(spec(r)->mutable_proxies(), 256, "params"); }},
       {"did you mean `synflow`", [&](auto& r) { spec(r)->add_proxies("sinflow"); }, grpc::StatusCode::NOT_FOUND},
       {"did you mean `samples`", [&](auto& r) { spec(r)->add_proxies("synflow(sample=4)"); },
        grpc::StatusCode::NOT_FOUND},
       {"spec.seeds", [&](auto& r) { spec(r)->clear_seeds(); }},
       {"spec.seeds", [&](auto& r) { spec(r)->add_seeds(kNoSeed); }},
       {"spec.seeds",
        [&](auto& r) {
          for (uint64_t seed = 1; seed < 65; ++seed) spec(r)->add_seeds(seed);
        }},
       {"spec.architectures", [&](auto& r) { spec(r)->clear_architectures(); }},
       {"spec.sampled.count", [&](auto& r) { spec(r)->mutable_sampled()->set_count(1'000'001); }},
       {"spec.sampled.sample_seed",
        [&](auto& r) {
          spec(r)->mutable_sampled()->set_count(1);
          spec(r)->mutable_sampled()->set_sample_seed(kNoSeed);
        }},
       {"spec.indexed", [&](auto& r) { spec(r)->mutable_indexed()->set_count(15'626); }},
       {"spec.indexed", [&](auto& r) { spec(r)->mutable_indexed()->set_first(kNoSeed); }},
       {"spec.listed.architectures",
        [&](auto& r) { Repeat(spec(r)->mutable_listed()->mutable_architectures(), 20'001, "3_33_133"); }},
       {"spec.listed.architectures[0]", [&](auto& r) { spec(r)->mutable_listed()->add_architectures(Long(100'000)); }},
       {"spec.images", [&](auto& r) { spec(r)->set_images(4097); }},
       {"spec.layer_statistics", [&](auto& r) { spec(r)->set_layer_statistics(true); }},
       {"spec.input", [&](auto& r) { spec(r)->set_input(Long(65)); }},
       {"priority", [](auto& r) { r.set_priority(101); }},
       {"priority", [](auto& r) { r.set_priority(-101); }}});
}

TEST_F(RequestBoundsTest, OfOtherCallsAboutJobs) {
  v1::CreateJobResponse job;
  ASSERT_TRUE(Call(*jobs_, &v1::JobService::Stub::CreateJob, NewJob(), job).ok());
  const auto missing = grpc::StatusCode::NOT_FOUND;
  Refuses(*jobs_, &v1::JobService::Stub::GetJob, v1::GetJobRequest(),
          {{"-1", [](auto& r) { r.set_id(-1); }, missing}, {"7", [](auto& r) { r.set_id(7); }, missing}});
  Refuses(*jobs_, &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(),
          {{"page_token", [](auto& r) { r.set_page_token("-1"); }},
           {"page_token", [](auto& r) { r.set_page_token(Long(21)); }}});
  v1::ControlJobRequest order;
  order.set_id(1);
  order.set_order(v1::JOB_ORDER_PAUSE);
  Refuses(*jobs_, &v1::JobService::Stub::ControlJob, order,
          {{"order", [](auto& r) { r.clear_order(); }},
           {"order", [](auto& r) { r.set_order(static_cast<v1::JobOrder>(5)); }},
           {"-1", [](auto& r) { r.set_id(-1); }, missing}});
  Refuses(*jobs_, &v1::JobService::Stub::ListFailures, v1::ListFailuresRequest(),
          {{"-1", [](auto& r) { r.set_job(-1); }, missing}});
  Refuses(*jobs_, &v1::JobService::Stub::RetryFailures, v1::RetryFailuresRequest(),
          {{"-1", [](auto& r) { r.set_job(-1); }, missing}});
  Refuses(*jobs_, &v1::JobService::Stub::ListConflicts, v1::ListConflictsRequest(),
          {{"-1", [](auto& r) { r.set_job(-1); }, missing}});
  Refuses(*jobs_, &v1::JobService::Stub::ExplainJob, v1::ExplainJobRequest(),
          {{"-1", [](auto& r) { r.set_id(-1); }, missing}});
  v1::DrainWorkerRequest drain;
  drain.set_worker("w");
  Refuses(*jobs_, &v1::JobService::Stub::DrainWorker, drain,
          {{"worker", [](auto& r) { r.clear_worker(); }},
           {"worker", [](auto& r) { r.set_worker(Long(65)); }},
           {"did you mean `w`", [](auto& r) { r.set_worker("v"); }, missing}});
  v1::AuditJobRequest audit;
  for (const double fraction : {0.0, -0.5, 1.01, kNan}) {
    audit.set_fraction(fraction);
    v1::AuditJobResponse response;
    const grpc::Status status = Call(*jobs_, &v1::JobService::Stub::AuditJob, audit, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << fraction;
    EXPECT_THAT(status.error_message(), HasSubstr("fraction"));
  }
}

TEST_F(RequestBoundsTest, OfProbeBatches) {
  Refuses(*batches_, &v1::ProbeBatchService::Stub::ListProbeBatches, v1::ListProbeBatchesRequest(),
          {{"task", [](auto& r) { r.set_task(Long(65)); }},
           {"did you mean `photos`", [](auto& r) { r.set_task("fotos"); }, grpc::StatusCode::NOT_FOUND},
           {"page_token", [](auto& r) { r.set_page_token("1"); }}});
  for (const auto& [digest, code] : {std::pair{std::string("ABC"), grpc::StatusCode::INVALID_ARGUMENT},
                                     {std::string(64, 'a'), grpc::StatusCode::NOT_FOUND}}) {
    v1::FetchProbeBatchRequest fetch;
    fetch.set_digest(digest);
    fetch.set_offset(kNoSeed);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::FetchProbeBatchResponse response;
    const auto reader = batches_->FetchProbeBatch(&context, fetch);
    EXPECT_FALSE(reader->Read(&response));
    const grpc::Status status = reader->Finish();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("digest"));
  }
}

TEST_F(RequestBoundsTest, OfQueries) {
  Refuses(*query_, &v1::QueryService::Stub::StreamScores, v1::StreamScoresRequest(),
          FilterCases<v1::StreamScoresRequest>());
  std::vector<Case<v1::ListSeriesRequest>> series = FilterCases<v1::ListSeriesRequest>();
  series.push_back({"page_token", [](auto& r) { r.set_page_token("x"); }});
  Refuses(*query_, &v1::QueryService::Stub::ListSeries, v1::ListSeriesRequest(), series);
  std::vector<Case<v1::ListCombinationsRequest>> names = {{"name", [](auto& r) { r.set_name(Long(65)); }}};
  Refuses(*query_, &v1::QueryService::Stub::ListCombinations, v1::ListCombinationsRequest(), names);
  // An empty store has nothing to correlate, so these have no good request here; service_test.cc has.
  const auto refused = [&]<typename Request, typename Response>(
                           grpc::Status (v1::QueryService::Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, const char* says) {
    Response response;
    const grpc::Status status = Call(*query_, rpc, request, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(says));
  };
  v1::CorrelateRequest correlate;
  correlate.set_against(Long(501));
  refused(&v1::QueryService::Stub::Correlate, correlate, "against");
  correlate.clear_against();
  correlate.set_top(1'000'001);
  refused(&v1::QueryService::Stub::Correlate, correlate, "top");
  correlate.clear_top();
  Repeat(correlate.mutable_combinations(), 65, "c");
  refused(&v1::QueryService::Stub::Correlate, correlate, "combinations");
  v1::CorrelateTasksRequest tasks;
  tasks.set_against(Long(501));
  refused(&v1::QueryService::Stub::CorrelateTasks, tasks, "against");
  v1::FitLibraRequest fit;
  fit.set_bins(1001);
  refused(&v1::QueryService::Stub::FitLibra, fit, "bins");
  fit.clear_bins();
  fit.set_seed(kNoSeed);
  refused(&v1::QueryService::Stub::FitLibra, fit, "seed");
  fit.clear_seed();
  fit.set_merge(Long(100'000));
  refused(&v1::QueryService::Stub::FitLibra, fit, "merge");
  fit.clear_merge();
  fit.set_save_as(Long(65));
  refused(&v1::QueryService::Stub::FitLibra, fit, "save_as");
}

TEST_F(RequestBoundsTest, OfImports) {
  v1::ImportAccuraciesRequest accuracies;
  accuracies.set_space("nasbench201");
  accuracies.set_task("photos");
  accuracies.set_metric("top1");
  accuracies.set_source("paper");
  accuracies.set_licence("CC0");
  accuracies.set_digest(std::string(64, 'a'));
  accuracies.add_rows()->set_architecture("3_33_133");
  Refuses(*query_, &v1::QueryService::Stub::ImportAccuracies, accuracies,
          {{"space", [](auto& r) { r.set_space(Long(65)); }},
           {"task", [](auto& r) { r.set_task(Long(65)); }},
           {"metric", [](auto& r) { r.set_metric(Long(201)); }},
           {"source", [](auto& r) { r.set_source(Long(201)); }},
           {"licence", [](auto& r) { r.set_licence(Long(201)); }},
           {"digest", [](auto& r) { r.set_digest(Long(64)); }},
           {"rows", [](auto& r) { Repeat(r.mutable_rows(), 10'000, r.rows(0)); }},
           {"rows[0].architecture", [](auto& r) { r.mutable_rows(0)->set_architecture(Long(1001)); }},
           {"rows[0].accuracy", [](auto& r) { r.mutable_rows(0)->set_accuracy(kNan); }}});
  v1::ImportScoresRequest scores;
  scores.set_space("nasbench201");
  scores.set_task("photos");
  scores.set_source("paper");
  scores.set_licence("CC0");
  scores.set_digest(std::string(64, 'a'));
  scores.add_proxies("params");
  scores.add_architectures("3_33_133");
  scores.add_scores(1);
  scores.add_outcomes(v1::SCORE_OUTCOME_OK);
  Refuses(*publication_, &v1::PublicationService::Stub::ImportScores, scores,
          {{"space", [](auto& r) { r.set_space(Long(65)); }},
           {"task", [](auto& r) { r.set_task(Long(65)); }},
           {"source", [](auto& r) { r.set_source(Long(201)); }},
           {"source", [](auto& r) { r.set_source("computed"); }},
           {"licence", [](auto& r) { r.set_licence(Long(201)); }},
           {"digest", [](auto& r) { r.set_digest("a"); }},
           {"proxies", [](auto& r) { Repeat(r.mutable_proxies(), 64, "params"); }},
           {"proxies", [](auto& r) { r.set_proxies(0, Long(1001)); }},
           {"architectures", [](auto& r) { Repeat(r.mutable_architectures(), 10'000, "3_33_133"); }},
           {"architectures[0]", [](auto& r) { r.set_architectures(0, Long(100'000)); }},
           {"scores", [](auto& r) { r.add_scores(1); }},
           {"scores[0]", [](auto& r) { r.set_scores(0, kInfinity); }},
           {"outcomes[0]", [](auto& r) { r.set_outcomes(0, static_cast<v1::ScoreOutcome>(9)); }},
           {"seconds[0]", [](auto& r) { r.add_seconds(-1); }}});
  v1::StreamAccuraciesRequest stream;
  stream.set_space("nasbench201");
  stream.set_task("photos");
  Refuses(*publication_, &v1::PublicationService::Stub::StreamAccuracies, stream,
          {{"space", [](auto& r) { r.set_space(Long(65)); }},
           {"task", [](auto& r) { r.set_task(Long(65)); }},
           {"did you mean `photos`", [](auto& r) { r.set_task("fotos"); }, grpc::StatusCode::NOT_FOUND}});
}

TEST_F(RequestBoundsTest, NoMessageIsAboveOneMebibyte) {
  v1::OpenSessionRequest large = Opening();
  large.mutable_execution()->set_host(Long((1 << 20) + 5000));
  v1::OpenSessionResponse response;
  const grpc::Status status = Call(*worker_, &v1::WorkerService::Stub::OpenSession, large, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("larger than max"));
}

// Whoever sets no deadline does not wait for ever: the server answers by itself.
TEST_F(RequestBoundsTest, ACallWithoutADeadlineIsAnswered) {
  v1::SynchronizeRequest request;
  request.set_session(session_);
  request.set_state(v1::WORKER_STATE_IDLE);
  request.set_wanted(1);
  request.mutable_wait()->set_nanos(1'000'000);
  grpc::ClientContext context;
  v1::SynchronizeResponse response;
  EXPECT_TRUE(worker_->Synchronize(&context, request, &response).ok());
}

}  // namespace
}  // namespace zcbench
