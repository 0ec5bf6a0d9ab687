#include "server/credentials.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "proto/channel.h"
#include "proto/server_file.h"

namespace zcbench {
namespace {

// Any name will do: clients pin the certificate, wherever the server is.
constexpr char kCertificateName[] = "zcbench-server";
constexpr absl::Duration kRenewBefore = absl::Hours(24 * 365);
constexpr absl::Duration kValid = absl::Hours(24 * 3650);

enum : unsigned { kAnyone = 1, kReader = 2, kWorker = 4, kAdmin = 8 };

// The one table of method -> roles. The admin may call everything.
constexpr std::pair<std::string_view, unsigned> kMethods[] = {
    {"/zcbench.v1.WorkerService/OpenSession", kWorker},
    {"/zcbench.v1.WorkerService/Synchronize", kWorker},
    {"/zcbench.v1.WorkerService/RecordScores", kWorker},
    {"/zcbench.v1.JobService/CreateJob", kAdmin},
    {"/zcbench.v1.JobService/GetJob", kReader},
    {"/zcbench.v1.JobService/ListJobs", kReader},
    {"/zcbench.v1.JobService/ControlJob", kAdmin},
    {"/zcbench.v1.JobService/ListFailures", kReader},
    {"/zcbench.v1.JobService/RetryFailures", kAdmin},
    {"/zcbench.v1.JobService/ListConflicts", kReader},
    {"/zcbench.v1.JobService/ExplainJob", kReader},
    {"/zcbench.v1.JobService/AuditJob", kAdmin},
    {"/zcbench.v1.JobService/ListWorkers", kReader},
    {"/zcbench.v1.JobService/DrainWorker", kAdmin},
    {"/zcbench.v1.ProbeBatchService/CreateProbeBatch", kAdmin},
    {"/zcbench.v1.ProbeBatchService/FetchProbeBatch", kReader | kWorker},
    {"/zcbench.v1.ProbeBatchService/ListProbeBatches", kReader},
    {"/zcbench.v1.QueryService/StreamScores", kReader},
    {"/zcbench.v1.QueryService/ListSeries", kReader},
    {"/zcbench.v1.QueryService/Correlate", kReader},
    {"/zcbench.v1.QueryService/CorrelateTasks", kReader},
    {"/zcbench.v1.QueryService/FitLibra", kAdmin},  // it stores what it found
    {"/zcbench.v1.QueryService/ListCombinations", kReader},
    {"/zcbench.v1.QueryService/ProfileLayers", kReader},
    {"/zcbench.v1.QueryService/ImportAccuracies", kAdmin},
    {"/zcbench.v1.QueryService/Describe", kReader},
    {"/zcbench.v1.PublicationService/ImportScores", kAdmin},
    {"/zcbench.v1.PublicationService/StreamAccuracies", kReader},
    {"/zcbench.v1.PublicationService/ListSources", kReader},
    {"/zcbench.v1.PublicationService/ExportStore", kReader},
    {"/zcbench.v1.StoreService/BackUpStore", kAdmin},  // it takes disk
    {"/zcbench.v1.StoreService/CheckStore", kAdmin},   // and time
    {"/zcbench.v1.StoreService/DescribeStore", kReader},
    {"/grpc.health.v1.Health/Check", kAnyone | kReader | kWorker},  // a cluster's probe has no token
    {"/grpc.health.v1.Health/Watch", kAnyone | kReader | kWorker},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kReader | kWorker},
};

unsigned RoleBit(std::string_view role) {
  return role == "admin" ? kAdmin : role == "reader" ? kReader : role == "worker" ? kWorker : kAnyone;
}

unsigned RolesOf(std::string_view method) {
  for (const auto& [name, roles] : kMethods) {
    if (name == method) return roles | kAdmin;
  }
  return kAdmin;
}

// Checks every call's token. Runs in gRPC's threads, before the services see the call.
class TokenCheck final : public grpc::AuthMetadataProcessor {
 public:
  explicit TokenCheck(const std::map<std::string, std::string>& tokens) {
    for (const auto& [role, token] : tokens) roles_.emplace_back(Sha256(token), role);
  }

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext*, OutputMetadata* consumed,
                       OutputMetadata*) override {
    const auto text = [&](const char* key) -> std::string {
      const auto found = metadata.find(key);
      return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
    };
    const std::string method = text(":path");
    const std::string authorization = text("authorization");
    if (!authorization.empty()) consumed->emplace("authorization", authorization);
    if (authorization.empty()) {
      if (MayCall("", method)) return grpc::Status::OK;
      return {grpc::StatusCode::UNAUTHENTICATED,
              absl::StrCat("this server wants a token: name the server file that it wrote (", kDefaultServerFile,
                           "), or a copy, with --server")};
    }
    const std::string role = absl::StartsWith(authorization, "Bearer ") ? RoleOf(authorization.substr(7)) : "";
    if (role.empty()) {
      return {
          grpc::StatusCode::UNAUTHENTICATED,
          "the server does not know this token: the server file is an old one or another server's; copy it from the "
          "server again"};
    }
    if (MayCall(role, method)) return grpc::Status::OK;
    std::vector<std::string> able;
    for (const std::string_view other : kRoles) {
      if (MayCall(other, method)) able.emplace_back(other);
    }
    return {grpc::StatusCode::PERMISSION_DENIED,
            absl::StrCat(method.substr(method.rfind('/') + 1), " is for the role ", absl::StrJoin(able, " or "),
                         ", and this token is a ", role, "'s: use a server file that has such a token")};
  }

 private:
  // Digests are compared in constant time, so that no byte of a token can be guessed from how long that took.
  std::string RoleOf(std::string_view token) const {
    const Sha256Digest digest = Sha256(token);
    std::string found;
    for (const auto& [known, role] : roles_) {
      if (CRYPTO_memcmp(known.data(), digest.data(), digest.size()) == 0) found = role;
    }
    return found;
  }

  std::vector<std::pair<Sha256Digest, std::string>> roles_;
};

absl::Status OpenSslError(const char* what) {
  char reason[256] = "";
  ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
  ERR_clear_error();
  return absl::InternalError(absl::StrCat(what, ": ", reason));
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(std::max(size, 0L))};
}

// 256 bits from the system's generator.
absl::StatusOr<std::string> MakeToken() {
  unsigned char bytes[32];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) return OpenSslError("no random numbers");
  return absl::WebSafeBase64Escape(std::string(reinterpret_cast<const char*>(bytes), sizeof(bytes)));
}

absl::StatusOr<Identity> ParseIdentity(const std::string& text, const std::string& name) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto is_text = [](const nlohmann::json& object, std::string_view member) {
    return object.contains(member) && object[std::string(member)].is_string();
  };
  bool good = json.is_object() && is_text(json, "certificate") && is_text(json, "key") && json.contains("tokens") &&
              json["tokens"].is_object();
  Identity identity;
  for (const std::string_view role : kRoles) {
    good = good && is_text(json["tokens"], role);
    if (good) identity.tokens[std::string(role)] = json["tokens"][std::string(role)].get<std::string>();
  }
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat(name,
                     " is not the identity of a server; remove it, and the next start makes a new one with new "
                     "tokens"));
  }
  identity.certificate = json["certificate"].get<std::string>();
  identity.key = json["key"].get<std::string>();
  return identity;
}

}  // namespace

absl::StatusOr<std::string> CheckListenOptions(const ListenOptions& options) {
  const size_t colon = options.address.rfind(':');
  int number = -1;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(options.address.substr(colon + 1), &number) ||
      number < 0 || number > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: `", options.address, "` is not of the form HOST:PORT, as 127.0.0.1:0"));
  }
  if (options.certificate.empty() != options.key.empty()) {
    return absl::InvalidArgumentError("--certificate and --key belong together, and one is missing");
  }
  std::string host = options.address.substr(0, colon);
  if (!options.insecure) return host;
  if (!options.certificate.empty() || !options.client_ca.empty()) {
    return absl::InvalidArgumentError(
        "--insecure is without TLS, so --certificate, --key and --client-ca mean nothing");
  }
  if (host != "127.0.0.1" && host != "localhost" && host != "[::1]") {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: `", host,
                     "` can be reached from other machines, and without TLS whoever reaches the server may read and "
                     "change everything; leave out --insecure, or use 127.0.0.1, localhost or [::1]"));
  }
  return host;
}

absl::StatusOr<Identity> MakeCertificate(const std::string& name, absl::Time begins, absl::Time expires) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  if (key == nullptr || certificate == nullptr) return OpenSslError("no key could be made");
  uint64_t serial = 0;
  bool good = RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1 &&
              X509_set_version(certificate.get(), 2) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(begins)) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(expires)) != nullptr &&
              X509_set_pubkey(certificate.get(), key.get()) == 1;
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  good = good &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()),
                                    -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate.get(), subject) == 1;
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate.get(), certificate.get(), nullptr, nullptr, 0);
  const std::pair<int, std::string> extensions[] = {{NID_subject_alt_name, "DNS:" + name},
                                                    {NID_basic_constraints, "critical,CA:TRUE"},
                                                    {NID_subject_key_identifier, "hash"}};
  for (const auto& [nid, value] : extensions) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    good = good && extension != nullptr && X509_add_ext(certificate.get(), extension, -1) == 1;
    X509_EXTENSION_free(extension);
  }
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> certificate_text(BIO_new(BIO_s_mem()), &BIO_free_all);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> key_text(BIO_new(BIO_s_mem()), &BIO_free_all);
  good = good && X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0 &&
         PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1 &&
         PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!good) return OpenSslError("no certificate could be made");
  return Identity{.certificate = TextOf(certificate_text.get()), .key = TextOf(key_text.get()), .tokens = {}};
}

absl::StatusOr<Identity> LoadIdentity(const ListenOptions& options) {
  const absl::Time now = absl::Now();
  Identity identity;
  bool changed = false;
  const absl::StatusOr<std::string> text = ReadPrivateFile(options.identity);
  if (text.ok()) {
    ZCB_ASSIGN_OR_RETURN(identity, ParseIdentity(*text, options.identity.string()));
    ZCB_ASSIGN_OR_RETURN(const CertificateFacts facts, DescribeCertificate(identity.certificate));
    changed = facts.expires < now + kRenewBefore;
  } else if (absl::IsNotFound(text.status())) {
    changed = true;
    for (const std::string_view role : kRoles) {
      ZCB_ASSIGN_OR_RETURN(identity.tokens[std::string(role)], MakeToken());
    }
  } else {
    return text.status();
  }
  if (changed) {
    // An hour back, for clients whose clock is late.
    ZCB_ASSIGN_OR_RETURN(Identity made, MakeCertificate(kCertificateName, now - absl::Hours(1), now + kValid));
    identity.certificate = std::move(made.certificate);
    identity.key = std::move(made.key);
    const nlohmann::json json = {
        {"certificate", identity.certificate}, {"key", identity.key}, {"tokens", identity.tokens}};
    ZCB_RETURN_IF_ERROR(WritePrivateFile(options.identity, json.dump(2) + "\n"));
    Log(LogLevel::kInfo, "made a certificate", {{"file", options.identity.string()}});
  }
  if (!options.certificate.empty()) {
    ZCB_ASSIGN_OR_RETURN(identity.certificate, ReadFile(options.certificate, 1 << 20));
    ZCB_ASSIGN_OR_RETURN(identity.key, ReadFile(options.key, 1 << 20));
    ZCB_ASSIGN_OR_RETURN(const CertificateFacts facts, DescribeCertificate(identity.certificate));
    if (facts.expires < now) {
      return absl::FailedPreconditionError(
          absl::StrCat("--certificate ", options.certificate.string(), " expired at ",
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", facts.expires, absl::UTCTimeZone())));
    }
  }
  return identity;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const ListenOptions& options,
                                                                               const Identity& identity) {
  if (options.insecure) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl(options.client_ca.empty()
                                            ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_key_cert_pairs.push_back({identity.key, identity.certificate});
  if (!options.client_ca.empty()) {
    ZCB_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(options.client_ca, 1 << 20));
  }
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::SslServerCredentials(ssl);
  credentials->SetAuthMetadataProcessor(std::make_shared<TokenCheck>(identity.tokens));
  return credentials;
}

bool MayCall(std::string_view role, std::string_view method) { return (RolesOf(method) & RoleBit(role)) != 0; }

bool IsListed(std::string_view method) {
  return std::any_of(std::begin(kMethods), std::end(kMethods),
                     [&](const auto& entry) { return entry.first == method; });
}

}  // namespace zcbench
