// doctor: whether everything that zcbench needs is there and well, and what to do where it is not.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/memory.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/process.h"
#include "client/cli/progress.h"
#include "nas/data/shipped.h"
#include "proto/channel.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

constexpr absl::Duration kCertificateWarning = absl::Hours(24 * 30);
constexpr absl::Duration kClockWarning = absl::Seconds(5);
constexpr uint64_t kMebibyte = 1 << 20;
constexpr uint64_t kLeastDisk = 256 * kMebibyte;           // below it a full disk is near
constexpr uint64_t kLeastWorkerMemory = 2048 * kMebibyte;  // a scorer with a probe batch at 224 pixels
constexpr uint64_t kLeastServerMemory = 256 * kMebibyte;

enum class State { kOk, kWarning, kError };

struct Finding {
  const char* check;
  State state;
  std::string text;
  std::string advice;  // empty: nothing to do
};

std::string StateWord(State state) {
  return state == State::kOk ? "ok" : state == State::kWarning ? "warning" : "error";
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

class Doctor final : public Command {
 public:
  std::string name() const override { return "doctor"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Looks at the server, its database and this machine, and says what is wrong and what to do",
             "One line a check: ok, warning or error. The server: its file, certificate, version, clock, database, "
             "disk, jobs. This\n"
             "machine: the programs, the scorer with its LibTorch, the shipped images, memory. Whether the database "
             "is whole is asked\n"
             "with `zcbench store check`, which takes longer. Exit code 0: no error; 1: at least one.");
    server_.DeclareReading(app);
    format_.Declare(app);
    SetExamples(app, "  zcbench doctor\n  zcbench doctor --format json\n  zcbench doctor --file benchmark.db");
  }

  absl::StatusOr<int> Run() override {
    CheckServer();
    CheckMachine();
    if (format_.format() != Format::kTable) {
      std::vector<std::vector<TableCell>> rows;
      for (const Finding& finding : findings_) {
        rows.push_back({std::string(finding.check), StateWord(finding.state), finding.text,
                        finding.advice.empty() ? TableCell() : TableCell(finding.advice)});
      }
      PrintTable(std::cout, format_.format(), {{"check"}, {"state"}, {"finding"}, {"advice"}}, rows);
    }
    const bool failed = std::any_of(findings_.begin(), findings_.end(),
                                    [](const Finding& finding) { return finding.state == State::kError; });
    return failed ? kExitFailed : kExitDone;
  }

 private:
  // A line for people is printed at once: some checks take seconds.
  void Add(const char* check, State state, std::string text, std::string advice = "") {
    if (format_.format() == Format::kTable) {
      std::cout << absl::StrFormat("%-8s %-12s %s", StateWord(state), check, text)
                << (advice.empty() ? "" : absl::StrCat("; ", advice)) << std::endl;
    }
    findings_.push_back({check, state, std::move(text), std::move(advice)});
  }

  void CheckServer() {
    const absl::StatusOr<std::unique_ptr<Client>> connected = server_.Connect();
    const absl::StatusOr<ServerFile> file = server_.Find();
    if (!server_.reads_file()) CheckServerFile(file);
    if (!connected.ok()) {
      // What is wrong with the file was said.
      if (!server_.reads_file() && !file.ok() && !absl::IsUnavailable(file.status())) return;
      Add("server", State::kError, std::string(connected.status().message()));
      return;
    }
    Client& client = **connected;
    Add("server", State::kOk, absl::StrCat("answers at ", client.address()));
    const absl::Time asked = absl::Now();
    const absl::StatusOr<pb::DescribeStoreResponse> store = client.DescribeStore();
    const absl::Time answered = absl::Now();
    if (!store.ok()) {
      Add("store", State::kError, std::string(store.status().message()));
    } else {
      CheckVersion(*store);
      CheckClock(*store, asked, answered);
      CheckStore(*store);
    }
    CheckJobs(client);
  }

  void CheckServerFile(const absl::StatusOr<ServerFile>& file) {
    if (!file.ok()) {
      // Without any file the server's own line says it all.
      if (!absl::IsUnavailable(file.status())) Add("server file", State::kError, std::string(file.status().message()));
      return;
    }
    if (file->certificate.empty()) {
      Add("server file", State::kOk, "the connection has neither TLS nor token: it is for this machine alone");
      return;
    }
    Add("server file", State::kOk, "only you can read it");
    const absl::StatusOr<CertificateFacts> certificate = DescribeCertificate(file->certificate);
    if (!certificate.ok()) {
      Add("certificate", State::kError, std::string(certificate.status().message()), "copy the server file again");
      return;
    }
    const std::string until = absl::FormatTime("%Y-%m-%d", certificate->expires, absl::UTCTimeZone());
    const absl::Duration left = certificate->expires - absl::Now();
    const char* const renew = "start the server again, which renews it, and copy the server file to whoever has one";
    if (left < absl::ZeroDuration()) {
      Add("certificate", State::kError, absl::StrCat("it expired on ", until), renew);
    } else if (left < kCertificateWarning) {
      Add("certificate", State::kWarning, absl::StrCat("it expires on ", until), renew);
    } else {
      Add("certificate", State::kOk, absl::StrCat("valid until ", until));
    }
  }

  void CheckVersion(const pb::DescribeStoreResponse& store) {
    if (store.zcbench_version() == ZCB_VERSION) {
      Add("version", State::kOk, "zcbench " ZCB_VERSION ", as the server");
    } else {
      Add("version", State::kWarning, absl::StrCat("zcbench " ZCB_VERSION ", the server is ", store.zcbench_version()),
          "install the same on both");
    }
  }

  void CheckClock(const pb::DescribeStoreResponse& store, absl::Time asked, absl::Time answered) {
    // The server looked at its clock somewhere between.
    const absl::Time theirs = ToTime(store.now());
    const absl::Duration off = theirs < asked      ? asked - theirs
                               : theirs > answered ? theirs - answered
                                                   : absl::ZeroDuration();
    if (off > kClockWarning) {
      Add("clock", State::kWarning, absl::StrCat("the server's differs from this machine's by ", DurationText(off)),
          "set both by NTP: leases and ages are told by the server's clock");
    } else {
      Add("clock", State::kOk, "as the server's");
    }
  }

  void CheckStore(const pb::DescribeStoreResponse& store) {
    Add("store", State::kOk,
        absl::StrCat(store.location(), ", ", BytesText(store.bytes()), store.read_only() ? ", read-only" : ""));
    Add("engine", State::kOk,
        absl::StrCat(store.engine(), store.engine_note().empty() ? "" : ": ", store.engine_note()));
    Add("schema", store.schema() == store.newest_schema() ? State::kOk : State::kError,
        absl::StrCat("version ", store.schema(), " of ", store.newest_schema()));
    const std::string system = store.file_system().empty() ? "not known" : store.file_system();
    if (store.network() && !store.read_only()) {
      Add("file system", State::kError,
          absl::StrCat(system, ", a network file system: a database can be damaged there"),
          "stop the server and move the store to a local disk of its machine");
    } else {
      Add("file system", State::kOk, system);
    }
    const std::string free = absl::StrCat(BytesText(store.free_bytes()), " free");
    if (store.read_only()) {
      Add("disk", State::kOk, free);
    } else if (store.free_bytes() < kLeastDisk) {
      Add("disk", State::kError, free, "free space before recording stops");
    } else if (store.free_bytes() < store.bytes() + kLeastDisk) {
      Add("disk", State::kWarning, absl::StrCat(free, ", and a backup needs ", BytesText(store.bytes())), "free space");
    } else {
      Add("disk", State::kOk, free);
    }
    if (store.memory_bytes() != 0) {
      const bool little = store.memory_bytes() < kLeastServerMemory;
      Add("server memory", little ? State::kWarning : State::kOk,
          absl::StrCat(BytesText(store.memory_bytes()), " available"),
          little ? "end other programs of the server's machine" : "");
    }
    if (store.conflicts() == 0) {
      Add("conflicts", State::kOk, "no score differed from the recorded one");
    } else {
      Add("conflicts", State::kWarning,
          absl::StrCat(store.conflicts(), " scores differed from the recorded ones by more than their tolerance"),
          "see `zcbench conflicts`: which workers disagree");
    }
    if (store.expired_leases() == 0) {
      Add("leases", State::kOk, "none has ended without a word");
    } else {
      Add("leases", State::kWarning,
          absl::StrCat(store.expired_leases(), " work units are of workers that fell silent"),
          "they are given to the next worker that asks; see `zcbench workers`");
    }
  }

  void CheckJobs(Client& client) {
    const absl::StatusOr<std::vector<pb::Job>> jobs = client.ListJobs();
    if (!jobs.ok()) {
      Add("jobs", State::kError, std::string(jobs.status().message()));
      return;
    }
    int running = 0;
    bool waits = false;
    for (const pb::Job& job : *jobs) {
      if (job.state() != pb::JOB_STATE_RUNNING) continue;
      ++running;
      if (job.waiting_for().empty()) continue;
      waits = true;
      Add("jobs", State::kWarning, absl::StrCat("job ", job.id(), " waits: ", job.waiting_for()),
          absl::StrCat("see `zcbench why ", job.id(), "`"));
    }
    if (!waits) Add("jobs", State::kOk, absl::StrCat(running, " running, none of them waits"));
  }

  void CheckMachine() {
    std::string missing;
    for (const char* program : {"zcbench-server", "zcbench-worker"}) {
      if (!FindProgram(program).ok()) absl::StrAppend(&missing, missing.empty() ? "" : ", ", program);
    }
    if (missing.empty()) {
      Add("programs", State::kOk, "zcbench-server and zcbench-worker are there");
    } else {
      Add("programs", State::kWarning, absl::StrCat(missing, " is neither beside zcbench nor in PATH"),
          "install all of zcbench, unless this machine only reads");
    }
    CheckScorer();
    if (const absl::StatusOr<std::filesystem::path> folder = ShippedDataFolder(); folder.ok()) {
      Add("images", State::kOk, absl::StrCat("the shipped ones are in ", folder->string()));
    } else {
      Add("images", State::kWarning, std::string(folder.status().message()));
    }
    const uint64_t memory = AvailableMemory();
    if (memory == 0) return;
    Add("memory", memory < kLeastWorkerMemory ? State::kWarning : State::kOk,
        absl::StrCat(BytesText(memory), " available on this machine"),
        memory < kLeastWorkerMemory ? "a worker may run out of it: end other programs, or use fewer workers" : "");
  }

  void CheckScorer() {
    const absl::StatusOr<std::string> program = FindProgram("zcbench-scorer");
    if (!program.ok()) {
      Add("scorer", State::kWarning, std::string(program.status().message()),
          "no worker of this machine can compute; it can read and serve");
      return;
    }
    const absl::StatusOr<std::string> said = RunProcess({*program, "describe", "--format", "json"});
    const nlohmann::json json = said.ok() ? nlohmann::json::parse(*said, nullptr, false) : nlohmann::json();
    const auto text = [&](const char* member) -> std::string {
      return json.is_object() && json.contains(member) && json[member].is_string() ? json[member] : "";
    };
    if (!said.ok() || text("numerics").empty()) {
      Add("scorer", State::kError,
          said.ok() ? absl::StrCat(*program, " does not describe itself") : std::string(said.status().message()),
          "run it by hand; ZCB_TORCH_ROOT names the LibTorch that it was built with, and `scripts/setup` brings one");
      return;
    }
    // The numerics class names LibTorch and its version.
    const std::string found = absl::StrCat(text("zcbench_version"), " on ", text("device"), ", ", text("numerics"));
    if (text("zcbench_version") == ZCB_VERSION) {
      Add("scorer", State::kOk, found);
    } else {
      Add("scorer", State::kWarning, absl::StrCat(found, ", while zcbench is " ZCB_VERSION), "install both together");
    }
  }

  ServerOption server_;
  FormatOption format_;
  std::vector<Finding> findings_;
};

}  // namespace

std::unique_ptr<Command> MakeDoctor() { return std::make_unique<Doctor>(); }

}  // namespace zcbench
