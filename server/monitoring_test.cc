// What a person on call looks at: health, reflection, channelz, request ids, the page for Prometheus. Real servers with
// TLS on loopback. Health, reflection and channelz are gRPC's own services: called by name, with hand-written bytes,
// since their generated code is not ours.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/metrics_page/read_page.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "proto/channel.h"
#include "server/handle.h"
#include "server/server.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kChannelz[] = "/grpc.channelz.v1.Channelz/GetServers";

class MonitoringTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start({.store = folder_ / "zcbench.db", .version = "9.8.7", .metrics = "0"});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& role) {
    ServerFile file = server_->access();
    std::erase_if(file.tokens, [&](const auto& entry) { return entry.first != role; });
    return MakeChannel(file, role).value();
  }

  // One message there and one back, of whatever method.
  static absl::StatusOr<std::string> Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                          const std::string& bytes) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    grpc::Slice slice(bytes);
    const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    if (!status.ok()) return FromGrpc(status);
    std::vector<grpc::Slice> slices;
    (void)response.Dump(&slices);
    std::string answer;
    for (const grpc::Slice& piece : slices) answer.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    return answer;
  }

  // The trailing `x-request-id` of a call that sent `id`, or none when it is empty.
  std::string IdThatComesBack(const std::string& id) {
    grpc::ClientContext context;
    if (!id.empty()) context.AddMetadata(kRequestIdKey, id);
    v1::DescribeResponse response;
    const auto stub = v1::QueryService::NewStub(Channel("reader"));
    EXPECT_TRUE(stub->Describe(&context, v1::DescribeRequest(), &response).ok());
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto found = trailing.find(kRequestIdKey);
    return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
  }

  TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(MonitoringTest, HealthNeedsNoTokenReflectionAnyAndChannelzTheAdmins) {
  const std::string list_services("\x3a\x01*", 3);
  for (const char* role : {"none", "reader", "worker", "admin"}) {
    const auto channel = Channel(role);
    EXPECT_THAT(Call(channel, kHealth, ""), IsOkAndHolds(std::string("\x08\x01"))) << role;  // SERVING
    if (std::string(role) == "none") {
      const auto refused = StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("wants a token"));
      EXPECT_THAT(Call(channel, kReflection, list_services).status(), refused);
      EXPECT_THAT(Call(channel, kChannelz, "").status(), refused);
      continue;
    }
    EXPECT_THAT(Call(channel, kReflection, list_services),
                IsOkAndHolds(AllOf(HasSubstr("zcbench.v1.WorkerService"), HasSubstr("grpc.channelz.v1.Channelz"))))
        << role;
    if (std::string(role) == "admin") {
      EXPECT_THAT(Call(channel, kChannelz, ""), IsOkAndHolds(testing::Not(testing::IsEmpty())));
    } else {
      EXPECT_THAT(Call(channel, kChannelz, "").status(),
                  StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("for the role admin")))
          << role;
    }
  }
}

TEST_F(MonitoringTest, EveryCallHasAnIdThatComesBack) {
  EXPECT_EQ(IdThatComesBack("night-7"), "night-7");
  const std::string made = IdThatComesBack("");
  EXPECT_THAT(made, MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(made.size(), 16u);
  EXPECT_NE(IdThatComesBack(""), made);
  EXPECT_EQ(IdThatComesBack("not an id").size(), 16u);           // it would break the log's fields
  EXPECT_EQ(IdThatComesBack(std::string(65, 'a')).size(), 16u);  // longer than an id may be
}

TEST_F(MonitoringTest, AnErrorOfTheServersOwnNamesTheRequest) {
  const CallName call{.rpc = "GetJob", .request = "night-7"};
  EXPECT_THAT(Answer(absl::InternalError("the cursor went back"), call).error_message(),
              AllOf(HasSubstr("the cursor went back"), HasSubstr("request night-7")));
  EXPECT_EQ(Answer(absl::NotFoundError("no job 3"), call).error_message(), "no job 3");
}

TEST_F(MonitoringTest, ThePageCountsCallsByMethodAndCodeAndCommits) {
  v1::DescribeResponse described;
  v1::GetJobResponse none;
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    ASSERT_TRUE(v1::QueryService::NewStub(Channel("reader"))->Describe(&context, {}, &described).ok());
  }
  grpc::ClientContext context;
  v1::GetJobRequest request;
  request.set_id(7);
  EXPECT_EQ(v1::JobService::NewStub(Channel("reader"))->GetJob(&context, request, &none).error_code(),
            grpc::StatusCode::NOT_FOUND);
  const std::string page = ReadPage(server_->metrics_address());
  EXPECT_THAT(
      page, AllOf(HasSubstr("zcbench_call_seconds_count{method=\"zcbench.v1.QueryService/Describe\",code=\"OK\"} 2"),
                  HasSubstr("zcbench_call_seconds_count{method=\"zcbench.v1.JobService/GetJob\",code=\"NOT_FOUND\"} 1"),
                  HasSubstr("zcbench_commit_seconds_count 1"),  // what a start writes
                  HasSubstr("zcbench_units{state=\"free\"} 0"), HasSubstr("zcbench_workers{state=\"lost\"} 0"),
                  HasSubstr("zcbench_oldest_free_unit_seconds 0")));
}

TEST_F(MonitoringTest, APortThatIsTakenStopsTheStart) {
  EXPECT_THAT(Server::Start({.store = folder_ / "other.db", .metrics = server_->metrics_address()}).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("--metrics-port")));
}

}  // namespace
}  // namespace zcbench
