// Backup, check, copy and vacuum, on real files.
#include "db/sqlite/maintenance.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "db/sqlite/sqlite_store.h"

namespace zcbench {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr absl::Time kNoon = absl::FromUnixSeconds(1'000'000);

class MaintenanceTest : public testing::Test {
 protected:
  MaintenanceTest() {
    store_ = OpenSqliteStore(file()).value();
    // 12 MB of images are several steps of a backup.
    const std::string content(12 << 20, 'i');
    const absl::Status written = store_->Write([&](StoreWriter& writer) -> absl::Status {
      ZCB_RETURN_IF_ERROR(
          writer.AddProbeBatch({.key = {.task = "photos", .height = 32, .width = 32, .images = 16, .seed = 3},
                                .digest = Sha256Hex(content),
                                .bytes = content.size(),
                                .created = kNoon},
                               content));
      const std::vector<ScoreColumn> columns = {{.key = Key()}};
      const std::vector<NewScore> scores = {{.series = 0, .architecture = "0_00_000", .value = 1},
                                            {.series = 0, .architecture = "1_11_111", .outcome = Outcome::kNotFinite}};
      ZCB_RETURN_IF_ERROR(writer.AddScores(columns, scores, {.worker = "w"}, kNoon).status());
      ZCB_ASSIGN_OR_RETURN(const JobId job,
                           writer.AddJob({.digest = "j", .spec = "{}", .total = 9, .cursor = 5, .done = 2}));
      return writer.AddUnits(std::vector<WorkUnit>{{.job = job, .first = 2, .open = {true, true, true}}});
    });
    EXPECT_THAT(written, IsOk());
  }

  std::filesystem::path file() const { return folder_ / "zcbench.db"; }
  std::filesystem::path other() const { return folder_ / "other.db"; }

  static SeriesKey Key() { return {.space = "nasbench201", .task = "photos", .proxy = "snip", .version = "1.1.1"}; }

  static absl::Status Announce(Store& store) {
    return store.Write([](StoreWriter& writer) { return writer.Announce({{{"nasbench201", "1"}}}, {}); });
  }
  static size_t Spaces(Store& store) {
    size_t count = 0;
    EXPECT_THAT(store.Read([&](StoreReader& reader) -> absl::Status {
      ZCB_ASSIGN_OR_RETURN(const std::vector<KnownSpace> spaces, reader.GetSpaces());
      count = spaces.size();
      return absl::OkStatus();
    }),
                IsOk());
    return count;
  }

  static std::vector<std::string> Problems(Store& store) {
    std::vector<std::string> problems;
    auto task = store.StartCheck();
    EXPECT_THAT(task, IsOk());
    uint64_t done = 0;
    uint64_t total = 0;
    while (task.ok()) {
      const auto progress = (*task)->Step();
      EXPECT_THAT(progress, IsOk());
      if (!progress.ok() || !progress->has_value()) break;
      done = (*progress)->done;
      total = (*progress)->total;
      EXPECT_FALSE((*progress)->stage.empty());
      problems.insert(problems.end(), (*progress)->problems.begin(), (*progress)->problems.end());
    }
    EXPECT_EQ(done, total);
    return problems;
  }

  static void Sql(const std::filesystem::path& file, const std::string& sql) {
    auto connection = sqlite::Connection::Open(file.string(), SQLITE_OPEN_READWRITE);
    ASSERT_THAT(connection, IsOk());
    EXPECT_THAT((*connection)->Execute(sql), IsOk());
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(MaintenanceTest, ABackupIsTheStoreAtItsBeginWhileWritingGoesOn) {
  auto task = store_->StartBackup(other());
  ASSERT_THAT(task, IsOk());
  uint64_t before = 0;
  int copying = 0;
  for (int step = 0;; ++step) {
    const auto progress = (*task)->Step();
    ASSERT_THAT(progress, IsOk());
    if (!progress->has_value()) break;
    EXPECT_GT((*progress)->total, 12u << 20);
    EXPECT_GE((*progress)->done, before);  // a write in between does not send it back to the first page
    before = (*progress)->done;
    if ((*progress)->stage == "copying") ++copying;
    ASSERT_THAT(Announce(*store_), IsOk());
  }
  EXPECT_GE(copying, 1);
  EXPECT_EQ(Spaces(*store_), 1u);

  EXPECT_FALSE(std::filesystem::exists(other().string() + "-wal"));
  const auto copy = OpenSqliteStore(other());  // a server can start with it
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(Spaces(**copy), 0u);
  EXPECT_THAT(Problems(**copy), IsEmpty());
  EXPECT_THAT((*copy)->Write([](StoreWriter& writer) -> absl::Status {
    ZCB_ASSIGN_OR_RETURN(const auto units,
                         writer.AcquireUnits(JobId{1}, "w", kNoon, kNoon + absl::Minutes(1), 1));  // its queue too
    EXPECT_THAT(units, SizeIs(1));
    return absl::OkStatus();
  }),
              IsOk());
}

TEST_F(MaintenanceTest, ABackupOverwritesNothing) {
  ASSERT_THAT(WriteFileAtomically(other(), "mine"), IsOk());
  EXPECT_THAT(store_->StartBackup(other()), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other.db")));
  EXPECT_EQ(ReadFile(other()).value(), "mine");
}

TEST_F(MaintenanceTest, ABackupThatFindsNoRoomSaysHowMuchItNeeds) {
  EXPECT_THAT(sqlite::NeedSpace(folder_.path(), 1, "x"), IsOk());
  EXPECT_THAT(sqlite::NeedSpace(folder_.path(), uint64_t{1} << 62, "the copy"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("the copy needs 4611686018427387904"), HasSubstr(folder_.path().string()))));
}

TEST_F(MaintenanceTest, AGoodStoreHasNoProblems) { EXPECT_THAT(Problems(*store_), IsEmpty()); }

TEST_F(MaintenanceTest, AFileWithoutImagesAndQueueHasNoProblems) {
  ASSERT_THAT(store_->Publish(other()), IsOk());
  const auto published = OpenPublishedStore(other());
  ASSERT_THAT(published, IsOk());
  EXPECT_THAT(Problems(**published), IsEmpty());
}

TEST_F(MaintenanceTest, TheCheckSaysWhatIsWrong) {
  const struct {
    const char* sql;
    const char* problem;
  } cases[] = {
      {"UPDATE series SET finite = 7", "it says 7 finite, 1 not finite, 0 undefined scores, and 1, 1, 0 are there"},
      {"DELETE FROM score", "it says 1 finite, 1 not finite, 0 undefined scores, and 0, 0, 0 are there"},
      {"UPDATE score SET value = 9e999 WHERE outcome = 1", "1 of them are infinite"},
      {"DELETE FROM series", "2 rows of score name a row of series that is not there"},
      {"DELETE FROM architecture WHERE id = 1", "1 rows of score name a row of architecture that is not there"},
      {"DELETE FROM execution", "2 rows of score name a row of execution that is not there"},
      {"UPDATE job SET done = 3", "job 1: 3 done + 0 failed + 3 in work units is not its cursor 5 of 9"},
      {"UPDATE job SET cursor = 10", "is not its cursor 10 of 9"},
      {"UPDATE job SET state = 2", "job 1: 2 done"},
      {"UPDATE job SET done = 1, failed = 1", "job 1: it says 1 failed for good, and 0 are listed"},
      {"UPDATE work_unit SET first = 3", "work unit 1 of job 1: positions 3 to 5 of 9"},
      {"UPDATE work_unit SET open = x''", "work unit 1 of job 1"},
      {"UPDATE probe_batch SET content = x'00'", "its 1 bytes (12582912 are expected) have the digest 6e340b9cffb3"},
      {"UPDATE probe_batch SET bytes = 1", "(1 are expected)"},
  };
  store_.reset();
  const std::string good = ReadFile(file()).value();
  for (const auto& [sql, problem] : cases) {
    SCOPED_TRACE(sql);
    ASSERT_THAT(WriteFileAtomically(file(), good), IsOk());
    Sql(file(), sql);
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    EXPECT_THAT(Problems(**store), Contains(HasSubstr(problem)));
  }
}

TEST_F(MaintenanceTest, ATaskThatIsCancelledEnds) {
  const auto check = store_->StartCheck();
  ASSERT_THAT(check, IsOk());
  ASSERT_THAT((*check)->Step(), IsOk());
  (*check)->Cancel();
  EXPECT_THAT((*check)->Step(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("cancelled")));
  const auto backup = store_->StartBackup(other());
  ASSERT_THAT(backup, IsOk());
  ASSERT_THAT((*backup)->Step(), IsOk());
  (*backup)->Cancel();
  EXPECT_THAT((*backup)->Step(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("cancelled")));
}

TEST_F(MaintenanceTest, TheFactsAreThoseOfTheFile) {
  ASSERT_THAT(store_->Write([](StoreWriter& writer) -> absl::Status {
    const std::vector<ScoreColumn> columns = {{.key = Key()}};
    const NewScore other_value{.series = 0, .architecture = "0_00_000", .value = 2};
    ZCB_RETURN_IF_ERROR(writer.AddScores(columns, {&other_value, 1}, {.worker = "v"}, kNoon).status());
    return writer.AcquireUnits(JobId{1}, "w", kNoon, kNoon + absl::Minutes(1), 1).status();
  }),
              IsOk());
  const auto during = store_->GetFacts(kNoon + absl::Seconds(59));
  ASSERT_THAT(during, IsOk());
  EXPECT_EQ(during->expired_leases, 0u);
  const auto after = store_->GetFacts(kNoon + absl::Minutes(1));
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(after->expired_leases, 1u);
  EXPECT_EQ(after->conflicts, 1u);
  EXPECT_EQ(after->schema, after->newest_schema);
  EXPECT_EQ(after->engine, absl::StrCat("SQLite ", sqlite3_libversion()));
  EXPECT_GT(after->bytes, 12u << 20);
  EXPECT_GT(after->free_bytes, 0u);
  EXPECT_FALSE(after->network);
}

TEST_F(MaintenanceTest, ACopyIsCompactAndMadeWhileTheStoreIsOpen) {
  ASSERT_THAT(store_->Write([](StoreWriter& writer) { return writer.DeleteUnits(JobId{1}, false); }), IsOk());
  const auto unheard = [](uint64_t, uint64_t) { return absl::OkStatus(); };
  const std::string from = absl::StrCat("sqlite:", file().string());
  const std::string to = absl::StrCat("sqlite:", other().string());
  ASSERT_THAT(CopyStore(from, to, unheard), IsOk());
  EXPECT_THAT(CopyStore(from, to, unheard), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other.db")));
  const auto copy = OpenPublishedStore(other());
  ASSERT_THAT(copy, IsOk());
  EXPECT_THAT(Problems(**copy), Contains(HasSubstr("job 1")).Times(0));
  EXPECT_THAT((*copy)->Read([](StoreReader& reader) -> absl::Status {
    EXPECT_THAT(reader.ReadColumn(SeriesId{1}, ArchitectureId{0}, 9), IsOkAndHolds(SizeIs(2)));
    return absl::OkStatus();
  }),
              IsOk());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, Contains(HasSubstr(".part-")).Times(0));

  EXPECT_THAT(CopyStore("postgres://host/db", to, unheard),
              StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("postgres"), HasSubstr("sqlite:FILE"))));
  EXPECT_THAT(CopyStore("sqlite:", to, unheard),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sqlite:FILE")));
  EXPECT_THAT(CopyStore("sqlite:/nowhere/x.db", "sqlite:" + (folder_ / "third.db").string(), unheard),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/x.db")));
}

TEST_F(MaintenanceTest, VacuumGivesSpaceBackAndNeverUnderAServer) {
  const auto unheard = [](uint64_t, uint64_t) { return absl::OkStatus(); };
  EXPECT_THAT(VacuumStore(file(), unheard),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat("process id ", getpid()))));
  store_.reset();
  Sql(file(), "UPDATE probe_batch SET content = x''");
  const uintmax_t before = std::filesystem::file_size(file());
  ASSERT_THAT(VacuumStore(file(), unheard), IsOk());
  EXPECT_LT(std::filesystem::file_size(file()), before / 10);
  const auto store = OpenSqliteStore(file());
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT(Problems(**store), IsEmpty());
}

}  // namespace
}  // namespace zcbench
