// libra fit, list, show: which proxies to combine on a space and a task, and what was stored.
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <initializer_list>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/progress.h"

namespace zcbench {
namespace {

std::string Three(bool has, double value) { return has ? absl::StrFormat("%.3f", value) : "-"; }

std::string Range(bool has, double low, double high) { return has ? absl::StrFormat("[%.3f, %.3f]", low, high) : "-"; }

TableCell Number(bool has, double value) { return has ? TableCell(value) : TableCell(); }

std::string NameOf(const pb::CombinedProxy& proxy) { return absl::StrCat(proxy.negated() ? "-" : "", proxy.proxy()); }

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    return absl::InternalError("the server's answer could not be written as JSON");
  }
  return text;
}

// The ways to rank, numbers with all their digits.
void PrintMethods(Format format, const pb::Combination& combination) {
  std::vector<std::vector<TableCell>> rows;
  for (const pb::MethodResult& m : combination.methods()) {
    rows.push_back({m.method(), m.n(), Number(m.has_rho(), m.rho()), Number(m.has_rho_low(), m.rho_low()),
                    Number(m.has_rho_high(), m.rho_high()), Number(m.has_in_sample(), m.in_sample()),
                    Number(m.has_in_sample_low(), m.in_sample_low()),
                    Number(m.has_in_sample_high(), m.in_sample_high())});
  }
  PrintTable(std::cout, format,
             {{"method"},
              {"n", true},
              {"rho", true},
              {"rho_low", true},
              {"rho_high", true},
              {"in_sample", true},
              {"in_sample_low", true},
              {"in_sample_high", true}},
             rows);
}

// For people: the choice, why, how well it ranks, and what the algorithm saw.
void PrintCombination(const pb::Combination& combination) {
  std::cout << "LIBRA on " << combination.space() << ", " << combination.task() << ", by " << combination.accuracy()
            << " of " << combination.n() << " architectures; merged by " << combination.merge() << "\n\n";
  std::vector<std::vector<TableCell>> chosen;
  for (int z = 0; z < combination.proxies_size(); ++z) {
    chosen.push_back({absl::StrCat("z", z + 1), NameOf(combination.proxies(z)), combination.proxies(z).reason()});
  }
  PrintTable(std::cout, Format::kTable, {{""}, {"proxy"}, {"why"}}, chosen);
  if (!combination.note().empty()) std::cout << "only " << chosen.size() << ": " << combination.note() << '\n';

  const bool in_sample = combination.request().in_sample();
  std::cout << "\nSpearman with the accuracy on held-out architectures (" << combination.validation() << ")\n";
  std::vector<std::vector<TableCell>> methods;
  for (const pb::MethodResult& m : combination.methods()) {
    std::vector<TableCell> row = {m.method(), absl::StrFormat("%.0f", m.n()), Three(m.has_rho(), m.rho()),
                                  Range(m.has_rho_low(), m.rho_low(), m.rho_high())};
    if (in_sample) {
      row.emplace_back(Three(m.has_in_sample(), m.in_sample()));
      row.emplace_back(Range(m.has_in_sample_low(), m.in_sample_low(), m.in_sample_high()));
    }
    methods.push_back(std::move(row));
  }
  std::vector<TableColumn> columns = {{"method"}, {"n", true}, {"held out", true}, {"95 % interval", true}};
  if (in_sample) {
    columns.push_back({"in sample", true});
    columns.push_back({"in sample, 95 %", true});
  }
  PrintTable(std::cout, Format::kTable, columns, methods);
  if (in_sample) Say("in sample: the architectures that the choice was made by, so too high");
  std::cout << "\nchosen in the rounds: "
            << absl::StrJoin(combination.choices(), ", ",
                             [](std::string* out, const pb::ProxyCount& choice) {
                               absl::StrAppend(out, choice.proxy(), " ", choice.count(), "x");
                             })
            << "\n\n";

  std::vector<pb::LibraCandidate> candidates(combination.candidates().begin(), combination.candidates().end());
  std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return (a.has_rho() ? a.rho() : -2) > (b.has_rho() ? b.rho() : -2);
  });
  std::vector<std::vector<TableCell>> rows;
  for (const pb::LibraCandidate& c : candidates) {
    rows.push_back({absl::StrCat(c.negated() ? "-" : "", c.proxy()), c.n(), Three(c.has_rho(), c.rho()),
                    std::string(c.in_range() ? "yes" : "no"), Three(c.has_gain(), c.gain()),
                    Three(c.has_bias(), c.bias()), c.excluded()});
  }
  PrintTable(
      std::cout, Format::kTable,
      {{"candidate"}, {"n", true}, {"rho", true}, {"in range"}, {"gain, bits", true}, {"bias", true}, {"excluded"}},
      rows);
  std::cout << "bias: Spearman with params; of the accuracy "
            << Three(combination.has_accuracy_bias(), combination.accuracy_bias()) << "; entropies of "
            << combination.bins() << " bins (" << combination.request().binning() << ", "
            << combination.request().estimator() << ")\n";
}

absl::Status Print(Format format, const pb::Combination& combination) {
  if (format == Format::kJson) {
    ZCB_ASSIGN_OR_RETURN(const std::string json, ToJson(combination));
    std::cout << json;
  } else if (format == Format::kCsv) {
    PrintMethods(format, combination);
  } else {
    PrintCombination(combination);
  }
  return absl::OkStatus();
}

class LibraFit final : public Command {
 public:
  std::string name() const override { return "fit"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Chooses three proxies to combine, and shows how well that ranks",
        "Algorithm 1 of L-SWAG (CVPR 2025): the proxy with the highest rho; of those within 0.1 of it the one with "
        "the least\n"
        "information gain; then the one whose bias by params is nearest to the accuracy's. The choice shown is by "
        "all\n"
        "architectures with an accuracy; rho is of choices made without the architectures that it ranks. Against "
        "heavy-tailed\n"
        "proxies and the bias of entropies use --binning quantile --estimator permutation. CSV lists the methods, "
        "JSON is one object.");
    filter_.Declare(app);
    app.add_option("--against", request_.against, "accuracy, or accuracy:SOURCE/METRIC where several are stored");
    app.add_option("--threshold", request_.threshold, "Candidates are within this of the best rho (default: 0.1)");
    app.add_flag("--closed-range", request_.closed_range, "Exactly the threshold below the best is in range too");
    app.add_flag("--abs-rho", request_.abs_rho, "|rho| counts; proxies that rank the other way enter negated");
    app.add_option("--binning", request_.binning, "width or quantile (default: width)");
    app.add_option("--bins", request_.bins, "Bins of a column (default: round(1 + 3.322 ln n))");
    app.add_option("--estimator", request_.estimator, "plugin, miller_madow or permutation (default: plugin)");
    app.add_option("--second", request_.second, "min_gain or max_gain (default: min_gain)");
    app.add_option("--third", request_.third, "bias_matching, least_bias or none (default: bias_matching)");
    app.add_option("--merge", request_.merge, "rank_sum, log_rank, zscore_sum or raw_product (default: rank_sum)");
    app.add_option("--min-coverage", request_.min_coverage,
                   "Share of the architectures that a candidate has scores for (default: 0.8)");
    app.add_option("--validation", request_.validation, "splits (random halves) or folds (default: splits)");
    app.add_option("--rounds", request_.rounds, "Splits or folds (default: 10)");
    app.add_option("--seed", request_.seed, "Of the splits (default: 0)");
    app.add_flag("--in-sample", request_.in_sample,
                 "Also rho on the architectures of the choice, as the paper reports");
    app.add_option("--save", request_.save_as, "Stores the combination under this name");
    app.add_flag("--replace", request_.replace, "What has the name is replaced");
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(
        app,
        "  zcbench libra fit --space nasbench201 --task cifar10 --against accuracy:NB201/validation --in-sample\n"
        "  zcbench libra fit --job 3 --binning quantile --estimator permutation --save nb201-c10");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    pb::FitLibraRequest request;
    ZCB_ASSIGN_OR_RETURN(*request.mutable_filter(), filter_.Resolve(*client));
    request.set_against(request_.against);
    request.set_threshold(request_.threshold);
    request.set_closed_range(request_.closed_range);
    request.set_abs_rho(request_.abs_rho);
    request.set_binning(request_.binning);
    request.set_bins(request_.bins);
    request.set_estimator(request_.estimator);
    request.set_second(request_.second);
    request.set_third(request_.third);
    request.set_merge(request_.merge);
    request.set_min_coverage(request_.min_coverage);
    request.set_validation(request_.validation);
    request.set_rounds(request_.rounds);
    request.set_seed(request_.seed);
    request.set_in_sample(request_.in_sample);
    request.set_save_as(request_.save_as);
    request.set_replace(request_.replace);
    ZCB_ASSIGN_OR_RETURN(const pb::Combination combination, Fit(*client, request));
    ZCB_RETURN_IF_ERROR(Print(format_.format(), combination));
    if (!combination.name().empty()) {
      Say(absl::StrCat("stored as ", combination.name(), "; zcbench correlate --combinations ", combination.name()));
    }
    return kExitDone;
  }

 private:
  static absl::StatusOr<pb::Combination> Fit(Client& client, const pb::FitLibraRequest& request) {
    const Waiting waiting([] { return "fitting LIBRA"; });
    return client.FitLibra(request);
  }

  ServerOption server_;
  FormatOption format_;
  FilterOptions filter_;
  struct {
    std::string against, binning, estimator, second, third, merge, validation, save_as;
    double threshold = 0.1;
    double min_coverage = 0.8;
    uint32_t bins = 0;
    uint32_t rounds = 0;
    uint64_t seed = 0;
    bool closed_range = false;
    bool abs_rho = false;
    bool in_sample = false;
    bool replace = false;
  } request_;
};

class LibraList final : public Command {
 public:
  std::string name() const override { return "list"; }

  void Declare(CLI::App& app) override {
    Describe(app, "The combinations that were stored");
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench libra list\n  zcbench libra list --file benchmark.db");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Combination> combinations, client->ListCombinations());
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Combination& c : combinations) {
      const bool judged = c.methods_size() > 0 && c.methods(0).has_rho();
      rows.push_back(
          {c.name(), c.space(), c.task(),
           absl::StrJoin(c.proxies(), ", ",
                         [](std::string* out, const pb::CombinedProxy& p) { absl::StrAppend(out, NameOf(p)); }),
           c.merge(), judged ? TableCell(Three(true, c.methods(0).rho())) : TableCell(),
           absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixMicros(c.created_us()), absl::UTCTimeZone())});
    }
    PrintTable(std::cout, format_.format(),
               {{"name"}, {"space"}, {"task"}, {"proxies"}, {"merge"}, {"held_out_rho", true}, {"created_utc"}}, rows);
    if (rows.empty()) Say("no combination is stored; `zcbench libra fit --save NAME` stores one");
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
};

class LibraShow final : public Command {
 public:
  std::string name() const override { return "show"; }

  void Declare(CLI::App& app) override {
    Describe(app, "One stored combination, as `fit` printed it");
    app.add_option("name", name_, "Its name (see: zcbench libra list)")->required();
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench libra show nb201-c10 --format json");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Combination> combinations, client->ListCombinations(name_));
    if (combinations.empty()) return absl::InternalError("the server's answer lacks the combination");
    ZCB_RETURN_IF_ERROR(Print(format_.format(), combinations[0]));
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string name_;
};

class Libra final : public Command {
 public:
  std::string name() const override { return "libra"; }

  void Declare(CLI::App& app) override {
    Describe(app, "LIBRA-NAS: which proxies to combine on a space and a task");
    app.require_subcommand(1);
    for (Command* command : std::initializer_list<Command*>{&fit_, &list_, &show_}) {
      CLI::App* const sub = app.add_subcommand(command->name());
      command->Declare(*sub);
      sub->final_callback([this, command] { chosen_ = command; });
    }
    SetExamples(app,
                "  zcbench libra fit --space nasbench201 --task cifar10 --save nb201-c10\n"
                "  zcbench libra show nb201-c10\n"
                "  zcbench correlate --space nasbench201 --task cifar10 --against accuracy --combinations nb201-c10");
  }

  absl::StatusOr<int> Run() override { return chosen_->Run(); }

 private:
  LibraFit fit_;
  LibraList list_;
  LibraShow show_;
  Command* chosen_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeLibra() { return std::make_unique<Libra>(); }

}  // namespace zcbench
