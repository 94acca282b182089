// How a replay table picks items: what to sample, and what makes room.
#ifndef ANABRANCH_REPLAY_SELECTOR_H_
#define ANABRANCH_REPLAY_SELECTOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "anabranch/v1/config.pb.h"
#include "gflownet/random.h"

namespace anabranch {

// Items are named by slots: small integers that the table hands out and uses again, so that a
// selector keeps its books in plain arrays. Members are not called concurrently, so implementations
// need not be thread-safe.
class Selector {
 public:
  struct Draw {
    uint32_t slot = 0;
    double probability = 0;  // With which this item was drawn, in (0, 1].
  };

  virtual ~Selector() = default;
  // The slot is not held. Priorities are finite and at least 0.
  virtual void Insert(uint32_t slot, double priority) = 0;
  // Takes back an item that was drawn and removed, as if it had not been drawn. Where there is an
  // order it comes before all that were not returned, and among those that were by rank, below
  // UINT64_MAX, the smallest first. The slot is not held.
  virtual void Return(uint32_t slot, uint64_t rank, double priority) {
    static_cast<void>(rank);
    Insert(slot, priority);
  }
  // The slot is held. Selectors without priorities do nothing.
  virtual void Update(uint32_t slot, double priority) = 0;
  // The slot is held.
  virtual void Remove(uint32_t slot) = 0;
  // Draws an item, which stays held. At least one is held.
  virtual Draw Select(RandomStream& random) = 0;
  // Appends all slots held, in an order in which inserting them into an empty selector makes one
  // that draws the same from then on.
  virtual void AppendOrder(std::vector<uint32_t>& slots) const = 0;
  // False if priorities change nothing.
  virtual bool uses_priorities() const { return false; }
  // Of the items held; 1 if there are none, or if priorities change nothing.
  virtual double max_priority() const { return 1; }
};

struct SelectorOptions {
  double priority_exponent = 1;  // Finite, at least 0.
};

// Who has waited longest, since its insertion or, where items are drawn repeatedly, since it was
// last drawn. O(1).
std::unique_ptr<Selector> MakeFifoSelector();
// Each with the same probability, draws independent. O(1).
std::unique_ptr<Selector> MakeUniformSelector();
// Each with a probability proportional to priority ^ exponent, draws independent; if all of these
// are 0, each with the same. The probability reported is the one it was drawn with. O(log n).
std::unique_ptr<Selector> MakePrioritisedSelector(double exponent);

// One line per selector in selector.cc. INVALID_ARGUMENT for a value without a selector.
absl::StatusOr<std::unique_ptr<Selector>> MakeSelector(v1::ReplaySelector kind,
                                                       const SelectorOptions& options = {});
// The name that stands in configuration files, such as "fifo"; "unknown" for another value.
absl::string_view SelectorName(v1::ReplaySelector kind);

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_SELECTOR_H_
