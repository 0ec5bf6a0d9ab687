#include "client/cc/server_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<ServerFile> Read(const std::string& text) {
  const std::string path = testing::TempDir() + "server_file_test." + std::to_string(getpid()) + ".json";
  EXPECT_THAT(WriteFileAtomically(path, text), IsOk());
  absl::StatusOr<ServerFile> file = ReadServerFile(path);
  unlink(path.c_str());
  return file;
}

TEST(ServerFileTest, ReadsWhatAServerWrites) {
  const absl::StatusOr<ServerFile> file =
      Read(R"({"address": "127.0.0.1:4321", "pid": 17, "store": "/data/zcbench.db"})");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->address, "127.0.0.1:4321");
  EXPECT_EQ(file->pid, 17);
  EXPECT_EQ(file->store, "/data/zcbench.db");
}

TEST(ServerFileTest, OtherFilesAreRefused) {
  for (const char* text : {"", "{", "[]", "3", R"({"address": 3, "pid": 17})", R"({"address": "127.0.0.1:1"})"}) {
    EXPECT_THAT(Read(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no server file"))) << text;
  }
  EXPECT_THAT(ReadServerFile("/nowhere/zcbench.server.json"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere")));
}

TEST(ServerFileTest, AProcessCountsOnlyUnderItsOwnName) {
  EXPECT_TRUE(ProcessRuns(getpid(), "server_file_test"));
  EXPECT_FALSE(ProcessRuns(getpid(), "zcbench-server"));
  EXPECT_FALSE(ProcessRuns(0, "zcbench-server"));
  EXPECT_EQ(ParentOf(getpid()), getppid());
  EXPECT_EQ(ParentOf(-1), 0);
}

TEST(ServerFileTest, AZombieDoesNotRun) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(ProcessRuns(child, "server_file_test"));
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace zcbench
