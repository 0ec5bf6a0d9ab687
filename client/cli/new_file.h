// A file that appears under its name only when it is whole and on the disk, and takes nobody's place unless asked to.
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
  // ALREADY_EXISTS: the file is there, and `replace` is false. INVALID_ARGUMENT: it cannot be written.
  static absl::StatusOr<std::unique_ptr<NewFile>> Create(const std::string& path, bool replace = false);
  // Without Finish nothing stays.
  ~NewFile();
  NewFile(const NewFile&) = delete;

  std::ostream& out() { return out_; }
  // ALREADY_EXISTS: somebody else made the file meanwhile. UNAVAILABLE: it could not be written.
  absl::Status Finish();

 private:
  NewFile(const std::string& path, bool replace);

  std::string path_;
  bool replace_;
  std::string part_;  // beside it, until Finish
  std::ofstream out_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_NEW_FILE_H_
