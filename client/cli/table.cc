#include "client/cli/table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/nearest.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// The shortest digits that read back as the same number.
std::string AllDigits(double value) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

std::string SixDigits(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) < 1e15;
  return whole ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.6g", value);
}

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string AsText(const TableCell& cell) {
  return std::visit(
      Overloaded{
          [](std::monostate) -> std::string { return "-"; }, [](const std::string& text) { return text; },
          [](double value) { return SixDigits(value); }, [](bool value) -> std::string { return value ? "yes" : "no"; },
          [](OutcomeWord word) { return std::string(word.text); }, [](auto value) { return absl::StrCat(value); }},
      cell);
}

std::string AsCsv(const TableCell& cell) {
  return std::visit(
      Overloaded{[](std::monostate) { return std::string(); }, [](const std::string& text) { return Quoted(text); },
                 [](double value) { return AllDigits(value); },
                 [](bool value) -> std::string { return value ? "true" : "false"; },
                 [](OutcomeWord word) { return std::string(word.text); },
                 [](auto value) { return absl::StrCat(value); }},
      cell);
}

std::string JsonString(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string AsJson(const TableCell& cell) {
  return std::visit(
      Overloaded{[](std::monostate) -> std::string { return "null"; },
                 [](const std::string& text) { return JsonString(text); },
                 [](double value) { return nlohmann::json(value).dump(); },
                 [](bool value) -> std::string { return value ? "true" : "false"; },
                 [](OutcomeWord) -> std::string { return "null"; }, [](auto value) { return absl::StrCat(value); }},
      cell);
}

void PrintJson(std::ostream& out, const std::vector<TableColumn>& columns, size_t rows,
               const std::function<TableCell(size_t, size_t)>& cell) {
  std::vector<std::string> names;
  for (const TableColumn& column : columns) names.push_back(JsonString(column.name));
  out << "[";
  for (size_t row = 0; row < rows; ++row) {
    out << (row == 0 ? "\n  {" : ",\n  {");
    std::string outcomes;
    for (size_t i = 0; i < columns.size(); ++i) {
      const TableCell value = cell(row, i);
      out << (i == 0 ? "" : ", ") << names[i] << ": " << AsJson(value);
      if (const OutcomeWord* word = std::get_if<OutcomeWord>(&value)) {
        absl::StrAppend(&outcomes, outcomes.empty() ? "" : ", ", names[i], ": ", JsonString(word->text));
      }
    }
    if (!outcomes.empty()) out << ", \"outcomes\": {" << outcomes << "}";
    out << "}";
  }
  out << (rows == 0 ? "]\n" : "\n]\n");
}

void PrintCsv(std::ostream& out, const std::vector<TableColumn>& columns, size_t rows,
              const std::function<TableCell(size_t, size_t)>& cell) {
  for (size_t i = 0; i < columns.size(); ++i) out << (i == 0 ? "" : ",") << Quoted(columns[i].name);
  out << "\r\n";
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < columns.size(); ++i) out << (i == 0 ? "" : ",") << AsCsv(cell(row, i));
    out << "\r\n";
  }
}

void PrintText(std::ostream& out, const std::vector<TableColumn>& columns, size_t rows,
               const std::function<TableCell(size_t, size_t)>& cell) {
  std::vector<size_t> widths;
  for (const TableColumn& column : columns) widths.push_back(column.name.size());
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < columns.size(); ++i) widths[i] = std::max(widths[i], AsText(cell(row, i)).size());
  }
  const auto print_line = [&](const auto& text_of) {
    std::string line;
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string text = text_of(i);
      const std::string padding(widths[i] - text.size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", columns[i].number ? padding + text : text + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  };
  print_line([&](size_t i) { return columns[i].name; });
  for (size_t row = 0; row < rows; ++row) {
    print_line([&](size_t i) { return AsText(cell(row, i)); });
  }
}

}  // namespace

absl::StatusOr<Format> ParseFormat(std::string_view name) {
  if (name == "table") return Format::kTable;
  if (name == "csv") return Format::kCsv;
  if (name == "json") return Format::kJson;
  return UnknownName("format", name, {"table", "csv", "json"});
}

void PrintTable(std::ostream& out, Format format, const std::vector<TableColumn>& columns, size_t rows,
                const std::function<TableCell(size_t, size_t)>& cell) {
  switch (format) {
    case Format::kTable:
      return PrintText(out, columns, rows, cell);
    case Format::kCsv:
      return PrintCsv(out, columns, rows, cell);
    case Format::kJson:
      return PrintJson(out, columns, rows, cell);
  }
}

void PrintTable(std::ostream& out, Format format, const std::vector<TableColumn>& columns,
                const std::vector<std::vector<TableCell>>& rows) {
  for (const std::vector<TableCell>& row : rows) ZCB_CHECK(row.size() == columns.size());
  PrintTable(out, format, columns, rows.size(), [&](size_t row, size_t column) { return rows[row][column]; });
}

}  // namespace zcbench
