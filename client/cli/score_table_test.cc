#include "client/cli/score_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <sstream>

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

pb::StreamScoresResponse Architectures(const std::vector<std::pair<uint64_t, std::string>>& entries) {
  pb::StreamScoresResponse chunk;
  for (const auto& [id, text] : entries) {
    chunk.mutable_architectures()->add_ids(id);
    chunk.mutable_architectures()->add_architectures(text);
  }
  return chunk;
}

pb::Series Series(uint64_t id, const std::string& proxy, std::optional<uint64_t> seed, const std::string& digest = "") {
  pb::Series series;
  series.set_id(id);
  series.set_space("nasbench201");
  series.set_task("photos");
  series.set_proxy(proxy);
  series.set_version("1.1.1");
  if (seed.has_value()) series.set_seed(*seed);
  series.set_probe_batch(digest);
  return series;
}

struct Entry {
  uint64_t architecture;
  double score;
  pb::ScoreOutcome outcome = pb::SCORE_OUTCOME_OK;
};

pb::StreamScoresResponse Column(const pb::Series& series, const std::vector<Entry>& entries) {
  pb::StreamScoresResponse chunk;
  pb::ColumnChunk& column = *chunk.mutable_column();
  *column.mutable_series() = series;
  column.set_series_id(series.id());
  for (const Entry& entry : entries) {
    column.add_architectures(entry.architecture);
    column.add_scores(entry.score);
    column.add_outcomes(entry.outcome);
  }
  return chunk;
}

std::string Csv(const std::vector<pb::StreamScoresResponse>& chunks) {
  ScoreTable table;
  for (const auto& chunk : chunks) EXPECT_THAT(table.Add(chunk), IsOk());
  table.Finish();
  std::ostringstream out;
  PrintTable(out, Format::kCsv, table.columns(), table.rows(),
             [&](size_t row, size_t column) { return table.At(row, column); });
  std::string text = out.str();
  std::erase(text, '\r');
  return text;
}

TEST(ScoreTableTest, OneRowAnArchitectureOneColumnAProxy) {
  EXPECT_EQ(Csv({Architectures({{7, "a"}, {3, "b"}}), Column(Series(1, "params", {}), {{7, 10}, {3, 20}}),
                 Column(Series(2, "zico", 0), {{3, 0.5}, {7, 0, pb::SCORE_OUTCOME_NOT_FINITE}}),
                 Column(Series(3, "az_trainability", 0), {{3, 0, pb::SCORE_OUTCOME_UNDEFINED}})}),
            "architecture,params,zico,az_trainability\n"
            "a,10,not_finite,\n"
            "b,20,0.5,undefined\n");
}

TEST(ScoreTableTest, SeveralSeedsAreRowsAndASeedlessProxyIsInAllOfThem) {
  EXPECT_EQ(Csv({Architectures({{1, "a"}, {2, "b"}}), Column(Series(1, "zico", 5), {{1, 1.5}, {2, 2.5}}),
                 Column(Series(2, "params", {}), {{1, 10}, {2, 20}}), Column(Series(3, "zico", 4), {{2, 2.25}})}),
            "architecture,seed,zico,params\n"
            "a,4,,10\n"
            "a,5,1.5,10\n"
            "b,4,2.25,20\n"
            "b,5,2.5,20\n");
}

TEST(ScoreTableTest, AColumnMayComeInPieces) {
  pb::StreamScoresResponse second = Column(Series(1, "zico", 0), {{2, 2.5}});
  second.mutable_column()->clear_series();
  EXPECT_EQ(
      Csv({Architectures({{1, "a"}}), Architectures({{2, "b"}}), Column(Series(1, "zico", 0), {{1, 1.5}}), second}),
      "architecture,zico\na,1.5\nb,2.5\n");
}

TEST(ScoreTableTest, SeveralProbeBatchesOfOneProxyAreColumnsOfTheirOwn) {
  EXPECT_EQ(Csv({Architectures({{1, "a"}}), Column(Series(1, "zico", 0, "0123456789ab"), {{1, 1.5}}),
                 Column(Series(2, "zico", 0, "fedcba987654"), {{1, 2.5}}),
                 Column(Series(3, "snip", 0, "0123456789ab"), {{1, 3}})}),
            "architecture,zico/01234567,zico/fedcba98,snip\na,1.5,2.5,3\n");
}

TEST(ScoreTableTest, SeveralVersionsOfOneProxyAreColumnsOfTheirOwn) {
  pb::Series newer = Series(2, "zico", 0);
  newer.set_version("2.1.1");
  EXPECT_EQ(Csv({Architectures({{1, "a"}}), Column(Series(1, "zico", 0), {{1, 1.5}}), Column(newer, {{1, 2.5}})}),
            "architecture,zico/1.1.1,zico/2.1.1\na,1.5,2.5\n");
}

TEST(ScoreTableTest, SeveralTasksHaveAColumnThatSaysWhich) {
  pb::Series other = Series(2, "zico", 0);
  other.set_task("cifar10");
  EXPECT_EQ(Csv({Architectures({{1, "a"}}), Column(Series(1, "zico", 0), {{1, 1.5}}), Column(other, {{1, 2.5}})}),
            "task,architecture,zico\nphotos,a,1.5\ncifar10,a,2.5\n");
}

TEST(ScoreTableTest, NothingIsAnEmptyTable) { EXPECT_EQ(Csv({}), "architecture\n"); }

TEST(ScoreTableTest, ChunksThatDoNotFitAreRefused) {
  ScoreTable table;
  pb::StreamScoresResponse chunk = Column(Series(1, "zico", 0), {{1, 1.5}});
  EXPECT_THAT(table.Add(chunk), StatusIs(absl::StatusCode::kInternal, HasSubstr("no string for architecture 1")));
  chunk.mutable_column()->add_scores(2);
  EXPECT_THAT(table.Add(chunk), StatusIs(absl::StatusCode::kInternal, HasSubstr("1 architectures, 2 scores")));
  chunk = Column(Series(9, "snip", 0), {});
  chunk.mutable_column()->clear_series();
  EXPECT_THAT(table.Add(chunk), StatusIs(absl::StatusCode::kInternal, HasSubstr("series 9")));
}

}  // namespace
}  // namespace zcbench
