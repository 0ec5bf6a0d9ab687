#include "worker/agent/probe_batches.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "base/sha256.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "proto/channel.h"
#include "worker/agent/fake_server.h"

namespace zcbench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using State = FakeServer::State;

TEST(ProbeBatchCacheTest, WhatIsWrittenIsReadBack) {
  const TemporaryFolder folder;
  const ProbeBatchCache cache(folder / "a/b");
  const std::string digest = Sha256Hex("bytes");
  EXPECT_THAT(cache.Read(digest), StatusIs(absl::StatusCode::kNotFound, HasSubstr(digest)));
  cache.Write(digest, "bytes");
  EXPECT_THAT(cache.Read(digest), IsOkAndHolds("bytes"));
}

TEST(ProbeBatchCacheTest, DamagedFileIsDeleted) {
  const TemporaryFolder folder;
  const ProbeBatchCache cache(folder.path());
  const std::string digest = Sha256Hex("bytes");
  std::ofstream(folder / digest) << "byteS";
  EXPECT_THAT(cache.Read(digest), StatusIs(absl::StatusCode::kNotFound, HasSubstr("damaged")));
  EXPECT_FALSE(std::filesystem::exists(folder / digest));
}

TEST(ProbeBatchCacheTest, DigestThatWouldNameAnotherFileIsRefused) {
  const TemporaryFolder folder;
  const ProbeBatchCache cache(folder.path());
  for (const std::string& digest : {std::string("../x"), std::string(64, '/'), std::string(64, 'A'), std::string()}) {
    EXPECT_THAT(cache.Read(digest), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 lower-case")));
  }
}

class FetchProbeBatchTest : public ::testing::Test {
 protected:
  absl::Status Fetch(const std::string& digest, std::string& bytes) {
    const auto channel = MakeChannel(server_.address());
    ZCB_RETURN_IF_ERROR(channel.status());
    const auto stub = v1::ProbeBatchService::NewStub(*channel);
    return FetchProbeBatch(*stub, digest, bytes);
  }
  std::string Store(const std::string& bytes) {
    const std::string digest = Sha256Hex(bytes);
    server_.Set([&](State& state) { state.probe_batches[digest] = bytes; });
    return digest;
  }
  FakeServer server_;
};

TEST_F(FetchProbeBatchTest, GoesOnWhereItBrokeOff) {
  std::string content;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&content, i);
  const std::string digest = Store(content);
  server_.Set([&](State& state) { state.fetch_limit = 512 << 10; });
  std::string bytes;
  EXPECT_THAT(Fetch(digest, bytes), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("stops")));
  EXPECT_EQ(bytes.size(), 512u << 10);
  EXPECT_THAT(Fetch(digest, bytes), IsOk());
  EXPECT_EQ(bytes, content);
  EXPECT_THAT(server_.state().fetch_offsets, ElementsAre(0, 512 << 10));
}

TEST_F(FetchProbeBatchTest, OtherBytesThanTheDigestSaysAreDataLoss) {
  const std::string digest = Sha256Hex("right");
  server_.Set([&](State& state) { state.probe_batches[digest] = "wrong"; });
  std::string bytes;
  EXPECT_THAT(Fetch(digest, bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(digest)));
  EXPECT_EQ(bytes, "");
}

TEST_F(FetchProbeBatchTest, UnknownDigestIsNotFound) {
  std::string bytes;
  EXPECT_THAT(Fetch(Sha256Hex("none"), bytes), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such")));
}

}  // namespace
}  // namespace zcbench
