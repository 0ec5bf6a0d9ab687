// The real program against a real gRPC server whose answers the test gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/sha256.h"
#include "base/status_matchers.h"
#include "client/cli/fake_server.h"
#include "client/cli/run_program.h"
#include "nas/data/probe_batch.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CliTest : public testing::Test {
 protected:
  Child Start(std::vector<std::string> arguments, Child::Options options = {}) {
    arguments.insert(arguments.begin(), ZCB_PROGRAM);
    if (options.folder.empty()) options.folder = folder_.path();
    return Child(arguments, options);
  }
  // With the fake server's address.
  Output Run(std::vector<std::string> arguments, const std::string& input = "") {
    Child child = Start(std::move(arguments),
                        {.folder = folder_.path(), .environment = {{"ZCB_SERVER", server_.address()}}, .input = input});
    return child.Wait();
  }
  Output RunWithoutServer(std::vector<std::string> arguments) { return Start(std::move(arguments)).Wait(); }

  void SetJob(pb::JobState state, uint64_t done, uint64_t failed = 0) {
    job_.set_id(3);
    job_.set_state(state);
    job_.set_total(24);
    job_.set_done(done);
    job_.set_failed(failed);
    job_.mutable_spec()->set_space("nasbench201");
    job_.mutable_spec()->set_task("photos");
    job_.mutable_spec()->mutable_proxies()->Clear();
    for (const char* proxy : {"params", "zico"}) job_.mutable_spec()->add_proxies(proxy);
    job_.mutable_spec()->mutable_seeds()->Clear();
    job_.mutable_spec()->add_seeds(0);
    job_.mutable_spec()->mutable_sampled()->set_count(24);
    server_.get_job = [this](const pb::GetJobRequest&, pb::GetJobResponse& response) {
      *response.mutable_job() = job_;
      return grpc::Status();
    };
    server_.create_job = [this](const pb::CreateJobRequest& request, pb::CreateJobResponse& response) {
      specs_.push_back(request.spec());
      *response.mutable_job() = job_;
      response.set_created(specs_.size() == 1);
      return grpc::Status();
    };
    server_.list_workers = [](const pb::ListWorkersRequest&, pb::ListWorkersResponse& response) {
      pb::Worker& worker = *response.add_workers();
      worker.set_name("gpu-3");
      worker.set_state(pb::WORKER_STATE_BUSY);
      worker.set_leases(2);
      worker.mutable_execution()->set_device("cpu");
      return grpc::Status();
    };
    server_.list_failures = [](const pb::ListFailuresRequest&, pb::ListFailuresResponse& response) {
      pb::Failure& failure = *response.add_failures();
      failure.set_kind(pb::FAILURE_KIND_CRASH);
      failure.set_message("the scorer was killed by signal 11");
      failure.set_count(2);
      failure.set_for_good(1);
      failure.set_example_architecture("3_33_133");
      return grpc::Status();
    };
  }

  TemporaryFolder folder_;
  FakeServer server_;
  pb::Job job_;
  std::vector<pb::JobSpec> specs_;
};

std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<nlohmann::json> Rows(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  EXPECT_TRUE(json.is_array()) << text;
  return json.is_array() ? json.get<std::vector<nlohmann::json>>() : std::vector<nlohmann::json>();
}

// ---- Usage.

TEST_F(CliTest, EveryCommandHasHelpWithExamples) {
  for (const char* command :
       {"up",       "down",   "submit",       "watch",       "scores",        "correlate",         "layers",
        "failures", "cancel", "list",         "import",      "import images", "import accuracies", "workers",
        "drain",    "store",  "store backup", "store check", "store copy",    "store vacuum",      "doctor"}) {
    std::vector<std::string> arguments = Words(command);
    arguments.push_back("--help");
    const Output output = RunWithoutServer(arguments);
    EXPECT_EQ(output.code, 0) << command;
    EXPECT_THAT(output.out, AllOf(HasSubstr("Examples:"), HasSubstr(std::string("  zcbench ") + command))) << command;
    EXPECT_THAT(output.err, IsEmpty()) << command;
  }
}

TEST_F(CliTest, HelpNamesEveryCommandAndTheExitCodes) {
  const Output output = RunWithoutServer({"--help"});
  EXPECT_EQ(output.code, 0);
  EXPECT_THAT(output.out, AllOf(HasSubstr("submit"), HasSubstr("correlate"), HasSubstr("69 no server")));
  EXPECT_THAT(RunWithoutServer({"--version"}).out, StartsWith("zcbench "));
  EXPECT_EQ(RunWithoutServer({}).code, 2);
}

TEST_F(CliTest, WrongUseIsOneLineWithTheNearestNameAndExitCode2) {
  const std::pair<const char*, const char*> cases[] = {
      {"sumbit", "unknown command `sumbit`; did you mean `submit`?"},
      {"submit --spcae nasbench201", "unknown option `--spcae`; did you mean `--space`?"},
      {"submit --task photos --count 1", "--space is missing"},
      {"submit --suite vit --count 1", "unknown suite `vit`; did you mean `vit6`?"},
      {"submit --suite vit6", "--suite needs --count N"},
      {"submit --suite vit6 --space nasbench201 --count 1", "excludes"},
      {"submit --space nasbench201 --task photos --count 1 --input nois", "--input"},
      {"submit --space nasbench20 --task photos --count 1", "unknown space `nasbench20`; did you mean `nasbench201`?"},
      {"submit --space nasbench201 --task photo --count 1", "unknown task `photo`; did you mean `photos`?"},
      {"submit --space nasbench201 --task photos", "no architectures"},
      {"submit --space nasbench201 --task photos --count 3 3_33_133", "several kinds of architectures"},
      {"submit --space nasbench201 --task photos --count three", "three"},
      {"submit --space nasbench201 --task photos --count 3 --first 4", "--first needs --by index"},
      {"submit --space nasbench201 --task photos --count 3 --by name", "name"},
      {"submit --space nasbench201 --task photos --count 3 --seeds 4..0", "ends before it begins"},
      {"submit --space nasbench201 --task photos --count 3 --proxies zico(", "zico("},
      {"submit --space nasbench201 --task photos --count 3 --images 1", "images: 1 is outside"},
      {"submit --space nasbench201 --task photos 3_33_139", "architecture:1: "},
      {"submit --space nasbench201 --task photos --architectures nowhere.txt", "nowhere.txt cannot be read"},
      {"scores --format jsn", "unknown format `jsn`; did you mean `json`?"},
      {"scores --job three", "`three` is no job"},
      {"watch 3 4", "unexpected argument `4`"},
      {"list spases", "unknown list `spases`; did you mean `spaces`?"},
      {"list jobs --png x.png", "--png"},
      {"list tasks --suite vit6", "--suite belongs to"},
      {"list suites --suite vit", "did you mean `vit6`?"},
      {"import probe-batch nowhere.zcb", "nowhere.zcb"},
      {"import", "subcommand is required"},
      {"import images photo", "did you mean `photos`?"},
      {"import images cifar10", "give --from DIR"},
      {"import images svhn", "no reader for the data set of task svhn"},
      {"import images cifar10 --from nowhere", "nowhere"},
      {"import accuracies nowhere.csv --space nasbench201 --task cifar10", "nowhere.csv is no file"},
      {"up --workers none", "--workers `none`"},
  };
  for (const auto& [line, message] : cases) {
    const Output output = Run(Words(line));
    EXPECT_EQ(output.code, 2) << line;
    EXPECT_THAT(output.out, IsEmpty()) << line;
    EXPECT_THAT(output.err, AllOf(StartsWith("zcbench: "), HasSubstr(message), MatchesRegex("[^\n]*\n"))) << line;
  }
}

// ---- The server.

TEST_F(CliTest, WithoutAServerEveryCommandSaysHowToStartOne) {
  for (const char* line : {"submit --space nasbench201 --task photos --count 1", "watch", "scores", "correlate",
                           "failures", "cancel 3", "workers", "drain gpu-3", "list jobs", "import images photos"}) {
    const Output output = RunWithoutServer(Words(line));
    EXPECT_EQ(output.code, 69) << line;
    EXPECT_THAT(output.err,
                AllOf(HasSubstr("there is no zcbench.server.json in this folder"), HasSubstr("`zcbench up`")))
        << line;
    EXPECT_THAT(output.out, IsEmpty()) << line;
  }
}

TEST_F(CliTest, AServerThatDoesNotAnswerIsNamed) {
  server_.Stop();
  const Output output = RunWithoutServer({"workers", "--server", server_.address()});
  EXPECT_EQ(output.code, 69);
  EXPECT_THAT(output.err, HasSubstr("no server answers at " + server_.address() + " (from --server)"));
  EXPECT_THAT(Run({"workers"}).err, HasSubstr("(from ZCB_SERVER)"));
}

TEST_F(CliTest, AServerFileOfADeadServerIsRecognised) {
  const std::string address = server_.address();
  server_.Stop();
  folder_.Write("zcbench.server.json", R"({"address": ")" + address + R"(", "pid": 999999999, "store": "/x.db"})");
  const Output output = RunWithoutServer({"workers"});
  EXPECT_EQ(output.code, 69);
  EXPECT_THAT(output.err, AllOf(HasSubstr("process 999999999 has ended"), HasSubstr("`zcbench up`")));
}

TEST_F(CliTest, TheServerFileOfThisFolderIsUsed) {
  SetJob(pb::JOB_STATE_RUNNING, 3);
  folder_.Write("zcbench.server.json", R"({"address": ")" + server_.address() + R"(", "pid": 1, "store": "/x.db"})");
  EXPECT_EQ(RunWithoutServer({"workers"}).code, 0);
  folder_.Write("zcbench.server.json", "{}");
  const Output output = RunWithoutServer({"workers"});
  EXPECT_EQ(output.code, 2);
  EXPECT_THAT(output.err, HasSubstr("is no server file"));
}

TEST_F(CliTest, AnErrorOfTheServerIsPrintedAsItIs) {
  const std::pair<grpc::StatusCode, int> cases[] = {{grpc::StatusCode::NOT_FOUND, 2},
                                                    {grpc::StatusCode::INVALID_ARGUMENT, 2},
                                                    {grpc::StatusCode::FAILED_PRECONDITION, 1},
                                                    {grpc::StatusCode::INTERNAL, 1}};
  for (const auto& [code, exit] : cases) {
    server_.drain_worker = [code = code](const pb::DrainWorkerRequest& request, pb::DrainWorkerResponse&) {
      return grpc::Status(code, "unknown worker `" + request.worker() + "`\nsee the list");
    };
    const Output output = Run({"drain", "gpu-4"});
    EXPECT_EQ(output.code, exit);
    EXPECT_EQ(output.err, "zcbench: unknown worker `gpu-4` see the list\n");
  }
}

// ---- submit.

TEST_F(CliTest, SubmitSendsTheSpecAndNamesTheJob) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const Output output =
      Run({"submit", "--space", "nb201", "--task", "photos", "--proxies", "zico,swap(samples=16,repeats=32)", "--count",
           "24", "--sample-seed", "7", "--seeds", "0..2", "--images", "8"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_EQ(output.out, "job 3 (new): 24 architectures of nasbench201 on photos, 1 seed, 2 proxies\n");
  EXPECT_THAT(output.err, HasSubstr("zcbench watch 3"));
  ASSERT_THAT(specs_, SizeIs(1));
  const pb::JobSpec& spec = specs_[0];
  EXPECT_EQ(spec.space(), "nasbench201");
  EXPECT_EQ(spec.task(), "photos");
  EXPECT_THAT(spec.proxies(), ElementsAre("zico", "swap(repeats=32, samples=16)"));
  EXPECT_THAT(spec.seeds(), ElementsAre(0, 1, 2));
  EXPECT_EQ(spec.images(), 8u);
  EXPECT_EQ(spec.sampled().count(), 24u);
  EXPECT_EQ(spec.sampled().sample_seed(), 7u);

  EXPECT_THAT(Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "24"}).out,
              HasSubstr("job 3 (was there already)"));
  EXPECT_THAT(specs_[1].proxies(), ElementsAre("all"));
  EXPECT_THAT(specs_[1].seeds(), ElementsAre(0));
}

TEST_F(CliTest, SubmitTakesARangeOfTheIndex) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  EXPECT_EQ(
      Run({"submit", "--space", "nasbench201", "--task", "photos", "--by", "index", "--first", "5", "--count", "10"})
          .code,
      0);
  EXPECT_EQ(specs_.at(0).indexed().first(), 5u);
  EXPECT_EQ(specs_.at(0).indexed().count(), 10u);
}

TEST_F(CliTest, SubmitTakesListedArchitecturesInAnyNotation) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const std::vector<std::string> base = {"submit", "--space", "nasbench201", "--task", "photos"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  EXPECT_EQ(Run(with({"3_33_133", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"})).code, 0);
  const std::string file = folder_.Write("best.txt", "3_33_133\nnb201/0_00_001\n");
  EXPECT_EQ(Run(with({"--architectures", file})).code, 0);
  EXPECT_EQ(Run(with({"--architectures", "-"}), "0_00_001\n").code, 0);
  EXPECT_EQ(
      Run({"submit", "--space", "autoformer_tiny", "--task", "photos",
           "[12, 3.5, 3.5, 3.0, 3.5, 3.0, 3.0, 4.0, 4.0, 3.5, 4.0, 3.5, 4.0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 3, 192]"})
          .code,
      0);
  ASSERT_THAT(specs_, SizeIs(4));
  EXPECT_THAT(specs_[0].listed().architectures(), ElementsAre("3_33_133", "3_00_000"));
  EXPECT_THAT(specs_[1].listed().architectures(), ElementsAre("3_33_133", "0_00_001"));
  EXPECT_THAT(specs_[2].listed().architectures(), ElementsAre("0_00_001"));
  EXPECT_THAT(specs_[3].listed().architectures(), ElementsAre(StartsWith("12-192-")));

  const Output wrong = Run(with({"--architectures", folder_.Write("wrong.txt", "3_33_133\n3_33_1\n")}));
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("wrong.txt:2: "));
}

TEST_F(CliTest, SubmitPrintsCsvAndJson) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  const std::vector<std::string> base = {"submit", "--space", "nasbench201", "--task",
                                         "photos", "--count", "24",          "--format"};
  std::vector<std::string> json = base;
  json.push_back("json");
  const std::vector<nlohmann::json> rows = Rows(Run(json).out);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0]["job"], 3);
  EXPECT_EQ(rows[0]["is_new"], true);
  EXPECT_EQ(rows[0]["total"], 24);
  std::vector<std::string> csv = base;
  csv.push_back("csv");
  EXPECT_THAT(Run(csv).out, StartsWith("job,state,space,task,input,architectures,"));
}

TEST_F(CliTest, SubmitWaitsForTheFirstWorkerOfAFreshServer) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const auto create = server_.create_job;
  int calls = 0;
  // The channel itself tries a call again a few times, so that this must last longer than it does.
  server_.create_job = [&](const pb::CreateJobRequest& request, pb::CreateJobResponse& response) {
    if (++calls < 8) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "no worker has announced its proxies yet");
    return create(request, response);
  };
  const Output output = Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "24"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.err, HasSubstr("no worker has announced its proxies yet; waiting for at most 1 min 00 s\n"));
  EXPECT_THAT(output.out, StartsWith("job 3"));
}

TEST_F(CliTest, SubmitUploadsTheImagesOfAShippedTask) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const auto create = server_.create_job;
  std::vector<ProbeBatch> batches;
  server_.create_job = [&](const pb::CreateJobRequest& request, pb::CreateJobResponse& response) {
    if (batches.empty())
      return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "the probe batch photos/224x224/16/0 is missing");
    return create(request, response);
  };
  std::vector<size_t> pieces;
  server_.create_probe_batch = [&](const std::vector<pb::CreateProbeBatchRequest>& request,
                                   pb::CreateProbeBatchResponse& response) {
    std::string bytes;
    for (const auto& piece : request) {
      bytes += piece.content();
      pieces.push_back(piece.content().size());
    }
    EXPECT_EQ(request.front().digest(), Sha256Hex(bytes));
    const absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(bytes);
    if (!batch.ok()) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, std::string(batch.status().message()));
    batches.push_back(*batch);
    response.mutable_key()->set_task(batch->task);
    response.mutable_key()->set_height(batch->height);
    response.mutable_key()->set_width(batch->width);
    response.mutable_key()->set_images(batch->images);
    response.mutable_key()->set_seed(batch->seed);
    response.set_created(true);
    return grpc::Status();
  };
  const Output output = Run(
      {"submit", "--space", "autoformer_tiny", "--task", "photos", "--count", "24", "--seeds", "0,1", "--images", "4"});
  EXPECT_EQ(output.code, 0) << output.err;
  ASSERT_THAT(batches, SizeIs(2));
  EXPECT_EQ(batches[1].task, "photos");
  EXPECT_EQ(batches[1].height, 224);
  EXPECT_EQ(batches[1].images, 4);
  EXPECT_EQ(batches[1].seed, 1u);
  EXPECT_THAT(pieces, testing::Each(testing::Le(size_t{256} << 10)));
  EXPECT_THAT(output.err, HasSubstr("probe batch photos/224x224/4/1 stored\n"));
}

TEST_F(CliTest, SubmitSaysWhatToImportForOtherTasks) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  server_.create_job = [](const pb::CreateJobRequest&, pb::CreateJobResponse&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "the probe batch is missing: zcbench import images cifar10 --from DIR");
  };
  const Output output = Run({"submit", "--space", "nasbench201", "--task", "cifar10", "--count", "24"});
  EXPECT_EQ(output.code, 1);
  EXPECT_EQ(output.err, "zcbench: the probe batch is missing: zcbench import images cifar10 --from DIR\n");
}

TEST_F(CliTest, ASuiteIsCheckedBeforeItsFirstJob) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const auto create = server_.create_job;
  std::vector<std::string> asked;
  bool imported = false;
  server_.create_job = [&](const pb::CreateJobRequest& request, pb::CreateJobResponse& response) {
    asked.push_back((request.validate_only() ? "check " : "create ") + request.spec().task());
    const bool lacks = request.spec().task() == "pets" || request.spec().task() == "svhn";
    if (lacks && !imported) return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no " + request.spec().task());
    return request.validate_only() ? grpc::Status() : create(request, response);
  };
  const std::vector<std::string> submit = {"submit", "--suite", "vit6", "--count", "24", "--sample-seed", "7"};
  const Output refused = Run(submit);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.out, IsEmpty());
  EXPECT_EQ(refused.err,
            "no pets\nno svhn\nzcbench: no job was created: 2 of the 6 cells of suite vit6 lack the probe batches "
            "above\n");
  EXPECT_THAT(specs_, IsEmpty());

  imported = true;
  asked.clear();
  const Output output = Run(submit);
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(asked, ElementsAre("check imagenet", "check cifar10", "check cifar100", "check pets", "check svhn",
                                 "check spherical_cifar100", "create imagenet", "create cifar10", "create cifar100",
                                 "create pets", "create svhn", "create spherical_cifar100"));
  ASSERT_THAT(specs_, SizeIs(6));
  for (const pb::JobSpec& spec : specs_) {
    EXPECT_EQ(spec.space(), "autoformer_small");
    EXPECT_EQ(spec.images(), 64u);
    EXPECT_EQ(spec.sampled().count(), 24u);
    EXPECT_EQ(spec.sampled().sample_seed(), 7u);
  }
  EXPECT_THAT(Rows(Run({"submit", "--suite", "vit6", "--count", "24", "--format", "json"}).out), SizeIs(6));
}

TEST_F(CliTest, SubmitCanWatch) {
  SetJob(pb::JOB_STATE_DONE_WITH_FAILURES, 23, 1);
  const Output output = Run({"submit", "--space", "nasbench201", "--task", "photos", "--count", "24", "--watch"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.out, StartsWith("job 3"));
  EXPECT_THAT(output.err, HasSubstr("job 3 done: 23 of 24, 1 failed (see: zcbench failures 3)"));
}

// ---- watch.

TEST_F(CliTest, WatchEndsWithTheJob) {
  const std::pair<pb::JobState, int> cases[] = {
      {pb::JOB_STATE_DONE, 0}, {pb::JOB_STATE_DONE_WITH_FAILURES, 1}, {pb::JOB_STATE_CANCELLED, 75}};
  for (const auto& [state, code] : cases) {
    SetJob(pb::JOB_STATE_RUNNING, 5);
    int calls = 0;
    const auto get = server_.get_job;
    server_.get_job = [&, end = state](const pb::GetJobRequest& request, pb::GetJobResponse& response) {
      EXPECT_EQ(request.id(), calls == 0 ? 0 : 3);
      if (++calls == 2) job_.set_state(end);
      return get(request, response);
    };
    const Output output = Run({"watch", "last"});
    EXPECT_EQ(output.code, code) << output.err;
    EXPECT_THAT(output.err, AllOf(HasSubstr("job 3  5/24 (20 %)"), HasSubstr("1 worker"), HasSubstr("crash 2")));
    EXPECT_THAT(output.err, Not(HasSubstr("\x1b")));
    EXPECT_THAT(output.out, IsEmpty());
  }
}

TEST_F(CliTest, WatchOnceIsOneLineOfData) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  const Output output = Run({"watch", "3", "--once"});
  EXPECT_EQ(output.code, 0);
  EXPECT_THAT(output.out, AllOf(StartsWith("job 3  5/24"), MatchesRegex("[^\n]*\n")));
  EXPECT_THAT(output.err, IsEmpty());
}

TEST_F(CliTest, CtrlCOnlyLeavesTheView) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  Child child = Start({"watch", "--server", server_.address()});
  ASSERT_TRUE(child.WaitFor("5/24")) << child.err();
  child.Signal(SIGINT);
  const Output output = child.Wait();
  EXPECT_EQ(output.code, 75);
  EXPECT_THAT(output.err, HasSubstr("the job goes on; see it again with `zcbench watch 3`"));
}

TEST_F(CliTest, WatchSurvivesARestartOfTheServer) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  Child child = Start({"watch", "--server", server_.address()});
  ASSERT_TRUE(child.WaitFor("5/24")) << child.err();
  server_.Stop();
  ASSERT_TRUE(child.WaitFor("does not answer any more; trying again for 1 min 00 s")) << child.err();
  job_.set_state(pb::JOB_STATE_DONE);
  job_.set_done(24);
  server_.StartAgain();
  const Output output = child.Wait();
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.err, HasSubstr("the server answers again\njob 3 done: 24 of 24"));
}

TEST_F(CliTest, WatchGivesUpOnALostServer) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  Child child = Start({"watch", "--patience", "0", "--server", server_.address()});
  ASSERT_TRUE(child.WaitFor("5/24")) << child.err();
  server_.Stop();
  const Output output = child.Wait();
  EXPECT_EQ(output.code, 75);
  EXPECT_THAT(output.err, HasSubstr("the server is lost"));
}

TEST_F(CliTest, OnATerminalProgressIsOneLineThatIsRedrawn) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  int calls = 0;
  const auto get = server_.get_job;
  server_.get_job = [&](const pb::GetJobRequest& request, pb::GetJobResponse& response) {
    job_.set_done(5 + calls);
    if (++calls == 4) job_.set_state(pb::JOB_STATE_DONE);
    return get(request, response);
  };
  winsize size = {.ws_row = 24, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const std::string address = server_.address();
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, &size);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    alarm(60);
    execl(ZCB_PROGRAM, "zcbench", "watch", "--server", address.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(terminal, buffer, sizeof(buffer))) > 0;) text.append(buffer, got);
  close(terminal);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << text;
  EXPECT_THAT(text, AllOf(HasSubstr("\r\x1b[Kjob 3  5/24"), HasSubstr("\r\x1b[Kjob 3  6/24"),
                          HasSubstr("job 3 done: 8 of 24\r\n")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

// ---- scores, correlate.

class ScoresTest : public CliTest {
 protected:
  void SetUp() override {
    SetJob(pb::JOB_STATE_DONE, 24);
    server_.stream_scores = [this](const pb::StreamScoresRequest& request,
                                   std::vector<pb::StreamScoresResponse>& chunks) {
      filter_ = request.filter();
      chunks.resize(3);
      for (const auto& [id, text] : {std::pair(11, "3_33_133"), std::pair(12, "0_00_001")}) {
        chunks[0].mutable_architectures()->add_ids(id);
        chunks[0].mutable_architectures()->add_architectures(text);
      }
      Fill(chunks[1], 1, "params", {344346, 73306}, pb::SCORE_OUTCOME_OK);
      Fill(chunks[2], 2, "lswag(micro_batches=16, window=p30-p60)", {0.1, 0}, pb::SCORE_OUTCOME_NOT_FINITE);
      chunks[2].mutable_column()->mutable_series()->set_seed(0);
      return grpc::Status();
    };
  }

  static void Fill(pb::StreamScoresResponse& chunk, uint64_t id, const std::string& proxy,
                   std::pair<double, double> scores, pb::ScoreOutcome second) {
    pb::ColumnChunk& column = *chunk.mutable_column();
    column.mutable_series()->set_id(id);
    column.mutable_series()->set_proxy(proxy);
    column.set_series_id(id);
    for (const uint64_t architecture : {11, 12}) column.add_architectures(architecture);
    column.add_scores(scores.first);
    column.add_scores(scores.second);
    column.add_outcomes(pb::SCORE_OUTCOME_OK);
    column.add_outcomes(second);
  }

  pb::ScoreFilter filter_;
};

TEST_F(ScoresTest, AreATableOfTheNewestJobByDefault) {
  const Output output = Run({"scores"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_EQ(output.out,
            "architecture  params  lswag(micro_batches=16, window=p30-p60)\n"
            "3_33_133      344346                                      0.1\n"
            "0_00_001       73306                               not_finite\n");
  EXPECT_EQ(filter_.job(), 3);
}

TEST_F(ScoresTest, AreCsvAndJson) {
  EXPECT_EQ(Run({"scores", "3", "--format", "csv"}).out,
            "architecture,params,\"lswag(micro_batches=16, window=p30-p60)\"\r\n"
            "3_33_133,344346,0.1\r\n"
            "0_00_001,73306,not_finite\r\n");
  const std::vector<nlohmann::json> rows = Rows(Run({"scores", "--job", "3", "--format", "json"}).out);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0]["params"], 344346);
  EXPECT_TRUE(rows[1]["lswag(micro_batches=16, window=p30-p60)"].is_null());
  EXPECT_EQ(rows[1]["outcomes"]["lswag(micro_batches=16, window=p30-p60)"], "not_finite");
}

TEST_F(ScoresTest, TakeAFilterInsteadOfAJob) {
  EXPECT_EQ(Run({"scores", "--space", "nb201", "--task", "photos", "--proxies", "params,zico", "--seeds", "0..1",
                 "--numerics", "cpu"})
                .code,
            0);
  EXPECT_EQ(filter_.job(), 0);
  EXPECT_EQ(filter_.space(), "nasbench201");
  EXPECT_EQ(filter_.task(), "photos");
  EXPECT_THAT(filter_.proxies(), ElementsAre("params", "zico"));
  EXPECT_THAT(filter_.seeds(), ElementsAre(0, 1));
  EXPECT_EQ(filter_.numerics(), "cpu");
  EXPECT_EQ(Run({"scores", "3", "--space", "nasbench201"}).code, 2);
}

TEST_F(ScoresTest, AnErrorInTheStreamIsAnError) {
  server_.stream_scores = [](const pb::StreamScoresRequest&, std::vector<pb::StreamScoresResponse>&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "zico has scores of two numerics classes; choose one with --numerics");
  };
  const Output output = Run({"scores"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_THAT(output.err, HasSubstr("choose one with --numerics"));
}

class CorrelateTest : public CliTest {
 protected:
  void SetUp() override {
    SetJob(pb::JOB_STATE_DONE, 24);
    server_.correlate = [this](const pb::CorrelateRequest& request, pb::CorrelateResponse& response) {
      request_ = request;
      const auto add = [&](const char* a, const char* b, double spearman) {
        pb::Correlation& entry = *response.add_correlations();
        entry.set_a(a);
        entry.set_b(b);
        entry.set_n(24);
        entry.set_left_out(1);
        entry.set_seeds(2);
        if (spearman == 0) return;
        entry.set_spearman(spearman);
        entry.set_spearman_low(spearman - 0.05);
        entry.set_spearman_high(spearman + 0.05);
        entry.set_kendall(spearman / 2);
      };
      if (request.against().empty()) {
        add("zico", "params", 0.875);
        add("zico", "snip", -0.5);
        add("params", "snip", 0);
      } else {
        add("zico", "accuracy", 0.5);
        add("snip", "accuracy", -0.75);
        add("params", "accuracy", 0.25);
        add("constant", "accuracy", 0);
      }
      return grpc::Status();
    };
  }

  pb::CorrelateRequest request_;
};

TEST_F(CorrelateTest, IsAMatrixWithTheParametersFirst) {
  const Output output = Run({"correlate"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_EQ(output.out,
            "   Spearman     1      2      3\n"
            "1  params       1   0.88      -\n"
            "2  zico      0.88      1  -0.50\n"
            "3  snip         -  -0.50      1\n");
  EXPECT_THAT(output.err, HasSubstr("n = 24 architectures in every pair"));
  EXPECT_EQ(request_.filter().job(), 3);
}

TEST_F(CorrelateTest, AgainstAccuracyIsAListByStrengthWithTheBaselineFirst) {
  const Output output = Run({"correlate", "3", "--against", "accuracy:nb201/test"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_EQ(request_.against(), "accuracy:nb201/test");
  EXPECT_EQ(output.out,
            "proxy               n  left out  Spearman     95 % interval  Kendall  seeds\n"
            "params (baseline)  24         1     0.250    [0.200, 0.300]    0.125      2\n"
            "snip               24         1    -0.750  [-0.800, -0.700]   -0.375      2\n"
            "zico               24         1     0.500    [0.450, 0.550]    0.250      2\n"
            "constant           24         1         -                 -        -      2\n");
}

TEST_F(CorrelateTest, CsvAndJsonListEveryPair) {
  EXPECT_THAT(Run({"correlate", "--format", "csv"}).out,
              AllOf(StartsWith("a,b,n,left_out,spearman,spearman_low,spearman_high,kendall,seeds\r\n"),
                    HasSubstr("\r\nparams,snip,24,1,,,,,2\r\n")));
  const std::vector<nlohmann::json> rows = Rows(Run({"correlate", "--format", "json"}).out);
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0]["spearman"], 0.875);
  EXPECT_TRUE(rows[2]["kendall"].is_null());
}

// ---- layers.

class LayersTest : public CliTest {
 protected:
  void SetUp() override {
    SetJob(pb::JOB_STATE_DONE, 24);
    server_.profile_layers = [this](const pb::ProfileLayersRequest& request, pb::ProfileLayersResponse& response) {
      filter_ = request.filter();
      for (const pb::LayerStatistic statistic :
           {pb::LAYER_STATISTIC_LOG_INVERSE_SIGMA, pb::LAYER_STATISTIC_LOG_SIGMA}) {
        const uint32_t spike = statistic == pb::LAYER_STATISTIC_LOG_SIGMA ? 10 : 3;
        pb::LayerProfile& profile = *response.add_profiles();
        profile.set_statistic(statistic);
        profile.set_window(spike == 3 ? "p30-p30" : "p100-p100");
        for (uint32_t b = 0; b <= 10; ++b) {
          pb::LayerProfileBin& bin = *profile.add_bins();
          bin.set_bin(b);
          if (b == 0) continue;
          bin.set_networks(b == 1 ? 1 : 24);
          bin.set_mean(b == spike ? 6.5 : 2);
          if (b > 1) bin.set_deviation(0.25);
          bin.set_in_window(b == spike);
        }
      }
      return grpc::Status();
    };
  }

  pb::ScoreFilter filter_;
};

TEST_F(LayersTest, IsATableWithTheProxyToAskFor) {
  const Output output = Run({"layers", "nb201", "photos", "--svg", "layers.svg"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.out,
              StartsWith("bin  networks  log_inverse_sigma  log_inverse_sigma_sd  log_sigma  log_sigma_sd  in_window\n"
                         "  0         0                  -                     -          -             -  no\n"
                         "  1         1                  2                     -          2             -  no\n"
                         "  2        24                  2                  0.25          2          0.25  no\n"
                         "  3        24                6.5                  0.25          2          0.25  yes\n"));
  EXPECT_THAT(output.out, testing::EndsWith("\n\nlswag(window=p30-p30)\n"));
  EXPECT_THAT(output.err, AllOf(HasSubstr("job 3 done"), HasSubstr("wrote layers.svg")));
  EXPECT_THAT(ReadFile(folder_.path() / "layers.svg"),
              IsOkAndHolds(HasSubstr("nasbench201 on photos: lswag(window=p30-p30)")));
  ASSERT_THAT(specs_, SizeIs(1));
  EXPECT_TRUE(specs_[0].layer_statistics());
  EXPECT_EQ(specs_[0].space(), "nasbench201");
  EXPECT_THAT(specs_[0].proxies(), IsEmpty());
  EXPECT_THAT(specs_[0].seeds(), ElementsAre(0));
  EXPECT_EQ(specs_[0].sampled().count(), 1000u);
  EXPECT_EQ(filter_.job(), 3);
}

TEST_F(LayersTest, AreForTheOtherStatisticAndForProgramsToo) {
  const Output output = Run({"layers", "autoformer_small", "photos", "--count", "100", "--sample-seed", "7", "--seeds",
                             "0..2", "--statistic", "sigma", "--numerics", "cpu", "--format", "json"});
  const std::vector<nlohmann::json> rows = Rows(output.out);
  ASSERT_THAT(rows, SizeIs(11));
  EXPECT_EQ(rows[3]["log_inverse_sigma"], 6.5);
  EXPECT_EQ(rows[3]["in_window"], false);
  EXPECT_EQ(rows[10]["in_window"], true);
  EXPECT_TRUE(rows[0]["log_sigma"].is_null());
  EXPECT_THAT(output.err, HasSubstr("lswag(window=p100-p100)"));
  EXPECT_EQ(specs_[0].sampled().count(), 100u);
  EXPECT_EQ(specs_[0].sampled().sample_seed(), 7u);
  EXPECT_THAT(specs_[0].seeds(), ElementsAre(0, 1, 2));
  EXPECT_EQ(filter_.numerics(), "cpu");
}

TEST_F(LayersTest, FailuresAndEmptyProfilesAreSaid) {
  SetJob(pb::JOB_STATE_DONE_WITH_FAILURES, 23, 1);
  Output output = Run({"layers", "nasbench201", "photos"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.out, HasSubstr("lswag(window=p30-p30)"));
  SetJob(pb::JOB_STATE_CANCELLED, 5);
  output = Run({"layers", "nasbench201", "photos"});
  EXPECT_EQ(output.code, 75);
  EXPECT_THAT(output.out, IsEmpty());
  SetJob(pb::JOB_STATE_DONE, 24);
  server_.profile_layers = [](const pb::ProfileLayersRequest&, pb::ProfileLayersResponse& response) {
    response.add_profiles()->set_statistic(pb::LAYER_STATISTIC_LOG_INVERSE_SIGMA);
    response.add_profiles()->set_statistic(pb::LAYER_STATISTIC_LOG_SIGMA);
    return grpc::Status();
  };
  output = Run({"layers", "nasbench201", "photos", "--svg", "none.svg"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.err, HasSubstr("there is no window"));
  EXPECT_EQ(Run({"layers", "nasbench201", "photos", "--statistic", "mean"}).code, 2);
  EXPECT_EQ(Run({"layers", "nasbench20", "photos"}).code, 2);
}

TEST_F(CliTest, SubmitAsksForLayerStatistics) {
  SetJob(pb::JOB_STATE_RUNNING, 0);
  const std::vector<std::string> submit = {"submit", "--space", "nb201", "--task",
                                           "photos", "--count", "24",    "--layer-statistics"};
  EXPECT_EQ(Run(submit).code, 0);
  ASSERT_THAT(specs_, SizeIs(1));
  EXPECT_TRUE(specs_[0].layer_statistics());
  EXPECT_THAT(specs_[0].proxies(), IsEmpty());
  std::vector<std::string> both = submit;
  both.insert(both.end(), {"--proxies", "zico"});
  EXPECT_EQ(Run(both).code, 2);
}

// ---- list.

TEST_F(CliTest, SpacesAndTasksNeedNoServer) {
  EXPECT_THAT(RunWithoutServer({"list", "spaces"}).out,
              AllOf(HasSubstr("nasbench201"), HasSubstr("15625"), HasSubstr("autoformer_base")));
  const std::vector<nlohmann::json> tasks = Rows(RunWithoutServer({"list", "tasks", "--format", "json"}).out);
  const auto photos =
      std::find_if(tasks.begin(), tasks.end(), [](const auto& task) { return task["task"] == "photos"; });
  ASSERT_NE(photos, tasks.end());
  EXPECT_EQ((*photos)["shipped"], true);
}

TEST_F(CliTest, SuitesNeedNoServer) {
  EXPECT_THAT(RunWithoutServer({"list", "suites"}).out, AllOf(HasSubstr("paper          25"), HasSubstr("conv19")));
  const std::vector<nlohmann::json> cells =
      Rows(RunWithoutServer({"list", "suites", "--suite", "transnas14", "--format", "json"}).out);
  ASSERT_THAT(cells, SizeIs(14));
  EXPECT_EQ(cells[0]["space"], "transnas_micro");
  EXPECT_EQ(cells[0]["images"], 32);
}

TEST_F(CliTest, ProxiesAreThoseOfTheServer) {
  server_.describe = [](const pb::DescribeRequest&, pb::DescribeResponse& response) {
    pb::ProxyInfo& proxy = *response.add_proxies();
    proxy.set_name("zico");
    proxy.set_version("1.2");
    proxy.set_paper("Li et al., \"ZiCo\", ICLR 2023");
    proxy.set_larger_is_better(true);
    (*proxy.mutable_options())["parts"] = "8";
    return grpc::Status();
  };
  EXPECT_THAT(Run({"list", "proxies"}).out,
              AllOf(HasSubstr("zico   1.2      larger  no       parts=8"), Not(HasSubstr("ICLR"))));
  EXPECT_EQ(Rows(Run({"list", "proxies", "--format", "json"}).out).at(0)["paper"], "Li et al., \"ZiCo\", ICLR 2023");
}

TEST_F(CliTest, WithoutAServerProxiesAreThoseOfTheScorer) {
  const std::string program = (folder_.path() / "zcbench").string();
  std::filesystem::copy_file(ZCB_PROGRAM, program);
  const std::string scorer = folder_.Write(
      "zcbench-scorer",
      "#!/bin/sh\n[ \"$*\" = 'describe --format json' ] || exit 3\n"
      "echo '{\"proxies\": [{\"name\": \"zico\", \"version\": \"1.2\", \"variant\": true}], \"spaces\": []}'\n");
  std::filesystem::permissions(scorer, std::filesystem::perms::owner_all);
  const Output output =
      Child({program, "list", "proxies", "--format", "csv"}, {.folder = folder_.path(), .environment = {}, .input = ""})
          .Wait();
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.out, HasSubstr("zico,1.2,smaller,true,"));
  EXPECT_THAT(output.err, HasSubstr("of the scorer installed here"));

  folder_.Write("zcbench-scorer", "#!/bin/sh\nexit 3\n");
  std::filesystem::permissions(scorer, std::filesystem::perms::owner_all);
  const Output failed =
      Child({program, "list", "proxies"}, {.folder = folder_.path(), .environment = {}, .input = ""}).Wait();
  EXPECT_EQ(failed.code, 69);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("exit code 3"), HasSubstr("`zcbench up`")));
}

TEST_F(CliTest, JobsOfAllPagesAreListed) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  server_.list_jobs = [this](const pb::ListJobsRequest& request, pb::ListJobsResponse& response) {
    *response.add_jobs() = job_;
    if (request.page_token().empty()) response.set_next_page_token("more");
    return grpc::Status();
  };
  EXPECT_THAT(Rows(Run({"list", "jobs", "--format", "json"}).out), SizeIs(2));
  EXPECT_THAT(Run({"list", "jobs"}).out, HasSubstr("3  running  nasbench201  photos  images"));
  job_.mutable_spec()->set_input("noise");
  EXPECT_EQ(Rows(Run({"list", "jobs", "--format", "json"}).out).at(0)["input"], "noise");
}

TEST_F(CliTest, JobsOfASuiteAreListedInItsOrder) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  server_.list_jobs = [this](const pb::ListJobsRequest&, pb::ListJobsResponse& response) {
    const std::pair<const char*, const char*> cells[] = {{"darts", "cifar10"},
                                                         {"nasbench201", "photos"},
                                                         {"nasbench201", "cifar100"},
                                                         {"nasbench201", "cifar10"},
                                                         {"nasbench201", "cifar10"}};
    for (int i = 0; i < 5; ++i) {
      job_.set_id(9 - i);
      job_.mutable_spec()->set_space(cells[i].first);
      job_.mutable_spec()->set_task(cells[i].second);
      *response.add_jobs() = job_;
    }
    return grpc::Status();
  };
  const Output output = Run({"list", "jobs", "--suite", "conv19", "--format", "json"});
  std::vector<int> ids;
  for (const nlohmann::json& row : Rows(output.out)) ids.push_back(row["job"]);
  EXPECT_THAT(ids, ElementsAre(6, 5, 7, 9));
  EXPECT_THAT(output.err, HasSubstr("suite conv19: 20 of 96 in 4 jobs"));
}

TEST_F(CliTest, SeriesAreListed) {
  server_.list_series = [](const pb::ListSeriesRequest& request, pb::ListSeriesResponse& response) {
    EXPECT_EQ(request.filter().task(), "photos");
    pb::Series& series = *response.add_series();
    series.set_proxy("zico");
    series.set_seed(0);
    series.set_probe_batch(std::string(64, 'a'));
    series.set_finite(24);
    response.add_series()->set_proxy("params");
    return grpc::Status();
  };
  const std::vector<nlohmann::json> rows = Rows(Run({"list", "series", "--task", "photos", "--format", "json"}).out);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0]["seed"], 0);
  EXPECT_EQ(rows[0]["probe_batch"], std::string(64, 'a'));
  EXPECT_TRUE(rows[1]["seed"].is_null());
}

TEST_F(CliTest, AProbeBatchIsShownAsAPicture) {
  ProbeBatch batch = {.task = "photos",
                      .seed = 4,
                      .images = 2,
                      .height = 8,
                      .width = 8,
                      .mean = {},
                      .standard_deviation = {},
                      .source = std::string(64, '0'),
                      .pixels = std::string(2 * 3 * 64, '\x40'),
                      .labels = {0, 1}};
  batch.standard_deviation = {1, 1, 1};
  const std::string encoded = EncodeProbeBatch(batch);
  const std::string digest = Sha256Hex(encoded);
  server_.list_probe_batches = [&](const pb::ListProbeBatchesRequest&, pb::ListProbeBatchesResponse& response) {
    for (const uint64_t seed : {4, 5}) {
      pb::ProbeBatchInfo& info = *response.add_probe_batches();
      info.mutable_key()->set_task("photos");
      info.mutable_key()->set_height(8);
      info.mutable_key()->set_width(8);
      info.mutable_key()->set_images(2);
      info.mutable_key()->set_seed(seed);
      info.set_digest(seed == 4 ? digest : std::string(64, 'f'));
      info.set_bytes(encoded.size());
    }
    return grpc::Status();
  };
  server_.fetch_probe_batch = [&](const pb::FetchProbeBatchRequest& request,
                                  std::vector<pb::FetchProbeBatchResponse>& pieces) {
    EXPECT_EQ(request.digest(), digest);
    pieces.resize(2);
    pieces[0].set_content(encoded.substr(0, 10));
    pieces[1].set_content(encoded.substr(10));
    return grpc::Status();
  };
  EXPECT_THAT(Run({"list", "probe-batches"}).out, AllOf(HasSubstr("photos/8x8/2/4"), HasSubstr(digest)));
  for (const std::string& name : {std::string("photos/8x8/2/4"), digest.substr(0, 8)}) {
    const Output output = Run({"list", "probe-batches", name, "--png", "sheet.png"});
    EXPECT_EQ(output.code, 0) << output.err;
    const absl::StatusOr<std::string> picture = ReadFile(folder_.path() / "sheet.png");
    ASSERT_THAT(picture, IsOk());
    EXPECT_THAT(*picture, StartsWith("\x89PNG"));
  }
  EXPECT_THAT(Run({"list", "probe-batches", "photos/8x8/2/6", "--png", "x.png"}).err,
              HasSubstr("did you mean `photos/8x8/2/4`?"));
  EXPECT_THAT(Run({"list", "probe-batches", "--png", "x.png"}).err, HasSubstr("there are 2"));
  server_.fetch_probe_batch = [&](const pb::FetchProbeBatchRequest&, std::vector<pb::FetchProbeBatchResponse>& pieces) {
    pieces.resize(1);
    pieces[0].set_content(encoded.substr(1));
    return grpc::Status();
  };
  const Output damaged = Run({"list", "probe-batches", digest, "--png", "x.png"});
  EXPECT_EQ(damaged.code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("arrived as"));
}

// ---- import.

TEST_F(CliTest, ImportImagesMakesABatchOfEverySizeAndSeed) {
  std::vector<std::string> keys;
  server_.create_probe_batch = [&](const std::vector<pb::CreateProbeBatchRequest>& request,
                                   pb::CreateProbeBatchResponse& response) {
    std::string bytes;
    for (const auto& piece : request) bytes += piece.content();
    const absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(bytes);
    EXPECT_THAT(batch, IsOk());
    keys.push_back(std::to_string(batch->height) + "/" + std::to_string(batch->seed));
    response.mutable_key()->set_task("photos");
    return grpc::Status();
  };
  const Output output = Run({"import", "images", "photos", "--seeds", "0..1", "--images", "2"});
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(keys, testing::UnorderedElementsAre("32/0", "32/1", "224/0", "224/1", "256/0", "256/1"));
  EXPECT_THAT(output.err, HasSubstr("was there already"));
  keys.clear();
  EXPECT_EQ(Run({"import", "images", "photos", "--spaces", "nasbench201", "--images", "2"}).code, 0);
  EXPECT_THAT(keys, ElementsAre("32/0"));
}

TEST_F(CliTest, ImportImagesNamesTheWrongFile) {
  const std::string file = folder_.Write("data.bin", std::string(3073 + 100, '\1'));
  const Output output = Run({"import", "images", "cifar10", "--from", file});
  EXPECT_EQ(output.code, 2);
  EXPECT_THAT(output.err, HasSubstr("data.bin"));
}

TEST_F(CliTest, ImportAccuraciesSendsPagesWithTheSourceOfTheFile) {
  std::string text = "architecture,accuracy\n";
  for (int i = 0; i < 15625; ++i) text += "#" + std::to_string(i) + "," + std::to_string(i % 100) + ".5\n";
  const std::string file = folder_.Write("truth.csv", text);
  std::vector<pb::ImportAccuraciesRequest> requests;
  server_.import_accuracies = [&](const pb::ImportAccuraciesRequest& request, pb::ImportAccuraciesResponse& response) {
    requests.push_back(request);
    response.set_added(request.rows_size() - 1);
    response.set_unchanged(1);
    return grpc::Status();
  };
  const Output output =
      Run({"import", "accuracies", file, "--space", "nb201", "--task", "cifar10", "--licence", "MIT"});
  EXPECT_EQ(output.code, 0) << output.err;
  int rows = 0;
  for (const auto& request : requests) {
    EXPECT_LE(request.rows_size(), 10000);
    EXPECT_LT(request.ByteSizeLong(), size_t{256} << 10);
    EXPECT_EQ(request.digest(), Sha256Hex(text));
    rows += request.rows_size();
  }
  EXPECT_EQ(rows, 15625);
  EXPECT_EQ(requests[0].space(), "nasbench201");
  EXPECT_EQ(requests[0].source(), "truth.csv");
  EXPECT_EQ(requests[0].metric(), "test");
  EXPECT_EQ(requests[0].licence(), "MIT");
  EXPECT_EQ(requests[0].rows(1).accuracy(), 1.5);
  EXPECT_THAT(output.out, StartsWith("added " + std::to_string(15625 - requests.size()) + ", unchanged " +
                                     std::to_string(requests.size())));
}

TEST_F(CliTest, ImportAccuraciesSendsNothingOfAWrongFile) {
  server_.import_accuracies = [](const pb::ImportAccuraciesRequest&, pb::ImportAccuraciesResponse&) {
    ADD_FAILURE() << "rows were sent";
    return grpc::Status();
  };
  const std::string file = folder_.Write("truth.csv", "architecture,accuracy\n3_33_133,93\n3_33_13,93\n");
  const Output output = Run({"import", "accuracies", file, "--space", "nasbench201", "--task", "cifar10"});
  EXPECT_EQ(output.code, 2);
  EXPECT_THAT(output.err, HasSubstr("truth.csv:3: "));
}

// ---- failures, cancel, workers, drain.

TEST_F(CliTest, FailuresOfTheNewestJobAreListed) {
  SetJob(pb::JOB_STATE_DONE_WITH_FAILURES, 23, 1);
  EXPECT_THAT(Run({"failures"}).out, AllOf(HasSubstr("crash"), HasSubstr("3_33_133"), HasSubstr("signal 11")));
  EXPECT_EQ(Rows(Run({"failures", "3", "--format", "json"}).out).at(0)["for_good"], 1);
}

TEST_F(CliTest, CancelNamesTheNewestJobBeforeItCancels) {
  SetJob(pb::JOB_STATE_CANCELLED, 5);
  server_.control_job = [this](const pb::ControlJobRequest& request, pb::ControlJobResponse& response) {
    EXPECT_EQ(request.id(), 3);
    EXPECT_EQ(request.order(), pb::JOB_ORDER_CANCEL);
    *response.mutable_job() = job_;
    return grpc::Status();
  };
  const Output output = Run({"cancel", "last"});
  EXPECT_EQ(output.code, 0);
  EXPECT_THAT(output.err, HasSubstr("job 3 cancelled: 5 of 24"));
  EXPECT_EQ(Run({"cancel"}).code, 2);
}

TEST_F(CliTest, WorkersAreListed) {
  SetJob(pb::JOB_STATE_RUNNING, 5);
  EXPECT_THAT(Run({"workers"}).out, HasSubstr("gpu-3   busy"));
  const nlohmann::json row = Rows(Run({"workers", "--format", "json"}).out).at(0);
  EXPECT_EQ(row["leases"], 2);
  EXPECT_TRUE(row["seconds_per_architecture"].is_null());
}

TEST_F(CliTest, WorkersShowTheirLeaseTheirMachineAndWhenTheyWereHeardOf) {
  server_.list_workers = [](const pb::ListWorkersRequest&, pb::ListWorkersResponse& response) {
    pb::Worker& worker = *response.add_workers();
    worker.set_name("gpu-3");
    worker.set_state(pb::WORKER_STATE_BUSY);
    worker.set_memory_bytes(uint64_t{80} << 30);
    worker.set_rate(2.5);
    worker.mutable_execution()->set_device("cuda:0 NVIDIA H100");
    worker.mutable_execution()->set_numerics("cuda-sm90");
    worker.mutable_execution()->set_zcbench_version("0.1.0");
    const int64_t now = absl::ToUnixSeconds(absl::Now());
    worker.mutable_last_seen()->set_seconds(now);
    worker.mutable_available_until()->set_seconds(now + 2 * 3600 + 30);
    pb::WorkerLease& lease = *worker.add_held();
    lease.set_unit(17);
    lease.set_attempt(2);
    lease.set_job(4);
    lease.mutable_since()->set_seconds(now - 125);
    return grpc::Status();
  };
  EXPECT_THAT(Run({"workers"}).out,
              AllOf(HasSubstr("80.0 GiB"), HasSubstr("17/2"), HasSubstr("2 min 0"), HasSubstr("2.5/s"),
                    HasSubstr("2 h 00 min"), HasSubstr(" ago"), HasSubstr("0.1.0"), HasSubstr("cuda-sm90")));
  const nlohmann::json row = Rows(Run({"workers", "--format", "json"}).out).at(0);
  EXPECT_EQ(row["unit"], 17);
  EXPECT_EQ(row["attempt"], 2);
  EXPECT_EQ(row["job"], 4);
  EXPECT_EQ(row["rate"], 2.5);
  EXPECT_EQ(row["memory_bytes"], uint64_t{80} << 30);
}

TEST_F(CliTest, WatchInJsonIsALineOfStandardOutputThatEndsWithTheJob) {
  SetJob(pb::JOB_STATE_DONE_WITH_FAILURES, 23, 1);
  const Output output = Run({"watch", "3", "--format", "json"});
  EXPECT_EQ(output.code, 1);
  const nlohmann::json line = nlohmann::json::parse(output.out);
  EXPECT_EQ(line["state"], "done_with_failures");
  EXPECT_EQ(line["done"], 23);
  EXPECT_EQ(line["failures"]["crash"], 2);
  SetJob(pb::JOB_STATE_RUNNING, 5);
  EXPECT_EQ(nlohmann::json::parse(Run({"watch", "3", "--once", "--format", "json"}).out)["done"], 5);
}

TEST_F(CliTest, DrainNamesTheWorker) {
  server_.drain_worker = [](const pb::DrainWorkerRequest& request, pb::DrainWorkerResponse&) {
    EXPECT_EQ(request.worker(), "gpu-3");
    return grpc::Status();
  };
  EXPECT_EQ(Run({"drain", "gpu-3"}).code, 0);
}

}  // namespace
}  // namespace zcbench
