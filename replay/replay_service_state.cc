// A replay service's state as bytes and back.
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "replay/replay_service.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

constexpr uint32_t kFormatVersion = 1;

}  // namespace

absl::StatusOr<std::string> ReplayService::Save() const {
  v1::ReplayState state;
  state.set_format_version(kFormatVersion);
  state.set_run_id(options_.run_id);
  state.set_environment_fingerprint(options_.environment_fingerprint);
  SavedChunks saved;
  tables_->Snapshot([&](std::span<const std::unique_ptr<ReplayTable>> tables) {
    for (const auto& table : tables) table->Save(saved, *state.add_tables());
    objects_.Save(*state.mutable_objects());
    for (v1::InsertWindowState& client : window_.Save()) {
      *state.add_clients() = std::move(client);
    }
    *state.mutable_layout() = agreement_.Save();
    state.set_acknowledged_trajectories(acknowledged_.load(std::memory_order_relaxed));
    absl::MutexLock lock(&groups_mu_);
    for (const auto& [name, group] : groups_) {
      v1::ConsumerGroupState& out = *state.add_consumer_groups();
      out.set_name(name);
      for (const std::string& table : group->tables) out.add_tables(table);
      absl::MutexLock group_lock(&group->mu);
      const std::vector<int64_t>& credits =
          group->mixture.has_value() ? group->mixture->credits() : group->restored_credits;
      out.mutable_credits()->Add(credits.begin(), credits.end());
    }
  });
  for (const ChunkRef& chunk : saved.chunks) *state.add_chunks() = chunk->batch();
  const size_t bytes = state.ByteSizeLong();
  if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the replay server's state takes ", bytes,
                     " bytes, more than the 2 GiB that a message holds; lower replay.max_objects "
                     "or the tables' max_bytes"));
  }
  return state.SerializeAsString();
}

absl::Status ReplayService::RestoreChunks(v1::ReplayState& state,
                                          std::vector<ChunkRef>& chunks) const {
  for (int i = 0; i < state.chunks_size(); ++i) {
    v1::TrajectoryBatch& batch = *state.mutable_chunks(i);
    BatchLayout layout;
    auto refusal = CheckIdentity(batch.run_id(), batch.environment_fingerprint());
    if (!refusal) refusal = CheckTrajectoryBatch(batch, /*require_rewards=*/true, &layout);
    if (refusal) {
      return absl::DataLossError(absl::StrCat("state of the replay server: stored batch ", i, ": ",
                                              RefusalStatus(*refusal).message()));
    }
    chunks.emplace_back(std::move(batch), std::move(layout));
  }
  return absl::OkStatus();
}

absl::Status ReplayService::Restore(absl::string_view bytes) {
  v1::ReplayState state;
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()) ||
      !state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("state of the replay server: can't be read");
  }
  if (state.format_version() != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("state of the replay server: has format ", state.format_version(),
                     ", this program reads format ", kFormatVersion));
  }
  if (auto refusal = CheckIdentity(state.run_id(), state.environment_fingerprint())) {
    return RefusalStatus(*refusal);
  }
  std::vector<ChunkRef> chunks;
  if (absl::Status status = RestoreChunks(state, chunks); !status.ok()) return status;
  const std::vector<const v1::ReplayTableState*> tables(state.tables().pointer_begin(),
                                                        state.tables().pointer_end());
  if (absl::Status status = tables_->Restore(tables, chunks); !status.ok()) return status;
  if (absl::Status status = objects_.Restore(state.objects()); !status.ok()) return status;
  const std::vector<const v1::InsertWindowState*> clients(state.clients().pointer_begin(),
                                                          state.clients().pointer_end());
  if (absl::Status status = window_.Restore(clients); !status.ok()) return status;
  agreement_.Restore(state.layout());
  acknowledged_.store(state.acknowledged_trajectories(), std::memory_order_relaxed);
  absl::MutexLock lock(&groups_mu_);
  for (const v1::ConsumerGroupState& from : state.consumer_groups()) {
    auto group = std::make_shared<ConsumerGroup>();
    group->tables.assign(from.tables().begin(), from.tables().end());
    absl::MutexLock group_lock(&group->mu);
    group->restored_credits.assign(from.credits().begin(), from.credits().end());
    groups_.emplace(from.name(), group);
  }
  return absl::OkStatus();
}

}  // namespace anabranch
