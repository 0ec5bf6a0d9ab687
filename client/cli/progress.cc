#include "client/cli/progress.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/command.h"

namespace zcbench {
namespace {

constexpr int kBarWidth = 20;
constexpr int kRoomForBar = 100;
constexpr absl::Duration kNotableWait = absl::Minutes(1);

std::string Bar(uint64_t done, uint64_t total) {
  const int full = total == 0 ? kBarWidth : static_cast<int>(done * kBarWidth / total);
  return absl::StrCat("[", std::string(full, '#'), std::string(kBarWidth - full, '.'), "] ");
}

std::optional<absl::Duration> Remaining(const pb::Job& job) {
  if (job.has_eta()) return ToDuration(job.eta());
  const uint64_t ended = job.done() + job.failed();
  if (job.rate() > 0 && job.total() >= ended) return absl::Seconds((job.total() - ended) / job.rate());
  return std::nullopt;
}

int64_t CountLive(const std::vector<pb::Worker>& workers) {
  return std::count_if(workers.begin(), workers.end(), [](const pb::Worker& worker) { return !worker.lost(); });
}

std::map<std::string, uint64_t> CountByClass(const std::vector<pb::Failure>& failures) {
  std::map<std::string, uint64_t> by_class;
  for (const pb::Failure& failure : failures) by_class[FailureWord(failure.kind())] += failure.count();
  return by_class;
}

std::string StateWord(pb::JobState state) {
  switch (state) {
    case pb::JOB_STATE_RUNNING:
      return "running";
    case pb::JOB_STATE_DONE:
      return "done";
    case pb::JOB_STATE_DONE_WITH_FAILURES:
      return "done_with_failures";
    case pb::JOB_STATE_CANCELLED:
      return "cancelled";
    case pb::JOB_STATE_PAUSED:
      return "paused";
    default:
      return "unknown";
  }
}

// Follows the job's number where its input is no data set.
std::string InputText(const pb::Job& job) {
  return job.spec().input().empty() ? "" : absl::StrCat(" (", job.spec().input(), ")");
}

uint64_t ArchitectureCount(const pb::JobSpec& spec) {
  if (spec.has_sampled()) return spec.sampled().count();
  if (spec.has_indexed()) return spec.indexed().count();
  return static_cast<uint64_t>(spec.listed().architectures_size());
}

}  // namespace

std::string DurationText(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds < 1) return "under 1 s";
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrFormat("%d min %02d s", seconds / 60, seconds % 60);
  if (seconds < 86400) return absl::StrFormat("%d h %02d min", seconds / 3600, seconds / 60 % 60);
  return absl::StrFormat("%d d %d h", seconds / 86400, seconds / 3600 % 24);
}

std::string RateText(double per_second) {
  if (per_second >= 1) return absl::StrFormat("%.1f/s", per_second);
  if (per_second * 60 >= 1) return absl::StrFormat("%.1f/min", per_second * 60);
  return absl::StrFormat("%.1f/h", per_second * 3600);
}

std::string BytesText(uint64_t bytes) {
  constexpr double kMebibyte = 1 << 20;
  const double mebibytes = static_cast<double>(bytes) / kMebibyte;
  return mebibytes < 1024 ? absl::StrFormat("%.1f MiB", mebibytes) : absl::StrFormat("%.1f GiB", mebibytes / 1024);
}

std::string FailureWord(pb::FailureKind kind) {
  switch (kind) {
    case pb::FAILURE_KIND_OUT_OF_MEMORY:
      return "out of memory";
    case pb::FAILURE_KIND_CRASH:
      return "crash";
    case pb::FAILURE_KIND_NOT_FINITE:
      return "not finite";
    case pb::FAILURE_KIND_UNDEFINED:
      return "undefined";
    default:
      return "error";
  }
}

std::string ProgressText(const pb::Job& job, const std::vector<pb::Worker>& workers,
                         const std::vector<pb::Failure>& failures, int width) {
  std::string line = absl::StrCat("job ", job.id(), InputText(job), "  ");
  if (width >= kRoomForBar) line += Bar(job.done(), job.total());
  absl::StrAppend(&line, job.done(), "/", job.total());
  if (job.total() > 0) absl::StrAppend(&line, " (", job.done() * 100 / job.total(), " %)");
  if (job.rate() > 0) absl::StrAppend(&line, "  ", RateText(job.rate()));
  const std::optional<absl::Duration> remaining = Remaining(job);
  absl::StrAppend(&line, "  ETA ", remaining.has_value() ? DurationText(*remaining) : "?");
  const int64_t live = CountLive(workers);
  absl::StrAppend(&line, "  ", live, live == 1 ? " worker" : " workers");
  if (job.failed() > 0) absl::StrAppend(&line, "  ", job.failed(), " failed");
  const std::map<std::string, uint64_t> by_class = CountByClass(failures);
  if (!by_class.empty()) {
    const auto pair = [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first, " ", entry.second); };
    absl::StrAppend(&line, "  (seen: ", absl::StrJoin(by_class, ", ", pair), ")");
  }
  if (job.conflicts() > 0)
    absl::StrAppend(&line, "  ", job.conflicts(), job.conflicts() == 1 ? " conflict" : " conflicts");
  if (job.leases_expired() > 0) {
    absl::StrAppend(&line, "  ", job.leases_expired(), job.leases_expired() == 1 ? " lease" : " leases", " expired");
  }
  if (job.has_oldest_free() && ToDuration(job.oldest_free()) >= kNotableWait) {
    absl::StrAppend(&line, "  oldest free unit ", DurationText(ToDuration(job.oldest_free())));
  }
  if (!job.waiting_for().empty()) absl::StrAppend(&line, "  waits: ", job.waiting_for());
  if (width > 0 && line.size() > static_cast<size_t>(width)) line.resize(width);
  return line;
}

std::string ProgressJson(const pb::Job& job, const std::vector<pb::Worker>& workers,
                         const std::vector<pb::Failure>& failures) {
  const auto seconds = [](const std::optional<absl::Duration>& duration) {
    return duration.has_value() ? nlohmann::json(absl::ToDoubleSeconds(*duration)) : nlohmann::json();
  };
  const bool running = job.state() == pb::JOB_STATE_RUNNING;
  return nlohmann::json({{"job", job.id()},
                         {"state", StateWord(job.state())},
                         {"total", job.total()},
                         {"done", job.done()},
                         {"failed", job.failed()},
                         {"leased", job.leased()},
                         {"reused", job.reused()},
                         {"rate", job.rate() > 0 ? nlohmann::json(job.rate()) : nlohmann::json()},
                         {"eta_seconds", seconds(running ? Remaining(job) : std::nullopt)},
                         {"workers", CountLive(workers)},
                         {"failures", CountByClass(failures)},
                         {"conflicts", job.conflicts()},
                         {"leases_expired", job.leases_expired()},
                         {"oldest_free_unit_seconds",
                          seconds(job.has_oldest_free() ? std::optional(ToDuration(job.oldest_free())) : std::nullopt)},
                         {"waiting_for", job.waiting_for()}})
      .dump();
}

std::string EndText(const pb::Job& job) {
  const bool cancelled = job.state() == pb::JOB_STATE_CANCELLED;
  std::string line = absl::StrCat("job ", job.id(), InputText(job), cancelled ? " cancelled: " : " done: ", job.done(),
                                  " of ", job.total());
  if (job.has_finished() && job.has_created()) {
    absl::StrAppend(&line, " in ", DurationText(ToTime(job.finished()) - ToTime(job.created())));
  }
  if (job.reused() > 0) absl::StrAppend(&line, ", ", job.reused(), " of them were there already");
  if (job.failed() > 0) absl::StrAppend(&line, ", ", job.failed(), " failed (see: zcbench failures ", job.id(), ")");
  return line;
}

std::vector<TableColumn> JobColumns() {
  return {{"job", true},           {"state"},       {"space"},         {"task"},        {"input"},
          {"architectures", true}, {"seeds", true}, {"proxies", true}, {"total", true}, {"done", true},
          {"failed", true},        {"created"}};
}

std::vector<TableCell> JobRow(const pb::Job& job) {
  const pb::JobSpec& spec = job.spec();
  return {job.id(),
          StateWord(job.state()),
          spec.space(),
          spec.task(),
          std::string(spec.input().empty() ? "images" : spec.input()),
          ArchitectureCount(spec),
          uint64_t(spec.seeds_size()),
          uint64_t(spec.proxies_size()),
          job.total(),
          job.done(),
          job.failed(),
          TimestampText(job.created())};
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string MemoryText(uint64_t bytes) {
  const double mib = static_cast<double>(bytes) / (1 << 20);
  return mib < 1024 ? absl::StrFormat("%.0f MiB", mib) : absl::StrFormat("%.1f GiB", mib / 1024);
}

std::string TimestampText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ToTime(time), absl::UTCTimeZone());
}

Waiting::Waiting(std::function<std::string()> what, absl::Duration every, std::function<void(const std::string&)> say)
    : what_(std::move(what)), every_(every), say_(say != nullptr ? std::move(say) : Say), thread_([this] { Run(); }) {}

Waiting::~Waiting() {
  {
    const MutexLock lock(mutex_);
    is_over_ = true;
  }
  over_.NotifyAll();
  thread_.join();
}

void Waiting::Run() {
  const absl::Time start = absl::Now();
  absl::Time next = start + every_;
  while (true) {
    {
      const MutexLock lock(mutex_);
      while (!is_over_ && absl::Now() < next) over_.WaitFor(mutex_, next - absl::Now());
      if (is_over_) return;
    }
    say_(absl::StrCat(what_(), ": ", DurationText(absl::Now() - start), " so far"));
    next = absl::Now() + every_;
  }
}

}  // namespace zcbench
