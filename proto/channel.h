// The one place where a client's channel is made, so that TLS and tokens change the default here and nowhere else.
#ifndef ZCBENCH_PROTO_CHANNEL_H_
#define ZCBENCH_PROTO_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zcbench {

// A channel to the server at `address`: `HOST:PORT` with a loopback host (127.0.0.0/8, `localhost`, `[::1]`), or
// `unix:PATH`. It is not encrypted, hence the restriction. Nothing is connected yet: an absent server shows as
// UNAVAILABLE on the first call. Calls that are answered UNAVAILABLE are tried up to five times by the channel (all of
// our calls are idempotent); it pings every 30 s while a call is in flight, so that a machine that vanished is noticed
// within 50 s. INVALID_ARGUMENT: no address, no port. FAILED_PRECONDITION: another host.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address);

// The status of a call, in our own type; the codes are the same.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace zcbench

#endif  // ZCBENCH_PROTO_CHANNEL_H_
