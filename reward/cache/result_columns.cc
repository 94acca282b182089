#include "reward/cache/result_columns.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/sha256.h"

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

// A column of which the cache knows nothing: the fresh entries in their places, `other` elsewhere.
template <typename Column, typename Value>
void Spread(const Column& fresh, std::span<const int> missing, int n, Value other, Column* out) {
  if (fresh.empty()) return;
  for (int i = 0; i < n; ++i) *out->Add() = other;
  for (size_t k = 0; k < missing.size(); ++k) (*out)[missing[k]] = fresh[static_cast<int>(k)];
}

// The same with m entries for each object.
template <typename Column, typename Value>
void SpreadRows(const Column& fresh, std::span<const int> positions, int n, int m, Value other,
                Column* out) {
  if (fresh.empty()) return;
  out->Resize(n * m, other);
  for (size_t k = 0; k < positions.size(); ++k) {
    for (int j = 0; j < m; ++j) {
      out->Set(positions[k] * m + j, fresh.Get(static_cast<int>(k) * m + j));
    }
  }
}

void SetLater(const LaterResult& later, int n, v1::EvaluateResponse& out) {
  if (!later.ticket.empty()) {
    while (out.tickets_size() < n) out.add_tickets();
    out.set_tickets(later.position, later.ticket);
  }
  if (later.retry_after_millis > 0) {
    out.mutable_retry_after_millis()->Resize(n, 0);
    out.set_retry_after_millis(later.position, later.retry_after_millis);
  }
}

// Evaluations behind each object's values: of means what they say, of fresh ones what the oracle
// says. Absent where all are single ones that nobody counted.
void JoinCounts(const ResultRows& rows, std::span<const int> missing,
                const v1::EvaluateResponse& fresh, v1::EvaluateResponse& out) {
  const auto n = static_cast<int>(rows.size());
  Spread(fresh.evaluation_counts(), missing, n, 1u, out.mutable_evaluation_counts());
  const bool any_mean =
      std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row->evaluations > 1; });
  if (!any_mean) return;
  if (out.evaluation_counts().empty()) out.mutable_evaluation_counts()->Resize(n, 1);
  for (int i = 0; i < n; ++i) {
    if (rows[i]->evaluations > 0) out.set_evaluation_counts(i, rows[i]->evaluations);
  }
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

std::string ColumnFault(const v1::EvaluateResponse& answer, int64_t n, int64_t m) {
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
    return absl::StrCat(column.field, ": has ", column.found, " entries, expected ",
                        column.expected);
  }
  return "";
}

absl::Status CheckColumns(const v1::EvaluateResponse& answer, int64_t n, int64_t m) {
  const std::string fault = ColumnFault(answer, n, m);
  if (fault.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the oracle's answer doesn't fit the question: ", fault));
}

absl::StatusOr<ResultRows> SplitAnswer(const v1::EvaluateResponse& answer, int n,
                                       std::span<const std::string> asked,
                                       std::span<const std::string> objective_set) {
  std::vector<std::string> columns(answer.objectives().begin(), answer.objectives().end());
  if (columns.empty()) columns.assign(asked.begin(), asked.end());
  const auto m = static_cast<int>(columns.size());
  if (absl::Status status = CheckColumns(answer, n, m); !status.ok()) return status;
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
                                std::span<const int> missing, std::span<const LaterResult> later,
                                v1::EvaluateResponse fresh) {
  v1::EvaluateResponse out;
  const auto n = static_cast<int>(rows.size());
  out.set_request_id(request_id);
  out.set_fingerprint(fresh.fingerprint());
  for (const std::string& name : asked) out.add_objectives(name);
  JoinValues(rows, Find(asked, objective_set), out);
  JoinCounts(rows, missing, fresh, out);
  Spread(fresh.tickets(), missing, n, std::string(), out.mutable_tickets());
  Spread(fresh.retry_after_millis(), missing, n, uint64_t{0}, out.mutable_retry_after_millis());
  Spread(fresh.costs(), missing, n, 0.0, out.mutable_costs());
  for (const LaterResult& result : later) SetLater(result, n, out);
  out.mutable_from_cache()->Resize(n, true);
  for (size_t k = 0; k < missing.size(); ++k) {
    const bool deeper = !fresh.from_cache().empty() && fresh.from_cache(static_cast<int>(k));
    out.set_from_cache(missing[k], deeper);
  }
  if (fresh.has_budget()) *out.mutable_budget() = std::move(*fresh.mutable_budget());
  return out;
}

v1::EvaluateResponse WidenAnswer(const v1::EvaluateResponse& answer, std::span<const int> positions,
                                 int n, v1::ObjectStatus status, const std::string& reason) {
  v1::EvaluateResponse out;
  out.set_request_id(answer.request_id());
  out.set_fingerprint(answer.fingerprint());
  *out.mutable_objectives() = answer.objectives();
  const auto asked = static_cast<int>(positions.size());
  const int m = !answer.objectives().empty() || asked == 0 ? answer.objectives_size()
                                                           : answer.raw_values_size() / asked;
  out.mutable_statuses()->Resize(n, status);
  for (int i = 0; i < n; ++i) out.add_reasons(reason);
  for (int k = 0; k < asked; ++k) {
    out.set_statuses(positions[k], answer.statuses(k));
    *out.mutable_reasons(positions[k]) = answer.reasons().empty() ? "" : answer.reasons(k);
  }
  SpreadRows(answer.raw_values(), positions, n, m, 0.0, out.mutable_raw_values());
  SpreadRows(answer.raw_value_valid(), positions, n, m, false, out.mutable_raw_value_valid());
  SpreadRows(answer.raw_standard_errors(), positions, n, m, 0.0, out.mutable_raw_standard_errors());
  // n x m in any case, whether something was asked or not.
  out.mutable_raw_values()->Resize(n * m, 0.0);
  Spread(answer.evaluation_counts(), positions, n, 0u, out.mutable_evaluation_counts());
  Spread(answer.tickets(), positions, n, std::string(), out.mutable_tickets());
  Spread(answer.retry_after_millis(), positions, n, uint64_t{0}, out.mutable_retry_after_millis());
  Spread(answer.costs(), positions, n, 0.0, out.mutable_costs());
  Spread(answer.from_cache(), positions, n, false, out.mutable_from_cache());
  return out;
}

v1::EvaluateRequest NarrowRequest(const v1::EvaluateRequest& request,
                                  std::span<const int> positions, absl::string_view salt) {
  v1::EvaluateRequest rest;
  std::string named(salt);
  rest.mutable_objects()->Reserve(static_cast<int>(positions.size()));
  for (const int position : positions) {
    *rest.add_objects() = request.objects(position);
    absl::StrAppend(&named, " ", position);
  }
  rest.set_request_id(absl::StrCat(request.request_id(), "/", Sha256Hex(named).substr(0, 16)));
  rest.set_expected_fingerprint(request.expected_fingerprint());
  rest.set_format(request.format());
  *rest.mutable_contexts() = request.contexts();
  rest.set_replicates(request.replicates());
  rest.set_bypass_cache(request.bypass_cache());
  *rest.mutable_objectives() = request.objectives();
  rest.set_run_id(request.run_id());
  rest.set_environment_fingerprint(request.environment_fingerprint());
  return rest;
}

}  // namespace anabranch
