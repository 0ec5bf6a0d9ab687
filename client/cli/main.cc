// zcbench, the command line: starts a server and workers on this machine, asks for scores and reads them.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/nearest.h"
#include "client/cli/command.h"

namespace zcbench {
namespace {

constexpr char kDescription[] =
    "zcbench computes zero-cost proxies of neural architectures and keeps the scores.\n"
    "Data goes to standard output, messages to standard error.\n";

constexpr char kFooter[] =
    "First session:\n"
    "  zcbench up --detach\n"
    "  zcbench submit --space nasbench201 --task photos --proxies all --count 24 --watch\n"
    "  zcbench scores\n"
    "  zcbench correlate\n"
    "  zcbench down\n\n"
    "Exit codes: 0 done, 1 architectures failed for good or the command failed, 2 usage (a wrong option, an unknown "
    "name),\n"
    "69 no server, 75 stopped before the end (cancelled, interrupted, server lost).";

struct Entry {
  std::unique_ptr<Command> command;
  CLI::App* app;
};

// Every message is one line: "zcbench: what is wrong; what to do".
void PrintError(const std::string& message) {
  Say(absl::StrCat("zcbench: ", absl::StrReplaceAll(message, {{"\n", " "}})));
}

bool IsOption(const std::string& argument) { return argument.size() > 1 && argument[0] == '-'; }

// CLI11 says that an argument was not expected; this says which one was meant.
std::string DescribeUnexpected(const std::string& argument, const CLI::App& app) {
  if (!IsOption(argument)) return absl::StrCat("unexpected argument `", argument, "`");
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  return std::string(UnknownName("option", argument.substr(0, argument.find('=')), known).message());
}

// CLI11 takes an argument `[12, 3.5, ...]` apart, which here is one architecture: a space in front hides it, and
// whoever reads architectures strips it.
std::vector<std::string> Arguments(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::string& argument : arguments) {
    if (argument.starts_with('[') && argument.ends_with(']')) argument.insert(0, 1, ' ');
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  return arguments;
}

// Lists commands by the first line of their description.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* sub) const override {
    std::ostringstream out;
    const std::string description = sub->get_description();
    CLI::detail::format_help(out, sub->get_name(), description.substr(0, description.find(".\n")), 14);
    return out.str();
  }
};

int Main(int argc, char** argv) {
  setenv("GRPC_VERBOSITY", "NONE", 0);  // an error is told once, by us
  CLI::App app(kDescription, "zcbench");
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", "zcbench " ZCB_VERSION);
  std::vector<Entry> entries;
  std::vector<std::string> names;
  for (std::unique_ptr<Command>& command : MakeCommands()) {
    CLI::App* const sub = app.add_subcommand(command->name());
    command->Declare(*sub);
    names.push_back(command->name());
    entries.push_back({std::move(command), sub});
  }
  if (argc > 1 && argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    PrintError(absl::StrCat(UnknownName("command", argv[1], names).message(), "; see `zcbench --help`"));
    return kExitUsage;
  }

  const auto chosen = [&]() -> const Entry* {
    for (const Entry& entry : entries) {
      if (entry.app->parsed()) return &entry;
    }
    return nullptr;
  };
  try {
    app.parse(Arguments(argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success))
      return app.exit(error);  // --help, --version
    const Entry* const entry = chosen();
    const CLI::App* at = entry == nullptr ? &app : entry->app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    // A mistyped option says more than the required one that it leaves missing.
    std::vector<std::string> unexpected = app.remaining(/*recurse=*/true);
    std::stable_partition(unexpected.begin(), unexpected.end(), IsOption);
    const bool is_extra = !unexpected.empty() &&
                          (IsOption(unexpected.front()) || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr);
    std::string path = at->get_name();
    for (const CLI::App* up = at->get_parent(); up != nullptr; up = up->get_parent())
      path = up->get_name() + " " + path;
    PrintError(absl::StrCat(is_extra ? DescribeUnexpected(unexpected.front(), *at) : error.what(), "; see `", path,
                            " --help`"));
    return kExitUsage;
  }

  const Entry* const entry = chosen();
  if (entry == nullptr) {
    std::cerr << app.help();
    return kExitUsage;
  }
  const absl::StatusOr<int> code = entry->command->Run();
  if (!code.ok()) {
    PrintError(std::string(code.status().message()));
    return ExitCode(code.status());
  }
  std::cout.flush();
  if (!std::cout) {
    PrintError("standard output could not be written");
    return kExitFailed;
  }
  return *code;
}

}  // namespace
}  // namespace zcbench

int main(int argc, char** argv) { return zcbench::Main(argc, argv); }
