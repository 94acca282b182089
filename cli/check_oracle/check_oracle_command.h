// `anabranch check-oracle`: whether an oracle keeps the reward contract.
#ifndef ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_COMMAND_H_
#define ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_COMMAND_H_

#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// Prints a report, one line for each check. Returns the exit status: 0 if nothing failed (warnings
// and skips are no failures), 1 if something did, 2 for wrong usage.
int RunCheckOracleCommand(const std::vector<std::string>& arguments, std::ostream& out,
                          std::ostream& err);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CHECK_ORACLE_CHECK_ORACLE_COMMAND_H_
