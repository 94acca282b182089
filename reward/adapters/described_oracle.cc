#include "reward/adapters/described_oracle.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// The objects that are sent, and where each stands in the request.
struct Sendable {
  std::vector<absl::string_view> objects;
  std::vector<int> positions;
};

// Writes the answer's columns.
class AnswerWriter {
 public:
  AnswerWriter(const v1::EvaluateRequest& request, const std::vector<std::string>& objectives,
               v1::EvaluateResponse& out)
      : objectives_(objectives), out_(out) {
    const int n = request.objects_size(), m = static_cast<int>(objectives.size());
    out.set_request_id(request.request_id());
    for (const std::string& name : objectives) out.add_objectives(name);
    out.mutable_statuses()->Resize(n, v1::OBJECT_STATUS_UNSPECIFIED);
    out.mutable_raw_values()->Resize(n * m, 0.0);
    if (request.replicates() > 1) out.mutable_evaluation_counts()->Resize(n, 1);
  }

  void SetStatus(int position, v1::ObjectStatus status, const std::string& reason) {
    out_.set_statuses(position, status);
    if (reason.empty()) return;
    while (out_.reasons_size() < out_.statuses_size()) out_.add_reasons();
    out_.set_reasons(position, reason);
  }

  // Object `row` of the scored ones is the request's object `position`.
  void Fill(const ScoredObjects& scored, size_t row, int position) {
    const v1::ObjectStatus said =
        scored.statuses.empty() ? v1::OBJECT_STATUS_UNSPECIFIED : scored.statuses[row];
    const std::string reason = scored.reasons.empty() ? "" : scored.reasons[row];
    if (said != v1::OBJECT_STATUS_UNSPECIFIED && said != v1::OBJECT_STATUS_OK) {
      SetStatus(position, said, reason);
      return;
    }
    const auto m = objectives_.size();
    for (size_t j = 0; j < m; ++j) {
      const std::optional<double>& value = scored.columns[j][row];
      if (value.has_value() && std::isfinite(*value)) continue;
      const absl::string_view fault =
          value.has_value() ? (std::isnan(*value) ? " is NaN" : " is infinite") : " has no value";
      SetStatus(position, value.has_value() ? v1::OBJECT_STATUS_FAILED : v1::OBJECT_STATUS_INVALID,
                absl::StrCat(objectives_[j], fault, reason.empty() ? "" : ": ", reason));
      return;
    }
    for (size_t j = 0; j < m; ++j) {
      out_.set_raw_values(static_cast<int>(position * m + j), *scored.columns[j][row]);
    }
    SetStatus(position, v1::OBJECT_STATUS_OK, "");
  }

 private:
  const std::vector<std::string>& objectives_;
  v1::EvaluateResponse& out_;
};

Sendable TakeSendable(const v1::EvaluateRequest& request, const ValueSource& source,
                      AnswerWriter& writer) {
  Sendable sendable;
  for (int i = 0; i < request.objects_size(); ++i) {
    const v1::RewardObject& object = request.objects(i);
    std::string refusal;
    if (object.content_case() == v1::RewardObject::kReference) {
      refusal = "references to objects are not fetched here; send the object itself";
    } else if (object.content_case() != v1::RewardObject::kInline) {
      refusal = "has no content, and this oracle issues no tickets";
    } else {
      refusal = source.Refusal(object.inline_());
    }
    if (!refusal.empty()) {
      writer.SetStatus(i, v1::OBJECT_STATUS_INVALID, refusal);
      continue;
    }
    sendable.objects.push_back(object.inline_());
    sendable.positions.push_back(i);
  }
  return sendable;
}

absl::Status CheckScored(const ScoredObjects& scored, size_t objects,
                         const std::vector<std::string>& objectives) {
  absl::Status status = CheckCount("objectives", scored.columns.size(), objectives.size());
  for (size_t j = 0; j < scored.columns.size() && status.ok(); ++j) {
    status =
        CheckCount(absl::StrCat("values of ", objectives[j]), scored.columns[j].size(), objects);
  }
  if (status.ok() && !scored.statuses.empty()) {
    status = CheckCount("statuses", scored.statuses.size(), objects);
  }
  if (status.ok() && !scored.reasons.empty()) {
    status = CheckCount("reasons", scored.reasons.size(), objects);
  }
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RewardClient>> DescribedOracle::Create(
    absl::string_view kind, const v1::OracleConfig& config, std::unique_ptr<ValueSource> source,
    const AdapterOptions& options) {
  if (config.objectives().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "oracle \"", config.name(), "\": objectives: is empty; name the values that it computes"));
  }
  absl::flat_hash_set<absl::string_view> names;
  for (const std::string& name : config.objectives()) {
    if (names.insert(name).second) continue;
    return absl::InvalidArgumentError(absl::StrCat("oracle \"", config.name(),
                                                   "\": objectives: names \"", name,
                                                   "\" twice; leave one of them out"));
  }
  if (options.cancel != nullptr) {
    options.cancel->push_back([source = source.get()] { source->Cancel(); });
  }
  return absl::WrapUnique<RewardClient>(new DescribedOracle(kind, config, std::move(source)));
}

DescribedOracle::DescribedOracle(absl::string_view kind, const v1::OracleConfig& config,
                                 std::unique_ptr<ValueSource> source)
    : config_(config),
      described_(absl::StrCat(kind, " ", config.name(), " ", config.describe().version())),
      source_(std::move(source)) {}

absl::StatusOr<std::string> DescribedOracle::Fingerprint(bool fresh) {
  auto identity = source_->Identity(fresh);
  if (!identity.ok()) return identity.status();
  return absl::StrCat(described_, " ", *identity);
}

absl::StatusOr<v1::DescribeResponse> DescribedOracle::Describe(const v1::DescribeRequest&) {
  auto fingerprint = Fingerprint(/*fresh=*/true);
  if (!fingerprint.ok()) return fingerprint.status();
  v1::DescribeResponse out;
  out.set_name(config_.name());
  out.set_version(config_.describe().version());
  out.set_fingerprint(*std::move(fingerprint));
  for (const std::string& name : config_.objectives()) out.add_objectives()->set_name(name);
  *out.mutable_accepted_formats() = config_.describe().formats();
  out.set_preferred_batch_objects(config_.batch_objects());
  out.set_deterministic(config_.describe().deterministic());
  return out;
}

absl::Status DescribedOracle::CheckRequest(const v1::EvaluateRequest& request) const {
  if (request.request_id().empty()) return absl::InvalidArgumentError("request_id: is empty");
  const auto& formats = config_.describe().formats();
  if (!formats.empty() &&
      std::find(formats.begin(), formats.end(), request.format()) == formats.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "format: is \"", request.format(), "\"; accepted are: ", absl::StrJoin(formats, ", ")));
  }
  for (int i = 0; i < request.objects_size(); ++i) {
    if (request.objects(i).context() == 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "objects[", i, "].context: is ", request.objects(i).context(), ", but oracle \"",
        config_.name(), "\" speaks a protocol without contexts; send 0, or use a grpc oracle"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> DescribedOracle::Objectives(
    const v1::EvaluateRequest& request) const {
  const auto& described = config_.objectives();
  if (request.objectives().empty()) {
    return std::vector<std::string>(described.begin(), described.end());
  }
  for (int j = 0; j < request.objectives_size(); ++j) {
    const std::string& name = request.objectives(j);
    if (std::find(described.begin(), described.end(), name) != described.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("objectives[", j, "]: there is no \"", name,
                     "\"; there are: ", absl::StrJoin(described, ", ")));
  }
  return std::vector<std::string>(request.objectives().begin(), request.objectives().end());
}

absl::StatusOr<v1::EvaluateResponse> DescribedOracle::Evaluate(const v1::EvaluateRequest& request) {
  if (absl::Status status = CheckRequest(request); !status.ok()) return status;
  auto objectives = Objectives(request);
  if (!objectives.ok()) return objectives.status();
  auto fingerprint = Fingerprint(/*fresh=*/false);
  if (!fingerprint.ok()) return fingerprint.status();
  const std::string& expected = request.expected_fingerprint();
  if (!expected.empty() && expected != *fingerprint) {
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat("expected_fingerprint: is \"", expected,
                                       "\", but the oracle's is \"", *fingerprint, "\"")),
                      kReasonFingerprintChanged);
  }
  v1::EvaluateResponse out;
  out.set_fingerprint(*std::move(fingerprint));
  AnswerWriter writer(request, *objectives, out);
  const Sendable sendable = TakeSendable(request, *source_, writer);
  if (sendable.objects.empty()) return out;
  const auto scored = source_->Score(sendable.objects, *objectives);
  if (!scored.ok()) return scored.status();
  const absl::Status fits = CheckScored(*scored, sendable.objects.size(), *objectives);
  if (!fits.ok()) return fits;
  for (size_t row = 0; row < sendable.positions.size(); ++row) {
    writer.Fill(*scored, row, sendable.positions[row]);
  }
  return out;
}

}  // namespace anabranch
