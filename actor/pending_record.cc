#include "actor/pending_record.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "actor/ask_again.h"

namespace anabranch {
namespace {

// Columns that a run has no use for are empty.
template <typename T>
void CopyRow(const std::vector<T>& from, int64_t row, int64_t width, std::vector<T>& to) {
  if (from.empty()) return;
  to.insert(to.end(), from.begin() + row * width, from.begin() + (row + 1) * width);
}

template <typename T>
void Append(std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// Trajectory `i`, whose actions begin at `action`.
Trajectories One(const Trajectories& from, int64_t i, int64_t action) {
  Trajectories one;
  one.lengths = {from.lengths[i]};
  for (int32_t k = 0; k < from.lengths[i]; ++k) {
    CopyRow(from.actions, action + k, 1, one.actions);
    CopyRow(from.log_pf, action + k, 1, one.log_pf);
    CopyRow(from.action_values, action + k, from.action_value_width, one.action_values);
  }
  one.action_value_width = from.action_value_width;
  CopyRow(from.prompts, i, 1, one.prompts);
  one.condition_width = from.condition_width;
  CopyRow(from.conditions, i, from.condition_width, one.conditions);
  CopyRow(from.objects, i, 1, one.objects);
  CopyRow(from.object_keys, i, 1, one.object_keys);
  CopyRow(from.state_keys, i, 1, one.state_keys);
  return one;
}

void Join(Trajectories from, Trajectories& to) {
  Append(from.lengths, to.lengths);
  Append(from.actions, to.actions);
  Append(from.log_pf, to.log_pf);
  to.action_value_width = from.action_value_width;
  Append(from.action_values, to.action_values);
  Append(from.prompts, to.prompts);
  to.condition_width = from.condition_width;
  Append(from.conditions, to.conditions);
  Append(from.objects, to.objects);
  Append(from.object_keys, to.object_keys);
  Append(from.state_keys, to.state_keys);
}

}  // namespace

absl::StatusOr<std::vector<v1::PendingTrajectory>> MakePendingTrajectories(
    const BatchHeader& header, const Trajectories& trajectories,
    std::span<const DeferredObject> deferred, absl::Time now) {
  std::vector<int64_t> begins(1, 0);
  for (const int32_t length : trajectories.lengths) begins.push_back(begins.back() + length);
  std::vector<v1::PendingTrajectory> pending;
  for (const DeferredObject& object : deferred) {
    EvaluatedTrajectories columns;
    columns.trajectories = One(trajectories, object.position, begins[object.position]);
    BatchHeader own = header;
    own.first_trajectory_number += static_cast<uint64_t>(object.position);
    auto encoded = EncodeTrajectories(columns, own);
    if (!encoded.ok()) return encoded.status();
    v1::PendingTrajectory& made = pending.emplace_back();
    *made.mutable_trajectory() = *std::move(encoded);
    made.set_ticket(object.ticket);
    made.set_since_micros(absl::ToUnixMicros(now));
    made.set_ask_again_micros(absl::ToUnixMicros(now + AskAgainAfter(object.retry_after, 0)));
  }
  return pending;
}

std::string PendingKey(const v1::PendingTrajectory& pending) {
  const v1::TrajectoryBatch& one = pending.trajectory();
  return absl::StrCat(BigEndian(one.sources().empty() ? 0 : one.sources(0).client_incarnation()),
                      BigEndian(one.trajectory_numbers().empty() ? 0 : one.trajectory_numbers(0)));
}

absl::StatusOr<Trajectories> JoinPending(std::span<const v1::PendingTrajectory* const> pending) {
  Trajectories all;
  for (const v1::PendingTrajectory* one : pending) {
    auto decoded = DecodeTrajectories(one->trajectory());
    if (!decoded.ok()) return absl::DataLossError(decoded.status().message());
    Join(std::move(decoded->columns.trajectories), all);
  }
  return all;
}

void RestoreProvenance(std::span<const v1::PendingTrajectory* const> pending,
                       v1::TrajectoryBatch& batch) {
  batch.clear_policy_generations();
  batch.clear_policy_versions();
  batch.clear_sources();
  batch.clear_source_index();
  batch.clear_trajectory_numbers();
  for (const v1::PendingTrajectory* one : pending) {
    const v1::TrajectoryBatch& from = one->trajectory();
    batch.mutable_policy_generations()->MergeFrom(from.policy_generations());
    batch.mutable_policy_versions()->MergeFrom(from.policy_versions());
    batch.mutable_trajectory_numbers()->MergeFrom(from.trajectory_numbers());
    int known = 0;
    while (known < batch.sources_size() &&
           batch.sources(known).client_incarnation() != from.sources(0).client_incarnation()) {
      ++known;
    }
    if (known == batch.sources_size()) *batch.add_sources() = from.sources(0);
    batch.add_source_index(static_cast<uint32_t>(known + 1));
  }
}

std::string BigEndian(uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift));
  return bytes;
}

bool FromBigEndian(absl::string_view bytes, uint64_t& number) {
  if (bytes.size() != 8) return false;
  number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return true;
}

}  // namespace anabranch
