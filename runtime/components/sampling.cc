#include "runtime/components/sampling.h"

#include <utility>

namespace anabranch {

std::vector<v1::TableShare> MixtureFromConfig(const v1::ReplayConfig& config) {
  std::vector<v1::TableShare> mixture;
  for (const v1::ReplayShareConfig& share : config.sampling()) {
    v1::TableShare& entry = mixture.emplace_back();
    entry.set_table(share.table());
    entry.set_share(share.share());
    entry.set_yields(v1::YIELD_KIND_TRAJECTORIES);
  }
  if (mixture.empty() && config.tables_size() == 1) {
    v1::TableShare& entry = mixture.emplace_back();
    entry.set_table(config.tables(0).name());
    entry.set_share(1);
    entry.set_yields(v1::YIELD_KIND_TRAJECTORIES);
  }
  return mixture;
}

v1::SampleOpening SampleOpeningFromConfig(const v1::RunConfig& config,
                                          const v1::Handshake& handshake) {
  v1::SampleOpening opening;
  *opening.mutable_handshake() = handshake;
  for (v1::TableShare& share : MixtureFromConfig(config.replay())) {
    *opening.add_mixture() = std::move(share);
  }
  opening.set_consumer_group("learner");
  opening.set_batch_trajectories(config.learner().batch_trajectories());
  return opening;
}

}  // namespace anabranch
