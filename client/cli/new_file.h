// A file that appears under its name only when it is whole.
#ifndef ZCBENCH_CLIENT_CLI_NEW_FILE_H_
#define ZCBENCH_CLIENT_CLI_NEW_FILE_H_

#include <fstream>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

class NewFile {
 public:
  // ALREADY_EXISTS: there is one, and `replace` is false. INVALID_ARGUMENT: it cannot be written there.
  static absl::StatusOr<std::unique_ptr<NewFile>> Create(const std::string& path, bool replace = false);
  // Removes what was written, unless it was finished.
  ~NewFile();
  NewFile(const NewFile&) = delete;

  std::ostream& out() { return out_; }
  // Once. UNAVAILABLE: the disk is full.
  absl::Status Finish();

 private:
  explicit NewFile(const std::string& path);

  std::string path_;
  std::string part_;
  std::ofstream out_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_NEW_FILE_H_
