// Which objects of which requests go to an oracle together.
#ifndef ANABRANCH_REWARD_GATEWAY_BATCH_ASSEMBLER_H_
#define ANABRANCH_REWARD_GATEWAY_BATCH_ASSEMBLER_H_

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "anabranch/v1/reward.pb.h"

namespace anabranch {

// Objects [first, first + count) of somebody's request, which outlives it.
template <typename Caller>
struct BatchPiece {
  Caller* caller = nullptr;
  int first = 0;
  int count = 0;
};

// What requests must have in common to be sent as one: all but their ids and objects.
std::string JoinKey(const v1::EvaluateRequest& request);

// Cuts requests into batches of `size` objects; what is left over of one waits for others with the
// same key, until there are `size` or until it has waited for so long. A pure function of what it
// is told, time included; not thread-safe.
template <typename Caller>
class BatchAssembler {
 public:
  using Batch = std::vector<BatchPiece<Caller>>;

  explicit BatchAssembler(absl::Duration max_wait) : max_wait_(max_wait) {}

  void Add(Caller& caller, const std::string& key, int objects, int size, absl::Time now) {
    int first = 0;
    for (; objects - first >= size; first += size) ready_.push_back({{&caller, first, size}});
    while (first < objects) {
      Open& open = open_[key];
      if (open.objects == 0) open.due = now + max_wait_;
      const int count = std::min(objects - first, std::max(1, size - open.objects));
      open.batch.push_back({&caller, first, count});
      open.objects += count;
      first += count;
      if (open.objects < size) continue;
      ready_.push_back(std::move(open.batch));
      open_.erase(key);
    }
  }

  // What has waited long enough is ready.
  void Flush(absl::Time now) {
    for (auto it = open_.begin(); it != open_.end();) {
      if (it->second.due > now) {
        ++it;
        continue;
      }
      ready_.push_back(std::move(it->second.batch));
      it = open_.erase(it);
    }
  }

  // When Flush has something to do next.
  absl::Time due() const {
    absl::Time due = absl::InfiniteFuture();
    for (const auto& [key, open] : open_) due = std::min(due, open.due);
    return due;
  }

  bool ready() const { return !ready_.empty(); }
  // The next of the ready ones.
  Batch Take() {
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    return batch;
  }

 private:
  struct Open {
    Batch batch;
    int objects = 0;
    absl::Time due;
  };

  const absl::Duration max_wait_;
  std::map<std::string, Open> open_;
  std::deque<Batch> ready_;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_GATEWAY_BATCH_ASSEMBLER_H_
