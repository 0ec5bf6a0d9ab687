// The real program and the real server on a real file; the test plays the worker.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "base/source_dir.h"
#include "base/status_matchers.h"
#include "client/cli/run_program.h"
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "nas/task.h"
#include "proto/channel.h"
#include "proto/server_file.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

namespace pb = v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

// A number that depends on everything a score depends on.
double ScoreOf(const std::string& architecture, const std::string& proxy, uint64_t seed) {
  if (proxy.starts_with("layer_")) {  // a spike in the bins 5 and 6, and a little of the architecture
    const bool spike = proxy.ends_with("bin=5)") || proxy.ends_with("bin=6)");
    return (spike ? 10 : 1) + architecture[0] / 1000.0;
  }
  double sum = proxy == "params" ? 0 : static_cast<double>(seed) / 8 + 0.25;
  for (const char c : architecture) sum = sum * 3 + c;
  return proxy == "zico" ? -sum : sum;
}

// Announces proxies and scores what it is given.
class TestWorker {
 public:
  explicit TestWorker(const ServerFile& server, const std::vector<std::string>& proxies = {"params", "snip", "zico"})
      : stub_(pb::WorkerService::NewStub(*MakeChannel(server, "worker"))) {
    pb::OpenSessionRequest request;
    request.set_worker("test-worker");
    *request.mutable_execution() = Execution();
    request.add_spaces()->set_name("nasbench201");
    request.mutable_spaces(0)->set_version("1");
    for (const std::string& name : proxies) {
      pb::ProxyInfo& proxy = *request.add_proxies();
      proxy.set_name(name);
      proxy.set_summary("a test");
      proxy.set_paper("none");
      proxy.set_version("1.1");
      proxy.set_larger_is_better(true);
      proxy.set_tolerance(1e-6);
      const bool reads = proxy.name() != "params";
      proxy.set_reads_weights(reads);
      proxy.set_reads_images(reads);
      proxy.set_reads_labels(reads);
      if (name.starts_with("layer_")) (*proxy.mutable_options())["bin"] = "0";
    }
    pb::OpenSessionResponse response;
    const grpc::Status status = stub_->OpenSession(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    session_ = response.session();
  }

  // Scores one round of leases; how many architectures that were.
  int Work() {
    pb::SynchronizeRequest request;
    request.set_session(session_);
    request.set_state(pb::WORKER_STATE_IDLE);
    request.set_wanted(16);
    pb::SynchronizeResponse response;
    const grpc::Status status = stub_->Synchronize(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    int scored = 0;
    for (const pb::Lease& lease : response.leases()) {
      Record(lease);
      scored += lease.items_size();
    }
    return scored;
  }

 private:
  static std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return context;
  }

  static pb::Execution Execution() {
    pb::Execution execution;
    execution.set_worker("test-worker");
    execution.set_host("test-host");
    execution.set_device("cpu");
    execution.set_numerics("cpu-test");
    execution.set_zcbench_version("0.1.0");
    return execution;
  }

  void Record(const pb::Lease& lease) {
    pb::RecordScoresRequest request;
    request.set_session(session_);
    request.set_request_id("00000000-0000-4000-8000-" + std::to_string(100000000000 + lease.unit()));
    request.set_unit(lease.unit());
    request.set_attempt(lease.attempt());
    *request.mutable_execution() = Execution();
    *request.mutable_cell() = lease.cell();
    *request.mutable_proxies() = lease.proxies();
    for (int i = 0; i < lease.proxies_size(); ++i) request.add_versions("1.1.1");
    *request.mutable_probe_batches() = lease.probe_batches();
    for (const pb::LeaseItem& item : lease.items()) {
      pb::ArchitectureResult& result = *request.add_results();
      result.set_architecture(item.architecture());
      result.set_seed(item.seed());
      for (int i = 0; i < lease.proxies_size(); ++i) {
        if ((item.missing()[i / 8] >> (i % 8) & 1) == 0) continue;
        pb::ProxyScore& score = *result.add_scores();
        score.set_proxy(i);
        score.set_outcome(pb::SCORE_OUTCOME_OK);
        score.set_score(ScoreOf(item.architecture(), lease.proxies(i), item.seed()));
        score.set_seconds(0.01);
      }
    }
    request.set_close(pb::LEASE_OUTCOME_COMPLETED);
    pb::RecordScoresResponse response;
    const grpc::Status status = stub_->RecordScores(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  std::unique_ptr<pb::WorkerService::Stub> stub_;
  std::string session_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : server_({ZCB_SERVER_PROGRAM, "--store", "zcbench.db"},
                {.folder = folder_.path(), .environment = {}, .input = ""}) {}

  void SetUp() override {
    ASSERT_TRUE(Eventually([&] { return ReadServerFile(folder_.path() / kDefaultServerFile).ok(); })) << server_.err();
    address_ = *ReadServerFile(folder_.path() / kDefaultServerFile);
  }

  Child Start(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), ZCB_PROGRAM);
    return Child(arguments, {.folder = folder_.path(), .environment = {}, .input = ""});
  }
  Output Run(std::vector<std::string> arguments) const { return Start(std::move(arguments)).Wait(); }
  nlohmann::json Json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--format", "json"});
    const Output output = Run(std::move(arguments));
    EXPECT_EQ(output.code, 0) << output.err;
    return nlohmann::json::parse(output.out, nullptr, false);
  }

  TemporaryFolder folder_;
  Child server_;
  ServerFile address_;
};

TEST_F(ServerTest, AJobGoesFromSubmitToCorrelations) {
  // Before any worker has come, submit waits for one.
  Child submit = Start({"submit", "--space", "nasbench201", "--task", "photos", "--count", "6", "--seeds", "0,1"});
  ASSERT_TRUE(submit.WaitFor("waiting for at most")) << submit.err();
  TestWorker worker(address_);
  const Output submitted = submit.Wait();
  ASSERT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_THAT(submitted.out,
              AllOf(StartsWith("job 1 (new): 12 architectures of nasbench201 on photos, 2 seeds, 3 prox")));
  EXPECT_THAT(submitted.err, HasSubstr("probe batch photos/32x32/16/1 stored"));

  EXPECT_THAT(Run({"watch", "--once"}).out, StartsWith("job 1  0/12 (0 %)"));
  EXPECT_EQ(Json({"workers"}).at(0)["worker"], "test-worker");
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 12; }));
  EXPECT_EQ(scored, 12);
  const Output watched = Run({"watch"});
  EXPECT_EQ(watched.code, 0);
  EXPECT_THAT(watched.err, HasSubstr("job 1 done: 12 of 12"));

  const nlohmann::json scores = Json({"scores"});
  ASSERT_THAT(scores, SizeIs(12));
  std::set<std::string> architectures;
  for (const nlohmann::json& row : scores) {
    const std::string architecture = row["architecture"];
    architectures.insert(architecture);
    for (const char* proxy : {"params", "snip", "zico"}) {
      EXPECT_EQ(row[proxy], ScoreOf(architecture, proxy, row["seed"])) << row;
    }
  }
  EXPECT_THAT(architectures, SizeIs(6));
  EXPECT_THAT(Json({"scores", "--space", "nasbench201", "--task", "photos", "--proxies", "zico", "--seeds", "1"}),
              SizeIs(6));

  EXPECT_THAT(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "6", "--seeds", "0,1"}).out,
              HasSubstr("job 1 (was there already)"));

  for (const nlohmann::json& entry : Json({"correlate"})) {
    EXPECT_EQ(entry["n"], 6);
    EXPECT_EQ(entry["spearman"], entry["a"] == "zico" || entry["b"] == "zico" ? -1 : 1) << entry;
  }
  EXPECT_THAT(Run({"correlate"}).out, AllOf(HasSubstr("1  params"), HasSubstr("-1.00")));

  std::string truth = "architecture,accuracy\n";
  for (const std::string& architecture : architectures) {
    truth += architecture + "," + std::to_string(ScoreOf(architecture, "params", 0)) + "\n";
  }
  const std::string file = folder_.Write("truth.csv", truth);
  const std::vector<std::string> import = {"import", "accuracies", file, "--space", "nasbench201", "--task", "photos"};
  EXPECT_THAT(Run(import).out, StartsWith("added 6, unchanged 0"));
  EXPECT_THAT(Run(import).out, StartsWith("added 0, unchanged 6"));
  const nlohmann::json against = Json({"correlate", "--against", "accuracy"});
  ASSERT_THAT(against, SizeIs(3));
  for (const nlohmann::json& entry : against) {
    EXPECT_NEAR(entry["kendall"].get<double>(), entry["a"] == "zico" ? -1 : 1, 1e-12) << entry;
  }

  EXPECT_EQ(Json({"list", "jobs"}).at(0)["state"], "done");
  EXPECT_THAT(Json({"list", "series"}), SizeIs(5));
  EXPECT_THAT(Json({"list", "proxies"}), SizeIs(3));
  EXPECT_THAT(Json({"list", "probe-batches"}), SizeIs(2));
  EXPECT_EQ(Run({"list", "probe-batches", "photos/32x32/16/0", "--png", "sheet.png"}).code, 0);
  EXPECT_THAT(*ReadFile(folder_.path() / "sheet.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(Run({"failures"}).err, HasSubstr("job 1 has no failures"));
  EXPECT_EQ(Run({"drain", "test-worker"}).code, 0);
  server_.Signal(SIGTERM);
  EXPECT_EQ(server_.Wait().code, 0);
  EXPECT_EQ(Run({"workers"}).code, 69);
}

TEST_F(ServerTest, LibraIsFittedShownAndRanksBesideItsProxies) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "20"}).code, 0);
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 20; }));
  std::string truth = "architecture,accuracy\n";
  for (const nlohmann::json& row : Json({"scores"})) {
    truth += row["architecture"].get<std::string>() + "," + row["params"].dump() + "\n";
  }
  folder_.Write("truth.csv", truth);
  ASSERT_EQ(Run({"import", "accuracies", "truth.csv", "--space", "nasbench201", "--task", "photos"}).code, 0);

  const Output fit = Run({"libra", "fit", "--in-sample", "--save", "mine"});
  ASSERT_EQ(fit.code, 0) << fit.err;
  EXPECT_THAT(fit.out, AllOf(HasSubstr("LIBRA on nasbench201, photos"), HasSubstr("z1  params  highest rho, 1.000"),
                             HasSubstr("held-out architectures (10 random halves, seed 0)"), HasSubstr("in sample"),
                             HasSubstr("best single proxy"), HasSubstr("only 2: no third proxy")));
  EXPECT_THAT(fit.err, HasSubstr("stored as mine"));
  EXPECT_EQ(Run({"libra", "show", "mine"}).out, fit.out);
  EXPECT_EQ(Json({"libra", "show", "mine"})["merge"], "rank_sum");
  EXPECT_EQ(Json({"libra", "list"}).at(0)["proxies"], "params, snip");
  const Output again = Run({"libra", "fit", "--save", "mine"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("there is a combination `mine` already"));
  EXPECT_EQ(Run({"libra", "fit", "--save", "mine", "--replace", "--merge", "log_rank"}).code, 0);
  const Output unknown = Run({"libra", "show", "mime"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean `mine`?"));

  const nlohmann::json against =
      Json({"correlate", "--against", "accuracy", "--combinations", "mine", "--all-statistics", "--top", "3"});
  ASSERT_THAT(against, SizeIs(4));
  EXPECT_EQ(against.at(3)["a"], "libra:mine");
  EXPECT_EQ(against.at(3)["regret"], 0);
  EXPECT_THAT(Run({"correlate", "--against", "accuracy", "--all-statistics"}).out, HasSubstr("beyond params"));
  EXPECT_THAT(Run({"correlate", "--by-task"}).out, HasSubstr("nasbench201/photos"));
  EXPECT_THAT(Json({"correlate", "--by-task"}), SizeIs(3));
}

TEST_F(ServerTest, SearchShowsWhatItFoundBesideRandomSearch) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "40"}).code, 0);
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 40; }));
  std::string truth = "architecture,accuracy\n";
  std::string best;
  double highest = -1;
  for (const nlohmann::json& row : Json({"scores"})) {
    const double snip = row["snip"].get<double>();
    if (snip > highest) best = row["architecture"].get<std::string>();
    highest = std::max(highest, snip);
    truth += row["architecture"].get<std::string>() + "," + row["snip"].dump() + "\n";
  }
  folder_.Write("truth.csv", truth);
  ASSERT_EQ(Run({"import", "accuracies", "truth.csv", "--space", "nasbench201", "--task", "photos"}).code, 0);

  const Output found = Run({"search", "--by", "snip", "--algorithm", "local", "--evaluations", "40", "--svg", "c.svg"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_THAT(found.err, AllOf(HasSubstr("best by snip: " + best + ", place 1 of 40"), HasSubstr("place 1, regret 0"),
                               HasSubstr("as its authors write it: |")));
  EXPECT_THAT(*ReadFile(folder_.path() / "c.svg"), StartsWith("<svg"));
  const nlohmann::json curve = Json({"search", "--by", "snip", "--algorithm", "random", "--evaluations", "40"});
  ASSERT_THAT(curve, SizeIs(6));  // 1, 2, 5, 10, 20, 40
  EXPECT_EQ(curve.back()["regret"], 0);
  EXPECT_GT(curve.front()["regret"], 0);
  EXPECT_EQ(curve.back()["mean"], curve.back()["random_mean"]);
  EXPECT_EQ(Run({"search", "--by", "snip,params"}).code, 0);
  const Output unknown = Run({"search", "--by", "snap"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean `snip`?"));
}

TEST_F(ServerTest, LayersEndWithTheWindowOfASpike) {
  TestWorker worker(address_, {"layer_log_inverse_sigma", "layer_log_sigma"});
  Child layers = Start({"layers", "nasbench201", "photos", "--count", "7", "--svg", "layers.svg"});
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 7; })) << layers.err();
  const Output output = layers.Wait();
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(HasSubstr("\n  5         7"), HasSubstr("\n\nlswag(window=p50-p60)\n")));
  EXPECT_THAT(output.err, AllOf(HasSubstr("job 1 done: 7 of 7"), HasSubstr("wrote layers.svg")));
  EXPECT_THAT(*ReadFile(folder_.path() / "layers.svg"), StartsWith("<svg"));

  // Again, and submitted by hand, it is the same job, and nothing is left to do.
  const nlohmann::json rows = Json({"layers", "nb201", "photos", "--count", "7", "--statistic", "sigma"});
  ASSERT_THAT(rows, SizeIs(11));
  for (const nlohmann::json& row : rows) EXPECT_EQ(row["networks"], 7);
  EXPECT_THAT(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "7", "--layer-statistics"}).out,
              HasSubstr("job 1 (was there already): 7 architectures of nasbench201 on photos, 1 seed, 22 proxies"));
  EXPECT_EQ(worker.Work(), 0);
}

TEST_F(ServerTest, UnknownNamesAndMissingImagesAreUsersErrors) {
  TestWorker worker(address_);
  const Output unknown =
      Run({"submit", "--space", "nasbench201", "--task", "photos", "--proxies", "zicco", "--count", "2"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean `zico`?"));
  const Output missing =
      Run({"submit", "--space", "nasbench201", "--task", "cifar10", "--proxies", "zico", "--count", "2"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("zcbench import images cifar10"));
  EXPECT_EQ(Run({"watch", "7"}).code, 2);
  EXPECT_EQ(Run({"watch"}).code, 2);
  EXPECT_EQ(Run({"cancel", "7"}).code, 2);
  EXPECT_EQ(Run({"drain", "nobody"}).code, 2);
}

TEST_F(ServerTest, NoiseIsAskedForByNameAndShown) {
  TestWorker worker(address_);
  const std::vector<std::string> submit = {"submit", "--space", "nasbench201", "--task",   "svhn", "--count",
                                           "2",      "--input", "noise",       "--images", "4"};
  const Output submitted = Run(submit);
  ASSERT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_THAT(submitted.out, StartsWith("job 1 (new): 2 architectures of nasbench201 on svhn with noise, 1 seed"));
  EXPECT_THAT(submitted.err, HasSubstr("probe batch svhn/32x32/4/0/noise stored"));
  EXPECT_THAT(Run(submit).out, StartsWith("job 1 (was there already)"));
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 2; }));
  EXPECT_THAT(Run({"watch", "1"}).err, HasSubstr("job 1 (noise) done: 2 of 2"));
  EXPECT_EQ(Json({"list", "jobs"}).at(0)["input"], "noise");
  EXPECT_THAT(Json({"scores", "1"}), SizeIs(2));

  // The same without it says what is missing, and all that can be done about it.
  const Output images = Run({"submit", "--space", "nasbench201", "--task", "svhn", "--count", "2", "--images", "4"});
  EXPECT_EQ(images.code, 1);
  EXPECT_THAT(images.err, AllOf(HasSubstr("zcbench import probe-batch FILE"), HasSubstr("--input noise")));
  // With a file of images both kinds of scores stand beside each other.
  EXPECT_EQ(Run({"list", "probe-batches", "svhn/32x32/4/0/noise", "--save", "noise.zcb"}).code, 0);
  absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(*ReadFile(folder_.path() / "noise.zcb"));
  ASSERT_THAT(batch, IsOk());
  batch->source = std::string(64, 'a');
  batch->classes = 0;  // said by no file of version 1
  folder_.Write("mine.zcb", EncodeProbeBatch(*batch));
  const Output imported = Run({"import", "probe-batch", "mine.zcb", "noise.zcb"});
  EXPECT_EQ(imported.code, 0) << imported.err;
  EXPECT_THAT(imported.err, AllOf(HasSubstr("probe batch svhn/32x32/4/0 stored"),
                                  HasSubstr("probe batch svhn/32x32/4/0/noise was there already")));
  EXPECT_EQ(Run({"submit", "--space", "nasbench201", "--task", "svhn", "--count", "2", "--images", "4"}).code, 0);
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 4; }));
  EXPECT_THAT(Json({"list", "series"}), SizeIs(5));
}

TEST_F(ServerTest, AProbeBatchFileIsCheckedBeforeAnyIsStored) {
  TestWorker worker(address_);
  ProbeBatch batch = MakeNoise(*FindCell("nasbench201", "svhn", 4), 0);
  folder_.Write("good.zcb", EncodeProbeBatch(batch));
  folder_.Write("cut.zcb", EncodeProbeBatch(batch).substr(0, 5000));
  batch.classes = 9;
  for (int32_t& label : batch.labels) label = 0;
  folder_.Write("classes.zcb", EncodeProbeBatch(batch));
  const Output cut = Run({"import", "probe-batch", "good.zcb", "cut.zcb"});
  EXPECT_EQ(cut.code, 2);
  EXPECT_THAT(cut.err, HasSubstr("cut.zcb: probe batch: at byte 5000: truncated"));
  const Output classes = Run({"import", "probe-batch", "good.zcb", "classes.zcb"});
  EXPECT_EQ(classes.code, 2);
  EXPECT_THAT(classes.err, HasSubstr("classes.zcb: the probe batch has 9 classes, task svhn has 10"));
  EXPECT_THAT(Json({"list", "probe-batches"}), SizeIs(0));
}

TEST_F(ServerTest, TheProgramOfTheDocumentationWritesAProbeBatch) {
  const std::string page = *ReadFile(SourceDir() / "docs/probe_batches.md");
  constexpr std::string_view kBegin = "```python\n";
  const size_t begin = page.find(kBegin);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = page.find("```", begin + kBegin.size());
  folder_.Write("write.py", page.substr(begin + kBegin.size(), end - begin - kBegin.size()));
  const Output written =
      Child({"/usr/bin/env", "python3", "write.py"}, {.folder = folder_.path(), .environment = {}, .input = ""}).Wait();
  ASSERT_EQ(written.code, 0) << written.err;
  const Output imported = Run({"import", "probe-batch", "segmentsemantic-0.zcb"});
  EXPECT_EQ(imported.code, 0);
  EXPECT_EQ(imported.err, "probe batch segmentsemantic/256x256/2/0 stored\n");
}

TEST_F(ServerTest, ASuiteIsOneJobACellOrNone) {
  TestWorker worker(address_);
  const Output refused = Run({"submit", "--suite", "paper", "--count", "2"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("no probe batch of task normal with 32 images of 256 x 256 pixels"),
                                 HasSubstr("no probe batch of task pets with 64 images of 224 x 224 pixels"),
                                 HasSubstr("no job was created: 25 of the 25 cells")));
  EXPECT_THAT(Json({"list", "jobs"}), SizeIs(0));

  const std::vector<std::string> submit = {"submit", "--suite", "paper", "--count", "2", "--proxies", "params"};
  const Output submitted = Run(submit);
  ASSERT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_THAT(submitted.out,
              AllOf(HasSubstr("job 1 (new): 2 architectures of nasbench201 on cifar10, "),
                    HasSubstr("job 25 (new): 2 architectures of autoformer_small on spherical_cifar100")));
  EXPECT_THAT(submitted.err, HasSubstr("zcbench list jobs --suite paper"));
  EXPECT_THAT(Run(submit).out, HasSubstr("job 25 (was there already)"));
  EXPECT_THAT(Json({"list", "jobs", "--suite", "transnas14"}), SizeIs(14));
  // What one cell cannot give is said before any job is there.
  const Output large = Run({"submit", "--suite", "transnas14", "--count", "4000", "--proxies", "params"});
  EXPECT_EQ(large.code, 2);
  EXPECT_THAT(large.err, HasSubstr("transnas_macro on jigsaw: spec.sampled.count: 4000 is outside [1, 3256]"));
  EXPECT_THAT(Json({"list", "jobs"}), SizeIs(25));
}

TEST_F(ServerTest, ASuiteOfNoiseNeedsNoImages) {
  TestWorker worker(address_);
  const Output submitted =
      Run({"submit", "--suite", "transnas14", "--count", "1", "--input", "noise", "--images", "2"});
  ASSERT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_THAT(submitted.out, HasSubstr("transnas_macro on segmentsemantic with noise"));
  // Micro and macro see the same ones.
  EXPECT_THAT(Json({"list", "probe-batches"}), SizeIs(7));
  EXPECT_EQ(Run({"list", "probe-batches", "jigsaw/64x64/2/0/noise", "--png", "tiles.png"}).code, 0);
  EXPECT_THAT(*ReadFile(folder_.path() / "tiles.png"), StartsWith("\x89PNG"));
}

TEST_F(ServerTest, ACancelledJobEndsTheWatch) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--proxies", "params", "--count", "5"}).code,
            0);
  Child watch = Start({"watch"});
  ASSERT_TRUE(watch.WaitFor("0/5")) << watch.err();
  EXPECT_EQ(Run({"cancel", "last"}).code, 0);
  EXPECT_EQ(watch.Wait().code, 75);
}

}  // namespace
}  // namespace zcbench
