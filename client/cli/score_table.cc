#include "client/cli/score_table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace zcbench {

absl::Status ScoreTable::Add(const pb::StreamScoresResponse& chunk) {
  if (chunk.has_architectures()) {
    const pb::ArchitectureChunk& piece = chunk.architectures();
    if (piece.ids_size() != piece.architectures_size()) {
      return absl::InternalError(absl::StrCat("the server sent ", piece.ids_size(), " ids for ",
                                              piece.architectures_size(), " architectures"));
    }
    for (int i = 0; i < piece.ids_size(); ++i) {
      if (!index_of_.emplace(piece.ids(i), static_cast<uint32_t>(architectures_.size())).second) continue;
      architectures_.push_back(piece.architectures(i));
    }
    return absl::OkStatus();
  }
  if (!chunk.has_column()) return absl::OkStatus();
  const pb::ColumnChunk& piece = chunk.column();
  const int size = piece.architectures_size();
  if (piece.scores_size() != size || piece.outcomes_size() != size) {
    return absl::InternalError(absl::StrCat("the server sent a column of ", size, " architectures, ",
                                            piece.scores_size(), " scores and ", piece.outcomes_size(), " outcomes"));
  }
  const uint64_t id = piece.has_series() ? piece.series().id() : piece.series_id();
  const auto [found, is_new] = series_of_.emplace(id, series_.size());
  if (is_new) {
    if (!piece.has_series()) return absl::InternalError(absl::StrCat("the server did not say what series ", id, " is"));
    series_.emplace_back().key = piece.series();
  }
  SeriesData& series = series_[found->second];
  for (int i = 0; i < size; ++i) {
    const auto architecture = index_of_.find(piece.architectures(i));
    if (architecture == index_of_.end()) {
      return absl::InternalError(absl::StrCat("the server sent no string for architecture ", piece.architectures(i)));
    }
    const size_t index = architecture->second;
    if (index >= series.scores.size()) {
      series.scores.resize(architectures_.size());
      series.outcomes.resize(architectures_.size());
    }
    series.scores[index] = piece.scores(i);
    series.outcomes[index] = static_cast<uint8_t>(piece.outcomes(i));
  }
  return absl::OkStatus();
}

uint32_t ScoreTable::GroupOf(const pb::Series& key) const {
  const Group group = {.space = key.space(), .task = key.task()};
  return static_cast<uint32_t>(std::find(groups_.begin(), groups_.end(), group) - groups_.begin());
}

std::pair<uint32_t, uint32_t> ScoreTable::SeedsOf(const pb::Series& key) const {
  if (!key.has_seed()) return {0, std::max<uint32_t>(1, static_cast<uint32_t>(seeds_.size()))};
  const auto seed = static_cast<uint32_t>(std::lower_bound(seeds_.begin(), seeds_.end(), key.seed()) - seeds_.begin());
  return {seed, seed + 1};
}

std::vector<std::string> ScoreTable::Labels() const {
  // What may tell two series of a proxy in one row apart, most telling first.
  const std::vector<std::function<std::string(const pb::Series&)>> parts = {
      [](const pb::Series& key) { return key.version(); },
      [](const pb::Series& key) { return key.probe_batch().substr(0, 8); },
      [](const pb::Series& key) { return key.numerics(); }};
  std::vector<std::string> labels;
  for (const SeriesData& series : series_) labels.push_back(series.key.proxy());
  for (const auto& part : parts) {
    // The proxies of which some row still has two series under one label, with their values of `part`.
    std::map<std::string, std::set<std::string>> values;
    std::set<std::string> clashing;
    std::set<std::pair<std::string, std::pair<uint32_t, int64_t>>> taken;
    for (size_t i = 0; i < series_.size(); ++i) {
      const pb::Series& key = series_[i].key;
      const int64_t seed = key.has_seed() ? int64_t{SeedsOf(key).first} : -1;
      values[labels[i]].insert(part(key));
      if (!taken.insert({labels[i], {GroupOf(key), seed}}).second) clashing.insert(labels[i]);
    }
    for (size_t i = 0; i < series_.size(); ++i) {
      if (!clashing.contains(labels[i]) || values[labels[i]].size() < 2) continue;
      const std::string value = part(series_[i].key);
      if (!value.empty()) absl::StrAppend(&labels[i], "/", value);
    }
  }
  return labels;
}

void ScoreTable::Finish() {
  std::set<std::string> spaces;
  std::set<std::string> tasks;
  std::set<uint64_t> seeds;
  for (const SeriesData& series : series_) {
    if (GroupOf(series.key) == groups_.size()) groups_.push_back({series.key.space(), series.key.task()});
    spaces.insert(series.key.space());
    tasks.insert(series.key.task());
    if (series.key.has_seed()) seeds.insert(series.key.seed());
  }
  seeds_.assign(seeds.begin(), seeds.end());

  if (spaces.size() > 1) columns_.push_back({"space"});
  if (tasks.size() > 1) columns_.push_back({"task"});
  columns_.push_back({"architecture"});
  if (seeds_.size() > 1) columns_.push_back({"seed", true});
  proxies_begin_ = columns_.size();

  const size_t seed_count = std::max<size_t>(1, seeds_.size());
  const std::vector<std::string> labels = Labels();
  std::vector<uint8_t> present(groups_.size() * architectures_.size() * seed_count);
  for (size_t i = 0; i < series_.size(); ++i) {
    const SeriesData& series = series_[i];
    const auto column = std::find_if(columns_.begin() + proxies_begin_, columns_.end(),
                                     [&](const TableColumn& candidate) { return candidate.name == labels[i]; });
    const size_t proxy = column - columns_.begin() - proxies_begin_;
    if (column == columns_.end()) {
      columns_.push_back({labels[i], true});
      series_at_.emplace_back(groups_.size() * seed_count, kNone);
    }
    const uint32_t group = GroupOf(series.key);
    const auto [first, last] = SeedsOf(series.key);
    for (uint32_t seed = first; seed < last; ++seed) {
      series_at_[proxy][group * seed_count + seed] = static_cast<uint32_t>(i);
      for (size_t architecture = 0; architecture < series.outcomes.size(); ++architecture) {
        if (series.outcomes[architecture] == pb::SCORE_OUTCOME_UNSPECIFIED) continue;
        present[(group * architectures_.size() + architecture) * seed_count + seed] = 1;
      }
    }
  }
  for (size_t i = 0; i < present.size(); ++i) {
    if (present[i] == 0) continue;
    const size_t place = i / seed_count;
    rows_.push_back({.group = static_cast<uint32_t>(place / architectures_.size()),
                     .architecture = static_cast<uint32_t>(place % architectures_.size()),
                     .seed = static_cast<uint32_t>(i % seed_count)});
  }
}

TableCell ScoreTable::At(size_t row, size_t column) const {
  const Row& place = rows_[row];
  if (column < proxies_begin_) {
    const std::string& name = columns_[column].name;
    if (name == "space") return groups_[place.group].space;
    if (name == "task") return groups_[place.group].task;
    if (name == "seed") return seeds_[place.seed];
    return architectures_[place.architecture];
  }
  const size_t seed_count = std::max<size_t>(1, seeds_.size());
  const uint32_t index = series_at_[column - proxies_begin_][place.group * seed_count + place.seed];
  if (index == kNone) return {};
  const SeriesData& series = series_[index];
  if (place.architecture >= series.outcomes.size()) return {};
  switch (series.outcomes[place.architecture]) {
    case pb::SCORE_OUTCOME_OK:
      return series.scores[place.architecture];
    case pb::SCORE_OUTCOME_NOT_FINITE:
      return OutcomeWord{"not_finite"};
    case pb::SCORE_OUTCOME_UNDEFINED:
      return OutcomeWord{"undefined"};
    default:
      return {};
  }
}

}  // namespace zcbench
