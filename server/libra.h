// LIBRA-NAS on what the store holds, and the combinations that are stored under a name.
#ifndef ZCBENCH_SERVER_LIBRA_H_
#define ZCBENCH_SERVER_LIBRA_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "db/store.h"
#include "server/columns.h"
#include "server/scheduler.h"
#include "zcbench/v1/query.pb.h"

namespace zcbench {

// As FitLibraRequest says.
absl::StatusOr<v1::FitLibraResponse> FitLibra(Store& store, Scheduler& scheduler, const Clock& clock,
                                              const v1::FitLibraRequest& request);

absl::StatusOr<v1::ListCombinationsResponse> ListCombinations(Store& store, const v1::ListCombinationsRequest& request);

// NOT_FOUND with the nearest name.
absl::StatusOr<v1::Combination> FindCombination(Store& store, const std::string& name);

// The combination over the table's architectures, as the variable `libra:NAME`. FAILED_PRECONDITION: it is of another
// space or task, or a proxy of it has no scores in the table.
absl::StatusOr<Variable> MergeVariables(const VariableTable& table, const v1::Combination& combination);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_LIBRA_H_
