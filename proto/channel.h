// The one place where a client's channel is made: TLS, the pinned certificate and the token come from the server file.
#ifndef ZCBENCH_PROTO_CHANNEL_H_
#define ZCBENCH_PROTO_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/server_file.h"

namespace zcbench {

// A channel to the server of the file, with the token of `role` or the strongest there is. With a certificate it is
// TLS, and the server must show exactly that certificate (so any address will do, a tunnel's too); without one the
// address must be of this machine: a loopback host (127.0.0.0/8, `localhost`, `[::1]`) or `unix:PATH`. Nothing is
// connected yet: an absent server shows as UNAVAILABLE on the first call. Calls that are answered UNAVAILABLE are tried
// up to five times by the channel (all of our calls are idempotent); it pings every 30 s while a call is in flight, so
// that a machine that vanished is noticed within 50 s. INVALID_ARGUMENT: no address, no port, no certificate.
// FAILED_PRECONDITION: another host without TLS; the certificate has expired.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ServerFile& server, std::string_view role);
// Without TLS and token.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address);

// Why no channel to that server comes up, for a person: nobody listens, another certificate, no TLS. Takes up to 3 s.
std::string ConnectionProblem(const ServerFile& server);

// What a PEM certificate says. INVALID_ARGUMENT: it is none.
struct CertificateFacts {
  std::string name;  // the first DNS name it is for
  absl::Time begins;
  absl::Time expires;
};
absl::StatusOr<CertificateFacts> DescribeCertificate(const std::string& pem);

// The status of a call, in our own type; the codes are the same.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace zcbench

#endif  // ZCBENCH_PROTO_CHANNEL_H_
