// The SQL of the store. One object serves one transaction of one connection; the caller begins and ends it.
#ifndef ZCBENCH_DB_SQLITE_QUERIES_H_
#define ZCBENCH_DB_SQLITE_QUERIES_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "db/sqlite/connection.h"
#include "db/store.h"

namespace zcbench::sqlite {

// The claim, for the test that asks SQLite how it is served. Parameters: job, worker, expires, now, limit.
extern const char kAcquireUnits[];

class Queries final : public StoreWriter {
 public:
  explicit Queries(Connection& connection) : connection_(connection) {}

  // What was written since a savepoint was taken back.
  void OnRollback() { series_ids_.clear(); }

  absl::StatusOr<std::vector<KnownSpace>> GetSpaces() override;
  absl::StatusOr<std::vector<KnownProxy>> GetProxies() override;
  absl::StatusOr<ProbeBatchRow> FindProbeBatch(const ProbeBatchKey& key) override;
  absl::StatusOr<ProbeBatchRow> GetProbeBatch(std::string_view digest) override;
  absl::StatusOr<std::vector<ProbeBatchRow>> ListProbeBatches(std::string_view task, std::string_view after,
                                                              int limit) override;
  absl::StatusOr<std::string> ReadProbeBatch(std::string_view digest, uint64_t offset, uint64_t limit) override;
  absl::StatusOr<Job> GetJob(JobId job) override;
  absl::StatusOr<Job> FindJob(std::string_view digest) override;
  absl::StatusOr<std::vector<Job>> ListJobs(std::optional<JobId> before, int limit) override;
  absl::StatusOr<std::vector<Job>> ListRunningJobs() override;
  absl::StatusOr<std::vector<std::string>> GetListedArchitectures(JobId job, uint64_t first, uint64_t count) override;
  absl::StatusOr<WorkUnit> GetUnit(UnitId unit) override;
  absl::StatusOr<int> CountFreeUnits(JobId job, std::string_view worker, absl::Time now, int limit) override;
  absl::StatusOr<std::vector<WorkUnit>> ListExpiredUnits(JobId job, absl::Time now, int limit) override;
  absl::StatusOr<uint64_t> CountLeased(JobId job, absl::Time now) override;
  absl::StatusOr<UnitCounts> CountUnits(absl::Time now) override;
  absl::StatusOr<std::map<std::string, int>> CountLeases(absl::Time now) override;
  absl::StatusOr<PositionFailure> GetFailure(JobId job, uint64_t position) override;
  absl::StatusOr<std::vector<FailureGroup>> ListFailures(JobId job, int limit) override;
  absl::StatusOr<std::vector<std::vector<bool>>> FindMissing(std::span<const SeriesKey> columns,
                                                             std::span<const std::string> architectures) override;
  absl::StatusOr<std::vector<SeriesInfo>> ListSeries(const SeriesFilter& filter, SeriesId after, int limit) override;
  absl::StatusOr<std::vector<ScoreRow>> ReadColumn(SeriesId series, ArchitectureId after, int limit) override;
  absl::StatusOr<std::vector<std::optional<ArchitectureId>>> FindArchitectures(
      std::string_view space, std::span<const std::string> architectures) override;
  absl::StatusOr<std::string> GetArchitecture(ArchitectureId architecture) override;
  absl::StatusOr<std::vector<PositionFailure>> ListFailedForGood(JobId job, int limit) override;
  absl::StatusOr<std::vector<ScoreConflict>> ListConflicts(std::span<const SeriesId> series, int limit) override;
  absl::StatusOr<uint64_t> CountConflicts(std::span<const SeriesId> series) override;
  absl::StatusOr<std::vector<OutcomeGroup>> ListOutcomes(std::span<const SeriesId> series, int limit) override;
  absl::StatusOr<std::string> FindScorer(const SeriesKey& column, const std::string& architecture) override;
  absl::StatusOr<std::vector<ImportedFile>> ListImportedFiles() override;
  absl::StatusOr<std::vector<AccuracyInfo>> ListAccuracies(std::string_view space, std::string_view task) override;
  absl::StatusOr<std::vector<AccuracyRow>> ReadAccuracies(AccuracyId id, ArchitectureId after, int limit) override;
  absl::StatusOr<std::vector<StoredCombination>> ListCombinations() override;
  absl::StatusOr<RecordedAnswer> FindAnswer(std::string_view request_id) override;

  absl::Status Announce(std::span<const KnownSpace> spaces, std::span<const KnownProxy> proxies) override;
  absl::Status AddProbeBatch(const ProbeBatchRow& row, std::string_view content) override;
  absl::StatusOr<JobId> AddJob(const Job& job) override;
  absl::Status AddListedArchitectures(JobId job, std::string_view space,
                                      std::span<const std::string> architectures) override;
  absl::Status UpdateJob(const Job& job) override;
  absl::Status AddUnits(std::span<const WorkUnit> units) override;
  absl::StatusOr<std::vector<WorkUnit>> AcquireUnits(JobId job, std::string_view worker, absl::Time now,
                                                     absl::Time expires, int limit) override;
  absl::StatusOr<bool> RenewUnit(UnitId unit, int attempt, std::string_view worker, absl::Time expires) override;
  absl::Status UpdateUnit(const WorkUnit& unit) override;
  absl::Status DeleteUnit(UnitId unit) override;
  absl::Status DeleteUnits(JobId job, bool only_free) override;
  absl::StatusOr<int> ExpireLeases(std::string_view worker, absl::Time now) override;
  absl::StatusOr<int> ReturnLeases(std::string_view worker, std::span<const UnitId> held) override;
  absl::Status ExtendLeases(absl::Time until) override;
  absl::Status PutFailure(const PositionFailure& failure) override;
  absl::Status DeleteFailure(JobId job, uint64_t position) override;
  absl::Status DeleteFailures(JobId job) override;
  absl::StatusOr<std::vector<Disposition>> AddScores(std::span<const ScoreColumn> columns,
                                                     std::span<const NewScore> scores, const Execution& execution,
                                                     absl::Time now) override;
  absl::Status PutAnswer(std::string_view request_id, const RecordedAnswer& answer, absl::Time now) override;
  absl::StatusOr<ImportCounts> AddAccuracies(const AccuracyKey& key, std::string_view licence, std::string_view digest,
                                             std::span<const NewAccuracy> rows, absl::Time now) override;
  absl::Status PutCombination(const StoredCombination& combination, bool replace) override;

  absl::StatusOr<ImportCounts> ImportScores(std::span<const SeriesKey> columns, std::span<const NewScore> scores,
                                            const SourceFile& file, absl::Time now) override;

 private:
  absl::StatusOr<std::optional<SeriesId>> FindSeries(const SeriesKey& key);
  absl::StatusOr<SeriesId> AddSeries(const SeriesKey& key);
  absl::StatusOr<std::optional<ArchitectureId>> FindArchitecture(std::string_view space, std::string_view text);
  absl::StatusOr<ArchitectureId> AddArchitecture(std::string_view space, std::string_view text);
  absl::StatusOr<ExecutionId> AddExecution(const Execution& execution);

  Connection& connection_;
  std::unordered_map<std::string, SeriesId> series_ids_;  // of the keys seen in this transaction
};

}  // namespace zcbench::sqlite

#endif  // ZCBENCH_DB_SQLITE_QUERIES_H_
