#include "server/scheduler.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <random>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "nas/proxy_text.h"
#include "server/convert.h"

namespace zcbench {
namespace {

constexpr int kAttempts = 3;
constexpr uint64_t kMaxUnit = 512;  // open architectures
// Positions looked at in a step: four times as many in each further one.
constexpr uint64_t kFirstScan = 64;
constexpr uint64_t kScan = 2048;
constexpr int kMaxSteps = 32;  // steps before a call answers with nothing
constexpr int kReaped = 16;    // leases taken back in one step
constexpr int kMaxWanted = 16;
constexpr int kMaxHeld = 256;
constexpr size_t kMaxSessions = 10'000;
constexpr size_t kMaxListedWorkers = 2000;
constexpr size_t kKeptSeconds = 64;
constexpr size_t kMaxPlans = 64;
constexpr size_t kMaxRequestBytes = size_t{1} << 20;
constexpr absl::Duration kForgetLost = absl::Hours(24);
constexpr absl::Duration kRateWindow = absl::Minutes(1);

// "cuda:0 NVIDIA H100" -> "NVIDIA H100": what two workers of the same speed have in common.
std::string DeviceClass(const std::string& device) {
  const size_t space = device.find(' ');
  return space == std::string::npos ? device.substr(0, device.find(':')) : device.substr(space + 1);
}

std::string NewSessionId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

// How the logs name a lease: unit and attempt.
std::string LeaseText(int64_t unit, int attempt) { return absl::StrCat(unit, "/", attempt); }

size_t CountOpen(const std::vector<bool>& open) {
  return static_cast<size_t>(std::count(open.begin(), open.end(), true));
}

void FillCell(const Cell& cell, v1::Cell& message) {
  message.set_space(cell.space);
  message.set_task(cell.task);
  message.set_kind(ToProto(cell.kind));
  message.set_channels(static_cast<uint32_t>(cell.channels));
  message.set_height(static_cast<uint32_t>(cell.height));
  message.set_width(static_cast<uint32_t>(cell.width));
  message.set_classes(static_cast<uint32_t>(cell.classes));
  message.set_images(static_cast<uint32_t>(cell.images));
}

// What a request says of a cell is what this server knows of it; 0 says nothing.
absl::Status CheckCell(const Cell& cell, const v1::Cell& said) {
  v1::Cell known;
  FillCell(cell, known);
  const std::tuple<const char*, uint32_t, uint32_t> sizes[] = {{"cell.height", said.height(), known.height()},
                                                               {"cell.width", said.width(), known.width()},
                                                               {"cell.channels", said.channels(), known.channels()},
                                                               {"cell.classes", said.classes(), known.classes()},
                                                               {"cell.kind", said.kind(), known.kind()}};
  for (const auto& [field, value, right] : sizes) {
    if (value == 0 || value == right) continue;
    return BadField(field, absl::StrCat(value, " is not ", right, ", as ", cell.task, " has it in ", cell.space));
  }
  return absl::OkStatus();
}

// A job's probe batches are missing for `seeds`: what to do about it.
absl::Status LacksProbeBatches(const JobPlan& plan, const std::vector<uint64_t>& seeds) {
  const ProbeBatchKey key = plan.BatchKey(seeds.front());
  const std::string missing = absl::StrCat(
      "no probe batch ", key.input.empty() ? "" : absl::StrCat("of ", key.input, " "), "of task ", key.task, " with ",
      key.images, " images of ", key.height, " x ", key.width, " pixels for seed ", absl::StrJoin(seeds, ", "));
  if (!key.input.empty()) return absl::FailedPreconditionError(absl::StrCat(missing, "; `zcbench submit` uploads it"));
  ZCB_ASSIGN_OR_RETURN(const Task* const task, task_registry().Find(key.task));
  return absl::FailedPreconditionError(absl::StrCat(
      missing,
      task->format == DataSetFormat::kNone
          ? "; no reader knows this data set: "
          : absl::StrCat("; make it with `zcbench import images ", key.task, " --from DIR`, "),
      "bring a file of any program with `zcbench import probe-batch FILE`, or ask for generated images with `--input "
      "noise`"));
}

absl::Status FinishIfDone(StoreWriter& writer, Job& job, absl::Time now) {
  if (!IsOpen(job.state) || job.cursor < job.total) return absl::OkStatus();
  ZCB_ASSIGN_OR_RETURN(const int units, writer.CountFreeUnits(job.id, "", absl::InfiniteFuture(), 1));
  if (units > 0) return absl::OkStatus();
  job.state = job.failed > 0 ? JobState::kDoneWithFailures : JobState::kDone;
  job.finished = now;
  return absl::OkStatus();
}

// An attempt of one position failed. After the last one the position is closed: it has failed for good. The same lease
// is counted once, however often it is reported.
absl::Status CountAttempt(StoreWriter& writer, Job& job, WorkUnit& unit, size_t offset, FailureKind kind,
                          const std::string& message, const std::string& architecture, uint64_t seed, absl::Time now,
                          std::vector<PositionFailure>& failed_for_good) {
  PositionFailure failure{.job = job.id, .position = unit.first + offset, .architecture = architecture, .seed = seed};
  absl::StatusOr<PositionFailure> earlier = writer.GetFailure(failure.job, failure.position);
  if (earlier.ok()) {
    failure = *std::move(earlier);
    if (failure.unit == unit.id && failure.attempt == unit.attempt) return absl::OkStatus();
  } else if (!absl::IsNotFound(earlier.status())) {
    return earlier.status();
  }
  failure.kind = kind;
  failure.message = message;
  failure.attempts += 1;
  failure.for_good = failure.attempts >= kAttempts;
  failure.unit = unit.id;
  failure.attempt = unit.attempt;
  failure.worker = unit.worker;
  failure.time = now;
  if (failure.for_good) {
    unit.open[offset] = false;
    job.failed += 1;
    failed_for_good.push_back(failure);
  }
  return writer.PutFailure(failure);
}

// The unit's lease ended badly. What is open of it becomes free: several architectures in two halves, so that the one
// that is to blame is found; a single one is counted an attempt.
absl::Status LoseAttempt(StoreWriter& writer, Job& job, WorkUnit unit, const std::string& reason,
                         const std::vector<std::string>& architectures, uint64_t seed, absl::Time now,
                         std::vector<PositionFailure>& failed_for_good) {
  const size_t open = CountOpen(unit.open);
  if (open == 1) {
    const size_t offset = static_cast<size_t>(std::find(unit.open.begin(), unit.open.end(), true) - unit.open.begin());
    ZCB_RETURN_IF_ERROR(CountAttempt(writer, job, unit, offset, FailureKind::kCrash, reason, architectures[offset],
                                     seed, now, failed_for_good));
    if (unit.open[offset]) {
      unit.free_from = absl::UnixEpoch();
      return writer.UpdateUnit(unit);
    }
    return writer.DeleteUnit(unit.id);
  }
  ZCB_RETURN_IF_ERROR(writer.DeleteUnit(unit.id));
  if (open == 0) return absl::OkStatus();
  size_t middle = 0;
  for (size_t seen = 0; seen < open / 2; ++middle) seen += unit.open[middle] ? 1 : 0;
  const auto split = unit.open.begin() + static_cast<std::ptrdiff_t>(middle);
  const WorkUnit halves[] = {
      {.job = unit.job, .first = unit.first, .open = {unit.open.begin(), split}, .not_worker = unit.not_worker},
      {.job = unit.job, .first = unit.first + middle, .open = {split, unit.open.end()}, .not_worker = unit.not_worker}};
  return writer.AddUnits(halves);
}

// Once it is on the disk.
void LogFailedForGood(const std::vector<PositionFailure>& failures) {
  for (const PositionFailure& failure : failures) {
    Log(LogLevel::kWarning, "an architecture has failed for good",
        {{"lease", LeaseText(static_cast<int64_t>(failure.unit), failure.attempt)},
         {"job", absl::StrCat(static_cast<int64_t>(failure.job))},
         {"architecture", failure.architecture},
         {"seed", absl::StrCat(failure.seed)},
         {"worker", failure.worker},
         {"reason", failure.message}});
  }
}

}  // namespace

// A checked RecordScores: what to store, and how it bears on its work unit.
struct Scheduler::Recording {
  Execution execution;
  std::vector<ScoreColumn> columns{};
  std::deque<std::string> reasons{};  // one line each
  std::vector<NewScore> scores{};     // texts belong to the request and to `reasons`

  // Of the unit, if it is there; a unit's range never changes.
  std::shared_ptr<JobPlan> plan{};
  uint64_t seed = 0;
  std::vector<std::string> architectures{};  // of the unit's positions
  std::vector<SeriesKey> required{};         // what makes a position complete

  // What came of it.
  RecordedAnswer answer{};
  std::optional<JobId> job{};
  uint64_t completed = 0;
  bool freed = false;
  std::vector<PositionFailure> failed_for_good{};
};

absl::StatusOr<std::unique_ptr<Scheduler>> Scheduler::Create(Store& store, const Clock& clock,
                                                             const SchedulerOptions& options) {
  // The time that the server was away is nobody's fault.
  const absl::Time until = clock.Now() + options.lease_duration;
  if (!store.read_only()) {
    ZCB_RETURN_IF_ERROR(store.Write([&](StoreWriter& writer) { return writer.ExtendLeases(until); }));
  }
  return std::unique_ptr<Scheduler>(new Scheduler(store, clock, options));
}

void Scheduler::Rate::Add(absl::Time now, uint64_t count) {
  completed_.emplace_back(now, count);
  while (now - completed_.front().first > kRateWindow) completed_.pop_front();
}

double Scheduler::Rate::PerSecond(absl::Time now, absl::Time since) const {
  uint64_t completed = 0;
  for (const auto& [time, count] : completed_) {
    if (now - time <= kRateWindow) completed += count;
  }
  const double elapsed = absl::ToDoubleSeconds(std::min(now - since, kRateWindow));
  return elapsed < 1 ? 0 : static_cast<double>(completed) / elapsed;
}

// ---- Sessions.

Scheduler::Session* Scheduler::FindSession(const std::string& id) {
  const auto worker = workers_.find(id);
  return worker == workers_.end() ? nullptr : sessions_.at(worker->second).get();
}

bool Scheduler::CanCompute(const Announcement& worker, const JobPlan& plan) {
  return worker.spaces.contains(plan.cell().space) &&
         (!plan.audit().has_value() || plan.audit()->numerics == worker.execution.numerics) &&
         std::all_of(plan.names().begin(), plan.names().end(),
                     [&](const std::string& name) { return worker.proxies.contains(name); });
}

absl::StatusOr<v1::OpenSessionResponse> Scheduler::OpenSession(const v1::OpenSessionRequest& request) {
  if (!IsPlainName(request.worker())) {
    return BadField("worker", absl::StrCat("`", request.worker(), "` is no name of 1 to 64 of A-Z a-z 0-9 _ . : -"));
  }
  auto announced = std::make_shared<Announcement>();
  ZCB_ASSIGN_OR_RETURN(announced->execution, FromProto(request.execution()));
  if (announced->execution.worker != request.worker()) {
    return BadField("execution.worker",
                    absl::StrCat("`", announced->execution.worker, "` is not the worker `", request.worker(), "`"));
  }
  if (request.spaces_size() > 256) return BadField("spaces", "has more than 256 entries");
  std::vector<KnownSpace> spaces;
  for (const v1::SpaceInfo& space : request.spaces()) {
    ZCB_RETURN_IF_ERROR(CheckText("spaces.name", space.name(), 64));
    if (!IsVersion(space.version(), 1)) {
      return BadField("spaces.version", absl::StrCat("`", space.version(), "` of ", space.name(), " is no number"));
    }
    announced->spaces[space.name()] = space.version();
    spaces.push_back({.name = space.name(), .version = space.version()});
  }
  if (request.proxies_size() > 1024) return BadField("proxies", "has more than 1024 entries");
  std::vector<KnownProxy> proxies;
  for (const v1::ProxyInfo& info : request.proxies()) {
    ZCB_ASSIGN_OR_RETURN(KnownProxy proxy, FromProto(info));
    announced->proxies[proxy.name] = proxy;
    proxies.push_back(std::move(proxy));
  }
  if (request.has_available_until()) {
    ZCB_ASSIGN_OR_RETURN(announced->available_until, FromProto("available_until", request.available_until()));
  }
  announced->memory_bytes = request.memory_bytes();
  announced->session = NewSessionId();

  const absl::Time now = clock_.Now();
  bool replaces = false;
  {
    MutexLock lock(mutex_);
    for (auto it = sessions_.begin(); it != sessions_.end();) {
      if (now - it->second->last_seen > kForgetLost) {
        workers_.erase(it->second->announced->session);
        it = sessions_.erase(it);
      } else {
        ++it;
      }
    }
    const auto older = sessions_.find(request.worker());
    if (older == sessions_.end() && sessions_.size() >= kMaxSessions) {
      return absl::UnavailableError(absl::StrCat("the server has ", kMaxSessions, " workers, which is its limit"));
    }
    replaces = older != sessions_.end();
  }
  int ended = 0;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_RETURN_IF_ERROR(writer.Announce(spaces, proxies));
    // A session that is not known here was opened with an earlier run of the server: its worker may still be computing,
    // so its leases end by time unless it renews them.
    if (replaces) {
      ZCB_ASSIGN_OR_RETURN(ended, writer.ExpireLeases(request.worker(), now));
    }
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(written);
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Session>& session = sessions_[request.worker()];
    if (session != nullptr) workers_.erase(session->announced->session);
    session = std::make_shared<Session>();
    session->announced = announced;
    session->opened = session->last_seen = now;
    workers_[announced->session] = request.worker();
  }
  Log(LogLevel::kInfo, "session opened",
      {{"worker", request.worker()},
       {"device", announced->execution.device},
       {"numerics", announced->execution.numerics},
       {"leases_ended", absl::StrCat(ended)}});
  Wake();

  v1::OpenSessionResponse response;
  response.set_session(announced->session);
  *response.mutable_lease_duration() = ToProto(options_.lease_duration);
  *response.mutable_heartbeat() = ToProto(options_.lease_duration / 4);
  return response;
}

absl::StatusOr<v1::SynchronizeResponse> Scheduler::Synchronize(const v1::SynchronizeRequest& request) {
  if (request.held_size() > kMaxHeld) return BadField("held", absl::StrCat("has more than ", kMaxHeld, " entries"));
  if (request.wanted() > kMaxWanted)
    return BadField("wanted", absl::StrCat(request.wanted(), " is above ", kMaxWanted));
  switch (request.state()) {
    case v1::WORKER_STATE_IDLE:
    case v1::WORKER_STATE_BUSY:
    case v1::WORKER_STATE_DRAINING:
      break;
    default:
      return BadField("state", "is not set to a known value");
  }
  ZCB_RETURN_IF_ERROR(CheckText("session", request.session(), 64, true));
  for (const v1::HeldLease& held : request.held()) {
    if (held.unit() < 1) return BadField("held.unit", absl::StrCat(held.unit(), " is no unit"));
    if (held.attempt() < 1) return BadField("held.attempt", absl::StrCat(held.attempt(), " is no attempt"));
  }
  const absl::Time now = clock_.Now();
  const absl::Time expires = now + options_.lease_duration;
  std::shared_ptr<const Announcement> worker;
  bool drain = false;
  bool leasing = false;
  {
    MutexLock lock(mutex_);
    Session* session = FindSession(request.session());
    if (session == nullptr) {
      return absl::NotFoundError("session: it has ended, or the server was started again; open another one");
    }
    session->last_seen = now;
    session->state = request.state();
    std::map<int64_t, v1::WorkerLease> held;
    for (const v1::HeldLease& lease : request.held()) {
      v1::WorkerLease& mine = held[lease.unit()];
      if (const auto before = session->held.find(lease.unit());
          before != session->held.end() && before->second.attempt() == lease.attempt()) {
        mine = before->second;
      } else {
        mine.set_unit(lease.unit());
        mine.set_attempt(lease.attempt());
        *mine.mutable_since() = ToProto(now);
      }
      mine.set_done(lease.done());
    }
    session->held = std::move(held);
    drain = session->drain;
    leasing = leasing_;
    worker = session->announced;
  }
  v1::SynchronizeResponse response;
  const bool draining = request.state() == v1::WORKER_STATE_DRAINING;
  if (draining || !request.held().empty()) {
    int unheard = 0;
    ZCB_RETURN_IF_ERROR(store_.Write([&](StoreWriter& writer) -> absl::Status {
      response.clear_lost();
      for (const v1::HeldLease& held : request.held()) {
        ZCB_ASSIGN_OR_RETURN(const bool renewed,
                             writer.RenewUnit(UnitId{held.unit()}, held.attempt(), worker->execution.worker, expires));
        if (!renewed) response.add_lost(held.unit());
      }
      if (draining) {
        // Who leaves takes up nothing more: a lease that it does not hold was in an answer that it has not received.
        std::vector<UnitId> held;
        for (const v1::HeldLease& lease : request.held()) held.push_back(UnitId{lease.unit()});
        ZCB_ASSIGN_OR_RETURN(unheard, writer.ReturnLeases(worker->execution.worker, held));
      }
      return absl::OkStatus();
    }));
    if (unheard > 0) Wake();
  }
  if (request.wanted() > 0 && !draining && !drain && leasing && now + options_.unit_target <= worker->available_until) {
    ZCB_ASSIGN_OR_RETURN(std::vector<v1::Lease> leases, Acquire(*worker, static_cast<int>(request.wanted())));
    counters_.leases_granted.Add(leases.size());
    for (v1::Lease& lease : leases) *response.add_leases() = std::move(lease);
  }
  {
    MutexLock lock(mutex_);
    if (Session* session = FindSession(request.session()); session != nullptr) {
      for (const int64_t unit : response.lost()) session->held.erase(unit);
      for (const v1::Lease& lease : response.leases()) {
        v1::WorkerLease& held = session->held[lease.unit()];
        held.set_unit(lease.unit());
        held.set_attempt(lease.attempt());
        held.set_job(lease.job());
        *held.mutable_since() = ToProto(now);
      }
    }
  }
  response.set_drain(drain);
  *response.mutable_expires() = ToProto(expires);
  return response;
}

void Scheduler::ReturnUnheard(const v1::SynchronizeResponse& response) {
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    for (const v1::Lease& lease : response.leases()) {
      absl::StatusOr<WorkUnit> unit = writer.GetUnit(UnitId{lease.unit()});
      if (absl::IsNotFound(unit.status())) continue;
      ZCB_RETURN_IF_ERROR(unit.status());
      if (unit->attempt != lease.attempt()) continue;
      unit->free_from = absl::UnixEpoch();
      ZCB_RETURN_IF_ERROR(writer.UpdateUnit(*unit));
    }
    return absl::OkStatus();
  });
  if (!written.ok()) {  // they end by time
    Log(LogLevel::kWarning, "leases that nobody has heard of are not returned", {{"reason", written.ToString()}});
  }
  Wake();
}

void Scheduler::StopLeasing() {
  {
    MutexLock lock(mutex_);
    leasing_ = false;
  }
  Wake();
}

absl::StatusOr<bool> Scheduler::HasWork() {
  const absl::Time now = clock_.Now();
  bool work = false;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<Job> jobs, reader.ListRunningJobs());
    for (const Job& job : jobs) {
      work = job.cursor < job.total;
      if (!work) {
        ZCB_ASSIGN_OR_RETURN(const int free, reader.CountFreeUnits(job.id, "", now, 1));
        work = free > 0;
      }
      if (work) break;
    }
    return absl::OkStatus();
  }));
  return work;
}

// ---- Leasing.

absl::StatusOr<std::vector<v1::Lease>> Scheduler::Acquire(const Announcement& worker, int wanted) {
  std::vector<Job> running;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(running, reader.ListRunningJobs());
    return absl::OkStatus();
  }));
  std::vector<v1::Lease> leases;
  for (auto first = running.begin(); first != running.end() && static_cast<int>(leases.size()) < wanted;) {
    const auto last =
        std::find_if(first, running.end(), [&](const Job& job) { return job.priority != first->priority; });
    std::map<JobId, std::shared_ptr<JobPlan>> jobs;  // of this priority, as long as they have something
    for (; first != last; ++first) {
      ZCB_ASSIGN_OR_RETURN(std::shared_ptr<JobPlan> plan, GetPlan(first->id));
      if (CanCompute(worker, *plan)) jobs[first->id] = std::move(plan);
    }
    while (static_cast<int>(leases.size()) < wanted && !jobs.empty()) {
      // Each in its turn, beginning after the one that was served last.
      auto job = jobs.begin();
      {
        MutexLock lock(mutex_);
        if (const auto next = jobs.upper_bound(last_served_); next != jobs.end()) job = next;
        last_served_ = job->first;
      }
      ZCB_ASSIGN_OR_RETURN(std::optional<v1::Lease> lease, AcquireFrom(job->first, *job->second, worker));
      if (lease.has_value()) {
        leases.push_back(*std::move(lease));
      } else {
        jobs.erase(job);  // nothing there: not asked again
      }
    }
  }
  return leases;
}

absl::StatusOr<std::optional<v1::Lease>> Scheduler::AcquireFrom(JobId id, JobPlan& plan, const Announcement& worker) {
  uint64_t scan = kFirstScan;
  for (int step = 0; step < kMaxSteps; ++step) {
    const absl::Time now = clock_.Now();
    Job job;
    std::vector<WorkUnit> expired;
    int free = 0;
    ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(job, reader.GetJob(id));
      ZCB_ASSIGN_OR_RETURN(expired, reader.ListExpiredUnits(id, now, kReaped));
      ZCB_ASSIGN_OR_RETURN(free, reader.CountFreeUnits(id, worker.execution.worker, now, 1));
      return absl::OkStatus();
    }));
    if (job.state != JobState::kRunning) return std::optional<v1::Lease>();
    if (!expired.empty()) {
      ZCB_RETURN_IF_ERROR(Reap(plan, expired, now));
      continue;
    }
    std::optional<Expansion> expansion;
    if (free == 0) {
      if (job.cursor >= job.total) return std::optional<v1::Lease>();
      ZCB_ASSIGN_OR_RETURN(expansion, PlanExpansion(job, plan, worker, scan));
      scan = std::min(scan * 4, kScan);
    }
    std::vector<WorkUnit> units;
    const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
      units.clear();
      ZCB_ASSIGN_OR_RETURN(job, writer.GetJob(id));
      if (job.state != JobState::kRunning) return absl::OkStatus();
      // Another call may have expanded meanwhile: then this plan is void.
      if (expansion.has_value() && expansion->from == job.cursor) {
        job.cursor = expansion->to;
        job.reused += expansion->reused;
        job.done += expansion->reused;
        ZCB_RETURN_IF_ERROR(writer.AddUnits(expansion->units));
        ZCB_RETURN_IF_ERROR(FinishIfDone(writer, job, now));
        ZCB_RETURN_IF_ERROR(writer.UpdateJob(job));
      }
      ZCB_ASSIGN_OR_RETURN(units,
                           writer.AcquireUnits(id, worker.execution.worker, now, now + options_.lease_duration, 1));
      return absl::OkStatus();
    });
    ZCB_RETURN_IF_ERROR(written);
    if (units.empty()) continue;
    absl::StatusOr<std::optional<v1::Lease>> lease = FillLease(units[0], plan, worker);
    if (!lease.ok()) {
      // Nobody has heard of this lease: it ends without a trace.
      units[0].free_from = absl::UnixEpoch();
      (void)store_.Write([&](StoreWriter& writer) { return writer.UpdateUnit(units[0]); });
      return lease.status();
    }
    if (!lease->has_value()) continue;
    MutexLock lock(mutex_);
    JobPace& pace = pace_[id];
    if (pace.first_lease == absl::UnixEpoch()) pace.first_lease = now;
    pace.waiting_since = now;
    return lease;
  }
  Wake();  // there may be more behind what was looked at
  return std::optional<v1::Lease>();
}

absl::StatusOr<Scheduler::Expansion> Scheduler::PlanExpansion(const Job& job, JobPlan& plan, const Announcement& worker,
                                                              uint64_t scan) {
  // A unit never straddles a seed.
  const uint64_t in_seed = plan.architecture_count() - job.cursor % plan.architecture_count();
  const uint64_t size = UnitSize(job.id, plan, job.total - job.cursor);
  scan = std::min(std::max(scan, size), in_seed);
  ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> architectures,
                       plan.Architectures(store_, job.id, job.cursor, scan));
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesKey> columns, Columns(plan, worker, plan.SeedAt(job.cursor)));
  std::vector<std::vector<bool>> missing;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(missing, reader.FindMissing(columns, architectures));
    return absl::OkStatus();
  }));
  Expansion expansion{.from = job.cursor, .to = job.cursor};
  WorkUnit unit{.job = job.id};
  for (uint64_t i = 0, open = 0; i < scan && open < size; ++i) {
    bool complete = std::none_of(missing[i].begin(), missing[i].end(), [](bool m) { return m; });
    if (plan.audit().has_value()) {
      // What is complete is what is compared; its unit is not for whoever computed it.
      std::string scorer;
      if (complete) {
        ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
          ZCB_ASSIGN_OR_RETURN(scorer, reader.FindScorer(columns[0], architectures[i]));
          return absl::OkStatus();
        }));
        if (open > 0 && scorer != unit.not_worker) break;
        unit.not_worker = scorer;
      }
      complete = !complete;
    }
    expansion.to = job.cursor + i + 1;
    if (complete) ++expansion.reused;
    if (complete && open == 0) continue;
    if (open == 0) unit.first = job.cursor + i;
    unit.open.push_back(!complete);
    if (!complete) ++open;
  }
  if (!unit.open.empty()) expansion.units.push_back(std::move(unit));
  return expansion;
}

uint64_t Scheduler::UnitSize(JobId id, const JobPlan& plan, uint64_t remaining) {
  const absl::Time now = clock_.Now();
  MutexLock lock(mutex_);
  const double seconds = pace_[id].seconds;
  if (seconds <= 0) return 1;
  uint64_t workers = 0;
  for (const auto& [name, session] : sessions_) {
    if (IsLive(*session, now) && CanCompute(*session->announced, plan)) ++workers;
  }
  const double size = absl::ToDoubleSeconds(options_.unit_target) / seconds;
  // Towards the end of a job the units become smaller, so that the workers finish together.
  const uint64_t share = (remaining + 2 * workers) / (2 * std::max<uint64_t>(workers, 1));
  return std::clamp<uint64_t>(std::min<uint64_t>(static_cast<uint64_t>(std::min(size, double{kMaxUnit})), share), 1,
                              kMaxUnit);
}

absl::Status Scheduler::Reap(JobPlan& plan, const std::vector<WorkUnit>& expired, absl::Time now) {
  std::vector<std::vector<std::string>> architectures;
  for (const WorkUnit& unit : expired) {
    ZCB_ASSIGN_OR_RETURN(std::vector<std::string> texts,
                         plan.Architectures(store_, unit.job, unit.first, unit.count()));
    architectures.push_back(std::move(texts));
  }
  std::vector<const WorkUnit*> lost;
  std::vector<PositionFailure> failed_for_good;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    lost.clear();
    failed_for_good.clear();
    ZCB_ASSIGN_OR_RETURN(Job job, writer.GetJob(expired[0].job));
    for (size_t i = 0; i < expired.size(); ++i) {
      absl::StatusOr<WorkUnit> unit = writer.GetUnit(expired[i].id);
      if (absl::IsNotFound(unit.status())) continue;
      ZCB_RETURN_IF_ERROR(unit.status());
      // Renewed, given back or leased again meanwhile.
      if (unit->attempt != expired[i].attempt || unit->free_from == absl::UnixEpoch() || unit->free_from > now)
        continue;
      ZCB_RETURN_IF_ERROR(LoseAttempt(writer, job, *unit,
                                      absl::StrCat("worker ", unit->worker, " was lost while it had this architecture"),
                                      architectures[i], plan.SeedAt(unit->first), now, failed_for_good));
      lost.push_back(&expired[i]);
    }
    ZCB_RETURN_IF_ERROR(FinishIfDone(writer, job, now));
    return writer.UpdateJob(job);
  });
  ZCB_RETURN_IF_ERROR(written);
  for (const WorkUnit* unit : lost) {
    Log(LogLevel::kWarning, "lease expired: its worker was not heard of in time",
        {{"lease", LeaseText(static_cast<int64_t>(unit->id), unit->attempt)},
         {"job", absl::StrCat(static_cast<int64_t>(unit->job))},
         {"worker", unit->worker}});
  }
  LogFailedForGood(failed_for_good);
  counters_.leases_expired.Add(lost.size());
  MutexLock lock(mutex_);
  pace_[expired[0].job].expired += lost.size();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Scheduler::ProbeBatchDigest(const JobPlan& plan, uint64_t seed) {
  std::string digest;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const ProbeBatchRow row, reader.FindProbeBatch(plan.BatchKey(seed)));
    digest = row.digest;
    return absl::OkStatus();
  }));
  return digest;
}

absl::StatusOr<std::vector<SeriesKey>> Scheduler::Columns(const JobPlan& plan, const Announcement& worker,
                                                          uint64_t seed) {
  std::vector<SeriesKey> columns;
  std::string digest;
  for (size_t i = 0; i < plan.proxies().size(); ++i) {
    const KnownProxy& proxy = worker.proxies.at(plan.names()[i]);
    if (proxy.needs_probe_batch() && digest.empty()) {
      ZCB_ASSIGN_OR_RETURN(digest, ProbeBatchDigest(plan, seed));
    }
    columns.push_back(MakeSeriesKey(plan.cell().space, plan.cell().task, plan.proxies()[i], proxy,
                                    worker.Version(proxy.name, plan.cell().space), seed, digest,
                                    worker.execution.numerics));
  }
  return columns;
}

absl::StatusOr<std::optional<v1::Lease>> Scheduler::FillLease(const WorkUnit& unit, JobPlan& plan,
                                                              const Announcement& worker) {
  const uint64_t seed = plan.SeedAt(unit.first);
  ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> architectures,
                       plan.Architectures(store_, unit.job, unit.first, unit.count()));
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesKey> columns, Columns(plan, worker, seed));
  std::vector<std::vector<bool>> missing(architectures.size(), std::vector<bool>(columns.size(), true));
  if (!plan.audit().has_value()) {
    ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(missing, reader.FindMissing(columns, architectures));
      return absl::OkStatus();
    }));
  }
  v1::Lease lease;
  lease.set_unit(static_cast<int64_t>(unit.id));
  lease.set_attempt(unit.attempt);
  lease.set_job(static_cast<int64_t>(unit.job));
  *lease.mutable_expires() = ToProto(unit.free_from);
  FillCell(plan.cell(), *lease.mutable_cell());
  for (const std::string& proxy : plan.proxies()) lease.add_proxies(proxy);
  for (const SeriesKey& column : columns) {
    if (!column.probe_batch.empty()) (*lease.mutable_probe_batches())[seed] = column.probe_batch;
  }
  std::vector<size_t> complete;
  for (size_t i = 0; i < unit.open.size(); ++i) {
    if (!unit.open[i]) continue;
    if (std::none_of(missing[i].begin(), missing[i].end(), [](bool m) { return m; })) {
      complete.push_back(i);
      continue;
    }
    v1::LeaseItem& item = *lease.add_items();
    item.set_architecture(architectures[i]);
    item.set_seed(seed);
    std::string bits((missing[i].size() + 7) / 8, '\0');
    for (size_t p = 0; p < missing[i].size(); ++p) {
      if (missing[i][p]) bits[p / 8] = static_cast<char>(bits[p / 8] | (1 << (p % 8)));
    }
    item.set_missing(std::move(bits));
  }
  if (!complete.empty()) {
    const absl::Time now = clock_.Now();
    const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(Job job, writer.GetJob(unit.job));
      absl::StatusOr<WorkUnit> current = writer.GetUnit(unit.id);
      if (absl::IsNotFound(current.status())) return absl::OkStatus();
      ZCB_RETURN_IF_ERROR(current.status());
      for (const size_t i : complete) {
        if (!current->open[i]) continue;
        current->open[i] = false;
        job.done += 1;
        job.reused += 1;
        ZCB_RETURN_IF_ERROR(writer.DeleteFailure(unit.job, unit.first + i));
      }
      ZCB_RETURN_IF_ERROR(CountOpen(current->open) == 0 ? writer.DeleteUnit(unit.id) : writer.UpdateUnit(*current));
      ZCB_RETURN_IF_ERROR(FinishIfDone(writer, job, now));
      return writer.UpdateJob(job);
    });
    ZCB_RETURN_IF_ERROR(written);
  }
  if (lease.items().empty()) return std::optional<v1::Lease>();
  return std::optional<v1::Lease>(std::move(lease));
}

// ---- Recording.

absl::StatusOr<Scheduler::Recording> Scheduler::CheckRecording(const v1::RecordScoresRequest& request) {
  if (request.ByteSizeLong() > kMaxRequestBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request has ", request.ByteSizeLong(), " bytes; at most ", kMaxRequestBytes, " are allowed"));
  }
  ZCB_RETURN_IF_ERROR(CheckText("session", request.session(), 64, true));
  ZCB_RETURN_IF_ERROR(CheckText("request_id", request.request_id(), 64));
  if (request.unit() < 0) return BadField("unit", absl::StrCat(request.unit(), " is no unit"));
  if (request.attempt() < 0) return BadField("attempt", absl::StrCat(request.attempt(), " is no attempt"));
  if (!v1::LeaseOutcome_IsValid(request.close())) return BadField("close", "has an unknown value");
  Recording recording;
  ZCB_ASSIGN_OR_RETURN(recording.execution, FromProto(request.execution()));
  ZCB_RETURN_IF_ERROR(CheckText("cell.space", request.cell().space(), 64, true));
  ZCB_RETURN_IF_ERROR(CheckText("cell.task", request.cell().task(), 64, true));
  if (request.cell().images() > 4096) {
    return BadField("cell.images", absl::StrCat(request.cell().images(), " is more than 4096"));
  }
  ZCB_ASSIGN_OR_RETURN(const SpaceDefinition* space, FindSpace(request.cell().space()));
  if (space->name != request.cell().space()) return BadField("cell.space", "is not the canonical name");
  ZCB_ASSIGN_OR_RETURN(const Cell cell, FindCell(request.cell().space(), request.cell().task(),
                                                 static_cast<int>(request.cell().images())));
  ZCB_RETURN_IF_ERROR(CheckCell(cell, request.cell()));

  std::map<std::string, KnownProxy> known;
  {
    MutexLock lock(mutex_);
    if (const Session* session = FindSession(request.session()); session != nullptr) {
      known = session->announced->proxies;
    }
  }
  if (known.empty()) {
    ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const std::vector<KnownProxy> proxies, reader.GetProxies());
      for (const KnownProxy& proxy : proxies) known[proxy.name] = proxy;
      return absl::OkStatus();
    }));
  }
  if (request.versions_size() != request.proxies_size()) {
    return BadField("versions",
                    absl::StrCat("has ", request.versions_size(), " entries for ", request.proxies_size(), " proxies"));
  }
  if (request.proxies_size() > 256) return BadField("proxies", "has more than 256 entries");
  if (request.probe_batches_size() > 64) return BadField("probe_batches", "has more than 64 entries");
  std::vector<const KnownProxy*> proxies;
  std::set<std::string> distinct;
  for (int i = 0; i < request.proxies_size(); ++i) {
    ZCB_RETURN_IF_ERROR(CheckText("proxies", request.proxies(i), 1000));
    ZCB_ASSIGN_OR_RETURN(const ProxyText text, ParseProxyText(request.proxies(i)));
    const auto proxy = known.find(text.name);
    if (proxy == known.end()) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : known) names.push_back(name);
      return UnknownName("proxy", text.name, names);
    }
    ZCB_ASSIGN_OR_RETURN(const std::string canonical, CanonicalProxy(request.proxies(i), {&proxy->second, 1}));
    if (canonical != request.proxies(i) || !distinct.insert(canonical).second) {
      return BadField("proxies",
                      absl::StrCat("`", request.proxies(i), "` is repeated or not canonical (", canonical, ")"));
    }
    if (!IsVersion(request.versions(i), 3)) {
      return BadField("versions", absl::StrCat("`", request.versions(i), "` is not of the form proxy.pass.space"));
    }
    proxies.push_back(&proxy->second);
  }
  for (const auto& batch : request.probe_batches()) {
    const uint64_t seed = batch.first;
    const std::string& digest = batch.second;
    ZCB_RETURN_IF_ERROR(CheckSeed("probe_batches", seed));
    ZCB_RETURN_IF_ERROR(CheckDigest("probe_batches", digest));
    ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
      const absl::StatusOr<ProbeBatchRow> row = reader.GetProbeBatch(digest);
      // Of whatever input.
      if (row.ok() && row->key == ProbeBatchKey{.task = cell.task,
                                                .height = cell.height,
                                                .width = cell.width,
                                                .images = cell.images,
                                                .seed = seed,
                                                .input = row->key.input}) {
        return absl::OkStatus();
      }
      if (!row.ok() && !absl::IsNotFound(row.status())) return row.status();
      return BadField("probe_batches",
                      absl::StrCat(digest, " is not the stored probe batch of this cell and seed ", seed));
    }));
  }
  const auto key = [&](size_t proxy, uint64_t seed) -> absl::StatusOr<SeriesKey> {
    const auto digest = request.probe_batches().find(seed);
    if (proxies[proxy]->needs_probe_batch() && digest == request.probe_batches().end()) {
      return BadField("probe_batches", absl::StrCat("lacks the digest of seed ", seed));
    }
    return MakeSeriesKey(cell.space, cell.task, request.proxies(static_cast<int>(proxy)), *proxies[proxy],
                         request.versions(static_cast<int>(proxy)), seed,
                         digest == request.probe_batches().end() ? "" : digest->second, recording.execution.numerics);
  };

  std::map<std::pair<size_t, uint64_t>, uint32_t> columns;
  std::set<std::pair<uint64_t, std::string>> seen;
  for (const v1::ArchitectureResult& result : request.results()) {
    const absl::StatusOr<std::string> parsed = space->space->Parse(result.architecture());
    if (!parsed.ok() || *parsed != result.architecture()) {
      return BadField("results.architecture", absl::StrCat("`", OneLine(result.architecture(), 200),
                                                           "` is no canonical string of ", space->name));
    }
    ZCB_RETURN_IF_ERROR(CheckSeed("results.seed", result.seed()));
    if (!seen.insert({result.seed(), result.architecture()}).second) {
      return BadField("results", absl::StrCat(result.architecture(), " comes twice"));
    }
    if (result.failure() < v1::FAILURE_KIND_UNSPECIFIED || result.failure() > v1::FAILURE_KIND_ERROR) {
      return BadField("results.failure", absl::StrCat(static_cast<int>(result.failure()), " is not one of 0 to 3"));
    }
    std::set<uint32_t> once;
    for (const v1::ProxyScore& score : result.scores()) {
      const std::string at = absl::StrCat(" (", result.architecture(), ")");
      if (score.proxy() >= proxies.size() || !once.insert(score.proxy()).second) {
        return BadField("results.scores.proxy",
                        absl::StrCat(score.proxy(), " is repeated or no index of `proxies`", at));
      }
      if (score.outcome() == v1::SCORE_OUTCOME_UNSPECIFIED || !v1::ScoreOutcome_IsValid(score.outcome())) {
        return BadField("results.scores.outcome", absl::StrCat("is not set to a known value", at));
      }
      if (score.outcome() == v1::SCORE_OUTCOME_OK && !std::isfinite(score.score())) {
        return BadField("results.scores.score", absl::StrCat("is not finite, but its outcome is OK", at));
      }
      if (!std::isfinite(score.seconds()) || score.seconds() < 0) {
        return BadField("results.scores.seconds", absl::StrCat(score.seconds(), " is not finite and >= 0", at));
      }
      auto [column, added] =
          columns.try_emplace({score.proxy(), result.seed()}, static_cast<uint32_t>(recording.columns.size()));
      if (added) {
        ZCB_ASSIGN_OR_RETURN(SeriesKey series, key(score.proxy(), result.seed()));
        recording.columns.push_back({.key = std::move(series), .tolerance = proxies[score.proxy()]->tolerance});
      }
      recording.scores.push_back({.series = column->second,
                                  .architecture = result.architecture(),
                                  .outcome = static_cast<Outcome>(score.outcome()),
                                  .value = score.score(),
                                  .seconds = score.seconds(),
                                  .reason = recording.reasons.emplace_back(OneLine(score.reason(), 1000))});
    }
  }

  if (request.unit() == 0) return recording;
  WorkUnit unit;
  const absl::Status found = store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(unit, reader.GetUnit(UnitId{request.unit()}));
    return absl::OkStatus();
  });
  if (absl::IsNotFound(found)) return recording;  // done meanwhile: the scores are recorded all the same
  ZCB_RETURN_IF_ERROR(found);
  ZCB_ASSIGN_OR_RETURN(recording.plan, GetPlan(unit.job));
  const JobPlan& plan = *recording.plan;
  if (plan.cell().space != cell.space || plan.cell().task != cell.task || plan.cell().images != cell.images) {
    return BadField("cell", "is not that of the unit's job");
  }
  if (!std::equal(plan.proxies().begin(), plan.proxies().end(), request.proxies().begin(), request.proxies().end())) {
    return BadField("proxies", "are not those of the lease");
  }
  recording.seed = plan.SeedAt(unit.first);
  ZCB_ASSIGN_OR_RETURN(recording.architectures,
                       recording.plan->Architectures(store_, unit.job, unit.first, unit.count()));
  for (size_t i = 0; i < proxies.size(); ++i) {
    ZCB_ASSIGN_OR_RETURN(SeriesKey series, key(i, recording.seed));
    recording.required.push_back(std::move(series));
  }
  return recording;
}

absl::Status Scheduler::RecordUnit(StoreWriter& writer, const v1::RecordScoresRequest& request, Recording& recording,
                                   absl::Time now) {
  if (recording.plan == nullptr) return absl::OkStatus();
  absl::StatusOr<WorkUnit> found = writer.GetUnit(UnitId{request.unit()});
  if (absl::IsNotFound(found.status())) return absl::OkStatus();
  ZCB_ASSIGN_OR_RETURN(WorkUnit unit, std::move(found));
  ZCB_ASSIGN_OR_RETURN(Job job, writer.GetJob(unit.job));
  recording.job = job.id;
  // Ours also when its time has passed, as long as nobody took it back.
  const bool valid = unit.attempt == request.attempt() && unit.worker == recording.execution.worker &&
                     unit.free_from > absl::UnixEpoch();
  recording.answer.lease_valid = valid;

  // Scores complete their positions whoever sent them.
  std::map<std::string_view, size_t> offsets;
  for (size_t i = 0; i < recording.architectures.size(); ++i) offsets[recording.architectures[i]] = i;
  std::vector<size_t> complete;  // offsets
  std::vector<size_t> reported;  // those of which the store has to say whether they are
  std::vector<std::string> texts;
  std::vector<std::pair<size_t, const v1::ArchitectureResult*>> failures;
  for (const v1::ArchitectureResult& result : request.results()) {
    const auto offset = offsets.find(result.architecture());
    if (offset == offsets.end() || result.seed() != recording.seed || !unit.open[offset->second]) continue;
    if (result.failure() != v1::FAILURE_KIND_UNSPECIFIED) failures.emplace_back(offset->second, &result);
    // Every score came with this request, so it is there; an audit is about those of the request alone.
    if (static_cast<size_t>(result.scores_size()) == recording.required.size()) {
      complete.push_back(offset->second);
    } else if (!recording.plan->audit().has_value()) {
      reported.push_back(offset->second);
      texts.push_back(result.architecture());
    }
  }
  ZCB_ASSIGN_OR_RETURN(const auto missing, writer.FindMissing(recording.required, texts));
  for (size_t i = 0; i < reported.size(); ++i) {
    if (std::none_of(missing[i].begin(), missing[i].end(), [](bool m) { return m; })) complete.push_back(reported[i]);
  }
  for (const size_t offset : complete) {
    unit.open[offset] = false;
    job.done += 1;
    recording.completed += 1;
    ZCB_RETURN_IF_ERROR(writer.DeleteFailure(job.id, unit.first + offset));
  }

  // Failures and the end of the lease are its holder's to report.
  std::string crash = absl::StrCat("the scorer of worker ", unit.worker, " crashed");
  if (valid) {
    for (const auto& [offset, result] : failures) {
      if (!unit.open[offset]) continue;
      const std::string message = OneLine(result->failure_message(), 1000);
      if (result->failure() == v1::FAILURE_KIND_CRASH && !message.empty()) crash = message;
      // A scorer works on two architectures at once: only of a single one is it known that it crashed.
      if (result->failure() == v1::FAILURE_KIND_CRASH && CountOpen(unit.open) > 1) continue;
      ZCB_RETURN_IF_ERROR(CountAttempt(writer, job, unit, offset, static_cast<FailureKind>(result->failure()), message,
                                       result->architecture(), result->seed(), now, recording.failed_for_good));
    }
    if (request.close() == v1::LEASE_OUTCOME_COMPLETED) {
      for (size_t i = 0; i < unit.open.size(); ++i) {
        if (!unit.open[i]) continue;
        ZCB_RETURN_IF_ERROR(
            CountAttempt(writer, job, unit, i, FailureKind::kError,
                         "the worker ended its lease with neither a score nor a failure of this architecture",
                         recording.architectures[i], recording.seed, now, recording.failed_for_good));
      }
    }
  }
  const bool closed = valid && request.close() != v1::LEASE_OUTCOME_UNSPECIFIED;
  if (CountOpen(unit.open) == 0 || (closed && !IsOpen(job.state))) {
    ZCB_RETURN_IF_ERROR(writer.DeleteUnit(unit.id));
  } else if (closed && request.close() == v1::LEASE_OUTCOME_CRASHED) {
    recording.freed = true;
    ZCB_RETURN_IF_ERROR(
        LoseAttempt(writer, job, unit, crash, recording.architectures, recording.seed, now, recording.failed_for_good));
  } else {
    if (closed) {
      recording.freed = true;
      unit.free_from = absl::UnixEpoch();
    }
    ZCB_RETURN_IF_ERROR(writer.UpdateUnit(unit));
  }
  ZCB_RETURN_IF_ERROR(FinishIfDone(writer, job, now));
  return writer.UpdateJob(job);
}

absl::StatusOr<v1::RecordScoresResponse> Scheduler::RecordScores(const v1::RecordScoresRequest& request) {
  const LogContext context(request.unit() == 0
                               ? LogContext::Fields()
                               : LogContext::Fields{{"lease", LeaseText(request.unit(), request.attempt())}});
  ZCB_ASSIGN_OR_RETURN(Recording recording, CheckRecording(request));
  const absl::Time now = clock_.Now();
  bool repeated = false;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    absl::StatusOr<RecordedAnswer> earlier = writer.FindAnswer(request.request_id());
    if (earlier.ok()) {
      recording.answer = *std::move(earlier);
      repeated = true;
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(earlier.status())) return earlier.status();
    ZCB_ASSIGN_OR_RETURN(recording.answer.dispositions,
                         writer.AddScores(recording.columns, recording.scores, recording.execution, now));
    ZCB_RETURN_IF_ERROR(RecordUnit(writer, request, recording, now));
    return writer.PutAnswer(request.request_id(), recording.answer, now);
  });
  ZCB_RETURN_IF_ERROR(written);
  LogFailedForGood(recording.failed_for_good);
  if (!repeated) {
    for (const Disposition disposition : recording.answer.dispositions) {
      (disposition == Disposition::kRecorded          ? counters_.scores_recorded
       : disposition == Disposition::kAlreadyRecorded ? counters_.scores_already_recorded
                                                      : counters_.scores_conflicting)
          .Add();
    }
    if (recording.answer.lease_valid && request.close() != v1::LEASE_OUTCOME_UNSPECIFIED) {
      (request.close() == v1::LEASE_OUTCOME_COMPLETED  ? counters_.leases_completed
       : request.close() == v1::LEASE_OUTCOME_RETURNED ? counters_.leases_returned
                                                       : counters_.leases_crashed)
          .Add();
    }
    const Labels labels = {{"space", request.cell().space()},
                           {"task", request.cell().task()},
                           {"device", DeviceClass(recording.execution.device)}};
    MutexLock lock(mutex_);
    Session* session = FindSession(request.session());
    for (const v1::ArchitectureResult& result : request.results()) {
      double seconds = 0;
      for (const v1::ProxyScore& score : result.scores()) seconds += score.seconds();
      if (result.failure() != v1::FAILURE_KIND_UNSPECIFIED || seconds <= 0) continue;
      counters_.architecture_seconds.Observe(seconds, labels);
      if (recording.job.has_value()) {
        double& pace = pace_[*recording.job].seconds;
        pace = pace == 0 ? seconds : 0.8 * pace + 0.2 * seconds;
      }
      if (session == nullptr) continue;
      session->seconds.push_back(seconds);
      if (session->seconds.size() > kKeptSeconds) session->seconds.pop_front();
    }
    if (session != nullptr) {
      session->last_seen = now;
      session->completed += recording.completed;
      if (recording.completed > 0) session->rate.Add(now, recording.completed);
      if (request.close() != v1::LEASE_OUTCOME_UNSPECIFIED) session->held.erase(request.unit());
    }
    if (recording.job.has_value() && recording.completed > 0) {
      pace_[*recording.job].rate.Add(now, recording.completed);
    }
  }
  const auto conflicts =
      std::count(recording.answer.dispositions.begin(), recording.answer.dispositions.end(), Disposition::kConflict);
  if (conflicts > 0 && !repeated) {
    Log(LogLevel::kWarning, "scores differ from recorded ones; the recorded ones stay",
        {{"worker", recording.execution.worker},
         {"scores", absl::StrCat(conflicts)},
         {"space", request.cell().space()}});
  }
  if (recording.freed) Wake();
  v1::RecordScoresResponse response;
  for (const Disposition disposition : recording.answer.dispositions) {
    response.add_dispositions(static_cast<v1::Disposition>(disposition));
  }
  response.set_lease_valid(recording.answer.lease_valid);
  return response;
}

// ---- Jobs.

absl::StatusOr<std::shared_ptr<JobPlan>> Scheduler::GetPlan(JobId id) {
  {
    MutexLock lock(mutex_);
    if (const auto plan = plans_.find(id); plan != plans_.end()) return plan->second;
  }
  Job job;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, reader.GetJob(id));
    return absl::OkStatus();
  }));
  ZCB_ASSIGN_OR_RETURN(std::shared_ptr<JobPlan> plan, JobPlan::Restore(job.spec));
  MutexLock lock(mutex_);
  if (plans_.size() >= kMaxPlans) plans_.clear();  // they come back when they are asked for
  return plans_.try_emplace(id, std::move(plan)).first->second;
}

absl::StatusOr<v1::CreateJobResponse> Scheduler::CreateJob(const v1::CreateJobRequest& request) {
  std::vector<KnownProxy> known;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(known, reader.GetProxies());
    return absl::OkStatus();
  }));
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, JobPlan::Create(request.spec(), known));
  const bool reads_batch = std::any_of(known.begin(), known.end(), [&](const KnownProxy& proxy) {
    return proxy.needs_probe_batch() &&
           std::find(plan->names().begin(), plan->names().end(), proxy.name) != plan->names().end();
  });
  if (reads_batch) {
    std::vector<uint64_t> lacking;
    for (const uint64_t seed : plan->seeds()) {
      const absl::StatusOr<std::string> digest = ProbeBatchDigest(*plan, seed);
      if (absl::IsNotFound(digest.status())) {
        lacking.push_back(seed);
      } else {
        ZCB_RETURN_IF_ERROR(digest.status());
      }
    }
    if (!lacking.empty()) return LacksProbeBatches(*plan, lacking);
  }
  if (request.priority() < -100 || request.priority() > 100) {
    return BadField("priority", absl::StrCat(request.priority(), " is outside [-100, 100]"));
  }
  if (request.validate_only()) return v1::CreateJobResponse();

  const absl::Time now = clock_.Now();
  Job job{.digest = Sha256Hex(plan->spec_text()),
          .spec = plan->spec_text(),
          .created = now,
          .total = plan->total(),
          .priority = request.priority()};
  bool created = false;
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    created = false;
    absl::StatusOr<Job> earlier = writer.FindJob(job.digest);
    if (absl::IsNotFound(earlier.status())) {
      created = true;
      ZCB_ASSIGN_OR_RETURN(job.id, writer.AddJob(job));
      return writer.AddListedArchitectures(job.id, plan->cell().space, plan->listed());
    }
    ZCB_ASSIGN_OR_RETURN(job, std::move(earlier));
    job.priority = request.priority();
    if (job.state != JobState::kCancelled && job.state != JobState::kDoneWithFailures) return writer.UpdateJob(job);
    // From the beginning: what is complete is found when the cursor comes to it.
    job.state = JobState::kRunning;
    job.finished.reset();
    job.cursor = job.done = job.failed = job.reused = 0;
    ZCB_RETURN_IF_ERROR(writer.DeleteUnits(job.id, /*only_free=*/false));
    ZCB_RETURN_IF_ERROR(writer.DeleteFailures(job.id));
    return writer.UpdateJob(job);
  });
  ZCB_RETURN_IF_ERROR(written);
  if (!created) BeginWaiting(job.id);
  Log(LogLevel::kInfo, created ? "job created" : "job asked for again",
      {{"job", absl::StrCat(static_cast<int64_t>(job.id))}, {"pairs", absl::StrCat(job.total)}});
  Wake();
  v1::CreateJobResponse response;
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(job));
  response.set_created(created);
  return response;
}

absl::StatusOr<v1::Job> Scheduler::Describe(const Job& job) {
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(job.id));
  const absl::Time now = clock_.Now();
  uint64_t leased = 0;
  bool free = job.cursor < job.total;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(leased, reader.CountLeased(job.id, now));
    ZCB_ASSIGN_OR_RETURN(const int units, reader.CountFreeUnits(job.id, "", now, 1));
    free |= units > 0;
    return absl::OkStatus();
  }));
  v1::Job message;
  message.set_id(static_cast<int64_t>(job.id));
  *message.mutable_spec() = plan->ToSpec();
  message.set_state(static_cast<v1::JobState>(job.state));
  *message.mutable_created() = ToProto(job.created);
  if (job.finished.has_value()) *message.mutable_finished() = ToProto(*job.finished);
  message.set_total(job.total);
  message.set_done(job.done);
  message.set_failed(job.failed);
  message.set_leased(leased);
  message.set_reused(job.reused);
  message.set_priority(job.priority);
  if (plan->audit().has_value()) message.set_audits(static_cast<int64_t>(plan->audit()->job));
  ZCB_ASSIGN_OR_RETURN(const uint64_t conflicts, CountConflicts(job.id, *plan));
  message.set_conflicts(conflicts);
  if (job.state == JobState::kPaused) message.set_waiting_for(absl::StrCat("`zcbench resume ", message.id(), "`"));

  MutexLock lock(mutex_);
  const JobPace& pace = pace_[job.id];
  message.set_leases_expired(pace.expired);
  if (job.state != JobState::kRunning) return message;
  if (free) *message.mutable_oldest_free() = ToProto(now - WaitingSince(job));
  if (pace.first_lease != absl::UnixEpoch()) {
    if (const double rate = pace.rate.PerSecond(now, pace.first_lease); rate > 0) {
      message.set_rate(rate);
      *message.mutable_eta() = ToProto(absl::Seconds(static_cast<double>(job.total - job.done - job.failed) / rate));
    }
  }
  if (leased > 0) return message;
  // Nothing is being computed: why?
  int live = 0;
  int with_space = 0;
  int able = 0;
  int leaving = 0;
  std::set<std::string> lacking(plan->names().begin(), plan->names().end());
  for (const auto& [name, session] : sessions_) {
    if (!IsLive(*session, now)) continue;
    ++live;
    if (!session->announced->spaces.contains(plan->cell().space)) continue;
    ++with_space;
    for (const auto& [proxy, unused] : session->announced->proxies) lacking.erase(proxy);
    if (!CanCompute(*session->announced, *plan)) continue;
    ++able;
    if (session->drain || session->state == v1::WORKER_STATE_DRAINING) ++leaving;
  }
  if (live == 0) {
    message.set_waiting_for("no worker is connected");
  } else if (with_space == 0) {
    message.set_waiting_for(absl::StrCat("no worker holds space ", plan->cell().space));
  } else if (able == 0) {
    message.set_waiting_for(lacking.empty() ? "no worker holds all of its proxies"
                                            : absl::StrCat("no worker holds ", absl::StrJoin(lacking, ", ")));
  } else if (leaving == able) {
    message.set_waiting_for("every worker that could compute it is leaving");
  }
  return message;
}

absl::StatusOr<Job> Scheduler::FindJob(int64_t id) {
  Job job;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    if (id != 0) {
      ZCB_ASSIGN_OR_RETURN(job, reader.GetJob(JobId{id}));
      return absl::OkStatus();
    }
    ZCB_ASSIGN_OR_RETURN(std::vector<Job> newest, reader.ListJobs(std::nullopt, 1));
    if (newest.empty()) return absl::NotFoundError("there is no job yet");
    job = std::move(newest[0]);
    return absl::OkStatus();
  }));
  return job;
}

absl::StatusOr<v1::GetJobResponse> Scheduler::GetJob(const v1::GetJobRequest& request) {
  ZCB_ASSIGN_OR_RETURN(const Job job, FindJob(request.id()));
  v1::GetJobResponse response;
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(job));
  return response;
}

absl::StatusOr<v1::ListJobsResponse> Scheduler::ListJobs(const v1::ListJobsRequest& request) {
  ZCB_ASSIGN_OR_RETURN(const int64_t token, ParsePageToken(request.page_token()));
  const std::optional<JobId> before = token == 0 ? std::nullopt : std::optional<JobId>(JobId{token});
  const int size = PageSize(request.page_size());
  std::vector<Job> jobs;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(jobs, reader.ListJobs(before, size + 1));
    return absl::OkStatus();
  }));
  v1::ListJobsResponse response;
  size_t bytes = 0;
  for (const Job& job : jobs) {
    if (response.jobs_size() == size || bytes > kMaxResponseBytes) {
      response.set_next_page_token(absl::StrCat(response.jobs(response.jobs_size() - 1).id()));
      break;
    }
    ZCB_ASSIGN_OR_RETURN(*response.add_jobs(), Describe(job));
    bytes += response.jobs(response.jobs_size() - 1).ByteSizeLong();
  }
  return response;
}

absl::StatusOr<v1::ListWorkersResponse> Scheduler::ListWorkers() {
  const absl::Time now = clock_.Now();
  std::map<std::string, int> leases;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(leases, reader.CountLeases(now));
    return absl::OkStatus();
  }));
  v1::ListWorkersResponse response;
  MutexLock lock(mutex_);
  for (const auto& [name, session] : sessions_) {
    if (response.workers_size() == static_cast<int>(kMaxListedWorkers)) break;
    v1::Worker& worker = *response.add_workers();
    worker.set_name(name);
    *worker.mutable_execution() = ToProto(session->announced->execution);
    worker.set_state(session->drain ? v1::WORKER_STATE_DRAINING : session->state);
    *worker.mutable_last_seen() = ToProto(session->last_seen);
    worker.set_leases(static_cast<uint32_t>(leases[name]));
    worker.set_completed(session->completed);
    if (!session->seconds.empty()) {
      std::vector<double> sorted(session->seconds.begin(), session->seconds.end());
      const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
      std::nth_element(sorted.begin(), middle, sorted.end());
      worker.set_seconds_per_architecture(*middle);
    }
    worker.set_lost(!IsLive(*session, now));
    worker.set_memory_bytes(session->announced->memory_bytes);
    worker.set_rate(session->rate.PerSecond(now, session->opened));
    for (const auto& [unit, held] : session->held) *worker.add_held() = held;
    std::stable_sort(worker.mutable_held()->begin(), worker.mutable_held()->end(),
                     [](const v1::WorkerLease& a, const v1::WorkerLease& b) {
                       return std::pair(a.since().seconds(), a.since().nanos()) <
                              std::pair(b.since().seconds(), b.since().nanos());
                     });
    if (session->announced->available_until != absl::InfiniteFuture()) {
      *worker.mutable_available_until() = ToProto(session->announced->available_until);
    }
  }
  return response;
}

const char* Scheduler::StateOf(const Session& session, absl::Time now) const {
  if (!IsLive(session, now)) return "lost";
  if (session.drain || session.state == v1::WORKER_STATE_DRAINING) return "draining";
  return session.state == v1::WORKER_STATE_BUSY ? "busy" : "idle";
}

absl::Time Scheduler::WaitingSince(const Job& job) {
  return std::max({started_, job.created, pace_[job.id].waiting_since});
}

void Scheduler::BeginWaiting(JobId job) {
  MutexLock lock(mutex_);
  pace_[job].waiting_since = clock_.Now();
}

absl::StatusOr<QueueState> Scheduler::DescribeQueue() {
  const absl::Time now = clock_.Now();
  QueueState queue;
  std::vector<Job> waiting;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(queue.units, reader.CountUnits(now));
    ZCB_ASSIGN_OR_RETURN(const std::vector<Job> running, reader.ListRunningJobs());
    for (const Job& job : running) {
      queue.waiting_pairs += job.total - job.cursor;
      ZCB_ASSIGN_OR_RETURN(const int free, reader.CountFreeUnits(job.id, "", now, 1));
      if (job.cursor < job.total || free > 0) waiting.push_back(job);
    }
    return absl::OkStatus();
  }));
  for (const char* state : {"idle", "busy", "draining", "lost"}) queue.workers[state] = 0;
  MutexLock lock(mutex_);
  for (const Job& job : waiting) queue.oldest_free = std::max(queue.oldest_free, now - WaitingSince(job));
  for (const auto& [name, session] : sessions_) ++queue.workers[StateOf(*session, now)];
  return queue;
}

absl::Status Scheduler::DrainWorker(const v1::DrainWorkerRequest& request) {
  ZCB_RETURN_IF_ERROR(CheckText("worker", request.worker(), 64));
  {
    MutexLock lock(mutex_);
    const auto session = sessions_.find(request.worker());
    if (session == sessions_.end()) {
      std::vector<std::string> names;
      for (const auto& [name, unused] : sessions_) names.push_back(name);
      return UnknownName("worker", request.worker(), names);
    }
    session->second->drain = true;
  }
  Wake();
  return absl::OkStatus();
}

}  // namespace zcbench
