#include "reward/gateway/answer_check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>

#include "absl/strings/str_cat.h"
#include "reward/cache/result_columns.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

constexpr size_t kLongestName = 256;
constexpr size_t kLongestFingerprint = 4096;

absl::Status Malformed(const std::string& what) {
  return WithReason(
      absl::UnavailableError(absl::StrCat("the answer isn't one to the question: ", what)),
      kReasonMalformedAnswer);
}

// Cut where no character is torn apart.
void Shorten(std::string& text) {
  if (text.size() <= kLongestReason) return;
  size_t end = kLongestReason;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  text += "...";
}

// What a request_id looks like in a message, whatever it holds.
std::string Shown(absl::string_view id) { return std::string(id.substr(0, 100)); }

absl::Status CheckLengths(const v1::EvaluateResponse& answer, int64_t n, int64_t m) {
  const std::string fault = ColumnFault(answer, n, m);
  return fault.empty() ? absl::OkStatus() : Malformed(fault);
}

template <typename Column>
void PickColumn(Column& column, std::span<const int> from, int n, int width) {
  if (column.empty()) return;
  Column picked;
  picked.Reserve(n * static_cast<int>(from.size()));
  for (int i = 0; i < n; ++i) {
    for (const int j : from) *picked.Add() = column[i * width + j];
  }
  column = std::move(picked);
}

// Puts the answer's value columns into the order of `columns`.
absl::Status Reorder(std::span<const std::string> columns, int n, v1::EvaluateResponse& answer) {
  const auto& named = answer.objectives();
  if (std::equal(named.begin(), named.end(), columns.begin(), columns.end())) {
    return absl::OkStatus();
  }
  std::vector<int> from;
  for (const std::string& column : columns) {
    const auto found = std::find(named.begin(), named.end(), column);
    if (found == named.end()) {
      return Malformed(absl::StrCat("objectives: lacks \"", column, "\""));
    }
    from.push_back(static_cast<int>(found - named.begin()));
  }
  const int width = named.size();
  PickColumn(*answer.mutable_raw_values(), from, n, width);
  PickColumn(*answer.mutable_raw_value_valid(), from, n, width);
  PickColumn(*answer.mutable_raw_standard_errors(), from, n, width);
  answer.clear_objectives();
  for (const std::string& column : columns) answer.add_objectives(column);
  return absl::OkStatus();
}

// Goes through the objects of an answer whose columns have the right lengths.
class ObjectCheck {
 public:
  ObjectCheck(int m, v1::EvaluateResponse& answer) : m_(m), answer_(answer) {}

  void Check(int i) {
    if (answer_.costs_size() > 0 && !(std::isfinite(answer_.costs(i)) && answer_.costs(i) >= 0)) {
      const double cost = answer_.costs(i);
      answer_.set_costs(i, 0);
      Fail(i, absl::StrCat("the oracle gave a cost of ", cost));
    }
    if (answer_.statuses(i) == v1::OBJECT_STATUS_OK) return CheckValues(i);
    if (answer_.statuses(i) != v1::OBJECT_STATUS_PENDING) return;
    if (answer_.tickets().empty() || answer_.tickets(i).empty()) {
      Fail(i, "the oracle answered PENDING without a ticket");
    } else if (answer_.tickets(i).size() > kLongestTicket) {
      Fail(i, absl::StrCat("the oracle's ticket has ", answer_.tickets(i).size(),
                           " bytes; at most ", kLongestTicket, " are possible"));
    }
  }

 private:
  void CheckValues(int i) {
    for (int at = i * m_; at < (i + 1) * m_; ++at) {
      if (!answer_.raw_value_valid().empty() && !answer_.raw_value_valid(at)) continue;
      if (!std::isfinite(answer_.raw_values(at))) {
        return Fail(i,
                    absl::StrCat("the oracle gave ", answer_.raw_values(at), " for ",
                                 answer_.objectives(at - i * m_), ", which isn't a finite number"));
      }
      if (answer_.raw_standard_errors().empty()) continue;
      const double error = answer_.raw_standard_errors(at);
      if (std::isfinite(error) && error >= 0) continue;
      return Fail(i, absl::StrCat("the oracle gave a standard error of ", error));
    }
  }

  void Fail(int i, const std::string& reason) {
    answer_.set_statuses(i, v1::OBJECT_STATUS_FAILED);
    for (int at = i * m_; at < (i + 1) * m_; ++at) {
      answer_.set_raw_values(at, 0);
      if (!answer_.raw_value_valid().empty()) answer_.set_raw_value_valid(at, false);
      if (!answer_.raw_standard_errors().empty()) answer_.set_raw_standard_errors(at, 0);
    }
    if (!answer_.tickets().empty()) answer_.mutable_tickets(i)->clear();
    while (answer_.reasons_size() < answer_.statuses_size()) answer_.add_reasons();
    answer_.set_reasons(i, reason);
  }

  const int m_;
  v1::EvaluateResponse& answer_;
};

absl::Status CheckHeader(const v1::EvaluateRequest& request, const v1::EvaluateResponse& answer) {
  if (answer.request_id() != request.request_id()) {
    return Malformed(absl::StrCat("request_id: is \"", Shown(answer.request_id()),
                                  "\", asked was \"", Shown(request.request_id()), "\""));
  }
  if (answer.fingerprint().empty()) return Malformed("fingerprint: is empty");
  if (answer.fingerprint().size() > kLongestFingerprint) {
    return Malformed(absl::StrCat("fingerprint: has ", answer.fingerprint().size(),
                                  " bytes; at most ", kLongestFingerprint, " are possible"));
  }
  const std::string& expected = request.expected_fingerprint();
  if (expected.empty() || expected == answer.fingerprint()) return absl::OkStatus();
  return RefusalStatus(RefuseMismatch(kReasonFingerprintChanged, "expected_fingerprint", expected,
                                      answer.fingerprint()));
}

}  // namespace

std::vector<std::string> AskedObjectives(const v1::EvaluateRequest& request,
                                         std::span<const std::string> described) {
  if (!request.objectives().empty()) {
    return {request.objectives().begin(), request.objectives().end()};
  }
  return {described.begin(), described.end()};
}

absl::Status TidyAnswer(const v1::EvaluateRequest& request, std::span<const std::string> columns,
                        v1::EvaluateResponse& answer) {
  if (absl::Status status = CheckHeader(request, answer); !status.ok()) return status;
  if (answer.objectives().empty()) {
    for (const std::string& column : columns) answer.add_objectives(column);
  }
  const int n = request.objects_size();
  if (absl::Status status = CheckLengths(answer, n, answer.objectives_size()); !status.ok()) {
    return status;
  }
  if (absl::Status status = Reorder(columns, n, answer); !status.ok()) return status;
  for (int i = 0; i < n; ++i) {
    const int status = answer.statuses(i);
    if (status != v1::OBJECT_STATUS_UNSPECIFIED && v1::ObjectStatus_IsValid(status)) continue;
    return Malformed(absl::StrCat("statuses[", i, "]: is ", status, ", which is no status"));
  }
  ObjectCheck check(static_cast<int>(columns.size()), answer);
  for (int i = 0; i < n; ++i) check.Check(i);
  for (std::string& reason : *answer.mutable_reasons()) Shorten(reason);
  return absl::OkStatus();
}

absl::Status CheckDescription(const v1::DescribeResponse& description) {
  const auto wrong = [](const std::string& what) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("the oracle's description is wrong: ", what)),
        kReasonMalformedAnswer);
  };
  if (description.fingerprint().empty()) return wrong("fingerprint: is empty");
  if (description.fingerprint().size() > kLongestFingerprint) {
    return wrong(absl::StrCat("fingerprint: has ", description.fingerprint().size(),
                              " bytes; at most ", kLongestFingerprint, " are possible"));
  }
  if (description.objectives().empty()) return wrong("objectives: there is none");
  std::set<absl::string_view> names;
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    const std::string& name = objective.name();
    if (name.empty()) return wrong("objectives: one has no name");
    if (name.size() > kLongestName) return wrong("objectives: a name is longer than 256 bytes");
    if (!names.insert(name).second) {
      return wrong(absl::StrCat("objectives: \"", name, "\" is there twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::DescribeResponse> CheckedOracle::Describe(const v1::DescribeRequest& request) {
  auto description = oracle_->Describe(request);
  if (!description.ok()) return description;
  if (absl::Status status = CheckDescription(*description); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  described_.clear();
  for (const auto& objective : description->objectives()) described_.push_back(objective.name());
  return description;
}

absl::StatusOr<std::vector<std::string>> CheckedOracle::Described(
    const v1::EvaluateRequest& request) {
  {
    absl::MutexLock lock(&mu_);
    if (!described_.empty()) return described_;
  }
  v1::DescribeRequest describe;
  describe.set_run_id(request.run_id());
  describe.set_environment_fingerprint(request.environment_fingerprint());
  auto description = Describe(describe);
  if (!description.ok()) return description.status();
  std::vector<std::string> names;
  for (const auto& objective : description->objectives()) names.push_back(objective.name());
  return names;
}

absl::StatusOr<v1::EvaluateResponse> CheckedOracle::Evaluate(const v1::EvaluateRequest& request) {
  std::vector<std::string> described;
  if (request.objectives().empty()) {
    auto names = Described(request);
    if (!names.ok()) return names.status();
    described = *std::move(names);
  }
  auto answer = oracle_->Evaluate(request);
  if (!answer.ok()) return answer;
  const absl::Status status = TidyAnswer(request, AskedObjectives(request, described), *answer);
  if (!status.ok()) return status;
  return answer;
}

}  // namespace anabranch
