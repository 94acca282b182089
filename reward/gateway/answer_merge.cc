#include "reward/gateway/answer_merge.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "reward/gateway/route_plan.h"

namespace anabranch {
namespace {

// Smaller says more about an object.
int RankOf(int status) {
  constexpr std::array kRanking = {v1::OBJECT_STATUS_INVALID,    v1::OBJECT_STATUS_FAILED,
                                   v1::OBJECT_STATUS_INFEASIBLE, v1::OBJECT_STATUS_BUDGET_EXHAUSTED,
                                   v1::OBJECT_STATUS_RETRYABLE,  v1::OBJECT_STATUS_PENDING};
  return static_cast<int>(std::find(kRanking.begin(), kRanking.end(), status) - kRanking.begin());
}

// The part that decides about object i.
const AnswerPart& Deciding(std::span<const AnswerPart> parts, int i) {
  return *std::min_element(parts.begin(), parts.end(),
                           [i](const AnswerPart& a, const AnswerPart& b) {
                             return RankOf(a.answer.statuses(i)) < RankOf(b.answer.statuses(i));
                           });
}

void MergeStatuses(std::span<const AnswerPart> parts, int n, v1::EvaluateResponse& out) {
  const bool reasons = std::any_of(parts.begin(), parts.end(), [](const AnswerPart& part) {
    return !part.answer.reasons().empty();
  });
  for (int i = 0; i < n; ++i) {
    const AnswerPart& part = Deciding(parts, i);
    out.add_statuses(part.answer.statuses(i));
    if (!reasons) continue;
    std::string& reason = *out.add_reasons();
    if (part.answer.reasons().empty() || part.answer.reasons(i).empty()) continue;
    reason = absl::StrCat(part.oracle, ": ", part.answer.reasons(i));
  }
}

// One column of values, from where the part has it.
void CopyColumn(const v1::EvaluateResponse& part, int from, int to, int n, bool errors,
                v1::EvaluateResponse& out) {
  const int width = part.objectives_size(), out_width = out.objectives_size();
  for (int i = 0; i < n; ++i) {
    const int source = i * width + from, target = i * out_width + to;
    out.set_raw_values(target, part.raw_values(source));
    if (!part.raw_value_valid().empty()) {
      out.set_raw_value_valid(target, part.raw_value_valid(source));
    }
    if (errors) {
      out.set_raw_standard_errors(
          target, part.raw_standard_errors().empty() ? 0 : part.raw_standard_errors(source));
    }
  }
}

void MergeValues(std::span<const AnswerPart> parts, std::span<const std::string> columns, int n,
                 v1::EvaluateResponse& out) {
  const int m = static_cast<int>(columns.size());
  const bool errors = std::all_of(parts.begin(), parts.end(), [](const AnswerPart& part) {
    return !part.answer.raw_standard_errors().empty();
  });
  out.mutable_raw_values()->Resize(n * m, 0.0);
  out.mutable_raw_value_valid()->Resize(n * m, true);
  if (errors) out.mutable_raw_standard_errors()->Resize(n * m, 0.0);
  for (int column = 0; column < m; ++column) {
    for (const AnswerPart& part : parts) {
      const auto& named = part.answer.objectives();
      const auto found = std::find(named.begin(), named.end(), columns[column]);
      if (found == named.end()) continue;
      CopyColumn(part.answer, static_cast<int>(found - named.begin()), column, n, errors, out);
      break;
    }
  }
}

// What is told of each object beside values, by one part after another.
void MergePart(const v1::EvaluateResponse& part, int n, v1::EvaluateResponse& out) {
  for (int i = 0; i < n; ++i) {
    if (!part.costs().empty()) {
      if (out.costs().empty()) out.mutable_costs()->Resize(n, 0.0);
      out.set_costs(i, out.costs(i) + part.costs(i));
    }
    if (!part.retry_after_millis().empty()) {
      if (out.retry_after_millis().empty()) out.mutable_retry_after_millis()->Resize(n, 0);
      out.set_retry_after_millis(i,
                                 std::max(out.retry_after_millis(i), part.retry_after_millis(i)));
    }
    if (!part.tickets().empty() && !part.tickets(i).empty()) {
      while (out.tickets_size() < n) out.add_tickets();
      if (out.statuses(i) == v1::OBJECT_STATUS_PENDING && out.tickets(i).empty()) {
        out.set_tickets(i, part.tickets(i));
      }
    }
  }
  if (part.has_budget()) MergeBudget(part.budget(), *out.mutable_budget());
}

// Columns that say something of an object only where all parts say it.
void MergeCommon(std::span<const AnswerPart> parts, uint32_t replicates, int n,
                 v1::EvaluateResponse& out) {
  const bool cached = std::all_of(parts.begin(), parts.end(), [](const AnswerPart& part) {
    return !part.answer.from_cache().empty();
  });
  const bool counted = std::any_of(parts.begin(), parts.end(), [](const AnswerPart& part) {
    return !part.answer.evaluation_counts().empty();
  });
  const uint32_t asked = std::max(1u, replicates);
  for (int i = 0; i < n; ++i) {
    bool all = cached;
    uint32_t fewest = UINT32_MAX;
    for (const AnswerPart& part : parts) {
      all = all && part.answer.from_cache(i);
      const auto& counts = part.answer.evaluation_counts();
      fewest = std::min(fewest, counts.empty() ? asked : counts[i]);
    }
    if (cached) out.add_from_cache(all);
    if (counted) out.add_evaluation_counts(fewest);
  }
}

}  // namespace

v1::EvaluateResponse MergeAnswers(const v1::EvaluateRequest& request,
                                  std::span<const std::string> columns,
                                  std::span<const AnswerPart> parts) {
  v1::EvaluateResponse out;
  const int n = request.objects_size();
  out.set_request_id(request.request_id());
  for (const std::string& column : columns) out.add_objectives(column);
  MergeStatuses(parts, n, out);
  MergeValues(parts, columns, n, out);
  for (const AnswerPart& part : parts) MergePart(part.answer, n, out);
  MergeCommon(parts, request.replicates(), n, out);
  return out;
}

}  // namespace anabranch
