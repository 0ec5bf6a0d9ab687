// "unknown proxy `synflw`; did you mean `synflow`?": the nearest known name to a mistyped one.
#ifndef ZCBENCH_BASE_NEAREST_H_
#define ZCBENCH_BASE_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace zcbench {

// The candidate with the smallest edit distance to `name` (the first of equals); empty when there is none within half
// its length, or it has more than 200 bytes.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// NOT_FOUND: "unknown KIND `NAME`; did you mean `X`?" followed by the known names when they are at most 12.
absl::Status UnknownName(std::string_view kind, std::string_view name, const std::vector<std::string>& known);

}  // namespace zcbench

#endif  // ZCBENCH_BASE_NEAREST_H_
