#include "worker/agent/frames.h"

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/status_matchers.h"
#include "zcbench/v1/scorer.pb.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

class FramesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    near_ = sockets[0];
    far_ = sockets[1];
  }
  void TearDown() override {
    ::close(near_);
    CloseFar();
  }
  void CloseFar() {
    if (far_ >= 0) ::close(far_);
    far_ = -1;
  }
  void SendRaw(const std::string& bytes) {
    ASSERT_EQ(::send(far_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

  int near_ = -1;
  int far_ = -1;
};

v1::ScorerRequest Load(size_t bytes) {
  v1::ScorerRequest request;
  request.mutable_load()->set_digest("d");
  request.mutable_load()->set_content(std::string(bytes, 'x'));
  return request;
}

TEST_F(FramesTest, FramesArriveInOrderAndTheEndBetweenThemIsNoError) {
  // Larger than a socket's buffer, so that reads and writes are in pieces.
  std::thread writer([&] {
    EXPECT_THAT(WriteFrame(far_, Load(3'000'000)), IsOk());
    EXPECT_THAT(WriteFrame(far_, v1::ScorerRequest()), IsOk());
    CloseFar();
  });
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request), IsOkAndHolds(true));
  EXPECT_EQ(request.load().content().size(), 3'000'000u);
  EXPECT_THAT(ReadFrame(near_, request), IsOkAndHolds(true));
  EXPECT_FALSE(request.has_load());
  EXPECT_THAT(ReadFrame(near_, request), IsOkAndHolds(false));
  writer.join();
}

TEST_F(FramesTest, LengthIsLittleEndian) {
  ASSERT_THAT(WriteFrame(far_, Load(300)), IsOk());
  unsigned char header[4];
  ASSERT_EQ(::recv(near_, header, 4, 0), 4);
  const size_t size = Load(300).ByteSizeLong();
  EXPECT_EQ(header[0], size & 0xff);
  EXPECT_EQ(header[1], size >> 8);
  EXPECT_EQ(header[2] + header[3], 0);
}

TEST_F(FramesTest, BytesThatComeOneByOneAreOneFrame) {
  ASSERT_THAT(WriteFrame(far_, Load(40)), IsOk());
  std::string bytes(4 + Load(40).ByteSizeLong(), '\0');
  ASSERT_EQ(::recv(near_, bytes.data(), bytes.size(), MSG_WAITALL), static_cast<ssize_t>(bytes.size()));
  std::thread writer([&] {
    for (const char c : bytes) SendRaw(std::string(1, c));
  });
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request), IsOkAndHolds(true));
  EXPECT_EQ(request.load().content().size(), 40u);
  writer.join();
}

TEST_F(FramesTest, EndWithinAFrameIsUnavailable) {
  SendRaw(std::string("\x10\0", 2));
  CloseFar();
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("after 2 of 4 bytes of a frame's length")));
}

TEST_F(FramesTest, EndWithinAFramesBodyIsUnavailable) {
  SendRaw(std::string("\x10\0\0\0abc", 7));
  CloseFar();
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("after 3 of 16 bytes")));
}

TEST_F(FramesTest, LengthAboveTheLimitIsDataLoss) {
  SendRaw("HTTP/1.1 400");
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("claims 1347703880 bytes")));
}

TEST_F(FramesTest, BytesThatAreNoMessageAreDataLoss) {
  SendRaw(std::string("\x03\0\0\0\x0a\xff\xff", 7));
  v1::ScorerRequest request;
  EXPECT_THAT(ReadFrame(near_, request),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("3 bytes is no zcbench.v1.ScorerRequest")));
}

TEST_F(FramesTest, TooLargeAMessageIsRefusedBeforeAnythingIsWritten) {
  EXPECT_THAT(WriteFrame(far_, Load(kMaxFrameBytes)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
  char byte;
  EXPECT_EQ(::recv(near_, &byte, 1, MSG_DONTWAIT), -1);
}

TEST_F(FramesTest, WritingToADeadPeerIsUnavailableAndNoSignal) {
  CloseFar();
  EXPECT_THAT(WriteFrame(near_, Load(1)), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Broken pipe")));
}

}  // namespace
}  // namespace zcbench
