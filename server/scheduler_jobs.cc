// What people ask the scheduler about a job and tell it to do.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "nas/random.h"
#include "server/convert.h"
#include "server/scheduler.h"

namespace zcbench {
namespace {

constexpr int kMaxListed = 1000;
constexpr int kMaxSeries = 20'000;
constexpr int kMaxRetried = 100'000;
constexpr uint64_t kMaxAudited = 20'000;  // architectures

const char* StateText(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return "running";
    case JobState::kDone:
      return "done";
    case JobState::kDoneWithFailures:
      return "done with failures";
    case JobState::kCancelled:
      return "cancelled";
    case JobState::kPaused:
      return "paused";
  }
  return "?";
}

// `n` of `count` places, ascending: Floyd's algorithm.
std::vector<uint64_t> DrawPlaces(uint64_t seed, uint64_t count, uint64_t n) {
  Draws draws(seed, "audit");
  std::set<uint64_t> places;
  for (uint64_t last = count - n; last < count; ++last) {
    if (!places.insert(draws.Below(last + 1)).second) places.insert(last);
  }
  return {places.begin(), places.end()};
}

std::vector<SeriesId> IdsOf(const std::vector<SeriesInfo>& series) {
  std::vector<SeriesId> ids;
  for (const SeriesInfo& info : series) ids.push_back(info.id);
  return ids;
}

}  // namespace

absl::StatusOr<std::vector<SeriesInfo>> Scheduler::JobSeries(const JobPlan& plan) {
  std::vector<SeriesInfo> series;
  const SeriesFilter filter{.space = plan.cell().space,
                            .task = plan.cell().task,
                            .proxies = plan.proxies(),
                            .seeds = plan.seeds(),
                            .numerics = plan.audit().has_value() ? plan.audit()->numerics : "",
                            .source = kComputed};
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(series, reader.ListSeries(filter, SeriesId{0}, kMaxSeries));
    return absl::OkStatus();
  }));
  return series;
}

absl::StatusOr<uint64_t> Scheduler::CountConflicts(JobId job, const JobPlan& plan) {
  // Only this scheduler records conflicts: as long as it has recorded no other one, what was counted before holds.
  const uint64_t recorded = counters_.scores_conflicting.value();
  {
    MutexLock lock(mutex_);
    const auto known = conflicts_.find(job);
    if (known != conflicts_.end() && known->second.first == recorded) return known->second.second;
  }
  uint64_t count = 0;
  const auto count_in = [&](std::span<const SeriesId> series) {
    return store_.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(count, reader.CountConflicts(series));
      return absl::OkStatus();
    });
  };
  ZCB_RETURN_IF_ERROR(count_in({}));
  if (count > 0) {  // rarely: then the job's columns have to be found
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, JobSeries(plan));
    count = 0;
    if (!series.empty()) {
      ZCB_RETURN_IF_ERROR(count_in(IdsOf(series)));
    }
  }
  MutexLock lock(mutex_);
  conflicts_[job] = {recorded, count};
  return count;
}

absl::StatusOr<v1::ControlJobResponse> Scheduler::ControlJob(const v1::ControlJobRequest& request) {
  if (request.order() == v1::JOB_ORDER_UNSPECIFIED || !v1::JobOrder_IsValid(request.order())) {
    return BadField("order", "is not set to a known value");
  }
  Job job;
  const absl::Time now = clock_.Now();
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, writer.GetJob(JobId{request.id()}));
    const bool ended = !IsOpen(job.state);
    switch (request.order()) {
      case v1::JOB_ORDER_PAUSE:
      case v1::JOB_ORDER_RESUME:
        if (ended) {
          return absl::FailedPreconditionError(absl::StrCat("job ", request.id(), " is ", StateText(job.state),
                                                            "; only a running job can be paused and resumed. Submit "
                                                            "it again to let it run for what it lacks"));
        }
        job.state = request.order() == v1::JOB_ORDER_PAUSE ? JobState::kPaused : JobState::kRunning;
        return writer.UpdateJob(job);
      default:
        if (!ended) {
          job.state = JobState::kCancelled;
          job.finished = now;
        }
        // A lease whose unit is gone is lost: its worker hears of it with its next heartbeat.
        ZCB_RETURN_IF_ERROR(writer.DeleteUnits(job.id, /*only_free=*/request.order() == v1::JOB_ORDER_STOP));
        return writer.UpdateJob(job);
    }
  });
  ZCB_RETURN_IF_ERROR(written);
  Log(LogLevel::kInfo, "job ordered",
      {{"job", absl::StrCat(request.id())},
       {"order", v1::JobOrder_Name(request.order())},
       {"state", StateText(job.state)}});
  if (job.state == JobState::kRunning) {
    BeginWaiting(job.id);
    Wake();
  }
  v1::ControlJobResponse response;
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(job));
  return response;
}

absl::StatusOr<v1::ListFailuresResponse> Scheduler::ListFailures(const v1::ListFailuresRequest& request) {
  ZCB_ASSIGN_OR_RETURN(const Job job, FindJob(request.job()));
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(job.id));
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, JobSeries(*plan));
  std::vector<SeriesId> no_numbers;
  for (const SeriesInfo& info : series) {
    if (info.not_finite + info.undefined > 0) no_numbers.push_back(info.id);
  }
  std::vector<FailureGroup> groups;
  std::vector<OutcomeGroup> outcomes;
  const absl::Status read = store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(groups, reader.ListFailures(job.id, kMaxListed));
    ZCB_ASSIGN_OR_RETURN(outcomes, reader.ListOutcomes(no_numbers, kMaxListed));
    return absl::OkStatus();
  });
  ZCB_RETURN_IF_ERROR(read);
  v1::ListFailuresResponse response;
  size_t bytes = 0;
  const auto room = [&] { return bytes <= kMaxResponseBytes && response.failures_size() < kMaxListed; };
  for (const FailureGroup& group : groups) {
    if (!room()) break;
    v1::Failure& failure = *response.add_failures();
    failure.set_kind(static_cast<v1::FailureKind>(group.kind));
    failure.set_message(group.message);
    failure.set_count(group.count);
    failure.set_for_good(group.for_good);
    failure.set_example_architecture(group.example.architecture);
    failure.set_example_seed(group.example.seed);
    failure.set_example_worker(group.example.worker);
    bytes += failure.ByteSizeLong();
  }
  for (const OutcomeGroup& group : outcomes) {
    if (!room()) break;
    v1::Failure& failure = *response.add_failures();
    failure.set_kind(group.outcome == Outcome::kNotFinite ? v1::FAILURE_KIND_NOT_FINITE : v1::FAILURE_KIND_UNDEFINED);
    failure.set_message(group.reason);
    failure.set_count(group.count);
    failure.set_example_architecture(group.architecture);
    failure.set_example_seed(group.key.seed.value_or(0));
    failure.set_example_worker(group.worker);
    failure.set_example_proxy(group.key.proxy);
    bytes += failure.ByteSizeLong();
  }
  return response;
}

absl::StatusOr<v1::RetryFailuresResponse> Scheduler::RetryFailures(const v1::RetryFailuresRequest& request) {
  Job job;
  v1::RetryFailuresResponse response;
  ZCB_ASSIGN_OR_RETURN(const Job asked, FindJob(request.job()));
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(asked.id));
  if (plan->audit().has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", request.job(), " is an audit; audit again with another --sample-seed"));
  }
  const absl::Status written = store_.Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, writer.GetJob(asked.id));
    if (job.state == JobState::kCancelled) {
      return absl::FailedPreconditionError(absl::StrCat(
          "job ", static_cast<int64_t>(job.id), " is cancelled; submit it again to let it run for what it lacks"));
    }
    ZCB_ASSIGN_OR_RETURN(const std::vector<PositionFailure> failures, writer.ListFailedForGood(job.id, kMaxRetried));
    response.set_retried(failures.size());
    if (failures.empty()) return absl::OkStatus();
    std::vector<WorkUnit> units;
    for (const PositionFailure& failure : failures) {
      // One by one: each has shown that it may take others with it.
      units.push_back({.job = job.id, .first = failure.position, .open = {true}});
      ZCB_RETURN_IF_ERROR(writer.DeleteFailure(job.id, failure.position));
    }
    ZCB_RETURN_IF_ERROR(writer.AddUnits(units));
    job.failed -= std::min<uint64_t>(job.failed, failures.size());
    if (job.state != JobState::kPaused) job.state = JobState::kRunning;
    job.finished.reset();
    return writer.UpdateJob(job);
  });
  ZCB_RETURN_IF_ERROR(written);
  if (response.retried() > 0) {
    Log(LogLevel::kInfo, "failures are tried again",
        {{"job", absl::StrCat(static_cast<int64_t>(job.id))}, {"pairs", absl::StrCat(response.retried())}});
    BeginWaiting(job.id);
    Wake();
  }
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(job));
  return response;
}

absl::StatusOr<v1::ListConflictsResponse> Scheduler::ListConflicts(const v1::ListConflictsRequest& request) {
  std::vector<SeriesId> series;
  absl::Time since = absl::InfinitePast();
  if (request.job() != 0) {
    ZCB_ASSIGN_OR_RETURN(const Job job, FindJob(request.job()));
    ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(job.id));
    if (plan->audit().has_value()) since = job.created;  // what it has found itself
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> infos, JobSeries(*plan));
    series = IdsOf(infos);
    if (series.empty()) return v1::ListConflictsResponse();
  }
  std::vector<ScoreConflict> conflicts;
  v1::ListConflictsResponse response;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const uint64_t total, reader.CountConflicts(series));
    response.set_total(total);
    ZCB_ASSIGN_OR_RETURN(conflicts, reader.ListConflicts(series, kMaxListed));
    return absl::OkStatus();
  }));
  if (since != absl::InfinitePast()) {
    std::erase_if(conflicts, [&](const ScoreConflict& conflict) { return conflict.recorded < since; });
    response.set_total(conflicts.size());
  }
  size_t bytes = 0;
  for (const ScoreConflict& conflict : conflicts) {
    v1::Conflict& message = *response.add_conflicts();
    message.set_architecture(conflict.architecture);
    message.set_space(conflict.key.space);
    message.set_task(conflict.key.task);
    message.set_proxy(conflict.key.proxy);
    if (conflict.key.seed.has_value()) message.set_seed(*conflict.key.seed);
    message.set_recorded_outcome(static_cast<v1::ScoreOutcome>(conflict.kept_outcome));
    message.set_recorded_score(conflict.kept_value);
    message.set_recorded_worker(conflict.kept_worker);
    message.set_outcome(static_cast<v1::ScoreOutcome>(conflict.outcome));
    message.set_score(conflict.value);
    message.set_worker(conflict.worker);
    *message.mutable_time() = ToProto(conflict.recorded);
    bytes += message.ByteSizeLong();
    if (bytes > kMaxResponseBytes) break;
  }
  return response;
}

absl::StatusOr<v1::ExplainJobResponse> Scheduler::ExplainJob(const v1::ExplainJobRequest& request) {
  ZCB_ASSIGN_OR_RETURN(const Job job, FindJob(request.id()));
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(job.id));
  v1::ExplainJobResponse response;
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(job));
  const v1::Job& described = response.job();
  const absl::Time now = clock_.Now();
  const auto add = [&](const std::string& worker, const std::string& reason) {
    if (response.reasons_size() == kMaxListed) return;
    v1::JobReason& message = *response.add_reasons();
    message.set_worker(worker);
    message.set_reason(reason);
  };
  const std::string number = absl::StrCat(static_cast<int64_t>(job.id));
  if (job.failed > 0) {
    add("", absl::StrCat(job.failed, " pairs have failed for good (see `zcbench failures ", number,
                         "`; `--retry` gives them another try)"));
  }
  if (described.conflicts() > 0) {
    add("", absl::StrCat(described.conflicts(),
                         " scores of its columns differ from the recorded ones (see `zcbench "
                         "conflicts ",
                         number, "`)"));
  }
  if (job.state == JobState::kPaused) {
    add("", absl::StrCat("it is paused; `zcbench resume ", number, "` lets it go on"));
    return response;
  }
  if (job.state != JobState::kRunning) {
    add("", absl::StrCat("it is ", StateText(job.state)));
    return response;
  }

  int free = 0;
  int open = 0;
  std::map<std::string, int> leases;
  std::vector<std::string> ahead;
  ZCB_RETURN_IF_ERROR(store_.Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(free, reader.CountFreeUnits(job.id, "", now, 1));
    ZCB_ASSIGN_OR_RETURN(open, reader.CountFreeUnits(job.id, "", absl::InfiniteFuture(), kMaxListed));
    ZCB_ASSIGN_OR_RETURN(leases, reader.CountLeases(now));
    ZCB_ASSIGN_OR_RETURN(const std::vector<Job> running, reader.ListRunningJobs());
    for (const Job& other : running) {
      if (other.priority > job.priority) ahead.push_back(absl::StrCat(static_cast<int64_t>(other.id)));
    }
    return absl::OkStatus();
  }));
  if (!ahead.empty()) add("", absl::StrCat("jobs of a higher priority come first: ", absl::StrJoin(ahead, ", ")));
  if (job.cursor >= job.total && free == 0) {
    add("", absl::StrCat("all of it is given out: ", open, " units are in workers' hands"));
  }
  MutexLock lock(mutex_);
  if (!leasing_) add("", "the server is stopping and gives nothing out");
  int live = 0;
  for (const auto& [name, session] : sessions_) {
    const Announcement& worker = *session->announced;
    if (!IsLive(*session, now)) {
      add(name, absl::StrCat("lost: not heard of for ",
                             absl::FormatDuration(absl::Trunc(now - session->last_seen, absl::Seconds(1)))));
      continue;
    }
    ++live;
    std::vector<std::string> lacking;
    for (const std::string& proxy : plan->names()) {
      if (!worker.proxies.contains(proxy)) lacking.push_back(proxy);
    }
    if (!worker.spaces.contains(plan->cell().space)) {
      add(name, absl::StrCat("does not hold the space ", plan->cell().space));
    } else if (!lacking.empty()) {
      add(name, absl::StrCat("does not hold ", absl::StrJoin(lacking, ", ")));
    } else if (plan->audit().has_value() && plan->audit()->numerics != worker.execution.numerics) {
      add(name, absl::StrCat("is of numerics class `", worker.execution.numerics, "`, the audited scores are of `",
                             plan->audit()->numerics, "`"));
    } else if (session->drain || session->state == v1::WORKER_STATE_DRAINING) {
      add(name, "is leaving: it finishes what it holds");
    } else if (now + options_.unit_target > worker.available_until) {
      add(name, "its machine goes away before another unit would be done");
    } else if (leases[name] > 0) {
      add(name, absl::StrCat("computes (", leases[name], " units in hand)"));
    } else if (plan->audit().has_value()) {
      add(name, "is idle: what is left was computed by itself, and an audit needs another worker");
    } else {
      add(name, "is idle and would take a unit");
    }
  }
  if (live == 0) add("", "no worker is connected; start one with `zcbench-worker run --server ADDRESS`");
  return response;
}

absl::StatusOr<v1::AuditJobResponse> Scheduler::AuditJob(const v1::AuditJobRequest& request) {
  if (!(request.fraction() > 0 && request.fraction() <= 1)) {
    return BadField("fraction", absl::StrCat(request.fraction(), " is outside (0, 1]"));
  }
  ZCB_RETURN_IF_ERROR(CheckSeed("sample_seed", request.sample_seed()));
  ZCB_ASSIGN_OR_RETURN(const Job job, FindJob(request.job()));
  ZCB_ASSIGN_OR_RETURN(const std::shared_ptr<JobPlan> plan, GetPlan(job.id));
  if (plan->audit().has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("job ", request.job(), " is an audit itself; audit job ",
                                                      static_cast<int64_t>(plan->audit()->job), " again"));
  }
  // The class that has most of the scores.
  ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, JobSeries(*plan));
  std::map<std::string, uint64_t> classes;
  for (const SeriesInfo& info : series) classes[info.key.numerics] += info.finite + info.not_finite + info.undefined;
  if (classes.empty() || job.done == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", static_cast<int64_t>(job.id), " has no complete architecture yet; audit it later"));
  }
  Audit audit{.job = job.id,
              .numerics = std::max_element(classes.begin(), classes.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; })
                              ->first,
              .fraction = request.fraction(),
              .sample_seed = request.sample_seed()};
  const uint64_t count = plan->architecture_count();
  const uint64_t wanted = static_cast<uint64_t>(std::ceil(request.fraction() * static_cast<double>(count)));
  if (wanted > kMaxAudited) {
    return BadField("fraction", absl::StrCat(request.fraction(), " are ", wanted, " architectures; at most ",
                                             kMaxAudited, " are audited at once"));
  }
  std::vector<std::string> architectures;
  for (const uint64_t place : DrawPlaces(audit.sample_seed, count, std::max<uint64_t>(wanted, 1))) {
    ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> one, plan->Architectures(store_, job.id, place, 1));
    architectures.push_back(one[0]);
  }
  const std::shared_ptr<JobPlan> audited = JobPlan::CreateAudit(*plan, std::move(audit), std::move(architectures));
  Job made{.digest = Sha256Hex(audited->spec_text()),
           .spec = audited->spec_text(),
           .created = clock_.Now(),
           .total = audited->total(),
           .priority = job.priority};
  ZCB_RETURN_IF_ERROR(store_.Write([&](StoreWriter& writer) -> absl::Status {
    absl::StatusOr<Job> earlier = writer.FindJob(made.digest);
    if (absl::IsNotFound(earlier.status())) {
      ZCB_ASSIGN_OR_RETURN(made.id, writer.AddJob(made));
      return writer.AddListedArchitectures(made.id, audited->cell().space, audited->listed());
    }
    ZCB_ASSIGN_OR_RETURN(made, std::move(earlier));
    return absl::OkStatus();
  }));
  Log(LogLevel::kInfo, "audit asked for",
      {{"job", absl::StrCat(static_cast<int64_t>(job.id))},
       {"audit", absl::StrCat(static_cast<int64_t>(made.id))},
       {"pairs", absl::StrCat(made.total)}});
  Wake();
  v1::AuditJobResponse response;
  ZCB_ASSIGN_OR_RETURN(*response.mutable_job(), Describe(made));
  return response;
}

}  // namespace zcbench
