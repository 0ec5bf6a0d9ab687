// The real program and the real server on a real file; the test plays the worker.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
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
      if (name.starts_with("lswag")) (*proxy.mutable_options())["window"] = "whole";
    }
    pb::OpenSessionResponse response;
    const grpc::Status status = stub_->OpenSession(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    session_ = response.session();
  }

  // Scores one round of leases; how many architectures that were.
  int Work() {
    int scored = 0;
    for (const pb::Lease& lease : Leases()) {
      const grpc::Status status = Record(lease);
      EXPECT_TRUE(status.ok()) << status.error_message();
      scored += lease.items_size();
    }
    return scored;
  }

  std::vector<pb::Lease> Leases() {
    pb::SynchronizeRequest request;
    request.set_session(session_);
    request.set_state(pb::WORKER_STATE_IDLE);
    request.set_wanted(16);
    pb::SynchronizeResponse response;
    const grpc::Status status = stub_->Synchronize(Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.leases().begin(), response.leases().end()};
  }

  // Records the scores of the lease and closes it; the same lease is the same request.
  grpc::Status Record(const pb::Lease& lease) {
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
    return stub_->RecordScores(Context().get(), request, &response);
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

  // A published file shows what it holds.
  ASSERT_EQ(Run({"export", "--format", "sqlite", "-o", "bench.db"}).code, 0);
  const Output file = Run({"layers", "nb201", "photos", "--file", "bench.db"});
  EXPECT_EQ(file.code, 0) << file.err;
  EXPECT_EQ(file.out, output.out);
  EXPECT_EQ(Run({"layers", "nb201", "cifar10", "--file", "bench.db"}).code, 2);
  EXPECT_EQ(Run({"layers", "nb201", "photos", "--file", "bench.db", "--count", "7"}).code, 2);
  EXPECT_EQ(Run({"libra", "list", "--file", "bench.db"}).code, 0);
  EXPECT_THAT(Json({"list", "series", "--file", "bench.db"}), SizeIs(22));
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

// NAS-Bench-Suite-Zero's layout, with numbers that do not survive a rounding; made for this test.
constexpr char kSuiteZero[] = R"json({
"cifar10": {
"(4, 0, 3, 1, 4, 3)": {"id": 7, "params": {"score": 0.129306, "time": 0.25}, "snip": {"score": 0.30000000000000004, "time": 1e-7},
  "zico": {"score": -1e8, "time": 2.5}, "val_accuracy": 88.33333333333333},
"(1, 0, 0, 0, 0, 0)": {"id": 8, "params": {"score": 0.073306, "time": 0.125}, "snip": {"score": -1.2345678901234567e17, "time": 3},
  "zico": {"score": 5e-324, "time": 0}, "val_accuracy": 10.1}},
"ImageNet16-120": {
"(1, 0, 0, 0, 0, 0)": {"id": 8, "snip": {"score": 0.1, "time": 0.1}, "val_accuracy": 0.8333333333333334}}})json";

TEST_F(ServerTest, PublishedScoresComeInOnceAndGoOutExactly) {
  folder_.Write("suite.json", kSuiteZero);
  const std::vector<std::string> import = {"import",   "scores",    "suite.json", "--space",   "nasbench201",
                                           "--source", "SuiteZero", "--licence",  "Apache-2.0"};
  const Output first = Run(import);
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("added 6, unchanged 0 (3 proxies of SuiteZero, nasbench201 on cifar10)"),
                               HasSubstr("added 1, unchanged 0 (1 prox")));
  EXPECT_THAT(first.err, HasSubstr("numbers of parameters compared with ours: 2, all equal"));
  EXPECT_THAT(Run(import).out, AllOf(HasSubstr("added 0, unchanged 6"), HasSubstr("added 0, unchanged 1")));
  ASSERT_EQ(Run({"import", "accuracies", "suite.json", "--space", "nasbench201"}).code, 0);

  const std::vector<std::string> scores = {"scores", "--space", "nasbench201", "--task", "cifar10"};
  const nlohmann::json rows = Json(scores);
  ASSERT_THAT(rows, SizeIs(2));
  for (const nlohmann::json& row : rows) {
    const bool pools = row["architecture"] == "4_10_242";
    EXPECT_EQ(row["params"], pools ? 129306 : 73306) << row;
    EXPECT_EQ(row["snip"], pools ? 0.30000000000000004 : -1.2345678901234567e17) << row;
    EXPECT_EQ(row["zico"], pools ? nlohmann::json() : nlohmann::json(5e-324)) << row;
    EXPECT_EQ(row.contains("outcomes") ? row["outcomes"]["zico"] : "", pools ? "not_finite" : "") << row;
  }

  // The layout gives every number back, and what was read from it is written alike.
  const auto export_as = [&](const std::string& format, const std::string& file, std::vector<std::string> more) {
    more.insert(more.begin(), {"export", "--format", format, "-o", file, "--space", "nasbench201"});
    const Output output = Run(more);
    EXPECT_EQ(output.code, 0) << output.err;
    return *ReadFile(folder_.path() / file);
  };
  const std::string text = export_as("nbsz", "out.json", {});
  nlohmann::json published = nlohmann::json::parse(kSuiteZero);
  for (auto& task : published) {
    for (auto& record : task) record.erase("id");
  }
  EXPECT_EQ(nlohmann::json::parse(text), published);
  ASSERT_EQ(Run({"import", "scores", "out.json", "--space", "nasbench201", "--source", "again"}).code, 0);
  EXPECT_EQ(export_as("nbsz", "again.json", {"--source", "again"}), text);
  EXPECT_THAT(Run({"export", "--format", "nbsz", "-o", "out.json", "--space", "nasbench201", "--source", "again"}).err,
              HasSubstr("out.json is there already"));

  std::vector<std::string> mine = scores;
  mine.insert(mine.end(), {"--source", "SuiteZero"});
  EXPECT_EQ(nlohmann::json::parse(export_as("json", "table.json", {"--task", "cifar10", "--source", "SuiteZero"})),
            Json(mine));
  const std::string csv = export_as("csv", "table.csv", {"--task", "cifar10", "--source", "SuiteZero"});
  EXPECT_THAT(
      csv, AllOf(StartsWith("architecture,params,snip,zico\r\n"), HasSubstr(",129306,0.30000000000000004,not_finite")));
  // Our own table comes in again as well.
  EXPECT_THAT(
      Run({"import", "scores", "table.csv", "--space", "nasbench201", "--task", "cifar10", "--source", "SuiteZero"})
          .out,
      StartsWith("added 0, unchanged 6"));

  // The whole store as a file answers as the server does, also when there is no server.
  const Output unknown = Run({"export", "--format", "sqlit", "-o", "bench.db"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean `sqlite`?"));
  ASSERT_EQ(Run({"export", "--format", "sqlite", "-o", "bench.db"}).code, 0);
  const std::vector<std::string> correlate = {"correlate", "--space",   "nasbench201", "--task",  "cifar10",
                                              "--source",  "SuiteZero", "--against",   "accuracy"};
  const std::string served_scores = Run(mine).out;
  const std::string served_correlations = Run(correlate).out;
  EXPECT_THAT(served_correlations, HasSubstr("zico"));
  server_.Signal(SIGTERM);
  EXPECT_EQ(server_.Wait().code, 0);
  const auto from_file = [&](std::vector<std::string> command, const std::string& file) {
    command.insert(command.end(), {"--file", file});
    return Run(command);
  };
  EXPECT_EQ(from_file(mine, "bench.db").out, served_scores);
  EXPECT_EQ(from_file(correlate, "bench.db").out, served_correlations);
  folder_.Write("text.db", "architecture,snip\n");
  folder_.Write("cut.db", ReadFile(folder_.path() / "bench.db")->substr(0, 50'000));
  struct Case {
    const char* file;
    const char* error;
  };
  for (const Case& c : {Case{"text.db", "text.db is no zcbench store"}, Case{"cut.db", "cut.db is truncated"},
                        Case{"none.db", "none.db is no file"}}) {
    const Output refused = from_file(mine, c.file);
    EXPECT_EQ(refused.code, 2) << c.file;
    EXPECT_THAT(refused.err, HasSubstr(c.error));
    EXPECT_EQ(refused.out, "");
  }
}

TEST_F(ServerTest, AWrongPublishedTableStoresNothing) {
  const std::string good = "arch_str,params,snip\n\"(4, 0, 3, 1, 4, 3)\",0.129306,1.5\n";
  const std::string suite = kSuiteZero;
  struct Case {
    std::string text;
    const char* error;
  };
  const Case cases[] = {
      {good + "\"(1, 0, 0, 0, 0, 0)\",0.073307,2\n",
       "table:3: nasbench201/0_11_111 on cifar10 has 73307 parameters in the table but 73306 here"},
      {good + "\"(1, 0, 0, 0, 0, 9)\",0.073306,2\n", "table:3: "},
      {good + "\"(1, 0, 0, 0, 0, 0)\",0.073306\n", "table:3: 2 fields where the header has 3"},
      {good + "\"(1, 0, 0, 0, 0, 0)", "table:3: "},
      {good + "\"(1, 0, 0, 0, 0, 0)\",0.073306,two\n", "table:3: `two` in column `snip` is no number"},
      {"params,snip\n1,2\n", "the header has no column `architecture`"},
      {good.substr(0, good.find('\n') + 1), "table has no rows"},
      {"", "table has no rows"},
      {suite.substr(0, suite.size() - 1), "no JSON at byte"},
      {suite.substr(0, suite.size() / 2), "no JSON at byte"},
      {R"json({"cifar10": {"(4, 0, 3, 1, 4, 3)": {"snip": {"score": 1}}, "(9, 9)": {"snip": {"score": 2}}}})json",
       "cifar10 / (9, 9): "},
      {R"json({"cifar11": {"(4, 0, 3, 1, 4, 3)": {"snip": {"score": 1}}}})json", "did you mean `cifar10`?"},
      {R"json({"cifar10": {"(4, 0, 3, 1, 4, 3)": {"params": {"score": 1}}}})json",
       "--no-params-check imports it anyway"},
      {R"json({"cifar10": {"(4, 0, 3, 1, 4, 3)": {"val_accuracy": 90}}})json", "zcbench import accuracies"},
  };
  for (const Case& c : cases) {
    folder_.Write("table", c.text);
    std::vector<std::string> command = {"import", "scores", "table", "--space", "nasbench201"};
    if (!c.text.starts_with("{")) command.insert(command.end(), {"--task", "cifar10"});
    const Output refused = Run(command);
    EXPECT_EQ(refused.code, 2) << c.text;
    EXPECT_THAT(refused.err, HasSubstr(c.error)) << c.text;
  }
  EXPECT_THAT(Json({"list", "series"}), SizeIs(0));

  // What is missing, and a reader's rights.
  folder_.Write("table", good);
  EXPECT_THAT(Run({"import", "scores", "table", "--task", "cifar10"}).err, HasSubstr("give --space"));
  EXPECT_THAT(Run({"import", "scores", "table", "--space", "nasbench201"}).err, HasSubstr("give --task"));
  ASSERT_EQ(Run({"access", "--role", "reader", "--out", "reader.json"}).code, 0);
  const Output reader =
      Run({"import", "scores", "table", "--space", "nasbench201", "--task", "cifar10", "--server", "reader.json"});
  EXPECT_NE(reader.code, 0);
  EXPECT_THAT(reader.err, AllOf(HasSubstr("ImportScores"), HasSubstr("a reader's")));
  EXPECT_THAT(Json({"list", "series"}), SizeIs(0));
  EXPECT_EQ(Run({"export", "--format", "sqlite", "-o", "reader.db", "--server", "reader.json"}).code, 0);

  // Counted in another way, it comes in when asked to; another number afterwards does not.
  folder_.Write("table", "arch_str,params\n\"(4, 0, 3, 1, 4, 3)\",0.5\n");
  const std::vector<std::string> anyway = {"import", "scores", "table",   "--space",
                                           "nb201",  "--task", "cifar10", "--no-params-check"};
  const Output taken = Run(anyway);
  EXPECT_THAT(taken.out, StartsWith("added 1, unchanged 0 (1 proxies of table, nasbench201 on cifar10)")) << taken.err;
  folder_.Write("table", "arch_str,params\n\"(4, 0, 3, 1, 4, 3)\",0.75\n");
  EXPECT_THAT(Run(anyway).err, HasSubstr("nasbench201/4_10_242 has another params on cifar10 from table than 750000"));
}

// The sections of a report that leave something out.
std::set<std::string> LeftOut(const std::string& page) {
  std::set<std::string> sections;
  for (size_t at = page.find("<p class=\"left-out\">"); at != std::string::npos;
       at = page.find("<p class=\"left-out\">", at + 1)) {
    const size_t heading = page.rfind("<h2 id=\"", at);
    sections.insert(page.substr(heading + 8, page.find('"', heading + 8) - heading - 8));
  }
  return sections;
}

TEST_F(ServerTest, AReportOfAJobHasEverySection) {
  const std::string window = "(window=p50-p60)";
  TestWorker worker(address_, {"params", "snip", "zico", "lswag", "lswag_lambda", "lswag_psi",
                               "layer_log_inverse_sigma", "layer_log_sigma"});
  const std::string proxies =
      "params,snip,zico,lswag_lambda,lswag_psi,lswag,lswag_lambda" + window + ",lswag_psi" + window + ",lswag" + window;
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "60", "--seeds", "0,1", "--proxies",
                 proxies})
                .code,
            0);
  Child layers = Start({"layers", "nasbench201", "photos", "--count", "7"});
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 127; })) << layers.err();
  ASSERT_EQ(layers.Wait().code, 0);
  std::string truth = "architecture,accuracy\n";
  for (const nlohmann::json& row : Json({"scores", "1", "--seeds", "0"})) {
    truth += row["architecture"].get<std::string>() + "," + row["snip"].dump() + "\n";
  }
  folder_.Write("truth.csv", truth);
  ASSERT_EQ(Run({"import", "accuracies", "truth.csv", "--space", "nasbench201", "--task", "photos", "--source",
                 "</script><b>Mine", "--licence", "CC0-1.0"})
                .code,
            2);  // a slash is no part of a name
  ASSERT_EQ(Run({"import", "accuracies", "truth.csv", "--space", "nasbench201", "--task", "photos", "--source",
                 "<script>'Mine'", "--licence", "<b>CC0-1.0"})
                .code,
            0);
  EXPECT_EQ(Json({"list", "sources"}).at(0)["licence"], "<b>CC0-1.0");

  const Output made = Run({"report", "1", "-o", "a.html"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("wrote a.html, "));
  const std::string page = *ReadFile(folder_.path() / "a.html");
  EXPECT_EQ(LeftOut(page), std::set<std::string>()) << page;
  EXPECT_THAT(page, AllOf(HasSubstr("lswag(window=p50-p60)"), HasSubstr("L-SWAG: all three"), HasSubstr("cpu-test"),
                          HasSubstr("Window p50-p60 by the log of the mean of 1 / sigma"),
                          HasSubstr("<pre>zcbench report 1 -o a.html</pre>"), HasSubstr("&lt;b&gt;CC0-1.0")));
  EXPECT_THAT(page, AllOf(HasSubstr("zico and accuracy:&lt;script&gt;&#39;Mine&#39;/test\nSpearman \u22121.000"),
                          HasSubstr("n = 60, left out 0, mean of 2 seeds")));
  EXPECT_THAT(page, testing::Not(HasSubstr("<script")));

  // It is never overwritten by accident, and a failure leaves nothing behind.
  const Output again = Run({"report", "1", "-o", "a.html"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("a.html is there already; remove it or choose another file, or give --force"));
  EXPECT_EQ(Run({"report", "1", "-o", "a.html", "--force", "--no-search"}).code, 0);
  EXPECT_EQ(LeftOut(*ReadFile(folder_.path() / "a.html")), std::set<std::string>{"s9"});
  const Output unknown = Run({"report", "9", "-o", "b.html"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("9"));
  EXPECT_EQ(Run({"report", "--against", "accuracy:Nobody/test", "-o", "b.html"}).code, 0);  // is said in the page
  EXPECT_THAT(*ReadFile(folder_.path() / "b.html"), HasSubstr("Nobody/test"));
  EXPECT_EQ(Run({"report", "--against", "params", "-o", "c.html"}).code, 2);
  EXPECT_EQ(Run({"report", "--task", "cifar10", "-o", "c.html"}).code, 2);  // nothing fits
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().string().find(".part-"), std::string::npos) << entry.path();
    EXPECT_NE(entry.path().filename(), "c.html");
  }

  // A reader may not fit LIBRA; the rest is there.
  ASSERT_EQ(Run({"access", "--role", "reader", "--out", "reader.json"}).code, 0);
  const Output reader = Run({"report", "last", "--server", "reader.json", "-o", "reader.html"});
  ASSERT_EQ(Run({"report", "1", "--server", "reader.json", "-o", "reader1.html"}).code, 0);
  EXPECT_EQ(LeftOut(*ReadFile(folder_.path() / "reader1.html")), std::set<std::string>{"s7"});
  // The newest job has statistics of layers only.
  EXPECT_EQ(reader.code, 0) << reader.err;
  EXPECT_THAT(*ReadFile(folder_.path() / "reader.html"), HasSubstr("only statistics of layers are stored"));

  // A published file has no jobs and shows the same.
  ASSERT_EQ(Run({"export", "--format", "sqlite", "-o", "bench.db"}).code, 0);
  ASSERT_EQ(Run({"report", "--file", "bench.db", "-o", "file.html"}).code, 0);
  EXPECT_EQ(LeftOut(*ReadFile(folder_.path() / "file.html")), std::set<std::string>());
}

TEST_F(ServerTest, AReportOfPublishedTablesPrintsWhatCorrelateDoes) {
  const char* const data = std::getenv("ZCB_TEST_DATA");
  if (data == nullptr || *data == '\0') GTEST_SKIP() << "ZCB_TEST_DATA names no folder of published tables";
  const std::string tables = data;
  ASSERT_EQ(Run({"import", "accuracies", tables + "/nb201_accuracy.csv", "--space", "nasbench201", "--source",
                 "NAS-Bench-201", "--licence", "MIT"})
                .code,
            0);
  ASSERT_EQ(Run({"import", "scores", tables + "/nb201_zc_cifar10.csv", "--space", "nasbench201", "--task", "cifar10",
                 "--source", "NASLib", "--licence", "Apache-2.0"})
                .code,
            0);
  const Output made = Run({"report", "--space", "nasbench201"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::string page = *ReadFile(folder_.path() / "report.html");
  int compared = 0;
  for (const nlohmann::json& entry : Json({"correlate", "--space", "nasbench201", "--task", "cifar10", "--against",
                                           "accuracy:NAS-Bench-201/validation"})) {
    char text[64];
    const double rho = entry["spearman"];
    std::snprintf(text, sizeof text, "%s%.3f", rho < 0 ? "\u2212" : "", std::abs(rho));
    EXPECT_THAT(page,
                HasSubstr(entry["a"].get<std::string>() + " and accuracy:NAS-Bench-201/validation\nSpearman " + text));
    ++compared;
  }
  EXPECT_EQ(compared, 13);
  EXPECT_THAT(page, AllOf(HasSubstr("NAS-Bench-201</td><td>MIT"), HasSubstr("NASLib</td><td>Apache-2.0"),
                          HasSubstr("A hexagon is larger"), HasSubstr("n = 9,444 to 9,445")));
  EXPECT_EQ(LeftOut(page), (std::set<std::string>{"s3", "s6", "s8"}));  // no layers, no seconds, no lswag
}

TEST_F(ServerTest, ScoresOfSeveralSourcesAreNotMixed) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--proxies", "snip", "--count", "3"}).code, 0);
  int scored = 0;
  ASSERT_TRUE(Eventually([&] { return (scored += worker.Work()) >= 3; }));
  folder_.Write("a.csv", "architecture,snip,zicoo\n4_10_242,1.5,nan\n0_11_111,2.5,7\n");
  const std::vector<std::string> place = {"--space", "nasbench201", "--task", "photos"};
  const auto run = [&](std::vector<std::string> command, const std::vector<std::string>& more = {}) {
    command.insert(command.end(), place.begin(), place.end());
    command.insert(command.end(), more.begin(), more.end());
    return command;
  };
  ASSERT_EQ(Run(run({"import", "scores", "a.csv", "--source", "Published"})).code, 0);
  for (const char* command : {"scores", "correlate"}) {
    const Output mixed = Run(run({command}));
    EXPECT_EQ(mixed.code, 1) << command;
    EXPECT_THAT(mixed.err,
                HasSubstr("snip of nasbench201 on photos has scores of several sources, which are not mixed; "
                          "choose one with --source: Published, computed"));
  }
  // A report has a column for each.
  ASSERT_EQ(Run({"report"}).code, 0);
  EXPECT_THAT(*ReadFile(folder_.path() / "report.html"),
              AllOf(HasSubstr("photos, Published"), HasSubstr("photos, computed")));
  EXPECT_THAT(Json(run({"scores"}, {"--source", "computed"})), SizeIs(3));
  const nlohmann::json published = Json(run({"scores"}, {"--source", "Published"}));
  ASSERT_THAT(published, SizeIs(2));
  EXPECT_EQ(published.at(0)["outcomes"]["zicoo"], "not_finite");
  EXPECT_THAT(Json({"scores"}), SizeIs(3));  // a job's scores are computed
  const Output unknown = Run(run({"scores"}, {"--source", "Publisched"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean `Published`?"));
  const Output job = Run({"scores", "1", "--source", "Published"});
  EXPECT_EQ(job.code, 2);
  EXPECT_THAT(job.err, HasSubstr("a job's scores are computed, not from Published"));
  // A proxy that no worker knows is asked for by its name.
  EXPECT_THAT(Json(run({"scores"}, {"--proxies", "zicoo"})), SizeIs(2));
  const Output proxy = Run(run({"scores"}, {"--proxies", "zicooo"}));
  EXPECT_EQ(proxy.code, 2);
  EXPECT_THAT(proxy.err, HasSubstr("did you mean `zicoo`?"));
}

// ---- The database as a whole.

TEST_F(ServerTest, ABackupIsADatabaseThatAnotherServerGoesOnWith) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "40"}).code, 0);
  ASSERT_TRUE(Eventually([&] { return worker.Work() > 0; }));
  ASSERT_EQ(Json({"list", "jobs"}).at(0)["state"], "running");
  const Output made = Run({"store", "backup", "copy.db"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.err, HasSubstr("wrote copy.db, "));
  const Output again = Run({"store", "backup", "copy.db"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("copy.db is there already"));
  const Output check = Run({"store", "check", "--file", "copy.db"});
  EXPECT_EQ(check.code, 0) << check.out;
  EXPECT_THAT(check.err, HasSubstr("nothing is wrong: "));
  EXPECT_EQ(Run({"store", "check"}).code, 0);
  const std::vector<std::string> scores = {"scores", "--space", "nasbench201", "--task", "photos"};
  std::vector<std::string> of_copy = scores;
  of_copy.insert(of_copy.end(), {"--file", "copy.db"});
  EXPECT_EQ(Run(of_copy).out, Run(scores).out);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_THAT(entry.path().string(), ::testing::Not(HasSubstr(".part-")));
  }

  // What is left of the job is in the copy, and is done from there.
  server_.Signal(SIGTERM);
  EXPECT_EQ(server_.Wait().code, 0);
  Child other({ZCB_SERVER_PROGRAM, "--store", "copy.db"}, {.folder = folder_.path(), .environment = {}, .input = ""});
  ASSERT_TRUE(Eventually([&] { return ReadServerFile(folder_.path() / kDefaultServerFile).ok(); })) << other.err();
  TestWorker another(*ReadServerFile(folder_.path() / kDefaultServerFile));
  ASSERT_TRUE(Eventually([&] {
    another.Work();
    return Json({"list", "jobs"}).at(0)["state"] == "done";
  }));
  EXPECT_THAT(Json(scores), SizeIs(40));
}

TEST_F(ServerTest, OnlyAnAdminTakesBackups) {
  ASSERT_EQ(Run({"access", "--role", "reader", "--out", "reader.server.json"}).code, 0);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"store", "backup", "mine.db"}, std::vector<std::string>{"store", "check"}}) {
    std::vector<std::string> as_reader = command;
    as_reader.insert(as_reader.end(), {"--server", "reader.server.json"});
    const Output refused = Run(as_reader);
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, HasSubstr("is for the role admin"));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_THAT(entry.path().string(), ::testing::Not(HasSubstr("mine.db")));
  }
  EXPECT_EQ(Run({"doctor", "--server", "reader.server.json"}).code, 0);
}

TEST_F(ServerTest, CopyGoesOnBesideAServerAndVacuumDoesNot) {
  const Output busy = Run({"store", "vacuum", "zcbench.db"});
  EXPECT_EQ(busy.code, 1);
  EXPECT_THAT(busy.err, HasSubstr("in use by the server with process id " + std::to_string(server_.pid())));
  EXPECT_EQ(Run({"store", "copy", "sqlite:zcbench.db", "sqlite:copy.db"}).code, 0);
  EXPECT_EQ(Run({"store", "vacuum", "copy.db"}).code, 0);
  EXPECT_EQ(Run({"store", "check", "--file", "copy.db"}).code, 0);
  const Output unknown = Run({"store", "copy", "postgres://host/db", "sqlite:other.db"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("write sqlite:FILE"));
}

TEST_F(ServerTest, ASecondServerOnTheFileEndsAndSaysWhoHasIt) {
  const Output second = Child({ZCB_SERVER_PROGRAM, "--store", "zcbench.db", "--server-file", "second.server.json"},
                              {.folder = folder_.path(), .environment = {}, .input = ""})
                            .Wait();
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, AllOf(HasSubstr("process id " + std::to_string(server_.pid())), HasSubstr("--store")));
  EXPECT_EQ(Run({"list", "jobs"}).code, 0);  // the first one serves on
}

TEST_F(ServerTest, WhileTheDiskIsFullNothingIsAcknowledgedAndAfterwardsItGoesOn) {
  TestWorker worker(address_);
  ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "4"}).code, 0);
  std::vector<pb::Lease> leases;
  ASSERT_TRUE(Eventually([&] { return !(leases = worker.Leases()).empty(); }));
  rlimit limit{};
  ASSERT_EQ(prlimit(server_.pid(), RLIMIT_FSIZE, nullptr, &limit), 0);
  rlimit none = limit;
  none.rlim_cur = 1;
  ASSERT_EQ(prlimit(server_.pid(), RLIMIT_FSIZE, &none, nullptr), 0);
  // Not a refusal: a worker keeps its spool and tries again (worker/agent/agent.cc).
  const grpc::Status full = worker.Record(leases.front());
  EXPECT_EQ(full.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(full.error_message(), AllOf(HasSubstr("zcbench.db"), HasSubstr("free space on its disk")));
  const Output pause = Run({"pause", "1"});
  EXPECT_EQ(pause.code, 69);
  EXPECT_THAT(pause.err, HasSubstr("free space on its disk"));
  EXPECT_EQ(Json({"list", "jobs"}).at(0)["done"], 0);  // reading goes on
  ASSERT_EQ(prlimit(server_.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  for (const pb::Lease& lease : leases) {
    const grpc::Status status = worker.Record(lease);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  ASSERT_TRUE(Eventually([&] {
    worker.Work();
    return Json({"list", "jobs"}).at(0)["state"] == "done";
  }));
  EXPECT_THAT(Json({"scores", "1"}), SizeIs(4));
  EXPECT_EQ(Run({"store", "check"}).code, 0);
}

TEST_F(ServerTest, TheDoctorLooksAtServerDatabaseAndMachine) {
  const auto states = [](const nlohmann::json& rows) {
    std::map<std::string, std::string> found;
    for (const nlohmann::json& row : rows) found[row["check"]] = row["state"];
    return found;
  };
  const Output lines = Run({"doctor"});
  EXPECT_EQ(lines.code, 0) << lines.out;
  EXPECT_THAT(lines.out, AllOf(HasSubstr("ok       server file"), HasSubstr("SQLite 3."), HasSubstr("valid until 20")));
  std::map<std::string, std::string> healthy = states(Json({"doctor"}));
  for (const char* check : {"server file", "certificate", "server", "version", "clock", "store", "engine", "schema",
                            "file system", "conflicts", "leases", "jobs"}) {
    EXPECT_EQ(healthy[check], "ok") << check;
  }
  EXPECT_THAT(healthy,
              ::testing::IsSupersetOf({::testing::Key("disk"), ::testing::Key("programs"), ::testing::Key("scorer"),
                                       ::testing::Key("images"), ::testing::Key("memory")}));

  std::filesystem::permissions(folder_.path() / kDefaultServerFile, std::filesystem::perms(0644));
  const Output open = Run({"doctor", "--format", "json"});
  EXPECT_EQ(open.code, 1);
  EXPECT_EQ(states(nlohmann::json::parse(open.out))["server file"], "error");
  EXPECT_THAT(open.out, HasSubstr("chmod 600"));
  std::filesystem::permissions(folder_.path() / kDefaultServerFile, std::filesystem::perms(0600));

  {
    TestWorker worker(address_);
    ASSERT_EQ(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "4"}).code, 0);
  }
  EXPECT_EQ(states(Json({"doctor", "--file", "zcbench.db"}))["store"], "ok");
  server_.Signal(SIGTERM);
  server_.Wait();
  {
    // A server that no worker has found yet: the job waits.
    Child next({ZCB_SERVER_PROGRAM, "--store", "zcbench.db"},
               {.folder = folder_.path(), .environment = {}, .input = ""});
    ASSERT_TRUE(Eventually([&] { return ReadServerFile(folder_.path() / kDefaultServerFile).ok(); })) << next.err();
    const nlohmann::json waiting = Json({"doctor"});
    EXPECT_EQ(states(waiting)["jobs"], "warning");
    EXPECT_THAT(waiting.dump(), HasSubstr("zcbench why 1"));
  }
  const Output away = Run({"doctor"});
  EXPECT_EQ(away.code, 1);
  EXPECT_THAT(away.out, AllOf(HasSubstr("error    server"), HasSubstr("has ended"), HasSubstr("zcbench up")));
  EXPECT_THAT(away.out, HasSubstr("programs"));  // this machine is looked at all the same
}

}  // namespace
}  // namespace zcbench
