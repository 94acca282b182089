#include "reward/adapters/value_source.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"

namespace anabranch {
namespace {

// How many bytes the character takes that begins with this one; 0 where none does.
size_t LengthOf(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // A continuation, or longer than it need be.
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

}  // namespace

absl::Status MalformedAnswer(absl::string_view message) {
  return WithReason(absl::UnavailableError(message), kReasonMalformedAnswer);
}

absl::Status CheckCount(absl::string_view what, size_t actual, size_t expected) {
  if (actual == expected) return absl::OkStatus();
  return MalformedAnswer(
      absl::StrCat("the answer has ", actual, " ", what, ", where ", expected, " were asked for"));
}

bool IsUtf8(absl::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<uint8_t>(text[at]);
    const size_t length = LengthOf(first);
    if (length == 0 || at + length > text.size()) return false;
    for (size_t i = 1; i < length; ++i) {
      const auto next = static_cast<uint8_t>(text[at + i]);
      uint8_t low = 0x80, high = 0xBF;
      if (i == 1) {
        if (first == 0xE0) low = 0xA0;   // Longer than it need be.
        if (first == 0xED) high = 0x9F;  // A surrogate.
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;  // Beyond Unicode.
      }
      if (next < low || next > high) return false;
    }
    at += length;
  }
  return true;
}

std::string Shortened(absl::string_view text, size_t most) {
  if (text.size() > most) {
    while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xC0) == 0x80) --most;
  }
  return std::string(text.substr(0, most));
}

}  // namespace anabranch
