// correlate: how alike proxies rank architectures, and how alike to the truth.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "client/cli/command.h"

namespace zcbench {
namespace {

// The count of parameters ranks well by itself, so every correlation is read beside its.
constexpr char kBaseline[] = "params";

TableCell Optional(bool has, double value) { return has ? TableCell(value) : TableCell(); }

std::string TwoDigits(double value) { return absl::StrFormat("%.2f", value); }
std::string ThreeDigits(bool has, double value) { return has ? absl::StrFormat("%.3f", value) : "-"; }

void PrintList(Format format, const std::vector<pb::Correlation>& correlations, bool all_statistics) {
  std::vector<std::vector<TableCell>> rows;
  std::vector<TableColumn> columns = {{"a"},
                                      {"b"},
                                      {"n", true},
                                      {"left_out", true},
                                      {"spearman", true},
                                      {"spearman_low", true},
                                      {"spearman_high", true},
                                      {"kendall", true},
                                      {"seeds", true}};
  if (all_statistics) {
    for (const char* name : {"pearson", "partial_spearman", "ndcg", "top_overlap", "regret"}) {
      columns.push_back({name, true});
    }
  }
  for (const pb::Correlation& entry : correlations) {
    rows.push_back({entry.a(), entry.b(), entry.n(), entry.left_out(), Optional(entry.has_spearman(), entry.spearman()),
                    Optional(entry.has_spearman_low(), entry.spearman_low()),
                    Optional(entry.has_spearman_high(), entry.spearman_high()),
                    Optional(entry.has_kendall(), entry.kendall()), uint64_t{entry.seeds()}});
    if (!all_statistics) continue;
    for (const TableCell& cell :
         {Optional(entry.has_pearson(), entry.pearson()),
          Optional(entry.has_partial_spearman(), entry.partial_spearman()), Optional(entry.has_ndcg(), entry.ndcg()),
          Optional(entry.has_top_overlap(), entry.top_overlap()), Optional(entry.has_regret(), entry.regret())}) {
      rows.back().push_back(cell);
    }
  }
  PrintTable(std::cout, format, columns, rows);
}

// Proxies by how strongly they rank, the baseline first.
void PrintAgainst(std::vector<pb::Correlation> correlations, const std::string& against, uint32_t top) {
  std::stable_sort(correlations.begin(), correlations.end(), [](const pb::Correlation& x, const pb::Correlation& y) {
    const auto key = [](const pb::Correlation& entry) {
      return std::pair(entry.a() != kBaseline, entry.has_spearman() ? -std::abs(entry.spearman()) : 1.0);
    };
    return key(x) < key(y);
  });
  std::vector<std::vector<TableCell>> rows;
  for (const pb::Correlation& entry : correlations) {
    const std::string interval = entry.has_spearman_low() && entry.has_spearman_high()
                                     ? absl::StrFormat("[%.3f, %.3f]", entry.spearman_low(), entry.spearman_high())
                                     : "-";
    rows.push_back({entry.a() == kBaseline ? absl::StrCat(kBaseline, " (baseline)") : entry.a(), entry.n(),
                    entry.left_out(), ThreeDigits(entry.has_spearman(), entry.spearman()), interval,
                    ThreeDigits(entry.has_kendall(), entry.kendall()), uint64_t{entry.seeds()}});
    if (top == 0) continue;
    rows.back().emplace_back(ThreeDigits(entry.has_pearson(), entry.pearson()));
    rows.back().emplace_back(ThreeDigits(entry.has_partial_spearman(), entry.partial_spearman()));
    rows.back().emplace_back(ThreeDigits(entry.has_ndcg(), entry.ndcg()));
    rows.back().emplace_back(ThreeDigits(entry.has_top_overlap(), entry.top_overlap()));
    rows.back().emplace_back(ThreeDigits(entry.has_regret(), entry.regret()));
  }
  std::vector<TableColumn> columns = {
      {"proxy"},         {"n", true},    {"left out", true}, {"Spearman", true}, {"95 % interval", true},
      {"Kendall", true}, {"seeds", true}};
  if (top > 0) {
    for (const std::string& name : {std::string("Pearson"), std::string("beyond params"), absl::StrCat("nDCG@", top),
                                    absl::StrCat("top-", top, " overlap"), absl::StrCat("regret@", top)}) {
      columns.push_back({name, true});
    }
  }
  PrintTable(std::cout, Format::kTable, columns, rows);
  Say(absl::StrCat("rank correlation with ", against, "; left out: architectures without one of the two values"));
}

// Everything against everything, columns numbered as the rows, so that long names do not widen it.
void PrintMatrix(const std::vector<pb::Correlation>& correlations) {
  std::vector<std::string> names;
  std::map<std::pair<std::string, std::string>, const pb::Correlation*> entries;
  uint64_t smallest = UINT64_MAX;
  uint64_t largest = 0;
  for (const pb::Correlation& entry : correlations) {
    for (const std::string& name : {entry.a(), entry.b()}) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    entries[{entry.a(), entry.b()}] = entries[{entry.b(), entry.a()}] = &entry;
    smallest = std::min(smallest, entry.n());
    largest = std::max(largest, entry.n());
  }
  std::stable_partition(names.begin(), names.end(), [](const std::string& name) { return name == kBaseline; });
  std::vector<TableColumn> columns = {{"", true}, {"Spearman"}};
  for (size_t i = 0; i < names.size(); ++i) columns.push_back({absl::StrCat(i + 1), true});
  PrintTable(std::cout, Format::kTable, columns, names.size(), [&](size_t row, size_t column) -> TableCell {
    if (column == 0) return absl::StrCat(row + 1);
    if (column == 1) return names[row];
    if (column - 2 == row) return std::string("1");
    const auto entry = entries.find({names[row], names[column - 2]});
    if (entry == entries.end() || !entry->second->has_spearman()) return {};
    return TwoDigits(entry->second->spearman());
  });
  if (names.empty()) return;
  Say(smallest == largest
          ? absl::StrCat("n = ", smallest, " architectures in every pair")
          : absl::StrCat("n = ", smallest, " to ", largest, " architectures, as both scores are there and finite"));
  Say("intervals, Kendall and n of each pair: --format csv");
}

// Proxies against the truth of every space and task; a column for each.
void PrintTasks(Format format, const std::vector<pb::TaskCorrelations>& tasks) {
  if (format != Format::kTable) {
    std::vector<std::vector<TableCell>> rows;
    for (const pb::TaskCorrelations& task : tasks) {
      for (const pb::Correlation& entry : task.correlations()) {
        rows.push_back({task.space(), task.task(), entry.a(), task.accuracy(), entry.n(), entry.left_out(),
                        Optional(entry.has_spearman(), entry.spearman()),
                        Optional(entry.has_spearman_low(), entry.spearman_low()),
                        Optional(entry.has_spearman_high(), entry.spearman_high()), uint64_t{entry.seeds()}});
      }
    }
    PrintTable(std::cout, format,
               {{"space"},
                {"task"},
                {"proxy"},
                {"accuracy"},
                {"n", true},
                {"left_out", true},
                {"spearman", true},
                {"spearman_low", true},
                {"spearman_high", true},
                {"seeds", true}},
               rows);
    return;
  }
  std::vector<TableColumn> columns = {{"Spearman"}};
  std::map<std::pair<bool, std::string>, std::vector<TableCell>> rows;  // params first
  size_t shown = 0;
  for (const pb::TaskCorrelations& task : tasks) {
    if (!task.skipped().empty()) continue;
    columns.push_back({absl::StrCat(task.space(), "/", task.task()), true});
    for (const pb::Correlation& entry : task.correlations()) {
      std::vector<TableCell>& row = rows[{entry.a() != kBaseline, entry.a()}];
      if (row.empty()) row.push_back(entry.a() == kBaseline ? absl::StrCat(kBaseline, " (baseline)") : entry.a());
      row.resize(shown + 1);
      row.push_back(ThreeDigits(entry.has_spearman(), entry.spearman()));
    }
    ++shown;
  }
  std::vector<std::vector<TableCell>> cells;
  for (auto& [name, row] : rows) {
    row.resize(shown + 1);
    cells.push_back(std::move(row));
  }
  if (shown > 0) PrintTable(std::cout, Format::kTable, columns, cells);
  for (const pb::TaskCorrelations& task : tasks) {
    Say(absl::StrCat(task.space(), " on ", task.task(), ": ",
                     task.skipped().empty() ? absl::StrCat("with ", task.accuracy()) : task.skipped()));
  }
}

class Correlate final : public Command {
 public:
  std::string name() const override { return "correlate"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Rank correlations between proxies, or of proxies with an accuracy",
             "Over the architectures that have both values. Between proxies the text is a matrix of Spearman "
             "coefficients, the number\n"
             "of parameters first. CSV and JSON list every pair with n, what was left out, Spearman with its 95 % "
             "interval, Kendall,\n"
             "and the number of seeds averaged. The statistics are defined in docs/statistics.md.");
    filter_.Declare(app);
    app.add_option("--against", against_,
                   "accuracy, or accuracy:SOURCE/METRIC where several are stored: proxies against this ground truth");
    app.add_flag("--by-task", by_task_,
                 "Proxies against the accuracies of every space and task that fits, a column for each");
    app.add_flag("--all-statistics", request_.all_statistics,
                 "Also Pearson, Spearman beyond params, and of the best ones nDCG, overlap and regret");
    app.add_option("--top", request_.top, "How many best ones those look at (default: 10)")->check(CLI::PositiveNumber);
    app.add_option("--combinations", request_.combinations, "Stored combinations beside the proxies: a,b")
        ->delimiter(',');
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app,
                "  zcbench correlate\n"
                "  zcbench correlate --space nasbench201 --against accuracy --by-task\n"
                "  zcbench correlate --job 3 --against accuracy --all-statistics --top 50 --combinations nb201-c10\n"
                "  zcbench correlate --job 3 --against accuracy\n"
                "  zcbench correlate --space nasbench201 --task cifar10 --against accuracy:nb201/test --format csv");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    pb::CorrelateRequest request;
    if (by_task_) {
      if (request_.all_statistics || !request_.combinations.empty()) {
        return absl::InvalidArgumentError(
            "--by-task shows Spearman of proxies only, without --all-statistics and "
            "--combinations");
      }
      return RunByTask(*client);
    }
    ZCB_ASSIGN_OR_RETURN(*request.mutable_filter(), filter_.Resolve(*client));
    request.set_against(against_);
    request.set_all_statistics(request_.all_statistics);
    request.set_top(request_.top);
    for (const std::string& name : request_.combinations) request.add_combinations(name);
    ZCB_ASSIGN_OR_RETURN(std::vector<pb::Correlation> correlations, client->Correlate(request));
    const bool empty = correlations.empty();
    if (format_.format() != Format::kTable) {
      PrintList(format_.format(), correlations, request_.all_statistics);
    } else if (!against_.empty()) {
      PrintAgainst(std::move(correlations), against_, request_.all_statistics ? request_.top : 0);
    } else {
      PrintMatrix(correlations);
    }
    if (empty) Say("nothing to correlate: at least two proxies with scores are needed, or one and an accuracy");
    return kExitDone;
  }

 private:
  // Without a filter all of the store, not the newest job.
  absl::StatusOr<int> RunByTask(Client& client) const {
    pb::CorrelateTasksRequest request;
    ZCB_ASSIGN_OR_RETURN(*request.mutable_filter(), filter_.Resolve(client, /*everything=*/true));
    request.set_against(against_);
    request.set_intervals(format_.format() != Format::kTable);
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::TaskCorrelations> tasks, client.CorrelateTasks(request));
    PrintTasks(format_.format(), tasks);
    if (tasks.empty()) Say("no scores fit");
    return kExitDone;
  }

  ServerOption server_;
  FormatOption format_;
  FilterOptions filter_;
  std::string against_;
  bool by_task_ = false;
  struct {
    bool all_statistics = false;
    uint32_t top = 10;
    std::vector<std::string> combinations;
  } request_;
};

}  // namespace

std::unique_ptr<Command> MakeCorrelate() { return std::make_unique<Correlate>(); }

}  // namespace zcbench
