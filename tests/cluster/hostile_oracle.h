// An oracle that does everything wrong that an oracle can, and answers right in between.
#ifndef ANABRANCH_TESTS_CLUSTER_HOSTILE_ORACLE_H_
#define ANABRANCH_TESTS_CLUSTER_HOSTILE_ORACLE_H_

#include <grpcpp/server.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/reward.grpc.pb.h"
#include "gflownet/random.h"
#include "reward/reward_service.h"

namespace anabranch {

// What may be wrong with an answer; each call draws one, or none.
enum class Hostility {
  kNone,
  kHangs,           // Until the caller gives up.
  kTooFewStatuses,  // One less than asked.
  kTooManyValues,   // One more than asked.
  kNotANumber,      // NaN where an object is OK.
  kInfinite,
  kHugeReason,     // An object is FAILED, with a reason of a mebibyte.
  kFormerAnswer,   // The answer to the question before, once more.
  kOtherQuestion,  // A request_id that nobody has asked under.
  kUnavailable,    // The whole call.
  kOverloaded,
  kRetryableObjects,  // Some objects, for now.
  kPendingObjects,    // Some objects, by ticket.
};

// The built-in reward of a configuration behind a socket, with `share` of its answers spoilt.
// Delays every answer by up to `longest_delay`. Which faults happen follows from the seed and the
// order of the calls. Thread-safe.
class HostileOracle final : public v1::RewardService::Service {
 public:
  HostileOracle(const v1::RunConfig& config, double share, absl::Duration longest_delay,
                uint64_t seed);
  ~HostileOracle() override;

  uint16_t port() const { return port_; }
  // Cuts every connection and call, and listens again at the same port.
  void Restart();
  // Fingerprints of descriptions and answers end in it from now on.
  void ChangeFingerprint(const std::string& suffix);

  int64_t objects_answered() const;  // OK ones.
  std::map<Hostility, int64_t> done() const;

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::DescribeResponse* response) override;
  grpc::Status Evaluate(grpc::ServerContext* context, const v1::EvaluateRequest* request,
                        v1::EvaluateResponse* response) override;

 private:
  void Listen();
  Hostility Draw(absl::Duration& delay);
  // Spoils an answer that is right.
  grpc::Status Spoil(Hostility how, grpc::ServerContext* context,
                     const v1::EvaluateRequest& request, v1::EvaluateResponse& response);
  void LeaveOpen(v1::ObjectStatus status, const v1::EvaluateRequest& request,
                 v1::EvaluateResponse& response);

  const std::unique_ptr<RewardService> truth_;
  const double share_;
  const absl::Duration longest_delay_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mu_;
  RandomStream random_ ABSL_GUARDED_BY(mu_);
  std::string suffix_ ABSL_GUARDED_BY(mu_);
  v1::EvaluateResponse former_ ABSL_GUARDED_BY(mu_);
  std::map<Hostility, int64_t> done_ ABSL_GUARDED_BY(mu_);
  int64_t objects_answered_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_TESTS_CLUSTER_HOSTILE_ORACLE_H_
