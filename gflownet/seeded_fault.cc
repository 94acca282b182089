#include "gflownet/seeded_fault.h"

#if ANABRANCH_SEEDED_FAULTS

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

namespace anabranch {
namespace {

// In the order of the enumeration.
constexpr const char* kNames[] = {"broadcast_off",     "acknowledge_before_insert",
                                  "duplicate_counted", "rewards_shifted",
                                  "shaping_twice",     "backward_mask_off_by_one"};

int ReadSeeded() {
  const char* value = std::getenv("ANABRANCH_SEEDED_FAULT");
  if (value == nullptr || *value == '\0') return -1;
  const auto found = std::find(std::begin(kNames), std::end(kNames), std::string(value));
  if (found == std::end(kNames)) {
    std::cerr << "ANABRANCH_SEEDED_FAULT is '" << value << "', which is no fault" << std::endl;
    std::abort();
  }
  return static_cast<int>(found - std::begin(kNames));
}

}  // namespace

bool IsSeeded(SeededFault fault) {
  static const int seeded = ReadSeeded();
  return static_cast<int>(fault) == seeded;
}

}  // namespace anabranch

#endif
