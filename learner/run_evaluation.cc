#include "learner/run_evaluation.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr double kNoReward = -std::numeric_limits<double>::infinity();
constexpr uint64_t kEvaluationStream = uint64_t{1} << 63;  // And the step.

}  // namespace

void RunEvaluation::AddTo(nlohmann::ordered_json& line) const {
  if (log_z_error.has_value()) line["log_z_error"] = *log_z_error;
  if (exact.has_value()) {
    line["tv"] = exact->total_variation;
    line["jsd"] = exact->jensen_shannon;
    line["kl_learned_true"] = exact->kl_pq;
    line["kl_true_learned"] = exact->kl_qp;
  }
  if (elbo.has_value()) {
    line["elbo"] = elbo->value;
    line["elbo_standard_error"] = elbo->standard_error;
  }
  if (modes > 0) {
    line["modes"] = modes_found;
    line["modes_total"] = modes;
  }
  line["unique_objects"] = unique_objects;
  line["top_k"] = top_k;
  line["top_k_mean_log_reward"] = top_k_mean_log_reward;
  line["top_k_mean_reward"] = top_k_mean_reward;
}

absl::StatusOr<std::unique_ptr<RunEvaluator>> RunEvaluator::Create(
    const RunComponents& components, const v1::RunConfig& run_config,
    const ObservationSpec& observation, const ModeCounter& modes, ReplayClient& replay,
    const v1::Handshake& handshake) {
  auto evaluator =
      absl::WrapUnique(new RunEvaluator(components, run_config, modes, replay, handshake));
  const v1::EvaluationConfig& config = run_config.evaluation();
  const StateSpace* space = components.environment->state_space();
  const bool small =
      space != nullptr && space->num_states() <= static_cast<int64_t>(config.max_exact_states());
  const bool always = config.exact() == v1::EXACT_EVALUATION_ALWAYS;
  if (always && space == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("evaluation.exact is always, but ", components.environment->spec().fingerprint,
                     " has too many states to enumerate; write auto or never"));
  }
  if (components.reward == nullptr) {
    if (!always) return evaluator;
    return absl::FailedPreconditionError(
        "evaluation.exact is always, but the true distribution is not known: only the oracles of "
        "reward.oracles know the values. Write auto or never or, where a built-in reward computes "
        "the same, name it in reward beside the oracles");
  }
  if (always || (small && config.exact() != v1::EXACT_EVALUATION_NEVER)) {
    absl::Status status = evaluator->PrepareExact(observation);
    if (!status.ok()) return status;
  }
  return evaluator;
}

absl::Status RunEvaluator::PrepareExact(const ObservationSpec& observation) {
  auto exact = ExactEvaluator::Create(*components_.environment, observation);
  if (!exact.ok()) return exact.status();
  exact_ = *std::move(exact);
  auto log_rewards = LogRewardsOf(exact_->objects());
  if (!log_rewards.ok()) return log_rewards.status();
  for (int64_t i = 0; i < exact_->num_states(); ++i) {
    if (exact_->transitions().terminal[i] == 0) (*log_rewards)[i] = kNoReward;
  }
  true_log_z_ = LogSumExp(*log_rewards);
  auto target = TargetDistribution(*log_rewards);
  if (!target.ok()) return target.status();
  log_target_ = *std::move(target);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> RunEvaluator::LogRewardsOf(
    std::span<const std::string> objects) const {
  RewardColumns raw;
  components_.reward->Evaluate(objects, raw);
  for (size_t i = 0; i < raw.values.size(); ++i) {  // As the actor sees them.
    if (!std::isfinite(raw.values[i])) raw.status[i / raw.num_objectives] = ObjectStatus::kFailed;
  }
  ShapedRewards shaped;
  if (absl::Status status = components_.shaping->Shape(raw, shaped); !status.ok()) return status;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (shaped.used[i] == 0) shaped.log_rewards[i] = kNoReward;
  }
  return std::move(shaped.log_rewards);
}

absl::StatusOr<RunEvaluation> RunEvaluator::Evaluate(Policy& policy, double log_z, int64_t step) {
  RunEvaluation result;
  absl::Status status = exact_ != nullptr ? EvaluateExactly(policy, log_z, result)
                                          : EvaluateBySampling(policy, step, result);
  if (!status.ok()) return status;
  if (absl::Status status = EvaluateObjects(result); !status.ok()) return status;
  return result;
}

absl::Status RunEvaluator::EvaluateExactly(Policy& policy, double log_z, RunEvaluation& result) {
  auto learned = exact_->LogDistribution(policy);
  if (!learned.ok()) return learned.status();
  auto distances = CompareDistributions(*learned, log_target_);
  if (!distances.ok()) return distances.status();
  result.exact = *distances;
  result.log_z_error = std::abs(log_z - true_log_z_);
  return absl::OkStatus();
}

absl::Status RunEvaluator::EvaluateBySampling(Policy& policy, int64_t step, RunEvaluation& result) {
  if (config_.trajectories() == 0 || components_.reward == nullptr) return absl::OkStatus();
  auto estimator = Estimator::Create(*components_.environment, policy);
  if (!estimator.ok()) return estimator.status();
  RandomStream random(seed_, kEvaluationStream + static_cast<uint64_t>(step));
  auto elbo = estimator->Elbo(
      [this](std::span<const std::string> objects) { return LogRewardsOf(objects); },
      config_.trajectories(), random);
  if (!elbo.ok()) return elbo.status();
  result.elbo = *elbo;
  return absl::OkStatus();
}

absl::Status RunEvaluator::EvaluateObjects(RunEvaluation& result) {
  result.modes = modes_.num_modes();
  result.modes_found = modes_.num_found();
  v1::GetInfoRequest info_request;
  *info_request.mutable_handshake() = handshake_;
  auto info = replay_.GetInfo(info_request);
  if (!info.ok()) return info.status();
  result.unique_objects = info->objects();

  v1::QueryObjectsRequest request;
  *request.mutable_handshake() = handshake_;
  request.mutable_query()->set_order(v1::OBJECT_ORDER_LOG_REWARD);
  request.set_limit(config_.top_k());
  auto best = replay_.QueryObjects(request);
  if (!best.ok()) return best.status();
  const auto& log_rewards = best->objects().log_rewards();
  result.top_k = log_rewards.size();
  for (const double log_reward : log_rewards) {
    result.top_k_mean_log_reward += log_reward / log_rewards.size();
    result.top_k_mean_reward += std::exp(log_reward) / log_rewards.size();
  }
  return absl::OkStatus();
}

}  // namespace anabranch
