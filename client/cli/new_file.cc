#include "client/cli/new_file.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace zcbench {

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Create(const std::string& path, bool replace) {
  std::error_code error;
  if (!replace && std::filesystem::exists(path, error)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is there already; remove it or choose another file"));
  }
  auto file = std::unique_ptr<NewFile>(new NewFile(path));
  if (!file->out_) return absl::InvalidArgumentError(absl::StrCat(path, " cannot be written"));
  return file;
}

NewFile::NewFile(const std::string& path)
    : path_(path), part_(absl::StrCat(path, ".part-", getpid())), out_(part_, std::ios::binary) {}

NewFile::~NewFile() {
  std::error_code ignored;
  if (!part_.empty()) std::filesystem::remove(part_, ignored);
}

absl::Status NewFile::Finish() {
  out_.close();
  std::error_code error;
  if (out_) std::filesystem::rename(part_, path_, error);
  if (!out_ || error) return absl::UnavailableError(absl::StrCat(path_, " could not be written; is the disk full?"));
  part_.clear();
  return absl::OkStatus();
}

}  // namespace zcbench
