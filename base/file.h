// Whole files. Messages carry the path and the system's reason.
#ifndef ZCBENCH_BASE_FILE_H_
#define ZCBENCH_BASE_FILE_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

// NOT_FOUND: no such file. INVALID_ARGUMENT: a folder, or more than `max_bytes`. UNAVAILABLE: it could not be read.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 30);

// Writes beside the target, syncs and renames: a reader sees the old file or the new one, also after a crash. The new
// one has `mode` less the process's mask, from its first byte on. UNAVAILABLE: it could not be written.
absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode = 0666);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_FILE_H_
