// Who may do what: the server's port, its certificate, its tokens, and the table of which role may call which method.
#ifndef ZCBENCH_SERVER_CREDENTIALS_H_
#define ZCBENCH_SERVER_CREDENTIALS_H_

#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace zcbench {

struct ListenOptions {
  std::string address = "127.0.0.1:0";  // HOST:PORT; port 0 = any free one
  bool insecure = false;                // without TLS and token: this machine's own addresses only
  std::filesystem::path identity{};     // certificate, key and tokens, mode 0600; made when it is not there
  std::filesystem::path certificate{};  // PEM files of one's own in place of the made ones; with `key`
  std::filesystem::path key{};
  std::filesystem::path client_ca{};  // clients must show a certificate that these have signed (mTLS)
};

// What the server is known by. The certificate is self-signed, and clients pin it.
struct Identity {
  std::string certificate;                    // PEM
  std::string key;                            // PEM
  std::map<std::string, std::string> tokens;  // by role
};

// Returns the host. INVALID_ARGUMENT: no HOST:PORT, an address that others can reach without TLS, options that
// contradict each other.
absl::StatusOr<std::string> CheckListenOptions(const ListenOptions& options);

// A self-signed certificate for `name` and its P-256 key.
absl::StatusOr<Identity> MakeCertificate(const std::string& name, absl::Time begins, absl::Time expires);

// Reads the identity, or makes and writes it; a certificate with less than a year left is made anew, the tokens stay.
// FAILED_PRECONDITION: the file can be read by others; the certificate given has expired. INVALID_ARGUMENT: it is no
// identity. Other codes as of ReadFile.
absl::StatusOr<Identity> LoadIdentity(const ListenOptions& options);

// TLS, and a check of every call's token before anything else looks at the call.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const ListenOptions& options,
                                                                               const Identity& identity);

// Whether the role may call the method, as "/zcbench.v1.JobService/CreateJob". The admin may call all; a method that
// the table does not list is for the admin alone. `role` "" is whoever shows no token.
bool MayCall(std::string_view role, std::string_view method);
// Whether the table lists it.
bool IsListed(std::string_view method);

}  // namespace zcbench

#endif  // ZCBENCH_SERVER_CREDENTIALS_H_
