#include "client/cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

std::string Print(Format format, const std::vector<TableColumn>& columns,
                  const std::vector<std::vector<TableCell>>& rows) {
  std::ostringstream out;
  PrintTable(out, format, columns, rows);
  return out.str();
}

const std::vector<TableColumn> kColumns = {{"architecture"}, {"zico", true}};

TEST(TableTest, TextAlignsNumbersRightAndLeavesNoTrailingSpaces) {
  EXPECT_EQ(Print(Format::kTable, {{"name"}, {"n", true}, {"note"}},
                  {{std::string("a"), int64_t{12345}, std::string("x")},
                   {std::string("longer"), int64_t{-1}, std::string()}}),
            "name        n  note\n"
            "a       12345  x\n"
            "longer     -1\n");
}

TEST(TableTest, TextShowsSixDigitsAndWholeNumbersWhole) {
  EXPECT_EQ(Print(Format::kTable, {{"x", true}},
                  {{0.123456789}, {344346.0}, {1e20}, {TableCell()}, {OutcomeWord{"undefined"}}, {true}}),
            "        x\n 0.123457\n   344346\n    1e+20\n        -\nundefined\n      yes\n");
}

TEST(TableTest, CsvQuotesAsRfc4180) {
  EXPECT_EQ(Print(Format::kCsv, {{"a"}, {"lswag(micro_batches=16, window=p30-p60)"}},
                  {{std::string("say \"no\", twice"), std::string("two\nlines")}, {std::string("plain"), {}}}),
            "a,\"lswag(micro_batches=16, window=p30-p60)\"\r\n"
            "\"say \"\"no\"\", twice\",\"two\nlines\"\r\n"
            "plain,\r\n");
}

TEST(TableTest, NumbersReadBackAsTheyWere) {
  for (const double value : {0.1, 1.0 / 3, -1e-300, std::numeric_limits<double>::max(), 5e-324, 123456789.123456789}) {
    const std::string csv = Print(Format::kCsv, {{"x"}}, {{value}});
    EXPECT_EQ(std::strtod(csv.c_str() + 3, nullptr), value) << csv;
    const auto json = nlohmann::json::parse(Print(Format::kJson, {{"x"}}, {{value}}));
    EXPECT_EQ(json[0]["x"].get<double>(), value);
  }
}

TEST(TableTest, JsonHasNullForWhatIsNoNumberAndSaysWhy) {
  const auto json = nlohmann::json::parse(Print(Format::kJson, kColumns,
                                                {{std::string("a\"b"), OutcomeWord{"not_finite"}},
                                                 {std::string("c"), {}},
                                                 {std::string("d"), uint64_t{18446744073709551615u}}}));
  EXPECT_EQ(json, nlohmann::json::parse(R"([
    {"architecture": "a\"b", "zico": null, "outcomes": {"zico": "not_finite"}},
    {"architecture": "c", "zico": null},
    {"architecture": "d", "zico": 18446744073709551615}])"));
}

TEST(TableTest, CsvHasTheWordOfAnOutcomeAndNothingForAMissingScore) {
  EXPECT_EQ(Print(Format::kCsv, kColumns, {{std::string("a"), OutcomeWord{"not_finite"}}, {std::string("b"), {}}}),
            "architecture,zico\r\na,not_finite\r\nb,\r\n");
}

TEST(TableTest, AnEmptyTableIsStillOne) {
  EXPECT_EQ(Print(Format::kTable, kColumns, {}), "architecture  zico\n");
  EXPECT_EQ(Print(Format::kCsv, kColumns, {}), "architecture,zico\r\n");
  EXPECT_EQ(nlohmann::json::parse(Print(Format::kJson, kColumns, {})), nlohmann::json::array());
}

TEST(TableTest, AnUnknownFormatNamesTheNearest) {
  EXPECT_THAT(ParseFormat("json"), IsOkAndHolds(Format::kJson));
  EXPECT_THAT(ParseFormat("jsn"), StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("did you mean `json`?")));
}

}  // namespace
}  // namespace zcbench
