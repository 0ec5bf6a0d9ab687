// store: backup, check, copy, vacuum of the database.
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/cli/command.h"
#include "client/cli/new_file.h"
#include "client/cli/progress.h"

namespace zcbench {
namespace {

constexpr absl::Duration kQuiet = absl::Seconds(2);  // shorter runs say nothing but their end
constexpr absl::Duration kTerminalStep = absl::Milliseconds(250);
constexpr absl::Duration kPlainStep = absl::Seconds(5);

// One line at the bottom of a terminal, lines elsewhere; nothing in the first two seconds.
class Line {
 public:
  ~Line() { Clear(); }

  // `always`: a new stage, which is told where lines are kept too.
  void Show(const std::string& text, bool always = false) {
    const absl::Time now = absl::Now();
    if (now - start_ < kQuiet || (now < next_ && !always)) return;
    next_ = now + (terminal_ ? kTerminalStep : kPlainStep);
    if (!terminal_) return Say(text);
    std::cerr << "\r\x1b[K" << text << std::flush;
    drawn_ = true;
  }
  void Clear() {
    if (drawn_) std::cerr << "\r\x1b[K" << std::flush;
    drawn_ = false;
  }
  absl::Duration elapsed() const { return absl::Now() - start_; }

 private:
  const bool terminal_ = ErrorIsTerminal();
  const absl::Time start_ = absl::Now();
  absl::Time next_ = absl::InfinitePast();
  bool drawn_ = false;
};

// Replaces this process by zcbench-server, which alone knows the database; it says what there is to say.
absl::Status RunServerProgram(const std::vector<std::string>& arguments) {
  ZCB_ASSIGN_OR_RETURN(std::string program, FindProgram("zcbench-server"));
  std::vector<char*> words = {program.data()};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  return absl::UnavailableError(absl::StrCat(program, " could not be started"));
}

class Backup final : public Command {
 public:
  std::string name() const override { return "backup"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Writes the database as it is now, with its queue and images, into a new file",
             "The server goes on giving out work and recording scores meanwhile. It copies the database page by page "
             "to a file beside\n"
             "it, so its disk needs room for one more, and sends that copy here; the file appears when it is whole, "
             "and none is\n"
             "overwritten. To restore it, stop the server and start one on a copy of it: zcbench up --store FILE. "
             "Needs the role\n"
             "admin. For a file to publish see `zcbench export --format sqlite`, which leaves queue and images out.");
    app.add_option("output", output_, "The new file")->required()->type_name("FILE");
    server_.DeclareReading(app);
    SetExamples(app,
                "  zcbench store backup zcbench-2026-11-24.db\n"
                "  zcbench store backup --server head.server.json /backup/bench.db\n"
                "  zcbench store backup --file zcbench.db copy.db    # no server runs");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file, NewFile::Create(output_));
    Line line;
    std::string stage;
    absl::Time stage_start;
    uint64_t received = 0;
    uint64_t total = 0;
    ZCB_RETURN_IF_ERROR(client->BackUpStore([&](const pb::BackUpStoreResponse& piece) -> absl::Status {
      file->out() << piece.content();
      if (!file->out()) return absl::UnavailableError(absl::StrCat(output_, " cannot be written; is the disk full?"));
      received += piece.content().size();
      total = piece.total();
      const bool new_stage = piece.stage() != stage;
      if (new_stage) {
        stage = piece.stage();
        stage_start = absl::Now();
      }
      const auto done = static_cast<double>(piece.done());
      const double seconds = absl::ToDoubleSeconds(absl::Now() - stage_start);
      std::string text = absl::StrCat(stage, ": ", BytesText(piece.done()), " of ", BytesText(total));
      if (seconds > 0.5 && done > 0 && piece.done() < total) {
        absl::StrAppend(&text, ", ", BytesText(static_cast<uint64_t>(done / seconds)), "/s, ETA ",
                        DurationText(absl::Seconds((static_cast<double>(total) - done) * seconds / done)));
      }
      line.Show(text, new_stage);
      return absl::OkStatus();
    }));
    line.Clear();
    if (received == 0 || received != total) {
      return absl::UnavailableError(
          absl::StrCat("only ", received, " of ", total, " bytes came from the server; nothing was kept"));
    }
    ZCB_RETURN_IF_ERROR(file->Finish());
    Say(absl::StrCat("wrote ", output_, ", ", BytesText(received), " in ", DurationText(line.elapsed())));
    return kExitDone;
  }

 private:
  ServerOption server_;
  std::string output_;
};

class Check final : public Command {
 public:
  std::string name() const override { return "check"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Reads all of the database and says what is wrong with it, one line a problem",
             "Every page and index, every reference from a row to another, the counts of every column and job, and "
             "the digest of\n"
             "every probe batch. Numbers have no check of their own: a bit that turned within a score is not found. "
             "Work goes on\n"
             "meanwhile. Needs the role admin. Exit code 0: nothing is wrong; 1: something is, and what to do is in "
             "docs/operations.md;\n"
             "2: it is so damaged that it cannot be opened.");
    server_.DeclareReading(app);
    SetExamples(app, "  zcbench store check\n  zcbench store check --file zcbench-2026-11-24.db");
  }

  absl::StatusOr<int> Run() override {
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    Line line;
    uint64_t problems = 0;
    uint64_t checks = 0;
    ZCB_RETURN_IF_ERROR(client->CheckStore([&](const pb::CheckStoreResponse& piece) {
      line.Clear();
      for (const std::string& problem : piece.problems()) std::cout << problem << '\n';
      std::cout.flush();
      problems += static_cast<uint64_t>(piece.problems_size());
      checks = piece.done();
      if (piece.done() < piece.total()) {
        line.Show(absl::StrCat(piece.stage(), " (", piece.done() + 1, " of ", piece.total(), ", ",
                               DurationText(line.elapsed()), " so far)"));
      }
      return absl::OkStatus();
    }));
    line.Clear();
    if (problems == 0) {
      Say(absl::StrCat("nothing is wrong: ", checks, " checks in ", DurationText(line.elapsed())));
      return kExitDone;
    }
    Say(absl::StrCat(problems, problems == 1 ? " problem" : " problems",
                     "; keep the file, and restore a backup that has none (docs/operations.md, \"Backup and "
                     "restore\")"));
    return kExitFailed;
  }

 private:
  ServerOption server_;
};

class Copy final : public Command {
 public:
  std::string name() const override { return "copy"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Copies a store into a new one, compacted",
             "Stores are named by what they are and where: sqlite:FILE, the only kind there is. The target is rebuilt "
             "row by row, so\n"
             "it is as small as can be, and a single file. No server is needed; one may have the source open. "
             "`backup` is for a\n"
             "running server, also on another machine, and copies the pages as they are.");
    app.add_option("from", from_, "The store to read, sqlite:FILE")->required()->type_name("URL");
    app.add_option("to", to_, "The new store, sqlite:FILE")->required()->type_name("URL");
    SetExamples(app, "  zcbench store copy sqlite:zcbench.db sqlite:/mnt/stick/bench.db");
  }

  absl::StatusOr<int> Run() override {
    ZCB_RETURN_IF_ERROR(RunServerProgram({"store", "copy", from_, to_}));
    return kExitFailed;
  }

 private:
  std::string from_;
  std::string to_;
};

class Vacuum final : public Command {
 public:
  std::string name() const override { return "vacuum"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Gives the space of deleted rows back to the disk",
             "Rebuilds the database in place, for which no server may have it open; the disk needs room for two more. "
             "Whenever it\n"
             "is interrupted, the old content or the new one is there. Scores are never deleted, so this is seldom "
             "worth its time.");
    app.add_option("file", file_, "The database")->required()->type_name("FILE");
    SetExamples(app, "  zcbench down\n  zcbench store vacuum zcbench.db");
  }

  absl::StatusOr<int> Run() override {
    ZCB_RETURN_IF_ERROR(RunServerProgram({"store", "vacuum", file_}));
    return kExitFailed;
  }

 private:
  std::string file_;
};

class StoreCommand final : public Command {
 public:
  std::string name() const override { return "store"; }

  void Declare(CLI::App& app) override {
    Describe(app, "Keeps the database: backup, check, copy, vacuum");
    app.require_subcommand(1);
    for (Command* command : std::initializer_list<Command*>{&backup_, &check_, &copy_, &vacuum_}) {
      CLI::App* const sub = app.add_subcommand(command->name());
      command->Declare(*sub);
      sub->final_callback([this, command] { chosen_ = command; });
    }
    SetExamples(app,
                "  zcbench store backup zcbench-2026-11-24.db\n"
                "  zcbench store check\n"
                "  zcbench store copy sqlite:zcbench.db sqlite:/mnt/stick/bench.db\n"
                "  zcbench store vacuum zcbench.db");
  }

  absl::StatusOr<int> Run() override { return chosen_->Run(); }

 private:
  Backup backup_;
  Check check_;
  Copy copy_;
  Vacuum vacuum_;
  Command* chosen_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeStore() { return std::make_unique<StoreCommand>(); }

}  // namespace zcbench
