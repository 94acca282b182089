// Results that outlive the process.
#ifndef ANABRANCH_REWARD_CACHE_RESULT_DISK_H_
#define ANABRANCH_REWARD_CACHE_RESULT_DISK_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "reward/cache/result_store.h"
#include "runtime/key_value_store.h"
#include "runtime/log.h"

namespace anabranch {

// The start of an oracle's keys of some kind in a store; no two oracles' begin alike.
std::string DiskPrefix(absl::string_view kind, absl::string_view oracle);

// A disk that fails, or content that is damaged, is never an error: it is warned of once for each
// time that it begins, and results are as if they weren't there. Thread-safe; blocks for the disk.
// Store (null keeps nothing) and log outlive it.
class ResultDisk {
 public:
  struct Entry {
    ResultKey key;
    std::shared_ptr<const ObjectResult> result;
  };

  ResultDisk(std::string oracle, KeyValueStore* store, Log& log);

  // Whether an earlier process has left any. What the store says.
  absl::Status Load();
  bool keeps() const { return store_ != nullptr; }
  // Whether there is anything that this process didn't put there itself.
  bool has_earlier() const { return has_earlier_; }
  // Null where there is none.
  std::vector<std::shared_ptr<const ObjectResult>> Find(std::span<const ResultKey> keys);
  // All of them or none. On return they outlive the process.
  void Put(std::span<const Entry> entries);

 private:
  std::string DiskKey(const ResultKey& key) const { return prefix_ + std::string(key.bytes); }
  void Tell(const absl::Status& status, absl::string_view what);

  const std::string prefix_;
  const std::string oracle_;
  KeyValueStore* const store_;
  Log& log_;
  bool has_earlier_ = false;  // Changes in Load only.
  std::atomic<bool> failing_ = false;
};

}  // namespace anabranch

#endif  // ANABRANCH_REWARD_CACHE_RESULT_DISK_H_
