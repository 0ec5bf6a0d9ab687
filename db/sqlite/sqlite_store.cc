#include "db/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "db/sqlite/connection.h"
#include "db/sqlite/maintenance.h"
#include "db/sqlite/network_file_system.h"
#include "db/sqlite/queries.h"

namespace zcbench {
namespace {

using sqlite::Connection;
using sqlite::Queries;
using sqlite::Transaction;

constexpr size_t kMaxBatch = 64;
constexpr auto kMaxBatchTime = std::chrono::milliseconds(5);
constexpr int kCheckpointPages = 4000;  // 16 MB of log
constexpr int kMaxReaders = 8;

// An exclusive lock on a file beside the store, held while this lives. The kernel drops it when the process dies.
class LockFile {
 public:
  static absl::StatusOr<LockFile> Acquire(const std::filesystem::path& store) {
    const std::string path = store.string() + ".lock";
    LockFile lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) {
      const int error = errno;
      const std::string message = absl::StrCat("cannot write ", path, ": ", std::strerror(error));
      if (error != EACCES && error != EPERM && error != EROFS) return absl::UnavailableError(message);
      return absl::FailedPreconditionError(
          absl::StrCat(message,
                       "; the folder of the store must be writable for whoever runs the server. To read alone, use "
                       "--file in place of a server"));
    }
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      char holder[200] = {};
      if (pread(lock.fd_, holder, sizeof(holder) - 1, 0) <= 0) std::strcpy(holder, "another process");
      return absl::FailedPreconditionError(
          absl::StrCat(store.string(), " is in use by ", holder, "; stop it, or choose another file with --store"));
    }
    char host[100] = "?";
    (void)gethostname(host, sizeof(host) - 1);
    const std::string self =
        absl::StrCat("the server with process id ", getpid(), " on ", host, " (since ",
                     absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::Now(), absl::UTCTimeZone()), ")");
    if (ftruncate(lock.fd_, 0) != 0 || pwrite(lock.fd_, self.data(), self.size(), 0) < 0) {
      return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
    }
    return lock;
  }

  LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LockFile(const LockFile&) = delete;
  ~LockFile() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit LockFile(int fd) : fd_(fd) {}

  int fd_;
};

uint32_t BigEndian(const std::string& bytes, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  return value;
}

// Looks at the file's first 100 bytes before SQLite touches it: a foreign file is never changed, not even by a lock.
absl::Status CheckHeader(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error || size == 0) return absl::OkStatus();  // made by us
  std::string header(100, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in) return absl::UnavailableError(absl::StrCat("cannot read ", file.string()));
  in.read(header.data(), 100);
  if (in.gcount() < 100 || header.compare(0, 16, std::string("SQLite format 3\0", 16)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.string(), " is no zcbench store (no SQLite file); nothing was changed"));
  }
  if (const uint32_t id = BigEndian(header, 68); id != static_cast<uint32_t>(kSqliteApplicationId)) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(),
                                                   " is no zcbench store but the SQLite file of another "
                                                   "program (application id ",
                                                   id, "); nothing was changed"));
  }
  // With a write-ahead log beside it the file may lag behind its own page count.
  const uintmax_t log_size = std::filesystem::file_size(file.string() + "-wal", error);
  if (error || log_size == 0) {
    const uint32_t page_field = static_cast<uint8_t>(header[16]) << 8 | static_cast<uint8_t>(header[17]);
    const uint64_t page = page_field == 1 ? 65536 : page_field;
    const uint64_t whole = page * BigEndian(header, 28);
    if (size < whole) {
      return absl::DataLossError(absl::StrCat(file.string(), " is truncated: ", size, " of ", whole,
                                              " bytes are there; restore it from a backup"));
    }
  }
  return absl::OkStatus();
}

absl::Status SetPragmas(Connection& connection) {
  ZCB_RETURN_IF_ERROR(connection.Execute("PRAGMA busy_timeout = 5000"));
  ZCB_RETURN_IF_ERROR(connection.Execute("PRAGMA foreign_keys = ON"));
  ZCB_RETURN_IF_ERROR(connection.Execute("PRAGMA trusted_schema = OFF"));
  return connection.Execute("PRAGMA cell_size_check = ON");
}

absl::Status RunToEnd(StoreTask& task) {
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const std::optional<StoreProgress> progress, task.Step());
    if (!progress.has_value()) return absl::OkStatus();
  }
}

absl::StatusOr<std::unique_ptr<Connection>> OpenReader(const std::filesystem::path& file) {
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, Connection::Open(file.string(), SQLITE_OPEN_READONLY));
  ZCB_RETURN_IF_ERROR(SetPragmas(*reader));
  ZCB_RETURN_IF_ERROR(reader->Execute("PRAGMA query_only = ON"));
  return reader;
}

// Begins the names of what belongs to nobody when a server starts: copies that another one did not finish.
std::string PartPrefix(const std::filesystem::path& file) { return file.filename().string() + ".part-"; }

void RemoveParts(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with(PartPrefix(file))) std::filesystem::remove(entry.path(), error);
  }
}

// Renames `part`, which is whole and on the disk, to `file`. ALREADY_EXISTS: that is there.
absl::Status Appear(const std::filesystem::path& part, const std::filesystem::path& file) {
  if (link(part.c_str(), file.c_str()) != 0) {
    const int error = errno;
    const std::string message = absl::StrCat(file.string(), ": ", std::strerror(error));
    return error == EEXIST ? absl::AlreadyExistsError(message) : absl::UnavailableError(message);
  }
  std::error_code ignored;
  std::filesystem::remove(part, ignored);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    (void)fsync(fd);
    close(fd);
  }
  return absl::OkStatus();
}

// Copies a file before its upgrade, to the first free one of FILE.version-N.backup, FILE.version-N.backup-2, ...
absl::StatusOr<std::string> BackUpVersion(const std::filesystem::path& file, int64_t version) {
  const std::filesystem::path part = file.parent_path() / absl::StrCat(PartPrefix(file), getpid());
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, OpenReader(file));
  const absl::Status copied = [&]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<StoreTask> task, sqlite::StartBackup(std::move(reader), part));
    return RunToEnd(*task);
  }();
  if (!copied.ok()) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    return copied;
  }
  const std::string first = absl::StrCat(file.string(), ".version-", version, ".backup");
  for (int number = 1;; ++number) {
    const std::string name = number == 1 ? first : absl::StrCat(first, "-", number);
    const absl::Status appeared = Appear(part, name);
    if (appeared.ok()) return name;
    if (!absl::IsAlreadyExists(appeared)) return appeared;
  }
}

absl::Status Migrate(Connection& connection, const std::filesystem::path& file,
                     std::span<const std::string_view> migrations) {
  ZCB_ASSIGN_OR_RETURN(const int64_t version, connection.Query("PRAGMA user_version"));
  const int64_t newest = static_cast<int64_t>(migrations.size());
  if (version > newest) {
    return absl::FailedPreconditionError(absl::StrCat(file.string(), " has schema version ", version,
                                                      ", this zcbench knows ", newest,
                                                      "; use the zcbench that wrote it, or a newer one"));
  }
  if (version > 0 && version < newest) {
    ZCB_ASSIGN_OR_RETURN(const std::string backup, BackUpVersion(file, version));
    Log(LogLevel::kInfo, "upgrading the store",
        {{"file", file.string()}, {"from", absl::StrCat(version)}, {"to", absl::StrCat(newest)}, {"backup", backup}});
  }
  for (int64_t i = version; i < newest; ++i) {
    ZCB_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(connection, "IMMEDIATE"));
    ZCB_RETURN_IF_ERROR(connection.Execute(std::string(migrations[static_cast<size_t>(i)])));
    ZCB_RETURN_IF_ERROR(connection.Execute(absl::StrCat("PRAGMA user_version = ", i + 1)));
    ZCB_RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

// Connections that cannot write, lent one call at a time.
class Readers {
 public:
  explicit Readers(std::filesystem::path file) : file_(std::move(file)) {}

  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> body) {
    ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, Take());
    const absl::Status status = [&]() -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(Transaction snapshot, Transaction::Begin(*reader, "DEFERRED"));
      Queries queries(*reader);
      return body(queries);
    }();
    MutexLock lock(mutex_);
    idle_.push_back(std::move(reader));
    returned_.NotifyOne();
    return status;
  }

  void CloseIdle() {
    MutexLock lock(mutex_);
    idle_.clear();
  }

  absl::StatusOr<std::unique_ptr<Connection>> Open() const { return OpenReader(file_); }

  absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(const std::filesystem::path& file) const {
    ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, Open());
    return sqlite::StartBackup(std::move(reader), file);
  }
  absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck() const {
    ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, Open());
    return sqlite::StartCheck(std::move(reader));
  }
  absl::StatusOr<StoreFacts> GetFacts(absl::Time now) const {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> reader, Open());
    ZCB_ASSIGN_OR_RETURN(StoreFacts facts, sqlite::ReadFacts(*reader, file_, now));
    facts.newest_schema = static_cast<int>(SqliteMigrations().size());
    return facts;
  }

 private:
  absl::StatusOr<std::unique_ptr<Connection>> Take() {
    {
      MutexLock lock(mutex_);
      while (idle_.empty() && count_ == kMaxReaders) returned_.Wait(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Connection> reader = std::move(idle_.back());
        idle_.pop_back();
        return reader;
      }
      ++count_;
    }
    absl::StatusOr<std::unique_ptr<Connection>> reader = Open();
    if (!reader.ok()) {
      MutexLock lock(mutex_);
      --count_;
      returned_.NotifyOne();
    }
    return reader;
  }

  const std::filesystem::path file_;
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

absl::Status CopyForPublication(const Readers& readers, const std::filesystem::path& file) {
  {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<StoreTask> copy, readers.StartBackup(file));
    ZCB_RETURN_IF_ERROR(RunToEnd(*copy));
  }
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> copy, Connection::Open(file.string(), SQLITE_OPEN_READWRITE));
  ZCB_RETURN_IF_ERROR(SetPragmas(*copy));
  ZCB_RETURN_IF_ERROR(
      copy->Execute("DELETE FROM work_unit; DELETE FROM answer;"
                    "UPDATE probe_batch SET content = x''"));
  return copy->Execute("VACUUM");
}

class PublishedStore final : public Store {
 public:
  explicit PublishedStore(std::filesystem::path file) : file_(std::move(file)), readers_(file_) {}

  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> body) override { return readers_.Read(body); }
  absl::Status Write(absl::FunctionRef<absl::Status(StoreWriter&)>) override {
    return absl::FailedPreconditionError(
        absl::StrCat(file_.string(),
                     " is open for reading alone; start a server on a copy of it with `zcbench up "
                     "--store FILE`"));
  }
  absl::Status Publish(const std::filesystem::path& file) override { return CopyForPublication(readers_, file); }
  absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(const std::filesystem::path& file) override {
    return readers_.StartBackup(file);
  }
  absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck() override { return readers_.StartCheck(); }
  absl::StatusOr<StoreFacts> GetFacts(absl::Time now) override { return readers_.GetFacts(now); }
  bool read_only() const override { return true; }
  std::string location() const override { return std::filesystem::absolute(file_).string(); }

 private:
  const std::filesystem::path file_;
  Readers readers_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::filesystem::path file, LockFile lock, std::unique_ptr<Connection> writer)
      : file_(std::move(file)), readers_(file_), lock_(std::move(lock)), writer_(std::move(writer)) {
    sqlite3_wal_hook(
        writer_->db(),
        [](void* pages, sqlite3*, const char*, int count) {
          *static_cast<int*>(pages) = count;
          return SQLITE_OK;
        },
        &log_pages_);
    thread_ = std::thread([this] { WriteLoop(); });
  }

  ~SqliteStore() override {
    {
      MutexLock lock(mutex_);
      closing_ = true;
      queued_.NotifyAll();
    }
    thread_.join();
    readers_.CloseIdle();
    if (const absl::Status status = writer_->Execute("PRAGMA wal_checkpoint(TRUNCATE)"); !status.ok()) {
      Log(LogLevel::kWarning, "the store's last checkpoint failed; the next start repeats it",
          {{"status", status.ToString()}});
    }
  }

  absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> body) override { return readers_.Read(body); }

  absl::Status Write(absl::FunctionRef<absl::Status(StoreWriter&)> body) override {
    Request request{.body = body};
    MutexLock lock(mutex_);
    if (closing_) return absl::UnavailableError("the store is closing");
    queue_.push_back(&request);
    ++meters_.waiting;
    queued_.NotifyOne();
    while (!request.answered) answered_.Wait(mutex_);
    return request.status;
  }
  const StoreMeters* meters() const override { return &meters_; }

  absl::Status Publish(const std::filesystem::path& file) override { return CopyForPublication(readers_, file); }
  absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(const std::filesystem::path& file) override {
    return readers_.StartBackup(file);
  }
  absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck() override { return readers_.StartCheck(); }
  absl::StatusOr<StoreFacts> GetFacts(absl::Time now) override { return readers_.GetFacts(now); }

  std::string location() const override { return std::filesystem::absolute(file_).string(); }

 private:
  struct Request {
    absl::FunctionRef<absl::Status(StoreWriter&)> body;
    absl::Status status{};
    bool answered = false;
  };

  void WriteLoop() {
    while (true) {
      std::vector<Request*> batch;
      {
        MutexLock lock(mutex_);
        while (queue_.empty() && !closing_) queued_.Wait(mutex_);
        if (queue_.empty()) return;
      }
      const auto start = std::chrono::steady_clock::now();
      const absl::Status committed = WriteBatch(batch);
      if (committed.ok() && !batch.empty()) {
        meters_.commit_seconds.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        meters_.commit_writes.Observe(static_cast<double>(batch.size()));
      }
      meters_.waiting -= static_cast<int64_t>(batch.size());
      {
        MutexLock lock(mutex_);
        for (Request* request : batch) {
          if (!committed.ok() && request->status.ok()) request->status = committed;
          request->answered = true;
        }
        answered_.NotifyAll();
      }
      if (log_pages_ >= kCheckpointPages) {
        // Passive: copies what no reader still needs and waits for nobody. No other connection checkpoints.
        int pages = 0;
        int copied = 0;
        if (sqlite3_wal_checkpoint_v2(writer_->db(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied) ==
            SQLITE_OK) {
          log_pages_ = pages - copied;
        }
      }
    }
  }

  Request* Next() {
    MutexLock lock(mutex_);
    if (queue_.empty()) return nullptr;
    Request* request = queue_.front();
    queue_.pop_front();
    return request;
  }

  // Runs what waits, each request within its own savepoint, and commits. Fills `batch` with those that were taken. An
  // error means that none of them is written.
  absl::Status WriteBatch(std::vector<Request*>& batch) {
    const auto start = std::chrono::steady_clock::now();
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_, "IMMEDIATE");
    if (!transaction.ok()) {
      if (Request* request = Next(); request != nullptr) batch.push_back(request);
      return transaction.status();
    }
    Queries queries(*writer_);
    while (batch.size() < kMaxBatch && (batch.empty() || std::chrono::steady_clock::now() - start < kMaxBatchTime)) {
      Request* request = Next();
      if (request == nullptr) break;
      batch.push_back(request);
      ZCB_RETURN_IF_ERROR(writer_->Execute("SAVEPOINT request"));
      request->status = request->body(queries);
      if (!request->status.ok()) {
        // A full disk makes SQLite take the whole transaction back, and the savepoint with it.
        if (sqlite3_get_autocommit(writer_->db()) != 0) {
          return absl::IsUnavailable(request->status)
                     ? request->status
                     : absl::UnavailableError(absl::StrCat(
                           "nothing was written, since SQLite gave the transaction up: ", request->status.message()));
        }
        ZCB_RETURN_IF_ERROR(writer_->Execute("ROLLBACK TO request"));
        queries.OnRollback();
      }
      ZCB_RETURN_IF_ERROR(writer_->Execute("RELEASE request"));
    }
    return transaction->Commit();
  }

  const std::filesystem::path file_;
  Readers readers_;
  const LockFile lock_;
  const std::unique_ptr<Connection> writer_;  // the writing thread's, once that runs
  int log_pages_ = 0;                         // likewise
  StoreMeters meters_;

  Mutex mutex_;
  CondVar queued_;
  CondVar answered_;
  std::deque<Request*> queue_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

// Calls `tick` about once a second while SQLite works on one statement of `connection`; its error interrupts that.
class Ticker {
 public:
  Ticker(Connection& connection, absl::FunctionRef<absl::Status()> tick) : connection_(connection), tick_(tick) {
    sqlite3_progress_handler(
        connection_.db(), 100'000, [](void* self) { return static_cast<Ticker*>(self)->OnProgress(); }, this);
  }
  ~Ticker() { sqlite3_progress_handler(connection_.db(), 0, nullptr, nullptr); }
  Ticker(const Ticker&) = delete;

  // What `tick` said, where it said anything, else `status`.
  absl::Status Over(const absl::Status& status) const { return stopped_.ok() ? status : stopped_; }

 private:
  int OnProgress() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1)) return 0;
    last_ = now;
    stopped_ = tick_();
    return stopped_.ok() ? 0 : 1;
  }

  Connection& connection_;
  absl::FunctionRef<absl::Status()> tick_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  absl::Status stopped_;
};

// The path of a store's URL: "sqlite:FILE".
absl::StatusOr<std::filesystem::path> ParseStoreUrl(std::string_view url) {
  const size_t colon = url.find(':');
  const std::string_view kind = url.substr(0, colon);
  if (colon == std::string_view::npos || kind != "sqlite" || colon + 1 == url.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", std::string(url), "` names no store that this zcbench knows; write sqlite:FILE"));
  }
  return std::filesystem::path(url.substr(colon + 1));
}

}  // namespace

absl::Status CopyStore(std::string_view from, std::string_view to,
                       absl::FunctionRef<absl::Status(uint64_t written, uint64_t most)> progress) {
  ZCB_ASSIGN_OR_RETURN(const std::filesystem::path source, ParseStoreUrl(from));
  ZCB_ASSIGN_OR_RETURN(const std::filesystem::path target, ParseStoreUrl(to));
  std::error_code error;
  if (std::filesystem::exists(target, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat(target.string(), " is there already; remove it or choose another file"));
  }
  ZCB_RETURN_IF_ERROR(OpenPublishedStore(source).status());  // says what is wrong with it
  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("there is no folder ", folder.string(), "; make it first"));
  }
  const uint64_t most = sqlite::BytesOnDisk(source);
  ZCB_RETURN_IF_ERROR(sqlite::NeedSpace(folder, most, "the copy"));
  const std::filesystem::path part = target.parent_path() / absl::StrCat(PartPrefix(target), getpid());
  std::filesystem::remove(part, error);
  const absl::Status copied = [&]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> reader, OpenReader(source));
    // VACUUM writes nothing into the file that it reads.
    ZCB_RETURN_IF_ERROR(reader->Execute("PRAGMA query_only = OFF"));
    const auto tick = [&] { return progress(sqlite::BytesOnDisk(part), most); };
    const Ticker ticker(*reader, tick);
    ZCB_ASSIGN_OR_RETURN(sqlite::Statement vacuum, reader->Prepare("VACUUM INTO ?1"));
    const std::string name = part.string();
    vacuum.Bind(name);
    ZCB_RETURN_IF_ERROR(ticker.Over(vacuum.Run()));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> copy, Connection::Open(name, SQLITE_OPEN_READWRITE));
    ZCB_ASSIGN_OR_RETURN(const int64_t id, copy->Query("PRAGMA application_id"));
    if (id != kSqliteApplicationId) return absl::InternalError(absl::StrCat(name, " lost its application id"));
    // VACUUM INTO does not sync.
    ZCB_RETURN_IF_ERROR(copy->Execute("PRAGMA journal_mode = DELETE"));
    const int fd = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    if (!synced) return absl::UnavailableError(absl::StrCat(name, " could not be written: is the disk full?"));
    return Appear(part, target);
  }();
  if (!copied.ok()) std::filesystem::remove(part, error);
  return copied;
}

absl::Status VacuumStore(const std::filesystem::path& file,
                         absl::FunctionRef<absl::Status(uint64_t written, uint64_t most)> progress) {
  std::error_code error;
  ZCB_RETURN_IF_ERROR(OpenPublishedStore(file).status());  // says what is wrong with it
  ZCB_RETURN_IF_ERROR(sqlite::RefuseNetworkFileSystem(file.has_parent_path() ? file.parent_path() : "."));
  ZCB_ASSIGN_OR_RETURN(const LockFile lock, LockFile::Acquire(file));
  const uint64_t most = sqlite::BytesOnDisk(file);
  // The rebuilt database, and the log through which it replaces the old one.
  ZCB_RETURN_IF_ERROR(sqlite::NeedSpace(file.has_parent_path() ? file.parent_path() : ".", 2 * most, "vacuum"));
  ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> writer,
                       Connection::Open(file.string(), SQLITE_OPEN_READWRITE));
  ZCB_RETURN_IF_ERROR(SetPragmas(*writer));
  const auto tick = [&] { return progress(sqlite::BytesOnDisk(file.string() + "-wal"), most); };
  const Ticker ticker(*writer, tick);
  ZCB_RETURN_IF_ERROR(ticker.Over(writer->Execute("VACUUM")));
  return writer->Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::filesystem::path& file,
                                                       std::span<const std::string_view> migrations) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  ZCB_RETURN_IF_ERROR(sqlite::RefuseNetworkFileSystem(folder));
  ZCB_RETURN_IF_ERROR(CheckHeader(file));
  ZCB_ASSIGN_OR_RETURN(LockFile lock, LockFile::Acquire(file));
  ZCB_ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer,
                       Connection::Open(file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  // SQLite opens for reading what it may not write.
  if (sqlite3_db_readonly(writer->db(), "main") == 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(file.string(),
                     " may be read but not written: give whoever runs the server the right to write it (chmod u+w), "
                     "or use --file in place of a server"));
  }
  RemoveParts(file);
  ZCB_RETURN_IF_ERROR(SetPragmas(*writer));
  ZCB_ASSIGN_OR_RETURN(const int64_t pages, writer->Query("PRAGMA page_count"));
  if (pages == 0) {
    // Before the write-ahead log, so that the file itself says what it is from its first page on.
    ZCB_RETURN_IF_ERROR(writer->Execute(absl::StrCat("PRAGMA application_id = ", kSqliteApplicationId)));
  }
  ZCB_RETURN_IF_ERROR(writer->Execute("PRAGMA journal_mode = WAL"));
  ZCB_RETURN_IF_ERROR(writer->Execute("PRAGMA synchronous = FULL"));
  ZCB_RETURN_IF_ERROR(writer->Execute("PRAGMA wal_autocheckpoint = 0"));
  ZCB_RETURN_IF_ERROR(Migrate(*writer, file, migrations));
  return std::make_unique<SqliteStore>(file, std::move(lock), std::move(writer));
}

absl::StatusOr<std::unique_ptr<Store>> OpenPublishedStore(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return absl::NotFoundError(file.string() + " is no file");
  if (std::filesystem::file_size(file, error) == 0) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " is empty: it is no zcbench store"));
  }
  ZCB_RETURN_IF_ERROR(CheckHeader(file));
  {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> reader,
                         Connection::Open(file.string(), SQLITE_OPEN_READONLY));
    ZCB_ASSIGN_OR_RETURN(const int64_t version, reader->Query("PRAGMA user_version"));
    if (version != static_cast<int64_t>(SqliteMigrations().size())) {
      return absl::FailedPreconditionError(absl::StrCat(file.string(), " has schema version ", version,
                                                        ", this zcbench reads ", SqliteMigrations().size(),
                                                        version < static_cast<int64_t>(SqliteMigrations().size())
                                                            ? "; `zcbench up --store` on a copy of it upgrades the copy"
                                                            : "; use the zcbench that wrote it, or a newer one"));
    }
  }
  return std::make_unique<PublishedStore>(file);
}

}  // namespace zcbench
