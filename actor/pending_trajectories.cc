#include "actor/pending_trajectories.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "actor/pending_record.h"

namespace anabranch {
namespace {

constexpr uint32_t kFormatVersion = 1;
constexpr char kIdentityKey[] = "identity";
constexpr char kSequenceKey[] = "sequence";
constexpr char kTrajectoryPrefix[] = "t/";
constexpr char kBatchPrefix[] = "b/";

std::string BatchKey(uint64_t sequence) { return absl::StrCat(kBatchPrefix, BigEndian(sequence)); }

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the state directory's ", what,
                                          " can't be read; restore it, or give another directory"));
}

absl::Status Foreign(absl::string_view what, absl::string_view theirs, absl::string_view ours) {
  return absl::FailedPreconditionError(
      absl::StrCat("the state directory holds pending trajectories of ", what, " '", theirs,
                   "', this actor works with '", ours,
                   "'; give it a directory of its own, or delete that one and lose them"));
}

absl::Status CheckIdentity(const v1::PendingIdentity& found, const PendingOptions& options) {
  if (found.format_version() > kFormatVersion) {
    return Foreign("format_version", absl::StrCat(found.format_version()),
                   absl::StrCat(kFormatVersion));
  }
  if (found.run_id() != options.run_id) return Foreign("run_id", found.run_id(), options.run_id);
  if (found.environment_fingerprint() != options.environment_fingerprint) {
    return Foreign("environment_fingerprint", found.environment_fingerprint(),
                   options.environment_fingerprint);
  }
  if (found.reward_shaping_hash() != options.reward_shaping_hash) {
    return Foreign("reward_shaping_hash", found.reward_shaping_hash(), options.reward_shaping_hash);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PendingTrajectories>> PendingTrajectories::Open(
    KeyValueStore& store, PendingOptions options) {
  if (options.fresh_incarnation == 0 || options.run_id.empty()) {
    return absl::InvalidArgumentError("pending trajectories need a run_id and an incarnation");
  }
  auto pending = absl::WrapUnique(new PendingTrajectories(store, std::move(options)));
  if (absl::Status status = pending->Load(); !status.ok()) return status;
  return pending;
}

absl::Status PendingTrajectories::Load() {
  absl::Status broken;
  absl::Status status = store_.Scan(kTrajectoryPrefix, [&](auto key, auto value) {
    broken = LoadTrajectory(key, value);
    return broken.ok();
  });
  if (status.ok() && broken.ok()) {
    status = store_.Scan(kBatchPrefix, [&](auto, auto value) {
      broken = LoadBatch(value);
      return broken.ok();
    });
  }
  if (!status.ok()) return status;
  bool in_use;
  {
    absl::MutexLock lock(&mu_);
    in_use = !since_.empty() || !batches_.empty();
  }
  // The identity first: what another version or run wrote needn't be readable here.
  if (status = TakeIdentity(in_use || !broken.ok()); !status.ok()) return status;
  return broken;
}

absl::Status PendingTrajectories::LoadTrajectory(absl::string_view key, absl::string_view value) {
  v1::PendingTrajectory content;
  const bool parsed = content.ParseFromArray(value.data(), static_cast<int>(value.size()));
  if (!parsed || content.trajectory().lengths_size() != 1 ||
      content.trajectory().sources_size() != 1) {
    return Damaged("pending trajectory");
  }
  absl::MutexLock lock(&mu_);
  Insert(std::string(key), content);
  return absl::OkStatus();
}

absl::Status PendingTrajectories::LoadBatch(absl::string_view value) {
  v1::InsertBatch batch;
  if (!batch.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Damaged("batch of answered trajectories");
  }
  absl::MutexLock lock(&mu_);
  batches_[batch.sequence()] = batch.batch().lengths_size();
  return absl::OkStatus();
}

absl::Status PendingTrajectories::TakeIdentity(bool in_use) {
  std::string bytes, sequence;
  auto found = store_.Get(kIdentityKey, bytes);
  if (!found.ok()) return found.status();
  if (*found && !identity_.ParseFromString(bytes)) return Damaged("identity");
  if (in_use && !*found) return Damaged("identity");
  const absl::Status same = CheckIdentity(identity_, options_);
  if (*found && same.ok()) {
    found = store_.Get(kSequenceKey, sequence);
    if (!found.ok()) return found.status();
    absl::MutexLock lock(&mu_);
    if (*found && !FromBigEndian(sequence, last_sequence_)) return Damaged("sequence");
    return absl::OkStatus();
  }
  if (in_use) return same;
  identity_.set_format_version(kFormatVersion);
  identity_.set_run_id(options_.run_id);
  identity_.set_environment_fingerprint(options_.environment_fingerprint);
  identity_.set_reward_shaping_hash(options_.reward_shaping_hash);
  identity_.set_client_incarnation(options_.fresh_incarnation);
  KeyValueBatch batch;
  batch.Put(kIdentityKey, identity_.SerializeAsString());
  batch.Delete(kSequenceKey);
  return store_.Write(batch, /*sync=*/true);
}

void PendingTrajectories::Insert(const std::string& key, const v1::PendingTrajectory& content) {
  if (since_.try_emplace(key, absl::FromUnixMicros(content.since_micros())).second) {
    size_.fetch_add(1, std::memory_order_relaxed);
  }
  due_.emplace(absl::FromUnixMicros(content.ask_again_micros()), key);
  changed_.SignalAll();
}

absl::Status PendingTrajectories::Add(const BatchHeader& header, const Trajectories& trajectories,
                                      std::span<const DeferredObject> deferred, absl::Time now) {
  auto contents = MakePendingTrajectories(header, trajectories, deferred, now);
  if (!contents.ok()) return contents.status();
  std::vector<std::string> keys;
  KeyValueBatch batch;
  for (const v1::PendingTrajectory& content : *contents) {
    keys.push_back(absl::StrCat(kTrajectoryPrefix, PendingKey(content)));
    batch.Put(keys.back(), content.SerializeAsString());
  }
  if (absl::Status status = store_.Write(batch, /*sync=*/true); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  for (size_t i = 0; i < keys.size(); ++i) Insert(keys[i], (*contents)[i]);
  return absl::OkStatus();
}

std::vector<std::string> PendingTrajectories::AwaitDue(int64_t max) {
  std::vector<std::string> keys;
  absl::MutexLock lock(&mu_);
  while (!closed_ && (due_.empty() || due_.begin()->first > absl::Now())) {
    const absl::Time until = due_.empty() ? absl::InfiniteFuture() : due_.begin()->first;
    changed_.WaitWithDeadline(&mu_, until);
  }
  const absl::Time now = absl::Now();
  while (!closed_ && !due_.empty() && due_.begin()->first <= now &&
         static_cast<int64_t>(keys.size()) < max) {
    keys.push_back(due_.begin()->second);
    due_.erase(due_.begin());
  }
  return keys;
}

absl::StatusOr<std::vector<PendingRecord>> PendingTrajectories::TakeDue(int64_t max) {
  std::vector<PendingRecord> records;
  const std::vector<std::string> keys = AwaitDue(max);
  if (keys.empty()) return records;
  std::vector<std::string> values;
  std::vector<char> found;
  if (absl::Status status = store_.GetMany(keys, values, found); !status.ok()) {
    absl::MutexLock lock(&mu_);
    for (const std::string& key : keys) due_.emplace(absl::Now(), key);
    return status;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    PendingRecord& record = records.emplace_back();
    record.key = keys[i];
    if (found[i] == 0 || !record.content.ParseFromString(values[i])) {
      return Damaged("pending trajectory");
    }
  }
  return records;
}

absl::Status PendingTrajectories::Postpone(std::span<const PendingRecord> records) {
  if (records.empty()) return absl::OkStatus();
  KeyValueBatch batch;
  for (const PendingRecord& record : records) {
    batch.Put(record.key, record.content.SerializeAsString());
  }
  if (absl::Status status = store_.Write(batch, /*sync=*/false); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  for (const PendingRecord& record : records) Insert(record.key, record.content);
  return absl::OkStatus();
}

absl::Status PendingTrajectories::Compose(std::span<const std::string> keys,
                                          v1::TrajectoryBatch batch) {
  if (keys.empty()) return absl::OkStatus();
  v1::InsertBatch insert;
  {
    absl::MutexLock lock(&mu_);
    insert.set_sequence(last_sequence_ + 1);
  }
  const int64_t trajectories = batch.lengths_size();
  *insert.mutable_batch() = std::move(batch);
  KeyValueBatch changes;
  for (const std::string& key : keys) changes.Delete(key);
  if (trajectories > 0) {
    changes.Put(BatchKey(insert.sequence()), insert.SerializeAsString());
    changes.Put(kSequenceKey, BigEndian(insert.sequence()));
  }
  // Synced: were it forgotten after replay has the batch, its sequence would name another one.
  if (absl::Status status = store_.Write(changes, /*sync=*/true); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  for (const std::string& key : keys) size_.fetch_sub(static_cast<int64_t>(since_.erase(key)));
  if (trajectories > 0) {
    last_sequence_ = insert.sequence();
    batches_[last_sequence_] = trajectories;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::InsertBatch>> PendingTrajectories::OldestBatch() {
  uint64_t sequence;
  {
    absl::MutexLock lock(&mu_);
    if (batches_.empty()) return std::optional<v1::InsertBatch>();
    sequence = batches_.begin()->first;
  }
  std::string bytes;
  v1::InsertBatch batch;
  const auto found = store_.Get(BatchKey(sequence), bytes);
  if (!found.ok()) return found.status();
  if (!*found || !batch.ParseFromString(bytes)) return Damaged("batch of answered trajectories");
  return std::optional<v1::InsertBatch>(std::move(batch));
}

absl::Status PendingTrajectories::Acknowledged(uint64_t sequence) {
  KeyValueBatch changes;
  changes.Delete(BatchKey(sequence));
  // Not synced: one that comes back is sent again, and recognised.
  if (absl::Status status = store_.Write(changes, /*sync=*/false); !status.ok()) return status;
  absl::MutexLock lock(&mu_);
  batches_.erase(sequence);
  return absl::OkStatus();
}

void PendingTrajectories::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
  changed_.SignalAll();
}

int64_t PendingTrajectories::unacknowledged() const {
  absl::MutexLock lock(&mu_);
  int64_t sum = 0;
  for (const auto& [sequence, trajectories] : batches_) sum += trajectories;
  return sum;
}

absl::Time PendingTrajectories::oldest() const {
  absl::Time oldest = absl::InfiniteFuture();
  absl::MutexLock lock(&mu_);
  for (const auto& [key, since] : since_) oldest = std::min(oldest, since);
  return oldest;
}

}  // namespace anabranch
