// What the server has not acknowledged yet, on disk: one file a RecordScoresRequest, so that scores outlive a lost
// server and a killed agent. Every request goes through it; it is sent in order and deleted once it is acknowledged.
#ifndef ZCBENCH_WORKER_AGENT_SPOOL_H_
#define ZCBENCH_WORKER_AGENT_SPOOL_H_

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "zcbench/v1/worker.pb.h"

namespace zcbench {

// A file: "ZCBSPOOL", the SHA-256 of what follows (32 bytes), a serialised RecordScoresRequest. Its name: a running
// number and
// ".scores". Thread-safe.
class Spool {
 public:
  struct Entry {
    uint64_t number = 0;  // orders the entries; grows over restarts
    // It was in the folder when the spool was opened: made by an earlier process, whose session is over.
    bool inherited = false;
    v1::RecordScoresRequest request;
  };

  // Makes `folder` if need be and takes it for this process; at most `max_bytes` are kept in it. FAILED_PRECONDITION:
  // another process uses it. UNAVAILABLE: it cannot be read or written. What was left half-written or damaged is
  // renamed to NAME.damaged and logged.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const std::filesystem::path& folder, uint64_t max_bytes);
  // The first of ROOT/PREFIX-0, ROOT/PREFIX-1, ... that no process uses: a worker that is started again finds what the
  // one before it left.
  static absl::StatusOr<std::unique_ptr<Spool>> OpenFirstFree(const std::filesystem::path& root,
                                                              std::string_view prefix, uint64_t max_bytes);
  ~Spool();

  // Durable when it returns OK. RESOURCE_EXHAUSTED: the spool is full, or the disk; nothing was added. UNAVAILABLE: the
  // file could not be written.
  absl::Status Add(const v1::RecordScoresRequest& request);

  // The oldest entry; none when the spool is empty. A file that cannot be read any more is set aside like at Open.
  std::optional<Entry> Oldest();

  // Deletes an entry, since the server has it.
  void Remove(uint64_t number);

  // Keeps the file as NAME.refused, out of the way of the others, since the server will never take it; logs `reason`.
  void SetAside(uint64_t number, const std::string& reason);

  size_t size() const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct File {
    uint64_t number;
    uint64_t bytes;
    bool inherited;
  };

  Spool(std::filesystem::path folder, uint64_t max_bytes, int lock);
  std::filesystem::path PathOf(uint64_t number) const;
  absl::Status ReadFolder();
  void Drop(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::filesystem::path folder_;
  const uint64_t max_bytes_;
  const int lock_;  // an open file that is locked
  mutable Mutex mutex_;
  std::deque<File> files_ ABSL_GUARDED_BY(mutex_);  // by number
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;      // of files_
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_AGENT_SPOOL_H_
