#include "benchmarks/replay_batches.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/key.h"

namespace anabranch::benchmarks {

v1::InsertBatch MakeInsertBatch(int first, int n, int mean_length, RandomStream& random) {
  v1::InsertBatch insert;
  v1::TrajectoryBatch& batch = *insert.mutable_batch();
  batch.set_run_id(kRun);
  batch.set_environment_fingerprint(kEnvironment);
  batch.set_action_width(1);
  batch.add_objectives("reward");
  batch.set_reward_fingerprint("none");
  batch.set_reward_shaping_hash("none");
  batch.set_object_format("text");
  batch.add_sources()->set_client_incarnation(1);
  for (int i = first; i < first + n; ++i) {
    const int length = 1 + static_cast<int>(random.NextBelow(2 * mean_length - 1));
    batch.add_lengths(length);
    for (int t = 0; t < length; ++t) {
      batch.add_actions(random.NextBelow(5));
      batch.add_policy_log_probs(-random.NextUniform());
    }
    batch.add_source_index(1);
    batch.add_trajectory_numbers(i);
    batch.add_policy_generations(1);
    batch.add_policy_versions(i / n);
    batch.add_statuses(v1::OBJECT_STATUS_OK);
    batch.add_raw_values(random.NextUniformDouble());
    batch.add_log_rewards(random.NextUniformDouble());
    const std::string object = absl::StrCat("object ", i);
    const std::string key = Key128::Of(object).ToBytes();
    batch.mutable_object_keys()->append(key);
    batch.mutable_state_keys()->append(key);
    batch.add_object_lengths(object.size());
    batch.mutable_object_data()->append(object);
  }
  return insert;
}

}  // namespace anabranch::benchmarks
