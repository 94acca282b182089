#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstdarg>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "runtime/error_reason.h"
#include "runtime/key_value_store.h"

namespace anabranch {
namespace {

// Small next to what a role needs otherwise: indexes and hot blocks, and what isn't flushed yet.
constexpr size_t kBlockCacheBytes = size_t{32} << 20;
constexpr size_t kWriteBufferBytes = size_t{16} << 20;
// A full disk is written to again when there is room for a log and what is flushed of the last one.
constexpr size_t kSpaceToGoOn = 3 * kWriteBufferBytes;
constexpr double kBloomBitsPerKey = 10;

rocksdb::Slice SliceOf(absl::string_view text) { return {text.data(), text.size()}; }

absl::string_view ViewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// RocksDB's own account of its doings would stand beside the data and, on a full disk, end the
// process where it is built with assertions: what matters comes back as a status.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options Options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.info_log = std::make_shared<NoLog>();
  options.max_open_files = 256;
  // A tail that a crash left half written is cut off; damage before it is an error.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

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

// RocksDB writes no more after a write that failed, whatever became of its cause: it is opened
// again then, by the next writer that finds nobody else at it.
class RocksStore final : public KeyValueStore {
 public:
  RocksStore(std::unique_ptr<rocksdb::DB> db, std::string directory)
      : directory_(std::move(directory)), db_(std::move(db)) {}

  absl::StatusOr<bool> Get(absl::string_view key, std::string& value) override {
    const std::shared_ptr<rocksdb::DB> db = Readable();
    if (db == nullptr) return Failure();
    const rocksdb::Status status = db->Get({}, SliceOf(key), &value);
    if (status.ok()) return true;
    if (status.IsNotFound()) return false;
    return StoreStatus(status, "reading", directory_);
  }

  absl::Status GetMany(const std::vector<std::string>& keys, std::vector<std::string>& values,
                       std::vector<char>& found) override;
  absl::Status Write(const KeyValueBatch& batch, bool sync) override;
  absl::Status Scan(absl::string_view prefix,
                    absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) override;

 private:
  std::shared_ptr<rocksdb::DB> Readable() const {
    absl::MutexLock lock(&mu_);
    return db_;
  }
  absl::Status Failure() const {
    absl::MutexLock lock(&mu_);
    return failure_;
  }
  // Null where the last write failed and there is no going on yet.
  std::shared_ptr<rocksdb::DB> Writable();
  bool HasSpace() const;
  void Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string directory_;
  mutable absl::Mutex mu_;  // Held while the disk works in Reopen only, when nobody can go on.
  std::shared_ptr<rocksdb::DB> db_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);  // Of the last write, OK where it didn't fail.
};

absl::Status RocksStore::GetMany(const std::vector<std::string>& keys,
                                 std::vector<std::string>& values, std::vector<char>& found) {
  const std::shared_ptr<rocksdb::DB> db = Readable();
  if (db == nullptr) return Failure();
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  values.assign(keys.size(), "");
  const std::vector<rocksdb::Status> states = db->MultiGet({}, slices, &values);
  found.assign(keys.size(), 0);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (states[i].ok()) {
      found[i] = 1;
    } else if (!states[i].IsNotFound()) {
      return StoreStatus(states[i], "reading", directory_);
    }
  }
  return absl::OkStatus();
}

bool RocksStore::HasSpace() const {
  std::error_code error;
  const auto space = std::filesystem::space(directory_, error);
  return !error && space.available >= kSpaceToGoOn;
}

void RocksStore::Reopen() {
  db_ = nullptr;  // Closes it.
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(Options(), directory_, &db);
  if (status.ok()) {
    failure_ = absl::OkStatus();
  } else {
    failure_ = StoreStatus(status, "opening again", directory_);
    status = rocksdb::DB::OpenForReadOnly(Options(), directory_, &db);
  }
  if (status.ok()) db_.reset(db);
}

std::shared_ptr<rocksdb::DB> RocksStore::Writable() {
  absl::MutexLock lock(&mu_);
  if (failure_.ok()) return db_;
  const bool used = db_ != nullptr && db_.use_count() > 1;
  const bool full = ReasonOf(failure_) == kReasonDiskFull;
  if (used || (full && !HasSpace())) return nullptr;
  Reopen();
  return failure_.ok() ? db_ : nullptr;
}

absl::Status RocksStore::Write(const KeyValueBatch& batch, bool sync) {
  rocksdb::WriteBatch writes;
  for (const KeyValueBatch::Change& change : batch.changes()) {
    const rocksdb::Status status =
        change.deletes ? writes.Delete(change.key) : writes.Put(change.key, change.value);
    if (!status.ok()) return StoreStatus(status, "writing", directory_);
  }
  const std::shared_ptr<rocksdb::DB> db = Writable();
  if (db == nullptr) return Failure();
  rocksdb::WriteOptions options;
  options.sync = sync;
  const absl::Status status = StoreStatus(db->Write(options, &writes), "writing", directory_);
  if (status.ok()) return status;
  absl::MutexLock lock(&mu_);
  if (db_ == db && failure_.ok()) failure_ = status;
  return status;
}

absl::Status RocksStore::Scan(absl::string_view prefix,
                              absl::FunctionRef<bool(absl::string_view, absl::string_view)> visit) {
  const std::shared_ptr<rocksdb::DB> db = Readable();
  if (db == nullptr) return Failure();
  const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
  for (at->Seek(SliceOf(prefix)); at->Valid() && at->key().starts_with(SliceOf(prefix));
       at->Next()) {
    if (!visit(ViewOf(at->key()), ViewOf(at->value()))) break;
  }
  return StoreStatus(at->status(), "reading", directory_);
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
