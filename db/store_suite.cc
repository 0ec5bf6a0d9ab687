#include "db/store_suite.h"

#include <gmock/gmock.h>

#include <limits>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/status_matchers.h"

namespace zcbench {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

const absl::Time kNoon = absl::FromUnixSeconds(1'790'000'000);
const Execution kExecution{
    .worker = "w", .host = "h", .device = "cpu", .numerics = "cpu-avx2", .zcbench_version = "0.1.0", .commit = "abc"};

ScoreColumn Column(const std::string& proxy, std::optional<uint64_t> seed = 0) {
  return {.key = {.space = "nasbench201",
                  .task = "photos",
                  .proxy = proxy,
                  .version = "1.1.1",
                  .seed = seed,
                  .probe_batch = "d1",
                  .numerics = "cpu-avx2"},
          .tolerance = 1e-4};
}

NewScore Score(uint32_t series, std::string_view architecture, double value) {
  return {.series = series, .architecture = architecture, .outcome = Outcome::kOk, .value = value, .seconds = 0.5};
}

}  // namespace

void StoreSuite::SetUp() {
  absl::StatusOr<std::unique_ptr<Store>> store = GetParam().open(folder_.path());
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
}

void StoreSuite::Reopen() {
  store_.reset();
  SetUp();
}

JobId StoreSuite::AddJob(const std::string& digest) {
  JobId job{};
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, writer.AddJob({.digest = digest, .spec = "{}", .created = kNoon, .total = 100}));
    return absl::OkStatus();
  }),
              IsOk());
  return job;
}

void StoreSuite::AddUnits(JobId job, int count, uint64_t size) {
  std::vector<WorkUnit> units;
  for (int i = 0; i < count; ++i) {
    units.push_back({.job = job, .first = static_cast<uint64_t>(i) * size, .open = std::vector<bool>(size, true)});
  }
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddUnits(units); }), IsOk());
}

std::vector<WorkUnit> StoreSuite::Acquire(JobId job, const std::string& worker, absl::Time now, absl::Time expires,
                                          int limit) {
  std::vector<WorkUnit> units;
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(units, writer.AcquireUnits(job, worker, now, expires, limit));
    return absl::OkStatus();
  }),
              IsOk());
  return units;
}

absl::StatusOr<std::vector<Disposition>> StoreSuite::AddScores(const std::vector<ScoreColumn>& columns,
                                                               const std::vector<NewScore>& scores) {
  std::vector<Disposition> dispositions;
  ZCB_RETURN_IF_ERROR(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(dispositions, writer.AddScores(columns, scores, kExecution, kNoon));
    return absl::OkStatus();
  }));
  return dispositions;
}

namespace {

TEST_P(StoreSuite, ExpiredLeaseGoesToAnotherWorkerAtItsMicrosecond) {
  const JobId job = AddJob("j");
  AddUnits(job, 1, 3);
  const absl::Time expiry = kNoon + absl::Minutes(1);
  EXPECT_THAT(Acquire(job, "a", kNoon, expiry),
              ElementsAre(AllOf(Field(&WorkUnit::attempt, 1), Field(&WorkUnit::worker, "a"),
                                Field(&WorkUnit::free_from, expiry), Field(&WorkUnit::open, SizeIs(3)))));
  EXPECT_THAT(Acquire(job, "b", expiry - absl::Microseconds(1), expiry), IsEmpty());
  EXPECT_THAT(Acquire(job, "b", expiry, expiry + absl::Minutes(1)),
              ElementsAre(AllOf(Field(&WorkUnit::attempt, 2), Field(&WorkUnit::worker, "b"))));
}

TEST_P(StoreSuite, AUnitIsNeverLeasedToTheWorkerThatItExcludes) {
  const JobId job = AddJob("j");
  const WorkUnit unit{.job = job, .first = 0, .open = {true}, .not_worker = "a"};
  ASSERT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddUnits({&unit, 1}); }), IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.CountFreeUnits(job, "a", kNoon, 5), IsOkAndHolds(0));
    EXPECT_THAT(reader.CountFreeUnits(job, "b", kNoon, 5), IsOkAndHolds(1));
    EXPECT_THAT(reader.CountFreeUnits(job, "", kNoon, 5), IsOkAndHolds(1));
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(Acquire(job, "a", kNoon, kNoon + absl::Minutes(1)), IsEmpty());
  EXPECT_THAT(Acquire(job, "b", kNoon, kNoon + absl::Minutes(1)), ElementsAre(Field(&WorkUnit::not_worker, "a")));
}

TEST_P(StoreSuite, ScoresThatAreNoNumberAreListedByReason) {
  const std::vector<ScoreColumn> columns = {Column("grad_norm"), Column("snip")};
  EXPECT_THAT(AddScores(columns,
                        {{.series = 0, .architecture = "a", .outcome = Outcome::kNotFinite, .reason = "the sum is NaN"},
                         {.series = 1, .architecture = "a", .outcome = Outcome::kUndefined, .reason = "no convolution"},
                         {.series = 0, .architecture = "b", .outcome = Outcome::kNotFinite, .reason = "the sum is NaN"},
                         {.series = 1, .architecture = "b", .outcome = Outcome::kOk, .value = 1}}),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, reader.ListSeries({}, SeriesId{0}, 10));
    std::vector<SeriesId> ids;
    for (const SeriesInfo& info : series) ids.push_back(info.id);
    ZCB_ASSIGN_OR_RETURN(const std::vector<OutcomeGroup> groups, reader.ListOutcomes(ids, 10));
    EXPECT_THAT(groups,
                ElementsAre(AllOf(Field(&OutcomeGroup::reason, "the sum is NaN"), Field(&OutcomeGroup::count, 2u),
                                  Field(&OutcomeGroup::outcome, Outcome::kNotFinite),
                                  Field(&OutcomeGroup::architecture, "b"), Field(&OutcomeGroup::worker, "w")),
                            AllOf(Field(&OutcomeGroup::reason, "no convolution"), Field(&OutcomeGroup::count, 1u),
                                  Field(&OutcomeGroup::outcome, Outcome::kUndefined))));
    EXPECT_EQ(groups[1].key, columns[1].key);
    EXPECT_THAT(reader.ListOutcomes(std::vector{ids[1]}, 10), IsOkAndHolds(SizeIs(1)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, UnitsComeInTheirOrderAndOnlyOfTheJob) {
  const JobId first = AddJob("j1");
  const JobId second = AddJob("j2");
  AddUnits(first, 3);
  AddUnits(second, 1);
  const std::vector<WorkUnit> units = Acquire(first, "a", kNoon, kNoon + absl::Minutes(1), 10);
  ASSERT_THAT(units, SizeIs(3));
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(units[i].first, i);
  EXPECT_THAT(Acquire(second, "a", kNoon, kNoon + absl::Minutes(1), 10), SizeIs(1));
}

TEST_P(StoreSuite, ClaimersNeverGetTheSameUnit) {
  const JobId job = AddJob("j");
  AddUnits(job, 200);
  std::vector<std::vector<WorkUnit>> taken(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < taken.size(); ++t) {
    threads.emplace_back([&, t] {
      while (true) {
        std::vector<WorkUnit> units = Acquire(job, absl::StrCat("w", t), kNoon, kNoon + absl::Minutes(1), 3);
        if (units.empty()) return;
        taken[t].insert(taken[t].end(), units.begin(), units.end());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<UnitId> ids;
  size_t total = 0;
  for (const std::vector<WorkUnit>& units : taken) {
    for (const WorkUnit& unit : units) ids.insert(unit.id);
    total += units.size();
  }
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(total, 200u);
}

TEST_P(StoreSuite, ALeaseIsRenewedByItsHolderAlone) {
  const JobId job = AddJob("j");
  AddUnits(job, 1);
  const absl::Time expiry = kNoon + absl::Minutes(1);
  const WorkUnit unit = Acquire(job, "a", kNoon, expiry).at(0);
  const auto renew = [&](int attempt, const std::string& worker, absl::Time until) {
    bool renewed = false;
    EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(renewed, writer.RenewUnit(unit.id, attempt, worker, until));
      return absl::OkStatus();
    }),
                IsOk());
    return renewed;
  };
  EXPECT_FALSE(renew(1, "b", expiry + absl::Minutes(1)));
  EXPECT_FALSE(renew(2, "a", expiry + absl::Minutes(1)));
  EXPECT_TRUE(renew(1, "a", expiry + absl::Minutes(1)));
  EXPECT_THAT(Acquire(job, "b", expiry, expiry + absl::Minutes(9)), IsEmpty());
  EXPECT_THAT(Acquire(job, "b", expiry + absl::Minutes(1), expiry + absl::Minutes(9)), SizeIs(1));
  EXPECT_FALSE(renew(1, "a", expiry + absl::Minutes(3)));
}

TEST_P(StoreSuite, ADoneUnitIsGoneWithTheTransactionThatStoresItsScores) {
  const JobId job = AddJob("j");
  AddUnits(job, 1);
  const WorkUnit unit = Acquire(job, "a", kNoon, kNoon + absl::Minutes(1)).at(0);
  const std::vector<ScoreColumn> columns = {Column("grad_norm")};
  const std::vector<NewScore> scores = {Score(0, "0_00_000", 1)};
  // An error takes both back.
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_RETURN_IF_ERROR(writer.AddScores(columns, scores, kExecution, kNoon).status());
    ZCB_RETURN_IF_ERROR(writer.DeleteUnit(unit.id));
    return absl::FailedPreconditionError("changed my mind");
  }),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("changed")));
  EXPECT_THAT(store().Read([&](StoreReader& reader) { return reader.GetUnit(unit.id).status(); }), IsOk());
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_RETURN_IF_ERROR(writer.AddScores(columns, scores, kExecution, kNoon).status());
    return writer.DeleteUnit(unit.id);
  }),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) { return reader.GetUnit(unit.id).status(); }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("done")));
  EXPECT_THAT(AddScores(columns, scores), IsOkAndHolds(ElementsAre(Disposition::kAlreadyRecorded)));
}

TEST_P(StoreSuite, TheFirstScoreOfAKeyStays) {
  const std::vector<ScoreColumn> columns = {Column("grad_norm"), Column("snip")};
  EXPECT_THAT(AddScores(columns, {Score(0, "a", 2.0), Score(1, "a", 0.0)}),
              IsOkAndHolds(ElementsAre(Disposition::kRecorded, Disposition::kRecorded)));
  struct Case {
    const char* name;
    uint32_t series;
    Outcome outcome;
    double value;
    Disposition disposition;
  };
  const Case cases[] = {
      {"equal", 0, Outcome::kOk, 2.0, Disposition::kAlreadyRecorded},
      {"within the tolerance", 0, Outcome::kOk, 2.0 * (1 + 0.9e-4), Disposition::kAlreadyRecorded},
      {"beyond the tolerance", 0, Outcome::kOk, 2.0 * (1 + 1.2e-4), Disposition::kConflict},
      {"other sign", 0, Outcome::kOk, -2.0, Disposition::kConflict},
      {"other outcome", 0, Outcome::kNotFinite, 0, Disposition::kConflict},
      {"exact zero", 1, Outcome::kOk, 0.0, Disposition::kAlreadyRecorded},
      {"nearly zero is not zero", 1, Outcome::kOk, 1e-30, Disposition::kConflict},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(AddScores(columns, {{.series = c.series, .architecture = "a", .outcome = c.outcome, .value = c.value}}),
                IsOkAndHolds(ElementsAre(c.disposition)))
        << c.name;
  }
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<ScoreConflict> conflicts, reader.ListConflicts({}, 10));
    EXPECT_THAT(conflicts, SizeIs(4));
    EXPECT_EQ(conflicts[0].value, 1e-30);
    EXPECT_EQ(conflicts[0].kept_value, 0);
    EXPECT_EQ(conflicts[0].architecture, "a");
    EXPECT_EQ(conflicts[0].worker, "w");
    EXPECT_EQ(conflicts[0].kept_worker, "w");
    EXPECT_EQ(conflicts[0].recorded, kNoon);
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, reader.ListSeries({}, SeriesId{0}, 10));
    EXPECT_THAT(series, SizeIs(2));
    EXPECT_EQ(conflicts[0].key, series[1].key);
    EXPECT_THAT(reader.CountConflicts({}), IsOkAndHolds(4u));
    EXPECT_THAT(reader.CountConflicts(std::vector{series[0].id}), IsOkAndHolds(3u));
    EXPECT_THAT(reader.ListConflicts(std::vector{series[1].id}, 10), IsOkAndHolds(SizeIs(1)));
    EXPECT_THAT(reader.FindScorer(series[0].key, "a"), IsOkAndHolds("w"));
    EXPECT_THAT(reader.FindScorer(series[0].key, "nobody's"), IsOkAndHolds(""));
    ZCB_ASSIGN_OR_RETURN(const std::vector<ScoreRow> rows, reader.ReadColumn(series[0].id, ArchitectureId{0}, 10));
    EXPECT_THAT(rows, ElementsAre(Field(&ScoreRow::value, 2.0)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, EveryPartOfTheKeyMakesAColumn) {
  std::vector<ScoreColumn> columns(9, Column("grad_norm"));
  columns[1].key.space = "autoformer_tiny";
  columns[2].key.task = "cifar10";
  columns[3].key.proxy = "snip";
  columns[4].key.version = "2.1.1";
  columns[5].key.seed = 1;
  columns[6].key.seed = std::nullopt;
  columns[7].key.probe_batch = "";
  columns[8].key.numerics = "cuda";
  std::vector<NewScore> scores;
  for (uint32_t i = 0; i < columns.size(); ++i) scores.push_back(Score(i, "a", i));
  EXPECT_THAT(AddScores(columns, scores), IsOkAndHolds(testing::Each(Disposition::kRecorded)));
  EXPECT_THAT(AddScores(columns, scores), IsOkAndHolds(testing::Each(Disposition::kAlreadyRecorded)));
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, reader.ListSeries({}, SeriesId{0}, 100));
    EXPECT_THAT(series, SizeIs(columns.size()));  // each dictionary entry once
    for (size_t i = 0; i < series.size(); ++i) {
      EXPECT_EQ(series[i].key, columns[i].key) << i;
      EXPECT_EQ(series[i].finite, 1u);
    }
    SeriesFilter filter{.space = "nasbench201", .task = "photos", .proxies = {"grad_norm"}, .seeds = {0}};
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> some, reader.ListSeries(filter, SeriesId{0}, 100));
    EXPECT_THAT(some, SizeIs(5));  // itself, version, no seed, no batch, numerics
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> page, reader.ListSeries(filter, some[1].id, 2));
    EXPECT_THAT(page, ElementsAre(Field(&SeriesInfo::id, some[2].id), Field(&SeriesInfo::id, some[3].id)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, MissingScoresAreFoundByKey) {
  const std::vector<ScoreColumn> columns = {Column("grad_norm"), Column("snip"), Column("fisher")};
  const std::vector<NewScore> scores = {
      Score(0, "a", 1),
      {.series = 1, .architecture = "a", .outcome = Outcome::kUndefined, .reason = "no ReLU"},
      Score(0, "b", 1),
  };
  ASSERT_THAT(AddScores(columns, scores), IsOk());
  const std::vector<SeriesKey> keys = {columns[0].key, columns[1].key, columns[2].key};
  const std::vector<std::string> architectures = {"b", "never seen", "a"};
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const auto missing, reader.FindMissing(keys, architectures));
    EXPECT_THAT(missing, ElementsAre(ElementsAre(false, true, true), ElementsAre(true, true, true),
                                     ElementsAre(false, false, true)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, ColumnsAreReadInPagesWithAllOutcomes) {
  const std::vector<ScoreColumn> columns = {Column("grad_norm")};
  ASSERT_THAT(AddScores(columns, {Score(0, "a", -0.5),
                                  {.series = 0, .architecture = "b", .outcome = Outcome::kNotFinite, .reason = "NaN"},
                                  Score(0, "c", std::numeric_limits<double>::denorm_min())}),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> series, reader.ListSeries({}, SeriesId{0}, 10));
    EXPECT_EQ(series[0].finite, 2u);
    EXPECT_EQ(series[0].not_finite, 1u);
    ZCB_ASSIGN_OR_RETURN(const std::vector<ScoreRow> page, reader.ReadColumn(series[0].id, ArchitectureId{0}, 2));
    EXPECT_THAT(page, ElementsAre(Field(&ScoreRow::value, -0.5), Field(&ScoreRow::outcome, Outcome::kNotFinite)));
    ZCB_ASSIGN_OR_RETURN(const auto rest, reader.ReadColumn(series[0].id, page[1].architecture, 2));
    EXPECT_THAT(rest, ElementsAre(Field(&ScoreRow::value, std::numeric_limits<double>::denorm_min())));
    EXPECT_THAT(reader.GetArchitecture(rest[0].architecture), IsOkAndHolds("c"));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, WhatIsAnsweredIsThereAfterReopening) {
  ASSERT_THAT(AddScores({Column("grad_norm")}, {Score(0, "a", 1)}), IsOk());
  const JobId job = AddJob("j");
  AddUnits(job, 2, 5);
  const WorkUnit unit = Acquire(job, "a", kNoon, kNoon + absl::Minutes(1)).at(0);
  Reopen();
  EXPECT_THAT(AddScores({Column("grad_norm")}, {Score(0, "a", 1)}),
              IsOkAndHolds(ElementsAre(Disposition::kAlreadyRecorded)));
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const WorkUnit stored, reader.GetUnit(unit.id));
    EXPECT_EQ(stored.attempt, 1);
    EXPECT_EQ(stored.free_from, kNoon + absl::Minutes(1));
    EXPECT_THAT(stored.open, SizeIs(5));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, OneFailingWriteDoesNotPoisonTheOthers) {
  // The first write holds the writing thread until all others wait, so that these share a transaction.
  Mutex mutex;
  CondVar changed;
  int waiting = 0;
  std::vector<std::thread> threads;
  std::vector<absl::Status> results(9);
  threads.emplace_back([&] {
    results[0] = store().Write([&](StoreWriter&) {
      MutexLock lock(mutex);
      while (waiting < 8) changed.Wait(mutex);
      return absl::OkStatus();
    });
  });
  for (size_t i = 1; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      {
        MutexLock lock(mutex);
        ++waiting;
        changed.NotifyAll();
      }
      results[i] = store().Write([&, i](StoreWriter& writer) -> absl::Status {
        const std::string digest = absl::StrCat("job ", i);
        ZCB_RETURN_IF_ERROR(writer.AddJob({.digest = digest, .spec = "{}", .created = kNoon}).status());
        if (i % 2 == 0) return writer.AddJob({.digest = digest, .spec = "{}", .created = kNoon}).status();
        return absl::OkStatus();
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  Reopen();
  for (size_t i = 1; i < results.size(); ++i) {
    const absl::Status found =
        store().Read([&](StoreReader& reader) { return reader.FindJob(absl::StrCat("job ", i)).status(); });
    if (i % 2 == 0) {
      EXPECT_THAT(results[i], StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("digest")));
      EXPECT_THAT(found, StatusIs(absl::StatusCode::kNotFound, HasSubstr("job")));
    } else {
      EXPECT_THAT(results[i], IsOk());
      EXPECT_THAT(found, IsOk());
    }
  }
}

TEST_P(StoreSuite, AReaderSeesOneMoment) {
  const JobId job = AddJob("j");
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_RETURN_IF_ERROR(reader.GetJob(job).status());
    std::thread([&] { AddJob("another"); }).join();
    EXPECT_THAT(reader.FindJob("another"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("another")));
    return absl::OkStatus();
  }),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) { return reader.FindJob("another").status(); }), IsOk());
}

TEST_P(StoreSuite, UnitsKeepTheirOpenPositions) {
  const JobId job = AddJob("j");
  AddUnits(job, 1, 11);
  WorkUnit unit = Acquire(job, "a", kNoon, kNoon + absl::Minutes(1)).at(0);
  unit.open[0] = unit.open[8] = unit.open[10] = false;
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.UpdateUnit(unit); }), IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const WorkUnit stored, reader.GetUnit(unit.id));
    EXPECT_EQ(stored.open, unit.open);
    EXPECT_THAT(reader.CountLeased(job, kNoon), IsOkAndHolds(8u));
    EXPECT_THAT(reader.CountLeased(job, kNoon + absl::Minutes(1)), IsOkAndHolds(0u));
    EXPECT_THAT(reader.CountLeases(kNoon), IsOkAndHolds(ElementsAre(testing::Pair("a", 1))));
    ZCB_ASSIGN_OR_RETURN(const UnitCounts during, reader.CountUnits(kNoon));
    EXPECT_EQ(during.free, 0u);
    EXPECT_EQ(during.leased, 1u);
    EXPECT_EQ(during.expired, 0u);
    ZCB_ASSIGN_OR_RETURN(const UnitCounts after, reader.CountUnits(kNoon + absl::Minutes(1)));
    EXPECT_EQ(after.leased, 0u);
    EXPECT_EQ(after.expired, 1u);
    EXPECT_THAT(reader.CountFreeUnits(job, "", kNoon, 5), IsOkAndHolds(0));
    EXPECT_THAT(reader.ListExpiredUnits(job, kNoon, 5), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(reader.ListExpiredUnits(job, kNoon + absl::Minutes(1), 5), IsOkAndHolds(SizeIs(1)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, LeasesEndAndAreExtendedByWorker) {
  const JobId job = AddJob("j");
  AddUnits(job, 3);
  Acquire(job, "a", kNoon, kNoon + absl::Minutes(1));
  Acquire(job, "b", kNoon, kNoon + absl::Minutes(1));
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    EXPECT_THAT(writer.ExpireLeases("a", kNoon + absl::Seconds(1)), IsOkAndHolds(1));
    EXPECT_THAT(writer.ListExpiredUnits(job, kNoon + absl::Seconds(1), 9),
                IsOkAndHolds(ElementsAre(Field(&WorkUnit::worker, "a"))));
    ZCB_RETURN_IF_ERROR(writer.ExtendLeases(kNoon + absl::Minutes(5)));
    EXPECT_THAT(writer.ListExpiredUnits(job, kNoon + absl::Minutes(4), 9), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(writer.CountFreeUnits(job, "", kNoon, 9), IsOkAndHolds(1));  // the one that nobody has leased
    ZCB_RETURN_IF_ERROR(writer.DeleteUnits(job, /*only_free=*/true));
    EXPECT_THAT(writer.CountLeased(job, kNoon), IsOkAndHolds(2u));
    ZCB_RETURN_IF_ERROR(writer.DeleteUnits(job, /*only_free=*/false));
    EXPECT_THAT(writer.CountLeased(job, kNoon), IsOkAndHolds(0u));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, CommitsAreMeteredAndNothingWaitsAfterThem) {
  ASSERT_NE(store().meters(), nullptr);
  const auto commits = [&] {
    const std::vector<Sample> samples = store().meters()->commit_seconds.samples();
    uint64_t count = 0;
    for (const Sample& sample : samples) {
      for (const uint64_t bucket : sample.buckets) count += bucket;
    }
    return count;
  };
  const uint64_t before = commits();
  AddJob("1");
  AddJob("2");
  EXPECT_EQ(commits(), before + 2);
  EXPECT_DOUBLE_EQ(store().meters()->commit_writes.samples().at(0).sum, static_cast<double>(before + 2));
  EXPECT_EQ(store().meters()->waiting.load(), 0);
}

TEST_P(StoreSuite, LeasesThatTheirWorkerDoesNotHoldAreReturned) {
  const JobId job = AddJob("j");
  AddUnits(job, 3);
  const absl::Time end = kNoon + absl::Minutes(1);
  const WorkUnit held = Acquire(job, "a", kNoon, end).at(0);
  const WorkUnit unheard = Acquire(job, "a", kNoon, end).at(0);
  const WorkUnit others = Acquire(job, "b", kNoon, end).at(0);
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    EXPECT_THAT(writer.ReturnLeases("a", std::vector<UnitId>{held.id, others.id}), IsOkAndHolds(1));
    EXPECT_THAT(writer.GetUnit(unheard.id), IsOkAndHolds(Field(&WorkUnit::free_from, absl::UnixEpoch())));
    EXPECT_THAT(writer.GetUnit(held.id), IsOkAndHolds(Field(&WorkUnit::free_from, end)));
    EXPECT_THAT(writer.ReturnLeases("a", {}), IsOkAndHolds(1));
    EXPECT_THAT(writer.CountLeases(kNoon), IsOkAndHolds(ElementsAre(testing::Pair("b", 1))));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, JobsAreListedNewestFirstInPages) {
  const JobId first = AddJob("1");
  const JobId second = AddJob("2");
  const JobId third = AddJob("3");
  Job job;
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, writer.GetJob(second));
    job.state = JobState::kDoneWithFailures;
    job.finished = kNoon + absl::Hours(1);
    job.cursor = 7;
    job.done = 5;
    job.failed = 2;
    job.reused = 3;
    return writer.UpdateJob(job);
  }),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<Job> page, reader.ListJobs(std::nullopt, 2));
    EXPECT_THAT(page, ElementsAre(Field(&Job::id, third), Field(&Job::id, second)));
    EXPECT_EQ(page[1].finished, job.finished);
    EXPECT_EQ(page[1].reused, 3u);
    EXPECT_EQ(page[1].state, JobState::kDoneWithFailures);
    EXPECT_THAT(reader.ListJobs(second, 2), IsOkAndHolds(ElementsAre(Field(&Job::id, first))));
    EXPECT_THAT(reader.ListRunningJobs(), IsOkAndHolds(ElementsAre(Field(&Job::id, first), Field(&Job::id, third))));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, ListedArchitecturesKeepTheirOrder) {
  const JobId job = AddJob("j");
  const std::vector<std::string> architectures = {"z", "a", "m"};
  EXPECT_THAT(store().Write([&](StoreWriter& writer) {
    return writer.AddListedArchitectures(job, "nasbench201", architectures);
  }),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.GetListedArchitectures(job, 1, 9), IsOkAndHolds(ElementsAre("a", "m")));
    ZCB_ASSIGN_OR_RETURN(const auto ids, reader.FindArchitectures("nasbench201", architectures));
    EXPECT_TRUE(ids[0].has_value() && ids[0] != ids[1]);
    EXPECT_THAT(reader.FindArchitectures("autoformer_tiny", architectures),
                IsOkAndHolds(testing::Each(std::optional<ArchitectureId>())));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, FailuresAreGroupedByCause) {
  const JobId job = AddJob("j");
  const auto failure = [&](uint64_t position, FailureKind kind, bool for_good) {
    return PositionFailure{.job = job,
                           .position = position,
                           .architecture = absl::StrCat("a", position),
                           .seed = 4,
                           .kind = kind,
                           .message = "it broke",
                           .attempts = 1,
                           .for_good = for_good,
                           .worker = "w",
                           .time = kNoon + absl::Seconds(static_cast<int64_t>(position))};
  };
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    for (uint64_t i = 0; i < 3; ++i) ZCB_RETURN_IF_ERROR(writer.PutFailure(failure(i, FailureKind::kError, i == 1)));
    ZCB_RETURN_IF_ERROR(writer.PutFailure(failure(7, FailureKind::kCrash, true)));
    ZCB_RETURN_IF_ERROR(writer.PutFailure(failure(8, FailureKind::kCrash, true)));
    return writer.DeleteFailure(job, 8);
  }),
              IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<FailureGroup> groups, reader.ListFailures(job, 10));
    EXPECT_THAT(groups, SizeIs(2));
    EXPECT_EQ(groups[0].kind, FailureKind::kError);
    EXPECT_EQ(groups[0].count, 3u);
    EXPECT_EQ(groups[0].for_good, 1u);
    EXPECT_EQ(groups[0].example.architecture, "a2");
    EXPECT_EQ(groups[1].count, 1u);
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, TheCatalogueIsReadBackAsAnnounced) {
  const KnownProxy lswag{.name = "lswag",
                         .summary = "Layer-sample-wise \"activation\" with gradients",
                         .paper = "Casarin et al., CVPR 2025",
                         .version = "1.2",
                         .reads_weights = true,
                         .reads_images = true,
                         .reads_labels = true,
                         .options = {{"micro_batches", "8"}, {"window", "all"}},
                         .tolerance = 1e-3,
                         .larger_is_better = false,
                         .variant = true};
  KnownProxy older = lswag;
  older.version = "1.1";
  const KnownProxy params{.name = "params", .version = "1.1"};
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_RETURN_IF_ERROR(writer.Announce({{{"nasbench201", "1"}}}, {{older, params}}));
    return writer.Announce({{{"nasbench201", "2"}, {"autoformer_tiny", "1"}}}, {{lswag}});
  }),
              IsOk());
  Reopen();
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.GetProxies(), IsOkAndHolds(ElementsAre(lswag, params)));
    EXPECT_THAT(reader.GetSpaces(),
                IsOkAndHolds(ElementsAre(KnownSpace{"autoformer_tiny", "1"}, KnownSpace{"nasbench201", "2"})));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, ProbeBatchesAreFoundByContentAndByKey) {
  const ProbeBatchRow row{
      .key = {.task = "photos", .height = 32, .width = 32, .images = 16, .seed = 3}, .digest = "d1", .created = kNoon};
  std::string content(300'000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddProbeBatch(row, content); }), IsOk());
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddProbeBatch(row, content); }),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("probe_batch")));
  ProbeBatchRow other = row;
  other.digest = "d2";
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddProbeBatch(other, content); }),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("probe_batch")));
  ProbeBatchRow noise = other;
  noise.key.input = "noise";
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.AddProbeBatch(noise, "of noise"); }), IsOk());
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const ProbeBatchRow generated, reader.FindProbeBatch(noise.key));
    EXPECT_EQ(generated.digest, "d2");
    EXPECT_EQ(generated.key, noise.key);
    ZCB_ASSIGN_OR_RETURN(const ProbeBatchRow found, reader.FindProbeBatch(row.key));
    EXPECT_EQ(found.digest, "d1");
    EXPECT_EQ(found.bytes, content.size());
    EXPECT_THAT(reader.ReadProbeBatch("d1", 0, 1000), IsOkAndHolds(content.substr(0, 1000)));
    EXPECT_THAT(reader.ReadProbeBatch("d1", 299'990, 1000), IsOkAndHolds(content.substr(299'990)));
    EXPECT_THAT(reader.ReadProbeBatch("d1", 300'000, 1000), IsOkAndHolds(""));
    EXPECT_THAT(reader.ReadProbeBatch("d1", 300'001, 1000),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("300001")));
    EXPECT_THAT(reader.ReadProbeBatch("d9", 0, 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("d9")));
    ProbeBatchKey missing = row.key;
    missing.seed = 4;
    EXPECT_THAT(reader.FindProbeBatch(missing), StatusIs(absl::StatusCode::kNotFound, HasSubstr("seed 4")));
    EXPECT_THAT(reader.ListProbeBatches("photos", "", 9), IsOkAndHolds(SizeIs(2)));
    EXPECT_THAT(reader.ListProbeBatches("cifar10", "", 9), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(reader.ListProbeBatches("", "d1", 9), IsOkAndHolds(SizeIs(1)));
    EXPECT_THAT(reader.ListProbeBatches("", "d2", 9), IsOkAndHolds(IsEmpty()));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, AnswersAreKeptForADay) {
  const RecordedAnswer answer{.dispositions = {Disposition::kRecorded, Disposition::kConflict}, .lease_valid = true};
  EXPECT_THAT(store().Write([&](StoreWriter& writer) { return writer.PutAnswer("r1", answer, kNoon); }), IsOk());
  EXPECT_THAT(store().Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const RecordedAnswer found, writer.FindAnswer("r1"));
    EXPECT_EQ(found.dispositions, answer.dispositions);
    EXPECT_TRUE(found.lease_valid);
    ZCB_RETURN_IF_ERROR(writer.PutAnswer("r2", answer, kNoon + absl::Hours(25)));
    EXPECT_THAT(writer.FindAnswer("r1"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("request")));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, AnAccuracyNeverChanges) {
  const AccuracyKey key{.space = "nasbench201", .task = "cifar10", .metric = "test", .source = "NB201"};
  const auto import = [&](std::vector<NewAccuracy> rows, std::string_view digest) -> absl::StatusOr<ImportCounts> {
    ImportCounts counts;
    ZCB_RETURN_IF_ERROR(store().Write([&](StoreWriter& writer) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(counts, writer.AddAccuracies(key, "MIT", digest, rows, kNoon));
      return absl::OkStatus();
    }));
    return counts;
  };
  const auto first = import({{"a", 90.5}, {"b", 80}}, "f1");
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->added, 2u);
  const auto second = import({{"b", 80}, {"c", 70}}, "f2");
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->added, 1u);
  EXPECT_EQ(second->unchanged, 1u);
  EXPECT_THAT(
      import({{"d", 1}, {"a", 91}}, "f3"),
      StatusIs(absl::StatusCode::kAlreadyExists, AllOf(HasSubstr("row 1"), HasSubstr("90.5"), HasSubstr("91"))));
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const std::vector<AccuracyInfo> known, reader.ListAccuracies("nasbench201", "cifar10"));
    EXPECT_THAT(known, SizeIs(1));
    EXPECT_EQ(known[0].key, key);
    EXPECT_EQ(known[0].rows, 3u);  // nothing of the refused import
    ZCB_ASSIGN_OR_RETURN(const std::vector<AccuracyRow> rows, reader.ReadAccuracies(known[0].id, ArchitectureId{0}, 9));
    EXPECT_THAT(rows, ElementsAre(Field(&AccuracyRow::value, 90.5), Field(&AccuracyRow::value, 80),
                                  Field(&AccuracyRow::value, 70)));
    ZCB_ASSIGN_OR_RETURN(const std::vector<ImportedFile> files, reader.ListImportedFiles());
    EXPECT_THAT(files, SizeIs(2));  // nothing of the refused import
    EXPECT_EQ(files[0].file.digest, "f1");
    EXPECT_EQ(files[0].file.source, key.source);
    EXPECT_EQ(files[0].metric, key.metric);
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, APublishedScoreStandsBesideTheComputedOneAndNeverChanges) {
  ASSERT_THAT(AddScores({Column("snip")}, {Score(0, "a", 2.0)}), IsOk());
  const std::vector<SeriesKey> columns = {
      {.space = "nasbench201", .task = "photos", .proxy = "snip", .source = "NASLib"},
      {.space = "nasbench201", .task = "photos", .proxy = "zen", .source = "NASLib"}};
  const SourceFile file{.source = "NASLib", .licence = "MIT", .digest = std::string(64, 'a')};
  const auto import = [&](const std::vector<NewScore>& scores) -> absl::StatusOr<ImportCounts> {
    ImportCounts counts;
    ZCB_RETURN_IF_ERROR(store().Write([&](StoreWriter& writer) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(counts, writer.ImportScores(columns, scores, file, kNoon));
      return absl::OkStatus();
    }));
    return counts;
  };
  const NewScore not_finite{.series = 1, .architecture = "a", .outcome = Outcome::kNotFinite};
  const auto first = import({Score(0, "a", 5.0), not_finite});
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->added, 2u);
  const auto second = import({Score(0, "a", 5.0), not_finite, Score(0, "b", 6.0)});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->added, 1u);
  EXPECT_EQ(second->unchanged, 2u);
  // Published numbers are compared exactly.
  EXPECT_THAT(import({Score(1, "c", 1.0), Score(0, "a", 5.0 * (1 + 1e-15))}),
              StatusIs(absl::StatusCode::kAlreadyExists, AllOf(HasSubstr("nasbench201/a"), HasSubstr("snip"))));
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    const auto with_source = [&](const std::string& source) {
      return reader.ListSeries({.proxies = {"snip"}, .source = source}, SeriesId{0}, 10);
    };
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> computed, with_source(kComputed));
    EXPECT_THAT(computed, SizeIs(1));
    EXPECT_EQ(computed[0].key, Column("snip").key);
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> published, with_source("NASLib"));
    EXPECT_THAT(published, SizeIs(1));
    EXPECT_EQ(published[0].key, columns[0]);
    EXPECT_THAT(with_source(""), IsOkAndHolds(SizeIs(2)));
    EXPECT_THAT(with_source("nobody"), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(reader.ReadColumn(published[0].id, ArchitectureId{0}, 9),
                IsOkAndHolds(ElementsAre(Field(&ScoreRow::value, 5.0), Field(&ScoreRow::value, 6.0))));
    ZCB_ASSIGN_OR_RETURN(const std::vector<SeriesInfo> zen, reader.ListSeries({.proxies = {"zen"}}, SeriesId{0}, 10));
    EXPECT_EQ(zen[0].finite, 0u);  // nothing of the refused import
    EXPECT_EQ(zen[0].not_finite, 1u);
    EXPECT_THAT(reader.CountConflicts({}), IsOkAndHolds(0u));
    EXPECT_THAT(reader.ListImportedFiles(),
                IsOkAndHolds(ElementsAre(ImportedFile{
                    .file = file, .space = "nasbench201", .task = "photos", .metric = "", .imported = kNoon})));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_P(StoreSuite, ACombinationIsReplacedOnlyWhenAskedTo) {
  StoredCombination combination{.name = "best",
                                .space = "nasbench201",
                                .task = "cifar10",
                                .proxies = "jacov, nwot",
                                .merge = "rank_sum",
                                .details = "{}",
                                .created = kNoon};
  const auto put = [&](bool replace) {
    return store().Write([&](StoreWriter& writer) { return writer.PutCombination(combination, replace); });
  };
  EXPECT_THAT(put(false), IsOk());
  combination.merge = "log_rank";
  EXPECT_THAT(put(false), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("`best`")));
  EXPECT_THAT(put(true), IsOk());
  const StoredCombination replaced = combination;
  combination.name = "a";
  EXPECT_THAT(put(true), IsOk());
  Reopen();
  EXPECT_THAT(store().Read([&](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.ListCombinations(), IsOkAndHolds(ElementsAre(combination, replaced)));
    return absl::OkStatus();
  }),
              IsOk());
}

}  // namespace
}  // namespace zcbench
