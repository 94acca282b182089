#include "runtime/trajectory_codec.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

using google::protobuf::RepeatedField;

absl::Status Invalid(absl::string_view reason, absl::string_view field,
                     std::optional<uint64_t> index, std::string message) {
  return RefusalStatus(Refuse(reason, field, index, std::move(message)));
}

absl::Status DecodeActions(const v1::TrajectoryBatch& batch, Trajectories& t) {
  if (ActionWidth(batch) != 1) {
    return Invalid(kReasonOutOfRange, "action_width", std::nullopt,
                   absl::StrCat("is ", batch.action_width(),
                                "; environments here have one integer per action"));
  }
  for (int i = 0; i < batch.lengths_size(); ++i) {
    if (batch.lengths(i) == 0) {
      return Invalid(kReasonOutOfRange, "lengths", i,
                     "is 0: an object without a trajectory must be sampled backward first");
    }
  }
  constexpr auto kMaxAction = static_cast<uint32_t>(std::numeric_limits<int32_t>::max());
  for (int i = 0; i < batch.actions_size(); ++i) {
    if (batch.actions(i) > kMaxAction) {
      return Invalid(kReasonOutOfRange, "actions", i,
                     absl::StrCat("is ", batch.actions(i), "; no environment has that many"));
    }
  }
  t.lengths.assign(batch.lengths().begin(), batch.lengths().end());
  t.actions.assign(batch.actions().begin(), batch.actions().end());
  t.log_pf.assign(batch.policy_log_probs().begin(), batch.policy_log_probs().end());
  t.action_value_width = batch.action_value_width();
  t.action_values.assign(batch.action_values().begin(), batch.action_values().end());
  return absl::OkStatus();
}

void DecodePrompts(const v1::TrajectoryBatch& batch, Trajectories& t) {
  const RepeatedField<uint32_t>& index = batch.initial_state_index();
  if (std::all_of(index.begin(), index.end(), [](uint32_t k) { return k == 0; })) return;
  std::vector<std::string> entries(1);  // 0: the environment's own source.
  size_t offset = 0;
  for (const uint32_t length : batch.initial_states().lengths()) {
    entries.push_back(batch.initial_states().data().substr(offset, length));
    offset += length;
  }
  t.prompts.reserve(index.size());
  for (const uint32_t k : index) t.prompts.push_back(entries[k]);
}

absl::Status DecodeConditions(const v1::TrajectoryBatch& batch, Trajectories& t) {
  const v1::Conditions& from = batch.conditions();
  const RepeatedField<uint32_t>& index = batch.condition_index();
  if (std::all_of(index.begin(), index.end(), [](uint32_t k) { return k == 0; })) {
    return absl::OkStatus();
  }
  const bool has_temperature = !from.inverse_temperatures().empty();
  const int64_t preferences = from.preference_width(), features = from.feature_width();
  t.condition_width = (has_temperature ? 1 : 0) + preferences + features;
  t.conditions.reserve(index.size() * t.condition_width);
  for (int i = 0; i < index.size(); ++i) {
    if (index[i] == 0) {
      return Invalid(kReasonMissing, "condition_index", i,
                     "is 0, though other trajectories of the batch have a condition");
    }
    const int k = static_cast<int>(index[i] - 1);
    if (has_temperature) t.conditions.push_back(from.inverse_temperatures(k));
    const float* row = from.preferences().data() + k * preferences;
    t.conditions.insert(t.conditions.end(), row, row + preferences);
    row = from.features().data() + k * features;
    t.conditions.insert(t.conditions.end(), row, row + features);
  }
  return absl::OkStatus();
}

// Statuses, values and mask of n objects, m values each, which fit together. Column j of the result
// is column order[j] of the values.
template <typename Source>
RewardColumns TakeRewards(const Source& from, int64_t m, std::span<const int64_t> order) {
  RewardColumns rewards;
  rewards.num_objectives = static_cast<int64_t>(order.size());
  const int n = from.statuses_size();
  rewards.status.reserve(n);
  rewards.values.reserve(n * order.size());
  rewards.valid.reserve(n * order.size());
  for (int i = 0; i < n; ++i) {
    const auto status = static_cast<v1::ObjectStatus>(from.statuses(i));
    rewards.status.push_back(FromProto(status));
    for (const int64_t column : order) {
      const int at = static_cast<int>(i * m + column);
      const bool counts = status == v1::OBJECT_STATUS_OK &&
                          (from.raw_value_valid().empty() || from.raw_value_valid(at));
      rewards.values.push_back(counts ? from.raw_values(at) : 0.0);
      rewards.valid.push_back(counts ? 1 : 0);
    }
    if (status == v1::OBJECT_STATUS_OK) continue;
    rewards.reasons.resize(n);
    rewards.reasons[i] = v1::ObjectStatus_Name(status);
  }
  return rewards;
}

std::vector<int64_t> InOrder(int64_t m) {
  std::vector<int64_t> order(m);
  for (int64_t j = 0; j < m; ++j) order[j] = j;
  return order;
}

void DecodeKeys(const std::string& bytes, std::vector<Key128>& keys) {
  keys.resize(bytes.size() / kKeyBytes);
  for (size_t i = 0; i < keys.size(); ++i) {
    Key128::FromBytes({bytes.data() + i * kKeyBytes, kKeyBytes}, &keys[i]);
  }
}

void DecodeObjects(const v1::TrajectoryBatch& batch, const BatchLayout& layout, Trajectories& t) {
  DecodeKeys(batch.object_keys(), t.object_keys);
  DecodeKeys(batch.state_keys(), t.state_keys);
  for (size_t i = 0; i + 1 < layout.objects.size(); ++i) {
    t.objects.push_back(
        batch.object_data().substr(layout.objects[i], layout.objects[i + 1] - layout.objects[i]));
  }
}

// Which column of the answer each objective is in.
absl::StatusOr<std::vector<int64_t>> FindColumns(const v1::EvaluateResponse& response,
                                                 std::span<const std::string> objectives) {
  if (response.objectives().empty()) return InOrder(static_cast<int64_t>(objectives.size()));
  std::vector<int64_t> order;
  for (const std::string& name : objectives) {
    const auto found = std::find(response.objectives().begin(), response.objectives().end(), name);
    if (found == response.objectives().end()) {
      return Invalid(kReasonMissing, "objectives", std::nullopt,
                     absl::StrCat("lacks \"", name, "\"; it has ",
                                  absl::StrJoin(response.objectives(), ", ")));
    }
    order.push_back(found - response.objectives().begin());
  }
  return order;
}

absl::Status CheckAnswer(const v1::EvaluateResponse& response, int64_t n, int64_t m) {
  const struct {
    absl::string_view field;
    int64_t found;
    int64_t expected;
  } sizes[] = {{"statuses", response.statuses_size(), n},
               {"raw_values", response.raw_values_size(), n * m},
               {"raw_value_valid", response.raw_value_valid_size(),
                response.raw_value_valid().empty() ? 0 : n * m},
               {"reasons", response.reasons_size(), response.reasons().empty() ? 0 : n}};
  for (const auto& size : sizes) {
    if (size.found == size.expected) continue;
    return Invalid(kReasonWrongLength, size.field, std::nullopt,
                   absl::StrCat("has ", size.found, " entries, expected ", size.expected));
  }
  for (int i = 0; i < n; ++i) {
    if (response.statuses(i) == v1::OBJECT_STATUS_UNSPECIFIED ||
        !v1::ObjectStatus_IsValid(response.statuses(i))) {
      return Invalid(kReasonOutOfRange, "statuses", i,
                     absl::StrCat("is ", response.statuses(i),
                                  "; a missing status is never taken for success"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

v1::ObjectStatus ToProto(ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kOk:
      return v1::OBJECT_STATUS_OK;
    case ObjectStatus::kInvalid:
      return v1::OBJECT_STATUS_INVALID;
    case ObjectStatus::kFailed:
      return v1::OBJECT_STATUS_FAILED;
  }
  return v1::OBJECT_STATUS_FAILED;
}

ObjectStatus FromProto(v1::ObjectStatus status) {
  switch (status) {
    case v1::OBJECT_STATUS_OK:
      return ObjectStatus::kOk;
    case v1::OBJECT_STATUS_INVALID:
    case v1::OBJECT_STATUS_INFEASIBLE:
      return ObjectStatus::kInvalid;
    default:
      return ObjectStatus::kFailed;
  }
}

absl::StatusOr<DecodedBatch> DecodeTrajectories(const v1::TrajectoryBatch& batch) {
  BatchLayout layout;
  if (auto refusal = CheckTrajectoryBatch(batch, /*require_rewards=*/false, &layout)) {
    return RefusalStatus(*refusal);
  }
  DecodedBatch out;
  Trajectories& t = out.columns.trajectories;
  if (absl::Status status = DecodeActions(batch, t); !status.ok()) return status;
  DecodePrompts(batch, t);
  if (absl::Status status = DecodeConditions(batch, t); !status.ok()) return status;
  if (!batch.statuses().empty()) {
    const int64_t m = batch.objectives_size();
    out.columns.rewards = TakeRewards(batch, m, InOrder(m));
  }
  out.columns.log_rewards.assign(batch.log_rewards().begin(), batch.log_rewards().end());
  DecodeObjects(batch, layout, t);
  out.objectives.assign(batch.objectives().begin(), batch.objectives().end());
  out.reward_fingerprint = batch.reward_fingerprint();
  out.reward_shaping_hash = batch.reward_shaping_hash();
  out.policy_generations.assign(batch.policy_generations().begin(),
                                batch.policy_generations().end());
  out.policy_versions.assign(batch.policy_versions().begin(), batch.policy_versions().end());
  return out;
}

absl::StatusOr<RewardColumns> DecodeRewards(const v1::EvaluateResponse& response, int64_t n,
                                            std::span<const std::string> objectives) {
  const auto order = FindColumns(response, objectives);
  if (!order.ok()) return order.status();
  const int64_t m = response.objectives().empty() ? static_cast<int64_t>(objectives.size())
                                                  : response.objectives_size();
  if (absl::Status status = CheckAnswer(response, n, m); !status.ok()) return status;
  RewardColumns rewards = TakeRewards(response, m, *order);
  for (size_t k = 0; k < rewards.values.size(); ++k) {
    if (std::isfinite(rewards.values[k])) continue;
    return Invalid(kReasonNotFinite, "raw_values", k,
                   absl::StrCat("is ", rewards.values[k], " for objective \"",
                                objectives[k % objectives.size()], "\" of an object that is OK"));
  }
  for (int i = 0; i < response.reasons_size(); ++i) {
    if (!response.reasons(i).empty() && !rewards.reasons.empty()) {
      rewards.reasons[i] = response.reasons(i);
    }
  }
  return rewards;
}

}  // namespace anabranch
