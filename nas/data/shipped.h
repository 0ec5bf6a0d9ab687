// The images that come with zcbench.
#ifndef ZCBENCH_NAS_DATA_SHIPPED_H_
#define ZCBENCH_NAS_DATA_SHIPPED_H_

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "nas/data/data_set.h"
#include "nas/task.h"

namespace zcbench {

// The folder that has one folder for each shipped task: the environment variable ZCB_DATA_DIR when it is set; else
// `../share/zcbench` beside the folder of the running program, where `cmake --install` puts it; else the source tree
// that the program was built from. NOT_FOUND lists the places where it was looked for.
absl::StatusOr<std::filesystem::path> ShippedDataFolder();

// OpenDataSet of a task with `shipped`. INVALID_ARGUMENT: the images of this task do not come with zcbench. Other
// errors as ShippedDataFolder and OpenDataSet.
absl::StatusOr<std::unique_ptr<DataSet>> OpenShippedDataSet(const Task& task);

}  // namespace zcbench

#endif  // ZCBENCH_NAS_DATA_SHIPPED_H_
