#include "client/cli/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

absl::Status Exists(const std::string& path) {
  return absl::AlreadyExistsError(absl::StrCat(path, " is there already; remove it or choose another file"));
}

bool Sync(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Create(const std::string& path, bool replace) {
  std::error_code error;
  if (!replace && std::filesystem::exists(path, error)) return Exists(path);
  auto file = std::unique_ptr<NewFile>(new NewFile(path, replace));
  if (!file->out_) return absl::InvalidArgumentError(absl::StrCat(path, " cannot be written: ", std::strerror(errno)));
  return file;
}

NewFile::NewFile(const std::string& path, bool replace)
    : path_(path), replace_(replace), part_(absl::StrCat(path, ".part-", getpid())), out_(part_, std::ios::binary) {}

NewFile::~NewFile() {
  std::error_code ignored;
  if (!part_.empty()) std::filesystem::remove(part_, ignored);
}

absl::Status NewFile::Finish() {
  out_.close();
  if (!out_ || !Sync(part_)) {
    return absl::UnavailableError(absl::StrCat(path_, " could not be written; is the disk full?"));
  }
  // Unlike rename, link takes nobody's place; not every file system has it.
  if (!replace_ && link(part_.c_str(), path_.c_str()) == 0) {
    unlink(part_.c_str());
  } else if (!replace_ && (errno == EEXIST || access(path_.c_str(), F_OK) == 0)) {
    return Exists(path_);
  } else if (rename(part_.c_str(), path_.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat(path_, " could not be written: ", std::strerror(errno)));
  }
  part_.clear();
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  (void)Sync(folder.empty() ? "." : folder);
  return absl::OkStatus();
}

}  // namespace zcbench
