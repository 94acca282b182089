// An ordered map from bytes to bytes that outlives its process: what a role must not forget.
#ifndef ANABRANCH_RUNTIME_KEY_VALUE_STORE_H_
#define ANABRANCH_RUNTIME_KEY_VALUE_STORE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace anabranch {

// What Write does in one go: all of it or nothing. A key that is named twice keeps the last.
class KeyValueBatch {
 public:
  struct Change {
    std::string key;
    std::string value;
    bool deletes = false;
  };

  void Put(std::string key, std::string value) {
    changes_.push_back({std::move(key), std::move(value), false});
  }
  // A key that isn't there is no error.
  void Delete(std::string key) { changes_.push_back({std::move(key), "", true}); }
  bool empty() const { return changes_.empty(); }
  const std::vector<Change>& changes() const { return changes_; }

 private:
  std::vector<Change> changes_;
};

// Thread-safe. All calls may block for the disk. Errors name the store: RESOURCE_EXHAUSTED with
// reason DISK_FULL (what was there stays readable, and writing works again once there is space),
// DATA_LOSS for content that is damaged, UNAVAILABLE otherwise.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  // Whether there is such a key; `value` is replaced if so.
  virtual absl::StatusOr<bool> Get(absl::string_view key, std::string& value) = 0;
  // What `Get` says of each, in the order of `keys`; empty strings where there is none.
  virtual absl::Status GetMany(const std::vector<std::string>& keys,
                               std::vector<std::string>& values, std::vector<char>& found) = 0;
  // In one go. On return it outlives the process, with `sync` also the machine.
  virtual absl::Status Write(const KeyValueBatch& batch, bool sync) = 0;
  // All keys that begin with `prefix`, ascending, as of one moment, until `visit` says false.
  virtual absl::Status Scan(
      absl::string_view prefix,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) = 0;
};

// In memory: for who keeps nothing, and for tests.
std::unique_ptr<KeyValueStore> MakeMemoryStore();

// In a directory of its own, made if missing, by RocksDB. One process at a time:
// FAILED_PRECONDITION while another has it. DATA_LOSS for one that is damaged beyond its unwritten
// end. Errors name the directory.
absl::StatusOr<std::unique_ptr<KeyValueStore>> OpenStore(const std::string& directory);

}  // namespace anabranch

#endif  // ANABRANCH_RUNTIME_KEY_VALUE_STORE_H_
