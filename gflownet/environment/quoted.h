// Bytes from outside, in messages.
#ifndef ANABRANCH_GFLOWNET_ENVIRONMENT_QUOTED_H_
#define ANABRANCH_GFLOWNET_ENVIRONMENT_QUOTED_H_

#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// The bytes between quotation marks, escaped and cut: an object may be megabytes of anything, and a
// status message travels in a header of a few kilobytes that takes only text.
inline std::string Quoted(absl::string_view bytes) {
  constexpr size_t kShown = 80;
  std::string text = absl::StrCat("\"", absl::CHexEscape(bytes.substr(0, kShown)), "\"");
  if (bytes.size() > kShown) absl::StrAppend(&text, "… (", bytes.size(), " bytes)");
  return text;
}

}  // namespace anabranch

#endif  // ANABRANCH_GFLOWNET_ENVIRONMENT_QUOTED_H_
