#include "replay/selector.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// A doubly linked list through arrays indexed by slot.
class FifoSelector final : public Selector {
 public:
  void Insert(uint32_t slot, double) override {
    if (slot >= links_.size()) links_.resize(slot + 1);
    links_[slot] = {last_, kNone};
    (last_ == kNone ? first_ : links_[last_].next) = slot;
    last_ = slot;
  }
  void Update(uint32_t, double) override {}
  void Remove(uint32_t slot) override {
    const Link link = links_[slot];
    (link.previous == kNone ? first_ : links_[link.previous].next) = link.next;
    (link.next == kNone ? last_ : links_[link.next].previous) = link.previous;
  }
  Draw Select(RandomStream&) override {
    const uint32_t slot = first_;
    if (slot != last_) {
      Remove(slot);
      Insert(slot, 1);
    }
    return {slot, 1.0};
  }
  void AppendOrder(std::vector<uint32_t>& slots) const override {
    for (uint32_t slot = first_; slot != kNone; slot = links_[slot].next) slots.push_back(slot);
  }

 private:
  struct Link {
    uint32_t previous = kNone;
    uint32_t next = kNone;
  };
  std::vector<Link> links_;
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
};

// A dense array, in which the last item fills the place of one that goes.
class UniformSelector final : public Selector {
 public:
  void Insert(uint32_t slot, double) override {
    if (slot >= places_.size()) places_.resize(slot + 1);
    places_[slot] = static_cast<uint32_t>(slots_.size());
    slots_.push_back(slot);
  }
  void Update(uint32_t, double) override {}
  void Remove(uint32_t slot) override {
    const uint32_t place = places_[slot];
    slots_[place] = slots_.back();
    places_[slots_[place]] = place;
    slots_.pop_back();
  }
  Draw Select(RandomStream& random) override {
    return {slots_[random.NextBelow(slots_.size())], 1.0 / static_cast<double>(slots_.size())};
  }
  void AppendOrder(std::vector<uint32_t>& slots) const override {
    slots.insert(slots.end(), slots_.begin(), slots_.end());
  }

 private:
  std::vector<uint32_t> slots_;   // Held slots in any order.
  std::vector<uint32_t> places_;  // Where each held slot stands in slots_.
};

struct Registration {
  v1::ReplaySelector kind;
  absl::string_view name;
  std::unique_ptr<Selector> (*make)();
};

constexpr Registration kRegistry[] = {
    {v1::REPLAY_SELECTOR_UNSPECIFIED, "fifo", MakeFifoSelector},
    {v1::REPLAY_SELECTOR_FIFO, "fifo", MakeFifoSelector},
    {v1::REPLAY_SELECTOR_UNIFORM, "uniform", MakeUniformSelector},
};

}  // namespace

std::unique_ptr<Selector> MakeFifoSelector() { return std::make_unique<FifoSelector>(); }
std::unique_ptr<Selector> MakeUniformSelector() { return std::make_unique<UniformSelector>(); }

absl::StatusOr<std::unique_ptr<Selector>> MakeSelector(v1::ReplaySelector kind) {
  for (const Registration& entry : kRegistry) {
    if (entry.kind == kind) return entry.make();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("selector: there is none with the number ", static_cast<int>(kind)));
}

absl::string_view SelectorName(v1::ReplaySelector kind) {
  for (const Registration& entry : kRegistry) {
    if (entry.kind == kind) return entry.name;
  }
  return "unknown";
}

}  // namespace anabranch
