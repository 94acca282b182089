#include "runtime/trajectory_batch.h"

#include <bit>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_field.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

using google::protobuf::RepeatedField;
using Fault = std::optional<v1::Refusal>;

constexpr int64_t kMaxTotal = std::numeric_limits<int32_t>::max();

// By exponent bits: vectorises, and no compiler flag can make it lie.
bool IsFinite(float value) { return (std::bit_cast<uint32_t>(value) << 1) < 0xFF000000u; }
bool IsFinite(double value) {
  return (std::bit_cast<uint64_t>(value) << 1) < 0xFFE0000000000000ull;
}

Fault CheckSize(absl::string_view field, int64_t found, int64_t expected, absl::string_view what) {
  if (found == expected) return std::nullopt;
  return Refuse(kReasonWrongLength, field, std::nullopt,
                absl::StrCat("has ", found, " entries, expected ", expected, " (", what, ")"));
}

// As CheckSize, but an empty column is absent.
Fault CheckOptional(absl::string_view field, int64_t found, int64_t expected,
                    absl::string_view what) {
  return found == 0 ? std::nullopt : CheckSize(field, found, expected, what);
}

template <typename T>
Fault CheckFinite(absl::string_view field, const RepeatedField<T>& values) {
  int64_t bad = 0;
  for (const T value : values) bad += !IsFinite(value);
  if (bad == 0) return std::nullopt;
  for (int i = 0; i < values.size(); ++i) {
    if (!IsFinite(values[i])) {
      return Refuse(kReasonNotFinite, field, i,
                    absl::StrCat("is ", values[i], "; a finite number is needed"));
    }
  }
  return std::nullopt;
}

// Dictionary references: 0 is none, k > 0 names entry k - 1.
Fault CheckIndex(absl::string_view field, const RepeatedField<uint32_t>& index, int64_t n,
                 int64_t entries, absl::string_view dictionary) {
  if (Fault fault = CheckOptional(field, index.size(), n, "one per trajectory")) return fault;
  for (int i = 0; i < index.size(); ++i) {
    if (index[i] > entries) {
      return Refuse(kReasonOutOfRange, field, i,
                    absl::StrCat("is ", index[i], ", but ", dictionary, " has ", entries,
                                 " entries (0 means none)"));
    }
  }
  return std::nullopt;
}

// Prefix sums of a column of lengths.
Fault SumLengths(absl::string_view field, const RepeatedField<uint32_t>& lengths,
                 std::vector<uint32_t>& sums) {
  sums.resize(lengths.size() + 1);
  uint64_t total = 0;
  sums[0] = 0;
  for (int i = 0; i < lengths.size(); ++i) {
    total += lengths[i];
    if (total > kMaxTotal) {
      return Refuse(kReasonOutOfRange, field, i,
                    absl::StrCat("is ", lengths[i], ", which brings the sum above ", kMaxTotal));
    }
    sums[i + 1] = static_cast<uint32_t>(total);
  }
  return std::nullopt;
}

Fault CheckLengths(const v1::TrajectoryBatch& batch, BatchLayout& layout) {
  const int n = batch.lengths_size();
  if (n == 0) return Refuse(kReasonMissing, "lengths", std::nullopt, "is empty: no trajectories");
  if (Fault fault = SumLengths("lengths", batch.lengths(), layout.actions)) return fault;
  if (Fault fault = CheckOptional("origins", batch.origins_size(), n, "one per trajectory")) {
    return fault;
  }
  for (int i = 0; i < n; ++i) {
    const auto origin = batch.origins().empty() ? v1::TRAJECTORY_ORIGIN_FORWARD : batch.origins(i);
    if (!v1::TrajectoryOrigin_IsValid(origin)) {
      return Refuse(kReasonOutOfRange, "origins", i, absl::StrCat("is unknown: ", origin));
    }
    if ((batch.lengths(i) == 0) != (origin == v1::TRAJECTORY_ORIGIN_OBJECT_ONLY)) {
      return Refuse(kReasonOutOfRange, "lengths", i,
                    absl::StrCat("is ", batch.lengths(i), " where the origin is ",
                                 v1::TrajectoryOrigin_Name(origin),
                                 "; only OBJECT_ONLY, and it alone, has length 0"));
    }
  }
  return std::nullopt;
}

Fault CheckActions(const v1::TrajectoryBatch& batch, int64_t total) {
  const int64_t values = batch.action_value_width();
  if (!(batch.actions().empty() && values > 0)) {
    if (Fault fault = CheckSize("actions", batch.actions_size(), total * ActionWidth(batch),
                                "sum(lengths) * action_width")) {
      return fault;
    }
  }
  if (Fault fault = CheckSize("action_values", batch.action_values_size(), total * values,
                              "sum(lengths) * action_value_width")) {
    return fault;
  }
  if (Fault fault = CheckFinite("action_values", batch.action_values())) return fault;
  if (Fault fault = CheckOptional("behaviour_log_probs", batch.behaviour_log_probs_size(), total,
                                  "sum(lengths)")) {
    return fault;
  }
  if (Fault fault = CheckFinite("behaviour_log_probs", batch.behaviour_log_probs())) return fault;
  if (Fault fault =
          CheckOptional("policy_log_probs", batch.policy_log_probs_size(), total, "sum(lengths)")) {
    return fault;
  }
  return CheckFinite("policy_log_probs", batch.policy_log_probs());
}

Fault CheckInitialStates(const v1::TrajectoryBatch& batch) {
  const v1::InitialStates& states = batch.initial_states();
  std::vector<uint32_t> sums;
  if (Fault fault = SumLengths("initial_states.lengths", states.lengths(), sums)) return fault;
  if (Fault fault = CheckSize("initial_states.data", static_cast<int64_t>(states.data().size()),
                              sums.back(), "sum(initial_states.lengths)")) {
    return fault;
  }
  if (Fault fault = CheckOptional("initial_states.keys", static_cast<int64_t>(states.keys().size()),
                                  kKeyBytes * states.lengths_size(), "16 bytes per entry")) {
    return fault;
  }
  return CheckIndex("initial_state_index", batch.initial_state_index(), batch.lengths_size(),
                    states.lengths_size(), "initial_states");
}

Fault CheckConditions(const v1::TrajectoryBatch& batch) {
  const v1::Conditions& conditions = batch.conditions();
  const int64_t k = conditions.count();
  const std::pair<absl::string_view, std::pair<int64_t, int64_t>> sizes[] = {
      {"conditions.preferences",
       {conditions.preferences_size(), k * conditions.preference_width()}},
      {"conditions.features", {conditions.features_size(), k * conditions.feature_width()}}};
  for (const auto& [field, size] : sizes) {
    if (Fault fault = CheckSize(field, size.first, size.second, "count * width")) return fault;
  }
  if (Fault fault = CheckOptional("conditions.inverse_temperatures",
                                  conditions.inverse_temperatures_size(), k, "count")) {
    return fault;
  }
  if (Fault fault = CheckOptional("conditions.keys", static_cast<int64_t>(conditions.keys().size()),
                                  kKeyBytes * k, "16 bytes per condition")) {
    return fault;
  }
  if (Fault fault =
          CheckFinite("conditions.inverse_temperatures", conditions.inverse_temperatures())) {
    return fault;
  }
  if (Fault fault = CheckFinite("conditions.preferences", conditions.preferences())) return fault;
  if (Fault fault = CheckFinite("conditions.features", conditions.features())) return fault;
  return CheckIndex("condition_index", batch.condition_index(), batch.lengths_size(), k,
                    "conditions");
}

Fault CheckStatuses(const v1::TrajectoryBatch& batch, bool require_rewards) {
  const int64_t n = batch.lengths_size();
  if (batch.statuses().empty() && !require_rewards) return std::nullopt;
  if (batch.objectives().empty()) {
    return Refuse(kReasonMissing, "objectives", std::nullopt,
                  "is empty: nothing says what the raw values are of");
  }
  if (Fault fault = CheckSize("statuses", batch.statuses_size(), n, "one per trajectory")) {
    return fault;
  }
  for (int i = 0; i < n; ++i) {
    const int status = batch.statuses(i);
    if (status == v1::OBJECT_STATUS_UNSPECIFIED || !v1::ObjectStatus_IsValid(status)) {
      return Refuse(kReasonOutOfRange, "statuses", i,
                    absl::StrCat("is ", status, "; a missing status is never taken for success"));
    }
  }
  return std::nullopt;
}

// Raw values count where the object is OK and the mask, if there is one, says so.
Fault CheckRawValues(const v1::TrajectoryBatch& batch) {
  const int64_t n = batch.lengths_size(), m = batch.objectives_size();
  const int64_t expected = batch.statuses().empty() ? 0 : n * m;
  if (Fault fault = CheckSize("raw_values", batch.raw_values_size(), expected,
                              "trajectories * objectives, none before evaluation")) {
    return fault;
  }
  if (Fault fault = CheckOptional("raw_value_valid", batch.raw_value_valid_size(), expected,
                                  "trajectories * objectives")) {
    return fault;
  }
  const bool masked = !batch.raw_value_valid().empty();
  for (int64_t i = 0; i < expected; ++i) {
    const int at = static_cast<int>(i);
    if (IsFinite(batch.raw_values(at))) continue;
    const bool counts = batch.statuses(static_cast<int>(i / m)) == v1::OBJECT_STATUS_OK &&
                        (!masked || batch.raw_value_valid(at));
    if (!counts) continue;
    return Refuse(kReasonNotFinite, "raw_values", i,
                  absl::StrCat("is ", batch.raw_values(at), " for objective \"",
                               batch.objectives(static_cast<int>(i % m)),
                               "\" of an object that is OK; mark it invalid or give a number"));
  }
  return std::nullopt;
}

Fault CheckRewards(const v1::TrajectoryBatch& batch, int64_t total, bool require_rewards) {
  const int64_t n = batch.lengths_size(), m = batch.objectives_size();
  if (Fault fault = CheckStatuses(batch, require_rewards)) return fault;
  if (Fault fault = CheckRawValues(batch)) return fault;
  if (Fault fault = CheckOptional("raw_standard_errors", batch.raw_standard_errors_size(), n * m,
                                  "trajectories * objectives")) {
    return fault;
  }
  if (Fault fault = CheckOptional("evaluation_counts", batch.evaluation_counts_size(), n,
                                  "one per trajectory")) {
    return fault;
  }
  if (Fault fault = CheckOptional("partial_raw_values", batch.partial_raw_values_size(), total * m,
                                  "sum(lengths) * objectives")) {
    return fault;
  }
  if (Fault fault =
          CheckOptional("log_rewards", batch.log_rewards_size(), n, "one per trajectory")) {
    return fault;
  }
  for (int i = 0; i < batch.log_rewards_size(); ++i) {
    if (IsFinite(batch.log_rewards(i))) continue;
    if (!batch.statuses().empty() && batch.statuses(i) != v1::OBJECT_STATUS_OK) continue;
    return Refuse(kReasonNotFinite, "log_rewards", i,
                  absl::StrCat("is ", batch.log_rewards(i), "; a finite number is needed"));
  }
  if (!batch.log_rewards().empty() && batch.reward_shaping_hash().empty()) {
    return Refuse(kReasonMissing, "reward_shaping_hash", std::nullopt,
                  "is empty, though log_rewards are given: nothing says how they were computed");
  }
  return std::nullopt;
}

Fault CheckProvenance(const v1::TrajectoryBatch& batch) {
  const int64_t n = batch.lengths_size();
  if (Fault fault = CheckOptional("policy_generations", batch.policy_generations_size(), n,
                                  "one per trajectory")) {
    return fault;
  }
  if (Fault fault = CheckSize("policy_versions", batch.policy_versions_size(),
                              batch.policy_generations_size(), "as policy_generations")) {
    return fault;
  }
  if (Fault fault = CheckOptional("trajectory_numbers", batch.trajectory_numbers_size(), n,
                                  "one per trajectory")) {
    return fault;
  }
  return CheckIndex("source_index", batch.source_index(), n, batch.sources_size(), "sources");
}

Fault CheckObjects(const v1::TrajectoryBatch& batch, BatchLayout& layout) {
  const int64_t n = batch.lengths_size();
  if (Fault fault = CheckOptional("object_keys", static_cast<int64_t>(batch.object_keys().size()),
                                  kKeyBytes * n, "16 bytes per trajectory")) {
    return fault;
  }
  if (Fault fault = CheckOptional("state_keys", static_cast<int64_t>(batch.state_keys().size()),
                                  kKeyBytes * n, "16 bytes per trajectory")) {
    return fault;
  }
  if (Fault fault =
          CheckOptional("object_lengths", batch.object_lengths_size(), n, "one per trajectory")) {
    return fault;
  }
  layout.objects.clear();
  uint32_t total = 0;
  if (!batch.object_lengths().empty()) {
    if (Fault fault = SumLengths("object_lengths", batch.object_lengths(), layout.objects)) {
      return fault;
    }
    total = layout.objects.back();
    if (batch.object_format().empty()) {
      return Refuse(kReasonMissing, "object_format", std::nullopt,
                    "is empty, though objects are given");
    }
  }
  return CheckSize("object_data", static_cast<int64_t>(batch.object_data().size()), total,
                   "sum(object_lengths)");
}

}  // namespace

std::optional<v1::Refusal> CheckTrajectoryBatch(const v1::TrajectoryBatch& batch,
                                                bool require_rewards, BatchLayout* layout) {
  if (batch.run_id().empty()) {
    return Refuse(kReasonMissing, "run_id", std::nullopt, "is empty");
  }
  if (batch.environment_fingerprint().empty()) {
    return Refuse(kReasonMissing, "environment_fingerprint", std::nullopt, "is empty");
  }
  if (Fault fault = CheckLengths(batch, *layout)) return fault;
  const int64_t total = layout->actions.back();
  if (Fault fault = CheckActions(batch, total)) return fault;
  if (Fault fault = CheckInitialStates(batch)) return fault;
  if (Fault fault = CheckConditions(batch)) return fault;
  if (Fault fault = CheckRewards(batch, total, require_rewards)) return fault;
  if (Fault fault = CheckProvenance(batch)) return fault;
  return CheckObjects(batch, *layout);
}

int64_t ColumnBytes(const v1::TrajectoryBatch& b) {
  const int64_t in_words =
      b.lengths_size() + b.actions_size() + b.action_values_size() + b.behaviour_log_probs_size() +
      b.policy_log_probs_size() + b.initial_state_index_size() + b.condition_index_size() +
      b.statuses_size() + b.evaluation_counts_size() + b.source_index_size() + b.origins_size() +
      b.object_lengths_size() + b.initial_states().lengths_size() +
      b.conditions().inverse_temperatures_size() + b.conditions().preferences_size() +
      b.conditions().features_size();
  const int64_t in_double_words = b.raw_values_size() + b.raw_standard_errors_size() +
                                  b.partial_raw_values_size() + b.log_rewards_size() +
                                  b.policy_generations_size() + b.policy_versions_size() +
                                  b.trajectory_numbers_size();
  const size_t in_bytes = b.raw_value_valid_size() + b.object_keys().size() +
                          b.state_keys().size() + b.object_data().size() +
                          b.initial_states().data().size() + b.initial_states().keys().size() +
                          b.conditions().keys().size();
  return 4 * in_words + 8 * in_double_words + static_cast<int64_t>(in_bytes);
}

}  // namespace anabranch
