// The services over a real connection: a server on a free loopback port, a real file, the generated clients.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "server/server.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/publication.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

MATCHER(IsAnswered, "is OK") {
  *result_listener << arg.error_message();
  return arg.ok();
}
MATCHER_P2(Fails, code, text, "") {
  *result_listener << arg.error_code() << " " << arg.error_message();
  return arg.error_code() == code && arg.error_message().find(text) != std::string::npos;
}

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  void Start() {
    server_.reset();
    auto server = Server::Start({.store = folder_.path() / "zcbench.db",
                                 .listen = {.address = "127.0.0.1:0", .insecure = true},
                                 .version = "9.8.7"});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    worker_ = v1::WorkerService::NewStub(channel_);
    jobs_ = v1::JobService::NewStub(channel_);
    batches_ = v1::ProbeBatchService::NewStub(channel_);
    query_ = v1::QueryService::NewStub(channel_);
  }

  // One unary call with a deadline.
  template <typename Stub, typename Request, typename Response>
  static grpc::Status Call(Stub& stub,
                           grpc::Status (Stub::element_type::*rpc)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return ((*stub).*rpc)(&context, request, &response);
  }
  template <typename Stub, typename Request, typename Response>
  static Response Must(Stub& stub,
                       grpc::Status (Stub::element_type::*rpc)(grpc::ClientContext*, const Request&, Response*),
                       const Request& request) {
    Response response;
    EXPECT_THAT(Call(stub, rpc, request, response), IsAnswered());
    return response;
  }
  template <typename Stub, typename Request, typename Response>
  static grpc::Status Status(Stub& stub,
                             grpc::Status (Stub::element_type::*rpc)(grpc::ClientContext*, const Request&, Response*),
                             const Request& request) {
    Response response;
    return Call(stub, rpc, request, response);
  }

  static v1::OpenSessionRequest Worker(const std::string& name, const std::string& numerics = "cpu-test") {
    v1::OpenSessionRequest request;
    request.set_worker(name);
    request.mutable_execution()->set_worker(name);
    request.mutable_execution()->set_device("cpu");
    request.mutable_execution()->set_numerics(numerics);
    v1::SpaceInfo& space = *request.add_spaces();
    space.set_name("nasbench201");
    space.set_version("1");
    for (const char* proxy : {"params", "synflow", "zico"}) {
      v1::ProxyInfo& info = *request.add_proxies();
      info.set_name(proxy);
      info.set_version("1.1");
      info.set_reads_weights(std::string(proxy) != "params");
      info.set_larger_is_better(true);
      info.set_tolerance(1e-6);
    }
    return request;
  }
  std::string Open(const v1::OpenSessionRequest& request) {
    return Must(worker_, &v1::WorkerService::Stub::OpenSession, request).session();
  }
  v1::Job Create(uint64_t count, std::vector<std::string> proxies = {"all"}, std::vector<uint64_t> seeds = {0}) {
    v1::CreateJobRequest request;
    request.mutable_spec()->set_space("nasbench201");
    request.mutable_spec()->set_task("photos");
    for (const std::string& proxy : proxies) request.mutable_spec()->add_proxies(proxy);
    for (const uint64_t seed : seeds) request.mutable_spec()->add_seeds(seed);
    request.mutable_spec()->mutable_indexed()->set_count(count);
    return Must(jobs_, &v1::JobService::Stub::CreateJob, request).job();
  }
  v1::SynchronizeResponse Synchronize(const std::string& session, int wait_seconds = 0) {
    v1::SynchronizeRequest request;
    request.set_session(session);
    request.set_state(wait_seconds > 0 ? v1::WORKER_STATE_BUSY : v1::WORKER_STATE_IDLE);
    request.set_wanted(1);
    request.mutable_wait()->set_seconds(wait_seconds);
    return Must(worker_, &v1::WorkerService::Stub::Synchronize, request);
  }
  // Until the server has seen a Synchronize that waits.
  void AwaitWaiting() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      const auto workers = Must(jobs_, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest());
      if (workers.workers(0).state() == v1::WORKER_STATE_BUSY) return;
    }
    FAIL() << "the worker never waited";
  }
  // Computes all there is; score(proxy, number of the architecture, seed) unless it is not finite.
  int Work(const std::string& session, const v1::OpenSessionRequest& worker,
           const std::function<double(const std::string&, int, uint64_t)>& score) {
    int computed = 0;
    while (true) {
      const v1::SynchronizeResponse response = Synchronize(session);
      if (response.leases().empty()) return computed;
      const v1::Lease& lease = response.leases(0);
      v1::RecordScoresRequest record;
      record.set_session(session);
      record.set_request_id(absl::StrCat("r", ++requests_));
      record.set_unit(lease.unit());
      record.set_attempt(lease.attempt());
      *record.mutable_execution() = worker.execution();
      *record.mutable_cell() = lease.cell();
      *record.mutable_proxies() = lease.proxies();
      for (int i = 0; i < lease.proxies_size(); ++i) record.add_versions("1.1.1");
      for (const v1::LeaseItem& item : lease.items()) {
        v1::ArchitectureResult& result = *record.add_results();
        result.set_architecture(item.architecture());
        result.set_seed(item.seed());
        const auto [number, added] = numbers_.try_emplace(item.architecture(), static_cast<int>(numbers_.size()));
        for (int p = 0; p < lease.proxies_size(); ++p) {
          if (((item.missing()[0] >> p) & 1) == 0) continue;
          v1::ProxyScore& message = *result.add_scores();
          message.set_proxy(static_cast<uint32_t>(p));
          const double value = score(lease.proxies(p), number->second, item.seed());
          message.set_outcome(std::isfinite(value) ? v1::SCORE_OUTCOME_OK : v1::SCORE_OUTCOME_NOT_FINITE);
          if (std::isfinite(value)) message.set_score(value);
          message.set_seconds(0.001);
        }
        ++computed;
      }
      record.set_close(v1::LEASE_OUTCOME_COMPLETED);
      EXPECT_TRUE(Must(worker_, &v1::WorkerService::Stub::RecordScores, record).lease_valid());
    }
  }
  grpc::Status Upload(const std::string& digest, const std::string& content, size_t piece,
                      v1::CreateProbeBatchResponse& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    auto writer = batches_->CreateProbeBatch(&context, &response);
    for (size_t offset = 0; offset < content.size(); offset += piece) {
      v1::CreateProbeBatchRequest request;
      if (offset == 0) request.set_digest(digest);
      request.set_content(content.substr(offset, piece));
      if (!writer->Write(request)) break;
    }
    writer->WritesDone();
    return writer->Finish();
  }
  static ProbeBatch Batch(uint64_t seed, int size = 224) {
    ProbeBatch batch;
    batch.task = "photos";
    batch.seed = seed;
    batch.images = 16;
    batch.height = batch.width = size;
    batch.mean = batch.standard_deviation = {0.5f, 0.5f, 0.5f};
    batch.source = std::string(64, '0');
    batch.pixels.assign(static_cast<size_t>(16 * 3 * size * size), static_cast<char>(seed));
    batch.labels.assign(16, 1);
    return batch;
  }
  std::pair<grpc::Status, std::string> Fetch(const std::string& digest, uint64_t offset) {
    grpc::ClientContext context;
    v1::FetchProbeBatchRequest request;
    request.set_digest(digest);
    request.set_offset(offset);
    auto reader = batches_->FetchProbeBatch(&context, request);
    std::string content;
    v1::FetchProbeBatchResponse piece;
    while (reader->Read(&piece)) {
      EXPECT_LE(piece.content().size(), 256u << 10);
      content += piece.content();
    }
    return {reader->Finish(), content};
  }
  struct Streamed {
    grpc::Status status;
    std::map<uint64_t, std::string> architectures;
    std::map<std::string, std::map<std::string, double>> columns;  // "proxy seed" -> architecture -> score
    int not_finite = 0;
  };
  Streamed StreamScores(const v1::ScoreFilter& filter) {
    Streamed streamed;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::StreamScoresRequest request;
    *request.mutable_filter() = filter;
    auto reader = query_->StreamScores(&context, request);
    std::map<uint64_t, std::string> names;
    v1::StreamScoresResponse response;
    while (reader->Read(&response)) {
      EXPECT_LE(response.ByteSizeLong(), 256u << 10);
      if (response.has_architectures()) {
        EXPECT_THAT(names, IsEmpty()) << "the dictionary comes first";
        for (int i = 0; i < response.architectures().ids_size(); ++i) {
          streamed.architectures[response.architectures().ids(i)] = response.architectures().architectures(i);
        }
        continue;
      }
      const v1::ColumnChunk& column = response.column();
      if (column.has_series()) {
        names[column.series_id()] = absl::StrCat(
            column.series().proxy(), " ", column.series().has_seed() ? absl::StrCat(column.series().seed()) : "-");
      }
      for (int i = 0; i < column.architectures_size(); ++i) {
        const std::string& architecture = streamed.architectures.at(column.architectures(i));
        if (column.outcomes(i) != v1::SCORE_OUTCOME_OK) ++streamed.not_finite;
        streamed.columns[names.at(column.series_id())][architecture] = column.scores(i);
      }
    }
    streamed.status = reader->Finish();
    return streamed;
  }
  v1::ImportAccuraciesRequest Truth(int count) {
    v1::ImportAccuraciesRequest request;
    request.set_space("nb201");
    request.set_task("photos");
    request.set_metric("test");
    request.set_source("made up");
    request.set_licence("CC0");
    request.set_digest(std::string(64, 'f'));
    for (int i = 0; i < count; ++i) {
      v1::AccuracyRow& row = *request.add_rows();
      row.set_architecture(absl::StrCat("#", i));
      row.set_accuracy(50 + i);
    }
    return request;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WorkerService::Stub> worker_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
  std::unique_ptr<v1::ProbeBatchService::Stub> batches_;
  std::unique_ptr<v1::QueryService::Stub> query_;
  std::map<std::string, int> numbers_;  // of architectures, as they were computed
  int requests_ = 0;
};

TEST_F(ServiceTest, AJobRunsFromCreationToItsScores) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  const v1::Job job = Create(7, {"params", "synflow"}, {0, 1});
  EXPECT_EQ(Work(session, worker,
                 [](const std::string& proxy, int i, uint64_t seed) {
                   if (proxy == "synflow" && i == 3 && seed == 1) return std::numeric_limits<double>::quiet_NaN();
                   return i + 100.0 * static_cast<double>(seed) + (proxy == "params" ? 0.5 : 0);
                 }),
            14);
  v1::GetJobRequest get;
  const v1::Job done = Must(jobs_, &v1::JobService::Stub::GetJob, get).job();
  EXPECT_EQ(done.id(), job.id());
  EXPECT_EQ(done.state(), v1::JOB_STATE_DONE);

  v1::ScoreFilter filter;
  filter.set_job(job.id());
  Streamed streamed = StreamScores(filter);
  EXPECT_THAT(streamed.status, IsAnswered());
  EXPECT_THAT(streamed.architectures, SizeIs(7));
  ASSERT_THAT(streamed.columns, SizeIs(3));
  EXPECT_EQ(streamed.not_finite, 1);
  for (const auto& [architecture, number] : numbers_) {
    EXPECT_EQ(streamed.columns["params -"][architecture], number + 0.5);
    EXPECT_EQ(streamed.columns["synflow 0"][architecture], number);
    EXPECT_EQ(streamed.columns["synflow 1"][architecture], number == 3 ? 0 : number + 100.0);
  }

  // A smaller job has its own architectures only, although the columns hold more.
  const v1::Job smaller = Create(2, {"synflow"}, {1});
  Work(session, worker, [](const std::string&, int, uint64_t) { return 0.0; });
  filter.set_job(smaller.id());
  streamed = StreamScores(filter);
  EXPECT_THAT(streamed.architectures, SizeIs(2));
  EXPECT_THAT(streamed.columns, SizeIs(1));

  v1::ListSeriesRequest list;
  list.set_page_size(2);
  const v1::ListSeriesResponse page = Must(query_, &v1::QueryService::Stub::ListSeries, list);
  EXPECT_EQ(page.series_size(), 2);
  list.set_page_token(page.next_page_token());
  const v1::ListSeriesResponse last = Must(query_, &v1::QueryService::Stub::ListSeries, list);
  EXPECT_EQ(last.series_size(), 1);
  EXPECT_EQ(last.next_page_token(), "");
}

TEST_F(ServiceTest, AnIdleWorkerHearsOfAJobAtOnce) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  v1::SynchronizeResponse response;
  const auto start = std::chrono::steady_clock::now();
  std::thread waiting([&] { response = Synchronize(session, 30); });
  AwaitWaiting();
  Create(1);
  waiting.join();
  EXPECT_EQ(response.leases_size(), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(ServiceTest, AWaitEndsAtItsTimeAndByDrain) {
  const std::string session = Open(Worker("w"));
  EXPECT_THAT(Synchronize(session, 1).leases(), IsEmpty());
  EXPECT_THAT(Synchronize(session).leases(), IsEmpty());  // idle again
  v1::SynchronizeResponse response;
  std::thread waiting([&] { response = Synchronize(session, 30); });
  AwaitWaiting();
  v1::DrainWorkerRequest drain;
  drain.set_worker("w");
  Must(jobs_, &v1::JobService::Stub::DrainWorker, drain);
  waiting.join();
  EXPECT_TRUE(response.drain());
}

TEST_F(ServiceTest, StoppingAnswersThoseWhoWait) {
  const std::string session = Open(Worker("w"));
  std::thread waiting([&] { EXPECT_THAT(Synchronize(session, 30).leases(), IsEmpty()); });
  AwaitWaiting();
  const auto start = std::chrono::steady_clock::now();
  server_->Shutdown();
  waiting.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
}

TEST_F(ServiceTest, EverythingRecordedIsThereAfterARestart) {
  const v1::OpenSessionRequest worker = Worker("w");
  const v1::Job job = [&] {
    const std::string session = Open(worker);
    const v1::Job created = Create(3);
    Work(session, worker, [](const std::string&, int i, uint64_t) { return i; });
    return created;
  }();
  Start();
  v1::ScoreFilter filter;
  filter.set_job(job.id());
  EXPECT_THAT(StreamScores(filter).architectures, SizeIs(3));
  const v1::Job again = Create(3);
  EXPECT_EQ(again.id(), job.id());
  EXPECT_EQ(again.state(), v1::JOB_STATE_DONE);
}

TEST_F(ServiceTest, ProbeBatchesAreStoredByContent) {
  const std::string content = EncodeProbeBatch(Batch(3));
  const std::string digest = ProbeBatchDigest(content);
  v1::CreateProbeBatchResponse response;
  ASSERT_THAT(Upload(digest, content, 256 << 10, response), IsAnswered());
  EXPECT_TRUE(response.created());
  EXPECT_EQ(response.key().seed(), 3u);
  EXPECT_EQ(response.key().height(), 224u);
  ASSERT_THAT(Upload(digest, content, 100'000, response), IsAnswered());
  EXPECT_FALSE(response.created());

  EXPECT_EQ(Fetch(digest, 0).second, content);
  EXPECT_EQ(Fetch(digest, 300'001).second, content.substr(300'001));
  EXPECT_EQ(Fetch(digest, content.size()).second, "");
  EXPECT_THAT(Fetch(digest, content.size() + 1).first, Fails(grpc::StatusCode::OUT_OF_RANGE, "offset"));
  EXPECT_THAT(Fetch(std::string(64, '0'), 0).first, Fails(grpc::StatusCode::NOT_FOUND, "0000"));
  EXPECT_THAT(Fetch("xyz", 0).first, Fails(grpc::StatusCode::INVALID_ARGUMENT, "digest"));

  v1::ListProbeBatchesRequest list;
  list.set_task("photos");
  const auto listed = Must(batches_, &v1::ProbeBatchService::Stub::ListProbeBatches, list);
  ASSERT_EQ(listed.probe_batches_size(), 1);
  EXPECT_EQ(listed.probe_batches(0).digest(), digest);
  EXPECT_EQ(listed.probe_batches(0).bytes(), content.size());
  list.set_task("fotos");
  EXPECT_THAT(Status(batches_, &v1::ProbeBatchService::Stub::ListProbeBatches, list),
              Fails(grpc::StatusCode::NOT_FOUND, "photos"));
}

TEST_F(ServiceTest, WrongProbeBatchesAreRefused) {
  const std::string content = EncodeProbeBatch(Batch(3, 32));
  const std::string digest = ProbeBatchDigest(content);
  v1::CreateProbeBatchResponse response;
  EXPECT_THAT(Upload(std::string(64, 'a'), content, 100'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, digest));
  EXPECT_THAT(Upload("not a digest", content, 100'000, response), Fails(grpc::StatusCode::INVALID_ARGUMENT, "digest"));
  const std::string cut = content.substr(0, content.size() - 5);
  EXPECT_THAT(Upload(ProbeBatchDigest(cut), cut, 100'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "content"));
  const std::string foreign(2000, 'x');
  EXPECT_THAT(Upload(ProbeBatchDigest(foreign), foreign, 100'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "content"));
  EXPECT_THAT(Upload(digest, content + std::string(300'000, 'x'), 300'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "262144"));
  ASSERT_THAT(Upload(digest, content, 100'000, response), IsAnswered());
  ProbeBatch other = Batch(3, 32);
  other.labels[0] = 2;
  const std::string changed = EncodeProbeBatch(other);
  EXPECT_THAT(Upload(ProbeBatchDigest(changed), changed, 100'000, response),
              Fails(grpc::StatusCode::ALREADY_EXISTS, digest));
  const std::string odd = EncodeProbeBatch(Batch(3, 33));
  EXPECT_THAT(Upload(ProbeBatchDigest(odd), odd, 100'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "33 x 33 pixels, which no search space takes"));
}

TEST_F(ServiceTest, NoiseStandsBesideImagesAndIsChecked) {
  const std::string images = EncodeProbeBatch(Batch(3, 32));
  v1::CreateProbeBatchResponse response;
  ASSERT_THAT(Upload(ProbeBatchDigest(images), images, 100'000, response), IsAnswered());
  EXPECT_EQ(response.key().input(), "");
  ProbeBatch noise = MakeNoise(*FindProbeBatchCell(Batch(3, 32)), 3);
  const std::string content = EncodeProbeBatch(noise);
  ASSERT_THAT(Upload(ProbeBatchDigest(content), content, 100'000, response), IsAnswered());
  EXPECT_TRUE(response.created());
  EXPECT_EQ(response.key().input(), "noise");
  noise.pixels[7] = static_cast<char>(noise.pixels[7] ^ 1);
  const std::string changed = EncodeProbeBatch(noise);
  EXPECT_THAT(Upload(ProbeBatchDigest(changed), changed, 100'000, response),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "is not the noise of its task, size and seed"));
}

TEST_F(ServiceTest, JobsAreListedInPages) {
  Open(Worker("w"));
  for (uint64_t i = 1; i <= 5; ++i) Create(i);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  std::vector<uint64_t> totals;
  do {
    const v1::ListJobsResponse page = Must(jobs_, &v1::JobService::Stub::ListJobs, request);
    for (const v1::Job& job : page.jobs()) totals.push_back(job.total());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(totals, ElementsAre(5, 4, 3, 2, 1));
  request.set_page_token("x");
  EXPECT_THAT(Status(jobs_, &v1::JobService::Stub::ListJobs, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "page_token"));
  v1::ControlJobRequest cancel;
  cancel.set_order(v1::JOB_ORDER_STOP);
  cancel.set_id(5);
  EXPECT_EQ(Must(jobs_, &v1::JobService::Stub::ControlJob, cancel).job().state(), v1::JOB_STATE_CANCELLED);
  cancel.set_id(77);
  EXPECT_THAT(Status(jobs_, &v1::JobService::Stub::ControlJob, cancel), Fails(grpc::StatusCode::NOT_FOUND, "77"));
  v1::ListFailuresRequest failures;
  failures.set_job(77);
  EXPECT_THAT(Status(jobs_, &v1::JobService::Stub::ListFailures, failures), Fails(grpc::StatusCode::NOT_FOUND, "77"));
  const auto workers = Must(jobs_, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest());
  ASSERT_EQ(workers.workers_size(), 1);
  EXPECT_EQ(workers.workers(0).execution().numerics(), "cpu-test");
}

TEST_F(ServiceTest, AnErrorIsReadHoweverLongWhatItNames) {
  const auto publications = v1::PublicationService::NewStub(channel_);
  v1::ImportScoresRequest request;
  request.set_space(std::string(500'000, 'n'));
  EXPECT_THAT(Status(publications, &v1::PublicationService::Stub::ImportScores, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "space"));
}

TEST_F(ServiceTest, AFailureIsReadWhereverItsMessageIsCut) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  Create(1, {"params"});
  const v1::Lease lease = Synchronize(session).leases(0);
  v1::RecordScoresRequest record;
  record.set_session(session);
  record.set_request_id("r");
  record.set_unit(lease.unit());
  record.set_attempt(lease.attempt());
  *record.mutable_execution() = worker.execution();
  *record.mutable_cell() = lease.cell();
  record.add_proxies("params");
  record.add_versions("1.1.1");
  v1::ArchitectureResult& result = *record.add_results();
  result.set_architecture(lease.items(0).architecture());
  result.set_failure(v1::FAILURE_KIND_ERROR);
  std::string message;
  for (int i = 0; i < 400; ++i) message += "\xe2\x82\xac";  // of three bytes; 997 bytes end within one
  result.set_failure_message(message);
  Must(worker_, &v1::WorkerService::Stub::RecordScores, record);
  const auto failures = Must(jobs_, &v1::JobService::Stub::ListFailures, v1::ListFailuresRequest()).failures();
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(failures[0].message(), message.substr(0, 996) + "...");
}

TEST_F(ServiceTest, CorrelationsHaveTheBaselineAndTheTruth) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  Create(20, {"all"}, {0, 1});
  // synflow rises with the architecture's number, zico falls in the mean over the seeds only, and has a hole.
  Work(session, worker, [](const std::string& proxy, int i, uint64_t seed) -> double {
    if (proxy == "params") return i % 2;
    if (proxy == "synflow") return i;
    if (i == 4 && seed == 1) return std::numeric_limits<double>::infinity();
    return seed == 0 ? i : -3 * i;
  });
  v1::CorrelateRequest request;
  request.mutable_filter()->set_space("nasbench201");
  request.mutable_filter()->add_proxies("zico");
  request.mutable_filter()->add_proxies("synflow");
  const auto pairs = Must(query_, &v1::QueryService::Stub::Correlate, request);
  ASSERT_EQ(pairs.correlations_size(), 3);
  EXPECT_EQ(pairs.correlations(0).a(), "params");
  const v1::Correlation& last = pairs.correlations(2);
  EXPECT_EQ(last.a(), "synflow");
  EXPECT_EQ(last.b(), "zico");
  EXPECT_EQ(last.n(), 19u);
  EXPECT_EQ(last.left_out(), 1u);
  EXPECT_EQ(last.seeds(), 2u);
  EXPECT_NEAR(last.spearman(), -1, 1e-12);
  EXPECT_NEAR(last.kendall(), -1, 1e-12);

  request.set_against("accuracy");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::Correlate, request),
              Fails(grpc::StatusCode::NOT_FOUND, "import accuracies"));
  v1::ImportAccuraciesRequest truth = Truth(10);
  v1::ImportAccuraciesResponse imported = Must(query_, &v1::QueryService::Stub::ImportAccuracies, truth);
  EXPECT_EQ(imported.added(), 10u);
  imported = Must(query_, &v1::QueryService::Stub::ImportAccuracies, truth);
  EXPECT_EQ(imported.unchanged(), 10u);
  const auto against = Must(query_, &v1::QueryService::Stub::Correlate, request);
  ASSERT_EQ(against.correlations_size(), 3);
  EXPECT_EQ(against.correlations(1).b(), "accuracy:made up/test");
  EXPECT_EQ(against.correlations(1).n(), 10u);
  EXPECT_EQ(against.correlations(1).left_out(), 10u);
  EXPECT_NEAR(against.correlations(1).spearman(), 1, 1e-12);
  truth.set_metric("validation");
  Must(query_, &v1::QueryService::Stub::ImportAccuracies, truth);
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::Correlate, request),
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "accuracy:made up/validation"));
  request.set_against("accuracy:made up/valid");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::Correlate, request),
              Fails(grpc::StatusCode::NOT_FOUND, "made up/validation"));
  request.set_against("params");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::Correlate, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "against"));
}

// synflow and params follow the accuracy, zico runs exactly against it.
TEST_F(ServiceTest, LibraIsFittedStoredAndCorrelated) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  Create(40, {"all"}, {0});
  Work(session, worker, [](const std::string& proxy, int i, uint64_t) -> double {
    if (proxy == "params") return i / 4;
    if (proxy == "synflow") return i % 7 == 0 ? i + 3 : i;
    return -i;
  });
  v1::FitLibraRequest request;
  request.mutable_filter()->set_space("nasbench201");
  request.set_rounds(4);
  request.set_in_sample(true);
  request.set_save_as("mine");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::FitLibra, request),
              Fails(grpc::StatusCode::NOT_FOUND, "import accuracies"));
  Must(query_, &v1::QueryService::Stub::ImportAccuracies, Truth(40));
  const v1::Combination fit = Must(query_, &v1::QueryService::Stub::FitLibra, request).combination();
  EXPECT_EQ(fit.space(), "nasbench201");
  EXPECT_EQ(fit.accuracy(), "accuracy:made up/test");
  EXPECT_EQ(fit.n(), 40u);
  ASSERT_EQ(fit.proxies_size(), 2);  // zico is out of range
  EXPECT_EQ(fit.note(), "no third proxy is within 0.1 of the best rho");
  EXPECT_EQ(fit.candidates_size(), 3);
  ASSERT_EQ(fit.methods_size(), 7);
  EXPECT_EQ(fit.methods(0).method(), "LIBRA, rank_sum");
  EXPECT_GT(fit.methods(0).rho(), 0.9);
  EXPECT_DOUBLE_EQ(fit.methods(0).n(), 20);
  EXPECT_TRUE(fit.methods(0).has_in_sample());
  EXPECT_EQ(fit.request().binning(), "width");
  EXPECT_EQ(fit.validation(), "4 random halves, seed 0");

  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::FitLibra, request),
              Fails(grpc::StatusCode::ALREADY_EXISTS, "`mine` already"));
  request.set_replace(true);
  request.set_abs_rho(true);
  const v1::Combination turned = Must(query_, &v1::QueryService::Stub::FitLibra, request).combination();
  EXPECT_EQ(turned.proxies(0).proxy(), "zico");
  EXPECT_TRUE(turned.proxies(0).negated());
  const auto listed = Must(query_, &v1::QueryService::Stub::ListCombinations, v1::ListCombinationsRequest());
  ASSERT_EQ(listed.combinations_size(), 1);
  EXPECT_EQ(listed.combinations(0).SerializeAsString(), turned.SerializeAsString());

  v1::CorrelateRequest correlate;
  *correlate.mutable_filter() = request.filter();
  correlate.mutable_filter()->add_proxies("synflow");
  correlate.set_against("accuracy");
  correlate.add_combinations("mine");
  correlate.set_all_statistics(true);
  correlate.set_top(5);
  const auto against = Must(query_, &v1::QueryService::Stub::Correlate, correlate);
  ASSERT_EQ(against.correlations_size(), 3);  // params, synflow, the combination; zico was read for it only
  EXPECT_EQ(against.correlations(2).a(), "libra:mine");
  EXPECT_GT(against.correlations(2).spearman(), 0.95);
  EXPECT_TRUE(against.correlations(2).has_partial_spearman());
  EXPECT_FALSE(against.correlations(0).has_partial_spearman());
  EXPECT_GE(against.correlations(1).top_overlap(), 0.6);
  EXPECT_EQ(against.correlations(1).regret(), 0);
  EXPECT_GT(against.correlations(1).ndcg(), 0.9);
  EXPECT_GT(against.correlations(1).pearson(), 0.9);

  v1::CorrelateTasksRequest tasks;
  const auto matrix = Must(query_, &v1::QueryService::Stub::CorrelateTasks, tasks);
  ASSERT_EQ(matrix.tasks_size(), 1);
  EXPECT_EQ(matrix.tasks(0).task(), "photos");
  EXPECT_EQ(matrix.tasks(0).correlations(0).a(), "params");
  EXPECT_EQ(matrix.tasks(0).correlations_size(), 3);
  tasks.set_against("accuracy:made up/validation");
  EXPECT_THAT(Must(query_, &v1::QueryService::Stub::CorrelateTasks, tasks).tasks(0).skipped(),
              HasSubstr("made up/test"));

  correlate.set_combinations(0, "mime");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::Correlate, correlate),
              Fails(grpc::StatusCode::NOT_FOUND, "did you mean `mine`?"));
  request.set_binning("quantil");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::FitLibra, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "did you mean `quantile`?"));
  request.clear_binning();
  request.set_save_as("No Name");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::FitLibra, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "save_as"));
}

TEST_F(ServiceTest, AProxyThatRanksBetterWhenSmallerIsTurned) {
  v1::OpenSessionRequest worker = Worker("w");
  worker.mutable_proxies(2)->set_larger_is_better(false);
  const std::string session = Open(worker);
  Create(20, {"all"}, {0});
  Work(session, worker,
       [](const std::string& proxy, int i, uint64_t) -> double { return proxy == "zico" ? 100 - i : (i * 7) % 20; });
  Must(query_, &v1::QueryService::Stub::ImportAccuracies, Truth(20));
  v1::FitLibraRequest request;
  request.mutable_filter()->set_space("nasbench201");
  const v1::Combination fit = Must(query_, &v1::QueryService::Stub::FitLibra, request).combination();
  EXPECT_EQ(fit.name(), "");
  ASSERT_EQ(fit.proxies_size(), 1);
  EXPECT_EQ(fit.proxies(0).proxy(), "zico");
  EXPECT_TRUE(fit.proxies(0).negated());
  EXPECT_EQ(fit.methods(4).method(), "best single proxy");
  EXPECT_NEAR(fit.methods(4).rho(), 1, 1e-12);
  v1::CorrelateRequest correlate;
  *correlate.mutable_filter() = request.filter();
  correlate.mutable_filter()->add_proxies("zico");
  correlate.set_against("accuracy");
  correlate.set_all_statistics(true);
  correlate.set_top(3);
  const v1::Correlation zico = Must(query_, &v1::QueryService::Stub::Correlate, correlate).correlations(1);
  EXPECT_NEAR(zico.spearman(), -1, 1e-12);  // of the scores as they are
  EXPECT_EQ(zico.top_overlap(), 1);
  EXPECT_EQ(zico.regret(), 0);
}

TEST_F(ServiceTest, LayersAreProfiledOverNetworks) {
  v1::OpenSessionRequest worker = Worker("w");
  for (const char* name : {"layer_log_inverse_sigma", "layer_log_sigma"}) {
    v1::ProxyInfo& info = *worker.add_proxies();
    info.set_name(name);
    info.set_version("1.1");
    info.set_variant(true);
    info.set_reads_weights(true);
    info.set_tolerance(1e-6);
    (*info.mutable_options())["bin"] = "0";
  }
  const std::string session = Open(worker);
  v1::ProfileLayersRequest request;
  request.mutable_filter()->set_space("nasbench201");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::ProfileLayers, request),
              Fails(grpc::StatusCode::NOT_FOUND, "no scores"));
  v1::CreateJobRequest create;
  create.mutable_spec()->set_space("nasbench201");
  create.mutable_spec()->set_task("photos");
  create.mutable_spec()->add_seeds(0);
  create.mutable_spec()->add_seeds(1);
  create.mutable_spec()->mutable_indexed()->set_count(4);
  create.mutable_spec()->set_layer_statistics(true);
  request.mutable_filter()->set_job(Must(jobs_, &v1::JobService::Stub::CreateJob, create).job().id());
  // A spike in the bins 3 and 4; no network in bin 0; bin 7 has one network, since another lacks it for a seed.
  Work(session, worker, [](const std::string& text, int i, uint64_t seed) -> double {
    const size_t option = text.find("bin=");
    const int bin = option == std::string::npos ? 0 : std::stoi(text.substr(option + 4));
    if (bin == 0 || (bin == 7 && i > 0 && (i > 1 || seed == 1))) return std::numeric_limits<double>::quiet_NaN();
    if (text.find("inverse") == std::string::npos) return bin == 10 ? 9 : 1;
    return (bin == 3 || bin == 4 ? 6 : bin % 2) + i + (seed == 0 ? 0.25 : -0.25);
  });
  // Others of the same space change nothing.
  Create(9, {"layer_log_sigma(bin=5)"});
  Work(session, worker, [](const std::string&, int, uint64_t) { return 1000; });

  const auto response = Must(query_, &v1::QueryService::Stub::ProfileLayers, request);
  ASSERT_EQ(response.profiles_size(), 2);
  const v1::LayerProfile& inverse = response.profiles(0);
  EXPECT_EQ(inverse.statistic(), v1::LAYER_STATISTIC_LOG_INVERSE_SIGMA);
  EXPECT_EQ(inverse.window(), "p30-p40");
  ASSERT_EQ(inverse.bins_size(), 11);
  EXPECT_EQ(inverse.bins(0).networks(), 0u);
  EXPECT_FALSE(inverse.bins(0).has_mean());
  EXPECT_EQ(inverse.bins(3).networks(), 4u);
  EXPECT_DOUBLE_EQ(inverse.bins(3).mean(), 7.5);
  EXPECT_DOUBLE_EQ(inverse.bins(3).deviation(), std::sqrt(5.0 / 3));
  EXPECT_EQ(inverse.bins(7).networks(), 1u);
  EXPECT_DOUBLE_EQ(inverse.bins(7).mean(), 1);
  EXPECT_FALSE(inverse.bins(7).has_deviation());
  for (const v1::LayerProfileBin& bin : inverse.bins()) {
    EXPECT_EQ(bin.in_window(), bin.bin() == 3 || bin.bin() == 4) << bin.bin();
  }
  EXPECT_EQ(response.profiles(1).statistic(), v1::LAYER_STATISTIC_LOG_SIGMA);
  EXPECT_EQ(response.profiles(1).window(), "p100-p100");
  EXPECT_DOUBLE_EQ(response.profiles(1).bins(5).mean(), 1);

  request.mutable_filter()->add_proxies("zico");
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::ProfileLayers, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "filter.proxies"));
  request.mutable_filter()->clear_proxies();
  request.mutable_filter()->set_job(Create(2, {"zico"}).id());
  EXPECT_THAT(Status(query_, &v1::QueryService::Stub::ProfileLayers, request),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "layer_log_inverse_sigma is not of job"));
}

TEST_F(ServiceTest, NumericsClassesAreNotMixed) {
  for (const std::string numerics : {"cpu-test", "cuda-test"}) {
    const v1::OpenSessionRequest worker = Worker("w-" + numerics, numerics);
    const std::string session = Open(worker);
    // Each computes its own part of the same columns.
    Create(numerics == "cpu-test" ? 3 : 5, {"synflow", "params"});
    Work(session, worker, [](const std::string&, int i, uint64_t) { return i; });
  }
  v1::ScoreFilter filter;
  filter.set_space("nasbench201");
  EXPECT_THAT(StreamScores(filter).status, Fails(grpc::StatusCode::FAILED_PRECONDITION, "cpu-test, cuda-test"));
  filter.set_numerics("cuda-test");
  EXPECT_THAT(StreamScores(filter).architectures, SizeIs(5));
  v1::ListSeriesRequest list;
  EXPECT_EQ(Must(query_, &v1::QueryService::Stub::ListSeries, list).series_size(), 4);
}

TEST_F(ServiceTest, WrongQueriesAreRefusedByField) {
  Open(Worker("w"));
  struct Case {
    grpc::StatusCode code;
    const char* message;
    std::function<void(v1::ScoreFilter&)> change;
  };
  const Case cases[] = {
      {grpc::StatusCode::NOT_FOUND, "7", [](v1::ScoreFilter& f) { f.set_job(7); }},
      {grpc::StatusCode::NOT_FOUND, "nasbench201", [](v1::ScoreFilter& f) { f.set_space("nasbench20"); }},
      {grpc::StatusCode::NOT_FOUND, "photos", [](v1::ScoreFilter& f) { f.set_task("photo"); }},
      {grpc::StatusCode::NOT_FOUND, "synflow", [](v1::ScoreFilter& f) { f.add_proxies("synflo"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "filter.seeds", [](v1::ScoreFilter& f) { f.add_seeds(~uint64_t{0}); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "filter.numerics", [](v1::ScoreFilter& f) { f.set_numerics("a\nb"); }},
  };
  for (const Case& c : cases) {
    v1::ScoreFilter filter;
    c.change(filter);
    EXPECT_THAT(StreamScores(filter).status, Fails(c.code, c.message)) << c.message;
    v1::ListSeriesRequest list;
    *list.mutable_filter() = filter;
    EXPECT_THAT(Status(query_, &v1::QueryService::Stub::ListSeries, list), Fails(c.code, c.message)) << c.message;
  }
  EXPECT_THAT(StreamScores({}).status, IsAnswered());  // nothing there is an empty answer

  struct ImportCase {
    grpc::StatusCode code;
    const char* message;
    std::function<void(v1::ImportAccuraciesRequest&)> change;
  };
  Must(query_, &v1::QueryService::Stub::ImportAccuracies, Truth(2));
  const ImportCase imports[] = {
      {grpc::StatusCode::NOT_FOUND, "nasbench201", [](auto& r) { r.set_space("nasbench2"); }},
      {grpc::StatusCode::NOT_FOUND, "photos", [](auto& r) { r.set_task("photo"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "metric", [](auto& r) { r.clear_metric(); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "source", [](auto& r) { r.set_source("a/b"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "licence", [](auto& r) { r.clear_licence(); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "digest", [](auto& r) { r.set_digest("F"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "rows", [](auto& r) { r.clear_rows(); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "rows[1]", [](auto& r) { r.mutable_rows(1)->set_architecture("?"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "rows[1]", [](auto& r) { r.mutable_rows(1)->set_architecture("#0"); }},
      {grpc::StatusCode::INVALID_ARGUMENT, "rows[0].accuracy",
       [](auto& r) { r.mutable_rows(0)->set_accuracy(std::numeric_limits<double>::infinity()); }},
      {grpc::StatusCode::ALREADY_EXISTS, "row 1", [](auto& r) { r.mutable_rows(1)->set_accuracy(1); }},
  };
  for (const ImportCase& c : imports) {
    v1::ImportAccuraciesRequest request = Truth(2);
    c.change(request);
    EXPECT_THAT(Status(query_, &v1::QueryService::Stub::ImportAccuracies, request), Fails(c.code, c.message))
        << c.message;
  }
  v1::CreateJobRequest empty;
  EXPECT_THAT(Status(jobs_, &v1::JobService::Stub::CreateJob, empty),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "spec.space"));
  v1::SynchronizeRequest wait;
  wait.mutable_wait()->set_seconds(-1);
  EXPECT_THAT(Status(worker_, &v1::WorkerService::Stub::Synchronize, wait),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "wait"));
}

TEST_F(ServiceTest, AReaderThatStopsHoldsNothingUp) {
  const v1::OpenSessionRequest worker = Worker("w");
  const std::string session = Open(worker);
  Create(6000, {"synflow"}, {0, 1, 2});
  Work(session, worker, [](const std::string&, int i, uint64_t) { return i; });
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::StreamScoresResponse>>> readers;
  // More of them than the server has threads, each after its first piece.
  for (int i = 0; i < 40; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(query_->StreamScores(contexts.back().get(), v1::StreamScoresRequest()));
    v1::StreamScoresResponse first;
    ASSERT_TRUE(readers.back()->Read(&first));
  }
  EXPECT_EQ(Create(1, {"synflow"}).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Work(session, worker, [](const std::string&, int, uint64_t) { return 0.0; }), 0);
  for (size_t i = 0; i < readers.size(); ++i) {
    contexts[i]->TryCancel();
    v1::StreamScoresResponse rest;
    while (readers[i]->Read(&rest)) {
    }
    (void)readers[i]->Finish();
  }
}

TEST_F(ServiceTest, DescribeNamesWhatIsKnown) {
  Open(Worker("w"));
  const auto described = Must(query_, &v1::QueryService::Stub::Describe, v1::DescribeRequest());
  EXPECT_EQ(described.proxies_size(), 3);
  EXPECT_GE(described.spaces_size(), 2);
  EXPECT_GE(described.tasks_size(), 3);
  EXPECT_THAT(described.store(), HasSubstr("zcbench.db"));
  EXPECT_EQ(described.zcbench_version(), "9.8.7");
}

// Health and reflection are gRPC's own services: called by name, with hand-written bytes, since their generated code is
// not ours.
TEST_F(ServiceTest, HealthAndReflectionAnswer) {
  const auto call = [&](const std::string& method, const std::string& bytes) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    grpc::CompletionQueue queue;
    auto stub = std::make_unique<grpc::GenericStub>(channel_);
    grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    auto stream = stub->PrepareCall(&context, method, &queue);
    void* tag = nullptr;
    bool ok = false;
    std::string answer;
    stream->StartCall(nullptr);
    queue.Next(&tag, &ok);
    stream->Write(request, nullptr);
    queue.Next(&tag, &ok);
    stream->WritesDone(nullptr);
    queue.Next(&tag, &ok);
    grpc::ByteBuffer response;
    stream->Read(&response, nullptr);
    queue.Next(&tag, &ok);
    if (ok) {
      std::vector<grpc::Slice> slices;
      (void)response.Dump(&slices);
      for (const grpc::Slice& piece : slices) answer.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return answer;
  };
  EXPECT_EQ(call("/grpc.health.v1.Health/Check", ""), std::string("\x08\x01"));  // SERVING
  EXPECT_THAT(call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", std::string("\x3a\x00", 2)),
              AllOf(HasSubstr("zcbench.v1.WorkerService"), HasSubstr("zcbench.v1.QueryService"),
                    HasSubstr("grpc.health.v1.Health")));
}

TEST_F(ServiceTest, EveryFieldOfPublishedScoresIsChecked) {
  const auto publication = v1::PublicationService::NewStub(channel_);
  v1::ImportScoresRequest good;
  good.set_space("nb201");
  good.set_task("cifar10");
  good.set_source("somebody");
  good.set_licence("MIT");
  good.set_digest(std::string(64, 'a'));
  for (const char* proxy : {"snip", "meco"}) good.add_proxies(proxy);
  for (const char* architecture : {"4_10_242", "(1, 0, 0, 0, 0, 0)"}) good.add_architectures(architecture);
  for (const double score : {1.5, 0.0, 2.5, 3.5}) good.add_scores(score);
  for (const v1::ScoreOutcome outcome :
       {v1::SCORE_OUTCOME_OK, v1::SCORE_OUTCOME_NOT_FINITE, v1::SCORE_OUTCOME_OK, v1::SCORE_OUTCOME_UNSPECIFIED}) {
    good.add_outcomes(outcome);
  }
  struct Case {
    const char* text;
    std::function<void(v1::ImportScoresRequest&)> change;
    grpc::StatusCode code = grpc::INVALID_ARGUMENT;
  };
  using Request = v1::ImportScoresRequest;
  const Case cases[] = {
      {"nasbench202", [](Request& r) { r.set_space("nasbench202"); }, grpc::NOT_FOUND},
      {"cifar11", [](Request& r) { r.set_task("cifar11"); }, grpc::NOT_FOUND},
      {"source", [](Request& r) { r.clear_source(); }},
      {"source: has a slash", [](Request& r) { r.set_source("a/b"); }},
      {"`computed` stands for", [](Request& r) { r.set_source("computed"); }},
      {"licence", [](Request& r) { r.set_licence(std::string(201, 'x')); }},
      {"digest", [](Request& r) { r.set_digest("abc"); }},
      {"proxies: has 0 entries", [](Request& r) { r.clear_proxies(); }},
      {"snip twice", [](Request& r) { r.set_proxies(1, "snip"); }},
      {"snip(", [](Request& r) { r.set_proxies(1, "snip("); }},
      {"architectures: is empty", [](Request& r) { r.clear_architectures(); }},
      {"architectures[1]", [](Request& r) { r.set_architectures(1, "9_99_999"); }},
      {"must have 4 entries", [](Request& r) { r.add_scores(1); }},
      {"must have 4 entries", [](Request& r) { r.add_seconds(1); }},
      {"outcomes[2]", [](Request& r) { r.set_outcomes(2, static_cast<v1::ScoreOutcome>(77)); }},
      {"scores[2]: is not finite", [](Request& r) { r.set_scores(2, std::numeric_limits<double>::infinity()); }},
      {"seconds[3]: is no",
       [](Request& r) {
         for (const double seconds : {1, 1, 1, -1}) r.add_seconds(seconds);
         r.set_outcomes(3, v1::SCORE_OUTCOME_OK);
       }},
  };
  for (const Case& c : cases) {
    v1::ImportScoresRequest request = good;
    c.change(request);
    EXPECT_THAT(Status(publication, &v1::PublicationService::Stub::ImportScores, request), Fails(c.code, c.text));
  }
  const auto response = Must(publication, &v1::PublicationService::Stub::ImportScores, good);  // nothing was stored
  EXPECT_EQ(response.added(), 3u);
  EXPECT_EQ(response.unchanged(), 0u);
  EXPECT_EQ(Must(publication, &v1::PublicationService::Stub::ImportScores, good).unchanged(), 3u);
}

TEST(ServerTest, WithoutTlsOnlyLoopback) {
  TemporaryFolder folder;
  const auto start = [&](const std::string& address, bool insecure) {
    return Server::Start({.store = folder.path() / "zcbench.db", .listen = {.address = address, .insecure = insecure}})
        .status();
  };
  EXPECT_THAT(start("0.0.0.0:0", true), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("other machines")));
  EXPECT_THAT(start("127.0.0.1", true), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")));
  const auto first =
      Server::Start({.store = folder.path() / "zcbench.db", .listen = {.address = "127.0.0.1:0", .insecure = true}});
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(
      Server::Start({.store = folder.path() / "other.db", .listen = {.address = (*first)->address(), .insecure = true}})
          .status(),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
}

}  // namespace
}  // namespace zcbench
