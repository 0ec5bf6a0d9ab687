// Other programs of zcbench, as children of this one.
#ifndef ZCBENCH_CLIENT_CLI_PROCESS_H_
#define ZCBENCH_CLIENT_CLI_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

// Runs `command` (a path and its arguments); its output is appended to `log_file`. The child leads a process group of
// its own, so that Ctrl-C at the terminal reaches only this process, and gets SIGTERM when this process ends without
// having stopped it. Call it from the thread that lives longest. UNAVAILABLE: it could not be started or the log not
// opened.
absl::StatusOr<pid_t> StartProcess(const std::vector<std::string>& command, const std::string& log_file);

// What `command` writes to standard output, up to its end. FAILED_PRECONDITION: it ended with another code than 0.
absl::StatusOr<std::string> RunProcess(const std::vector<std::string>& command);

// "exit code 3" or "signal 11 (Segmentation fault)", from waitpid's status.
std::string DescribeEnd(int wait_status);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_PROCESS_H_
