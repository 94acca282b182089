// Lets only calls with the server's token in.
#ifndef ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_
#define ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_

#include <grpcpp/security/auth_metadata_processor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
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
  struct Refusals {
    absl::Time silent_until = absl::InfinitePast();
    int64_t since_last_line = 0;
  };

  grpc::Status Refuse(absl::string_view reason, absl::string_view what,
                      const InputMetadata& metadata, const grpc::AuthContext& context);
  // Counts; how many there were since the last line, or 0 if none is due.
  int64_t CountForLog(const std::string& peer_and_reason);

  const std::unique_ptr<TokenFile> token_;
  Metrics& metrics_;
  Log& log_;
  const TokenFile::Clock clock_;
  absl::Mutex mu_;
  std::map<std::string, Refusals> refusals_ ABSL_GUARDED_BY(mu_);
};

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_RPC_TOKEN_CHECK_H_
