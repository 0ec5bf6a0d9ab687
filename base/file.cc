#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError(absl::StrCat(path.string(), ": no such file"));
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), ": is a folder, a file was expected"));
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::UnavailableError(absl::StrCat(path.string(), ": ", std::strerror(errno)));
  std::string bytes;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof(buffer)) || in.gcount() > 0) {
    bytes.append(buffer, static_cast<size_t>(in.gcount()));
    if (bytes.size() > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), ": larger than ", max_bytes, " bytes"));
    }
  }
  if (in.bad())
    return absl::UnavailableError(absl::StrCat(path.string(), ": reading failed after ", bytes.size(), " bytes"));
  return bytes;
}

absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  const std::string temporary = absl::StrCat(path.string(), ".", ::getpid(), ".tmp");
  const auto failed = [&](const char* step) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    return absl::UnavailableError(absl::StrCat(path.string(), ": ", step, ": ", reason));
  };
  ::unlink(temporary.c_str());  // of a process that died
  // O_EXCL: nobody may have put a file or a link of their own here.
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return failed("cannot create it");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const absl::Status status = failed("cannot write it");
      ::close(fd);
      return status;
    }
    done += static_cast<size_t>(wrote);
  }
  const bool synced = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !synced) return failed("cannot write it");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("cannot replace it");
  return absl::OkStatus();
}

}  // namespace zcbench
