#include "db/sqlite/sqlite_store.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_matchers.h"
#include "db/sqlite/connection.h"
#include "db/sqlite/network_file_system.h"
#include "db/sqlite/queries.h"
#include "db/store_suite.h"

namespace zcbench {
namespace {

using testing::AllOf;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreSuite,
                         testing::Values(StoreBackend{"sqlite",
                                                      [](const std::filesystem::path& folder) {
                                                        return OpenSqliteStore(folder / "zcbench.db");
                                                      }}),
                         [](const auto& backend) { return backend.param.name; });

class SqliteStoreTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "zcbench.db"; }

  void Sql(const std::string& sql) {
    auto connection = sqlite::Connection::Open(file().string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_THAT(connection, IsOk());
    EXPECT_THAT((*connection)->Execute(sql), IsOk());
  }

  TemporaryFolder folder_;
};

TEST_F(SqliteStoreTest, TheFileSaysWhatItIs) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  auto connection = sqlite::Connection::Open(file().string(), SQLITE_OPEN_READONLY);
  ASSERT_THAT(connection, IsOk());
  EXPECT_THAT((*connection)->Query("PRAGMA application_id"), IsOkAndHolds(kSqliteApplicationId));
  EXPECT_THAT((*connection)->Query("PRAGMA user_version"),
              IsOkAndHolds(static_cast<int64_t>(SqliteMigrations().size())));
  EXPECT_THAT((*connection)
                  ->Query("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND "
                          "strict = 0 AND name NOT LIKE 'sqlite_%'"),
              IsOkAndHolds(0));
}

TEST_F(SqliteStoreTest, ClosingLeavesOneFileWithEverythingInIt) {
  {
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->Write([](StoreWriter& writer) {
      return writer.Announce({{{"nasbench201", "1"}}}, {});
    }),
                IsOk());
  }
  EXPECT_FALSE(std::filesystem::exists(file().string() + "-wal"));
}

TEST_F(SqliteStoreTest, AReaderCannotWrite) {
  const auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Read([](StoreReader& reader) {
    return dynamic_cast<StoreWriter&>(reader).Announce({{{"nasbench201", "1"}}}, {});
  }),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("readonly")));
}

TEST_F(SqliteStoreTest, ASecondServerIsToldWhoHasTheFile) {
  auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(OpenSqliteStore(file()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat("process id ", getpid())), HasSubstr("--store"))));
  store->reset();
  EXPECT_THAT(OpenSqliteStore(file()), IsOk());
}

TEST_F(SqliteStoreTest, ForeignFilesAreRefusedAndNotTouched) {
  const auto content = [&] { return ReadFile(file()).value(); };
  ASSERT_THAT(WriteFileAtomically(file(), std::string(5000, 'x')), IsOk());
  EXPECT_THAT(OpenSqliteStore(file()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no SQLite file")));
  EXPECT_EQ(content(), std::string(5000, 'x'));
  ASSERT_THAT(WriteFileAtomically(file(), "short"), IsOk());
  EXPECT_THAT(OpenSqliteStore(file()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no SQLite file")));
  std::filesystem::remove(file());
  Sql("CREATE TABLE theirs (a); PRAGMA application_id = 77");
  const std::string before = content();
  EXPECT_THAT(OpenSqliteStore(file()),
              StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("another program"), HasSubstr("77"))));
  EXPECT_EQ(content(), before);
}

TEST_F(SqliteStoreTest, ATruncatedFileIsRefused) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) - 4096);
  EXPECT_THAT(OpenSqliteStore(file()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
}

TEST_F(SqliteStoreTest, ANewerSchemaIsRefused) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  Sql("PRAGMA user_version = 99");
  EXPECT_THAT(OpenSqliteStore(file()),
              StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr("99"), HasSubstr("newer"))));
}

TEST_F(SqliteStoreTest, AnOlderSchemaIsUpgradedAfterABackup) {
  {
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->Write([](StoreWriter& writer) {
      return writer.Announce({{{"nasbench201", "1"}}}, {});
    }),
                IsOk());
  }
  std::vector<std::string_view> migrations(SqliteMigrations().begin(), SqliteMigrations().end());
  const size_t old = migrations.size();
  migrations.push_back("CREATE TABLE later (a INTEGER) STRICT; INSERT INTO later VALUES (1)");
  {
    const auto store = OpenSqliteStore(file(), migrations);
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->Read([](StoreReader& reader) -> absl::Status {
      EXPECT_THAT(reader.GetSpaces(), IsOkAndHolds(testing::SizeIs(1)));
      return absl::OkStatus();
    }),
                IsOk());
  }
  const std::string backup = absl::StrCat(file().string(), ".version-", old, ".backup");
  auto copy = sqlite::Connection::Open(backup, SQLITE_OPEN_READONLY);
  ASSERT_THAT(copy, IsOk());
  EXPECT_THAT((*copy)->Query("PRAGMA user_version"), IsOkAndHolds(static_cast<int64_t>(old)));
  EXPECT_THAT((*copy)->Query("SELECT count(*) FROM known_space"), IsOkAndHolds(1));

  // A migration that fails leaves the version before it.
  migrations.push_back("CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE broken (");
  EXPECT_THAT(OpenSqliteStore(file(), migrations), StatusIs(absl::StatusCode::kInternal, HasSubstr("incomplete")));
  migrations.pop_back();
  EXPECT_THAT(OpenSqliteStore(file(), migrations), IsOk());
}

TEST_F(SqliteStoreTest, ProbeBatchesOfVersion1AreOfDataSets) {
  ASSERT_THAT(OpenSqliteStore(file(), SqliteMigrations().first(1)), IsOk());
  Sql("INSERT INTO probe_batch VALUES ('d1', 'photos', 32, 32, 16, 3, 5, 7, x'0001020304')");
  const auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Read([](StoreReader& reader) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const ProbeBatchRow row, reader.GetProbeBatch("d1"));
    EXPECT_EQ(row.key,
              (ProbeBatchKey{.task = "photos", .height = 32, .width = 32, .images = 16, .seed = 3, .input = ""}));
    EXPECT_EQ(row.bytes, 5u);
    EXPECT_THAT(reader.ReadProbeBatch("d1", 1, 9), IsOkAndHolds("\x01\x02\x03\x04"));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_F(SqliteStoreTest, ScoresOfEveryOlderSchemaAreKeptAsComputedOnes) {
  for (size_t version = 1; version < SqliteMigrations().size(); ++version) {
    SCOPED_TRACE(version);
    std::filesystem::remove(file());
    ASSERT_THAT(OpenSqliteStore(file(), SqliteMigrations().first(version)), IsOk());
    Sql("INSERT INTO architecture VALUES (1, 'nasbench201', '3_33_133');"
        "INSERT INTO execution VALUES (1, 'w', 'h', 'cpu', 'cpu-avx2', '0.1.0', 'abc');"
        "INSERT INTO series (id, space, task, proxy, version, seed, probe_batch, numerics, finite)"
        "  VALUES (1, 'nasbench201', 'photos', 'snip', '1.1.1', 3, 'd1', 'cpu-avx2', 1);"
        "INSERT INTO score (series, architecture, outcome, value, seconds, execution)"
        "  VALUES (1, 1, 1, 0.30000000000000004, 0.5, 1)");
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    const SeriesKey key{.space = "nasbench201",
                        .task = "photos",
                        .proxy = "snip",
                        .version = "1.1.1",
                        .seed = 3,
                        .probe_batch = "d1",
                        .numerics = "cpu-avx2"};
    EXPECT_THAT((*store)->Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const auto series, reader.ListSeries({.source = kComputed}, SeriesId{0}, 9));
      EXPECT_THAT(series, testing::ElementsAre(testing::Field(&SeriesInfo::key, key)));
      EXPECT_THAT(reader.ReadColumn(SeriesId{1}, ArchitectureId{0}, 9),
                  IsOkAndHolds(testing::ElementsAre(testing::Field(&ScoreRow::value, 0.30000000000000004))));
      return absl::OkStatus();
    }),
                IsOk());
    // It is the same column: the same score is there, and a published one is beside it.
    EXPECT_THAT((*store)->Write([&](StoreWriter& writer) -> absl::Status {
      const NewScore score{.series = 0, .architecture = "3_33_133", .value = 0.30000000000000004};
      const std::vector<ScoreColumn> columns = {{.key = key}};
      EXPECT_THAT(writer.AddScores(columns, {&score, 1}, {.worker = "w"}, absl::UnixEpoch()),
                  IsOkAndHolds(testing::ElementsAre(Disposition::kAlreadyRecorded)));
      const std::vector<SeriesKey> published = {
          {.space = "nasbench201", .task = "photos", .proxy = "snip", .source = "x"}};
      ZCB_ASSIGN_OR_RETURN(const ImportCounts counts,
                           writer.ImportScores(published, {&score, 1}, {.source = "x"}, absl::UnixEpoch()));
      EXPECT_EQ(counts.added, 1u);
      return absl::OkStatus();
    }),
                IsOk());
  }
}

TEST_F(SqliteStoreTest, WhatWasAnsweredSurvivesAKill) {
  const pid_t child = fork();
  if (child == 0) {
    const auto store = OpenSqliteStore(file());
    const bool written = store.ok() && (*store)
                                           ->Write([](StoreWriter& writer) {
                                             return writer.Announce({{{"nasbench201", "1"}}}, {});
                                           })
                                           .ok();
    if (written) kill(getpid(), SIGKILL);  // no destructor runs, the log is not folded in
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->Read([](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.GetSpaces(), IsOkAndHolds(testing::SizeIs(1)));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_F(SqliteStoreTest, AMissingFolderIsNamed) {
  EXPECT_THAT(OpenSqliteStore(folder_.path() / "nowhere" / "zcbench.db"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
}

TEST_F(SqliteStoreTest, AClaimAmongManyUnitsIsServedByTheIndex) {
  const auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  constexpr int kUnits = 100'000;
  JobId job{};
  ASSERT_THAT((*store)->Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(job, writer.AddJob({.digest = "j", .spec = "{}", .total = kUnits}));
    std::vector<WorkUnit> units;
    for (int i = 0; i < kUnits; ++i) {
      units.push_back({.job = job,
                       .first = static_cast<uint64_t>(i),
                       .open = {true},
                       .free_from = i % 2 == 0 ? absl::UnixEpoch() : absl::FromUnixSeconds(1000 + i)});
    }
    return writer.AddUnits(units);
  }),
              IsOk());
  ASSERT_THAT((*store)->Write([&](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const auto units,
                         writer.AcquireUnits(job, "w", absl::FromUnixSeconds(1), absl::FromUnixSeconds(61), 16));
    EXPECT_THAT(units, testing::SizeIs(16));
    return absl::OkStatus();
  }),
              IsOk());
  auto connection = sqlite::Connection::Open(file().string(), SQLITE_OPEN_READONLY);
  ASSERT_THAT(connection, IsOk());
  const std::string explain = absl::StrCat("EXPLAIN QUERY PLAN ", sqlite::kAcquireUnits);
  auto plan = (*connection)->Prepare(explain.c_str());
  ASSERT_THAT(plan, IsOk());
  std::string text;
  while (plan->Step().value()) absl::StrAppend(&text, plan->Text(3), "\n");
  EXPECT_THAT(text, HasSubstr("SEARCH work_unit USING COVERING INDEX work_unit_free (job=? AND free_from_us<?)"));
  EXPECT_THAT(text, testing::Not(HasSubstr("SCAN")));
  EXPECT_THAT(text, testing::Not(HasSubstr("TEMP B-TREE")));
}

TEST(NetworkFileSystemTest, NetworkOnesAreKnownByTheirNumber) {
  EXPECT_EQ(sqlite::NetworkFileSystemName(0x6969), "NFS");
  EXPECT_EQ(sqlite::NetworkFileSystemName(0xFF534D42), "CIFS");
  EXPECT_EQ(sqlite::NetworkFileSystemName(static_cast<int32_t>(0xFF534D42)), "CIFS");
  EXPECT_EQ(sqlite::NetworkFileSystemName(0x0BD00BD0), "Lustre");
  EXPECT_EQ(sqlite::NetworkFileSystemName(0x19830326), "BeeGFS");
  for (const int64_t local :
       std::initializer_list<int64_t>{0xEF53, 0x01021994, 0x58465342, 0x794C7630, 0x9123683E, 0x2FC12FC1}) {
    EXPECT_EQ(sqlite::NetworkFileSystemName(local), "") << std::hex << local;  // ext4 tmpfs xfs overlay btrfs zfs
  }
}

TEST(NetworkFileSystemTest, ALocalFolderIsAccepted) {
  EXPECT_THAT(sqlite::RefuseNetworkFileSystem(std::filesystem::temp_directory_path()), IsOk());
}

}  // namespace
}  // namespace zcbench
