// Tables on standard output: aligned text for people, CSV (RFC 4180) and JSON for programs. Cells are asked for one at
// a time, so a table is never held as text.
#ifndef ZCBENCH_CLIENT_CLI_TABLE_H_
#define ZCBENCH_CLIENT_CLI_TABLE_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace zcbench {

enum class Format { kTable, kCsv, kJson };

// NOT_FOUND with the nearest name.
absl::StatusOr<Format> ParseFormat(std::string_view name);

// Stands where a number would be and says why there is none: "not_finite". Text and CSV show the word; JSON shows null
// and lists the word in the row's "outcomes" object.
struct OutcomeWord {
  std::string_view text;  // static
};

// std::monostate is a missing value: nothing in CSV, "-" in text, null in JSON.
using TableCell = std::variant<std::monostate, std::string, double, int64_t, uint64_t, bool, OutcomeWord>;

struct TableColumn {
  std::string name;     // the key in JSON, so distinct within a table
  bool number = false;  // aligned right in text
};

// JSON is an array of objects, one a line. Numbers have all their digits in CSV and JSON (reading them back gives the
// same double) and six in text.
void PrintTable(std::ostream& out, Format format, const std::vector<TableColumn>& columns, size_t rows,
                const std::function<TableCell(size_t row, size_t column)>& cell);
// For small tables; every row has one cell a column.
void PrintTable(std::ostream& out, Format format, const std::vector<TableColumn>& columns,
                const std::vector<std::vector<TableCell>>& rows);

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_TABLE_H_
