#include "reward/reward_service.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gflownet/seeded_fault.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_codec.h"

namespace anabranch {
namespace {

// The objects whose bytes came with the request, and where each stood.
struct InlineObjects {
  std::vector<std::string> bytes;
  std::vector<int> positions;
};

InlineObjects TakeInline(const v1::EvaluateRequest& request) {
  InlineObjects objects;
  objects.bytes.reserve(request.objects_size());
  objects.positions.reserve(request.objects_size());
  for (int i = 0; i < request.objects_size(); ++i) {
    if (request.objects(i).content_case() != v1::RewardObject::kInline) continue;
    objects.bytes.push_back(request.objects(i).inline_());
    objects.positions.push_back(i);
  }
  return objects;
}

// Writes the answer's columns; all objects start out as not scorable.
class Answer {
 public:
  Answer(const v1::EvaluateRequest& request, std::span<const int64_t> columns,
         v1::EvaluateResponse& out)
      : columns_(columns), out_(out) {
    const int n = request.objects_size(), m = static_cast<int>(columns.size());
    out.mutable_statuses()->Resize(n, v1::OBJECT_STATUS_INVALID);
    out.mutable_raw_values()->Resize(n * m, 0.0);
    out.mutable_raw_value_valid()->Resize(n * m, false);
    // The function gives the same value however often it is asked.
    if (request.replicates() > 1) out.mutable_evaluation_counts()->Resize(n, 1);
    for (int i = 0; i < n; ++i) {
      if (request.objects(i).content_case() == v1::RewardObject::kReference) {
        Explain(i, "references to objects are not fetched here; send the object itself");
      } else if (request.objects(i).content_case() == v1::RewardObject::CONTENT_NOT_SET) {
        Explain(i, "has no content, and this oracle issues no tickets");
      }
    }
  }

  // Row `row` of the rewards is the answer for object `position`.
  void Fill(const RewardColumns& rewards, int row, int position) {
    const bool scored = rewards.status[row] == ObjectStatus::kOk;
    out_.set_statuses(position, ToProto(rewards.status[row]));
    if (!scored) {
      if (!rewards.reasons.empty()) Explain(position, rewards.reasons[row]);
      return;
    }
    const int m = static_cast<int>(columns_.size());
    for (int j = 0; j < m; ++j) {
      const int64_t at = row * rewards.num_objectives + columns_[j];
      if (!rewards.valid[at]) continue;
      if (!std::isfinite(rewards.values[at])) {
        Fail(position, rewards.values[at]);
        return;
      }
      out_.set_raw_values(position * m + j, rewards.values[at]);
      out_.set_raw_value_valid(position * m + j, true);
    }
  }

 private:
  void Fail(int position, double value) {
    const int m = static_cast<int>(columns_.size());
    out_.set_statuses(position, v1::OBJECT_STATUS_FAILED);
    for (int j = position * m; j < (position + 1) * m; ++j) {
      out_.set_raw_values(j, 0);
      out_.set_raw_value_valid(j, false);
    }
    Explain(position, absl::StrCat("the oracle gave ", value, ", which isn't a finite number"));
  }
  void Explain(int position, const std::string& reason) {
    while (out_.reasons_size() < out_.statuses_size()) out_.add_reasons();
    out_.set_reasons(position, reason);
  }

  const std::span<const int64_t> columns_;
  v1::EvaluateResponse& out_;
};

}  // namespace

absl::Status RewardServiceOptions::Validate() const {
  if (name.empty()) return absl::InvalidArgumentError("reward service: name: is empty");
  if (accepted_formats.empty()) {
    return absl::InvalidArgumentError("reward service: accepted_formats: is empty");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RewardService>> RewardService::Create(
    RewardServiceOptions options, std::shared_ptr<const RewardFunction> function) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  return std::unique_ptr<RewardService>(new RewardService(std::move(options), std::move(function)));
}

absl::Status RewardService::CheckEnvironment(const std::string& fingerprint) const {
  if (fingerprint.empty() || options_.environment_fingerprint.empty() ||
      fingerprint == options_.environment_fingerprint) {
    return absl::OkStatus();
  }
  return RefusalStatus(RefuseMismatch(kReasonEnvironmentMismatch, "environment_fingerprint",
                                      fingerprint, options_.environment_fingerprint));
}

absl::StatusOr<v1::DescribeResponse> RewardService::Describe(const v1::DescribeRequest& request) {
  if (absl::Status status = CheckEnvironment(request.environment_fingerprint()); !status.ok()) {
    return status;
  }
  v1::DescribeResponse out;
  out.set_name(options_.name);
  out.set_version(options_.version);
  out.set_fingerprint(function_->fingerprint());
  for (const ObjectiveInfo& from : function_->objectives()) {
    v1::ObjectiveDescription& objective = *out.add_objectives();
    objective.set_name(from.name);
    objective.set_direction(from.maximize ? v1::OBJECTIVE_DIRECTION_MAXIMIZE
                                          : v1::OBJECTIVE_DIRECTION_MINIMIZE);
    if (from.minimum != from.maximum) {
      objective.set_lower_bound(from.minimum);
      objective.set_upper_bound(from.maximum);
    }
    if (from.is_log) objective.set_unit("nats");
  }
  for (const std::string& format : options_.accepted_formats) out.add_accepted_formats(format);
  out.set_max_batch_objects(options_.max_batch_objects);
  out.set_deterministic(true);
  return out;
}

absl::Status RewardService::CheckRequest(const v1::EvaluateRequest& request) const {
  if (request.request_id().empty()) return absl::InvalidArgumentError("request_id: is empty");
  const std::string& expected = request.expected_fingerprint();
  if (!expected.empty() && expected != function_->fingerprint()) {
    return RefusalStatus(RefuseMismatch("FINGERPRINT_CHANGED", "expected_fingerprint", expected,
                                        function_->fingerprint()));
  }
  if (absl::Status status = CheckEnvironment(request.environment_fingerprint()); !status.ok()) {
    return status;
  }
  const std::vector<std::string>& formats = options_.accepted_formats;
  if (std::find(formats.begin(), formats.end(), request.format()) == formats.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "format: is \"", request.format(), "\"; accepted are: ", absl::StrJoin(formats, ", ")));
  }
  const auto n = static_cast<uint32_t>(request.objects_size());
  if (options_.max_batch_objects > 0 && n > options_.max_batch_objects) {
    return absl::InvalidArgumentError(absl::StrCat("objects: has ", n, " entries; at most ",
                                                   options_.max_batch_objects,
                                                   " are accepted in one request"));
  }
  const auto contexts = static_cast<uint32_t>(request.contexts_size());
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t context = request.objects(static_cast<int>(i)).context();
    if (context > contexts) {
      return absl::InvalidArgumentError(absl::StrCat("objects[", i, "].context: is ", context,
                                                     ", but contexts has ", contexts, " entries"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> RewardService::ResolveObjectives(
    const v1::EvaluateRequest& request) const {
  const std::span<const ObjectiveInfo> described = function_->objectives();
  std::vector<int64_t> columns;
  for (int j = 0; j < request.objectives_size(); ++j) {
    const auto found =
        std::find_if(described.begin(), described.end(),
                     [&](const ObjectiveInfo& o) { return o.name == request.objectives(j); });
    if (found == described.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "objectives[", j, "]: there is no \"", request.objectives(j), "\"; there are: ",
          absl::StrJoin(described, ", ",
                        [](std::string* out, const ObjectiveInfo& o) { out->append(o.name); })));
    }
    columns.push_back(found - described.begin());
  }
  if (columns.empty()) {
    for (size_t j = 0; j < described.size(); ++j) columns.push_back(static_cast<int64_t>(j));
  }
  return columns;
}

absl::StatusOr<v1::EvaluateResponse> RewardService::Evaluate(const v1::EvaluateRequest& request) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  const auto columns = ResolveObjectives(request);
  if (!columns.ok()) return columns.status();
  v1::EvaluateResponse out;
  out.set_request_id(request.request_id());
  out.set_fingerprint(function_->fingerprint());
  for (const int64_t column : *columns) out.add_objectives(function_->objectives()[column].name);
  const InlineObjects objects = TakeInline(request);
  RewardColumns rewards;
  function_->Evaluate(objects.bytes, rewards);
  Answer answer(request, *columns, out);
  for (size_t row = 0; row < objects.positions.size(); ++row) {
    const size_t from = IsSeeded(SeededFault::kRewardsShifted) ? row + 1 : row;
    answer.Fill(rewards, static_cast<int>(from % objects.positions.size()), objects.positions[row]);
  }
  return out;
}

}  // namespace anabranch
