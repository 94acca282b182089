#include "reward/budget/budget_gate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "reward/cache/result_columns.h"

namespace anabranch {

// A request on its way through the gate.
struct BudgetGate::Passage {
  uint64_t each = 1;             // Evaluations of an object.
  uint64_t reserved = 0;         // Of all that are new.
  std::vector<int> asked;        // Positions, ascending.
  std::vector<uint8_t> is_poll;  // Of each asked.
};

namespace {

// Whether the oracle evaluated the object. What nobody knows was evaluated.
bool Evaluated(v1::ObjectStatus status) {
  return status != v1::OBJECT_STATUS_RETRYABLE && status != v1::OBJECT_STATUS_BUDGET_EXHAUSTED;
}

// Whether a poll's answer ends it. RETRYABLE only says to poll again.
bool Ends(v1::ObjectStatus status) {
  return Evaluated(status) && status != v1::OBJECT_STATUS_PENDING;
}

}  // namespace

void BudgetGate::Remember(const std::string& fingerprint, const v1::RewardBudget& budget) {
  absl::MutexLock lock(&mu_);
  upstream_ = budget;
  if (!fingerprint.empty()) fingerprint_ = fingerprint;
}

v1::RewardBudget BudgetGate::Read() const {
  v1::RewardBudget budget = budget_.Read();
  absl::MutexLock lock(&mu_);
  if (upstream_.has_evaluations_left() &&
      (!budget.has_evaluations_left() ||
       upstream_.evaluations_left() < budget.evaluations_left())) {
    budget.set_evaluations_left(upstream_.evaluations_left());
  }
  if (upstream_.has_cost_left() &&
      (!budget.has_cost_left() || upstream_.cost_left() < budget.cost_left())) {
    budget.set_cost_left(upstream_.cost_left());
  }
  if (!upstream_.cost_unit().empty()) budget.set_cost_unit(upstream_.cost_unit());
  return budget;
}

absl::StatusOr<v1::DescribeResponse> BudgetGate::Describe(const v1::DescribeRequest& request) {
  auto description = oracle_.Describe(request);
  if (!description.ok()) return description;
  Remember(description->fingerprint(), description->budget());
  {
    absl::MutexLock lock(&mu_);
    objectives_.clear();
    for (const v1::ObjectiveDescription& objective : description->objectives()) {
      objectives_.push_back(objective.name());
    }
  }
  *description->mutable_budget() = Read();
  return description;
}

absl::StatusOr<BudgetGate::Passage> BudgetGate::Open(const v1::EvaluateRequest& request) {
  Passage passage;
  passage.each = std::max<uint64_t>(request.replicates(), 1);
  const int n = request.objects_size();
  std::vector<uint8_t> polls(n, 0);
  uint64_t wanted = 0;
  for (int i = 0; i < n; ++i) {
    const std::string& ticket = request.objects(i).ticket();
    polls[i] = !ticket.empty() && budget_.Outstanding(oracle_name_, ticket) > 0 ? 1 : 0;
    if (polls[i] == 0) wanted += passage.each;
  }
  if (wanted > 0) {
    const auto granted = budget_.Reserve(wanted, passage.each);
    if (!granted.ok()) return granted.status();
    passage.reserved = *granted;
  }
  uint64_t left = passage.reserved;
  for (int i = 0; i < n; ++i) {
    if (polls[i] == 0 && left < passage.each) continue;
    if (polls[i] == 0) left -= passage.each;
    passage.asked.push_back(i);
    passage.is_poll.push_back(polls[i]);
  }
  return passage;
}

absl::StatusOr<v1::EvaluateResponse> BudgetGate::Ask(const v1::EvaluateRequest& request,
                                                     const Passage& passage) {
  const auto asked = static_cast<int>(passage.asked.size());
  if (asked == request.objects_size()) {
    auto answer = oracle_.Evaluate(request);
    if (!answer.ok() || answer->statuses_size() == asked) return answer;
    return CheckColumns(*answer, asked, answer->objectives_size());
  }
  const v1::EvaluateRequest rest = NarrowRequest(request, passage.asked, "budget");
  auto answer = oracle_.Evaluate(rest);
  if (!answer.ok()) return answer;
  if (answer->request_id() != rest.request_id()) {
    return absl::UnavailableError(absl::StrCat("the oracle answered request \"",
                                               answer->request_id(), "\", asked was \"",
                                               rest.request_id(), "\""));
  }
  // Columns that aren't named are those of the question, or all; their number shows in the values.
  const int m = answer->objectives_size() > 0 ? answer->objectives_size()
                                              : answer->raw_values_size() / std::max(asked, 1);
  if (absl::Status status = CheckColumns(*answer, asked, m); !status.ok()) return status;
  return answer;
}

Budget::Outcome BudgetGate::Judge(const v1::EvaluateRequest& request,
                                  const v1::EvaluateResponse& answer,
                                  const Passage& passage) const {
  Budget::Outcome outcome;
  outcome.accepted_evaluations = passage.each;
  outcome.cost_unit = answer.budget().cost_unit();
  for (const double cost : answer.costs()) {
    if (std::isfinite(cost) && cost > 0) outcome.cost += cost;  // Others nobody can have paid.
  }
  for (size_t k = 0; k < passage.asked.size(); ++k) {
    const auto at = static_cast<int>(k);
    const v1::ObjectStatus status = answer.statuses(at);
    const std::string& asked = request.objects(passage.asked[k]).ticket();
    const std::string given = at < answer.tickets_size() ? answer.tickets(at) : std::string();
    if (passage.is_poll[k] != 0) {
      if (Ends(status)) outcome.answered.push_back(asked);
      if (status == v1::OBJECT_STATUS_PENDING && !given.empty() && given != asked) {
        outcome.renamed.emplace_back(asked, given);
      }
    } else if (status == v1::OBJECT_STATUS_PENDING && !given.empty()) {
      outcome.accepted.push_back(given);
    } else {
      const bool cached = at < answer.from_cache_size() && answer.from_cache(at);
      (Evaluated(status) && !cached ? outcome.used : outcome.given_back) += passage.each;
    }
  }
  return outcome;
}

std::string BudgetGate::Reason() const {
  std::string reason = budget_.Explain();
  // Something was given back since, or less is left than the replicates of an object.
  return reason.empty() ? "the run's budget has too little left for this object" : reason;
}

absl::StatusOr<v1::EvaluateResponse> BudgetGate::Refuse(const v1::EvaluateRequest& request) {
  v1::EvaluateResponse none;
  bool described = false;
  for (int tries = 0; tries < 2; ++tries) {
    {
      absl::MutexLock lock(&mu_);
      described = !fingerprint_.empty() && !objectives_.empty();
      none.set_fingerprint(fingerprint_);
      if (request.objectives().empty()) {
        *none.mutable_objectives() = {objectives_.begin(), objectives_.end()};
      }
    }
    if (described || tries > 0) break;
    v1::DescribeRequest describe;
    describe.set_run_id(request.run_id());
    describe.set_environment_fingerprint(request.environment_fingerprint());
    if (auto description = Describe(describe); !description.ok()) return description.status();
  }
  if (!request.objectives().empty()) *none.mutable_objectives() = request.objectives();
  v1::EvaluateResponse out =
      WidenAnswer(none, {}, request.objects_size(), v1::OBJECT_STATUS_BUDGET_EXHAUSTED, Reason());
  out.set_request_id(request.request_id());
  *out.mutable_budget() = Read();
  return out;
}

absl::StatusOr<v1::EvaluateResponse> BudgetGate::Evaluate(const v1::EvaluateRequest& request) {
  const auto passage = Open(request);
  if (!passage.ok()) return passage.status();
  const int n = request.objects_size();
  if (passage->asked.empty() && n > 0) return Refuse(request);
  auto answer = Ask(request, *passage);
  Budget::Outcome outcome;
  if (answer.ok()) {
    outcome = Judge(request, *answer, *passage);
    Remember(answer->fingerprint(), answer->budget());
  } else {
    outcome.given_back = passage->reserved;
  }
  // It counts in any case; what the disk doesn't know counts as under way, that is as used.
  budget_.Settle(oracle_name_, outcome).IgnoreError();
  if (!answer.ok()) return answer;
  if (static_cast<int>(passage->asked.size()) < n) {
    answer = WidenAnswer(*answer, passage->asked, n, v1::OBJECT_STATUS_BUDGET_EXHAUSTED, Reason());
    answer->set_request_id(request.request_id());
  }
  *answer->mutable_budget() = Read();
  return answer;
}

}  // namespace anabranch
