#include "actor/batch_scorer.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

ScoreTaskOptions OptionsFor(const Oracle& oracle, ScoreTaskOptions options) {
  options.max_batch_objects = oracle.max_batch_objects;
  options.described_objectives = oracle.described_objectives;
  return options;
}

BatchScorer::BatchScorer(RewardAsker asker, SharedOracle& oracle, ScoreTaskOptions options,
                         const BackoffOptions& backoff, uint64_t seed, RewardAsker::Sleeper sleep)
    : asker_(std::move(asker)),
      oracle_(oracle),
      options_(std::move(options)),
      changes_(backoff, seed),
      sleep_(std::move(sleep)) {}

absl::StatusOr<std::unique_ptr<ScoreTask>> BatchScorer::Score(
    BatchHeader& header, const Trajectories& trajectories,
    const std::vector<std::string>& tickets) {
  changes_.Reset();
  for (int change = 0;; ++change) {
    const std::shared_ptr<const Oracle> oracle = oracle_.current();
    header.reward_fingerprint = oracle->header.reward_fingerprint;
    ScoreTaskOptions options = OptionsFor(*oracle, options_);
    // Under another fingerprint it is another question.
    if (change > 0) absl::StrAppend(&options.request_prefix, "renewed-", change, "-");
    auto task = std::make_unique<ScoreTask>(header, trajectories, options, tickets);
    absl::Status status = asker_.Ask(*task);
    if (status.ok()) return task;
    if (!IsFingerprintChange(status)) return status;
    status = oracle_.Renew(header.reward_fingerprint, status);
    if (!status.ok() && !IsRetryable(status)) return status;
    // Replicas that differ would otherwise be asked in turn without a pause.
    if ((!status.ok() || change > 0) && !sleep_(changes_.Next())) {
      return absl::CancelledError("the actor ends");
    }
  }
}

}  // namespace anabranch
