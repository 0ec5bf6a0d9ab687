// submit: asks for scores.
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
#include "nas/data/shipped.h"
#include "nas/space.h"
#include "nas/task.h"

namespace zcbench {
namespace {

// How long a fresh server may be without workers before `submit` gives up.
constexpr absl::Duration kWorkerTime = absl::Seconds(60);
constexpr absl::Duration kWorkerStep = absl::Milliseconds(500);
constexpr double kPatience = 60;  // seconds, as `watch`

class Submit final : public Command {
 public:
  std::string name() const override { return "submit"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Asks for the scores of architectures of a space on a task",
             "What is stored already is not computed again, and the same request is the same job. Architectures: "
             "--count draws them\n"
             "as the space's authors do, the first n of a larger count are the same; --by index takes a range of the "
             "space's index;\n"
             "or they are listed, in any notation of the benchmark. The images of a shipped task are uploaded on the "
             "way; those of\n"
             "others are imported first (see: zcbench import images --help).");
    app.add_option("--space", space_, "Search space (see: zcbench list spaces)")->required();
    app.add_option("--task", task_, "Task (see: zcbench list tasks)")->required();
    app.add_option("--proxies", proxies_, "all, or a list: a,b(x=1) (see: zcbench list proxies; default: all)");
    app.add_flag("--layer-statistics", layer_statistics_,
                 "Instead of --proxies: what `zcbench layers` finds a window of layers from")
        ->excludes("--proxies");
    app.add_option("--count", count_, "How many architectures");
    app.add_option("--sample-seed", sample_seed_, "Which architectures are drawn (default: 0)");
    app.add_option("--by", by_, "How --count counts: sample or index (default: sample)")
        ->check(CLI::IsMember({"sample", "index"}));
    app.add_option("--first", first_, "With --by index: where to begin (default: 0)");
    app.add_option("--architectures", file_, "A file with one architecture a line; - reads standard input");
    app.add_option("architecture", listed_, "Architectures, in any notation of the space");
    app.add_option("--seeds", seeds_, "0,1 or 0..4: weights, images and draws of each score (default: 0)");
    app.add_option("--images", images_, "Images of the probe batch (default: the task's own number)");
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
                "  zcbench submit --space nasbench201 --task photos --architectures best.txt");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const pb::JobSpec spec, Spec());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const pb::CreateJobResponse response, CreateJob(*client, spec));
    Print(response);
    if (!watch_) {
      Say(absl::StrCat("follow it with `zcbench watch ", response.job().id(), "`"));
      return kExitDone;
    }
    return WatchJob(*client, response.job().id(), absl::Seconds(kPatience));
  }

 private:
  absl::StatusOr<pb::JobSpec> Spec() const {
    ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(space_, task_, images_));
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
    spec.set_images(images_);
    ZCB_RETURN_IF_ERROR(SetArchitectures(spec));
    return spec;
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

  void Print(const pb::CreateJobResponse& response) const {
    const pb::Job& job = response.job();
    if (format_.format() == Format::kTable) {
      const size_t seeds = job.spec().seeds_size();
      const size_t proxies = job.spec().proxies_size();
      std::cout << "job " << job.id() << (response.created() ? " (new): " : " (was there already): ") << job.total()
                << (job.total() == 1 ? " architecture" : " architectures") << " of " << job.spec().space() << " on "
                << job.spec().task() << ", " << seeds << (seeds == 1 ? " seed, " : " seeds, ") << proxies
                << (proxies == 1 ? " proxy" : " proxies") << std::endl;
      return;
    }
    std::vector<TableColumn> columns = JobColumns();
    std::vector<TableCell> row = JobRow(job);
    columns.push_back({"is_new"});
    row.push_back(response.created());
    PrintTable(std::cout, format_.format(), columns, {row});
    std::cout.flush();
  }

  ServerOption server_;
  FormatOption format_;
  std::string space_;
  std::string task_;
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
  bool watch_ = false;
};

}  // namespace

absl::StatusOr<pb::CreateJobResponse> CreateJob(Client& client, const pb::JobSpec& spec) {
  const absl::Time give_up = absl::Now() + kWorkerTime;
  bool said = false;
  bool uploaded = false;
  for (;;) {
    absl::StatusOr<pb::CreateJobResponse> response = client.CreateJob(spec);
    if (absl::IsUnavailable(response.status()) && client.connected() && absl::Now() < give_up) {
      if (!said) Say(absl::StrCat(response.status().message(), "; waiting for at most ", DurationText(kWorkerTime)));
      said = true;
      absl::SleepFor(kWorkerStep);
      continue;
    }
    ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(spec.task()));
    if (absl::IsFailedPrecondition(response.status()) && task->shipped && !uploaded) {
      uploaded = true;
      ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(spec.space(), spec.task(), static_cast<int>(spec.images())));
      ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<DataSet> data, OpenShippedDataSet(*task));
      ZCB_RETURN_IF_ERROR(UploadProbeBatches(client, *data, *task, {cell}, {spec.seeds().begin(), spec.seeds().end()}));
      continue;
    }
    return response;
  }
}

std::unique_ptr<Command> MakeSubmit() { return std::make_unique<Submit>(); }

}  // namespace zcbench
