#include "replay/batch_agreement.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "replay/object_record.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

std::string ConditionShape(const v1::Conditions& conditions) {
  return absl::StrCat(conditions.inverse_temperatures().empty() ? "no" : "with",
                      " inverse temperature, ", conditions.preference_width(), " preferences, ",
                      conditions.feature_width(), " features");
}

std::optional<v1::Refusal> Compare(absl::string_view field, absl::string_view theirs,
                                   absl::string_view ours) {
  if (theirs == ours) return std::nullopt;
  return RefuseMismatch(kReasonLayoutMismatch, field, theirs, ours);
}

std::optional<v1::Refusal> CompareIfBoth(absl::string_view field, absl::string_view theirs,
                                         absl::string_view ours) {
  return theirs.empty() || ours.empty() ? std::nullopt : Compare(field, theirs, ours);
}

std::optional<v1::Refusal> Check(const v1::TrajectoryBatch& batch,
                                 const v1::TrajectoryBatch& layout, bool oracle_may_change) {
  if (auto refusal = Compare("action_width", absl::StrCat(ActionWidth(batch)),
                             absl::StrCat(ActionWidth(layout)))) {
    return refusal;
  }
  if (auto refusal = Compare("action_value_width", absl::StrCat(batch.action_value_width()),
                             absl::StrCat(layout.action_value_width()))) {
    return refusal;
  }
  if (auto refusal = Compare("objectives", absl::StrJoin(batch.objectives(), ", "),
                             absl::StrJoin(layout.objectives(), ", "))) {
    return refusal;
  }
  if (!oracle_may_change) {
    if (auto refusal = Compare("reward_fingerprint", batch.reward_fingerprint(),
                               layout.reward_fingerprint())) {
      return refusal;
    }
  }
  if (batch.conditions().count() > 0 && layout.conditions().count() > 0) {
    if (auto refusal = Compare("conditions", ConditionShape(batch.conditions()),
                               ConditionShape(layout.conditions()))) {
      return refusal;
    }
  }
  if (auto refusal =
          CompareIfBoth("object_format", batch.object_format(), layout.object_format())) {
    return refusal;
  }
  return CompareIfBoth("reward_shaping_hash", batch.reward_shaping_hash(),
                       layout.reward_shaping_hash());
}

void Settle(const v1::TrajectoryBatch& batch, v1::TrajectoryBatch& layout) {
  if (layout.run_id().empty()) {
    layout.set_run_id(batch.run_id());
    layout.set_environment_fingerprint(batch.environment_fingerprint());
    layout.set_action_width(static_cast<uint32_t>(ActionWidth(batch)));
    layout.set_action_value_width(batch.action_value_width());
    *layout.mutable_objectives() = batch.objectives();
  }
  layout.set_reward_fingerprint(batch.reward_fingerprint());
  if (layout.object_format().empty()) layout.set_object_format(batch.object_format());
  if (layout.reward_shaping_hash().empty()) {
    layout.set_reward_shaping_hash(batch.reward_shaping_hash());
  }
  if (layout.conditions().count() == 0 && batch.conditions().count() > 0) {
    const v1::Conditions& from = batch.conditions();
    v1::Conditions& to = *layout.mutable_conditions();
    to.set_count(1);
    to.set_preference_width(from.preference_width());
    to.set_feature_width(from.feature_width());
    if (!from.inverse_temperatures().empty()) to.add_inverse_temperatures(1);
  }
}

}  // namespace

std::optional<v1::Refusal> BatchAgreement::Join(const v1::TrajectoryBatch& batch) {
  if (batch.objectives_size() > kMaxObjectives) {
    return Refuse(kReasonTooLarge, "objectives", std::nullopt,
                  absl::StrCat("has ", batch.objectives_size(), " entries; at most ",
                               kMaxObjectives, " are possible"));
  }
  absl::MutexLock lock(&mu_);
  if (!layout_.run_id().empty()) {
    if (auto refusal = Check(batch, layout_, oracle_may_change_)) return refusal;
  }
  Settle(batch, layout_);
  return std::nullopt;
}

v1::TrajectoryBatch BatchAgreement::Save() const {
  absl::MutexLock lock(&mu_);
  return layout_;
}

void BatchAgreement::Restore(const v1::TrajectoryBatch& layout) {
  absl::MutexLock lock(&mu_);
  layout_ = layout;
}

}  // namespace anabranch
