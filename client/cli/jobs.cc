// failures, cancel, workers, drain: small questions and orders.
#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/progress.h"

namespace zcbench {
namespace {

class Failures final : public Command {
 public:
  std::string name() const override { return "failures"; }

  void Declare(CLI::App& app) override {
    Describe(app, "What failed in a job, by cause, with an example of each");
    app.add_option("job", job_, "The job's number, or last (default: last)");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench failures\n  zcbench failures 3 --format json");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(int64_t id, ParseJobId(job_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    if (id == 0) {
      ZCB_ASSIGN_OR_RETURN(const pb::Job job, client->GetJob(0));
      id = job.id();
    }
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Failure> failures, client->ListFailures(id));
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Failure& failure : failures) {
      rows.push_back({FailureWord(failure.kind()), failure.count(), failure.for_good(), failure.example_architecture(),
                      failure.example_seed(), failure.example_worker(), failure.message()});
    }
    PrintTable(std::cout, format_.format(),
               {{"kind"}, {"count", true}, {"for_good", true}, {"example"}, {"seed", true}, {"worker"}, {"message"}},
               rows);
    if (failures.empty()) Say(absl::StrCat("job ", id, " has no failures"));
    return kExitDone;
  }

 private:
  ServerOption server_;
  FormatOption format_;
  std::string job_;
};

class Cancel final : public Command {
 public:
  std::string name() const override { return "cancel"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Ends a job", "What workers hold is finished and recorded, nothing more is given out.");
    app.add_option("job", job_, "The job's number, or last")->required();
    server_.Declare(app);
    SetExamples(app, "  zcbench cancel 3\n  zcbench cancel last");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(int64_t id, ParseJobId(job_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    if (id == 0) {
      ZCB_ASSIGN_OR_RETURN(const pb::Job newest, client->GetJob(0));
      id = newest.id();
    }
    ZCB_ASSIGN_OR_RETURN(const pb::Job job, client->CancelJob(id));
    Say(job.state() == pb::JOB_STATE_RUNNING ? absl::StrCat("job ", job.id(), " ends when its workers are through")
                                             : EndText(job));
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string job_;
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
    Describe(app, "The workers of the server: what they run on, what they do, how fast");
    server_.Declare(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench workers\n  zcbench workers --format csv");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::vector<pb::Worker> workers, client->ListWorkers());
    std::vector<std::vector<TableCell>> rows;
    for (const pb::Worker& worker : workers) {
      rows.push_back({worker.name(), StateWord(worker), worker.execution().host(), worker.execution().device(),
                      uint64_t{worker.leases()}, worker.completed(),
                      worker.completed() > 0 ? TableCell(worker.seconds_per_architecture()) : TableCell(),
                      TimestampText(worker.last_seen()), worker.execution().numerics()});
    }
    PrintTable(std::cout, format_.format(),
               {{"worker"},
                {"state"},
                {"host"},
                {"device"},
                {"leases", true},
                {"completed", true},
                {"seconds_per_architecture", true},
                {"last_seen"},
                {"numerics"}},
               rows);
    if (workers.empty())
      Say("no worker has connected; start one with `zcbench-worker --server " + client->address() + "`");
    return kExitDone;
  }

 private:
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
std::unique_ptr<Command> MakeCancel() { return std::make_unique<Cancel>(); }
std::unique_ptr<Command> MakeWorkers() { return std::make_unique<Workers>(); }
std::unique_ptr<Command> MakeDrain() { return std::make_unique<Drain>(); }

}  // namespace zcbench
