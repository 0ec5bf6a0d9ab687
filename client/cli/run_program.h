// Runs programs for tests and keeps what they say. Tests only.
#ifndef ZCBENCH_CLIENT_CLI_RUN_PROGRAM_H_
#define ZCBENCH_CLIENT_CLI_RUN_PROGRAM_H_

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace zcbench {

// A new folder, removed with all it holds at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string Write(const std::string& name, const std::string& text) const;  // the file's path

 private:
  std::filesystem::path path_;
};

struct Output {
  int code = -1;  // of the exit; -signal when a signal ended it
  std::string out;
  std::string err;
};

// A child with its standard output and error in files. SIGALRM ends one that runs for longer than a minute.
class Child {
 public:
  struct Options {
    std::filesystem::path folder;                    // the working directory
    std::map<std::string, std::string> environment;  // besides this process's; ZCB_SERVER is unset unless given
    std::string input;                               // standard input
  };
  Child(const std::vector<std::string>& command, const Options& options);
  ~Child();  // kills it if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  std::string out() const;  // so far
  std::string err() const;
  // Until `text` is in what it wrote to the two; false when it has ended without, or after 30 s.
  bool WaitFor(const std::string& text);
  Output Wait();

 private:
  TemporaryFolder files_;
  pid_t pid_;
  bool ended_ = false;
  int status_ = 0;
};

// Polls `condition` until it holds; false after 30 s.
template <typename Condition>
bool Eventually(const Condition& condition) {
  for (const absl::Time deadline = absl::Now() + absl::Seconds(30); absl::Now() < deadline;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_RUN_PROGRAM_H_
