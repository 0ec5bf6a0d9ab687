#include "proto/channel.h"

#include "base/status_matchers.h"

namespace zcbench {
namespace {

using ::testing::HasSubstr;

TEST(ChannelTest, LoopbackAddressesAreAccepted) {
  for (const char* address :
       {"127.0.0.1:7700", "127.1.2.3:1", "localhost:7700", "[::1]:65535", "unix:/run/zcbench.sock"}) {
    EXPECT_THAT(MakeChannel(address), IsOk()) << address;
  }
}

TEST(ChannelTest, AddressWithoutPortIsRefusedWithAnExample) {
  for (const char* address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "unix:"}) {
    EXPECT_THAT(MakeChannel(address), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(address))) << address;
  }
}

TEST(ChannelTest, OtherHostsAreRefusedWithTheReason) {
  for (const char* address : {"10.0.0.1:7700", "128.0.0.1:7700", "[::2]:7700", "server.example:7700", "dns:///a:1"}) {
    EXPECT_THAT(MakeChannel(address), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not encrypted")))
        << address;
  }
}

TEST(ChannelTest, AbsentServerIsUnavailableNotAHang) {
  const auto channel = MakeChannel("unix:/nonexistent/zcbench.sock");
  ASSERT_THAT(channel, IsOk());
  EXPECT_FALSE((*channel)->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(300)));
}

TEST(ChannelTest, GrpcCodesAreOurCodes) {
  EXPECT_THAT(FromGrpc(grpc::Status::OK), IsOk());
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "no session `x`")),
              StatusIs(absl::StatusCode::kNotFound, "no session `x`"));
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no")),
              StatusIs(absl::StatusCode::kUnauthenticated, "no"));
}

}  // namespace
}  // namespace zcbench
