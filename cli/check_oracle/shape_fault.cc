#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/check_oracle/probe.h"
#include "cli/check_oracle/report.h"

namespace anabranch {
namespace {

// The columns that the answer must have, in order.
std::vector<std::string> WantedColumns(const v1::DescribeResponse& description,
                                       const v1::EvaluateRequest& request) {
  if (request.objectives_size() > 0) {
    return {request.objectives().begin(), request.objectives().end()};
  }
  std::vector<std::string> names;
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    names.push_back(objective.name());
  }
  return names;
}

std::string ColumnFault(const std::vector<std::string>& wanted, const v1::EvaluateRequest& request,
                        const v1::EvaluateResponse& response) {
  // Empty means the described ones in their order, which is right unless others were asked for.
  if (response.objectives_size() == 0 && request.objectives_size() == 0) return "";
  if (wanted.size() != static_cast<size_t>(response.objectives_size())) {
    return absl::StrCat("objectives has ", response.objectives_size(), " entries for ",
                        wanted.size(), " asked for");
  }
  for (size_t j = 0; j < wanted.size(); ++j) {
    const std::string& name = response.objectives(static_cast<int>(j));
    if (name != wanted[j]) {
      return absl::StrCat("objectives[", j, "] is \"", OneLine(name), "\" where \"",
                          OneLine(wanted[j]), "\" was asked for");
    }
  }
  return "";
}

// `absent` tells whether the column may be left out.
std::string LengthFault(const char* field, int size, int64_t wanted, bool absent) {
  if (size == wanted || (absent && size == 0)) return "";
  return absl::StrCat(field, " has ", size, " entries where ", wanted, " are due");
}

std::string LengthFaults(const v1::EvaluateResponse& out, int64_t n, int64_t m) {
  const std::string faults[] = {
      LengthFault("statuses", out.statuses_size(), n, false),
      LengthFault("raw_values", out.raw_values_size(), n * m, false),
      LengthFault("raw_value_valid", out.raw_value_valid_size(), n * m, true),
      LengthFault("raw_standard_errors", out.raw_standard_errors_size(), n * m, true),
      LengthFault("evaluation_counts", out.evaluation_counts_size(), n, true),
      LengthFault("tickets", out.tickets_size(), n, true),
      LengthFault("retry_after_millis", out.retry_after_millis_size(), n, true),
      LengthFault("reasons", out.reasons_size(), n, true),
      LengthFault("costs", out.costs_size(), n, true),
      LengthFault("from_cache", out.from_cache_size(), n, true)};
  for (const std::string& fault : faults) {
    if (!fault.empty()) return fault;
  }
  return "";
}

std::string ObjectFault(const v1::DescribeResponse& description, const v1::EvaluateResponse& out,
                        int i, int m) {
  const v1::ObjectStatus status = out.statuses(i);
  if (status == v1::OBJECT_STATUS_UNSPECIFIED || !v1::ObjectStatus_IsValid(status)) {
    return absl::StrCat("statuses[", i, "] is ", static_cast<int>(status), ", which is no status");
  }
  if (status == v1::OBJECT_STATUS_PENDING) {
    if (out.tickets_size() == 0 || out.tickets(i).empty()) {
      return absl::StrCat("object ", i, " is PENDING without a ticket");
    }
    if (!description.issues_tickets()) {
      return absl::StrCat("object ", i, " is PENDING, but Describe says issues_tickets = false");
    }
  }
  if (out.costs_size() > 0 && !(std::isfinite(out.costs(i)) && out.costs(i) >= 0)) {
    return absl::StrCat("costs[", i, "] is ", out.costs(i));
  }
  if (status != v1::OBJECT_STATUS_OK) return "";
  bool any_valid = false;
  for (int j = i * m; j < (i + 1) * m; ++j) {
    if (out.raw_value_valid_size() > 0 && !out.raw_value_valid(j)) continue;
    any_valid = true;
    if (!std::isfinite(out.raw_values(j))) {
      return absl::StrCat("raw_values[", j, "] of object ", i, " is ", out.raw_values(j),
                          ", which isn't a finite number");
    }
    if (out.raw_standard_errors_size() > 0 && !(out.raw_standard_errors(j) >= 0)) {
      return absl::StrCat("raw_standard_errors[", j, "] is ", out.raw_standard_errors(j));
    }
  }
  return any_valid ? "" : absl::StrCat("object ", i, " is OK without a valid value");
}

}  // namespace

std::string ShapeFault(const v1::DescribeResponse& description, const v1::EvaluateRequest& request,
                       const v1::EvaluateResponse& response) {
  if (response.request_id() != request.request_id()) {
    return absl::StrCat("request_id is \"", OneLine(response.request_id()),
                        "\" where it should be copied from the request");
  }
  if (response.fingerprint() != description.fingerprint()) {
    return absl::StrCat("fingerprint is \"", OneLine(response.fingerprint()),
                        "\", but Describe says \"", OneLine(description.fingerprint()), "\"");
  }
  const std::vector<std::string> wanted = WantedColumns(description, request);
  std::string fault = ColumnFault(wanted, request, response);
  if (!fault.empty()) return fault;
  const auto m = static_cast<int>(wanted.size());
  fault = LengthFaults(response, request.objects_size(), m);
  for (int i = 0; fault.empty() && i < request.objects_size(); ++i) {
    fault = ObjectFault(description, response, i, m);
  }
  return fault;
}

}  // namespace anabranch
