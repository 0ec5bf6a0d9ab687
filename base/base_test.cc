#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
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

TEST(NearestTest, FindsAMistypedName) {
  EXPECT_EQ(NearestName("synflw", {"snip", "synflow", "zico"}), "synflow");
  EXPECT_EQ(NearestName("completely_else", {"snip", "zico"}), "");
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

}  // namespace
}  // namespace zcbench
