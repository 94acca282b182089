#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_batch.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {
namespace {

// Numbers the distinct rows of a column, from 1 in order of first appearance.
class Dictionary {
 public:
  // True (and the row is new) or false; `number` is its number either way.
  bool Add(absl::string_view row, uint32_t& number) {
    const auto [found, is_new] =
        numbers_.try_emplace(row, static_cast<uint32_t>(numbers_.size() + 1));
    number = found->second;
    return is_new;
  }

 private:
  absl::flat_hash_map<absl::string_view, uint32_t> numbers_;
};

absl::Status WrongSize(absl::string_view field, size_t found, int64_t expected) {
  return RefusalStatus(Refuse(kReasonWrongLength, field, std::nullopt,
                              absl::StrCat("has ", found, " entries, expected ", expected)));
}

// Optional columns that the wire format could not tell from absent or from each other.
absl::Status CheckSizes(const EvaluatedTrajectories& columns) {
  const Trajectories& t = columns.trajectories;
  const int64_t n = t.size(), m = columns.rewards.num_objectives;
  const int64_t statuses = m == 0 ? 0 : n;
  const struct {
    absl::string_view field;
    size_t found;
    int64_t expected;
    bool optional;
  } sizes[] = {{"prompts", t.prompts.size(), n, true},
               {"conditions", t.conditions.size(), n * t.condition_width, false},
               {"objects", t.objects.size(), n, true},
               {"object_keys", t.object_keys.size(), n, true},
               {"state_keys", t.state_keys.size(), n, true},
               {"statuses", columns.rewards.status.size(), statuses, false},
               {"raw_values", columns.rewards.values.size(), statuses * m, false},
               {"raw_value_valid", columns.rewards.valid.size(), statuses * m, false},
               {"log_rewards", columns.log_rewards.size(), n, true}};
  for (const auto& size : sizes) {
    if (size.optional && size.found == 0) continue;
    if (static_cast<int64_t>(size.found) != size.expected) {
      return WrongSize(size.field, size.found, size.expected);
    }
  }
  return absl::OkStatus();
}

absl::Status EncodeActions(const Trajectories& t, v1::TrajectoryBatch& batch) {
  const int32_t* const columns[] = {t.lengths.data(), t.actions.data()};
  const size_t sizes[] = {t.lengths.size(), t.actions.size()};
  const absl::string_view fields[] = {"lengths", "actions"};
  for (int c = 0; c < 2; ++c) {
    for (size_t i = 0; i < sizes[c]; ++i) {
      if (columns[c][i] < 0) {
        return RefusalStatus(Refuse(kReasonOutOfRange, fields[c], i,
                                    absl::StrCat("is ", columns[c][i], "; at least 0 is needed")));
      }
    }
  }
  batch.mutable_lengths()->Add(t.lengths.begin(), t.lengths.end());
  batch.set_action_width(1);
  batch.mutable_actions()->Add(t.actions.begin(), t.actions.end());
  batch.set_action_value_width(static_cast<uint32_t>(t.action_value_width));
  batch.mutable_action_values()->Add(t.action_values.begin(), t.action_values.end());
  batch.mutable_policy_log_probs()->Add(t.log_pf.begin(), t.log_pf.end());
  return absl::OkStatus();
}

void EncodePrompts(const Trajectories& t, v1::TrajectoryBatch& batch) {
  Dictionary dictionary;
  for (const std::string& prompt : t.prompts) {
    uint32_t number = 0;
    if (dictionary.Add(prompt, number)) {
      batch.mutable_initial_states()->add_lengths(static_cast<uint32_t>(prompt.size()));
      batch.mutable_initial_states()->mutable_data()->append(prompt);
    }
    batch.add_initial_state_index(number);
  }
}

void EncodeConditions(const Trajectories& t, v1::TrajectoryBatch& batch) {
  if (t.condition_width == 0) return;
  v1::Conditions& conditions = *batch.mutable_conditions();
  conditions.set_feature_width(static_cast<uint32_t>(t.condition_width));
  Dictionary dictionary;
  for (int64_t i = 0; i < t.size(); ++i) {
    const float* row = t.conditions.data() + i * t.condition_width;
    uint32_t number = 0;
    if (dictionary.Add({reinterpret_cast<const char*>(row), sizeof(float) * t.condition_width},
                       number)) {
      conditions.set_count(number);
      conditions.mutable_features()->Add(row, row + t.condition_width);
    }
    batch.add_condition_index(number);
  }
}

void EncodeRewards(const EvaluatedTrajectories& columns, const BatchHeader& header,
                   v1::TrajectoryBatch& batch) {
  batch.set_reward_fingerprint(header.reward_fingerprint);
  if (!columns.log_rewards.empty()) {
    batch.mutable_log_rewards()->Add(columns.log_rewards.begin(), columns.log_rewards.end());
    batch.set_reward_shaping_hash(header.reward_shaping_hash);
  }
  batch.mutable_objectives()->Add(header.objectives.begin(), header.objectives.end());
  const RewardColumns& rewards = columns.rewards;
  bool all_valid = true;
  for (size_t k = 0; k < rewards.values.size(); ++k) {
    const bool ok = rewards.status[k / rewards.num_objectives] == ObjectStatus::kOk;
    all_valid = all_valid && (rewards.valid[k] != 0 || !ok);
    // What doesn't count travels as 0.
    batch.add_raw_values(ok && rewards.valid[k] != 0 ? rewards.values[k] : 0.0);
  }
  if (!all_valid) {
    batch.mutable_raw_value_valid()->Add(rewards.valid.begin(), rewards.valid.end());
  }
  for (const ObjectStatus status : rewards.status) batch.add_statuses(ToProto(status));
}

void EncodeKeys(const std::vector<Key128>& keys, std::string& bytes) {
  bytes.reserve(keys.size() * kKeyBytes);
  for (const Key128& key : keys) {
    for (const uint64_t half : {key.high, key.low}) {
      for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(half >> shift));
    }
  }
}

void EncodeObjects(const Trajectories& t, const BatchHeader& header, v1::TrajectoryBatch& batch) {
  EncodeKeys(t.object_keys, *batch.mutable_object_keys());
  EncodeKeys(t.state_keys, *batch.mutable_state_keys());
  if (t.objects.empty()) return;
  batch.set_object_format(header.object_format);
  for (const std::string& object : t.objects) {
    batch.add_object_lengths(static_cast<uint32_t>(object.size()));
    batch.mutable_object_data()->append(object);
  }
}

void EncodeProvenance(int64_t n, const BatchHeader& header, v1::TrajectoryBatch& batch) {
  batch.mutable_policy_generations()->Resize(static_cast<int>(n), header.policy.generation());
  batch.mutable_policy_versions()->Resize(static_cast<int>(n), header.policy.version());
  if (header.source.client_incarnation() == 0) return;
  *batch.add_sources() = header.source;
  batch.mutable_source_index()->Resize(static_cast<int>(n), 1);
  for (int64_t i = 0; i < n; ++i) batch.add_trajectory_numbers(header.first_trajectory_number + i);
}

}  // namespace

absl::StatusOr<v1::TrajectoryBatch> EncodeTrajectories(const EvaluatedTrajectories& columns,
                                                       const BatchHeader& header) {
  if (absl::Status status = CheckSizes(columns); !status.ok()) return status;
  const Trajectories& t = columns.trajectories;
  v1::TrajectoryBatch batch;
  batch.set_run_id(header.run_id);
  batch.set_environment_fingerprint(header.environment_fingerprint);
  if (absl::Status status = EncodeActions(t, batch); !status.ok()) return status;
  EncodePrompts(t, batch);
  EncodeConditions(t, batch);
  EncodeRewards(columns, header, batch);
  EncodeProvenance(t.size(), header, batch);
  EncodeObjects(t, header, batch);
  BatchLayout layout;
  if (auto refusal = CheckTrajectoryBatch(batch, /*require_rewards=*/false, &layout)) {
    return RefusalStatus(*refusal);
  }
  return batch;
}

}  // namespace anabranch
