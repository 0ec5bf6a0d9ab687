#include "proto/channel.h"

#include <arpa/inet.h>

#include <grpcpp/generic/generic_stub.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace zcbench {
namespace {

// Requests stay below 256 KiB: a larger one no longer fits the channel's retry buffer and is sent once.
constexpr char kServiceConfig[] = R"json({
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 1.6,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
})json";

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckAddress(const std::string& address, bool encrypted) {
  if (absl::StartsWith(address, "unix:")) {
    if (address.size() > 5) return absl::OkStatus();
    return absl::InvalidArgumentError("server address `unix:`: the socket's path is missing");
  }
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("server address `", address, "`: expected HOST:PORT, e.g. 127.0.0.1:7700, or unix:PATH"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (!encrypted && !IsLoopback(host)) {
    return absl::FailedPreconditionError(
        absl::StrCat("server address `", address,
                     "`: without the server's file a connection is not encrypted, and so only goes to this "
                     "machine (127.0.0.1, localhost, [::1]); copy the ",
                     kDefaultServerFile, " that the server wrote, and name the copy instead"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ServerFile& server,
                                                                          std::string_view role) {
  if (server.certificate.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = server.certificate;
  if (!server.client_certificate.empty()) {
    ZCB_ASSIGN_OR_RETURN(options.pem_cert_chain, ReadFile(server.client_certificate, 1 << 20));
    ZCB_ASSIGN_OR_RETURN(options.pem_private_key, ReadFile(server.client_key, 1 << 20));
  }
  auto credentials = grpc::SslCredentials(options);
  if (const std::string token = TokenFor(server, role); !token.empty()) {
    credentials = grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
  }
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannelWith(const ServerFile& server, std::string_view role,
                                                               bool retries) {
  ZCB_RETURN_IF_ERROR(CheckAddress(server.address, !server.certificate.empty()));
  grpc::ChannelArguments arguments;
  if (!server.certificate.empty()) {
    ZCB_ASSIGN_OR_RETURN(const CertificateFacts facts, DescribeCertificate(server.certificate));
    if (facts.expires < absl::Now()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the certificate of the server at ", server.address, " expired at ",
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", facts.expires, absl::UTCTimeZone()),
                       ": start the server again, which renews it, and use the server file that it writes"));
    }
    // The certificate itself is pinned; its name need not be the address.
    arguments.SetSslTargetNameOverride(facts.name);
  }
  if (retries) {
    arguments.SetServiceConfigJSON(kServiceConfig);
  } else {
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  }
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // The default grows to two minutes: a restarted server would stay unseen for that long.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  // gRPC's name for how long one attempt may take: a busy machine needs more than 200 ms for a TLS handshake.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  // `http_proxy` of the environment is not meant for our servers.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  ZCB_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(server, role));
  return grpc::CreateCustomChannel(server.address, credentials, arguments);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ServerFile& server, std::string_view role) {
  return MakeChannelWith(server, role, /*retries=*/true);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address) {
  ServerFile server;
  server.address = address;
  return MakeChannel(server, "");
}

std::string ConnectionProblem(const ServerFile& server) {
  const std::string nobody = absl::StrCat("no server answers at ", server.address);
  const auto channel = MakeChannelWith(server, "", /*retries=*/false);
  if (!channel.ok()) return std::string(channel.status().message());
  // Whoever connects but cannot agree on TLS says so only in the text of a call's failure.
  grpc::GenericStub stub(*channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::ByteBuffer(), &queue);
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
  const std::string& words = status.error_message();
  if (absl::StrContains(words, "certificate verify failed")) {
    return absl::StrCat("the server at ", server.address,
                        " shows another certificate than the server file says: the file is an old one or another "
                        "server's; copy it from the server again");
  }
  if (absl::StrContains(words, "WRONG_VERSION_NUMBER") || absl::StrContains(words, "wrong version number")) {
    return absl::StrCat("the server at ", server.address, " speaks without TLS, and the server file expects it");
  }
  if (!server.certificate.empty() && absl::StrContains(words, "andshake")) {
    return absl::StrCat("the server at ", server.address, " refuses the TLS connection (", words,
                        "); if it asks for client certificates, name yours in the server file");
  }
  return nobody;
}

absl::StatusOr<CertificateFacts> DescribeCertificate(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<size_t>(pem.size(), 1 << 20))), &BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                                &X509_free);
  ERR_clear_error();
  if (certificate == nullptr) return absl::InvalidArgumentError("the server's certificate is no PEM certificate");
  const auto time = [](const ASN1_TIME* t) {
    std::tm parts{};
    return ASN1_TIME_to_tm(t, &parts) == 1 ? absl::FromTM(parts, absl::UTCTimeZone()) : absl::InfinitePast();
  };
  CertificateFacts facts;
  facts.begins = time(X509_get0_notBefore(certificate.get()));
  facts.expires = time(X509_get0_notAfter(certificate.get()));
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* const text = name->d.dNSName;
    facts.name.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), ASN1_STRING_length(text));
    // A name that covers several stands for any of them.
    if (absl::StartsWith(facts.name, "*.")) facts.name.replace(0, 1, "zcbench");
    return facts;
  }
  return absl::InvalidArgumentError("the server's certificate names no host (a DNS name as subjectAltName)");
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace zcbench
