// watch: the progress of a job.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/progress.h"
#include "client/cli/signals.h"

namespace zcbench {
namespace {

constexpr absl::Duration kTerminalStep = absl::Milliseconds(250);
constexpr absl::Duration kPlainStep = absl::Seconds(1);
constexpr absl::Duration kPlainLine = absl::Seconds(30);
// Workers and failures change slowly, and asking for them costs the server more than the job.
constexpr absl::Duration kDetailStep = absl::Seconds(2);

int TerminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

// The server's view of one job at one time.
struct Snapshot {
  pb::Job job;
  std::vector<pb::Worker> workers;
  std::vector<pb::Failure> failures;
};

absl::Status AddDetails(Client& client, Snapshot& snapshot) {
  ZCB_ASSIGN_OR_RETURN(snapshot.workers, client.ListWorkers());
  ZCB_ASSIGN_OR_RETURN(snapshot.failures, client.ListFailures(snapshot.job.id()));
  return absl::OkStatus();
}

// The one line at the bottom of a terminal, or plain lines elsewhere; with `json` lines of JSON on standard output.
class Display {
 public:
  Display(bool terminal, bool json) : terminal_(terminal), json_(json) {}
  ~Display() { Clear(); }

  void Show(const Snapshot& snapshot) {
    if (json_) {
      if (absl::Now() >= next_line_) PrintJson(snapshot);
    } else if (terminal_) {
      std::cerr << "\r\x1b[K" << ProgressText(snapshot.job, snapshot.workers, snapshot.failures, TerminalWidth())
                << std::flush;
      drawn_ = true;
    } else if (absl::Now() >= next_line_) {
      Say(ProgressText(snapshot.job, snapshot.workers, snapshot.failures, 0));
      next_line_ = absl::Now() + kPlainLine;
    }
  }

  // How the job ended.
  void ShowEnd(const Snapshot& snapshot) {
    if (json_) return PrintJson(snapshot);
    Print(EndText(snapshot.job));
  }

  // A line that stays, above the progress.
  void Print(const std::string& line) {
    Clear();
    Say(line);
  }

 private:
  void PrintJson(const Snapshot& snapshot) {
    std::cout << ProgressJson(snapshot.job, snapshot.workers, snapshot.failures)
              << std::endl;  // to be read as it comes
    next_line_ = absl::Now() + kPlainLine;
  }
  void Clear() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
    drawn_ = false;
  }

  const bool terminal_;
  const bool json_;
  bool drawn_ = false;
  absl::Time next_line_ = absl::InfinitePast();
};

absl::StatusOr<int> Follow(Client& client, int64_t job, absl::Duration patience, bool json) {
  const bool terminal = ErrorIsTerminal();
  Signals signals({SIGINT, SIGTERM});
  Display display(terminal, json);
  Snapshot snapshot;
  absl::Time next_details = absl::InfinitePast();
  std::optional<absl::Time> away_since;
  const auto refresh = [&]() -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(snapshot.job, client.GetJob(job));
    job = snapshot.job.id();  // of the newest, so that a newer one does not take its place
    // The last ones belong to the end.
    if (absl::Now() < next_details && !snapshot.job.has_finished()) return absl::OkStatus();
    ZCB_RETURN_IF_ERROR(AddDetails(client, snapshot));
    next_details = absl::Now() + kDetailStep;
    return absl::OkStatus();
  };
  for (;;) {
    const absl::Status status = refresh();
    if (status.ok()) {
      if (away_since.has_value()) display.Print("the server answers again");
      away_since.reset();
      switch (snapshot.job.state()) {
        case pb::JOB_STATE_DONE:
          display.ShowEnd(snapshot);
          return kExitDone;
        case pb::JOB_STATE_DONE_WITH_FAILURES:
          display.ShowEnd(snapshot);
          return kExitFailed;
        case pb::JOB_STATE_CANCELLED:
          display.ShowEnd(snapshot);
          return kExitStopped;
        default:
          display.Show(snapshot);
      }
    } else if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
      if (!away_since.has_value()) {
        away_since = absl::Now();
        display.Print(absl::StrCat(status.message(), "; trying again for ", DurationText(patience)));
      }
      if (absl::Now() - *away_since >= patience) {
        display.Print("zcbench: the server is lost; what was recorded is kept, and the job goes on when it is back");
        return kExitStopped;
      }
    } else {
      return status;
    }
    if (signals.Wait(terminal ? kTerminalStep : kPlainStep) != 0) {
      display.Print(absl::StrCat("the job goes on; see it again with `zcbench watch ", job, "`"));
      return kExitStopped;
    }
  }
}

class Watch final : public Command {
 public:
  std::string name() const override { return "watch"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Shows the progress of a job until it ends",
        "Done/total, rate over the last minute, time left, workers, failures by class; where there are some, "
        "conflicts (see:\n"
        "zcbench conflicts), leases that expired, and how long the oldest free unit has waited. Ctrl-C only leaves "
        "the view, the job\n"
        "goes on. Exit code 0: all done; 1: some architectures failed for good; 75: left, cancelled, or the server was "
        "lost.");
    app.add_option("job", job_, "The job's number, or last (default: last)");
    app.add_flag("--once", once_, "Print one line on standard output and end");
    app.add_option("--format", format_,
                   "text, or json: one object a line on standard output, every 30 s and at the end")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    app.add_option("--patience", patience_, "Seconds to wait for a server that stops answering (default: 60)")
        ->check(CLI::NonNegativeNumber);
    server_.Declare(app);
    SetExamples(app,
                "  zcbench watch\n  zcbench watch 3\n  zcbench watch --once\n  zcbench watch --once --format json");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const int64_t id, ParseJobId(job_));
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    const bool json = format_ == "json";
    if (!once_) return Follow(*client, id, absl::Seconds(patience_), json);
    Snapshot snapshot;
    ZCB_ASSIGN_OR_RETURN(snapshot.job, client->GetJob(id));
    ZCB_RETURN_IF_ERROR(AddDetails(*client, snapshot));
    if (json) {
      std::cout << ProgressJson(snapshot.job, snapshot.workers, snapshot.failures) << '\n';
      return kExitDone;
    }
    const pb::JobState state = snapshot.job.state();
    const bool open = state == pb::JOB_STATE_RUNNING || state == pb::JOB_STATE_PAUSED;
    std::cout << (open ? ProgressText(snapshot.job, snapshot.workers, snapshot.failures, 0) : EndText(snapshot.job))
              << '\n';
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string job_;
  bool once_ = false;
  double patience_ = 60;
  std::string format_ = "text";
};

}  // namespace

absl::StatusOr<int> WatchJob(Client& client, int64_t job, absl::Duration patience) {
  return Follow(client, job, patience, /*json=*/false);
}

std::unique_ptr<Command> MakeWatch() { return std::make_unique<Watch>(); }

}  // namespace zcbench
