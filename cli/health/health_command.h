// `anabranch health`: a probe, for scripts and orchestrators.
#ifndef ANABRANCH_CLI_HEALTH_HEALTH_COMMAND_H_
#define ANABRANCH_CLI_HEALTH_HEALTH_COMMAND_H_

#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// Prints one word: SERVING, NOT_SERVING, UNKNOWN, or UNREACHABLE with the reason on `err`. Returns
// the exit status: 0 for SERVING, 1 for all others, 2 for wrong usage.
int RunHealthCommand(const std::vector<std::string>& arguments, std::ostream& out,
                     std::ostream& err);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_HEALTH_HEALTH_COMMAND_H_
