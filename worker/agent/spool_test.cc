#include "worker/agent/spool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/file.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kLarge = 1 << 20;

v1::RecordScoresRequest Request(const std::string& id) {
  v1::RecordScoresRequest request;
  request.set_request_id(id);
  request.set_unit(7);
  return request;
}

std::unique_ptr<Spool> OpenSpool(const fs::path& folder, uint64_t max_bytes = kLarge) {
  absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(folder, max_bytes);
  EXPECT_THAT(spool, IsOk());
  return *std::move(spool);
}

std::set<std::string> Files(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST(SpoolTest, RequestsComeBackInOrderUntilTheyAreRemoved) {
  const TemporaryFolder folder;
  const auto spool = OpenSpool(folder / "a/b");
  EXPECT_FALSE(spool->Oldest().has_value());
  ASSERT_THAT(spool->Add(Request("one")), IsOk());
  ASSERT_THAT(spool->Add(Request("two")), IsOk());
  const std::optional<Spool::Entry> first = spool->Oldest();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->request.request_id(), "one");
  EXPECT_FALSE(first->inherited);
  EXPECT_EQ(spool->Oldest()->number, first->number);
  spool->Remove(first->number);
  EXPECT_EQ(spool->Oldest()->request.request_id(), "two");
  spool->Remove(spool->Oldest()->number);
  EXPECT_EQ(spool->size(), 0u);
  EXPECT_THAT(Files(folder / "a/b"), ElementsAre("lock"));
}

TEST(SpoolTest, RequestsSurviveAProcessThatIsKilled) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto spool = OpenSpool(folder.path());
    for (int i = 0; i < 12; ++i) ZCB_CHECK(spool->Add(Request(std::to_string(i))).ok());
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto spool = OpenSpool(folder.path());
  ASSERT_THAT(spool->Add(Request("new")), IsOk());
  for (int i = 0; i < 12; ++i) {  // the order is that of numbers, not of texts
    const std::optional<Spool::Entry> entry = spool->Oldest();
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->request.request_id(), std::to_string(i));
    EXPECT_TRUE(entry->inherited);
    spool->Remove(entry->number);
  }
  EXPECT_EQ(spool->Oldest()->request.request_id(), "new");
  EXPECT_FALSE(spool->Oldest()->inherited);
}

TEST(SpoolTest, DamagedFilesAreSetAsideAndTheOthersAreSent) {
  const TemporaryFolder folder;
  {
    const auto spool = OpenSpool(folder.path());
    for (const char* id : {"a", "b", "c", "d"}) ASSERT_THAT(spool->Add(Request(id)), IsOk());
  }
  const auto bytes = ReadFile(folder / "000000000001.scores");
  ASSERT_THAT(bytes, IsOk());
  fs::resize_file(folder / "000000000001.scores", bytes->size() - 1);
  std::string flipped = *ReadFile(folder / "000000000002.scores");
  flipped.back() ^= 1;
  ASSERT_THAT(WriteFileAtomically(folder / "000000000002.scores", flipped), IsOk());
  fs::resize_file(folder / "000000000003.scores", 0);
  std::ofstream(folder / "000000000005.scores.99.tmp") << "half a file";

  const auto spool = OpenSpool(folder.path());
  EXPECT_EQ(spool->Oldest()->request.request_id(), "d");
  EXPECT_EQ(spool->size(), 1u);
  EXPECT_THAT(Files(folder.path()),
              ElementsAre("000000000001.scores.damaged", "000000000002.scores.damaged", "000000000003.scores.damaged",
                          "000000000004.scores", "000000000005.scores.99.tmp.damaged", "lock"));
}

TEST(SpoolTest, NumberOfAFileThatWasSetAsideIsNotGivenOutAgain) {
  const TemporaryFolder folder;
  {
    const auto spool = OpenSpool(folder.path());
    ASSERT_THAT(spool->Add(Request("refused")), IsOk());
    spool->SetAside(spool->Oldest()->number, "unknown space `x`");
    EXPECT_EQ(spool->size(), 0u);
  }
  const auto spool = OpenSpool(folder.path());
  ASSERT_THAT(spool->Add(Request("next")), IsOk());
  EXPECT_THAT(Files(folder.path()), ElementsAre("000000000001.scores.refused", "000000000002.scores", "lock"));
}

TEST(SpoolTest, FullSpoolSaysHowFullAndTakesMoreOnceThereIsRoom) {
  const TemporaryFolder folder;
  const auto spool = OpenSpool(folder.path(), 110);  // one file is 40 bytes and the request
  ASSERT_THAT(spool->Add(Request("one")), IsOk());
  ASSERT_THAT(spool->Add(Request("two")), IsOk());
  EXPECT_THAT(spool->Add(Request("three")), StatusIs(absl::StatusCode::kResourceExhausted,
                                                     HasSubstr("full, 2 requests with 94 of at most 110 bytes")));
  EXPECT_EQ(spool->size(), 2u);
  spool->Remove(spool->Oldest()->number);
  EXPECT_THAT(spool->Add(Request("three")), IsOk());
}

TEST(SpoolTest, FolderBelongsToOneProcessAtATime) {
  const TemporaryFolder folder;
  auto first = OpenSpool(folder.path());
  EXPECT_THAT(Spool::Open(folder.path(), kLarge),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--spool")));
  first.reset();
  EXPECT_THAT(Spool::Open(folder.path(), kLarge), IsOk());
}

TEST(SpoolTest, FirstFreeFolderIsTakenSoThatARestartedWorkerFindsWhatWasLeft) {
  const TemporaryFolder folder;
  auto first = Spool::OpenFirstFree(folder.path(), "host", kLarge);
  auto second = Spool::OpenFirstFree(folder.path(), "host", kLarge);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*second)->folder(), folder / "host-1");
  ASSERT_THAT((*first)->Add(Request("left")), IsOk());
  first->reset();
  const auto third = Spool::OpenFirstFree(folder.path(), "host", kLarge);
  ASSERT_THAT(third, IsOk());
  EXPECT_EQ((*third)->Oldest()->request.request_id(), "left");
}

TEST(SpoolTest, FolderThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  EXPECT_THAT(Spool::Open(folder / "file/spool", kLarge),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("file/spool")));
}

}  // namespace
}  // namespace zcbench
