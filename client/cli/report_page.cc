#include "client/cli/report_page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/charts.h"
#include "client/cli/curve_plot.h"
#include "client/cli/heat_map.h"
#include "client/cli/html_page.h"
#include "client/cli/layer_plot.h"
#include "client/cli/progress.h"
#include "client/cli/published_figures.h"

namespace zcbench {
namespace {

constexpr char kParams[] = "params";
constexpr size_t kClouds = 9;

std::string Three(double value) {
  const std::string text = absl::StrFormat("%.3f", std::abs(value));
  return value < 0 && text != "0.000" ? absl::StrCat("\u2212", text) : text;
}
std::string Three(bool has, double value) { return has ? Three(value) : "\u2013"; }
std::string Two(const std::optional<double>& value) { return value.has_value() ? TwoDigits(*value) : "\u2013"; }
std::string Range(bool has, double low, double high) {
  return has ? absl::StrCat("[", Three(low), ", ", Three(high), "]") : "\u2013";
}
// 15,625
std::string Count(uint64_t number) {
  const std::string digits = absl::StrCat(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}
std::string Counts(uint64_t low, uint64_t high) {
  return low == high ? Count(low) : absl::StrCat(Count(low), " to ", Count(high));
}
// Of the architectures that have one of two values.
std::string LeftOutText(uint64_t most) {
  if (most == 0) return "none is left out";
  return absl::StrCat("at most ", Count(most), " of a pair are left out because one value is missing or not finite");
}
HtmlCell Text(std::string text, std::string hover = "") { return {std::move(text), false, std::move(hover)}; }
HtmlCell Number(std::string text, std::string hover = "") { return {std::move(text), true, std::move(hover)}; }

std::string Where(const ReportCell& cell) { return absl::StrCat(cell.space, " on ", cell.label); }
std::string Selection(const ReportCell& cell) { return absl::StrCat("--space ", cell.space, " --task ", cell.task); }
// Without `accuracy:`.
std::string AccuracyName(const ReportCell& cell) { return cell.accuracy.substr(cell.accuracy.find(':') + 1); }

// The caption of what is correlated with an accuracy.
std::string Accuracies(const std::vector<const ReportCell*>& cells) {
  std::set<std::string> names;
  for (const ReportCell* cell : cells) names.insert(AccuracyName(*cell));
  return absl::StrJoin(names, ", ");
}

std::string Hover(const pb::Correlation& entry) {
  std::string text =
      absl::StrCat(entry.a(), " and ", entry.b(), "\nSpearman ", Three(entry.has_spearman(), entry.spearman()));
  if (entry.has_spearman_low() && entry.has_spearman_high()) {
    absl::StrAppend(&text, ", 95 % ", Range(true, entry.spearman_low(), entry.spearman_high()));
  }
  absl::StrAppend(&text, "\nKendall tau-b ", Three(entry.has_kendall(), entry.kendall()));
  if (entry.has_partial_spearman())
    absl::StrAppend(&text, "\nSpearman beyond params ", Three(entry.partial_spearman()));
  absl::StrAppend(&text, "\nn = ", Count(entry.n()), ", left out ", Count(entry.left_out()));
  if (entry.seeds() > 1) absl::StrAppend(&text, ", mean of ", entry.seeds(), " seeds");
  return text;
}

// What a section leaves out: one line a reason, whatever the number of tasks.
class LeftOuts {
 public:
  void Add(const std::string& space, const std::string& task, const std::string& why, const std::string& command) {
    auto line = std::find_if(lines_.begin(), lines_.end(), [&](const Line& known) { return known.why == why; });
    if (line == lines_.end()) line = lines_.insert(line, {.why = why, .command = command});
    line->tasks[space].push_back(task);
    ++line->count;
  }
  void Add(const ReportCell& cell, const std::string& why, const std::string& command) {
    Add(cell.space, cell.label, why, command);
  }
  // For want of an accuracy.
  void AddUnjudged(const ReportCell& cell) {
    Add(cell, cell.skipped.empty() ? "no proxy has a correlation with the accuracy" : cell.skipped,
        cell.accuracy.empty() ? absl::StrCat("zcbench import accuracies FILE ", Selection(cell)) : "");
  }
  void Print(HtmlPage& page) const {
    for (const Line& line : lines_) {
      const std::string where =
          absl::StrJoin(line.tasks, "; ", [](std::string* out, const std::pair<const std::string, Tasks>& entry) {
            absl::StrAppend(out, entry.first, " on ", absl::StrJoin(entry.second, ", "));
          });
      page.LeftOut(absl::StrCat(where, ": ", line.why), line.command,
                   line.count > 1 && !line.command.empty() ? "for one, and likewise for the others" : "");
    }
  }

 private:
  using Tasks = std::vector<std::string>;
  struct Line {
    std::map<std::string, Tasks> tasks{};  // by space
    std::string why{};
    std::string command{};
    int count = 0;
  };
  std::vector<Line> lines_;
};

// The cells with correlations, and what several sections want to know of them.
struct Summary {
  std::vector<const ReportCell*> judged{};
  std::vector<std::string> proxies{};  // params first, then by their mean Spearman, the highest first
  std::map<std::string, std::vector<const pb::Correlation*>> entries{};  // by proxy: one a judged cell, or nullptr
  uint64_t n_low = UINT64_MAX, n_high = 0, left_out = 0;
};

double MeanSpearman(const std::vector<const pb::Correlation*>& entries) {
  double sum = 0;
  int count = 0;
  for (const pb::Correlation* entry : entries) {
    if (entry == nullptr || !entry->has_spearman()) continue;
    sum += entry->spearman();
    ++count;
  }
  return count == 0 ? -2 : sum / count;
}

Summary Summarise(const ReportData& data) {
  Summary summary;
  for (const ReportCell& cell : data.cells) {
    if (!cell.against.empty()) summary.judged.push_back(&cell);
  }
  for (size_t c = 0; c < summary.judged.size(); ++c) {
    for (const pb::Correlation& entry : summary.judged[c]->against) {
      std::vector<const pb::Correlation*>& of = summary.entries[entry.a()];
      of.resize(summary.judged.size());
      of[c] = &entry;
      summary.n_low = std::min(summary.n_low, entry.n());
      summary.n_high = std::max(summary.n_high, entry.n());
      summary.left_out = std::max(summary.left_out, entry.left_out());
    }
  }
  for (const auto& [proxy, of] : summary.entries) summary.proxies.push_back(proxy);
  std::stable_sort(summary.proxies.begin(), summary.proxies.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(a != kParams, -MeanSpearman(summary.entries[a])) <
           std::pair(b != kParams, -MeanSpearman(summary.entries[b]));
  });
  return summary;
}

std::string RowName(const std::string& proxy) { return proxy == kParams ? "params (baseline)" : proxy; }

void AddWhatTasksLack(const ReportData& data, HtmlPage& page) {
  LeftOuts left_out;
  for (const ReportCell& cell : data.cells) {
    if (cell.against.empty()) {
      left_out.AddUnjudged(cell);
    } else if (!cell.columns.contains(kParams)) {
      left_out.Add(cell, "params, the baseline, is not stored",
                   absl::StrCat("zcbench submit ", Selection(cell), " --count ", cell.architectures.size(),
                                " --proxies params"));
    }
  }
  left_out.Print(page);
}

// Section 1: every task and proxy.
void AddTasks(const ReportData& data, const Summary& summary, HtmlPage& page) {
  page.Section("Rank correlation of every proxy with the accuracy");
  if (!summary.judged.empty()) {
    const bool baseline = summary.proxies[0] == kParams;
    HeatMap spearman{.name = "Spearman of proxies with the accuracy, a column for each task",
                     .scale = "Spearman with the accuracy",
                     .baseline_rows = baseline ? 1u : 0u};
    for (const ReportCell* cell : summary.judged) {
      spearman.columns.push_back(cell->label);
      spearman.groups.push_back(cell->space);
    }
    HeatMap kendall = spearman;
    kendall.name = "Kendall tau-b of proxies with the accuracy, a column for each task";
    kendall.scale = "Kendall tau-b with the accuracy";
    bool published = false;
    for (const std::string& proxy : summary.proxies) {
      spearman.rows.push_back(RowName(proxy));
      kendall.rows.push_back(RowName(proxy));
      for (size_t c = 0; c < summary.judged.size(); ++c) {
        const pb::Correlation* const entry = summary.entries.at(proxy)[c];
        HeatCell& rho = spearman.cells.emplace_back();
        HeatCell& tau = kendall.cells.emplace_back();
        if (entry == nullptr) continue;
        const ReportCell& cell = *summary.judged[c];
        rho.published = PublishedSpearman(proxy, cell.space, cell.task);
        published |= rho.published.has_value();
        rho.hover = tau.hover = absl::StrCat(Where(cell), "\n", Hover(*entry));
        if (rho.published.has_value()) absl::StrAppend(&rho.hover, "\nprinted: ", TwoDigits(*rho.published));
        if (entry->has_spearman()) rho.value = entry->spearman();
        if (entry->has_kendall()) tau.value = entry->kendall();
      }
    }
    const std::string n =
        absl::StrCat("n = ", Counts(summary.n_low, summary.n_high), " architectures that have both values; ",
                     LeftOutText(summary.left_out), ". Ties have their average rank");
    kendall.tall = published;
    page.Figure(
        {DrawHeatMap(spearman), DrawHeatMap(kendall)},
        absl::StrCat(
            "Spearman (first) and Kendall tau-b (second) of each proxy with ", Accuracies(summary.judged), "; ", n,
            baseline ? ". The first row is the number of parameters; proxies are sorted by their mean over the columns."
                     : ". Proxies are sorted by their mean over the columns.",
            " Intervals (95 %, percentile bootstrap, beyond 10,000 pairs Fisher's z) are shown "
            "under the pointer.",
            published ? absl::StrCat(" Small figures: ", kSpearmanSource, ".") : ""));
  }
  AddWhatTasksLack(data, page);
}

// Section 2: means over tasks.
void AddAverages(const Summary& summary, HtmlPage& page) {
  page.Section("Averages over tasks");
  if (summary.judged.empty()) {
    page.LeftOut("no proxy has a correlation with an accuracy", "");
    return;
  }
  std::vector<Bar> bars;
  bool published = false;
  for (const std::string& proxy : summary.proxies) {
    const std::vector<const pb::Correlation*>& entries = summary.entries.at(proxy);
    size_t count = 0, printed = 0;
    double sum_printed = 0;
    for (size_t c = 0; c < entries.size(); ++c) {
      if (entries[c] == nullptr || !entries[c]->has_spearman()) continue;
      ++count;
      const ReportCell& cell = *summary.judged[c];
      const std::optional<double> paper = PublishedSpearman(proxy, cell.space, cell.task);
      printed += paper.has_value() ? 1 : 0;
      sum_printed += paper.value_or(0);
    }
    if (count == 0) continue;
    Bar& bar = bars.emplace_back();
    bar.name = RowName(proxy);
    bar.value = MeanSpearman(entries);
    bar.baseline = proxy == kParams;
    if (count < entries.size()) bar.note = absl::StrCat(count, " of ", entries.size(), " tasks");
    if (printed == count) bar.published = sum_printed / static_cast<double>(count);
    published |= bar.published.has_value();
    bar.hover = absl::StrCat(proxy, ": mean Spearman ", Three(bar.value), " over ", count,
                             bar.published.has_value() ? absl::StrCat(", printed ", Two(bar.published)) : "");
  }
  std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) { return a.value > b.value; });
  const bool own = summary.entries.contains("lswag") || summary.entries.contains("nwot");
  page.Figure(
      {DrawBars(bars, "Mean Spearman of proxies over tasks", "mean Spearman with the accuracy")},
      absl::StrCat("Mean Spearman over ", summary.judged.size(), summary.judged.size() == 1 ? " task" : " tasks",
                   ", each task with the same weight; a proxy without scores on some of them says on how many it has, "
                   "and is not comparable. Orange: the number of parameters.",
                   published
                       ? absl::StrCat(" Marks: the mean of what is printed for the same tasks, ", kSpearmanSource, ".")
                       : "",
                   own ? absl::StrCat(" Over all its tasks L-SWAG's paper prints 0.72 for L-SWAG and 0.62 for nwot (",
                                      kLswagSource, ", figure 4).")
                       : ""));
}

// Section 3: the statistics of gradients over depth.
void AddLayers(const ReportData& data, HtmlPage& page) {
  page.Section("Statistics of gradients over depth, and L-SWAG's window");
  std::set<std::pair<std::string, std::string>> seen;
  LeftOuts left_out;
  for (const ReportCell& cell : data.cells) {
    if (!seen.insert({cell.space, cell.task}).second) continue;
    const std::string where = absl::StrCat(cell.space, " on ", cell.task);
    if (cell.layers.empty()) {
      left_out.Add(cell.space, cell.task, "no statistics of layers are stored",
                   absl::StrCat("zcbench layers ", cell.space, " ", cell.task));
      continue;
    }
    std::vector<std::string> svgs, windows;
    uint64_t low = UINT64_MAX, high = 0;
    for (const pb::LayerProfile& profile : cell.layers) {
      const std::string window = profile.window().empty() ? "No window" : absl::StrCat("Window ", profile.window());
      svgs.push_back(DrawLayerProfile(profile, absl::StrCat(where, ". ", window)));
      windows.push_back(absl::StrCat(window, " by the ", LayerStatisticText(profile.statistic())));
      for (const pb::LayerProfileBin& bin : profile.bins()) {
        low = std::min(low, bin.networks());
        high = std::max(high, bin.networks());
      }
    }
    page.Figure(svgs,
                absl::StrCat(where,
                             ": sigma is the deviation of |gradient| over micro-batches, averaged over the "
                             "layers of each tenth of the depth; mean and one standard deviation over networks, n = ",
                             Counts(low, high), " a bin (a bin that no network has a layer in is a gap). ",
                             absl::StrJoin(windows, ". "), ". The paper prints the curve (figure 2) but no window."));
  }
  left_out.Print(page);
}

// Section 4: proxies against each other.
void AddPairs(const ReportData& data, const Summary& summary, HtmlPage& page) {
  page.Section("Rank correlation between proxies");
  LeftOuts left_out_cells;
  struct SpaceFigure {
    std::vector<std::string> svgs{};
    uint64_t low = UINT64_MAX, high = 0, left_out = 0;
  };
  std::map<std::string, SpaceFigure> figures;
  for (const ReportCell& cell : data.cells) {
    if (cell.pairs.empty()) {
      left_out_cells.Add(
          cell, cell.skipped.empty() || !cell.columns.empty() ? "fewer than two proxies have scores" : cell.skipped,
          absl::StrCat("zcbench submit ", Selection(cell), " --count 1000 --proxies all"));
      continue;
    }
    std::map<std::pair<std::string, std::string>, const pb::Correlation*> entries;
    std::set<std::string> names;
    SpaceFigure& figure = figures[cell.space];
    for (const pb::Correlation& entry : cell.pairs) {
      names.insert({entry.a(), entry.b()});
      entries[{entry.a(), entry.b()}] = entries[{entry.b(), entry.a()}] = &entry;
      figure.low = std::min(figure.low, entry.n());
      figure.high = std::max(figure.high, entry.n());
      figure.left_out = std::max(figure.left_out, entry.left_out());
    }
    std::vector<std::string> order;
    for (const std::string& proxy : summary.proxies) {
      if (names.erase(proxy) > 0) order.push_back(proxy);
    }
    order.insert(order.end(), names.begin(), names.end());
    std::stable_partition(order.begin(), order.end(), [](const std::string& name) { return name == kParams; });
    HeatMap map{.name = absl::StrCat("Spearman between proxies, ", Where(cell)),
                .scale = "Spearman of the two",
                .rows = order,
                .columns = order,
                .groups = std::vector<std::string>(order.size(), cell.label)};
    for (const std::string& a : order) {
      for (const std::string& b : order) {
        HeatCell& heat = map.cells.emplace_back();
        if (a == b) heat = {.value = 1, .hover = a};
        const auto entry = entries.find({a, b});
        if (entry == entries.end()) continue;
        if (entry->second->has_spearman()) heat.value = entry->second->spearman();
        heat.hover = Hover(*entry->second);
      }
    }
    figure.svgs.push_back(DrawHeatMap(map));
  }
  for (const auto& [space, figure] : figures) {
    page.Figure(figure.svgs, absl::StrCat(space, ": Spearman of every two proxies, in the order of figure 1; n = ",
                                          Counts(figure.low, figure.high), " architectures; ",
                                          LeftOutText(figure.left_out), ". Ties have their average rank."));
  }
  left_out_cells.Print(page);
}

uint64_t Ties(const std::vector<double>& values, const std::vector<double>& others) {
  std::map<double, uint64_t> times;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && std::isfinite(others[i])) ++times[values[i]];
  }
  uint64_t ties = 0;
  for (const auto& [value, count] : times) ties += count > 1 ? count : 0;
  return ties;
}

// Section 5: points.
void AddClouds(const ReportData& data, HtmlPage& page) {
  page.Section("Proxies against the accuracy");
  LeftOuts left_out;
  for (const ReportCell& cell : data.cells) {
    if (cell.against.empty()) {
      left_out.AddUnjudged(cell);
      continue;
    }
    std::vector<const pb::Correlation*> order;
    for (const pb::Correlation& entry : cell.against) {
      if (cell.columns.contains(entry.a()) && entry.has_spearman()) order.push_back(&entry);
    }
    std::stable_sort(order.begin(), order.end(), [](const pb::Correlation* a, const pb::Correlation* b) {
      return std::pair(a->a() != kParams, -std::abs(a->spearman())) <
             std::pair(b->a() != kParams, -std::abs(b->spearman()));
    });
    const size_t all = order.size();
    order.resize(std::min(all, kClouds));
    const auto params = cell.columns.find(kParams);
    std::vector<std::string> svgs, ties;
    uint64_t most = 0;
    for (const pb::Correlation* entry : order) {
      const ReportColumn& column = cell.columns.at(entry->a());
      Cloud cloud{.x_axis = entry->a(),
                  .y_axis = AccuracyName(cell),
                  .title = absl::StrCat("\u03c1 ", TwoDigits(entry->spearman()), ", ", entry->a()),
                  .x = column.values,
                  .y = cell.truth};
      if (params != cell.columns.end()) cloud.colour = params->second.values;
      const size_t rows =
          std::min({cloud.x.size(), cloud.y.size(), cloud.colour.empty() ? cloud.x.size() : cloud.colour.size()});
      cloud.x.resize(rows);
      cloud.y.resize(rows);
      if (!cloud.colour.empty()) cloud.colour.resize(rows);
      ties.push_back(absl::StrCat(entry->a(), " ", Count(Ties(cloud.x, cloud.y))));
      most = std::max(most, entry->n());
      svgs.push_back(DrawCloud(cloud));
    }
    const bool cut = std::any_of(svgs.begin(), svgs.end(), [](const std::string& svg) {
      return svg.find(" on the edge</text>") != std::string::npos;
    });
    if (params != cell.columns.end()) svgs.push_back(DrawColourScale("fewest params", "most params"));
    page.Figure(
        svgs, absl::StrCat(
                  Where(cell), ": ",
                  all > order.size() ? absl::StrCat("params and the ", order.size() - 1, " of ", all - 1,
                                                    " proxies that rank most strongly")
                                     : "every proxy",
                  ". ",
                  most > kMostPoints ? "A hexagon is larger the more architectures it holds (logarithmic; their "
                                       "number is under the pointer)"
                                     : "A point is an architecture",
                  params != cell.columns.end() ? ", coloured by the rank of its number of parameters" : "",
                  ". Architectures with a score that is tied: ", absl::StrJoin(ties, ", "), ".",
                  cut ? " Where the lowest 2 % would take most of the height they are drawn on the lower edge." : ""));
  }
  left_out.Print(page);
}

// Section 6: cost.
void AddCosts(const ReportData& data, const Summary& summary, HtmlPage& page) {
  page.Section("Cost against correlation");
  std::map<std::string, std::vector<const ReportCell*>> spaces;
  for (const ReportCell& cell : data.cells) spaces[cell.space].push_back(&cell);
  for (const auto& [space, cells] : spaces) {
    std::vector<CostPoint> points;
    size_t without = 0;
    for (const std::string& proxy : summary.proxies) {
      double seconds = 0, rho = 0;
      int count = 0;
      for (const ReportCell* cell : cells) {
        const auto column = cell->columns.find(proxy);
        const auto entry = std::find_if(cell->against.begin(), cell->against.end(),
                                        [&](const pb::Correlation& one) { return one.a() == proxy; });
        if (column == cell->columns.end() || entry == cell->against.end() || !entry->has_spearman()) continue;
        if (column->second.seconds <= 0) continue;
        seconds += column->second.seconds;
        rho += entry->spearman();
        ++count;
      }
      if (count == 0) {
        ++without;
        continue;
      }
      points.push_back({.name = proxy, .seconds = seconds / count, .value = rho / count});
      points.back().hover = absl::StrFormat("%s: %.3g s an architecture, Spearman %s, %d task%s", proxy,
                                            seconds / count, Three(rho / count), count, count == 1 ? "" : "s");
    }
    if (points.empty()) {
      const bool judged =
          std::any_of(cells.begin(), cells.end(), [](const auto* cell) { return !cell->against.empty(); });
      page.LeftOut(
          absl::StrCat(space, judged ? ": no seconds are stored with the scores (published tables seldom have them)"
                                     : ": no proxy has a correlation with an accuracy"),
          judged ? absl::StrCat("zcbench submit ", Selection(*cells[0]), " --count 1000 --proxies all") : "");
      continue;
    }
    page.Figure(
        {DrawCosts(points, "seconds an architecture", "mean Spearman with the accuracy")},
        absl::StrCat(space,
                     ": each proxy's own share of the computing time of an architecture (work that several "
                     "share is divided among them), mean over architectures and tasks; Spearman as in figure 1, "
                     "mean over tasks. Filled and joined: nothing cheaper ranks better. ",
                     without > 0 ? absl::StrCat(without, " proxies without stored seconds are left out.") : ""));
  }
}

std::string NameOf(const pb::CombinedProxy& proxy) {
  return absl::StrCat(proxy.negated() ? "\u2212" : "", proxy.proxy());
}

// Section 7: LIBRA.
void AddLibra(const ReportData& data, HtmlPage& page) {
  page.Section("LIBRA: which proxies to combine");
  std::vector<const ReportCell*> fitted;
  LeftOuts left_out;
  for (const ReportCell& cell : data.cells) {
    if (cell.libra.has_value()) {
      fitted.push_back(&cell);
    } else {
      if (cell.no_libra.empty()) {
        left_out.AddUnjudged(cell);
      } else {
        left_out.Add(cell, cell.no_libra, absl::StrCat("zcbench libra fit ", Selection(cell)));
      }
    }
  }
  left_out.Print(page);
  if (fitted.empty()) return;

  std::vector<std::vector<HtmlCell>> chosen;
  for (const ReportCell* cell : fitted) {
    for (int z = 0; z < cell->libra->proxies_size(); ++z) {
      const pb::CombinedProxy& proxy = cell->libra->proxies(z);
      chosen.push_back({Text(z == 0 ? Where(*cell) : ""), Text(absl::StrCat("z", z + 1)), Text(NameOf(proxy)),
                        Text(proxy.reason())});
    }
    if (!cell->libra->note().empty()) chosen.push_back({Text(""), Text(""), Text("\u2013"), Text(cell->libra->note())});
  }
  page.Table({"task", "", "proxy", "why"}, chosen,
             "The proxies that Algorithm 1 of L-SWAG chooses by all architectures with an accuracy.");

  // Methods in the order in which the server lists them.
  std::vector<std::string> methods;
  std::map<std::pair<std::string, size_t>, const pb::MethodResult*> results;
  for (size_t c = 0; c < fitted.size(); ++c) {
    for (const pb::MethodResult& method : fitted[c]->libra->methods()) {
      if (std::find(methods.begin(), methods.end(), method.method()) == methods.end())
        methods.push_back(method.method());
      results[{method.method(), c}] = &method;
    }
  }
  if (fitted.size() > 1) {
    HeatMap map{.name = "Held-out Spearman of combinations, a column for each task",
                .scale = "Spearman with the accuracy on held-out architectures",
                .rows = methods};
    for (const ReportCell* cell : fitted) {
      map.columns.push_back(cell->label);
      map.groups.push_back(cell->space);
    }
    for (const std::string& method : methods) {
      for (size_t c = 0; c < fitted.size(); ++c) {
        HeatCell& heat = map.cells.emplace_back();
        const auto result = results.find({method, c});
        if (result == results.end()) continue;
        if (result->second->has_rho()) heat.value = result->second->rho();
        heat.published = PublishedCombined(method, fitted[c]->space, fitted[c]->task);
        heat.hover = absl::StrCat(
            Where(*fitted[c]), "\n", method, ": ", Three(result->second->has_rho(), result->second->rho()), " ",
            Range(result->second->has_rho_low(), result->second->rho_low(), result->second->rho_high()));
      }
    }
    page.Figure(
        {DrawHeatMap(map)},
        absl::StrCat("Ways to rank, Spearman with the accuracy on architectures that the choice was made without (",
                     fitted[0]->libra->validation(), "). Small figures: ", kLswagSource,
                     ", table 1 (1,000 networks, in sample; how LIBRA merges is not printed)."));
  }
  for (size_t c = 0; c < fitted.size(); ++c) {
    const ReportCell& cell = *fitted[c];
    std::vector<std::vector<HtmlCell>> rows;
    for (const pb::MethodResult& m : cell.libra->methods()) {
      rows.push_back({Text(m.method()), Number(Count(static_cast<uint64_t>(std::llround(m.n())))),
                      Number(Three(m.has_rho(), m.rho())), Number(Range(m.has_rho_low(), m.rho_low(), m.rho_high())),
                      Number(Three(m.has_in_sample(), m.in_sample())),
                      Number(Range(m.has_in_sample_low(), m.in_sample_low(), m.in_sample_high())),
                      Number(Two(PublishedCombined(m.method(), cell.space, cell.task)))});
    }
    page.Table(
        {"way to rank", "n", "held out", "95 %", "in sample", "95 %", "paper"}, rows,
        c == 0 ? absl::StrCat(Where(cell), ": Spearman with ", AccuracyName(cell),
                              ". Held out: ", cell.libra->validation(),
                              ", mean of the rounds and of their intervals. In sample: the ", Count(cell.libra->n()),
                              " architectures that the choice was made by, so too high. Paper: ", kLswagSource,
                              ", table 1. AZ-NAS, TE-NAS, VKDNW and T-CET stand here where all their proxies "
                              "have scores.")
               : absl::StrCat(Where(cell), ": as the table before, with ", AccuracyName(cell),
                              "; in sample: ", Count(cell.libra->n()), " architectures."));
  }

  std::vector<std::vector<HtmlCell>> choices;
  for (const ReportCell* cell : fitted) {
    for (const ReportChoice& choice : cell->choices) {
      if (choice.combination.methods_size() == 0) continue;
      const pb::MethodResult& m = choice.combination.methods(0);
      choices.push_back({Text(&choice == &cell->choices[0] ? Where(*cell) : ""), Text(choice.how),
                         Text(absl::StrJoin(choice.combination.proxies(), ", ",
                                            [](std::string* out, const pb::CombinedProxy& proxy) {
                                              absl::StrAppend(out, NameOf(proxy));
                                            })),
                         Number(Three(m.has_rho(), m.rho())), Number(Range(m.has_rho_low(), m.rho_low(), m.rho_high())),
                         Number(Three(m.has_in_sample(), m.in_sample())),
                         Number(Two(PublishedChoice(choice.how, cell->space, cell->task)))});
    }
  }
  page.Table(
      {"task", "second and third by", "proxies", "held out", "95 %", "in sample", "paper"}, choices,
      absl::StrCat("LIBRA with its rules changed, merged by rank sum. Two proxies: the second has the most (max "
                   "gain) or the least information gain (without bias); three: the third is the one least biased "
                   "by params, or the one whose bias is nearest to the accuracy's. Paper: ",
                   kLswagSource, ", table 4."));
}

// The value of an option in a proxy's text; "" of none.
std::string OptionOf(const std::string& proxy, const std::string& option) {
  const size_t at = proxy.find(option + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + option.size() + 1;
  return proxy.substr(begin, proxy.find_first_of(",)", begin) - begin);
}

// Section 8: what L-SWAG is made of.
void AddAblation(const ReportData& data, HtmlPage& page) {
  page.Section("What L-SWAG is made of");
  const std::vector<PublishedAblation>& ablations = PublishedAblations();
  std::vector<std::vector<HtmlCell>> rows;
  LeftOuts left_out;
  for (const ReportCell& cell : data.cells) {
    if (cell.against.empty()) {
      left_out.AddUnjudged(cell);
      continue;
    }
    std::string window;
    for (const pb::Correlation& entry : cell.against) {
      if (window.empty() && entry.a().starts_with("lswag(window=")) window = OptionOf(entry.a(), "window");
    }
    std::string found = cell.layers.empty() ? "" : cell.layers[0].window();
    if (window.empty()) window = found.empty() ? "pA-pB" : found;
    const std::string suffix = absl::StrCat("(window=", window, ")");
    const std::string names[] = {
        "zico",          "lswag_lambda", "", "lswag_psi", "lswag_lambda" + suffix, "lswag", "lswag_psi" + suffix,
        "lswag" + suffix};
    const auto find = [&](const std::string& name) {
      return std::find_if(cell.against.begin(), cell.against.end(),
                          [&](const pb::Correlation& entry) { return entry.a() == name; });
    };
    std::vector<std::string> missing;
    const size_t parts = std::size(names) - 1;  // one has no name here
    for (const std::string& name : names) {
      if (!name.empty() && find(name) == cell.against.end()) missing.push_back(name);
    }
    if (!missing.empty()) {
      left_out.Add(cell,
                   absl::StrCat("no scores of ", missing.size() < parts ? absl::StrJoin(missing, ", ") : "its parts",
                                window == "pA-pB" ? " (`zcbench layers` finds the window pA-pB)" : ""),
                   absl::StrCat("zcbench submit ", Selection(cell), " --count 1000 --proxies '",
                                absl::StrJoin(missing, ","), "'"));
    }
    if (missing.size() + 1 >= parts) continue;
    bool first = true;
    for (size_t i = 0; i < std::size(names) && i < ablations.size(); ++i) {
      const auto entry = find(names[i]);
      const std::optional<double> printed = PublishedAblationSpearman(i, cell.space, cell.task);
      if (entry == cell.against.end() && !printed.has_value()) continue;
      const bool has = entry != cell.against.end();
      rows.push_back(
          {Text(first ? Where(cell) : ""), Text(ablations[i].text), Text(has ? names[i] : "\u2013"),
           Number(has ? Three(entry->has_spearman(), entry->spearman()) : "\u2013"),
           Number(has ? Range(entry->has_spearman_low(), entry->spearman_low(), entry->spearman_high()) : "\u2013"),
           Number(has ? Count(entry->n()) : "\u2013"), Number(Two(printed))});
      first = false;
    }
  }
  if (!rows.empty()) {
    page.Table(
        {"task", "part", "proxy here", "Spearman", "95 %", "n", "paper"}, rows,
        absl::StrCat("The parts of L-SWAG alone and together, Spearman with the accuracy as in figure 1. No proxy "
                     "here is ZiCo within a window. Paper: ",
                     kLswagSource, ", table 3; which parts a row of it has is read from its prose."));
  }
  left_out.Print(page);
}

// Section 9: searches.
void AddSearches(const ReportData& data, HtmlPage& page) {
  page.Section("Search by a score");
  LeftOuts left_out;
  std::vector<std::vector<HtmlCell>> rows;
  for (const ReportCell& cell : data.cells) {
    if (cell.searches.empty()) {
      if (cell.against.empty()) {
        left_out.AddUnjudged(cell);
        continue;
      }
      left_out.Add(cell,
                   !data.request.search     ? "searches were not asked for"
                   : cell.no_search.empty() ? "no proxy ranks with the accuracy"
                                            : cell.no_search,
                   absl::StrCat("zcbench search ", Selection(cell), " --by PROXY"));
      continue;
    }
    std::vector<std::string> svgs;
    double refills = 0;
    for (const ReportSearch& search : cell.searches) {
      refills = std::max(refills, search.refills);
      svgs.push_back(DrawCurves({{search.algorithm, search.curve}, {"random", search.random}},
                                absl::StrCat("by ", search.by), absl::StrCat(AccuracyName(cell), ", mean ± sd")));
      const auto add = [&](const std::string& algorithm, const std::vector<CurvePoint>& curve) {
        std::vector<HtmlCell> row = {
            Text(rows.empty() || rows.back()[0].hover != Where(cell) ? Where(cell) : "", Where(cell)), Text(search.by),
            Text(algorithm)};
        for (const int64_t at : {10, 50, 200}) {
          const auto point =
              std::find_if(curve.begin(), curve.end(), [&](const CurvePoint& one) { return one.evaluations == at; });
          const bool has = point != curve.end() && std::isfinite(point->mean);
          row.push_back(Number(has ? absl::StrFormat("%.2f ± %.2f", point->mean, point->deviation) : "\u2013"));
        }
        const bool has = !curve.empty() && std::isfinite(curve.back().mean);
        row.push_back(Number(has ? absl::StrFormat("%.2f", search.best - curve.back().mean) : "\u2013"));
        rows.push_back(std::move(row));
      };
      if (&search == &cell.searches[0] || (&search)[-1].by != search.by) add("random", search.random);
      add(search.algorithm, search.curve);
    }
    page.Figure(svgs, absl::StrCat(
                          Where(cell), ": ", AccuracyName(cell),
                          " of the architecture with the best score so far, over 100 searches (seeds 0 to 99) of "
                          "the stored scores; mean and one standard deviation. Nothing was trained or scored "
                          "anew. Random search uses the same score.",
                          refills > 0.5 ? absl::StrFormat(" Up to %.0f %% of the steps of evolution were random, since "
                                                          "few architectures of the space have scores: read it as "
                                                          "random search.",
                                                          100 * refills)
                                        : ""));
  }
  if (!rows.empty()) {
    page.Table({"task", "by", "algorithm", "after 10", "after 50", "after 200", "regret"}, rows,
               "Accuracy of what a search hands over after so many evaluations, mean ± sd of 100 searches; regret: the "
               "highest accuracy of all architectures with a score, minus that after the last evaluation.");
  }
  left_out.Print(page);
  std::vector<std::vector<HtmlCell>> printed;
  for (const PublishedSearch& search : PublishedSearches()) {
    // DARTS networks are searched in the smaller space and trained in the larger one.
    const auto of_space = [&](const ReportCell& cell) {
      return (cell.space == search.space || (cell.space == "darts" && search.space == "darts_eval")) &&
             cell.task == search.task;
    };
    if (std::none_of(data.cells.begin(), data.cells.end(), of_space)) continue;
    printed.push_back({Text(absl::StrCat(std::string(search.space), " on ", std::string(search.task))),
                       Text(std::string(search.method)), Text(std::string(search.kind)),
                       Number(absl::StrFormat("%.1f", search.params_millions)),
                       Number(absl::StrFormat("%g", search.gpu_days)),
                       Number(absl::StrFormat("%.2f", search.test_error_percent))});
  }
  if (!printed.empty()) {
    page.Table(
        {"task", "method", "kind", "params, millions", "GPU days", "test error, %"}, printed,
        absl::StrCat("Printed for networks that were found and then trained in full, which zcbench does not do: ",
                     kLswagSource, ", table 2."));
  }
}

// Section 10: where the numbers come from.
void AddProvenance(const ReportData& data, HtmlPage& page) {
  page.Section("Where the numbers come from");
  page.Paragraph(absl::StrCat("zcbench ", data.server.zcbench_version(),
                              " served the scores and computed the statistics, on ",
                              absl::FormatTime("%Y-%m-%d %H:%M UTC", data.made, absl::UTCTimeZone()), ". Made by:"));
  page.Code(data.request.command);

  if (!data.jobs.empty()) {
    std::vector<std::vector<HtmlCell>> rows;
    for (const pb::Job& job : data.jobs) {
      rows.push_back({Text(absl::StrCat(job.id())), Text(job.spec().space()), Text(job.spec().task()),
                      Text(absl::StrJoin(job.spec().seeds(), ", ")), Text(TimestampText(job.created())),
                      Number(Count(job.total())), Number(Count(job.done())), Number(Count(job.failed()))});
    }
    page.Table({"job", "space", "task", "seeds", "created", "asked for", "complete", "failed for good"}, rows,
               "The jobs; counts are of architectures and seeds.");
  }

  // Seeds of one column together.
  struct Column {
    std::set<std::string> seeds{}, digests{};
    uint64_t finite = 0, not_finite = 0, undefined = 0, series = 0;
  };
  std::map<std::vector<std::string>, Column> columns;
  std::map<std::vector<std::string>, uint64_t> architectures;
  for (const ReportCell& cell : data.cells) {
    for (const pb::Series& one : cell.series) {
      const std::vector<std::string> key = {cell.space,    cell.label,     one.proxy(),
                                            one.version(), one.numerics(), one.source()};
      Column& column = columns[key];
      if (one.has_seed()) column.seeds.insert(absl::StrCat(one.seed()));
      if (!one.probe_batch().empty()) column.digests.insert(one.probe_batch());
      column.finite += one.finite();
      column.not_finite += one.not_finite();
      column.undefined += one.undefined();
      ++column.series;
      architectures[key] = cell.architectures.size();
    }
  }
  std::vector<std::vector<HtmlCell>> rows;
  std::string last;
  for (const auto& [key, column] : columns) {
    const std::string where = absl::StrCat(key[0], " on ", key[1]);
    const uint64_t there = column.finite + column.not_finite + column.undefined;
    const uint64_t asked = architectures[key] * column.series;
    const std::string digests = absl::StrJoin(
        column.digests, " ", [](std::string* out, const std::string& d) { absl::StrAppend(out, d.substr(0, 8)); });
    const std::string seeds = absl::StrJoin(column.seeds, ", ");
    rows.push_back({Text(where == last ? "" : where), Text(key[2]), Text(key[3].empty() ? "\u2013" : key[3]),
                    Text(seeds.empty() ? "\u2013" : seeds),
                    Text(digests.empty() ? "\u2013" : digests, absl::StrJoin(column.digests, "\n")),
                    Text(key[5].empty() ? key[4] : key[5]), Number(Count(column.finite)),
                    Number(Count(column.not_finite)), Number(Count(column.undefined)),
                    Number(asked > there ? Count(asked - there) : "0")});
    last = where;
  }
  page.Table(
      {"task", "proxy", "version", "seeds", "probe batches", "computed as, or source", "finite", "not finite",
       "undefined", "missing"},
      rows,
      "Every column of scores, as the store has it (of a job's columns also what other jobs added). Version: of "
      "proxy, pass and space. Probe batches: the first digits of their SHA-256. Computed as: the numerics class. "
      "Missing: architectures that have another score but not this one. Published scores have neither version nor "
      "seed.");

  if (data.sources.empty()) {
    page.Paragraph("Nothing here was imported.");
    return;
  }
  std::vector<std::vector<HtmlCell>> sources;
  for (const pb::SourceInfo& source : data.sources) {
    sources.push_back({Text(source.source()), Text(source.licence()),
                       Text(absl::StrCat(source.space(), " on ", source.task())),
                       Text(source.metric().empty() ? "scores" : absl::StrCat("accuracy, ", source.metric())),
                       Text(TimestampText(source.imported())), Text(source.digest().substr(0, 16), source.digest())});
  }
  page.Table({"source", "licence", "of", "holds", "imported", "file"}, sources,
             "Published tables that this report rests on, with the licence that was given at the import and the first "
             "digits of the file's SHA-256.");
}

}  // namespace

std::string WriteReport(const ReportData& data) {
  std::set<std::string> spaces, proxies;
  uint64_t architectures = 0;
  for (const ReportCell& cell : data.cells) {
    spaces.insert(cell.space);
    for (const auto& [proxy, column] : cell.columns) proxies.insert(proxy);
    architectures = std::max<uint64_t>(architectures, cell.architectures.size());
  }
  const std::string tasks = absl::StrCat(data.cells.size(), data.cells.size() == 1 ? " task" : " tasks");
  HtmlPage page(absl::StrCat("Zero-cost proxies on ", absl::StrJoin(spaces, ", ")),
                absl::StrCat(tasks, ", ", proxies.size(), " proxies, up to ", Count(architectures),
                             " architectures. Made on ", absl::FormatTime("%Y-%m-%d", data.made, absl::UTCTimeZone()),
                             " by zcbench ", data.server.zcbench_version(), "."));
  const Summary summary = Summarise(data);
  AddTasks(data, summary, page);
  AddAverages(summary, page);
  AddLayers(data, page);
  AddPairs(data, summary, page);
  AddClouds(data, page);
  AddCosts(data, summary, page);
  AddLibra(data, page);
  AddAblation(data, page);
  AddSearches(data, page);
  AddProvenance(data, page);
  return page.Finish(absl::StrCat(ChartStyle(), HeatMapStyle()));
}

}  // namespace zcbench
