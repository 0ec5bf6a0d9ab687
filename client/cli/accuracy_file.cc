#include "client/cli/accuracy_file.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest.h"
#include "base/status_macros.h"

namespace zcbench {

absl::StatusOr<std::vector<std::string>> SplitCsvRecord(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return absl::InvalidArgumentError("a quote is not closed");
  for (std::string& field : fields) absl::StripAsciiWhitespace(&field);
  return fields;
}

namespace {

absl::StatusOr<size_t> FindColumn(const std::vector<std::string>& header, const std::string& name) {
  const auto column = std::find(header.begin(), header.end(), name);
  if (column != header.end()) return column - header.begin();
  const std::string nearest = NearestName(name, header);
  return absl::InvalidArgumentError(absl::StrCat("the header has no column `", name, "`",
                                                 nearest.empty() ? "" : absl::StrCat("; did you mean `", nearest, "`?"),
                                                 " (it has: ", absl::StrJoin(header, " "), ")"));
}

}  // namespace

absl::Status ReadAccuracies(const Space& space, std::istream& in, const std::string& name,
                            const AccuracyColumns& columns,
                            const std::function<absl::Status(const std::string& architecture, double accuracy)>& row) {
  std::string line;
  size_t architecture_column = 0;
  size_t accuracy_column = 0;
  bool has_header = false;
  bool has_row = false;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    if (line.empty()) continue;
    const auto read_line = [&]() -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const std::vector<std::string> fields, SplitCsvRecord(line));
      if (!has_header) {
        has_header = true;
        ZCB_ASSIGN_OR_RETURN(architecture_column, FindColumn(fields, columns.architecture));
        ZCB_ASSIGN_OR_RETURN(accuracy_column, FindColumn(fields, columns.accuracy));
        return absl::OkStatus();
      }
      has_row = true;
      if (fields.size() <= std::max(architecture_column, accuracy_column)) {
        return absl::InvalidArgumentError(absl::StrCat("only ", fields.size(), " fields"));
      }
      ZCB_ASSIGN_OR_RETURN(const std::string architecture, space.Parse(fields[architecture_column]));
      double accuracy = 0;
      if (!absl::SimpleAtod(fields[accuracy_column], &accuracy) || !std::isfinite(accuracy)) {
        return absl::InvalidArgumentError(
            absl::StrCat("`", fields[accuracy_column], "` in column `", columns.accuracy, "` is no finite number"));
      }
      return row(architecture, accuracy);
    };
    const absl::Status status = read_line();
    if (!status.ok()) return Annotate(status, absl::StrCat(name, ":", number));
  }
  if (in.bad()) return absl::UnavailableError(absl::StrCat(name, " could not be read to its end"));
  if (!has_row) return absl::InvalidArgumentError(absl::StrCat(name, " has no rows"));
  return absl::OkStatus();
}

}  // namespace zcbench
