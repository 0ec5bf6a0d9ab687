#include "db/sqlite/queries.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace zcbench::sqlite {

// One statement, so two callers never get the same unit. `free_from_us` is 0 for a free unit and the lease's end for a
// leased one: an expired lease is free again by time passing. Served by the index (job, free_from_us, id), also with
// 1e6 units.
const char kAcquireUnits[] = R"sql(
  UPDATE work_unit SET free_from_us = ?3, worker = ?2, attempt = attempt + 1
   WHERE id IN (SELECT id FROM work_unit WHERE job = ?1 AND free_from_us <= ?4 AND not_worker <> ?2
                 ORDER BY free_from_us, id LIMIT ?5)
  RETURNING id, job, first, count, open, free_from_us, worker, attempt, not_worker)sql";

namespace {

constexpr int kAnswerDays = 1;

std::string PackBits(const std::vector<bool>& bits) {
  std::string bytes((bits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) bytes[i / 8] = static_cast<char>(bytes[i / 8] | (1 << (i % 8)));
  }
  return bytes;
}

std::vector<bool> UnpackBits(std::string_view bytes, uint64_t count) {
  std::vector<bool> bits(count, false);
  for (size_t i = 0; i < count && i / 8 < bytes.size(); ++i) bits[i] = (bytes[i / 8] >> (i % 8)) & 1;
  return bits;
}

int64_t CountBits(const std::vector<bool>& bits) { return std::count(bits.begin(), bits.end(), true); }

// Of the columns that kAcquireUnits returns.
WorkUnit ReadUnit(const Statement& row) {
  WorkUnit unit;
  unit.id = row.As<UnitId>(0);
  unit.job = row.As<JobId>(1);
  unit.first = static_cast<uint64_t>(row.Int(2));
  unit.open = UnpackBits(row.Text(4), static_cast<uint64_t>(row.Int(3)));
  unit.free_from = row.Time(5);
  unit.worker = row.Text(6);
  unit.attempt = static_cast<int>(row.Int(7));
  unit.not_worker = row.Text(8);
  return unit;
}

Job ReadJob(const Statement& row) {
  Job job;
  job.id = row.As<JobId>(0);
  job.digest = row.Text(1);
  job.spec = row.Text(2);
  job.state = row.As<JobState>(3);
  job.created = row.Time(4);
  if (!row.IsNull(5)) job.finished = row.Time(5);
  job.total = static_cast<uint64_t>(row.Int(6));
  job.cursor = static_cast<uint64_t>(row.Int(7));
  job.done = static_cast<uint64_t>(row.Int(8));
  job.failed = static_cast<uint64_t>(row.Int(9));
  job.reused = static_cast<uint64_t>(row.Int(10));
  job.priority = static_cast<int>(row.Int(11));
  return job;
}

ProbeBatchRow ReadProbeBatchRow(const Statement& row) {
  ProbeBatchRow batch;
  batch.digest = row.Text(0);
  batch.key = {.task = row.Text(1),
               .height = static_cast<int>(row.Int(2)),
               .width = static_cast<int>(row.Int(3)),
               .images = static_cast<int>(row.Int(4)),
               .seed = static_cast<uint64_t>(row.Int(5)),
               .input = row.Text(6)};
  batch.bytes = static_cast<uint64_t>(row.Int(7));
  batch.created = row.Time(8);
  return batch;
}

PositionFailure ReadFailure(const Statement& row) {
  PositionFailure failure;
  failure.job = row.As<JobId>(0);
  failure.position = static_cast<uint64_t>(row.Int(1));
  failure.architecture = row.Text(2);
  failure.seed = static_cast<uint64_t>(row.Int(3));
  failure.kind = row.As<FailureKind>(4);
  failure.message = row.Text(5);
  failure.attempts = static_cast<int>(row.Int(6));
  failure.for_good = row.Int(7) != 0;
  failure.unit = row.As<UnitId>(8);
  failure.attempt = static_cast<int>(row.Int(9));
  failure.worker = row.Text(10);
  failure.time = row.Time(11);
  return failure;
}

// Seven columns from `at` on, in the order of SeriesKey.
SeriesKey ReadSeriesKey(const Statement& row, int at) {
  SeriesKey key{.space = row.Text(at),
                .task = row.Text(at + 1),
                .proxy = row.Text(at + 2),
                .version = row.Text(at + 3),
                .seed = std::nullopt,
                .probe_batch = row.Text(at + 5),
                .numerics = row.Text(at + 6)};
  if (!row.IsNull(at + 4)) key.seed = static_cast<uint64_t>(row.Int(at + 4));
  return key;
}

// Equal, or as near as the column's tolerance allows.
bool SameScore(Outcome a_outcome, double a, Outcome b_outcome, double b, double tolerance) {
  if (a_outcome != b_outcome) return false;
  if (a_outcome != Outcome::kOk || a == b) return true;
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

template <typename T>
bool Passes(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

}  // namespace

// ---- What the workers have announced.

absl::StatusOr<std::vector<KnownSpace>> Queries::GetSpaces() {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare("SELECT name, version FROM known_space ORDER BY name"));
  std::vector<KnownSpace> spaces;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return spaces;
    spaces.push_back({.name = row.Text(0), .version = row.Text(1)});
  }
}

absl::StatusOr<std::vector<KnownProxy>> Queries::GetProxies() {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT name, summary, paper, version, reads_weights, reads_images, reads_labels, options, tolerance,
           larger_is_better, variant
      FROM known_proxy ORDER BY name)sql"));
  std::vector<KnownProxy> proxies;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return proxies;
    KnownProxy& proxy = proxies.emplace_back();
    proxy.name = row.Text(0);
    proxy.summary = row.Text(1);
    proxy.paper = row.Text(2);
    proxy.version = row.Text(3);
    proxy.reads_weights = row.Int(4) != 0;
    proxy.reads_images = row.Int(5) != 0;
    proxy.reads_labels = row.Int(6) != 0;
    const nlohmann::json options = nlohmann::json::parse(row.Text(7), nullptr, /*allow_exceptions=*/false);
    if (!options.is_object()) return absl::DataLossError(absl::StrCat("known_proxy ", proxy.name, ": bad options"));
    for (const auto& [name, value] : options.items()) {
      if (!value.is_string()) return absl::DataLossError(absl::StrCat("known_proxy ", proxy.name, ": bad options"));
      proxy.options[name] = value.get<std::string>();
    }
    proxy.tolerance = row.Real(8);
    proxy.larger_is_better = row.Int(9) != 0;
    proxy.variant = row.Int(10) != 0;
  }
}

absl::Status Queries::Announce(std::span<const KnownSpace> spaces, std::span<const KnownProxy> proxies) {
  ZCB_ASSIGN_OR_RETURN(Statement space, connection_.Prepare(R"sql(
    INSERT INTO known_space (name, version) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET version = ?2)sql"));
  for (const KnownSpace& known : spaces) {
    space.Bind(known.name, known.version);
    ZCB_RETURN_IF_ERROR(space.Run());
  }
  ZCB_ASSIGN_OR_RETURN(Statement proxy, connection_.Prepare(R"sql(
    INSERT OR REPLACE INTO known_proxy (name, summary, paper, version, reads_weights, reads_images, reads_labels,
                                        options, tolerance, larger_is_better, variant)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11))sql"));
  for (const KnownProxy& known : proxies) {
    const std::string options = nlohmann::json(known.options).dump();
    proxy.Bind(known.name, known.summary, known.paper, known.version, known.reads_weights, known.reads_images,
               known.reads_labels, options, known.tolerance, known.larger_is_better, known.variant);
    ZCB_RETURN_IF_ERROR(proxy.Run());
  }
  return absl::OkStatus();
}

// ---- Probe batches.

absl::StatusOr<ProbeBatchRow> Queries::FindProbeBatch(const ProbeBatchKey& key) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT digest, task, height, width, images, seed, input, bytes, created_us FROM probe_batch
     WHERE task = ?1 AND height = ?2 AND width = ?3 AND images = ?4 AND seed = ?5 AND input = ?6)sql"));
  row.Bind(key.task, key.height, key.width, key.images, key.seed, key.input);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadProbeBatchRow(row);
  return absl::NotFoundError(absl::StrCat(
      "no probe batch ", key.input.empty() ? "" : absl::StrCat("of ", key.input, " "), "of task ", key.task, " with ",
      key.images, " images of ", key.height, " x ", key.width, " pixels for seed ", key.seed));
}

absl::StatusOr<ProbeBatchRow> Queries::GetProbeBatch(std::string_view digest) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT digest, task, height, width, images, seed, input, bytes, created_us FROM probe_batch WHERE digest = ?1)sql"));
  row.Bind(digest);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadProbeBatchRow(row);
  return absl::NotFoundError(absl::StrCat("no probe batch with digest ", std::string(digest)));
}

absl::StatusOr<std::vector<ProbeBatchRow>> Queries::ListProbeBatches(std::string_view task, std::string_view after,
                                                                     int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT digest, task, height, width, images, seed, input, bytes, created_us FROM probe_batch
     WHERE digest > ?1 AND (?2 = '' OR task = ?2) ORDER BY digest LIMIT ?3)sql"));
  row.Bind(after, task, limit);
  std::vector<ProbeBatchRow> batches;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return batches;
    batches.push_back(ReadProbeBatchRow(row));
  }
}

absl::StatusOr<std::string> Queries::ReadProbeBatch(std::string_view digest, uint64_t offset, uint64_t limit) {
  int64_t rowid = 0;
  uint64_t size = 0;
  bool published = false;
  {
    ZCB_ASSIGN_OR_RETURN(
        Statement row, connection_.Prepare("SELECT rowid, bytes, length(content) FROM probe_batch WHERE digest = ?1"));
    row.Bind(digest);
    ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found) return absl::NotFoundError(absl::StrCat("no probe batch with digest ", std::string(digest)));
    rowid = row.Int(0);
    size = static_cast<uint64_t>(row.Int(1));
    published = row.Int(2) == 0;
  }
  if (published) {
    return absl::NotFoundError(absl::StrCat("the images of probe batch ", std::string(digest),
                                            " are not in this file, which was published without"));
  }
  if (offset > size) {
    return absl::OutOfRangeError(absl::StrCat("offset ", offset, " of a probe batch of ", size, " bytes"));
  }
  // Incremental: SELECT substr() would read the whole value for every piece.
  std::string bytes(std::min(limit, size - offset), '\0');
  sqlite3_blob* blob = nullptr;
  int code = sqlite3_blob_open(connection_.db(), "main", "probe_batch", "content", rowid, 0, &blob);
  if (code == SQLITE_OK) {
    code = sqlite3_blob_read(blob, bytes.data(), static_cast<int>(bytes.size()), static_cast<int>(offset));
  }
  absl::Status status;
  if (code != SQLITE_OK)
    status = ToStatus(connection_.db(), code, absl::StrCat("reading probe batch ", std::string(digest)));
  sqlite3_blob_close(blob);
  if (!status.ok()) return status;
  return bytes;
}

absl::Status Queries::AddProbeBatch(const ProbeBatchRow& row, std::string_view content) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO probe_batch (digest, task, height, width, images, seed, input, bytes, created_us, content)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10))sql"));
  insert.Bind(row.digest, row.key.task, row.key.height, row.key.width, row.key.images, row.key.seed, row.key.input,
              content.size(), row.created, Blob{content});
  return insert.Run();
}

// ---- Jobs.

absl::StatusOr<Job> Queries::GetJob(JobId job) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, digest, spec, state, created_us, finished_us, total, cursor, done, failed, reused, priority
      FROM job WHERE id = ?1)sql"));
  row.Bind(job);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadJob(row);
  return absl::NotFoundError(absl::StrCat("no job ", static_cast<int64_t>(job)));
}

absl::StatusOr<Job> Queries::FindJob(std::string_view digest) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, digest, spec, state, created_us, finished_us, total, cursor, done, failed, reused, priority
      FROM job WHERE digest = ?1)sql"));
  row.Bind(digest);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadJob(row);
  return absl::NotFoundError(absl::StrCat("no job with digest ", std::string(digest)));
}

absl::StatusOr<std::vector<Job>> Queries::ListJobs(std::optional<JobId> before, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, digest, spec, state, created_us, finished_us, total, cursor, done, failed, reused, priority
      FROM job WHERE id < ?1 ORDER BY id DESC LIMIT ?2)sql"));
  row.Bind(before.has_value() ? static_cast<int64_t>(*before) : INT64_MAX, limit);
  std::vector<Job> jobs;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return jobs;
    jobs.push_back(ReadJob(row));
  }
}

absl::StatusOr<std::vector<Job>> Queries::ListRunningJobs() {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, digest, spec, state, created_us, finished_us, total, cursor, done, failed, reused, priority
      FROM job WHERE state = 1 ORDER BY priority DESC, id)sql"));
  std::vector<Job> jobs;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return jobs;
    jobs.push_back(ReadJob(row));
  }
}

absl::StatusOr<std::vector<std::string>> Queries::GetListedArchitectures(JobId job, uint64_t first, uint64_t count) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT text FROM job_architecture JOIN architecture ON id = architecture
     WHERE job = ?1 AND position >= ?2 ORDER BY position LIMIT ?3)sql"));
  row.Bind(job, first, count);
  std::vector<std::string> architectures;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return architectures;
    architectures.push_back(row.Text(0));
  }
}

absl::StatusOr<JobId> Queries::AddJob(const Job& job) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO job (digest, spec, state, created_us, finished_us, total, cursor, done, failed, reused, priority)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11))sql"));
  insert.Bind(job.digest, job.spec, job.state, job.created, job.finished, job.total, job.cursor, job.done, job.failed,
              job.reused, job.priority);
  ZCB_RETURN_IF_ERROR(insert.Run());
  return static_cast<JobId>(connection_.last_insert_id());
}

absl::Status Queries::AddListedArchitectures(JobId job, std::string_view space,
                                             std::span<const std::string> architectures) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO job_architecture (job, position, architecture) VALUES (?1, ?2, ?3))sql"));
  for (size_t i = 0; i < architectures.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(const ArchitectureId architecture, AddArchitecture(space, architectures[i]));
    insert.Bind(job, i, architecture);
    ZCB_RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

absl::Status Queries::UpdateJob(const Job& job) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE job SET state = ?2, finished_us = ?3, cursor = ?4, done = ?5, failed = ?6, reused = ?7,
                   priority = ?8 WHERE id = ?1)sql"));
  update.Bind(job.id, job.state, job.finished, job.cursor, job.done, job.failed, job.reused, job.priority);
  return update.Run();
}

// ---- Units.

absl::StatusOr<WorkUnit> Queries::GetUnit(UnitId unit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, job, first, count, open, free_from_us, worker, attempt, not_worker FROM work_unit WHERE id = ?1)sql"));
  row.Bind(unit);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadUnit(row);
  return absl::NotFoundError(absl::StrCat("no work unit ", static_cast<int64_t>(unit), ", or it is done"));
}

absl::StatusOr<int> Queries::CountFreeUnits(JobId job, std::string_view worker, absl::Time now, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT count(*) FROM (SELECT 1 FROM work_unit
                           WHERE job = ?1 AND free_from_us <= ?2 AND (?4 = '' OR not_worker <> ?4) LIMIT ?3))sql"));
  row.Bind(job, now, limit, worker);
  ZCB_RETURN_IF_ERROR(row.Step().status());
  return static_cast<int>(row.Int(0));
}

absl::StatusOr<std::vector<WorkUnit>> Queries::ListExpiredUnits(JobId job, absl::Time now, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, job, first, count, open, free_from_us, worker, attempt, not_worker FROM work_unit
     WHERE job = ?1 AND free_from_us > 0 AND free_from_us <= ?2 ORDER BY free_from_us, id LIMIT ?3)sql"));
  row.Bind(job, now, limit);
  std::vector<WorkUnit> units;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return units;
    units.push_back(ReadUnit(row));
  }
}

absl::StatusOr<uint64_t> Queries::CountLeased(JobId job, absl::Time now) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT ifnull(sum(remaining), 0) FROM work_unit WHERE job = ?1 AND free_from_us > ?2)sql"));
  row.Bind(job, now);
  ZCB_RETURN_IF_ERROR(row.Step().status());
  return static_cast<uint64_t>(row.Int(0));
}

absl::StatusOr<UnitCounts> Queries::CountUnits(absl::Time now) {
  // Few rows at any time: units exist for the next piece of a job alone.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT count(*) FILTER (WHERE free_from_us = 0), count(*) FILTER (WHERE free_from_us > ?1),
           count(*) FILTER (WHERE free_from_us > 0 AND free_from_us <= ?1) FROM work_unit)sql"));
  row.Bind(now);
  ZCB_RETURN_IF_ERROR(row.Step().status());
  return UnitCounts{.free = static_cast<uint64_t>(row.Int(0)),
                    .leased = static_cast<uint64_t>(row.Int(1)),
                    .expired = static_cast<uint64_t>(row.Int(2))};
}

absl::StatusOr<std::map<std::string, int>> Queries::CountLeases(absl::Time now) {
  // The constant term is that of the partial index.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT worker, count(*) FROM work_unit WHERE free_from_us > 0 AND free_from_us > ?1 GROUP BY worker)sql"));
  row.Bind(now);
  std::map<std::string, int> leases;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return leases;
    leases[row.Text(0)] = static_cast<int>(row.Int(1));
  }
}

absl::Status Queries::AddUnits(std::span<const WorkUnit> units) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO work_unit (job, first, count, open, remaining, free_from_us, worker, attempt, not_worker)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9))sql"));
  for (const WorkUnit& unit : units) {
    const std::string open = PackBits(unit.open);
    insert.Bind(unit.job, unit.first, unit.count(), Blob{open}, CountBits(unit.open), unit.free_from, unit.worker,
                unit.attempt, unit.not_worker);
    ZCB_RETURN_IF_ERROR(insert.Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<WorkUnit>> Queries::AcquireUnits(JobId job, std::string_view worker, absl::Time now,
                                                            absl::Time expires, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement acquire, connection_.Prepare(kAcquireUnits));
  acquire.Bind(job, worker, expires, now, limit);
  std::vector<WorkUnit> units;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, acquire.Step());
    if (!more) break;
    units.push_back(ReadUnit(acquire));
  }
  // RETURNING promises no order.
  std::sort(units.begin(), units.end(), [](const WorkUnit& a, const WorkUnit& b) { return a.id < b.id; });
  return units;
}

absl::StatusOr<bool> Queries::RenewUnit(UnitId unit, int attempt, std::string_view worker, absl::Time expires) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE work_unit SET free_from_us = max(free_from_us, ?4)
     WHERE id = ?1 AND attempt = ?2 AND worker = ?3 AND free_from_us > 0)sql"));
  update.Bind(unit, attempt, worker, expires);
  ZCB_RETURN_IF_ERROR(update.Run());
  return connection_.changes() > 0;
}

absl::Status Queries::UpdateUnit(const WorkUnit& unit) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE work_unit SET open = ?2, remaining = ?3, free_from_us = ?4, worker = ?5 WHERE id = ?1)sql"));
  const std::string open = PackBits(unit.open);
  update.Bind(unit.id, Blob{open}, CountBits(unit.open), unit.free_from, unit.worker);
  return update.Run();
}

absl::Status Queries::DeleteUnit(UnitId unit) {
  ZCB_ASSIGN_OR_RETURN(Statement remove, connection_.Prepare("DELETE FROM work_unit WHERE id = ?1"));
  remove.Bind(unit);
  return remove.Run();
}

absl::Status Queries::DeleteUnits(JobId job, bool only_free) {
  ZCB_ASSIGN_OR_RETURN(Statement remove,
                       connection_.Prepare("DELETE FROM work_unit WHERE job = ?1 AND free_from_us <= ?2"));
  remove.Bind(job, only_free ? int64_t{0} : INT64_MAX);
  return remove.Run();
}

absl::StatusOr<int> Queries::ExpireLeases(std::string_view worker, absl::Time now) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE work_unit SET free_from_us = ?2 WHERE worker = ?1 AND free_from_us > 0 AND free_from_us > ?2)sql"));
  update.Bind(worker, now);
  ZCB_RETURN_IF_ERROR(update.Run());
  return connection_.changes();
}

absl::StatusOr<int> Queries::ReturnLeases(std::string_view worker, std::span<const UnitId> held) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE work_unit SET free_from_us = 0
     WHERE worker = ?1 AND free_from_us > 0 AND id NOT IN (SELECT value FROM json_each(?2)))sql"));
  const std::string ids = absl::StrCat(
      "[",
      absl::StrJoin(held, ",", [](std::string* out, UnitId id) { absl::StrAppend(out, static_cast<int64_t>(id)); }),
      "]");
  update.Bind(worker, ids);
  ZCB_RETURN_IF_ERROR(update.Run());
  return connection_.changes();
}

absl::Status Queries::ExtendLeases(absl::Time until) {
  ZCB_ASSIGN_OR_RETURN(Statement update, connection_.Prepare(R"sql(
    UPDATE work_unit SET free_from_us = ?1 WHERE free_from_us > 0 AND free_from_us < ?1)sql"));
  update.Bind(until);
  return update.Run();
}

// ---- Failures.

absl::StatusOr<PositionFailure> Queries::GetFailure(JobId job, uint64_t position) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT job, position, architecture, seed, kind, message, attempts, for_good, unit, attempt, worker, time_us
      FROM position_failure WHERE job = ?1 AND position = ?2)sql"));
  row.Bind(job, position);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return ReadFailure(row);
  return absl::NotFoundError("no failure");
}

absl::StatusOr<std::vector<FailureGroup>> Queries::ListFailures(JobId job, int limit) {
  // The bare columns are those of the row with max(time_us): SQLite promises it.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT job, position, architecture, seed, kind, message, attempts, for_good, unit, attempt, worker, max(time_us),
           count(*) AS number, sum(for_good)
      FROM position_failure WHERE job = ?1 GROUP BY kind, message ORDER BY number DESC, kind, message LIMIT ?2)sql"));
  row.Bind(job, limit);
  std::vector<FailureGroup> groups;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return groups;
    FailureGroup& group = groups.emplace_back();
    group.example = ReadFailure(row);
    group.kind = group.example.kind;
    group.message = group.example.message;
    group.count = static_cast<uint64_t>(row.Int(12));
    group.for_good = static_cast<uint64_t>(row.Int(13));
  }
}

absl::StatusOr<std::vector<PositionFailure>> Queries::ListFailedForGood(JobId job, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT job, position, architecture, seed, kind, message, attempts, for_good, unit, attempt, worker, time_us
      FROM position_failure WHERE job = ?1 AND for_good = 1 ORDER BY position LIMIT ?2)sql"));
  row.Bind(job, limit);
  std::vector<PositionFailure> failures;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return failures;
    failures.push_back(ReadFailure(row));
  }
}

absl::Status Queries::PutFailure(const PositionFailure& failure) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT OR REPLACE INTO position_failure
      (job, position, architecture, seed, kind, message, attempts, for_good, unit, attempt, worker, time_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12))sql"));
  insert.Bind(failure.job, failure.position, failure.architecture, failure.seed, failure.kind, failure.message,
              failure.attempts, failure.for_good, failure.unit, failure.attempt, failure.worker, failure.time);
  return insert.Run();
}

absl::Status Queries::DeleteFailure(JobId job, uint64_t position) {
  ZCB_ASSIGN_OR_RETURN(Statement remove,
                       connection_.Prepare("DELETE FROM position_failure WHERE job = ?1 AND position = ?2"));
  remove.Bind(job, position);
  return remove.Run();
}

absl::Status Queries::DeleteFailures(JobId job) {
  ZCB_ASSIGN_OR_RETURN(Statement remove, connection_.Prepare("DELETE FROM position_failure WHERE job = ?1"));
  remove.Bind(job);
  return remove.Run();
}

// ---- Scores.

absl::StatusOr<std::optional<SeriesId>> Queries::FindSeries(const SeriesKey& key) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id FROM series WHERE space = ?1 AND task = ?2 AND proxy = ?3 AND version = ?4 AND ifnull(seed, -1) =
      ifnull(?5, -1) AND probe_batch = ?6 AND numerics = ?7 AND source = ?8)sql"));
  row.Bind(key.space, key.task, key.proxy, key.version, key.seed, key.probe_batch, key.numerics, key.source);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::optional<SeriesId>();
  return std::optional<SeriesId>(row.As<SeriesId>(0));
}

absl::StatusOr<SeriesId> Queries::AddSeries(const SeriesKey& key) {
  // Looked up once a transaction: every unit of a job has the same columns.
  constexpr char kSeparator[] = "\n";
  SeriesId& id =
      series_ids_[absl::StrCat(key.space, kSeparator, key.task, kSeparator, key.proxy, kSeparator, key.version,
                               kSeparator, key.seed.has_value() ? absl::StrCat(*key.seed) : "", kSeparator,
                               key.probe_batch, kSeparator, key.numerics, kSeparator, key.source)];
  if (id != SeriesId{}) return id;
  ZCB_ASSIGN_OR_RETURN(const std::optional<SeriesId> known, FindSeries(key));
  if (known.has_value()) return id = *known;
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO series (space, task, proxy, version, seed, probe_batch, numerics, source)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8))sql"));
  insert.Bind(key.space, key.task, key.proxy, key.version, key.seed, key.probe_batch, key.numerics, key.source);
  ZCB_RETURN_IF_ERROR(insert.Run());
  return id = static_cast<SeriesId>(connection_.last_insert_id());
}

absl::StatusOr<std::optional<ArchitectureId>> Queries::FindArchitecture(std::string_view space, std::string_view text) {
  ZCB_ASSIGN_OR_RETURN(Statement row,
                       connection_.Prepare("SELECT id FROM architecture WHERE space = ?1 AND text = ?2"));
  row.Bind(space, text);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::optional<ArchitectureId>();
  return std::optional<ArchitectureId>(row.As<ArchitectureId>(0));
}

absl::StatusOr<ArchitectureId> Queries::AddArchitecture(std::string_view space, std::string_view text) {
  ZCB_ASSIGN_OR_RETURN(const std::optional<ArchitectureId> known, FindArchitecture(space, text));
  if (known.has_value()) return *known;
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare("INSERT INTO architecture (space, text) VALUES (?1, ?2)"));
  insert.Bind(space, text);
  ZCB_RETURN_IF_ERROR(insert.Run());
  return static_cast<ArchitectureId>(connection_.last_insert_id());
}

absl::StatusOr<ExecutionId> Queries::AddExecution(const Execution& execution) {
  {
    ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
      SELECT id FROM execution WHERE worker = ?1 AND host = ?2 AND device = ?3 AND numerics = ?4 AND
        zcbench_version = ?5 AND git_commit = ?6)sql"));
    row.Bind(execution.worker, execution.host, execution.device, execution.numerics, execution.zcbench_version,
             execution.commit);
    ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found) return row.As<ExecutionId>(0);
  }
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO execution (worker, host, device, numerics, zcbench_version, git_commit)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6))sql"));
  insert.Bind(execution.worker, execution.host, execution.device, execution.numerics, execution.zcbench_version,
              execution.commit);
  ZCB_RETURN_IF_ERROR(insert.Run());
  return static_cast<ExecutionId>(connection_.last_insert_id());
}

absl::StatusOr<std::vector<std::vector<bool>>> Queries::FindMissing(std::span<const SeriesKey> columns,
                                                                    std::span<const std::string> architectures) {
  std::vector<std::vector<bool>> missing(architectures.size(), std::vector<bool>(columns.size(), true));
  if (columns.empty()) return missing;
  std::vector<std::optional<SeriesId>> series;
  for (const SeriesKey& key : columns) {
    ZCB_ASSIGN_OR_RETURN(const std::optional<SeriesId> id, FindSeries(key));
    series.push_back(id);
  }
  ZCB_ASSIGN_OR_RETURN(Statement row,
                       connection_.Prepare("SELECT 1 FROM score WHERE series = ?1 AND architecture = ?2"));
  for (size_t a = 0; a < architectures.size(); ++a) {
    ZCB_ASSIGN_OR_RETURN(const std::optional<ArchitectureId> architecture,
                         FindArchitecture(columns[0].space, architectures[a]));
    if (!architecture.has_value()) continue;
    for (size_t s = 0; s < series.size(); ++s) {
      if (!series[s].has_value()) continue;
      row.Bind(*series[s], *architecture);
      ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
      missing[a][s] = !found;
    }
  }
  return missing;
}

absl::StatusOr<std::vector<SeriesInfo>> Queries::ListSeries(const SeriesFilter& filter, SeriesId after, int limit) {
  // Series are few (thousands): lists are filtered here rather than in SQL built from text.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, space, task, proxy, version, seed, probe_batch, numerics, finite, not_finite, undefined, source
      FROM series
     WHERE id > ?1 AND (?2 = '' OR space = ?2) AND (?3 = '' OR task = ?3) AND (?4 = '' OR numerics = ?4) AND
       (?5 = '' OR source = ?6)
     ORDER BY id)sql"));
  row.Bind(after, filter.space, filter.task, filter.numerics, filter.source,
           filter.source == kComputed ? std::string_view() : std::string_view(filter.source));
  std::vector<SeriesInfo> series;
  while (static_cast<int>(series.size()) < limit) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    SeriesInfo info;
    info.id = row.As<SeriesId>(0);
    info.key = ReadSeriesKey(row, 1);
    info.key.source = row.Text(11);
    info.finite = static_cast<uint64_t>(row.Int(8));
    info.not_finite = static_cast<uint64_t>(row.Int(9));
    info.undefined = static_cast<uint64_t>(row.Int(10));
    if (!Passes(filter.proxies, info.key.proxy)) continue;
    if (info.key.seed.has_value() && !Passes(filter.seeds, *info.key.seed)) continue;
    series.push_back(std::move(info));
  }
  return series;
}

absl::StatusOr<std::vector<ScoreRow>> Queries::ReadColumn(SeriesId series, ArchitectureId after, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT architecture, outcome, value, seconds FROM score
     WHERE series = ?1 AND architecture > ?2 ORDER BY architecture LIMIT ?3)sql"));
  row.Bind(series, after, limit);
  std::vector<ScoreRow> rows;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return rows;
    rows.push_back({.architecture = row.As<ArchitectureId>(0),
                    .outcome = row.As<Outcome>(1),
                    .value = row.Real(2),
                    .seconds = row.Real(3)});
  }
}

absl::StatusOr<std::vector<std::optional<ArchitectureId>>> Queries::FindArchitectures(
    std::string_view space, std::span<const std::string> architectures) {
  std::vector<std::optional<ArchitectureId>> ids;
  for (const std::string& text : architectures) {
    ZCB_ASSIGN_OR_RETURN(const std::optional<ArchitectureId> id, FindArchitecture(space, text));
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::string> Queries::GetArchitecture(ArchitectureId architecture) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare("SELECT text FROM architecture WHERE id = ?1"));
  row.Bind(architecture);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) return row.Text(0);
  return absl::NotFoundError(absl::StrCat("no architecture ", static_cast<int64_t>(architecture)));
}

absl::StatusOr<std::vector<ScoreConflict>> Queries::ListConflicts(std::span<const SeriesId> series, int limit) {
  // Conflicts are rare: they are filtered here rather than in SQL built from text.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT c.series, s.space, s.task, s.proxy, s.version, s.seed, s.probe_batch, s.numerics, a.text, c.outcome, c.value,
           e.worker, k.outcome, k.value, f.worker, c.recorded_us
      FROM score_conflict c JOIN series s ON s.id = c.series JOIN architecture a ON a.id = c.architecture
      JOIN execution e ON e.id = c.execution JOIN score k ON k.series = c.series AND k.architecture = c.architecture
      JOIN execution f ON f.id = k.execution ORDER BY c.id DESC)sql"));
  row.Bind();
  std::vector<ScoreConflict> conflicts;
  while (static_cast<int>(conflicts.size()) < limit) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    if (!series.empty() && std::find(series.begin(), series.end(), row.As<SeriesId>(0)) == series.end()) continue;
    ScoreConflict& conflict = conflicts.emplace_back();
    conflict.series = row.As<SeriesId>(0);
    conflict.key = ReadSeriesKey(row, 1);
    conflict.architecture = row.Text(8);
    conflict.outcome = row.As<Outcome>(9);
    conflict.value = row.Real(10);
    conflict.worker = row.Text(11);
    conflict.kept_outcome = row.As<Outcome>(12);
    conflict.kept_value = row.Real(13);
    conflict.kept_worker = row.Text(14);
    conflict.recorded = row.Time(15);
  }
  return conflicts;
}

absl::StatusOr<uint64_t> Queries::CountConflicts(std::span<const SeriesId> series) {
  ZCB_ASSIGN_OR_RETURN(Statement row,
                       connection_.Prepare("SELECT series, count(*) FROM score_conflict GROUP BY series"));
  row.Bind();
  uint64_t count = 0;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return count;
    if (!series.empty() && std::find(series.begin(), series.end(), row.As<SeriesId>(0)) == series.end()) continue;
    count += static_cast<uint64_t>(row.Int(1));
  }
}

absl::StatusOr<std::vector<OutcomeGroup>> Queries::ListOutcomes(std::span<const SeriesId> series, int limit) {
  std::map<std::pair<Outcome, std::string>, OutcomeGroup> groups;
  for (const SeriesId id : series) {
    // The reasons of one series are few and lie together; the score says which outcome each explains.
    ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
      SELECT s.space, s.task, s.proxy, s.version, s.seed, s.probe_batch, s.numerics, c.outcome, r.reason, count(*),
             max(r.architecture), a.text, e.worker
        FROM score_reason r JOIN score c ON c.series = r.series AND c.architecture = r.architecture
        JOIN series s ON s.id = r.series JOIN architecture a ON a.id = r.architecture
        JOIN execution e ON e.id = c.execution
       WHERE r.series = ?1 GROUP BY c.outcome, r.reason)sql"));
    row.Bind(id);
    while (true) {
      ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) break;
      OutcomeGroup& group = groups[{row.As<Outcome>(7), row.Text(8)}];
      if (group.count == 0) {
        group.outcome = row.As<Outcome>(7);
        group.reason = row.Text(8);
        group.key = ReadSeriesKey(row, 0);
        group.architecture = row.Text(11);
        group.worker = row.Text(12);
      }
      group.count += static_cast<uint64_t>(row.Int(9));
    }
  }
  std::vector<OutcomeGroup> sorted;
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  if (sorted.size() > static_cast<size_t>(limit)) sorted.resize(static_cast<size_t>(limit));
  return sorted;
}

absl::StatusOr<std::string> Queries::FindScorer(const SeriesKey& column, const std::string& architecture) {
  ZCB_ASSIGN_OR_RETURN(const std::optional<SeriesId> series, FindSeries(column));
  ZCB_ASSIGN_OR_RETURN(const auto ids, FindArchitectures(column.space, {&architecture, 1}));
  if (!series.has_value() || !ids[0].has_value()) return std::string();
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT worker FROM score JOIN execution ON execution.id = execution
     WHERE series = ?1 AND architecture = ?2)sql"));
  row.Bind(*series, *ids[0]);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? row.Text(0) : std::string();
}

absl::StatusOr<std::vector<Disposition>> Queries::AddScores(std::span<const ScoreColumn> columns,
                                                            std::span<const NewScore> scores,
                                                            const Execution& execution, absl::Time now) {
  ZCB_ASSIGN_OR_RETURN(const ExecutionId executed, AddExecution(execution));
  struct Column {
    SeriesId id{};
    int64_t added[4] = {};  // by outcome
  };
  std::vector<std::optional<Column>> known(columns.size());
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO score (series, architecture, outcome, value, seconds, execution) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
      ON CONFLICT DO NOTHING)sql"));
  std::vector<Disposition> dispositions;
  // The scores of one architecture come together.
  std::pair<std::string_view, std::string_view> last;
  ArchitectureId architecture{};
  for (const NewScore& score : scores) {
    const ScoreColumn& column = columns[score.series];
    if (!known[score.series].has_value()) {
      ZCB_ASSIGN_OR_RETURN(const SeriesId id, AddSeries(column.key));
      known[score.series] = Column{.id = id};
    }
    Column& series = *known[score.series];
    if (last != std::pair(std::string_view(column.key.space), score.architecture)) {
      last = {column.key.space, score.architecture};
      ZCB_ASSIGN_OR_RETURN(architecture, AddArchitecture(column.key.space, score.architecture));
    }
    std::optional<double> value;
    if (score.outcome == Outcome::kOk) value = score.value;
    insert.Bind(series.id, architecture, score.outcome, value, score.seconds, executed);
    ZCB_RETURN_IF_ERROR(insert.Run());
    if (connection_.changes() > 0) {
      ++series.added[static_cast<int>(score.outcome)];
      dispositions.push_back(Disposition::kRecorded);
      if (score.outcome != Outcome::kOk) {
        ZCB_ASSIGN_OR_RETURN(Statement reason, connection_.Prepare(R"sql(
          INSERT INTO score_reason (series, architecture, reason) VALUES (?1, ?2, ?3))sql"));
        reason.Bind(series.id, architecture, score.reason);
        ZCB_RETURN_IF_ERROR(reason.Run());
      }
      continue;
    }
    ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
      SELECT outcome, value FROM score WHERE series = ?1 AND architecture = ?2)sql"));
    row.Bind(series.id, architecture);
    ZCB_RETURN_IF_ERROR(row.Step().status());
    if (SameScore(row.As<Outcome>(0), row.Real(1), score.outcome, score.value, column.tolerance)) {
      dispositions.push_back(Disposition::kAlreadyRecorded);
      continue;
    }
    ZCB_ASSIGN_OR_RETURN(Statement conflict, connection_.Prepare(R"sql(
      INSERT INTO score_conflict (series, architecture, outcome, value, seconds, execution, recorded_us)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7))sql"));
    conflict.Bind(series.id, architecture, score.outcome, value, score.seconds, executed, now);
    ZCB_RETURN_IF_ERROR(conflict.Run());
    dispositions.push_back(Disposition::kConflict);
  }
  ZCB_ASSIGN_OR_RETURN(Statement count, connection_.Prepare(R"sql(
    UPDATE series SET finite = finite + ?2, not_finite = not_finite + ?3, undefined = undefined + ?4
     WHERE id = ?1)sql"));
  for (const std::optional<Column>& series : known) {
    if (!series.has_value()) continue;
    count.Bind(series->id, series->added[1], series->added[2], series->added[3]);
    ZCB_RETURN_IF_ERROR(count.Run());
  }
  return dispositions;
}

absl::StatusOr<ImportCounts> Queries::ImportScores(std::span<const SeriesKey> columns, std::span<const NewScore> scores,
                                                   const SourceFile& file, absl::Time now) {
  const Execution execution{.worker = "import", .device = file.digest, .numerics = file.source};
  ZCB_ASSIGN_OR_RETURN(const ExecutionId imported, AddExecution(execution));
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO score_file (execution, source, licence, digest, imported_us) VALUES (?1, ?2, ?3, ?4, ?5)
      ON CONFLICT DO NOTHING)sql"));
  insert.Bind(imported, file.source, file.licence, file.digest, now);
  ZCB_RETURN_IF_ERROR(insert.Run());
  std::vector<ScoreColumn> exact;
  for (const SeriesKey& key : columns) exact.push_back({.key = key});
  ZCB_ASSIGN_OR_RETURN(const std::vector<Disposition> dispositions, AddScores(exact, scores, execution, now));
  ImportCounts counts;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (dispositions[i] == Disposition::kConflict) {
      const SeriesKey& key = columns[scores[i].series];
      return absl::AlreadyExistsError(absl::StrCat(
          key.space, "/", std::string(scores[i].architecture), " has another ", key.proxy, " on ", key.task, " from ",
          key.source, " than ", scores[i].outcome == Outcome::kOk ? absl::StrCat(scores[i].value) : "not finite"));
    }
    ++(dispositions[i] == Disposition::kRecorded ? counts.added : counts.unchanged);
  }
  return counts;
}

absl::StatusOr<RecordedAnswer> Queries::FindAnswer(std::string_view request_id) {
  ZCB_ASSIGN_OR_RETURN(Statement row,
                       connection_.Prepare("SELECT dispositions, lease_valid FROM answer WHERE request = ?1"));
  row.Bind(request_id);
  ZCB_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such request was answered lately");
  RecordedAnswer answer;
  for (const char c : row.Text(0)) answer.dispositions.push_back(static_cast<Disposition>(c));
  answer.lease_valid = row.Int(1) != 0;
  return answer;
}

absl::Status Queries::PutAnswer(std::string_view request_id, const RecordedAnswer& answer, absl::Time now) {
  ZCB_ASSIGN_OR_RETURN(Statement forget, connection_.Prepare("DELETE FROM answer WHERE answered_us < ?1"));
  forget.Bind(now - absl::Hours(24 * kAnswerDays));
  ZCB_RETURN_IF_ERROR(forget.Run());
  std::string dispositions;
  for (const Disposition disposition : answer.dispositions) dispositions.push_back(static_cast<char>(disposition));
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO answer (request, answered_us, dispositions, lease_valid) VALUES (?1, ?2, ?3, ?4))sql"));
  insert.Bind(request_id, now, Blob{dispositions}, answer.lease_valid);
  return insert.Run();
}

// ---- Ground truth.

absl::StatusOr<std::vector<AccuracyInfo>> Queries::ListAccuracies(std::string_view space, std::string_view task) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT id, space, task, metric, source, (SELECT count(*) FROM accuracy WHERE series = accuracy_series.id),
           ifnull((SELECT licence FROM accuracy_file WHERE series = accuracy_series.id ORDER BY id LIMIT 1), '')
      FROM accuracy_series
     WHERE space = ?1 AND task = ?2 ORDER BY source, metric)sql"));
  row.Bind(space, task);
  std::vector<AccuracyInfo> accuracies;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return accuracies;
    accuracies.push_back(
        {.id = row.As<AccuracyId>(0),
         .key = {.space = row.Text(1), .task = row.Text(2), .metric = row.Text(3), .source = row.Text(4)},
         .licence = row.Text(6),
         .rows = static_cast<uint64_t>(row.Int(5))});
  }
}

absl::StatusOr<std::vector<ImportedFile>> Queries::ListImportedFiles() {
  // A file is looked up among the scores of each column of its source; the first of its rows ends the search.
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT DISTINCT f.source, f.licence, f.digest, s.space, s.task, '', f.imported_us
      FROM score_file AS f JOIN series AS s ON s.source = f.source
     WHERE EXISTS (SELECT 1 FROM score WHERE score.series = s.id AND score.execution = f.execution)
     UNION ALL
    SELECT s.source, f.licence, f.digest, s.space, s.task, s.metric, f.imported_us
      FROM accuracy_file AS f JOIN accuracy_series AS s ON s.id = f.series
     ORDER BY 1, 4, 5, 6, 7)sql"));
  std::vector<ImportedFile> files;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return files;
    files.push_back({.file = {.source = row.Text(0), .licence = row.Text(1), .digest = row.Text(2)},
                     .space = row.Text(3),
                     .task = row.Text(4),
                     .metric = row.Text(5),
                     .imported = absl::FromUnixMicros(row.Int(6))});
  }
}

absl::StatusOr<std::vector<AccuracyRow>> Queries::ReadAccuracies(AccuracyId id, ArchitectureId after, int limit) {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT architecture, value FROM accuracy
     WHERE series = ?1 AND architecture > ?2 ORDER BY architecture LIMIT ?3)sql"));
  row.Bind(id, after, limit);
  std::vector<AccuracyRow> rows;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return rows;
    rows.push_back({.architecture = row.As<ArchitectureId>(0), .value = row.Real(1)});
  }
}

absl::StatusOr<ImportCounts> Queries::AddAccuracies(const AccuracyKey& key, std::string_view licence,
                                                    std::string_view digest, std::span<const NewAccuracy> rows,
                                                    absl::Time now) {
  ZCB_ASSIGN_OR_RETURN(Statement series, connection_.Prepare(R"sql(
    INSERT INTO accuracy_series (space, task, metric, source) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT DO UPDATE SET space = space RETURNING id)sql"));
  series.Bind(key.space, key.task, key.metric, key.source);
  ZCB_RETURN_IF_ERROR(series.Step().status());
  const AccuracyId id = series.As<AccuracyId>(0);
  ZCB_RETURN_IF_ERROR(series.Run());
  ZCB_ASSIGN_OR_RETURN(Statement file, connection_.Prepare(R"sql(
    INSERT INTO accuracy_file (series, digest, licence, imported_us) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT DO UPDATE SET licence = licence RETURNING id)sql"));
  file.Bind(id, digest, licence, now);
  ZCB_RETURN_IF_ERROR(file.Step().status());
  const int64_t from = file.Int(0);
  ZCB_RETURN_IF_ERROR(file.Run());

  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO accuracy (series, architecture, value, file) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING)sql"));
  ZCB_ASSIGN_OR_RETURN(Statement stored,
                       connection_.Prepare("SELECT value FROM accuracy WHERE series = ?1 AND architecture = ?2"));
  ImportCounts counts;
  for (const NewAccuracy& row : rows) {
    ZCB_ASSIGN_OR_RETURN(const ArchitectureId architecture, AddArchitecture(key.space, row.architecture));
    insert.Bind(id, architecture, row.value, from);
    ZCB_RETURN_IF_ERROR(insert.Run());
    if (connection_.changes() > 0) {
      ++counts.added;
      continue;
    }
    stored.Bind(id, architecture);
    ZCB_RETURN_IF_ERROR(stored.Step().status());
    if (stored.Real(0) != row.value) {
      return absl::AlreadyExistsError(absl::StrCat("row ", &row - rows.data(), ": ", key.space, "/", row.architecture,
                                                   " has ", key.metric, " ", stored.Real(0), " from ", key.source,
                                                   " already, not ", row.value));
    }
    ++counts.unchanged;
  }
  return counts;
}

// ---- Combinations.

absl::StatusOr<std::vector<StoredCombination>> Queries::ListCombinations() {
  ZCB_ASSIGN_OR_RETURN(Statement row, connection_.Prepare(R"sql(
    SELECT name, space, task, proxies, merge, details, created_us FROM combination ORDER BY name)sql"));
  std::vector<StoredCombination> combinations;
  while (true) {
    ZCB_ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return combinations;
    combinations.push_back({.name = row.Text(0),
                            .space = row.Text(1),
                            .task = row.Text(2),
                            .proxies = row.Text(3),
                            .merge = row.Text(4),
                            .details = row.Text(5),
                            .created = row.Time(6)});
  }
}

absl::Status Queries::PutCombination(const StoredCombination& combination, bool replace) {
  ZCB_ASSIGN_OR_RETURN(Statement insert, connection_.Prepare(R"sql(
    INSERT INTO combination (name, space, task, proxies, merge, details, created_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
      ON CONFLICT DO UPDATE SET space = ?2, task = ?3, proxies = ?4, merge = ?5, details = ?6, created_us = ?7
       WHERE ?8)sql"));
  insert.Bind(combination.name, combination.space, combination.task, combination.proxies, combination.merge,
              combination.details, combination.created, replace);
  ZCB_RETURN_IF_ERROR(insert.Run());
  if (connection_.changes() > 0) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("there is a combination `", combination.name, "` already"));
}

}  // namespace zcbench::sqlite
