// A learned distribution beside the true one, as the commands show it.
#ifndef ANABRANCH_CLI_DISTRIBUTION_H_
#define ANABRANCH_CLI_DISTRIBUTION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace anabranch {

// Columns over the terminal states of an enumerable environment, all of one length. −∞ is the
// logarithm of 0.
struct Distribution {
  std::vector<int64_t> states;  // Their numbers in the environment's StateSpace.
  std::vector<std::string> objects;
  std::vector<double> log_learned;
  std::vector<double> log_true;
  std::vector<double> log_rewards;

  int64_t size() const { return static_cast<int64_t>(objects.size()); }
  // INVALID_ARGUMENT, naming column and index, for no states, columns of different lengths, NaN and
  // +∞, and probabilities that don't sum to 1 within 1e-4.
  absl::Status Validate() const;
};

// An object as a terminal or an image may show it: printable ASCII, '?' for other bytes, at most
// `max_width` characters (at least 4) of it, "(empty)" for none.
std::string PrintableObject(const std::string& object, size_t max_width);

}  // namespace anabranch

#endif  // ANABRANCH_CLI_DISTRIBUTION_H_
