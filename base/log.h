// The program's log, on standard error: one line an event, for a person on a terminal and as JSON lines elsewhere.
// Every line has a time, a level, a message and fields: Log(kWarning, "lease expired", {{"unit", "12"}, {"worker",
// "gpu-3"}}). An error is logged once, where it is handled. Thread-safe.
#ifndef ZCBENCH_BASE_LOG_H_
#define ZCBENCH_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zcbench {

enum class LogLevel { kInfo, kWarning, kError };

using LogField = std::pair<std::string_view, std::string>;

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// While it lives, the lines of this thread also carry `fields`, unless they have one of that name: what a person needs
// to find all lines of one call or one lease. Ends on its own thread, in the reverse order.
class LogContext {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  explicit LogContext(Fields fields);
  ~LogContext();
  LogContext(const LogContext&) = delete;
  LogContext& operator=(const LogContext&) = delete;

  const Fields& fields() const { return fields_; }
  const LogContext* outer() const { return outer_; }

 private:
  const Fields fields_;
  const LogContext* const outer_;
};

// Lines below `level` are dropped; kInfo at start.
void SetLogLevel(LogLevel level);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_LOG_H_
