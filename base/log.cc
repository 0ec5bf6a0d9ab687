#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace zcbench {
namespace {

std::atomic<LogLevel> minimum{LogLevel::kInfo};

constexpr const char* kNames[] = {"info", "warning", "error"};

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

thread_local const LogContext* innermost = nullptr;

// Those of the line, then those of the contexts, the innermost first; the first of a name counts.
std::vector<LogField> AllFields(std::initializer_list<LogField> fields) {
  std::vector<LogField> all = fields;
  for (const LogContext* context = innermost; context != nullptr; context = context->outer()) {
    for (const auto& [key, value] : context->fields()) {
      if (std::none_of(all.begin(), all.end(),
                       [&, name = std::string_view(key)](const LogField& field) { return field.first == name; })) {
        all.emplace_back(key, value);
      }
    }
  }
  return all;
}

}  // namespace

LogContext::LogContext(Fields fields) : fields_(std::move(fields)), outer_(innermost) { innermost = this; }

LogContext::~LogContext() { innermost = outer_; }

void SetLogLevel(LogLevel level) { minimum = level; }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < minimum.load()) return;
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const char* name = kNames[static_cast<int>(level)];
  std::string line;
  if (terminal) {
    line = absl::FormatTime("%H:%M:%S ", absl::Now(), absl::LocalTimeZone());
    if (level != LogLevel::kInfo) absl::StrAppend(&line, name, ": ");
    line.append(message);
    for (const auto& [key, value] : AllFields(fields)) absl::StrAppend(&line, " ", std::string(key), "=", value);
  } else {
    line = absl::StrCat("{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()),
                        "\",\"level\":\"", name, "\",\"message\":", Quoted(message));
    for (const auto& [key, value] : AllFields(fields)) absl::StrAppend(&line, ",", Quoted(key), ":", Quoted(value));
    line += '}';
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one write, so that lines of two threads do not mix
}

}  // namespace zcbench
