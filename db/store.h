// The store: everything zcbench keeps. Jobs, the queue of work units, scores with their provenance, probe batches,
// ground truth, and what the workers have announced. The rules (what is leased when, what a crash means) are the
// scheduler's; the store holds rows and answers in transactions.
//
// Text is UTF-8. Times are whole microseconds. Seeds are below 2^63. A lease is (unit, attempt).
#ifndef ZCBENCH_DB_STORE_H_
#define ZCBENCH_DB_STORE_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/metrics.h"

namespace zcbench {

enum class JobId : int64_t {};
enum class UnitId : int64_t {};
enum class SeriesId : int64_t {};
enum class ArchitectureId : int64_t {};
enum class ExecutionId : int64_t {};
enum class AccuracyId : int64_t {};

// ---- What the workers have announced.

struct KnownSpace {
  std::string name{};
  std::string version{};

  bool operator==(const KnownSpace&) const = default;
};

struct KnownProxy {
  std::string name{};
  std::string summary{};
  std::string paper{};
  std::string version{};  // "proxy.pass"
  bool reads_weights = false;
  bool reads_images = false;
  bool reads_labels = false;
  std::map<std::string, std::string> options{};  // with their defaults
  double tolerance = 0;                          // relative
  bool larger_is_better = true;
  bool variant = false;  // not part of `all`

  // What belongs to the key of its scores.
  bool needs_seed() const { return reads_weights || reads_images || reads_labels; }
  bool needs_probe_batch() const { return reads_images || reads_labels; }

  bool operator==(const KnownProxy&) const = default;
};

// ---- Scores.

// One column of the benchmark: a score's key without the architecture.
struct SeriesKey {
  std::string space{};
  std::string task{};
  std::string proxy{};             // canonical text
  std::string version{};           // "proxy.pass.space"
  std::optional<uint64_t> seed{};  // unset when the proxy reads nothing that depends on it
  std::string probe_batch{};       // digest, or empty
  std::string numerics{};
  std::string source{};  // whose published table; empty: computed here

  bool operator==(const SeriesKey&) const = default;
};

enum class Outcome { kOk = 1, kNotFinite = 2, kUndefined = 3 };

struct NewScore {
  uint32_t series = 0;  // index into the `columns` of AddScores
  std::string_view architecture{};
  Outcome outcome = Outcome::kOk;
  double value = 0;           // finite; only for kOk
  double seconds = 0;         // >= 0
  std::string_view reason{};  // why it is not kOk
};

struct ScoreColumn {
  SeriesKey key{};
  double tolerance = 0;  // relative difference below which two values are the same
};

enum class Disposition { kRecorded = 1, kAlreadyRecorded = 2, kConflict = 3 };

// Where scores are computed.
struct Execution {
  std::string worker{};
  std::string host{};
  std::string device{};
  std::string numerics{};
  std::string zcbench_version{};
  std::string commit{};

  bool operator==(const Execution&) const = default;
};

struct SeriesInfo {
  SeriesId id{};
  SeriesKey key{};
  uint64_t finite = 0;
  uint64_t not_finite = 0;
  uint64_t undefined = 0;
};

// Empty members do not restrict. A seed also lets the columns pass that have none.
struct SeriesFilter {
  std::string space{};
  std::string task{};
  std::vector<std::string> proxies{};
  std::vector<uint64_t> seeds{};
  std::string numerics{};
  std::string source{};  // kComputed: only what was computed here
};

// As SeriesFilter.source.
inline constexpr char kComputed[] = "computed";

struct ScoreRow {
  ArchitectureId architecture{};
  Outcome outcome = Outcome::kOk;
  double value = 0;  // 0 unless kOk
  double seconds = 0;
};

// A score that differed from the one that is kept.
struct ScoreConflict {
  SeriesId series{};
  SeriesKey key{};
  std::string architecture{};
  Outcome outcome = Outcome::kOk;
  double value = 0;
  std::string worker{};
  Outcome kept_outcome = Outcome::kOk;
  double kept_value = 0;
  std::string kept_worker{};
  absl::Time recorded{};
};

// Scores that are no number, by outcome and reason.
struct OutcomeGroup {
  Outcome outcome = Outcome::kUndefined;
  std::string reason{};
  uint64_t count = 0;
  SeriesKey key{};  // of the example
  std::string architecture{};
  std::string worker{};
};

// ---- Probe batches.

struct ProbeBatchKey {
  std::string task{};
  int height = 0;
  int width = 0;
  int images = 0;
  uint64_t seed = 0;
  std::string input{};  // what generated it; empty: from a data set

  bool operator==(const ProbeBatchKey&) const = default;
};

struct ProbeBatchRow {
  ProbeBatchKey key{};
  std::string digest{};
  uint64_t bytes = 0;
  absl::Time created{};
};

// ---- The queue.

enum class JobState { kRunning = 1, kDone = 2, kDoneWithFailures = 3, kCancelled = 4, kPaused = 5 };

// Not ended: something of it is still to be done.
inline bool IsOpen(JobState state) { return state == JobState::kRunning || state == JobState::kPaused; }

// A job is a row with a cursor over its positions, the (seed, architecture) pairs in the job's own order. Only the next
// few units of it exist at any time.
struct Job {
  JobId id{};
  std::string digest{};  // of what makes two jobs the same; unique
  std::string spec{};    // text, read by the scheduler alone
  JobState state = JobState::kRunning;
  absl::Time created{};
  std::optional<absl::Time> finished{};
  uint64_t total = 0;   // positions
  uint64_t cursor = 0;  // positions below it have been given to units or were complete
  uint64_t done = 0;
  uint64_t failed = 0;  // for good
  uint64_t reused = 0;  // of `done`: nothing was computed
  int priority = 0;     // higher ones are served first
};

// The positions [first, first + count) of a job, as far as they are open. A unit exists until none is open.
struct WorkUnit {
  UnitId id{};
  JobId job{};
  uint64_t first = 0;
  std::vector<bool> open{};                  // one a position: neither complete nor failed for good; count = size
  absl::Time free_from = absl::UnixEpoch();  // the epoch: free; else the end of its lease
  std::string worker{};                      // who has or last had it
  int attempt = 0;                           // leases so far
  std::string not_worker{};                  // never leased to it; empty: to anybody

  uint64_t count() const { return open.size(); }
};

enum class FailureKind { kOutOfMemory = 1, kCrash = 2, kError = 3 };

// The failures of one position, the last one in words. Gone when the position is completed.
struct PositionFailure {
  JobId job{};
  uint64_t position = 0;
  std::string architecture{};
  uint64_t seed = 0;
  FailureKind kind = FailureKind::kError;
  std::string message{};
  int attempts = 0;
  bool for_good = false;
  UnitId unit{};  // the lease that failed last: the same one is not counted twice
  int attempt = 0;
  std::string worker{};
  absl::Time time{};
};

struct FailureGroup {
  FailureKind kind = FailureKind::kError;
  std::string message{};
  uint64_t count = 0;
  uint64_t for_good = 0;
  PositionFailure example{};  // the latest
};

// The answer to a request, kept so that the same request gets it again.
struct RecordedAnswer {
  std::vector<Disposition> dispositions{};
  bool lease_valid = false;
};

// ---- Ground truth.

struct AccuracyKey {
  std::string space{};
  std::string task{};
  std::string metric{};
  std::string source{};

  bool operator==(const AccuracyKey&) const = default;
};

struct AccuracyInfo {
  AccuracyId id{};
  AccuracyKey key{};
  std::string licence{};  // of the file that was imported first
  uint64_t rows = 0;
};

struct NewAccuracy {
  std::string architecture{};
  double value = 0;  // finite
};

struct AccuracyRow {
  ArchitectureId architecture{};
  double value = 0;
};

// Proxies to be merged, under a name.
struct StoredCombination {
  std::string name{};
  std::string space{};
  std::string task{};
  std::string proxies{};  // for people: canonical texts, joined by ", "
  std::string merge{};
  std::string details{};  // JSON, read by the server alone
  absl::Time created{};

  bool operator==(const StoredCombination&) const = default;
};

// Work units by state, of all jobs.
struct UnitCounts {
  uint64_t free = 0;
  uint64_t leased = 0;
  uint64_t expired = 0;  // their lease has ended by time, and nobody has taken them back yet
};

struct ImportCounts {
  uint64_t added = 0;
  uint64_t unchanged = 0;
};

// The file of a published table.
struct SourceFile {
  std::string source{};
  std::string licence{};
  std::string digest{};  // SHA-256

  bool operator==(const SourceFile&) const = default;
};

// A file of which scores or accuracies were imported.
struct ImportedFile {
  SourceFile file{};
  std::string space{};
  std::string task{};
  std::string metric{};  // of accuracies; empty: scores
  absl::Time imported{};

  bool operator==(const ImportedFile&) const = default;
};

// ---- The store as a whole.

// What a store is and how it fares.
struct StoreFacts {
  std::string engine{};  // "SQLite 3.40.1"
  // A fault of this version of the engine that is known, and why it does no harm here; empty: none.
  std::string engine_note{};
  int schema = 0;
  int newest_schema = 0;      // that this zcbench knows
  std::string file_system{};  // "ext4"; empty: not known
  bool network = false;       // the file system is one
  uint64_t bytes = 0;         // on the disk
  uint64_t free_bytes = 0;    // there, for this user
  uint64_t conflicts = 0;
  uint64_t expired_leases = 0;  // of running jobs: nobody has them now
};

// How far a StoreTask is.
struct StoreProgress {
  std::string_view stage{};             // what it does from now on, for people; static
  uint64_t done = 0;                    // of `total`: bytes of a backup, checks of a check
  uint64_t total = 0;                   // grows with no step
  std::vector<std::string> problems{};  // that a check has found since the step before
};

// A long run over the whole store, a piece at a time, while reading and writing go on. It belongs to one moment of the
// store. Used by one thread at a time; the store outlives it.
class StoreTask {
 public:
  virtual ~StoreTask() = default;
  // Runs the next piece; unset: all is done. After an error the task is over. UNAVAILABLE, DATA_LOSS as StoreReader.
  virtual absl::StatusOr<std::optional<StoreProgress>> Step() = 0;
  // From any thread: the step that runs, or the next one, soon answers CANCELLED.
  virtual void Cancel() = 0;
};

// Reads within one transaction: all answers belong to one moment. Valid, and used by one thread, within the function
// that received it. Every method may also answer UNAVAILABLE (busy, disk full) and DATA_LOSS (the file is damaged).
class StoreReader {
 public:
  virtual ~StoreReader() = default;

  virtual absl::StatusOr<std::vector<KnownSpace>> GetSpaces() = 0;   // by name
  virtual absl::StatusOr<std::vector<KnownProxy>> GetProxies() = 0;  // by name

  // NOT_FOUND.
  virtual absl::StatusOr<ProbeBatchRow> FindProbeBatch(const ProbeBatchKey& key) = 0;
  virtual absl::StatusOr<ProbeBatchRow> GetProbeBatch(std::string_view digest) = 0;
  // By digest, those after `after`; of one task unless it is empty.
  virtual absl::StatusOr<std::vector<ProbeBatchRow>> ListProbeBatches(std::string_view task, std::string_view after,
                                                                      int limit) = 0;
  // At most `limit` bytes from `offset`; fewer at the end. NOT_FOUND. OUT_OF_RANGE: offset beyond the end.
  virtual absl::StatusOr<std::string> ReadProbeBatch(std::string_view digest, uint64_t offset, uint64_t limit) = 0;

  // NOT_FOUND.
  virtual absl::StatusOr<Job> GetJob(JobId job) = 0;
  virtual absl::StatusOr<Job> FindJob(std::string_view digest) = 0;
  // Newest first, those before `before`.
  virtual absl::StatusOr<std::vector<Job>> ListJobs(std::optional<JobId> before, int limit) = 0;
  virtual absl::StatusOr<std::vector<Job>> ListRunningJobs() = 0;  // the highest priority first, then by id
  // Of a job that lists its architectures: those from `first` on.
  virtual absl::StatusOr<std::vector<std::string>> GetListedArchitectures(JobId job, uint64_t first,
                                                                          uint64_t count) = 0;

  virtual absl::StatusOr<WorkUnit> GetUnit(UnitId unit) = 0;  // NOT_FOUND
  // Units that `worker` can acquire at `now` (empty: somebody can); counts no further than `limit`.
  virtual absl::StatusOr<int> CountFreeUnits(JobId job, std::string_view worker, absl::Time now, int limit) = 0;
  // Units whose lease has ended by time, the longest ago first.
  virtual absl::StatusOr<std::vector<WorkUnit>> ListExpiredUnits(JobId job, absl::Time now, int limit) = 0;
  // Open positions under a lease at `now`.
  virtual absl::StatusOr<uint64_t> CountLeased(JobId job, absl::Time now) = 0;
  virtual absl::StatusOr<UnitCounts> CountUnits(absl::Time now) = 0;
  // Units under a lease at `now`, by worker.
  virtual absl::StatusOr<std::map<std::string, int>> CountLeases(absl::Time now) = 0;

  virtual absl::StatusOr<PositionFailure> GetFailure(JobId job, uint64_t position) = 0;  // NOT_FOUND
  // By kind and message, the most frequent first.
  virtual absl::StatusOr<std::vector<FailureGroup>> ListFailures(JobId job, int limit) = 0;
  // Those that have failed for good, by position.
  virtual absl::StatusOr<std::vector<PositionFailure>> ListFailedForGood(JobId job, int limit) = 0;

  // missing[a][s]: no score of architectures[a] in columns[s].
  virtual absl::StatusOr<std::vector<std::vector<bool>>> FindMissing(std::span<const SeriesKey> columns,
                                                                     std::span<const std::string> architectures) = 0;
  virtual absl::StatusOr<std::vector<SeriesInfo>> ListSeries(const SeriesFilter& filter, SeriesId after, int limit) = 0;
  // By architecture id, those after `after`.
  virtual absl::StatusOr<std::vector<ScoreRow>> ReadColumn(SeriesId series, ArchitectureId after, int limit) = 0;
  // By text, in the order asked for; an unset one has no row in the store.
  virtual absl::StatusOr<std::vector<std::optional<ArchitectureId>>> FindArchitectures(
      std::string_view space, std::span<const std::string> architectures) = 0;
  virtual absl::StatusOr<std::string> GetArchitecture(ArchitectureId architecture) = 0;  // NOT_FOUND
  // Newest first; of these series, or of all when there is none.
  virtual absl::StatusOr<std::vector<ScoreConflict>> ListConflicts(std::span<const SeriesId> series, int limit) = 0;
  virtual absl::StatusOr<uint64_t> CountConflicts(std::span<const SeriesId> series) = 0;
  // What in these series is no number, the most frequent first.
  virtual absl::StatusOr<std::vector<OutcomeGroup>> ListOutcomes(std::span<const SeriesId> series, int limit) = 0;
  // The worker that computed the score; empty: there is none.
  virtual absl::StatusOr<std::string> FindScorer(const SeriesKey& column, const std::string& architecture) = 0;

  virtual absl::StatusOr<std::vector<AccuracyInfo>> ListAccuracies(std::string_view space, std::string_view task) = 0;
  virtual absl::StatusOr<std::vector<AccuracyRow>> ReadAccuracies(AccuracyId id, ArchitectureId after, int limit) = 0;

  // By source, space, task and metric; one that holds scores of several spaces or tasks is listed for each.
  virtual absl::StatusOr<std::vector<ImportedFile>> ListImportedFiles() = 0;

  virtual absl::StatusOr<std::vector<StoredCombination>> ListCombinations() = 0;  // by name

  // NOT_FOUND: no request of this id was answered lately.
  virtual absl::StatusOr<RecordedAnswer> FindAnswer(std::string_view request_id) = 0;
};

// Writes within one transaction. When the function that received it returns an error, nothing of what it wrote stays.
class StoreWriter : public StoreReader {
 public:
  // The latest announcement of a name replaces the one before.
  virtual absl::Status Announce(std::span<const KnownSpace> spaces, std::span<const KnownProxy> proxies) = 0;

  // ALREADY_EXISTS: the digest is there, or another batch has this key.
  virtual absl::Status AddProbeBatch(const ProbeBatchRow& row, std::string_view content) = 0;

  // `job.id` is ignored. ALREADY_EXISTS: the digest is there.
  virtual absl::StatusOr<JobId> AddJob(const Job& job) = 0;
  virtual absl::Status AddListedArchitectures(JobId job, std::string_view space,
                                              std::span<const std::string> architectures) = 0;
  // All but id, digest, spec, created and total.
  virtual absl::Status UpdateJob(const Job& job) = 0;

  // Ids are ignored.
  virtual absl::Status AddUnits(std::span<const WorkUnit> units) = 0;
  // Leases the lowest free units, at most `limit`, to `worker` until `expires`, in one statement; empty when nothing is
  // free for it. A unit whose lease has ended at `now` is free.
  virtual absl::StatusOr<std::vector<WorkUnit>> AcquireUnits(JobId job, std::string_view worker, absl::Time now,
                                                             absl::Time expires, int limit) = 0;
  // True when (unit, attempt) is still `worker`'s: given to nobody else meanwhile, even if its time has passed.
  virtual absl::StatusOr<bool> RenewUnit(UnitId unit, int attempt, std::string_view worker, absl::Time expires) = 0;
  virtual absl::Status UpdateUnit(const WorkUnit& unit) = 0;  // open, free_from, worker
  virtual absl::Status DeleteUnit(UnitId unit) = 0;
  // All of the job, or only those that nobody has leased.
  virtual absl::Status DeleteUnits(JobId job, bool only_free) = 0;
  // The leases of one worker end at `now`. Returns how many.
  virtual absl::StatusOr<int> ExpireLeases(std::string_view worker, absl::Time now) = 0;
  // The leases of one worker, all but those of `held`, end without a trace: they are free at once. Returns how many.
  virtual absl::StatusOr<int> ReturnLeases(std::string_view worker, std::span<const UnitId> held) = 0;
  // No lease ends before `until`.
  virtual absl::Status ExtendLeases(absl::Time until) = 0;

  virtual absl::Status PutFailure(const PositionFailure& failure) = 0;
  virtual absl::Status DeleteFailure(JobId job, uint64_t position) = 0;
  virtual absl::Status DeleteFailures(JobId job) = 0;

  // Of every key the first score stays. A later one within the column's tolerance is kAlreadyRecorded, another one is
  // kConflict and goes to the audit table. One disposition for each of `scores`.
  virtual absl::StatusOr<std::vector<Disposition>> AddScores(std::span<const ScoreColumn> columns,
                                                             std::span<const NewScore> scores,
                                                             const Execution& execution, absl::Time now) = 0;
  // Scores of a published table; every column has its source. ALREADY_EXISTS names the first whose stored value is
  // another one.
  virtual absl::StatusOr<ImportCounts> ImportScores(std::span<const SeriesKey> columns,
                                                    std::span<const NewScore> scores, const SourceFile& file,
                                                    absl::Time now) = 0;
  // Also forgets the answers that are older than a day.
  virtual absl::Status PutAnswer(std::string_view request_id, const RecordedAnswer& answer, absl::Time now) = 0;

  // ALREADY_EXISTS names the first row whose stored value is another one.
  virtual absl::StatusOr<ImportCounts> AddAccuracies(const AccuracyKey& key, std::string_view licence,
                                                     std::string_view digest, std::span<const NewAccuracy> rows,
                                                     absl::Time now) = 0;
  // ALREADY_EXISTS: the name is there and is not to be replaced.
  virtual absl::Status PutCombination(const StoredCombination& combination, bool replace) = 0;
};

// What a store's writing thread has done since it was opened. Thread-safe.
struct StoreMeters {
  Histogram commit_seconds{{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}};  // with its writes
  Histogram commit_writes{{1, 2, 4, 8, 16, 32, 64}};                                               // committed together
  std::atomic<int64_t> waiting{0};  // writes that are not answered yet
};

// Thread-safe. All calls block; none may be nested in another.
class Store {
 public:
  virtual ~Store() = default;

  // Runs `body` on the calling thread. It must be short: pages, not whole tables.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(StoreReader&)> body) = 0;

  // Runs `body` on the store's writing thread, in one transaction with others that wait, and returns when that is
  // durable. UNAVAILABLE: nothing was written, or the store is closing.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(StoreWriter&)> body) = 0;

  // Writes all but queue, remembered answers and the content of probe batches into a new single file, which
  // OpenPublishedStore reads. ALREADY_EXISTS: `file` is there.
  virtual absl::Status Publish(const std::filesystem::path& file) = 0;

  // Copies the store as it is now into a new single file, queue and images included, with which a server can start.
  // Until the task is done the file is a part; the caller removes it when it fails. ALREADY_EXISTS: `file` is there.
  // RESOURCE_EXHAUSTED: its disk has too little space.
  virtual absl::StatusOr<std::unique_ptr<StoreTask>> StartBackup(const std::filesystem::path& file) = 0;

  // Checks the file (every page, every index, every reference) and what must be true of its rows: the counts of every
  // column and job, the digest of every probe batch. What is wrong is a problem and no error.
  virtual absl::StatusOr<std::unique_ptr<StoreTask>> StartCheck() = 0;

  // `now` tells which leases have expired.
  virtual absl::StatusOr<StoreFacts> GetFacts(absl::Time now) = 0;
  // Null for one that cannot be written.
  virtual const StoreMeters* meters() const { return nullptr; }

  // A published file: Write answers FAILED_PRECONDITION.
  virtual bool read_only() const { return false; }

  // Where it lies, for people.
  virtual std::string location() const = 0;
};

}  // namespace zcbench

#endif  // ZCBENCH_DB_STORE_H_
