#include "cli/check_oracle/report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

namespace anabranch {
namespace {

using nlohmann::ordered_json;

std::string ObjectiveNames(const v1::DescribeResponse& description) {
  return absl::StrJoin(description.objectives(), ", ",
                       [](std::string* out, const v1::ObjectiveDescription& objective) {
                         absl::StrAppend(out, OneLine(objective.name()));
                       });
}

std::string Latency(absl::Duration latency) {
  return absl::StrFormat("%.3g ms", absl::ToDoubleMilliseconds(latency));
}

void WriteThroughput(const OracleReport& report, std::ostream& out) {
  if (report.throughput.empty()) return;
  out << absl::StreamFormat("\n%14s  %9s  %12s  %14s  %14s\n", "batch", "in flight", "objects/s",
                            "median latency", "worst latency");
  for (const Throughput& row : report.throughput) {
    out << absl::StreamFormat("%14u  %9d  %12.0f  %14s  %14s\n", row.batch_objects, row.in_flight,
                              row.objects_per_second, Latency(row.median_latency),
                              Latency(row.worst_latency));
  }
  if (report.suggested_batch_objects > 0) {
    out << absl::StreamFormat("\nFor reward.oracles: batch_objects: %u, max_in_flight: %d\n",
                              report.suggested_batch_objects, report.suggested_max_in_flight);
  }
}

}  // namespace

void OracleReport::Pass(std::string check, std::string detail) {
  findings.push_back({Verdict::kPass, std::move(check), std::move(detail), ""});
}
void OracleReport::Fail(std::string check, std::string detail, std::string remedy) {
  findings.push_back({Verdict::kFail, std::move(check), std::move(detail), std::move(remedy)});
}
void OracleReport::Warn(std::string check, std::string detail, std::string remedy) {
  findings.push_back({Verdict::kWarn, std::move(check), std::move(detail), std::move(remedy)});
}
void OracleReport::Skip(std::string check, std::string detail, std::string remedy) {
  findings.push_back({Verdict::kSkip, std::move(check), std::move(detail), std::move(remedy)});
}

int OracleReport::Count(Verdict verdict) const {
  return static_cast<int>(std::count_if(findings.begin(), findings.end(),
                                        [&](const Finding& f) { return f.verdict == verdict; }));
}

std::string VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "PASS";
    case Verdict::kFail:
      return "FAIL";
    case Verdict::kWarn:
      return "WARN";
    case Verdict::kSkip:
      return "SKIP";
  }
  return "FAIL";
}

std::string OneLine(const std::string& text) {
  constexpr size_t kLongest = 200;
  std::string line;
  for (const char c : text.substr(0, kLongest)) {
    line += absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  }
  return text.size() > kLongest ? line + "..." : line;
}

void WriteReportText(const OracleReport& report, std::ostream& out) {
  const v1::DescribeResponse& description = report.description;
  if (!description.name().empty()) {
    out << OneLine(description.name()) << " at " << report.address << ": "
        << ObjectiveNames(description) << "; fingerprint " << OneLine(description.fingerprint())
        << "; asked in format \"" << OneLine(report.format) << "\"\n\n";
  }
  for (const Finding& finding : report.findings) {
    out << absl::StreamFormat("%s  %-21s  %s", VerdictName(finding.verdict), finding.check,
                              finding.detail);
    if (!finding.remedy.empty()) out << ". " << finding.remedy;
    out << "\n";
  }
  WriteThroughput(report, out);
  out << absl::StreamFormat("\n%d passed, %d failed, %d warnings, %d skipped\n",
                            report.Count(Verdict::kPass), report.Count(Verdict::kFail),
                            report.Count(Verdict::kWarn), report.Count(Verdict::kSkip));
}

void WriteReportJson(const OracleReport& report, std::ostream& out) {
  ordered_json json = {{"address", report.address},
                       {"name", OneLine(report.description.name())},
                       {"fingerprint", OneLine(report.description.fingerprint())},
                       {"format", OneLine(report.format)},
                       {"passed", report.Count(Verdict::kFail) == 0},
                       {"findings", ordered_json::array()},
                       {"throughput", ordered_json::array()}};
  for (const Finding& finding : report.findings) {
    json["findings"].push_back({{"verdict", VerdictName(finding.verdict)},
                                {"check", finding.check},
                                {"detail", finding.detail},
                                {"remedy", finding.remedy}});
  }
  for (const Throughput& row : report.throughput) {
    json["throughput"].push_back(
        {{"batch_objects", row.batch_objects},
         {"in_flight", row.in_flight},
         {"objects_per_second", row.objects_per_second},
         {"median_latency_ms", absl::ToDoubleMilliseconds(row.median_latency)},
         {"worst_latency_ms", absl::ToDoubleMilliseconds(row.worst_latency)}});
  }
  if (report.suggested_batch_objects > 0) {
    json["suggested"] = {{"batch_objects", report.suggested_batch_objects},
                         {"max_in_flight", report.suggested_max_in_flight}};
  }
  // Whatever isn't UTF-8 was made printable before; the handler is for what is not from the oracle.
  out << json.dump(2, ' ', false, ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace anabranch
