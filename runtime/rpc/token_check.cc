#include "runtime/rpc/token_check.h"

#include <prometheus/counter.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

constexpr char kPath[] = ":path";
constexpr absl::string_view kHealth = "/grpc.health.v1.Health/";
constexpr absl::Duration kBetweenLines = absl::Minutes(1);
// Peers are named by certificates that our own authority has signed; still, there is an end to it.
constexpr size_t kMaxPeers = 1000;
constexpr size_t kMaxMethodBytes = 200;

absl::string_view ViewOf(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// Empty if there is none.
absl::string_view MethodOf(const grpc::AuthMetadataProcessor::InputMetadata& metadata) {
  const auto path = metadata.find(kPath);
  return path == metadata.end() ? absl::string_view() : ViewOf(path->second);
}

std::string PeerOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return "(no certificate)";
  std::vector<std::string> names;
  for (const grpc::string_ref& name : context.GetPeerIdentity()) {
    names.emplace_back(name.data(), name.size());
  }
  return absl::StrJoin(names, ",");
}

}  // namespace

TokenCheck::TokenCheck(std::unique_ptr<TokenFile> token, Metrics& metrics, Log& log,
                       TokenFile::Clock clock)
    : token_(std::move(token)), metrics_(metrics), log_(log), clock_(std::move(clock)) {}

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
  metrics_
      .Counter("anabranch_rpc_refused_total", "Calls refused before they reached a service.",
               {{"reason", std::string(reason)}})
      .Increment();
  const std::string peer = PeerOf(context);
  const int64_t times = CountForLog(absl::StrCat(reason, " ", peer));
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

int64_t TokenCheck::CountForLog(const std::string& peer_and_reason) {
  const absl::Time now = clock_();
  absl::MutexLock lock(&mu_);
  const bool known = refusals_.size() < kMaxPeers || refusals_.count(peer_and_reason) > 0;
  Refusals& refusals = refusals_[known ? peer_and_reason : "others"];
  ++refusals.since_last_line;
  if (now < refusals.silent_until) return 0;
  refusals.silent_until = now + kBetweenLines;
  return std::exchange(refusals.since_last_line, 0);
}

}  // namespace anabranch
