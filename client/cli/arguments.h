// What users type, read into what the service wants. All errors are INVALID_ARGUMENT or NOT_FOUND and name the text.
#ifndef ZCBENCH_CLIENT_CLI_ARGUMENTS_H_
#define ZCBENCH_CLIENT_CLI_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

// `0,1`, `0..4`, `0..2,7`: at most 64 different seeds, in the order given.
absl::StatusOr<std::vector<uint64_t>> ParseSeeds(const std::string& text);

// `all`, or proxies as in nas/proxy_text.h, in canonical form.
absl::StatusOr<std::vector<std::string>> ParseProxies(std::string_view text);

// A job's number; 0 (the newest) for `last` and for nothing.
absl::StatusOr<int64_t> ParseJobId(const std::string& text);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_ARGUMENTS_H_
