#include "client/cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/time/clock.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

pb::Job RunningJob() {
  pb::Job job;
  job.set_id(3);
  job.set_state(pb::JOB_STATE_RUNNING);
  job.set_total(48);
  job.set_done(36);
  job.set_rate(0.5);
  return job;
}

TEST(ProgressTest, BytesAreInMebibytesOrGibibytes) {
  EXPECT_EQ(BytesText(0), "0.0 MiB");
  EXPECT_EQ(BytesText(120 << 20), "120.0 MiB");
  EXPECT_EQ(BytesText((uint64_t{1} << 30) - (1 << 20)), "1023.0 MiB");
  EXPECT_EQ(BytesText(uint64_t{3} << 29), "1.5 GiB");
}

TEST(ProgressTest, DurationsHaveTwoUnitsAtMost) {
  const std::pair<absl::Duration, const char*> cases[] = {
      {absl::ZeroDuration(), "under 1 s"}, {absl::Milliseconds(700), "1 s"},
      {absl::Seconds(59.4), "59 s"},       {absl::Seconds(59.6), "1 min 00 s"},
      {absl::Seconds(200), "3 min 20 s"},  {absl::Hours(2) + absl::Minutes(5), "2 h 05 min"},
      {absl::Hours(76), "3 d 4 h"},
  };
  for (const auto& [duration, text] : cases) EXPECT_EQ(DurationText(duration), text);
}

TEST(ProgressTest, RatesTakeTheUnitThatGivesAtLeastOne) {
  const std::pair<double, const char*> cases[] = {{12.34, "12.3/s"}, {1, "1.0/s"}, {0.5, "30.0/min"}, {0.001, "3.6/h"}};
  for (const auto& [rate, text] : cases) EXPECT_EQ(RateText(rate), text);
}

TEST(ProgressTest, LineSaysWhatIsDoneHowFastAndUntilWhen) {
  std::vector<pb::Worker> workers(3);
  workers[2].set_lost(true);
  EXPECT_EQ(ProgressText(RunningJob(), workers, {}, 0), "job 3  36/48 (75 %)  30.0/min  ETA 24 s  2 workers");
}

TEST(ProgressTest, TheServersEtaWins) {
  pb::Job job = RunningJob();
  job.mutable_eta()->set_seconds(61);
  EXPECT_THAT(ProgressText(job, {}, {}, 0), HasSubstr("ETA 1 min 01 s"));
}

TEST(ProgressTest, NothingIsInventedBeforeAnythingIsKnown) {
  pb::Job job = RunningJob();
  job.set_done(0);
  job.set_rate(0);
  EXPECT_EQ(ProgressText(job, {}, {}, 0), "job 3  0/48 (0 %)  ETA ?  0 workers");
  EXPECT_THAT(ProgressText(pb::Job(), {}, {}, 200), HasSubstr("0/0"));
}

TEST(ProgressTest, LineCountsFailuresByClassAndSaysWhatTheJobWaitsFor) {
  pb::Job job = RunningJob();
  job.set_failed(2);
  job.set_waiting_for("no worker holds space nasbench201");
  std::vector<pb::Failure> failures(3);
  failures[0].set_kind(pb::FAILURE_KIND_CRASH);
  failures[0].set_count(1);
  failures[1].set_kind(pb::FAILURE_KIND_OUT_OF_MEMORY);
  failures[1].set_count(4);
  failures[2].set_kind(pb::FAILURE_KIND_CRASH);
  failures[2].set_count(2);
  const std::string line = ProgressText(job, {}, failures, 0);
  EXPECT_THAT(line, HasSubstr("2 failed  (seen: crash 3, out of memory 4)"));
  EXPECT_THAT(line, HasSubstr("waits: no worker holds space nasbench201"));
}

TEST(ProgressTest, LineShowsConflictsExpiredLeasesAndAWaitThatMatters) {
  pb::Job job = RunningJob();
  job.mutable_oldest_free()->set_seconds(59);
  EXPECT_EQ(ProgressText(job, {}, {}, 0), "job 3  36/48 (75 %)  30.0/min  ETA 24 s  0 workers");
  job.set_conflicts(3);
  job.set_leases_expired(1);
  job.mutable_oldest_free()->set_seconds(300);
  EXPECT_THAT(ProgressText(job, {}, {}, 0), HasSubstr("  3 conflicts  1 lease expired  oldest free unit 5 min 00 s"));
}

TEST(ProgressTest, JsonHasTheSameFactsAndNullForWhatIsNotKnown) {
  pb::Job job = RunningJob();
  job.set_conflicts(3);
  std::vector<pb::Failure> failures(1);
  failures[0].set_kind(pb::FAILURE_KIND_CRASH);
  failures[0].set_count(2);
  const nlohmann::json known = nlohmann::json::parse(ProgressJson(job, std::vector<pb::Worker>(2), failures));
  EXPECT_EQ(known["job"], 3);
  EXPECT_EQ(known["state"], "running");
  EXPECT_EQ(known["eta_seconds"], 24);
  EXPECT_EQ(known["workers"], 2);
  EXPECT_EQ(known["failures"]["crash"], 2);
  EXPECT_EQ(known["conflicts"], 3);
  EXPECT_TRUE(known["oldest_free_unit_seconds"].is_null());
  job.set_rate(0);
  job.mutable_oldest_free()->set_seconds(7);
  const nlohmann::json unknown = nlohmann::json::parse(ProgressJson(job, {}, {}));
  EXPECT_TRUE(unknown["rate"].is_null());
  EXPECT_TRUE(unknown["eta_seconds"].is_null());
  EXPECT_EQ(unknown["oldest_free_unit_seconds"], 7);
}

TEST(ProgressTest, MemoryIsInTheUnitThatReadsWell) {
  EXPECT_EQ(MemoryText(uint64_t{512} << 20), "512 MiB");
  EXPECT_EQ(MemoryText(uint64_t{80} << 30), "80.0 GiB");
}

TEST(ProgressTest, LineFitsTheTerminal) {
  EXPECT_EQ(ProgressText(RunningJob(), {}, {}, 20).size(), 20u);
  EXPECT_THAT(ProgressText(RunningJob(), {}, {}, 99), Not(HasSubstr("[")));
  EXPECT_THAT(ProgressText(RunningJob(), {}, {}, 120), HasSubstr("[###############.....] 36/48"));
}

TEST(ProgressTest, EndSaysWhatWasThereAndWhatFailed) {
  pb::Job job = RunningJob();
  job.set_state(pb::JOB_STATE_DONE_WITH_FAILURES);
  job.set_done(47);
  job.set_failed(1);
  job.set_reused(24);
  job.mutable_created()->set_seconds(100);
  job.mutable_finished()->set_seconds(112);
  EXPECT_EQ(EndText(job),
            "job 3 done: 47 of 48 in 12 s, 24 of them were there already, 1 failed (see: zcbench failures 3)");
  job.set_state(pb::JOB_STATE_CANCELLED);
  EXPECT_THAT(EndText(job), HasSubstr("job 3 cancelled: 47 of 48"));
}

TEST(ProgressTest, TimestampsAreUtc) {
  google::protobuf::Timestamp time;
  time.set_seconds(1795505720);
  EXPECT_EQ(TimestampText(time), "2026-11-24T07:35:20Z");
}

TEST(WaitingTest, SaysUntilItEndsThatItWaits) {
  Mutex mutex;
  CondVar changed;
  std::vector<std::string> said;
  std::optional<Waiting> waiting;
  waiting.emplace([] { return "fitting"; }, absl::Milliseconds(1),
                  [&](const std::string& line) {
                    const MutexLock lock(mutex);
                    said.push_back(line);
                    changed.NotifyAll();
                  });
  {
    const MutexLock lock(mutex);
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (said.size() < 2 && absl::Now() < deadline) changed.WaitFor(mutex, absl::Seconds(30));
  }
  waiting.reset();
  ASSERT_GE(said.size(), 2u);
  EXPECT_THAT(said[0], AllOf(StartsWith("fitting: "), EndsWith(" so far")));
  const size_t lines = said.size();
  waiting.emplace([] { return "fitting"; }, absl::Hours(1), [&](const std::string& line) { said.push_back(line); });
  waiting.reset();  // at once, and without a line
  EXPECT_EQ(said.size(), lines);
}

}  // namespace
}  // namespace zcbench
