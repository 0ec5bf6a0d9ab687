#include "client/cc/server_file.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

// The value of `Name:` in /proc/PID/status; nothing for a process that is gone or a zombie.
std::optional<std::string> ProcessField(pid_t pid, std::string_view name) {
  const absl::StatusOr<std::string> status = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return std::nullopt;
  std::optional<std::string> value;
  const std::string prefix = std::string(name) + ":\t";
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(*status, '\n'))) {
    if (line.starts_with("State:\tZ")) return std::nullopt;
    if (line.starts_with(prefix)) value = line.substr(prefix.size());
  }
  return value;
}

}  // namespace

absl::StatusOr<ServerFile> ReadServerFile(const std::filesystem::path& path) {
  ZCB_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 16));
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto field_is = [&](const char* name, bool (nlohmann::json::*is)() const noexcept) {
    return json.contains(name) && (json[name].*is)();
  };
  if (!json.is_object() || !field_is("address", &nlohmann::json::is_string) ||
      !field_is("pid", &nlohmann::json::is_number_integer)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path.string(), " is no server file: it should be {\"address\": ..., \"pid\": ..., \"store\": ...}"));
  }
  ServerFile file;
  file.address = json["address"];
  file.pid = json["pid"];
  if (field_is("store", &nlohmann::json::is_string)) file.store = json["store"];
  return file;
}

bool ProcessRuns(pid_t pid, std::string_view program) {
  // The system keeps the first 15 bytes of a program's name.
  return pid > 0 && ProcessField(pid, "Name") == program.substr(0, 15);
}

pid_t ParentOf(pid_t pid) {
  int parent = 0;
  return absl::SimpleAtoi(ProcessField(pid, "PPid").value_or(""), &parent) ? parent : 0;
}

}  // namespace zcbench
