#include "worker/agent/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "ZCBSPOOL";
constexpr std::string_view kSuffix = ".scores";
constexpr size_t kHeaderBytes = kMagic.size() + std::tuple_size_v<Sha256Digest>;

std::string_view Bytes(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

absl::StatusOr<v1::RecordScoresRequest> Decode(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("it does not begin like a spool file");
  }
  const std::string_view payload = bytes.substr(kHeaderBytes);
  if (bytes.substr(kMagic.size(), kHeaderBytes - kMagic.size()) != Bytes(Sha256(payload))) {
    return absl::DataLossError(absl::StrCat("its ", payload.size(), " bytes of content do not have their checksum"));
  }
  v1::RecordScoresRequest request;
  if (!request.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::DataLossError("its content is no request");
  }
  return request;
}

void MoveAside(const fs::path& path, std::string_view ending, absl::string_view reason) {
  fs::path aside = path;
  aside += ending;
  std::error_code error;
  fs::rename(path, aside, error);
  Log(LogLevel::kError, "a file of the spool was set aside: its scores are not recorded",
      {{"file", (error ? path : aside).string()}, {"reason", std::string(reason)}});
}

// A rename is on disk only when its folder is.
absl::Status SyncFolder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(folder.string(), ": cannot sync the folder: ", std::strerror(reason)));
}

}  // namespace

Spool::Spool(fs::path folder, uint64_t max_bytes, int lock)
    : folder_(std::move(folder)), max_bytes_(max_bytes), lock_(lock) {}

Spool::~Spool() { ::close(lock_); }

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const fs::path& folder, uint64_t max_bytes) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return absl::UnavailableError(absl::StrCat("spool ", folder.string(), ": cannot make it: ", error.message()));
  const fs::path lock_path = folder / "lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) return absl::UnavailableError(absl::StrCat(lock_path.string(), ": ", std::strerror(errno)));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    ::close(lock);
    if (reason == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat("spool ", folder.string(), ": another worker uses it; give each worker its own with --spool"));
    }
    return absl::UnavailableError(absl::StrCat(lock_path.string(), ": cannot lock it: ", std::strerror(reason)));
  }
  std::unique_ptr<Spool> spool(new Spool(folder, max_bytes, lock));
  ZCB_RETURN_IF_ERROR(spool->ReadFolder());
  return spool;
}

absl::StatusOr<std::unique_ptr<Spool>> Spool::OpenFirstFree(const fs::path& root, std::string_view prefix,
                                                            uint64_t max_bytes) {
  constexpr int kMaxWorkers = 1000;  // of one machine
  for (int i = 0; i < kMaxWorkers; ++i) {
    absl::StatusOr<std::unique_ptr<Spool>> spool = Open(root / absl::StrCat(std::string(prefix), "-", i), max_bytes);
    if (!absl::IsFailedPrecondition(spool.status())) return spool;
  }
  return absl::FailedPreconditionError(absl::StrCat("spool ", root.string(), ": all of ", kMaxWorkers, " are in use"));
}

absl::Status Spool::ReadFolder() {
  MutexLock lock(mutex_);
  std::error_code error;
  fs::directory_iterator it(folder_, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const fs::path path = it->path();
    const std::string name = path.filename().string();
    if (absl::EndsWith(name, ".tmp")) {
      MoveAside(path, ".damaged", "the worker was killed while it wrote this file");
      continue;
    }
    // Numbers of files that were set aside are not given out again either.
    uint64_t number = 0;
    const size_t dot = name.find('.');
    if (!absl::SimpleAtoi(name.substr(0, dot), &number)) continue;
    next_number_ = std::max(next_number_, number + 1);
    if (dot == std::string::npos || name.substr(dot) != kSuffix) continue;
    const uint64_t bytes = fs::file_size(path, error);
    if (error) break;
    files_.push_back({.number = number, .bytes = bytes, .inherited = true});
    bytes_ += bytes;
  }
  if (error)
    return absl::UnavailableError(absl::StrCat("spool ", folder_.string(), ": cannot read it: ", error.message()));
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return a.number < b.number; });
  return absl::OkStatus();
}

fs::path Spool::PathOf(uint64_t number) const {
  return folder_ / absl::StrCat(absl::StrFormat("%012d", number), std::string(kSuffix));
}

absl::Status Spool::Add(const v1::RecordScoresRequest& request) {
  const std::string payload = request.SerializeAsString();
  const std::string bytes = absl::StrCat(std::string(kMagic), std::string(Bytes(Sha256(payload))), payload);
  MutexLock lock(mutex_);
  if (bytes_ + bytes.size() > max_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("spool ", folder_.string(), ": full, ", files_.size(),
                                                     " requests with ", bytes_, " of at most ", max_bytes_,
                                                     " bytes wait for the server; bring the server back"));
  }
  const uint64_t number = next_number_;
  ZCB_RETURN_IF_ERROR(WriteFileAtomically(PathOf(number), bytes));
  if (const absl::Status synced = SyncFolder(folder_); !synced.ok()) {
    std::error_code error;
    fs::remove(PathOf(number), error);
    return synced;
  }
  ++next_number_;
  files_.push_back({.number = number, .bytes = bytes.size(), .inherited = false});
  bytes_ += bytes.size();
  return absl::OkStatus();
}

std::optional<Spool::Entry> Spool::Oldest() {
  MutexLock lock(mutex_);
  while (!files_.empty()) {
    const File file = files_.front();
    const fs::path path = PathOf(file.number);
    absl::Status status;
    if (const absl::StatusOr<std::string> bytes = ReadFile(path); !bytes.ok()) {
      status = bytes.status();
    } else if (absl::StatusOr<v1::RecordScoresRequest> request = Decode(*bytes); !request.ok()) {
      status = request.status();
    } else {
      return Entry{.number = file.number, .inherited = file.inherited, .request = *std::move(request)};
    }
    MoveAside(path, ".damaged", status.message());
    Drop(file.number);
  }
  return std::nullopt;
}

void Spool::Remove(uint64_t number) {
  MutexLock lock(mutex_);
  Drop(number);
  // Left behind, it is sent once more by the next process, and the server answers what it answered before.
  std::error_code error;
  fs::remove(PathOf(number), error);
  if (error) {
    Log(LogLevel::kWarning, "cannot delete a file of the spool",
        {{"file", PathOf(number).string()}, {"reason", error.message()}});
  }
}

void Spool::SetAside(uint64_t number, const std::string& reason) {
  MutexLock lock(mutex_);
  Drop(number);
  MoveAside(PathOf(number), ".refused", reason);
}

void Spool::Drop(uint64_t number) {
  const auto file = std::find_if(files_.begin(), files_.end(),
                                 [number](const File& candidate) { return candidate.number == number; });
  if (file == files_.end()) return;
  bytes_ -= file->bytes;
  files_.erase(file);
}

size_t Spool::size() const {
  MutexLock lock(mutex_);
  return files_.size();
}

}  // namespace zcbench
