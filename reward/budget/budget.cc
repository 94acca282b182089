#include "reward/budget/budget.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr char kStateKey[] = "budget/state";
constexpr char kTicketPrefix[] = "budget/ticket/";

// No two pairs of oracle and ticket look the same.
std::string TicketKey(absl::string_view oracle, absl::string_view ticket) {
  return absl::StrCat(kTicketPrefix, oracle.size(), ":", oracle, "/", ticket);
}

// What was spent can't be negative, and what isn't a number was told by nobody.
double CountedCost(double cost) { return std::isfinite(cost) && cost > 0 ? cost : 0; }

}  // namespace

Budget::Budget(const v1::BudgetConfig& config, KeyValueStore& store)
    : max_evaluations_(config.max_evaluations()), max_cost_(config.max_cost()), store_(store) {}

absl::StatusOr<std::unique_ptr<Budget>> Budget::Open(const v1::BudgetConfig& config,
                                                     KeyValueStore& store) {
  if (!std::isfinite(config.max_cost()) || config.max_cost() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("reward.budget.max_cost: is ", config.max_cost(),
                                                   "; give a finite number, or 0 for no limit"));
  }
  auto budget = absl::WrapUnique(new Budget(config, store));
  if (absl::Status status = budget->Load(); !status.ok()) return status;
  return budget;
}

absl::Status Budget::Load() {
  std::string kept;
  const auto found = store_.Get(kStateKey, kept);
  if (!found.ok()) return found.status();
  v1::BudgetState state;
  if (*found && !state.ParseFromString(kept)) {
    return absl::DataLossError(absl::StrCat("what was kept under \"", kStateKey,
                                            "\" is no budget; the evaluations of the run "
                                            "can't be counted on from it"));
  }
  absl::flat_hash_map<std::string, uint64_t> tickets;
  uint64_t ticketed = 0;
  std::string damaged;
  const absl::Status scanned =
      store_.Scan(kTicketPrefix, [&](absl::string_view key, absl::string_view value) {
        uint64_t evaluations = 0;
        if (!absl::SimpleAtoi(value, &evaluations)) damaged = std::string(key);
        ticketed += evaluations;
        tickets.emplace(key, evaluations);
        return damaged.empty();
      });
  if (!scanned.ok()) return scanned;
  if (!damaged.empty()) {
    return absl::DataLossError(
        absl::StrCat("what was kept under \"", damaged, "\" is no number of evaluations"));
  }
  uint64_t change = 0;
  {
    absl::MutexLock lock(&mu_);
    state_ = std::move(state);
    state_.set_evaluations_used(state_.evaluations_used() + state_.evaluations_under_way());
    state_.set_evaluations_under_way(0);
    tickets_ = std::move(tickets);
    ticketed_ = ticketed;
    change = ++changes_;
  }
  return Persist(change);
}

uint64_t Budget::LeftLocked() const {
  if (max_cost_ > 0 && state_.cost_used() >= max_cost_) return 0;
  if (max_evaluations_ == 0) return std::numeric_limits<uint64_t>::max();
  const uint64_t taken = state_.evaluations_used() + state_.evaluations_under_way() + ticketed_;
  return taken < max_evaluations_ ? max_evaluations_ - taken : 0;
}

absl::StatusOr<uint64_t> Budget::Reserve(uint64_t wanted, uint64_t each) {
  uint64_t change = 0, granted = 0;
  {
    absl::MutexLock lock(&mu_);
    granted = std::min(wanted, LeftLocked());
    granted -= granted % std::max<uint64_t>(each, 1);
    if (granted == 0) return 0;
    state_.set_evaluations_under_way(state_.evaluations_under_way() + granted);
    change = ++changes_;
  }
  const absl::Status written = Persist(change);
  if (written.ok() || !limited()) return granted;
  absl::MutexLock lock(&mu_);  // Nobody may ask on the strength of what a crash would forget.
  state_.set_evaluations_under_way(state_.evaluations_under_way() - granted);
  ++changes_;
  return written;
}

void Budget::PutTicketLocked(const std::string& key, uint64_t evaluations) {
  uint64_t& held = tickets_[key];
  ticketed_ += evaluations - held;
  held = evaluations;
  unwritten_.push_back({key, absl::StrCat(evaluations), false});
}

uint64_t Budget::TakeTicketLocked(const std::string& key) {
  const auto found = tickets_.find(key);
  if (found == tickets_.end()) return 0;
  const uint64_t evaluations = found->second;
  ticketed_ -= evaluations;
  tickets_.erase(found);
  unwritten_.push_back({key, "", true});
  return evaluations;
}

void Budget::ApplyLocked(absl::string_view oracle, const Outcome& outcome) {
  uint64_t used = outcome.used;
  uint64_t landed = outcome.used + outcome.given_back;
  for (const std::string& ticket : outcome.accepted) {
    const std::string key = TicketKey(oracle, ticket);
    landed += outcome.accepted_evaluations;
    used += TakeTicketLocked(key);  // An oracle that gives a ticket twice: both count.
    PutTicketLocked(key, outcome.accepted_evaluations);
  }
  for (const std::string& ticket : outcome.answered) {
    used += TakeTicketLocked(TicketKey(oracle, ticket));
  }
  for (const auto& [from, to] : outcome.renamed) {
    const uint64_t evaluations = TakeTicketLocked(TicketKey(oracle, from));
    if (evaluations > 0) PutTicketLocked(TicketKey(oracle, to), evaluations);
  }
  const uint64_t under_way = state_.evaluations_under_way();
  state_.set_evaluations_under_way(under_way - std::min(under_way, landed));
  state_.set_evaluations_used(state_.evaluations_used() + used);
  state_.set_cost_used(state_.cost_used() + CountedCost(outcome.cost));
  if (!outcome.cost_unit.empty()) state_.set_cost_unit(outcome.cost_unit);
}

absl::Status Budget::Settle(absl::string_view oracle, const Outcome& outcome) {
  uint64_t change = 0;
  {
    absl::MutexLock lock(&mu_);
    ApplyLocked(oracle, outcome);
    change = ++changes_;
  }
  return Persist(change);
}

absl::Status Budget::Reconcile(absl::string_view oracle, const std::vector<std::string>& tickets) {
  absl::flat_hash_map<std::string, bool> wanted;
  for (const std::string& ticket : tickets) wanted[TicketKey(oracle, ticket)] = true;
  uint64_t change = 0;
  {
    absl::MutexLock lock(&mu_);
    std::vector<std::string> lost;
    for (const auto& [key, evaluations] : tickets_) {
      if (absl::StartsWith(key, TicketKey(oracle, "")) && !wanted.contains(key)) {
        lost.push_back(key);
      }
    }
    if (lost.empty()) return absl::OkStatus();
    for (const std::string& key : lost) {
      state_.set_evaluations_used(state_.evaluations_used() + TakeTicketLocked(key));
    }
    change = ++changes_;
  }
  return Persist(change);
}

absl::Status Budget::WriteNewestLocked() {
  writing_ = true;
  const uint64_t newest = changes_;
  std::vector<KeyValueBatch::Change> tickets = std::exchange(unwritten_, {});
  KeyValueBatch batch;
  batch.Put(kStateKey, state_.SerializeAsString());
  mu_.Unlock();
  for (const KeyValueBatch::Change& ticket : tickets) {
    ticket.deletes ? batch.Delete(ticket.key) : batch.Put(ticket.key, ticket.value);
  }
  // Without a limit nothing can be overspent: the count may lag when the machine itself stops.
  absl::Status status = store_.Write(batch, limited());
  mu_.Lock();
  writing_ = false;
  if (status.ok()) {
    written_ = std::max(written_, newest);
  } else {
    unwritten_.insert(unwritten_.begin(), std::make_move_iterator(tickets.begin()),
                      std::make_move_iterator(tickets.end()));
  }
  written_changed_.SignalAll();
  return status;
}

absl::Status Budget::Persist(uint64_t change) {
  absl::MutexLock lock(&mu_);
  while (written_ < change) {
    if (writing_) {
      written_changed_.Wait(&mu_);
    } else if (absl::Status status = WriteNewestLocked(); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

uint64_t Budget::Outstanding(absl::string_view oracle, absl::string_view ticket) const {
  const std::string key = TicketKey(oracle, ticket);
  absl::MutexLock lock(&mu_);
  const auto found = tickets_.find(key);
  return found == tickets_.end() ? 0 : found->second;
}

v1::RewardBudget Budget::Read() const {
  v1::RewardBudget out;
  absl::MutexLock lock(&mu_);
  if (max_evaluations_ > 0) {
    const uint64_t taken = state_.evaluations_used() + state_.evaluations_under_way() + ticketed_;
    out.set_evaluations_left(max_evaluations_ - std::min(max_evaluations_, taken));
  }
  if (max_cost_ > 0) out.set_cost_left(std::max(0.0, max_cost_ - state_.cost_used()));
  out.set_cost_unit(state_.cost_unit());
  out.set_evaluations_used(state_.evaluations_used());
  out.set_cost_used(state_.cost_used());
  out.set_evaluations_outstanding(state_.evaluations_under_way() + ticketed_);
  return out;
}

std::string Budget::Explain() const {
  absl::MutexLock lock(&mu_);
  if (LeftLocked() > 0) return "";
  if (max_cost_ > 0 && state_.cost_used() >= max_cost_) {
    return absl::StrCat("the run's budget is spent: cost ", state_.cost_used(), " of ", max_cost_,
                        state_.cost_unit().empty() ? "" : " ", state_.cost_unit(),
                        "; raise reward.budget.max_cost to go on");
  }
  return absl::StrCat("the run's budget is spent: ", state_.evaluations_used(), " of ",
                      max_evaluations_, " evaluations used, ",
                      state_.evaluations_under_way() + ticketed_,
                      " under way; raise reward.budget.max_evaluations to go on");
}

}  // namespace anabranch
