// Tables of scores and accuracies: published ones in CSV and JSON, and our own CSV of accuracies.
#include <cmath>
#include <sstream>

#include "base/file.h"
#include "base/temporary_folder.h"
#include "client/cli/accuracy_file.h"
#include "client/cli/published_table.h"
#include "nas/proxy_text.h"
#include "tests/fuzz/fuzz.h"

namespace zcbench {
namespace {

absl::Status CheckRow(const PublishedRow& row) {
  const absl::StatusOr<const SpaceDefinition*> space = FindSpace(row.space);
  ZCB_CHECK(space.ok() && (*space)->name == row.space);
  ZCB_CHECK((*space)->space->Parse(row.architecture).value() == row.architecture);
  ZCB_CHECK(task_registry().Find(row.task).ok());
  for (const PublishedScore& score : row.scores) {
    ZCB_CHECK(PrintProxyText(ParseProxyText(score.proxy).value()) == score.proxy);
    ZCB_CHECK(!score.value.has_value() || std::isfinite(*score.value));
    ZCB_CHECK(std::isfinite(score.seconds) && score.seconds >= 0);
  }
  for (const auto& [metric, accuracy] : row.accuracies) ZCB_CHECK(!metric.empty() && std::isfinite(accuracy));
  return absl::OkStatus();
}

}  // namespace

void Fuzz(std::string_view input) {
  static const TemporaryFolder folder;
  const std::filesystem::path file = folder / "table";
  ZCB_CHECK(WriteFileAtomically(file, input).ok());
  const auto read = [&](const PublishedTableOptions& options) {
    const auto notes = ReadPublishedTable(file, options, CheckRow);
    ZCB_CHECK(notes.ok() ? notes->rows > 0 : !absl::IsInternal(notes.status()) && !absl::IsUnknown(notes.status()));
  };
  read({});
  read({.space = "nasbench201", .task = "cifar10", .proxies = {}, .check_parameters = false});

  std::istringstream in{std::string(input)};
  const absl::Status accuracies = ReadAccuracies(*FindSpace("nasbench201").value()->space, in, "fuzz", {},
                                                 [](const std::string& architecture, double accuracy) {
                                                   ZCB_CHECK(!architecture.empty() && std::isfinite(accuracy));
                                                   return absl::OkStatus();
                                                 });
  ZCB_CHECK(accuracies.ok() || absl::IsInvalidArgument(accuracies));
}

}  // namespace zcbench
