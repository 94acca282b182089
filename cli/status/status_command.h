// `anabranch status`: how every process of a cluster is doing.
#ifndef ANABRANCH_CLI_STATUS_STATUS_COMMAND_H_
#define ANABRANCH_CLI_STATUS_STATUS_COMMAND_H_

#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// Returns the exit status: 0 all roles serve, 1 one doesn't, or nothing could be asked, 2 wrong
// usage. Blocks for a second between two looks.
int RunStatusCommand(const std::vector<std::string>& arguments, std::ostream& out,
                     std::ostream& err);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_STATUS_STATUS_COMMAND_H_
