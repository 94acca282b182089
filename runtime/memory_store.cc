#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "runtime/key_value_store.h"

namespace anabranch {
namespace {

class MemoryStore final : public KeyValueStore {
 public:
  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    absl::ReaderMutexLock lock(&mu_);
    return Find(key, value);
  }

  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override {
    values.assign(keys.size(), "");
    found.assign(keys.size(), 0);
    absl::ReaderMutexLock lock(&mu_);
    for (size_t i = 0; i < keys.size(); ++i) found[i] = Find(keys[i], values[i]) ? 1 : 0;
    return absl::OkStatus();
  }

  absl::Status Write(const KeyValueBatch& batch, bool) override {
    absl::MutexLock lock(&mu_);
    for (const KeyValueBatch::Change& change : batch.changes()) {
      if (change.deletes) {
        entries_.erase(change.key);
      } else {
        entries_[change.key] = change.value;
      }
    }
    return absl::OkStatus();
  }

  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override {
    std::map<std::string, std::string, std::less<>> seen;
    {
      absl::ReaderMutexLock lock(&mu_);
      for (auto at = entries_.lower_bound(prefix);
           at != entries_.end() && absl::StartsWith(at->first, prefix); ++at) {
        seen.insert(*at);
      }
    }
    for (const auto& [key, value] : seen) {
      if (!visit(key, value)) break;
    }
    return absl::OkStatus();
  }

 private:
  bool Find(absl::string_view key, std::string& value) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const auto at = entries_.find(key);
    if (at == entries_.end()) return false;
    value = at->second;
    return true;
  }

  absl::Mutex mu_;
  std::map<std::string, std::string, std::less<>> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<KeyValueStore> MakeMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace anabranch
