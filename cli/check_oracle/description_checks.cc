#include <cmath>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/check_oracle/checks.h"

namespace anabranch {
namespace {

void CheckFingerprint(const v1::DescribeResponse& first, RewardClient& oracle,
                      OracleReport& report) {
  const char* check = "describe.fingerprint";
  if (first.fingerprint().empty()) {
    report.Fail(check, "is empty",
                "Give a text that changes whenever the same object could get another value: caches "
                "go by it");
    return;
  }
  const auto second = oracle.Describe({});
  if (!second.ok()) {
    report.Fail(check, absl::StrCat("a second Describe failed: ", InWords(second.status())),
                "Describe is called at every connection and must always answer");
  } else if (second->fingerprint() != first.fingerprint()) {
    report.Fail(check,
                absl::StrCat("changed from \"", OneLine(first.fingerprint()), "\" to \"",
                             OneLine(second->fingerprint()), "\" between two calls"),
                "Make it from name, version and settings, not from time or chance");
  } else {
    report.Pass(check, "given, and the same when asked again");
  }
}

// What is wrong with an objective; empty if nothing is.
std::string BoundsFault(const v1::ObjectiveDescription& objective) {
  const bool low = objective.has_lower_bound(), high = objective.has_upper_bound();
  if ((low && !std::isfinite(objective.lower_bound())) ||
      (high && !std::isfinite(objective.upper_bound()))) {
    return "has a bound that isn't finite; leave out a bound that there isn't";
  }
  if (low && high && !(objective.lower_bound() < objective.upper_bound())) {
    return absl::StrCat("has bounds ", objective.lower_bound(), " and ", objective.upper_bound(),
                        "; the lower must be below the upper");
  }
  return "";
}

void CheckObjectives(const v1::DescribeResponse& description, OracleReport& report) {
  const char* check = "describe.objectives";
  if (description.objectives_size() == 0) {
    report.Fail(check, "there are none", "Describe at least one objective, by name");
    return;
  }
  std::set<std::string> names;
  std::string undirected;
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    if (objective.name().empty() || !names.insert(objective.name()).second) {
      report.Fail(check,
                  objective.name().empty()
                      ? "one has no name"
                      : absl::StrCat("\"", OneLine(objective.name()), "\" stands there twice"),
                  "Give each objective a name of its own: runs choose them by name");
      return;
    }
    const std::string fault = BoundsFault(objective);
    if (!fault.empty()) {
      report.Fail(check, absl::StrCat("\"", OneLine(objective.name()), "\" ", fault),
                  "Correct lower_bound and upper_bound");
      return;
    }
    if (objective.direction() == v1::OBJECTIVE_DIRECTION_UNSPECIFIED) undirected = objective.name();
  }
  if (!undirected.empty()) {
    report.Warn(check,
                absl::StrCat("\"", OneLine(undirected), "\" doesn't say which way is better"),
                "Set direction, or every run must");
    return;
  }
  report.Pass(check, absl::StrCat(names.size(), " with names of their own and sane bounds"));
}

void CheckFormats(const v1::DescribeResponse& description, OracleReport& report) {
  const char* check = "describe.formats";
  if (description.accepted_formats_size() == 0) {
    report.Fail(check, "there are none",
                "List the formats of objects that are read, such as \"smiles\" or \"sequence\"");
    return;
  }
  report.Pass(check, OneLine(absl::StrJoin(description.accepted_formats(), ", ")));
}

void CheckBatchSizes(const v1::DescribeResponse& description, OracleReport& report) {
  const uint32_t most = description.max_batch_objects();
  const uint32_t preferred = description.preferred_batch_objects();
  if (most > 0 && preferred > most) {
    report.Fail(
        "describe.batches",
        absl::StrCat("preferred_batch_objects is ", preferred, ", max_batch_objects ", most),
        "A request of the preferred size must be accepted; lower the one or raise the other");
    return;
  }
  report.Pass(
      "describe.batches",
      absl::StrCat(most > 0 ? absl::StrCat("at most ", most) : "no limit", ", ",
                   preferred > 0 ? absl::StrCat(preferred, " preferred") : "no preference"));
}

}  // namespace

void CheckDescription(const v1::DescribeResponse& first, RewardClient& oracle,
                      OracleReport& report) {
  CheckFingerprint(first, oracle, report);
  CheckObjectives(first, report);
  CheckFormats(first, report);
  CheckBatchSizes(first, report);
}

void CheckHealth(const HealthProbe& health, OracleReport& report) {
  const auto whole = health("");
  if (!whole.ok()) {
    report.Warn(
        "health", absl::StrCat("grpc.health.v1 doesn't answer: ", InWords(whole.status())),
        "Serve grpc.health.v1.Health, so that orchestrators and load balancers can probe it");
  } else if (*whole != "SERVING") {
    report.Fail("health", absl::StrCat("says ", *whole, " although it answers"),
                "Say SERVING once it serves: balancing sends nothing to a replica that doesn't");
  } else if (const auto service = health("anabranch.v1.RewardService"); !service.ok()) {
    report.Warn("health", "SERVING, but it doesn't know the service anabranch.v1.RewardService",
                "Register that name too: some balancers ask for it");
  } else if (*service != "SERVING") {
    report.Fail("health", absl::StrCat("says ", *service, " of anabranch.v1.RewardService"),
                "Say SERVING of the service too once it serves");
  } else {
    report.Pass("health", "SERVING");
  }
}

}  // namespace anabranch
