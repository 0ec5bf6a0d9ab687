// A folder for one test, removed with what is in it at the end. Tests only.
#ifndef ZCBENCH_BASE_TEMPORARY_FOLDER_H_
#define ZCBENCH_BASE_TEMPORARY_FOLDER_H_

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
    ZCB_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace zcbench

#endif  // ZCBENCH_BASE_TEMPORARY_FOLDER_H_
