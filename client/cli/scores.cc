// scores: the benchmark as a table.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/score_table.h"

namespace zcbench {
namespace {

class Scores final : public Command {
 public:
  std::string name() const override { return "scores"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Prints scores as a table",
             "One row an architecture (and seed, task or space where there are several), one column a proxy. Where a "
             "proxy has no\n"
             "score yet the cell is empty in CSV, `-` in text and null in JSON. Where its formula gave no finite "
             "number, or is not\n"
             "defined for the architecture, CSV and text say `not_finite` or `undefined`; JSON has null and the word "
             "in the row's\n"
             "\"outcomes\" object. Numbers keep all their digits in CSV and JSON.");
    filter_.Declare(app);
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app,
                "  zcbench scores\n"
                "  zcbench scores --job 3 --format csv > scores.csv\n"
                "  zcbench scores --space nasbench201 --task photos --proxies 'params,zico,lswag(micro_batches=16)' "
                "--seeds 0..4");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const pb::ScoreFilter filter, filter_.Resolve(*client));
    ScoreTable table;
    ZCB_RETURN_IF_ERROR(client->StreamScores(filter, [&](const auto& chunk) { return table.Add(chunk); }));
    table.Finish();
    PrintTable(std::cout, format_.format(), table.columns(), table.rows(),
               [&](size_t row, size_t column) { return table.At(row, column); });
    if (table.rows() == 0) Say("no scores yet" + (filter.job() > 0 ? absl::StrCat(" in job ", filter.job()) : ""));
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  FilterOptions filter_;
};

}  // namespace

std::unique_ptr<Command> MakeScores() { return std::make_unique<Scores>(); }

}  // namespace zcbench
