// The program's log, on standard error: one line an event, for a person on a terminal and as JSON lines elsewhere.
// Every line has a time, a level, a message and fields: Log(kWarning, "lease expired", {{"unit", "12"}, {"worker",
// "gpu-3"}}). An error is logged once, where it is handled. Thread-safe.
#ifndef ZCBENCH_BASE_LOG_H_
#define ZCBENCH_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace zcbench {

enum class LogLevel { kInfo, kWarning, kError };

using LogField = std::pair<std::string_view, std::string>;

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// Lines below `level` are dropped; kInfo at start.
void SetLogLevel(LogLevel level);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_LOG_H_
