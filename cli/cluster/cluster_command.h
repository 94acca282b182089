// `anabranch cluster`: a run by real processes on this machine.
#ifndef ANABRANCH_CLI_CLUSTER_CLUSTER_COMMAND_H_
#define ANABRANCH_CLI_CLUSTER_CLUSTER_COMMAND_H_

#include <string>
#include <vector>

namespace anabranch {

// Returns the exit status: 0 done or stopped in order, 1 failed, 2 wrong usage or configuration,
// 128 + the signal when a second one killed everything. `binaries` is the directory of the roles'
// programs. Handles SIGINT and SIGTERM for the whole process, so it is what a process does, once.
int RunClusterCommand(const std::vector<std::string>& arguments, const std::string& binaries);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_CLUSTER_CLUSTER_COMMAND_H_
