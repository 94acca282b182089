#include "runtime/components/run_identity.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "runtime/sha256.h"

namespace anabranch {
namespace {

uint64_t SystemRandom() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

uint64_t FirstWord(absl::string_view text) {
  const std::string digest = Sha256Digest(text);
  uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word = (word << 8) | static_cast<uint8_t>(digest[i]);
  return word;
}

}  // namespace

std::string FreshRunId(absl::string_view run_name) {
  return absl::StrCat(run_name, "-", absl::Hex(SystemRandom(), absl::kZeroPad16));
}

uint64_t FreshIncarnation() {
  const uint64_t word = SystemRandom();
  return word == 0 ? 1 : word;
}

std::string RepeatableRunId(absl::string_view run_name, absl::string_view config) {
  return absl::StrCat(run_name, "-", absl::Hex(FirstWord(config), absl::kZeroPad16));
}

uint64_t RepeatableIncarnation(absl::string_view run_id) {
  const uint64_t word = FirstWord(absl::StrCat("incarnation of ", run_id));
  return word == 0 ? 1 : word;
}

}  // namespace anabranch
