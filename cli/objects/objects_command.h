// `anabranch objects`: the terminal objects of a run, best first.
#ifndef ANABRANCH_CLI_OBJECTS_OBJECTS_COMMAND_H_
#define ANABRANCH_CLI_OBJECTS_OBJECTS_COMMAND_H_

#include <ostream>
#include <string>
#include <vector>

namespace anabranch {

// Returns the exit status: 0, 1 failed, 2 wrong usage. One line on `err` for an error, and one for
// each damaged checkpoint that was passed over.
int RunObjectsCommand(const std::vector<std::string>& arguments, std::ostream& out,
                      std::ostream& err);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_OBJECTS_OBJECTS_COMMAND_H_
