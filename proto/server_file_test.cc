#include "proto/server_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ServerFileTest, WhatIsWrittenIsReadByItsOwnerAlone) {
  const TemporaryFolder folder;
  ServerFile file;
  file.address = "127.0.0.1:4321";
  file.host = "node7";
  file.pid = 17;
  file.store = "/data/zcbench.db";
  file.certificate = "-----BEGIN CERTIFICATE-----\nx\n";
  file.tokens = {{"admin", "aaaa"}, {"reader", "rrrr"}};
  file.client_certificate = "me.pem";
  file.client_key = "me.key";
  const std::filesystem::path path = folder / "zcbench.server.json";
  ASSERT_THAT(WriteServerFile(path, file), IsOk());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const absl::StatusOr<ServerFile> read = ReadServerFile(path);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->address, "127.0.0.1:4321");
  EXPECT_EQ(read->host, "node7");
  EXPECT_EQ(read->pid, 17);
  EXPECT_EQ(read->store, "/data/zcbench.db");
  EXPECT_EQ(read->certificate, file.certificate);
  EXPECT_EQ(read->tokens, file.tokens);
  EXPECT_EQ(read->client_certificate, folder / "me.pem");
  EXPECT_EQ(TokenFor(*read, "reader"), "rrrr");
  EXPECT_EQ(TokenFor(*read, "worker"), "aaaa");  // the strongest
  EXPECT_EQ(TokenFor(ServerFile(), "worker"), "");
}

TEST(ServerFileTest, OtherFilesAreRefusedWithTheMember) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "it should be"},
      {"{", "it should be"},
      {"[]", "it should be"},
      {"{}", "`address` is missing"},
      {R"({"address": 3})", "`address` is no text"},
      {R"({"address": "a:1", "pid": "17"})", "`pid` is no number"},
      {R"({"address": "a:1", "pid": -3})", "`pid` -3"},
      {R"({"address": "a:1", "pid": 99999999999})", "`pid` 99999999999"},
      {R"({"address": "a:1", "tokens": []})", "`tokens`"},
      {R"({"address": "a:1", "tokens": {"workr": "x"}})", "did you mean `worker`"},
      {R"({"address": "a:1", "tokens": {"worker": ""}})", "role worker"},
      {R"({"address": "a:1", "tokens": {"worker": "a\nb"}})", "role worker"},
      {R"({"address": "a:1", "client_key": "x"})", "belong together"}};
  for (const auto& [text, words] : cases) {
    EXPECT_THAT(ParseServerFile(text, "F"),
                StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("F is no server file"), HasSubstr(words))))
        << text;
  }
  EXPECT_THAT(ParseServerFile(R"({"address": ")" + std::string(5000, 'a') + "\"}", "F"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 4096")));
  EXPECT_THAT(ReadServerFile("/nowhere/zcbench.server.json"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere")));
}

TEST(ServerFileTest, TokensThatOtherUsersMayReadAreRefused) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "s.json";
  ASSERT_THAT(WriteFileAtomically(path, R"({"address": "127.0.0.1:1", "tokens": {"admin": "x"}})"), IsOk());
  for (const mode_t mode : {0644, 0640, 0602}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_THAT(ReadServerFile(path), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod 600")));
  }
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_THAT(ReadServerFile(path), IsOk());
}

TEST(ServerFileTest, AnotherUserOfTheMachineCannotReadIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const TemporaryFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  ServerFile file;
  file.address = "127.0.0.1:1";
  file.tokens = {{"admin", "x"}};
  ASSERT_THAT(WriteServerFile(folder / "s.json", file), IsOk());
  const pid_t child = fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) _exit(1);
    const absl::Status status = ReadServerFile(folder / "s.json").status();
    const bool said = status.message().find("belongs to the user root") != std::string::npos;
    _exit(absl::IsPermissionDenied(status) && said ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ServerFileTest, AServerIsNamedByAddressOrByFile) {
  for (const char* address : {"127.0.0.1:7700", "[::1]:1", "unix:/run/x", "host:1"}) {
    EXPECT_THAT(FindServer(address), IsOk()) << address;
  }
  EXPECT_THAT(FindServer("server.json"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("neither an address")));
  EXPECT_FALSE(IsServerAddress("folder:1/server.json"));
}

TEST(ServerFileTest, TheProcessOfAnotherMachineIsTakenToRun) {
  ServerFile file;
  file.pid = 999999999;
  file.host = "elsewhere.example";
  EXPECT_TRUE(ServerRuns(file));
  file.host = ThisHost();
  EXPECT_FALSE(ServerRuns(file));
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
