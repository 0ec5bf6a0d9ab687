#include "worker/scorer/pages.h"

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "nas/space.h"
#include "nas/task.h"
#include "worker/models/model.h"
#include "worker/proxies/proxy.h"

namespace zcbench {
namespace {

constexpr char kHeader[] =
    "<!-- Written by `zcbench-scorer describe --pages docs`; a test compares it with the build. -->\n\n";

std::string NameOf(TaskKind kind) {
  switch (kind) {
    case TaskKind::kClassification:
      return "classes";
    case TaskKind::kSoftClassification:
      return "soft classes";
    case TaskKind::kJigsaw:
      return "jigsaw";
    case TaskKind::kRegression:
      return "numbers";
    case TaskKind::kSegmentation:
      return "segmentation";
    case TaskKind::kImage:
      return "image";
  }
  return "";
}

// A cell of the space for its first task of each kind, and the first architecture's model for it.
struct Example {
  std::string space;
  TaskKind kind;
  std::unique_ptr<Model> model;
};

absl::StatusOr<std::vector<Example>> BuildExamples() {
  std::vector<Example> examples;
  for (const SpaceDefinition& space : space_registry().All()) {
    std::set<TaskKind> seen;
    for (const Task& task : task_registry().All()) {
      if (!space.space->Answers(task.kind) || !seen.insert(task.kind).second) continue;
      ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(space.name, task.name));
      ZCB_ASSIGN_OR_RETURN(const std::string architecture, SampleSequence(space, 0).At(0));
      ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, BuildModel(architecture, cell));
      examples.push_back({space.name, task.kind, std::move(model)});
    }
  }
  return examples;
}

// `reason: spaces`, for the models that the proxy is not defined for.
std::string Undefined(const ProxyDefinition& proxy, const std::vector<Example>& examples) {
  if (proxy.undefined_for == nullptr) return "";
  std::map<std::string, std::vector<std::string>> spaces_of;  // by reason
  std::map<std::string, std::pair<int, int>> counts;          // of a space: undefined kinds, all kinds
  for (const Example& example : examples) {
    ++counts[example.space].second;
    if (!proxy.undefined_for(*example.model).empty()) ++counts[example.space].first;
  }
  for (const Example& example : examples) {
    const std::string reason = proxy.undefined_for(*example.model);
    if (reason.empty()) continue;
    const auto& [some, all] = counts[example.space];
    const std::string name = some == all ? example.space : absl::StrCat(example.space, " (", NameOf(example.kind), ")");
    std::vector<std::string>& names = spaces_of[reason];
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  std::vector<std::string> parts;
  for (const auto& [reason, names] : spaces_of) parts.push_back(absl::StrCat(absl::StrJoin(names, ", "), ": ", reason));
  return absl::StrJoin(parts, "; ");
}

std::string Reads(uint32_t reads) {
  std::vector<std::string> parts;
  if (reads & kWeights) parts.push_back("weights");
  if (reads & kImages) parts.push_back("images");
  if (reads & kLabels) parts.push_back("labels");
  return parts.empty() ? "the architecture" : absl::StrJoin(parts, ", ");
}

// A bar would end the cell of a table.
std::string InTable(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }

std::string Row(const ProxyDefinition& proxy, const std::vector<Example>& examples) {
  std::vector<std::string> options;
  for (const auto& [name, value] : proxy.options) options.push_back(absl::StrCat("`", name, "=", value, "`"));
  return absl::StrCat("| `", proxy.name, "` | ", InTable(proxy.summary), " | ", proxy.larger_is_better ? "+" : "-",
                      " | ", Reads(proxy.reads), " | ", absl::StrJoin(proxy.passes, ", "), " | ",
                      absl::StrJoin(options, " "), " | ", InTable(Undefined(proxy, examples)), " | ", proxy.paper,
                      " |\n");
}

std::string Numbers(const std::vector<NamedCount>& counts) {
  std::vector<std::string> parts;
  for (const NamedCount& count : counts) parts.push_back(absl::StrCat("`", count.name, "` ", count.value));
  return absl::StrJoin(parts, ", ");
}

}  // namespace

absl::StatusOr<std::string> ProxiesPage() {
  ZCB_ASSIGN_OR_RETURN(const std::vector<Example> examples, BuildExamples());
  std::string page = absl::StrCat(
      kHeader,
      "# Proxies\n\n"
      "Every proxy that `zcbench list proxies` knows. Formula, readings and differences from the authors' code stand "
      "at the head of its file in\n"
      "`worker/proxies`; the passes are those of `worker/passes/pass.h`. Direction: + larger ranks better. Options are "
      "shown with their defaults and written\n"
      "`name(option=value)`. A proxy that is undefined for a model records the outcome UNDEFINED with the reason.\n\n"
      "`jacov`, `epe_nas`, `gradsign` and `ntk_cond` are rounding noise, in the authors' code too, where batch "
      "normalisation stands directly before the\n"
      "pooling: then no output of one image depends on the weights before it. That is so for the classifiers of "
      "TransNAS-Bench-101 and for cells of DARTS\n"
      "whose last one has no pooling. Do not rank such architectures by them.\n");
  constexpr char kColumns[] =
      "| proxy | what it is | dir | reads | passes | options | undefined | paper |\n| --- | --- | --- | --- | --- | "
      "--- | --- | --- |\n";
  for (const bool variant : {false, true}) {
    absl::StrAppend(&page, variant ? "\n## Variants (only when asked for by name)\n\n" : "\n## `--proxies all`\n\n",
                    kColumns);
    for (const ProxyDefinition& proxy : proxy_registry().All()) {
      if (proxy.variant == variant) absl::StrAppend(&page, Row(proxy, examples));
    }
  }
  return page;
}

absl::StatusOr<std::string> SpacesPage() {
  std::string page = absl::StrCat(kHeader, "# Search spaces and tasks\n\n## Spaces\n\n");
  for (const SpaceDefinition& definition : space_registry().All()) {
    const Space& space = *definition.space;
    ZCB_ASSIGN_OR_RETURN(const std::string architecture, SampleSequence(definition, 0).At(0));
    ZCB_ASSIGN_OR_RETURN(const std::string official, space.Official(architecture));
    absl::StrAppend(&page, "### `", definition.name, "`\n\n", std::string(space.summary()), ". ", space.size(),
                    " architectures; version ", space.version(), ".\n\n- Example: `", architecture, "`, officially `",
                    official, "`\n");
    if (!space.prefixes().empty())
      absl::StrAppend(&page, "- Other names before the slash: `", absl::StrJoin(space.prefixes(), "`, `"), "`\n");
    std::vector<std::string> cells;
    std::string counts;
    for (const Task& task : task_registry().All()) {
      if (!space.Answers(task.kind)) continue;
      ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(definition.name, task.name));
      cells.push_back(absl::StrCat(task.name, " (", cell.height, " px)"));
      if (!counts.empty()) continue;
      ZCB_ASSIGN_OR_RETURN(const int64_t params, space.Params(architecture, cell));
      ZCB_ASSIGN_OR_RETURN(const int64_t flops, space.Flops(architecture, cell));
      ZCB_ASSIGN_OR_RETURN(const std::vector<NamedCount> macs, space.Macs(architecture, cell));
      counts = absl::StrCat("- The example on ", task.name, ": `params` ", params, ", `flops` ", flops,
                            macs.empty() ? "" : ", ", Numbers(macs), "\n");
    }
    absl::StrAppend(&page, counts, "- Tasks: ", absl::StrJoin(cells, ", "), "\n\n");
  }
  absl::StrAppend(&page,
                  "## Tasks\n\n| task | what it is | answer | width | images |\n| --- | --- | --- | --- | --- |\n");
  for (const Task& task : task_registry().All()) {
    absl::StrAppend(&page, "| `", task.name, "` | ", task.summary, " | ", NameOf(task.kind), " | ", task.classes, " | ",
                    task.probe_images, " |\n");
  }
  return page;
}

}  // namespace zcbench
