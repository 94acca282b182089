#include "replay/replay_service.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gflownet/environment/key.h"
#include "replay/batch_gather.h"
#include "runtime/refusal.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {
namespace {

// Object keys, where the sender left them to the receiver.
void FillObjectKeys(const BatchLayout& layout, v1::TrajectoryBatch& batch) {
  if (!batch.object_keys().empty() || layout.objects.empty()) return;
  const std::string_view objects = batch.object_data();
  for (int64_t i = 0; i < layout.size(); ++i) {
    const uint32_t begin = layout.objects[i], end = layout.objects[i + 1];
    batch.mutable_object_keys()->append(Key128::Of(objects.substr(begin, end - begin)).ToBytes());
  }
}

std::optional<v1::Refusal> CheckPriorities(absl::string_view field,
                                           std::span<const double> priorities, int64_t rows) {
  if (!priorities.empty() && static_cast<int64_t>(priorities.size()) != rows) {
    return Refuse(kReasonWrongLength, field, std::nullopt,
                  absl::StrCat("has ", priorities.size(), " entries, expected ", rows,
                               " (one per trajectory)"));
  }
  for (size_t i = 0; i < priorities.size(); ++i) {
    if (!std::isfinite(priorities[i]) || priorities[i] < 0) {
      return Refuse(
          kReasonOutOfRange, field, i,
          absl::StrCat("is ", priorities[i], "; a finite number of at least 0 is needed"));
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReplayService>> ReplayService::Create(ReplayServiceOptions options) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  auto tables = TableSet::Create(options.tables, options.seed,
                                 /*lease_base=*/options.server_incarnation);
  if (!tables.ok()) return tables.status();
  return std::unique_ptr<ReplayService>(new ReplayService(std::move(options), *std::move(tables)));
}

std::optional<v1::Refusal> ReplayService::CheckIdentity(
    absl::string_view run_id, absl::string_view environment_fingerprint) const {
  if (run_id != options_.run_id) {
    return RefuseMismatch(kReasonRunMismatch, "run_id", run_id, options_.run_id);
  }
  if (environment_fingerprint != options_.environment_fingerprint) {
    return RefuseMismatch(kReasonEnvironmentMismatch, "environment_fingerprint",
                          environment_fingerprint, options_.environment_fingerprint);
  }
  return std::nullopt;
}

absl::Status ReplayService::CheckHandshake(const v1::Handshake& handshake) const {
  const auto refusal = CheckIdentity(handshake.run_id(), handshake.environment_fingerprint());
  return refusal.has_value() ? RefusalStatus(*refusal) : absl::OkStatus();
}

std::optional<v1::Refusal> ReplayService::ResolveTargets(const v1::InsertBatch& batch,
                                                         std::vector<TableTarget>& targets) const {
  if (batch.tables().empty()) {
    for (int32_t table = 0; table < tables_->size(); ++table) targets.push_back({table, {}});
    return std::nullopt;
  }
  for (int i = 0; i < batch.tables_size(); ++i) {
    const v1::TableInsert& insert = batch.tables(i);
    const int32_t table = tables_->Find(insert.table());
    if (table < 0) {
      return Refuse(kReasonUnknownTable, "tables", i,
                    absl::StrCat("there is no table \"", insert.table(), "\""));
    }
    if (std::any_of(targets.begin(), targets.end(),
                    [table](const TableTarget& t) { return t.table == table; })) {
      return Refuse(kReasonOutOfRange, "tables", i,
                    absl::StrCat("table \"", insert.table(), "\" is named twice"));
    }
    const std::span<const double> priorities(insert.priorities().data(),
                                             insert.priorities().size());
    if (auto refusal = CheckPriorities(absl::StrCat("tables[", i, "].priorities"), priorities,
                                       batch.batch().lengths_size())) {
      return refusal;
    }
    targets.push_back({table, priorities});
  }
  return std::nullopt;
}

std::optional<v1::Refusal> ReplayService::Admit(v1::InsertBatch& batch, ChunkRef& chunk,
                                                std::vector<TableTarget>& targets) {
  v1::TrajectoryBatch& trajectories = *batch.mutable_batch();
  if (auto refusal = CheckIdentity(trajectories.run_id(), trajectories.environment_fingerprint())) {
    return refusal;
  }
  if (auto refusal = ResolveTargets(batch, targets)) return refusal;
  BatchLayout layout;
  if (auto refusal = CheckTrajectoryBatch(trajectories, /*require_rewards=*/true, &layout)) {
    return refusal;
  }
  const std::string& shaping = trajectories.reward_shaping_hash();
  if (!shaping.empty() && !options_.reward_shaping_hash.empty() &&
      shaping != options_.reward_shaping_hash) {
    return RefuseMismatch(kReasonLayoutMismatch, "reward_shaping_hash", shaping,
                          options_.reward_shaping_hash);
  }
  FillObjectKeys(layout, trajectories);
  ChunkRef made(std::move(trajectories), std::move(layout));
  if (absl::Status status = tables_->CheckFits(*made, targets); !status.ok()) {
    return Refuse(kReasonTooLarge, "batch", std::nullopt, std::string(status.message()));
  }
  if (auto refusal = agreement_.Join(made->batch())) return refusal;
  chunk = std::move(made);
  return std::nullopt;
}

absl::StatusOr<v1::InsertAcknowledgement> ReplayService::Insert(uint64_t client_incarnation,
                                                                v1::InsertBatch batch,
                                                                absl::Time deadline,
                                                                const CancelToken* token) {
  v1::InsertAcknowledgement answer;
  answer.set_sequence(batch.sequence());
  const auto refuse = [&answer](v1::Refusal refusal) {
    answer.set_result(v1::INSERT_RESULT_REFUSED);
    *answer.mutable_refusal() = std::move(refusal);
    return answer;
  };
  if (batch.sequence() == 0) {
    return refuse(Refuse(kReasonOutOfRange, "sequence", {}, "is 0; batches are counted from 1"));
  }
  const int64_t rows = batch.batch().lengths_size();
  std::vector<TableTarget> targets;
  switch (window_.Begin(client_incarnation, batch.sequence())) {
    case InsertWindow::Outcome::kDuplicate:
      if (!ResolveTargets(batch, targets)) tables_->CountDuplicates(targets, rows);
      answer.set_result(v1::INSERT_RESULT_DUPLICATE);
      return answer;
    case InsertWindow::Outcome::kInProgress:
      return absl::AbortedError(absl::StrCat("sequence ", batch.sequence(),
                                             " is being inserted by another call; ask again"));
    case InsertWindow::Outcome::kNew:
      break;
  }
  absl::Cleanup abandon = [&] { window_.Abandon(client_incarnation, batch.sequence()); };
  ChunkRef chunk;
  if (auto refusal = Admit(batch, chunk, targets)) return refuse(*std::move(refusal));
  if (absl::Status status = tables_->Insert(chunk, targets, deadline, token); !status.ok()) {
    return status;
  }
  std::move(abandon).Cancel();
  objects_.Add(*chunk, options_.clock ? options_.clock() : absl::InfinitePast());
  window_.Commit(client_incarnation, batch.sequence());
  acknowledged_.fetch_add(rows, std::memory_order_relaxed);
  tables_->FinishInsert();
  answer.set_result(v1::INSERT_RESULT_INSERTED);
  return answer;
}

absl::StatusOr<v1::SampledBatch> ReplayService::SampleMixture(
    ConsumerGroup& group, std::span<const int32_t> tables, int64_t count,
    absl::FunctionRef<absl::Status(std::span<const TableDraw>, SampledRows&)> draw) {
  std::vector<int64_t> counts;
  {
    absl::MutexLock lock(&group.mu);
    counts = group.mixture->Next(count);
  }
  std::vector<TableDraw> draws;
  for (size_t i = 0; i < counts.size(); ++i) draws.push_back({tables[i], counts[i]});
  SampledRows rows;
  rows.Reserve(count);
  if (absl::Status status = draw(draws, rows); !status.ok()) {
    absl::MutexLock lock(&group.mu);
    group.mixture->Undo(count, counts);
    return status;
  }
  v1::SampledBatch sampled;
  *sampled.mutable_batch() = GatherBatch(rows);
  sampled.mutable_item_keys()->Add(rows.keys.begin(), rows.keys.end());
  sampled.mutable_probabilities()->Add(rows.probabilities.begin(), rows.probabilities.end());
  sampled.mutable_times_sampled()->Add(rows.times_sampled.begin(), rows.times_sampled.end());
  if (counts.size() > 1) {
    sampled.mutable_table_index()->Add(rows.table_index.begin(), rows.table_index.end());
  }
  if (std::any_of(tables.begin(), tables.end(),
                  [this](int32_t table) { return tables_->uses_priorities(table); })) {
    sampled.mutable_priorities()->Add(rows.priorities.begin(), rows.priorities.end());
  }
  return sampled;
}

absl::StatusOr<v1::SampledBatch> ReplayService::Sample(ConsumerGroup& group,
                                                       std::span<const int32_t> tables,
                                                       int64_t count, absl::Time deadline,
                                                       const CancelToken* token) {
  const auto draw = [&](std::span<const TableDraw> draws, SampledRows& rows) {
    return tables_->Sample(draws, deadline, rows, token);
  };
  return SampleMixture(group, tables, count, draw);
}

absl::StatusOr<v1::SampledBatch> ReplayService::SampleLeased(ConsumerGroup& group,
                                                             std::span<const int32_t> tables,
                                                             int64_t count, absl::Time deadline,
                                                             absl::Duration lease_timeout,
                                                             const CancelToken* token) {
  uint64_t lease_id = 0;
  const auto draw = [&](std::span<const TableDraw> draws, SampledRows& rows) {
    return tables_->SampleLeased(draws, deadline, lease_timeout, rows, lease_id, token);
  };
  auto sampled = SampleMixture(group, tables, count, draw);
  if (sampled.ok()) sampled->set_lease_id(lease_id);
  return sampled;
}

absl::StatusOr<v1::QueryObjectsResponse> ReplayService::QueryObjects(
    const v1::QueryObjectsRequest& request) {
  if (absl::Status status = CheckHandshake(request.handshake()); !status.ok()) return status;
  if (request.include_item_keys()) {
    return absl::UnimplementedError(
        "include_item_keys: this server doesn't keep which trajectories led to an object");
  }
  const uint64_t limit = request.limit() == 0 ? kMaxPage : std::min(request.limit(), kMaxPage);
  auto page = objects_.Query(request.query(), limit, request.cursor());
  if (!page.ok()) return page;
  page->mutable_objects()->set_run_id(options_.run_id);
  page->mutable_objects()->set_environment_fingerprint(options_.environment_fingerprint);
  return page;
}

absl::StatusOr<v1::UpdatePrioritiesResponse> ReplayService::UpdatePriorities(
    const v1::UpdatePrioritiesRequest& request) {
  if (absl::Status status = CheckHandshake(request.handshake()); !status.ok()) return status;
  const int32_t table = tables_->Find(request.table());
  if (table < 0) {
    return absl::NotFoundError(
        absl::StrCat("table: there is none named \"", request.table(), "\""));
  }
  const std::span<const double> priorities(request.priorities().data(),
                                           request.priorities().size());
  if (priorities.empty() && !request.item_keys().empty()) {
    return absl::InvalidArgumentError("priorities: is empty, though item_keys are given");
  }
  if (auto refusal = CheckPriorities("priorities", priorities, request.item_keys_size())) {
    return RefusalStatus(*refusal);
  }
  if (!tables_->uses_priorities(table)) {
    return absl::FailedPreconditionError(
        absl::StrCat("table \"", request.table(), "\" has the selector ",
                     SelectorName(tables_->options(table).selector), ", which has no priorities"));
  }
  const std::span<const uint64_t> keys(request.item_keys().data(), request.item_keys().size());
  const int64_t updated = tables_->UpdatePriorities(table, keys, priorities);
  v1::UpdatePrioritiesResponse out;
  out.set_updated(updated);
  out.set_missing(request.item_keys_size() - updated);
  return out;
}

v1::TableInfo ReplayService::InfoOf(int32_t table) const {
  const ReplayTableOptions& options = tables_->options(table);
  const TableSet::Info info = tables_->GetInfo(table);
  const ReplayTableStats& stats = info.stats;
  v1::TableInfo out;
  out.set_name(options.name);
  out.set_selector(std::string(SelectorName(options.selector)));
  out.set_items(stats.items);
  out.set_bytes(stats.bytes);
  out.set_max_items(options.max_items);
  out.set_max_bytes(options.max_bytes);
  out.set_inserts(stats.inserts);
  out.set_samples(stats.samples);
  out.set_duplicates(stats.duplicates);
  out.set_leased(stats.leased);
  const std::pair<v1::EvictionReason, int64_t> evictions[] = {
      {v1::EVICTION_REASON_MAX_ITEMS, stats.evicted_for_items},
      {v1::EVICTION_REASON_MAX_BYTES, stats.evicted_for_bytes},
      {v1::EVICTION_REASON_MAX_TIMES_SAMPLED, stats.used_up}};
  for (const auto& [reason, items] : evictions) {
    v1::EvictionCount& count = *out.add_evictions();
    count.set_reason(reason);
    count.set_items(items);
  }
  if (stats.inserts > 0) {
    out.set_samples_per_insert(static_cast<double>(stats.samples) /
                               static_cast<double>(stats.inserts));
  }
  out.set_target_samples_per_insert(options.pacing.samples_per_insert);
  out.set_insert_blocked_share(info.inserts_blocked.share_of_last_minute);
  out.set_sample_blocked_share(info.samples_blocked.share_of_last_minute);
  out.set_insert_blocked_seconds(absl::ToDoubleSeconds(info.inserts_blocked.total));
  out.set_sample_blocked_seconds(absl::ToDoubleSeconds(info.samples_blocked.total));
  return out;
}

absl::StatusOr<v1::GetInfoResponse> ReplayService::GetInfo(const v1::GetInfoRequest& request) {
  if (!request.handshake().run_id().empty()) {
    if (absl::Status status = CheckHandshake(request.handshake()); !status.ok()) return status;
  }
  v1::GetInfoResponse out;
  out.set_run_id(options_.run_id);
  out.set_environment_fingerprint(options_.environment_fingerprint);
  out.set_server_incarnation(options_.server_incarnation);
  for (int32_t table = 0; table < tables_->size(); ++table) *out.add_tables() = InfoOf(table);
  out.set_objects(objects_.size());
  out.set_acknowledged_trajectories(acknowledged_.load(std::memory_order_relaxed));
  out.set_shards(1);
  return out;
}

}  // namespace anabranch
