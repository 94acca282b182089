#include "tests/replay/test_batches.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gflownet/environment/key.h"

namespace anabranch {

v1::TrajectoryBatch MakeBatch(int n, int first) {
  v1::TrajectoryBatch batch;
  batch.set_run_id(kRun);
  batch.set_environment_fingerprint(kEnvironment);
  batch.set_action_width(1);
  batch.add_objectives("reward");
  batch.set_reward_fingerprint("oracle/1");
  batch.set_reward_shaping_hash("abcd");
  batch.set_object_format("text");
  for (int k = first; k < first + n; ++k) {
    const int length = 1 + k % 3;
    batch.add_lengths(length);
    for (int t = 0; t < length; ++t) {
      batch.add_actions(10 * k + t);
      batch.add_policy_log_probs(-0.5f * static_cast<float>(k));
    }
    batch.add_statuses(v1::OBJECT_STATUS_OK);
    batch.add_raw_values(k);
    batch.add_log_rewards(k / 8.0);
    batch.add_policy_generations(1);
    batch.add_policy_versions(k / 10);
    const std::string object = absl::StrCat("object ", k);
    batch.mutable_object_keys()->append(Key128::Of(object).ToBytes());
    batch.mutable_state_keys()->append(Key128::Of(absl::StrCat("state ", k)).ToBytes());
    batch.add_object_lengths(object.size());
    batch.mutable_object_data()->append(object);
  }
  return batch;
}

ChunkRef MakeChunk(int n, int first) {
  v1::TrajectoryBatch batch = MakeBatch(n, first);
  BatchLayout layout;
  if (CheckTrajectoryBatch(batch, true, &layout)) std::abort();
  return ChunkRef(std::move(batch), std::move(layout));
}

int NumberOf(const v1::TrajectoryBatch& batch, int i) {
  BatchLayout layout;
  if (CheckTrajectoryBatch(batch, true, &layout)) return -1;
  const int k = static_cast<int>(batch.raw_values(i));
  const uint32_t begin = layout.actions[i], end = layout.actions[i + 1];
  if (end - begin != 1u + k % 3) return -1;
  for (uint32_t t = begin; t < end; ++t) {
    if (batch.actions(t) != 10u * k + (t - begin)) return -1;
    if (batch.policy_log_probs(t) != -0.5f * static_cast<float>(k)) return -1;
  }
  const std::string object =
      batch.object_data().substr(layout.objects[i], layout.objects[i + 1] - layout.objects[i]);
  const bool agrees = object == absl::StrCat("object ", k) &&
                      batch.object_keys().substr(16 * i, 16) == Key128::Of(object).ToBytes() &&
                      batch.log_rewards(i) == k / 8.0 &&
                      batch.policy_versions(i) == static_cast<uint64_t>(k / 10);
  return agrees ? k : -1;
}

v1::Handshake MakeHandshake(uint64_t client) {
  v1::Handshake handshake;
  handshake.set_run_id(kRun);
  handshake.set_environment_fingerprint(kEnvironment);
  handshake.mutable_source()->set_client_incarnation(client);
  return handshake;
}

v1::InsertBatch MakeInsert(uint64_t sequence, v1::TrajectoryBatch batch) {
  v1::InsertBatch insert;
  insert.set_sequence(sequence);
  *insert.mutable_batch() = std::move(batch);
  return insert;
}

ReplayServiceOptions MakeServiceOptions() {
  ReplayServiceOptions options;
  options.run_id = kRun;
  options.environment_fingerprint = kEnvironment;
  options.tables.emplace_back().name = "fresh";
  return options;
}

v1::SampleOpening MakeSampleOpening(uint32_t batch_trajectories) {
  v1::SampleOpening opening;
  *opening.mutable_handshake() = MakeHandshake(8);
  v1::TableShare& share = *opening.add_mixture();
  share.set_table("fresh");
  share.set_share(1);
  opening.set_consumer_group("learner");
  opening.set_batch_trajectories(batch_trajectories);
  return opening;
}

}  // namespace anabranch
