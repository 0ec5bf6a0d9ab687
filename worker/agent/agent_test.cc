#include "worker/agent/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "worker/agent/fake_server.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kDeadline(30);

// A lease of the proxies first, nan, images, of which `missing` (bits) lack.
v1::Lease MakeLease(int64_t unit, const std::vector<std::string>& architectures, char missing = 1) {
  v1::Lease lease;
  lease.set_unit(unit);
  lease.set_attempt(1);
  lease.set_job(9);
  lease.mutable_cell()->set_space("toy");
  lease.mutable_cell()->set_task("photos");
  for (const char* proxy : {"first", "nan(k=2)", "images"}) lease.add_proxies(proxy);
  for (const std::string& architecture : architectures) {
    v1::LeaseItem& item = *lease.add_items();
    item.set_architecture(architecture);
    item.set_seed(4);
    item.set_missing(std::string(1, missing));
  }
  return lease;
}

using State = FakeServer::State;

std::map<int64_t, v1::LeaseOutcome> Closes(const State& state) {
  std::map<int64_t, v1::LeaseOutcome> closes;
  for (const v1::RecordScoresRequest& request : state.recorded) {
    if (request.close() != v1::LEASE_OUTCOME_UNSPECIFIED) closes[request.unit()] = request.close();
  }
  return closes;
}
// Architectures with scores, in the order they were recorded.
std::vector<std::string> Scored(const State& state) {
  std::vector<std::string> names;
  for (const v1::RecordScoresRequest& request : state.recorded) {
    for (const v1::ArchitectureResult& result : request.results()) {
      if (result.scores_size() > 0) names.push_back(result.architecture());
    }
  }
  return names;
}
// Architecture -> kind and message.
std::map<std::string, std::string> Failures(const State& state) {
  std::map<std::string, std::string> failures;
  for (const v1::RecordScoresRequest& request : state.recorded) {
    for (const v1::ArchitectureResult& result : request.results()) {
      if (result.failure() == v1::FAILURE_KIND_UNSPECIFIED) continue;
      failures[result.architecture()] =
          absl::StrCat(v1::FailureKind_Name(result.failure()), ": ", result.failure_message());
    }
  }
  return failures;
}

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("ZCB_FAKE_FOLDER", folder_.path().c_str(), 1); }
  void TearDown() override {
    if (result_.valid()) {
      for (const auto& entry : fs::directory_iterator(folder_.path())) {
        const fs::path path = entry.path();  // whatever still computes goes on
        if (path.extension() == ".begun") std::ofstream(fs::path(path).replace_extension(".go")).flush();
      }
      agent_->Drain();
      result_.wait();
    }
    ::unsetenv("ZCB_FAKE_START");
  }

  AgentOptions Options() {
    AgentOptions options;
    options.server = server_.address();
    options.name = "tester";
    options.host = "here";
    options.scorer = {ZCB_FAKE_SCORER, "serve", "--fd", "3"};
    options.cache = folder_ / "cache";
    options.shortest_pause = absl::Milliseconds(5);
    options.longest_pause = absl::Milliseconds(50);
    return options;
  }

  void Start(AgentOptions options, uint64_t spool_bytes = 1 << 20) {
    absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(folder_ / "spool", spool_bytes);
    ASSERT_THAT(spool, IsOk());
    agent_ = std::make_unique<Agent>(std::move(options), *std::move(spool));
    result_ = std::async(std::launch::async, [this] { return agent_->Run(); });
  }

  // How the agent left; unset when it did not before the deadline.
  std::optional<AgentExit> Exit() {
    if (result_.wait_for(kDeadline) != std::future_status::ready) return std::nullopt;
    return result_.get();
  }

  std::optional<AgentExit> RunUntilIdle() {
    AgentOptions options = Options();
    options.exit_when_idle = absl::ZeroDuration();
    Start(std::move(options));
    return Exit();
  }

  bool AwaitFile(const std::string& name) {
    const int watch = ::inotify_init1(IN_CLOEXEC);
    ::inotify_add_watch(watch, folder_.path().c_str(), IN_CREATE);
    const absl::Time deadline = absl::Now() + absl::FromChrono(kDeadline);
    while (!fs::exists(folder_ / name) && absl::Now() < deadline) {
      pollfd event = {watch, POLLIN, 0};
      char buffer[4096];
      if (::poll(&event, 1, 1000) > 0 && ::read(watch, buffer, sizeof(buffer)) < 0) break;
    }
    ::close(watch);
    return fs::exists(folder_ / name);
  }
  void Touch(const std::string& name) { std::ofstream(folder_ / name).flush(); }

  bool AwaitClosed(size_t leases) {
    return server_.Await([&](const State& state) { return Closes(state).size() >= leases; });
  }

  TemporaryFolder folder_;
  FakeServer server_;
  std::unique_ptr<Agent> agent_;
  std::future<AgentExit> result_;
};

TEST_F(AgentTest, UnitIsScoredRecordedAndClosed) {
  const std::string batch = "ZCBBATCH and more";
  server_.Set([&](State& state) { state.probe_batches[Sha256Hex(batch)] = batch; });
  v1::Lease lease = MakeLease(1, {"a", "b"});
  (*lease.mutable_probe_batches())[4] = Sha256Hex(batch);
  lease.mutable_items(0)->set_missing(std::string(1, '\6'));  // nan and images
  server_.Add(lease);
  server_.Add(MakeLease(2, {"done", "c"}));
  ASSERT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);

  ASSERT_EQ(server_.state().opened.size(), 1u);
  EXPECT_EQ(server_.state().opened[0].worker(), "tester");
  EXPECT_EQ(server_.state().opened[0].execution().host(), "here");
  EXPECT_EQ(server_.state().opened[0].execution().numerics(), "fake");
  EXPECT_EQ(server_.state().opened[0].proxies_size(), 3);
  EXPECT_EQ(server_.state().opened[0].memory_bytes(), 1000u);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "b", "done", "c"));
  EXPECT_THAT(Closes(server_.state()),
              ElementsAre(std::pair(1, v1::LEASE_OUTCOME_COMPLETED), std::pair(2, v1::LEASE_OUTCOME_COMPLETED)));

  const v1::RecordScoresRequest request = server_.state().recorded[0];
  EXPECT_EQ(request.session(), "session-1");
  EXPECT_EQ(request.request_id().size(), 36u);
  EXPECT_EQ(request.execution().worker(), "tester");
  EXPECT_EQ(request.cell().task(), "photos");
  EXPECT_THAT(request.proxies(), ElementsAre("first", "nan(k=2)", "images"));
  EXPECT_THAT(request.versions(), ElementsAre("1.2.3", "4.5.3", "6.7.3"));
  EXPECT_EQ(request.probe_batches().at(4), Sha256Hex(batch));
  const v1::ArchitectureResult& first = request.results(0);
  EXPECT_EQ(first.seed(), 4u);
  ASSERT_EQ(first.scores_size(), 2);
  EXPECT_EQ(first.scores(0).proxy(), 1u);  // positions among the lease's proxies
  EXPECT_EQ(first.scores(1).proxy(), 2u);
  EXPECT_EQ(first.scores(1).score(), 1.004);
  EXPECT_TRUE(fs::exists(folder_ / "cache" / Sha256Hex(batch)));
  EXPECT_EQ(server_.state().synchronized.back().state(), v1::WORKER_STATE_IDLE);
}

TEST_F(AgentTest, ArchitectureThatLacksNothingIsNotComputed) {
  v1::Lease lease = MakeLease(1, {"a", "crash-if-computed", "b"});
  lease.mutable_items(1)->set_missing("");
  server_.Add(lease);
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "b"));
}

TEST_F(AgentTest, CrashCostsTheAttemptAndTheScorerIsStartedAgain) {
  server_.Add(MakeLease(1, {"a", "crash-1", "never"}));
  server_.Add(MakeLease(2, {"b"}));
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "b"));
  EXPECT_THAT(Failures(server_.state()),
              ElementsAre(std::pair("crash-1", "FAILURE_KIND_CRASH: the scorer was killed by signal 11 (SIGSEGV)")));
  EXPECT_THAT(Closes(server_.state()),
              ElementsAre(std::pair(1, v1::LEASE_OUTCOME_CRASHED), std::pair(2, v1::LEASE_OUTCOME_COMPLETED)));
  EXPECT_EQ(server_.state().opened.size(), 1u);  // the session goes on
}

TEST_F(AgentTest, FailuresArePassedOnAndTheUnitGoesOn) {
  server_.Add(MakeLease(1, {"error-1", "a"}));
  server_.Add(MakeLease(2, {"memory-1", "b"}));
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "b"));
  EXPECT_THAT(Failures(server_.state()),
              ElementsAre(std::pair("error-1", "FAILURE_KIND_ERROR: layer 3 has no output which is odd"),
                          std::pair("memory-1", "FAILURE_KIND_OUT_OF_MEMORY: tried to allocate 20 GiB")));
  EXPECT_THAT(Closes(server_.state()),
              ElementsAre(std::pair(1, v1::LEASE_OUTCOME_COMPLETED), std::pair(2, v1::LEASE_OUTCOME_CRASHED)));
}

TEST_F(AgentTest, UnitForAnotherWorkerFailsWithTheReason) {
  v1::Lease lease = MakeLease(1, {"a"});
  lease.set_proxies(0, "unheard(of=1)");
  server_.Add(lease);
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Failures(server_.state())["a"], HasSubstr("does not hold the proxy `unheard(of=1)`"));
}

TEST_F(AgentTest, ProbeBatchThatNobodyHasFailsTheArchitectures) {
  v1::Lease lease = MakeLease(1, {"a", "b"}, 4);
  (*lease.mutable_probe_batches())[4] = Sha256Hex("none");
  server_.Add(lease);
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_EQ(Failures(server_.state()).size(), 2u);
  EXPECT_THAT(Failures(server_.state())["a"], HasSubstr("no such probe batch"));
}

TEST_F(AgentTest, DamagedCacheFileIsFetchedAgainAndFetchingGoesOnWhereItBrokeOff) {
  const std::string batch = std::string(700 << 10, 'z');
  const std::string digest = Sha256Hex(batch);
  fs::create_directories(folder_ / "cache");
  std::ofstream(folder_ / "cache" / digest) << "damaged";
  server_.Set([&](State& state) {
    state.probe_batches[digest] = batch;
    state.fetch_limit = 256 << 10;
  });
  v1::Lease lease = MakeLease(1, {"a"}, 4);
  (*lease.mutable_probe_batches())[4] = digest;
  server_.Add(lease);
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a"));
  EXPECT_THAT(server_.state().fetch_offsets, ElementsAre(0, 256 << 10));
  EXPECT_THAT(ReadFile(folder_ / "cache" / digest), IsOkAndHolds(batch));
}

TEST_F(AgentTest, ScorerThatWasStartedAgainGetsItsProbeBatchAgain) {
  const std::string batch = "ZCBBATCH";
  server_.Set([&](State& state) { state.probe_batches[Sha256Hex(batch)] = batch; });
  for (int unit = 1; unit <= 2; ++unit) {
    v1::Lease lease = MakeLease(unit, {"a", "crash-1"}, 4);
    (*lease.mutable_probe_batches())[4] = Sha256Hex(batch);
    server_.Add(lease);
  }
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "a"));
  EXPECT_EQ(server_.state().fetch_offsets.size(), 1u);  // from the cache
}

TEST_F(AgentTest, HeartbeatsGoOnWhileItComputes) {
  server_.Add(MakeLease(1, {"a", "wait-1"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  size_t before = 0;
  server_.Set([&](State& state) { before = state.synchronized.size(); });
  EXPECT_TRUE(server_.Await([&](const State& state) {
    if (state.synchronized.size() < before + 3) return false;
    const v1::SynchronizeRequest& last = state.synchronized.back();
    return last.state() == v1::WORKER_STATE_BUSY && last.held_size() == 1 && last.held(0).unit() == 1 &&
           last.held(0).attempt() == 1 && last.held(0).done() == 1;
  }));
  // One lease ahead, no more.
  server_.Add(MakeLease(2, {"b"}));
  server_.Add(MakeLease(3, {"c"}));
  EXPECT_TRUE(server_.Await([&](const State& state) {
    return state.synchronized.back().held_size() == 2 && state.synchronized.back().wanted() == 0;
  }));
  Touch("wait-1.go");
  EXPECT_TRUE(AwaitClosed(3));
}

TEST_F(AgentTest, ScoresOfALostServerAreSentOnceItIsBack) {
  server_.Add(MakeLease(1, {"a", "wait-1", "wait-2", "b"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Stop();
  Touch("wait-1.go");
  ASSERT_TRUE(AwaitFile("wait-2.begun"));  // it works on without a server
  Touch("wait-2.go");
  server_.Start();
  ASSERT_TRUE(AwaitClosed(1));
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "wait-1", "wait-2", "b"));
  EXPECT_EQ(Closes(server_.state())[1], v1::LEASE_OUTCOME_COMPLETED);
  std::set<std::string> ids;
  for (const auto& request : server_.state().recorded) EXPECT_TRUE(ids.insert(request.request_id()).second);
  server_.Add(MakeLease(2, {"c"}));  // and it works on
  EXPECT_TRUE(AwaitClosed(2));
}

TEST_F(AgentTest, LostServerEndsTheWorkerAndTheNextOneSendsTheSpool) {
  server_.Add(MakeLease(1, {"wait-1", "b"}));
  AgentOptions options = Options();
  options.give_up = absl::Milliseconds(300);
  Start(options);
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Stop();
  Touch("wait-1.go");
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
  agent_.reset();
  EXPECT_TRUE(fs::exists(folder_ / "spool/000000000001.scores"));
  std::ofstream(folder_ / "spool/000000000002.scores") << "truncated";

  server_.Start();
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("wait-1", "b"));
  EXPECT_EQ(server_.state().recorded[0].session(), "");  // that session is over
  EXPECT_TRUE(fs::exists(folder_ / "spool/000000000002.scores.damaged"));
}

TEST_F(AgentTest, AbsentServerAtTheStartIsUnreachable) {
  server_.Stop();
  AgentOptions options = Options();
  options.give_up = absl::Milliseconds(100);
  Start(options);
  EXPECT_EQ(Exit(), AgentExit::kServerUnreachable);
}

TEST_F(AgentTest, ServerThatRefusesTheWorkerIsNotAskedAgain) {
  server_.Set([&](State& state) {
    state.open_failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "worker: no such name");
  });
  Start(Options());
  EXPECT_EQ(Exit(), AgentExit::kServerUnreachable);
}

TEST_F(AgentTest, ARefusedTokenIsSaidAtOnceAndNotCalledSilence) {
  for (const grpc::StatusCode code : {grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::PERMISSION_DENIED}) {
    server_.Set([&](State& state) { state.open_failure = grpc::Status(code, "copy the server file again"); });
    testing::internal::CaptureStderr();
    Start(Options());
    EXPECT_EQ(Exit(), AgentExit::kServerUnreachable);
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("the server refuses this worker's token"));
    EXPECT_THAT(log, HasSubstr("copy the server file again"));
    EXPECT_THAT(log, testing::Not(HasSubstr("does not answer")));
    agent_.reset();
  }
}

TEST_F(AgentTest, CountersAndStateTellWhatItDid) {
  AgentOptions options = Options();
  options.exit_when_idle = absl::ZeroDuration();
  options.available_until = absl::Now() + absl::Hours(3);
  server_.Add(MakeLease(1, {"a", "error-b", "c"}));
  Start(std::move(options));
  EXPECT_EQ(Exit(), AgentExit::kNoWorkLeft);
  EXPECT_EQ(agent_->counters().architectures_scored.value(), 2u);
  EXPECT_EQ(agent_->counters().architectures_failed.value(), 1u);
  EXPECT_EQ(agent_->counters().scorer_crashes.value(), 0u);
  const AgentState state = agent_->state();
  EXPECT_EQ(state.state, "idle");
  EXPECT_EQ(state.device_memory_bytes, 1000u);
  EXPECT_EQ(state.spooled, 0u);
  ASSERT_TRUE(state.walltime_left.has_value());
  EXPECT_GT(*state.walltime_left, absl::Hours(2));
  EXPECT_TRUE(server_.state().opened.at(0).has_available_until());
}

TEST_F(AgentTest, ServerFileIsAwaitedAndFollowed) {
  AgentOptions options = Options();
  options.server.clear();
  options.server_file = folder_ / "server.json";
  options.exit_when_idle = absl::ZeroDuration();
  server_.Add(MakeLease(1, {"wait-1"}));
  Start(options);
  ASSERT_THAT(WriteFileAtomically(options.server_file, absl::StrCat("{\"address\":\"", server_.address(), "\"}")),
              IsOk());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  FakeServer another;
  server_.Stop();
  ASSERT_THAT(WriteFileAtomically(options.server_file, absl::StrCat("{\"address\":\"", another.address(), "\"}")),
              IsOk());
  Touch("wait-1.go");
  EXPECT_EQ(Exit(), AgentExit::kNoWorkLeft);
  ASSERT_EQ(another.state().recorded.size(), 1u);
  EXPECT_EQ(another.state().recorded[0].results(0).architecture(), "wait-1");
}

TEST_F(AgentTest, EndedSessionIsOpenedAgainAndScoresAreStillSent) {
  server_.Add(MakeLease(1, {"wait-1", "b"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Set([&](State& state) {
    state.sessions.clear();
    state.open_failure = grpc::Status(grpc::StatusCode::UNAVAILABLE, "not yet");
  });
  Touch("wait-1.go");
  ASSERT_TRUE(AwaitClosed(1));
  EXPECT_EQ(server_.state().recorded.back().session(), "");
  EXPECT_THAT(Scored(server_.state()), ElementsAre("wait-1", "b"));
  server_.Set([&](State& state) { state.open_failure = grpc::Status::OK; });
  server_.Add(MakeLease(2, {"c"}));
  ASSERT_TRUE(AwaitClosed(2));
  EXPECT_EQ(server_.state().opened.size(), 2u);
  EXPECT_EQ(server_.state().recorded.back().session(), "session-2");
}

TEST_F(AgentTest, LostLeaseIsDroppedButWhatIsComputedIsRecorded) {
  server_.Add(MakeLease(1, {"a", "wait-1", "never"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Add(MakeLease(2, {"never"}));  // ahead in the queue
  server_.Add(MakeLease(3, {"c"}));
  ASSERT_TRUE(server_.Await([&](const State& state) { return state.synchronized.back().held_size() == 2; }));
  server_.Set([&](State& state) { state.lost = {1, 2}; });
  ASSERT_TRUE(server_.Await([&](const State& state) {
    const auto& held = state.synchronized.back().held();
    return held.size() == 1 && held[0].unit() == 3;
  }));
  Touch("wait-1.go");
  ASSERT_TRUE(AwaitClosed(1));
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "wait-1", "c"));
  EXPECT_THAT(Closes(server_.state()), ElementsAre(std::pair(3, v1::LEASE_OUTCOME_COMPLETED)));
}

TEST_F(AgentTest, DrainFinishesTheArchitectureAndReturnsTheRest) {
  server_.Add(MakeLease(1, {"wait-1", "never"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Add(MakeLease(2, {"never"}));
  ASSERT_TRUE(server_.Await([&](const State& state) { return state.synchronized.back().held_size() == 2; }));
  agent_->Drain();
  ASSERT_TRUE(server_.Await(
      [&](const State& state) { return state.synchronized.back().state() == v1::WORKER_STATE_DRAINING; }));
  Touch("wait-1.go");
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("wait-1"));
  EXPECT_THAT(Closes(server_.state()),
              ElementsAre(std::pair(1, v1::LEASE_OUTCOME_RETURNED), std::pair(2, v1::LEASE_OUTCOME_RETURNED)));
}

TEST_F(AgentTest, DrainOfAnIdleWorkerDoesNotWaitForTheServer) {
  Start(Options());
  ASSERT_TRUE(server_.Await([&](const State& state) { return !state.synchronized.empty(); }));
  agent_->Drain();
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
}

// What the server gave it in an answer that it has not received is free only when the server hears what it holds.
TEST_F(AgentTest, WhoIsDrainedSaysSo) {
  Start(Options());
  ASSERT_TRUE(server_.Await([&](const State& state) { return !state.synchronized.empty(); }));
  agent_->Drain();
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
  EXPECT_EQ(server_.state().synchronized.back().state(), v1::WORKER_STATE_DRAINING);
}

TEST_F(AgentTest, DrainByTheServerFinishesWhatIsHeld) {
  server_.Add(MakeLease(1, {"wait-1", "b"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Set([&](State& state) { state.drain = true; });
  ASSERT_TRUE(server_.Await(
      [&](const State& state) { return state.synchronized.back().state() == v1::WORKER_STATE_DRAINING; }));
  Touch("wait-1.go");
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("wait-1", "b"));
  EXPECT_THAT(Closes(server_.state()), ElementsAre(std::pair(1, v1::LEASE_OUTCOME_COMPLETED)));
}

TEST_F(AgentTest, BusyStoreIsAskedAgainAndRefusedScoresAreKept) {
  server_.Set([&](State& state) { state.record_failures = 7; });  // more than the channel tries by itself
  server_.Add(MakeLease(1, {"a"}));
  Start(Options());
  ASSERT_TRUE(AwaitClosed(1));
  server_.Set([&](State& state) {
    state.record_failures = 1;
    state.record_failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "cell.space: empty");
  });
  server_.Add(MakeLease(2, {"b"}));
  server_.Add(MakeLease(3, {"c"}));
  ASSERT_TRUE(AwaitClosed(2));
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "c"));
  EXPECT_TRUE(fs::exists(folder_ / "spool/000000000002.scores.refused"));
}

TEST_F(AgentTest, ManyResultsAreRecordedInRequestsThatTheChannelRepeats) {
  std::vector<std::string> architectures;
  for (int i = 0; i < 400; ++i) architectures.push_back(absl::StrCat(i, "-", std::string(1000, 'x')));
  server_.Add(MakeLease(1, architectures));
  EXPECT_EQ(RunUntilIdle(), AgentExit::kNoWorkLeft);
  EXPECT_EQ(Scored(server_.state()), architectures);
  EXPECT_GE(server_.state().recorded.size(), 3u);
  for (const auto& request : server_.state().recorded) EXPECT_LE(request.ByteSizeLong(), 256u << 10);
}

TEST_F(AgentTest, FullSpoolMakesComputingWaitAndLosesNothing) {
  std::vector<std::string> architectures;
  for (int i = 0; i < 400; ++i) architectures.push_back(absl::StrCat(i, "-", std::string(1000, 'x')));
  server_.Set([&](State& state) { state.record_failures = 7; });
  server_.Add(MakeLease(1, architectures));
  AgentOptions options = Options();
  options.exit_when_idle = absl::ZeroDuration();
  Start(options, 210 << 10);  // one request
  EXPECT_EQ(Exit(), AgentExit::kNoWorkLeft);
  EXPECT_EQ(Scored(server_.state()), architectures);
}

TEST_F(AgentTest, ScorerThatDoesNotStartEndsTheWorker) {
  ::setenv("ZCB_FAKE_START", "exit", 1);
  Start(Options());
  EXPECT_EQ(Exit(), AgentExit::kScorerUnusable);
  EXPECT_THAT(server_.state().opened, IsEmpty());
}

TEST_F(AgentTest, ScorerThatDoesNotStartAgainGivesTheLeasesBack) {
  server_.Add(MakeLease(1, {"wait-1", "crash-1"}));
  Start(Options());
  ASSERT_TRUE(AwaitFile("wait-1.begun"));
  server_.Add(MakeLease(2, {"b"}));
  ASSERT_TRUE(server_.Await([&](const State& state) { return state.synchronized.back().held_size() == 2; }));
  ::setenv("ZCB_FAKE_START", "exit", 1);
  Touch("wait-1.go");
  EXPECT_EQ(Exit(), AgentExit::kScorerUnusable);
  EXPECT_THAT(Closes(server_.state()),
              ElementsAre(std::pair(1, v1::LEASE_OUTCOME_CRASHED), std::pair(2, v1::LEASE_OUTCOME_RETURNED)));
}

TEST_F(AgentTest, DrainInterruptsAScorerThatStarts) {
  ::setenv("ZCB_FAKE_START", "silent", 1);
  Start(Options());
  agent_->Drain();
  EXPECT_EQ(Exit(), AgentExit::kStoppedEarly);
}

// ---- The real binary.

class WorkerBinaryTest : public AgentTest {
 protected:
  ~WorkerBinaryTest() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void Launch(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ZCB_WORKER);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string output = (folder_ / "output").string();
    pid_ = ::fork();
    if (pid_ == 0) {
      const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  void LaunchRun(std::vector<std::string> arguments = {}) {
    for (const std::string& argument :
         {std::string("--scorer"), std::string(ZCB_FAKE_SCORER), std::string("--spool"), (folder_ / "spool").string(),
          std::string("--cache"), (folder_ / "cache").string()}) {
      arguments.push_back(argument);
    }
    arguments.insert(arguments.begin(), {"run", "--server", server_.address()});
    Launch(arguments);
  }
  // The exit status, or -signal; unset after the deadline.
  std::optional<int> ExitStatus() {
    const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    pollfd event = {process, POLLIN, 0};
    const int ready = ::poll(&event, 1, 30'000);
    ::close(process);
    if (ready != 1) return std::nullopt;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string Output() { return ReadFile(folder_ / "output").value_or(""); }

  pid_t pid_ = -1;
};

TEST_F(WorkerBinaryTest, TermInTheMiddleOfAUnitReturnsTheLeaseAndExits75) {
  server_.Add(MakeLease(1, {"a", "wait-1", "never"}));
  LaunchRun({"--name", "w:1"});
  ASSERT_TRUE(AwaitFile("wait-1.begun")) << Output();
  ::kill(pid_, SIGTERM);
  ASSERT_TRUE(server_.Await(
      [&](const State& state) { return state.synchronized.back().state() == v1::WORKER_STATE_DRAINING; }));
  Touch("wait-1.go");
  EXPECT_EQ(ExitStatus(), 75);
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a", "wait-1"));
  EXPECT_EQ(Closes(server_.state())[1], v1::LEASE_OUTCOME_RETURNED);
  EXPECT_EQ(server_.state().opened[0].worker(), "w:1");
}

TEST_F(WorkerBinaryTest, SecondSignalStopsAtOnce) {
  server_.Add(MakeLease(1, {"wait-1"}));
  LaunchRun();
  ASSERT_TRUE(AwaitFile("wait-1.begun")) << Output();
  ::kill(pid_, SIGINT);
  ASSERT_TRUE(server_.Await(
      [&](const State& state) { return state.synchronized.back().state() == v1::WORKER_STATE_DRAINING; }));
  ::kill(pid_, SIGTERM);
  EXPECT_EQ(ExitStatus(), 75);
}

TEST_F(WorkerBinaryTest, KilledAgentTakesItsScorerWithIt) {
  server_.Add(MakeLease(1, {"a", "wait-1"}));
  LaunchRun();
  ASSERT_TRUE(AwaitFile("wait-1.begun")) << Output();
  const std::string output = Output();
  const size_t at = output.find("\"pid\":\"");
  ASSERT_NE(at, std::string::npos) << output;
  const pid_t scorer = std::atoi(output.c_str() + at + 7);
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, scorer, 0));
  ASSERT_GE(process, 0);
  ::kill(pid_, SIGKILL);
  pollfd event = {process, POLLIN, 0};
  EXPECT_EQ(::poll(&event, 1, 30'000), 1);
  ::close(process);
  EXPECT_EQ(ExitStatus(), -SIGKILL);
}

TEST_F(WorkerBinaryTest, NoWorkLeftExits0) {
  server_.Add(MakeLease(1, {"a"}));
  LaunchRun({"--exit-when-idle", "0s"});
  EXPECT_EQ(ExitStatus(), 0) << Output();
  EXPECT_THAT(Scored(server_.state()), ElementsAre("a"));
  EXPECT_THAT(server_.state().opened[0].worker(), ::testing::MatchesRegex(".+:[0-9]+"));
}

TEST_F(WorkerBinaryTest, AbsentServerExits69) {
  server_.Stop();
  LaunchRun({"--give-up", "100ms"});
  EXPECT_EQ(ExitStatus(), 69) << Output();
}

TEST_F(WorkerBinaryTest, ScorerThatDoesNotStartExits70) {
  ::setenv("ZCB_FAKE_START", "exit", 1);
  LaunchRun();
  EXPECT_EQ(ExitStatus(), 70) << Output();
  EXPECT_THAT(Output(), HasSubstr("no such device"));
}

TEST_F(WorkerBinaryTest, WrongUsageExits2AndSaysWhat) {
  const struct {
    std::vector<std::string> arguments;
    const char* says;
  } cases[] = {
      {{}, "subcommand"},
      {{"run"}, "--server ADDRESS"},
      {{"run", "--server", "127.0.0.1"}, "HOST:PORT"},
      {{"run", "--server", "10.1.2.3:7700"}, "not encrypted"},
      {{"run", "--server", "127.0.0.1:1", "--device", "gpu"}, "expected auto, cpu or cuda:N"},
      {{"run", "--server", "127.0.0.1:1", "--give-up", "soon"}, "expected a duration like 30s"},
      {{"run", "--server", "127.0.0.1:1", "--name", "a b"}, "a worker's name has"},
      {{"run", "--server", "127.0.0.1:1", "--scorer", "/nonexistent"}, "/nonexistent"},
      {{"run", "--sever", "127.0.0.1:1"}, "--sever"},
  };
  for (const auto& c : cases) {
    Launch(c.arguments);
    EXPECT_EQ(ExitStatus(), 2) << Output();
    EXPECT_THAT(Output(), HasSubstr(c.says));
  }
}

TEST_F(WorkerBinaryTest, HelpHasExamplesAndExitCodes) {
  Launch({"run", "--help"});
  EXPECT_EQ(ExitStatus(), 0);
  EXPECT_THAT(Output(), HasSubstr("zcbench-worker run --server-file zcbench.server.json"));
  EXPECT_THAT(Output(), HasSubstr("75 stopped early"));
  Launch({"--version"});
  EXPECT_EQ(ExitStatus(), 0);
  EXPECT_THAT(Output(), HasSubstr("zcbench "));
}

TEST_F(WorkerBinaryTest, ScoreBecomesTheScorerWithAllArguments) {
  fs::create_symlink(ZCB_FAKE_SCORER, folder_ / "zcbench-scorer");
  fs::copy_file(ZCB_WORKER, folder_ / "zcbench-worker");
  const std::string worker = (folder_ / "zcbench-worker").string();
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open((folder_ / "output").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(file, STDOUT_FILENO);
    ::execl(worker.c_str(), "zcbench-worker", "score", "--help", "--space", "toy", "3_33_133", nullptr);
    ::_exit(127);
  }
  pid_ = child;
  EXPECT_EQ(ExitStatus(), 0);
  EXPECT_EQ(Output(), "--help\n--space\ntoy\n3_33_133\n");
}

}  // namespace
}  // namespace zcbench
