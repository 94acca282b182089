// A test suite for oracles.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_H_
#define ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_H_

#include <string>
#include <vector>

#include "cli/check_oracle/checks.h"
#include "cli/check_oracle/report.h"
#include "runtime/channels.h"

namespace anabranch {

struct CheckOracleOptions {
  std::string address;               // For the report.
  std::string format;                // Empty: the first that the oracle accepts.
  std::vector<std::string> objects;  // Empty: samples of the format.
  std::string salt;                  // Makes request ids unique among runs.
  bool throughput = true;
};

// Asks the oracle whatever it takes, a few hundred objects (more for the throughput). `hasty` is
// the same oracle through a client that gives up after a millisecond. Blocks for the answers.
OracleReport CheckOracle(const CheckOracleOptions& options, RewardClient& oracle,
                         RewardClient& hasty, const HealthProbe& health);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_H_
