#include "nas/data/shipped.h"

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;

// One of the shipped tasks stands for all: they are installed together.
constexpr char kMarker[] = "photos/photos.csv";

}  // namespace

absl::StatusOr<fs::path> ShippedDataFolder() {
  std::vector<std::string> places;
  if (const char* const named = std::getenv("ZCB_DATA_DIR"); named != nullptr && *named != '\0') {
    places.emplace_back(named);
  } else {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (!error) places.push_back((program.parent_path().parent_path() / "share/zcbench").string());
    places.emplace_back(ZCB_SHIPPED_DATA_DIR);
  }
  for (const std::string& place : places) {
    std::error_code error;
    if (fs::exists(fs::path(place) / kMarker, error)) return fs::path(place);
  }
  return absl::NotFoundError(absl::StrCat("no ", kMarker, " in ", absl::StrJoin(places, " or "),
                                          "; name the folder that holds it in ZCB_DATA_DIR"));
}

absl::StatusOr<std::unique_ptr<DataSet>> OpenShippedDataSet(const Task& task) {
  if (!task.shipped) {
    return absl::InvalidArgumentError(
        absl::StrCat("the images of task ", task.name, " do not come with zcbench; name the folder that holds them"));
  }
  ZCB_ASSIGN_OR_RETURN(const fs::path folder, ShippedDataFolder());
  return OpenDataSet(task, folder / task.name);
}

}  // namespace zcbench
