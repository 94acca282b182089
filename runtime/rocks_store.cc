#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/key_value_store.h"

namespace anabranch {
namespace {

// Small next to what a role needs otherwise: indexes and hot blocks, and what isn't flushed yet.
constexpr size_t kBlockCacheBytes = size_t{32} << 20;
constexpr size_t kWriteBufferBytes = size_t{16} << 20;
constexpr double kBloomBitsPerKey = 10;

rocksdb::Slice SliceOf(absl::string_view text) { return {text.data(), text.size()}; }

absl::string_view ViewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::Options Options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.keep_log_file_num = 2;
  options.max_open_files = 256;
  // A tail that a crash left half written is cut off; damage before it is an error.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksStore final : public KeyValueStore {
 public:
  RocksStore(std::unique_ptr<rocksdb::DB> db, std::string directory)
      : db_(std::move(db)), directory_(std::move(directory)) {}

  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    const rocksdb::Status status = db_->Get({}, SliceOf(key), &value);
    if (status.ok()) return true;
    if (status.IsNotFound()) return false;
    return ToStatus(status, "reading");
  }

  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override {
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    const std::vector<rocksdb::Status> states = db_->MultiGet({}, slices, &values);
    found.assign(keys.size(), 0);
    for (size_t i = 0; i < keys.size(); ++i) {
      if (states[i].ok()) {
        found[i] = 1;
      } else if (!states[i].IsNotFound()) {
        return ToStatus(states[i], "reading");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Write(const KeyValueBatch& batch, bool sync) override {
    rocksdb::WriteBatch writes;
    for (const KeyValueBatch::Change& change : batch.changes()) {
      const rocksdb::Status status =
          change.deletes ? writes.Delete(change.key) : writes.Put(change.key, change.value);
      if (!status.ok()) return ToStatus(status, "writing");
    }
    rocksdb::WriteOptions options;
    options.sync = sync;
    const rocksdb::Status status = db_->Write(options, &writes);
    if (status.ok()) return absl::OkStatus();
    if (status.IsNoSpace() || status.severity() >= rocksdb::Status::kHardError) {
      db_->Resume().PermitUncheckedError();  // So that the next try finds out what it can do.
    }
    return ToStatus(status, "writing");
  }

  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek(SliceOf(prefix)); at->Valid() && at->key().starts_with(SliceOf(prefix));
         at->Next()) {
      if (!visit(ViewOf(at->key()), ViewOf(at->value()))) break;
    }
    return ToStatus(at->status(), "reading");
  }

 private:
  absl::Status ToStatus(const rocksdb::Status& status, absl::string_view doing) const;

  const std::unique_ptr<rocksdb::DB> db_;
  const std::string directory_;
};

absl::Status StoreStatus(const rocksdb::Status& status, absl::string_view doing,
                         const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(doing, " ", directory, ": ", status.ToString());
  if (status.IsNoSpace()) {
    return WithReason(absl::ResourceExhaustedError(message), kReasonDiskFull);
  }
  if (status.IsCorruption()) return absl::DataLossError(message);
  return absl::UnavailableError(message);
}

absl::Status RocksStore::ToStatus(const rocksdb::Status& status, absl::string_view doing) const {
  return StoreStatus(status, doing, directory_);
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyValueStore>> OpenStore(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("making ", directory, ": ", error.message()));
  }
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(Options(), directory, &db);
  if (status.ok()) return std::make_unique<RocksStore>(std::unique_ptr<rocksdb::DB>(db), directory);
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " is in use by another process: ", status.ToString()));
  }
  return StoreStatus(status, "opening", directory);
}

}  // namespace anabranch
