// Suites: named sets of cells that are scored together. They are data; a job knows nothing of them.
#ifndef ZCBENCH_NAS_SUITE_H_
#define ZCBENCH_NAS_SUITE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/registry.h"

namespace zcbench {

struct SuiteCell {
  std::string space;
  std::string task;
  int images = 0;  // of the probe batch

  bool operator==(const SuiteCell&) const = default;
};

struct Suite {
  std::string name;     // "paper"
  std::string summary;  // one line for `zcbench list suites`
  std::vector<SuiteCell> cells;
};

// The benchmark of L-SWAG (Casarin, Escalera, Lanz, CVPR 2025) and its parts.
const Registry<Suite>& suite_registry();

}  // namespace zcbench

#endif  // ZCBENCH_NAS_SUITE_H_
