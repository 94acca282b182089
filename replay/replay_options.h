// What a replay server is told when it starts.
#ifndef ANABRANCH_REPLAY_REPLAY_OPTIONS_H_
#define ANABRANCH_REPLAY_REPLAY_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "anabranch/v1/config.pb.h"
#include "anabranch/v1/replay.pb.h"
#include "replay/replay_table.h"
#include "runtime/components/sampling.h"

namespace anabranch {

struct ReplayServiceOptions {
  std::string run_id;                   // Never empty.
  std::string environment_fingerprint;  // Never empty.
  // Of the shaping in force; batches whose log-rewards were computed with another are refused.
  // Empty: the first batch that brings log-rewards settles it.
  std::string reward_shaping_hash;
  // Whether batches of another oracle than the first one's are taken.
  bool allow_reward_fingerprint_change = false;
  std::vector<ReplayTableOptions> tables;
  int64_t max_objects = 1'000'000;  // Distinct terminal objects kept; 0 = no limit.
  uint64_t seed = 0;
  uint64_t server_incarnation = 0;  // Drawn at random by the process, or fixed to repeat a run.
  // When objects were seen; null (to repeat a run) leaves their times 0.
  std::function<absl::Time()> clock;

  // INVALID_ARGUMENT names the option.
  absl::Status Validate() const;
  // Tables, objects and seed of a configuration whose defaults are filled in. Pacing: each table's
  // samples_per_insert is the run's times the table's share, and its error buffer lets as many
  // rollout batches wait as actors may have pending, so that nobody can wait for ever.
  static ReplayServiceOptions FromConfig(const v1::RunConfig& config, std::string run_id,
                                         std::string environment_fingerprint);
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_REPLAY_OPTIONS_H_
