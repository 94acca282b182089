#include "replay/replay_options.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace anabranch {

absl::Status ReplayServiceOptions::Validate() const {
  if (run_id.empty()) return absl::InvalidArgumentError("run_id: is empty");
  if (environment_fingerprint.empty()) {
    return absl::InvalidArgumentError("environment_fingerprint: is empty");
  }
  if (max_objects < 0 || max_objects >= UINT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("replay.max_objects: is ", max_objects,
                                                   "; 0 (no limit) to 4294967294 is possible"));
  }
  return absl::OkStatus();
}

ReplayServiceOptions ReplayServiceOptions::FromConfig(const v1::RunConfig& config,
                                                      std::string run_id,
                                                      std::string environment_fingerprint) {
  ReplayServiceOptions options;
  options.run_id = std::move(run_id);
  options.environment_fingerprint = std::move(environment_fingerprint);
  options.seed = config.seed();
  options.allow_reward_fingerprint_change = config.reward().allow_fingerprint_change();
  options.max_objects = static_cast<int64_t>(config.replay().max_objects());
  const std::vector<v1::TableShare> mixture = MixtureFromConfig(config.replay());
  const double sample_size = config.learner().batch_trajectories();
  const double insert_size = config.actor().rollout_trajectories() > 0
                                 ? config.actor().rollout_trajectories()
                                 : sample_size;
  const double pending = std::max(1u, config.actor().max_pending_batches());
  for (const v1::ReplayTableConfig& from : config.replay().tables()) {
    ReplayTableOptions& table = options.tables.emplace_back();
    table.name = from.name();
    table.selector = from.selector();
    table.max_items = static_cast<int64_t>(from.max_items());
    table.max_bytes = static_cast<int64_t>(from.max_bytes());
    table.max_times_sampled = from.max_times_sampled();
    if (from.has_priority_exponent()) table.priority_exponent = from.priority_exponent();
    if (from.has_priority()) table.priority = from.priority();
    for (const v1::TableShare& share : mixture) {
      if (share.table() != table.name) continue;
      const double rate = config.learner().samples_per_insert() * share.share();
      table.pacing.samples_per_insert = rate;
      // A mixture rounds each batch's counts up or down by less than the number of its tables.
      table.pacing.error_buffer = std::max(1.0, rate * insert_size * pending) +
                                  std::ceil(share.share() * sample_size) +
                                  static_cast<double>(mixture.size());
    }
  }
  return options;
}

}  // namespace anabranch
