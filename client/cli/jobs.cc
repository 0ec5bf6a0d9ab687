// failures, conflicts, why, audit, pause, resume, stop, cancel, workers, drain: small questions and orders.
#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/progress.h"

namespace zcbench {
namespace {

// The job's number; 0 stands for the newest one, which is looked up.
absl::StatusOr<int64_t> ResolveJob(Client& client, const std::string& text) {
  ZCB_ASSIGN_OR_RETURN(const int64_t id, ParseJobId(text));
  if (id != 0) return id;
  ZCB_ASSIGN_OR_RETURN(const pb::Job newest, client.GetJob(0));
  return newest.id();
}

class Failures final : public Command {
 public:
  std::string name() const override { return "failures"; }

  void Declare(CLI::App& app) override {
    Describe(app, "What failed in a job, by cause, with an example of each",
             "Kinds: out of memory, crash, error (of the model or a pass); after three attempts an architecture has "
             "failed for good.\n"
             "Scores that are no number (not finite, undefined) are listed too: they are answers and are not tried "
             "again.");
    app.add_option("job", job_, "The job's number, or last (default: last)");
    app.add_flag("--retry", retry_, "Give what failed for good three more attempts");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench failures\n  zcbench failures 3 --format json\n  zcbench failures 3 --retry");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ResolveJob(*client, job_));
    if (retry_) {
      ZCB_ASSIGN_OR_RETURN(const pb::RetryFailuresResponse retried, client->RetryFailures(id));
      Say(retried.retried() == 0 ? absl::StrCat("job ", id, " has nothing that failed for good")
                                 : absl::StrCat(retried.retried(), " architectures of job ", id,
                                                " are tried again; see `zcbench watch ", id, "`"));
      return kExitDone;
    }
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Failure> failures, client->ListFailures(id));
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Failure& failure : failures) {
      rows.push_back({FailureWord(failure.kind()), failure.count(), failure.for_good(), failure.example_architecture(),
                      failure.example_seed(), failure.example_proxy(), failure.example_worker(), failure.message()});
    }
    PrintTable(std::cout, format_.format(),
               {{"kind"},
                {"count", true},
                {"for_good", true},
                {"example"},
                {"seed", true},
                {"proxy"},
                {"worker"},
                {"message"}},
               rows);
    if (failures.empty()) Say(absl::StrCat("job ", id, " has no failures"));
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string job_;
  bool retry_ = false;
};

// pause, resume, stop, cancel.
class Order final : public Command {
 public:
  struct Text {
    const char* name;
    pb::JobOrder order;
    const char* summary;
    const char* details;
  };

  explicit Order(const Text& text) : text_(text) {}

  std::string name() const override { return text_.name; }

  void Declare(CLI::App& app) override {
    Describe(app, text_.summary, text_.details);
    app.add_option("job", job_, "The job's number, or last")->required();
    server_.Declare(app);
    SetExamples(app, absl::StrCat("  zcbench ", text_.name, " 3\n  zcbench ", text_.name, " last"));
  }

  absl::StatusOr<int> Run() override {
    ZCB_RETURN_IF_ERROR(ParseJobId(job_).status());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ResolveJob(*client, job_));
    ZCB_ASSIGN_OR_RETURN(const pb::Job job, client->ControlJob(id, text_.order));
    switch (job.state()) {
      case pb::JOB_STATE_PAUSED:
        Say(absl::StrCat("job ", id, " is paused at ", job.done(), " of ", job.total(), "; `zcbench resume ", id,
                         "` lets it go on"));
        break;
      case pb::JOB_STATE_RUNNING:
        Say(absl::StrCat("job ", id, " goes on at ", job.done(), " of ", job.total()));
        break;
      default:
        Say(EndText(job));
    }
    return kExitDone;
  }

 private:
  const Text text_;
  ServerOption server_;
  std::string job_;
};

std::string ScoreText(pb::ScoreOutcome outcome, double score) {
  switch (outcome) {
    case pb::SCORE_OUTCOME_OK:
      return absl::StrFormat("%.9g", score);
    case pb::SCORE_OUTCOME_NOT_FINITE:
      return "not finite";
    default:
      return "undefined";
  }
}

void PrintConflicts(const pb::ListConflictsResponse& conflicts, Format format) {
  std::vector<std::vector<TableCell>> rows;
  for (const pb::Conflict& conflict : conflicts.conflicts()) {
    rows.push_back({conflict.architecture(), conflict.space(), conflict.task(), conflict.proxy(),
                    conflict.has_seed() ? TableCell(conflict.seed()) : TableCell(),
                    ScoreText(conflict.recorded_outcome(), conflict.recorded_score()), conflict.recorded_worker(),
                    ScoreText(conflict.outcome(), conflict.score()), conflict.worker(),
                    TimestampText(conflict.time())});
  }
  PrintTable(std::cout, format,
             {{"architecture"},
              {"space"},
              {"task"},
              {"proxy"},
              {"seed", true},
              {"recorded", true},
              {"by"},
              {"other", true},
              {"other_by"},
              {"time"}},
             rows);
}

class Conflicts final : public Command {
 public:
  std::string name() const override { return "conflicts"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Scores that differed from the recorded ones",
             "The first score of a key stays; a later one that differs by more than the proxy's tolerance is listed "
             "here, at most\n"
             "1,000, the latest first. Exit code 1: there are some.");
    app.add_option("job", job_, "Only of this job's columns: its number, or last (default: all)");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench conflicts\n  zcbench conflicts 3 --format csv");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    int64_t id = 0;
    if (!job_.empty()) {
      ZCB_ASSIGN_OR_RETURN(id, ResolveJob(*client, job_));
    }
    ZCB_ASSIGN_OR_RETURN(const pb::ListConflictsResponse conflicts, client->ListConflicts(id));
    PrintConflicts(conflicts, format_.format());
    Say(absl::StrCat(conflicts.total(), conflicts.total() == 1 ? " score differs" : " scores differ"));
    return conflicts.total() > 0 ? kExitFailed : kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string job_;
};

class Why final : public Command {
 public:
  std::string name() const override { return "why"; }

  void Declare(CLI::App& app) override {
    Describe(app, "What a job waits for, worker by worker");
    app.add_option("job", job_, "The job's number, or last (default: last)");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench why\n  zcbench why 3 --format json");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ParseJobId(job_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const pb::ExplainJobResponse answer, client->ExplainJob(id));
    std::vector<std::vector<TableCell>> rows;
    for (const pb::JobReason& reason : answer.reasons()) {
      rows.push_back(
          {reason.worker().empty() ? absl::StrCat("job ", answer.job().id()) : reason.worker(), reason.reason()});
    }
    PrintTable(std::cout, format_.format(), {{"about"}, {"reason"}}, rows);
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string job_;
};

class AuditCommand final : public Command {
 public:
  std::string name() const override { return "audit"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Computes a share of a job's scores once more, on other workers, and compares",
             "The audit is a job of its own. It needs a worker of the scores' numerics class other than the one that "
             "computed them.\n"
             "Exit code 1: scores differ by more than their proxy's tolerance; the recorded ones stay.");
    app.add_option("job", job_, "The job's number, or last (default: last)");
    app.add_option("--fraction", fraction_, "Of its architectures, in (0, 1] (default: 0.01)");
    app.add_option("--sample-seed", sample_seed_, "Which ones; the same again is the same audit (default: 0)");
    app.add_flag("--no-watch", detach_, "Do not wait for the audit's end");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench audit\n  zcbench audit 3 --fraction 0.05 --sample-seed 1");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ResolveJob(*client, job_));
    ZCB_ASSIGN_OR_RETURN(const pb::Job audit, client->AuditJob(id, fraction_, sample_seed_));
    Say(absl::StrCat("job ", audit.id(), " audits ", audit.total(), " architectures of job ", id));
    if (detach_) return kExitDone;
    ZCB_ASSIGN_OR_RETURN(const int code, WatchJob(*client, audit.id(), absl::Seconds(60)));
    if (code != kExitDone) return code;
    ZCB_ASSIGN_OR_RETURN(const pb::Job done, client->GetJob(audit.id()));
    ZCB_ASSIGN_OR_RETURN(const pb::ListConflictsResponse conflicts, client->ListConflicts(audit.id()));
    if (conflicts.total() > 0) PrintConflicts(conflicts, format_.format());
    Say(absl::StrCat(done.done() - done.reused(), " compared, ", done.reused(),
                     " left out since they are not complete, ", conflicts.total(), " scores differ"));
    return conflicts.total() > 0 ? kExitFailed : kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string job_;
  double fraction_ = 0.01;
  uint64_t sample_seed_ = 0;
  bool detach_ = false;
};

std::string StateWord(const pb::Worker& worker) {
  if (worker.lost()) return "lost";
  switch (worker.state()) {
    case pb::WORKER_STATE_IDLE:
      return "idle";
    case pb::WORKER_STATE_BUSY:
      return "busy";
    case pb::WORKER_STATE_DRAINING:
      return "draining";
    default:
      return "unknown";
  }
}

class Workers final : public Command {
 public:
  std::string name() const override { return "workers"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "The workers of the server: what they run on, hold and do, how fast, and for how long",
        "The table shows live facts in words: the lease that each has held longest and for how long, "
        "architectures a second over the\n"
        "last minute, how long ago it was heard of, and until its machine goes away. csv and json have all numbers.");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench workers\n  zcbench workers --format json");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Worker> workers, client->ListWorkers());
    if (format_.format() == Format::kTable) {
      PrintForPeople(workers);
    } else {
      PrintAll(workers);
    }
    if (workers.empty())
      Say("no worker has connected to " + client->address() +
          "; start one with `zcbench-worker run --server-file FILE`");
    return kExitDone;
  }

 private:
  // Ours and the server's clock may differ a little.
  static absl::Duration Since(const google::protobuf::Timestamp& time) {
    return std::max(absl::Now() - ToTime(time), absl::ZeroDuration());
  }

  void PrintForPeople(const std::vector<pb::Worker>& workers) const {
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Worker& worker : workers) {
      const pb::WorkerLease* const lease = worker.held().empty() ? nullptr : &worker.held(0);
      const auto text = [](bool known, const auto& make) { return known ? TableCell(make()) : TableCell(); };
      rows.push_back({worker.name(), StateWord(worker), worker.execution().host(), worker.execution().device(),
                      text(worker.memory_bytes() > 0, [&] { return MemoryText(worker.memory_bytes()); }),
                      text(lease != nullptr, [&] { return absl::StrCat(lease->unit(), "/", lease->attempt()); }),
                      text(lease != nullptr, [&] { return DurationText(Since(lease->since())); }),
                      text(worker.rate() > 0, [&] { return RateText(worker.rate()); }),
                      absl::StrCat(DurationText(Since(worker.last_seen())), " ago"),
                      text(worker.has_available_until(),
                           [&] {
                             return DurationText(
                                 std::max(ToTime(worker.available_until()) - absl::Now(), absl::ZeroDuration()));
                           }),
                      worker.execution().zcbench_version(), worker.execution().numerics()});
    }
    PrintTable(std::cout, Format::kTable,
               {{"worker"},
                {"state"},
                {"host"},
                {"device"},
                {"memory", true},
                {"lease", true},
                {"held_for", true},
                {"rate", true},
                {"heard_of", true},
                {"leaves_in", true},
                {"version"},
                {"numerics"}},
               rows);
  }

  void PrintAll(const std::vector<pb::Worker>& workers) const {
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Worker& worker : workers) {
      const pb::WorkerLease* const lease = worker.held().empty() ? nullptr : &worker.held(0);
      const auto of_lease = [&](const auto& get) { return lease == nullptr ? TableCell() : TableCell(get(*lease)); };
      rows.push_back(
          {worker.name(), StateWord(worker), worker.execution().host(), worker.execution().device(),
           worker.memory_bytes() > 0 ? TableCell(worker.memory_bytes()) : TableCell(), uint64_t{worker.leases()},
           of_lease([](const pb::WorkerLease& held) { return held.unit(); }),
           of_lease([](const pb::WorkerLease& held) { return int64_t{held.attempt()}; }),
           lease == nullptr || lease->job() == 0 ? TableCell() : TableCell(lease->job()),
           of_lease([](const pb::WorkerLease& held) { return uint64_t{held.done()}; }),
           of_lease([](const pb::WorkerLease& held) { return TimestampText(held.since()); }), worker.completed(),
           worker.completed() > 0 ? TableCell(worker.seconds_per_architecture()) : TableCell(), worker.rate(),
           TimestampText(worker.last_seen()),
           worker.has_available_until() ? TableCell(TimestampText(worker.available_until())) : TableCell(),
           worker.execution().zcbench_version(), worker.execution().commit(), worker.execution().numerics()});
    }
    PrintTable(std::cout, format_.format(),
               {{"worker"},
                {"state"},
                {"host"},
                {"device"},
                {"memory_bytes", true},
                {"leases", true},
                {"unit", true},
                {"attempt", true},
                {"job", true},
                {"unit_done", true},
                {"leased_since"},
                {"completed", true},
                {"seconds_per_architecture", true},
                {"rate", true},
                {"last_seen"},
                {"available_until"},
                {"version"},
                {"commit"},
                {"numerics"}},
               rows);
  }

  ServerOption server_;
  FormatOption format_;
};

class Drain final : public Command {
 public:
  std::string name() const override { return "drain"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Lets a worker finish what it holds and leave");
    app.add_option("worker", worker_, "The worker's name (see: zcbench workers)")->required();
    server_.Declare(app);
    SetExamples(app, "  zcbench drain gpu-3");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_RETURN_IF_ERROR(client->DrainWorker(worker_));
    Say(absl::StrCat("worker ", worker_, " finishes what it holds and leaves"));
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string worker_;
};

}  // namespace

std::unique_ptr<Command> MakeFailures() { return std::make_unique<Failures>(); }
std::unique_ptr<Command> MakeConflicts() { return std::make_unique<Conflicts>(); }
std::unique_ptr<Command> MakeWhy() { return std::make_unique<Why>(); }
std::unique_ptr<Command> MakeAudit() { return std::make_unique<AuditCommand>(); }
std::unique_ptr<Command> MakePause() {
  return std::make_unique<Order>(Order::Text{"pause", pb::JOB_ORDER_PAUSE, "Gives nothing more of a job out for now",
                                             "What workers hold is finished and recorded."});
}
std::unique_ptr<Command> MakeResume() {
  return std::make_unique<Order>(
      Order::Text{"resume", pb::JOB_ORDER_RESUME, "Lets a paused job go on", "It goes on where it was."});
}
std::unique_ptr<Command> MakeStop() {
  return std::make_unique<Order>(Order::Text{
      "stop", pb::JOB_ORDER_STOP, "Ends a job; what workers hold is finished",
      "It is finished and recorded, nothing more is given out. Submitted again, the job runs for what it lacks."});
}
std::unique_ptr<Command> MakeCancel() {
  return std::make_unique<Order>(Order::Text{
      "cancel", pb::JOB_ORDER_CANCEL, "Ends a job at once; workers drop what they hold",
      "Only the architecture in hand is finished, and recorded. Submitted again, the job runs for what it lacks."});
}
std::unique_ptr<Command> MakeWorkers() { return std::make_unique<Workers>(); }
std::unique_ptr<Command> MakeDrain() { return std::make_unique<Drain>(); }

}  // namespace zcbench
