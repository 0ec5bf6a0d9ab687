#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/registry.h"
#include "base/sha256.h"
#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Sha256Test, MatchesThePublishedVector) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Test, PiecesGiveTheDigestOfTheWhole) {
  Sha256Stream stream;
  stream.Update("ab");
  stream.Update("");
  stream.Update("c");
  EXPECT_EQ(Hex(stream.Finish()), Sha256Hex("abc"));
}

TEST(LogTest, ContextsAddTheirFieldsWhileTheyLiveOnThisThread) {
  testing::internal::CaptureStderr();
  {
    const LogContext request(LogContext::Fields{{"request", std::string("night-7")}});
    const LogContext lease(LogContext::Fields{{"lease", std::string("3/1")}, {"job", std::string("2")}});
    Log(LogLevel::kInfo, "inside", {{"job", "5"}});  // the line's own counts
    std::thread([] { Log(LogLevel::kInfo, "elsewhere"); }).join();
  }
  Log(LogLevel::kInfo, "after");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(R"("message":"inside","job":"5","lease":"3/1","request":"night-7"})"));
  EXPECT_THAT(log, AllOf(HasSubstr(R"("message":"elsewhere"})"), HasSubstr(R"("message":"after"})")));
}

TEST(NearestTest, FindsAMistypedName) {
  EXPECT_EQ(NearestName("synflw", {"snip", "synflow", "zico"}), "synflow");
  EXPECT_EQ(NearestName("completely_else", {"snip", "zico"}), "");
  EXPECT_EQ(NearestName(std::string(201, 'x'), {std::string(200, 'x')}), "");
}

struct Entry {
  std::string name;
};

TEST(RegistryTest, AnUnknownNameIsAnsweredWithTheNearest) {
  Registry<Entry> registry("proxy");
  registry.Add({"snip"});
  registry.Add({"synflow"});
  ASSERT_THAT(registry.Find("snip"), IsOk());
  EXPECT_THAT(registry.Find("synflw"),
              StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("proxy `synflw`"), HasSubstr("`synflow`?"))));
  // A text of any length is answered in a line of bounded length.
  EXPECT_LE(registry.Find(std::string(100'000, 'x')).status().message().size(), 300u);
}

TEST(RegistryDeathTest, ADuplicateNameStopsTheProcess) {
  Registry<Entry> registry("proxy");
  registry.Add({"snip"});
  EXPECT_DEATH(registry.Add({"snip"}), "broken invariant");
}

TEST(FileTest, WhatIsWrittenIsRead) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "zcb_file_test";
  ASSERT_THAT(WriteFileAtomically(path, std::string("a\0b", 3)), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds(std::string("a\0b", 3)));
  EXPECT_THAT(ReadFile(path, 2), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zcb_file_test")));
  std::filesystem::remove(path);
  EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr("zcb_file_test")));
  EXPECT_THAT(WriteFileAtomically(path / "no" / "folder", "x"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot create")));
}

TEST(ManualClockTest, MovesOnlyWhenAdvanced) {
  ManualClock clock(absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(105));
}

TEST(MemoryTest, SomeOfTheMachinesIsAvailable) {
  const auto all = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  EXPECT_GT(AvailableMemory(), uint64_t{1} << 20);
  EXPECT_LE(AvailableMemory(), all);
}

}  // namespace
}  // namespace zcbench
