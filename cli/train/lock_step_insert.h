// Inserts that must not wait, because the one that they would wait for is the same thread.
#ifndef ANABRANCH_CLI_TRAIN_LOCK_STEP_INSERT_H_
#define ANABRANCH_CLI_TRAIN_LOCK_STEP_INSERT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "replay/replay_service.h"
#include "runtime/channels.h"

namespace anabranch {

class LockStepInsert final : public InsertStream {
 public:
  // `opened` is a stream of `replay`, which outlives both.
  LockStepInsert(ReplayService& replay, uint64_t client_incarnation,
                 std::unique_ptr<InsertStream> opened)
      : replay_(replay), client_incarnation_(client_incarnation), stream_(std::move(opened)) {}

  const v1::InsertOpened& opened() const override { return stream_->opened(); }

  // FAILED_PRECONDITION where Insert of a stream would block.
  absl::StatusOr<v1::InsertAcknowledgement> Insert(v1::InsertBatch batch) override {
    auto result = replay_.Insert(client_incarnation_, std::move(batch), absl::InfinitePast());
    if (!absl::IsDeadlineExceeded(result.status())) return result;
    return absl::FailedPreconditionError(absl::StrCat(
        "in lock-step replay can neither take a batch nor give one (", result.status().message(),
        "); raise replay.tables.*.max_items, or lower actor.rollout_trajectories"));
  }

  void Cancel() override {}  // It never waits.

 private:
  ReplayService& replay_;
  const uint64_t client_incarnation_;
  const std::unique_ptr<InsertStream> stream_;
};

}  // namespace anabranch

#endif  // ANABRANCH_CLI_TRAIN_LOCK_STEP_INSERT_H_
