// layers: where in their depth the networks of a space have a spike of steady gradients, which is L-SWAG's window.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/layer_plot.h"
#include "nas/task.h"

namespace zcbench {
namespace {

constexpr double kPatience = 60;  // seconds, as `watch`

TableCell Mean(const pb::LayerProfileBin& bin) { return bin.has_mean() ? TableCell(bin.mean()) : TableCell(); }
TableCell Deviation(const pb::LayerProfileBin& bin) {
  return bin.has_deviation() ? TableCell(bin.deviation()) : TableCell();
}

class Layers final : public Command {
 public:
  std::string name() const override { return "layers"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Finds the window of layers in which L-SWAG looks, for a space and a task",
        "For a sample of networks at initialisation it has each layer's deviation sigma of |gradient| over "
        "micro-batches computed\n"
        "(`zcbench submit --layer-statistics`; what is stored is not computed again), averages by the layers' depth, "
        "and\n"
        "takes the spike as the window. No accuracy enters. Bins are tenths of the depth, the last layer is bin 10; "
        "means and\n"
        "standard deviations are over networks. The last line is the proxy to ask for. Of a published file it shows "
        "all networks that\n"
        "have these statistics, and computes nothing.");
    app.add_option("space", space_, "Search space (see: zcbench list spaces)")->required();
    app.add_option("task", task_, "Task (see: zcbench list tasks)")->required();
    app.add_option("--count", count_, "How many networks (default: 1000)");
    app.add_option("--sample-seed", sample_seed_, "Which networks are drawn (default: 0)");
    app.add_option("--seeds", seeds_, "0,1 or 0..4: weights and images, averaged for each network (default: 0)");
    app.add_option("--images", images_, "Images of the probe batch (default: the task's own number)");
    app.add_option(
           "--statistic", statistic_,
           "What the window and the plot are of: inverse_sigma, the log of the mean of 1 / sigma, or sigma, the "
           "log of the mean of sigma (default: inverse_sigma)")
        ->check(CLI::IsMember({"inverse_sigma", "sigma"}));
    app.add_option("--numerics", numerics_, "Only scores of this numerics class, where there are several");
    app.add_option("--svg", svg_, "Also draw the profile into this file");
    server_.DeclareReading(app);
    for (const char* const option : {"--count", "--sample-seed", "--images"})
      app.get_option(option)->excludes("--file");
    format_.Declare(app);
    SetExamples(app,
                "  zcbench layers nasbench201 photos\n"
                "  zcbench layers autoformer_small photos --count 100 --svg layers.svg\n"
                "  zcbench layers nasbench201 cifar10 --statistic sigma --format json\n"
                "  zcbench layers nasbench201 cifar10 --file benchmark.db --svg layers.svg");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const pb::JobSpec spec, Spec());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    if (server_.reads_file()) return RunOnFile(*client, spec);
    ZCB_ASSIGN_OR_RETURN(const pb::CreateJobResponse created, CreateJob(*client, spec));
    ZCB_ASSIGN_OR_RETURN(const int code, WatchJob(*client, created.job().id(), absl::Seconds(kPatience)));
    if (code == kExitStopped) return code;
    pb::ScoreFilter filter;
    filter.set_job(created.job().id());
    filter.set_numerics(numerics_);
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::LayerProfile> profiles, client->ProfileLayers(filter));
    ZCB_RETURN_IF_ERROR(Show(spec, profiles));
    return code;
  }

 private:
  absl::StatusOr<int> RunOnFile(Client& client, const pb::JobSpec& spec) const {
    pb::ScoreFilter filter;
    filter.set_space(spec.space());
    filter.set_task(spec.task());
    *filter.mutable_seeds() = spec.seeds();
    filter.set_numerics(numerics_);
    filter.set_source("computed");
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::LayerProfile> profiles, client.ProfileLayers(filter));
    ZCB_RETURN_IF_ERROR(Show(spec, profiles));
    return kExitDone;
  }

  absl::StatusOr<pb::JobSpec> Spec() const {
    ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(space_, task_, static_cast<int>(images_)));
    ZCB_ASSIGN_OR_RETURN(const std::vector<uint64_t> seeds, ParseSeeds(seeds_));
    pb::JobSpec spec;
    spec.set_space(cell.space);
    spec.set_task(cell.task);
    spec.set_layer_statistics(true);
    spec.mutable_seeds()->Assign(seeds.begin(), seeds.end());
    spec.mutable_sampled()->set_count(count_);
    spec.mutable_sampled()->set_sample_seed(sample_seed_);
    spec.set_images(images_);
    return spec;
  }

  absl::Status Show(const pb::JobSpec& spec, const std::vector<pb::LayerProfile>& profiles) const {
    const auto find = [&](pb::LayerStatistic statistic) -> absl::StatusOr<const pb::LayerProfile*> {
      for (const pb::LayerProfile& profile : profiles) {
        if (profile.statistic() == statistic) return &profile;
      }
      return absl::InternalError("the server's answer lacks a profile");
    };
    ZCB_ASSIGN_OR_RETURN(const pb::LayerProfile* const inverse, find(pb::LAYER_STATISTIC_LOG_INVERSE_SIGMA));
    ZCB_ASSIGN_OR_RETURN(const pb::LayerProfile* const sigma, find(pb::LAYER_STATISTIC_LOG_SIGMA));
    const pb::LayerProfile& chosen = statistic_ == "sigma" ? *sigma : *inverse;
    std::vector<std::vector<TableCell>> rows;
    for (int b = 0; b < chosen.bins_size() && b < inverse->bins_size() && b < sigma->bins_size(); ++b) {
      rows.push_back({uint64_t{chosen.bins(b).bin()}, chosen.bins(b).networks(), Mean(inverse->bins(b)),
                      Deviation(inverse->bins(b)), Mean(sigma->bins(b)), Deviation(sigma->bins(b)),
                      chosen.bins(b).in_window()});
    }
    PrintTable(std::cout, format_.format(),
               {{"bin", true},
                {"networks", true},
                {"log_inverse_sigma", true},
                {"log_inverse_sigma_sd", true},
                {"log_sigma", true},
                {"log_sigma_sd", true},
                {"in_window"}},
               rows);
    if (chosen.window().empty()) {
      return absl::FailedPreconditionError("no network has layers whose gradients vary, so there is no window");
    }
    const std::string proxy = absl::StrCat("lswag(window=", chosen.window(), ")");
    if (format_.format() == Format::kTable) {
      std::cout << '\n' << proxy << '\n';
    } else {
      Say(absl::StrCat("the window's proxy: ", proxy));
    }
    std::cout.flush();
    if (!svg_.empty()) {
      ZCB_RETURN_IF_ERROR(WriteFileAtomically(
          svg_, DrawLayerProfile(chosen, absl::StrCat(spec.space(), " on ", spec.task(), ": ", proxy))));
      Say(absl::StrCat("wrote ", svg_));
    }
    return absl::OkStatus();
  }

  ServerOption server_;
  FormatOption format_;
  std::string space_;
  std::string task_;
  uint64_t count_ = 1000;
  uint64_t sample_seed_ = 0;
  std::string seeds_ = "0";
  uint32_t images_ = 0;
  std::string statistic_ = "inverse_sigma";
  std::string numerics_;
  std::string svg_;
};

}  // namespace

std::unique_ptr<Command> MakeLayers() { return std::make_unique<Layers>(); }

}  // namespace zcbench
