// export: the benchmark for whoever has no server.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/nearest.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/new_file.h"
#include "client/cli/published_table.h"
#include "client/cli/score_table.h"
#include "nas/space.h"

namespace zcbench {
namespace {

// How NASLib writes an architecture as a key: str(tuple), or the official string where zcbench knows no other.
std::string NaslibKey(const SpaceDefinition& space, const std::string& architecture) {
  const absl::StatusOr<std::string> official = space.space->Official(architecture);
  const std::string text = official.ok() ? *official : architecture;
  if (space.name == "nasbench201") {
    // NASLib's order of edges and of operations.
    constexpr int kEdges[] = {0, 1, 3, 2, 4, 5};
    constexpr char kOps[] = {'1', '0', '3', '2', '4'};  // none, skip, 1x1, 3x3, pool
    std::string digits;
    for (const char c : architecture) {
      if (c != '_') digits.push_back(c);
    }
    std::string key = "(";
    for (const int edge : kEdges) {
      absl::StrAppend(&key, key.size() > 1 ? ", " : "", std::string(1, kOps[digits[static_cast<size_t>(edge)] - '0']));
    }
    return key + ")";
  }
  if (space.name == "transnas_micro") {
    std::string key = "(";
    for (const char c : architecture) {
      if (c != '_') absl::StrAppend(&key, key.size() > 1 ? ", " : "", std::string(1, c));
    }
    return key + ")";
  }
  return text;
}

class Export final : public Command {
 public:
  std::string name() const override { return "export"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Writes the benchmark into a file",
        "  csv, json  the table of `zcbench scores`\n"
        "  nbsz       the JSON of NAS-Bench-Suite-Zero, {task: {architecture: {proxy: {\"score\", \"time\"}, "
        "\"val_accuracy\"}}}: of one\n"
        "             space and one seed; what is not finite becomes -1e8, params and flops are in millions\n"
        "  sqlite     all of the store but its queue and the images, which every reading command opens with --file");
    app.add_option("-o,--output", output_, "The new file")->required();
    app.add_option("--format", format_, "csv, json, nbsz or sqlite")->required()->type_name("FORMAT");
    filter_.Declare(app);
    app.add_option("--accuracy", accuracy_,
                   "SOURCE/METRIC: the `val_accuracy` of nbsz (default: the only one whose metric is `validation`)");
    server_.DeclareReading(app);
    SetExamples(app,
                "  zcbench export --format sqlite -o benchmark.db\n"
                "  zcbench scores --file benchmark.db --space nasbench201 --task cifar10\n"
                "  zcbench export --format nbsz -o zc_nasbench201.json --space nasbench201 --seeds 0");
  }

  absl::StatusOr<int> Run() override {
    const std::vector<std::string> formats = {"csv", "json", "nbsz", "sqlite"};
    if (std::find(formats.begin(), formats.end(), format_) == formats.end()) {
      return UnknownName("format", format_, formats);
    }
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file, NewFile::Create(output_));
    ZCB_RETURN_IF_ERROR(format_ == "sqlite" ? WriteStore(*client, file->out())
                        : format_ == "nbsz" ? WriteSuite(*client, file->out())
                                            : WriteTable(*client, file->out()));
    ZCB_RETURN_IF_ERROR(file->Finish());
    std::error_code error;
    Say(absl::StrCat("wrote ", output_, ", ", std::filesystem::file_size(output_, error), " bytes"));
    return kExitDone;
  }

 private:
  static absl::Status WriteStore(Client& client, std::ostream& out) {
    return client.ExportStore([&](const pb::ExportStoreResponse& piece) {
      out << piece.content();
      return absl::OkStatus();
    });
  }

  absl::Status WriteTable(Client& client, std::ostream& out) const {
    ZCB_ASSIGN_OR_RETURN(const pb::ScoreFilter filter, filter_.Resolve(client));
    ScoreTable table;
    ZCB_RETURN_IF_ERROR(client.StreamScores(filter, [&](const auto& chunk) { return table.Add(chunk); }));
    table.Finish();
    PrintTable(out, format_ == "csv" ? Format::kCsv : Format::kJson, table.columns(), table.rows(),
               [&](size_t row, size_t column) { return table.At(row, column); });
    return absl::OkStatus();
  }

  absl::Status WriteSuite(Client& client, std::ostream& out) const {
    ZCB_ASSIGN_OR_RETURN(const pb::ScoreFilter filter, filter_.Resolve(client));
    // {task: {architecture: [{proxy, score}]}}
    std::map<uint64_t, std::string> names;
    std::map<uint64_t, pb::Series> series;
    std::map<std::string, std::map<std::string, nlohmann::ordered_json>> tasks;
    std::string space_name;
    std::map<std::pair<std::string, std::string>, uint64_t> column_of;  // (task, proxy)
    const auto add = [&](const pb::StreamScoresResponse& chunk) -> absl::Status {
      for (int i = 0; i < chunk.architectures().ids_size(); ++i) {
        names[chunk.architectures().ids(i)] = chunk.architectures().architectures(i);
      }
      if (!chunk.has_column()) return absl::OkStatus();
      const pb::ColumnChunk& column = chunk.column();
      if (column.has_series()) {
        const pb::Series& key = series[column.series_id()] = column.series();
        if (!space_name.empty() && space_name != key.space()) {
          return absl::FailedPreconditionError(absl::StrCat("scores of several spaces fit (", space_name, ", ",
                                                            key.space(), "); the layout holds one: give --space"));
        }
        space_name = key.space();
        const auto [other, added] = column_of.try_emplace({key.task(), key.proxy()}, column.series_id());
        if (!added && other->second != column.series_id()) {
          return absl::FailedPreconditionError(
              absl::StrCat(key.proxy(), " on ", key.task(),
                           " has several columns (seeds or probe batches), the layout ", "holds one: give --seeds N"));
        }
      }
      const pb::Series& key = series[column.series_id()];
      for (int i = 0; i < column.architectures_size(); ++i) {
        if (column.outcomes(i) == pb::SCORE_OUTCOME_UNDEFINED) continue;
        double score = column.outcomes(i) == pb::SCORE_OUTCOME_OK ? column.scores(i) : kPublishedNotFinite;
        if (column.outcomes(i) == pb::SCORE_OUTCOME_OK && (key.proxy() == "params" || key.proxy() == "flops")) {
          score /= 1e6;
        }
        tasks[key.task()][names[column.architectures(i)]][key.proxy()] = {{"score", score},
                                                                          {"time", column.seconds(i)}};
      }
      return absl::OkStatus();
    };
    ZCB_RETURN_IF_ERROR(client.StreamScores(filter, add));
    if (tasks.empty()) return absl::NotFoundError("no scores fit");
    ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* const space, FindSpace(space_name));
    for (auto& [task, architectures] : tasks) {
      std::set<std::string> sources;
      ZCB_RETURN_IF_ERROR(client.StreamAccuracies(space->name, task, [&](const pb::StreamAccuraciesResponse& chunk) {
        const std::string source = absl::StrCat(chunk.source(), "/", chunk.metric());
        if (accuracy_.empty() ? chunk.metric() != "validation" : source != accuracy_) return absl::OkStatus();
        sources.insert(source);
        for (int i = 0; i < chunk.architectures_size(); ++i) {
          const auto row = architectures.find(chunk.architectures(i));
          if (row != architectures.end()) row->second["val_accuracy"] = chunk.accuracies(i);
        }
        return absl::OkStatus();
      }));
      if (sources.size() > 1) {
        return absl::FailedPreconditionError(
            absl::StrCat("several validation accuracies on ", task, "; choose one: --accuracy ", *sources.begin()));
      }
      if (sources.empty())
        Say(absl::StrCat("no validation accuracy on ", task, ": the layout's `val_accuracy` is left out"));
    }
    // Written record by record: the text is never held.
    out << "{";
    for (bool first_task = true; const auto& [task, architectures] : tasks) {
      out << (first_task ? "\n" : ",\n") << nlohmann::json(NasBenchSuiteZeroTask(task)).dump() << ": {";
      first_task = false;
      for (bool first = true; const auto& [architecture, record] : architectures) {
        out << (first ? "\n" : ",\n") << nlohmann::json(NaslibKey(*space, architecture)).dump() << ": "
            << record.dump();
        first = false;
      }
      out << "}";
    }
    out << "}\n";
    return absl::OkStatus();
  }

  ServerOption server_;
  FilterOptions filter_;
  std::string output_;
  std::string format_;
  std::string accuracy_;
};

}  // namespace

std::unique_ptr<Command> MakeExport() { return std::make_unique<Export>(); }

}  // namespace zcbench
