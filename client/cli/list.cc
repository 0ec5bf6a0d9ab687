// list: what there is to choose from, and what is stored.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/probe_batches.h"
#include "client/cli/process.h"
#include "client/cli/progress.h"
#include "nas/data/contact_sheet.h"
#include "nas/data/probe_batch.h"
#include "nas/space.h"
#include "nas/suite.h"
#include "nas/task.h"

namespace zcbench {
namespace {

// What the scorer beside this program holds: {"proxies":[{"name", "summary", "paper", "version", ...}], ...}.
absl::StatusOr<std::vector<pb::ProxyInfo>> ProxiesOfScorer() {
  ZCB_ASSIGN_OR_RETURN(const std::string program, FindProgram("zcbench-scorer"));
  ZCB_ASSIGN_OR_RETURN(const std::string text, RunProcess({program, "describe", "--format", "json"}));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("proxies") || !json["proxies"].is_array()) {
    return absl::InternalError(absl::StrCat("`", program, " describe --format json` printed no list of proxies"));
  }
  std::vector<pb::ProxyInfo> proxies;
  for (const nlohmann::json& entry : json["proxies"]) {
    const auto text_of = [&](const char* key) {
      return entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>() : std::string();
    };
    const auto flag_of = [&](const char* key) { return entry.contains(key) && entry[key] == true; };
    pb::ProxyInfo& proxy = proxies.emplace_back();
    proxy.set_name(text_of("name"));
    proxy.set_summary(text_of("summary"));
    proxy.set_paper(text_of("paper"));
    proxy.set_version(text_of("version"));
    proxy.set_larger_is_better(flag_of("larger_is_better"));
    proxy.set_variant(flag_of("variant"));
    if (!entry.contains("options") || !entry["options"].is_object()) continue;
    for (const auto& [option, value] : entry["options"].items()) {
      (*proxy.mutable_options())[option] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  return proxies;
}

class List final : public Command {
 public:
  std::string name() const override { return "list"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Spaces, tasks, suites, proxies; jobs, series of scores, sources of imports, probe batches",
             "Spaces, tasks and suites need no server. Proxies are those of the server's workers, or of the scorer "
             "installed "
             "here. Jobs,\n"
             "series (the columns of the benchmark), sources (the published tables that were imported, with their "
             "licences) and\n"
             "probe batches are what the server holds.");
    app.add_option("what", what_, "spaces, tasks, suites, proxies, jobs, series, sources or probe-batches")->required();
    app.add_option("probe_batch", probe_batch_,
                   "With --png or --save: which one, by its key or the first digits of its digest");
    app.add_option("--task", task_, "Series and probe batches: only of this task");
    app.add_option("--suite", suite_,
                   "Jobs: only of the cells of this suite, in its order. Suites: the cells of this one");
    app.add_option("--png", png_, "Probe batches: write the images of one into this file");
    app.add_option("--save", save_, "Probe batches: write one into this file, for `zcbench import probe-batch`");
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app,
                "  zcbench list spaces\n"
                "  zcbench list suites\n"
                "  zcbench list jobs --suite paper\n"
                "  zcbench list proxies --format json\n"
                "  zcbench list sources --file benchmark.db\n"
                "  zcbench list probe-batches --task photos\n"
                "  zcbench list probe-batches photos/32x32/16/0 --png photos.png\n"
                "  zcbench list probe-batches photos/32x32/16/0 --save photos.zcb");
  }

  absl::StatusOr<int> Run() override {
    const std::map<std::string, absl::Status (List::*)() const> lists = {
        {"spaces", &List::Spaces},   {"tasks", &List::Tasks},
        {"suites", &List::Suites},   {"proxies", &List::Proxies},
        {"jobs", &List::Jobs},       {"series", &List::Series},
        {"sources", &List::Sources}, {"probe-batches", &List::ProbeBatches}};
    std::vector<std::string> names;
    for (const auto& [known, list] : lists) names.push_back(known);
    if (!lists.contains(what_)) return UnknownName("list", what_, names);
    if (what_ != "probe-batches" && (!png_.empty() || !save_.empty() || !probe_batch_.empty())) {
      return absl::InvalidArgumentError(
          "--png, --save and the name of a probe batch belong to `zcbench list probe-batches`");
    }
    if (what_ != "jobs" && what_ != "suites" && !suite_.empty()) {
      return absl::InvalidArgumentError("--suite belongs to `zcbench list jobs` and `zcbench list suites`");
    }
    ZCB_RETURN_IF_ERROR((this->*lists.at(what_))());
    return kExitDone;
  }

 private:
  absl::Status Spaces() const {
    std::vector<std::vector<TableCell>> rows;
    for (const SpaceDefinition& entry : space_registry().All()) {
      rows.push_back(
          {entry.name, entry.space->size(), std::string(entry.space->summary()), absl::StrCat(entry.space->version())});
    }
    PrintTable(std::cout, format_.format(), {{"space"}, {"size", true}, {"summary"}, {"version"}}, rows);
    return absl::OkStatus();
  }

  absl::Status Tasks() const {
    std::vector<std::vector<TableCell>> rows;
    for (const Task& task : task_registry().All()) {
      rows.push_back({task.name, int64_t{task.classes}, int64_t{task.probe_images}, task.shipped, task.summary});
    }
    PrintTable(std::cout, format_.format(),
               {{"task"}, {"classes", true}, {"probe_images", true}, {"shipped"}, {"summary"}}, rows);
    return absl::OkStatus();
  }

  // All suites, or the cells of one.
  absl::Status Suites() const {
    std::vector<std::vector<TableCell>> rows;
    if (!suite_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const Suite* const suite, suite_registry().Find(suite_));
      for (const SuiteCell& cell : suite->cells) rows.push_back({cell.space, cell.task, int64_t{cell.images}});
      PrintTable(std::cout, format_.format(), {{"space"}, {"task"}, {"images", true}}, rows);
      return absl::OkStatus();
    }
    for (const Suite& suite : suite_registry().All()) {
      rows.push_back({suite.name, uint64_t{suite.cells.size()}, suite.summary});
    }
    PrintTable(std::cout, format_.format(), {{"suite"}, {"cells", true}, {"summary"}}, rows);
    return absl::OkStatus();
  }

  absl::Status Proxies() const {
    std::vector<pb::ProxyInfo> proxies;
    const absl::StatusOr<std::unique_ptr<Client>> client = server_.Connect();
    if (client.ok()) {
      ZCB_ASSIGN_OR_RETURN(const pb::DescribeResponse description, (*client)->Describe());
      proxies.assign(description.proxies().begin(), description.proxies().end());
    } else if (!absl::IsUnavailable(client.status())) {
      return client.status();
    }
    if (proxies.empty()) {
      Say(client.ok() ? "no worker has announced its proxies yet; these are of the scorer installed here"
                      : "no server; these are of the scorer installed here");
      absl::StatusOr<std::vector<pb::ProxyInfo>> own = ProxiesOfScorer();
      if (!own.ok() && !client.ok()) return Annotate(client.status(), std::string(own.status().message()));
      if (!own.ok()) return own.status();
      proxies = *std::move(own);
    }
    const bool brief = format_.format() == Format::kTable;
    std::vector<TableColumn> columns = {{"proxy"}, {"version"}, {"better"}, {"variant"}, {"options"}, {"summary"}};
    if (!brief) columns.push_back({"paper"});
    std::vector<std::vector<TableCell>> rows;
    for (const pb::ProxyInfo& proxy : proxies) {
      const std::map<std::string, std::string> options(proxy.options().begin(), proxy.options().end());
      std::vector<TableCell>& row = rows.emplace_back();
      row = {proxy.name(),
             proxy.version(),
             std::string(proxy.larger_is_better() ? "larger" : "smaller"),
             proxy.variant(),
             absl::StrJoin(options, ",", absl::PairFormatter("=")),
             proxy.summary()};
      if (!brief) row.push_back(proxy.paper());
    }
    PrintTable(std::cout, format_.format(), columns, rows);
    return absl::OkStatus();
  }

  // Newest first; of a suite in the order of its cells.
  absl::Status Jobs() const {
    const Suite* suite = nullptr;
    if (!suite_.empty()) {
      ZCB_ASSIGN_OR_RETURN(suite, suite_registry().Find(suite_));
    }
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(std::vector<pb::Job> jobs, client->ListJobs());
    if (suite != nullptr) {
      const auto place = [&](const pb::Job& job) {
        return std::find_if(suite->cells.begin(), suite->cells.end(), [&](const SuiteCell& cell) {
          return cell.space == job.spec().space() && cell.task == job.spec().task();
        });
      };
      std::erase_if(jobs, [&](const pb::Job& job) { return place(job) == suite->cells.end(); });
      std::stable_sort(jobs.begin(), jobs.end(),
                       [&](const pb::Job& a, const pb::Job& b) { return place(a) < place(b); });
    }
    std::vector<std::vector<TableCell>> rows;
    uint64_t total = 0;
    uint64_t done = 0;
    for (const pb::Job& job : jobs) {
      rows.push_back(JobRow(job));
      total += job.total();
      done += job.done();
    }
    PrintTable(std::cout, format_.format(), JobColumns(), rows);
    if (jobs.empty()) {
      Say(suite == nullptr
              ? "no jobs yet; see `zcbench submit --help`"
              : absl::StrCat("no jobs of these cells yet; see `zcbench submit --suite ", suite->name, "`"));
    } else if (suite != nullptr) {
      Say(absl::StrCat("suite ", suite->name, ": ", done, " of ", total, " in ", jobs.size(), " jobs"));
    }
    return absl::OkStatus();
  }

  absl::Status Series() const {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    pb::ScoreFilter filter;
    if (!task_.empty()) {
      ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(task_));
      filter.set_task(task->name);
    }
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Series> all, client->ListSeries(filter));
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Series& series : all) {
      // Whole digests only where a program reads them.
      const std::string digest =
          format_.format() == Format::kTable ? series.probe_batch().substr(0, 12) : series.probe_batch();
      rows.push_back({series.space(), series.task(), series.proxy(), series.version(),
                      series.has_seed() ? TableCell(series.seed()) : TableCell(),
                      digest.empty() ? TableCell() : TableCell(digest), series.numerics(), series.finite(),
                      series.not_finite(), series.undefined()});
    }
    PrintTable(std::cout, format_.format(),
               {{"space"},
                {"task"},
                {"proxy"},
                {"version"},
                {"seed", true},
                {"probe_batch"},
                {"numerics"},
                {"finite", true},
                {"not_finite", true},
                {"undefined", true}},
               rows);
    if (all.empty()) Say("no scores yet");
    return absl::OkStatus();
  }

  absl::Status Sources() const {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::SourceInfo> sources, client->ListSources());
    std::vector<std::vector<TableCell>> rows;
    for (const pb::SourceInfo& source : sources) {
      rows.push_back({source.source(), source.licence(), source.space(), source.task(),
                      source.metric().empty() ? std::string("scores") : absl::StrCat("accuracy, ", source.metric()),
                      TimestampText(source.imported()),
                      format_.format() == Format::kTable ? source.digest().substr(0, 12) : source.digest()});
    }
    PrintTable(std::cout, format_.format(),
               {{"source"}, {"licence"}, {"space"}, {"task"}, {"holds"}, {"imported"}, {"digest"}}, rows);
    if (sources.empty()) Say("nothing was imported; see `zcbench import --help`");
    return absl::OkStatus();
  }

  absl::Status ProbeBatches() const {
    if (!task_.empty()) ZCB_RETURN_IF_ERROR(task_registry().Find(task_).status());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(std::vector<pb::ProbeBatchInfo> batches, client->ListProbeBatches(task_));
    if (!probe_batch_.empty()) {
      ZCB_ASSIGN_OR_RETURN(pb::ProbeBatchInfo named, FindProbeBatch(batches, probe_batch_));
      batches = {std::move(named)};
    }
    if (!png_.empty() || !save_.empty()) return Write(*client, batches);
    std::vector<std::vector<TableCell>> rows;
    for (const pb::ProbeBatchInfo& batch : batches) {
      rows.push_back({PrintProbeBatchKey(batch.key()), batch.bytes(), TimestampText(batch.created()), batch.digest()});
    }
    PrintTable(std::cout, format_.format(), {{"probe_batch"}, {"bytes", true}, {"created"}, {"digest"}}, rows);
    if (batches.empty()) Say("no probe batches yet; see `zcbench import --help`");
    return absl::OkStatus();
  }

  absl::Status Write(Client& client, const std::vector<pb::ProbeBatchInfo>& batches) const {
    if (batches.size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat("--png and --save are of one probe batch and there are ",
                                                     batches.size(),
                                                     "; name one of those that `zcbench list probe-batches` shows"));
    }
    const std::string key = PrintProbeBatchKey(batches.front().key());
    ZCB_ASSIGN_OR_RETURN(const std::string encoded, client.FetchProbeBatch(batches.front().digest()));
    if (!save_.empty()) {
      ZCB_RETURN_IF_ERROR(WriteFileAtomically(save_, encoded));
      Say(absl::StrCat("wrote ", save_, ": ", key));
    }
    if (png_.empty()) return absl::OkStatus();
    ZCB_ASSIGN_OR_RETURN(const ProbeBatch batch, DecodeProbeBatch(encoded));
    ZCB_ASSIGN_OR_RETURN(const std::string picture, EncodeContactSheet(batch));
    ZCB_RETURN_IF_ERROR(WriteFileAtomically(png_, picture));
    Say(absl::StrCat("wrote ", png_, ": ", key));
    return absl::OkStatus();
  }

  ServerOption server_;
  FormatOption format_;
  std::string what_;
  std::string task_;
  std::string probe_batch_;
  std::string suite_;
  std::string png_;
  std::string save_;
};

}  // namespace

std::unique_ptr<Command> MakeList() { return std::make_unique<List>(); }

}  // namespace zcbench
