#include "server/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "db/sqlite/sqlite_store.h"

namespace zcbench {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Duration kLease = absl::Minutes(1);

class SchedulerTest : public testing::Test {
 protected:
  void SetUp() override { Start(); }

  // Whatever a test has done, the rows agree: done, failed and open positions of every job, the scores of every column.
  void TearDown() override {
    const auto check = store_->StartCheck();
    ASSERT_THAT(check, IsOk());
    while (true) {
      const auto progress = (*check)->Step();
      ASSERT_THAT(progress, IsOk());
      if (!progress->has_value()) return;
      // The digests of the probe batches are made up.
      EXPECT_THAT((*progress)->problems, testing::Each(testing::StartsWith("probe batch ")));
    }
  }

  // As a server that was started again does: sessions are gone, the file stays.
  void Start() {
    scheduler_.reset();
    store_.reset();
    auto store = OpenSqliteStore(folder_.path() / "zcbench.db");
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    auto scheduler = Scheduler::Create(*store_, clock_);
    ASSERT_THAT(scheduler, IsOk());
    scheduler_ = *std::move(scheduler);
    scheduler_->SetWake([this] { ++wakes_; });
  }

  static v1::ProxyInfo Proxy(const std::string& name, bool weights, bool images, const std::string& version = "1.1") {
    v1::ProxyInfo proxy;
    proxy.set_name(name);
    proxy.set_version(version);
    proxy.set_reads_weights(weights);
    proxy.set_reads_images(images);
    proxy.set_tolerance(1e-4);
    return proxy;
  }

  static v1::OpenSessionRequest Worker(const std::string& name) {
    v1::OpenSessionRequest request;
    request.set_worker(name);
    request.mutable_execution()->set_worker(name);
    request.mutable_execution()->set_device("cpu");
    request.mutable_execution()->set_numerics("cpu-test");
    v1::SpaceInfo& space = *request.add_spaces();
    space.set_name("nasbench201");
    space.set_version("1");
    *request.add_proxies() = Proxy("params", false, false);
    *request.add_proxies() = Proxy("synflow", true, false);
    v1::ProxyInfo& swap = *request.add_proxies() = Proxy("swap", true, true);
    (*swap.mutable_options())["samples"] = "16";
    swap.set_variant(true);
    return request;
  }

  std::string Open(const v1::OpenSessionRequest& request) {
    const auto response = scheduler_->OpenSession(request);
    EXPECT_THAT(response, IsOk());
    workers_[response->session()] = request;
    return response->session();
  }
  std::string Open(const std::string& name) { return Open(Worker(name)); }

  static v1::JobSpec Spec(uint64_t count, std::vector<std::string> proxies = {"all"},
                          std::vector<uint64_t> seeds = {0}) {
    v1::JobSpec spec;
    spec.set_space("nasbench201");
    spec.set_task("photos");
    for (const std::string& proxy : proxies) spec.add_proxies(proxy);
    for (const uint64_t seed : seeds) spec.add_seeds(seed);
    spec.mutable_indexed()->set_count(count);
    return spec;
  }

  absl::StatusOr<v1::Job> Create(const v1::JobSpec& spec) {
    v1::CreateJobRequest request;
    *request.mutable_spec() = spec;
    ZCB_ASSIGN_OR_RETURN(const v1::CreateJobResponse response, scheduler_->CreateJob(request));
    return response.job();
  }
  int64_t NewJob(const v1::JobSpec& spec) {
    const auto job = Create(spec);
    EXPECT_THAT(job, IsOk());
    return job.ok() ? job->id() : 0;
  }
  v1::Job Get(int64_t id) {
    v1::GetJobRequest request;
    request.set_id(id);
    return scheduler_->GetJob(request).value().job();
  }

  absl::StatusOr<v1::SynchronizeResponse> Synchronize(const std::string& session, uint32_t wanted,
                                                      const std::vector<v1::Lease>& held = {}) {
    v1::SynchronizeRequest request;
    request.set_session(session);
    request.set_state(held.empty() ? v1::WORKER_STATE_IDLE : v1::WORKER_STATE_BUSY);
    request.set_wanted(wanted);
    for (const v1::Lease& lease : held) {
      v1::HeldLease& message = *request.add_held();
      message.set_unit(lease.unit());
      message.set_attempt(lease.attempt());
    }
    return scheduler_->Synchronize(request);
  }
  std::vector<v1::Lease> Acquire(const std::string& session, uint32_t wanted = 1) {
    const auto response = Synchronize(session, wanted);
    EXPECT_THAT(response, IsOk());
    if (!response.ok()) return {};
    return {response->leases().begin(), response->leases().end()};
  }

  // What a worker sends that has computed the first `count` items; `seconds` an architecture.
  v1::RecordScoresRequest Computed(const std::string& session, const v1::Lease& lease, v1::LeaseOutcome close,
                                   int count = 1'000'000, double seconds = 1) {
    v1::RecordScoresRequest request;
    request.set_session(session);
    request.set_request_id(absl::StrCat("request-", ++requests_));
    request.set_unit(lease.unit());
    request.set_attempt(lease.attempt());
    *request.mutable_execution() = workers_[session].execution();
    *request.mutable_cell() = lease.cell();
    *request.mutable_probe_batches() = lease.probe_batches();
    *request.mutable_proxies() = lease.proxies();
    for (const std::string& text : lease.proxies()) {
      for (const v1::ProxyInfo& proxy : workers_[session].proxies()) {
        if (proxy.name() == text.substr(0, text.find('('))) request.add_versions(proxy.version() + ".1");
      }
    }
    for (int i = 0; i < std::min(count, lease.items_size()); ++i) {
      v1::ArchitectureResult& result = *request.add_results();
      result.set_architecture(lease.items(i).architecture());
      result.set_seed(lease.items(i).seed());
      for (int p = 0; p < lease.proxies_size(); ++p) {
        if (((lease.items(i).missing()[static_cast<size_t>(p / 8)] >> (p % 8)) & 1) == 0) continue;
        v1::ProxyScore& score = *result.add_scores();
        score.set_proxy(static_cast<uint32_t>(p));
        score.set_outcome(v1::SCORE_OUTCOME_OK);
        score.set_score(1 + p);
        score.set_seconds(seconds / lease.proxies_size());
      }
    }
    request.set_close(close);
    return request;
  }
  static void Fail(v1::RecordScoresRequest& request, const v1::LeaseItem& item, v1::FailureKind kind) {
    v1::ArchitectureResult& result = *request.add_results();
    result.set_architecture(item.architecture());
    result.set_seed(item.seed());
    result.set_failure(kind);
    result.set_failure_message("out\nof luck");
  }
  v1::RecordScoresResponse Record(const v1::RecordScoresRequest& request) {
    const auto response = scheduler_->RecordScores(request);
    EXPECT_THAT(response, IsOk());
    return response.value_or(v1::RecordScoresResponse());
  }
  // Computes everything that there is to get. Returns how many architectures that were.
  int Work(const std::string& session) {
    int computed = 0;
    while (true) {
      const std::vector<v1::Lease> leases = Acquire(session);
      if (leases.empty()) return computed;
      computed += leases[0].items_size();
      Record(Computed(session, leases[0], v1::LEASE_OUTCOME_COMPLETED));
    }
  }
  // One lease of exactly `count` architectures of a job with more.
  v1::Lease Range(const std::string& session, int count) {
    // Measured at 30 s / count an architecture, the next unit has `count`.
    const v1::Lease first = Acquire(session).at(0);
    Record(Computed(session, first, v1::LEASE_OUTCOME_COMPLETED, 1, 30.0 / count));
    const v1::Lease range = Acquire(session).at(0);
    EXPECT_EQ(range.items_size(), count);
    return range;
  }
  void AddProbeBatch(uint64_t seed, const std::string& input = "") {
    ASSERT_THAT(store_->Write([&](StoreWriter& writer) {
      return writer.AddProbeBatch(
          {.key = {.task = "photos", .height = 32, .width = 32, .images = 16, .seed = seed, .input = input},
           .digest = std::string(63, input.empty() ? 'a' : 'b') + std::to_string(seed),
           .created = clock_.Now()},
          "content");
    }),
                IsOk());
  }

  TemporaryFolder folder_;
  ManualClock clock_{absl::FromUnixSeconds(1'790'000'000)};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<std::string, v1::OpenSessionRequest> workers_;  // by session
  int requests_ = 0;
  int wakes_ = 0;
};

TEST_F(SchedulerTest, AJobIsComputedOnce) {
  const std::string session = Open("w");
  const int64_t id = NewJob(Spec(10, {"all"}, {3, 1}));
  v1::Job job = Get(id);
  EXPECT_EQ(job.total(), 20u);
  EXPECT_EQ(job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_THAT(job.spec().proxies(), ElementsAre("params", "synflow"));
  EXPECT_THAT(job.spec().seeds(), ElementsAre(1, 3));
  EXPECT_EQ(job.spec().images(), 16u);
  EXPECT_EQ(Work(session), 20);
  job = Get(id);
  EXPECT_EQ(job.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(job.done(), 20u);
  EXPECT_EQ(job.reused(), 0u);
  EXPECT_TRUE(job.has_finished());
  EXPECT_EQ(Work(session), 0);
}

TEST_F(SchedulerTest, TheSameSpecIsTheSameJob) {
  Open("w");
  v1::JobSpec spec = Spec(5, {"synflow", "params"}, {0});
  const int64_t id = NewJob(spec);
  spec.clear_proxies();
  for (const char* proxy : {"params", "synflow", "params"}) spec.add_proxies(proxy);
  spec.set_images(16);
  spec.set_space("nb201");
  spec.add_seeds(0);
  EXPECT_EQ(NewJob(spec), id);
  spec.add_seeds(1);
  EXPECT_NE(NewJob(spec), id);
}

TEST_F(SchedulerTest, LayerStatisticsAreTheJobOfTheirProxies) {
  Open("a");
  v1::JobSpec spec = Spec(5, {});
  spec.set_layer_statistics(true);
  EXPECT_THAT(Create(spec), StatusIs(absl::StatusCode::kNotFound, HasSubstr("layer_log_inverse_sigma")));
  v1::OpenSessionRequest worker = Worker("b");
  for (const char* name : {"layer_log_sigma", "layer_log_inverse_sigma"}) {
    v1::ProxyInfo& proxy = *worker.add_proxies() = Proxy(name, true, false);
    (*proxy.mutable_options())["bin"] = "0";
    proxy.set_variant(true);
  }
  Open(worker);
  const auto job = Create(spec);
  ASSERT_THAT(job, IsOk());
  EXPECT_THAT(job->spec().proxies(), SizeIs(22));
  EXPECT_THAT(job->spec().proxies(), AllOf(Contains("layer_log_sigma"), Contains("layer_log_inverse_sigma(bin=10)")));
  EXPECT_EQ(NewJob(spec), job->id());
  EXPECT_EQ(NewJob(job->spec()), job->id()) << "naming them is the same job";
  spec.mutable_indexed()->set_count(6);
  EXPECT_NE(NewJob(spec), job->id());
}

TEST_F(SchedulerTest, ALargerCountComputesOnlyWhatIsNew) {
  const std::string session = Open("w");
  NewJob(Spec(6));
  EXPECT_EQ(Work(session), 6);
  const int64_t larger = NewJob(Spec(9));
  EXPECT_EQ(Work(session), 3);
  EXPECT_EQ(Get(larger).reused(), 6u);
  EXPECT_EQ(Get(larger).done(), 9u);
  EXPECT_EQ(Get(larger).state(), v1::JOB_STATE_DONE);
}

TEST_F(SchedulerTest, OnlyTheMissingProxiesAreAskedFor) {
  const std::string session = Open("w");
  NewJob(Spec(2, {"params"}));
  EXPECT_EQ(Work(session), 2);
  NewJob(Spec(2, {"params", "synflow"}, {0, 1}));
  const std::vector<v1::Lease> leases = Acquire(session);
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_THAT(leases[0].proxies(), ElementsAre("params", "synflow"));
  EXPECT_EQ(leases[0].items(0).missing(), std::string("\x02"));  // params has no seed: it is there for every one
}

TEST_F(SchedulerTest, AnotherNumericsClassOrVersionIsComputedAnew) {
  const std::string cpu = Open("cpu");
  const int64_t first = NewJob(Spec(2, {"params", "synflow"}));
  EXPECT_EQ(Work(cpu), 2);
  v1::OpenSessionRequest newer = Worker("newer");
  newer.mutable_proxies(1)->set_version("2.1");
  const std::string upgraded = Open(newer);
  const int64_t second = NewJob(Spec(2, {"params", "synflow"}));
  EXPECT_NE(second, first);
  const std::vector<v1::Lease> leases = Acquire(upgraded);
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].items(0).missing(), std::string("\x02"));  // params is as it was
  newer.mutable_execution()->set_numerics("cuda-test");
  newer.set_worker("cuda");
  newer.mutable_execution()->set_worker("cuda");
  EXPECT_EQ(Acquire(Open(newer)).at(0).items(0).missing(), std::string("\x03"));
}

TEST_F(SchedulerTest, AProxyOfSeveralPassesHasTheVersionsOfAll) {
  v1::OpenSessionRequest worker = Worker("a");
  worker.mutable_proxies(1)->set_version("2.1+3");
  const std::string a = Open(worker);
  NewJob(Spec(1, {"synflow"}));
  const v1::Lease lease = Acquire(a).at(0);
  const v1::RecordScoresRequest computed = Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED);
  EXPECT_THAT(computed.versions(), ElementsAre("2.1+3.1"));
  EXPECT_TRUE(Record(computed).lease_valid());
  for (const char* wrong : {"2.1+", "2.+1", "2+1", "2.1++3", "2.1 3"}) {
    worker.mutable_proxies(1)->set_version(wrong);
    EXPECT_THAT(scheduler_->OpenSession(worker),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not of the form proxy.pass")))
        << wrong;
  }
}

TEST_F(SchedulerTest, UnitsNeverStraddleASeed) {
  const std::string session = Open("w");
  NewJob(Spec(5, {"synflow"}, {0, 1}));
  Record(Computed(session, Acquire(session).at(0), v1::LEASE_OUTCOME_COMPLETED, 1, 0.001));
  std::vector<int> sizes;
  for (std::vector<v1::Lease> leases = Acquire(session); !leases.empty(); leases = Acquire(session)) {
    std::set<uint64_t> seeds;
    for (const v1::LeaseItem& item : leases[0].items()) seeds.insert(item.seed());
    EXPECT_THAT(seeds, SizeIs(1));
    sizes.push_back(leases[0].items_size());
    Record(Computed(session, leases[0], v1::LEASE_OUTCOME_COMPLETED, 1000, 0.001));
  }
  EXPECT_EQ(sizes[0], 4);  // what is left of the first seed
}

TEST_F(SchedulerTest, UnitsAreSizedByMeasuredSeconds) {
  const std::string session = Open("w");
  NewJob(Spec(1000));
  const v1::Lease first = Acquire(session).at(0);
  EXPECT_EQ(first.items_size(), 1);
  Record(Computed(session, first, v1::LEASE_OUTCOME_COMPLETED, 1, 0.5));
  EXPECT_EQ(Acquire(session).at(0).items_size(), 60);
}

TEST_F(SchedulerTest, ASilentWorkersLeaseGoesToAnother) {
  const std::string a = Open("a");
  const std::string b = Open("b");
  NewJob(Spec(1));
  const v1::Lease lease = Acquire(a).at(0);
  clock_.Advance(kLease - absl::Microseconds(1));
  EXPECT_THAT(Acquire(b), IsEmpty());
  clock_.Advance(absl::Microseconds(1));
  const v1::Lease again = Acquire(b).at(0);
  EXPECT_EQ(again.unit(), lease.unit());
  EXPECT_EQ(again.attempt(), 2);
  const auto response = Synchronize(a, 0, {lease});
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->lost(), ElementsAre(lease.unit()));
}

TEST_F(SchedulerTest, SynchronizeKeepsALease) {
  const std::string a = Open("a");
  const std::string b = Open("b");
  const int64_t id = NewJob(Spec(1));
  const v1::Lease lease = Acquire(a).at(0);
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(kLease / 2);
    const auto response = Synchronize(a, 0, {lease});
    ASSERT_THAT(response, IsOk());
    EXPECT_THAT(response->lost(), IsEmpty());
    EXPECT_THAT(Acquire(b), IsEmpty());
  }
  EXPECT_EQ(Get(id).leased(), 1u);
}

TEST_F(SchedulerTest, LateScoresAreRecordedAndCompleteTheUnit) {
  const std::string a = Open("a");
  const std::string b = Open("b");
  const int64_t id = NewJob(Spec(1));
  const v1::Lease late = Acquire(a).at(0);
  clock_.Advance(kLease);
  const v1::Lease current = Acquire(b).at(0);
  v1::RecordScoresResponse response = Record(Computed(a, late, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_FALSE(response.lease_valid());
  EXPECT_THAT(response.dispositions(), ElementsAre(v1::DISPOSITION_RECORDED, v1::DISPOSITION_RECORDED));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
  response = Record(Computed(b, current, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_THAT(response.dispositions(), testing::Each(v1::DISPOSITION_ALREADY_RECORDED));
  EXPECT_EQ(Get(id).done(), 1u);
}

TEST_F(SchedulerTest, AScoreThatDiffersIsAConflict) {
  const std::string a = Open("a");
  NewJob(Spec(1));
  const v1::Lease lease = Acquire(a).at(0);
  Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED));
  v1::RecordScoresRequest other = Computed(a, lease, v1::LEASE_OUTCOME_UNSPECIFIED);
  other.mutable_results(0)->mutable_scores(1)->set_score(9);
  EXPECT_THAT(Record(other).dispositions(), ElementsAre(v1::DISPOSITION_ALREADY_RECORDED, v1::DISPOSITION_CONFLICT));
}

TEST_F(SchedulerTest, TheSameRequestGetsTheSameAnswer) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(2));
  const v1::RecordScoresRequest request = Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_COMPLETED);
  const v1::RecordScoresResponse first = Record(request);
  EXPECT_TRUE(first.lease_valid());
  EXPECT_EQ(Record(request).SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(Get(id).done(), 1u);
}

TEST_F(SchedulerTest, APlannedReturnCountsNoAttempt) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(20));
  const v1::Lease range = Range(a, 4);
  for (int i = 0; i < 5; ++i) {
    const int wakes = wakes_;
    const v1::Lease lease = i == 0 ? range : Acquire(a).at(0);
    EXPECT_EQ(lease.items_size(), 4 - i / 2);
    // Every other time one more is done.
    EXPECT_TRUE(Record(Computed(a, lease, v1::LEASE_OUTCOME_RETURNED, i % 2)).lease_valid());
    EXPECT_GT(wakes_, wakes);
  }
  EXPECT_EQ(Get(id).done(), 3u);
  v1::ListFailuresRequest request;
  request.set_job(id);
  EXPECT_THAT(scheduler_->ListFailures(request)->failures(), IsEmpty());
}

TEST_F(SchedulerTest, ACrashedRangeIsHalvedAndASingleArchitecturePoisoned) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(5));
  // Everything is computed but one architecture, on which the scorer dies.
  Record(Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_COMPLETED, 1, 7.5));
  std::string poison;
  std::vector<int> sizes;
  for (int guard = 0; guard < 50; ++guard) {
    const std::vector<v1::Lease> leases = Acquire(a);
    if (leases.empty()) break;
    const v1::Lease& lease = leases[0];
    sizes.push_back(lease.items_size());
    if (poison.empty()) poison = lease.items(1).architecture();
    int good = 0;
    while (good < lease.items_size() && lease.items(good).architecture() != poison) ++good;
    const bool crashed = good < lease.items_size();
    v1::RecordScoresRequest request =
        Computed(a, lease, crashed ? v1::LEASE_OUTCOME_CRASHED : v1::LEASE_OUTCOME_COMPLETED, good, 7.5);
    if (crashed) Fail(request, lease.items(good), v1::FAILURE_KIND_CRASH);
    Record(request);
  }
  const v1::Job job = Get(id);
  EXPECT_EQ(job.state(), v1::JOB_STATE_DONE_WITH_FAILURES);
  EXPECT_EQ(job.done(), 4u);
  EXPECT_EQ(job.failed(), 1u);
  EXPECT_EQ(std::count(sizes.begin(), sizes.end(), 1) >= 3, true);
  v1::ListFailuresRequest request;
  request.set_job(id);
  const auto failures = scheduler_->ListFailures(request);
  ASSERT_THAT(failures, IsOk());
  ASSERT_EQ(failures->failures_size(), 1);
  EXPECT_EQ(failures->failures(0).kind(), v1::FAILURE_KIND_CRASH);
  EXPECT_EQ(failures->failures(0).message(), "out of luck");
  EXPECT_EQ(failures->failures(0).for_good(), 1u);
  EXPECT_EQ(failures->failures(0).example_architecture(), poison);
}

TEST_F(SchedulerTest, ThreeLostWorkersPoisonASingleArchitecture) {
  const int64_t id = [&] {
    Open("a");
    return NewJob(Spec(1));
  }();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const std::string session = Open(absl::StrCat("w", attempt));
    EXPECT_EQ(Acquire(session).at(0).attempt(), attempt);
    clock_.Advance(kLease);
  }
  EXPECT_THAT(Acquire(Open("last")), IsEmpty());
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE_WITH_FAILURES);
}

TEST_F(SchedulerTest, AnExpiredRangeIsLeasedAgainInHalves) {
  const std::string a = Open("a");
  NewJob(Spec(20));
  const v1::Lease range = Range(a, 4);
  clock_.Advance(kLease);
  const std::string b = Open("b");
  const v1::Lease first = Acquire(b).at(0);
  const v1::Lease second = Acquire(b).at(0);
  EXPECT_EQ(first.items_size(), 2);
  EXPECT_EQ(second.items_size(), 2);
  std::set<std::string> texts;
  for (const v1::Lease* half : {&first, &second}) {
    for (const v1::LeaseItem& item : half->items()) texts.insert(item.architecture());
  }
  std::set<std::string> before;
  for (const v1::LeaseItem& item : range.items()) before.insert(item.architecture());
  EXPECT_EQ(texts, before);
  // The unit of the late worker is no more; its scores count all the same.
  EXPECT_THAT(Record(Computed(a, range, v1::LEASE_OUTCOME_COMPLETED)).dispositions(),
              testing::Each(v1::DISPOSITION_RECORDED));
}

TEST_F(SchedulerTest, AnErrorIsTriedThreeTimes) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(1));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(Get(id).state(), v1::JOB_STATE_RUNNING);
    const v1::Lease lease = Acquire(a).at(0);
    v1::RecordScoresRequest request = Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED, 0);
    Fail(request, lease.items(0), attempt == 2 ? v1::FAILURE_KIND_OUT_OF_MEMORY : v1::FAILURE_KIND_ERROR);
    Record(request);
  }
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE_WITH_FAILURES);
  EXPECT_EQ(Get(id).failed(), 1u);
  // Asked for again, it is tried again; then it works.
  EXPECT_EQ(NewJob(Spec(1)), id);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Work(a), 1);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
}

TEST_F(SchedulerTest, ALeaseThatIsCompletedWithoutResultsCountsAsErrors) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(1));
  for (int i = 0; i < 3; ++i) Record(Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_COMPLETED, 0));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE_WITH_FAILURES);
}

TEST_F(SchedulerTest, AWorkerThatComesBackEndsItsOlderLeases) {
  const std::string a = Open("a");
  NewJob(Spec(1));
  Acquire(a);
  const std::string b = Open("b");
  EXPECT_THAT(Acquire(b), IsEmpty());
  Open("a");
  EXPECT_THAT(Acquire(b), SizeIs(1));
  EXPECT_THAT(Synchronize(a, 0), StatusIs(absl::StatusCode::kNotFound, HasSubstr("open another")));
}

TEST_F(SchedulerTest, ARestartOfTheServerCostsNoLease) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(2, {"all"}));
  const v1::Lease lease = Acquire(a).at(0);
  clock_.Advance(absl::Hours(3));
  Start();
  EXPECT_THAT(Synchronize(a, 0, {lease}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("session")));
  const std::string again = Open("a");
  const auto response = Synchronize(again, 0, {lease});
  ASSERT_THAT(response, IsOk());
  EXPECT_THAT(response->lost(), IsEmpty());
  // Scores of the old session are recorded too.
  v1::RecordScoresRequest request = Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED);
  EXPECT_TRUE(Record(request).lease_valid());
  EXPECT_EQ(Work(again), 1);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(Get(id).done(), 2u);
}

TEST_F(SchedulerTest, ADrainedWorkerGetsNothing) {
  const std::string a = Open("alpha");
  const int64_t id = NewJob(Spec(2));
  v1::DrainWorkerRequest request;
  request.set_worker("alpa");
  EXPECT_THAT(scheduler_->DrainWorker(request), StatusIs(absl::StatusCode::kNotFound, HasSubstr("`alpha`")));
  request.set_worker("alpha");
  EXPECT_THAT(scheduler_->DrainWorker(request), IsOk());
  const auto response = Synchronize(a, 1);
  ASSERT_THAT(response, IsOk());
  EXPECT_TRUE(response->drain());
  EXPECT_THAT(response->leases(), IsEmpty());
  EXPECT_THAT(Get(id).waiting_for(), HasSubstr("leaving"));
  EXPECT_EQ(scheduler_->ListWorkers()->workers(0).state(), v1::WORKER_STATE_DRAINING);
}

TEST_F(SchedulerTest, WhoLeavesKeepsNoLeaseThatItHasNotHeardOf) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(2));
  const v1::Lease held = Acquire(a).at(0);
  const v1::Lease unheard = Acquire(a).at(0);
  v1::SynchronizeRequest request;
  request.set_session(a);
  request.set_state(v1::WORKER_STATE_DRAINING);
  request.add_held()->set_unit(held.unit());
  request.mutable_held(0)->set_attempt(held.attempt());
  const int wakes = wakes_;
  EXPECT_THAT(scheduler_->Synchronize(request)->lost(), IsEmpty());
  EXPECT_GT(wakes_, wakes);
  const std::string b = Open("b");
  const v1::Lease again = Acquire(b).at(0);
  EXPECT_EQ(again.unit(), unheard.unit());
  EXPECT_THAT(Acquire(b), IsEmpty());  // the other one is still a's
  Record(Computed(b, again, v1::LEASE_OUTCOME_COMPLETED));
  Record(Computed(a, held, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
}

TEST_F(SchedulerTest, AnAnswerThatIsNotDeliveredCountsNoAttempt) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(1));
  for (int i = 0; i < 5; ++i) {
    const auto answer = Synchronize(a, 1);
    ASSERT_THAT(answer->leases(), SizeIs(1));
    scheduler_->ReturnUnheard(*answer);
  }
  const v1::Lease lease = Acquire(a).at(0);
  v1::SynchronizeResponse late;  // of a lease that has ended since
  *late.add_leases() = lease;
  late.mutable_leases(0)->set_attempt(lease.attempt() - 1);
  scheduler_->ReturnUnheard(late);
  EXPECT_THAT(Acquire(Open("b")), IsEmpty());
  v1::ListFailuresRequest failures;
  failures.set_job(id);
  EXPECT_THAT(scheduler_->ListFailures(failures)->failures(), IsEmpty());
}

TEST_F(SchedulerTest, ACancelledJobFinishesWhatIsLeasedAndCanBeResumed) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(3));
  const v1::Lease lease = Acquire(a).at(0);
  v1::ControlJobRequest cancel;
  cancel.set_order(v1::JOB_ORDER_STOP);
  cancel.set_id(id);
  ASSERT_THAT(scheduler_->ControlJob(cancel), IsOk());
  EXPECT_THAT(Acquire(a), IsEmpty());
  EXPECT_THAT(Synchronize(a, 0, {lease})->lost(), IsEmpty());
  EXPECT_TRUE(Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED)).lease_valid());
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(NewJob(Spec(3)), id);
  EXPECT_EQ(Work(a), 2);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(Get(id).reused(), 1u);
}

TEST_F(SchedulerTest, APausedJobGivesNothingOutAndGoesOnWhenResumed) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(3));
  const v1::Lease lease = Acquire(a).at(0);
  v1::ControlJobRequest order;
  order.set_id(id);
  order.set_order(v1::JOB_ORDER_PAUSE);
  ASSERT_THAT(scheduler_->ControlJob(order), IsOk());
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_PAUSED);
  EXPECT_THAT(Acquire(a), IsEmpty());
  EXPECT_TRUE(Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED)).lease_valid());
  order.set_order(v1::JOB_ORDER_RESUME);
  ASSERT_THAT(scheduler_->ControlJob(order), IsOk());
  EXPECT_EQ(Work(a), 2);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
  EXPECT_THAT(scheduler_->ControlJob(order), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("done")));
}

TEST_F(SchedulerTest, ACancelledJobTakesItsLeasesAwayAndStillRecordsTheirScores) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(3));
  const v1::Lease lease = Acquire(a).at(0);
  v1::ControlJobRequest order;
  order.set_id(id);
  order.set_order(v1::JOB_ORDER_CANCEL);
  ASSERT_THAT(scheduler_->ControlJob(order), IsOk());
  EXPECT_THAT(Synchronize(a, 0, {lease})->lost(), ElementsAre(lease.unit()));
  EXPECT_FALSE(Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED)).lease_valid());
  EXPECT_EQ(NewJob(Spec(3)), id);
  EXPECT_EQ(Work(a), 2);  // the third is there
  EXPECT_EQ(Get(id).reused(), 1u);
}

TEST_F(SchedulerTest, WhatFailedForGoodIsTriedAgainWhenAsked) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(1));
  for (int i = 0; i < 3; ++i) {
    v1::RecordScoresRequest crashed = Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_CRASHED);
    crashed.clear_results();
    Record(crashed);
  }
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE_WITH_FAILURES);
  v1::RetryFailuresRequest retry;
  retry.set_job(id);
  const auto retried = scheduler_->RetryFailures(retry);
  ASSERT_THAT(retried, IsOk());
  EXPECT_EQ(retried->retried(), 1u);
  EXPECT_EQ(Get(id).failed(), 0u);
  EXPECT_EQ(Work(a), 1);
  EXPECT_EQ(Get(id).state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(scheduler_->RetryFailures(retry)->retried(), 0u);
}

TEST_F(SchedulerTest, AnAuditIsComputedByAnotherWorkerAndFindsWhatDiffers) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(3));
  EXPECT_EQ(Work(a), 3);
  v1::AuditJobRequest request;
  request.set_job(id);
  request.set_fraction(1);
  const auto audit = scheduler_->AuditJob(request);
  ASSERT_THAT(audit, IsOk());
  EXPECT_EQ(audit->job().audits(), id);
  EXPECT_EQ(audit->job().total(), 3u);
  EXPECT_EQ(scheduler_->AuditJob(request)->job().id(), audit->job().id());
  EXPECT_THAT(Acquire(a), IsEmpty());  // its own scores
  v1::ExplainJobRequest why;
  why.set_id(audit->job().id());
  EXPECT_THAT(scheduler_->ExplainJob(why)->reasons(0).reason(), HasSubstr("another worker"));

  const std::string b = Open("b");
  v1::RecordScoresRequest record = Computed(b, Acquire(b).at(0), v1::LEASE_OUTCOME_COMPLETED);
  v1::ProxyScore& score = *record.mutable_results(0)->mutable_scores(0);
  score.set_score(score.score() * 2 + 1);
  EXPECT_EQ(Record(record).dispositions(0), v1::DISPOSITION_CONFLICT);
  while (Work(b) > 0) {
  }
  EXPECT_EQ(Get(audit->job().id()).state(), v1::JOB_STATE_DONE);
  v1::ListConflictsRequest list;
  list.set_job(audit->job().id());
  const auto conflicts = scheduler_->ListConflicts(list);
  ASSERT_THAT(conflicts, IsOk());
  EXPECT_EQ(conflicts->total(), 1u);
  EXPECT_EQ(conflicts->conflicts(0).recorded_worker(), "a");
  EXPECT_EQ(conflicts->conflicts(0).worker(), "b");
  EXPECT_EQ(Get(id).conflicts(), 1u);
}

TEST_F(SchedulerTest, PublishedScoresAreNoneOfAJob) {
  const std::vector<SeriesKey> columns = {
      {.space = "nasbench201", .task = "photos", .proxy = "params", .source = "a paper"}};
  std::vector<NewScore> scores;
  for (const char* architecture : {"0_00_000", "1_00_000", "2_00_000", "3_00_000", "4_00_000"}) {
    scores.push_back({.series = 0, .architecture = architecture, .outcome = Outcome::kNotFinite});
  }
  const SourceFile file{.source = "a paper", .licence = "MIT", .digest = std::string(64, 'a')};
  ASSERT_THAT(store_->Write([&](StoreWriter& writer) {
    return writer.ImportScores(columns, scores, file, clock_.Now()).status();
  }),
              IsOk());
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(3, {"params"}));
  EXPECT_EQ(Work(a), 3);
  v1::ListFailuresRequest failures;
  failures.set_job(id);
  EXPECT_THAT(scheduler_->ListFailures(failures)->failures(), IsEmpty());
  v1::AuditJobRequest request;
  request.set_job(id);
  request.set_fraction(1);
  const auto audit = scheduler_->AuditJob(request);
  ASSERT_THAT(audit, IsOk());
  EXPECT_THAT(Acquire(Open("b")), SizeIs(1));  // of the computed scores' numerics class, not of the published ones'
}

TEST_F(SchedulerTest, JobsTakeTurns) {
  const std::string a = Open("a");
  const int64_t first = NewJob(Spec(4, {"params"}));
  const int64_t second = NewJob(Spec(4, {"synflow"}));
  std::vector<int64_t> order;
  for (const v1::Lease& lease : Acquire(a, 4)) order.push_back(lease.job());
  EXPECT_THAT(order, ElementsAre(first, second, first, second));
  for (const v1::Lease& lease : Acquire(a, 1)) EXPECT_EQ(lease.job(), first);
}

TEST_F(SchedulerTest, AJobSaysWhatItWaitsFor) {
  Open("a");
  const int64_t id = NewJob(Spec(1));
  v1::OpenSessionRequest other = Worker("b");
  other.mutable_spaces(0)->set_name("elsewhere");
  clock_.Advance(kLease + absl::Seconds(1));
  EXPECT_THAT(Get(id).waiting_for(), HasSubstr("no worker is connected"));
  Open(other);
  EXPECT_THAT(Get(id).waiting_for(), HasSubstr("space nasbench201"));
  v1::OpenSessionRequest poor = Worker("c");
  poor.mutable_proxies()->DeleteSubrange(1, 2);
  EXPECT_THAT(Acquire(Open(poor)), IsEmpty());
  EXPECT_THAT(Get(id).waiting_for(), HasSubstr("no worker holds synflow"));
  const std::string able = Open("d");
  EXPECT_EQ(Get(id).waiting_for(), "");
  Acquire(able);
  EXPECT_EQ(Get(id).leased(), 1u);
}

TEST_F(SchedulerTest, ProgressHasARateAndAnEnd) {
  const std::string a = Open("a");
  const int64_t id = NewJob(Spec(100));
  EXPECT_EQ(Get(id).rate(), 0);
  for (int i = 0; i < 5; ++i) {
    const v1::Lease lease = Acquire(a).at(0);
    clock_.Advance(absl::Seconds(2));
    Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED, 1, 40));
  }
  const v1::Job job = Get(id);
  EXPECT_DOUBLE_EQ(job.rate(), 0.5);
  EXPECT_EQ(job.eta().seconds(), 190);
  const v1::Worker worker = scheduler_->ListWorkers()->workers(0);
  EXPECT_EQ(worker.completed(), 5u);
  EXPECT_DOUBLE_EQ(worker.seconds_per_architecture(), 40);
}

TEST_F(SchedulerTest, ProbeBatchesAreNeededAndNamed) {
  const std::string a = Open("a");
  EXPECT_THAT(Create(Spec(1, {"swap"}, {0, 7})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("seed 0, 7"), HasSubstr("32 x 32"), HasSubstr("zcbench import images photos"),
                             HasSubstr("zcbench import probe-batch FILE"), HasSubstr("--input noise"))));
  AddProbeBatch(0);
  AddProbeBatch(7);
  NewJob(Spec(1, {"swap(samples=16)"}, {0, 7}));
  const v1::Lease lease = Acquire(a).at(0);
  EXPECT_THAT(lease.proxies(), ElementsAre("swap"));
  EXPECT_THAT(lease.probe_batches(), testing::UnorderedElementsAre(testing::Pair(0, std::string(63, 'a') + "0")));
  v1::RecordScoresRequest foreign = Computed(a, lease, v1::LEASE_OUTCOME_UNSPECIFIED);
  (*foreign.mutable_probe_batches())[0] = std::string(64, 'b');
  EXPECT_THAT(scheduler_->RecordScores(foreign),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("probe_batches")));
  foreign.clear_probe_batches();
  EXPECT_THAT(scheduler_->RecordScores(foreign),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("probe_batches")));
  EXPECT_TRUE(Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED)).lease_valid());
}

TEST_F(SchedulerTest, ATaskWithoutAReaderNamesTheOtherWays) {
  Open("a");
  v1::JobSpec spec = Spec(1, {"swap"});
  spec.set_task("svhn");
  EXPECT_THAT(Create(spec), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     AllOf(HasSubstr("no reader knows this data set: bring a file"),
                                           HasSubstr("--input noise"), testing::Not(HasSubstr("import images")))));
}

TEST_F(SchedulerTest, AJobOfNoiseIsAnotherJobWithAnotherBatch) {
  const std::string a = Open("a");
  AddProbeBatch(0);
  v1::JobSpec noise = Spec(1, {"swap"});
  noise.set_input("noise");
  EXPECT_THAT(Create(noise), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no probe batch of noise")));
  AddProbeBatch(0, "noise");
  const int64_t id = NewJob(noise);
  EXPECT_EQ(Get(id).spec().input(), "noise");
  EXPECT_EQ(NewJob(noise), id);
  const v1::Lease lease = Acquire(a).at(0);
  EXPECT_EQ(lease.probe_batches().at(0), std::string(63, 'b') + "0");
  EXPECT_TRUE(Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED)).lease_valid());

  // The images' scores are not there yet.
  const int64_t images = NewJob(Spec(1, {"swap"}));
  EXPECT_NE(images, id);
  EXPECT_EQ(Get(images).spec().input(), "");
  EXPECT_EQ(Acquire(a).at(0).probe_batches().at(0), std::string(63, 'a') + "0");
  Start();  // from the store
  EXPECT_EQ(Get(id).spec().input(), "noise");
}

TEST_F(SchedulerTest, ALeaseNamesTheKindOfItsTask) {
  const std::string a = Open("a");
  v1::JobSpec spec = Spec(1, {"params"});
  NewJob(spec);
  const v1::Lease lease = Acquire(a).at(0);
  EXPECT_EQ(lease.cell().kind(), v1::TASK_KIND_CLASSIFICATION);
  EXPECT_EQ(lease.cell().channels(), 3u);
}

TEST_F(SchedulerTest, OnlyCheckingCreatesNothing) {
  Open("a");
  v1::CreateJobRequest request;
  *request.mutable_spec() = Spec(1, {"swap"});
  request.set_validate_only(true);
  EXPECT_THAT(scheduler_->CreateJob(request),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no probe batch")));
  AddProbeBatch(0);
  const auto checked = scheduler_->CreateJob(request);
  ASSERT_THAT(checked, IsOk());
  EXPECT_FALSE(checked->has_job());
  EXPECT_THAT(scheduler_->ListJobs({})->jobs(), IsEmpty());
  request.set_validate_only(false);
  EXPECT_TRUE(scheduler_->CreateJob(request)->created());
}

TEST_F(SchedulerTest, ImagesAreAMultipleOfTheMicroBatches) {
  v1::OpenSessionRequest worker = Worker("a");
  for (const char* name : {"zico", "lswag"}) {
    v1::ProxyInfo& proxy = *worker.add_proxies() = Proxy(name, true, false);
    (*proxy.mutable_options())["micro_batches"] = "8";
  }
  Open(worker);
  const auto with = [](uint32_t images, std::vector<std::string> proxies) {
    v1::JobSpec spec = Spec(1, std::move(proxies));
    spec.set_images(images);
    return spec;
  };
  EXPECT_THAT(
      Create(with(12, {"all"})),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "spec.images: 12 is not divisible by the micro-batches of lswag (8), zico (8); take a multiple of "
               "8: 16"));
  EXPECT_THAT(Create(with(16, {"lswag", "zico(micro_batches=12)"})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("of zico(micro_batches=12) (12); take a multiple of 24: 24")));
  EXPECT_THAT(Create(with(12, {"zico(micro_batches=2)"})), IsOk());
  EXPECT_THAT(Create(with(12, {"params"})), IsOk());
}

TEST_F(SchedulerTest, AWrongSpecIsRefusedByField) {
  EXPECT_THAT(Create(Spec(1)), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no worker has announced")));
  Open("a");
  struct Case {
    absl::StatusCode code;
    const char* message;
    std::function<void(v1::JobSpec&)> change;
  };
  const Case cases[] = {
      {absl::StatusCode::kNotFound, "nasbench201", [](v1::JobSpec& s) { s.set_space("nasbench202"); }},
      {absl::StatusCode::kNotFound, "photos", [](v1::JobSpec& s) { s.set_task("fotos"); }},
      {absl::StatusCode::kNotFound, "synflow", [](v1::JobSpec& s) { s.set_proxies(0, "synflw"); }},
      {absl::StatusCode::kNotFound, "samples", [](v1::JobSpec& s) { s.set_proxies(0, "swap(sample=2)"); }},
      {absl::StatusCode::kInvalidArgument, "", [](v1::JobSpec& s) { s.set_proxies(0, "swap("); }},
      {absl::StatusCode::kInvalidArgument, "spec.proxies", [](v1::JobSpec& s) { s.clear_proxies(); }},
      {absl::StatusCode::kInvalidArgument, "beside spec.proxies", [](v1::JobSpec& s) { s.set_layer_statistics(true); }},
      {absl::StatusCode::kInvalidArgument, "spec.seeds", [](v1::JobSpec& s) { s.clear_seeds(); }},
      {absl::StatusCode::kInvalidArgument, "2^63", [](v1::JobSpec& s) { s.set_seeds(0, ~uint64_t{0}); }},
      {absl::StatusCode::kInvalidArgument, "spec.seeds",
       [](v1::JobSpec& s) {
         for (uint64_t i = 0; i < 65; ++i) s.add_seeds(i);
       }},
      {absl::StatusCode::kInvalidArgument, "images", [](v1::JobSpec& s) { s.set_images(5000); }},
      {absl::StatusCode::kInvalidArgument, "spec.input: `nois` is neither empty nor `noise`",
       [](v1::JobSpec& s) { s.set_input("nois"); }},
      {absl::StatusCode::kInvalidArgument, "spec.architectures", [](v1::JobSpec& s) { s.clear_indexed(); }},
      {absl::StatusCode::kInvalidArgument, "15625", [](v1::JobSpec& s) { s.mutable_indexed()->set_first(15625); }},
      {absl::StatusCode::kInvalidArgument, "spec.indexed", [](v1::JobSpec& s) { s.mutable_indexed()->set_count(0); }},
      {absl::StatusCode::kInvalidArgument, "spec.sampled.count",
       [](v1::JobSpec& s) { s.mutable_sampled()->set_count(20'000); }},
      {absl::StatusCode::kInvalidArgument, "architectures[1]",
       [](v1::JobSpec& s) {
         s.mutable_listed()->add_architectures("#0");
         s.mutable_listed()->add_architectures("nonsense");
       }},
  };
  for (const Case& c : cases) {
    v1::JobSpec spec = Spec(1);
    c.change(spec);
    EXPECT_THAT(Create(spec), StatusIs(c.code, HasSubstr(c.message))) << spec.ShortDebugString();
  }
}

TEST_F(SchedulerTest, ArchitecturesAreSampledIndexedOrListed) {
  const std::string a = Open("a");
  v1::JobSpec sampled = Spec(1, {"params"});
  sampled.mutable_sampled()->set_count(12);
  sampled.mutable_sampled()->set_sample_seed(5);
  NewJob(sampled);
  EXPECT_EQ(Work(a), 12);
  sampled.mutable_sampled()->set_count(15);
  NewJob(sampled);
  EXPECT_EQ(Work(a), 3);

  v1::JobSpec listed = Spec(1, {"synflow"});
  for (const char* text : {"#7", "#3", "#7", "nb201/3_33_133"}) listed.mutable_listed()->add_architectures(text);
  const int64_t id = NewJob(listed);
  EXPECT_EQ(Get(id).total(), 3u);
  EXPECT_TRUE(Get(id).spec().has_listed());
  EXPECT_EQ(NewJob(listed), id);
  std::vector<std::string> order;
  for (std::vector<v1::Lease> leases = Acquire(a); !leases.empty(); leases = Acquire(a)) {
    for (const v1::LeaseItem& item : leases[0].items()) order.push_back(item.architecture());
    Record(Computed(a, leases[0], v1::LEASE_OUTCOME_COMPLETED));
  }
  EXPECT_THAT(order, SizeIs(3));
  EXPECT_EQ(order[2], "3_33_133");
}

TEST_F(SchedulerTest, AWrongRecordingIsRefusedByField) {
  const std::string a = Open("a");
  NewJob(Spec(1));
  const v1::RecordScoresRequest good = Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_COMPLETED);
  struct Case {
    const char* message;
    std::function<void(v1::RecordScoresRequest&)> change;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Case cases[] = {
      {"request_id", [](auto& r) { r.clear_request_id(); }},
      {"cell.height: 31 is not 32", [](auto& r) { r.mutable_cell()->set_height(31); }},
      {"cell.kind", [](auto& r) { r.mutable_cell()->set_kind(v1::TASK_KIND_IMAGE); }},
      {"execution.numerics", [](auto& r) { r.mutable_execution()->clear_numerics(); }},
      {"cell.space", [](auto& r) { r.mutable_cell()->set_space("nb201"); }},
      {"versions", [](auto& r) { r.add_versions("1.1.1"); }},
      {"versions", [](auto& r) { r.set_versions(0, "1.1"); }},
      {"proxies", [](auto& r) { r.set_proxies(1, "params"); }},
      {"proxies",
       [](auto& r) {
         r.mutable_proxies()->RemoveLast();
         r.mutable_versions()->RemoveLast();
         r.mutable_results(0)->mutable_scores()->RemoveLast();
       }},
      {"results.architecture", [](auto& r) { r.mutable_results(0)->set_architecture("nb201/0_00_000"); }},
      {"results", [](auto& r) { *r.add_results() = r.results(0); }},
      {"scores.proxy", [](auto& r) { r.mutable_results(0)->mutable_scores(0)->set_proxy(2); }},
      {"scores.proxy", [](auto& r) { r.mutable_results(0)->mutable_scores(0)->set_proxy(1); }},
      {"scores.outcome", [](auto& r) { r.mutable_results(0)->mutable_scores(0)->clear_outcome(); }},
      {"scores.score", [&](auto& r) { r.mutable_results(0)->mutable_scores(0)->set_score(nan); }},
      {"scores.seconds", [](auto& r) { r.mutable_results(0)->mutable_scores(0)->set_seconds(-1); }},
  };
  for (const Case& c : cases) {
    v1::RecordScoresRequest request = good;
    c.change(request);
    EXPECT_THAT(scheduler_->RecordScores(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
        << c.message;
  }
  EXPECT_TRUE(Record(good).lease_valid());
}

TEST_F(SchedulerTest, AWrongSessionIsRefusedByField) {
  struct Case {
    const char* message;
    std::function<void(v1::OpenSessionRequest&)> change;
  };
  const Case cases[] = {
      {"worker", [](auto& r) { r.set_worker("a b"); }},
      {"worker", [](auto& r) { r.set_worker(std::string(65, 'a')); }},
      {"execution.worker", [](auto& r) { r.mutable_execution()->set_worker("b"); }},
      {"execution.numerics", [](auto& r) { r.mutable_execution()->clear_numerics(); }},
      {"spaces.version", [](auto& r) { r.mutable_spaces(0)->set_version("one"); }},
      {"version", [](auto& r) { r.mutable_proxies(0)->set_version("1"); }},
      {"proxies.name", [](auto& r) { r.mutable_proxies(0)->set_name("swap(samples=1)"); }},
      {"tolerance", [](auto& r) { r.mutable_proxies(0)->set_tolerance(-1); }},
  };
  for (const Case& c : cases) {
    v1::OpenSessionRequest request = Worker("a");
    c.change(request);
    EXPECT_THAT(scheduler_->OpenSession(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
  const std::string a = Open("a");
  v1::SynchronizeRequest request;
  request.set_session(a);
  EXPECT_THAT(scheduler_->Synchronize(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("state")));
  EXPECT_THAT(Synchronize(a, 17), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("wanted")));
}

TEST_F(SchedulerTest, NothingIsLeasedToAWorkerThatIsAboutToLeave) {
  v1::OpenSessionRequest leaving = Worker("a");
  leaving.mutable_available_until()->set_seconds(absl::ToUnixSeconds(clock_.Now()) + 29);
  const std::string a = Open(leaving);
  NewJob(Spec(1));
  EXPECT_THAT(Acquire(a), IsEmpty());
  scheduler_->StopLeasing();
  EXPECT_THAT(Acquire(Open("b")), IsEmpty());
}

// ---- What a person on call sees.

TEST_F(SchedulerTest, LeasesAndScoresAreCountedByHowTheyEnded) {
  const std::string a = Open("a");
  const int64_t job = NewJob(Spec(40));
  const v1::Lease range = Range(a, 4);
  Record(Computed(a, range, v1::LEASE_OUTCOME_RETURNED, 1));
  const v1::Lease again = Acquire(a).at(0);
  v1::RecordScoresRequest differs = Computed(a, range, v1::LEASE_OUTCOME_UNSPECIFIED, 1);
  differs.mutable_results(0)->mutable_scores(1)->set_score(9);
  Record(differs);
  Record(Computed(a, again, v1::LEASE_OUTCOME_CRASHED, 0));
  const v1::Lease lost = Acquire(a).at(0);
  EXPECT_EQ(Get(job).leases_expired(), 0u);
  clock_.Advance(2 * kLease);
  EXPECT_THAT(Acquire(Open("b")), SizeIs(1));  // takes it back from `a` first
  EXPECT_GT(lost.unit(), 0);

  const SchedulerCounters& counters = scheduler_->counters();
  EXPECT_EQ(counters.leases_granted.value(), 5u);
  EXPECT_EQ(counters.leases_completed.value(), 1u);
  EXPECT_EQ(counters.leases_returned.value(), 1u);
  EXPECT_EQ(counters.leases_crashed.value(), 1u);
  EXPECT_EQ(counters.leases_expired.value(), 1u);
  EXPECT_EQ(Get(job).leases_expired(), 1u);
  EXPECT_EQ(counters.scores_recorded.value(), 4u);  // two architectures, two proxies
  EXPECT_EQ(counters.scores_already_recorded.value(), 1u);
  EXPECT_EQ(counters.scores_conflicting.value(), 1u);
  const std::vector<Sample> seconds = counters.architecture_seconds.samples();
  ASSERT_THAT(seconds, SizeIs(1));
  EXPECT_EQ(seconds[0].labels, (Labels{{"space", "nasbench201"}, {"task", "photos"}, {"device", "cpu"}}));
}

TEST_F(SchedulerTest, ARepeatedRequestIsCountedOnce) {
  const std::string a = Open("a");
  NewJob(Spec(1));
  const v1::RecordScoresRequest request = Computed(a, Acquire(a).at(0), v1::LEASE_OUTCOME_COMPLETED);
  Record(request);
  Record(request);
  EXPECT_EQ(scheduler_->counters().scores_recorded.value(), 2u);
  EXPECT_EQ(scheduler_->counters().leases_completed.value(), 1u);
}

TEST_F(SchedulerTest, WhatIsFreeAgesUntilSomethingOfItIsLeased) {
  const std::string a = Open("a");
  const int64_t job = NewJob(Spec(2));
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(Get(job).oldest_free().seconds(), 600);
  EXPECT_EQ(scheduler_->DescribeQueue()->oldest_free, absl::Minutes(10));
  EXPECT_EQ(scheduler_->DescribeQueue()->waiting_pairs, 2u);
  const v1::Lease lease = Acquire(a).at(0);
  EXPECT_EQ(Get(job).oldest_free().seconds(), 0);
  EXPECT_EQ(scheduler_->DescribeQueue()->units.leased, 1u);
  EXPECT_THAT(scheduler_->DescribeQueue()->workers, Contains(testing::Pair("idle", 1u)));

  // A pause is nobody's wait, and neither is what is all given out.
  v1::ControlJobRequest order;
  order.set_id(job);
  order.set_order(v1::JOB_ORDER_PAUSE);
  ASSERT_THAT(scheduler_->ControlJob(order), IsOk());
  clock_.Advance(absl::Hours(1));
  EXPECT_FALSE(Get(job).has_oldest_free());
  EXPECT_EQ(scheduler_->DescribeQueue()->oldest_free, absl::ZeroDuration());
  EXPECT_THAT(scheduler_->DescribeQueue()->workers, Contains(testing::Pair("lost", 1u)));
  order.set_order(v1::JOB_ORDER_RESUME);
  ASSERT_THAT(scheduler_->ControlJob(order), IsOk());
  EXPECT_EQ(Get(job).oldest_free().seconds(), 0);
  Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_THAT(Acquire(Open("a")), SizeIs(1));
  clock_.Advance(absl::Seconds(20));
  EXPECT_FALSE(Get(job).has_oldest_free());
}

TEST_F(SchedulerTest, AWorkerShowsWhatItHoldsSinceWhenAndHowFastItIs) {
  const std::string a = Open("a");
  const int64_t job = NewJob(Spec(3));
  const v1::Lease first = Acquire(a).at(0);
  const int64_t leased = absl::ToUnixSeconds(clock_.Now());
  clock_.Advance(absl::Seconds(10));
  ASSERT_THAT(Synchronize(a, 0, {first}), IsOk());
  const auto worker = [&] { return scheduler_->ListWorkers().value().workers(0); };
  ASSERT_THAT(worker().held(), SizeIs(1));
  EXPECT_EQ(worker().held(0).unit(), first.unit());
  EXPECT_EQ(worker().held(0).job(), job);
  EXPECT_EQ(worker().held(0).since().seconds(), leased);
  EXPECT_DOUBLE_EQ(worker().rate(), 0);
  Record(Computed(a, first, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_THAT(worker().held(), IsEmpty());
  EXPECT_DOUBLE_EQ(worker().rate(), 0.1);  // one in the ten seconds that it has been here
  clock_.Advance(absl::Seconds(50));
  EXPECT_NEAR(worker().rate(), 1.0 / 60, 1e-9);
}

TEST_F(SchedulerTest, AConflictShowsWithTheNextPoll) {
  const std::string a = Open("a");
  const int64_t job = NewJob(Spec(1));
  const int64_t other = NewJob(Spec(1, {"params"}));
  const v1::Lease lease = Acquire(a).at(0);
  Record(Computed(a, lease, v1::LEASE_OUTCOME_COMPLETED));
  EXPECT_EQ(Get(job).conflicts(), 0u);
  EXPECT_EQ(Get(other).conflicts(), 0u);
  for (uint64_t conflicts = 1; conflicts <= 2; ++conflicts) {
    v1::RecordScoresRequest differs = Computed(a, lease, v1::LEASE_OUTCOME_UNSPECIFIED);
    differs.mutable_results(0)->mutable_scores(1)->set_score(9);  // of synflow
    Record(differs);
    EXPECT_EQ(Get(job).conflicts(), conflicts);
    EXPECT_EQ(Get(other).conflicts(), 0u);
  }
}

}  // namespace
}  // namespace zcbench
