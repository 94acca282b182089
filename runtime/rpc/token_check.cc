#include "runtime/rpc/token_check.h"

#include <grpc/grpc_security_constants.h>
#include <prometheus/counter.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

constexpr char kPath[] = ":path";
constexpr absl::string_view kHealth = "/grpc.health.v1.Health/";
constexpr size_t kMaxMethodBytes = 200;

absl::string_view ViewOf(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// Empty if there is none.
absl::string_view MethodOf(const grpc::AuthMetadataProcessor::InputMetadata& metadata) {
  const auto path = metadata.find(kPath);
  return path == metadata.end() ? absl::string_view() : ViewOf(path->second);
}

// The common name in the client's certificate, or else all that it is for.
std::string PeerOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return "(no certificate)";
  auto names = context.FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  if (names.empty()) names = context.GetPeerIdentity();
  return absl::StrJoin(names, ",", [](std::string* out, const grpc::string_ref& name) {
    out->append(name.data(), name.size());
  });
}

prometheus::Counter& RefusedCounter(Metrics& metrics, absl::string_view reason) {
  return metrics.Counter("anabranch_rpc_refused_total",
                         "Calls refused before they reached a service.",
                         {{"reason", std::string(reason)}});
}

}  // namespace

TokenCheck::TokenCheck(std::unique_ptr<TokenFile> token, Metrics& metrics, Log& log,
                       TokenFile::Clock clock)
    : token_(std::move(token)),
      without_token_(RefusedCounter(metrics, kReasonNoToken)),
      with_bad_token_(RefusedCounter(metrics, kReasonBadToken)),
      log_(log),
      limit_(std::move(clock)) {}

grpc::Status TokenCheck::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                                 OutputMetadata* consumed, OutputMetadata*) {
  if (absl::StartsWith(MethodOf(metadata), kHealth)) return grpc::Status::OK;
  const auto [first, last] = metadata.equal_range(kAuthorization);
  if (first == last) {
    return Refuse(kReasonNoToken, "the call carries no token; does the client have this server's?",
                  metadata, *context);
  }
  absl::string_view token = ViewOf(first->second);
  if (std::next(first) != last || !absl::ConsumePrefix(&token, kBearer) ||
      !token_->Accepts(token)) {
    return Refuse(kReasonBadToken, "the call's token does not open this server", metadata,
                  *context);
  }
  consumed->emplace(kAuthorization, std::string(ViewOf(first->second)));
  return grpc::Status::OK;
}

grpc::Status TokenCheck::Refuse(absl::string_view reason, absl::string_view what,
                                const InputMetadata& metadata, const grpc::AuthContext& context) {
  (reason == kReasonNoToken ? without_token_ : with_bad_token_).Increment();
  const std::string peer = PeerOf(context);
  const int64_t times = limit_.Count(absl::StrCat(reason, " ", peer));
  if (times > 0) {
    log_.Warning("refused a call",
                 {{"reason", std::string(reason)},
                  {"peer", peer},
                  {"method", std::string(MethodOf(metadata).substr(0, kMaxMethodBytes))},
                  {"times", absl::StrCat(times)}});
  }
  // gRPC sends code and message from here, but no details; FromGrpcStatus knows the form.
  return {grpc::StatusCode::UNAUTHENTICATED, absl::StrCat(reason, ": ", what)};
}

}  // namespace anabranch
