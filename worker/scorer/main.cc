// zcbench-scorer: the process that links LibTorch. `score` computes scores without any server, `describe` says what
// this build holds, `serve` is how an agent drives it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "nas/data/data_set.h"
#include "nas/data/make_probe_batch.h"
#include "nas/data/noise.h"
#include "nas/data/shipped.h"
#include "nas/proxy_text.h"
#include "nas/space.h"
#include "nas/task.h"
#include "worker/scorer/engine.h"
#include "worker/scorer/pages.h"
#ifdef ZCB_WITH_SERVICE
#include "worker/agent/serve.h"
#endif

namespace zcbench {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct ScoreArguments {
  std::string space;
  std::string task;
  uint64_t seed = 0;
  std::string proxies = "all";
  std::string images_folder;
  std::string probe_batch_file;
  std::string input;
  int batch = 0;
  std::string architectures_file;
  std::vector<std::string> architectures;
  std::string format = "table";
};

absl::StatusOr<ProbeBatch> GetProbeBatch(const ScoreArguments& arguments, const Task& task, const Cell& cell) {
  if (!arguments.probe_batch_file.empty()) {
    ZCB_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(arguments.probe_batch_file));
    auto batch = DecodeProbeBatch(bytes);
    if (!batch.ok()) return Annotate(batch.status(), arguments.probe_batch_file);
    return batch;
  }
  if (arguments.input == kNoise) return MakeNoise(cell, arguments.seed);
  std::unique_ptr<DataSet> data;
  if (!arguments.images_folder.empty()) {
    // The task's own files, or any folder of JPEGs; what is neither is a damaged data set.
    auto own = OpenDataSet(task, arguments.images_folder);
    if (!own.ok()) {
      auto any = OpenImages(task, arguments.images_folder);
      if (any.ok()) own = std::move(any);
    }
    ZCB_ASSIGN_OR_RETURN(data, std::move(own));
  } else if (task.shipped) {
    ZCB_ASSIGN_OR_RETURN(data, OpenShippedDataSet(task));
  } else {
    return absl::InvalidArgumentError(absl::StrCat("the images of task ", task.name,
                                                   " do not come with zcbench: give --images FOLDER, "
                                                   "--probe-batch FILE, or --input noise for generated ones"));
  }
  return MakeProbeBatch(*data, task, cell, arguments.seed);
}

// Those of the command line, then those of the file.
absl::StatusOr<std::vector<std::string>> Architectures(const ScoreArguments& arguments, const Space& space) {
  std::istringstream texts(absl::StrJoin(arguments.architectures, "\n"));
  std::vector<std::string> architectures;
  if (!arguments.architectures.empty() || arguments.architectures_file.empty()) {
    ZCB_ASSIGN_OR_RETURN(architectures, ReadArchitectures(space, texts, "architecture"));
  }
  if (arguments.architectures_file.empty()) return architectures;
  ZCB_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(arguments.architectures_file));
  std::istringstream lines(bytes);
  ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> listed,
                       ReadArchitectures(space, lines, arguments.architectures_file));
  architectures.insert(architectures.end(), listed.begin(), listed.end());
  return architectures;
}

absl::StatusOr<std::vector<std::string>> ProxyTexts(const std::string& list, const ScorerDescription& description) {
  std::vector<std::string> texts;
  if (list == "all") {
    for (const ProxyDescription& proxy : description.proxies) {
      if (!proxy.variant) texts.push_back(proxy.name);
    }
    return texts;
  }
  ZCB_ASSIGN_OR_RETURN(const std::vector<ProxyText> parsed, ParseProxyList(list));
  std::vector<std::string> known;
  for (const ProxyDescription& proxy : description.proxies) known.push_back(proxy.name);
  for (const ProxyText& proxy : parsed) {
    if (std::find(known.begin(), known.end(), proxy.name) == known.end())
      return UnknownName("proxy", proxy.name, known);
    texts.push_back(PrintProxyText(proxy));
  }
  return texts;
}

// Whether one of the proxies (texts of ProxyTexts) looks at images or labels.
bool ReadImages(const std::vector<std::string>& proxies, const ScorerDescription& description) {
  return std::any_of(description.proxies.begin(), description.proxies.end(), [&](const ProxyDescription& held) {
    return (held.reads_images || held.reads_labels) &&
           std::any_of(proxies.begin(), proxies.end(),
                       [&](const std::string& text) { return text.substr(0, text.find('(')) == held.name; });
  });
}

std::string_view Word(ScoreOutcome outcome) {
  return outcome == ScoreOutcome::kOk ? "ok" : outcome == ScoreOutcome::kNotFinite ? "not_finite" : "undefined";
}

class Printer {
 public:
  Printer(std::string format, uint64_t seed) : format_(std::move(format)), seed_(seed) {
    if (format_ == "csv") std::cout << "architecture,seed,proxy,outcome,score,seconds\r\n";
    if (format_ == "table") std::cout << absl::StrFormat("%-28s %22s %10s\n", "proxy", "score", "seconds");
  }

  void Print(const std::string& architecture, const std::vector<std::string>& proxies,
             const std::vector<ScoredProxy>& scores) {
    if (format_ == "table") std::cout << architecture << "\n";
    for (size_t i = 0; i < proxies.size(); ++i) {
      const ScoredProxy& score = scores[i];
      const bool ok = score.outcome == ScoreOutcome::kOk;
      if (format_ == "table") {
        std::cout << absl::StrFormat("  %-26s %22s %10.3f%s\n", proxies[i],
                                     ok ? absl::StrFormat("%.10g", score.score) : std::string(Word(score.outcome)),
                                     score.seconds, ok ? "" : "   " + score.reason);
      } else if (format_ == "csv") {
        std::cout << architecture << "," << seed_ << ",\"" << proxies[i] << "\"," << Word(score.outcome) << ","
                  << (ok ? absl::StrFormat("%.17g", score.score) : "") << "," << absl::StrFormat("%.6f", score.seconds)
                  << "\r\n";
      } else {
        nlohmann::ordered_json row = {
            {"architecture", architecture}, {"seed", seed_}, {"proxy", proxies[i]}, {"outcome", Word(score.outcome)}};
        row["score"] = ok ? nlohmann::ordered_json(score.score) : nlohmann::ordered_json(nullptr);
        row["seconds"] = score.seconds;
        if (!ok) row["reason"] = score.reason;
        rows_.push_back(std::move(row));
      }
    }
    std::cout.flush();
  }

  void Finish() {
    if (format_ == "json") std::cout << rows_.dump(2) << "\n";
  }

 private:
  std::string format_;
  uint64_t seed_;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

absl::Status Score(const ScoreArguments& arguments, const EngineOptions& options) {
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(arguments.space));
  ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(arguments.task));
  ZCB_ASSIGN_OR_RETURN(Cell cell, FindCell(space->name, arguments.task, arguments.batch));
  ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> architectures, Architectures(arguments, *space->space));
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Create(options));
  const ScorerDescription description = engine->Describe();
  ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> proxies, ProxyTexts(arguments.proxies, description));

  std::optional<ProbeBatch> batch;
  if (ReadImages(proxies, description)) {
    ZCB_ASSIGN_OR_RETURN(batch, GetProbeBatch(arguments, *task, cell));
    if (!arguments.probe_batch_file.empty() && arguments.batch == 0) cell.images = batch->images;
  }
  Printer printer(arguments.format, arguments.seed);
  for (const std::string& architecture : architectures) {
    const ScoringRequest request{.cell = cell,
                                 .architecture = architecture,
                                 .seed = arguments.seed,
                                 .proxies = proxies,
                                 .probe_batch = "",
                                 .next_architecture = ""};
    const auto scores = engine->Score(request, batch ? &*batch : nullptr);
    if (!scores.ok()) return Annotate(scores.status(), architecture);
    printer.Print(architecture, proxies, *scores);
  }
  printer.Finish();
  return absl::OkStatus();
}

absl::Status Describe(const EngineOptions& options, const std::string& format) {
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Create(options));
  const ScorerDescription description = engine->Describe();
  if (format == "json") {
    nlohmann::ordered_json json = {{"zcbench_version", description.zcbench_version},
                                   {"commit", description.commit},
                                   {"device", description.device},
                                   {"numerics", description.numerics},
                                   {"devices", AvailableDevices()}};
    for (const SpaceDescription& space : description.spaces)
      json["spaces"].push_back({{"name", space.name}, {"version", space.version}});
    for (const ProxyDescription& proxy : description.proxies) {
      json["proxies"].push_back(
          {{"name", proxy.name},
           {"summary", proxy.summary},
           {"paper", proxy.paper},
           {"version", proxy.version},
           {"reads_weights", proxy.reads_weights},
           {"reads_images", proxy.reads_images},
           {"reads_labels", proxy.reads_labels},
           {"options", nlohmann::ordered_json(proxy.options.empty() ? nlohmann::ordered_json::object()
                                                                    : nlohmann::ordered_json(proxy.options))},
           {"tolerance", proxy.tolerance},
           {"larger_is_better", proxy.larger_is_better},
           {"variant", proxy.variant}});
    }
    std::cout << json.dump(2) << "\n";
    return absl::OkStatus();
  }
  std::cout << "device     " << description.device << "\nnumerics   " << description.numerics << "\n";
  for (const SpaceDescription& space : description.spaces) std::cout << "space      " << space.name << "\n";
  for (const ProxyDescription& proxy : description.proxies) {
    std::cout << absl::StrFormat("proxy      %-16s %s%s\n", proxy.name, proxy.summary,
                                 proxy.variant ? " (variant)" : "");
  }
  return absl::OkStatus();
}

absl::Status WritePages(const std::filesystem::path& folder) {
  ZCB_ASSIGN_OR_RETURN(const std::string proxies, ProxiesPage());
  ZCB_ASSIGN_OR_RETURN(const std::string spaces, SpacesPage());
  ZCB_RETURN_IF_ERROR(WriteFileAtomically(folder / "proxies.md", proxies));
  return WriteFileAtomically(folder / "spaces.md", spaces);
}

int Main(int argc, char** argv) {
  CLI::App app("Computes zero-cost proxies of untrained networks on one device.");
  app.set_version_flag("--version", std::string("zcbench-scorer ") + ZCB_VERSION);
  app.require_subcommand(1);

  EngineOptions options;
  std::string format = "table";
  const auto add_engine_options = [&](CLI::App* command) {
    command->add_option("--device", options.device, "auto (an accelerator when there is one), cpu, cuda:N")
        ->capture_default_str();
    command->add_option("--threads", options.threads, "threads of the CPU; 0 = all cores")->capture_default_str();
    command->add_option("--dtype", options.dtype, "float32 or float64")->capture_default_str();
  };

  ScoreArguments arguments;
  CLI::App* score =
      app.add_subcommand("score", "Scores without any server, for whoever writes a proxy or doubts a number");
  score->add_option("--space", arguments.space, "search space: nasbench201, autoformer_tiny, ...")->required();
  score->add_option("--task", arguments.task, "task: photos, cifar10, ...")->required();
  score->add_option("--seed", arguments.seed, "keys weights, images and draws at once")->capture_default_str();
  score->add_option("--proxies", arguments.proxies, "all, or names: snip,lswag(micro_batches=16)")
      ->capture_default_str();
  auto* images = score->add_option("--images", arguments.images_folder,
                                   "the task's data set, or any folder of JPEG files (the shipped photos need none)");
  auto* file = score->add_option("--probe-batch", arguments.probe_batch_file, "a probe batch file, made by any program")
                   ->excludes(images);
  score->add_option("--input", arguments.input, "noise: N(0, 1) images and random targets instead of real ones")
      ->check(CLI::IsMember({kNoise}))
      ->excludes(images)
      ->excludes(file);
  score->add_option("--batch", arguments.batch, "images of the probe batch; 0 = the task's own number")
      ->capture_default_str();
  score->add_option("--architectures", arguments.architectures_file, "a file with one architecture a line");
  score->add_option("architecture", arguments.architectures,
                    "in any notation of the space: 3_33_133, #9930, |nor_conv_3x3~0|+...");
  score->add_option("--format", arguments.format, "table, csv or json")
      ->check(CLI::IsMember({"table", "csv", "json"}))
      ->capture_default_str();
  add_engine_options(score);
  score->footer(
      "Examples:\n"
      "  zcbench-scorer score --space nasbench201 --task photos 3_33_133\n"
      "  zcbench-scorer score --space nasbench201 --task cifar10 --images cifar-10-batches-bin --proxies synflow,nwot "
      "'#0' '#1'\n"
      "  zcbench-scorer score --space nasbench201 --task cifar100 --input noise --proxies zico '#9930'\n"
      "  zcbench-scorer score --space autoformer_tiny --task photos --dtype float64 --format json "
      "13-192-3333333333433-1101002212121");

  CLI::App* describe = app.add_subcommand("describe", "Spaces, proxies and devices of this build");
  describe->add_option("--format", format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  std::string pages;
  describe->add_option("--pages", pages, "write the reference pages proxies.md and spaces.md into this folder instead");
  add_engine_options(describe);

#ifdef ZCB_WITH_SERVICE
  int fd = -1;
  CLI::App* serve = app.add_subcommand("serve", "Answers an agent over a socket (started by zcbench-worker)");
  serve->add_option("--fd", fd, "file descriptor of the socket")->required();
  add_engine_options(serve);
#endif

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kExitUsage;
  }
  absl::Status status;
  if (*score) status = Score(arguments, options);
  if (*describe) status = pages.empty() ? Describe(options, format) : WritePages(pages);
#ifdef ZCB_WITH_SERVICE
  if (*serve) {
    const auto engine = Engine::Create(options);
    if (engine.ok()) return Serve(fd, **engine);
    status = engine.status();
  }
#endif
  if (status.ok()) return 0;
  std::cerr << "zcbench-scorer: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ? kExitUsage : kExitFailed;
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) {
  // On a machine that others use too, OpenMP's threads that spin while they wait for each other cost ten times what
  // they save. The library reads its policy when it is loaded, so the program starts once more with it set.
  if (std::getenv("OMP_WAIT_POLICY") == nullptr && ::setenv("OMP_WAIT_POLICY", "passive", 0) == 0) {
    ::execv("/proc/self/exe", argv);
  }
  return zcbench::Main(argc, argv);
}
