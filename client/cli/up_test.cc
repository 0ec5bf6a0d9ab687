// `up` and `down` with stand-ins for the server and the worker: shell scripts beside a copy of the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/status_matchers.h"
#include "client/cli/run_program.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// Writes the address file as zcbench-server does, and into `events` what happens to it. A file `refuse` in the folder
// makes it end at once with these last words, `hang` keeps it from writing its address.
constexpr char kServerScript[] = R"sh(#!/bin/sh
arguments=$*
while [ $# -gt 0 ]; do
  case $1 in --store) store=$2; shift ;; --server-file) file=$2; shift ;; esac
  shift
done
cd "$(dirname "$store")"
echo "server $arguments" >> events
trap 'echo "server stopped" >> events; rm -f "$file"; exit 0' TERM
if [ -e refuse ]; then
  cat refuse >&2
  exit 1
fi
if [ ! -e hang ]; then
  printf '{"address": "127.0.0.1:1", "pid": %d, "store": "%s"}' $$ "$store" > "$file.new"
  mv "$file.new" "$file"
fi
while :; do sleep 0.02; done
)sh";

// Ends with the code in the file `exit`, once; else runs until SIGTERM.
constexpr char kWorkerScript[] = R"sh(#!/bin/sh
echo "worker $*" >> events
trap 'echo "worker stopped" >> events; exit 75' TERM
if code=$(cat exit 2> /dev/null); then rm exit; exit "$code"; fi
while :; do sleep 0.02; done
)sh";

class UpTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_.path() / "bin");
    fs::copy_file(ZCB_PROGRAM, Program("zcbench"));
    WriteScript("zcbench-server", kServerScript);
    WriteScript("zcbench-worker", kWorkerScript);
  }

  void TearDown() override {  // what a failed test has left running
    const absl::StatusOr<ServerFile> file = ReadServerFile(folder_.path() / kDefaultServerFile);
    if (file.ok() && ProcessRuns(file->pid, "zcbench-server")) kill(file->pid, SIGKILL);
  }

  std::string Program(const std::string& name) const { return (folder_.path() / "bin" / name).string(); }

  void WriteScript(const std::string& name, const std::string& text) const {
    fs::permissions(folder_.Write("bin/" + name, text), fs::perms::owner_all);
  }

  Child Start(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), Program("zcbench"));
    return Child(arguments, {.folder = folder_.path(), .environment = {{"PATH", "/usr/bin:/bin"}}, .input = ""});
  }
  Output Run(std::vector<std::string> arguments) const { return Start(std::move(arguments)).Wait(); }

  std::string Events() const { return ReadFile(folder_.path() / "events").value_or(""); }
  bool WaitForEvent(const std::string& text) const {
    return Eventually([&] { return Events().find(text) != std::string::npos; });
  }
  pid_t ServerPid() const {
    const absl::StatusOr<ServerFile> file = ReadServerFile(folder_.path() / kDefaultServerFile);
    return file.ok() ? file->pid : 0;
  }

  TemporaryFolder folder_;
};

TEST_F(UpTest, SaysWhereEverythingIsAndStopsWorkersBeforeTheServer) {
  Child up = Start({"up", "--device", "cpu"});
  ASSERT_TRUE(up.WaitFor("Ctrl-C stops everything")) << up.err();
  const std::string store = (folder_.path() / "zcbench.db").string();
  EXPECT_THAT(up.out(), AllOf(StartsWith("zcbench is up\n  server    127.0.0.1:1 (process "),
                              HasSubstr("  database  " + store + "\n"), HasSubstr("  workers   1 (cpu)\n"),
                              HasSubstr("zcbench submit --space nasbench201 --task photos")));
  ASSERT_TRUE(WaitForEvent("worker run"));
  const std::string file = (folder_.path() / kDefaultServerFile).string();
  EXPECT_THAT(Events(), HasSubstr("server --store " + store + " --listen 127.0.0.1:0 --server-file " + file + "\n"));
  EXPECT_THAT(Events(), HasSubstr("worker run --server-file " + file + " --device cpu --name "));
  up.Signal(SIGTERM);
  const Output output = up.Wait();
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(Events(), HasSubstr("worker stopped\nserver stopped\n"));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(fs::exists(folder_.path() / "zcbench-server.log"));
  EXPECT_TRUE(fs::exists(folder_.path() / "zcbench-worker-1.log"));
}

TEST_F(UpTest, StartsAsManyWorkersAsAskedFor) {
  Child up = Start({"up", "--workers", "3", "--device", "cuda:0,cuda:1", "--threads", "2", "--store", "other.db",
                    "--metrics-port", "9464"});
  ASSERT_TRUE(up.WaitFor("workers   3 (cuda:0, cuda:1, cuda:0)")) << up.err();
  ASSERT_TRUE(Eventually([&] {
    const std::string events = Events();
    return events.find("zcbench-worker-3.spool --threads 2\n") != std::string::npos &&
           events.find("--device cuda:1 --name ") != std::string::npos;
  })) << Events();
  EXPECT_THAT(Events(), HasSubstr("server --store " + (folder_.path() / "other.db").string()));
  EXPECT_THAT(Events(), HasSubstr("--metrics-port 9464\n"));  // the server's alone
}

TEST_F(UpTest, ACrashedWorkerIsStartedAgain) {
  folder_.Write("exit", "3");
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("zcbench-worker-1 ended with exit code 3; started again in 1 s")) << up.err();
  EXPECT_TRUE(Eventually([&] {
    const std::string events = Events();
    return events.find("worker run") != events.rfind("worker run");
  }));
}

TEST_F(UpTest, AWorkerThatWasDrainedIsNotStartedAgain) {
  folder_.Write("exit", "75");
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("zcbench-worker-1 has left")) << up.err();
  up.Signal(SIGINT);
  EXPECT_EQ(up.Wait().code, 0);
  EXPECT_EQ(Events().find("worker run"), Events().rfind("worker run"));
}

TEST_F(UpTest, EndsWhenTheServerDies) {
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("Ctrl-C")) << up.err();
  ASSERT_TRUE(WaitForEvent("worker run"));
  kill(ServerPid(), SIGKILL);
  const Output output = up.Wait();
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.err, HasSubstr("zcbench: the server ended with signal 9 (Killed)"));
  EXPECT_THAT(Events(), HasSubstr("worker stopped"));
  EXPECT_EQ(ServerPid(), 0) << "its file is left";
}

TEST_F(UpTest, PassesOnWhyTheServerRefused) {
  folder_.Write("zcbench-server.log", "an older line\n");
  const std::pair<const char*, const char*> cases[] = {
      {"zcbench-server: /nfs/zcbench.db is on a network file system\n",
       "zcbench: /nfs/zcbench.db is on a network file system\n"},
      {R"({"time":"now","level":"error","message":"no disk","path":"/nfs"})", "zcbench: no disk path=/nfs\n"}};
  for (const auto& [words, message] : cases) {
    folder_.Write("refuse", words);
    const Output output = Run({"up"});
    EXPECT_EQ(output.code, 1);
    EXPECT_EQ(output.err, message);
    EXPECT_THAT(output.out, IsEmpty());
  }
}

TEST_F(UpTest, CanBeStoppedWhileTheServerStarts) {
  folder_.Write("hang", "");
  Child up = Start({"up"});
  ASSERT_TRUE(WaitForEvent("server --store"));
  up.Signal(SIGINT);
  const Output output = up.Wait();
  EXPECT_EQ(output.code, 75);
  EXPECT_THAT(Events(), HasSubstr("server stopped"));
}

TEST_F(UpTest, RefusesASecondOneInTheSameFolder) {
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("Ctrl-C")) << up.err();
  const Output output = Run({"up"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.err, AllOf(HasSubstr("a server is up already: 127.0.0.1:1"), HasSubstr("`zcbench down`")));
  EXPECT_NE(ServerPid(), 0);
}

TEST_F(UpTest, RecognisesTheFileOfADeadServer) {
  folder_.Write(kDefaultServerFile, R"({"address": "127.0.0.1:1", "pid": 999999999, "store": "/x.db"})");
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("Ctrl-C")) << up.err();
  EXPECT_THAT(up.err(), HasSubstr("removing zcbench.server.json: its server (process 999999999) has ended"));
}

TEST_F(UpTest, LeavesNothingBehindWhenItIsKilled) {
  Child up = Start({"up"});
  ASSERT_TRUE(up.WaitFor("Ctrl-C")) << up.err();
  ASSERT_TRUE(WaitForEvent("worker run"));
  const pid_t server = ServerPid();
  up.Signal(SIGKILL);
  EXPECT_EQ(up.Wait().code, -SIGKILL);
  EXPECT_TRUE(Eventually([&] { return !ProcessRuns(server, "zcbench-server"); }));
  EXPECT_TRUE(WaitForEvent("worker stopped"));
}

TEST_F(UpTest, NeedsTheOtherPrograms) {
  fs::remove(Program("zcbench-worker"));
  const Output output = Run({"up"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.err, MatchesRegex("zcbench: the program zcbench-worker is neither in .*/bin nor in PATH\n"));
}

TEST_F(UpTest, DetachedItRunsUntilDown) {
  const Output output = Run({"up", "--detach"});
  ASSERT_EQ(output.code, 0) << output.err;
  EXPECT_THAT(output.out, AllOf(StartsWith("zcbench is up"), HasSubstr("`zcbench down` stops everything")));
  const pid_t server = ServerPid();
  EXPECT_TRUE(ProcessRuns(server, "zcbench-server"));
  ASSERT_TRUE(WaitForEvent("worker run"));
  const Output down = Run({"down"});
  EXPECT_EQ(down.code, 0) << down.err;
  EXPECT_FALSE(ProcessRuns(server, "zcbench-server"));
  EXPECT_THAT(Events(), HasSubstr("worker stopped\nserver stopped\n"));
  const Output again = Run({"down"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr("nothing to stop: there is no zcbench.server.json"));
}

TEST_F(UpTest, DetachedItStillSaysWhyItDidNotStart) {
  folder_.Write("refuse", "zcbench-server: /nfs/zcbench.db is on a network file system\n");
  const Output output = Run({"up", "--detach"});
  EXPECT_EQ(output.code, 1);
  EXPECT_EQ(output.err, "zcbench: /nfs/zcbench.db is on a network file system\n");
}

TEST_F(UpTest, DownLeavesAloneWhatUpDidNotStart) {
  Child server({Program("zcbench-server"), "--store", (folder_.path() / "zcbench.db").string(), "--server-file",
                (folder_.path() / kDefaultServerFile).string()},
               {.folder = folder_.path(), .environment = {}, .input = ""});
  ASSERT_TRUE(Eventually([&] { return ServerPid() != 0; }));
  const Output output = Run({"down"});
  EXPECT_EQ(output.code, 1);
  EXPECT_THAT(output.err, HasSubstr("was not started by `zcbench up`; stop it with `kill "));
  EXPECT_TRUE(ProcessRuns(server.pid(), "zcbench-server"));
}

}  // namespace
}  // namespace zcbench
