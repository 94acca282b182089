#include "gflownet/environment/environment.h"

#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

absl::string_view KindName(ObservationKind kind) {
  switch (kind) {
    case ObservationKind::kMultiHot:
      return "multi-hot";
    case ObservationKind::kDense:
      return "dense";
    case ObservationKind::kTokens:
      return "tokens";
    case ObservationKind::kGraph:
      return "graph";
  }
  return "unknown";
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateBatch>> Environment::Initial(
    int64_t n, std::span<const std::string> prompts) const {
  if (n < 0) {
    return absl::InvalidArgumentError(absl::StrCat("the number of initial states is ", n));
  }
  if (!prompts.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("prompts[0] is given, and ", spec().fingerprint,
                                                   " always begins at its one source"));
  }
  return Initial(n);
}

void Environment::AppendStateKeys(const StateBatch& states, std::vector<StateKey>& out) const {
  std::vector<std::string> objects;
  AppendObjects(states, objects);
  for (const std::string& object : objects) out.push_back(StateKey::Of(object));
}

absl::Status Environment::AppendPartialLogRewards(const StateBatch& /*states*/,
                                                  std::vector<float>& /*out*/) const {
  return absl::UnimplementedError(
      absl::StrCat(spec().fingerprint, " has no reward for unfinished states"));
}

absl::StatusOr<ObservationSpec> Environment::FindObservation(ObservationKind kind) const {
  std::string known;
  for (const ObservationSpec& observation : spec().observations) {
    if (observation.kind == kind) return observation;
    absl::StrAppend(&known, known.empty() ? "" : ", ", KindName(observation.kind));
  }
  return absl::InvalidArgumentError(absl::StrCat(spec().fingerprint, " has no ", KindName(kind),
                                                 " observations; it has: ", known));
}

}  // namespace anabranch
