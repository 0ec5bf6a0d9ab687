// submit: asks for scores.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/probe_batches.h"
#include "client/cli/progress.h"
#include "nas/data/noise.h"
#include "nas/data/probe_batch.h"
#include "nas/data/shipped.h"
#include "nas/space.h"
#include "nas/suite.h"
#include "nas/task.h"

namespace zcbench {
namespace {

// How long a fresh server may be without workers before `submit` gives up.
constexpr absl::Duration kWorkerTime = absl::Seconds(60);
constexpr absl::Duration kWorkerStep = absl::Milliseconds(500);
constexpr double kPatience = 60;  // seconds, as `watch`

// A fresh server gets time until its first worker has said what it can compute.
absl::StatusOr<pb::CreateJobResponse> Ask(Client& client, const pb::JobSpec& spec, bool validate_only) {
  const absl::Time give_up = absl::Now() + kWorkerTime;
  bool said = false;
  for (;;) {
    absl::StatusOr<pb::CreateJobResponse> response = client.CreateJob(spec, validate_only);
    if (!absl::IsUnavailable(response.status()) || !client.connected() || absl::Now() >= give_up) return response;
    if (!said) Say(absl::StrCat(response.status().message(), "; waiting for at most ", DurationText(kWorkerTime)));
    said = true;
    absl::SleepFor(kWorkerStep);
  }
}

// Whether the probe batches of a job need nothing from the user: noise, or the images of a shipped task.
bool CanMakeInput(const pb::JobSpec& spec) {
  const absl::StatusOr<const Task*> task = task_registry().Find(spec.task());
  return spec.input() == kNoise || (task.ok() && (*task)->shipped);
}

absl::Status MakeInput(Client& client, const pb::JobSpec& spec) {
  ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(spec.task()));
  ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(spec.space(), spec.task(), static_cast<int>(spec.images())));
  if (spec.input() != kNoise) {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<DataSet> data, OpenShippedDataSet(*task));
    return UploadProbeBatches(client, *data, *task, {cell}, {spec.seeds().begin(), spec.seeds().end()});
  }
  for (const uint64_t seed : spec.seeds()) {
    ZCB_RETURN_IF_ERROR(UploadProbeBatch(client, EncodeProbeBatch(MakeNoise(cell, seed))));
  }
  return absl::OkStatus();
}

class Submit final : public Command {
 public:
  std::string name() const override { return "submit"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Asks for the scores of architectures of a space on a task, or of every cell of a suite",
             "What is stored already is not computed again, and the same request is the same job. Architectures: "
             "--count draws them\n"
             "as the space's authors do, the first n of a larger count are the same; --by index takes a range of the "
             "space's index;\n"
             "or they are listed, in any notation of the benchmark. The images of a shipped task are uploaded on the "
             "way; those of\n"
             "others are imported first (see: zcbench import --help), or --input noise generates them. A suite is one "
             "job a cell, and no\n"
             "job at all while the input of a cell is missing.");
    app.add_option("--space", space_, "Search space (see: zcbench list spaces)");
    app.add_option("--task", task_, "Task (see: zcbench list tasks)");
    app.add_option("--suite", suite_, "Instead of --space and --task: a suite of cells (see: zcbench list suites)")
        ->excludes("--space")
        ->excludes("--task");
    app.add_option("--proxies", proxies_, "all, or a list: a,b(x=1) (see: zcbench list proxies; default: all)");
    app.add_flag("--layer-statistics", layer_statistics_,
                 "Instead of --proxies: what `zcbench layers` finds a window of layers from")
        ->excludes("--proxies");
    app.add_option("--count", count_, "How many architectures");
    app.add_option("--sample-seed,--seed", sample_seed_, "Which architectures are drawn (default: 0)");
    app.add_option("--by", by_, "How --count counts: sample or index (default: sample)")
        ->check(CLI::IsMember({"sample", "index"}));
    app.add_option("--first", first_, "With --by index: where to begin (default: 0)");
    app.add_option("--architectures", file_, "A file with one architecture a line; - reads standard input");
    app.add_option("architecture", listed_, "Architectures, in any notation of the space");
    app.add_option("--seeds", seeds_, "0,1 or 0..4: weights, images and draws of each score (default: 0)");
    app.add_option("--images", images_, "Images of the probe batch (default: the task's own number)");
    app.add_option("--input", input_,
                   "noise: generated probe batches, N(0, 1) images with random targets. Their scores are others than "
                   "those of images")
        ->check(CLI::IsMember({kNoise}));
    app.add_flag("--watch", watch_, "Follow the job until it ends, and exit as `zcbench watch` does");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app,
                "  zcbench submit --space nasbench201 --task photos --count 24 --watch\n"
                "  zcbench submit --space autoformer_tiny --task photos --proxies 'zico,lswag(micro_batches=16)' "
                "--count 12 --seeds 0..4\n"
                "  zcbench submit --space nasbench201 --task photos --by index --first 0 --count 1000\n"
                "  zcbench submit --space nasbench201 --task photos '#4711' "
                "'|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|'\n"
                "  zcbench submit --space nasbench201 --task photos --architectures best.txt\n"
                "  zcbench submit --space transnas_micro --task normal --input noise --count 100\n"
                "  zcbench submit --suite vit6 --count 1000 --seed 7 --seeds 0..4");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::JobSpec> specs, Specs());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    if (!suite_.empty()) ZCB_RETURN_IF_ERROR(Prepare(*client, specs));
    std::vector<pb::CreateJobResponse> responses;
    for (const pb::JobSpec& spec : specs) {
      absl::StatusOr<pb::CreateJobResponse> response = CreateJob(*client, spec);
      if (!response.ok()) return suite_.empty() ? response.status() : Annotate(response.status(), CellText(spec));
      responses.push_back(*std::move(response));
      if (format_.format() == Format::kTable) Print(responses.back());
    }
    if (format_.format() != Format::kTable) PrintRows(responses);
    if (!watch_) {
      Say(suite_.empty() ? absl::StrCat("follow it with `zcbench watch ", responses.front().job().id(), "`")
                         : absl::StrCat("follow them with `zcbench list jobs --suite ", suite_, "`"));
      return kExitDone;
    }
    int code = kExitDone;
    for (const pb::CreateJobResponse& response : responses) {
      ZCB_ASSIGN_OR_RETURN(const int ended, WatchJob(*client, response.job().id(), absl::Seconds(kPatience)));
      code = std::max(code, ended);
      if (ended == kExitStopped) break;
    }
    return code;
  }

 private:
  // One, or one a cell of the suite.
  absl::StatusOr<std::vector<pb::JobSpec>> Specs() const {
    std::vector<SuiteCell> cells = {{space_, task_, static_cast<int>(images_)}};
    if (!suite_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const Suite* const suite, suite_registry().Find(suite_));
      if (count_ == 0) return absl::InvalidArgumentError("--suite needs --count N: the architectures of each cell");
      cells = suite->cells;
    } else if (space_.empty() || task_.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(space_.empty() ? "--space" : "--task",
                                                     " is missing, or --suite instead of --space and --task; see "
                                                     "`zcbench submit --help`"));
    }
    std::vector<pb::JobSpec> specs;
    for (const SuiteCell& cell : cells) {
      ZCB_ASSIGN_OR_RETURN(specs.emplace_back(), Spec(cell));
    }
    return specs;
  }

  absl::StatusOr<pb::JobSpec> Spec(const SuiteCell& suite_cell) const {
    const int images = images_ > 0 ? static_cast<int>(images_) : suite_cell.images;
    ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(suite_cell.space, suite_cell.task, images));
    ZCB_ASSIGN_OR_RETURN(const std::vector<uint64_t> seeds, ParseSeeds(seeds_));
    pb::JobSpec spec;
    spec.set_space(cell.space);
    spec.set_task(cell.task);
    if (layer_statistics_) {
      spec.set_layer_statistics(true);
    } else {
      ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> proxies, ParseProxies(proxies_));
      spec.mutable_proxies()->Assign(proxies.begin(), proxies.end());
    }
    spec.mutable_seeds()->Assign(seeds.begin(), seeds.end());
    spec.set_images(static_cast<uint32_t>(images));
    spec.set_input(input_);
    ZCB_RETURN_IF_ERROR(SetArchitectures(spec));
    return spec;
  }

  static std::string CellText(const pb::JobSpec& spec) { return absl::StrCat(spec.space(), " on ", spec.task()); }

  // Checks every job of a suite before the first is created, and names everything that has to be imported at once.
  absl::Status Prepare(Client& client, const std::vector<pb::JobSpec>& specs) const {
    std::vector<std::string> missing;  // each once; cells share probe batches
    size_t cells = 0;
    for (const pb::JobSpec& spec : specs) {
      const absl::Status status = Ask(client, spec, /*validate_only=*/true).status();
      if (status.ok() || (absl::IsFailedPrecondition(status) && CanMakeInput(spec))) continue;
      if (!absl::IsFailedPrecondition(status)) return Annotate(status, CellText(spec));
      ++cells;
      const std::string message(status.message());
      if (std::find(missing.begin(), missing.end(), message) == missing.end()) missing.push_back(message);
    }
    if (missing.empty()) return absl::OkStatus();
    for (const std::string& message : missing) Say(message);
    return absl::FailedPreconditionError(absl::StrCat("no job was created: ", cells, " of the ", specs.size(),
                                                      " cells of suite ", suite_, " lack the probe batches above"));
  }

  absl::Status SetArchitectures(pb::JobSpec& spec) const {
    const int ways = (count_ > 0 ? 1 : 0) + (file_.empty() ? 0 : 1) + (listed_.empty() ? 0 : 1);
    if (ways != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(ways == 0 ? "no architectures: " : "several kinds of architectures: ",
                       "give --count N, or --architectures FILE, or list them; see `zcbench submit --help`"));
    }
    if (first_ > 0 && by_ != "index") return absl::InvalidArgumentError("--first needs --by index");
    if (count_ > 0 && by_ == "index") {
      spec.mutable_indexed()->set_first(first_);
      spec.mutable_indexed()->set_count(count_);
      return absl::OkStatus();
    }
    if (count_ > 0) {
      spec.mutable_sampled()->set_count(count_);
      spec.mutable_sampled()->set_sample_seed(sample_seed_);
      return absl::OkStatus();
    }
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(spec.space()));
    std::vector<std::string> architectures;
    if (file_ == "-") {
      ZCB_ASSIGN_OR_RETURN(architectures, ReadArchitectures(*space->space, std::cin, "standard input"));
    } else if (!file_.empty()) {
      std::ifstream in(file_);
      if (!in) return absl::InvalidArgumentError(absl::StrCat("--architectures: ", file_, " cannot be read"));
      ZCB_ASSIGN_OR_RETURN(architectures, ReadArchitectures(*space->space, in, file_));
    } else {
      std::istringstream in(absl::StrJoin(listed_, "\n"));
      ZCB_ASSIGN_OR_RETURN(architectures, ReadArchitectures(*space->space, in, "architecture"));
    }
    spec.mutable_listed()->mutable_architectures()->Assign(architectures.begin(), architectures.end());
    return absl::OkStatus();
  }

  static void Print(const pb::CreateJobResponse& response) {
    const pb::Job& job = response.job();
    const size_t seeds = job.spec().seeds_size();
    const size_t proxies = job.spec().proxies_size();
    std::cout << "job " << job.id() << (response.created() ? " (new): " : " (was there already): ") << job.total()
              << (job.total() == 1 ? " architecture" : " architectures") << " of " << job.spec().space() << " on "
              << job.spec().task() << (job.spec().input().empty() ? "" : " with ") << job.spec().input() << ", "
              << seeds << (seeds == 1 ? " seed, " : " seeds, ") << proxies << (proxies == 1 ? " proxy" : " proxies")
              << std::endl;
  }

  void PrintRows(const std::vector<pb::CreateJobResponse>& responses) const {
    std::vector<TableColumn> columns = JobColumns();
    columns.push_back({"is_new"});
    std::vector<std::vector<TableCell>> rows;
    for (const pb::CreateJobResponse& response : responses) {
      rows.push_back(JobRow(response.job()));
      rows.back().push_back(response.created());
    }
    PrintTable(std::cout, format_.format(), columns, rows);
    std::cout.flush();
  }

  ServerOption server_;
  FormatOption format_;
  std::string space_;
  std::string task_;
  std::string suite_;
  std::string proxies_ = "all";
  bool layer_statistics_ = false;
  uint64_t count_ = 0;
  uint64_t sample_seed_ = 0;
  std::string by_ = "sample";
  uint64_t first_ = 0;
  std::string file_;
  std::vector<std::string> listed_;
  std::string seeds_ = "0";
  uint32_t images_ = 0;
  std::string input_;
  bool watch_ = false;
};

}  // namespace

absl::StatusOr<pb::CreateJobResponse> CreateJob(Client& client, const pb::JobSpec& spec) {
  absl::StatusOr<pb::CreateJobResponse> response = Ask(client, spec, /*validate_only=*/false);
  if (!absl::IsFailedPrecondition(response.status()) || !CanMakeInput(spec)) return response;
  ZCB_RETURN_IF_ERROR(MakeInput(client, spec));
  return Ask(client, spec, /*validate_only=*/false);
}

std::unique_ptr<Command> MakeSubmit() { return std::make_unique<Submit>(); }

}  // namespace zcbench
