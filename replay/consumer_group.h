// Who shares sampled items with whom.
#ifndef ANABRANCH_REPLAY_CONSUMER_GROUP_H_
#define ANABRANCH_REPLAY_CONSUMER_GROUP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "replay/mixture.h"

namespace anabranch {

// The consumers that share a mixture's items between them.
struct ConsumerGroup {
  std::vector<std::string> tables;
  absl::Mutex mu;
  std::vector<int64_t> restored_credits ABSL_GUARDED_BY(mu);  // Until the first of them comes.
  std::optional<Mixture> mixture ABSL_GUARDED_BY(mu);
};

// Where an opened sample stream draws from.
struct SampleSource {
  std::shared_ptr<ConsumerGroup> group;
  std::vector<int32_t> tables;  // In the order of the opening's mixture.
  int64_t batch_trajectories = 0;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_CONSUMER_GROUP_H_
