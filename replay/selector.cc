#include "replay/selector.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "replay/sum_tree.h"

namespace anabranch {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// A doubly linked list through arrays indexed by slot: first those that were returned, ascending by
// rank, then the others in the order of their arrival.
class FifoSelector final : public Selector {
 public:
  void Insert(uint32_t slot, double) override {
    if (slot >= links_.size()) links_.resize(slot + 1);
    InsertBefore(slot, kNone);
  }
  void Return(uint32_t slot, uint64_t rank, double) override {
    ranks_.resize(links_.size(), kUnranked);
    InsertBefore(slot, FindFirstAbove(rank));
    ranks_[slot] = rank;
    returned_ = slot;
  }
  void Update(uint32_t, double) override {}
  void Remove(uint32_t slot) override {
    const Link link = links_[slot];
    if (slot < ranks_.size()) ranks_[slot] = kUnranked;
    if (slot == returned_) returned_ = link.next;
    (link.previous == kNone ? first_ : links_[link.previous].next) = link.next;
    (link.next == kNone ? last_ : links_[link.next].previous) = link.previous;
  }
  Draw Select(RandomStream&) override {
    const uint32_t slot = first_;
    if (slot != last_) {
      Remove(slot);
      InsertBefore(slot, kNone);
    }
    return {slot, 1.0};
  }
  void AppendOrder(std::vector<uint32_t>& slots) const override {
    for (uint32_t slot = first_; slot != kNone; slot = links_[slot].next) slots.push_back(slot);
  }

 private:
  static constexpr uint64_t kUnranked = UINT64_MAX;
  struct Link {
    uint32_t previous = kNone;
    uint32_t next = kNone;
  };

  // At the end if `next` is kNone.
  void InsertBefore(uint32_t slot, uint32_t next) {
    const uint32_t previous = next == kNone ? last_ : links_[next].previous;
    links_[slot] = {previous, next};
    (previous == kNone ? first_ : links_[previous].next) = slot;
    (next == kNone ? last_ : links_[next].previous) = slot;
  }
  // Items come back in sequences, so the search begins where the last one came to stand.
  uint32_t FindFirstAbove(uint64_t rank) const {
    uint32_t slot = returned_ == kNone ? first_ : returned_;
    while (slot != kNone && ranks_[slot] < rank) slot = links_[slot].next;
    uint32_t previous = slot == kNone ? last_ : links_[slot].previous;
    while (previous != kNone && ranks_[previous] > rank) {
      slot = previous;
      previous = links_[slot].previous;
    }
    return slot;
  }

  std::vector<Link> links_;
  uint32_t first_ = kNone;
  uint32_t last_ = kNone;
  std::vector<uint64_t> ranks_;  // By slot, as far as any was returned; kUnranked if it was not.
  uint32_t returned_ = kNone;    // Held; where the last returned item stands or stood.
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

// As the uniform one, with a tree of weights over the dense array: so the tree depends on the order
// of the items alone, not on how slots were handed out.
class PrioritisedSelector final : public Selector {
 public:
  explicit PrioritisedSelector(double exponent) : exponent_(exponent) {}

  void Insert(uint32_t slot, double priority) override {
    if (slot >= places_.size()) places_.resize(slot + 1);
    places_[slot] = static_cast<uint32_t>(slots_.size());
    slots_.push_back(slot);
    weights_.Append(WeightOf(priority), priority);
  }
  void Update(uint32_t slot, double priority) override {
    weights_.Set(places_[slot], WeightOf(priority), priority);
  }
  void Remove(uint32_t slot) override {
    const uint32_t place = places_[slot];
    const size_t last = slots_.size() - 1;
    if (place != last) {
      weights_.Set(place, weights_.weight(last), weights_.rank(last));
      slots_[place] = slots_[last];
      places_[slots_[place]] = place;
    }
    weights_.RemoveLast();
    slots_.pop_back();
  }
  Draw Select(RandomStream& random) override {
    const double total = weights_.total();
    if (total == 0) {
      return {slots_[random.NextBelow(slots_.size())], 1.0 / static_cast<double>(slots_.size())};
    }
    const size_t place = weights_.Find(random.NextUniformDouble());
    // A weight may be too small beside the total for a quotient above 0.
    return {slots_[place], std::max(weights_.weight(place) / total, kLeastPositive)};
  }
  void AppendOrder(std::vector<uint32_t>& slots) const override {
    slots.insert(slots.end(), slots_.begin(), slots_.end());
  }
  bool uses_priorities() const override { return true; }
  double max_priority() const override { return slots_.empty() ? 1 : weights_.max_rank(); }

 private:
  static constexpr double kLeastPositive = std::numeric_limits<double>::min();

  // Positive priorities keep a positive, finite weight whatever the exponent.
  double WeightOf(double priority) const {
    const double weight = std::pow(priority, exponent_);
    return priority > 0 ? std::clamp(weight, kLeastPositive, SumTree::kMaxWeight) : weight;
  }

  const double exponent_;
  std::vector<uint32_t> slots_;   // Held slots in any order.
  std::vector<uint32_t> places_;  // Where each held slot stands in slots_.
  SumTree weights_;               // By place; ranks are priorities.
};

struct Registration {
  v1::ReplaySelector kind;
  absl::string_view name;
  std::unique_ptr<Selector> (*make)(const SelectorOptions& options);
};

constexpr Registration kRegistry[] = {
    {v1::REPLAY_SELECTOR_UNSPECIFIED, "fifo",
     [](const SelectorOptions&) { return MakeFifoSelector(); }},
    {v1::REPLAY_SELECTOR_FIFO, "fifo", [](const SelectorOptions&) { return MakeFifoSelector(); }},
    {v1::REPLAY_SELECTOR_UNIFORM, "uniform",
     [](const SelectorOptions&) { return MakeUniformSelector(); }},
    {v1::REPLAY_SELECTOR_PRIORITISED, "prioritised",
     [](const SelectorOptions& options) {
       return MakePrioritisedSelector(options.priority_exponent);
     }},
};

}  // namespace

std::unique_ptr<Selector> MakeFifoSelector() { return std::make_unique<FifoSelector>(); }
std::unique_ptr<Selector> MakeUniformSelector() { return std::make_unique<UniformSelector>(); }
std::unique_ptr<Selector> MakePrioritisedSelector(double exponent) {
  return std::make_unique<PrioritisedSelector>(exponent);
}

absl::StatusOr<std::unique_ptr<Selector>> MakeSelector(v1::ReplaySelector kind,
                                                       const SelectorOptions& options) {
  for (const Registration& entry : kRegistry) {
    if (entry.kind == kind) return entry.make(options);
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
