// What goes wrong with a file: no room, no right, damage, an upgrade that was killed. Real files, real limits of the
// kernel, real processes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "db/sqlite/connection.h"
#include "db/sqlite/sqlite_store.h"

namespace zcbench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kCannot = 77;

// Runs `body`, with its expectations, in a process of its own. False: the kernel does not let us, and `body` said so by
// ending with kCannot.
bool InChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    body();
    fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannot) return false;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;
  return true;
}

// A user whom permissions bind: root is asked to be nobody.
void BecomeOrdinary() {
  constexpr uid_t kNobody = 65534;
  if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(kCannot);
}

absl::Status AddBatch(Store& store, const std::string& content) {
  static std::atomic<uint64_t> seed = 0;
  return store.Write([&](StoreWriter& writer) {
    return writer.AddProbeBatch({.key = {.task = "photos", .height = 1, .width = 1, .images = 1, .seed = ++seed},
                                 .digest = Sha256Hex(content),
                                 .bytes = content.size()},
                                content);
  });
}

std::vector<std::string> Problems(Store& store) {
  std::vector<std::string> problems;
  const auto task = store.StartCheck();
  if (!task.ok()) return {task.status().ToString()};
  while (true) {
    const auto progress = (*task)->Step();
    if (!progress.ok()) problems.push_back(progress.status().ToString());
    if (!progress.ok() || !progress->has_value()) return problems;
    problems.insert(problems.end(), (*progress)->problems.begin(), (*progress)->problems.end());
  }
}

class FaultsTest : public testing::Test {
 protected:
  std::filesystem::path file() const { return folder_ / "zcbench.db"; }

  // Many threads write while there is no room, and again when there is: whoever was told "written" finds it, whoever
  // was not is told what to do, and can do the same again.
  static void WriteThroughAFullDisk(const std::filesystem::path& path, const std::function<void()>& fill,
                                    const std::function<void()>& make_room) {
    auto opened = OpenSqliteStore(path);
    ASSERT_THAT(opened, IsOk());
    std::unique_ptr<Store> store = *std::move(opened);
    ASSERT_THAT(AddBatch(*store, "before"), IsOk());
    fill();
    constexpr int kThreads = 8;
    constexpr int kEach = 20;
    std::vector<std::vector<std::string>> written(kThreads);
    std::vector<std::vector<std::string>> refused(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          // Small ones may still find a place, also in the same transaction as one that does not.
          const std::string content = absl::StrCat(t, "/", i, std::string(i % 2 == 0 ? 100 : 300'000, 'x'));
          const absl::Status status = AddBatch(*store, content);
          if (status.ok()) {
            written[t].push_back(content);
            continue;
          }
          refused[t].push_back(content);
          EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                       AllOf(HasSubstr(path.string()), HasSubstr("free space on its disk"))));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    size_t failures = 0;
    for (const auto& list : refused) failures += list.size();
    EXPECT_GE(failures, 1u);
    EXPECT_THAT(store->Read([](StoreReader& reader) { return reader.GetProbeBatch(Sha256Hex("before")).status(); }),
                IsOk());  // reading goes on
    make_room();
    for (auto& list : refused) {
      for (const std::string& content : list) EXPECT_THAT(AddBatch(*store, content), IsOk());
    }
    store.reset();
    opened = OpenSqliteStore(path);
    ASSERT_THAT(opened, IsOk());
    EXPECT_THAT(Problems(**opened), IsEmpty());
    EXPECT_THAT((*opened)->Read([&](StoreReader& reader) -> absl::Status {
      for (const auto* const lists : {&written, &refused}) {
        for (const auto& list : *lists) {
          for (const std::string& content : list) {
            EXPECT_THAT(reader.ReadProbeBatch(Sha256Hex(content), 0, content.size()), IsOkAndHolds(content));
          }
        }
      }
      return absl::OkStatus();
    }),
                IsOk());
  }

  TemporaryFolder folder_;
};

TEST_F(FaultsTest, AFullDiskLosesNothingThatWasAnswered) {
  const bool ran = InChild([&] {
    if (geteuid() != 0) {
      const std::string map = absl::StrCat("0 ", geteuid(), " 1");
      if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(kCannot);
      const int fd = open("/proc/self/uid_map", O_WRONLY);
      if (fd < 0 || write(fd, map.data(), map.size()) < 0) _exit(kCannot);
      close(fd);
    } else if (unshare(CLONE_NEWNS) != 0) {
      _exit(kCannot);
    }
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder_.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
      _exit(kCannot);
    }
    WriteThroughAFullDisk(
        file(), [] {}, [&] { EXPECT_EQ(mount("none", folder_.path().c_str(), "tmpfs", MS_REMOUNT, "size=256m"), 0); });
  });
  if (!ran) GTEST_SKIP() << "this user may not mount a small disk";
}

TEST_F(FaultsTest, ALimitOnTheSizeOfFilesIsAFullDisk) {
  InChild([&] {
    signal(SIGXFSZ, SIG_IGN);  // as the server does
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    const auto set = [&](rlim_t bytes) {
      limit.rlim_cur = bytes;
      EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    };
    WriteThroughAFullDisk(
        file(), [&] { set(2 << 20); }, [&] { set(before); });
  });
}

TEST_F(FaultsTest, AFileThatMayNotBeWrittenIsRefusedAtTheStart) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  const std::string content = ReadFile(file()).value();
  std::filesystem::remove(file().string() + ".lock");
  ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
  ASSERT_EQ(chmod(file().c_str(), 0444), 0);
  const bool ran = InChild([&] {
    BecomeOrdinary();
    EXPECT_THAT(OpenSqliteStore(file()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("zcbench.db may be read but not written"), HasSubstr("chmod"))));
    EXPECT_THAT(OpenPublishedStore(file()), IsOk());
  });
  if (!ran) GTEST_SKIP() << "root may not become another user";
  EXPECT_EQ(ReadFile(file()).value(), content);
}

TEST_F(FaultsTest, AFolderThatMayNotBeWrittenIsNamed) {
  {
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT((*store)->Publish(folder_ / "published.db"), IsOk());
  }
  std::filesystem::remove(file().string() + ".lock");
  ASSERT_EQ(chmod(folder_.path().c_str(), 0555), 0);
  const bool ran = InChild([&] {
    BecomeOrdinary();
    EXPECT_THAT(OpenSqliteStore(file()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("Permission denied"), HasSubstr("the folder of the store must be writable"))));
    EXPECT_THAT(OpenSqliteStore(folder_ / "new.db"),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("new.db")));
    EXPECT_THAT(OpenPublishedStore(file()),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("to read it its folder must be writable")));
    EXPECT_THAT(OpenPublishedStore(folder_ / "published.db"), IsOk());
  });
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  if (!ran) GTEST_SKIP() << "root may not become another user";
}

TEST_F(FaultsTest, EveryDamagedPageIsFound) {
  constexpr size_t kPage = 4096;
  {
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT(AddBatch(**store, std::string(50'000, 'x')), IsOk());
    ASSERT_THAT((*store)->Write([](StoreWriter& writer) -> absl::Status {
      const std::vector<ScoreColumn> columns = {{.key = {.space = "nasbench201", .task = "photos", .proxy = "snip"}}};
      std::vector<std::string> names;
      for (int i = 0; i < 500; ++i) names.push_back(absl::StrCat("architecture-", i));
      std::vector<NewScore> scores;
      for (const std::string& name : names) scores.push_back({.series = 0, .architecture = name, .value = 1});
      return writer.AddScores(columns, scores, {.worker = "w"}, absl::UnixEpoch()).status();
    }),
                IsOk());
    ASSERT_THAT(Problems(**store), IsEmpty());
  }
  const std::string good = ReadFile(file()).value();
  const size_t pages = good.size() / kPage;
  ASSERT_GT(pages, 40u);
  for (size_t page = 0; page < pages; ++page) {
    SCOPED_TRACE(absl::StrCat("page ", page + 1));
    std::string bad = good;
    for (size_t i = 0; i < kPage; ++i) bad[page * kPage + i] = static_cast<char>(bad[page * kPage + i] ^ 0x5A);
    ASSERT_THAT(WriteFileAtomically(file(), bad), IsOk());
    const auto store = OpenSqliteStore(file());
    if (!store.ok()) {
      // The first page says what the file is.
      EXPECT_THAT(store, StatusIs(page == 0 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss,
                                  HasSubstr(file().string())));
      continue;
    }
    EXPECT_THAT(Problems(**store), testing::Not(IsEmpty()));
  }
}

TEST_F(FaultsTest, ATruncatedFileIsRefusedWhereverItEnds) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  const uintmax_t whole = std::filesystem::file_size(file());
  for (uintmax_t size = whole - 1; size > 100; size /= 2) {
    SCOPED_TRACE(size);
    std::filesystem::resize_file(file(), size);
    EXPECT_THAT(OpenSqliteStore(file()),
                StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("truncated"), HasSubstr("backup"))));
    EXPECT_THAT(OpenPublishedStore(file()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
  }
}

TEST_F(FaultsTest, AnEmptyFileBecomesAStoreAndIsNoPublishedOne) {
  ASSERT_THAT(WriteFileAtomically(file(), ""), IsOk());
  EXPECT_THAT(OpenPublishedStore(file()), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is empty")));
  EXPECT_THAT(OpenSqliteStore(file()), IsOk());
  EXPECT_THAT(OpenPublishedStore(file()), IsOk());
}

TEST_F(FaultsTest, APublishedFileOfAnotherVersionSaysWhatToDo) {
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  const auto set = [&](int version) {
    auto connection = sqlite::Connection::Open(file().string(), SQLITE_OPEN_READWRITE);
    ASSERT_THAT(connection, IsOk());
    ASSERT_THAT((*connection)->Execute(absl::StrCat("PRAGMA user_version = ", version)), IsOk());
  };
  set(99);
  EXPECT_THAT(OpenPublishedStore(file()),
              StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr("99"), HasSubstr("newer"))));
  set(1);
  EXPECT_THAT(OpenPublishedStore(file()), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   AllOf(HasSubstr("version 1"), HasSubstr("upgrades the copy"))));
}

TEST_F(FaultsTest, AnUpgradeThatWasKilledBeginsAnew) {
  {
    const auto store = OpenSqliteStore(file());
    ASSERT_THAT(store, IsOk());
    ASSERT_THAT(AddBatch(**store, "kept"), IsOk());
  }
  const auto old = static_cast<int64_t>(SqliteMigrations().size());
  const std::string backup = absl::StrCat(file().string(), ".version-", old, ".backup");
  std::vector<std::string_view> migrations(SqliteMigrations().begin(), SqliteMigrations().end());
  migrations.push_back("CREATE TABLE later (a INTEGER) STRICT");
  // The second step never ends: it writes until it is killed.
  std::vector<std::string_view> endless = migrations;
  endless.push_back(
      "DROP TABLE later; CREATE TABLE half (a TEXT) STRICT;"
      "INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(2000)) "
      "FROM n");
  const pid_t child = fork();
  if (child == 0) {
    (void)OpenSqliteStore(file(), endless);
    _exit(1);
  }
  // In the middle: the log holds more than the first step has written.
  const std::string log = file().string() + "-wal";
  std::error_code error;
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (absl::Now() < deadline &&
         !(std::filesystem::exists(log, error) && std::filesystem::file_size(log, error) > 8 << 20)) {
    std::this_thread::yield();
  }
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the upgrade ended by itself";
  ASSERT_GT(std::filesystem::file_size(log), 8u << 20);

  migrations.push_back("INSERT INTO later VALUES (7)");  // the step as it should have been
  {
    const auto store = OpenSqliteStore(file(), migrations);
    ASSERT_THAT(store, IsOk());
    EXPECT_THAT((*store)->Read([](StoreReader& reader) { return reader.GetProbeBatch(Sha256Hex("kept")).status(); }),
                IsOk());
  }
  {
    auto connection = sqlite::Connection::Open(file().string(), SQLITE_OPEN_READONLY);
    ASSERT_THAT(connection, IsOk());
    EXPECT_THAT((*connection)->Query("SELECT a FROM later"), IsOkAndHolds(7));
    EXPECT_THAT((*connection)->Query("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), IsOkAndHolds(0));
    EXPECT_THAT((*connection)->Query("PRAGMA user_version"), IsOkAndHolds(old + 2));
  }
  // The file as it was lies beside it, whole.
  EXPECT_THAT(OpenPublishedStore(backup), IsOk());
  // And another upgrade of that version does not overwrite it.
  std::filesystem::copy_file(backup, file(), std::filesystem::copy_options::overwrite_existing);
  ASSERT_THAT(OpenSqliteStore(file(), migrations), IsOk());
  EXPECT_TRUE(std::filesystem::exists(backup + "-2"));
}

TEST_F(FaultsTest, WhatADeadServerWasCopyingIsRemovedByTheNext) {
  ASSERT_THAT(WriteFileAtomically(folder_ / "zcbench.db.part-17-0", "half a backup"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ / "other.db.part-17-0", "another store's"), IsOk());
  ASSERT_THAT(OpenSqliteStore(file()), IsOk());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "zcbench.db.part-17-0"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "other.db.part-17-0"));
}

}  // namespace
}  // namespace zcbench
