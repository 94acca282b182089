#include "runtime/config_problems.h"

#include <cmath>

namespace anabranch {

void AtLeastOne(uint64_t value, absl::string_view key, Problems& problems) {
  problems.Check(value >= 1, key, value, "must be at least 1", "raise it");
}

void Positive(double value, absl::string_view key, Problems& problems) {
  problems.Check(std::isfinite(value) && value > 0, key, value, "must be finite and above 0",
                 "raise it");
}

void NotNegative(double value, absl::string_view key, Problems& problems) {
  problems.Check(std::isfinite(value) && value >= 0, key, value, "must be finite and at least 0",
                 "raise it");
}

void Fraction(double value, absl::string_view key, Problems& problems) {
  problems.Check(value >= 0 && value <= 1, key, value, "must be between 0 and 1", "choose a share");
}

}  // namespace anabranch
