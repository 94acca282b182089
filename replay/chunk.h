// An inserted batch as the tables keep it.
#ifndef ANABRANCH_REPLAY_CHUNK_H_
#define ANABRANCH_REPLAY_CHUNK_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "anabranch/v1/trajectory.pb.h"
#include "runtime/trajectory_batch.h"

namespace anabranch {

// The columns of one inserted batch. Immutable while shared, so read without a lock.
class Chunk {
 public:
  const v1::TrajectoryBatch& batch() const { return batch_; }
  const BatchLayout& layout() const { return layout_; }
  int64_t rows() const { return layout_.size(); }
  // Memory that its columns take.
  int64_t bytes() const { return bytes_; }

 private:
  friend class ChunkRef;
  Chunk(v1::TrajectoryBatch&& batch, BatchLayout&& layout)
      : batch_(std::move(batch)), layout_(std::move(layout)), bytes_(ColumnBytes(batch_)) {}

  v1::TrajectoryBatch batch_;
  const BatchLayout layout_;
  const int64_t bytes_;
  std::atomic<int64_t> holders_{1};
};

// A share in a chunk, which goes with its last share. Not std::shared_ptr, because the last holder
// may take the columns instead of copying them, and use_count() doesn't say so safely across
// threads. Distinct references to one chunk may be used by different threads.
class ChunkRef {
 public:
  ChunkRef() = default;
  // `layout` is what CheckTrajectoryBatch gave for `batch`.
  ChunkRef(v1::TrajectoryBatch&& batch, BatchLayout&& layout)
      : chunk_(new Chunk(std::move(batch), std::move(layout))) {}
  ChunkRef(const ChunkRef& other) : chunk_(other.chunk_) {
    if (chunk_ != nullptr) chunk_->holders_.fetch_add(1, std::memory_order_relaxed);
  }
  ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
  ChunkRef& operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
  }
  ~ChunkRef() {
    if (chunk_ != nullptr && chunk_->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete chunk_;
    }
  }

  const Chunk& operator*() const { return *chunk_; }
  const Chunk* operator->() const { return chunk_; }
  const Chunk* get() const { return chunk_; }
  explicit operator bool() const { return chunk_ != nullptr; }

  // True if nobody else holds the chunk; nobody else can come to hold it then.
  bool unique() const { return chunk_->holders_.load(std::memory_order_acquire) == 1; }
  // The columns of a chunk that is unique(); the chunk is empty afterwards.
  v1::TrajectoryBatch TakeBatch() && { return std::move(chunk_->batch_); }

 private:
  Chunk* chunk_ = nullptr;
};

}  // namespace anabranch

#endif  // ANABRANCH_REPLAY_CHUNK_H_
