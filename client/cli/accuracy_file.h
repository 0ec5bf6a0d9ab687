// Ground truth in our CSV format:
//
//   architecture,accuracy            a header line; further columns are allowed and not read
//   3_33_133,93.66                   the architecture in any notation of the space, in quotes where it has commas
//   "(13, 3.5, ..., 384)",74.7       the accuracy a finite number, usually in percent
//
// Quoting as RFC 4180, lines end in LF or CR LF, empty lines are skipped. Published tables with other names for the two
// columns are read by naming them.
#ifndef ZCBENCH_CLIENT_CLI_ACCURACY_FILE_H_
#define ZCBENCH_CLIENT_CLI_ACCURACY_FILE_H_

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nas/space.h"

namespace zcbench {

// The fields of one line, without the spaces around them. INVALID_ARGUMENT: a quote is not closed.
absl::StatusOr<std::vector<std::string>> SplitCsvRecord(const std::string& line);

struct AccuracyColumns {
  std::string architecture = "architecture";
  std::string accuracy = "accuracy";
};

// Hands every row to `row`, with the canonical string of its architecture; memory does not grow with the file. An error
// of `row` ends it. INVALID_ARGUMENT names the file (`name`), the line and what is wrong with it.
absl::Status ReadAccuracies(const Space& space, std::istream& in, const std::string& name,
                            const AccuracyColumns& columns,
                            const std::function<absl::Status(const std::string& architecture, double accuracy)>& row);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_ACCURACY_FILE_H_
