// The reference pages of the documentation, as Markdown, written from the registries, so that they cannot tell of
// anything that is not there: docs/proxies.md and docs/spaces.md (`zcbench-scorer describe --pages docs`).
#ifndef ZCBENCH_WORKER_SCORER_PAGES_H_
#define ZCBENCH_WORKER_SCORER_PAGES_H_

#include <string>

#include "absl/status/statusor.h"

namespace zcbench {

// Every proxy: what it is, what it reads, where it is undefined and why. Builds a model of every space for every kind
// of task.
absl::StatusOr<std::string> ProxiesPage();

// Every space with an example and its counts, and every task with its cells.
absl::StatusOr<std::string> SpacesPage();

}  // namespace zcbench

#endif  // ZCBENCH_WORKER_SCORER_PAGES_H_
