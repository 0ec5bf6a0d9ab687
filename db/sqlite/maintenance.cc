#include "db/sqlite/maintenance.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "db/sqlite/network_file_system.h"

namespace zcbench::sqlite {
namespace {

constexpr int kPagesAStep = 2048;  // 8 MB
constexpr int kMostProblems = 20;  // of one rule

uint64_t FileBytes(const std::filesystem::path& file) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

// A wish of another thread that SQLite's work on a connection ends.
class Cancellation {
 public:
  void Request() { requested_ = true; }
  // `connection` looks at it while it works, from now on.
  void Watch(Connection& connection) {
    sqlite3_progress_handler(
        connection.db(), 10'000, [](void* self) { return static_cast<Cancellation*>(self)->requested_ ? 1 : 0; }, this);
  }
  // `status`, unless that came of the wish.
  absl::Status Over(const absl::Status& status) const {
    return requested_ ? absl::CancelledError("the run over the store was cancelled") : status;
  }

 private:
  std::atomic<bool> requested_ = false;
};

class BackupTask final : public StoreTask {
 public:
  BackupTask(std::unique_ptr<Connection> from, std::filesystem::path to) : from_(std::move(from)), to_(std::move(to)) {}
  ~BackupTask() override {
    if (backup_ != nullptr) sqlite3_backup_finish(backup_);
  }

  absl::Status Begin() {
    // The read transaction begins with the first read. While it lasts SQLite sees one moment, so a write by another
    // connection does not send the copy back to its first page.
    ZCB_RETURN_IF_ERROR(from_->Execute("BEGIN DEFERRED"));
    ZCB_ASSIGN_OR_RETURN(const int64_t pages, from_->Query("PRAGMA page_count"));
    ZCB_ASSIGN_OR_RETURN(page_bytes_, from_->Query("PRAGMA page_size"));
    ZCB_RETURN_IF_ERROR(from_->Query("SELECT count(*) FROM sqlite_schema").status());
    total_ = static_cast<uint64_t>(pages * page_bytes_);
    const std::filesystem::path folder = to_.has_parent_path() ? to_.parent_path() : ".";
    ZCB_RETURN_IF_ERROR(NeedSpace(folder, total_, "the copy"));
    ZCB_ASSIGN_OR_RETURN(copy_, Connection::Open(to_.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    // Nobody else knows the copy, and a part of it is thrown away: no journal, one sync at the end.
    ZCB_RETURN_IF_ERROR(copy_->Execute("PRAGMA journal_mode = OFF"));
    backup_ = sqlite3_backup_init(copy_->db(), "main", from_->db(), "main");
    if (backup_ == nullptr) return Failed(sqlite3_extended_errcode(copy_->db()));
    return absl::OkStatus();
  }

  void Cancel() override { cancellation_.Request(); }

  absl::StatusOr<std::optional<StoreProgress>> Step() override {
    ZCB_RETURN_IF_ERROR(cancellation_.Over(absl::OkStatus()));
    if (backup_ != nullptr) {
      const int code = sqlite3_backup_step(backup_, kPagesAStep);
      if (code != SQLITE_OK && code != SQLITE_DONE) return Failed(code);
      const uint64_t left = static_cast<uint64_t>(sqlite3_backup_remaining(backup_)) * page_bytes_;
      if (code == SQLITE_OK) return Progress("copying", total_ - std::min(left, total_));
      if (const int end = sqlite3_backup_finish(std::exchange(backup_, nullptr)); end != SQLITE_OK) return Failed(end);
      from_.reset();
      return Progress("checking the copy", total_);
    }
    if (copy_ == nullptr) return std::nullopt;
    // The header still says that there is a write-ahead log, and that is in the file of the first connection.
    copy_.reset();
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> whole,
                         Connection::Open(to_.string(), SQLITE_OPEN_READWRITE));
    ZCB_RETURN_IF_ERROR(whole->Execute("PRAGMA journal_mode = DELETE"));
    cancellation_.Watch(*whole);
    ZCB_ASSIGN_OR_RETURN(Statement check, whole->Prepare("PRAGMA quick_check(1)"));
    const absl::StatusOr<bool> row = check.Step();
    ZCB_RETURN_IF_ERROR(cancellation_.Over(row.status()));
    if (!*row || check.Text(0) != "ok") {
      return absl::DataLossError(absl::StrCat("the copy is damaged (", *row ? check.Text(0) : "no answer",
                                              "), since the store is: look at it with `zcbench store check`"));
    }
    return std::nullopt;
  }

 private:
  std::optional<StoreProgress> Progress(std::string_view stage, uint64_t done) const {
    return StoreProgress{.stage = stage, .done = done, .total = total_};
  }
  absl::Status Failed(int code) const { return ToStatus(copy_->db(), code, absl::StrCat("copying to ", to_.string())); }

  std::unique_ptr<Connection> from_;
  const std::filesystem::path to_;
  std::unique_ptr<Connection> copy_;
  sqlite3_backup* backup_ = nullptr;
  int64_t page_bytes_ = 0;
  uint64_t total_ = 0;
  Cancellation cancellation_;
};

// What must be true of the rows. Each answers with one text a problem, and ?1 bounds them.
struct Rule {
  std::string_view stage;
  const char* sql;
};

constexpr Rule kRules[] = {
    {"checking pages and indexes",
     "SELECT integrity_check FROM pragma_integrity_check(?1) WHERE integrity_check <> 'ok'"},
    {"checking that every reference leads to a row",
     R"sql(SELECT format('%d rows of %s name a row of %s that is not there', count(*), "table", parent)
             FROM pragma_foreign_key_check GROUP BY "table", parent LIMIT ?1)sql"},
    // The lowest and highest finite double: what is beyond is an infinity, and SQLite keeps no NaN.
    {"counting the scores of every column",
     R"sql(SELECT format('column %d (%s on %s): it says %d finite, %d not finite, %d undefined scores, and %d, %d, %d are there'
                         || iif(infinite > 0, '; %d of them are infinite', ''), series.id, proxy, task, finite, not_finite, undefined,
                         ifnull(f, 0), ifnull(n, 0), ifnull(u, 0), infinite)
             FROM series LEFT JOIN (SELECT series, sum(outcome = 1) AS f, sum(outcome = 2) AS n, sum(outcome = 3) AS u,
                                           sum(abs(value) > 1.7976931348623157e308) AS infinite
                                      FROM score GROUP BY series) AS counted ON counted.series = series.id
            WHERE (finite, not_finite, undefined) <> (ifnull(f, 0), ifnull(n, 0), ifnull(u, 0)) OR infinite > 0 LIMIT ?1)sql"},
    // A stopped job keeps its counts and has no units; in a published file there is none of any job.
    {"counting the positions of every job",
     R"sql(SELECT format('job %d: %d done + %d failed + %d in work units is not its cursor %d of %d', id, done, failed,
                         ifnull(open, 0), cursor, total)
             FROM job LEFT JOIN (SELECT job, sum(remaining) AS open FROM work_unit GROUP BY job) AS units ON units.job = job.id
            WHERE cursor > total OR reused > done
               OR (state IN (1, 5) AND done + failed + ifnull(open, 0) <> cursor AND EXISTS (SELECT 1 FROM work_unit))
               OR (state IN (2, 3) AND (cursor <> total OR done + failed <> total)) LIMIT ?1)sql"},
    {"counting the failures of every job",
     R"sql(SELECT format('job %d: it says %d failed for good, and %d are listed', id, failed, ifnull(listed, 0))
             FROM job LEFT JOIN (SELECT job, sum(for_good) AS listed FROM position_failure GROUP BY job) AS failures
                  ON failures.job = job.id
            WHERE state IN (1, 3, 5) AND failed <> ifnull(listed, 0) LIMIT ?1)sql"},
    {"looking at every work unit",
     R"sql(SELECT format('work unit %d of job %d: positions %d to %d of %d, %d of them open', unit.id, job.id, first,
                         first + count - 1, total, remaining)
             FROM work_unit AS unit JOIN job ON job.id = unit.job
            WHERE first < 0 OR count < 1 OR first + count > cursor OR remaining NOT BETWEEN 1 AND count
               OR length(open) <> (count + 7) / 8 LIMIT ?1)sql"},
};

class CheckTask final : public StoreTask {
 public:
  explicit CheckTask(std::unique_ptr<Connection> reader) : reader_(std::move(reader)) {}

  absl::Status Begin() {
    cancellation_.Watch(*reader_);
    ZCB_RETURN_IF_ERROR(reader_->Execute("BEGIN DEFERRED"));
    const absl::StatusOr<int64_t> batches = reader_->Query("SELECT count(*) FROM probe_batch");
    // A file so damaged that this cannot be read is a problem that the first rule tells.
    total_ = std::size(kRules) + static_cast<size_t>(batches.ok() ? *batches : 0);
    // A published file has no images.
    const absl::StatusOr<int64_t> filled = reader_->Query("SELECT count(*) FROM probe_batch WHERE length(content) > 0");
    if (filled.ok() && *filled == 0) total_ = std::size(kRules);
    return absl::OkStatus();
  }

  void Cancel() override {
    cancellation_.Request();
    sqlite3_interrupt(reader_->db());  // one instruction of SQLite checks a whole tree
  }

  absl::StatusOr<std::optional<StoreProgress>> Step() override {
    StoreProgress progress;
    if (begun_) {
      if (next_ == total_) return std::nullopt;
      // A damaged page ends a check that meets it: it is a problem, and the others may still say something.
      const absl::Status checked =
          next_ < std::size(kRules) ? CheckRule(kRules[next_], progress) : CheckProbeBatch(progress);
      ZCB_RETURN_IF_ERROR(cancellation_.Over(absl::OkStatus()));
      if (absl::IsDataLoss(checked)) progress.problems.emplace_back(checked.message());
      if (!checked.ok() && !absl::IsDataLoss(checked)) return checked;
      ++next_;
    }
    begun_ = true;
    progress.done = next_;
    progress.total = total_;
    progress.stage = next_ < std::size(kRules) ? kRules[next_].stage : "reading the probe batches";
    return progress;
  }

 private:
  absl::Status CheckRule(const Rule& rule, StoreProgress& progress) {
    ZCB_ASSIGN_OR_RETURN(Statement problems, reader_->Prepare(rule.sql));
    problems.Bind(kMostProblems);
    while (true) {
      ZCB_ASSIGN_OR_RETURN(const bool row, problems.Step());
      if (!row) return absl::OkStatus();
      progress.problems.push_back(problems.Text(0));
    }
  }

  absl::Status CheckProbeBatch(StoreProgress& progress) {
    ZCB_ASSIGN_OR_RETURN(
        Statement batch,
        reader_->Prepare("SELECT digest, bytes, content FROM probe_batch WHERE digest > ?1 ORDER BY digest LIMIT 1"));
    batch.Bind(digest_);
    ZCB_ASSIGN_OR_RETURN(const bool row, batch.Step());
    if (!row) return absl::OkStatus();
    digest_ = batch.Text(0);
    const std::string content = batch.Text(2);
    const std::string actual = Sha256Hex(content);
    if (actual != digest_ || content.size() != static_cast<uint64_t>(batch.Int(1))) {
      progress.problems.push_back(absl::StrCat("probe batch ", digest_, ": its ", content.size(), " bytes (",
                                               batch.Int(1), " are expected) have the digest ", actual));
    }
    return absl::OkStatus();
  }

  Cancellation cancellation_;
  const std::unique_ptr<Connection> reader_;
  bool begun_ = false;
  size_t next_ = 0;
  size_t total_ = 0;
  std::string digest_;  // of the last probe batch that was checked
};

}  // namespace

absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(std::unique_ptr<Connection> from,
                                                       const std::filesystem::path& to) {
  std::error_code error;
  if (std::filesystem::exists(to, error)) {
    return absl::AlreadyExistsError(absl::StrCat(to.string(), " is there already; remove it or choose another file"));
  }
  auto task = std::make_unique<BackupTask>(std::move(from), to);
  ZCB_RETURN_IF_ERROR(task->Begin());
  return task;
}

absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck(std::unique_ptr<Connection> reader) {
  auto task = std::make_unique<CheckTask>(std::move(reader));
  ZCB_RETURN_IF_ERROR(task->Begin());
  return task;
}

absl::StatusOr<StoreFacts> ReadFacts(Connection& reader, const std::filesystem::path& file, absl::Time now) {
  StoreFacts facts;
  facts.engine = absl::StrCat("SQLite ", sqlite3_libversion());
  // Fixed in 3.51.3, and in the releases 3.44.6 and 3.50.7 of older lines.
  const int version = sqlite3_libversion_number();
  const bool fixed =
      version >= 3051003 || (version >= 3050007 && version < 3051000) || (version >= 3044006 && version < 3045000);
  if (!fixed) {
    facts.engine_note =
        "it has the WAL-reset bug (fixed in 3.51.3), which needs two connections that write and checkpoint at the same "
        "moment; the server writes and checkpoints with one alone, so let no other program write to the file";
  }
  ZCB_ASSIGN_OR_RETURN(const int64_t schema, reader.Query("PRAGMA user_version"));
  facts.schema = static_cast<int>(schema);
  facts.bytes = BytesOnDisk(file);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const FileSystem system = DescribeFileSystem(folder);
  facts.file_system = system.name;
  facts.network = system.network;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error) facts.free_bytes = space.available;
  ZCB_ASSIGN_OR_RETURN(const int64_t conflicts, reader.Query("SELECT count(*) FROM score_conflict"));
  facts.conflicts = static_cast<uint64_t>(conflicts);
  ZCB_ASSIGN_OR_RETURN(Statement expired,
                       reader.Prepare("SELECT count(*) FROM work_unit JOIN job ON job.id = work_unit.job "
                                      "WHERE job.state = 1 AND free_from_us > 0 AND free_from_us <= ?1"));
  expired.Bind(now);
  ZCB_RETURN_IF_ERROR(expired.Step().status());
  facts.expired_leases = static_cast<uint64_t>(expired.Int(0));
  return facts;
}

uint64_t BytesOnDisk(const std::filesystem::path& file) { return FileBytes(file) + FileBytes(file.string() + "-wal"); }

absl::Status NeedSpace(const std::filesystem::path& folder, uint64_t bytes, const std::string& purpose) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error || space.available >= bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the disk of ", folder.string(), " has ", space.available,
                                                   " bytes free and ", purpose, " needs ", bytes,
                                                   ": free some, or choose another disk"));
}

}  // namespace zcbench::sqlite
