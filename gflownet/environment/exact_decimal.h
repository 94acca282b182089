// Numbers in fingerprints.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_EXACT_DECIMAL_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_EXACT_DECIMAL_H_

#include <charconv>
#include <string>

namespace anabranch {

// The shortest decimal that reads back as the same number: close parameters stay apart.
inline std::string ExactDecimal(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_EXACT_DECIMAL_H_
