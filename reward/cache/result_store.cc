#include "reward/cache/result_store.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace anabranch {
namespace {

constexpr int64_t kMostShards = 16;
constexpr int64_t kLeastEntriesOfAShard = 64;
constexpr int64_t kEntryOverhead = 160;  // Table slot, string and result themselves.

int64_t BytesOf(absl::string_view key, const ObjectResult& result) {
  return kEntryOverhead +
         static_cast<int64_t>(key.size() + result.valid.size() + result.reason.size() +
                              8 * (result.values.size() + result.standard_errors.size()));
}

}  // namespace

ResultKey::ResultKey(absl::string_view key) : bytes(key), hash(absl::HashOf(key)) {}

absl::Status ResultStoreOptions::Validate() const {
  if (max_entries < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_entries: is ", max_entries, "; give at least 2, or use no cache"));
  }
  if (max_bytes < 4096) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_bytes: is ", max_bytes, "; give at least 4096"));
  }
  return absl::OkStatus();
}

ResultStore::ResultStore(const ResultStoreOptions& options)
    : shards_count_(
          std::clamp(options.max_entries / kLeastEntriesOfAShard, int64_t{1}, kMostShards)),
      half_entries_(options.max_entries / shards_count_ / 2),
      half_bytes_(options.max_bytes / shards_count_ / 2),
      shards_(std::make_unique<Shard[]>(shards_count_)) {}

ResultStore::Shard& ResultStore::ShardOf(const ResultKey& key) {
  // Other bits than the tables' own.
  return shards_[(key.hash >> 32) % static_cast<uint64_t>(shards_count_)];
}

void ResultStore::Add(Shard& shard, Stored key, std::shared_ptr<const ObjectResult> result,
                      Generation& gone) {
  const int64_t bytes = BytesOf(key.bytes, *result);
  Generation& young = shard.young;
  if (static_cast<int64_t>(young.results.size()) >= half_entries_ ||
      young.bytes + bytes > half_bytes_) {
    const auto evicted = static_cast<int64_t>(shard.old.results.size());
    shard.evictions += evicted;
    if (evicted > 0) shard.forgotten = true;
    gone = std::exchange(shard.old, std::exchange(young, {}));
  }
  young.bytes += bytes;
  young.results.emplace(std::move(key), std::move(result));
}

std::shared_ptr<const ObjectResult> ResultStore::Find(const ResultKey& key) {
  Shard& shard = ShardOf(key);
  Generation gone;  // Freed after the lock: it is declared before it.
  absl::MutexLock lock(&shard.mu);
  if (const auto young = shard.young.results.find(key); young != shard.young.results.end()) {
    return young->second;
  }
  const auto old = shard.old.results.find(key);
  if (old == shard.old.results.end()) return nullptr;
  std::shared_ptr<const ObjectResult> result = old->second;
  shard.old.bytes -= BytesOf(key.bytes, *result);
  auto node = shard.old.results.extract(old);
  Add(shard, std::move(node.key()), result, gone);
  return result;
}

void ResultStore::Put(const ResultKey& key, std::shared_ptr<const ObjectResult> result) {
  const bool fits = BytesOf(key.bytes, *result) <= half_bytes_;
  Shard& shard = ShardOf(key);
  Generation gone;
  std::shared_ptr<const ObjectResult> replaced[2];
  absl::MutexLock lock(&shard.mu);
  Generation* generations[] = {&shard.young, &shard.old};
  for (int i = 0; i < 2; ++i) {
    const auto found = generations[i]->results.find(key);
    if (found == generations[i]->results.end()) continue;
    generations[i]->bytes -= BytesOf(key.bytes, *found->second);
    replaced[i] = std::move(found->second);
    generations[i]->results.erase(found);
  }
  if (fits) {
    Add(shard, {std::string(key.bytes), key.hash}, std::move(result), gone);
  } else {
    shard.forgotten = true;
  }
}

bool ResultStore::MayHaveForgotten(const ResultKey& key) {
  Shard& shard = ShardOf(key);
  absl::MutexLock lock(&shard.mu);
  return shard.forgotten;
}

ResultStore::Totals ResultStore::totals() const {
  Totals sum;
  for (int64_t i = 0; i < shards_count_; ++i) {
    const Shard& shard = shards_[i];
    absl::MutexLock lock(&shard.mu);
    sum.evictions += shard.evictions;
    sum.entries += static_cast<int64_t>(shard.young.results.size() + shard.old.results.size());
    sum.bytes += shard.young.bytes + shard.old.bytes;
  }
  return sum;
}

}  // namespace anabranch
