#include "actor/oracle.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {
namespace {

// The objectives of reward shaping, in its order, all of which the oracle must compute.
absl::Status ChooseObjectives(const v1::DescribeResponse& description, const RewardShaping& shaping,
                              Oracle& oracle) {
  std::vector<std::string> described;
  for (const v1::ObjectiveDescription& objective : description.objectives()) {
    described.push_back(objective.name());
  }
  for (const ObjectiveShaping& wanted : shaping.options().objectives) {
    if (std::find(described.begin(), described.end(), wanted.name) == described.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the oracle '", description.name(), "' has no objective '", wanted.name,
          "'; it computes ", absl::StrJoin(described, ", "),
          "; name only these in reward_shaping.objectives, or add an oracle that computes it"));
    }
    oracle.header.objectives.push_back(wanted.name);
  }
  if (described != oracle.header.objectives) oracle.described_objectives = std::move(described);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Oracle> DescribeOracle(const ActorOptions& options, const EnvironmentSpec& spec,
                                      const RewardShaping& shaping, RewardClient& reward) {
  v1::DescribeRequest request;
  request.set_run_id(options.identity.run_id);
  request.set_environment_fingerprint(options.identity.environment_fingerprint);
  auto description = reward.Describe(request);
  if (!description.ok()) return description.status();
  const auto& formats = description->accepted_formats();
  if (std::find(formats.begin(), formats.end(), spec.object_format) == formats.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the oracle '", description->name(), "' accepts ", absl::StrJoin(formats, ", "), ", and ",
        spec.fingerprint, " makes ", spec.object_format));
  }
  Oracle oracle;
  oracle.max_batch_objects = description->max_batch_objects();
  BatchHeader& header = oracle.header;
  header.run_id = options.identity.run_id;
  header.environment_fingerprint = options.identity.environment_fingerprint;
  header.object_format = spec.object_format;
  if (absl::Status status = ChooseObjectives(*description, shaping, oracle); !status.ok()) {
    return status;
  }
  header.reward_fingerprint = description->fingerprint();
  header.reward_shaping_hash = shaping.hash();
  header.source.set_client_incarnation(options.identity.incarnation);
  header.source.set_actor_name(options.name);
  return oracle;
}

}  // namespace anabranch
