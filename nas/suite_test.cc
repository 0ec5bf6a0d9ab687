#include "nas/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_matchers.h"
#include "nas/task.h"

namespace zcbench {
namespace {

using ::testing::IsSupersetOf;
using ::testing::SizeIs;

const std::vector<SuiteCell>& CellsOf(const char* suite) { return (*suite_registry().Find(suite))->cells; }

TEST(SuiteTest, HaveTheNumbersOfCellsOfThePaper) {
  EXPECT_THAT(CellsOf("vit6"), SizeIs(6));
  EXPECT_THAT(CellsOf("conv19"), SizeIs(19));
  EXPECT_THAT(CellsOf("transnas14"), SizeIs(14));
  EXPECT_THAT(CellsOf("paper"), SizeIs(25));
  EXPECT_THAT(CellsOf("conv19"), IsSupersetOf(CellsOf("transnas14")));
  EXPECT_THAT(CellsOf("paper"), IsSupersetOf(CellsOf("conv19")));
  EXPECT_THAT(CellsOf("paper"), IsSupersetOf(CellsOf("vit6")));
}

TEST(SuiteTest, EveryCellExistsOnce) {
  for (const Suite& suite : suite_registry().All()) {
    std::set<std::string> cells;
    for (const SuiteCell& cell : suite.cells) {
      EXPECT_THAT(FindCell(cell.space, cell.task, cell.images), IsOk()) << suite.name;
      EXPECT_TRUE(cells.insert(absl::StrCat(cell.space, "/", cell.task)).second) << suite.name;
    }
  }
}

TEST(SuiteTest, AnUnknownOneIsAnsweredWithTheNearest) {
  EXPECT_THAT(suite_registry().Find("papers"),
              StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("did you mean `paper`?")));
}

}  // namespace
}  // namespace zcbench
