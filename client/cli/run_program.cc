#include "client/cli/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status_macros.h"

namespace zcbench {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "zcbench-test-XXXXXX").string();
  ZCB_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = std::filesystem::canonical(name);
}

TemporaryFolder::~TemporaryFolder() {
  // A process that was told to end may still write a last file.
  Eventually([&] {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
    return !error && !std::filesystem::exists(path_, error);
  });
}

std::string TemporaryFolder::Write(const std::string& name, const std::string& text) const {
  const std::filesystem::path file = path_ / name;
  ZCB_CHECK(WriteFileAtomically(file, text).ok());
  return file.string();
}

Child::Child(const std::vector<std::string>& command, const Options& options) {
  const std::string in = files_.Write("in", options.input);
  const std::string out = files_.Write("out", "");
  const std::string err = files_.Write("err", "");
  pid_ = fork();
  ZCB_CHECK(pid_ >= 0);
  if (pid_ != 0) return;
  unsetenv("ZCB_SERVER");
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  ZCB_CHECK(options.folder.empty() || chdir(options.folder.c_str()) == 0);
  dup2(open(in.c_str(), O_RDONLY), STDIN_FILENO);
  dup2(open(out.c_str(), O_WRONLY | O_APPEND), STDOUT_FILENO);
  dup2(open(err.c_str(), O_WRONLY | O_APPEND), STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  alarm(60);
  execv(arguments[0], arguments.data());
  _exit(127);
}

Child::~Child() {
  if (ended_) return;
  Signal(SIGKILL);
  Wait();
}

void Child::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

std::string Child::out() const { return *ReadFile(files_.path() / "out"); }
std::string Child::err() const { return *ReadFile(files_.path() / "err"); }

bool Child::WaitFor(const std::string& text) {
  const auto has = [&] { return (out() + err()).find(text) != std::string::npos; };
  return Eventually([&] {
           if (!ended_ && waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
           return ended_ || has();
         }) &&
         has();
}

Output Child::Wait() {
  if (!ended_) waitpid(pid_, &status_, 0);
  ended_ = true;
  return {.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_), .out = out(), .err = err()};
}

}  // namespace zcbench
