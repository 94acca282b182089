// A distribution as text: a file for other programs, a table for people.
#ifndef ANABRANCH_CLI_DISTRIBUTION_TABLE_H_
#define ANABRANCH_CLI_DISTRIBUTION_TABLE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "cli/distribution.h"

namespace anabranch {

// CSV (RFC 4180, but lines end in \n) with the header
// state,object,learned_probability,true_probability,log_reward and a line for each state in order.
// Errors are Distribution::Validate's.
absl::StatusOr<std::string> DistributionCsv(const Distribution& distribution);

struct TableOptions {
  int64_t rows = 10;  // States shown; those with the greatest true probability, ties in order.
  // Bold and colour. Only for a terminal: the caller asks isatty, and NO_COLOR.
  bool ansi = false;
};

// Rank, object, learned and true probability, their ratio and a bar for each; and a last line that
// says how much of either distribution the rows shown hold. INVALID_ARGUMENT for rows < 1, and
// Distribution::Validate's.
absl::StatusOr<std::string> TopStatesTable(const Distribution& distribution,
                                           const TableOptions& options = {});

}  // namespace anabranch

#endif  // ANABRANCH_CLI_DISTRIBUTION_TABLE_H_
