#include "worker/agent/scorer_process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/sha256.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kDeadline = absl::Seconds(30);

class ScorerProcessTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("ZCB_FAKE_START"); }

  static absl::StatusOr<std::unique_ptr<ScorerProcess>> Start(const std::string& how = "") {
    ::setenv("ZCB_FAKE_START", how.c_str(), 1);
    return ScorerProcess::Start({ZCB_FAKE_SCORER, "serve", "--fd", "3"}, kDeadline);
  }
  static v1::ScoreArchitecture Request(const std::string& architecture) {
    v1::ScoreArchitecture request;
    request.set_architecture(architecture);
    request.set_seed(5);
    request.add_proxies("nan");
    request.add_proxies("first");
    return request;
  }
};

TEST_F(ScorerProcessTest, SaysHelloAndScores) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  EXPECT_EQ((*scorer)->hello().execution().device(), "cpu");
  EXPECT_EQ((*scorer)->hello().proxies_size(), 3);
  const auto result = (*scorer)->Score(Request("a"));
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->scores_size(), 2);
  EXPECT_EQ(result->scores(0).outcome(), v1::SCORE_OUTCOME_NOT_FINITE);
  EXPECT_EQ(result->scores(1).score(), 1.005);
}

TEST_F(ScorerProcessTest, FailureOfAnArchitectureIsAResultAndTheScorerGoesOn) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  const auto memory = (*scorer)->Score(Request("memory-1"));
  ASSERT_THAT(memory, IsOk());
  EXPECT_EQ(memory->failure(), v1::FAILURE_KIND_OUT_OF_MEMORY);
  const auto error = (*scorer)->Score(Request("error-1"));
  ASSERT_THAT(error, IsOk());
  EXPECT_EQ(error->failure(), v1::FAILURE_KIND_ERROR);
  EXPECT_EQ(error->failure_message(), "layer 3 has no output which is odd");
  EXPECT_THAT((*scorer)->Score(Request("a")), IsOk());
}

TEST_F(ScorerProcessTest, CrashIsUnavailableAndNamesTheSignal) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  EXPECT_THAT((*scorer)->Score(Request("crash-1")),
              StatusIs(absl::StatusCode::kUnavailable, "the scorer was killed by signal 11 (SIGSEGV)"));
  EXPECT_THAT((*scorer)->Score(Request("a")), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("died before")));
}

TEST_F(ScorerProcessTest, DeathIsReportedWithTheScorersLastWords) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  EXPECT_THAT((*scorer)->Score(Request("abort-1")),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("signal 6 (SIGABRT)"), HasSubstr("the kernel rejected the tensor layer=7"))));
}

TEST_F(ScorerProcessTest, KilledBetweenTwoRequestsIsSeenByTheNext) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  ::kill((*scorer)->pid(), SIGKILL);
  EXPECT_THAT(
      (*scorer)->Score(Request("a")),
      StatusIs(absl::StatusCode::kUnavailable, "the scorer was killed by signal 9 (SIGKILL), probably out of memory"));
}

TEST_F(ScorerProcessTest, ProbeBatchIsLoadedOrRefusedWithTheReason) {
  const auto scorer = Start();
  ASSERT_THAT(scorer, IsOk());
  const std::string batch = std::string(5'000'000, 'x');
  const std::string digest = Sha256Hex(batch);
  EXPECT_THAT((*scorer)->LoadProbeBatch(digest, batch), IsOk());
  v1::ScoreArchitecture request;
  request.set_architecture("a");
  request.add_proxies("images");
  request.set_probe_batch(digest);
  EXPECT_EQ((*scorer)->Score(request)->scores_size(), 1);
  EXPECT_THAT((*scorer)->LoadProbeBatch(digest, "bad"),
              StatusIs(absl::StatusCode::kInternal, "INVALID_ARGUMENT: byte 0: expected ZCBBATCH"));
  EXPECT_THAT((*scorer)->LoadProbeBatch(digest, std::string(size_t{65} << 20, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
  EXPECT_THAT((*scorer)->Score(Request("a")), IsOk());
}

TEST_F(ScorerProcessTest, ProgramThatCannotBeRunIsNamed) {
  EXPECT_THAT(ScorerProcess::Start({"/nonexistent/zcbench-scorer"}, kDeadline),
              StatusIs(absl::StatusCode::kUnavailable,
                       "cannot start the scorer /nonexistent/zcbench-scorer: No such file or directory"));
}

TEST_F(ScorerProcessTest, EndBeforeHelloIsReportedWithStatusAndLastWords) {
  EXPECT_THAT(Start("exit"), StatusIs(absl::StatusCode::kUnavailable,
                                      "the scorer exited with status 3; it last said: no such device"));
}

TEST_F(ScorerProcessTest, ProgramThatSpeaksAnotherLanguageIsUnavailable) {
  EXPECT_THAT(ScorerProcess::Start({"/bin/sh", "-c", "printf 'HTTP/1.1 400' >&3; sleep 1000"}, kDeadline),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("could not be understood")));
}

TEST_F(ScorerProcessTest, SilenceEndsAtTheDeadline) {
  ::setenv("ZCB_FAKE_START", "silent", 1);
  EXPECT_THAT(ScorerProcess::Start({ZCB_FAKE_SCORER}, absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("said nothing")));
}

TEST_F(ScorerProcessTest, StartIsInterrupted) {
  ::setenv("ZCB_FAKE_START", "silent", 1);
  const int event = ::eventfd(1, EFD_CLOEXEC);
  EXPECT_THAT(ScorerProcess::Start({ZCB_FAKE_SCORER}, kDeadline, event),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("interrupted")));
  ::close(event);
}

TEST_F(ScorerProcessTest, NoChildIsLeftBehind) {
  {
    const auto scorer = Start();
    ASSERT_THAT(scorer, IsOk());
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(ScorerProcessTest, ChildGetsNoDescriptorsOfTheAgent) {
  // Not marked close-on-exec, like those of a careless library.
  const int leaked = ::eventfd(0, 0);
  EXPECT_THAT(ScorerProcess::Start({"/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; exit 1"}, kDeadline),
              // 4 is the folder that ls itself reads.
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("it last said: 0 1 2 3 4 ")));
  ::close(leaked);
}

TEST(DescribeExitTest, NamesStatusAndSignals) {
  EXPECT_EQ(DescribeExit(3 << 8), "exited with status 3");
  EXPECT_EQ(DescribeExit(SIGBUS), "was killed by signal 7 (SIGBUS)");
}

}  // namespace
}  // namespace zcbench
