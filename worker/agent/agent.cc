#include "worker/agent/agent.h"

#include <google/protobuf/util/message_differencer.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/channel.h"
#include "worker/scoring_backend.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

constexpr absl::Duration kCallDeadline = absl::Seconds(10);
constexpr absl::Duration kLongestWait = absl::Seconds(20);  // for work, in one call
constexpr absl::Duration kAskAgain = absl::Seconds(1);      // for work, at the soonest, when there was none
constexpr absl::Duration kReportEvery = absl::Seconds(5);   // at least, while scores come
constexpr size_t kReportBytes = size_t{200} << 10;          // above 256 KiB the channel does not repeat a call
// Long enough for a broken device not to burn a job's attempts, short enough for a row of architectures that crash.
constexpr absl::Duration kLongestScorerPause = absl::Seconds(4);
constexpr int kMaxScorerStarts = 5;  // in a row that fail
// The reason, which the server gives, says which file to use.
constexpr char kTokenRefused[] = "the server refuses this worker's token";

void SetDeadline(grpc::ClientContext& context, absl::Duration duration) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMicroseconds(duration));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration& message) {
  message.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
}

absl::Duration FromProto(const google::protobuf::Duration& message) {
  return absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
}

// A random UUID (version 4).
std::string NewRequestId() {
  std::random_device random;
  const uint32_t a = random(), b = random(), c = random(), d = random();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff, 0x8000 | (c >> 16 & 0x3fff),
                         c & 0xffff, d);
}

std::string LeaseText(int64_t unit, int attempt) { return absl::StrCat(unit, "/", attempt); }

// The server knows neither this worker's token nor its right: another try with the same server file is in vain.
bool IsTokenRefused(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
}

// The server looked at the request and will never take it; anything else may pass.
bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

std::vector<int> MissingProxies(const v1::Lease& lease, const v1::LeaseItem& item) {
  std::vector<int> missing;
  for (int i = 0; i < lease.proxies_size(); ++i) {
    const size_t byte = static_cast<size_t>(i) / 8;
    if (byte < item.missing().size() && (item.missing()[byte] >> (i % 8) & 1) != 0) missing.push_back(i);
  }
  return missing;
}

}  // namespace

// Collects the results of one unit and records them in requests of bounded size, the last of which closes the lease.
class Agent::UnitReport {
 public:
  UnitReport(Agent& agent, const v1::Lease& lease) : agent_(agent) {
    header_.set_unit(lease.unit());
    header_.set_attempt(lease.attempt());
    *header_.mutable_execution() = agent.announcement_.execution();
    *header_.mutable_cell() = lease.cell();
    *header_.mutable_proxies() = lease.proxies();
    *header_.mutable_probe_batches() = lease.probe_batches();
    for (const std::string& proxy : lease.proxies()) {
      header_.add_versions(agent.VersionOf(proxy, lease.cell().space()));
    }
    request_ = header_;
  }

  // `took`: what computing it took, which is what the next one may take: slow architectures are recorded one by one.
  void Add(v1::ArchitectureResult result, absl::Duration took) {
    const size_t bytes = result.ByteSizeLong() + 8;
    if (request_.results_size() > 0 && header_.ByteSizeLong() + bytes_ + bytes > kReportBytes) Send();
    if (request_.results_size() == 0) oldest_ = absl::Now();
    out_of_memory_ |= result.failure() == v1::FAILURE_KIND_OUT_OF_MEMORY;
    *request_.add_results() = std::move(result);
    bytes_ += bytes;
    if (absl::Now() - oldest_ + took > kReportEvery) Send();
  }

  void AddFailure(const v1::LeaseItem& item, v1::FailureKind kind, std::string message) {
    v1::ArchitectureResult result;
    result.set_architecture(item.architecture());
    result.set_seed(item.seed());
    result.set_failure(kind);
    result.set_failure_message(std::move(message));
    Add(std::move(result), absl::ZeroDuration());
  }

  // Records what is there and ends the lease; UNSPECIFIED: the lease is no longer ours and is left alone.
  void Close(v1::LeaseOutcome outcome) {
    // Running out of memory counts as an attempt too, so that the range is halved and the rest of it completed
    // elsewhere.
    if (outcome == v1::LEASE_OUTCOME_COMPLETED && out_of_memory_) outcome = v1::LEASE_OUTCOME_CRASHED;
    if (outcome == v1::LEASE_OUTCOME_UNSPECIFIED && request_.results_size() == 0) return;
    request_.set_close(outcome);
    Send();
  }

 private:
  void Send() {
    agent_.Record(std::exchange(request_, header_));
    bytes_ = 0;
  }

  Agent& agent_;
  v1::RecordScoresRequest header_;
  v1::RecordScoresRequest request_;
  size_t bytes_ = 0;   // of the results
  absl::Time oldest_;  // when the first of the results came
  bool out_of_memory_ = false;
};

Agent::Agent(AgentOptions options, std::unique_ptr<Spool> spool)
    : options_(std::move(options)),
      spool_(std::move(spool)),
      cache_(options_.cache),
      drain_event_(::eventfd(0, EFD_CLOEXEC)),
      scorer_backoff_(options_.shortest_pause, std::min(options_.longest_pause, kLongestScorerPause)) {
  ZCB_CHECK(drain_event_ >= 0);
}

Agent::~Agent() { ::close(drain_event_); }

void Agent::Drain() {
  Log(LogLevel::kInfo, "draining: the architecture in hand is finished, the rest is given back");
  const uint64_t one = 1;
  ZCB_CHECK(::write(drain_event_, &one, sizeof(one)) == sizeof(one));
  MutexLock lock(mutex_);
  stop_ = Stop::kReturnHeld;
  synchronize_now_ = true;
  if (synchronizing_ != nullptr) synchronizing_->TryCancel();  // it may be waiting for work
  changed_.NotifyAll();
}

AgentExit Agent::Run() {
  if (const absl::Status started = StartScorer(); !started.ok()) {
    if (absl::IsCancelled(started)) return AgentExit::kStoppedEarly;
    Log(LogLevel::kError, "the scorer does not start: the worker stops", {{"reason", std::string(started.message())}});
    return AgentExit::kScorerUnusable;
  }
  Backoff backoff(options_.shortest_pause, options_.longest_pause);
  for (;;) {
    absl::Status opened = ReadServerAddress();
    if (opened.ok()) opened = OpenSession();
    if (opened.ok()) break;
    if (IsTokenRefused(opened)) {
      Log(LogLevel::kError, kTokenRefused, {{"reason", std::string(opened.message())}});
      return AgentExit::kServerUnreachable;
    }
    if (absl::IsInvalidArgument(opened) || absl::IsFailedPrecondition(opened)) {
      Log(LogLevel::kError, "the server refuses this worker", {{"reason", std::string(opened.message())}});
      return AgentExit::kServerUnreachable;
    }
    Failed(kSession, "OpenSession", opened);
    bool gave_up;
    {
      MutexLock lock(mutex_);
      gave_up = GaveUp();
    }
    if (gave_up) {
      Log(LogLevel::kError, "no server: the worker gives up", {{"reason", std::string(opened.message())}});
      return AgentExit::kServerUnreachable;
    }
    if (Pause(backoff.Next(), /*until_drained=*/true)) return AgentExit::kStoppedEarly;
  }
  std::thread session([this] { KeepSession(); });
  std::thread recorder([this] { SendScores(); });
  const AgentExit exit = Work();
  ReturnQueue();
  {
    MutexLock lock(mutex_);
    const absl::Time deadline = absl::Now() + options_.recording_patience;
    while (spool_->size() > 0 && !GaveUp() && absl::Now() < deadline) changed_.WaitFor(mutex_, deadline - absl::Now());
    ended_ = true;
    if (synchronizing_ != nullptr) synchronizing_->TryCancel();
    if (recording_ != nullptr) recording_->TryCancel();
    changed_.NotifyAll();
  }
  session.join();
  recorder.join();
  scorer_.reset();
  if (const size_t unsent = spool_->size(); unsent > 0) {
    Log(LogLevel::kWarning, "scores are not sent yet: start a worker with this spool to send them",
        {{"requests", absl::StrCat(unsent)}, {"spool", spool_->folder().string()}});
  }
  return exit;
}

// ---- The computing thread.

absl::Status Agent::StartScorer() {
  const bool first = scorer_ == nullptr && announcement_.worker().empty();
  scorer_.reset();
  scorers_batches_.clear();
  for (int tries = 1;; ++tries) {
    if (!(first && tries == 1) && Pause(scorer_backoff_.Next(), /*until_drained=*/true)) {
      return absl::CancelledError("drained");
    }
    absl::StatusOr<std::unique_ptr<ScorerProcess>> scorer =
        ScorerProcess::Start(options_.scorer, options_.scorer_patience, drain_event_);
    if (scorer.ok()) {
      scorer_ = *std::move(scorer);
      break;
    }
    if (absl::IsCancelled(scorer.status()) || tries == kMaxScorerStarts) return scorer.status();
    Log(LogLevel::kError, "the scorer did not start", {{"reason", std::string(scorer.status().message())}});
  }
  const v1::ScorerHello& hello = scorer_->hello();
  v1::OpenSessionRequest announcement;
  announcement.set_worker(options_.name);
  *announcement.mutable_execution() = hello.execution();
  announcement.mutable_execution()->set_worker(options_.name);
  announcement.mutable_execution()->set_host(options_.host);
  *announcement.mutable_spaces() = hello.spaces();
  *announcement.mutable_proxies() = hello.proxies();
  announcement.set_memory_bytes(hello.memory_bytes());
  if (options_.available_until.has_value()) {
    const absl::Duration since_epoch = *options_.available_until - absl::UnixEpoch();
    announcement.mutable_available_until()->set_seconds(absl::ToInt64Seconds(since_epoch));
  }
  if (!first && !google::protobuf::util::MessageDifferencer::Equals(announcement, announcement_)) {
    return absl::FailedPreconditionError(
        "the scorer was replaced by another one while the worker ran: start the worker again");
  }
  if (first) announcement_ = std::move(announcement);
  SetScorerPid(scorer_->pid());
  Log(LogLevel::kInfo, "scorer started",
      {{"pid", absl::StrCat(scorer_->pid())},
       {"device", hello.execution().device()},
       {"numerics", hello.execution().numerics()}});
  return absl::OkStatus();
}

AgentExit Agent::Work() {
  for (;;) {
    AgentExit reason = AgentExit::kStoppedEarly;
    if (scorer_ == nullptr) {
      if (const absl::Status started = StartScorer(); !started.ok() && !absl::IsCancelled(started)) {
        Log(LogLevel::kError, "the scorer does not start: the worker stops",
            {{"reason", std::string(started.message())}});
        return AgentExit::kScorerUnusable;
      }
    }
    const std::optional<v1::Lease> lease = NextLease(reason);
    if (!lease.has_value()) return reason;
    ScoreUnit(*lease);
  }
}

std::optional<v1::Lease> Agent::NextLease(AgentExit& reason) {
  MutexLock lock(mutex_);
  computing_ = false;
  for (;;) {
    reason = AgentExit::kStoppedEarly;
    if (stop_ == Stop::kReturnHeld) return std::nullopt;
    if (!queue_.empty()) {
      v1::Lease lease = std::move(queue_.front());
      queue_.pop_front();
      computing_ = true;
      synchronize_now_ = true;  // the next one, please
      changed_.NotifyAll();
      return lease;
    }
    if (stop_ == Stop::kFinishHeld) return std::nullopt;
    if (GaveUp()) {
      Log(LogLevel::kError, "the server is lost: the worker stops",
          {{"after", absl::FormatDuration(options_.give_up)}});
      return std::nullopt;
    }
    if (no_work_left_) {
      Log(LogLevel::kInfo, "no work left: the worker leaves");
      reason = AgentExit::kNoWorkLeft;
      return std::nullopt;
    }
    const absl::Time failing = std::min(failing_since_[kSession].value_or(absl::InfiniteFuture()),
                                        failing_since_[kScores].value_or(absl::InfiniteFuture()));
    if (failing == absl::InfiniteFuture()) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitFor(mutex_, failing + options_.give_up - absl::Now());
    }
  }
}

void Agent::ScoreUnit(const v1::Lease& lease) {
  const LogContext log({{"lease", LeaseText(lease.unit(), lease.attempt())}, {"job", absl::StrCat(lease.job())}});
  UnitReport report(*this, lease);
  report.Close(ScoreItems(lease, report));
}

v1::LeaseOutcome Agent::ScoreItems(const v1::Lease& lease, UnitReport& report) {
  for (int i = 0; i < lease.items_size(); ++i) {
    const v1::LeaseItem& item = lease.items(i);
    {
      MutexLock lock(mutex_);
      if (stop_ == Stop::kReturnHeld) return v1::LEASE_OUTCOME_RETURNED;
      const auto held = held_.find(lease.unit());
      if (held == held_.end() || held->second.attempt != lease.attempt()) return v1::LEASE_OUTCOME_UNSPECIFIED;
      held->second.done = static_cast<uint32_t>(i);
    }
    const std::vector<int> missing = MissingProxies(lease, item);
    if (missing.empty()) continue;
    const absl::Time start = absl::Now();
    absl::StatusOr<v1::ArchitectureResult> result = ScoreItem(lease, i, missing);
    if (result.ok()) {
      scorer_backoff_.Reset();
      (result->failure() == v1::FAILURE_KIND_UNSPECIFIED ? counters_.architectures_scored
                                                         : counters_.architectures_failed)
          .Add();
      counters_.architecture_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - start),
                                             {{"space", lease.cell().space()}, {"task", lease.cell().task()}});
      report.Add(*std::move(result), absl::Now() - start);
      continue;
    }
    std::string reason(result.status().message());
    if (absl::IsCancelled(result.status())) return v1::LEASE_OUTCOME_RETURNED;
    counters_.architectures_failed.Add();
    if (absl::IsUnavailable(result.status())) {
      counters_.scorer_crashes.Add();
      Log(LogLevel::kError, "the scorer died",
          {{"reason", reason},
           {"architecture", item.architecture()},
           {"space", lease.cell().space()},
           {"task", lease.cell().task()},
           {"seed", absl::StrCat(item.seed())}});
      scorer_ = nullptr;
      SetScorerPid(0);
      report.AddFailure(item, v1::FAILURE_KIND_CRASH, std::move(reason));
      return v1::LEASE_OUTCOME_CRASHED;
    }
    report.AddFailure(item, v1::FAILURE_KIND_ERROR, std::move(reason));
  }
  return v1::LEASE_OUTCOME_COMPLETED;
}

// UNAVAILABLE: the scorer died. CANCELLED: the agent stops; nothing was computed. Any other error is the
// architecture's.
absl::StatusOr<v1::ArchitectureResult> Agent::ScoreItem(const v1::Lease& lease, int index,
                                                        const std::vector<int>& missing) {
  const v1::LeaseItem& item = lease.items(index);
  v1::ScoreArchitecture request;
  *request.mutable_cell() = lease.cell();
  request.set_architecture(item.architecture());
  request.set_seed(item.seed());
  for (const int proxy : missing) {
    if (VersionOf(lease.proxies(proxy), lease.cell().space()).empty()) {
      return absl::NotFoundError(absl::StrCat("this worker does not hold the proxy `", lease.proxies(proxy),
                                              "` and the space `", lease.cell().space(), "`"));
    }
    request.add_proxies(lease.proxies(proxy));
  }
  if (const auto batch = lease.probe_batches().find(item.seed()); batch != lease.probe_batches().end()) {
    ZCB_RETURN_IF_ERROR(GiveProbeBatchToScorer(batch->second));
    request.set_probe_batch(batch->second);
  }
  if (index + 1 < lease.items_size() && lease.items(index + 1).seed() == item.seed()) {
    request.set_next_architecture(lease.items(index + 1).architecture());
  }
  ZCB_ASSIGN_OR_RETURN(v1::ArchitectureResult result, scorer_->Score(request));
  for (v1::ProxyScore& score : *result.mutable_scores()) {
    // From the position among those asked for to the position in the lease.
    if (score.proxy() >= missing.size())
      return absl::InternalError("the scorer answered for a proxy it was not asked for");
    score.set_proxy(static_cast<uint32_t>(missing[score.proxy()]));
  }
  return result;
}

absl::Status Agent::GiveProbeBatchToScorer(const std::string& digest) {
  if (std::find(scorers_batches_.begin(), scorers_batches_.end(), digest) != scorers_batches_.end()) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> content = cache_.Read(digest);
  if (absl::IsNotFound(content.status())) {
    content = std::string();
    Backoff backoff(options_.shortest_pause, options_.longest_pause);
    for (int damaged = 0;;) {
      const auto server = v1::ProbeBatchService::NewStub(channel());
      const absl::Status fetched = FetchProbeBatch(*server, digest, *content);
      if (fetched.ok()) break;
      if (IsRefusal(fetched) || absl::IsResourceExhausted(fetched)) return fetched;
      if (absl::IsDataLoss(fetched) && ++damaged == 3) return fetched;
      Log(LogLevel::kWarning, "fetching a probe batch goes on after a pause",
          {{"digest", digest}, {"bytes", absl::StrCat(content->size())}, {"reason", std::string(fetched.message())}});
      if (Pause(backoff.Next(), /*until_drained=*/true)) return absl::CancelledError("drained");
      MutexLock lock(mutex_);
      if (GaveUp()) return absl::CancelledError("the server is lost");
    }
    cache_.Write(digest, *content);
  }
  ZCB_RETURN_IF_ERROR(content.status());
  ZCB_RETURN_IF_ERROR(scorer_->LoadProbeBatch(digest, *std::move(content)));
  scorers_batches_.push_back(digest);
  if (scorers_batches_.size() > kProbeBatchesHeld) scorers_batches_.pop_front();
  return absl::OkStatus();
}

// The version of a series, `proxy.pass.space`; empty when the scorer does not hold both.
std::string Agent::VersionOf(const std::string& proxy, const std::string& space) const {
  const std::string name = proxy.substr(0, proxy.find('('));
  const auto known_proxy = std::find_if(announcement_.proxies().begin(), announcement_.proxies().end(),
                                        [&](const v1::ProxyInfo& info) { return info.name() == name; });
  const auto known_space = std::find_if(announcement_.spaces().begin(), announcement_.spaces().end(),
                                        [&](const v1::SpaceInfo& info) { return info.name() == space; });
  if (known_proxy == announcement_.proxies().end() || known_space == announcement_.spaces().end()) return "";
  return absl::StrCat(known_proxy->version(), ".", known_space->version());
}

void Agent::ReturnQueue() {
  std::deque<v1::Lease> queue;
  {
    MutexLock lock(mutex_);
    // An answer under way may bring a lease, or be lost with one: the server returns what it then does not hear of.
    const absl::Time deadline = absl::Now() + options_.recording_patience;
    while (stop_ != Stop::kNo && !leaving_said_ && !failing_since_[kSession].has_value() && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, deadline - absl::Now());
    }
    queue.swap(queue_);
  }
  for (const v1::Lease& lease : queue) UnitReport(*this, lease).Close(v1::LEASE_OUTCOME_RETURNED);
}

void Agent::Record(v1::RecordScoresRequest request) {
  request.set_request_id(NewRequestId());  // the session is filled in when it is sent
  if (request.close() != v1::LEASE_OUTCOME_UNSPECIFIED) {
    MutexLock lock(mutex_);
    const auto held = held_.find(request.unit());
    if (held != held_.end() && held->second.attempt == request.attempt()) held->second.closing = true;
  }
  for (bool logged = false;; logged = true) {
    const absl::Status added = spool_->Add(request);
    if (added.ok()) break;
    if (!logged)
      Log(LogLevel::kError, "the spool takes nothing: computing waits", {{"reason", std::string(added.message())}});
    bool stop = Pause(options_.shortest_pause, /*until_drained=*/true);
    MutexLock lock(mutex_);
    stop |= GaveUp();
    if (!stop) continue;
    Log(LogLevel::kError,
        "results are lost, since neither the server nor the spool took them: they will be computed again",
        {{"unit", absl::StrCat(request.unit())}, {"architectures", absl::StrCat(request.results_size())}});
    held_.erase(request.unit());
    return;
  }
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

// ---- The session's thread.

void Agent::KeepSession() {
  Backoff backoff(options_.shortest_pause, options_.longest_pause);
  for (;;) {
    const absl::Time start = absl::Now();
    const absl::StatusOr<absl::Duration> pause = Synchronize();
    absl::Status status = pause.status();
    if (status.ok()) {
      Reached(kSession, "Synchronize");
      backoff.Reset();
      MutexLock lock(mutex_);
      while (!ended_ && !synchronize_now_ && absl::Now() < start + *pause) {
        changed_.WaitFor(mutex_, start + *pause - absl::Now());
      }
      if (ended_) return;
      continue;
    }
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      if (absl::IsCancelled(status) && stop_ != Stop::kNo) continue;  // Drain() did that
    }
    if (absl::IsNotFound(status)) {
      Log(LogLevel::kWarning, "the session has ended: opening another one",
          {{"reason", std::string(status.message())}});
      status = OpenSession();
    }
    if (!status.ok()) {
      Failed(kSession, "Synchronize", status);
      (void)ReadServerAddress();  // the old one stays when there is no new one
    }
    if (Pause(backoff.Next(), /*until_drained=*/false)) return;
  }
}

absl::Status Agent::OpenSession() {
  grpc::ClientContext context;
  SetDeadline(context, kCallDeadline);
  v1::OpenSessionResponse response;
  const auto server = v1::WorkerService::NewStub(channel());
  ZCB_RETURN_IF_ERROR(FromGrpc(server->OpenSession(&context, announcement_, &response)));
  Reached(kSession, "OpenSession");
  MutexLock lock(mutex_);
  session_ = response.session();
  // A server that names no time, or a useless one, does not make us spin.
  heartbeat_ = response.has_heartbeat() ? FromProto(response.heartbeat()) : absl::Seconds(10);
  heartbeat_ = std::clamp(heartbeat_, absl::Milliseconds(10), absl::Minutes(1));
  Log(LogLevel::kInfo, "session opened",
      {{"worker", options_.name}, {"server", server_.address}, {"session", session_}});
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> Agent::Synchronize() {
  grpc::ClientContext context;
  v1::SynchronizeRequest request;
  absl::Duration wait;
  const absl::Time start = absl::Now();
  {
    MutexLock lock(mutex_);
    synchronize_now_ = false;
    request.set_session(session_);
    request.set_state(stop_ != Stop::kNo              ? v1::WORKER_STATE_DRAINING
                      : computing_ || !queue_.empty() ? v1::WORKER_STATE_BUSY
                                                      : v1::WORKER_STATE_IDLE);
    for (const auto& [unit, held] : held_) {
      v1::HeldLease& lease = *request.add_held();
      lease.set_unit(unit);
      lease.set_attempt(held.attempt);
      lease.set_done(held.done);
    }
    if (stop_ == Stop::kNo && !no_work_left_ && queue_.empty()) {
      request.set_wanted(1);
      wait = std::min(heartbeat_, kLongestWait);
      if (options_.exit_when_idle.has_value()) {  // else a call that began busy would keep an idle worker
        wait = std::clamp(idle_since_.value_or(start) + *options_.exit_when_idle - start, absl::ZeroDuration(), wait);
      }
      SetDuration(wait, *request.mutable_wait());
    }
    synchronizing_ = &context;
  }
  SetDeadline(context, wait + kCallDeadline);
  v1::SynchronizeResponse response;
  const auto server = v1::WorkerService::NewStub(channel());
  const absl::Status status = FromGrpc(server->Synchronize(&context, request, &response));

  MutexLock lock(mutex_);
  synchronizing_ = nullptr;
  changed_.NotifyAll();
  if (!status.ok()) {
    idle_since_.reset();  // not knowing of work is not having none
    return status;
  }
  leaving_said_ |= request.state() == v1::WORKER_STATE_DRAINING;
  for (const v1::HeldLease& sent : request.held()) {
    if (std::find(response.lost().begin(), response.lost().end(), sent.unit()) == response.lost().end()) continue;
    const auto held = held_.find(sent.unit());
    if (held == held_.end() || held->second.attempt != sent.attempt()) continue;
    if (!held->second.closing) {
      counters_.leases_lost.Add();
      Log(LogLevel::kInfo, "a lease is lost: what is left of its unit is dropped",
          {{"lease", LeaseText(sent.unit(), sent.attempt())}});
    }
    held_.erase(held);
    std::erase_if(queue_, [&](const v1::Lease& lease) { return lease.unit() == sent.unit(); });
  }
  for (v1::Lease& lease : *response.mutable_leases()) {
    const auto held = held_.find(lease.unit());
    if (held != held_.end() && held->second.attempt == lease.attempt()) continue;  // said twice
    held_[lease.unit()] = {.attempt = lease.attempt()};
    queue_.push_back(std::move(lease));
  }
  if (response.drain() && stop_ == Stop::kNo) {
    Log(LogLevel::kInfo, "the server drains this worker: what it holds is finished");
    stop_ = Stop::kFinishHeld;
    synchronize_now_ = true;
  }
  if (request.wanted() > 0 && request.held().empty() && held_.empty() && spool_->size() == 0) {
    if (!idle_since_.has_value()) idle_since_ = start;
    no_work_left_ = options_.exit_when_idle.has_value() && absl::Now() - *idle_since_ >= *options_.exit_when_idle;
  } else {
    idle_since_.reset();
  }
  // A call that waited for work may come back early with other news; asking again must not become a spin.
  return request.wanted() > 0 && response.leases().empty() ? std::min(heartbeat_, kAskAgain) : heartbeat_;
}

// ---- The recording thread.

void Agent::SendScores() {
  Backoff backoff(options_.shortest_pause, options_.longest_pause);
  std::string ended_session;
  for (;;) {
    std::optional<Spool::Entry> entry = spool_->Oldest();
    grpc::ClientContext context;
    {
      MutexLock lock(mutex_);
      if (ended_) return;
      if (!entry.has_value()) {
        if (spool_->size() == 0) changed_.Wait(mutex_);
        continue;
      }
      // Scores are recorded all the same when their session is over, like that of an earlier process.
      entry->request.set_session(entry->inherited || session_ == ended_session ? "" : session_);
      recording_ = &context;
    }
    SetDeadline(context, kCallDeadline);
    // So that the server's log has the lines of this request under the id that ours has.
    context.AddMetadata("x-request-id", entry->request.request_id());
    const LogContext log({{"lease", LeaseText(entry->request.unit(), entry->request.attempt())},
                          {"request", entry->request.request_id()}});
    v1::RecordScoresResponse response;
    const auto server = v1::WorkerService::NewStub(channel());
    const absl::Status status = FromGrpc(server->RecordScores(&context, entry->request, &response));
    {
      MutexLock lock(mutex_);
      recording_ = nullptr;
    }
    if (status.ok()) {
      spool_->Remove(entry->number);
      const auto conflicts =
          std::count(response.dispositions().begin(), response.dispositions().end(), v1::DISPOSITION_CONFLICT);
      if (conflicts > 0) {
        Log(LogLevel::kWarning, "scores differ from those recorded before", {{"scores", absl::StrCat(conflicts)}});
      }
    } else if (absl::IsNotFound(status) && !entry->request.session().empty()) {
      ended_session = entry->request.session();
      continue;
    } else if (IsRefusal(status)) {
      spool_->SetAside(entry->number, absl::StrCat("the server refuses it: ", std::string(status.message())));
    } else {
      Failed(kScores, "RecordScores", status);
      if (Pause(backoff.Next(), /*until_drained=*/false)) return;
      continue;
    }
    Reached(kScores, "RecordScores");
    backoff.Reset();
    MutexLock lock(mutex_);
    if (entry->request.close() != v1::LEASE_OUTCOME_UNSPECIFIED) {
      const auto held = held_.find(entry->request.unit());
      if (held != held_.end() && held->second.attempt == entry->request.attempt()) held_.erase(held);
    }
    changed_.NotifyAll();
  }
}

// ---- Shared.

absl::Status Agent::ReadServerAddress() {
  ServerFile server;
  server.address = options_.server;
  if (!options_.server_file.empty()) {
    absl::StatusOr<ServerFile> file = ReadServerFile(options_.server_file);
    // Whoever waits for the server reads it again: it may be there soon, or replaced.
    if (absl::IsInvalidArgument(file.status())) return absl::UnavailableError(file.status().message());
    ZCB_RETURN_IF_ERROR(file.status());
    server = *std::move(file);
  }
  {
    MutexLock lock(mutex_);
    if (channel_ != nullptr && server.address == server_.address && server.certificate == server_.certificate &&
        server.tokens == server_.tokens) {
      return absl::OkStatus();
    }
  }
  ZCB_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> made, MakeChannel(server, "worker"));
  MutexLock lock(mutex_);
  server_ = std::move(server);
  channel_ = std::move(made);
  return absl::OkStatus();
}

void Agent::SetScorerPid(pid_t pid) {
  MutexLock lock(mutex_);
  scorer_pid_ = pid;
  if (pid != 0) device_memory_ = announcement_.memory_bytes();
}

AgentState Agent::state() const {
  AgentState state;
  state.spooled = spool_->size();
  if (options_.available_until.has_value()) state.walltime_left = *options_.available_until - absl::Now();
  MutexLock lock(mutex_);
  state.state = stop_ != Stop::kNo ? "draining" : computing_ || !queue_.empty() ? "busy" : "idle";
  state.leases = held_.size();
  state.device_memory_bytes = device_memory_;
  state.scorer = scorer_pid_;
  return state;
}

std::shared_ptr<grpc::Channel> Agent::channel() {
  MutexLock lock(mutex_);
  return channel_;
}

void Agent::Reached(Contact contact, const char* call) {
  MutexLock lock(mutex_);
  if (!failing_since_[contact].has_value()) return;
  Log(LogLevel::kInfo, "the server answers again",
      {{"call", call}, {"after", absl::FormatDuration(absl::Now() - *failing_since_[contact])}});
  failing_since_[contact].reset();
  changed_.NotifyAll();
}

void Agent::Failed(Contact contact, const char* call, const absl::Status& status) {
  counters_.calls_failed.Add();
  MutexLock lock(mutex_);
  if (failing_since_[contact].has_value()) return;  // said already
  Log(IsTokenRefused(status) ? LogLevel::kError : LogLevel::kWarning,
      IsTokenRefused(status) ? absl::StrCat(kTokenRefused, ": trying again with what the server file says then")
                             : "the server does not answer: trying again",
      {{"call", call}, {"for", absl::FormatDuration(options_.give_up)}, {"reason", std::string(status.message())}});
  failing_since_[contact] = absl::Now();
  changed_.NotifyAll();
}

bool Agent::GaveUp() const {
  return std::any_of(std::begin(failing_since_), std::end(failing_since_), [&](const std::optional<absl::Time>& since) {
    return since.has_value() && absl::Now() - *since >= options_.give_up;
  });
}

bool Agent::Pause(absl::Duration pause, bool until_drained) {
  const absl::Time end = absl::Now() + pause;
  MutexLock lock(mutex_);
  while (absl::Now() < end) {
    if (ended_ || (until_drained && stop_ == Stop::kReturnHeld)) return true;
    changed_.WaitFor(mutex_, end - absl::Now());
  }
  return false;
}

}  // namespace zcbench
