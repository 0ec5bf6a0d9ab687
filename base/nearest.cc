#include "base/nearest.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace zcbench {
namespace {

constexpr size_t kLongestName = 200;  // what is longer is no mistyped name, and would take long

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kLongestName) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 2) + 1;
  for (const std::string& candidate : candidates) {
    if (const size_t distance = EditDistance(name, candidate); distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

absl::Status UnknownName(std::string_view kind, std::string_view name, const std::vector<std::string>& known) {
  std::string message = absl::StrCat("unknown ", std::string(kind), " `", std::string(name.substr(0, kLongestName)),
                                     name.size() > kLongestName ? "...`" : "`");
  if (const std::string nearest = NearestName(name, known); !nearest.empty()) {
    absl::StrAppend(&message, "; did you mean `", nearest, "`?");
  }
  if (!known.empty() && known.size() <= 12) absl::StrAppend(&message, " (known: ", absl::StrJoin(known, " "), ")");
  return absl::NotFoundError(message);
}

}  // namespace zcbench
