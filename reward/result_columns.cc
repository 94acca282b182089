#include "reward/result_columns.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

// Where each of `names` stands in `columns`; −1 where it doesn't.
std::vector<int> Find(std::span<const std::string> names, std::span<const std::string> columns) {
  std::vector<int> found;
  for (const std::string& name : names) {
    const auto at = std::find(columns.begin(), columns.end(), name);
    found.push_back(at == columns.end() ? -1 : static_cast<int>(at - columns.begin()));
  }
  return found;
}

absl::Status CheckLengths(const v1::EvaluateResponse& answer, int64_t n, int64_t m) {
  const struct {
    absl::string_view field;
    int64_t found;
    int64_t expected;
    bool optional;
  } columns[] = {
      {"statuses", answer.statuses_size(), n, false},
      {"raw_values", answer.raw_values_size(), n * m, false},
      {"raw_value_valid", answer.raw_value_valid_size(), n * m, true},
      {"raw_standard_errors", answer.raw_standard_errors_size(), n * m, true},
      {"evaluation_counts", answer.evaluation_counts_size(), n, true},
      {"tickets", answer.tickets_size(), n, true},
      {"retry_after_millis", answer.retry_after_millis_size(), n, true},
      {"reasons", answer.reasons_size(), n, true},
      {"costs", answer.costs_size(), n, true},
      {"from_cache", answer.from_cache_size(), n, true},
  };
  for (const auto& column : columns) {
    if (column.found == column.expected || (column.optional && column.found == 0)) continue;
    return absl::UnavailableError(
        absl::StrCat("the oracle's answer doesn't fit the question: ", column.field, ": has ",
                     column.found, " entries, expected ", column.expected));
  }
  return absl::OkStatus();
}

// A column of which the cache knows nothing: the fresh entries in their places, `other` elsewhere.
template <typename Column, typename Value>
void Spread(const Column& fresh, std::span<const int> missing, int n, Value other, Column* out) {
  if (fresh.empty()) return;
  for (int i = 0; i < n; ++i) *out->Add() = other;
  for (size_t k = 0; k < missing.size(); ++k) (*out)[missing[k]] = fresh[static_cast<int>(k)];
}

void JoinValues(const ResultRows& rows, std::span<const int> from, v1::EvaluateResponse& out) {
  bool any_reason = false, all_errors = true, any_ok = false;
  for (const auto& row : rows) {
    any_reason |= !row->reason.empty();
    if (row->status != v1::OBJECT_STATUS_OK) continue;
    any_ok = true;
    all_errors &= !row->standard_errors.empty();
  }
  for (const auto& row : rows) {
    out.add_statuses(row->status);
    if (any_reason) out.add_reasons(row->reason);
    for (const int column : from) {
      out.add_raw_values(row->values[column]);
      out.add_raw_value_valid(row->valid[column] != 0);
      if (!any_ok || !all_errors) continue;
      out.add_raw_standard_errors(row->standard_errors.empty() ? 0 : row->standard_errors[column]);
    }
  }
}

}  // namespace

absl::StatusOr<ResultRows> SplitAnswer(const v1::EvaluateResponse& answer, int n,
                                       std::span<const std::string> asked,
                                       std::span<const std::string> objective_set) {
  std::vector<std::string> columns(answer.objectives().begin(), answer.objectives().end());
  if (columns.empty()) columns.assign(asked.begin(), asked.end());
  const auto m = static_cast<int>(columns.size());
  if (absl::Status status = CheckLengths(answer, n, m); !status.ok()) return status;
  const std::vector<int> from = Find(objective_set, columns);
  for (size_t j = 0; j < from.size(); ++j) {
    if (from[j] >= 0) continue;
    return absl::UnavailableError(
        absl::StrCat("the oracle's answer doesn't fit the question: objectives: lacks \"",
                     objective_set[j], "\""));
  }
  ResultRows rows;
  rows.reserve(n);
  for (int i = 0; i < n; ++i) {
    auto row = std::make_shared<ObjectResult>();
    row->status = answer.statuses(i);
    if (!answer.reasons().empty()) row->reason = answer.reasons(i);
    for (const int column : from) {
      const int at = i * m + column;
      row->values.push_back(answer.raw_values(at));
      row->valid.push_back(answer.raw_value_valid().empty() || answer.raw_value_valid(at) ? 1 : 0);
      if (!answer.raw_standard_errors().empty()) {
        row->standard_errors.push_back(answer.raw_standard_errors(at));
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

v1::EvaluateResponse JoinAnswer(const std::string& request_id, std::span<const std::string> asked,
                                std::span<const std::string> objective_set, const ResultRows& rows,
                                std::span<const int> missing, v1::EvaluateResponse fresh) {
  v1::EvaluateResponse out;
  const auto n = static_cast<int>(rows.size());
  out.set_request_id(request_id);
  out.set_fingerprint(fresh.fingerprint());
  for (const std::string& name : asked) out.add_objectives(name);
  JoinValues(rows, Find(asked, objective_set), out);
  Spread(fresh.evaluation_counts(), missing, n, 1u, out.mutable_evaluation_counts());
  Spread(fresh.tickets(), missing, n, std::string(), out.mutable_tickets());
  Spread(fresh.retry_after_millis(), missing, n, uint64_t{0}, out.mutable_retry_after_millis());
  Spread(fresh.costs(), missing, n, 0.0, out.mutable_costs());
  out.mutable_from_cache()->Resize(n, true);
  for (size_t k = 0; k < missing.size(); ++k) {
    const bool deeper = !fresh.from_cache().empty() && fresh.from_cache(static_cast<int>(k));
    out.set_from_cache(missing[k], deeper);
  }
  if (fresh.has_budget()) *out.mutable_budget() = fresh.budget();
  return out;
}

}  // namespace anabranch
