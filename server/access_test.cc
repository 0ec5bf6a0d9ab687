// Who may do what: real servers with TLS on loopback, real channels, tokens and certificates good and bad.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/status_matchers.h"
#include "base/temporary_folder.h"
#include "proto/channel.h"
#include "server/server.h"
#include "zcbench/v1/job.grpc.pb.h"
#include "zcbench/v1/publication.grpc.pb.h"
#include "zcbench/v1/query.grpc.pb.h"
#include "zcbench/v1/worker.grpc.pb.h"

namespace zcbench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Ne;

class AccessTest : public testing::Test {
 protected:
  std::unique_ptr<Server> Start(ListenOptions listen = {}, const std::string& store = "zcbench.db") {
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start({.store = folder_ / store, .listen = std::move(listen), .version = "9.8.7"});
    EXPECT_THAT(server, IsOk());
    return server.ok() ? *std::move(server) : nullptr;
  }

  // One call of each kind of right; its answer.
  static absl::Status Read(const std::shared_ptr<grpc::Channel>& channel) {
    v1::DescribeResponse response;
    return Call(*v1::QueryService::NewStub(channel), &v1::QueryService::Stub::Describe, v1::DescribeRequest(),
                response);
  }
  static absl::Status Work(const std::shared_ptr<grpc::Channel>& channel) {
    v1::OpenSessionResponse response;
    return Call(*v1::WorkerService::NewStub(channel), &v1::WorkerService::Stub::OpenSession, v1::OpenSessionRequest(),
                response);
  }
  static absl::Status Administer(const std::shared_ptr<grpc::Channel>& channel) {
    v1::DrainWorkerRequest request;
    request.set_worker("nobody");
    v1::DrainWorkerResponse response;
    return Call(*v1::JobService::NewStub(channel), &v1::JobService::Stub::DrainWorker, request, response);
  }

  static absl::Status ImportScores(const std::shared_ptr<grpc::Channel>& channel) {
    v1::ImportScoresResponse response;
    return Call(*v1::PublicationService::NewStub(channel), &v1::PublicationService::Stub::ImportScores,
                v1::ImportScoresRequest(), response);
  }

  static std::shared_ptr<grpc::Channel> Channel(ServerFile file, const std::string& role) {
    std::erase_if(file.tokens, [&](const auto& entry) { return entry.first != role; });
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = MakeChannel(file, role);
    EXPECT_THAT(channel, IsOk());
    return *std::move(channel);
  }

  TemporaryFolder folder_;

 private:
  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub, grpc::Status (Stub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return FromGrpc((stub.*rpc)(&context, request, &response));
  }
};

TEST_F(AccessTest, EachRoleMayWhatTheTableSaysAndNoMore) {
  const std::unique_ptr<Server> server = Start();
  const auto denied = [](const char* method, const char* needs, const char* has) {
    return StatusIs(absl::StatusCode::kPermissionDenied,
                    AllOf(HasSubstr(method), HasSubstr(std::string("for the role ") + needs), HasSubstr(has)));
  };
  // What a handler answers to these requests; reaching it is the right.
  const auto reached_work = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("worker"));
  const auto reached_drain = StatusIs(absl::StatusCode::kNotFound, HasSubstr("nobody"));

  const auto admin = Channel(server->access(), "admin");
  EXPECT_THAT(Read(admin), IsOk());
  EXPECT_THAT(Work(admin), reached_work);
  EXPECT_THAT(Administer(admin), reached_drain);

  const auto reader = Channel(server->access(), "reader");
  EXPECT_THAT(Read(reader), IsOk());
  EXPECT_THAT(Work(reader), denied("OpenSession", "admin or worker", "a reader's"));
  EXPECT_THAT(Administer(reader), denied("DrainWorker", "admin,", "a reader's"));

  EXPECT_THAT(ImportScores(admin), StatusIs(absl::StatusCode::kNotFound, HasSubstr("unknown space")));
  EXPECT_THAT(ImportScores(reader), denied("ImportScores", "admin,", "a reader's"));

  const auto worker = Channel(server->access(), "worker");
  EXPECT_THAT(Read(worker), denied("Describe", "admin or reader", "a worker's"));
  EXPECT_THAT(Work(worker), reached_work);
  EXPECT_THAT(Administer(worker), denied("DrainWorker", "admin,", "a worker's"));
}

TEST_F(AccessTest, EveryMethodOfEveryServiceIsInTheTable) {
  for (const google::protobuf::Descriptor* message :
       {v1::DescribeRequest::descriptor(), v1::CreateJobRequest::descriptor(), v1::OpenSessionRequest::descriptor(),
        v1::ImportScoresRequest::descriptor()}) {
    const google::protobuf::FileDescriptor* const file = message->file();
    ASSERT_GT(file->service_count(), 0) << file->name();
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const std::string method = "/" + file->service(s)->full_name() + "/" + file->service(s)->method(m)->name();
        EXPECT_TRUE(IsListed(method)) << method << ": add it to the table in server/credentials.cc";
        EXPECT_TRUE(MayCall("admin", method));
        EXPECT_FALSE(MayCall("", method)) << method;
      }
    }
  }
  EXPECT_FALSE(MayCall("reader", "/zcbench.v1.JobService/NotThere"));
  EXPECT_TRUE(MayCall("", "/grpc.health.v1.Health/Check"));
}

TEST_F(AccessTest, WithoutTheRightTokenNothingIsAnswered) {
  const std::unique_ptr<Server> server = Start();
  EXPECT_THAT(Read(Channel(server->access(), "none")),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("wants a token")));
  ServerFile file = server->access();
  for (const std::string& token : {std::string("x"), file.tokens["admin"] + "x", file.tokens["admin"].substr(1)}) {
    file.tokens = {{"admin", token}};
    EXPECT_THAT(Read(Channel(file, "admin")),
                StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("does not know this token")));
  }
}

TEST_F(AccessTest, AnotherServersCertificateIsNotAccepted) {
  const std::unique_ptr<Server> server = Start();
  const std::unique_ptr<Server> other = Start({}, "other.db");
  ServerFile file = server->access();
  EXPECT_THAT(file.certificate, Ne(other->access().certificate));
  file.certificate = other->access().certificate;
  EXPECT_THAT(Read(Channel(file, "admin")), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  EXPECT_THAT(ConnectionProblem(file), HasSubstr("another certificate than the server file says"));
  file.certificate = "no certificate";
  EXPECT_THAT(MakeChannel(file, "admin"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("PEM")));
}

TEST_F(AccessTest, AnExpiredCertificateIsRefusedOnBothSides) {
  const absl::Time now = absl::Now();
  const absl::StatusOr<Identity> old = MakeCertificate("old", now - absl::Hours(48), now - absl::Hours(24));
  ASSERT_THAT(old, IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ / "old.pem", old->certificate), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ / "old.key", old->key), IsOk());
  const ListenOptions listen = {.certificate = folder_ / "old.pem", .key = folder_ / "old.key"};
  EXPECT_THAT(Server::Start({.store = folder_ / "a.db", .listen = listen}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr("old.pem"), HasSubstr("expired at"))));

  // One that expired while the server ran.
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({old->key, old->certificate});
  v1::QueryService::Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(ssl), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ServerFile file;
  file.address = "127.0.0.1:" + std::to_string(port);
  file.certificate = old->certificate;
  EXPECT_THAT(MakeChannel(file, "admin"),
              StatusIs(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr("expired at"), HasSubstr("start"))));
}

TEST_F(AccessTest, WithoutTlsNobodyGetsIn) {
  const std::unique_ptr<Server> server = Start();
  const auto plain = MakeChannel(server->address());
  ASSERT_THAT(plain, IsOk());
  EXPECT_THAT(Read(*plain), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
}

TEST_F(AccessTest, ARestartKeepsCertificateAndTokens) {
  std::unique_ptr<Server> server = Start();
  const ServerFile before = server->access();
  EXPECT_EQ(before.tokens.size(), 3u);
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "zcbench.db.identity").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  server.reset();
  server = Start();
  EXPECT_EQ(server->access().certificate, before.certificate);
  EXPECT_EQ(server->access().tokens, before.tokens);
  server.reset();

  ASSERT_EQ(::chmod((folder_ / "zcbench.db.identity").c_str(), 0644), 0);
  EXPECT_THAT(Server::Start({.store = folder_ / "zcbench.db"}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("other users may read it")));
  // Removed: new ones, and the old file opens nothing any more.
  std::filesystem::remove(folder_ / "zcbench.db.identity");
  server = Start();
  ServerFile stale = server->access();
  stale.tokens = before.tokens;
  EXPECT_THAT(Read(Channel(stale, "admin")), StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("token")));
}

TEST_F(AccessTest, AClientCertificateIsAskedForWhenTheServerWasToldTo) {
  const absl::Time now = absl::Now();
  const absl::StatusOr<Identity> client = MakeCertificate("me", now - absl::Hours(1), now + absl::Hours(1));
  const absl::StatusOr<Identity> stranger = MakeCertificate("stranger", now - absl::Hours(1), now + absl::Hours(1));
  ASSERT_THAT(client, IsOk());
  for (const auto& [name, identity] : {std::pair("me", *client), std::pair("stranger", *stranger)}) {
    ASSERT_THAT(WriteFileAtomically(folder_ / (std::string(name) + ".pem"), identity.certificate), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ / (std::string(name) + ".key"), identity.key), IsOk());
  }
  const std::unique_ptr<Server> server = Start({.client_ca = folder_ / "me.pem"});
  ServerFile file = server->access();
  EXPECT_THAT(Read(Channel(file, "admin")), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  file.client_certificate = folder_ / "stranger.pem";
  file.client_key = folder_ / "stranger.key";
  EXPECT_THAT(Read(Channel(file, "admin")), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  file.client_certificate = folder_ / "me.pem";
  file.client_key = folder_ / "me.key";
  EXPECT_THAT(Read(Channel(file, "admin")), IsOk());
}

TEST_F(AccessTest, OptionsThatContradictEachOtherAreRefused) {
  const auto start = [&](ListenOptions listen) {
    return Server::Start({.store = folder_ / "zcbench.db", .listen = std::move(listen)}).status();
  };
  EXPECT_THAT(start({.insecure = true, .client_ca = "ca.pem"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--insecure is without TLS")));
  EXPECT_THAT(start({.certificate = "a.pem"}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--key")));
  EXPECT_THAT(start({.certificate = folder_ / "no.pem", .key = folder_ / "no.key"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no.pem")));
  ASSERT_THAT(WritePrivateFile(folder_ / "broken", "{}"), IsOk());
  EXPECT_THAT(start({.identity = folder_ / "broken"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not the identity")));
}

}  // namespace
}  // namespace zcbench
