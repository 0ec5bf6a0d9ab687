// A folder that exists as long as the object does. Tests only.
#ifndef ZCBENCH_WORKER_AGENT_TEMPORARY_FOLDER_H_
#define ZCBENCH_WORKER_AGENT_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "base/status_macros.h"

namespace zcbench {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "zcbench-test-XXXXXX").string();
    ZCB_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_TEMPORARY_FOLDER_H_
