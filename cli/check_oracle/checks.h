// The checks, by what they are about. Each adds one finding (or a few) to the report; what the
// oracle did wrong is a finding, never an error of the command. All block for the oracle's answers.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_CHECKS_H_
#define ANABRANCH_CLI_CHECK_ORACLE_CHECKS_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/check_oracle/probe.h"
#include "cli/check_oracle/report.h"

namespace anabranch {

// grpc.health.v1 of a service, or of the whole server for "": "SERVING" and so on; NOT_FOUND.
using HealthProbe = std::function<absl::StatusOr<std::string>(const std::string& service)>;

// Fingerprint, objectives, bounds, formats, batch sizes; whether it stays the same.
void CheckDescription(const v1::DescribeResponse& first, RewardClient& oracle,
                      OracleReport& report);
void CheckHealth(const HealthProbe& health, OracleReport& report);

// Order, repeats, determinism, bounds, subsets of the objectives, tickets. After Probe::Settle.
void CheckAnswers(Probe& probe, OracleReport& report);
// Unreadable objects among good ones.
void CheckInvalidObjects(Probe& probe, OracleReport& report);
// Whole requests that must be refused, by code and reason; the empty batch, which must not be.
void CheckRefusals(Probe& probe, OracleReport& report);
// Callers that give up, and callers side by side.
void CheckLoad(Probe& probe, OracleReport& report);
// Batches of 1, 16, 256 and the maximum, then requests side by side; suggests both settings.
void MeasureThroughput(Probe& probe, OracleReport& report);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_CHECKS_H_
