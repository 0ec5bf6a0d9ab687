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

void PrintList(Format format, const std::vector<pb::Correlation>& correlations) {
  std::vector<std::vector<TableCell>> rows;
  for (const pb::Correlation& entry : correlations) {
    rows.push_back({entry.a(), entry.b(), entry.n(), entry.left_out(), Optional(entry.has_spearman(), entry.spearman()),
                    Optional(entry.has_spearman_low(), entry.spearman_low()),
                    Optional(entry.has_spearman_high(), entry.spearman_high()),
                    Optional(entry.has_kendall(), entry.kendall()), uint64_t{entry.seeds()}});
  }
  PrintTable(std::cout, format,
             {{"a"},
              {"b"},
              {"n", true},
              {"left_out", true},
              {"spearman", true},
              {"spearman_low", true},
              {"spearman_high", true},
              {"kendall", true},
              {"seeds", true}},
             rows);
}

// Proxies by how strongly they rank, the baseline first.
void PrintAgainst(std::vector<pb::Correlation> correlations, const std::string& against) {
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
  }
  PrintTable(std::cout, Format::kTable,
             {{"proxy"},
              {"n", true},
              {"left out", true},
              {"Spearman", true},
              {"95 % interval", true},
              {"Kendall", true},
              {"seeds", true}},
             rows);
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

class Correlate final : public Command {
 public:
  std::string name() const override { return "correlate"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Rank correlations between proxies, or of proxies with an accuracy",
             "Over the architectures that have both values. Between proxies the text is a matrix of Spearman "
             "coefficients, the number\n"
             "of parameters first. CSV and JSON list every pair with n, what was left out, Spearman with its 95 % "
             "interval, Kendall,\n"
             "and the number of seeds averaged.");
    filter_.Declare(app);
    app.add_option("--against", against_,
                   "accuracy, or accuracy:SOURCE/METRIC where several are stored: proxies against this ground truth");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app,
                "  zcbench correlate\n"
                "  zcbench correlate --job 3 --against accuracy\n"
                "  zcbench correlate --space nasbench201 --task cifar10 --against accuracy:nb201/test --format csv");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const pb::ScoreFilter filter, filter_.Resolve(*client));
    ZCB_ASSIGN_OR_RETURN(std::vector<pb::Correlation> correlations, client->Correlate(filter, against_));
    const bool empty = correlations.empty();
    if (format_.format() != Format::kTable) {
      PrintList(format_.format(), correlations);
    } else if (!against_.empty()) {
      PrintAgainst(std::move(correlations), against_);
    } else {
      PrintMatrix(correlations);
    }
    if (empty) Say("nothing to correlate: at least two proxies with scores are needed, or one and an accuracy");
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  FilterOptions filter_;
  std::string against_;
};

}  // namespace

std::unique_ptr<Command> MakeCorrelate() { return std::make_unique<Correlate>(); }

}  // namespace zcbench
