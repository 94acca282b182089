// How an edge between two processes is secured: TLS or mTLS by PEM files, a bearer token by a file
// of its own. See docs/security.md.
#ifndef ANABRANCH_RUNTIME_RPC_CREDENTIALS_H_
#define ANABRANCH_RUNTIME_RPC_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/status.pb.h"
#include "runtime/log.h"
#include "runtime/metrics.h"

namespace anabranch {

// How one edge is secured: the client's side of it, or the server's. All empty: plaintext, nobody
// asks who calls.
struct EdgeSecurity {
  std::optional<v1::TlsConfig> tls = {};
  std::string token_file = {};  // Sent as "authorization: Bearer TOKEN"; needs tls.
  // What the two are called in the configuration, for messages.
  std::string tls_key = "tls";
  std::string token_key = "token_file";
};

// How `cluster.*` secures the way to a role of the run, for both ends. An actor, which serves
// nothing but health and status, asks for no token.
EdgeSecurity SecurityOf(v1::Role role, const v1::ClusterConfig& cluster);

// "plaintext", "TLS" or "mTLS", and " with a token": for the log.
std::string DescribeServerSecurity(const EdgeSecurity& security);

// Both read the files now (certificates never again; tokens when they change). INVALID_ARGUMENT
// names key, path and remedy: as ReadTlsFiles and TokenFile::Open, a token without TLS, a server
// without certificate, or one that shall ask for the client's without a ca_file. `log` gets
// warnings and outlives what uses the credentials. Block for the files.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const EdgeSecurity& security, Log& log);
// With a token, calls without it are UNAUTHENTICATED, but for health (TokenCheck). `metrics`
// outlives the server too.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const EdgeSecurity& security, Metrics& metrics, Log& log);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_CREDENTIALS_H_
