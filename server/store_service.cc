#include "server/store_service.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/memory.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "server/convert.h"
#include "server/handle.h"
#include "server/own_file.h"

namespace zcbench {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

// Where the server's own copy lies while it is made and sent: beside the database, whose disk is made for its size. A
// published file's folder may be anybody's.
absl::StatusOr<std::filesystem::path> CopyPath(const Store& store) {
  static std::atomic<uint64_t> number = 0;
  const std::string ending = absl::StrCat(".part-", getpid(), "-", number++);
  if (!store.read_only()) return std::filesystem::path(store.location() + ending);
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return absl::UnavailableError("there is no folder for temporary files; set TMPDIR");
  return folder / absl::StrCat("zcbench-backup", ending);
}

// The task of a stream, which ends when its reader goes.
class StreamTask {
 public:
  // CANCELLED: the reader went before it began.
  absl::Status Begin(std::unique_ptr<StoreTask> task) {
    MutexLock lock(mutex_);
    if (cancelled_) return absl::CancelledError("the reader has gone");
    task_ = std::move(task);
    return absl::OkStatus();
  }
  // Begun before.
  StoreTask& task() {
    MutexLock lock(mutex_);
    return *task_;
  }
  void Cancel() {
    MutexLock lock(mutex_);
    cancelled_ = true;
    if (task_ != nullptr) task_->Cancel();
  }

 private:
  Mutex mutex_;
  std::unique_ptr<StoreTask> task_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

class BackupStream {
 public:
  explicit BackupStream(Store& store) : store_(&store) {}

  void Cancel() { task_->Cancel(); }

  absl::StatusOr<bool> Next(v1::BackUpStoreResponse& response) {
    if (file_ == nullptr) {
      ZCB_ASSIGN_OR_RETURN(const std::filesystem::path path, CopyPath(*store_));
      file_ = std::make_unique<OwnFile>(path);
      ZCB_ASSIGN_OR_RETURN(std::unique_ptr<StoreTask> task, store_->StartBackup(path));
      ZCB_RETURN_IF_ERROR(task_->Begin(std::move(task)));
    }
    if (in_ == nullptr) {
      ZCB_ASSIGN_OR_RETURN(const std::optional<StoreProgress> progress, task_->task().Step());
      if (progress.has_value()) {
        response.set_stage(std::string(progress->stage));
        response.set_done(progress->done);
        response.set_total(progress->total);
        return true;
      }
      in_ = std::make_unique<std::ifstream>(file_->path(), std::ios::binary);
      std::error_code error;
      total_ = std::filesystem::file_size(file_->path(), error);
      if (error || !*in_) return absl::UnavailableError("the copy could not be read again");
    }
    std::string& piece = *response.mutable_content();
    piece.resize(kPieceBytes);
    in_->read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<size_t>(in_->gcount()));
    sent_ += piece.size();
    if (piece.empty() && sent_ != total_) return absl::UnavailableError("the copy could not be read again");
    response.set_stage("receiving");
    response.set_done(sent_);
    response.set_total(total_);
    return !piece.empty();
  }

 private:
  Store* store_;
  std::unique_ptr<StreamTask> task_ = std::make_unique<StreamTask>();
  std::unique_ptr<OwnFile> file_;
  std::unique_ptr<std::ifstream> in_;
  uint64_t sent_ = 0;
  uint64_t total_ = 0;
};

class CheckStream {
 public:
  explicit CheckStream(Store& store) : store_(&store) {}

  void Cancel() { task_->Cancel(); }

  absl::StatusOr<bool> Next(v1::CheckStoreResponse& response) {
    if (!begun_) {
      ZCB_ASSIGN_OR_RETURN(std::unique_ptr<StoreTask> task, store_->StartCheck());
      ZCB_RETURN_IF_ERROR(task_->Begin(std::move(task)));
      begun_ = true;
    }
    ZCB_ASSIGN_OR_RETURN(const std::optional<StoreProgress> progress, task_->task().Step());
    if (!progress.has_value()) return false;
    response.set_stage(std::string(progress->stage));
    response.set_done(progress->done);
    response.set_total(progress->total);
    response.mutable_problems()->Assign(progress->problems.begin(), progress->problems.end());
    return true;
  }

 private:
  Store* store_;
  std::unique_ptr<StreamTask> task_ = std::make_unique<StreamTask>();
  bool begun_ = false;
};

}  // namespace

absl::StatusOr<v1::DescribeStoreResponse> StoreService::DoDescribeStore() {
  const absl::Time now = clock_.Now();
  ZCB_ASSIGN_OR_RETURN(const StoreFacts facts, store_.GetFacts(now));
  v1::DescribeStoreResponse response;
  response.set_location(store_.location());
  response.set_read_only(store_.read_only());
  response.set_engine(facts.engine);
  response.set_engine_note(facts.engine_note);
  response.set_schema(static_cast<uint32_t>(facts.schema));
  response.set_newest_schema(static_cast<uint32_t>(facts.newest_schema));
  response.set_file_system(facts.file_system);
  response.set_network(facts.network);
  response.set_bytes(facts.bytes);
  response.set_free_bytes(facts.free_bytes);
  response.set_conflicts(facts.conflicts);
  response.set_expired_leases(facts.expired_leases);
  *response.mutable_now() = ToProto(now);
  response.set_zcbench_version(version_);
  response.set_memory_bytes(AvailableMemory());
  return response;
}

grpc::ServerWriteReactor<v1::BackUpStoreResponse>* StoreService::BackUpStore(grpc::CallbackServerContext* context,
                                                                             const v1::BackUpStoreRequest*) {
  return new Stream<v1::BackUpStoreResponse, BackupStream>(executor_, context, "BackUpStore", BackupStream(store_));
}

grpc::ServerWriteReactor<v1::CheckStoreResponse>* StoreService::CheckStore(grpc::CallbackServerContext* context,
                                                                           const v1::CheckStoreRequest*) {
  return new Stream<v1::CheckStoreResponse, CheckStream>(executor_, context, "CheckStore", CheckStream(store_));
}

grpc::ServerUnaryReactor* StoreService::DescribeStore(grpc::CallbackServerContext* context,
                                                      const v1::DescribeStoreRequest*,
                                                      v1::DescribeStoreResponse* response) {
  return Handle(executor_, context, "DescribeStore", [=, this]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(*response, DoDescribeStore());
    return absl::OkStatus();
  });
}

}  // namespace zcbench
