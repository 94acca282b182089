// Lets only calls with the server's token in.
#ifndef ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_
#define ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_

#include <grpcpp/security/auth_metadata_processor.h>

#include <memory>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/rpc/line_limit.h"
#include "runtime/rpc/token_file.h"

namespace anabranch {

// The header that carries a token, and what stands before it.
inline constexpr char kAuthorization[] = "authorization";
inline constexpr char kBearer[] = "Bearer ";

// Refuses as UNAUTHENTICATED, with reason NO_TOKEN or BAD_TOKEN, before a call reaches its service.
// grpc.health.v1 is open: an orchestrator's probe needs a certificate where the server asks for
// one, but no token. Reflection isn't. Refusals are counted in anabranch_rpc_refused_total{reason};
// each peer is logged at most once a minute for each reason, with how often it was refused since. A
// peer is known by the name in its certificate: gRPC tells no address this early. What is checked
// doesn't travel on: services never see the token. Thread-safe.
class TokenCheck final : public grpc::AuthMetadataProcessor {
 public:
  TokenCheck(std::unique_ptr<TokenFile> token, Metrics& metrics, Log& log,
             TokenFile::Clock clock = absl::Now);

  // A digest, and now and then a look at a file: not worth a thread.
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  grpc::Status Refuse(absl::string_view reason, absl::string_view what,
                      const InputMetadata& metadata, const grpc::AuthContext& context);

  const std::unique_ptr<TokenFile> token_;
  prometheus::Counter& without_token_;
  prometheus::Counter& with_bad_token_;
  Log& log_;
  LineLimit limit_;
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_
