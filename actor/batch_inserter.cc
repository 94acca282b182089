#include "actor/batch_inserter.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/error_reason.h"
#include "runtime/refusal.h"

namespace anabranch {
namespace {

bool IsPowerOfTwo(int64_t n) { return (n & (n - 1)) == 0; }

absl::Status InsertOnce(InsertStream& replay, const v1::InsertBatch& batch) {
  const auto answer = replay.Insert(batch);
  if (!answer.ok()) return answer.status();
  if (answer->sequence() != batch.sequence()) {
    return absl::InternalError(absl::StrCat("replay acknowledged batch ", answer->sequence(),
                                            ", sent was ", batch.sequence()));
  }
  if (answer->result() != v1::INSERT_RESULT_REFUSED) return absl::OkStatus();
  return RefusalStatus(answer->refusal());
}

}  // namespace

BatchInserter::BatchInserter(const BackoffOptions& backoff, uint64_t seed, Sleeper sleep,
                             std::function<void()> on_retry, Log& log)
    : backoff_(backoff, seed),
      sleep_(std::move(sleep)),
      on_retry_(std::move(on_retry)),
      log_(log) {}

absl::Status BatchInserter::Insert(InsertStream& replay, const v1::InsertBatch& batch) {
  backoff_.Reset();
  while (true) {
    const absl::Status status = InsertOnce(replay, batch);
    if (!IsRetryable(status)) return status;
    const absl::Duration delay = backoff_.Next();
    if (IsPowerOfTwo(backoff_.tries())) {
      log_.Warning("replay did not take a batch; sending it again",
                   {{"sequence", absl::StrCat(batch.sequence())},
                    {"error", std::string(status.message())},
                    {"reason", ReasonOf(status)},
                    {"retry_in", absl::FormatDuration(delay)}});
    }
    if (on_retry_) on_retry_();
    if (!sleep_(delay)) return absl::CancelledError("the actor ends");
  }
}

}  // namespace anabranch
