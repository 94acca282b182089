// The reward contract around a source of values that knows nothing of it.
#ifndef ANABRANCH_REWARD_ADAPTERS_DESCRIBED_ORACLE_H_
#define ANABRANCH_REWARD_ADAPTERS_DESCRIBED_ORACLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "reward/adapters/oracle_adapters.h"
#include "reward/adapters/value_source.h"
#include "runtime/channels.h"

namespace anabranch {

// Describes itself by its configuration, checks requests, sends the objects that can be sent, and
// turns values into statuses: what oracle_adapters.h says of all adapters. Thread-safe.
class DescribedOracle final : public RewardClient {
 public:
  // `kind` begins the fingerprint, such as "http". INVALID_ARGUMENT where the configuration names
  // no objective, or one twice.
  static absl::StatusOr<std::unique_ptr<RewardClient>> Create(absl::string_view kind,
                                                              const v1::OracleConfig& config,
                                                              std::unique_ptr<ValueSource> source,
                                                              const AdapterOptions& options);

  absl::StatusOr<v1::DescribeResponse> Describe(const v1::DescribeRequest& request) override;
  // FAILED_PRECONDITION for another fingerprint than expected (both named), INVALID_ARGUMENT for a
  // missing request_id, a format that isn't accepted, an objective that isn't there, a context; and
  // the errors of the source.
  absl::StatusOr<v1::EvaluateResponse> Evaluate(const v1::EvaluateRequest& request) override;

 private:
  DescribedOracle(absl::string_view kind, const v1::OracleConfig& config,
                  std::unique_ptr<ValueSource> source);

  absl::StatusOr<std::string> Fingerprint(bool fresh);
  absl::Status CheckRequest(const v1::EvaluateRequest& request) const;
  // Those asked for, in that order; all where none is.
  absl::StatusOr<std::vector<std::string>> Objectives(const v1::EvaluateRequest& request) const;

  const v1::OracleConfig config_;
  const std::string described_;  // How the fingerprint begins.
  const std::unique_ptr<ValueSource> source_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_ADAPTERS_DESCRIBED_ORACLE_H_
