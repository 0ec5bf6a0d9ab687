// import images, probe-batch, accuracies: what a benchmark needs from outside.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/cli/accuracy_file.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/probe_batches.h"
#include "nas/data/probe_batch.h"
#include "nas/data/shipped.h"
#include "nas/space.h"
#include "nas/task.h"

namespace zcbench {
namespace {

// A request must fit the channel's retry buffer (256 KiB), and the service takes 10,000 rows at most.
constexpr size_t kMaxRequestBytes = 200 << 10;
constexpr int kMaxRequestRows = 10'000;

class ImportImages final : public Command {
 public:
  std::string name() const override { return "images"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Makes probe batches from a data set in its original files",
             "The data set itself stays where it is and no worker needs it. Read are: CIFAR-10 and CIFAR-100 in their "
             "binary version,\n"
             "JPEG files in one folder a class. A wrong, truncated or foreign file is an error that names it.");
    app.add_option("task", task_, "Task (see: zcbench list tasks)")->required();
    app.add_option("--from", from_, "The data set's folder or file (default: the shipped images, where there are)");
    app.add_option("--seeds", seeds_, "0,1 or 0..4: one probe batch each (default: 0)");
    app.add_option("--spaces", spaces_, "Only the image sizes of these spaces: a,b (default: of all spaces)");
    app.add_option("--images", images_, "Images of a probe batch (default: the task's own number)");
    server_.Declare(app);
    SetExamples(app,
                "  zcbench import images cifar10 --from cifar-10-batches-bin --seeds 0..4\n"
                "  zcbench import images cifar100 --from cifar-100-binary/train.bin --spaces autoformer_tiny");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(task_));
    ZCB_ASSIGN_OR_RETURN(const std::vector<uint64_t> seeds, ParseSeeds(seeds_));
    std::vector<std::string> spaces;
    for (const SpaceDefinition& space : space_registry().All()) {
      if (FindCell(space.name, task->name).ok()) spaces.push_back(space.name);
    }
    if (!spaces_.empty()) spaces = absl::StrSplit(spaces_, ',');
    std::vector<Cell> cells;  // of different sizes
    for (const std::string& space : spaces) {
      ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(space, task->name, images_));
      const auto same = [&](const Cell& other) { return other.height == cell.height && other.width == cell.width; };
      if (std::none_of(cells.begin(), cells.end(), same)) cells.push_back(cell);
    }
    if (from_.empty() && !task->shipped && task->format != DataSetFormat::kNone) {
      return absl::InvalidArgumentError(
          absl::StrCat("the images of ", task->name, " do not come with zcbench: give --from DIR"));
    }
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<DataSet> data,
                         from_.empty() && task->shipped ? OpenShippedDataSet(*task) : OpenDataSet(*task, from_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_RETURN_IF_ERROR(UploadProbeBatches(*client, *data, *task, cells, seeds));
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string task_;
  std::string from_;
  std::string seeds_ = "0";
  std::string spaces_;
  uint32_t images_ = 0;
};

class ImportProbeBatch final : public Command {
 public:
  std::string name() const override { return "probe-batch"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Stores probe batches that any program has made",
             "For a task whose data set zcbench does not read, and for images of your own choice. A file holds images, "
             "targets,\n"
             "normalisation and the task, size and seed that it is for; ten lines of Python write it "
             "(docs/probe_batches.md).\n"
             "All files are checked against their tasks before the first is stored. `zcbench list probe-batches NAME "
             "--save FILE`\n"
             "writes one that is stored.");
    app.add_option("file", files_, "The files")->required();
    server_.Declare(app);
    SetExamples(app,
                "  zcbench import probe-batch segmentsemantic-0.zcb\n"
                "  zcbench import probe-batch batches/*.zcb");
  }

  absl::StatusOr<int> Run() override {
    for (const std::string& file : files_) ZCB_RETURN_IF_ERROR(Read(file).status());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    for (const std::string& file : files_) {
      ZCB_ASSIGN_OR_RETURN(const std::string encoded, Read(file));
      ZCB_RETURN_IF_ERROR(Annotate(UploadProbeBatch(*client, encoded), file));
    }
    return kExitDone;
  }

 private:
  static absl::StatusOr<std::string> Read(const std::string& file) {
    ZCB_ASSIGN_OR_RETURN(std::string encoded, ReadFile(file));
    const absl::StatusOr<ProbeBatch> batch = DecodeProbeBatch(encoded);
    if (!batch.ok()) return Annotate(batch.status(), file);
    if (const absl::StatusOr<Cell> cell = FindProbeBatchCell(*batch); !cell.ok()) return Annotate(cell.status(), file);
    return encoded;
  }

  ServerOption server_;
  std::vector<std::string> files_;
};

class ImportAccuracies final : public Command {
 public:
  std::string name() const override { return "accuracies"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Stores ground truth for `zcbench correlate --against accuracy`",
             "FILE is CSV with a header line and the columns `architecture` (any notation of the space; in quotes "
             "where it has commas)\n"
             "and `accuracy` (a finite number, usually in percent); other columns are not read:\n"
             "\n"
             "  architecture,accuracy\n"
             "  3_33_133,93.66\n"
             "\n"
             "The whole file is checked before anything is stored; an error names the line. Source, licence and the "
             "file's digest are\n"
             "kept with each value. An architecture has one value for (task, metric, source).");
    app.add_option("file", file_, "The CSV file")->required();
    app.add_option("--space", space_, "Search space (see: zcbench list spaces)")->required();
    app.add_option("--task", task_, "Task (see: zcbench list tasks)")->required();
    app.add_option("--metric", metric_, "What was measured: test, validation, ... (default: test)");
    app.add_option("--source", source_, "Where the values come from (default: the file's name)");
    app.add_option("--licence", licence_, "Their licence (default: unknown)");
    app.add_option("--architecture-column", columns_.architecture, "Name of that column (default: architecture)");
    app.add_option("--accuracy-column", columns_.accuracy, "Name of that column (default: accuracy)");
    server_.Declare(app);
    SetExamples(
        app,
        "  zcbench import accuracies truth.csv --space nasbench201 --task cifar10\n"
        "  zcbench import accuracies nb201.csv --space nasbench201 --task cifar10 --architecture-column arch_str \\\n"
        "    --accuracy-column c10_test --source nasbench201 --licence MIT");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(space_));
    ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(task_));
    ZCB_ASSIGN_OR_RETURN(const std::string digest, CheckFile(*space->space));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());

    pb::ImportAccuraciesRequest request;
    request.set_space(space->name);
    request.set_task(task->name);
    request.set_metric(metric_);
    request.set_source(source_.empty() ? std::filesystem::path(file_).filename().string() : source_);
    request.set_licence(licence_);
    request.set_digest(digest);
    uint64_t added = 0;
    uint64_t unchanged = 0;
    size_t bytes = 0;
    const auto send = [&]() -> absl::Status {
      if (request.rows().empty()) return absl::OkStatus();
      ZCB_ASSIGN_OR_RETURN(const pb::ImportAccuraciesResponse response, client->ImportAccuracies(request));
      added += response.added();
      unchanged += response.unchanged();
      request.clear_rows();
      bytes = 0;
      return absl::OkStatus();
    };
    std::ifstream in(file_);
    ZCB_RETURN_IF_ERROR(ReadAccuracies(
        *space->space, in, file_, columns_, [&](const std::string& architecture, double accuracy) -> absl::Status {
          pb::AccuracyRow& row = *request.add_rows();
          row.set_architecture(architecture);
          row.set_accuracy(accuracy);
          bytes += row.ByteSizeLong() + 4;
          const bool full = bytes >= kMaxRequestBytes || request.rows_size() == kMaxRequestRows;
          return full ? send() : absl::OkStatus();
        }));
    ZCB_RETURN_IF_ERROR(send());
    std::cout << "added " << added << ", unchanged " << unchanged << " (" << request.source() << "/" << metric_
              << " of " << space->name << " on " << task->name << ")\n";
    return kExitDone;
  }

 private:
  // The file's digest, after a look at every line of it.
  absl::StatusOr<std::string> CheckFile(const Space& space) const {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file_, error)) {
      return absl::NotFoundError(absl::StrCat(file_, " is no file"));
    }
    std::ifstream in(file_, std::ios::binary);
    Sha256Stream digest;
    std::string piece(1 << 16, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
      digest.Update(std::string_view(piece).substr(0, in.gcount()));
    }
    if (!in.eof()) return absl::InvalidArgumentError(absl::StrCat(file_, " cannot be read"));
    std::ifstream rows(file_);
    ZCB_RETURN_IF_ERROR(
        ReadAccuracies(space, rows, file_, columns_, [](const std::string&, double) { return absl::OkStatus(); }));
    return Hex(digest.Finish());
  }

  ServerOption server_;
  std::string file_;
  std::string space_;
  std::string task_;
  std::string metric_ = "test";
  std::string source_;
  std::string licence_ = "unknown";
  AccuracyColumns columns_;
};

class Import final : public Command {
 public:
  std::string name() const override { return "import"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Brings in probe batches, images for them, and published accuracies");
    app.require_subcommand(1);
    for (Command* command : std::initializer_list<Command*>{&images_, &probe_batch_, &accuracies_}) {
      CLI::App* const sub = app.add_subcommand(command->name());
      command->Declare(*sub);
      sub->final_callback([this, command] { chosen_ = command; });
    }
    SetExamples(app,
                "  zcbench import images cifar10 --from cifar-10-batches-bin\n"
                "  zcbench import probe-batch segmentsemantic-0.zcb\n"
                "  zcbench import accuracies truth.csv --space nasbench201 --task cifar10");
  }

  absl::StatusOr<int> Run() override { return chosen_->Run(); }

 private:
  ImportImages images_;
  ImportProbeBatch probe_batch_;
  ImportAccuracies accuracies_;
  Command* chosen_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeImport() { return std::make_unique<Import>(); }

}  // namespace zcbench
