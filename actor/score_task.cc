#include "actor/score_task.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/score_request.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// An oracle may wish for a day; a number that overflows it may not.
constexpr uint64_t kLongestWishMillis = uint64_t{7} * 24 * 3600 * 1000;

}  // namespace

ScoreTask::ScoreTask(const BatchHeader& header, const Trajectories& trajectories,
                     const ScoreTaskOptions& options, std::vector<std::string> tickets)
    : header_(header),
      trajectories_(trajectories),
      options_(options),
      tickets_(std::move(tickets)) {
  const int64_t n = trajectories.size(), m = static_cast<int64_t>(header.objectives.size());
  asking_.resize(n);
  std::iota(asking_.begin(), asking_.end(), 0);
  tries_.assign(n, 0);
  rewards_.num_objectives = m;
  rewards_.status.assign(n, ObjectStatus::kFailed);
  rewards_.values.assign(n * m, 0.0);
  rewards_.valid.assign(n * m, 0);
  rewards_.reasons.resize(n);
  answered_.assign(n, 1);
  Ask();
}

int32_t ScoreTask::AskSize() const {
  const auto all = static_cast<uint32_t>(asking_.size());
  return static_cast<int32_t>(
      options_.max_batch_objects == 0 ? all : std::min(all, options_.max_batch_objects));
}

void ScoreTask::Ask() {
  const std::span<const int32_t> positions(asking_.data(), AskSize());
  request_ = MakeScoreRequest(header_, trajectories_, positions, asks_++);
  if (!options_.described_objectives.empty()) {
    request_.mutable_objectives()->Add(header_.objectives.begin(), header_.objectives.end());
  }
  if (!options_.request_prefix.empty()) {
    request_.set_request_id(absl::StrCat(options_.request_prefix, request_.request_id()));
  }
  if (tickets_.empty()) return;
  for (size_t k = 0; k < positions.size(); ++k) {
    request_.mutable_objects(static_cast<int>(k))->set_ticket(tickets_[positions[k]]);
  }
}

absl::Status ScoreTask::CheckAnswer(const v1::EvaluateResponse& response) const {
  if (response.request_id() != request_.request_id()) {
    return absl::InvalidArgumentError(absl::StrCat("request_id: is \"", response.request_id(),
                                                   "\", asked was \"", request_.request_id(),
                                                   "\""));
  }
  if (response.fingerprint() != header_.reward_fingerprint) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "fingerprint: the oracle answers as \"", response.fingerprint(),
            "\", and its values would stand beside those of \"", header_.reward_fingerprint,
            "\"; bring the old oracle back, or begin a new run")),
        kReasonFingerprintChanged);
  }
  const int n = request_.objects_size();
  for (int i = 0; i < std::min(n, response.statuses_size()); ++i) {
    if (response.statuses(i) != v1::OBJECT_STATUS_PENDING) continue;
    if (response.tickets_size() != n || response.tickets(i).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tickets[", i, "]: is missing, and the object is PENDING"));
    }
  }
  if (!response.retry_after_millis().empty() && response.retry_after_millis_size() != n) {
    return absl::InvalidArgumentError(absl::StrCat(
        "retry_after_millis: has ", response.retry_after_millis_size(), " entries, expected ", n));
  }
  return absl::OkStatus();
}

absl::Status ScoreTask::Take(v1::EvaluateResponse response) {
  if (absl::Status status = CheckAnswer(response); !status.ok()) return status;
  if (response.objectives().empty()) {  // Then the columns are the described ones.
    const std::vector<std::string>& described = options_.described_objectives;
    response.mutable_objectives()->Add(described.begin(), described.end());
  }
  const int64_t non_finite = FailNonFinite(response);
  const int32_t n = AskSize();
  const auto columns = DecodeRewards(response, n, header_.objectives);
  if (!columns.ok()) return absl::InvalidArgumentError(columns.status().message());
  non_finite_ += non_finite;
  if (response.has_budget()) budget_ = response.budget();
  for (int32_t row = 0; row < n; ++row) Place(response, *columns, row, asking_[row]);
  asking_.erase(asking_.begin(), asking_.begin() + n);
  if (!asking_.empty()) Ask();
  return absl::OkStatus();
}

void ScoreTask::PutOff(const v1::EvaluateResponse& response, int32_t row, int32_t position) {
  const bool pending = response.statuses(row) == v1::OBJECT_STATUS_PENDING;
  absl::Duration wish;
  if (!response.retry_after_millis().empty()) {
    const uint64_t millis = std::min(response.retry_after_millis(row), kLongestWishMillis);
    wish = absl::Milliseconds(static_cast<int64_t>(millis));
  }
  std::string ticket = pending ? response.tickets(row) : "";
  if (pending ? options_.defer_pending : options_.defer_retryable) {
    answered_[position] = 0;
    ++counts_.deferred;
    deferred_.push_back({position, std::move(ticket), wish});
    return;
  }
  if (!pending && ++tries_[position] >= options_.max_object_tries) {
    Fail(position, absl::StrCat("asked ", tries_[position], " times, answered RETRYABLE"));
    return;
  }
  if (pending && tickets_.empty()) tickets_.resize(tries_.size());
  if (!tickets_.empty()) tickets_[position] = std::move(ticket);
  waiting_.push_back(position);
  retry_after_ = std::max(retry_after_, wish);
}

void ScoreTask::Place(const v1::EvaluateResponse& response, const RewardColumns& columns,
                      int32_t row, int32_t position) {
  switch (response.statuses(row)) {
    case v1::OBJECT_STATUS_PENDING:
    case v1::OBJECT_STATUS_RETRYABLE:
      PutOff(response, row, position);
      return;
    case v1::OBJECT_STATUS_BUDGET_EXHAUSTED:
      answered_[position] = 0;
      ++counts_.budget_exhausted;
      break;
    default:
      Count(columns.status[row]);
  }
  const int64_t m = rewards_.num_objectives;
  rewards_.status[position] = columns.status[row];
  std::copy_n(columns.values.begin() + row * m, m, rewards_.values.begin() + position * m);
  std::copy_n(columns.valid.begin() + row * m, m, rewards_.valid.begin() + position * m);
  if (!columns.reasons.empty()) rewards_.reasons[position] = columns.reasons[row];
  if (!response.reasons().empty()) rewards_.reasons[position] = response.reasons(row);
}

void ScoreTask::Count(ObjectStatus status) {
  switch (status) {
    case ObjectStatus::kOk:
      ++counts_.scored;
      break;
    case ObjectStatus::kInvalid:
      ++counts_.invalid;
      break;
    case ObjectStatus::kFailed:
      ++counts_.failed;
      break;
  }
}

void ScoreTask::Fail(int32_t position, std::string reason) {
  Count(ObjectStatus::kFailed);
  rewards_.status[position] = ObjectStatus::kFailed;
  rewards_.reasons[position] = std::move(reason);
}

void ScoreTask::NextRound() {
  asking_ = std::exchange(waiting_, {});
  asked_again_ += static_cast<int64_t>(asking_.size());
  retry_after_ = absl::ZeroDuration();
  if (!asking_.empty()) Ask();
}

void ScoreTask::GiveUp(absl::string_view reason) {
  for (const std::vector<int32_t>* positions : {&asking_, &waiting_}) {
    for (const int32_t position : *positions) Fail(position, std::string(reason));
  }
  asking_.clear();
  waiting_.clear();
}

}  // namespace anabranch
