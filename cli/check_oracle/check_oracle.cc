#include "cli/check_oracle/check_oracle.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cli/check_oracle/probe.h"
#include "cli/check_oracle/sample_objects.h"

namespace anabranch {
namespace {

std::string ConnectRemedy(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "Is it running, and is the address right? A server with TLS needs --ca-file here";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "Give its bearer token with --token-file";
    case absl::StatusCode::kUnimplemented:
      return "Something else serves there: implement anabranch.v1.RewardService";
    default:
      return "Describe must answer, and cheaply";
  }
}

// The objects to try; a finding where there are none.
std::vector<std::string> Candidates(const CheckOracleOptions& options, OracleReport& report) {
  const auto& formats = report.description.accepted_formats();
  if (std::find(formats.begin(), formats.end(), report.format) == formats.end()) {
    report.Fail("answers.samples",
                absl::StrCat("--format ", OneLine(report.format),
                             " isn't one of the formats that "
                             "the oracle accepts"),
                "Give one that it lists, or leave --format out");
    return {};
  }
  std::vector<std::string> candidates =
      options.objects.empty() ? SampleObjects(report.format) : options.objects;
  if (candidates.empty()) {
    report.Fail(
        "answers.samples",
        absl::StrCat("there are no built-in objects in format \"", OneLine(report.format), "\""),
        "Give some with --objects FILE, one a line");
  }
  return candidates;
}

// Whether there are objects that the oracle scores, without which nothing more can be checked.
bool Settle(const CheckOracleOptions& options, Probe& probe, OracleReport& report) {
  const std::vector<std::string> candidates = Candidates(options, report);
  if (candidates.empty()) return false;
  const absl::Status status = probe.Settle(candidates);
  if (!status.ok()) {
    report.Fail("answers.shape", InWords(status),
                "Each answer has one status for each object and n x m values, finite where valid");
    return false;
  }
  report.Pass("answers.shape", "count of answers, columns and statuses are right");
  if (probe.objects().empty()) {
    report.Fail("answers.samples",
                absl::StrCat("none of ", candidates.size(), " objects could be scored"),
                "Give some that the oracle knows with --objects FILE, one a line");
    return false;
  }
  report.Pass("answers.samples", absl::StrCat(probe.objects().size(), " of ", candidates.size(),
                                              " objects are tried further"));
  return true;
}

void CheckThroughput(const CheckOracleOptions& options, Probe& probe, OracleReport& report) {
  const v1::DescribeResponse& description = probe.description();
  if (!options.throughput) {
    report.Skip("load.throughput", "left out, as --no-throughput says");
  } else if (!probe.answers_at_once()) {
    report.Skip("load.throughput", "no object was answered at once");
  } else if (!description.budget().cost_unit().empty() ||
             description.budget().has_evaluations_left()) {
    report.Skip("load.throughput", "evaluations of this oracle cost something");
  } else {
    MeasureThroughput(probe, report);
  }
}

}  // namespace

OracleReport CheckOracle(const CheckOracleOptions& options, RewardClient& oracle,
                         RewardClient& hasty, const HealthProbe& health) {
  OracleReport report;
  report.address = options.address;
  const auto description = oracle.Describe({});
  if (!description.ok()) {
    report.Fail("describe", InWords(description.status()), ConnectRemedy(description.status()));
    return report;
  }
  report.description = *description;
  report.format = options.format;
  if (report.format.empty() && description->accepted_formats_size() > 0) {
    report.format = description->accepted_formats(0);
  }
  CheckHealth(health, report);
  CheckDescription(*description, oracle, report);
  if (report.Count(Verdict::kFail) > 0 && description->objectives_size() == 0) return report;
  if (description->accepted_formats_size() == 0) return report;
  Probe probe(oracle, hasty, *description, {report.format, options.salt});
  if (!Settle(options, probe, report)) return report;
  CheckAnswers(probe, report);
  CheckInvalidObjects(probe, report);
  CheckRefusals(probe, report);
  CheckLoad(probe, report);
  CheckThroughput(options, probe, report);
  return report;
}

}  // namespace anabranch
