// report: the whole benchmark as one page.
#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "client/cli/arguments.h"
#include "client/cli/command.h"
#include "client/cli/new_file.h"
#include "client/cli/progress.h"
#include "client/cli/report_data.h"
#include "client/cli/report_page.h"

namespace zcbench {
namespace {

// As a shell would read it again.
std::string Quoted(const std::string& argument) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("-_=+,./:@%").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!argument.empty() && std::all_of(argument.begin(), argument.end(), is_plain)) return argument;
  return absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
}

// Of this process.
std::string CommandLine() {
  const absl::StatusOr<std::string> text = ReadFile("/proc/self/cmdline");
  if (!text.ok()) return "zcbench report";
  std::vector<std::string> arguments = absl::StrSplit(*text, '\0');
  if (!arguments.empty() && arguments.back().empty()) arguments.pop_back();
  if (!arguments.empty()) arguments[0] = "zcbench";
  return absl::StrJoin(arguments, " ",
                       [](std::string* out, const std::string& argument) { out->append(Quoted(argument)); });
}

class Report final : public Command {
 public:
  std::string name() const override { return "report"; }

  void Declare(CLI::App& app) override {
    Describe(
        app, "Writes one HTML page of figures and tables about the benchmark",
        "Correlations of every proxy with the accuracy on every task and their averages, statistics of gradients with "
        "L-SWAG's\n"
        "window, correlations between proxies, proxies against the accuracy, cost, LIBRA, what L-SWAG is made of, "
        "searches, and\n"
        "where the numbers come from; beside them what the papers print. The file needs no other file, no network and "
        "no script.\n"
        "What the store lacks is left out with the command that would compute it. Without a job, space or task it is "
        "of all that is\n"
        "stored. Of several accuracies of a task it takes `validation`, else `test`.");
    app.add_option("jobs", jobs_, "Jobs, or `last`: exactly their architectures, proxies and seeds, a column each");
    app.add_option("-o,--output", output_, "The new file (default: report.html)");
    app.add_flag("--force", force_, "Replace a file of that name");
    app.add_option("--against", against_, "accuracy, or accuracy:SOURCE/METRIC where several are stored");
    app.add_flag("--no-search", no_search_, "Without the searches, which take seconds a task");
    filter_.DeclareColumns(app);
    server_.DeclareReading(app);
    SetExamples(app,
                "  zcbench report\n"
                "  zcbench report 3 4 5 -o transnas.html\n"
                "  zcbench report --space nasbench201 --against accuracy:NAS-Bench-201/test --force\n"
                "  zcbench report --file benchmark.db --space nasbench201 --task cifar10 --proxies nwot,snip,params");
  }

  absl::StatusOr<int> Run() override {
    if (against_ != "accuracy" && !against_.starts_with("accuracy:")) {
      return absl::InvalidArgumentError(
          absl::StrCat("--against `", against_, "` is neither `accuracy` nor `accuracy:SOURCE/METRIC`"));
    }
    // Tried first, so that minutes of statistics are not lost to a wrong name.
    ZCB_RETURN_IF_ERROR(MakeFile().status());
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, server_.Connect());
    ReportRequest request{.against = against_, .search = !no_search_, .command = CommandLine()};
    ZCB_ASSIGN_OR_RETURN(request.filter, filter_.Resolve(*client, /*everything=*/true));
    for (const std::string& text : jobs_) {
      ZCB_ASSIGN_OR_RETURN(int64_t id, ParseJobId(text));
      if (id == 0) {
        ZCB_ASSIGN_OR_RETURN(const pb::Job job, client->GetJob(0));
        id = job.id();
      }
      if (std::find(request.jobs.begin(), request.jobs.end(), id) == request.jobs.end()) request.jobs.push_back(id);
    }

    const absl::Time start = absl::Now();
    ZCB_ASSIGN_OR_RETURN(const ReportData data, Gather(*client, request));
    const std::string page = WriteReport(data);
    ZCB_ASSIGN_OR_RETURN(const std::unique_ptr<NewFile> file, MakeFile());
    file->out() << page;
    ZCB_RETURN_IF_ERROR(file->Finish());
    Say(absl::StrCat("wrote ", output_, ", ", page.size(), " bytes, in ", DurationText(absl::Now() - start)));
    return kExitDone;
  }

 private:
  absl::StatusOr<std::unique_ptr<NewFile>> MakeFile() const {
    absl::StatusOr<std::unique_ptr<NewFile>> file = NewFile::Create(output_, force_);
    if (!absl::IsAlreadyExists(file.status())) return file;
    return absl::AlreadyExistsError(absl::StrCat(std::string(file.status().message()), ", or give --force"));
  }

  // With a line every two seconds.
  static absl::StatusOr<ReportData> Gather(Client& client, const ReportRequest& request) {
    Mutex mutex;
    std::string doing = "looking for what there is";
    const Waiting waiting([&] {
      const MutexLock lock(mutex);
      return doing;
    });
    return GatherReport(client, request, [&](const std::string& what) {
      const MutexLock lock(mutex);
      doing = what;
    });
  }

  ServerOption server_;
  FilterOptions filter_;
  std::vector<std::string> jobs_;
  std::string output_ = "report.html";
  std::string against_ = "accuracy";
  bool force_ = false;
  bool no_search_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeReport() { return std::make_unique<Report>(); }

}  // namespace zcbench
