#include "worker/agent/serve.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>

#include "base/status_matchers.h"
#include "worker/agent/frames.h"
#include "zcbench/v1/scorer.pb.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

// Answers what the test put into it.
class ScriptedBackend final : public ScoringBackend {
 public:
  ScorerDescription Describe() override {
    ScorerDescription description;
    description.device = "cpu";
    description.numerics = "cpu avx2";
    description.zcbench_version = "1.2.3";
    description.commit = "abc";
    description.memory_bytes = 77;
    description.spaces = {{.name = "toy", .version = "4"}};
    description.proxies = {{.name = "p",
                            .summary = "s",
                            .paper = "a paper",
                            .version = "1.2",
                            .reads_weights = true,
                            .reads_images = false,
                            .reads_labels = true,
                            .options = {{"k", "8"}},
                            .tolerance = 1e-6,
                            .larger_is_better = false,
                            .variant = true}};
    return description;
  }
  absl::Status LoadProbeBatch(const std::string& digest, std::string bytes) override {
    loaded = digest + "=" + bytes;
    return load_status;
  }
  absl::StatusOr<std::vector<ScoredProxy>> Score(const ScoringRequest& request) override {
    asked = request;
    return scores;
  }

  absl::Status load_status;
  absl::StatusOr<std::vector<ScoredProxy>> scores = std::vector<ScoredProxy>();
  std::string loaded;
  ScoringRequest asked;
};

class ServeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    agent_ = sockets[0];
    scorer_ = std::thread([this, socket = sockets[1]] {
      exit_ = Serve(socket, backend_);
      ::close(socket);
    });
    v1::ScorerResponse response;
    ASSERT_THAT(ReadFrame(agent_, response), IsOkAndHolds(true));
    hello_ = response.hello();
  }
  int Finish() {
    ::shutdown(agent_, SHUT_WR);
    scorer_.join();
    return exit_;
  }
  void TearDown() override {
    if (scorer_.joinable()) Finish();
    ::close(agent_);
  }
  v1::ScorerResponse Call(const v1::ScorerRequest& request) {
    v1::ScorerResponse response;
    EXPECT_THAT(WriteFrame(agent_, request), IsOk());
    EXPECT_THAT(ReadFrame(agent_, response), IsOkAndHolds(true));
    return response;
  }
  v1::ScorerResponse Score(std::vector<std::string> proxies) {
    v1::ScorerRequest request;
    request.mutable_score()->set_architecture("a");
    request.mutable_score()->set_seed(9);
    request.mutable_score()->mutable_proxies()->Add(proxies.begin(), proxies.end());
    return Call(request);
  }

  ScriptedBackend backend_;
  int agent_ = -1;
  int exit_ = -1;
  std::thread scorer_;
  v1::ScorerHello hello_;
};

TEST_F(ServeTest, HelloCarriesTheDescription) {
  EXPECT_EQ(hello_.execution().device(), "cpu");
  EXPECT_EQ(hello_.execution().numerics(), "cpu avx2");
  EXPECT_EQ(hello_.execution().zcbench_version(), "1.2.3");
  EXPECT_EQ(hello_.execution().commit(), "abc");
  EXPECT_EQ(hello_.memory_bytes(), 77u);
  ASSERT_EQ(hello_.spaces_size(), 1);
  EXPECT_EQ(hello_.spaces(0).version(), "4");
  ASSERT_EQ(hello_.proxies_size(), 1);
  const v1::ProxyInfo& proxy = hello_.proxies(0);
  EXPECT_EQ(proxy.summary() + proxy.paper() + proxy.version(), "sa paper1.2");
  EXPECT_TRUE(proxy.reads_weights() && !proxy.reads_images() && proxy.reads_labels());
  EXPECT_EQ(proxy.options().at("k"), "8");
  EXPECT_EQ(proxy.tolerance(), 1e-6);
  EXPECT_TRUE(!proxy.larger_is_better() && proxy.variant());
}

TEST_F(ServeTest, RequestReachesTheBackendAndOutcomesComeBack) {
  backend_.scores = std::vector<ScoredProxy>{
      {.score = 2.5, .seconds = 0.125},
      {.outcome = ScoreOutcome::kNotFinite, .score = 7, .reason = "NaN\nin layer 3"},
      {.outcome = ScoreOutcome::kUndefined, .reason = "no ReLU"},
  };
  v1::ScorerRequest request;
  v1::ScoreArchitecture& score = *request.mutable_score();
  score.mutable_cell()->set_space("toy");
  score.mutable_cell()->set_task("photos");
  score.mutable_cell()->set_kind(v1::TASK_KIND_IMAGE);
  score.mutable_cell()->set_channels(27);
  score.mutable_cell()->set_height(32);
  score.mutable_cell()->set_width(33);
  score.mutable_cell()->set_classes(10);
  score.mutable_cell()->set_images(16);
  score.set_architecture("a");
  score.set_seed(uint64_t{1} << 62);
  for (const char* proxy : {"p", "q(k=2)", "r"}) score.add_proxies(proxy);
  score.set_probe_batch("digest");
  score.set_next_architecture("b");
  const v1::ScorerResponse response = Call(request);

  EXPECT_EQ(backend_.asked.cell.space + backend_.asked.cell.task, "toyphotos");
  EXPECT_EQ(backend_.asked.cell.kind, TaskKind::kImage);
  EXPECT_EQ(backend_.asked.cell.channels, 27);
  EXPECT_EQ(backend_.asked.cell.height, 32);
  EXPECT_EQ(backend_.asked.cell.width, 33);
  EXPECT_EQ(backend_.asked.cell.classes, 10);
  EXPECT_EQ(backend_.asked.cell.images, 16);
  EXPECT_EQ(backend_.asked.seed, uint64_t{1} << 62);
  EXPECT_THAT(backend_.asked.proxies, ::testing::ElementsAre("p", "q(k=2)", "r"));
  EXPECT_EQ(backend_.asked.probe_batch + backend_.asked.next_architecture, "digestb");
  const v1::ArchitectureResult& result = response.result();
  EXPECT_EQ(result.architecture(), "a");
  EXPECT_EQ(result.failure(), v1::FAILURE_KIND_UNSPECIFIED);
  ASSERT_EQ(result.scores_size(), 3);
  EXPECT_EQ(result.scores(0).outcome(), v1::SCORE_OUTCOME_OK);
  EXPECT_EQ(result.scores(0).score(), 2.5);
  EXPECT_EQ(result.scores(0).seconds(), 0.125);
  EXPECT_EQ(result.scores(1).proxy(), 1u);
  EXPECT_EQ(result.scores(1).outcome(), v1::SCORE_OUTCOME_NOT_FINITE);
  EXPECT_EQ(result.scores(1).score(), 0);  // a failure is no number
  EXPECT_EQ(result.scores(1).reason(), "NaN in layer 3");
  EXPECT_EQ(result.scores(2).outcome(), v1::SCORE_OUTCOME_UNDEFINED);
  EXPECT_EQ(Finish(), 0);
}

TEST_F(ServeTest, StatusBecomesAFailureKind) {
  backend_.scores = absl::ResourceExhaustedError("20 GiB");
  EXPECT_EQ(Score({"p"}).result().failure(), v1::FAILURE_KIND_OUT_OF_MEMORY);
  backend_.scores = absl::UnavailableError(std::string(5000, '\xff'));
  const v1::ScorerResponse response = Score({"p"});
  EXPECT_EQ(response.result().failure(), v1::FAILURE_KIND_ERROR);
  EXPECT_EQ(response.result().failure_message().size(), 1003u);  // bounded, and readable for Protobuf
  EXPECT_EQ(response.result().seed(), 9u);
}

TEST_F(ServeTest, BackendThatBreaksItsContractIsAnErrorNotAScore) {
  backend_.scores = std::vector<ScoredProxy>{{.score = 1}};
  EXPECT_THAT(Score({"p", "q"}).error().message(), HasSubstr("1 scores for 2 proxies"));
  backend_.scores = std::vector<ScoredProxy>{{.score = std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_THAT(Score({"p"}).error().message(), HasSubstr("OK and nan for p of a"));
}

TEST_F(ServeTest, ProbeBatchIsHandedOverAndItsErrorComesBack) {
  v1::ScorerRequest request;
  request.mutable_load()->set_digest("d");
  request.mutable_load()->set_content("bytes");
  EXPECT_TRUE(Call(request).has_accepted());
  EXPECT_EQ(backend_.loaded, "d=bytes");
  backend_.load_status = absl::DataLossError("byte 8: no header");
  const v1::ScorerResponse response = Call(request);
  EXPECT_EQ(response.error().code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_EQ(response.error().message(), "byte 8: no header");
}

TEST_F(ServeTest, UnknownRequestIsAnErrorAndDamageEndsTheProcess) {
  EXPECT_EQ(Call(v1::ScorerRequest()).error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  ASSERT_EQ(::send(agent_, "\xff\xff\xff\xff", 4, 0), 4);
  EXPECT_EQ(Finish(), 70);
}

}  // namespace
}  // namespace zcbench
