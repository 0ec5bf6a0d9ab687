#include "proto/server_file.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

constexpr size_t kLongestFile = 1 << 16;
constexpr size_t kLongestText = 4096;  // of a member other than the certificate

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

std::string UserName(uid_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[4096];
  if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != nullptr) return found->pw_name;
  return absl::StrCat(uid);
}

struct FileBytes {
  std::string bytes;
  mode_t mode = 0;
};

absl::StatusOr<FileBytes> ReadWithMode(const std::filesystem::path& path, size_t max_bytes) {
  const std::string& name = path.native();
  struct stat info {};
  const bool is_there = ::stat(path.c_str(), &info) == 0;
  if (is_there && ::access(path.c_str(), R_OK) != 0 && errno == EACCES) {
    return absl::PermissionDeniedError(
        absl::StrCat(name, " belongs to the user ", UserName(info.st_uid),
                     ", and others may not read it: ask for a file of your own (`zcbench access --role reader`)"));
  }
  FileBytes file;
  file.mode = info.st_mode & 07777;
  ZCB_ASSIGN_OR_RETURN(file.bytes, ReadFile(path, max_bytes));
  return file;
}

absl::Status CheckPrivate(const std::filesystem::path& path, mode_t mode) {
  if ((mode & 077) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("%s holds secrets and other users may read it (mode %04o): `chmod 600 %s`; if somebody may have "
                      "read it, make new tokens (docs/operations.md)",
                      path.string(), mode, path.string()));
}

}  // namespace

absl::StatusOr<ServerFile> ParseServerFile(std::string_view text, std::string_view name) {
  const auto wrong = [&](auto... words) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(name), " is no server file: ", words...));
  };
  const nlohmann::json json =
      text.size() > kLongestFile ? nlohmann::json() : nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return wrong("it should be {\"address\": \"HOST:PORT\", ...}");
  ServerFile file;
  const auto read = [&](const char* member, std::string& out) -> absl::Status {
    if (!json.contains(member)) return absl::OkStatus();
    if (!json[member].is_string()) return wrong("its `", member, "` is no text");
    out = json[member].get<std::string>();
    const size_t longest = std::string_view(member) == "certificate" ? kLongestFile : kLongestText;
    return out.size() <= longest ? absl::OkStatus() : wrong("its `", member, "` has more than ", longest, " bytes");
  };
  ZCB_RETURN_IF_ERROR(read("address", file.address));
  if (file.address.empty()) return wrong("its `address` is missing");
  ZCB_RETURN_IF_ERROR(read("host", file.host));
  ZCB_RETURN_IF_ERROR(read("store", file.store));
  ZCB_RETURN_IF_ERROR(read("certificate", file.certificate));
  if (json.contains("pid")) {
    if (!json["pid"].is_number_integer()) return wrong("its `pid` is no number");
    const int64_t pid = json["pid"].get<int64_t>();
    if (pid < 0 || pid > std::numeric_limits<pid_t>::max()) return wrong("its `pid` ", pid, " is no process");
    file.pid = static_cast<pid_t>(pid);
  }
  std::string path;
  ZCB_RETURN_IF_ERROR(read("client_certificate", path));
  file.client_certificate = path;
  path.clear();
  ZCB_RETURN_IF_ERROR(read("client_key", path));
  file.client_key = path;
  if (file.client_certificate.empty() != file.client_key.empty()) {
    return wrong("`client_certificate` and `client_key` belong together, and one is missing");
  }
  if (!json.contains("tokens")) return file;
  if (!json["tokens"].is_object()) return wrong("its `tokens` are no {\"ROLE\": \"TOKEN\"}");
  for (const auto& [role, token] : json["tokens"].items()) {
    if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles)) {
      return wrong(UnknownName("role", role, {std::begin(kRoles), std::end(kRoles)}).message());
    }
    // A line break in a token would end the header that carries it.
    const std::string value = token.is_string() ? token.get<std::string>() : "";
    if (value.empty() || value.size() > 256 || !std::all_of(value.begin(), value.end(), absl::ascii_isgraph)) {
      return wrong("its token of the role ", role, " is not 1 to 256 visible characters");
    }
    file.tokens[role] = value;
  }
  return file;
}

std::string FormatServerFile(const ServerFile& file) {
  nlohmann::ordered_json json = {{"address", file.address}};
  const auto add = [&](const char* member, const std::string& text) {
    if (!text.empty()) json[member] = text;
  };
  add("host", file.host);
  if (file.pid != 0) json["pid"] = file.pid;
  add("store", file.store);
  add("certificate", file.certificate);
  if (!file.tokens.empty()) json["tokens"] = file.tokens;
  add("client_certificate", file.client_certificate.string());
  add("client_key", file.client_key.string());
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

absl::StatusOr<ServerFile> ReadServerFile(const std::filesystem::path& path) {
  ZCB_ASSIGN_OR_RETURN(const FileBytes bytes, ReadWithMode(path, kLongestFile));
  ZCB_ASSIGN_OR_RETURN(ServerFile file, ParseServerFile(bytes.bytes, path.string()));
  if (!file.tokens.empty()) ZCB_RETURN_IF_ERROR(CheckPrivate(path, bytes.mode));
  for (std::filesystem::path* const relative : {&file.client_certificate, &file.client_key}) {
    if (!relative->empty()) *relative = path.parent_path() / *relative;
  }
  return file;
}

absl::Status WriteServerFile(const std::filesystem::path& path, const ServerFile& file) {
  return WritePrivateFile(path, FormatServerFile(file));
}

bool IsServerAddress(std::string_view text) {
  if (text.starts_with("unix:")) return true;
  const size_t colon = text.rfind(':');
  return colon != std::string_view::npos && text.find('/') == std::string_view::npos && colon + 1 < text.size() &&
         std::all_of(text.begin() + colon + 1, text.end(), absl::ascii_isdigit);
}

absl::StatusOr<ServerFile> FindServer(const std::string& address_or_path) {
  if (!IsServerAddress(address_or_path)) {
    absl::StatusOr<ServerFile> file = ReadServerFile(address_or_path);
    if (!absl::IsNotFound(file.status())) return file;
    return absl::NotFoundError(absl::StrCat("server `", address_or_path,
                                            "` is neither an address (127.0.0.1:7700, unix:PATH) nor a server file"));
  }
  ServerFile file;
  file.address = address_or_path;
  return file;
}

std::string TokenFor(const ServerFile& file, std::string_view role) {
  if (const auto own = file.tokens.find(std::string(role)); own != file.tokens.end()) return own->second;
  for (const std::string_view other : kRoles) {
    if (const auto found = file.tokens.find(std::string(other)); found != file.tokens.end()) return found->second;
  }
  return "";
}

absl::Status WritePrivateFile(const std::filesystem::path& path, std::string_view bytes) {
  return WriteFileAtomically(path, bytes, 0600);
}

absl::StatusOr<std::string> ReadPrivateFile(const std::filesystem::path& path, size_t max_bytes) {
  ZCB_ASSIGN_OR_RETURN(FileBytes file, ReadWithMode(path, max_bytes));
  ZCB_RETURN_IF_ERROR(CheckPrivate(path, file.mode));
  return std::move(file.bytes);
}

std::string ThisHost() {
  char buffer[256] = "";
  ::gethostname(buffer, sizeof(buffer) - 1);
  return buffer[0] == '\0' ? "localhost" : buffer;
}

bool ServerRuns(const ServerFile& file) {
  if (file.pid == 0 || (!file.host.empty() && file.host != ThisHost())) return true;
  return ProcessRuns(file.pid, "zcbench-server");
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
