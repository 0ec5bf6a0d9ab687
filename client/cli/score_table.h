// The wide table of scores: one row an architecture (and seed, task or space where there are several), one column a
// proxy. It is built from the column stream of the server and keeps 9 bytes a score and each architecture's string
// once.
#ifndef ZCBENCH_CLIENT_CLI_SCORE_TABLE_H_
#define ZCBENCH_CLIENT_CLI_SCORE_TABLE_H_

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/table.h"
#include "zcbench/v1/query.pb.h"

namespace zcbench {

namespace pb = v1;

class ScoreTable {
 public:
  // One chunk of the stream, in its order. INTERNAL: the chunk does not follow from those before it (columns of
  // different lengths, an architecture without a string).
  absl::Status Add(const pb::StreamScoresResponse& chunk);

  // After the last chunk, once: lays out rows and columns.
  void Finish();

  // Architectures in the order in which they came, seeds ascending. A proxy that reads no seed (params) has the same
  // score in the rows of all seeds. Where one proxy has several series in a row (versions, probe batches, numerics
  // classes), each has its column, named `proxy/version`, `proxy/first digits of the digest` and so on.
  const std::vector<TableColumn>& columns() const { return columns_; }
  size_t rows() const { return rows_.size(); }
  // A score as a double; Word for an outcome that is no number; nothing where no score is stored.
  TableCell At(size_t row, size_t column) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct SeriesData {
    pb::Series key;
    std::vector<double> scores;     // by index into architectures_
    std::vector<uint8_t> outcomes;  // pb::ScoreOutcome; 0 = no score
  };
  struct Row {
    uint32_t group;  // index into groups_
    uint32_t architecture;
    uint32_t seed;  // index into seeds_; 0 when there are no seeds
  };
  struct Group {
    std::string space;
    std::string task;
    bool operator==(const Group&) const = default;
  };

  uint32_t GroupOf(const pb::Series& key) const;
  // The seeds a series has scores for, as a range of indices into seeds_.
  std::pair<uint32_t, uint32_t> SeedsOf(const pb::Series& key) const;
  std::vector<std::string> Labels() const;

  std::vector<std::string> architectures_;
  std::unordered_map<uint64_t, uint32_t> index_of_;  // store id -> index into architectures_
  std::vector<SeriesData> series_;
  std::unordered_map<uint64_t, size_t> series_of_;  // store id -> index into series_

  std::vector<Group> groups_;
  std::vector<uint64_t> seeds_;
  std::vector<Row> rows_;
  std::vector<TableColumn> columns_;
  size_t proxies_begin_ = 0;  // columns before it: space, task, architecture, seed
  // For each proxy column, the series (index into series_, or kNone) of each group and seed.
  std::vector<std::vector<uint32_t>> series_at_;
};

}  // namespace zcbench

#endif  // ZCBENCH_CLIENT_CLI_SCORE_TABLE_H_
