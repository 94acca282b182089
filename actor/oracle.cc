#include "actor/oracle.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anabranch {

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
  for (const v1::ObjectiveDescription& objective : description->objectives()) {
    header.objectives.push_back(objective.name());
  }
  header.reward_fingerprint = description->fingerprint();
  header.reward_shaping_hash = shaping.hash();
  header.source.set_client_incarnation(options.identity.incarnation);
  header.source.set_actor_name(options.name);
  return oracle;
}

}  // namespace anabranch
