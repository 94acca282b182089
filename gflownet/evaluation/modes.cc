#include "gflownet/evaluation/modes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace anabranch {

void ModeTracker::Add(std::span<const std::string> objects) {
  // Once all are found there is nothing left to ask.
  if (num_found() == num_modes()) return;
  for (const std::string& object : objects) {
    if (const int64_t mode = reward_.ModeOf(object); mode >= 0) found_.insert(mode);
  }
}

std::vector<int64_t> ModeTracker::Found() const {
  std::vector<int64_t> found(found_.begin(), found_.end());
  std::sort(found.begin(), found.end());
  return found;
}

absl::Status ModeTracker::Restore(std::span<const int64_t> found) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] < 0 || found[i] >= num_modes()) {
      return absl::InvalidArgumentError(absl::StrCat("found[", i, "] is mode ", found[i], "; ",
                                                     reward_.fingerprint(), " has ", num_modes()));
    }
  }
  found_.clear();
  found_.insert(found.begin(), found.end());
  return absl::OkStatus();
}

}  // namespace anabranch
